//! A NATS to simulate with: a state machine that is fed what clients send and says what they hear,
//! after nats-server 2.9.10 (`tests/sockets/bus/` holds the two beside each other). Time is an
//! argument, chance comes from a seed, and it makes trouble when told to.

mod api;
mod consumer;
mod link;
mod stream;
mod subjects;
mod trouble;
mod words;

use std::collections::BTreeMap;

use cooee::engine::Time;
use serde_json::{Value, json};

use self::link::Link;
use self::stream::Stream;
use self::subjects::covers;
use self::words::Message;
use super::rng::Rng;

pub(crate) use self::trouble::Trouble;

/// How it is set up.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) jetstream: bool,
    /// User and password, if not everybody may come.
    pub(crate) login: Option<(String, String)>,
    /// What nobody may publish under or subscribe to.
    pub(crate) denied: Vec<String>,
    pub(crate) payload_max: usize,
    /// Bytes that a consumer sends before they have been confirmed.
    pub(crate) flow_window: usize,
    /// Other addresses that are told in INFO.
    pub(crate) advertised: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            jetstream: true,
            login: None,
            denied: Vec::new(),
            payload_max: 1024 * 1024,
            flow_window: 2 * 1024 * 1024,
            advertised: Vec::new(),
        }
    }
}

/// Where a message comes from: what comes from one place arrives at one client in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// From a client.
    Client(u64),
    /// From a consumer of a stream.
    Consumer(String),
    /// Confirmations of a stream.
    Confirmations,
    /// Answers of JetStream.
    Answers,
}

/// A message on its way to one subscription.
struct Underway {
    to: u64,
    sid: String,
    message: Message,
}

/// A message that a stream has taken.
pub(crate) struct Entry {
    /// When the stream was made, which tells one from the next of its name.
    pub(crate) stream: u64,
    pub(crate) subject: String,
    pub(crate) payload: Vec<u8>,
}

/// See the top of this file.
pub(crate) struct Nats {
    options: Options,
    links: BTreeMap<u64, Link>,
    streams: BTreeMap<String, Stream>,
    now: Time,
    /// Nanoseconds since 1970 when its time began.
    epoch: u64,
    trouble: Trouble,
    rng: Rng,
    /// Links, consumers and messages so far.
    linked: u64,
    named: u64,
    carried: u64,
    /// By when they arrive, and in which order they left.
    underway: BTreeMap<(Time, u64), Underway>,
    /// When the last one of a lane arrives somewhere.
    lanes: BTreeMap<(Lane, u64), Time>,
    /// Until when it does nothing at all.
    frozen_until: Time,
    leaving_at: Option<Time>,
    log: Vec<Entry>,
}

/// What clients and their kernels do.
impl Nats {
    pub(crate) fn new(options: Options, trouble: Trouble, seed: u64, epoch: u64) -> Nats {
        Nats {
            options,
            links: BTreeMap::new(),
            streams: BTreeMap::new(),
            now: Time::ZERO,
            epoch,
            trouble,
            rng: Rng::new(seed),
            linked: 0,
            named: 0,
            carried: 0,
            underway: BTreeMap::new(),
            lanes: BTreeMap::new(),
            frozen_until: Time::ZERO,
            leaving_at: None,
            log: Vec::new(),
        }
    }

    /// Somebody has connected.
    pub(crate) fn connect(&mut self, now: Time) -> u64 {
        self.now = now;
        self.linked += 1;
        let mut link = Link::new(now);
        link.tell(&format!("INFO {} ", self.info(self.linked, false)));
        self.links.insert(self.linked, link);
        self.linked
    }

    /// So much more has come from one.
    pub(crate) fn feed(&mut self, link: u64, bytes: &[u8], now: Time) {
        self.links.get_mut(&link).expect("a link").input.extend_from_slice(bytes);
        self.tick(now);
    }

    /// The connection of one is gone.
    pub(crate) fn lose(&mut self, link: u64, now: Time) {
        self.now = now;
        self.links.remove(&link);
        if !self.is_frozen() {
            self.look_after_consumers();
        }
    }

    /// All that streams have ever taken, in order.
    pub(crate) fn log(&self) -> &[Entry] {
        &self.log
    }

    /// Whether anything goes to one now.
    pub(crate) fn has_output(&self, link: u64) -> bool {
        self.links.get(&link).is_some_and(|link| !link.output.is_empty())
    }

