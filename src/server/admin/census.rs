//! The peers that matter: who has had most traffic, who is oldest, who is furthest behind. There
//! may be a million, so they are looked at some in each turn, and what is shown is the last count
//! that was finished.

use std::cmp::Reverse;
use std::time::Duration;

use crate::engine::{Entry, Net, Time};

/// Slots looked at in one turn: some tens of microseconds.
const SLOTS: usize = 4096;
/// So many peers of each kind.
pub(super) const TOP: usize = 5;
/// How long a count is as good as a new one.
const FRESH: Duration = Duration::from_millis(200);

/// The peers that matter, as far as they have been counted.
#[derive(Clone, Default)]
pub(super) struct Tops {
    /// Most bytes in both directions, oldest, most bytes waiting; the first is first.
    pub(super) busiest: Vec<Entry>,
    pub(super) oldest: Vec<Entry>,
    pub(super) behind: Vec<Entry>,
}

impl Tops {
    fn add(&mut self, entry: Entry) {
        keep(&mut self.busiest, entry, |one| one.bytes_in + one.bytes_out);
        keep(&mut self.oldest, entry, |one| u64::try_from(one.age.as_nanos()).unwrap_or(u64::MAX));
        if entry.queued > 0 {
            keep(&mut self.behind, entry, |one| one.queued as u64);
        }
    }
}

/// Puts `entry` into its place among the first, if it has one. Who was there first stays first.
fn keep(list: &mut Vec<Entry>, entry: Entry, measure: impl Fn(&Entry) -> u64) {
    let rank = Reverse(measure(&entry));
    let at = list.partition_point(|one| Reverse(measure(one)) <= rank);
    if at < TOP {
        list.truncate(TOP - 1);
        list.insert(at.min(list.len()), entry);
    }
}

/// A count that may be under way.
#[derive(Default)]
pub(super) struct Census {
    /// What was found the last time, and when.
    found: Tops,
    at: Option<Time>,
    /// The next slot to be looked at, how many have been seen so far, and what they are.
    next: Option<usize>,
    seen: usize,
    growing: Tops,
}

impl Census {
    /// What was found last.
    pub(super) fn found(&self) -> &Tops {
        &self.found
    }

    /// Counts anew, unless that has just been done or is being done. A few peers are counted when
    /// this returns.
    pub(super) fn begin(&mut self, net: &mut Net) {
        let is_fresh = self.at.is_some_and(|at| net.now().since(at) < FRESH);
        if self.next.is_none() && !is_fresh {
            (self.next, self.seen, self.growing) = (Some(0), 0, Tops::default());
            self.go_on(net);
        }
    }

    /// Looks at some more, and asks to be called again if there are others.
    pub(super) fn go_on(&mut self, net: &mut Net) {
        let Some(start) = self.next else { return };
        let survey = net.survey();
        for entry in survey.peers(start..start + SLOTS) {
            self.seen += 1;
            self.growing.add(entry);
        }
        let end = start + SLOTS;
        if end < survey.slots() && self.seen < survey.connections() {
            self.next = Some(end);
            net.wake_at(net.now());
            return;
        }
        self.next = None;
        self.at = Some(net.now());
        self.found = std::mem::take(&mut self.growing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Peer;

    fn entry(number: u64, bytes: u64, age: u64, queued: usize) -> Entry {
        Entry {
            peer: Peer::from_bits(number << 22),
            service: "echo",
            remote: ([192, 0, 2, 1], 1).into(),
            age: Duration::from_secs(age),
            bytes_in: bytes,
            bytes_out: bytes,
            queued,
        }
    }

    fn numbers(list: &[Entry]) -> Vec<u64> {
        list.iter().map(|one| one.peer.number()).collect()
    }

    #[test]
    fn the_first_of_each_kind_are_kept_in_order() {
        let mut tops = Tops::default();
        for number in 0..20 {
            tops.add(entry(number, number * 7 % 20, 100 - number, usize::from(number == 13)));
        }
        assert_eq!(numbers(&tops.busiest), [17, 14, 11, 8, 5]);
        assert_eq!(numbers(&tops.oldest), [0, 1, 2, 3, 4]);
        assert_eq!(numbers(&tops.behind), [13]);
    }

    #[test]
    fn among_equals_who_came_first_stays_first() {
        let mut tops = Tops::default();
        (0..9).for_each(|number| tops.add(entry(number, 5, 5, 0)));
        assert_eq!(numbers(&tops.busiest), [0, 1, 2, 3, 4]);
        assert!(tops.behind.is_empty());
    }
}
