//! Whom a limit counts as one: an address masked to the network that one subscriber usually has.

use std::net::{IpAddr, Ipv6Addr};

use crate::splitmix::mix;

/// The prefix of an address that stands for one subscriber, as far as an address tells. Not an
/// address: nothing can be sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix(u128);

impl Prefix {
    /// Nobody's: no packet comes from the end of the multicast range.
    pub(super) const NONE: Prefix = Prefix(u128::MAX);

    /// The whole IPv4 address, or the IPv6 /64, in which any host can take as many addresses as it
    /// likes.
    pub fn host(address: IpAddr) -> Prefix {
        match address.to_canonical() {
            IpAddr::V4(address) => Prefix(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Prefix::network_v6(address),
        }
    }

    /// The IPv4 /24 or the IPv6 /64: whoever can forge one address can forge its neighbours.
    pub fn network(address: IpAddr) -> Prefix {
        match address.to_canonical() {
            IpAddr::V4(address) => Prefix(address.to_ipv6_mapped().to_bits() & !0xff),
            IpAddr::V6(address) => Prefix::network_v6(address),
        }
    }

    /// The user whose processes connect over unix sockets; `None`: all that the kernel does not
    /// tell of.
    pub fn user(uid: Option<u32>) -> Prefix {
        // Multicast addresses: no peer over IP has one.
        let known = uid.map_or(0, |uid| 1 << 32 | u128::from(uid));
        Prefix(0xff << 120 | known)
    }

    fn network_v6(address: Ipv6Addr) -> Prefix {
        // All hosts of a link share fe80::/64: only their whole addresses tell them apart.
        match address.is_unicast_link_local() {
            true => Prefix(address.to_bits()),
            false => Prefix(address.to_bits() >> 64 << 64),
        }
    }

    /// A hash that nobody can predict who does not know `seed`.
    #[allow(clippy::cast_possible_truncation)] // both halves are used
    pub(super) fn hash(self, seed: u64) -> u64 {
        mix(mix(seed ^ (self.0 >> 64) as u64) ^ self.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn neighbours_are_one_network_and_strangers_are_not() {
        let same = |a, b| Prefix::network(ip(a)) == Prefix::network(ip(b));
        assert!(same("192.0.2.1", "192.0.2.254"));
        assert!(!same("192.0.2.1", "192.0.3.1"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.9"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(!same("fe80::1", "fe80::2"));
    }

    #[test]
    fn users_are_told_apart_and_nobody_over_ip_is_one() {
        let all = [Prefix::user(None), Prefix::user(Some(0)), Prefix::user(Some(u32::MAX))];
        assert!(all[0] != all[1] && all[1] != all[2] && !all.contains(&Prefix::NONE));
        let ips = ["::", "0.0.0.0", "::1", "ff00:0:0:1::"].map(|text| Prefix::host(ip(text)));
        assert!(ips.iter().all(|ip| !all.contains(ip)));
    }

    #[test]
    fn a_host_is_one_ipv4_address_or_one_ipv6_subscriber() {
        let same = |a, b| Prefix::host(ip(a)) == Prefix::host(ip(b));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2::2"));
    }
}
