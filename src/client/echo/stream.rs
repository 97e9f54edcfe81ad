//! `cooee echo` over TCP: sends what it is given and shows what comes back.
//!
//! On a terminal `bye` in any case ends it. A filter ends with its input: a file may well contain
//! the line `bye`, and has to come back whole.

use std::time::Duration;

use crate::client::connect::connection::{ConnectionEnd, Route, ServerConnection};
use crate::client::display::Display;
use crate::client::waiting::Waiting;
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Time};
use crate::services::lines::core;
use crate::tty::stdio::Stdio;

/// After our end, a server that has sent all back may take so long to close; then we leave.
const CLOSING: Duration = Duration::from_secs(1);
/// After our end, a server that owes us something may be silent for so long; then we give up.
const SILENCE: Duration = Duration::from_secs(10);
/// So much of what was sent is kept to see whether the server really echoes.
const HEAD_BYTES: usize = 4096;

/// Whether what comes back is what was sent, as far as that has been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness {
    /// So far. Then whatever is missing at the end is a loss.
    Same,
    /// It answers in its own words, so nothing is known to be missing.
    Different,
}

/// The echo client.
pub(crate) struct EchoClient {
    connection: ServerConnection,
    display: Display,
    /// The head of what was sent.
    head: Vec<u8>,
    likeness: Likeness,
    heard_at: Time,
    waiting: Waiting,
    is_interactive: bool,
}

impl EchoClient {
    pub(crate) fn new(route: Route, stdio: Stdio) -> EchoClient {
        let (connection, display) = (ServerConnection::new(route, stdio), Display::new(stdio));
        let (head, likeness, heard_at) = (Vec::new(), Likeness::Same, Time::ZERO);
        let is_interactive = stdio.is_interactive;
        let waiting = Waiting::for_what("the server's echo");
        EchoClient { connection, display, head, likeness, heard_at, waiting, is_interactive }
    }
}

