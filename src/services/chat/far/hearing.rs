//! What has been heard in one room that spans servers: whose line comes twice, whose is missing,
//! and what was said before we came. Pure.

use std::collections::{BTreeMap, VecDeque};

/// So many starts of servers are told apart in a room; beyond that one is forgotten, of which a
/// line may be shown twice.
const RUNS_MAX: usize = 256;
/// So many lines of before are shown; older ones are passed over.
const EARLIER_MAX: usize = 20;

/// What to make of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the next one of its server, or the first that we hear of it.
    Next,
    /// So many before it have not come.
    Behind(u64),
    /// It has been here already.
    Twice,
}

/// See the top of this file.
#[derive(Default)]
pub(super) struct Hearing {
    /// The place of the last line of each run.
    last: BTreeMap<u64, u64>,
    /// Lines of which it is known already that they will not come.
    written_off: u64,
    /// Lines that have not come since the bus was back, and of which nobody was told.
    pub(super) gone: u64,
    /// When we came, in seconds since 1970-01-01 00:00 UTC.
    since: u64,
    /// What was said before we came, until all of it has been told: when, and what.
    pub(super) earlier: Option<VecDeque<(u64, String)>>,
}

impl Hearing {
    /// Of a room that is followed since then, in seconds since 1970-01-01 00:00 UTC.
    pub(super) fn new(since: u64) -> Hearing {
        Hearing { since, earlier: Some(VecDeque::new()), ..Hearing::default() }
    }

    /// Takes note of a line with that place among those of that run.
    pub(super) fn judge(&mut self, run: u64, seq: u64) -> Place {
        let Some(last) = self.last.get_mut(&run) else {
            if self.last.len() >= RUNS_MAX {
                self.last.pop_first();
            }
            self.last.insert(run, seq);
            return Place::Next;
        };
        if seq <= *last {
            return Place::Twice;
        }
        let missing = seq - *last - 1;
        *last = seq;
        let known = missing.min(self.written_off);
        self.written_off -= known;
        match missing - known {
            0 => Place::Next,
            missing => Place::Behind(missing),
        }
    }

    /// So many lines will not come, of which everybody knows.
    pub(super) fn write_off(&mut self, lines: u64) {
        self.written_off = self.written_off.saturating_add(lines);
    }

    /// Whether that line was said before we came, or in the same second; then it waits with others
    /// of that kind. One that was said since does not: whoever is here missed it, however long the
    /// way to us was broken.
    pub(super) fn keep_earlier(&mut self, at: u64, line: &str) -> bool {
        let Some(earlier) = self.earlier.as_mut().filter(|_| at <= self.since) else {
            return false;
        };
        if earlier.len() >= EARLIER_MAX {
            earlier.pop_front();
        }
        earlier.push_back((at, line.into()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_twice_or_not_at_all_are_noticed_run_by_run() {
        let mut hearing = Hearing::default();
        let told = [(1, 7), (2, 1), (1, 8), (1, 8), (1, 7), (1, 12), (2, 2)];
        let places = told.map(|(run, seq)| hearing.judge(run, seq));
        use Place::{Behind, Next, Twice};
        assert_eq!(places, [Next, Next, Next, Twice, Twice, Behind(3), Next]);
    }

    #[test]
    fn what_is_written_off_is_not_missed_again() {
        let mut hearing = Hearing::default();
        hearing.judge(1, 1);
        hearing.write_off(5);
        assert_eq!(hearing.judge(1, 5), Place::Next);
        assert_eq!(hearing.judge(1, 10), Place::Behind(2));
    }

    #[test]
    fn memory_is_bounded() {
        let mut hearing = Hearing::new(1_000);
        for number in 0..1_000 {
            hearing.judge(number, 1);
            assert!(hearing.keep_earlier(number, "line"));
        }
        assert_eq!(hearing.last.len(), RUNS_MAX);
        assert!(hearing.keep_earlier(1_000, "said as we came"));
        assert!(!hearing.keep_earlier(1_001, "said since"));
        let earlier = hearing.earlier.take().unwrap();
        assert_eq!((earlier.len(), earlier[0].0), (EARLIER_MAX, 981));
        assert!(!hearing.keep_earlier(0, "line"));
    }
}
