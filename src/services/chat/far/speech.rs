//! What members of this server say to rooms that span servers, until the stream hands it back.
//! Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::super::names::Name;
use crate::engine::{Peer, Time};

/// A line that is not back after this long is shown here without waiting on.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Numbers of so many rooms are remembered. Beyond that those of all rooms are forgotten; then
/// others may take lines for missing that never were.
const ROOMS_MAX: usize = 4_096;
/// So many lines that were shown here are remembered, to be passed over when they come back. One
/// that is forgotten is shown twice.
const SHOWN_MAX: usize = 4_096;
/// So many speakers are known to have been told how far they reach. One that is forgotten may be
/// told again.
const WARNED_MAX: usize = 4_096;

/// A line that the stream has been given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnLine {
    /// The folded name of the room.
    pub(super) room: Name,
    /// Its place among those of this run in its room.
    pub(super) seq: u64,
    /// Its place among all of this run.
    pub(super) number: u64,
    /// Who said it; `None`: the operator.
    pub(super) speaker: Option<Peer>,
    /// What the room is to be shown, with its end.
    pub(super) line: String,
    /// When it was said.
    pub(super) at: Time,
}

/// A line that was shown here before the stream, or anybody else, had it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) room: Name,
    pub(super) seq: u64,
    pub(super) number: u64,
    pub(super) speaker: Option<Peer>,
}

/// What a line of ours is that has come back.
pub(super) enum Back {
    /// One that waits no longer.
    Awaited(OwnLine),
    /// One that was shown before. That is told once.
    Shown,
    /// One that has been back before, or that nobody was to be shown.
    Known,
    /// One that we have never said.
    Strange,
}

/// See the top of this file.
#[derive(Default)]
pub(super) struct Speech {
    said: u64,
    /// Before the first place in a room that is not known yet.
    first: u64,
    /// The number of the last line in each room, by folded name.
    seqs: BTreeMap<Name, u64>,
    /// Those that are not back, in the order in which they were said.
    waiting: VecDeque<OwnLine>,
    /// Those that were shown without waiting on.
    shown: VecDeque<Shown>,
    /// The speakers that know that other servers do not hear them.
    warned: BTreeSet<Peer>,
}

impl Speech {
    /// The places of the next line in that room: among those there, and among all.
    pub(super) fn number(&mut self, room: Name) -> (u64, u64) {
        if self.seqs.len() >= ROOMS_MAX && !self.seqs.contains_key(&room) {
            self.seqs.clear();
            // In no room there can have been more lines than that, so no place is given twice.
            self.first = self.said;
        }
        self.said += 1;
        let seq = self.seqs.entry(room).or_insert(self.first);
        *seq += 1;
        (*seq, self.said)
    }

    /// The stream has been given that line.
    pub(super) fn wait_for(&mut self, line: OwnLine) {
        self.waiting.push_back(line);
    }

    /// The line with that place has come back.
    pub(super) fn came_back(&mut self, room: Name, seq: u64) -> Back {
        match self.take(room, seq) {
            Some(line) => Back::Awaited(line),
            None if self.was_shown(room, seq) => Back::Shown,
            None if self.has_said(room, seq) => Back::Known,
            None => Back::Strange,
        }
    }

    /// The line with that place; `None`: it does not wait.
    fn take(&mut self, room: Name, seq: u64) -> Option<OwnLine> {
        let is_it = |line: &OwnLine| line.room == room && line.seq == seq;
        let place = self.waiting.iter().position(is_it)?;
        self.waiting.remove(place)
    }

    /// The line with that place among all, which the stream will never have.
    pub(super) fn take_refused(&mut self, number: u64) -> Option<OwnLine> {
        let place = self.waiting.iter().position(|line| line.number == number)?;
        self.waiting.remove(place)
    }

    /// The next line that was said at `until` or before and is to be shown without waiting on.
    pub(super) fn give_up(&mut self, until: Time) -> Option<OwnLine> {
        self.waiting.front().filter(|line| line.at <= until)?;
        let line = self.waiting.pop_front()?;
        let OwnLine { room, seq, number, speaker, .. } = line;
        self.show(Shown { room, seq, number, speaker });
        Some(line)
    }

    /// That line has been shown here without waiting for anybody.
    pub(super) fn show(&mut self, line: Shown) {
        if self.shown.len() >= SHOWN_MAX {
            self.shown.pop_front();
        }
        self.shown.push_back(line);
    }

    /// Whether that line has been shown before it came back. Told once.
    fn was_shown(&mut self, room: Name, seq: u64) -> bool {
        let is_it = |shown: &Shown| (shown.room, shown.seq) == (room, seq);
        let place = self.shown.iter().position(is_it);
        place.and_then(|place| self.shown.remove(place)).is_some()
    }

