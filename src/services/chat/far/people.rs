//! Who is on other servers, what happens to them, and what is said to one of them alone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::names::Name;
use super::super::replies::{LISTED, LISTED_UNITS, list, send_line, tell};
use super::super::rooms::Rooms;
use super::super::tally::Change;
use super::payload::{Matter, Message, NAMES_MAX};
use super::rosters::{NODES_MAX, Told};
use super::{ANSWER_WITHIN, Far, Hall, Reach, room_of, subject};
use crate::bus::Wish;
use crate::engine::{Net, Peer};
use crate::services::text::visible;

/// The highest number that is put behind a name which another server has.
const SUFFIX_MAX: u32 = 99;
/// How often a name is given up at most: who takes every one must not keep us busy.
const NAMED_EVERY: Duration = Duration::from_secs(1);
/// The longest name that such a number fits behind.
const STEM_BYTES: usize = 17;

impl Far {
    /// Something that was published, and is not kept.
    pub(super) fn hear_others(&mut self, subject: &str, payload: &[u8], hall: &mut Hall) {
        let Some(message) = Message::read(payload) else { return self.count_malformed() };
        if message.run == Some(self.run) {
            return;
        }
        if let Some(run) = message.run {
            self.rosters.hear(run, hall.net.now());
        }
        if let Some(room) = room_of(subject, "here") {
            self.hear_roster(room, &message, hall);
        } else if let Some(room) = room_of(subject, "ask") {
            if message.matter == Matter::Ask && self.agenda.has(room) {
                let wait = self.draw(ANSWER_WITHIN);
                self.agenda.ask(room, hall.net.now().after(wait));
            }
        } else if let Some(room) = room_of(subject, "news") {
            if let Some(number) = self.followed(room, hall.rooms) {
                hear_change(number, &message, hall);
            }
        } else if room_of(subject, "to") == Some(self.node.folded()) {
            self.hear_private(&message, hall);
        }
    }

    fn hear_roster(&mut self, room: Name, message: &Message<'_>, hall: &mut Hall) {
        let Message { node, run, .. } = *message;
        let Matter::Roster { started, count, names } = &message.matter else { return };
        let Some(run) = run else { return self.count_malformed() };
        let (started, count) = (*started, *count);
        if node.folded() == self.node.folded() && (self.started, self.run) > (started, run) {
            self.give_way(hall);
        }
        let told = Told { run, node, started, room, count, names };
        let is_back = self.rosters.take(&told, hall.net.now());
        if !self.rosters.has(run) && !std::mem::replace(&mut self.is_crowded, true) {
            log::warn!(
                "more than {NODES_MAX} other servers are on the bus: who is on further ones is \
                 not known here, though what they say is heard"
            );
        }
        self.count_elsewhere(room, hall.rooms);
        if let Some(number) = hall.rooms.find(room).filter(|_| is_back) {
            let line = format_args!("* {node} is back, with {count} here");
            hall.rooms.tell(number, line, hall.net);
        }
        self.port.count(|figures| figures.nodes = self.rosters.nodes() as u64);
    }

    /// Another server had this name before: takes another one, unless that was but a moment ago.
    /// If it is still the same then, its next roster says so.
    fn give_way(&mut self, hall: &mut Hall) {
        if self.named.is_some_and(|at| hall.net.now() < at.after(NAMED_EVERY)) {
            return;
        }
        let stem = self.wanted.as_str();
        let stem = &stem[..stem.len().min(STEM_BYTES)];
        let mut names = (2..=SUFFIX_MAX)
            .filter_map(|number| Name::parse(format!("{stem}-{number}").as_bytes()));
        let is_free = |name: &Name| *name != self.node && !self.rosters.knows(*name);
        let Some(name) = names.find(is_free) else { return };
        let old = std::mem::replace(&mut self.node, name);
        self.named = Some(hall.net.now());
        log::warn!("another server on the bus is called {old}: this one is {name} there now");
        self.port.wish(Wish::Leave(subject("to", old)));
        self.port.wish(Wish::Listen(subject("to", name)));
        self.port.count(|figures| figures.node = name.to_string());
        for room in self.agenda.rooms() {
            self.agenda.changed(room, hall.net.now());
        }
    }

    /// Takes over how many are in a room elsewhere.
    fn count_elsewhere(&self, room: Name, rooms: &mut Rooms) {
        if let Some(number) = rooms.find(room) {
            rooms.set_elsewhere(number, self.rosters.count(room));
        }
    }

    /// A room has been opened: there may be others elsewhere that are in it.
    pub(in crate::services::chat) fn opened(&self, number: usize, rooms: &mut Rooms) {
        if let Some(room) = rooms.name(number).filter(|_| self.reach != Reach::Here) {
            rooms.set_elsewhere(number, self.rosters.count(room.folded()));
        }
    }

    /// Counts all rooms anew.
    pub(super) fn count_all(&self, rooms: &mut Rooms) {
        let is_out = self.reach == Reach::Here;
        let numbers: Vec<(Name, usize)> = rooms.numbers().collect();
        for (room, number) in numbers {
            rooms.set_elsewhere(number, if is_out { 0 } else { self.rosters.count(room) });
        }
    }

