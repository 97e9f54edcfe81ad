//! Judges new connections: whether the address is allowed, how many connections its source has, and
//! how fast it makes new ones. One that is refused costs an accept and a close, and the service
//! goes on for everybody else.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::cidr::Networks;
use super::prefix::Prefix;
use super::rate::{RateTable, retune};
use super::{PerSource, Policy};
use crate::engine::{Refusal, Time};

/// The guard of all listeners.
pub struct ConnectionGuard {
    networks: Networks,
    /// Connections that one source may have at the same time.
    most: usize,
    /// Whether loopback may have more.
    spare_loopback: bool,
    /// How many each source has; those that have none are forgotten.
    counts: BTreeMap<Prefix, usize>,
    rate: Option<RateTable>,
}

impl ConnectionGuard {
    pub(super) fn new(policy: &Policy, connections: usize) -> ConnectionGuard {
        let most = match policy.per_source {
            PerSource::Share => connections - connections / 4,
            PerSource::AtMost(most) => most,
            PerSource::Any => usize::MAX,
        };
        ConnectionGuard {
            networks: policy.networks.clone(),
            most,
            spare_loopback: policy.per_source == PerSource::Share,
            counts: BTreeMap::new(),
            rate: policy.accept_rate.map(|rate| RateTable::new(rate, policy.seed)),
        }
    }

    /// Judges by another policy from now on. `present` are the addresses of all connections that
    /// were admitted and have not left: whoever has too many keeps them.
    pub fn change(
        &mut self,
        policy: &Policy,
        connections: usize,
        present: impl Iterator<Item = IpAddr>,
    ) {
        let (rate, unlimited) = (self.rate.take(), Policy { accept_rate: None, ..policy.clone() });
        *self = ConnectionGuard { rate, ..ConnectionGuard::new(&unlimited, connections) };
        retune(&mut self.rate, policy.accept_rate, policy.seed);
        for address in present {
            if self.is_counted(address) {
                *self.counts.entry(Prefix::host(address)).or_default() += 1;
            }
        }
    }