impl Service for EchoClient {
    fn opened(&mut self, _: Peer, _: &Arrival, net: &mut Net) {
        self.connection.opened();
        net.hold_input(false);
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.compare(input);
        self.connection.note(input);
        self.heard_at = net.now();
        self.display.take(input, net);
        self.waiting.end();
        if !self.is_complete() {
            self.waiting.begin(net);
        }
        self.look_at_silence(net);
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        self.display.finish(net);
        self.connection.finished(peer, net);
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        let end = self.connection.closed(reason, net);
        self.display.finish(net);
        let is_done = self.is_complete() || self.likeness == Likeness::Different;
        match end {
            ConnectionEnd::None => {}
            ConnectionEnd::Closed if is_done && !self.connection.is_leaving() => {
                self.connection.hung_up(&self.display, net);
            }
            ConnectionEnd::Closed if is_done => net.stop(Ok(())),
            ConnectionEnd::Closed => {
                net.stop(Err(self.cut_short("the server closed the connection")));
            }
            ConnectionEnd::Broken(reason) => self.broke(reason, net),
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        self.display.alarm(net);
        self.connection.alarm(net);
        self.waiting.alarm(&self.display, net);
        self.look_at_silence(net);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for EchoClient {
    fn started(&mut self, net: &mut Net) {
        self.connection.call(net);
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        let Some(line) = line else { return self.end(net) };
        self.send(format!("{line}\n").as_bytes(), net);
        if core(line.as_bytes()).eq_ignore_ascii_case(b"bye") {
            self.end(net);
        }
    }

    fn fed(&mut self, bytes: Option<&[u8]>, net: &mut Net) {
        match bytes {
            Some(bytes) => self.send(bytes, net),
            None => self.end(net),
        }
    }
}

impl EchoClient {
    fn send(&mut self, bytes: &[u8], net: &mut Net) {
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.connection.send(bytes, net);
        self.waiting.begin(net);
    }

    /// All has been sent.
    fn end(&mut self, net: &mut Net) {
        self.connection.finish(net);
        self.heard_at = net.now();
        self.look_at_silence(net);
    }

    /// A reset harms nobody who has all back, nor a person who has said bye to a server of its own
    /// words. Of a filter's input nobody knows then how much of it was heard.
    fn broke(&self, reason: Reason, net: &mut Net) {
        if self.is_complete() && (self.is_interactive || self.has_all_back()) {
            if !self.connection.is_leaving() {
                self.display.remark("the server has closed the connection", net);
            }
            return net.stop(Ok(()));
        }
        net.stop(Err(match self.likeness {
            Likeness::Same if self.connection.sent > 0 => {
                self.cut_short("the connection broke (reset)")
            }
            Likeness::Same | Likeness::Different => self.connection.broken(reason),
        }));
    }

    /// Whether the input has ended and every byte of it has come back.
    fn has_all_back(&self) -> bool {
        self.likeness == Likeness::Same && self.is_complete() && self.connection.is_leaving()
    }

    fn compare(&mut self, input: &[u8]) {
        let at = usize::try_from(self.connection.received).unwrap_or(usize::MAX);
        let expected = self.head.get(at..).unwrap_or_default();
        let length = expected.len().min(input.len());
        // An echo is never longer than what was sent, nor there before it.
        let is_early = self.connection.received + input.len() as u64 > self.connection.sent;
        if is_early || expected[..length] != input[..length] {
            self.likeness = Likeness::Different;
        }
    }

    /// Whether nothing is known to be missing.
    fn is_complete(&self) -> bool {
        match self.likeness {
            Likeness::Same => self.connection.received >= self.connection.sent,
            Likeness::Different => self.connection.is_leaving(),
        }
    }

    fn look_at_silence(&mut self, net: &mut Net) {
        if !self.connection.is_leaving() {
            return;
        }
        let complete = self.is_complete();
        // Of a server that answers in its own words, nobody knows when it has said all.
        let patience = match self.likeness {
            Likeness::Same if complete => CLOSING,
            Likeness::Same | Likeness::Different => SILENCE,
        };
        let over = self.heard_at.after(patience);
        if over > net.now() {
            net.wake_at(over);
        } else if complete {
            log::debug!("nothing more is awaited, and the server does not close; leaving");
            net.stop(Ok(()));
        } else {
            net.stop(Err(self.cut_short("nothing has come for 10s")));
        }
    }

    fn cut_short(&self, what: &str) -> String {
        let (received, sent) = (self.connection.received, self.connection.sent);
        let how_far = match (received, self.likeness) {
            (0, _) => format!("{what}, and none of {sent} bytes has come back"),
            (_, Likeness::Same) => format!("{what} when {received} of {sent} bytes had come back"),
            (_, Likeness::Different) => what.to_owned(),
        };
        self.connection.complaint(&format!("{how_far}: is that an echo server?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::connection::tests::{connected, route};
    use crate::engine::Kind;
    use crate::engine::stage::Stage;

    const TERMINAL: Stdio = Stdio { is_terminal: true, is_interactive: true, is_coloured: false };

    fn echo(stdio: Stdio) -> (Stage, Peer) {
        connected(EchoClient::new(route("echo", Kind::Stream), stdio))
    }

    fn outcome(stage: &mut Stage) -> Option<Result<(), String>> {
        stage.engine().outcome().cloned()
    }

    #[test]
    fn a_filter_sends_all_half_closes_and_ends_when_the_server_does() {
        let (mut stage, peer) = echo(Stdio::default());
        stage.engine().feed(0, Some(b"bye\nand \xff more"));
        stage.engine().feed(0, None);
        stage.flush();
        assert!(!stage.engine().is_backed_up());
        stage.say(peer, "bye\n");
        assert_eq!(outcome(&mut stage), None);
        stage.finish(peer);
        assert_eq!(stage.screen(), "bye\n");
        let line = outcome(&mut stage).unwrap().unwrap_err();
        assert!(line.contains("4 of 14 bytes had come back"), "{line}");
    }

    #[test]
    fn a_person_who_waits_for_long_is_told_once_that_nothing_comes() {
        let (mut stage, peer) = echo(TERMINAL);
        stage.tell(Some("hello"));
        stage.pass(Duration::from_millis(2999));
        assert_eq!(stage.screen(), "");
        stage.pass(Duration::from_millis(1));
        assert_eq!(stage.screen(), "* waiting for the server's echo; Ctrl-C leaves\n");
        stage.say(peer, "hello\n");
        stage.tell(Some("again"));
        stage.pass(Duration::from_secs(60));
        assert_eq!(stage.screen(), "hello\n");
    }

    #[test]
    fn who_has_all_back_waits_for_nothing() {
        let (mut stage, peer) = echo(TERMINAL);
        stage.tell(Some("hello"));
        stage.say(peer, "hello\n");
        stage.pass(Duration::from_secs(60));
        assert_eq!(stage.screen(), "hello\n");
    }

    #[test]
    fn bye_in_any_case_ends_it_on_a_terminal() {
        let (mut stage, peer) = echo(TERMINAL);
        stage.tell(Some("hello"));
        stage.tell(Some("Bye"));
        assert_eq!(stage.hear(peer), "hello\nBye\n");
        assert!(stage.is_over(peer));
        stage.say(peer, "hello\nBye\n");
        stage.finish(peer);
        assert_eq!(stage.screen(), "hello\nBye\n");
        assert_eq!(outcome(&mut stage), Some(Ok(())));
    }

    #[test]
    fn a_server_that_answers_once_and_closes_is_no_failure() {
        let (mut stage, peer) = echo(TERMINAL);
        stage.tell(Some("hello"));
        stage.say(peer, "hello\n");
        stage.finish(peer);
        assert_eq!(stage.screen(), "hello\n* the server has closed the connection\n");
        assert_eq!(outcome(&mut stage), Some(Ok(())));
    }

    #[test]
    fn a_filter_whose_server_closes_before_the_input_has_ended_fails_if_there_is_more() {
        for (answer, rest, is_fine) in [
            ("hello", None, true),
            ("hello", Some(&b"more"[..]), false),
            ("thank you", None, true),
            ("thank you", Some(b"more"), false),
        ] {
            let (mut stage, peer) = echo(Stdio::default());
            stage.engine().feed(0, Some(b"hello"));
            stage.flush();
            stage.say(peer, answer);
            stage.finish(peer);
            assert_eq!(outcome(&mut stage), None);
            stage.engine().feed(0, rest);
            assert_eq!(outcome(&mut stage).map(|outcome| outcome.is_ok()), Some(is_fine));
        }
        // Whoever keeps the input open without a word is not waited for. If nothing was said at
        // all, that is worth a word, for what is in the input is lost.
        for (rest, is_fine) in
            [(Some(None), true), (Some(Some(&b"late"[..])), false), (None, false)]
        {
            let (mut stage, peer) = echo(Stdio::default());
            stage.finish(peer);
            assert_eq!(outcome(&mut stage), None);
            match rest {
                Some(rest) => stage.engine().feed(0, rest),
                None => stage.pass(Duration::from_millis(200)),
            }
            assert_eq!(outcome(&mut stage).map(|outcome| outcome.is_ok()), Some(is_fine));
        }
        let (mut stage, peer) = echo(Stdio::default());
        stage.engine().feed(0, Some(b"hello"));
        stage.flush();
        stage.say(peer, "hello");
        stage.finish(peer);
        stage.pass(Duration::from_millis(200));
        assert_eq!(outcome(&mut stage), Some(Ok(())));
    }

    #[test]
    fn a_reset_before_the_end_of_the_input_is_a_failure_of_a_filter_even_if_all_is_back() {
        for said in [None, Some(&b"hello"[..])] {
            for (stdio, is_fine) in [(TERMINAL, true), (Stdio::default(), false)] {
                let (mut stage, peer) = echo(stdio);
                if let Some(said) = said {
                    stage.engine().feed(0, Some(said));
                    stage.flush();
                    stage.say(peer, said);
                }
                stage.reset(peer);
                assert_eq!(outcome(&mut stage).map(|outcome| outcome.is_ok()), Some(is_fine));
            }
        }
        let (mut stage, peer) = echo(Stdio::default());
        stage.engine().feed(0, Some(b"hello"));
        stage.engine().feed(0, None);
        stage.flush();
        stage.say(peer, "hello");
        stage.reset(peer);
        assert_eq!(outcome(&mut stage), Some(Ok(())));
    }

    #[test]
    fn a_reset_by_a_server_of_its_own_words_is_a_failure_of_a_filter_only() {
        for (stdio, is_fine) in [(TERMINAL, true), (Stdio::default(), false)] {
            let (mut stage, peer) = echo(stdio);
            stage.say(peer, "Welcome!\n");
            stage.tell(Some("bye"));
            stage.reset(peer);
            assert_eq!(outcome(&mut stage).map(|outcome| outcome.is_ok()), Some(is_fine));
        }
    }

    #[test]
    fn a_server_that_answers_in_its_own_words_owes_nothing() {
        let (mut stage, peer) = echo(Stdio::default());
        stage.engine().feed(0, Some(b"a long question"));
        stage.engine().feed(0, None);
        stage.flush();
        stage.say(peer, "OK");
        stage.finish(peer);
        assert_eq!(outcome(&mut stage), Some(Ok(())));
    }

    #[test]
    fn a_server_of_its_own_words_may_take_its_time_and_a_banner_is_no_echo() {
        let (mut stage, peer) = echo(Stdio::default());
        stage.say(peer, "Welcome!\n");
        stage.engine().feed(0, Some(b"hi"));
        stage.engine().feed(0, None);
        stage.flush();
        stage.pass(Duration::from_secs(9));
        assert_eq!(outcome(&mut stage), None);
        stage.say(peer, "more");
        stage.finish(peer);
        assert_eq!(stage.screen(), "Welcome!\nmore");
        assert_eq!(outcome(&mut stage), Some(Ok(())));
    }

    #[test]
    fn a_server_that_never_closes_is_left_when_all_has_come_back() {
        let (mut stage, peer) = echo(Stdio::default());
        stage.engine().feed(0, Some(b"hello"));
        stage.engine().feed(0, None);
        stage.flush();
        stage.say(peer, "hello");
        stage.pass(Duration::from_millis(900));
        assert_eq!(outcome(&mut stage), None);
        stage.pass(Duration::from_millis(100));
        assert_eq!(outcome(&mut stage), Some(Ok(())));
    }

    #[test]
    fn a_server_that_never_answers_is_given_up() {
        let (mut stage, _) = echo(Stdio::default());
        stage.engine().feed(0, Some(b"hello"));
        stage.engine().feed(0, None);
        stage.flush();
        stage.pass(Duration::from_secs(10));
        let line = outcome(&mut stage).unwrap().unwrap_err();
        assert!(line.contains("none of 5 bytes has come back"), "{line}");
    }

    #[test]
    fn a_reset_with_something_unanswered_is_a_failure() {
        let (mut stage, peer) = echo(TERMINAL);
        stage.tell(Some("hello"));
        stage.reset(peer);
        let line = outcome(&mut stage).unwrap().unwrap_err();
        assert!(line.contains("reset") && line.contains("192.0.2.1:7"), "{line}");
    }
}
