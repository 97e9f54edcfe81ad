//! `cooee echo --udp`: a datagram for every line typed, or for every so many bytes of a filter,
//! and the next one when the answer has come. So a file comes back whole and in order, even if
//! the network loses, repeats or reorders.

use std::collections::VecDeque;

use crate::client::connect::connection::{ConnectionEnd, Route, ServerConnection};
use crate::client::connect::question::{Question, RetryPolicy, Wait};
use crate::client::display::{Display, visible_line};
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service};
use crate::services::lines::core;
use crate::tty::stdio::Stdio;

/// A datagram of a filter: fits any Ethernet in one piece.
const DATAGRAM_BYTES: usize = 1400;
/// So many datagrams wait before no more input is read.
const QUEUE_MAX: usize = 64;

/// The echo client for datagrams.
pub(crate) struct DatagramEchoClient {
    connection: ServerConnection,
    question: Question,
    stdio: Stdio,
    display: Display,
    queue: VecDeque<Vec<u8>>,
    /// What was asked before: its answer may come again.
    before: Option<Vec<u8>>,
    /// It has given back what it was sent: then anything else is late.
    echoes: bool,
    /// Nothing more will be asked.
    ended: bool,
}

impl DatagramEchoClient {
    pub(crate) fn new(route: Route, stdio: Stdio, retry: RetryPolicy) -> DatagramEchoClient {
        let (connection, question) = (ServerConnection::new(route, stdio), Question::new(retry));
        let (display, queue) = (Display::new(stdio), VecDeque::new());
        let (before, echoes, ended) = (None, false, false);
        DatagramEchoClient { connection, question, stdio, display, queue, before, echoes, ended }
    }
}

