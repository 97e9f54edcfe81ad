//! What the operator says, and to whom: the client that spoke last, or the one that was chosen.

use super::{NO_OPERATOR, Status, Talk};
use crate::engine::{Net, Peer};
use crate::services::lines::is_bye;
use crate::services::text::visible;

/// What a message costs beside its bytes, in units of `Net::spend`.
const MESSAGE_UNITS: usize = 1024;
/// What each byte costs by which a message grows when it is made visible.
const ESCAPE_UNITS: usize = 16;

/// Where plain text goes. A choice holds until the next `/to`: what is meant for one client must
/// never reach another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nobody has been chosen.
    LastSpeaker,
    /// This one, whether it is still there or not.
    One(Peer),
    /// Somebody was chosen who was not there.
    Nobody,
}

impl Talk {
    /// Whom plain text is meant for, whether it is still there or not.
    pub(super) fn partner(&self) -> Option<Peer> {
        match self.choice {
            Choice::LastSpeaker => self.last_speaker,
            Choice::One(peer) => Some(peer),
            Choice::Nobody => None,
        }
    }

    /// Puts what `peer` says on the operator's screen.
    pub(super) fn show(&mut self, peer: Peer, text: &[u8], net: &mut Net) {
        let others = || self.conversations.iter().nth(1).is_some();
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
        net.count_message(peer);
    }

    pub(super) fn operator_says(&mut self, line: &str, net: &mut Net) {
        match line.strip_prefix("/to") {
            Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => {
                self.turn_to(rest.trim_start(), net);
            }
            _ => self.answer(line, net),
        }
    }

    fn turn_to(&mut self, rest: &str, net: &mut Net) {
        let (number, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if number.is_empty() {
            self.choice = Choice::LastSpeaker;
            return net.show("TEXT answers whoever speaks last; /to N chooses a talk client");
        }
        let is_choice = text.trim().is_empty();
        match self.find(number, net) {
            Some(peer) if is_choice => self.choice = Choice::One(peer),
            Some(peer) => self.say(peer, text, net),
            None if is_choice => {
                self.choice = Choice::Nobody;
                let fate = "TEXT goes to nobody until the next /to";
                net.show(&format!("no talk client {number:?}; {fate}; /who lists them"));
            }
            None => net.show(&format!("no talk client {number:?}; not sent; /who lists them")),
        }
    }

    /// The client with that number, `3` or `#3`, if it can be told something.
    fn find(&self, number: &str, net: &Net) -> Option<Peer> {
        let digits = number.strip_prefix('#').unwrap_or(number);
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let wanted = digits.parse::<u64>().ok().filter(|_| is_number)?;
        let mut peers = self.conversations.iter().map(|(peer, _)| peer);
        peers.find(|peer| peer.number() == wanted).filter(|peer| net.is_open(*peer))
    }

    fn answer(&mut self, text: &str, net: &mut Net) {
        match (self.partner(), self.choice) {
            (Some(peer), _) if net.is_open(peer) => self.say(peer, text, net),
            (Some(peer), Choice::One(_)) => net.show(&format!(
                "{peer} has left; /to N chooses another, /to alone whoever speaks last; not sent"
            )),
            (Some(peer), _) => net.show(&format!(
                "{peer} has left; /to N chooses another, /who lists them; not sent"
            )),
            (None, Choice::Nobody) => {
                net.show(
                    "nobody is chosen: /to N chooses, /to alone whoever speaks last; not sent",
                );
            }
            (None, _) => {
                net.show("nobody to answer: no talk client has spoken yet; /to N chooses one");
            }
        }
    }

    fn say(&mut self, peer: Peer, text: &str, net: &mut Net) {
        let Some(conversation) = self.conversations.get(peer) else { return };
        net.send(peer, text.as_bytes());
        net.send(peer, conversation.line_ending.bytes());
        if is_bye(text.as_bytes()) {
            net.close(peer);
        }
    }

    /// Tells every client that has spoken that no answer will come.
    pub(super) fn operator_left(&mut self, net: &mut Net) {
        self.has_operator = false;
        let waiting: Vec<Peer> = (self.conversations.iter())
            .filter(|(_, conversation)| {
                matches!(conversation.status, Status::Heard | Status::Waiting(_))
            })
            .map(|(peer, _)| peer)
            .collect();
        for peer in waiting {
            self.dismiss(peer, net);
        }
    }

    /// Tells `peer`, once, that nobody is at the console. If an answer was all it waited for, that
    /// is its end.
    pub(super) fn dismiss(&mut self, peer: Peer, net: &mut Net) {
        let Some(conversation) = self.conversations.get_mut(peer) else { return };
        let before = std::mem::replace(&mut conversation.status, Status::Dismissed);
        if before != Status::Dismissed {
            net.send(peer, NO_OPERATOR);
            net.send(peer, conversation.line_ending.bytes());
        }
        if let Status::Waiting(ticket) = before {
            self.waiting.leave(ticket);
            net.close(peer);
        }
    }
}
