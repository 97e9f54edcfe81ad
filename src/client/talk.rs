//! `cooee talk`: a conversation with the operator of a server, line by line, until `BYE`.
//!
//! It ends its messages with a newline unless the server was last heard to do without, as classic
//! socket programs do: such a server would not know `BYE` with a newline behind it. A line that
//! the network has held up in its midst looks the same for a while; then its end tells better.
//!
//! A filter that has said all waits for its answer, says so after a while, and has failed if the
//! connection ends without one.

use super::connect::connection::{ConnectionEnd, Route, ServerConnection};
use super::display::{Display, Messages, coloured, visible_line};
use super::piped::{Piece, Piped};
use super::waiting::Waiting;
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service};
use crate::services::lines::{core, without_padding};
use crate::tty::stdio::Stdio;

/// Either side says this, alone, to end the conversation.
const BYE: &str = "BYE";
const SPEAKER: &str = "Server says:";
/// Text that silence has ended and that is longer than this is not the head of a held up `BYE`.
const HEAD_BYTES_MAX: usize = 16;

/// How the messages of either side end, by the latest evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Lines,
    /// Not at all: a message is what comes at once.
    Bare,
}

/// The talk client.
pub(super) struct TalkClient {
    connection: ServerConnection,
    display: Display,
    messages: Messages,
    stdio: Stdio,
    framing: Framing,
    /// Something was said without a newline, and no answer has shown yet that it was understood.
    owes_newline: bool,
    /// Short text that silence has ended, though its newline may still come.
    head: Vec<u8>,
    piped: Piped,
    /// Whether the server has said something since we first did.
    is_answered: bool,
    /// For the answer to a filter that has said all.
    waiting: Waiting,
}

impl TalkClient {
    pub(super) fn new(route: Route, stdio: Stdio) -> TalkClient {
        TalkClient {
            connection: ServerConnection::new(route, stdio),
            display: Display::new(stdio),
            messages: Messages::default(),
            stdio,
            framing: Framing::Lines,
            owes_newline: false,
            head: Vec::new(),
            piped: Piped::default(),
            is_answered: false,
            waiting: Waiting::for_what("the operator's answer"),
        }
    }
}

impl Service for TalkClient {
    fn opened(&mut self, _: Peer, arrival: &Arrival, net: &mut Net) {
        self.connection.opened();
        let remote = arrival.remote;
        let keys = format!("{BYE} ends it, Ctrl-D ends your input");
        self.display.remark(&format!("you talk to {remote}; {keys}"), net);
        net.hold_input(false);
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.connection.note(input);
        for message in self.messages.push(input, net) {
            self.hear(&message, net);
        }
        if without_padding(input).ends_with(b"\n") {
            self.heard_lines(net);
        }
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        self.hear_rest(net);
        self.connection.finished(peer, net);
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        let end = self.connection.closed(reason, net);
        self.hear_rest(net);
        if end == ConnectionEnd::Closed && self.is_owed_answer() {
            let what = "the server closed the connection without an answer";
            return net.stop(Err(self.connection.complaint(what)));
        }
        self.connection.conversation_over(end, &self.display, net);
    }

