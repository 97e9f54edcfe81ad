//! When to look at a connection again: a min-heap of (when, whom).
//!
//! Nothing is ever cancelled. An entry that is out of date fires without effect, and when such
//! entries outnumber the good ones the heap is swept, so that a flood of short connections
//! leaves no trail of ten-minute timers behind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slots::{Peer, ROWS_RESERVED};
use super::time::Time;

/// Fewer stale entries than this are not worth a sweep.
const SWEEP_MIN: usize = 1024;

// Most connections have one entry for as long as they live.
const _: () = assert!(size_of::<Reverse<(Time, Peer)>>() == 16);

/// Deadlines of connections, earliest first.
#[derive(Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Time, Peer)>>,
}

impl Deadlines {
    pub(crate) fn push(&mut self, when: Time, peer: Peer) {
        if self.heap.capacity() == 0 {
            self.heap.reserve(ROWS_RESERVED);
        }
        self.heap.push(Reverse((when, peer)));
    }

    /// How many entries there are, with those that are stale.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The earliest entry's time, be the entry stale or not.
    pub(crate) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((when, _))| *when)
    }

    /// Takes out one entry that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<(Time, Peer)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Drops the stale entries if they are more than half of all. `live` is how many are good,
    /// `is_live` tells which.
    pub(crate) fn sweep(&mut self, live: usize, mut is_live: impl FnMut(Time, Peer) -> bool) {
        let most = 2 * live + SWEEP_MIN;
        if self.heap.len() > most {
            self.heap.retain(|Reverse((when, peer))| is_live(*when, *peer));
            self.heap.shrink_to(ROWS_RESERVED.max(most));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Limits, Quota, Service};

    fn at(seconds: u64) -> Time {
        Time::at(Duration::from_secs(seconds))
    }

    #[test]
    fn entries_ring_in_order_and_not_before_their_time() {
        let mut deadlines = Deadlines::default();
        for seconds in [5, 2, 9] {
            deadlines.push(at(seconds), Peer::from_bits(seconds));
        }
        assert_eq!(deadlines.pop_due(at(1)), None);
        assert_eq!(deadlines.pop_due(at(6)), Some((at(2), Peer::from_bits(2))));
        assert_eq!(deadlines.pop_due(at(6)), Some((at(5), Peer::from_bits(5))));
        assert_eq!(deadlines.pop_due(at(6)), None);
        assert_eq!(deadlines.next(), Some(at(9)));
    }

    #[test]
    fn a_flood_of_stale_entries_is_swept() {
        let mut deadlines = Deadlines::default();
        for n in 0..100_000 {
            deadlines.push(at(n), Peer::from_bits(n));
            deadlines.sweep(10, |_, peer| peer.to_bits() % 10_000 == 0);
        }
        assert!(deadlines.heap.len() <= 2 * 10 + SWEEP_MIN + 1);
        assert!(deadlines.heap.iter().any(|Reverse((_, peer))| peer.to_bits() == 90_000));
    }

    #[test]
    fn a_sweep_comes_with_the_first_entry_too_many_and_not_before() {
        let mut deadlines = Deadlines::default();
        for n in 0..2 * 10 + 1024 {
            deadlines.push(at(n), Peer::from_bits(n));
            assert!(deadlines.heap.capacity() >= ROWS_RESERVED);
        }
        deadlines.sweep(10, |_, _| panic!("not worth it yet"));
        deadlines.push(at(5000), Peer::from_bits(0));
        deadlines.sweep(10, |when, _| when < at(10));
        assert_eq!(deadlines.heap.len(), 10);
    }

    /// Listens.
    struct Silent;

    impl Service for Silent {}

    fn stage() -> Stage {
        let quota = Quota { idle: Some(Duration::from_secs(10)), ..Quota::default() };
        Stage::with(Limits::default(), quota, Silent)
    }

    #[test]
    fn whoever_stays_is_looked_at_in_time_though_the_heap_has_been_swept_meanwhile() {
        let mut stage = stage();
        let guest = stage.join();
        for _ in 0..2 * SWEEP_MIN {
            let other = stage.join();
            stage.reset(other);
        }
        assert!(stage.engine().core.deadlines.heap.len() <= SWEEP_MIN + 2);
        stage.pass(Duration::from_secs(9));
        assert!(!stage.is_over(guest));
        stage.pass(Duration::from_secs(1));
        assert!(stage.is_over(guest));
    }

    #[test]
    fn everybody_has_one_entry_and_is_counted_once_however_often_the_deadline_is_set() {
        let mut stage = stage();
        let peers = [stage.join(), stage.join(), stage.join()];
        peers.iter().for_each(|peer| stage.engine().core.arm(*peer));
        let counts = |stage: &mut Stage| {
            let core = &stage.engine().core;
            (core.armed, core.deadlines.heap.len())
        };
        assert_eq!(counts(&mut stage), (3, 3));
        stage.pass(Duration::from_secs(5));
        stage.say(peers[0], "still here");
        stage.pass(Duration::from_secs(5));
        assert_eq!(peers.map(|peer| stage.is_over(peer)), [false, true, true]);
        assert_eq!(counts(&mut stage), (1, 1));
    }
}
