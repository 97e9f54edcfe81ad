//! Judges new connections: whether the address is allowed, how many connections its source has, and
//! how fast it makes new ones. One that is refused costs an accept and a close, and the service
//! goes on for everybody else.

use std::collections::BTreeMap;

use super::cidr::Networks;
use super::prefix::Prefix;
use super::rate::{RateTable, retune};
use super::{PerSource, Policy};
use crate::engine::{Address, Refusal, Time};

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
        present: impl Iterator<Item = Address>,
    ) {
        let (rate, unlimited) = (self.rate.take(), Policy { accept_rate: None, ..policy.clone() });
        *self = ConnectionGuard { rate, ..ConnectionGuard::new(&unlimited, connections) };
        retune(&mut self.rate, policy.accept_rate, policy.seed);
        for address in present {
            if self.is_counted(address) {
                *self.counts.entry(host(address)).or_default() += 1;
            }
        }
    }

    /// Judges a new connection from `address`. If it is admitted, it counts until `left`.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn admit(&mut self, address: Address, now: Time) -> Result<(), Refusal> {
        if !self.is_allowed(address) {
            return Err(Refusal::Denied);
        }
        let source = host(address);
        let count = self.counts.get(&source).copied().unwrap_or_default();
        if self.is_counted(address) && count >= self.most {
            return Err(Refusal::TooMany(self.most));
        }
        if let Some(rate) = &mut self.rate
            && !rate.spend(network(address), 1, now)
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
    pub fn admit_apart(&self, address: Address) -> Result<(), Refusal> {
        match is_here(address) || self.is_allowed(address) {
            true => Ok(()),
            false => Err(Refusal::Denied),
        }
    }

    /// A connection from `address` that was admitted is over.
    pub fn left(&mut self, address: Address) {
        let source = host(address);
        if let Some(count) = self.counts.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&source);
            }
        }
    }

    fn is_counted(&self, address: Address) -> bool {
        self.most < usize::MAX && !(self.spare_loopback && is_here(address))
    }

    /// Networks say nothing about a unix socket: who may open it is up to the mode of its file.
    fn is_allowed(&self, address: Address) -> bool {
        address.ip().is_none_or(|ip| self.networks.allow(ip))
    }
}

/// Whom `--max-per-ip` counts as one.
fn host(address: Address) -> Prefix {
    match address {
        Address::Ip(address) => Prefix::host(address.ip()),
        Address::Unix(whose) => Prefix::user(whose.map(|whose| whose.uid)),
    }
}

/// Whom `--accept-rate` counts as one.
fn network(address: Address) -> Prefix {
    match address {
        Address::Ip(address) => Prefix::network(address.ip()),
        Address::Unix(_) => host(address),
    }
}

/// Whether whoever has that address is at this machine.
fn is_here(address: Address) -> bool {
    address.ip().is_none_or(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use crate::engine::Credentials;

    fn ip(text: &str) -> Address {
        Address::Ip(SocketAddr::new(text.parse().unwrap(), 4000))
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
    fn over_unix_sockets_each_user_is_a_source_and_no_network_is_denied() {
        let unix = |uid, pid| Address::Unix(Some(Credentials { uid, pid }));
        let policy = Policy {
            per_source: PerSource::AtMost(1),
            accept_rate: Some(2.0),
            networks: Networks::new(&[], &[super::super::parse_network("0.0.0.0/0").unwrap()])
                .unwrap(),
            ..Policy::default()
        };
        let mut guard = guarding(&policy);
        assert_eq!(guard.admit(unix(1000, 1), Time::ZERO), Ok(()));
        assert_eq!(guard.admit(unix(1000, 2), Time::ZERO), Err(Refusal::TooMany(1)));
        assert_eq!(guard.admit(unix(1001, 3), Time::ZERO), Ok(()));
        assert_eq!(guard.admit(Address::Unix(None), Time::ZERO), Ok(()));
        guard.left(unix(1000, 1));
        assert_eq!(guard.admit(unix(1000, 4), Time::ZERO), Ok(()));
        guard.left(unix(1000, 4));
        assert_eq!(guard.admit(unix(1000, 5), Time::ZERO), Err(Refusal::Rate));
        let mut guard = guarding(&Policy::default());
        assert!((0..20).all(|pid| guard.admit(unix(0, pid), Time::ZERO) == Ok(())), "it is here");
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
        let (ours, theirs, here) = (ip("10.1.2.3"), ip("192.0.2.1"), ip("127.0.0.1"));
        assert_eq!(guard.admit(ours, Time::ZERO), Ok(()));
        for _ in 0..3 {
            assert_eq!((guard.admit_apart(ours), guard.admit_apart(here)), (Ok(()), Ok(())));
            assert_eq!(guard.admit_apart(theirs), Err(Refusal::Denied));
        }
        guard.left(ours);
        assert_eq!(guard.admit(ours, Time::ZERO), Ok(()));
    }
}
