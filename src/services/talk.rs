//! Talk: one client and the operator at the server's console, in turns or not, until `BYE`.
//!
//! Clients may end their messages with a newline or, as classic socket programs do, just send
//! them: text without a newline is a message once nothing has followed it for `QUIET`. Each client
//! is answered with the line ending that it uses itself.

mod message;
mod operator;
mod waiting;

use std::collections::BTreeSet;
use std::time::Duration;

use super::lines::{is_bye, line_length, without_padding};
use super::telnet::Telnet;
use super::{Offer, Settings};
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Table, Time};
use crate::rate::{Bucket, Rate, RateLimit};
use message::{LineEnding, MESSAGE_BYTES_MAX, MessageEnd, next_message};
use operator::Choice;
use waiting::Queue;

/// This service in the table of services.
pub const OFFER: Offer = Offer {
    name: "talk",
    port: 5000,
    about: "one client and the operator at the console, until BYE",
    idle: Some(Duration::from_secs(600)),
    fans_out: false,
    single_process: true,
    stream: Some(|settings| Box::new(Talk::new(settings.talk_rate))),
    datagram: None,
};

/// How long text without a newline waits for more before it counts as a message.
const QUIET: Duration = Duration::from_millis(100);
/// While this many clients have unfinished text, that of any other is shown at once.
const UNFINISHED_MAX: usize = 256;
/// The messages of one client that are shown. Further ones are not read yet, so they wait with the
/// client; what has been read already is lost if the connection breaks meanwhile.
pub const RATE: Rate = Rate { per_second: 1000.0, burst: 1000.0 };
/// A client over the rate is read again after this long at the soonest, so that it is worth it for
/// more than one message.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// It is looked at again after this long at the latest, however slow the rate: whoever waits for us
/// is not idle.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Of the texts after which nothing has followed, this many bytes are shown in one turn.
const QUIET_BYTES_MAX: usize = 64 * 1024;
const KICKED: &[u8] = b"You were kicked by the operator.";
const NO_OPERATOR: &[u8] = b"There is nobody at the console.";

/// How far a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// The client has not said anything yet.
    Silent,
    /// It has said something.
    Heard,
    /// It has closed its side and only waits for an answer; its ticket in `Talk::waiting`.
    Waiting(u64),
    /// It has been told that no answer will come.
    Dismissed,
}

/// One conversation.
struct Conversation {
    status: Status,
    /// That of its latest message; a guess as long as no newline has come.
    line_ending: LineEnding,
    /// How the message before `unfinished` ended.
    before: MessageEnd,
    /// Text that no newline has ended yet.
    unfinished: Vec<u8>,
    /// When the latest text came, or more of it waited with the engine.
    last_text: Time,
    /// Whether more text waits with the engine.
    has_more: bool,
    bucket: Bucket,
    /// Its ticket in `Talk::too_fast`, while it is over the rate.
    too_fast: Option<u64>,
    /// Whether it has an entry in `Talk::quiet`.
    watched: bool,
}

/// All conversations, and which one the operator is in.
pub struct Talk {
    conversations: Table<Conversation>,
    /// When to look at whose unfinished text: nothing may have followed it by then.
    quiet: BTreeSet<(Time, Peer)>,
    /// Whoever spoke last.
    last_speaker: Option<Peer>,
    /// Where the operator's plain text goes.
    choice: Choice,
    /// Whose message is the last one on the operator's screen.
    on_screen: Option<Peer>,
    has_operator: bool,
    /// Clients that have closed their side and wait for an answer.
    waiting: Queue,
    /// Clients that are over the rate.
    too_fast: Queue,
    telnet: Telnet,
    /// `None`: every message is shown at once.
    limit: Option<RateLimit>,
}

impl Talk {
    /// A talk that shows the messages of each client at `rate`.
    pub fn new(rate: Option<Rate>) -> Talk {
        Talk {
            conversations: Table::default(),
            quiet: BTreeSet::new(),
            last_speaker: None,
            choice: Choice::LastSpeaker,
            on_screen: None,
            has_operator: true,
            waiting: Queue::default(),
            too_fast: Queue::default(),
            telnet: Telnet::default(),
            limit: rate.map(RateLimit::new),
        }
    }
}

