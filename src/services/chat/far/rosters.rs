//! Who is in which room on other servers, as these tell it. Who has not told anything for a while
//! is gone. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::names::Name;
use super::super::rooms::ROOMS_MAX;
use crate::engine::Time;

/// What has not been told again for this long is no longer so: three beats, and some more.
pub(super) const EXPIRY: Duration = Duration::from_secs(35);
/// A server that has been silent for more than a beat while another of its name speaks has been
/// started anew.
const OUTLIVED: Duration = Duration::from_secs(12);
/// How often it is looked for that: tens of thousands of rooms may be known.
const SWEPT_EVERY: Duration = Duration::from_secs(1);
/// So many other servers are known; what further ones tell of their members is not taken.
pub(super) const NODES_MAX: usize = 64;
/// So many names are remembered in all; who is beyond that is counted only.
const NAMES_MAX: usize = 100_000;
/// So many losses are remembered, to tell who is back.
const LOST_MAX: usize = 4_096;

/// Who is in one room on one server.
#[derive(Default)]
pub(super) struct There {
    pub(super) count: u32,
    /// The first of them.
    pub(super) names: Vec<Name>,
    at: Time,
}

/// One start of a server.
struct Node {
    name: Name,
    started: u64,
    heard: Time,
    /// Its rooms with somebody in them, by folded name.
    rooms: BTreeMap<Name, There>,
}

/// A roster, as it was told.
pub(super) struct Told<'a> {
    pub(super) run: u64,
    pub(super) node: Name,
    pub(super) started: u64,
    /// The folded name of the room.
    pub(super) room: Name,
    pub(super) count: u32,
    pub(super) names: &'a [Name],
}

/// See the top of this file.
#[derive(Default)]
pub(super) struct Rosters {
    nodes: BTreeMap<u64, Node>,
    /// Servers that were lost, and the rooms where that was told, both folded.
    lost: BTreeSet<(Name, Name)>,
    names: usize,
    /// When it was looked last for what has not been told again.
    swept: Time,
}

impl Rosters {
    /// How many servers are known.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Whether that run is known; if not although it was taken, there are too many.
    pub(super) fn has(&self, run: u64) -> bool {
        self.nodes.contains_key(&run)
    }

    /// The names of all servers that are known.
    pub(super) fn node_names(&self) -> impl Iterator<Item = Name> {
        self.nodes.values().map(|node| node.name)
    }

    /// Whether a server of that name is known.
    pub(super) fn knows(&self, node: Name) -> bool {
        self.node_names().any(|name| name.folded() == node.folded())
    }

    /// That run is still there.
    pub(super) fn hear(&mut self, run: u64, now: Time) {
        if let Some(node) = self.nodes.get_mut(&run) {
            node.heard = now;
        }
    }

