//! Where somebody is: at an address of a network, or on this machine, known by what the kernel
//! says of its process.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::connection::Kind;
use super::counts::Carrier;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Over IP.
    Ip(SocketAddr),
    /// At a unix socket: peers have no names there. `None`: the kernel does not say whose it is,
    /// or it is our own.
    Unix(Option<Credentials>),
}

/// Whose process it was that connected (unix(7), SO_PEERCRED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub uid: u32,
    /// The process; 0: it has no number here.
    pub pid: u32,
}

impl Address {
    /// Its IP address, if it has one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Address::Ip(address) => Some(address.ip()),
            Address::Unix(_) => None,
        }
    }

    /// Its port, if it has one.
    pub fn port(self) -> Option<u16> {
        match self {
            Address::Ip(address) => Some(address.port()),
            Address::Unix(_) => None,
        }
    }

    /// The transport over which somebody at this address has a connection of that kind, as logs
    /// name it.
    pub fn transport(self, kind: Kind) -> &'static str {
        match kind {
            Kind::Stream => self.carrier().name(),
            Kind::Datagram => "udp",
        }
    }

    /// What carries a stream to or from it.
    pub fn carrier(self) -> Carrier {
        match self {
            Address::Ip(_) => Carrier::Tcp,
            Address::Unix(_) => Carrier::Unix,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for Address {
    fn from(ip_and_port: (I, u16)) -> Address {
        Address::Ip(ip_and_port.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(None) => f.write_str("unix"),
            Address::Unix(Some(Credentials { uid, pid: 0 })) => write!(f, "unix uid {uid}"),
            Address::Unix(Some(Credentials { uid, pid })) => write!(f, "unix uid {uid} pid {pid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_as_people_know_it() {
        let whose = Credentials { uid: 1000, pid: 4711 };
        for (address, text, transports) in [
            (([192, 0, 2, 1], 7).into(), "192.0.2.1:7", ["tcp", "udp"]),
            (Address::Ip("[::1]:7".parse().unwrap()), "[::1]:7", ["tcp", "udp"]),
            (Address::Unix(Some(whose)), "unix uid 1000 pid 4711", ["unix", "udp"]),
            (
                Address::Unix(Some(Credentials { pid: 0, ..whose })),
                "unix uid 1000",
                ["unix", "udp"],
            ),
            (Address::Unix(None), "unix", ["unix", "udp"]),
        ] {
            assert_eq!(address.to_string(), text);
            let told = [Kind::Stream, Kind::Datagram].map(|kind| address.transport(kind));
            assert_eq!(told, transports, "{text}");
        }
    }
}
