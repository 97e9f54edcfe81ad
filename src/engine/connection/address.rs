//! A peer's address without padding: `Address` takes 32 bytes, this takes 27 that lie anywhere.
//! Nothing is lost on the way in and out.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::engine::address::{Address, Credentials};
use crate::engine::counts::Carrier;

/// An address for keeping. For all else there is `Address`.
#[derive(Clone, Copy)]
pub(crate) struct Packed(Family);

/// Numbers as bytes, because those need no alignment.
#[derive(Clone, Copy)]
enum Family {
    V4 { ip: Ipv4Addr, port: [u8; 2] },
    V6 { ip: Ipv6Addr, port: [u8; 2], flow: [u8; 4], scope: [u8; 4] },
    Unix(Option<([u8; 4], [u8; 4])>),
}

impl Packed {
    /// See `Address::carrier`.
    pub(crate) fn carrier(self) -> Carrier {
        match self.0 {
            Family::V4 { .. } | Family::V6 { .. } => Carrier::Tcp,
            Family::Unix(_) => Carrier::Unix,
        }
    }
}

impl From<Address> for Packed {
    fn from(address: Address) -> Packed {
        Packed(match address {
            Address::Ip(SocketAddr::V4(v4)) => {
                Family::V4 { ip: *v4.ip(), port: v4.port().to_ne_bytes() }
            }
            Address::Ip(SocketAddr::V6(v6)) => {
                let (flow, scope) = (v6.flowinfo().to_ne_bytes(), v6.scope_id().to_ne_bytes());
                Family::V6 { ip: *v6.ip(), port: v6.port().to_ne_bytes(), flow, scope }
            }
            Address::Unix(whose) => {
                Family::Unix(whose.map(|one| (one.uid.to_ne_bytes(), one.pid.to_ne_bytes())))
            }
        })
    }
}

impl From<Packed> for Address {
    fn from(packed: Packed) -> Address {
        let number = u32::from_ne_bytes;
        match packed.0 {
            Family::V4 { ip, port } => {
                Address::Ip(SocketAddrV4::new(ip, u16::from_ne_bytes(port)).into())
            }
            Family::V6 { ip, port, flow, scope } => {
                let port = u16::from_ne_bytes(port);
                Address::Ip(SocketAddrV6::new(ip, port, number(flow), number(scope)).into())
            }
            Family::Unix(whose) => Address::Unix(
                whose.map(|(uid, pid)| Credentials { uid: number(uid), pid: number(pid) }),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let v6 = |ip: &str, flow, scope| {
            Address::Ip(SocketAddrV6::new(ip.parse().unwrap(), 65_534, flow, scope).into())
        };
        let all: [Address; 7] = [
            ([192, 0, 2, 1], 5007).into(),
            v6("2001:db8::1", 0, 0),
            v6("fe80::1", 0, 3),
            v6("fe80::1", 0xf_ffff, u32::MAX),
            // An IPv4 peer in the clothes of IPv6 is not the same as one without them.
            v6("::ffff:192.0.2.1", 0, 0),
            Address::Unix(None),
            Address::Unix(Some(Credentials { uid: u32::MAX, pid: 1 })),
        ];
        for address in all {
            assert_eq!(Address::from(Packed::from(address)), address);
            assert_eq!(Packed::from(address).carrier(), address.carrier());
        }
    }
}
