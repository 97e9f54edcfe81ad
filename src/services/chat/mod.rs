//! Chat: everybody in a room, line by line, until `BYE`.
//!
//! A member says lines of UTF-8; this file decides what each of them does. Where a member sits
//! and what a room is sent is the business of `rooms`, who is called what that of `names`. Lines
//! to one member alone begin with `** ` (or `[`, for private messages), which nothing that a
//! member can say to others does.

mod command;
mod gathering;
mod input;
mod names;
mod news;
mod replies;
mod rooms;

use command::Command;
use names::{Name, Names};
use replies::{send_line, tell};
use rooms::{Change, LOBBY, Place, Rooms};

use super::Offer;
use super::pace::{Meter, Pace, Rate, Verdict};
use super::telnet::Telnet;
use super::text::{self, push_visible, visible};
use crate::engine::{Arrival, Net, Peer, Reason, Service, Table};

/// This service in the table of services.
pub const OFFER: Offer = Offer {
    name: "chat",
    port: 5001,
    about: "everybody in a room, line by line, until BYE",
    idle: None,
    fans_out: true,
    meets: true,
    stream: Some(|settings| Box::new(Chat::new(settings.chat_rate))),
    datagram: None,
};

/// The longest line, without its line end. The member is told of a longer one, which is dropped.
const LINE_BYTES: usize = 1024;
const OVERLONG: &str = "A line may have at most 1,024 bytes; that one was longer and is dropped.";
/// What a line costs before anything is done for it, in units of `Net::spend`.
const LINE_UNITS: usize = 64;
/// What a byte costs that is looked at one by one.
const VISIBLE_UNITS: usize = 4;

#[derive(Clone, Copy)]
enum State {
    Chatting,
    /// A line that was too long is being dropped, up to its end.
    Skipping,
}

/// What a member is, from the welcome to the goodbye. Whoever has none is leaving.
#[derive(Clone, Copy)]
struct Session {
    name: Name,
    place: Place,
    meter: Meter,
    state: State,
}

/// For those who do not keep up. Whatever they have read so far may stop within a line.
const TOO_SLOW: &[u8] =
    b"[...]\n** You are too far behind with reading. What you missed is gone. Goodbye!\n";

/// The chat, with all its rooms.
pub struct Chat {
    sessions: Table<Session>,
    names: Names,
    rooms: Rooms,
    telnet: Telnet,
    /// `None`: everybody may send as many lines as it likes.
    pace: Option<Pace>,
    /// The line being put together; here only so that it need not be allocated each time.
    line: String,
}

impl Service for Chat {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        let name = self.names.name_guest(peer);
        let here = self.rooms.count(LOBBY) + 1;
        let welcome = format!("Welcome! You are {name}, in lobby ({here} here).");
        tell(net, peer, format_args!("{welcome} Type /help for help, BYE to leave."));
        let place = self.rooms.enter(LOBBY, peer, name, net);
        let (meter, state) = (Meter::default(), State::Chatting);
        self.sessions.insert(peer, Session { name, place, meter, state });
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
        self.depart(peer, net);
        net.close(peer);
    }

    fn fell_behind(&mut self, peer: Peer, net: &mut Net) -> &'static [u8] {
        self.depart(peer, net);
        TOO_SLOW
    }

    fn kicked(&mut self, peer: Peer, net: &mut Net) {
        // In parting the room sends what it has gathered; behind that comes the last word.
        self.depart(peer, net);
        tell(net, peer, "You were kicked by the operator.");
    }

    fn closed(&mut self, peer: Peer, _: Reason, net: &mut Net) {
        self.telnet.forget(peer);
        self.depart(peer, net);
    }

    fn alarm(&mut self, net: &mut Net) {
        self.rooms.tell_tallies(net);
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        let line = line.unwrap_or_default().trim_ascii().as_bytes();
        if let (b"/say", rest) = command::split_word(line) {
            let (room, text) = command::split_word(rest);
            self.say_as_operator(room, text, net);
        }
    }

    fn settled(&mut self, net: &mut Net) {
        self.rooms.settle(net);
    }
}

/// From bytes to commands.
impl Chat {
    /// A chat whose members may each send lines at `rate`.
    pub fn new(rate: Option<Rate>) -> Chat {
        Chat {
            sessions: Table::default(),
            names: Names::default(),
            rooms: Rooms::new(),
            telnet: Telnet::default(),
            pace: rate.map(Pace::new),
            line: String::new(),
        }
    }

    /// Does what `line` says, if it is not one too many.
    fn obey(&mut self, peer: Peer, line: &[u8], net: &mut Net) {
        net.spend(LINE_UNITS);
        if line.len() > LINE_BYTES {
            return self.refuse_overlong(peer, net);
        }
        match command::parse(line) {
            Command::Nothing => {}
            // Who wants to leave is not held back.
            Command::Leave => self.say_goodbye(peer, net),
            // Nothing is done for a line before it is known to be within the rate.
            _ if !self.admits(peer, net) => {}
            _ if self.grows_overlong(line, net) => tell(net, peer, OVERLONG),
            command => self.act(peer, &command, net),
        }
    }

    /// Whether `line` is too long for others once it has been made visible: an escape sequence
    /// takes four times the room there, and nobody's queue may be filled that way.
    fn grows_overlong(&mut self, line: &[u8], net: &mut Net) -> bool {
        if line.len() * text::GROWTH_MAX <= LINE_BYTES {
            return false;
        }
        self.line.clear();
        push_visible(&mut self.line, line);
        net.spend(VISIBLE_UNITS * self.line.len());
        self.line.len() > LINE_BYTES
    }

    /// Whether others would see `text` behind a name as the server's own words.
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

