//! Chat: everybody in a room, line by line, until `BYE`.
//!
//! Members send lines of UTF-8, and this file decides which of them count; `acts` is what they do.
//! `rooms` knows who is in which room and what it is sent, `names` who has which name. Lines to one
//! member alone begin with `** `, or with `[` for private messages, as nothing does that a member
//! says to others.

mod acts;
mod command;
#[cfg_attr(not(feature = "bus"), path = "no_far.rs")]
mod far;
mod gathering;
mod input;
mod names;
mod news;
mod pace;
mod replies;
mod rooms;
mod tally;

use acts::Manner;
use command::ChatCommand;
pub(crate) use command::HELP;
pub use far::BusRooms;
use far::Far;
#[cfg(feature = "bus")]
pub(crate) use names::{NAME_RULE, name_in};
use names::{Name, Names};
pub(crate) use names::{is_name, is_name_refusal, is_own_name};
use pace::{Pace, Verdict};
use replies::{LISTED, tell};
use rooms::{LOBBY, Place, Rooms};

use std::any::Any;

use super::telnet::Telnet;
use super::text::{self, push_visible, visible};
use super::{Offer, Settings};
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Table};
use crate::rate::{Rate, RateLimit};

/// This service in the table of services.
pub const OFFER: Offer = Offer {
    name: "chat",
    port: 5001,
    about: "everybody in a room, line by line, until BYE",
    idle: None,
    fans_out: true,
    single_process: true,
    stream: Some(|settings| Box::new(Chat::with_bus(settings.chat_rate, settings.bus.clone()))),
    datagram: None,
};

/// The lines that a member may send. Further ones are dropped, of which it is told.
pub const RATE: Rate = Rate { per_second: 10.0, burst: 30.0 };
/// The longest line, without its line ending. A longer one is dropped, of which its member is told.
const LINE_BYTES: usize = 1024;
/// What a member is told who wants to be where it is.
pub(crate) const SAME_ROOM: &str = "You are in that room already.";
/// And one whose room cannot be opened.
pub(crate) const TOO_MANY_ROOMS: &str = "There are too many rooms; see /rooms for those to join.";
const OVERLONG: &str = "A line may have at most 1,024 bytes; that one was longer and is dropped.";
/// What a line costs before anything is done for it, in units of `Net::spend`.
const LINE_UNITS: usize = 64;
/// What each byte costs that is made visible.
const VISIBLE_UNITS: usize = 4;

/// What is known of a member, from the welcome to the goodbye. A peer that has none is leaving.
#[derive(Clone, Copy)]
struct Membership {
    name: Name,
    place: Place,
    pace: Pace,
    /// Whether a line that was too long is being dropped, up to its end.
    is_skipping: bool,
}

/// The last word to a member that does not keep up. What it has read so far may end within a line.
const TOO_SLOW: &[u8] =
    b"[...]\n** You are too far behind with reading. What you missed is gone. Goodbye!\n";

/// The chat, with all its rooms.
pub struct Chat {
    members: Table<Membership>,
    names: Names,
    rooms: Rooms,
    telnet: Telnet,
    /// `None`: members may send any number of lines.
    limit: Option<RateLimit>,
    /// The line being put together, kept so that its memory is used again.
    line: String,
    /// `None`: the rooms are those of this server alone.
    far: Option<Box<Far>>,
}

impl Service for Chat {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        let name = self.names.name_guest(peer);
        let here = self.rooms.total(LOBBY) + 1;
        let welcome = format!("Welcome! You are {name}, in lobby ({here} here).");
        tell(net, peer, format_args!("{welcome} Type /help for help, BYE to leave."));
        let place = self.rooms.enter(LOBBY, peer, name, net);
        let (pace, is_skipping) = (Pace::default(), false);
        self.members.insert(peer, Membership { name, place, pace, is_skipping });
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        match self.telnet.concerns(peer, input) {
            true => self.take_from_telnet(peer, input, net),
            false => self.take_lines(peer, input, net),
        }
    }

    fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
        let rest = [rest, &self.telnet.forget(peer)].concat();
        let rest = &rest[self.skip(peer, &rest)..];
        if !rest.is_empty() {
            self.obey(peer, rest.strip_suffix(b"\r").unwrap_or(rest), net);
        }
        if let Some(word) = self.members.get(peer).and_then(|member| member.pace.last_word()) {
            tell(net, peer, word);
        }
        self.depart(peer, net);
        net.close(peer);
    }

    fn fell_behind(&mut self, peer: Peer, net: &mut Net) -> &'static [u8] {
        self.depart(peer, net);
        TOO_SLOW
    }

    fn kicked(&mut self, peer: Peer, net: &mut Net) {
        // As it leaves, it is sent what its room has gathered. The last word comes after that.
        self.depart(peer, net);
        tell(net, peer, "You were kicked by the operator.");
    }

    fn closed(&mut self, peer: Peer, _: Reason, net: &mut Net) {
        self.telnet.forget(peer);
        self.depart(peer, net);
    }

    fn alarm(&mut self, net: &mut Net) {
        self.rooms.tell_tallies(net);
        if let Some(far) = &mut self.far {
            far.wake(&self.members, &self.names, &mut self.rooms, net);
        }
    }

    fn settled(&mut self, net: &mut Net) {
        if let Some(far) = &mut self.far {
            far.settle(&self.members, &self.names, &mut self.rooms, net);
        }
        self.rooms.settle(net);
    }

    fn trim(&mut self) {
        self.members.trim();
        self.names.trim();
        self.rooms.trim();
        self.line = String::new();
    }

    fn description(&self, peer: Peer) -> Option<String> {
        let member = self.members.get(peer)?;
        Some(format!("{} in {}", member.name, self.rooms.name(member.place.room)?))
    }

    fn reconfigured(&mut self, settings: &dyn Any) {
        if let Some(Settings { chat_rate, .. }) = settings.downcast_ref() {
            self.limit = chat_rate.map(RateLimit::new);
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Chat {
    fn started(&mut self, net: &mut Net) {
        if let Some(far) = &mut self.far {
            far.start(&mut self.rooms, net);
        }
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        let line = line.unwrap_or_default().trim_ascii().as_bytes();
        if let (b"/say", rest) = command::split_word(line) {
            let (room, text) = command::split_word(rest);
            self.say_as_operator(room, text, net);
        }
    }

    /// Rooms, behind `/say`.
    fn completions(&self, head: &str) -> Option<Vec<String>> {
        let wanted = head.strip_prefix("/say ")?;
        let rooms = self.rooms.iter().map(|(name, _)| name.to_string());
        let rooms = rooms.filter(|name| has_head(name, wanted)).take(LISTED);
        Some(rooms.map(|name| name + " ").collect())
    }
}

/// Whether `name` begins with `head`, in upper or lower case.
pub(crate) fn has_head(name: &str, head: &str) -> bool {
    name.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head))
}