    /// What goes to one now; the rest comes once that has been taken.
    pub(crate) fn output(&mut self, link: u64) -> &mut Vec<u8> {
        &mut self.links.get_mut(&link).expect("a link").output
    }

    /// Whether the connection of one is to be closed behind its output.
    pub(crate) fn is_over(&self, link: u64) -> bool {
        self.links.get(&link).is_none_or(|link| link.is_over)
    }

    /// It is that late.
    pub(crate) fn tick(&mut self, now: Time) {
        self.now = now;
        if self.is_frozen() {
            return;
        }
        self.frozen_until = Time::ZERO;
        let links: Vec<u64> = self.links.keys().copied().collect();
        for link in links {
            while let Some(op) =
                self.links.get_mut(&link).and_then(|link| link.next_op(&self.options))
            {
                self.obey(link, op);
            }
            if let Some(link) = self.links.get_mut(&link) {
                link.ping_if_due(now);
            }
        }
        self.look_after_consumers();
        self.arrive();
        if self.leaving_at.is_some_and(|at| at <= now) {
            self.links.values_mut().for_each(|link| link.is_over = true);
        }
    }

    /// When it is to be told the time again, at the latest.
    pub(crate) fn deadline(&self) -> Time {
        let consumers = self.streams.values().flat_map(|stream| stream.consumers.values());
        let consumers = consumers.map(consumer::Consumer::deadline);
        let links = self.links.values().map(Link::deadline);
        let underway = self.underway.keys().next().map(|(at, _)| *at);
        let leaving = self.leaving_at.filter(|_| self.links.values().any(|link| !link.is_over));
        let due = consumers.chain(links).chain(underway).chain(leaving).min();
        let is_frozen = self.frozen_until > Time::ZERO;
        if is_frozen { self.frozen_until } else { due.unwrap_or(Time::NEVER) }
    }

    fn wall(&self) -> u64 {
        self.epoch + self.now.nanos_since(Time::ZERO)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.now < self.frozen_until
    }

    fn info(&self, number: u64, is_leaving: bool) -> Value {
        let mut info = json!({
            "server_id": "NSIMULATED", "server_name": "simulated", "version": "2.9.10", "proto": 1,
            "go": "go1.19.8", "host": "localhost", "port": 4222, "headers": true,
            "max_payload": self.options.payload_max, "client_id": number,
            "client_ip": "192.0.2.99",
        });
        for (key, value) in [
            ("jetstream", self.options.jetstream),
            ("auth_required", self.options.login.is_some()),
            ("ldm", is_leaving),
        ] {
            if value {
                info[key] = json!(true);
            }
        }
        if !self.options.advertised.is_empty() {
            info["connect_urls"] = json!(self.options.advertised);
        }
        info
    }
}

