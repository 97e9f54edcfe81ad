//! Talk: one client and the operator at the server's console, in turns or not, until `BYE`.
//!
//! Clients may end their messages with a newline or, as classic socket programs do, just send
//! them: text without a newline is a message once nothing has followed it for `QUIET`. The
//! operator answers each client in that client's own framing.

mod message;
mod operator;
mod waiting;

use std::collections::BTreeSet;
use std::time::Duration;

use super::Offer;
use super::lines::{is_bye, without_padding};
use super::pace::{Meter, Pace, Rate};
use super::telnet::Telnet;
use super::text::visible;
use crate::engine::{Arrival, Net, Peer, Reason, Service, Table, Time};
use message::{End, MESSAGE_BYTES_MAX, next_message};
use operator::Choice;
use waiting::Row;

/// This service in the table of services.
pub const OFFER: Offer = Offer {
    name: "talk",
    port: 5000,
    about: "one client and the operator at the console, until BYE",
    idle: Some(Duration::from_secs(600)),
    fans_out: false,
    meets: true,
    stream: Some(|settings| Box::new(Talk::new(settings.talk_rate))),
    datagram: None,
};

/// How long text without a newline waits for more before it counts as a message.
const QUIET: Duration = Duration::from_millis(100);
/// While so many clients have unfinished text, that of further ones is shown at once.
const UNFINISHED_MAX: usize = 256;
/// Messages of one client; those beyond wait with it, and nothing is lost.
pub const RATE: Rate = Rate { per_second: 1000.0, burst: 1000.0 };
/// Whoever is over the rate is read again after this long at the soonest, so that more than one
/// message is worth the way.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// What a message costs beside its bytes, in units of `Net::spend`.
const MESSAGE_UNITS: usize = 1024;
/// Of texts whose silence has come, so many bytes are looked at in one turn.
const QUIET_BYTES_MAX: usize = 64 * 1024;
/// What each byte costs by which a message grows as it is made visible.
const ESCAPE_UNITS: usize = 16;
const KICKED: &[u8] = b"You were kicked by the operator.";
const NO_OPERATOR: &[u8] = b"There is nobody at the console.";

/// How a client ends its messages, and so how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// Not at all; or it has not said anything yet.
    Bare,
    Lf,
    CrLf,
}

impl Framing {
    fn ending(self) -> &'static [u8] {
        match self {
            Framing::Bare => b"",
            Framing::Lf => b"\n",
            Framing::CrLf => b"\r\n",
        }
    }
}

/// How a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The client has not said anything yet.
    Silent,
    /// It has been heard.
    Heard,
    /// It has been heard and will say no more; only an answer is still to come. Which in the row
    /// of those who wait it is.
    Waiting(u64),
    /// It has been told that there is no operator.
    Forsaken,
}

/// One conversation.
struct Session {
    stage: Stage,
    /// As its latest message was; a guess as long as no newline has come.
    framing: Framing,
    /// How the message before `unfinished` came to its end.
    before: End,
    /// Text that no newline has ended yet, and when the last of it came.
    unfinished: Vec<u8>,
    last_text: Time,
    meter: Meter,
    /// Where in the row of those over the rate it is, if it is over.
    too_fast: Option<u64>,
    /// Whether an entry in `Talk::quiet` will look at `unfinished`.
    watched: bool,
}

/// All conversations, and which one the operator is in.
pub struct Talk {
    sessions: Table<Session>,
    /// Whose unfinished text to look at when.
    quiet: BTreeSet<(Time, Peer)>,
    /// Who has spoken last.
    last_speaker: Option<Peer>,
    /// Whom plain text of the operator goes to.
    choice: Choice,
    /// Whose words are last on the operator's screen.
    on_screen: Option<Peer>,
    has_operator: bool,
    /// Those who wait for an answer, and those who are over the rate.
    waiting: Row,
    too_fast: Row,
    telnet: Telnet,
    /// `None`: every message is shown at once.
    pace: Option<Pace>,
}

impl Talk {
    /// A talk that shows the messages of each client at `rate`.
    pub fn new(rate: Option<Rate>) -> Talk {
        Talk {
            sessions: Table::default(),
            quiet: BTreeSet::new(),
            last_speaker: None,
            choice: Choice::LastSpeaker,
            on_screen: None,
            has_operator: true,
            waiting: Row::default(),
            too_fast: Row::default(),
            telnet: Telnet::default(),
            pace: rate.map(Pace::new),
        }
    }
}

