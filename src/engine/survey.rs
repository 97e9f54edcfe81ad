//! Everything at a glance, for whoever tells an operator: read only, and nothing is copied.

use std::ops::Range;
use std::time::Duration;

use super::Engine;
use super::core::Core;
use super::counts::{Carrier, Histogram, ResponderCounts, StreamCounts};
use super::limits::Limits;
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

    /// The services over streams: name, what carries them, and what happened.
    pub fn streams(self) -> impl Iterator<Item = (&'static str, Carrier, &'a StreamCounts)> {
        self.all_streams().map(|(stream, _)| stream)
    }

    /// Those that do not stand apart ([`Quota::apart`](super::Quota::apart)).
    pub fn shared_streams(self) -> impl Iterator<Item = (&'static str, Carrier, &'a StreamCounts)> {
        self.all_streams().filter(|(_, is_shared)| *is_shared).map(|(stream, _)| stream)
    }

    /// All, and whether they do not stand apart.
    fn all_streams(
        self,
    ) -> impl Iterator<Item = ((&'static str, Carrier, &'a StreamCounts), bool)> {
        let core = self.core;
        let named = core.names.iter().zip(&core.quotas).zip(&core.counts);
        named.flat_map(|((name, quota), counts)| {
            let is_shared = quota.apart.is_none();
            counts.told().map(move |(carrier, counts)| ((*name, carrier, counts), is_shared))
        })
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
        let peers = core.connections.range(slots).filter(move |(_, one)| core.is_shared(one));
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

    /// What happened since the start, over all services that do not stand apart.
    pub fn metrics(&self) -> Metrics {
        let mut sum = self.core.metrics;
        let quotas = self.core.quotas.iter();
        let counts = self.core.counts.iter().zip(quotas).filter(|(_, quota)| quota.apart.is_none());
        counts.flat_map(|(counts, _)| counts.all()).for_each(|counts| sum.add_streams(counts));
        self.core.datagrams.iter().for_each(|(_, counts)| sum.add_datagrams(counts));
        sum
    }

    /// All there is to see, service by service.
    pub fn survey(&self) -> Survey<'_> {
        Survey::of(&self.core)
    }

    /// How many connections share the places: all but those of services apart (`Quota::apart`).
    pub fn shared_connections(&self) -> usize {
        self.core.shared()
    }

    /// Stream bytes that the kernel took from us.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.core.counts.iter().flat_map(|counts| counts.all()).map(|counts| counts.bytes_out).sum()
    }

    /// The counters of the service with that number, for what the driver's owner has to count.
    pub(crate) fn counts_mut(&mut self, service: usize, over: Carrier) -> &mut StreamCounts {
        self.core.counts[service].over(over)
    }

    /// Peers may come to the service with that number over `carrier`.
    pub(crate) fn offer_over(&mut self, service: usize, carrier: Carrier) {
        if let Some(counts) = self.core.counts.get_mut(service) {
            counts.over(carrier).is_offered = true;
        }
    }

    /// What comes to the service with that number over `carrier` may go wrong as it was told to.
    pub(crate) fn expect_faults(&mut self, service: usize, carrier: Carrier) {
        self.counts_mut(service, carrier).faults.expect();
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

    /// Whether the service with that number has places of its own (`Quota::apart`).
    pub fn is_apart(&self, service: usize) -> bool {
        self.core.quotas[service].apart.is_some()
    }

    /// Like `free_place`, of that service alone: one with places of its own.
    pub fn free_place_of(&mut self, service: usize) -> bool {
        self.dispatch(service, |service, net| service.free_place(net))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Net, Peer, Quota, Reason, Service};

    /// Sends back what comes.
    struct Mirror;

    impl Service for Mirror {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            net.send_back(peer, input.len());
            net.count_message(peer);
            input.len()
        }
    }

    /// One service that shares two places, one with a place of its own.
    fn stage() -> Stage {
        let mut stage = Stage::empty(Limits { connections: 2, ..Limits::default() });
        let apart = Quota { apart: Some(1), ..Quota::default() };
        stage.engine().add_service("shared", Quota::default(), Box::new(Mirror));
        stage.engine().add_service("apart", apart, Box::new(Mirror));
        stage
    }

    #[test]
    fn neither_takes_a_place_of_the_other() {
        let mut stage = stage();
        assert!(stage.join_in_turn(1).is_some() && stage.join_in_turn(1).is_none());
        assert!(stage.join_in_turn(0).is_some() && stage.join_in_turn(0).is_some());
        assert!(stage.join_in_turn(0).is_none() && !stage.engine().has_free_place());
        assert_eq!((stage.engine().connections(), stage.engine().shared_connections()), (3, 2));
        stage.engine().close_all();
        stage.flush();
        stage.pass(Duration::from_secs(3));
        assert_eq!((stage.engine().connections(), stage.engine().shared_connections()), (1, 0));
        assert!(stage.engine().has_free_place_for(0) && !stage.engine().has_free_place_for(1));
    }

    #[test]
    fn each_service_has_its_own_counts_and_the_sum_is_of_those_that_share() {
        let mut stage = stage();
        let peers = [0, 1].map(|service| stage.join_in_turn(service).unwrap());
        stage.say(peers[0], "four");
        stage.say(peers[1], "seven..");
        stage.pass(Duration::from_secs(2));
        peers.iter().for_each(|peer| stage.finish(*peer));
        let engine = stage.engine();
        let told = engine.survey().streams().map(|(name, _, counts)| {
            (name, counts.opened, counts.bytes_in, counts.bytes_out, counts.messages)
        });
        assert_eq!(told.collect::<Vec<_>>(), [("shared", 1, 4, 4, 1), ("apart", 1, 7, 7, 1)]);
        let shared = engine.survey().shared_streams().map(|(name, _, _)| name);
        assert_eq!(shared.collect::<Vec<_>>(), ["shared"]);
        for (_, _, counts) in engine.survey().streams() {
            assert_eq!((counts.closed[Reason::Eof.index()], counts.open()), (1, 0));
            assert_eq!(counts.ages.sum(), Duration::from_secs(2));
        }
        let sum = engine.metrics();
        assert_eq!((sum.opened, sum.closed, sum.bytes_in, sum.bytes_out), (1, 1, 4, 4));
        assert_eq!(engine.bytes_out(), 11);
    }

    #[test]
    fn peers_are_looked_at_some_at_a_time_and_only_those_that_share() {
        let mut stage = stage();
        stage.join_in_turn(1);
        let shared = [(); 2].map(|()| stage.join_in_turn(0).unwrap());
        let survey = stage.engine().survey();
        let seen = |slots| survey.peers(slots).map(|entry| entry.peer).collect::<Vec<_>>();
        assert_eq!((seen(0..2), seen(2..9)), (vec![shared[0]], vec![shared[1]]));
        assert!(survey.slots() >= 3 && survey.connections() == 2);
    }

    #[test]
    fn turns_are_measured_once_that_is_asked_for() {
        let mut stage = stage();
        stage.engine().turn_took(Duration::from_micros(7));
        assert!(stage.engine().survey().turns().is_none());
        stage.engine().measure_turns();
        stage.engine().turn_took(Duration::from_micros(30));
        let turns = stage.engine().survey().turns().unwrap();
        let first = turns.cumulated().find(|(_, count)| *count > 0);
        assert_eq!(first, Some((Some(Duration::from_micros(50)), 1)));
    }
}
