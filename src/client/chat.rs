//! `cooee chat`: lines to a room and from it, until `BYE`.

use std::time::Duration;

use super::connect::connection::{Route, ServerConnection};
use super::display::Display;
use super::piped::{Piece, Piped};
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Time};
use crate::services::lines::core;
use crate::tty::stdio::Stdio;

/// A server that does not welcome us within this time is spoken to all the same.
const WELCOME: Duration = Duration::from_secs(1);

/// A longer line than this means no goodbye, whatever the word between its blanks: our server
/// takes it for too long a line.
const GOODBYE_BYTES_MAX: usize = 1024;

/// Whether the server has been told who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Welcome {
    /// Its welcome is waited for until then.
    Awaited(Time),
    Over,
}

/// The chat client.
pub(super) struct ChatClient {
    connection: ServerConnection,
    display: Display,
    /// What is said for the user on arrival.
    first_words: Vec<String>,
    welcome: Welcome,
    piped: Piped,
}

impl ChatClient {
    pub(super) fn new(
        route: Route,
        stdio: Stdio,
        nick: Option<&str>,
        room: Option<&str>,
    ) -> ChatClient {
        let nick = nick.map(|name| format!("/nick {name}\n"));
        let room = room.map(|name| format!("/join {name}\n"));
        let first_words = nick.into_iter().chain(room).collect();
        let (connection, display) = (ServerConnection::new(route, stdio), Display::new(stdio));
        ChatClient {
            connection,
            display,
            first_words,
            welcome: Welcome::Over,
            piped: Piped::default(),
        }
    }

    /// Says the first words, and listens to the user from now on.
    fn introduce(&mut self, net: &mut Net) {
        self.welcome = Welcome::Over;
        for line in std::mem::take(&mut self.first_words) {
            self.connection.send(line.as_bytes(), net);
        }
        net.hold_input(false);
    }
}

impl Service for ChatClient {
    fn opened(&mut self, _: Peer, _: &Arrival, net: &mut Net) {
        self.connection.opened();
        if self.first_words.is_empty() {
            return self.introduce(net);
        }
        let until = net.now().after(WELCOME);
        self.welcome = Welcome::Awaited(until);
        net.wake_at(until);
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.connection.note(input);
        self.display.take(input, net);
        if matches!(self.welcome, Welcome::Awaited(_)) {
            self.introduce(net);
        }
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        self.display.finish(net);
        self.connection.finished(peer, net);
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        let end = self.connection.closed(reason, net);
        self.display.finish(net);
        self.connection.conversation_over(end, &self.display, net);
    }

