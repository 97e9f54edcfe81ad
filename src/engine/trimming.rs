//! When to give back what a burst has left behind. What was needed for many is kept for those who
//! may come next, but not for ever.

use std::time::Duration;

use super::Engine;
use super::core::Core;
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

    fn are_few(&self, count: usize) -> bool {
        count <= self.most / FEW
    }
}

impl Core {
    /// Whether it is time, which is told once.
    #[inline]
    pub(super) fn is_trim_due(&mut self) -> bool {
        let Trimming { due, .. } = &mut self.trimming;
        due.take_if(|due| *due <= self.now).is_some()
            && self.trimming.are_few(self.connections.len())
    }

    fn trim(&mut self) {
        self.trimming.most = self.connections.len();
        self.pool.trim();
        self.connections.trim();
        self.layers.trim();
        let connections = &self.connections;
        self.deadlines.trim(|when, peer| {
            connections.get(peer).is_some_and(|connection| connection.armed == when)
        });
        self.releases.trim();
        self.newcomers.shrink_to_fit();
        self.beginners.shrink_to_fit();
        self.touched.shrink_to_fit();
        self.dials.shrink_to_fit();
    }
}

impl Engine {
    /// Gives back the room of those who have gone.
    pub(super) fn trim(&mut self) {
        self.core.trim();
        self.services.iter_mut().for_each(|one| one.service.trim());
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
