//! Judges datagrams, whose sender anybody can forge: none is answered that could begin a loop
//! between two servers (CVE-1999-0103, CVE-2024-2169), and no network gets more answers than its
//! rate, so that nobody can be flooded through us.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Policy;
use super::cidr::Networks;
use super::prefix::Source;
use super::rate::Buckets;
use crate::engine::{Metrics, Time};

/// Answers up to this size cost one unit of a network's rate, twice as large ones two, and so on:
/// about what an Ethernet frame carries.
const UNIT_BYTES: usize = 1500;
/// The first port that an ordinary program may use (IANA's user ports begin here).
const LOW_PORTS_END: u16 = 1024;

/// The guard of all datagram sockets.
pub struct Letterbox {
    networks: Networks,
    low_ports: bool,
    rate_loopback: bool,
    /// The ports of our own datagram services.
    own_ports: Vec<u16>,
    /// The broadcast addresses of networks that we are in, sorted.
    broadcasts: Vec<Ipv4Addr>,
    rate: Option<Buckets>,
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// It cannot come from where it says, or was sent to many: no port, no unicast address.
    Address,
    /// It comes from a port on which we answer ourselves: the two would never stop.
    OwnPort,
    /// It comes from a port below 1024, where only servers are.
    LowPort,
    /// Its address is denied, or not among those allowed.
    Denied,
    /// Its network has had its rate.
    Rate,
}

impl Unheard {
    /// The counter of that reason.
    pub fn counter(self, metrics: &mut Metrics) -> &mut u64 {
        match self {
            Unheard::Address => &mut metrics.unheard_address,
            Unheard::OwnPort => &mut metrics.unheard_own_port,
            Unheard::LowPort => &mut metrics.unheard_low_port,
            Unheard::Denied => &mut metrics.unheard_denied,
            Unheard::Rate => &mut metrics.unheard_rate,
        }
    }
}

impl Letterbox {
    pub(super) fn new(policy: &Policy) -> Letterbox {
        Letterbox {
            networks: policy.networks.clone(),
            low_ports: policy.udp_low_ports,
            rate_loopback: policy.udp_rate_loopback,
            own_ports: Vec::new(),
            broadcasts: Vec::new(),
            rate: policy.udp_rate.map(|rate| Buckets::new(rate, policy.seed)),
        }
    }

    /// Takes note that we answer on that port.
    pub fn opened(&mut self, port: u16) {
        if !self.own_ports.contains(&port) {
            self.own_ports.push(port);
        }
    }

    /// From now on these are the broadcast addresses of networks that we are in.
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

    /// Whether a datagram may be looked at: `from` its sender, `to` the address it was sent to,
    /// if that is known.
    ///
    /// # Errors
    /// Why it gets no answer.
    pub fn screen(&self, from: SocketAddr, to: Option<IpAddr>) -> Result<(), Unheard> {
        let address = from.ip().to_canonical();
        let to_many = to.is_some_and(|to| is_for_many(to) || self.is_broadcast(to));
        let is_one = is_unicast(address) && !self.is_broadcast(address);
        if from.port() == 0 || !is_one || to_many {
            return Err(Unheard::Address);
        }
        if self.own_ports.contains(&from.port()) {
            return Err(Unheard::OwnPort);
        }
        if from.port() < LOW_PORTS_END && !self.low_ports {
            return Err(Unheard::LowPort);
        }
        match self.networks.allow(address) {
            true => Ok(()),
            false => Err(Unheard::Denied),
        }
    }

    /// Pays for an answer of so many bytes, `weight` times as dear as an ordinary one.
    ///
    /// # Errors
    /// If the network of `to` has had its rate: the answer must not be sent.
    pub fn charge(
        &mut self,
        to: IpAddr,
        bytes: usize,
        weight: u32,
        now: Time,
    ) -> Result<(), Unheard> {
        let Some(rate) = &mut self.rate else { return Ok(()) };
        if to.to_canonical().is_loopback() && !self.rate_loopback {
            return Ok(());
        }
        let size = u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
        let units = size.saturating_mul(weight);
        match rate.spend(Source::network(to), units, now) {
            true => Ok(()),
            false => Err(Unheard::Rate),
        }
    }
}

/// Whether an answer to that address would go to one host (RFC 1122, 3.2.1.3; RFC 4291, 2.7).
/// Broadcast addresses of single networks do not show; those of our own are known apart.
fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !matches!(address.octets()[0], 0 | 224..),
        IpAddr::V6(address) => !address.is_unspecified() && !address.is_multicast(),
    }
}

