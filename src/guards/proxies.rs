//! Who may say for whom it speaks: the proxies that begin with a PROXY header.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::parse_network;
use crate::engine::Address;

/// One of them: a network, or whoever connects to a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Whoever connects from that network.
    Network(IpNet),
    /// Whoever connects to a unix socket.
    Unix,
}

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Proxy, String> {
        match text {
            "unix" => Ok(Proxy::Unix),
            _ => parse_network(text).map(Proxy::Network).map_err(|why| format!("{why}, or unix")),
        }
    }
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Proxy>);

impl Proxies {
    /// These.
    pub fn new(proxies: &[Proxy]) -> Proxies {
        Proxies(proxies.to_vec())
    }

    /// Whether whoever connects from there is one.
    pub fn has(&self, address: Address) -> bool {
        let has = |ip: IpAddr| {
            self.0.iter().any(|one| matches!(one, Proxy::Network(net) if net.contains(&ip)))
        };
        match address {
            Address::Ip(address) => has(address.ip().to_canonical()),
            Address::Unix(_) => self.0.contains(&Proxy::Unix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_known_by_its_network_or_by_its_unix_socket() {
        let proxies = |words: &[&str]| {
            let parsed: Vec<Proxy> = words.iter().map(|word| word.parse().unwrap()).collect();
            Proxies::new(&parsed)
        };
        let ten = Address::from(([10, 1, 2, 3], 4000));
        let mapped = Address::Ip("[::ffff:10.1.2.3]:4000".parse().unwrap());
        let (other, unix) = (Address::from(([192, 0, 2, 1], 4000)), Address::Unix(None));
        for (words, has) in [
            (&[][..], [false; 4]),
            (&["10.0.0.0/8"], [true, true, false, false]),
            (&["unix"], [false, false, false, true]),
            (&["192.0.2.1", "unix"], [false, false, true, true]),
            (&["::/0"], [false; 4]),
        ] {
            assert_eq!([ten, mapped, other, unix].map(|one| proxies(words).has(one)), has);
        }
        assert!("ten".parse::<Proxy>().unwrap_err().contains("or unix"));
    }
}