impl Service for Talk {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        let session = Session {
            stage: Stage::Silent,
            framing: Framing::Bare,
            before: End::Line(Framing::Bare),
            unfinished: Vec::new(),
            last_text: net.now(),
            meter: Meter::default(),
            too_fast: None,
            watched: false,
        };
        self.sessions.insert(peer, session);
    }

    /// What is over the rate stays with the engine.
    fn read_bytes(&self) -> usize {
        MESSAGE_BYTES_MAX
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let mut rest = input;
        while !rest.is_empty() && self.admits(peer, net) {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let used = self.take_line(peer, &rest[..end], net);
            if !net.is_open(peer) {
                return input.len();
            }
            rest = &rest[used..];
        }
        if rest.is_empty() {
            self.has_caught_up(peer);
        }
        input.len() - rest.len()
    }

    /// The client will say no more, but it may still wait for an answer (`nc -N`): the
    /// conversation stays until the operator ends it, nothing happens for too long, or too many
    /// wait.
    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        let text = self.telnet.forget(peer);
        self.take_text(peer, &text, net);
        self.take_unfinished(peer, End::Input, net);
        match self.sessions.get_mut(peer) {
            // Whoever has just said goodbye waits for nothing.
            Some(session) if session.stage == Stage::Heard && net.is_open(peer) => {
                self.wait(peer, net);
            }
            _ => net.close(peer),
        }
    }

    fn make_room(&mut self, net: &mut Net) -> bool {
        self.drop_too_fast(net) || self.turn_away_oldest(net)
    }

    fn kicked(&mut self, peer: Peer, net: &mut Net) {
        let Some(session) = self.sessions.get(peer) else { return };
        net.send(peer, KICKED);
        net.send(peer, session.framing.ending());
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        // What it said before the connection broke was said.
        let text = self.telnet.forget(peer);
        self.take_text(peer, &text, net);
        self.take_unfinished(peer, End::Input, net);
        self.forget(peer);
        if self.partner() == Some(peer) && reason != Reason::Done {
            net.show(&format!("{peer} has left: {reason}"));
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        let mut bytes = 0;
        while let Some((_, peer)) =
            self.quiet.first().copied().filter(|(when, _)| *when <= net.now())
        {
            if bytes > QUIET_BYTES_MAX {
                break;
            }
            self.quiet.pop_first();
            let Some(session) = self.sessions.get_mut(peer) else { continue };
            bytes += session.unfinished.len();
            session.watched = false;
            if session.last_text.after(QUIET) <= net.now() {
                self.take_unfinished(peer, End::Silence, net);
            }
            self.watch(peer, net);
        }
        if let Some((when, _)) = self.quiet.first() {
            net.wake_at(*when);
        }
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        match line {
            None => self.operator_left(net),
            Some(line) => self.operator_says(line, net),
        }
    }
}

/// What clients say.
impl Talk {
    /// Whether one more message of `peer` may be shown now. If it is over the rate, the peer is
    /// not read before it may speak again.
    fn admits(&mut self, peer: Peer, net: &mut Net) -> bool {
        if let (Some(pace), Some(session)) = (&self.pace, self.sessions.get(peer)) {
            let wait = pace.wait(session.meter, net.now());
            if !wait.is_zero() {
                net.pause_until(peer, net.now().after(wait.max(PAUSE_MIN)));
                self.is_too_fast(peer);
                return false;
            }
        }
        !net.has_had_its_share()
    }

    /// A line of input, or what there is of one. Returns how much has been used: telnet's commands
    /// may be in it, and another kind of line end.
    fn take_line(&mut self, peer: Peer, line: &[u8], net: &mut Net) -> usize {
        if !self.telnet.concerns(peer, line) {
            self.take_text(peer, line, net);
            return line.len();
        }
        let (mut rest, mut text) = (line, Vec::new());
        let refusal = self.telnet.read(peer, &mut rest, &mut text, net);
        self.take_text(peer, &text, net);
        if let Some(refusal) = refusal {
            net.send(peer, &refusal);
        }
        line.len() - rest.len()
    }

