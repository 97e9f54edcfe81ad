//! Judges datagrams, whose sender anybody can forge: none is answered that could start a loop
//! between two servers (CVE-1999-0103, CVE-2024-2169), and no network gets more answers than its
//! rate, so that nobody can be flooded through us.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Policy;
use super::cidr::Networks;
use super::prefix::Prefix;
use super::rate::{RateTable, retune};
use crate::engine::{ResponderCounts, Time};

/// An answer up to this size costs one unit of a network's rate, one twice as large two, and so on.
/// It is about what an Ethernet frame carries.
const UNIT_BYTES: usize = 1500;
/// The first port that an ordinary program may use (IANA's user ports begin here).
const LOW_PORTS_END: u16 = 1024;

/// The guard of all datagram sockets.
pub struct DatagramGuard {
    networks: Networks,
    /// Whether datagrams from ports below `LOW_PORTS_END` are answered.
    low_ports: bool,
    /// Whether loopback has a rate too.
    rate_loopback: bool,
    /// The ports of our own datagram services.
    own_ports: Vec<u16>,
    /// The broadcast addresses of networks that we are in, sorted.
    broadcasts: Vec<Ipv4Addr>,
    rate: Option<RateTable>,
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramRefusal {
    /// Its sender has no port or no unicast address, or it was sent to more hosts than this one.
    Address,
    /// It comes from a port on which we answer ourselves: the two sides would never stop.
    OwnPort,
    /// It comes from a port below 1024, where only servers are.
    LowPort,
    /// Its address is denied, or not among those allowed.
    Denied,
    /// Its network has used up its rate.
    Rate,
}

impl DatagramRefusal {
    /// The counter of that reason.
    pub fn counter(self, counts: &mut ResponderCounts) -> &mut u64 {
        match self {
            DatagramRefusal::Address => &mut counts.refused_address,
            DatagramRefusal::OwnPort => &mut counts.refused_own_port,
            DatagramRefusal::LowPort => &mut counts.refused_low_port,
            DatagramRefusal::Denied => &mut counts.refused_denied,
            DatagramRefusal::Rate => &mut counts.refused_rate,
        }
    }
}

impl DatagramGuard {
    pub(super) fn new(policy: &Policy) -> DatagramGuard {
        DatagramGuard {
            networks: policy.networks.clone(),
            low_ports: policy.udp_low_ports,
            rate_loopback: policy.udp_rate_loopback,
            own_ports: Vec::new(),
            broadcasts: Vec::new(),
            rate: policy.udp_rate.map(|rate| RateTable::new(rate, policy.seed)),
        }
    }

    /// Judges by another policy from now on.
    pub fn change(&mut self, policy: &Policy) {
        self.networks = policy.networks.clone();
        self.low_ports = policy.udp_low_ports;
        self.rate_loopback = policy.udp_rate_loopback;
        retune(&mut self.rate, policy.udp_rate, policy.seed);
    }

    /// We answer on that port from now on.
    pub fn opened(&mut self, port: u16) {
        if !self.own_ports.contains(&port) {
            self.own_ports.push(port);
        }
    }

    /// These are now the broadcast addresses of the networks that we are in.
    pub fn know_broadcasts(&mut self, mut addresses: Vec<Ipv4Addr>) {
        addresses.sort_unstable();
        self.broadcasts = addresses;
    }

    fn is_broadcast(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.broadcasts.binary_search(&address).is_ok(),
            IpAddr::V6(_) => false,
        }
    }

    /// Judges a datagram before anybody looks into it: `from` is its sender, `to` the address that
    /// it was sent to, if that is known.
    ///
    /// # Errors
    /// Why it gets no answer.
    pub fn screen(&self, from: SocketAddr, to: Option<IpAddr>) -> Result<(), DatagramRefusal> {
        let address = from.ip().to_canonical();
        let to_many = to.is_some_and(|to| is_for_many(to) || self.is_broadcast(to));
        let is_one = is_unicast(address) && !self.is_broadcast(address);
        if from.port() == 0 || !is_one || to_many {
            return Err(DatagramRefusal::Address);
        }
        if self.own_ports.contains(&from.port()) {
            return Err(DatagramRefusal::OwnPort);
        }
        if from.port() < LOW_PORTS_END && !self.low_ports {
            return Err(DatagramRefusal::LowPort);
        }
        match self.networks.allow(address) {
            true => Ok(()),
            false => Err(DatagramRefusal::Denied),
        }
    }

    /// Charges the network of `to` for an answer of `bytes` bytes that costs `weight` times as much
    /// as an ordinary one.
    ///
    /// # Errors
    /// If that network has used up its rate: the answer must not be sent.
    pub fn charge(
        &mut self,
        to: IpAddr,
        bytes: usize,
        weight: u32,
        now: Time,
    ) -> Result<(), DatagramRefusal> {
        let Some(rate) = &mut self.rate else { return Ok(()) };
        if to.to_canonical().is_loopback() && !self.rate_loopback {
            return Ok(());
        }
        let size = u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
        let units = size.saturating_mul(weight);
        match rate.spend(Prefix::network(to), units, now) {
            true => Ok(()),
            false => Err(DatagramRefusal::Rate),
        }
    }
}

/// Whether an answer to that address would go to one host (RFC 1122, 3.2.1.3; RFC 4291, 2.7).
/// The broadcast address of a network does not look like one; those of our own networks are known
/// from elsewhere (`know_broadcasts`).
fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !matches!(address.octets()[0], 0 | 224..),
        IpAddr::V6(address) => !address.is_unspecified() && !address.is_multicast(),
    }
}