/// What is published goes to streams and subscriptions.
impl Nats {
    fn obey(&mut self, number: u64, op: words::Op) {
        let Options { denied, login, .. } = &self.options;
        let is_denied = |subject: &str| denied.iter().any(|pattern| covers(pattern, subject));
        let link = self.links.get_mut(&number).expect("a link");
        if !link.is_welcome(&op, login.as_ref()) {
            return;
        }
        match op {
            words::Op::Publish(message) if is_denied(&message.subject) => {
                let subject = &message.subject;
                link.tell(&format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'"));
            }
            words::Op::Subscribe { subject, .. } if is_denied(&subject) => {
                link.tell(&format!(
                    "-ERR 'Permissions Violation for Subscription to \"{subject}\"'"
                ));
            }
            words::Op::Publish(message) => self.publish(number, message),
            other => link.obey(other),
        }
    }

    fn publish(&mut self, from: u64, message: Message) {
        let mut is_heard = self.deliver(&Lane::Client(from), Some(from), &message, None);
        if self.options.jetstream {
            is_heard |= self.store(&message);
            if message.subject.starts_with("$JS.API.") {
                is_heard = true;
                self.answer(&message);
            }
            if message.subject.starts_with("$JS.FC.") {
                is_heard = true;
                let consumers = self.streams.values_mut().flat_map(|s| s.consumers.values_mut());
                consumers.for_each(|consumer| {
                    consumer.confirm(&message.subject);
                });
            }
            self.look_after_consumers();
        }
        let link = self.links.get_mut(&from).expect("it spoke");
        if let Some(reply) = message.reply.filter(|_| !is_heard && link.wants_refusals()) {
            let refusal = Message::of_headers(&reply, "NATS/1.0 503\r\n\r\n");
            link.hear(&refusal);
        }
    }

    /// Into the streams that want it. False: none does.
    fn store(&mut self, message: &Message) -> bool {
        let (now, wall, forgets) = (self.now, self.wall(), self.trouble.forgets);
        let mut confirmations = Vec::new();
        let streams = self.streams.values_mut();
        for stream in streams.filter(|stream| stream.wants(&message.subject)) {
            stream.is_forgetful = self.rng.chance(forgets);
            let taken = stream.take(message.clone(), now, wall);
            if !taken.is_duplicate {
                let Message { subject, payload, .. } = message.clone();
                self.log.push(Entry { stream: stream.created, subject, payload });
            }
            let double = if taken.is_duplicate { ",\"duplicate\": true" } else { "" };
            let (name, seq) = (&stream.name, taken.seq);
            confirmations.push(format!("{{\"stream\":\"{name}\", \"seq\":{seq}{double}}}"));
        }
        for text in &confirmations {
            if let Some(reply) = &message.reply {
                let confirmation = Message::new(reply, text.as_bytes());
                self.deliver_internal(&Lane::Confirmations, &confirmation);
            }
        }
        !confirmations.is_empty()
    }

    fn deliver_internal(&mut self, lane: &Lane, message: &Message) {
        self.deliver(lane, None, message, None);
    }

    /// To every subscription that covers it, or covers where it is sent instead. False: there is
    /// none.
    fn deliver(
        &mut self,
        lane: &Lane,
        from: Option<u64>,
        message: &Message,
        instead: Option<&str>,
    ) -> bool {
        let subject = instead.unwrap_or(&message.subject);
        let mut receivers = Vec::new();
        for (number, link) in &self.links {
            if from != Some(*number) || link.hears_itself() {
                receivers.extend(link.covering(subject).map(|sid| (*number, sid.to_owned())));
            }
        }
        for (to, sid) in &receivers {
            let is_core = matches!(lane, Lane::Client(_));
            let times = 1 + usize::from(is_core && self.rng.chance(self.trouble.twice));
            for _ in 0..times {
                self.send(lane, *to, sid, message);
            }
        }
        !receivers.is_empty()
    }

    fn send(&mut self, lane: &Lane, to: u64, sid: &str, message: &Message) {
        let key = (lane.clone(), to);
        let before = self.lanes.get(&key).copied().unwrap_or(Time::ZERO);
        let at = self.now.after(self.trouble.delay(&mut self.rng)).max(before);
        self.carried += 1;
        if at <= self.now {
            self.links.get_mut(&to).expect("a receiver").hear_at(sid, message);
            return;
        }
        self.lanes.insert(key, at);
        let underway = Underway { to, sid: sid.to_owned(), message: message.clone() };
        self.underway.insert((at, self.carried), underway);
    }

    /// What has been under way for long enough arrives, if it is still wanted.
    fn arrive(&mut self) {
        while let Some(first) = self.underway.first_entry()
            && first.key().0 <= self.now
        {
            let Underway { to, sid, message } = first.remove();
            if let Some(link) = self.links.get_mut(&to) {
                link.hear_at(&sid, &message);
            }
        }
        let now = self.now;
        self.lanes.retain(|_, at| *at > now);
    }

    /// Consumers send what there is and beat, and those that nobody hears are given up.
    fn look_after_consumers(&mut self) {
        let now = self.now;
        let mut streams = std::mem::take(&mut self.streams);
        for stream in streams.values_mut() {
            let mut consumers = std::mem::take(&mut stream.consumers);
            consumers.retain(|name, consumer| {
                let lane = Lane::Consumer(format!("{}.{name}", stream.name));
                let deliver = consumer.deliver.clone();
                let is_heard =
                    self.links.values().any(|link| link.covering(&deliver).next().is_some());
                if !consumer.notice(is_heard, now) {
                    return false;
                }
                while is_heard && let Some(message) = consumer.step(stream, now) {
                    self.deliver(&lane, None, &message, Some(&deliver));
                }
                if let Some(beat) = consumer.beat(now) {
                    self.deliver(&lane, None, &beat, Some(&deliver));
                }
                true
            });
            stream.consumers = consumers;
        }
        self.streams = streams;
    }
}

#[cfg(test)]
mod tests;