    /// Takes a roster. Returns whether its server was lost in that room and is back.
    pub(super) fn take(&mut self, told: &Told<'_>, now: Time) -> bool {
        self.forget_outlived(told, now);
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&told.run) {
            return false;
        }
        let (name, started) = (told.node, told.started);
        let node = self.nodes.entry(told.run).or_insert_with(|| Node {
            name,
            started,
            heard: now,
            rooms: BTreeMap::new(),
        });
        (node.name, node.started, node.heard) = (name, started, now);
        let before = node.rooms.remove(&told.room).unwrap_or_default();
        self.names -= before.names.len();
        if told.count == 0 || node.rooms.len() >= ROOMS_MAX {
            return false;
        }
        let free = NAMES_MAX - self.names;
        let names: Vec<Name> = told.names.iter().copied().take(free).collect();
        self.names += names.len();
        node.rooms.insert(told.room, There { count: told.count, names, at: now });
        self.lost.remove(&(name.folded(), told.room))
    }

    /// Forgets a server of the same name that this one has taken the place of.
    fn forget_outlived(&mut self, told: &Told<'_>, now: Time) {
        let is_outlived = |run: u64, node: &Node| {
            let is_same = node.name.folded() == told.node.folded() && run != told.run;
            is_same && now.since(node.heard) > OUTLIVED
        };
        let outlived = self.nodes.iter().find(|(run, node)| is_outlived(**run, node));
        if let Some(run) = outlived.map(|(run, _)| *run) {
            self.forget(run);
        }
    }

    fn forget(&mut self, run: u64) -> Option<Node> {
        let node = self.nodes.remove(&run)?;
        self.names -= node.rooms.values().map(|there| there.names.len()).sum::<usize>();
        Some(node)
    }

    /// A server that has been silent for too long by `now`, with its rooms and how many were
    /// there. Its rooms are empty if another has its name.
    pub(super) fn take_lost(&mut self, now: Time) -> Option<(Name, Vec<(Name, u32)>)> {
        let is_lost = |node: &Node| now.since(node.heard) >= EXPIRY;
        let (run, _) = self.nodes.iter().find(|(_, node)| is_lost(node))?;
        let node = self.forget(*run)?;
        if self.knows(node.name) {
            return Some((node.name, Vec::new()));
        }
        let rooms: Vec<(Name, u32)> = node.rooms.iter().map(|(room, t)| (*room, t.count)).collect();
        for (room, _) in &rooms {
            if self.lost.len() >= LOST_MAX {
                self.lost.pop_first();
            }
            self.lost.insert((node.name.folded(), *room));
        }
        Some((node.name, rooms))
    }

    /// Forgets what servers that do speak have not said again for long. Returns whether there was
    /// any such thing.
    pub(super) fn forget_old(&mut self, now: Time) -> bool {
        if now.since(self.swept) < SWEPT_EVERY {
            return false;
        }
        self.swept = now;
        let before = self.entries();
        for node in self.nodes.values_mut() {
            node.rooms.retain(|_, there| {
                let is_old = now.since(there.at) >= EXPIRY;
                self.names -= if is_old { there.names.len() } else { 0 };
                !is_old
            });
        }
        self.entries() < before
    }

    /// Everything known is taken for new: nobody could be heard meanwhile.
    pub(super) fn renew(&mut self, now: Time) {
        for node in self.nodes.values_mut() {
            node.heard = now;
            node.rooms.values_mut().for_each(|there| there.at = now);
        }
    }

    /// When to look for what has expired.
    pub(super) fn next(&self) -> Option<Time> {
        self.nodes.values().map(|node| node.heard.after(EXPIRY)).min()
    }

    /// How many rooms of how many servers are known.
    pub(super) fn entries(&self) -> usize {
        self.nodes.values().map(|node| node.rooms.len()).sum()
    }

    /// How many are in that room on other servers.
    pub(super) fn count(&self, room: Name) -> usize {
        self.there(room).map(|(_, there)| there.count as usize).sum()
    }

    /// Who is in that room, server by server.
    pub(super) fn there(&self, room: Name) -> impl Iterator<Item = (Name, &There)> {
        self.nodes.values().filter_map(move |node| Some((node.name, node.rooms.get(&room)?)))
    }

    /// All rooms with somebody in them, and how many.
    pub(super) fn rooms(&self) -> BTreeMap<Name, usize> {
        let mut counts = BTreeMap::new();
        for (room, there) in self.nodes.values().flat_map(|node| &node.rooms) {
            *counts.entry(*room).or_default() += there.count as usize;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::at(Duration::from_secs(seconds))
    }

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).unwrap()
    }

    fn tell(rosters: &mut Rosters, who: (u64, &str), room: &str, count: u32, second: u64) -> bool {
        let names: Vec<Name> = (0..count).map(|number| name(&format!("m{number}"))).collect();
        let (run, node, room) = (who.0, name(who.1), name(room));
        let told = Told { run, node, started: 0, room, count, names: &names };
        rosters.take(&told, at(second))
    }

    #[test]
    fn members_are_counted_over_all_servers_until_they_have_left() {
        let mut rosters = Rosters::default();
        assert!(!tell(&mut rosters, (1, "north"), "lobby", 3, 0));
        assert!(!tell(&mut rosters, (2, "south"), "lobby", 2, 0));
        tell(&mut rosters, (2, "south"), "attic", 1, 0);
        assert_eq!((rosters.count(name("lobby")), rosters.nodes()), (5, 2));
        let rooms = [(name("attic"), 1), (name("lobby"), 5)];
        assert_eq!(rosters.rooms().into_iter().collect::<Vec<_>>(), rooms);
        let there: Vec<_> = rosters.there(name("lobby")).map(|(n, t)| (n, t.names.len())).collect();
        assert_eq!(there, [(name("north"), 3), (name("south"), 2)]);
        tell(&mut rosters, (1, "north"), "lobby", 0, 1);
        assert_eq!((rosters.count(name("lobby")), rosters.names), (2, 3));
        assert!(rosters.knows(name("North")) && !rosters.knows(name("west")));
    }

    #[test]
    fn who_is_silent_is_lost_once_and_back_once_in_each_room() {
        let mut rosters = Rosters::default();
        tell(&mut rosters, (1, "north"), "lobby", 3, 0);
        tell(&mut rosters, (1, "north"), "attic", 1, 0);
        tell(&mut rosters, (2, "south"), "lobby", 1, 9);
        assert_eq!(rosters.next(), Some(at(35)));
        assert_eq!(rosters.take_lost(at(34)), None);
        let rooms = vec![(name("attic"), 1), (name("lobby"), 3)];
        assert_eq!(rosters.take_lost(at(35)), Some((name("north"), rooms)));
        assert_eq!(rosters.take_lost(at(35)), None);
        assert_eq!(rosters.count(name("lobby")), 1);
        assert!(!tell(&mut rosters, (3, "north"), "lobby", 0, 40));
        assert!(tell(&mut rosters, (3, "north"), "lobby", 2, 41));
        assert!(!tell(&mut rosters, (3, "north"), "lobby", 2, 42));
    }

    #[test]
    fn who_starts_anew_is_neither_lost_nor_counted_twice() {
        let mut rosters = Rosters::default();
        tell(&mut rosters, (1, "north"), "lobby", 3, 0);
        tell(&mut rosters, (2, "North"), "lobby", 1, 5);
        assert_eq!(rosters.count(name("lobby")), 4, "it may be another one of that name");
        assert!(!tell(&mut rosters, (2, "North"), "lobby", 2, 15));
        assert_eq!((rosters.count(name("lobby")), rosters.take_lost(at(40))), (2, None));
    }

    #[test]
    fn what_nobody_could_hear_is_no_silence() {
        let mut rosters = Rosters::default();
        tell(&mut rosters, (1, "north"), "lobby", 3, 0);
        tell(&mut rosters, (1, "north"), "attic", 3, 0);
        rosters.renew(at(60));
        assert_eq!(rosters.take_lost(at(94)), None);
        tell(&mut rosters, (1, "north"), "lobby", 3, 90);
        assert!(!rosters.forget_old(at(94)) && rosters.forget_old(at(95)));
        assert!(!rosters.forget_old(at(95)) && !rosters.forget_old(at(96)));
        assert_eq!((rosters.count(name("attic")), rosters.names), (0, 3));
        rosters.hear(1, at(100));
        assert_eq!((rosters.take_lost(at(126)), rosters.next()), (None, Some(at(135))));
    }

    #[test]
    fn memory_is_bounded() {
        let mut rosters = Rosters::default();
        for run in 0..100 {
            for room in 0..3 {
                tell(&mut rosters, (run, &format!("n{run}")), &format!("r{room}"), 900, 0);
            }
        }
        assert_eq!((rosters.nodes(), rosters.names), (NODES_MAX, NAMES_MAX));
        assert!(rosters.has(NODES_MAX as u64 - 1) && !rosters.has(NODES_MAX as u64));
        assert_eq!(rosters.count(name("r0")), NODES_MAX * 900);
        for room in 0..ROOMS_MAX + 10 {
            tell(&mut rosters, (1, "n1"), &format!("r{room}"), 1, 0);
        }
        assert_eq!(rosters.nodes[&1].rooms.len(), ROOMS_MAX);
        while rosters.take_lost(at(99)).is_some() {}
        assert_eq!((rosters.names, rosters.lost.len() <= LOST_MAX), (0, true));
    }
}