    /// Whether one more line of `peer` is within its rate. Tells it when it no longer is.
    fn admits(&mut self, peer: Peer, net: &mut Net) -> bool {
        let Some(session) = self.sessions.get_mut(peer) else { return false };
        let Some(pace) = &self.pace else { return true };
        let verdict = pace.judge(&mut session.meter, net.now());
        if verdict == Verdict::Warn {
            tell(net, peer, "Too fast: what you send is dropped until you slow down.");
        }
        verdict == Verdict::Pass
    }

    fn act(&mut self, peer: Peer, command: &Command, net: &mut Net) {
        let Some(session) = self.sessions.get(peer).copied() else { return };
        match *command {
            Command::Say(text) => self.say(session, ["<", "> "], text, net),
            Command::Act(text) if self.reads_like_news(text) => {
                tell(net, peer, "That would look as if the server said it; find other words.");
            }
            Command::Act(text) => self.say(session, ["* ", " "], text, net),
            Command::Nick(wish) => self.rename(peer, session, wish, net),
            Command::Join(wish) => self.change_room(peer, session, wish, net),
            Command::Message { to, text } => self.send_message(peer, session, to, text, net),
            Command::Who => self.list_members(peer, session.place.room, net),
            Command::Rooms => self.list_rooms(peer, net),
            Command::Help => command::HELP.iter().for_each(|line| tell(net, peer, line)),
            Command::Misused(usage) => tell(net, peer, format_args!("Usage: {usage}")),
            Command::Unknown(word) => {
                let word = visible(word);
                tell(net, peer, format_args!("There is no command /{word}; see /help."));
            }
            Command::Nothing | Command::Leave => {}
        }
    }
}

/// What the commands do.
impl Chat {
    fn say(&mut self, session: Session, around: [&str; 2], text: &[u8], net: &mut Net) {
        let Place { room, seat } = session.place;
        let [before, behind] = around;
        self.line.clear();
        for part in [before, session.name.as_str(), behind] {
            self.line.push_str(part);
        }
        push_visible(&mut self.line, text);
        self.line.push('\n');
        self.rooms.say(room, Some(seat), &self.line, net);
    }

    fn rename(&mut self, peer: Peer, mut session: Session, wish: &[u8], net: &mut Net) {
        let old = session.name;
        match self.names.rename(peer, old, wish) {
            Ok(name) => {
                session.name = name;
                self.sessions.insert(peer, session);
                tell(net, peer, format_args!("You are now {name}."));
                self.rooms.announce(session.place, old, Change::Renamed(name), net);
            }
            Err(refusal) => tell(net, peer, refusal),
        }
    }

    fn change_room(&mut self, peer: Peer, mut session: Session, wish: &[u8], net: &mut Net) {
        let Some(name) = Name::parse(wish) else {
            return tell(net, peer, format_args!("The name of a room is {}.", names::RULE));
        };
        if self.rooms.find(name) == Some(session.place.room) {
            return tell(net, peer, "You are in that room already.");
        }
        let Some(room) = self.rooms.open(name) else {
            return tell(net, peer, "There are too many rooms; see /rooms for those to join.");
        };
        self.give_up_place(session, net);
        let here = self.rooms.count(room) + 1;
        let name = self.rooms.name(room).unwrap_or(name);
        tell(net, peer, format_args!("You are now in {name} ({here} here)."));
        session.place = self.rooms.enter(room, peer, session.name, net);
        self.sessions.insert(peer, session);
    }

    fn send_message(
        &mut self,
        peer: Peer,
        session: Session,
        to: &[u8],
        text: &[u8],
        net: &mut Net,
    ) {
        let addressee = self.names.find(to);
        let known = addressee.and_then(|other| Some((other, self.sessions.get(other)?)));
        let Some((other, found)) = known else {
            return tell(net, peer, format_args!("There is nobody called {}.", visible(to)));
        };
        let text = visible(text);
        // What was said before comes first.
        self.rooms.publish_to(found.place, net);
        send_line(net, other, format_args!("[from {}] {text}", session.name));
        send_line(net, peer, format_args!("[to {}] {text}", found.name));
    }

    fn say_goodbye(&mut self, peer: Peer, net: &mut Net) {
        let Some(session) = self.sessions.get(peer) else { return };
        let goodbye = format!("Goodbye, {}!", session.name);
        self.depart(peer, net);
        tell(net, peer, goodbye);
        net.close(peer);
    }

    /// Forgets `peer`, which may be gone already.
    fn depart(&mut self, peer: Peer, net: &mut Net) {
        let Some(session) = self.sessions.remove(peer) else { return };
        self.names.release(session.name);
        self.give_up_place(session, net);
    }

    /// Whoever is moved to the free seat has to know.
    fn give_up_place(&mut self, session: Session, net: &mut Net) {
        let moved = self.rooms.leave(session.place, session.name, net);
        if let Some(other) = moved.and_then(|peer| self.sessions.get_mut(peer)) {
            other.place.seat = session.place.seat;
        }
    }

