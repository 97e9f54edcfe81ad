//! What becomes of those who hold most when all that waits for peers together is too much. Pausing
//! comes first (`Limits::marks`); this is for what a pause does not end: output that a service made
//! of little input, unfinished lines, crowds of peers each of which holds a little.

use std::collections::BTreeSet;

use super::faults::Script;
use super::metrics::Bytes;
use super::{Engine, Peer, Reason};

/// Closing goes on until this part of the limit is free, so that everybody is looked at only once
/// for so many bytes more.
const FREE_PART: usize = 8;

impl Engine {
    /// Bytes of the heap that wait for all peers together: their buffers, as they were asked of
    /// the allocator.
    pub fn held(&self) -> usize {
        debug_assert_eq!(self.core.pool.held, self.count_held(), "what is held is counted wrongly");
        self.core.pool.held
    }

    fn count_held(&self) -> usize {
        let owned = self.core.connections.iter().filter_map(|(_, c)| c.buffers.as_deref());
        let mut seen = BTreeSet::new();
        let held_back = self.core.layers.iter().filter_map(|(_, layers)| layers.script());
        let held_back: usize = held_back.map(Script::weight).sum();
        let unsealed = self.core.layers.iter().filter_map(|(_, layers)| layers.unsealed());
        let waiting = owned.chain(unsealed).map(|buffers| buffers.weight(&mut seen));
        waiting.sum::<usize>() + held_back
    }

    /// Closes those who hold most if all hold more than they may.
    pub(super) fn relieve(&mut self) {
        if self.core.pool.held > self.core.limits.buffered {
            self.close_largest();
        }
    }

