//! When to tell other servers who is in which of our rooms: on a change, on being asked, and now
//! and then. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::names::Name;
use crate::engine::Time;

/// Rosters of a room that changes are told this far apart at least.
const CHANGED_EVERY: Duration = Duration::from_secs(1);
/// Those of one that others ask for: whoever asks over and over is not answered each time.
const ASKED_EVERY: Duration = Duration::from_millis(200);
/// And those of one that does not.
pub(super) const BEAT: Duration = Duration::from_secs(10);

/// When a roster was told, and when the next is due.
#[derive(Clone, Copy)]
struct Duty {
    told: Option<Time>,
    due: Time,
}

/// What is due when, by the folded names of the rooms.
#[derive(Default)]
pub(super) struct Agenda {
    duties: BTreeMap<Name, Duty>,
    order: BTreeSet<(Time, Name)>,
}

impl Agenda {
    /// The roster of that room has changed, be it a new one.
    pub(super) fn changed(&mut self, room: Name, now: Time) {
        let told = self.duties.get(&room).and_then(|duty| duty.told);
        self.ask(room, told.map_or(now, |told| told.after(CHANGED_EVERY).max(now)));
    }

    /// The roster of that room is wanted by `when`, or as soon after that as it may be told.
    pub(super) fn ask(&mut self, room: Name, when: Time) {
        let duty = self.duties.get(&room).copied();
        let told = duty.and_then(|duty| duty.told);
        let when = told.map_or(when, |told| told.after(ASKED_EVERY).max(when));
        if duty.is_none_or(|duty| when < duty.due) {
            self.put(room, Duty { told, due: when });
        }
    }

    /// The roster of that room is to be told at `when`, even if it has been due for long.
    pub(super) fn put_off(&mut self, room: Name, when: Time) {
        let told = self.duties.get(&room).and_then(|duty| duty.told);
        self.put(room, Duty { told, due: when });
    }

    fn put(&mut self, room: Name, duty: Duty) {
        if let Some(before) = self.duties.insert(room, duty) {
            self.order.remove(&(before.due, room));
        }
        self.order.insert((duty.due, room));
    }

    /// Nobody needs the roster of that room any more.
    pub(super) fn drop(&mut self, room: Name) {
        if let Some(duty) = self.duties.remove(&room) {
            self.order.remove(&(duty.due, room));
        }
    }

    /// Whether the roster of that room is told at all.
    pub(super) fn has(&self, room: Name) -> bool {
        self.duties.contains_key(&room)
    }

    /// All rooms.
    pub(super) fn rooms(&self) -> Vec<Name> {
        self.duties.keys().copied().collect()
    }

    /// A room whose roster is to be told now.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Name> {
        let (_, room) = self.order.first().copied().filter(|(due, _)| *due <= now)?;
        self.put(room, Duty { told: Some(now), due: now.after(BEAT) });
        Some(room)
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.order.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).unwrap()
    }

    /// What becomes due until `end`, and when.
    fn run(agenda: &mut Agenda, end: u64) -> Vec<(Time, Name)> {
        let mut told = Vec::new();
        while let Some(due) = agenda.next().filter(|due| *due <= at(end)) {
            told.extend(agenda.take_due(due).map(|room| (due, room)));
        }
        told
    }

    #[test]
    fn changes_are_told_at_once_then_once_a_second_and_otherwise_now_and_then() {
        let (mut agenda, a, b) = (Agenda::default(), name("a"), name("b"));
        agenda.changed(a, at(100));
        agenda.changed(b, at(150));
        assert_eq!(run(&mut agenda, 150), [(at(100), a), (at(150), b)]);
        for millis in [200, 300, 1_090] {
            agenda.changed(a, at(millis));
        }
        assert_eq!(run(&mut agenda, 5_000), [(at(1_100), a)]);
        assert_eq!(run(&mut agenda, 12_000), [(at(10_150), b), (at(11_100), a)]);
    }

    #[test]
    fn who_asks_is_answered_when_it_was_promised_and_others_that_ask_meanwhile_too() {
        let (mut agenda, a) = (Agenda::default(), name("a"));
        agenda.changed(a, at(0));
        assert_eq!(run(&mut agenda, 0), [(at(0), a)]);
        agenda.ask(a, at(380));
        agenda.ask(a, at(290));
        agenda.ask(a, at(320));
        assert_eq!(run(&mut agenda, 1_000), [(at(290), a)]);
    }

    #[test]
    fn who_asks_over_and_over_is_answered_now_and_then() {
        let (mut agenda, a) = (Agenda::default(), name("a"));
        let told = (0..1_000).flat_map(|millis| {
            agenda.ask(a, at(millis));
            run(&mut agenda, millis)
        });
        let told: Vec<Time> = told.map(|(when, _)| when).collect();
        assert_eq!(told, [0, 200, 400, 600, 800].map(at));
    }

    #[test]
    fn what_has_been_due_for_long_can_be_put_off() {
        let (mut agenda, a, b) = (Agenda::default(), name("a"), name("b"));
        agenda.changed(a, at(0));
        agenda.changed(b, at(0));
        agenda.put_off(a, at(60_000));
        agenda.put_off(b, at(60_001));
        assert_eq!(run(&mut agenda, 69_000), [(at(60_000), a), (at(60_001), b)]);
    }

    #[test]
    fn a_room_that_is_gone_is_not_told() {
        let (mut agenda, a) = (Agenda::default(), name("a"));
        agenda.changed(a, at(0));
        agenda.drop(a);
        assert_eq!(
            (run(&mut agenda, 99_000), agenda.next(), agenda.rooms()),
            (vec![], None, vec![])
        );
    }
}
