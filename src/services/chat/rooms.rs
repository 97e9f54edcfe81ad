//! The rooms: who is in which, what was said last, and who is sent what.
//!
//! Everybody in a room sees the same lines in the same order. Lines gather during the turn and go
//! out at its end; members that come or go meanwhile change nothing for the others.

#[cfg(feature = "bus")]
mod elsewhere;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use slab::Slab;

use super::LINE_BYTES;
use super::gathering::Gathering;
use super::names::Name;
use super::tally::{Change, Changes, RoomTally};
use crate::engine::{Net, Peer, Time};

/// The room that newcomers are in, and the only one that may be empty.
pub(super) const LOBBY: usize = 0;
/// The lines of a room that newcomers are sent; older ones are forgotten.
const HISTORY_LINES: usize = 20;
/// The longest head of a line: a name and what is around it.
const HEAD_BYTES: usize = 32;
/// The most rooms that there may be; further ones cannot be opened.
pub(super) const ROOMS_MAX: usize = 1_000;
/// In a room of more members than this, those who come and go are counted and told of together.
const CROWD: usize = 50;
/// How long they are counted.
const TALLY_EVERY: Duration = Duration::from_secs(1);

/// In seconds.
const DAY: u64 = 86_400;

/// This many bytes to members cost one unit of `Net::spend`: nobody looks at them here, and all of
/// a turn leave in one call.
const DELIVERED_PER_UNIT: usize = 4;

/// Where a member sits.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) room: usize,
    pub(super) seat: usize,
}

/// What has changed here, for whoever tells other servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Something happened to a member; `is_counted`: it is in a tally and need not be told.
    Changed { room: Name, who: Name, change: Change, is_counted: bool },
    /// A tally was told.
    Counted { room: Name, changes: Changes },
    /// The last member has left; unless that is the lobby the room is gone, and what it knew.
    Emptied { room: Name },
}

/// Something that was said, and when: seconds since 1970-01-01 00:00 UTC.
#[derive(Default)]
struct Remembered {
    at: u64,
    line: String,
}

struct Room {
    name: Name,
    history: VecDeque<Remembered>,
    /// Room for lines that have not been said yet.
    blank: Vec<Remembered>,
    gathering: Gathering,
    tally: RoomTally,
    /// How many are in the room of that name on other servers.
    elsewhere: usize,
    /// Whether it is in `Rooms::gathered`.
    listed: bool,
}

impl Room {
    fn new(name: Name) -> Room {
        Room {
            name,
            history: VecDeque::new(),
            blank: Vec::new(),
            gathering: Gathering::default(),
            tally: RoomTally::default(),
            elsewhere: 0,
            listed: false,
        }
    }

    /// Reserves room for all that it is to remember, whatever is said. What lasts must not be put
    /// amid a burst: it would keep the allocator from giving that back.
    fn reserve(&mut self) {
        let blank = || Remembered { at: 0, line: String::with_capacity(LINE_BYTES + HEAD_BYTES) };
        self.history.reserve(HISTORY_LINES);
        self.blank.extend(std::iter::repeat_with(blank).take(HISTORY_LINES));
    }

    fn remember(&mut self, line: &str, at: u64) {
        let mut place = match self.history.len() {
            HISTORY_LINES.. => self.history.pop_front().unwrap_or_default(),
            _ => self.blank.pop().unwrap_or_default(),
        };
        place.at = at;
        place.line.clear();
        place.line.push_str(line);
        self.history.push_back(place);
    }

    /// Whether changes are counted. While a tally is due all are: nothing may overtake it.
    fn is_crowded(&self) -> bool {
        self.gathering.seats() + self.elsewhere > CROWD || self.tally.due.is_some()
    }

    fn publish(&mut self, net: &mut Net) {
        self.gathering.publish(|peer, buffer, range| net.share(peer, buffer, range));
    }
}

/// All rooms, by number. Once a room is empty, its number may be given to another.
pub(super) struct Rooms {
    rooms: Slab<Room>,
    /// The number of each, by folded name.
    numbers: BTreeMap<Name, usize>,
    /// The rooms with something to publish in this turn. A number that is out of date does no harm.
    gathered: Vec<usize>,
    /// When to tell which room of its changes, the earliest first. A room may be gone by then.
    tallies: VecDeque<(Time, usize)>,
    /// What has changed since they were taken; `None`: nobody wants to know.
    reports: Option<Vec<Report>>,
}