    #[cold]
    fn close_largest(&mut self) {
        let held = Bytes(self.core.pool.held as u64);
        let why = format_args!("{held} wait for peers, and no more may (--max-buffered)");
        self.remark(log::Level::Warn, format_args!("{why}: closing those who hold most"));
        let limit = self.core.limits.buffered;
        let holders = self.core.connections.iter().filter_map(|(peer, connection)| {
            let unsealed = self.core.layers.get(peer).and_then(|layers| layers.unsealed());
            let buffers = connection.buffers.as_deref().into_iter().chain(unsealed);
            let waiting = buffers.map(|buffers| buffers.waiting()).sum::<usize>();
            let waiting = waiting + self.core.held_back(peer);
            (waiting > 0).then_some((waiting, peer))
        });
        let mut holders: Vec<(usize, Peer)> = holders.collect();
        holders.sort_unstable_by(|one, other| other.cmp(one));
        for (_, peer) in holders {
            if self.core.pool.held <= limit - limit / FREE_PART {
                break;
            }
            self.give_up(peer, Reason::Memory);
            self.core.metrics.closed_memory += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Limits, Net, Quota, Service};

    const LIMIT: usize = 1024 * 1024;

    /// Sends back what comes, but keeps a line until it is finished.
    struct Echo;

    impl Service for Echo {
        fn read_bytes(&self) -> usize {
            usize::MAX
        }

        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            match input {
                [b'(', .., b')'] => net.send_back(peer, input.len()),
                [b'(', ..] => return 0,
                _ => net.send_back(peer, input.len()),
            }
            input.len()
        }

        fn fell_behind(&mut self, _: Peer, _: &mut Net) -> &'static [u8] {
            b"sorry"
        }
    }

    fn stage() -> Stage {
        let limits = Limits { buffered: LIMIT, ..Limits::default() };
        Stage::with(limits, Quota::default(), Echo)
    }

    /// Somebody who sends for as long as it is read, and reads nothing.
    fn flood(stage: &mut Stage) -> Peer {
        let peer = stage.join();
        stage.take(peer, 0);
        while stage.engine().wants_input(peer) {
            stage.say(peer, [b'x'; 4096]);
        }
        peer
    }

    /// Somebody who sends the beginning of something.
    fn begin(stage: &mut Stage, bytes: usize) -> Peer {
        let peer = stage.join();
        stage.say(peer, vec![b'('; bytes]);
        assert!(stage.engine().held() <= LIMIT);
        peer
    }

    fn open(stage: &mut Stage, peers: &[Peer]) -> usize {
        peers.iter().filter(|peer| stage.engine().core.is_open(**peer)).count()
    }

    fn is_served(stage: &mut Stage, peer: Peer) {
        stage.say(peer, "ping");
        assert_eq!(stage.hear(peer), "ping");
    }

    #[test]
    fn near_the_limit_reading_pauses_sooner_and_nobody_has_to_go() {
        let mut stage = stage();
        let bystander = stage.join();
        for _ in 0..20 {
            flood(&mut stage);
            is_served(&mut stage, bystander);
        }
        let held = stage.engine().held();
        assert!((LIMIT * 7 / 8..=LIMIT).contains(&held), "{held}");
        assert_eq!(stage.engine().metrics().closed_memory, 0);
        assert_eq!(stage.engine().connections(), 21);
    }

    #[test]
    fn at_the_limit_those_who_hold_most_go_and_the_others_stay() {
        let mut stage = stage();
        let bystander = stage.join();
        let floods: Vec<Peer> = (0..20).map(|_| flood(&mut stage)).collect();
        let others: Vec<Peer> = (0..20).map(|_| begin(&mut stage, 20_000)).collect();
        let closed = stage.engine().metrics().closed_memory;
        assert!((1..=8).contains(&closed), "{closed}");
        assert!(!stage.engine().core.is_open(floods[0]));
        assert_eq!((open(&mut stage, &floods[8..]), open(&mut stage, &others)), (12, 20));
        is_served(&mut stage, bystander);
        floods.iter().for_each(|peer| stage.take(*peer, usize::MAX));
        stage.flush();
        assert_eq!(stage.hear(floods[0]), "sorry");
    }

    #[test]
    fn unfinished_input_alone_is_bounded_too() {
        let mut stage = stage();
        let bystander = stage.join();
        for _ in 0..200 {
            begin(&mut stage, 60_000);
        }
        let closed = stage.engine().metrics().closed_memory;
        assert!(closed > 100, "{closed}");
        is_served(&mut stage, bystander);
    }

    #[test]
    fn what_only_passes_through_makes_nobody_a_holder() {
        let mut stage = stage();
        let passing = stage.join();
        let others: Vec<Peer> = (0..40).map(|_| stage.join()).collect();
        stage.say_in_turn(passing, vec![b'x'; 50_000]);
        for peer in &others {
            stage.say_in_turn(*peer, [b'('; 30_000]);
        }
        assert!(stage.engine().metrics().closed_memory > 0);
        stage.flush();
        assert_eq!(stage.hear(passing).len(), 50_000);
        assert_eq!(open(&mut stage, &[passing]), 1);
    }

    #[test]
    fn who_is_paused_goes_on_once_it_reads() {
        let mut stage = stage();
        let floods: Vec<Peer> = (0..20).map(|_| flood(&mut stage)).collect();
        let last = floods[19];
        floods.iter().for_each(|peer| stage.take(*peer, usize::MAX));
        stage.flush();
        assert!(stage.engine().wants_input(last));
        assert_eq!(stage.engine().held(), 0);
        assert!(stage.hear(last).len() >= 4096);
    }

    #[test]
    fn at_the_limit_nobody_has_to_go_and_beyond_it_only_those_of_whom_something_waits() {
        let mut stage = stage();
        let holders: Vec<Peer> = (0..32).map(|_| begin(&mut stage, 20_000)).collect();
        let passing = stage.join();
        stage.say_in_turn(passing, "passing");
        let engine = stage.engine();
        let held = engine.held();
        engine.core.limits.buffered = held;
        engine.relieve();
        assert_eq!(open(&mut stage, &holders), 32);
        stage.engine().core.limits.buffered = held - 1;
        stage.engine().relieve();
        assert!((16..=28).contains(&open(&mut stage, &holders)));
        assert!(stage.engine().held() <= held / 8 * 7);
        stage.engine().core.limits.buffered = 0;
        stage.engine().relieve();
        assert_eq!((open(&mut stage, &holders), open(&mut stage, &[passing])), (0, 1));
    }
}
