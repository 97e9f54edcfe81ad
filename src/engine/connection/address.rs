//! A peer's address without padding: `SocketAddr` takes 32 bytes, this takes 27 that lie anywhere.
//! Nothing is lost on the way in and out.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// An address for keeping. For all else there is `SocketAddr`.
#[derive(Clone, Copy)]
pub(crate) struct Address(Family);

/// Numbers as bytes, because those need no alignment.
#[derive(Clone, Copy)]
enum Family {
    V4 { ip: Ipv4Addr, port: [u8; 2] },
    V6 { ip: Ipv6Addr, port: [u8; 2], flow: [u8; 4], scope: [u8; 4] },
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        let port = address.port().to_ne_bytes();
        Address(match address {
            SocketAddr::V4(v4) => Family::V4 { ip: *v4.ip(), port },
            SocketAddr::V6(v6) => {
                let (flow, scope) = (v6.flowinfo().to_ne_bytes(), v6.scope_id().to_ne_bytes());
                Family::V6 { ip: *v6.ip(), port, flow, scope }
            }
        })
    }
}

impl From<Address> for SocketAddr {
    fn from(address: Address) -> SocketAddr {
        match address.0 {
            Family::V4 { ip, port } => SocketAddrV4::new(ip, u16::from_ne_bytes(port)).into(),
            Family::V6 { ip, port, flow, scope } => {
                let (flow, scope) = (u32::from_ne_bytes(flow), u32::from_ne_bytes(scope));
                SocketAddrV6::new(ip, u16::from_ne_bytes(port), flow, scope).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let v6 = |ip: &str, flow, scope| {
            SocketAddrV6::new(ip.parse().unwrap(), 65_534, flow, scope).into()
        };
        let all: [SocketAddr; 5] = [
            ([192, 0, 2, 1], 5007).into(),
            v6("2001:db8::1", 0, 0),
            v6("fe80::1", 0, 3),
            v6("fe80::1", 0xf_ffff, u32::MAX),
            // An IPv4 peer in the clothes of IPv6 is not the same as one without them.
            v6("::ffff:192.0.2.1", 0, 0),
        ];
        for address in all {
            assert_eq!(SocketAddr::from(Address::from(address)), address);
        }
    }
}