impl Rooms {
    /// Only the lobby.
    pub(super) fn new() -> Rooms {
        let (numbers, gathered, tallies) = Default::default();
        let rooms = Slab::with_capacity(ROOMS_MAX);
        let mut rooms = Rooms { rooms, numbers, gathered, tallies, reports: None };
        let lobby = Name::parse(b"lobby").and_then(|name| rooms.open(name));
        debug_assert_eq!(lobby, Some(LOBBY));
        rooms.rooms[LOBBY].reserve();
        rooms
    }

    /// Gives back room that is not needed.
    pub(super) fn trim(&mut self) {
        self.rooms.iter_mut().for_each(|(_, room)| room.gathering.trim());
        if self.gathered.is_empty() && self.tallies.is_empty() {
            (self.gathered, self.tallies) = Default::default();
        }
    }

    /// The number of the room with that name.
    pub(super) fn find(&self, name: Name) -> Option<usize> {
        self.numbers.get(&name.folded()).copied()
    }

    /// The number of the room with that name, which is opened if there is none; `None`: there are
    /// too many. Somebody must enter it at once.
    pub(super) fn open(&mut self, name: Name) -> Option<usize> {
        let found = self.find(name);
        if found.is_some() || self.rooms.len() >= ROOMS_MAX {
            return found;
        }
        let number = self.rooms.insert(Room::new(name));
        self.numbers.insert(name.folded(), number);
        Some(number)
    }

    /// Its name, as the member that opened it wrote it.
    pub(super) fn name(&self, room: usize) -> Option<Name> {
        self.rooms.get(room).map(|room| room.name)
    }

    /// How many members it has.
    pub(super) fn count(&self, room: usize) -> usize {
        self.rooms.get(room).map_or(0, |room| room.gathering.seats())
    }

    /// How many are there on all servers.
    pub(super) fn total(&self, room: usize) -> usize {
        self.rooms.get(room).map_or(0, |room| room.gathering.seats() + room.elsewhere)
    }

    /// Its members, in no order.
    pub(super) fn members(&self, room: usize) -> impl Iterator<Item = Peer> {
        self.rooms.get(room).into_iter().flat_map(|room| room.gathering.peers())
    }