    fn alarm(&mut self, net: &mut Net) {
        if let Some(message) = self.messages.quiet(net)
            && !without_padding(&message).is_empty()
        {
            self.framing = Framing::Bare;
            self.owes_newline = false;
            self.hear(&message, net);
            self.head = message;
        }
        self.remark_on_waiting(net);
        self.connection.alarm(net);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for TalkClient {
    fn started(&mut self, net: &mut Net) {
        self.connection.call(net);
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        match line {
            None => {
                self.display.remark("you have said all; Ctrl-C leaves", net);
                self.connection.finish(net);
            }
            Some("") => {}
            Some(line) => self.say(line.as_bytes(), net),
        }
    }

    fn fed(&mut self, bytes: Option<&[u8]>, net: &mut Net) {
        for piece in self.piped.take(bytes) {
            match piece {
                Piece::Line(line) => self.say(&line, net),
                Piece::Part(part) => self.connection.send(&part, net),
                Piece::Rest(rest) => self.say_line(&rest, net),
            }
        }
        if bytes.is_none() {
            self.connection.finish(net);
            self.waiting.begin(net);
            self.remark_on_waiting(net);
        }
    }
}

impl TalkClient {
    fn say(&mut self, line: &[u8], net: &mut Net) {
        self.say_line(line, net);
        if core(line) == BYE.as_bytes() {
            self.connection.leave(net);
        }
    }

    fn say_line(&mut self, line: &[u8], net: &mut Net) {
        match self.framing {
            Framing::Lines => self.connection.send(&[line, b"\n"].concat(), net),
            Framing::Bare => {
                self.connection.send(line.strip_suffix(b"\r").unwrap_or(line), net);
                self.owes_newline |= !line.is_empty();
            }
        }
    }

    /// Whether this is a filter whose words have got no answer, nor are they a goodbye.
    fn is_owed_answer(&self) -> bool {
        let has_asked = self.connection.sent > 0 && !self.connection.has_said_goodbye();
        has_asked && !self.is_answered && !self.stdio.is_interactive
    }

    /// Says, once, that an answer is being waited for, if it has been for long.
    fn remark_on_waiting(&mut self, net: &mut Net) {
        if !self.is_owed_answer() {
            self.waiting.end();
        }
        self.waiting.alarm(&self.display, net);
    }

    /// The server ends its lines. What it was last sent without a newline it still waits for.
    fn heard_lines(&mut self, net: &mut Net) {
        self.framing = Framing::Lines;
        if std::mem::take(&mut self.owes_newline) {
            self.connection.send(b"\n", net);
        }
    }

    fn hear(&mut self, message: &[u8], net: &mut Net) {
        self.is_answered |= self.connection.sent > 0;
        self.show(message, net);
        let head = std::mem::take(&mut self.head);
        let is_whole = message.ends_with(b"\n") && head.len() <= HEAD_BYTES_MAX;
        let line = if is_whole { [&head, message].concat() } else { Vec::new() };
        if core(message) == BYE.as_bytes() || core(&line) == BYE.as_bytes() {
            self.connection.dismissed(net);
        }
    }

    fn show(&self, message: &[u8], net: &mut Net) {
        if self.stdio.is_terminal {
            let speaker = coloured(SPEAKER, self.stdio);
            let text = visible_line(without_padding(message));
            net.print(format!("{speaker} {text}\n").as_bytes());
        } else {
            net.print(message);
            if !message.ends_with(b"\n") {
                net.print(b"\n");
            }
        }
    }

    fn hear_rest(&mut self, net: &mut Net) {
        if let Some(message) = self.messages.rest()
            && !without_padding(&message).is_empty()
        {
            self.hear(&message, net);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::connect::connection::tests::{connected, route};
    use crate::engine::Kind;
    use crate::engine::stage::Stage;

    const TERMINAL: Stdio = Stdio { is_terminal: true, is_interactive: true, is_coloured: false };

    fn talk(stdio: Stdio) -> (Stage, Peer) {
        let (mut stage, peer) = connected(TalkClient::new(route("talk", Kind::Stream), stdio));
        stage.screen();
        (stage, peer)
    }

    #[test]
    fn lines_go_to_the_server_and_its_words_are_shown_as_its_own() {
        let (mut stage, peer) = talk(TERMINAL);
        stage.tell(Some("hello?"));
        assert_eq!(stage.hear(peer), "hello?\n");
        stage.say(peer, "yes?\x1b[2J\n");
        assert_eq!(stage.screen(), "Server says: yes?\\x1b[2J\n");
    }

    #[test]
    fn a_server_without_newlines_is_heard_and_answered_in_its_own_way() {
        let (mut stage, peer) = talk(Stdio::default());
        stage.say(peer, "Yes? Whats ");
        stage.say(peer, "the big idea?");
        assert_eq!(stage.screen(), "");
        stage.pass(Duration::from_millis(100));
        assert_eq!(stage.screen(), "Yes? Whats the big idea?\n");
        stage.tell(Some("BYE"));
        assert_eq!(stage.hear(peer), "BYE");
    }

    #[test]
    fn the_latest_evidence_says_whether_our_lines_end_with_a_newline() {
        let (mut stage, peer) = talk(Stdio::default());
        stage.say(peer, "Hel");
        stage.pass(Duration::from_millis(250));
        stage.say(peer, "lo\n");
        stage.tell(Some("to a server of lines"));
        assert_eq!(stage.hear(peer), "to a server of lines\n");
        stage.say(peer, "two\nlines in one message");
        stage.pass(Duration::from_millis(100));
        stage.tell(Some("to one of messages"));
        assert_eq!(stage.hear(peer), "to one of messages");
        stage.say(peer, "a message");
        stage.pass(Duration::from_millis(100));
        stage.say(peer, "a line\n");
        stage.tell(Some("again"));
        assert_eq!(stage.hear(peer), "again\n");
    }

    #[test]
    fn what_was_said_on_a_wrong_guess_gets_its_newline_when_the_guess_is_revised() {
        let (mut stage, peer) = talk(Stdio::default());
        stage.say(peer, "Hel");
        stage.pass(Duration::from_millis(100));
        stage.tell(Some("yes?"));
        assert_eq!(stage.hear(peer), "yes?");
        stage.say(peer, "lo\n");
        stage.tell(Some("next"));
        assert_eq!(stage.hear(peer), "\nnext\n");
    }

    #[test]
    fn padding_is_neither_a_message_nor_a_part_of_one() {
        let (mut stage, peer) = talk(TERMINAL);
        stage.say(peer, "yes?\n\0\0\0");
        stage.pass(Duration::from_millis(100));
        stage.tell(Some("hi"));
        assert_eq!(stage.hear(peer), "hi\n");
        stage.say(peer, "hm\0\0");
        stage.pass(Duration::from_millis(100));
        assert_eq!(stage.screen(), "Server says: yes?\nServer says: hm\n");
        for goodbye in ["BYE\0\0", "BYE\n\0\0", "\0BYE\r\n"] {
            let (mut stage, peer) = talk(Stdio::default());
            stage.say(peer, goodbye);
            stage.pass(Duration::from_millis(100));
            assert!(stage.is_over(peer), "{goodbye:?}");
        }
        let (mut stage, peer) = talk(Stdio::default());
        stage.engine().feed(0, Some(b"BYE\0\n"));
        stage.flush();
        assert!(stage.is_over(peer));
    }

    #[test]
    fn a_goodbye_that_the_network_has_held_up_in_its_midst_is_one() {
        let (mut stage, peer) = talk(Stdio::default());
        stage.say(peer, "BY");
        stage.pass(Duration::from_millis(250));
        assert!(!stage.is_over(peer));
        stage.say(peer, "E\n");
        assert!(stage.is_over(peer));
    }

    #[test]
    fn a_filter_says_the_bytes_it_is_fed_and_no_piece_of_a_line_ends_it() {
        let (mut stage, peer) = talk(Stdio::default());
        let long = "x".repeat(70_000);
        for piece in [long.as_bytes(), b"BYE", b"\nB", b"YE not\n\nBY"] {
            stage.engine().feed(0, Some(piece));
            stage.flush();
        }
        assert_eq!(stage.hear(peer), format!("{long}BYE\nBYE not\n\n"));
        assert!(!stage.is_over(peer));
        stage.engine().feed(0, Some(b"E\n"));
        stage.flush();
        assert_eq!(stage.hear(peer), "BYE\n");
        assert!(stage.is_over(peer));
    }

    #[test]
    fn bye_of_either_side_ends_it_even_if_the_server_does_not_close() {
        let (mut stage, peer) = talk(TERMINAL);
        stage.tell(Some("BYE"));
        assert!(stage.is_over(peer));
        stage.pass(Duration::from_secs(2));
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
        let (mut stage, peer) = talk(TERMINAL);
        stage.say(peer, "BYE");
        stage.pass(Duration::from_millis(100));
        assert!(stage.is_over(peer));
        stage.reset(peer);
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_reset_is_a_failure_unless_goodbye_was_said() {
        let (mut stage, peer) = talk(Stdio::default());
        stage.tell(Some("hello"));
        stage.tell(None);
        stage.reset(peer);
        assert!(stage.engine().outcome().unwrap().is_err());
    }

    #[test]
    fn a_filter_whose_words_get_no_answer_has_failed() {
        let filter = |fed: &[u8]| {
            let (mut stage, peer) = talk(Stdio::default());
            stage.say(peer, "welcome\n");
            stage.engine().feed(0, Some(fed));
            stage.engine().feed(0, None);
            stage.flush();
            (stage, peer)
        };
        let (mut stage, peer) = filter(b"hello");
        stage.pass(Duration::from_secs(600));
        stage.finish(peer);
        let told = stage.engine().outcome().unwrap().clone().unwrap_err();
        assert_eq!(told, "talk: 192.0.2.1:7: the server closed the connection without an answer");
        for (fed, answer) in [(&b"hello"[..], "yes?"), (b"hello\nBYE\n", ""), (b"", "")] {
            let (mut stage, peer) = filter(fed);
            stage.say(peer, answer);
            stage.finish(peer);
            assert_eq!(stage.engine().outcome(), Some(&Ok(())), "{fed:?}");
        }
    }

    #[test]
    fn the_end_of_input_is_not_the_end_of_listening() {
        let (mut stage, peer) = talk(Stdio::default());
        stage.tell(Some("hello"));
        stage.tell(None);
        stage.pass(Duration::from_secs(60));
        assert_eq!(stage.engine().outcome(), None);
        stage.say(peer, "at last");
        stage.finish(peer);
        assert_eq!(stage.screen(), "at last\n");
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }
}