    /// Forgets servers that nothing has been heard of for long, and tells of it.
    pub(super) fn forget_lost(&mut self, hall: &mut Hall) {
        let now = hall.net.now();
        let mut is_changed = false;
        while let Some((node, rooms)) = self.rosters.take_lost(now) {
            is_changed = true;
            for (room, count) in rooms {
                if let Some(number) = self.followed(room, hall.rooms) {
                    let line = format_args!("* {node} is gone, with {count} here");
                    hall.rooms.tell(number, line, hall.net);
                }
            }
        }
        if self.rosters.forget_old(now) || is_changed {
            self.count_all(hall.rooms);
            self.port.count(|figures| figures.nodes = self.rosters.nodes() as u64);
        }
    }

    /// Tells other servers who is in a room of ours.
    pub(super) fn tell_roster(&self, room: Name, hall: &Hall) {
        let number = hall.rooms.find(room);
        let count = number.map_or(0, |number| hall.rooms.count(number));
        let members = number.into_iter().flat_map(|number| hall.rooms.members(number));
        let members = members.take(NAMES_MAX).filter_map(|peer| hall.members.get(peer));
        let names: Vec<Name> = members.map(|member| member.name).collect();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let matter = Matter::Roster { started: self.started, count, names: names.into() };
        self.publish(subject("here", room), matter);
    }
}

/// What happens to somebody elsewhere.
fn hear_change(number: usize, message: &Message<'_>, hall: &mut Hall) {
    let Hall { rooms, net, .. } = hall;
    let node = message.node;
    match message.matter {
        Matter::Joined(who) => {
            let line = format_args!("* {who}@{node} joined");
            rooms.announce_elsewhere(number, line, Change::Joined, net);
        }
        Matter::Left(who) => {
            rooms.announce_elsewhere(
                number,
                format_args!("* {who}@{node} left"),
                Change::Left,
                net,
            );
        }
        Matter::Renamed { who, now } => {
            let line = format_args!("* {who}@{node} is now {now}@{node}");
            rooms.announce_elsewhere(number, line, Change::Renamed(now), net);
        }
        Matter::Tally(changes) => rooms.count_elsewhere(number, changes, net),
        _ => {}
    }
}

/// What is said to one person alone, and what a member is told on asking.
impl Far {
    /// Whether that server is this one.
    pub(in crate::services::chat) fn is_here(&self, node: Name) -> bool {
        node.folded() == self.node.folded()
    }

    /// Passes on what `from` says to `to` on another server.
    pub(in crate::services::chat) fn send_message(
        &self,
        (peer, who): (Peer, Name),
        to: Name,
        node: Name,
        text: &[u8],
        net: &mut Net,
    ) {
        if self.reach == Reach::Here || !self.port.has_room() {
            return tell(net, peer, "Other servers are out of reach.");
        }
        let Some(node) = self.rosters.node_names().find(|name| name.folded() == node.folded())
        else {
            return tell(net, peer, format_args!("There is no server called {node}; see /who."));
        };
        let text = String::from_utf8_lossy(text);
        let shown = visible(text.as_bytes());
        self.publish(subject("to", node), Matter::Private { who, to, text });
        send_line(net, peer, format_args!("[to {to}@{node}] {shown}"));
    }

    fn hear_private(&self, message: &Message<'_>, hall: &mut Hall) {
        let node = message.node;
        match &message.matter {
            Matter::Private { who, to, text } => {
                let found = hall.names.find(to.as_str().as_bytes());
                let found = found.and_then(|peer| Some((peer, hall.members.get(peer)?)));
                let Some((peer, member)) = found else {
                    let matter = Matter::Nobody { who: *to, to: *who };
                    return self.publish(subject("to", node), matter);
                };
                // What was said before comes first.
                hall.rooms.publish_to(member.place, hall.net);
                send_line(hall.net, peer, format_args!("[from {who}@{node}] {text}"));
            }
            Matter::Nobody { who, to } => {
                if let Some(peer) = hall.names.find(to.as_str().as_bytes()) {
                    let line = format_args!("There is nobody called {who}@{node}; see /who.");
                    tell(hall.net, peer, line);
                }
            }
            _ => {}
        }
    }

    /// Tells `peer` who else is in that room, server by server; `listed` have been named already.
    pub(in crate::services::chat) fn list_members(
        &self,
        peer: Peer,
        room: Name,
        listed: usize,
        net: &mut Net,
    ) {
        if self.reach == Reach::Here {
            return;
        }
        let mut free = LISTED.saturating_sub(listed);
        for (node, there) in self.rosters.there(room.folded()) {
            let count = there.count as usize;
            let mut names: Vec<Name> = there.names.iter().take(free).copied().collect();
            names.sort_unstable_by_key(|name| name.folded());
            free -= names.len();
            net.spend(LISTED_UNITS * names.len());
            let names = names.iter().map(|name| format!("{name}@{node}"));
            let names = list(names, count);
            let colon = if names.is_empty() { "" } else { ": " };
            tell(net, peer, format_args!("{count} in {room} on {node}{colon}{names}"));
        }
    }

    /// How many are in which room elsewhere.
    pub(in crate::services::chat) fn rooms(&self, net: &mut Net) -> BTreeMap<Name, usize> {
        if self.reach == Reach::Here {
            return BTreeMap::new();
        }
        // All are gone through for a few that are listed.
        net.spend(LISTED_UNITS * self.rosters.entries());
        self.rosters.rooms()
    }
}