/// Whether a datagram to that address reached others too: we would be one of many to answer.
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

    fn letterbox(policy: &Policy) -> Letterbox {
        let mut letterbox = Letterbox::new(policy);
        [5007, 8091].into_iter().for_each(|port| letterbox.opened(port));
        letterbox
    }

    #[test]
    fn what_could_begin_a_loop_is_not_looked_at() {
        let letterbox = letterbox(&Policy::default());
        for (sender, why) in [
            ("192.0.2.1:0", Unheard::Address),
            ("0.0.0.0:4000", Unheard::Address),
            ("0.1.2.3:4000", Unheard::Address),
            ("224.0.0.1:4000", Unheard::Address),
            ("240.0.0.1:4000", Unheard::Address),
            ("255.255.255.255:4000", Unheard::Address),
            ("[::]:4000", Unheard::Address),
            ("[ff02::1]:4000", Unheard::Address),
            ("[::ffff:255.255.255.255]:4000", Unheard::Address),
            ("192.0.2.1:5007", Unheard::OwnPort),
            ("127.0.0.1:8091", Unheard::OwnPort),
            ("192.0.2.1:7", Unheard::LowPort),
            ("[2001:db8::1]:53", Unheard::LowPort),
        ] {
            assert_eq!(letterbox.screen(from(sender), None), Err(why), "{sender}");
        }
        for sender in ["192.0.2.1:4000", "127.0.0.1:1024", "[2001:db8::1]:65535"] {
            assert_eq!(letterbox.screen(from(sender), None), Ok(()), "{sender}");
        }
    }

    #[test]
    fn what_was_sent_to_many_is_not_answered_by_us() {
        let letterbox = letterbox(&Policy::default());
        let screen = |to: &str| letterbox.screen(from("192.0.2.1:4000"), to.parse().ok());
        for to in ["255.255.255.255", "224.0.0.1", "ff02::1"] {
            assert_eq!(screen(to), Err(Unheard::Address), "{to}");
        }
        assert_eq!(screen("192.0.2.99"), Ok(()));
    }

    #[test]
    fn a_broadcast_address_of_our_own_network_is_neither_answered_nor_answered_for() {
        let mut letterbox = letterbox(&Policy::default());
        letterbox.know_broadcasts(
            ["192.0.2.255", "127.255.255.255"].map(|ip| ip.parse().unwrap()).into(),
        );
        let screen = |sender: &str, to: &str| letterbox.screen(from(sender), to.parse().ok());
        assert_eq!(screen("192.0.2.1:4000", "192.0.2.255"), Err(Unheard::Address));
        assert_eq!(screen("192.0.2.1:4000", "::ffff:192.0.2.255"), Err(Unheard::Address));
        assert_eq!(screen("127.0.0.1:4000", "127.255.255.255"), Err(Unheard::Address));
        assert_eq!(screen("192.0.2.255:4000", "192.0.2.1"), Err(Unheard::Address));
        assert_eq!(screen("192.0.2.254:4000", "192.0.2.1"), Ok(()));
        assert_eq!(screen("192.0.3.255:4000", "192.0.2.1"), Ok(()), "a host of a larger network");
    }

    #[test]
    fn low_ports_are_heard_if_allowed() {
        let letterbox = letterbox(&Policy { udp_low_ports: true, ..Policy::default() });
        assert_eq!(letterbox.screen(from("192.0.2.1:53"), None), Ok(()));
        assert_eq!(letterbox.screen(from("192.0.2.1:5007"), None), Err(Unheard::OwnPort));
    }

    #[test]
    fn a_network_has_its_rate_and_loopback_as_much_as_it_likes() {
        let policy = Policy { udp_rate: Some(10.0), ..Policy::default() };
        let answered = |letterbox: &mut Letterbox, to: &str, bytes, weight| {
            let to = to.parse().unwrap();
            (0..100).filter(|_| letterbox.charge(to, bytes, weight, Time::ZERO).is_ok()).count()
        };
        let mut guard = letterbox(&policy);
        assert_eq!(answered(&mut guard, "192.0.2.1", 10, 1), 10);
        assert_eq!(answered(&mut guard, "192.0.2.2", 10, 1), 0, "the same network");
        assert_eq!(answered(&mut guard, "192.0.3.1", 3000, 1), 5, "twice as large");
        assert_eq!(answered(&mut guard, "192.0.4.1", 10, 20), 1, "dear");
        assert_eq!(answered(&mut guard, "127.0.0.1", 10, 20), 100);
        let mut strict = letterbox(&Policy { udp_rate_loopback: true, ..policy });
        assert_eq!(answered(&mut strict, "127.0.0.1", 10, 1), 10);
    }
}
