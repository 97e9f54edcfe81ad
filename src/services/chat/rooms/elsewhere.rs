//! What rooms are told of other servers.

use std::fmt::Display;

use super::{DELIVERED_PER_UNIT, Report, Rooms, earlier};
use crate::engine::Net;
use crate::services::chat::names::Name;
use crate::services::chat::tally::{Change, Changes};

impl Rooms {
    /// From now on remembers what has changed, for `take_reports`.
    pub(in crate::services::chat) fn keep_reports(&mut self) {
        self.reports.get_or_insert_default();
    }

    /// What has changed since the last call.
    pub(in crate::services::chat) fn take_reports(&mut self) -> Vec<Report> {
        self.reports.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The folded names of all rooms, and their numbers.
    pub(in crate::services::chat) fn numbers(&self) -> impl Iterator<Item = (Name, usize)> {
        self.numbers.iter().map(|(name, number)| (*name, *number))
    }

    /// So many are in the room of that name on other servers.
    pub(in crate::services::chat) fn set_elsewhere(&mut self, number: usize, count: usize) {
        if let Some(room) = self.rooms.get_mut(number) {
            room.elsewhere = count;
        }
    }

    /// Tells a room what happens to somebody on another server.
    pub(in crate::services::chat) fn announce_elsewhere(
        &mut self,
        number: usize,
        line: impl Display,
        change: Change,
        net: &mut Net,
    ) {
        let Some(room) = self.rooms.get_mut(number) else { return };
        if room.is_crowded() {
            room.tally.elsewhere.count(change);
            return self.tell_soon(number, net);
        }
        self.tell(number, line, net);
    }

    /// Counts what happened to many on another server, into what the room is told next.
    pub(in crate::services::chat) fn count_elsewhere(
        &mut self,
        number: usize,
        changes: Changes,
        net: &mut Net,
    ) {
        if let Some(room) = self.rooms.get_mut(number).filter(|_| changes != Changes::default()) {
            room.tally.elsewhere.add(changes);
            self.tell_soon(number, net);
        }
    }

    /// What telling a room that line costs, for whoever causes it and is not served any more by
    /// then.
    pub(in crate::services::chat) fn charge(&self, number: usize, line: &str, net: &mut Net) {
        net.spend(line.len() * self.count(number) / DELIVERED_PER_UNIT);
    }

    /// Tells everybody in a room a line, which nobody said and nobody will be told later.
    pub(in crate::services::chat) fn tell(
        &mut self,
        number: usize,
        line: impl Display,
        net: &mut Net,
    ) {
        self.gather(number, None, &format!("{line}\n"), net);
    }

    /// Tells a room what was said at `at` and did not reach it then, and keeps it.
    pub(in crate::services::chat) fn say_late(
        &mut self,
        number: usize,
        line: &str,
        at: u64,
        net: &mut Net,
    ) {
        if let Some(room) = self.rooms.get_mut(number) {
            room.remember(line, at);
        }
        let head = earlier(at, net.wall_seconds());
        self.gather(number, None, &(head + line), net);
    }

    /// Forgets what was said in a room.
    pub(in crate::services::chat) fn forget_history(&mut self, number: usize) {
        if let Some(room) = self.rooms.get_mut(number) {
            room.blank.extend(room.history.drain(..));
        }
    }
}
