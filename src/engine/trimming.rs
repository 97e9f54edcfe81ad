//! When to give back what a burst has left behind. What was needed for many is kept for those who
//! may come next, but not for ever.

use std::collections::VecDeque;
use std::time::Duration;

use super::Engine;
use super::core::Core;
use super::deadlines::Deadlines;
use super::time::Time;

/// How long after that few are left. Those who come in the meantime find the room of those before
/// them, and if they are many they keep it.
const TRIM_AFTER: Duration = Duration::from_secs(2);
/// Few: no more than one in so many.
const FEW: usize = 8;
/// With fewer than that at once there is nothing worth giving back: what one does not take, and
/// waits for it, is 256 KiB.
const MANY: usize = 8;

/// How many connections there have been, and when to give back the room of those who have gone.
#[derive(Default)]
pub(super) struct Trimming {
    /// The most at once since it was done last.
    most: usize,
    due: Option<Time>,
}

impl Trimming {
    /// Somebody has gone, and so many are left.
    #[inline]
    pub(super) fn left(&mut self, count: usize, now: Time) {
        self.most = self.most.max(count + 1);
        if self.most >= MANY && self.are_few(count) {
            self.due.get_or_insert(now.after(TRIM_AFTER));
        }
    }

    /// When to do it.
    pub(super) fn next(&self) -> Option<Time> {
        self.due
    }

    /// Whether it is time.
    #[inline]
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    fn are_few(&self, count: usize) -> bool {
        count <= self.most / FEW
    }
}

impl Core {
    fn trim(&mut self) {
        self.trimming.most = self.connections.len();
        self.pool.trim();
        self.connections.trim();
        self.layers.trim();
        if self.armed == 0 {
            self.deadlines = Deadlines::default();
        }
        self.releases.trim();
        (self.newcomers, self.touched, self.dials) = Default::default();
        if self.beginners.is_empty() {
            self.beginners = VecDeque::new();
        }
    }
}

impl Engine {
    /// Gives back the room of those who have gone, unless others have come. Nobody is touched.
    /// Returns whether it did.
    pub(super) fn trim(&mut self) -> bool {
        self.core.trimming.due = None;
        let is_spare = self.core.trimming.are_few(self.core.connections.len());
        if is_spare {
            self.core.trim();
            self.services.iter_mut().for_each(|one| one.service.trim());
        }
        is_spare
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Limits, Peer, Quota, Service};

    /// Listens.
    struct Silent;

    impl Service for Silent {}

    fn slots(stage: &mut Stage) -> usize {
        stage.engine().core.connections.slots()
    }

    fn stage_of(peers: usize) -> (Stage, Vec<Peer>) {
        let mut stage = Stage::with(Limits::default(), Quota::default(), Silent);
        let peers = (0..peers).map(|_| stage.join()).collect();
        (stage, peers)
    }

    #[test]
    fn room_is_given_back_a_while_after_most_have_gone_and_then_nothing_is_due() {
        let (mut stage, peers) = stage_of(64);
        let (few, others) = peers.split_at(8);
        others[1..].iter().for_each(|peer| stage.reset(*peer));
        stage.pass(Duration::from_secs(10));
        assert!(slots(&mut stage) > 64, "one more than few are left");
        stage.reset(others[0]);
        stage.pass(TRIM_AFTER / 2);
        // Whoever goes now does not put it off: it would never come where somebody always goes.
        stage.reset(few[few.len() - 1]);
        stage.pass(TRIM_AFTER / 2 - Duration::from_millis(1));
        assert!(slots(&mut stage) > 64);
        stage.pass(Duration::from_millis(1));
        assert_eq!(slots(&mut stage), few.len() - 1);
        assert_eq!(stage.engine().core.trimming.next(), None);
        assert!(few[1..few.len() - 1].iter().all(|peer| !stage.is_over(*peer)));
        assert_eq!(stage.join().number(), 65);
    }

    #[test]
    fn who_comes_in_the_meantime_keeps_the_room_and_a_few_never_make_it_due() {
        let (mut stage, peers) = stage_of(MANY);
        peers.iter().for_each(|peer| stage.reset(*peer));
        stage.pass(TRIM_AFTER / 2);
        for _ in 0..MANY {
            stage.join();
        }
        stage.pass(TRIM_AFTER);
        assert!(slots(&mut stage) > MANY);
        assert_eq!(stage.engine().core.trimming.next(), None);
        let (mut stage, peers) = stage_of(MANY - 1);
        peers.iter().for_each(|peer| stage.reset(*peer));
        assert_eq!(stage.engine().core.trimming.next(), None);
    }
}
