//! What the commands of members do, and what the operator says.

use super::names::{self, Name};
use super::replies::{send_line, tell};
use super::rooms::{Change, Place};
use super::{Chat, LINE_BYTES, Membership, SAME_ROOM, TOO_MANY_ROOMS};
use crate::engine::{Net, Peer};
use crate::services::text::{push_visible, visible};

impl Chat {
    pub(super) fn say(
        &mut self,
        member: Membership,
        around: [&str; 2],
        text: &[u8],
        net: &mut Net,
    ) {
        let Place { room, seat } = member.place;
        let [before, behind] = around;
        self.line.clear();
        for part in [before, member.name.as_str(), behind] {
            self.line.push_str(part);
        }
        push_visible(&mut self.line, text);
        self.line.push('\n');
        self.rooms.say(room, Some(seat), &self.line, net);
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
            return tell(net, peer, format_args!("The name of a room is {}.", names::RULE));
        };
        if self.rooms.find(name) == Some(member.place.room) {
            return tell(net, peer, SAME_ROOM);
        }
        let Some(room) = self.rooms.open(name) else {
            return tell(net, peer, TOO_MANY_ROOMS);
        };
        self.give_up_place(member, net);
        let here = self.rooms.count(room) + 1;
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
        if text.len() > LINE_BYTES {
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
        self.rooms.say(number, None, &self.line, net);
        net.show(&match self.rooms.count(number) {
            0 => "said to nobody: the room is empty; whoever comes will see it".into(),
            count => format!("said to {count}"),
        });
    }
}