/// From bytes to commands.
impl Chat {
    /// A chat whose members may each send lines at `rate`.
    pub fn new(rate: Option<Rate>) -> Chat {
        Chat::with_bus(rate, None)
    }

    /// The same, whose rooms span all servers on a bus.
    pub fn with_bus(rate: Option<Rate>, bus: Option<BusRooms>) -> Chat {
        Chat {
            members: Table::default(),
            names: Names::default(),
            rooms: Rooms::new(),
            telnet: Telnet::default(),
            limit: rate.map(RateLimit::new),
            line: String::new(),
            far: bus.map(|bus| Box::new(Far::new(bus))),
        }
    }

    /// Does what `line` says, if it is within the rate.
    fn obey(&mut self, peer: Peer, line: &[u8], net: &mut Net) {
        net.spend(LINE_UNITS);
        if line.len() > LINE_BYTES {
            return self.refuse_overlong(peer, net);
        }
        match command::parse(line) {
            ChatCommand::Nothing => {}
            // A member that wants to leave is not held back.
            ChatCommand::Leave => self.say_goodbye(peer, net),
            // Before anything is done for the line.
            _ if !self.admits(peer, net) => {}
            _ if self.grows_overlong(line, net) => tell(net, peer, OVERLONG),
            command => {
                net.count_message(peer);
                self.act(peer, &command, net);
            }
        }
    }

    /// Whether `line` grows too long as it is made visible: control characters become four times as
    /// long, and nobody may fill others' queues that way.
    fn grows_overlong(&mut self, line: &[u8], net: &mut Net) -> bool {
        if line.len() * text::GROWTH_MAX <= LINE_BYTES {
            return false;
        }
        self.line.clear();
        push_visible(&mut self.line, line);
        net.spend(VISIBLE_UNITS * self.line.len());
        self.line.len() > LINE_BYTES
    }

    /// Whether others would take `text`, behind a name, for the server's own words.
    fn reads_like_news(&mut self, text: &[u8]) -> bool {
        self.line.clear();
        push_visible(&mut self.line, text);
        news::is_news(&self.line)
    }

    fn refuse_overlong(&mut self, peer: Peer, net: &mut Net) {
        if self.admits(peer, net) {
            tell(net, peer, OVERLONG);
        }
    }

    /// Whether one more line of `peer` is within the rate. Tells it when it no longer is.
    fn admits(&mut self, peer: Peer, net: &mut Net) -> bool {
        let Some(member) = self.members.get_mut(peer) else { return false };
        let Some(limit) = &self.limit else { return true };
        let verdict = member.pace.judge(limit, net.now());
        if verdict == Verdict::Warn {
            tell(net, peer, "Too fast: what you send is dropped until you slow down.");
        }
        verdict == Verdict::Pass
    }

    fn act(&mut self, peer: Peer, command: &ChatCommand, net: &mut Net) {
        let Some(member) = self.members.get(peer).copied() else { return };
        match *command {
            ChatCommand::Say(text) => self.say(peer, member, Manner::Said, text, net),
            ChatCommand::Act(text) if self.reads_like_news(text) => {
                tell(net, peer, "That would look as if the server said it; find other words.");
            }
            ChatCommand::Act(text) => self.say(peer, member, Manner::Did, text, net),
            ChatCommand::Nick(wish) => self.rename(peer, member, wish, net),
            ChatCommand::Join(wish) => self.change_room(peer, member, wish, net),
            ChatCommand::Message { to, text } => self.send_message(peer, member, to, text, net),
            ChatCommand::Who => self.list_members(peer, member.place.room, net),
            ChatCommand::Rooms => self.list_rooms(peer, net),
            ChatCommand::Help => HELP.iter().for_each(|line| tell(net, peer, line)),
            ChatCommand::Misused(usage) => tell(net, peer, format_args!("Usage: {usage}")),
            ChatCommand::Unknown(word) => {
                let word = visible(word);
                tell(net, peer, format_args!("There is no command /{word}; see /help."));
            }
            ChatCommand::Nothing | ChatCommand::Leave => {}
        }
    }
}

#[cfg(test)]
mod tests;
