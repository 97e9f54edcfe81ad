//! What happened in each of the last seconds, so that a plot has a past from the first look on.

use std::collections::VecDeque;

use super::Totals;

/// So many seconds are kept.
const SECONDS: usize = 300;

/// What happened in each second, the latest last.
#[derive(Default)]
pub(super) struct History {
    last: Option<Totals>,
    seconds: VecDeque<Totals>,
}

impl History {
    /// A second is over, and until its end this has happened.
    pub(super) fn add(&mut self, totals: Totals) {
        let Some(last) = self.last.replace(totals) else { return };
        if self.seconds.len() == SECONDS {
            self.seconds.pop_front();
        }
        self.seconds.push_back(totals.since(&last));
    }

    /// The seconds that are known, the latest last.
    pub(super) fn seconds(&self) -> impl Iterator<Item = &Totals> {
        self.seconds.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_what_happened_in_it_and_the_oldest_is_forgotten() {
        let mut history = History::default();
        for at in 0..=SECONDS as u64 + 2 {
            history.add(Totals { open: at, bytes_in: at * at, ..Totals::default() });
        }
        let seconds: Vec<_> = history.seconds().map(|one| (one.open, one.bytes_in)).collect();
        assert_eq!((seconds.len(), seconds[0]), (SECONDS, (3, 5)));
        assert_eq!(seconds.last(), Some(&(302, 302 * 302 - 301 * 301)));
    }
}