    fn say_as_operator(&mut self, room: &[u8], text: &[u8], net: &mut Net) {
        if text.is_empty() {
            return net.show("Usage: /say ROOM TEXT");
        }
        if text.len() > LINE_BYTES {
            return net.show("A line may have at most 1,024 bytes.");
        }
        let Some(number) = Name::parse(room).and_then(|name| self.rooms.find(name)) else {
            return net.show(&format!("There is no room {}.", visible(room)));
        };
        self.line.clear();
        self.line.push_str("<operator> ");
        push_visible(&mut self.line, text);
        self.line.push('\n');
        self.rooms.say(number, None, &self.line, net);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::replies::LISTED;
    use super::*;
    use crate::engine::stage::{Stage, assert_cuts_change_nothing};
    use crate::engine::{Limits, Quota};

    /// A chat without a rate, and so many members who have read all they were sent.
    fn chat_of(count: usize) -> (Stage, Vec<Peer>) {
        let mut stage = Stage::new(Chat::new(None));
        let members: Vec<Peer> = (0..count).map(|_| stage.join()).collect();
        forget(&mut stage, &members);
        (stage, members)
    }

    /// A chat of ann, bob and carl in the lobby.
    fn trio() -> (Stage, Peer, Peer, Peer) {
        let (mut stage, members) = chat_of(3);
        for (peer, name) in members.iter().zip(["ann", "bob", "carl"]) {
            stage.say(*peer, format!("/nick {name}\n"));
        }
        forget(&mut stage, &members);
        (stage, members[0], members[1], members[2])
    }

    fn forget(stage: &mut Stage, members: &[Peer]) {
        members.iter().for_each(|peer| drop(stage.hear(*peer)));
    }

    /// What `peer` hears in answer to `line`.
    fn ask(stage: &mut Stage, peer: Peer, line: &str) -> String {
        stage.say(peer, format!("{line}\n"));
        stage.hear(peer)
    }

    #[test]
    fn a_newcomer_is_welcomed_by_name_and_the_others_are_told() {
        let mut stage = Stage::new(Chat::new(None));
        let one = stage.join();
        let welcome = "** Welcome! You are guest1, in lobby (1 here). \
                       Type /help for help, BYE to leave.\n";
        assert_eq!(stage.hear(one), welcome);
        let two = stage.join();
        assert_eq!(stage.hear(one), "* guest2 joined\n");
        assert!(stage.hear(two).starts_with("** Welcome! You are guest2, in lobby (2 here)."));
    }

    #[test]
    fn a_newcomer_gets_the_last_twenty_things_said_but_not_who_came_and_went() {
        let (mut stage, members) = chat_of(2);
        for number in 1..=25 {
            let line = if number % 2 == 0 { "/me does" } else { "says" };
            stage.say(members[0], format!("{line} {number}\n"));
        }
        stage.say(members[1], "/nick ann\n/who\nBYE\n");
        let newcomer = stage.join();
        let heard = stage.hear(newcomer);
        let history: Vec<&str> = heard.lines().skip(1).collect();
        assert_eq!(history.len(), 20);
        assert_eq!(history[0], "* guest1 does 6");
        assert_eq!(history[19], "<guest1> says 25");
    }

    #[test]
    fn what_is_said_before_a_newcomer_joins_in_the_same_turn_reaches_it_once() {
        let (mut stage, members) = chat_of(2);
        stage.say_in_turn(members[0], "early\n");
        let newcomer = stage.join();
        assert_eq!(stage.hear(newcomer).matches("early").count(), 1);
        assert_eq!(stage.hear(members[1]), "<guest1> early\n* guest3 joined\n");
        assert_eq!(stage.hear(members[0]), "* guest3 joined\n");
    }

    #[test]
    fn lines_go_to_everybody_else_and_never_back() {
        let (mut stage, ann, bob, carl) = trio();
        stage.say(ann, "hello\nworld\r\n\n \n");
        assert_eq!(stage.hear(bob), "<ann> hello\n<ann> world\n");
        assert_eq!(stage.hear(carl), "<ann> hello\n<ann> world\n");
        assert_eq!(stage.hear(ann), "");
    }

    #[test]
    fn several_speakers_in_one_turn_are_heard_in_the_same_order_by_all() {
        let (mut stage, members) = chat_of(5);
        for (speaker, lines) in [(0, "a\nb\n"), (1, "c\n"), (0, "d\n"), (2, "e\n"), (1, "f\ng\n")] {
            stage.say_in_turn(members[speaker], lines);
        }
        stage.flush();
        let whole = stage.hear(members[4]);
        let letters: String = whole.lines().filter_map(|line| line.chars().last()).collect();
        assert_eq!(letters, "abcdefg");
        assert_eq!(stage.hear(members[3]), whole);
        for (number, peer) in members.iter().enumerate().take(3) {
            let own = format!("<guest{}>", number + 1);
            let others: Vec<&str> = whole.lines().filter(|line| !line.contains(&own)).collect();
            assert_eq!(stage.hear(*peer).lines().collect::<Vec<_>>(), others);
        }
    }

    #[test]
    fn members_who_leave_in_the_midst_of_a_turn_take_nobody_elses_lines_along() {
        let (mut stage, members) = chat_of(4);
        stage.say_in_turn(members[3], "from the last seat\n");
        stage.say_in_turn(members[0], "going\nBYE\n");
        stage.say_in_turn(members[3], "from a new seat\n");
        stage.say_in_turn(members[1], "/join elsewhere\n");
        stage.flush();
        let all = "<guest4> from the last seat\n<guest1> going\n* guest1 left\n\
                   <guest4> from a new seat\n* guest2 left\n";
        assert_eq!(stage.hear(members[2]), all);
        assert_eq!(stage.hear(members[3]), "<guest1> going\n* guest1 left\n* guest2 left\n");
        assert_eq!(stage.hear(members[0]), "<guest4> from the last seat\n** Goodbye, guest1!\n");
        let heard = stage.hear(members[1]);
        assert_eq!(heard, all.replace("* guest2 left", "** You are now in elsewhere (1 here)."));
        stage.say(members[3], "still in the right seat\n");
        assert_eq!(stage.hear(members[3]), "");
        assert_eq!(stage.hear(members[2]), "<guest4> still in the right seat\n");
    }

    #[test]
    fn a_long_turn_reaches_a_listener_in_one_piece_and_a_very_long_one_in_few() {
        let (mut stage, members) = chat_of(3);
        for (lines, pieces) in [(100, 1), (1_000, 3)] {
            for number in 0..lines {
                stage.say_in_turn(members[number % 2], format!("{:80}\n", number));
            }
            stage.engine().settle();
            let outgoing = stage.engine().outgoing(members[2]);
            assert_eq!(outgoing.unwrap().0.slices().len(), pieces);
            stage.flush();
            assert_eq!(stage.hear(members[2]).lines().count(), lines);
            assert_eq!(stage.hear(members[0]).lines().count(), lines / 2);
        }
    }

    #[test]
    fn telnets_commands_give_nobody_a_larger_share_of_a_turn() {
        let lines = "x\n".repeat(30_000);
        let heard = [&b""[..], b"\xff\xf1"].map(|command| {
            let (mut stage, members) = chat_of(2);
            stage.send(members[0], [command, lines.as_bytes()].concat());
            stage.turn();
            let heard = stage.hear(members[1]).len();
            assert!(stage.engine().is_interrupted(members[0]));
            stage.flush();
            assert_eq!(stage.hear(members[1]).len() + heard, 30_000 * "<guest1> x\n".len());
            heard
        });
        assert!(heard[1] <= heard[0] && heard[0] < 100_000, "{heard:?}");
    }

    #[test]
    fn a_name_is_changed_before_the_eyes_of_the_room() {
        let (mut stage, members) = chat_of(2);
        assert_eq!(ask(&mut stage, members[0], "/nick ann"), "** You are now ann.\n");
        assert_eq!(stage.hear(members[1]), "* guest1 is now ann\n");
        stage.say(members[0], "it is me\n");
        assert_eq!(stage.hear(members[1]), "<ann> it is me\n");
        for (wish, answer) in [
            ("/nick", "** Usage: /nick NAME\n"),
            ("/nick ann", "** That is your name already.\n"),
            ("/nick SERVER", "** That name is reserved.\n"),
            ("/nick operator", "** That name is reserved.\n"),
            ("/nick Guest2", "** Only guests are called guest and a number.\n"),
            ("/nick a b", "** A name is 1 to 20 of the letters a-z and A-Z, digits, - and _.\n"),
        ] {
            assert_eq!(ask(&mut stage, members[0], wish), answer, "{wish}");
        }
        assert_eq!(ask(&mut stage, members[1], "/nick ANN"), "** That name is taken.\n");
        assert_eq!(ask(&mut stage, members[0], "/nick Ann"), "** You are now Ann.\n");
        assert_eq!(stage.hear(members[1]), "* ann is now Ann\n");
    }

    #[test]
    fn who_and_rooms_list_by_name() {
        let (mut stage, ann, bob, carl) = trio();
        stage.say(carl, "/nick Bea\n/join Rust\n");
        forget(&mut stage, &[ann, bob, carl]);
        assert_eq!(ask(&mut stage, bob, "/who"), "** 2 in lobby: ann, bob\n");
        assert_eq!(ask(&mut stage, carl, "/who"), "** 1 in Rust: Bea\n");
        assert_eq!(ask(&mut stage, ann, "/rooms"), "** Rooms: lobby (2), Rust (1)\n");
        stage.say(carl, "/join lobby\n");
        forget(&mut stage, &[ann, bob, carl]);
        assert_eq!(ask(&mut stage, bob, "/who"), "** 3 in lobby: ann, Bea, bob\n");
        assert_eq!(ask(&mut stage, ann, "/rooms"), "** Rooms: lobby (3)\n");
    }

    #[test]
    fn a_long_list_is_cut() {
        let (mut stage, members) = chat_of(LISTED + 5);
        let answer = ask(&mut stage, members[0], "/who");
        assert!(answer.starts_with("** 205 in lobby: guest1, guest10, guest100, "), "{answer}");
        assert!(answer.ends_with("guest99 and 5 more\n"), "{answer}");
    }

    #[test]
    fn rooms_are_entered_left_and_forgotten() {
        let (mut stage, ann, bob, carl) = trio();
        assert_eq!(ask(&mut stage, ann, "/join rust"), "** You are now in rust (1 here).\n");
        assert_eq!(stage.hear(bob), "* ann left\n");
        stage.say(ann, "/me waits\n");
        let heard = ask(&mut stage, bob, "/join RUST");
        assert_eq!(heard, "** You are now in rust (2 here).\n* ann waits\n");
        assert_eq!(stage.hear(ann), "* bob joined\n");
        forget(&mut stage, &[carl]);
        stage.say(ann, "only here\n");
        assert_eq!((stage.hear(bob), stage.hear(carl)), ("<ann> only here\n".into(), "".into()));
        stage.say(carl, "only there\n");
        assert_eq!((stage.hear(ann), stage.hear(bob)), ("".into(), "".into()));
        stage.say(ann, "/join lobby\n");
        stage.say(bob, "/quit\n");
        let heard = ask(&mut stage, carl, "/join rust");
        assert_eq!(heard, "* ann joined\n** You are now in rust (1 here).\n");
    }

    #[test]
    fn rooms_that_cannot_be_joined_are_told() {
        let (mut stage, members) = chat_of(1);
        for (wish, answer) in [
            ("/join", "** Usage: /join ROOM\n"),
            ("/join LOBBY", "** You are in that room already.\n"),
            (
                "/join the kitchen",
                "** The name of a room is 1 to 20 of the letters a-z and A-Z, digits, - and _.\n",
            ),
        ] {
            assert_eq!(ask(&mut stage, members[0], wish), answer, "{wish}");
        }
    }

    #[test]
    fn the_number_of_rooms_is_bounded() {
        let (mut stage, members) = chat_of(rooms::ROOMS_MAX);
        for (number, peer) in members.iter().enumerate().skip(1) {
            stage.say(*peer, format!("/join room{number}\n"));
        }
        let last = stage.join();
        forget(&mut stage, &[last]);
        let answer = "** There are too many rooms; see /rooms for those to join.\n";
        assert_eq!(ask(&mut stage, last, "/join another"), answer);
        assert!(ask(&mut stage, last, "/join room1").contains("in room1 (2 here)"));
        let rooms = ask(&mut stage, last, "/rooms");
        assert!(rooms.starts_with("** Rooms: lobby (1), room1 (2), room10 (1), "));
        assert!(rooms.ends_with(" and 800 more\n"), "{rooms}");
    }

    #[test]
    fn private_messages_reach_one_person_in_any_room_and_nobody_else() {
        let (mut stage, ann, bob, carl) = trio();
        stage.say(bob, "/join rust\n");
        forget(&mut stage, &[ann, bob, carl]);
        assert_eq!(ask(&mut stage, ann, "/msg BOB  psst, you "), "[to bob] psst, you\n");
        assert_eq!(stage.hear(bob), "[from ann] psst, you\n");
        assert_eq!(stage.hear(carl), "");
        assert_eq!(ask(&mut stage, ann, "/msg bob"), "** Usage: /msg NAME TEXT\n");
        let answer = ask(&mut stage, ann, "/msg no\x1bbody hi");
        assert_eq!(answer, "** There is nobody called no\\x1bbody.\n");
    }

    #[test]
    fn a_private_message_does_not_overtake_what_was_said_before() {
        let (mut stage, ann, bob, _) = trio();
        stage.say(ann, "first\n/msg bob second\nthird\n");
        assert_eq!(stage.hear(bob), "<ann> first\n[from ann] second\n<ann> third\n");
    }

    #[test]
    fn acts_and_slashes_are_said_as_they_should_look() {
        let (mut stage, ann, bob, _) = trio();
        stage.say(ann, "/me waves\n//who is that\n/ME  smiles\n");
        assert_eq!(stage.hear(bob), "* ann waves\n<ann> /who is that\n* ann smiles\n");
        assert_eq!(stage.hear(ann), "");
        assert_eq!(ask(&mut stage, ann, "/me"), "** Usage: /me TEXT\n");
    }

    #[test]
    fn help_and_unknown_commands_point_the_way() {
        let (mut stage, members) = chat_of(2);
        let help = ask(&mut stage, members[0], "/help");
        for command in ["/nick", "/who", "/rooms", "/join", "/msg", "/me", "//", "/quit", "BYE"] {
            assert!(help.contains(command), "{command}");
        }
        let answer = ask(&mut stage, members[0], "/dance\x07 now");
        assert_eq!(answer, "** There is no command /dance\\x07; see /help.\n");
        assert_eq!(stage.hear(members[1]), "");
    }

    #[test]
    fn who_says_bye_or_quit_is_sent_off_and_heard_no_more() {
        for word in ["BYE", "/quit"] {
            let (mut stage, members) = chat_of(2);
            stage.say(members[0], format!("{word}\r\nand more\n"));
            assert_eq!(stage.hear(members[0]), "** Goodbye, guest1!\n");
            assert!(stage.is_over(members[0]));
            assert_eq!(stage.hear(members[1]), "* guest1 left\n");
            stage.finish(members[0]);
            assert_eq!(stage.hear(members[1]), "");
        }
    }

    #[test]
    fn a_last_line_without_an_end_counts_once_the_peer_is_done() {
        let (mut stage, members) = chat_of(3);
        stage.say(members[0], "one\ntwo");
        assert_eq!(stage.hear(members[2]), "<guest1> one\n");
        stage.finish(members[0]);
        assert_eq!(stage.hear(members[2]), "<guest1> two\n* guest1 left\n");
        assert!(stage.is_over(members[0]));
        forget(&mut stage, &members);
        stage.say(members[1], "BYE");
        stage.finish(members[1]);
        assert_eq!(stage.hear(members[1]), "** Goodbye, guest2!\n");
        assert_eq!(stage.hear(members[2]), "* guest2 left\n");
    }

    #[test]
    fn a_broken_connection_leaves_the_room_and_frees_its_name() {
        let (mut stage, ann, bob, carl) = trio();
        stage.say(ann, "unfinished");
        stage.reset(ann);
        assert_eq!(stage.hear(bob), "* ann left\n");
        assert_eq!(ask(&mut stage, carl, "/nick Ann"), "* ann left\n** You are now Ann.\n");
        stage.say_in_turn(carl, "before\n");
        stage.engine().kick(bob.number());
        stage.flush();
        let heard = stage.hear(bob);
        assert!(heard.ends_with("before\n** You were kicked by the operator.\n"), "{heard}");
        stage.finish(bob);
        assert_eq!(stage.hear(carl), "* bob left\n");
        assert_eq!(ask(&mut stage, carl, "/who"), "** 1 in lobby: Ann\n");
    }

    #[test]
    fn the_longest_line_passes_and_one_byte_more_is_told_and_dropped() {
        let told = "** A line may have at most 1,024 bytes; that one was longer and is dropped.\n";
        let (mut stage, members) = chat_of(2);
        let fits = "x".repeat(LINE_BYTES);
        for end in ["\n", "\r\n"] {
            stage.say(members[0], format!("{fits}{end}"));
            assert_eq!(stage.hear(members[0]), "");
            assert_eq!(stage.hear(members[1]), format!("<guest1> {fits}\n"));
            assert_eq!(ask(&mut stage, members[0], &format!("{fits}x{end}")), told);
            assert_eq!(stage.hear(members[1]), "");
        }
        for piece in [&fits[..], "\r", "x", &fits, &fits, "end\nnext\n"] {
            stage.say(members[0], piece);
        }
        assert_eq!(stage.hear(members[0]), told);
        assert_eq!(stage.hear(members[1]), "<guest1> next\n");
        stage.say(members[0], "x".repeat(200_000));
        stage.finish(members[0]);
        assert_eq!(stage.hear(members[0]), told);
        assert_eq!(stage.hear(members[1]), "* guest1 left\n");
    }

    #[test]
    fn what_could_drive_a_terminal_is_visible_text_to_others() {
        let (mut stage, ann, bob, carl) = trio();
        stage.say(ann, b"\x1b[2J\rhi\xff\n/me \x07\n/msg bob \x1b]0;x\n");
        let said = "<ann> \\x1b[2J\\rhi\u{fffd}\n* ann \\x07\n";
        assert_eq!(stage.hear(bob), format!("{said}[from ann] \\x1b]0;x\n"));
        assert_eq!(stage.hear(carl), said);
        let newcomer = stage.join();
        assert!(stage.hear(newcomer).ends_with(said));
    }

    #[test]
    fn the_history_of_a_room_is_bounded_in_lines_and_in_bytes() {
        let (mut stage, members) = chat_of(1);
        let mut history = |line: &str| {
            (0..30).for_each(|_| stage.say(members[0], format!("{line}\n")));
            let newcomer = stage.join();
            let heard = stage.hear(newcomer);
            stage.say(newcomer, "BYE\n");
            (heard.lines().count() - 1, heard.len())
        };
        for longest in ["x".repeat(LINE_BYTES), "\x1b".repeat(LINE_BYTES / 4)] {
            let (lines, bytes) = history(&longest);
            assert!(lines == 20 && bytes < 22 * 1024, "{lines} lines, {bytes} bytes");
        }
    }

    #[test]
    fn a_line_that_grows_too_long_when_made_visible_is_too_long() {
        let (mut stage, ann, bob, _) = trio();
        stage.say(ann, format!("{}\n", "\x1b".repeat(LINE_BYTES / 4 + 1)));
        assert_eq!(stage.hear(bob), "");
        assert!(stage.hear(ann).contains("1,024 bytes"));
    }

    #[test]
    fn nobody_can_say_what_only_the_server_says() {
        let (mut stage, members) = chat_of(2);
        for words in [
            "left",
            "left.",
            "joined",
            "Joined !",
            "is now operator",
            "is  now bob",
            "joined, 3 left",
            "\u{a0}joined",
            "is\u{a0}now bob",
            "is\u{2003}\u{3000}now bob",
            "\u{3000}\u{205f} left",
            "joined\u{a0}",
            "joi\u{301}ned",
            "ｊｏｉｎｅｄ",
            "... left",
        ] {
            let answer = ask(&mut stage, members[0], &format!("/me {words}"));
            assert!(answer.starts_with("** That would look"), "{words:?}: {answer}");
            assert_eq!(stage.hear(members[1]), "", "{words}");
        }
        // What hides becomes visible, so these do not look like news.
        for words in
            ["join\u{fe0f}ed", "left\u{200b}", "jo\u{e0100}ined", "\u{2800}joined", "i\u{ad}s now"]
        {
            stage.say(members[0], format!("/me {words}\n"));
            let heard = stage.hear(members[1]);
            assert!(heard.contains('\\') || heard.is_empty(), "{heard:?}");
            stage.hear(members[0]);
        }
        stage.say(members[0], "** Welcome!\n[from operator] hi\n* ann left\n/me is nowhere\n");
        let said = "<guest1> ** Welcome!\n<guest1> [from operator] hi\n<guest1> * ann left\n";
        assert_eq!(stage.hear(members[1]), format!("{said}* guest1 is nowhere\n"));
    }

    /// Everything that must never reach a terminal, and names that try to look like others.
    const NASTY: [&str; 14] = [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\u{9b}31m",
        "\u{9d}x\u{9c}",
        "\x08\x08\x7f",
        "a\rb",
        "\0",
        "\u{202e}txt.exe",
        "\u{2066}x\u{2069}",
        "\u{2028}line",
        "\u{2029}",
        "\u{85}next",
        "zero\u{200b}width",
        "\u{feff}bom",
    ];

    #[test]
    fn no_way_through_the_chat_carries_a_control_sequence_to_anybody() {
        for nasty in NASTY {
            let (mut stage, ann, bob, carl) = trio();
            for words in ["", "/me ", "/msg bob ", "/msg ", "/nick ", "/join ", "/", "//", "/who "]
            {
                stage.say(ann, format!("{words}{nasty}\n"));
                stage.say(ann, format!("{words}x{nasty}x y\n"));
            }
            stage.tell(Some(&format!("/say lobby {nasty}")));
            stage.tell(Some(&format!("/say {nasty} hi")));
            stage.say(carl, format!("/who\n/rooms\n{nasty}\nBYE\n"));
            let newcomer = stage.join();
            let screen = stage.screen();
            for heard in [ann, bob, carl, newcomer].map(|peer| stage.hear(peer)) {
                assert_harmless(&heard, nasty);
            }
            assert_harmless(&screen, nasty);
        }
    }

    fn assert_harmless(heard: &str, nasty: &str) {
        let is_bad =
            |c: char| (c.is_control() && c != '\n') || ('\u{200b}'..='\u{206f}').contains(&c);
        assert!(!heard.contains(is_bad), "{nasty:?} came through: {heard:?}");
        assert!(!heard.contains('\u{feff}'), "{heard:?}");
    }

    #[test]
    fn fifty_members_are_told_of_each_and_more_of_many_once_a_second() {
        let (mut stage, members) = chat_of(50);
        let last = stage.join();
        assert_eq!(stage.hear(members[0]), "");
        let more: Vec<Peer> = (0..11).map(|_| stage.join()).collect();
        stage.say(more[0], "BYE\n");
        stage.reset(more[1]);
        stage.say(more[2], "/join elsewhere\n/join lobby\n/nick ann\n");
        assert!(stage.hear(more[2]).ends_with("** You are now ann.\n"));
        stage.say(members[1], "hello\n");
        assert_eq!(stage.hear(members[0]), "<guest2> hello\n");
        stage.pass(Duration::from_millis(999));
        assert_eq!(stage.hear(members[0]), "");
        stage.pass(Duration::from_millis(1));
        let tally = "* 13 joined, 3 left, 1 renamed\n";
        assert_eq!(stage.hear(members[0]), tally);
        assert!(stage.hear(last).ends_with(tally));
        stage.pass(Duration::from_secs(10));
        assert_eq!(stage.hear(members[0]), "");
    }

    #[test]
    fn a_crowd_that_breaks_up_is_told_in_the_order_of_events() {
        let (mut stage, members) = chat_of(51);
        stage.pass(Duration::from_secs(1));
        forget(&mut stage, &members);
        for peer in &members[..10] {
            stage.say(*peer, "BYE\n");
        }
        assert_eq!(stage.hear(members[50]), "");
        stage.pass(Duration::from_secs(1));
        assert_eq!(stage.hear(members[50]), "* 10 left\n");
        stage.say(members[10], "BYE\n");
        assert_eq!(stage.hear(members[50]), "* guest11 left\n");
    }

    #[test]
    fn a_crowd_that_is_gone_before_it_was_told_troubles_nobody() {
        let (mut stage, members) = chat_of(60);
        for word in ["/join rust\n", "/join lobby\n", "BYE\n"] {
            members.iter().for_each(|peer| stage.say(*peer, word));
        }
        let newcomer = stage.join();
        stage.pass(Duration::from_secs(5));
        assert!(stage.hear(newcomer).ends_with("* 71 joined, 120 left\n"));
    }

    #[test]
    fn too_many_lines_are_dropped_and_told_once_until_one_passes_again() {
        let mut stage = Stage::new(Chat::new(Some(Rate::default())));
        let members = [stage.join(), stage.join()];
        forget(&mut stage, &members);
        stage.say(members[0], "/me spams\n".repeat(20) + &"spam\n".repeat(80));
        let told = "** Too fast: what you send is dropped until you slow down.\n";
        assert_eq!(stage.hear(members[0]), told);
        assert_eq!(stage.hear(members[1]).lines().count(), 30);
        stage.say(members[0], "x".repeat(5000) + "\n/who\n");
        assert_eq!(stage.hear(members[0]), "");
        stage.pass(Duration::from_millis(200));
        stage.say(members[0], "/who\none\ntwo\n");
        assert_eq!(stage.hear(members[0]), format!("** 2 in lobby: guest1, guest2\n{told}"));
        assert_eq!(stage.hear(members[1]), "<guest1> one\n");
        stage.say(members[0], "BYE\n");
        assert_eq!(stage.hear(members[0]), "** Goodbye, guest1!\n");
    }

    #[test]
    fn the_operator_speaks_to_a_room_and_is_told_what_is_wrong() {
        let (mut stage, ann, bob, carl) = trio();
        stage.say(carl, "/join rust\n");
        forget(&mut stage, &[ann, bob, carl]);
        stage.tell(Some("/say LOBBY  closing \x1b soon"));
        assert_eq!(stage.hear(ann), "<operator> closing \\x1b soon\n");
        assert_eq!(stage.hear(bob), "<operator> closing \\x1b soon\n");
        assert_eq!(stage.hear(carl), "");
        let ignored = [Some("hello"), Some("/sayings"), Some("/who"), Some(""), None];
        ignored.iter().for_each(|line| stage.tell(*line));
        assert_eq!(stage.screen(), "");
        stage.tell(Some("/say kitc\x1bhen hi"));
        assert_eq!(stage.screen(), "There is no room kitc\\x1bhen.\n");
        for empty in ["/say", "/say lobby", "/say lobby "] {
            stage.tell(Some(empty));
            assert_eq!(stage.screen(), "Usage: /say ROOM TEXT\n");
        }
        let newcomer = stage.join();
        assert!(stage.hear(newcomer).ends_with("\n<operator> closing \\x1b soon\n"));
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let long = [&[b'x'; LINE_BYTES + 2][..], b"\r\nafter\r\n"].concat();
        let fits = [&[b'y'; LINE_BYTES][..], b"\r\n/who\n"].concat();
        let script: &[(usize, &[u8])] = &[
            (0, b"hello\r\n\r\n/nick ann\r\n/me waves\n"),
            (1, b"/msg ann one\ntwo\n/msg ann three\n/nope\n"),
            (2, "Grüße\n/join rust\nalone\n/join lobby\n".as_bytes()),
            (0, &long),
            (3, &fits),
            (1, b"/rooms\nBYE\nnot heard\n"),
            (4, b"\xff\xfc\x01/me no\xff\xf4ds\r\n/who\xff\xfe\x03\r\n\xff\xf1\r\0caf\xff\n"),
            (2, b"/quit"),
            (2, b"\r\n"),
            (3, b"unfinished"),
        ];
        assert_cuts_change_nothing(|| Chat::new(Some(Rate::default())), script, 5);
    }

    #[test]
    fn telnet_speaks_like_all_others_and_the_room_sees_none_of_its_commands() {
        let (mut stage, ann, bob, carl) = trio();
        stage.say(ann, b"\xff\xfe\x01\xff\xfc\x20/nick a\xff\xf1nna\r\n\xff\xf4\xff\xfc\x06hi\r\0");
        assert_eq!(stage.hear(bob), "* ann is now anna\n<anna> hi\n");
        stage.say(ann, b"unfin\xff\xf1");
        stage.say(ann, b"ished");
        stage.finish(ann);
        assert_eq!(stage.hear(bob), "<anna> unfinished\n* anna left\n");
        stage.say(carl, b"\xff".repeat(2 * LINE_BYTES + 1));
        stage.say(carl, b"\xff\xfa/me is not heard");
        assert!(stage.hear(carl).contains("1,024 bytes"));
        stage.finish(carl);
        assert_eq!(stage.hear(bob), "* carl left\n");
        stage.say(bob, b"\xff\xf1BYE\r\nmore\n");
        assert!(stage.is_over(bob));
    }

    #[test]
    fn what_is_copied_for_whoever_leaves_a_room_or_is_told_something_is_counted() {
        for command in ["/join x", "/msg guest2 hi"] {
            let limits = Limits { share_units: 8 * 1024, ..Limits::default() };
            let mut stage = Stage::with(limits, Quota::default(), Chat::new(None));
            let (one, two) = (stage.join(), stage.join());
            for _ in 0..10 {
                stage.say_in_turn(one, [&[b'x'; 1000][..], b"\n"].concat());
            }
            stage.say_in_turn(two, format!("{command}\n/who\n"));
            assert!(stage.engine().is_interrupted(two), "{command}");
        }
    }

    #[test]
    fn what_telnet_negotiates_is_counted_into_its_share_and_none_of_it_is_lost() {
        let (mut stage, members) = chat_of(1);
        let input = b"\xff\xfd\x06".repeat(5_000);
        stage.say_in_turn(members[0], input);
        assert!(stage.engine().is_interrupted(members[0]));
        stage.flush();
        assert_eq!(stage.hear_bytes(members[0]), b"\xff\xfc\x06".repeat(5_000));
    }

    /// What everybody should hear of two rooms, worked out line by line.
    #[derive(Default)]
    struct Model {
        names: BTreeMap<Peer, String>,
        heard: BTreeMap<Peer, String>,
        rooms: [Vec<Peer>; 2],
        history: [Vec<String>; 2],
    }

    impl Model {
        fn room_of(&self, peer: Peer) -> usize {
            usize::from(self.rooms[1].contains(&peer))
        }

        fn tell_others(&mut self, peer: Peer, line: &str) {
            for other in self.rooms[self.room_of(peer)].iter().filter(|other| **other != peer) {
                *self.heard.get_mut(other).unwrap() += line;
            }
        }

        fn enter(&mut self, room: usize, peer: Peer) {
            let recent = self.history[room].len().saturating_sub(20);
            *self.heard.get_mut(&peer).unwrap() += &self.history[room][recent..].concat();
            self.rooms[room].push(peer);
            self.tell_others(peer, &format!("* {} joined\n", self.names[&peer]));
        }

        fn leave(&mut self, peer: Peer) {
            self.tell_others(peer, &format!("* {} left\n", self.names[&peer]));
            let room = self.room_of(peer);
            self.rooms[room].retain(|other| *other != peer);
            if self.rooms[1].is_empty() {
                self.history[1].clear();
            }
        }

        fn say(&mut self, peer: Peer, text: &str) {
            let line = format!("<{}> {text}\n", self.names[&peer]);
            self.tell_others(peer, &line);
            self.history[self.room_of(peer)].push(line);
        }

        fn switch(&mut self, peer: Peer) -> &'static str {
            let room = 1 - self.room_of(peer);
            self.leave(peer);
            let (name, here) = (["lobby", "attic"][room], self.rooms[room].len() + 1);
            *self.heard.get_mut(&peer).unwrap() +=
                &format!("** You are now in {name} ({here} here).\n");
            self.enter(room, peer);
            ["/join lobby\n", "/join attic\n"][room]
        }
    }

