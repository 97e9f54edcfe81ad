//! `cooee greet`: shows what the server says, whole or in pieces of a chosen size.

use std::time::Duration;

use super::connect::connection::{ConnectionEnd, Route, ServerConnection, counted};
use super::display::{Display, visible_line};
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Time};
use crate::services::text::visible;
use crate::tty::stdio::Stdio;

/// More than this is not shown as a whole after its pieces.
const WHOLE_BYTES_MAX: usize = 1024 * 1024;

/// The pieces, and all of them together.
struct Pieces {
    size: usize,
    whole: Vec<u8>,
    /// How much of `whole` has been shown.
    shown: usize,
    total: usize,
}

/// The greet client.
pub(super) struct GreetClient {
    connection: ServerConnection,
    display: Display,
    stdio: Stdio,
    pieces: Option<Pieces>,
    /// How long the server may be silent; then we leave.
    timeout: Duration,
    heard_at: Time,
}

impl GreetClient {
    /// `read_size`: show it in pieces of so many bytes. `timeout`: leave a server that has been
    /// silent for so long.
    pub(super) fn new(
        route: Route,
        stdio: Stdio,
        read_size: Option<usize>,
        timeout: Duration,
    ) -> GreetClient {
        let (connection, display) = (ServerConnection::new(route, stdio), Display::new(stdio));
        let pieces = read_size.map(|size| Pieces { size, whole: Vec::new(), shown: 0, total: 0 });
        GreetClient { connection, display, stdio, pieces, timeout, heard_at: Time::ZERO }
    }
}

impl Service for GreetClient {
    fn opened(&mut self, _: Peer, _: &Arrival, net: &mut Net) {
        self.connection.opened();
        self.heard_at = net.now();
        net.wake_in(self.timeout);
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.connection.note(input);
        self.heard_at = net.now();
        match &mut self.pieces {
            Some(pieces) => pieces.take(input, net),
            None => self.display.take(input, net),
        }
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        self.show_rest(net);
        self.connection.finished(peer, net);
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        let end = self.connection.closed(reason, net);
        match end {
            ConnectionEnd::None => return,
            ConnectionEnd::Closed | ConnectionEnd::Broken(_) => self.show_rest(net),
        }
        net.stop(match end {
            ConnectionEnd::Broken(reason) => Err(self.connection.broken(reason)),
            _ if self.connection.received == 0 => {
                let what = "the server closed the connection without a word";
                Err(self.connection.complaint(&format!("{what}: is that a greet server?")))
            }
            _ => Ok(()),
        });
    }

    fn alarm(&mut self, net: &mut Net) {
        self.display.alarm(net);
        if !self.connection.is_connected() {
            return;
        }
        let over = self.heard_at.after(self.timeout);
        if over > net.now() {
            return net.wake_at(over);
        }
        self.show_rest(net);
        net.stop(match self.connection.received {
            0 => {
                let what = format!("the server has said nothing for {:?}", self.timeout);
                let advice = "is that a greet server? --timeout waits longer";
                Err(self.connection.complaint(&format!("{what}: {advice}")))
            }
            _ => Ok(()),
        });
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for GreetClient {
    fn started(&mut self, net: &mut Net) {
        self.connection.call(net);
    }
}

impl GreetClient {
    fn show_rest(&mut self, net: &mut Net) {
        self.display.finish(net);
        if let Some(pieces) = self.pieces.take() {
            pieces.finish(self.stdio, net);
        }
    }
}

impl Pieces {
    fn take(&mut self, input: &[u8], net: &mut Net) {
        self.whole.extend_from_slice(input);
        self.total += input.len();
        while self.whole.len() - self.shown >= self.size {
            self.show(self.size, net);
        }
        if self.whole.len() > WHOLE_BYTES_MAX {
            self.whole.drain(..self.shown);
            self.shown = 0;
        }
    }

    fn show(&mut self, length: usize, net: &mut Net) {
        let piece = &self.whole[self.shown..self.shown + length];
        net.print(format!("{}: {}\n", counted(length), visible(piece)).as_bytes());
        self.shown += length;
    }

    /// The last piece, which may be shorter, and the whole.
    fn finish(mut self, stdio: Stdio, net: &mut Net) {
        let rest = self.whole.len() - self.shown;
        if rest > 0 {
            self.show(rest, net);
        }
        if self.total == 0 {
            return;
        }
        let total = counted(self.total);
        if self.whole.len() < self.total {
            return net.print(format!("{total} in all\n").as_bytes());
        }
        net.print(format!("{total} in all: ").as_bytes());
        match stdio.is_terminal {
            true => net.print(visible_line(&self.whole).as_bytes()),
            false => net.print(self.whole.strip_suffix(b"\n").unwrap_or(&self.whole)),
        }
        net.print(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::connection::tests::{connected, route};
    use crate::engine::Kind;
    use crate::engine::stage::Stage;

    fn greet(stdio: Stdio, read_size: Option<usize>) -> (Stage, Peer) {
        connected(GreetClient::new(route("greet", Kind::Stream), stdio, read_size, TIMEOUT))
    }

    const TIMEOUT: Duration = Duration::from_secs(10);
    const TERMINAL: Stdio = Stdio { is_terminal: true, is_interactive: true, is_coloured: false };

    #[test]
    fn the_exercise_reads_six_bytes_at_a_time_however_they_come() {
        let text = "Socket programming in python!";
        let wanted = "6 bytes: Socket\n6 bytes:  progr\n6 bytes: amming\n6 bytes:  in py\n\
                      5 bytes: thon!\n29 bytes in all: Socket programming in python!\n";
        for cut in 0..text.len() {
            let (mut stage, peer) = greet(Stdio::default(), Some(6));
            stage.say(peer, &text[..cut]);
            stage.say(peer, &text[cut..]);
            stage.finish(peer);
            assert_eq!(stage.screen(), wanted, "cut at {cut}");
            assert_eq!(stage.engine().outcome(), Some(&Ok(())));
        }
    }

    #[test]
    fn a_filter_gets_the_greeting_as_it_is_and_a_terminal_a_whole_line() {
        for (stdio, wanted) in [(Stdio::default(), "hi"), (TERMINAL, "hi\n")] {
            let (mut stage, peer) = greet(stdio, None);
            stage.say(peer, "hi");
            stage.finish(peer);
            assert_eq!(stage.screen(), wanted);
        }
    }

    #[test]
    fn a_server_without_a_word_is_a_failure_and_one_that_does_not_close_is_not() {
        let (mut stage, peer) = greet(Stdio::default(), None);
        stage.finish(peer);
        let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
        assert!(line.contains("without a word"), "{line}");
        for (text, is_fine) in [("", false), ("hello", true)] {
            let (mut stage, peer) = greet(Stdio::default(), None);
            stage.say(peer, text);
            stage.pass(TIMEOUT);
            assert_eq!(stage.engine().outcome().unwrap().is_ok(), is_fine);
        }
    }

    #[test]
    fn a_reset_is_told_after_what_came_before_it() {
        let (mut stage, peer) = greet(TERMINAL, None);
        stage.say(peer, "hel");
        stage.reset(peer);
        assert_eq!(stage.screen(), "hel\n");
        assert!(stage.engine().outcome().unwrap().is_err());
    }
}