impl Service for Talk {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        let conversation = Conversation {
            status: Status::Silent,
            line_ending: LineEnding::Bare,
            before: MessageEnd::Line(LineEnding::Bare),
            unfinished: Vec::new(),
            last_text: net.now(),
            has_more: false,
            bucket: Bucket::default(),
            too_fast: None,
            watched: false,
        };
        self.conversations.insert(peer, conversation);
    }

    /// Little at a time: what is over the rate stays with the engine.
    fn read_bytes(&self) -> usize {
        MESSAGE_BYTES_MAX
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        self.note_waiting_text(peer, net);
        let mut rest = input;
        while !rest.is_empty() && self.admits(peer, net) {
            let end = line_length(rest).unwrap_or(rest.len());
            let used = self.take_line(peer, &rest[..end], net);
            if !net.is_open(peer) {
                return input.len();
            }
            rest = &rest[used..];
        }
        if rest.is_empty() {
            self.caught_up(peer);
        }
        if let Some(conversation) = self.conversations.get_mut(peer) {
            conversation.has_more = !rest.is_empty();
        }
        input.len() - rest.len()
    }

    /// The client will say no more, but it may still wait for an answer (`nc -N`). The conversation
    /// goes on until the operator ends it, it has been idle for too long, or too many wait.
    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        let text = self.telnet.forget(peer);
        self.take_text(peer, &text, net);
        self.take_unfinished(peer, MessageEnd::Input, net);
        match self.conversations.get_mut(peer) {
            // A client that has just said goodbye is not open any more, and waits for nothing.
            Some(conversation) if conversation.status == Status::Heard && net.is_open(peer) => {
                self.wait(peer, net);
            }
            _ => net.close(peer),
        }
    }

    fn free_place(&mut self, net: &mut Net) -> bool {
        self.drop_too_fast(net) || self.close_longest_waiting(net)
    }

    fn kicked(&mut self, peer: Peer, net: &mut Net) {
        let Some(conversation) = self.conversations.get(peer) else { return };
        net.send(peer, KICKED);
        net.send(peer, conversation.line_ending.bytes());
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        // What it said before the connection broke is shown.
        let text = self.telnet.forget(peer);
        self.take_text(peer, &text, net);
        self.take_unfinished(peer, MessageEnd::Input, net);
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
            self.note_waiting_text(peer, net);
            let Some(conversation) = self.conversations.get_mut(peer) else { continue };
            bytes += conversation.unfinished.len();
            conversation.watched = false;
            if conversation.last_text.after(QUIET) <= net.now() {
                self.take_unfinished(peer, MessageEnd::Silence, net);
            }
            self.watch(peer, net);
        }
        if let Some((when, _)) = self.quiet.first() {
            net.wake_at(*when);
        }
    }

    fn trim(&mut self) {
        self.conversations.trim();
    }

    fn reconfigured(&mut self, settings: &dyn std::any::Any) {
        let Some(Settings { talk_rate, .. }) = settings.downcast_ref() else { return };
        self.limit = talk_rate.map(RateLimit::new);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Talk {
    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        match line {
            None => self.operator_left(net),
            Some(line) => self.operator_says(line, net),
        }
    }

    fn addressee(&self) -> Option<Peer> {
        self.partner()
    }
}

/// What clients say.
impl Talk {
    /// Whether one more message of `peer` may be shown now. If it is over the rate, the peer is
    /// not read before it may speak again.
    fn admits(&mut self, peer: Peer, net: &mut Net) -> bool {
        if let (Some(limit), Some(conversation)) = (&self.limit, self.conversations.get(peer)) {
            let wait = limit.wait(conversation.bucket, net.now());
            if !wait.is_zero() {
                net.pause_until(peer, net.now().after(wait.clamp(PAUSE_MIN, PAUSE_MAX)));
                self.went_too_fast(peer);
                return false;
            }
        }
        !net.has_had_its_share()
    }