    /// Who said the line with that place among all, which was shown here and which nobody else will
    /// ever have.
    pub(super) fn forget_shown(&mut self, number: u64) -> Option<Peer> {
        let place = self.shown.iter().position(|shown| shown.number == number)?;
        self.shown.remove(place)?.speaker
    }

    /// Whether this run has said a line with that place.
    fn has_said(&self, room: Name, seq: u64) -> bool {
        self.seqs.get(&room).is_some_and(|last| seq <= *last)
    }

    /// Other servers hear nobody from now on.
    pub(super) fn reach_few(&mut self) {
        self.warned.clear();
    }

    /// Whether that speaker is to be told so: once.
    pub(super) fn warn(&mut self, speaker: Peer) -> bool {
        if self.warned.len() >= WARNED_MAX && !self.warned.contains(&speaker) {
            self.warned.pop_first();
        }
        self.warned.insert(speaker)
    }

    /// When the line that was said first is to be shown.
    pub(super) fn next(&self) -> Option<Time> {
        self.waiting.front().map(|line| line.at.after(PATIENCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).unwrap()
    }

    fn say(speech: &mut Speech, room: &str, second: u64) -> (u64, u64) {
        let (seq, number) = speech.number(name(room));
        let (at, line) = (Time::at(Duration::from_secs(second)), format!("{number}"));
        speech.wait_for(OwnLine { room: name(room), seq, number, speaker: None, line, at });
        (seq, number)
    }

    #[test]
    fn lines_are_numbered_room_by_room_and_all_together() {
        let mut speech = Speech::default();
        let places = ["a", "b", "a"].map(|room| say(&mut speech, room, 0));
        assert_eq!(places, [(1, 1), (1, 2), (2, 3)]);
        assert!(speech.has_said(name("a"), 2) && !speech.has_said(name("b"), 2));
    }

    #[test]
    fn what_comes_back_waits_no_longer_and_what_does_not_is_shown_in_order_and_only_once() {
        let mut speech = Speech::default();
        for (room, second) in [("a", 1), ("b", 2), ("a", 3)] {
            say(&mut speech, room, second);
        }
        assert_eq!(speech.next(), Some(Time::at(Duration::from_secs(4))));
        assert_eq!(speech.take(name("b"), 1).unwrap().line, "2");
        assert_eq!(speech.take(name("b"), 1), None);
        let until = Time::at(Duration::from_secs(2));
        assert_eq!(speech.give_up(until).unwrap().line, "1");
        assert_eq!(speech.give_up(until), None);
        assert_eq!(speech.give_up(Time::NEVER).unwrap().line, "3");
        assert_eq!((speech.next(), speech.take(name("a"), 1)), (None, None));
        let back = [("a", 1), ("a", 1), ("a", 2), ("b", 1)];
        let shown = back.map(|(room, seq)| speech.was_shown(name(room), seq));
        assert_eq!(shown, [true, false, true, false]);
    }

    #[test]
    fn a_speaker_is_warned_once_in_each_break_however_long_that_is() {
        let mut speech = Speech::default();
        for number in 0..3 * WARNED_MAX as u64 {
            let peer = Peer::from_bits(number);
            assert!(speech.warn(peer) && !speech.warn(peer));
        }
        assert_eq!(speech.warned.len(), WARNED_MAX);
        speech.reach_few();
        assert!(speech.warn(Peer::from_bits(3 * WARNED_MAX as u64 - 1)));
    }

    #[test]
    fn what_is_refused_is_found_by_its_number() {
        let mut speech = Speech::default();
        (0..3).for_each(|_| _ = say(&mut speech, "a", 0));
        assert_eq!(speech.take_refused(2).unwrap().seq, 2);
        assert_eq!(speech.take_refused(2), None);
    }

    #[test]
    fn however_many_rooms_there_are_no_place_is_given_twice_and_memory_is_bounded() {
        let mut speech = Speech::default();
        let mut last = say(&mut speech, "a", 0).0;
        for number in 0..3 * ROOMS_MAX {
            say(&mut speech, &format!("room{number}"), 0);
            if number % 1_000 == 0 {
                let next = say(&mut speech, "a", 0).0;
                assert!(next > last, "{next} after {last}");
                last = next;
            }
            assert!(speech.seqs.len() <= ROOMS_MAX);
        }
        while speech.give_up(Time::NEVER).is_some() {}
        assert_eq!(speech.shown.len(), SHOWN_MAX);
    }
}