    /// Judges a new connection from `address`. If it is admitted, it counts until `left`.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn admit(&mut self, address: IpAddr, now: Time) -> Result<(), Refusal> {
        if !self.networks.allow(address) {
            return Err(Refusal::Denied);
        }
        let source = Prefix::host(address);
        let count = self.counts.get(&source).copied().unwrap_or_default();
        if self.is_counted(address) && count >= self.most {
            return Err(Refusal::TooMany(self.most));
        }
        if let Some(rate) = &mut self.rate
            && !rate.spend(Prefix::network(address), 1, now)
        {
            return Err(Refusal::Rate);
        }
        if self.is_counted(address) {
            self.counts.insert(source, count + 1);
        }
        Ok(())
    }

    /// Judges a new connection from `address` to a service apart (`Quota::apart`) by its address
    /// only; whoever is at this machine may always see what goes on. It does not count.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn admit_apart(&self, address: IpAddr) -> Result<(), Refusal> {
        let is_here = address.to_canonical().is_loopback();
        match is_here || self.networks.allow(address) {
            true => Ok(()),
            false => Err(Refusal::Denied),
        }
    }

    /// A connection from `address` that was admitted is over.
    pub fn left(&mut self, address: IpAddr) {
        let source = Prefix::host(address);
        if let Some(count) = self.counts.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&source);
            }
        }
    }

    fn is_counted(&self, address: IpAddr) -> bool {
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

    fn guarding(policy: &Policy) -> ConnectionGuard {
        ConnectionGuard::new(policy, 8)
    }

    #[test]
    fn one_source_never_has_all_and_whoever_leaves_frees_a_place() {
        let mut guard = guarding(&Policy::default());
        for _ in 0..6 {
            assert_eq!(guard.admit(ip("192.0.2.1"), Time::ZERO), Ok(()));
        }
        assert_eq!(guard.admit(ip("192.0.2.1"), Time::ZERO), Err(Refusal::TooMany(6)));
        assert_eq!(guard.admit(ip("192.0.2.2"), Time::ZERO), Ok(()));
        guard.left(ip("192.0.2.1"));
        assert_eq!(guard.admit(ip("192.0.2.1"), Time::ZERO), Ok(()));
        for _ in 0..20 {
            assert_eq!(guard.admit(ip("127.0.0.1"), Time::ZERO), Ok(()), "loopback may have all");
        }
    }

    #[test]
    fn a_number_that_was_asked_for_holds_for_loopback_and_for_a_whole_ipv6_network() {
        let policy = Policy { per_source: PerSource::AtMost(1), ..Policy::default() };
        let mut guard = guarding(&policy);
        for (first, second) in [("127.0.0.1", "127.0.0.1"), ("2001:db8::1", "2001:db8::2")] {
            assert_eq!(guard.admit(ip(first), Time::ZERO), Ok(()));
            assert_eq!(guard.admit(ip(second), Time::ZERO), Err(Refusal::TooMany(1)));
            guard.left(ip(first));
        }
        assert!(guard.counts.is_empty(), "who has none is forgotten");
    }

    #[test]
    fn a_network_above_its_rate_waits_and_the_others_do_not() {
        let policy = Policy { accept_rate: Some(2.0), ..Policy::default() };
        let mut guard = guarding(&policy);
        assert_eq!(guard.admit(ip("192.0.2.1"), Time::ZERO), Ok(()));
        assert_eq!(guard.admit(ip("192.0.2.2"), Time::ZERO), Ok(()));
        assert_eq!(guard.admit(ip("192.0.2.3"), Time::ZERO), Err(Refusal::Rate));
        assert_eq!(guard.admit(ip("198.51.100.1"), Time::ZERO), Ok(()));
        let later = Time::at(Duration::from_millis(500));
        assert_eq!(guard.admit(ip("192.0.2.3"), later), Ok(()));
    }

    #[test]
    fn another_policy_counts_who_is_here_and_sends_nobody_away() {
        let mut guard = guarding(&Policy { per_source: PerSource::Any, ..Policy::default() });
        let here = [ip("127.0.0.1"), ip("127.0.0.1"), ip("192.0.2.1")];
        for address in here {
            assert_eq!(guard.admit(address, Time::ZERO), Ok(()));
        }
        let one = Policy { per_source: PerSource::AtMost(1), ..Policy::default() };
        guard.change(&one, 8, here.into_iter());
        for address in here {
            assert_eq!(guard.admit(address, Time::ZERO), Err(Refusal::TooMany(1)));
        }
        guard.left(ip("127.0.0.1"));
        assert!(guard.admit(ip("127.0.0.1"), Time::ZERO).is_err(), "it had two");
        guard.left(ip("127.0.0.1"));
        assert_eq!(guard.admit(ip("127.0.0.1"), Time::ZERO), Ok(()));
        guard.change(&Policy::default(), 8, here.into_iter());
        here.into_iter().for_each(|address| guard.left(address));
        assert!(guard.counts.is_empty());
    }

    #[test]
    fn who_is_not_allowed_is_not_counted() {
        let networks = Networks::new(&[], &[super::super::parse_network("::1").unwrap()]);
        let policy = Policy { networks: networks.unwrap(), ..Policy::default() };
        let mut guard = guarding(&policy);
        assert_eq!(guard.admit(ip("::1"), Time::ZERO), Err(Refusal::Denied));
        assert!(guard.counts.is_empty());
    }

    #[test]
    fn a_service_apart_is_for_whom_the_networks_are_for_and_for_this_machine() {
        let ten = super::super::parse_network("10.0.0.0/8").unwrap();
        let networks = Networks::new(&[ten], &[]).unwrap();
        let policy = Policy { networks, per_source: PerSource::AtMost(1), ..Policy::default() };
        let mut guard = ConnectionGuard::new(&policy, 100);
        let (ours, theirs, here) =
            ([10, 1, 2, 3].into(), [192, 0, 2, 1].into(), [127, 0, 0, 1].into());
        assert_eq!(guard.admit(ours, Time::ZERO), Ok(()));
        for _ in 0..3 {
            assert_eq!((guard.admit_apart(ours), guard.admit_apart(here)), (Ok(()), Ok(())));
            assert_eq!(guard.admit_apart(theirs), Err(Refusal::Denied));
        }
        guard.left(ours);
        assert_eq!(guard.admit(ours, Time::ZERO), Ok(()));
    }
}
