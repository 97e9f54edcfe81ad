//! What only one member is told: answers to its commands, and the lists of names and rooms.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::Chat;
use super::names::Name;
use crate::append::append;
use crate::engine::{Net, Peer};

/// A reply lists this many names or rooms, and counts the rest.
pub(super) const LISTED: usize = 200;
/// What a line to one member costs beside its bytes, in units of `Net::spend`.
const REPLY_UNITS: usize = 512;
/// What each name in a list costs.
pub(super) const LISTED_UNITS: usize = 256;

impl Chat {
    pub(super) fn list_members(&self, peer: Peer, room: usize, net: &mut Net) {
        // Only those that are listed are sorted: sorting thousands for one member would slow down
        // all others.
        let listed = self.rooms.members(room).take(LISTED);
        let members = listed.filter_map(|member| self.members.get(member));
        let mut names: Vec<Name> = members.map(|member| member.name).collect();
        names.sort_unstable_by_key(|name| name.folded());
        let count = self.rooms.count(room);
        net.spend(LISTED_UNITS * count.min(LISTED));
        let list = list(names.iter(), count);
        let Some(room) = self.rooms.name(room) else { return };
        tell(net, peer, format_args!("{count} in {room}: {list}"));
        if let Some(far) = &self.far {
            far.list_members(peer, room, names.len(), net);
        }
    }

    pub(super) fn list_rooms(&self, peer: Peer, net: &mut Net) {
        let rooms = self.rooms.iter();
        let count = rooms.len();
        net.spend(LISTED_UNITS * count.min(LISTED));
        let shown = |(name, members)| format!("{name} ({members})");
        let text = match &self.far {
            None => list(rooms.map(shown), count),
            Some(far) => {
                let all = self.all_rooms(far.rooms(net));
                list(all.iter().copied().map(shown), all.len())
            }
        };
        tell(net, peer, format_args!("Rooms: {text}"));
    }

    /// The rooms of this server and those of others, by name.
    fn all_rooms(&self, mut elsewhere: BTreeMap<Name, usize>) -> Vec<(Name, usize)> {
        let ours = self
            .rooms
            .iter()
            .map(|(name, members)| (name, members + elsewhere.remove(&name.folded()).unwrap_or(0)));
        let mut all: Vec<(Name, usize)> = ours.collect();
        all.extend(elsewhere);
        all.sort_unstable_by_key(|(name, _)| name.folded());
        all
    }
}

/// Tells one member something.
pub(super) fn tell(net: &mut Net, peer: Peer, text: impl Display) {
    send_line(net, peer, format_args!("** {text}"));
}

/// Sends one member a line.
pub(super) fn send_line(net: &mut Net, peer: Peer, text: impl Display) {
    let line = format!("{text}\n");
    net.spend(REPLY_UNITS + line.len());
    net.send(peer, line.as_bytes());
}

/// `a, b, c and 5 more`: the first ones, and how many of `total` are not listed. Empty: none are.
pub(super) fn list(items: impl Iterator<Item = impl Display>, total: usize) -> String {
    let mut text = String::new();
    let mut listed = 0;
    for item in items.take(LISTED) {
        let comma = if listed > 0 { ", " } else { "" };
        append(&mut text, format_args!("{comma}{item}"));
        listed += 1;
    }
    if listed > 0 && total > listed {
        append(&mut text, format_args!(" and {} more", total - listed));
    }
    text
}
