//! `cooee talk`: a conversation with the operator of a server, line by line, until `BYE`.
//!
//! It ends its messages with a newline until the server is heard to do without, as classic socket
//! programs do: such a server would not know `BYE` with a newline behind it.

use super::caller::{Caller, Line};
use super::display::{Display, Look, Messages, coloured, visible_line};
use crate::engine::{Arrival, Net, Peer, Reason, Service};

/// Either side says this, alone, to end the conversation.
const BYE: &str = "BYE";
const SPEAKER: &str = "Server says:";

/// How the messages of either side end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Lines,
    /// Not at all: a message is what comes at once.
    Bare,
}

/// The talk client.
pub(super) struct Talk {
    caller: Caller,
    display: Display,
    messages: Messages,
    look: Look,
    framing: Framing,
}

impl Talk {
    pub(super) fn new(line: Line, look: Look) -> Talk {
        let (caller, display) = (Caller::new(line), Display::new(look));
        let (messages, framing) = (Messages::default(), Framing::Lines);
        Talk { caller, display, messages, look, framing }
    }
}

impl Service for Talk {
    fn started(&mut self, net: &mut Net) {
        self.caller.call(net);
    }

    fn opened(&mut self, _: Peer, arrival: &Arrival, net: &mut Net) {
        self.caller.opened();
        let remote = arrival.remote;
        self.display.remark(&format!("you talk to {remote}; {BYE} or Ctrl-D ends it"), net);
        net.hold_input(false);
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.caller.note(input);
        for message in self.messages.push(input, net) {
            self.hear(&message, net);
        }
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        self.hear_rest(net);
        self.caller.finished(peer, net);
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        let end = self.caller.closed(reason, net);
        self.hear_rest(net);
        self.caller.conversation_over(end, &self.display, net);
    }

    fn alarm(&mut self, net: &mut Net) {
        if let Some(message) = self.messages.quiet(net) {
            self.framing = Framing::Bare;
            self.hear(&message, net);
        }
        self.caller.alarm(net);
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        match line {
            None => {
                self.display.remark("you have said all; Ctrl-C leaves", net);
                self.caller.finish(net);
            }
            Some("") => {}
            Some(line) => self.say(line, net),
        }
    }
}

impl Talk {
    fn say(&mut self, line: &str, net: &mut Net) {
        match self.framing {
            Framing::Lines => self.caller.send(format!("{line}\n").as_bytes(), net),
            Framing::Bare => self.caller.send(line.as_bytes(), net),
        }
        if line.trim() == BYE {
            self.caller.leave(net);
        }
    }

    fn hear(&mut self, message: &[u8], net: &mut Net) {
        if self.look.terminal {
            let speaker = coloured(SPEAKER, self.look);
            net.print(format!("{speaker} {}\n", visible_line(message)).as_bytes());
        } else {
            net.print(message);
            if !message.ends_with(b"\n") {
                net.print(b"\n");
            }
        }
        if message.trim_ascii() == BYE.as_bytes() {
            self.caller.leave(net);
        }
    }

    fn hear_rest(&mut self, net: &mut Net) {
        if let Some(message) = self.messages.rest() {
            self.hear(&message, net);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::caller::tests::{connected, line};
    use super::*;
    use crate::engine::Kind;
    use crate::engine::stage::Stage;

    const TERMINAL: Look = Look { terminal: true, interactive: true, colour: false };

    fn talk(look: Look) -> (Stage, Peer) {
        let (mut stage, peer) = connected(Talk::new(line("talk", Kind::Stream), look));
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
        let (mut stage, peer) = talk(Look::default());
        stage.say(peer, "Yes? Whats ");
        stage.say(peer, "the big idea?");
        assert_eq!(stage.screen(), "");
        stage.pass(Duration::from_millis(100));
        assert_eq!(stage.screen(), "Yes? Whats the big idea?\n");
        stage.tell(Some("BYE"));
        assert_eq!(stage.hear(peer), "BYE");
    }

    #[test]
    fn bye_of_either_side_ends_it_even_if_the_server_does_not_close() {
        let (mut stage, peer) = talk(TERMINAL);
        stage.tell(Some("BYE"));
        assert!(stage.is_over(peer));
        stage.pass(Duration::from_secs(2));
        assert_eq!(stage.engine.outcome(), Some(&Ok(())));
        let (mut stage, peer) = talk(TERMINAL);
        stage.say(peer, "BYE");
        stage.pass(Duration::from_millis(100));
        assert!(stage.is_over(peer));
        stage.reset(peer);
        assert_eq!(stage.engine.outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_reset_is_a_failure_unless_goodbye_was_said() {
        let (mut stage, peer) = talk(Look::default());
        stage.tell(Some("hello"));
        stage.tell(None);
        stage.reset(peer);
        assert!(stage.engine.outcome().unwrap().is_err());
    }

    #[test]
    fn the_end_of_input_is_not_the_end_of_listening() {
        let (mut stage, peer) = talk(Look::default());
        stage.tell(Some("hello"));
        stage.tell(None);
        stage.pass(Duration::from_secs(60));
        assert_eq!(stage.engine.outcome(), None);
        stage.say(peer, "at last");
        stage.finish(peer);
        assert_eq!(stage.screen(), "at last\n");
        assert_eq!(stage.engine.outcome(), Some(&Ok(())));
    }
}