    fn alarm(&mut self, net: &mut Net) {
        self.display.alarm(net);
        self.connection.alarm(net);
        match self.welcome {
            Welcome::Awaited(until) if until <= net.now() => self.introduce(net),
            Welcome::Awaited(until) => net.wake_at(until),
            Welcome::Over => {}
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for ChatClient {
    fn started(&mut self, net: &mut Net) {
        self.connection.call(net);
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        let Some(line) = line else { return self.connection.finish(net) };
        self.say(line.as_bytes(), net);
    }

    /// How long a line may be is for the server to say: a long one goes there whole, so that it is
    /// refused whole.
    fn fed(&mut self, bytes: Option<&[u8]>, net: &mut Net) {
        for piece in self.piped.take(bytes) {
            match piece {
                Piece::Line(line) => self.say(&line, net),
                Piece::Part(part) => self.connection.send(&part, net),
                Piece::Rest(rest) => self.connection.send(&[&rest[..], b"\n"].concat(), net),
            }
        }
        if bytes.is_none() {
            self.connection.finish(net);
        }
    }
}

impl ChatClient {
    fn say(&mut self, line: &[u8], net: &mut Net) {
        self.connection.send(&[line, b"\n"].concat(), net);
        let is_short = line.len() <= GOODBYE_BYTES_MAX;
        if is_short && matches!(core(line), b"BYE" | b"/quit") {
            self.connection.leave(net);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::connection::tests::{connected, route};
    use crate::engine::Kind;
    use crate::engine::stage::Stage;

    fn chat(nick: Option<&str>, room: Option<&str>) -> (Stage, Peer) {
        let stdio = Stdio::default();
        connected(ChatClient::new(route("chat", Kind::Stream), stdio, nick, room))
    }

    #[test]
    fn name_and_room_are_told_after_the_welcome_and_before_the_user_is_heard() {
        let (mut stage, peer) = chat(Some("ann"), Some("den"));
        assert!(stage.engine().is_backed_up());
        assert_eq!(stage.hear(peer), "");
        stage.say(peer, "** Welcome!\n");
        assert!(!stage.engine().is_backed_up());
        stage.tell(Some("hi"));
        assert_eq!(stage.hear(peer), "/nick ann\n/join den\nhi\n");
    }

    #[test]
    fn a_server_that_does_not_welcome_is_told_after_a_second() {
        let (mut stage, peer) = chat(Some("ann"), None);
        stage.pass(Duration::from_millis(999));
        assert_eq!(stage.hear(peer), "");
        stage.pass(Duration::from_millis(1));
        assert_eq!(stage.hear(peer), "/nick ann\n");
    }

    #[test]
    fn a_long_line_goes_out_whole_and_no_piece_of_it_is_a_command() {
        let (mut stage, peer) = chat(None, None);
        let long = "x".repeat(70_000);
        for piece in [long.as_bytes(), b"/quit", b"\nBYE", b" now\nx\n/quit"] {
            stage.engine().feed(0, Some(piece));
            stage.flush();
        }
        stage.engine().feed(0, Some(format!(" \n{}BYE\n", " ".repeat(1022)).as_bytes()));
        stage.flush();
        assert!(stage.is_over(peer));
        assert_eq!(stage.hear(peer), format!("{long}/quit\nBYE now\nx\n/quit \n"));
        let (mut stage, peer) = chat(None, None);
        let blanks = format!("{}BYE\n", " ".repeat(1022));
        stage.engine().feed(0, Some(blanks.as_bytes()));
        stage.tell(Some(blanks.trim_end()));
        assert!(!stage.is_over(peer));
        assert_eq!(stage.hear(peer), blanks.repeat(2));
    }

    #[test]
    fn bye_leaves_and_shows_the_goodbye() {
        let (mut stage, peer) = chat(None, None);
        stage.tell(Some("BYE"));
        assert_eq!(stage.hear(peer), "BYE\n");
        stage.say(peer, "** Goodbye, guest1!\n");
        stage.finish(peer);
        assert_eq!(stage.screen(), "** Goodbye, guest1!\n");
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_filter_whose_server_breaks_off_without_a_word_after_its_goodbye_has_failed() {
        for (goodbye, is_fine) in [("", false), ("** Goodbye!\n", true)] {
            let (mut stage, peer) = chat(None, None);
            stage.say(peer, "** Welcome!\n");
            stage.engine().feed(0, Some(b"hi\nBYE\n"));
            stage.flush();
            stage.say(peer, goodbye);
            stage.reset(peer);
            assert_eq!(stage.engine().outcome().map(Result::is_ok), Some(is_fine));
        }
    }

    #[test]
    fn a_filter_that_is_kicked_fails_if_it_had_more_to_say() {
        for (rest, is_fine) in [(None, true), (Some(&b"more\n"[..]), false)] {
            let (mut stage, peer) = chat(None, None);
            stage.engine().feed(0, Some(b"hi\n"));
            stage.flush();
            stage.say(peer, "** You have been kicked.\n");
            stage.finish(peer);
            assert_eq!(stage.screen(), "** You have been kicked.\n");
            assert_eq!(stage.engine().outcome(), None);
            stage.engine().feed(0, rest);
            assert_eq!(stage.engine().outcome().map(Result::is_ok), Some(is_fine));
        }
    }

    #[test]
    fn the_end_of_input_half_closes_and_what_still_comes_is_shown() {
        let (mut stage, peer) = chat(None, None);
        stage.tell(Some("hi"));
        stage.tell(None);
        stage.say(peer, "<bob> bye\n");
        stage.finish(peer);
        assert_eq!(stage.screen(), "<bob> bye\n");
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }
}