    /// Every room and how many members it has, by name.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Name, usize)> {
        self.numbers.values().map(|number| {
            let room = &self.rooms[*number];
            (room.name, room.gathering.seats())
        })
    }

    /// Lets in `peer`, sends it what was said last, and tells the others.
    pub(super) fn enter(&mut self, number: usize, peer: Peer, who: Name, net: &mut Net) -> Place {
        let mut place = Place { room: number, seat: 0 };
        if let Some(room) = self.rooms.get_mut(number) {
            place.seat = room.gathering.enter(peer);
            for Remembered { at, line } in &room.history {
                let head = earlier(*at, net.wall_seconds());
                net.spend(head.len() + line.len());
                net.send(peer, head.as_bytes());
                net.send(peer, line.as_bytes());
            }
        }
        self.announce(place, who, Change::Joined, net);
        place
    }

    /// Lets out the member at `place`, and tells the others. Returns the member that has its seat
    /// now.
    pub(super) fn leave(&mut self, place: Place, who: Name, net: &mut Net) -> Option<Peer> {
        self.announce(place, who, Change::Left, net);
        let room = self.rooms.get_mut(place.room)?;
        let moved = room.gathering.leave(place.seat, |peer, bytes| send_early(peer, bytes, net));
        if room.gathering.seats() == 0 {
            self.be_emptied(place.room);
        }
        moved
    }

    fn be_emptied(&mut self, number: usize) {
        let Some(name) = self.name(number) else { return };
        if number != LOBBY {
            self.end_tally(number);
            self.numbers.remove(&name.folded());
            self.rooms.remove(number);
        }
        if let Some(reports) = &mut self.reports {
            reports.push(Report::Emptied { room: name });
        }
    }

    /// Tells the others in a room what happens to the member `who` at `place`.
    pub(super) fn announce(&mut self, place: Place, who: Name, change: Change, net: &mut Net) {
        let Some(room) = self.rooms.get_mut(place.room) else { return };
        let is_counted = room.is_crowded();
        if let Some(reports) = &mut self.reports {
            reports.push(Report::Changed { room: room.name, who, change, is_counted });
        }
        if is_counted {
            room.tally.here.count(change);
            return self.tell_soon(place.room, net);
        }
        let line = match change {
            Change::Joined => format!("* {who} joined\n"),
            Change::Left => format!("* {who} left\n"),
            Change::Renamed(name) => format!("* {who} is now {name}\n"),
        };
        self.gather(place.room, Some(place.seat), &line, net);
    }

    /// Makes sure that the tally of that room will be told.
    fn tell_soon(&mut self, number: usize, net: &mut Net) {
        let Some(room) = self.rooms.get_mut(number) else { return };
        if room.tally.due.is_none() {
            let due = net.now().after(TALLY_EVERY);
            room.tally.due = Some(due);
            self.tallies.push_back((due, number));
            net.wake_at(due);
        }
    }

    /// Tells a room what somebody says, and keeps it for those who come later. A speaker with a
    /// seat there is not told.
    pub(super) fn say(&mut self, number: usize, speaker: Option<usize>, line: &str, net: &mut Net) {
        if let Some(room) = self.rooms.get_mut(number) {
            room.remember(line, net.wall_seconds());
        }
        self.gather(number, speaker, line, net);
    }

    /// Sends the member at `place` what its room has gathered so far.
    pub(super) fn publish_to(&mut self, place: Place, net: &mut Net) {
        if let Some(room) = self.rooms.get_mut(place.room) {
            room.gathering.publish_to(place.seat, |peer, bytes| send_early(peer, bytes, net));
        }
    }

    /// Sends everybody what their rooms have gathered.
    pub(super) fn settle(&mut self, net: &mut Net) {
        for number in self.gathered.drain(..) {
            if let Some(room) = self.rooms.get_mut(number) {
                room.listed = false;
                room.publish(net);
            }
        }
    }

    /// Tells those crowded rooms whose time has come how many came and went.
    pub(super) fn tell_tallies(&mut self, net: &mut Net) {
        while let Some((due, number)) = self.tallies.front().copied() {
            if due > net.now() {
                return net.wake_at(due);
            }
            self.tallies.pop_front();
            let Some(room) = self.rooms.get_mut(number) else { continue };
            if room.tally.due == Some(due) {
                let line = room.tally.line();
                self.end_tally(number);
                self.gather(number, None, &line, net);
            }
        }
    }

    /// Begins a new tally. What was counted of members of this server is reported.
    fn end_tally(&mut self, number: usize) {
        let Some(room) = self.rooms.get_mut(number) else { return };
        let changes = std::mem::take(&mut room.tally).here;
        if let Some(reports) = self.reports.as_mut().filter(|_| changes != Changes::default()) {
            reports.push(Report::Counted { room: room.name, changes });
        }
    }

    fn gather(&mut self, number: usize, speaker: Option<usize>, line: &str, net: &mut Net) {
        let Some(room) = self.rooms.get_mut(number) else { return };
        room.gathering.push(speaker, line);
        net.spend(line.len() * room.gathering.seats() / DELIVERED_PER_UNIT);
        if room.gathering.is_full() {
            room.publish(net);
            // Short lines grow by their speaker's name. One flooder must not fill everybody's queue
            // within a turn, before anybody could read.
            net.end_share();
        }
        if !std::mem::replace(&mut room.listed, true) {
            self.gathered.push(number);
        }
    }
}

/// What stands before a line that was said at `at`, where a newcomer is shown it. Nobody can say
/// such a thing now: what a member says begins with `<` or `*`. The clock is UTC, since members
/// need not be where the server is.
fn earlier(at: u64, now: u64) -> String {
    let (hours, minutes) = (at / 3600 % 24, at / 60 % 60);
    let days = match (now / DAY).saturating_sub(at / DAY) {
        0 => String::new(),
        1 => "yesterday ".into(),
        days => format!("{days} days ago "),
    };
    format!("[earlier, {days}{hours:02}:{minutes:02} UTC] ")
}

/// Sends one member a copy of what the others are sent at the end of the turn. Copying costs.
fn send_early(peer: Peer, bytes: &[u8], net: &mut Net) {
    net.spend(bytes.len());
    net.send(peer, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_on_another_day_says_so() {
        let noon = 20_000 * DAY + 12 * 3600;
        for (before, head) in [
            (0, "[earlier, 12:00 UTC] "),
            (12 * 3600, "[earlier, 00:00 UTC] "),
            (12 * 3600 + 1, "[earlier, yesterday 23:59 UTC] "),
            (3 * DAY, "[earlier, 3 days ago 12:00 UTC] "),
        ] {
            assert_eq!(earlier(noon - before, noon), head);
        }
        assert_eq!(earlier(noon + DAY, noon), "[earlier, 12:00 UTC] ", "a clock was set back");
    }
}
