//! What the commands of members do, and what the operator says.

use std::fmt::Display;

use super::far::Spoken;
use super::names::{self, Name};
use super::replies::{send_line, tell};
use super::rooms::Place;
use super::tally::Change;
use super::{Chat, LINE_BYTES, Membership, SAME_ROOM, TOO_MANY_ROOMS};
use crate::append::append;
use crate::engine::{Net, Peer};
use crate::services::text::{push_visible, visible};

/// How something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Said,
    /// With `/me`.
    Did,
}

/// Appends the head of the line with which `who` says something.
pub(super) fn push_head(line: &mut String, manner: Manner, who: impl Display) {
    match manner {
        Manner::Said => append(line, format_args!("<{who}> ")),
        Manner::Did => append(line, format_args!("* {who} ")),
    }
}

impl Chat {
    pub(super) fn say(
        &mut self,
        peer: Peer,
        member: Membership,
        manner: Manner,
        text: &[u8],
        net: &mut Net,
    ) {
        let Place { room, seat } = member.place;
        self.line.clear();
        push_head(&mut self.line, manner, member.name);
        push_visible(&mut self.line, text);
        self.line.push('\n');
        let speaker = Some((peer, member.name));
        if !self.is_passed_on(room, speaker, manner, text, net) {
            self.rooms.say(room, Some(seat), &self.line, net);
        }
    }

    /// Whether the room is told later what is said, which is in `line`: as other servers are.
    fn is_passed_on(
        &mut self,
        room: usize,
        speaker: Option<(Peer, Name)>,
        manner: Manner,
        text: &[u8],
        net: &mut Net,
    ) -> bool {
        let Some(far) = &mut self.far else { return false };
        far.take(&Spoken { room, speaker, manner, text, line: &self.line }, &mut self.rooms, net)
    }

    pub(super) fn rename(
        &mut self,
        peer: Peer,
        mut member: Membership,
        wish: &[u8],
        net: &mut Net,
    ) {
        let old = member.name;
        match self.names.rename(peer, old, wish) {
            Ok(name) => {
                member.name = name;
                self.members.insert(peer, member);
                tell(net, peer, format_args!("You are now {name}."));
                self.rooms.announce(member.place, old, Change::Renamed(name), net);
            }
            Err(refusal) => tell(net, peer, refusal),
        }
    }

    pub(super) fn change_room(
        &mut self,
        peer: Peer,
        mut member: Membership,
        wish: &[u8],
        net: &mut Net,
    ) {
        let Some(name) = Name::parse(wish) else {
            return tell(net, peer, format_args!("The name of a room is {}.", names::NAME_RULE));
        };
        if self.rooms.find(name) == Some(member.place.room) {
            return tell(net, peer, SAME_ROOM);
        }
        let Some(room) = self.rooms.open(name) else {
            return tell(net, peer, TOO_MANY_ROOMS);
        };
        if let Some(far) = &self.far {
            far.opened(room, &mut self.rooms);
        }
        self.give_up_place(member, net);
        let here = self.rooms.total(room) + 1;
        let name = self.rooms.name(room).unwrap_or(name);
        tell(net, peer, format_args!("You are now in {name} ({here} here)."));
        member.place = self.rooms.enter(room, peer, member.name, net);
        self.members.insert(peer, member);
    }

    pub(super) fn send_message(
        &mut self,
        peer: Peer,
        member: Membership,
        to: &[u8],
        text: &[u8],
        net: &mut Net,
    ) {
        let address = split_address(to);
        let to = match (&self.far, &address) {
            (Some(far), Some((name, node))) if !far.is_here(*node) => {
                return far.send_message((peer, member.name), *name, *node, text, net);
            }
            (Some(_), Some((name, _))) => name.as_str().as_bytes(),
            _ => to,
        };
        let addressee = self.names.find(to);
        let known = addressee.and_then(|other| Some((other, self.members.get(other)?)));
        let Some((other, found)) = known else {
            return tell(
                net,
                peer,
                format_args!("There is nobody called {}; see /who.", visible(to)),
            );
        };
        let text = visible(text);
        // What was said before comes first.
        self.rooms.publish_to(found.place, net);
        send_line(net, other, format_args!("[from {}] {text}", member.name));
        send_line(net, peer, format_args!("[to {}] {text}", found.name));
    }

    pub(super) fn say_goodbye(&mut self, peer: Peer, net: &mut Net) {
        let Some(member) = self.members.get(peer) else { return };
        let (last_word, goodbye) = (member.pace.last_word(), format!("Goodbye, {}!", member.name));
        self.depart(peer, net);
        last_word.into_iter().for_each(|word| tell(net, peer, word));
        tell(net, peer, goodbye);
        net.close(peer);
    }

    /// Takes `peer` out of the chat, unless it has left already.
    pub(super) fn depart(&mut self, peer: Peer, net: &mut Net) {
        let Some(member) = self.members.remove(peer) else { return };
        self.names.release(member.name);
        self.give_up_place(member, net);
    }

    /// Leaves the member's place. If another member is moved to that seat, it has to know.
    fn give_up_place(&mut self, member: Membership, net: &mut Net) {
        let moved = self.rooms.leave(member.place, member.name, net);
        if let Some(other) = moved.and_then(|peer| self.members.get_mut(peer)) {
            other.place.seat = member.place.seat;
        }
    }

    pub(super) fn say_as_operator(&mut self, room: &[u8], text: &[u8], net: &mut Net) {
        if text.is_empty() {
            return net.show("/say ROOM TEXT needs a room and a text");
        }
        if text.len() > LINE_BYTES || self.grows_overlong(text, net) {
            return net.show("a line may have at most 1,024 bytes: not said");
        }
        let found = Name::parse(room).and_then(|name| self.rooms.find(name));
        let Some(number) = found else {
            let room = visible(room);
            return net.show(&format!("no room {room}; /who shows who is where; not said"));
        };
        self.line.clear();
        self.line.push_str("<operator> ");
        push_visible(&mut self.line, text);
        self.line.push('\n');
        if !self.is_passed_on(number, None, Manner::Said, text, net) {
            self.rooms.say(number, None, &self.line, net);
        }
        net.show(&match self.rooms.total(number) {
            0 => "said to nobody: the room is empty; whoever comes will see it".into(),
            count => format!("said to {count}"),
        });
    }
}

/// `ann@north`: a member of another server, and that server.
fn split_address(to: &[u8]) -> Option<(Name, Name)> {
    let at = to.iter().position(|byte| *byte == b'@')?;
    Some((Name::parse(&to[..at])?, Name::parse(&to[at + 1..])?))
}
