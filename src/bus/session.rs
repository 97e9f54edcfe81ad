//! What is said on a connection: who the server is and who we are, what is subscribed to, what is
//! heard of it, and whether it is alive.

use super::calls::{LOGGED_MAX, Phase};
use super::heart::Then;
use super::subscriptions::Target;
use super::{Bus, Mode, News, PAYLOAD_MAX, PREFIX, kept};
use crate::engine::{Net, Peer};
use crate::nats::{Info, Login, Message, Parsed, ServerOp, Trouble, denied_publish, say, trouble};

/// What a message costs, in units of `Net::spend`: what is made of it besides is counted where it
/// is told.
const MESSAGE_UNITS: usize = 1_000;
/// So many bytes a message of ours may have, with its headers: a server that does not take them
/// would end the connection over and over.
const MESSAGE_BYTES: u64 = PAYLOAD_MAX as u64 + 256;

impl Bus {
    /// Something has come. How much of it is used.
    pub(super) fn hear(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        self.out.look(peer, net);
        let mut used = 0;
        while self.is_ours(peer) && !net.has_had_its_share() {
            let (count, parsed) = self.parser.next(&input[used..]);
            used += count;
            match parsed {
                Parsed::More => break,
                Parsed::Op(op) => self.heed(op, net),
                Parsed::Wrong(why) => {
                    self.lose(&format!("it is no NATS server: {why}"), net.now(), net);
                    return input.len();
                }
            }
        }
        used
    }

    fn heed(&mut self, op: ServerOp<'_>, net: &mut Net) {
        match op {
            ServerOp::Message(message) => {
                net.spend(MESSAGE_UNITS);
                self.deliver(&message, net);
            }
            ServerOp::Info(info) => self.greeted(&info, net),
            ServerOp::Ping => say::pong(&mut self.out.bytes),
            ServerOp::Pong => self.answered(net),
            ServerOp::Error(text) => self.refused(&text, net),
            ServerOp::Skipped { .. } => {
                self.port.count(|figures| figures.dropped_malformed += 1);
            }
            ServerOp::Ok => {}
        }
    }

    /// The server has told what it is.
    pub(super) fn greeted(&mut self, info: &Info, net: &mut Net) {
        if !self.config.ignores_advertised {
            self.pool.advertise(&info.connect_urls, &self.trying);
        }
        match self.phase {
            Phase::Greeting(_) if info.ldm => self.leave("it is about to end", net),
            Phase::Greeting(_) => self.introduce(info, net),
            _ if info.ldm && self.pool.len() > 1 => self.leave("it is about to end", net),
            _ => {}
        }
    }

    /// Goes elsewhere, before the server ends the connection.
    fn leave(&mut self, why: &str, net: &mut Net) {
        self.shunned = Some(self.trying.clone());
        let Some(call) = self.call.take() else { return };
        self.out.send(call.peer, net);
        net.leave(call.peer);
        self.lost(call, why, net.now(), net);
    }

    /// Says who we are, and what we want to hear in any case.
    fn introduce(&mut self, info: &Info, net: &mut Net) {
        if !info.headers {
            return self.lose("it is older than NATS 2.2, or has headers off", net.now(), net);
        }
        if let Some(most) = info.max_payload.filter(|most| *most < MESSAGE_BYTES) {
            let why = format!(
                "it takes no more than {most} bytes at once (max_payload), and {MESSAGE_BYTES} \
                 may be needed"
            );
            return self.lose(&why, net.now(), net);
        }
        if info.tls_required && !self.trying.is_tls {
            return self.call_secured(net);
        }
        let proof = match self.config.login.proof(info.nonce.as_deref()) {
            Ok(proof) => proof,
            Err(why) => return self.lose(&why, net.now(), net),
        };
        let out = &mut self.out.bytes;
        say::connect(out, &self.config.node, &proof, self.trying.is_tls);
        self.inbox = format!("_INBOX.{:016x}", self.random.next());
        let sid = self.subscriptions.add(Target::Answers);
        say::subscribe(&mut self.out.bytes, &format!("{}.*", self.inbox), sid);
        for subject in self.subscriptions.listened() {
            self.hear_of(&subject);
        }
        self.ping(Then::Welcome, net);
        self.phase = Phase::Entering(net.now());
    }

    /// Subscribes to a subject that is listened to.
    pub(super) fn hear_of(&mut self, subject: &str) {
        let sid = self.subscriptions.hear(subject);
        say::subscribe(&mut self.out.bytes, &format!("{PREFIX}{subject}"), sid);
    }

    pub(super) fn ping(&mut self, then: Then, net: &Net) {
        say::ping(&mut self.out.bytes);
        self.heart.ask(then, net.now());
    }

