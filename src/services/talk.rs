//! Talk: one client and the operator at the server's console, in turns or not, until `BYE`.
//!
//! Clients may end their messages with a newline or, as classic socket programs do, just send
//! them: text without a newline is a message once nothing has followed it for `QUIET`. The
//! operator answers each client in that client's own framing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Offer;
use super::lines::Lines;
use super::text::visible;
use crate::engine::{Arrival, Net, Peer, Reason, Service, Table, Time};

/// This service in the table of services.
pub const OFFER: Offer = Offer {
    name: "talk",
    port: 5000,
    about: "one client and the operator at the console, until BYE",
    idle: Some(Duration::from_secs(600)),
    fans_out: false,
    meets: true,
    stream: Some(|_| Box::new(Talk::default())),
    datagram: None,
};

/// How long text without a newline waits for more before it counts as a message.
const QUIET: Duration = Duration::from_millis(100);
/// Unfinished text longer than this is shown without waiting any longer.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// While so many clients have unfinished text, that of further ones is shown at once.
const UNFINISHED_MAX: usize = 256;
/// Either side says this, alone, to end a conversation.
const BYE: &str = "BYE";
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
    /// It has been heard and will say no more; only an answer is still to come.
    Waiting,
    /// It has been told that there is no operator.
    Forsaken,
}

/// One conversation.
struct Session {
    stage: Stage,
    framing: Framing,
    /// Text that no newline has ended yet, and when the last of it came.
    unfinished: Vec<u8>,
    last_text: Time,
    /// Whether an entry in `Talk::quiet` will look at `unfinished`.
    watched: bool,
}

/// All conversations, and which one the operator is in.
pub struct Talk {
    sessions: Table<Session>,
    /// Whose unfinished text to look at when.
    quiet: BTreeSet<(Time, Peer)>,
    /// Whom plain text of the operator goes to: whoever spoke last, or was chosen.
    partner: Option<Peer>,
    /// Whose words are last on the operator's screen.
    on_screen: Option<Peer>,
    has_operator: bool,
}

impl Default for Talk {
    fn default() -> Self {
        Talk {
            sessions: Table::default(),
            quiet: BTreeSet::new(),
            partner: None,
            on_screen: None,
            has_operator: true,
        }
    }
}

impl Service for Talk {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        let session = Session {
            stage: Stage::Silent,
            framing: Framing::Bare,
            unfinished: Vec::new(),
            last_text: net.now(),
            watched: false,
        };
        self.sessions.insert(peer, session);
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let Some(session) = self.sessions.get_mut(peer) else { return input.len() };
        session.unfinished.extend_from_slice(input);
        session.last_text = net.now();
        if input.contains(&b'\n') {
            self.take_lines(peer, net);
        }
        self.watch(peer, net);
        input.len()
    }

    /// The client will say no more, but it may still wait for an answer (`nc -N`): the
    /// conversation stays until the operator ends it, or nothing happens for too long.
    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        self.take_unfinished(peer, net);
        match self.sessions.get_mut(peer) {
            Some(session) if session.stage == Stage::Heard => session.stage = Stage::Waiting,
            _ => net.close(peer),
        }
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        // What it said before the connection broke was said.
        self.take_unfinished(peer, net);
        self.sessions.remove(peer);
        if self.partner == Some(peer) && reason != Reason::Done {
            net.show(&format!("{peer} has left: {reason}"));
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        while let Some((_, peer)) =
            self.quiet.first().copied().filter(|(when, _)| *when <= net.now())
        {
            self.quiet.pop_first();
            let Some(session) = self.sessions.get_mut(peer) else { continue };
            session.watched = false;
            if session.last_text.after(QUIET) <= net.now() {
                self.take_unfinished(peer, net);
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
            Some(line) => match line.strip_prefix("/to") {
                Some(rest) if rest.is_empty() || rest.starts_with(' ') => self.turn_to(rest, net),
                _ => self.answer(line, net),
            },
        }
    }
}

/// What clients say.
impl Talk {
    fn take_lines(&mut self, peer: Peer, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        let text = std::mem::take(&mut session.unfinished);
        session.framing = match text.windows(2).any(|pair| pair == b"\r\n") {
            true => Framing::CrLf,
            false => Framing::Lf,
        };
        let mut lines = Lines::new(&text);
        for line in lines.by_ref() {
            if !self.message(peer, line, net) {
                return;
            }
        }
        let rest = lines.rest();
        if let Some(session) = self.sessions.get_mut(peer) {
            session.unfinished.extend_from_slice(rest);
        }
    }