    fn take_text(&mut self, peer: Peer, text: &[u8], net: &mut Net) {
        let Some(session) = self.sessions.get_mut(peer).filter(|_| !text.is_empty()) else {
            return;
        };
        if session.unfinished.is_empty() && session.last_text.after(QUIET) <= net.now() {
            session.before.is_long_ago();
        }
        session.unfinished.extend_from_slice(text);
        session.last_text = net.now();
        if text.contains(&b'\n') || session.unfinished.len() > MESSAGE_BYTES_MAX {
            self.take_messages(peer, net);
        }
        self.watch(peer, net);
    }

    /// What has come to its end of the text so far.
    fn take_messages(&mut self, peer: Peer, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        let text = std::mem::take(&mut session.unfinished);
        let mut rest = &text[..];
        while let Some((message, end, used)) = next_message(rest) {
            rest = &rest[used..];
            if !self.message(peer, message, end, net) {
                return;
            }
        }
        if let Some(session) = self.sessions.get_mut(peer) {
            session.unfinished.extend_from_slice(rest);
        }
    }

    /// The text that no newline has ended is a message after all.
    fn take_unfinished(&mut self, peer: Peer, end: End, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        let text = std::mem::take(&mut session.unfinished);
        if !without_padding(&text).is_empty() {
            let text = text.strip_suffix(b"\r").unwrap_or(&text);
            self.message(peer, text, end, net);
        }
    }

    /// Sees to it that unfinished text is looked at when it has been quiet for long enough.
    fn watch(&mut self, peer: Peer, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        if !session.watched && self.quiet.len() >= UNFINISHED_MAX {
            return self.take_unfinished(peer, End::Silence, net);
        }
        if !session.unfinished.is_empty() && !session.watched {
            session.watched = true;
            let when = session.last_text.after(QUIET);
            self.quiet.insert((when, peer));
            net.wake_at(when);
        }
    }

    /// One message, or a piece of a long one. False: it was the last one.
    fn message(&mut self, peer: Peer, text: &[u8], end: End, net: &mut Net) -> bool {
        let Some(session) = self.sessions.get_mut(peer) else { return false };
        if let Some(pace) = &self.pace {
            pace.charge(&mut session.meter, net.now());
        }
        let before = std::mem::replace(&mut session.before, end);
        session.framing = match end {
            End::Line(framing) => framing,
            End::Silence => Framing::Bare,
            End::Input | End::Length => session.framing,
        };
        let text = without_padding(text);
        if text.is_empty() && before.was_a_guess() {
            // The newline of what has been shown already.
            return true;
        }
        self.show(peer, text, net);
        // A piece of a long text that happens to read so is no goodbye.
        if is_bye(text) && before != End::Length && end != End::Length {
            net.close(peer);
            return false;
        }
        let Some(session) = self.sessions.get_mut(peer) else { return false };
        if session.stage == Stage::Silent {
            session.stage = Stage::Heard;
        }
        if !self.has_operator {
            self.forsake(peer, net);
        }
        true
    }