    /// While text of `peer` waits with the engine, the client is not silent.
    fn note_waiting_text(&mut self, peer: Peer, net: &Net) {
        if let Some(conversation) = self.conversations.get_mut(peer).filter(|c| c.has_more) {
            conversation.last_text = net.now();
        }
    }

    /// Takes a line of input, or the beginning of one. Returns how much of it has been used: telnet
    /// commands may be in it, and telnet's own kind of line end.
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
        let Some(conversation) = self.conversations.get_mut(peer).filter(|_| !text.is_empty())
        else {
            return;
        };
        if conversation.unfinished.is_empty() && conversation.last_text.after(QUIET) <= net.now() {
            conversation.before.silence_followed();
        }
        conversation.unfinished.extend_from_slice(text);
        conversation.last_text = net.now();
        if text.contains(&b'\n') || conversation.unfinished.len() > MESSAGE_BYTES_MAX {
            self.take_messages(peer, net);
        }
        self.watch(peer, net);
    }

    /// Takes the messages that have ended out of the text so far.
    fn take_messages(&mut self, peer: Peer, net: &mut Net) {
        let Some(conversation) = self.conversations.get_mut(peer) else { return };
        let text = std::mem::take(&mut conversation.unfinished);
        let mut rest = &text[..];
        while let Some((message, end, used)) = next_message(rest) {
            rest = &rest[used..];
            if !self.message(peer, message, end, net) {
                return;
            }
        }
        if let Some(conversation) = self.conversations.get_mut(peer) {
            conversation.unfinished.extend_from_slice(rest);
        }
    }

    /// Takes the text that no newline has ended for a message.
    fn take_unfinished(&mut self, peer: Peer, end: MessageEnd, net: &mut Net) {
        let Some(conversation) = self.conversations.get_mut(peer) else { return };
        let text = std::mem::take(&mut conversation.unfinished);
        if !without_padding(&text).is_empty() {
            let text = text.strip_suffix(b"\r").unwrap_or(&text);
            self.message(peer, text, end, net);
        }
    }

    /// Sees to it that unfinished text is looked at once nothing has followed it for long enough.
    fn watch(&mut self, peer: Peer, net: &mut Net) {
        let Some(conversation) = self.conversations.get_mut(peer) else { return };
        if !conversation.watched && self.quiet.len() >= UNFINISHED_MAX {
            // What follows soon is the rest of it, unless this is a goodbye.
            let end = match is_bye(&conversation.unfinished) {
                true => MessageEnd::Silence,
                false => MessageEnd::Cut,
            };
            return self.take_unfinished(peer, end, net);
        }
        if !conversation.unfinished.is_empty() && !conversation.watched {
            conversation.watched = true;
            let when = conversation.last_text.after(QUIET);
            self.quiet.insert((when, peer));
            net.wake_at(when);
        }
    }

    /// Takes one message, or a piece of a long one. False: it was a goodbye.
    fn message(&mut self, peer: Peer, text: &[u8], end: MessageEnd, net: &mut Net) -> bool {
        let Some(conversation) = self.conversations.get_mut(peer) else { return false };
        if let Some(limit) = &self.limit {
            limit.charge(&mut conversation.bucket, 1, net.now());
        }
        let before = std::mem::replace(&mut conversation.before, end);
        conversation.line_ending = match end {
            MessageEnd::Line(line_ending) => line_ending,
            MessageEnd::Silence => LineEnding::Bare,
            MessageEnd::Input | MessageEnd::Cut => conversation.line_ending,
        };
        let text = without_padding(text);
        if text.is_empty() && before.was_a_guess() {
            // The newline that belongs to what has been shown already.
            return true;
        }
        self.show(peer, text, net);
        // A piece of a long text that happens to read like a goodbye is none.
        if is_bye(text) && before != MessageEnd::Cut && end != MessageEnd::Cut {
            net.close(peer);
            return false;
        }
        let Some(conversation) = self.conversations.get_mut(peer) else { return false };
        if conversation.status == Status::Silent {
            conversation.status = Status::Heard;
        }
        if !self.has_operator {
            self.dismiss(peer, net);
        }
        true
    }
}

#[cfg(test)]
mod tests;