    /// The text that no newline has ended is a message after all.
    fn take_unfinished(&mut self, peer: Peer, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        let text = std::mem::take(&mut session.unfinished);
        if !text.is_empty() {
            self.message(peer, &text, net);
        }
    }

    /// Sees to it that unfinished text is looked at when it has been quiet for long enough.
    fn watch(&mut self, peer: Peer, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        let crowded = !session.watched && self.quiet.len() >= UNFINISHED_MAX;
        if session.unfinished.len() > MESSAGE_BYTES_MAX || crowded {
            return self.take_unfinished(peer, net);
        }
        if !session.unfinished.is_empty() && !session.watched {
            session.watched = true;
            let when = session.last_text.after(QUIET);
            self.quiet.insert((when, peer));
            net.wake_at(when);
        }
    }

    /// One whole message. False: it was the last one.
    fn message(&mut self, peer: Peer, text: &[u8], net: &mut Net) -> bool {
        let others = || self.sessions.iter().nth(1).is_some();
        if self.on_screen != Some(peer) && (self.on_screen.is_some() || others()) {
            let remote = net.remote(peer).map(|address| address.to_string()).unwrap_or_default();
            net.show(&format!("--- {peer} {remote}"));
        }
        self.on_screen = Some(peer);
        self.partner = Some(peer);
        net.show(&format!("Client says: {}", visible(text)));
        if text.trim_ascii() == BYE.as_bytes() {
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
}

/// What the operator says.
impl Talk {
    fn turn_to(&mut self, rest: &str, net: &mut Net) {
        let (number, text) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
        let wanted = number.trim_start_matches('#').parse::<u64>().ok();
        let found = self.sessions.iter().map(|(peer, _)| peer);
        let Some(peer) = found.into_iter().find(|peer| Some(peer.number()) == wanted) else {
            net.show(&format!("no talk client {number:?}; /who lists them"));
            return;
        };
        if text.is_empty() {
            self.partner = Some(peer);
        } else {
            self.say(peer, text, net);
        }
    }

    fn answer(&mut self, text: &str, net: &mut Net) {
        match self.partner {
            None => net.show("nobody to answer: no talk client has spoken yet; /to N chooses one"),
            Some(peer) if self.sessions.get(peer).is_none() => {
                net.show(&format!("{peer} has left; /to N chooses another, /who lists them"));
            }
            Some(peer) => self.say(peer, text, net),
        }
    }

    fn say(&mut self, peer: Peer, text: &str, net: &mut Net) {
        let Some(session) = self.sessions.get(peer) else { return };
        net.send(peer, text.as_bytes());
        net.send(peer, session.framing.ending());
        if text.trim() == BYE {
            net.close(peer);
        }
    }

    /// Those who have spoken wait for an answer that will not come.
    fn operator_left(&mut self, net: &mut Net) {
        self.has_operator = false;
        let waiting: Vec<Peer> = (self.sessions.iter())
            .filter(|(_, session)| matches!(session.stage, Stage::Heard | Stage::Waiting))
            .map(|(peer, _)| peer)
            .collect();
        for peer in waiting {
            self.forsake(peer, net);
        }
    }

    fn forsake(&mut self, peer: Peer, net: &mut Net) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        let before = std::mem::replace(&mut session.stage, Stage::Forsaken);
        if before != Stage::Forsaken {
            net.send(peer, NO_OPERATOR);
            net.send(peer, session.framing.ending());
        }
        if before == Stage::Waiting {
            net.close(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::{Stage as Theatre, assert_cuts_change_nothing};

    fn theatre() -> Theatre {
        Theatre::new(Talk::default())
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
        assert_eq!(shown.lines().count(), 3);
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let script: &[(usize, &[u8])] =
            &[(0, b"hello\r\nagain\r\n"), (1, b"no newline"), (0, b"BYE\r\nignored")];
        assert_cuts_change_nothing(|| Talk { has_operator: false, ..Talk::default() }, script, 2);
    }
}