    /// Numbers that look random and are the same each time.
    fn dice(seed: &mut u64, sides: usize) -> usize {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*seed >> 33).unwrap() % sides
    }

    fn welcome(stage: &mut Stage, model: &mut Model) -> Peer {
        let peer = stage.join();
        let heard = stage.hear(peer);
        let (welcome, history) = heard.split_once('\n').unwrap();
        let name = welcome.split(' ').nth(4).unwrap().trim_end_matches(',');
        model.names.insert(peer, name.to_string());
        model.heard.insert(peer, String::new());
        model.enter(0, peer);
        assert_eq!(std::mem::take(model.heard.get_mut(&peer).unwrap()), history);
        peer
    }

    #[test]
    fn whatever_happens_in_a_turn_everybody_hears_it_in_order() {
        for mut seed in 0..30 {
            let (mut stage, mut model) = (Stage::new(Chat::new(None)), Model::default());
            let mut members: Vec<Peer> = (0..8).map(|_| welcome(&mut stage, &mut model)).collect();
            for number in 0..500 {
                let index = dice(&mut seed, members.len());
                let peer = members[index];
                match dice(&mut seed, 20) {
                    0 => members.push(welcome(&mut stage, &mut model)),
                    1 if members.len() > 2 => {
                        model.leave(peer);
                        *model.heard.get_mut(&peer).unwrap() +=
                            &format!("** Goodbye, {}!\n", model.names[&peer]);
                        stage.say_in_turn(peer, "BYE\n");
                        members.remove(index);
                    }
                    2 | 3 => stage.say_in_turn(peer, model.switch(peer)),
                    4 => stage.flush(),
                    _ => {
                        let text = format!("{number} {}", "x".repeat(dice(&mut seed, 500)));
                        model.say(peer, &text);
                        stage.say_in_turn(peer, text + "\n");
                    }
                }
            }
            stage.flush();
            for (peer, expected) in &model.heard {
                assert_eq!(&stage.hear(*peer), expected, "{peer}, seed {seed}");
            }
        }
    }

    #[test]
    fn a_steady_flow_of_lines_allocates_nothing() {
        let (mut stage, members) = chat_of(40);
        let lines = "/me says just as much each time\nas here\n".repeat(20);
        let mut allocated = 0;
        for round in 0..100 {
            let counted = allocation_counter::measure(|| {
                stage.say_in_turn(members[0], &lines);
                stage.say_in_turn(members[1], &lines);
                stage.engine().settle();
            });
            stage.flush();
            forget(&mut stage, &members);
            // The first rounds fill the pools.
            allocated += if round < 20 { 0 } else { counted.count_total };
        }
        assert_eq!(allocated, 0);
    }

    #[test]
    fn a_member_costs_little_memory() {
        let per_seat = size_of::<Option<(Peer, Session)>>() + 2 * size_of::<Peer>();
        let registry = 2 * size_of::<(Name, Peer)>() + size_of::<u32>();
        assert!(per_seat + registry < 200, "{}", per_seat + registry);
    }
}
