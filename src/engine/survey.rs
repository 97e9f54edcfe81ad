//! Everything at a glance, for whoever tells an operator: read only, and nothing is copied.

use std::ops::Range;
use std::time::Duration;

use super::Engine;
use super::core::Core;
use super::counts::{Histogram, ResponderCounts, StreamCounts};
use super::limits::{Limits, Quota};
use super::metrics::Metrics;
use super::operator::Entry;

/// What there is to see of all services and connections.
#[derive(Clone, Copy)]
pub struct Survey<'a> {
    core: &'a Core,
}

impl<'a> Survey<'a> {
    pub(super) fn of(core: &'a Core) -> Survey<'a> {
        Survey { core }
    }

    /// The services over streams: name, bounds, and what happened.
    pub fn streams(self) -> impl Iterator<Item = (&'static str, &'a Quota, &'a StreamCounts)> {
        let core = self.core;
        let named = core.names.iter().zip(&core.quotas).zip(&core.counts);
        named.map(|((name, quota), counts)| (*name, quota, counts))
    }

    /// The services over datagrams.
    pub fn datagrams(self) -> impl Iterator<Item = (&'static str, &'a ResponderCounts)> {
        self.core.datagrams.iter().map(|(name, counts)| (*name, counts))
    }

    /// What belongs to no service.
    pub fn metrics(self) -> &'a Metrics {
        &self.core.metrics
    }

    /// The bounds of all.
    pub fn limits(self) -> &'a Limits {
        &self.core.limits
    }

    /// Bytes of the heap that wait for all peers together.
    pub fn held(self) -> usize {
        self.core.pool.held
    }

    /// How long turns take, if that is measured.
    pub fn turns(self) -> Option<&'a Histogram> {
        self.core.turns.as_ref()
    }

    /// How long the loop has been there.
    pub fn uptime(self) -> Duration {
        self.core.now.since(super::Time::ZERO)
    }

    /// All connections are in slots below that.
    pub fn slots(self) -> usize {
        self.core.connections.slots()
    }

    /// How many connections there are, without those of services apart
    /// ([`Quota::apart`](super::Quota::apart)).
    pub fn connections(self) -> usize {
        self.core.shared()
    }

    /// The connections in these slots ([`Peer::slot`](super::Peer::slot)), with those that are
    /// being called or closed and without those of services apart: so they can be looked at some
    /// at a time.
    pub fn peers(self, slots: Range<usize>) -> impl Iterator<Item = Entry> + use<'a> {
        let core = self.core;
        let is_shared = |service: u8| core.quotas[usize::from(service)].apart.is_none();
        let peers = core.connections.range(slots).filter(move |(_, one)| is_shared(one.service));
        peers.map(|(peer, one)| Entry::of(core, peer, one))
    }
}

/// Counting, service by service, for the driver's owner.
impl Engine {
    /// Takes note of a service over datagrams, under the name that it has in `survey`, and returns
    /// the number to count for it with.
    pub fn add_responder(&mut self, name: &'static str) -> usize {
        self.core.datagrams.push((name, ResponderCounts::default()));
        self.core.datagrams.len() - 1
    }

    /// What happened since the start, over all services that stand not apart.
    pub fn metrics(&self) -> Metrics {
        let mut sum = self.core.metrics;
        let quotas = self.core.quotas.iter();
        let counts = self.core.counts.iter().zip(quotas).filter(|(_, quota)| quota.apart.is_none());
        counts.for_each(|(counts, _)| sum.add_streams(counts));
        self.core.datagrams.iter().for_each(|(_, counts)| sum.add_datagrams(counts));
        sum
    }

    /// All there is to see, service by service.
    pub fn survey(&self) -> Survey<'_> {
        Survey::of(&self.core)
    }

    /// Stream bytes that the kernel took from us.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.core.counts.iter().map(|counts| counts.bytes_out).sum()
    }

    /// The counters of the service with that number, for what the driver's owner has to count.
    pub(crate) fn counts_mut(&mut self, service: usize) -> &mut StreamCounts {
        &mut self.core.counts[service]
    }

    /// The same of a service over datagrams.
    pub(crate) fn datagram_counts_mut(&mut self, responder: usize) -> &mut ResponderCounts {
        &mut self.core.datagrams[responder].1
    }

    /// From now on turns are measured: `turn_took` is to be called.
    pub(crate) fn measure_turns(&mut self) {
        self.core.turns.get_or_insert_with(Histogram::of_turns);
    }

    /// Whether turns are measured.
    pub(crate) fn measures_turns(&self) -> bool {
        self.core.turns.is_some()
    }

    /// A turn took so long, from the end of its wait to the next.
    pub(crate) fn turn_took(&mut self, duration: Duration) {
        if let Some(turns) = &mut self.core.turns {
            turns.add(duration);
        }
    }

    /// Whether the service with that number has places of its own ([`Quota::apart`]).
    pub fn is_apart(&self, service: usize) -> bool {
        self.core.quotas[service].apart.is_some()
    }

    /// Like `free_place`, of that service alone: one with places of its own.
    pub fn free_place_of(&mut self, service: usize) -> bool {
        self.dispatch(service, |service, net| service.free_place(net))
    }
}