/// Whether a datagram to that address reached others too: we would be one of many who answer.
fn is_for_many(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn guarding(policy: &Policy) -> DatagramGuard {
        let mut guard = DatagramGuard::new(policy);
        [5007, 8091].into_iter().for_each(|port| guard.opened(port));
        guard
    }

    #[test]
    fn what_could_begin_a_loop_is_not_looked_at() {
        let guard = guarding(&Policy::default());
        for (sender, why) in [
            ("192.0.2.1:0", DatagramRefusal::Address),
            ("0.0.0.0:4000", DatagramRefusal::Address),
            ("0.1.2.3:4000", DatagramRefusal::Address),
            ("224.0.0.1:4000", DatagramRefusal::Address),
            ("240.0.0.1:4000", DatagramRefusal::Address),
            ("255.255.255.255:4000", DatagramRefusal::Address),
            ("[::]:4000", DatagramRefusal::Address),
            ("[ff02::1]:4000", DatagramRefusal::Address),
            ("[::ffff:255.255.255.255]:4000", DatagramRefusal::Address),
            ("192.0.2.1:5007", DatagramRefusal::OwnPort),
            ("127.0.0.1:8091", DatagramRefusal::OwnPort),
            ("192.0.2.1:7", DatagramRefusal::LowPort),
            ("[2001:db8::1]:53", DatagramRefusal::LowPort),
        ] {
            assert_eq!(guard.screen(from(sender), None), Err(why), "{sender}");
        }
        for sender in ["192.0.2.1:4000", "127.0.0.1:1024", "[2001:db8::1]:65535"] {
            assert_eq!(guard.screen(from(sender), None), Ok(()), "{sender}");
        }
    }

    #[test]
    fn what_was_sent_to_many_is_not_answered_by_us() {
        let guard = guarding(&Policy::default());
        let screen = |to: &str| guard.screen(from("192.0.2.1:4000"), to.parse().ok());
        for to in ["255.255.255.255", "224.0.0.1", "ff02::1"] {
            assert_eq!(screen(to), Err(DatagramRefusal::Address), "{to}");
        }
        assert_eq!(screen("192.0.2.99"), Ok(()));
    }

    #[test]
    fn a_broadcast_address_of_our_own_network_is_neither_answered_nor_answered_for() {
        let mut guard = guarding(&Policy::default());
        guard.know_broadcasts(
            ["192.0.2.255", "127.255.255.255"].map(|ip| ip.parse().unwrap()).into(),
        );
        let screen = |sender: &str, to: &str| guard.screen(from(sender), to.parse().ok());
        assert_eq!(screen("192.0.2.1:4000", "192.0.2.255"), Err(DatagramRefusal::Address));
        assert_eq!(screen("192.0.2.1:4000", "::ffff:192.0.2.255"), Err(DatagramRefusal::Address));
        assert_eq!(screen("127.0.0.1:4000", "127.255.255.255"), Err(DatagramRefusal::Address));
        assert_eq!(screen("192.0.2.255:4000", "192.0.2.1"), Err(DatagramRefusal::Address));
        assert_eq!(screen("192.0.2.254:4000", "192.0.2.1"), Ok(()));
        assert_eq!(screen("192.0.3.255:4000", "192.0.2.1"), Ok(()), "a host of a larger network");
    }

    #[test]
    fn another_policy_keeps_what_is_known_of_ports() {
        let mut guard = guarding(&Policy::default());
        let networks = Networks::new(&[], &[super::super::parse_network("10.0.0.0/8").unwrap()]);
        let networks = networks.unwrap();
        guard.change(&Policy { udp_low_ports: true, networks, ..Policy::default() });
        assert_eq!(guard.screen(from("192.0.2.1:53"), None), Ok(()));
        assert_eq!(guard.screen(from("10.0.0.1:4000"), None), Err(DatagramRefusal::Denied));
        assert_eq!(guard.screen(from("192.0.2.1:5007"), None), Err(DatagramRefusal::OwnPort));
    }

    #[test]
    fn low_ports_are_heard_if_allowed() {
        let guard = guarding(&Policy { udp_low_ports: true, ..Policy::default() });
        assert_eq!(guard.screen(from("192.0.2.1:53"), None), Ok(()));
        assert_eq!(guard.screen(from("192.0.2.1:5007"), None), Err(DatagramRefusal::OwnPort));
    }

    #[test]
    fn a_network_has_its_rate_and_loopback_as_much_as_it_likes() {
        let policy = Policy { udp_rate: Some(10.0), ..Policy::default() };
        let answered = |guard: &mut DatagramGuard, to: &str, bytes, weight| {
            let to = to.parse().unwrap();
            (0..100).filter(|_| guard.charge(to, bytes, weight, Time::ZERO).is_ok()).count()
        };
        let mut guard = guarding(&policy);
        assert_eq!(answered(&mut guard, "192.0.2.1", 10, 1), 10);
        assert_eq!(answered(&mut guard, "192.0.2.2", 10, 1), 0, "the same network");
        assert_eq!(answered(&mut guard, "192.0.3.1", 3000, 1), 5, "twice as large");
        assert_eq!(answered(&mut guard, "192.0.4.1", 10, 20), 1, "twenty times as dear");
        assert_eq!(answered(&mut guard, "127.0.0.1", 10, 20), 100);
        let mut strict = guarding(&Policy { udp_rate_loopback: true, ..policy });
        assert_eq!(answered(&mut strict, "127.0.0.1", 10, 1), 10);
    }
}
