//! When to give back what a burst has left behind. What was needed for many is kept for those who
//! may come next, but not for ever.

use std::collections::VecDeque;
use std::time::Duration;

use super::Engine;
use super::core::Core;
use super::deadlines::Deadlines;
use super::time::Time;

/// How long few must have been left. Those who come and go one after the other find the room of
/// those before them.
const TRIM_AFTER: Duration = Duration::from_secs(2);
/// One of so many are few.
const FEW: usize = 8;

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
        if self.are_few(count) {
            self.due = Some(now.after(TRIM_AFTER));
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
    pub(super) fn trim(&mut self) -> bool {
        self.core.trimming.due = None;
        let is_needed = !self.core.trimming.are_few(self.core.connections.len());
        if !is_needed {
            self.core.trim();
            self.services.iter_mut().for_each(|one| one.service.trim());
        }
        !is_needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Limits, Quota, Service};

    /// Listens.
    struct Silent;

    impl Service for Silent {}

    #[test]
    fn room_is_given_back_a_while_after_most_have_gone_and_then_nothing_is_due() {
        let mut stage = Stage::with(Limits::default(), Quota::default(), Silent);
        let peers: Vec<_> = (0..16).map(|_| stage.join()).collect();
        let (stayer, others) = peers.split_first().unwrap();
        let slots = |stage: &mut Stage| stage.engine().core.connections.slots();
        others[2..].iter().for_each(|peer| stage.reset(*peer));
        stage.pass(Duration::from_secs(10));
        assert!(slots(&mut stage) > 16, "three of sixteen are not few");
        stage.reset(others[1]);
        stage.pass(TRIM_AFTER / 2);
        stage.reset(others[0]);
        stage.pass(TRIM_AFTER - Duration::from_millis(1));
        assert!(slots(&mut stage) > 16, "the while begins again");
        stage.pass(Duration::from_millis(1));
        assert_eq!(slots(&mut stage), 1);
        assert_eq!(stage.engine().core.trimming.next(), None);
        assert!(!stage.is_over(*stayer));
        assert_eq!(stage.join().number(), 17);
    }

    #[test]
    fn who_comes_in_the_meantime_keeps_the_room() {
        let mut stage = Stage::with(Limits::default(), Quota::default(), Silent);
        let peer = stage.join();
        stage.reset(peer);
        stage.pass(TRIM_AFTER / 2);
        stage.join();
        stage.pass(TRIM_AFTER);
        assert!(stage.engine().core.connections.slots() > 1);
        assert_eq!(stage.engine().core.trimming.next(), None);
    }
}