impl Service for DatagramEchoClient {
    fn opened(&mut self, _: Peer, _: &Arrival, net: &mut Net) {
        self.connection.opened();
        net.hold_input(false);
        // What the address before did not take.
        self.question.ask_anew(&mut self.connection, net);
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.connection.note(input);
        let Some(asked) = self.question.pending() else { return input.len() };
        let is_echo = input == asked;
        if !is_echo && (self.echoes || self.before.as_deref() == Some(input)) {
            log::debug!("that is an answer before, once more");
            return input.len();
        }
        self.echoes |= is_echo;
        self.before = self.question.answered();
        self.show(input, net);
        self.ask_next(net);
        input.len()
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        if let ConnectionEnd::Broken(reason) = self.connection.closed(reason, net) {
            self.display.finish(net);
            net.stop(Err(self.connection.broken(reason)));
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        self.display.alarm(net);
        if self.question.alarm(&mut self.connection, net) == Wait::Over {
            let is_unheard = self.connection.received == 0 && !self.stdio.is_interactive;
            if is_unheard || self.connection.has_another() {
                return self.connection.give_up(self.question.silence(), net);
            }
            let line = self.question.given_up(&self.connection);
            if !self.stdio.is_interactive {
                self.display.finish(net);
                return net.stop(Err(line));
            }
            net.print(format!("* {line}\n").as_bytes());
            self.before = self.question.answered();
            self.ask_next(net);
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for DatagramEchoClient {
    fn started(&mut self, net: &mut Net) {
        self.connection.call(net);
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        match line {
            Some(line) => {
                self.enqueue(line.as_bytes(), net);
                if core(line.as_bytes()).eq_ignore_ascii_case(b"bye") {
                    self.end(net);
                }
            }
            None => self.end(net),
        }
    }

    fn fed(&mut self, bytes: Option<&[u8]>, net: &mut Net) {
        match bytes {
            Some(bytes) => bytes.chunks(DATAGRAM_BYTES).for_each(|piece| self.enqueue(piece, net)),
            None => self.end(net),
        }
    }
}

impl DatagramEchoClient {
    fn enqueue(&mut self, bytes: &[u8], net: &mut Net) {
        if bytes.is_empty() || self.ended {
            return;
        }
        self.queue.push_back(bytes.to_vec());
        if self.question.pending().is_none() {
            self.ask_next(net);
        }
        net.hold_input(self.queue.len() > QUEUE_MAX);
    }

    fn end(&mut self, net: &mut Net) {
        self.ended = true;
        if self.question.pending().is_none() {
            self.ask_next(net);
        }
    }

    fn ask_next(&mut self, net: &mut Net) {
        match self.queue.pop_front() {
            Some(bytes) => self.question.ask(&bytes, &mut self.connection, net),
            None if self.ended => {
                self.display.finish(net);
                net.stop(Ok(()));
            }
            None => {}
        }
        if self.queue.len() <= QUEUE_MAX / 2 {
            net.hold_input(false);
        }
    }

    /// What a person typed is a line, and so is its echo; a filter's datagrams are a stream.
    fn show(&mut self, answer: &[u8], net: &mut Net) {
        match self.stdio.is_interactive {
            true => net.print(format!("{}\n", visible_line(answer)).as_bytes()),
            false => self.display.take(answer, net),
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

    fn echo(stdio: Stdio) -> (Stage, Peer) {
        let retry = RetryPolicy { timeout: Duration::from_secs(2), retries: 2 };
        connected(DatagramEchoClient::new(route("echo", Kind::Datagram), stdio, retry))
    }

    #[test]
    fn one_datagram_is_asked_at_a_time_and_answers_that_come_twice_are_shown_once() {
        let (mut stage, peer) = echo(TERMINAL);
        stage.tell(Some("one"));
        stage.tell(Some("two"));
        assert_eq!(stage.hear(peer), "one");
        stage.say(peer, "one");
        assert_eq!(stage.hear(peer), "two");
        stage.say(peer, "one");
        stage.say(peer, "two");
        stage.say(peer, "two");
        assert_eq!(stage.screen(), "one\ntwo\n");
    }

    #[test]
    fn an_answer_that_is_late_by_two_is_not_taken_for_an_echo() {
        let (mut stage, peer) = echo(Stdio { is_terminal: true, ..Stdio::default() });
        stage.engine().feed(0, Some(b"a\n"));
        stage.engine().feed(0, Some(b"b\nc"));
        stage.engine().feed(0, None);
        stage.flush();
        stage.say(peer, "a\n");
        stage.say(peer, "late");
        stage.say(peer, "b\nc");
        assert_eq!(stage.screen(), "a\nb\nc\n");
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_filter_asks_again_and_gives_up_in_the_end() {
        let (mut stage, peer) = echo(Stdio::default());
        stage.engine().feed(0, Some(b"hello"));
        stage.engine().feed(0, None);
        stage.flush();
        stage.pass(Duration::from_secs(5));
        assert_eq!(stage.hear(peer), "hellohellohello");
        assert_eq!(stage.engine().outcome(), None);
        stage.pass(Duration::from_secs(1));
        assert_eq!(stage.engine().outcome(), None);
        // The other address has its chance.
        let second = stage.dialed()[1];
        stage.answer(second, ([192, 0, 2, 99], 4001).into());
        stage.flush();
        stage.pass(Duration::from_secs(6));
        assert_eq!(stage.hear(second), "hellohellohello");
        let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
        let silent = "no answer within 2s, asked 3 times";
        assert!(line.contains(&format!("192.0.2.1:7 ({silent})")), "{line}");
        assert!(line.contains(&format!("192.0.2.2:7 ({silent})")), "{line}");
    }

    #[test]
    fn the_second_address_answers_what_the_first_was_silent_to() {
        for stdio in [TERMINAL, Stdio::default()] {
            let (mut stage, _) = echo(stdio);
            stage.tell(Some("hello"));
            stage.pass(Duration::from_secs(6));
            let second = stage.dialed()[1];
            stage.answer(second, ([192, 0, 2, 99], 4001).into());
            stage.flush();
            stage.say(second, "hello");
            stage.tell(None);
            assert_eq!(stage.screen().trim_end(), "hello");
            assert_eq!(stage.engine().outcome(), Some(&Ok(())));
        }
    }

    #[test]
    fn a_refusal_before_any_answer_leads_to_the_next_address() {
        let (mut stage, peer) = echo(Stdio::default());
        stage.engine().feed(0, Some(b"hello"));
        stage.flush();
        let refused = std::io::ErrorKind::ConnectionRefused;
        stage.fail(peer, refused);
        stage.flush();
        let second = stage.dialed()[1];
        stage.answer(second, ([192, 0, 2, 99], 4001).into());
        stage.flush();
        assert_eq!(stage.hear(second), "hello");
        stage.fail(second, refused);
        stage.flush();
        assert!(stage.engine().outcome().unwrap().is_err());
    }
}
