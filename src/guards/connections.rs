//! Judges new connections: whether the address is allowed, how many its source has, how fast it
//! makes new ones. Whoever is turned away costs one accept and one close, and the service goes on
//! for everybody else.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::cidr::Networks;
use super::prefix::Source;
use super::rate::Buckets;
use super::{PerSource, Policy};
use crate::engine::{Metrics, Time};

/// The guard of all listeners.
pub struct Door {
    networks: Networks,
    /// Connections at once from one source.
    most: usize,
    spare_loopback: bool,
    /// How many each source has; those that have none are forgotten.
    counts: BTreeMap<Source, usize>,
    pace: Option<Buckets>,
}

/// Why a connection is closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// Its address is denied, or not among those allowed.
    Denied,
    /// Its source has so many already.
    Crowded(usize),
    /// Its source makes new ones too fast.
    Hasty,
}

impl Turned {
    /// The counter of that reason.
    pub fn counter(self, metrics: &mut Metrics) -> &mut u64 {
        match self {
            Turned::Denied => &mut metrics.turned_denied,
            Turned::Crowded(_) => &mut metrics.turned_crowded,
            Turned::Hasty => &mut metrics.turned_hasty,
        }
    }
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Turned::Denied => f.write_str("not allowed here (--allow, --deny)"),
            Turned::Crowded(most) => write!(f, "it has {most} already (--max-per-ip)"),
            Turned::Hasty => f.write_str("too many new ones (--accept-rate)"),
        }
    }
}

impl Door {
    pub(super) fn new(policy: &Policy, connections: usize) -> Door {
        let most = match policy.per_source {
            PerSource::Share => connections - connections / 4,
            PerSource::AtMost(most) => most,
            PerSource::Any => usize::MAX,
        };
        Door {
            networks: policy.networks.clone(),
            most,
            spare_loopback: policy.per_source == PerSource::Share,
            counts: BTreeMap::new(),
            pace: policy.accept_rate.map(|rate| Buckets::new(rate, policy.seed)),
        }
    }

    /// Lets a connection from `address` in, or says why not. Once in, it counts until `left`.
    ///
    /// # Errors
    /// Why it has to be closed at once.
    pub fn admit(&mut self, address: IpAddr, now: Time) -> Result<(), Turned> {
        if !self.networks.allow(address) {
            return Err(Turned::Denied);
        }
        let source = Source::host(address);
        let count = self.counts.get(&source).copied().unwrap_or_default();
        if self.counts(address) && count >= self.most {
            return Err(Turned::Crowded(self.most));
        }
        if let Some(pace) = &mut self.pace
            && !pace.spend(Source::network(address), 1, now)
        {
            return Err(Turned::Hasty);
        }
        if self.counts(address) {
            self.counts.insert(source, count + 1);
        }
        Ok(())
    }

    /// A connection from `address` that was let in is over.
    pub fn left(&mut self, address: IpAddr) {
        let source = Source::host(address);
        if let Some(count) = self.counts.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&source);
            }
        }
    }

    fn counts(&self, address: IpAddr) -> bool {
        self.most < usize::MAX && !(self.spare_loopback && address.to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn door(policy: &Policy) -> Door {
        Door::new(policy, 8)
    }

    #[test]
    fn one_source_never_has_all_and_whoever_goes_makes_room() {
        let mut door = door(&Policy::default());
        for _ in 0..6 {
            assert_eq!(door.admit(ip("192.0.2.1"), Time::ZERO), Ok(()));
        }
        assert_eq!(door.admit(ip("192.0.2.1"), Time::ZERO), Err(Turned::Crowded(6)));
        assert_eq!(door.admit(ip("192.0.2.2"), Time::ZERO), Ok(()));
        door.left(ip("192.0.2.1"));
        assert_eq!(door.admit(ip("192.0.2.1"), Time::ZERO), Ok(()));
        for _ in 0..20 {
            assert_eq!(door.admit(ip("127.0.0.1"), Time::ZERO), Ok(()), "loopback has all");
        }
    }

    #[test]
    fn a_number_that_was_asked_for_holds_for_loopback_and_for_a_whole_ipv6_network() {
        let policy = Policy { per_source: PerSource::AtMost(1), ..Policy::default() };
        let mut door = door(&policy);
        for (first, second) in [("127.0.0.1", "127.0.0.1"), ("2001:db8::1", "2001:db8::2")] {
            assert_eq!(door.admit(ip(first), Time::ZERO), Ok(()));
            assert_eq!(door.admit(ip(second), Time::ZERO), Err(Turned::Crowded(1)));
            door.left(ip(first));
        }
        assert!(door.counts.is_empty(), "who has none is forgotten");
    }

    #[test]
    fn a_hasty_network_waits_and_the_others_do_not() {
        let policy = Policy { accept_rate: Some(2.0), ..Policy::default() };
        let mut door = door(&policy);
        assert_eq!(door.admit(ip("192.0.2.1"), Time::ZERO), Ok(()));
        assert_eq!(door.admit(ip("192.0.2.2"), Time::ZERO), Ok(()));
        assert_eq!(door.admit(ip("192.0.2.3"), Time::ZERO), Err(Turned::Hasty));
        assert_eq!(door.admit(ip("198.51.100.1"), Time::ZERO), Ok(()));
        let later = Time::at(Duration::from_millis(500));
        assert_eq!(door.admit(ip("192.0.2.3"), later), Ok(()));
    }

    #[test]
    fn who_is_not_allowed_is_not_counted() {
        let networks = Networks::new(&[], &[super::super::parse_network("::1").unwrap()]);
        let policy = Policy { networks: networks.unwrap(), ..Policy::default() };
        let mut door = door(&policy);
        assert_eq!(door.admit(ip("::1"), Time::ZERO), Err(Turned::Denied));
        assert!(door.counts.is_empty());
    }
}