    /// A PONG has come.
    fn answered(&mut self, net: &mut Net) {
        let Some((then, took)) = self.heart.answered(net.now()) else { return };
        self.port.count(|figures| figures.round_trip = Some(took));
        match then {
            Then::Nothing => {}
            Then::Welcome => {
                self.phase = Phase::In;
                self.look_for_stream(net.now());
            }
            Then::Heard => self.all_is_heard(net),
        }
    }

    /// All that is wanted is heard from now on.
    pub(super) fn rise(&mut self, net: &Net) {
        let (now, has_stream) = (net.now(), self.mode == Some(Mode::Stream));
        let is_first = self.phase != Phase::Up;
        let was_lost = self.loss.end();
        self.phase = Phase::Up;
        if is_first {
            (self.up_at, self.shunned) = (Some(now), None);
            let how = if has_stream { "with a stream for the lines" } else { "without a stream" };
            let node = self.port.figures().node;
            log::info!("the bus is reached at {} as {node}, {how}", self.trying);
            self.logged.clear();
        }
        let is_again = is_first && self.has_been_up;
        self.has_been_up = true;
        let server = self.trying.to_string();
        self.port.count(|figures| {
            (figures.is_up, figures.has_stream, figures.server) = (true, has_stream, server);
            figures.reconnects += u64::from(is_again);
        });
        if was_lost || self.told != Some(has_stream) {
            self.told = Some(has_stream);
            self.tell(News::Up { has_stream });
        }
    }

    /// Logs what the operator should look at, unless it has been logged since the bus was reached.
    pub(super) fn warn_once(&mut self, line: String) {
        if self.logged.len() < LOGGED_MAX && !self.logged.contains(&line) {
            log::warn!("{line}");
            self.logged.insert(line);
        }
    }

    /// `-ERR`.
    fn refused(&mut self, text: &str, net: &mut Net) {
        match trouble(text) {
            Trouble::Permission => {
                self.warn_once(format!("the bus does not permit something: {text}"));
                denied_publish(text).into_iter().for_each(|subject| self.deny(subject));
                if text.contains("$JS.API") {
                    self.stream_refused(text, net);
                }
            }
            Trouble::Login => {
                let advice = match &self.config.login {
                    Login::None => "; it was shown no user, token or credentials (docs/bus.md)",
                    _ => "",
                };
                self.lose(&format!("it does not let us in: {text}{advice}"), net.now(), net);
            }
            Trouble::Other => self.lose(&format!("it says: {text}"), net.now(), net),
        }
    }

    /// A message has come.
    fn deliver(&mut self, message: &Message<'_>, net: &mut Net) {
        let Some(target) = self.subscriptions.get(message.sid).cloned() else { return };
        match target {
            Target::Answers => self.take_answer(message, net),
            Target::Consumer(subject) => self.take_from_consumer(&subject, message, net),
            Target::Heard(wanted) => {
                if let Some(subject) = self.fit(message)
                    && self.passes(&wanted, net)
                {
                    self.tell(News::Heard { subject, payload: message.payload.to_vec() });
                }
            }
            Target::Plain(wanted) => {
                if let Some(subject) = self.fit(message)
                    && self.passes_plain(&wanted, net)
                {
                    let payload = message.payload.to_vec();
                    self.tell(News::Line { subject, payload, at: None, is_old: false });
                }
            }
        }
    }

    /// The subject of a message behind our prefix, if it is one that can be told. It is counted.
    pub(super) fn fit(&self, message: &Message<'_>) -> Option<String> {
        let subject = message.subject.strip_prefix(PREFIX);
        let subject = subject.filter(|_| message.payload.len() <= PAYLOAD_MAX);
        self.port.count(|figures| {
            figures.messages_in += 1;
            figures.dropped_malformed += u64::from(subject.is_none());
        });
        subject.map(str::to_owned)
    }

    fn passes(&mut self, subject: &str, net: &Net) -> bool {
        let is_within = self.subscriptions.passes(subject, self.admission.as_ref(), net.now());
        if !is_within {
            self.count_surplus(net.now());
        }
        is_within
    }

    /// Does what is due while we are in.
    pub(super) fn tick_session(&mut self, net: &mut Net) {
        let now = net.now();
        let unanswered = self.kept.waits_since().filter(|since| kept::overdue_at(*since) <= now);
        if let Some(since) = unanswered {
            return self.lose("it takes no lines: nothing has come back for 2 s", since, net);
        }
        if let Some(since) = self.heart.lost_since(now) {
            return self.lose("it does not answer", since, net);
        }
        if self.heart.beat(now) {
            say::ping(&mut self.out.bytes);
        }
        self.tick_lines(net);
    }
}
