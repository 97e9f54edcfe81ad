//! Keeps the log readable and cheap under a flood: so many lines a second, the rest as one count.

use super::time::Time;

/// Decides which log lines are written.
pub(crate) struct Governor {
    allowed: u32,
    second: u64,
    written: u32,
    withheld: u64,
    /// Of the seconds before, not told yet.
    owed: u64,
}

impl Governor {
    pub(crate) fn new(allowed: u32) -> Governor {
        Governor { allowed, second: 0, written: 0, withheld: 0, owed: 0 }
    }

    /// Whether one more line may be written at `now`.
    pub(crate) fn admits(&mut self, now: Time) -> bool {
        self.roll(now);
        if self.written < self.allowed {
            self.written += 1;
            return true;
        }
        self.withheld += 1;
        false
    }

    /// How many lines have been withheld in seconds that are over by `now`; each is told once.
    pub(crate) fn settle(&mut self, now: Time) -> Option<u64> {
        self.roll(now);
        (self.owed > 0).then(|| std::mem::take(&mut self.owed))
    }

    fn roll(&mut self, now: Time) {
        if now.seconds() != self.second {
            self.second = now.seconds();
            self.written = 0;
            self.owed += std::mem::take(&mut self.withheld);
        }
    }

    /// When `settle` will have something to tell.
    pub(crate) fn next(&self) -> Option<Time> {
        let end = std::time::Duration::from_secs(self.second + 1);
        (self.withheld + self.owed > 0).then(|| Time::at(end))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_cut_to_the_allowed_lines_and_counted_once_the_second_is_over() {
        let at = |millis| Time::at(Duration::from_millis(millis));
        let mut governor = Governor::new(3);
        let written = (0..10).filter(|n| governor.admits(at(1000 + n))).count();
        assert_eq!(written, 3);
        assert_eq!(governor.settle(at(1999)), None);
        assert_eq!(governor.next(), Some(at(2000)));
        assert_eq!(governor.settle(at(2000)), Some(7));
        assert_eq!(governor.settle(at(2000)), None);
        assert_eq!(governor.next(), None);
        let written = (0..5).filter(|n| governor.admits(at(2001 + n))).count();
        assert_eq!(written, 3);
        // Not told in time, it is still owed.
        assert!(governor.admits(at(3000)));
        assert_eq!(governor.next(), Some(at(4000)));
        assert_eq!(governor.settle(at(3001)), Some(2));
    }
}