    fn show(&mut self, peer: Peer, text: &[u8], net: &mut Net) {
        let others = || self.sessions.iter().nth(1).is_some();
        if self.on_screen != Some(peer) && (self.on_screen.is_some() || others()) {
            let remote = net.remote(peer).map(|address| address.to_string()).unwrap_or_default();
            net.show(&format!("--- {peer} {remote}"));
        }
        self.on_screen = Some(peer);
        self.last_speaker = Some(peer);
        let shown = visible(text);
        let grown = shown.len().saturating_sub(text.len());
        net.spend(MESSAGE_UNITS + text.len() + ESCAPE_UNITS * grown);
        net.show(&format!("Client says: {shown}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::{Stage as Theatre, assert_cuts_change_nothing};

    fn theatre() -> Theatre {
        Theatre::new(Talk::new(Some(RATE)))
    }

    fn screen(theatre: &mut Theatre) -> String {
        theatre.screen()
    }

    #[test]
    fn text_without_a_newline_is_a_message_after_a_tenth_of_a_second() {
        let mut theatre = theatre();
        let peer = theatre.join();
        theatre.say(peer, "Hello? Are ");
        theatre.pass(Duration::from_millis(60));
        theatre.say(peer, "you there?");
        theatre.pass(Duration::from_millis(60));
        assert_eq!(screen(&mut theatre), "");
        theatre.pass(Duration::from_millis(40));
        assert_eq!(screen(&mut theatre), "Client says: Hello? Are you there?\n");
        theatre.tell(Some("Yes? Whats the big idea?"));
        assert_eq!(theatre.hear(peer), "Yes? Whats the big idea?");
    }

    #[test]
    fn no_more_than_so_many_unfinished_messages_are_kept() {
        let mut theatre = theatre();
        let peers: Vec<Peer> = (0..=UNFINISHED_MAX).map(|_| theatre.join()).collect();
        let (last, others) = peers.split_last().unwrap();
        others.iter().for_each(|peer| theatre.say(*peer, "unfinished"));
        assert_eq!(screen(&mut theatre), "");
        theatre.say(*last, "one too many");
        assert!(screen(&mut theatre).ends_with("Client says: one too many\n"));
    }

    #[test]
    fn a_line_is_a_message_at_once_and_is_answered_in_its_own_framing() {
        let mut theatre = theatre();
        for ending in ["\n", "\r\n"] {
            let peer = theatre.join();
            theatre.say(peer, format!("hello{ending}"));
            theatre.tell(Some("yes"));
            assert_eq!(theatre.hear(peer), format!("yes{ending}"));
        }
    }

    #[test]
    fn bye_from_either_side_ends_that_conversation_and_no_other() {
        let mut theatre = theatre();
        let (one, two) = (theatre.join(), theatre.join());
        theatre.say(one, "BYE");
        theatre.say(two, "hi\n");
        theatre.pass(QUIET);
        assert!(theatre.is_over(one) && !theatre.is_over(two));
        theatre.tell(Some("/to 2 BYE"));
        assert!(theatre.is_over(two));
        assert_eq!(theatre.hear(two), "BYE\n");
    }

    #[test]
    fn a_message_that_only_begins_with_bye_does_not_end_it() {
        let mut theatre = theatre();
        let peer = theatre.join();
        theatre.say(peer, "BYE");
        theatre.say(peer, "E for now\n");
        theatre.pass(QUIET);
        assert!(!theatre.is_over(peer));
        assert_eq!(screen(&mut theatre), "Client says: BYEE for now\n");
    }

    #[test]
    fn plain_text_goes_to_whoever_spoke_last_unless_another_is_chosen() {
        let mut theatre = theatre();
        let (one, two) = (theatre.join(), theatre.join());
        theatre.tell(Some("hello?"));
        assert!(screen(&mut theatre).starts_with("nobody to answer"));
        theatre.say(one, "from one\n");
        theatre.say(two, "from two\n");
        theatre.tell(Some("for two"));
        theatre.tell(Some("/to #1"));
        theatre.tell(Some("for one"));
        theatre.tell(Some("/to 2 also for two"));
        theatre.tell(Some("still for one"));
        assert_eq!(theatre.hear(one), "for one\nstill for one\n");
        assert_eq!(theatre.hear(two), "for two\nalso for two\n");
        let shown = screen(&mut theatre);
        let wanted = [
            "--- #1 192.0.2.1:1001",
            "Client says: from one",
            "--- #2 192.0.2.1:1002",
            "Client says: from two",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), wanted);
        theatre.tell(Some("/to 77 hello"));
        assert!(screen(&mut theatre).starts_with("no talk client \"77\""));
        theatre.tell(Some("for one again"));
        assert_eq!(theatre.hear(one), "for one again\n");
    }

    #[test]
    fn a_choice_holds_whoever_speaks_until_the_next_to() {
        let mut theatre = theatre();
        let (one, two) = (theatre.join(), theatre.join());
        theatre.say(one, "hi\n");
        theatre.tell(Some("/to 1"));
        theatre.say(two, "me\n");
        theatre.tell(Some("a secret"));
        theatre.tell(Some("/to 2 "));
        theatre.say(one, "and I?\n");
        theatre.tell(Some("for two"));
        theatre.tell(Some("/to  #1   "));
        theatre.say(two, "BYE\n");
        theatre.tell(Some("another secret"));
        assert_eq!(theatre.hear(one), "a secret\nanother secret\n");
        assert_eq!(theatre.hear(two), "for two\n");
        theatre.tell(Some("/to"));
        assert!(screen(&mut theatre).contains("TEXT answers whoever speaks last"));
        theatre.say(one, "still here\n");
        theatre.tell(Some("good"));
        assert_eq!(theatre.hear(one), "good\n");
    }

    #[test]
    fn what_is_meant_for_one_who_has_left_reaches_nobody_else() {
        let mut theatre = theatre();
        let (one, two) = (theatre.join(), theatre.join());
        theatre.say(one, "hi\n");
        theatre.tell(Some("/to 1"));
        theatre.say(two, "hello\n");
        // It has been sent off, but its own FIN has not come yet.
        theatre.tell(Some("BYE"));
        drop((theatre.hear(one), screen(&mut theatre)));
        theatre.tell(Some("a secret"));
        assert!(screen(&mut theatre).starts_with("#1 has left; "));
        theatre.finish(one);
        theatre.say(two, "somebody else\n");
        theatre.tell(Some("a secret"));
        assert!(screen(&mut theatre).contains("#1 has left; "));
        for absent in ["/to 1", "/to 0", "/to 2x", "/to +2", "/to #", "/to ##2", "/to two"] {
            theatre.tell(Some(absent));
            assert!(screen(&mut theatre).starts_with("no talk client"), "{absent}");
            theatre.tell(Some("a secret"));
            assert!(screen(&mut theatre).starts_with("nobody is chosen"), "{absent}");
        }
        assert_eq!((theatre.hear(one), theatre.hear(two)), ("".into(), "".into()));
    }

    #[test]
    fn how_a_client_frames_its_messages_is_learnt_anew_from_each() {
        let mut theatre = theatre();
        let peer = theatre.join();
        theatre.say(peer, "Hel");
        theatre.pass(Duration::from_millis(250));
        theatre.say(peer, "lo\n");
        theatre.tell(Some("one"));
        theatre.say(peer, "no end");
        theatre.pass(QUIET);
        theatre.tell(Some("two"));
        theatre.say(peer, "\r\n");
        theatre.tell(Some("three"));
        theatre.say(peer, "\nlast\n");
        theatre.tell(Some("four"));
        assert_eq!(theatre.hear(peer), "one\ntwothree\r\nfour\n");
        let said = ["Hel", "lo", "no end", "", "last"].map(|text| format!("Client says: {text}\n"));
        assert_eq!(screen(&mut theatre), said.concat());
    }

    #[test]
    fn the_padding_of_c_programs_is_no_text() {
        let mut theatre = theatre();
        let (one, two) = (theatre.join(), theatre.join());
        theatre.say(one, b"hello\n\0\0\0");
        theatre.pass(QUIET);
        theatre.tell(Some("yes"));
        assert_eq!(theatre.hear(one), "yes\n");
        theatre.say(one, b"again\0\0");
        theatre.pass(QUIET);
        theatre.say(one, b"BYE\0\0\0");
        theatre.pass(QUIET);
        assert!(theatre.is_over(one) && !theatre.is_over(two));
        let shown = screen(&mut theatre);
        let said: Vec<&str> = shown.lines().skip(1).collect();
        assert_eq!(said, ["Client says: hello", "Client says: again", "Client says: BYE"]);
    }

    #[test]
    fn a_piece_of_a_long_text_is_no_goodbye() {
        let blanks = vec![b' '; MESSAGE_BYTES_MAX - 3];
        for long in [[&blanks[..], b"BYE and more"].concat(), vec![b'x'; MESSAGE_BYTES_MAX + 2]] {
            let mut theatre = theatre();
            let peer = theatre.join();
            theatre.say(peer, long);
            theatre.say(peer, b"\nhi\n");
            assert!(!theatre.is_over(peer));
            theatre.say(peer, vec![b'x'; MESSAGE_BYTES_MAX + 2]);
            theatre.say(peer, vec![b'x'; MESSAGE_BYTES_MAX - 2]);
            theatre.say(peer, "BYE\n");
            assert!(!theatre.is_over(peer));
            theatre.say(peer, "BYE\n");
            assert!(theatre.is_over(peer));
        }
    }

    #[test]
    fn an_answer_to_somebody_who_has_left_is_not_lost_in_silence() {
        let mut theatre = theatre();
        let peer = theatre.join();
        theatre.say(peer, "hi\n");
        theatre.reset(peer);
        theatre.tell(Some("hello?"));
        let shown = screen(&mut theatre);
        assert!(shown.contains("#1 has left: reset by the peer"), "{shown}");
        assert!(shown.contains("#1 has left; /to N"), "{shown}");
    }

    #[test]
    fn without_an_operator_everybody_who_speaks_is_told_so_once() {
        let mut theatre = theatre();
        let (early, late) = (theatre.join(), theatre.join());
        theatre.say(early, "anybody?\n");
        theatre.tell(None);
        theatre.say(early, "really nobody?\n");
        theatre.say(late, "hello?");
        theatre.pass(QUIET);
        let told = String::from_utf8_lossy(NO_OPERATOR);
        assert_eq!(theatre.hear(early), format!("{told}\n"));
        assert_eq!(theatre.hear(late), told);
    }

    #[test]
    fn a_client_that_closes_its_side_still_gets_its_answer() {
        let mut theatre = theatre();
        let (asker, mute) = (theatre.join(), theatre.join());
        theatre.say(asker, "a question");
        theatre.finish(asker);
        theatre.finish(mute);
        assert!(theatre.is_over(mute) && !theatre.is_over(asker));
        theatre.tell(Some("an answer"));
        theatre.tell(Some("BYE"));
        assert_eq!(theatre.hear(asker), "an answerBYE");
        assert!(theatre.is_over(asker));
    }

    #[test]
    fn whoever_waits_for_an_operator_who_leaves_does_not_wait_for_ever() {
        let mut theatre = theatre();
        let peer = theatre.join();
        theatre.say(peer, "a question\n");
        theatre.finish(peer);
        theatre.tell(None);
        assert_eq!(theatre.hear(peer), format!("{}\n", String::from_utf8_lossy(NO_OPERATOR)));
        assert!(theatre.is_over(peer));
    }

    #[test]
    fn who_is_kicked_is_told_so_in_its_own_framing() {
        let mut theatre = theatre();
        let (bare, lined) = (theatre.join(), theatre.join());
        theatre.say(lined, "hi\r\n");
        for (peer, ending) in [(bare, ""), (lined, "\r\n")] {
            theatre.engine().kick(peer.number());
            theatre.flush();
            let told = format!("You were kicked by the operator.{ending}");
            assert_eq!((theatre.hear(peer), theatre.is_over(peer)), (told, true));
        }
    }

    #[test]
    fn what_a_client_sends_cannot_drive_the_operators_terminal() {
        let mut theatre = theatre();
        let peer = theatre.join();
        theatre.say(peer, "\x1b]0;owned\x07\n");
        assert_eq!(screen(&mut theatre), "Client says: \\x1b]0;owned\\x07\n");
    }

    #[test]
    fn endless_text_without_a_newline_is_shown_in_pieces() {
        let mut theatre = theatre();
        let peer = theatre.join();
        for _ in 0..5 {
            theatre.say(peer, vec![b'x'; 10_000]);
        }
        theatre.pass(QUIET);
        let shown = screen(&mut theatre);
        assert_eq!(shown.matches('x').count(), 50_000);
        assert_eq!(shown.lines().count(), 4);
    }

    #[test]
    fn telnet_speaks_like_all_others() {
        let mut theatre = theatre();
        let peer = theatre.join();
        theatre.say(peer, b"\xff\xf4\xff\xfd\x06hel\xff\xf1lo\r\0\xff\xfc\x01");
        theatre.pass(QUIET);
        assert_eq!(screen(&mut theatre), "Client says: hello\n");
        theatre.say(peer, b"caf\xe9 \xff\n\xffBYE");
        theatre.finish(peer);
        let shown = "Client says: caf\u{fffd} \u{fffd}\nClient says: \u{fffd}BYE\n";
        assert_eq!(screen(&mut theatre), shown);
    }

    #[test]
    fn each_line_of_telnet_is_a_message_within_the_rate_and_none_follows_bye() {
        let (mut theatre, peer) = slow_theatre();
        theatre.say(peer, b"\xff\xf1one\r\0two\r\0three\r\0BYE\r\0\xff\xfd\x01four\r\0");
        assert_eq!(screen(&mut theatre), "Client says: one\nClient says: two\n");
        theatre.pass(Duration::from_millis(100));
        theatre.say(peer, "");
        assert_eq!(screen(&mut theatre), "Client says: three\n");
        theatre.pass(Duration::from_millis(100));
        theatre.say(peer, "");
        assert_eq!(screen(&mut theatre), "Client says: BYE\n");
        assert!(theatre.is_over(peer));
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let long = [&[b'x'; MESSAGE_BYTES_MAX][..], b"BYE\r\nand so on\n"].concat();
        let script: &[(usize, &[u8])] = &[
            (0, b"hello\r\nagain\r\n"),
            (1, b"no newline"),
            (2, &long[MESSAGE_BYTES_MAX - 3..]),
            (3, b"\xff\xf1x\xff\xf4y\n\xff\xfe\x06\0\0\r\0BYE\r\0"),
            (0, b"BYE\r\nignored"),
        ];
        assert_cuts_change_nothing(
            || Talk { has_operator: false, ..Talk::new(Some(RATE)) },
            script,
            4,
        );
    }

    fn slow_theatre() -> (Theatre, Peer) {
        let rate = Rate { per_second: 10.0, burst: 2.0 };
        let mut theatre = Theatre::new(Talk::new(Some(rate)));
        let peer = theatre.join();
        (theatre, peer)
    }

    #[test]
    fn messages_above_the_rate_wait_in_order_and_none_is_lost() {
        let (mut theatre, peer) = slow_theatre();
        let lines: Vec<String> = (0..100).map(|number| format!("Client says: {number}")).collect();
        let said: String = (0..100).map(|number| format!("{number}\n")).collect();
        theatre.say(peer, said);
        let mut shown = screen(&mut theatre);
        assert_eq!(shown.lines().count(), 2);
        assert!(!theatre.engine().wants_input(peer));
        theatre.pass(Duration::from_secs(1));
        shown += &screen(&mut theatre);
        assert_eq!(shown.lines().count(), 12);
        theatre.pass(Duration::from_secs(9));
        shown += &screen(&mut theatre);
        assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
        assert!(theatre.engine().wants_input(peer));
        assert_eq!(theatre.engine().buffered(), (0, 0));
    }

    #[test]
    fn goodbye_behind_a_flood_is_heard_when_its_turn_has_come() {
        let (mut theatre, peer) = slow_theatre();
        theatre.say(peer, format!("{}BYE\nmore\n", "x\n".repeat(20)));
        theatre.pass(Duration::from_millis(1_700));
        assert!(!theatre.is_over(peer));
        theatre.pass(Duration::from_millis(200));
        assert!(theatre.is_over(peer));
        assert_eq!(screen(&mut theatre).lines().count(), 21);
    }

    #[test]
    fn the_end_of_the_input_behind_a_flood_comes_behind_all_of_it() {
        let (mut theatre, peer) = slow_theatre();
        theatre.say(peer, format!("{}the end", "x\n".repeat(20)));
        theatre.finish(peer);
        theatre.pass(Duration::from_secs(3));
        let shown = screen(&mut theatre);
        assert_eq!(shown.lines().count(), 21);
        assert!(shown.ends_with("Client says: the end\n"));
        theatre.tell(Some("an answer"));
        assert_eq!(theatre.hear(peer), "an answer\n");
        assert!(!theatre.is_over(peer));
    }

    #[test]
    fn text_without_a_newline_waits_for_the_rate_as_well() {
        let rate = Rate { per_second: 1.0, burst: 1.0 };
        let mut theatre = Theatre::new(Talk::new(Some(rate)));
        let peer = theatre.join();
        theatre.say(peer, "one\ntwo");
        theatre.pass(Duration::from_millis(999));
        assert_eq!(screen(&mut theatre), "Client says: one\n");
        theatre.pass(Duration::from_millis(101));
        assert_eq!(screen(&mut theatre), "Client says: two\n");
        theatre.say(peer, "three");
        theatre.pass(Duration::from_millis(1099));
        assert_eq!(screen(&mut theatre), "");
        theatre.pass(Duration::from_millis(1));
        assert_eq!(screen(&mut theatre), "Client says: three\n");
    }

    #[test]
    fn many_silences_that_end_at_once_are_no_one_turns_work() {
        let mut theatre = theatre();
        let text = [0x1b; 8 * 1024];
        for _ in 0..100 {
            let peer = theatre.join();
            theatre.say(peer, text);
        }
        let engine = theatre.engine();
        engine.advance(Time::at(QUIET), 0);
        let mut shown = Vec::new();
        while engine.next_deadline() == Some(Time::at(QUIET)) {
            engine.fire_timers();
            let text = String::from_utf8(engine.take_screen()).unwrap();
            shown.push(text.matches("says").count());
        }
        assert_eq!(shown.iter().sum::<usize>(), 100);
        assert!(shown.iter().all(|count| (1..20).contains(count)), "{shown:?}");
    }
}
