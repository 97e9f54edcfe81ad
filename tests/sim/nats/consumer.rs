//! A consumer of a stream that has its messages sent somewhere: ephemeral, and acknowledged by
//! nobody. Heartbeats, flow control, and when it is given up.

use std::time::Duration;

use cooee::engine::Time;
use serde_json::{Value, json};

use super::stream::{Stream, rfc3339, size_of};
use super::words::Message;

/// See the top of this file.
pub(crate) struct Consumer {
    pub(crate) name: String,
    config: Value,
    created: u64,
    pub(crate) deliver: String,
    pub(crate) filter: String,
    /// The first number of the stream that it has not looked at.
    next: u64,
    /// The last numbers that were sent, the stream's and its own.
    pub(crate) sent: (u64, u64),
    beat: Option<Duration>,
    beaten_at: Time,
    threshold: Duration,
    /// Since when nobody listens.
    alone_since: Option<Time>,
    /// Bytes that have been sent and not been confirmed; how many may be.
    unconfirmed: usize,
    window: Option<usize>,
    /// The subject of the confirmation that is awaited, and what it confirms.
    asked: Option<(String, usize)>,
    asks: u64,
}

impl Consumer {
    /// As `config` wants it; `window`: how many bytes are sent unconfirmed.
    pub(crate) fn new(
        name: &str,
        config: &Value,
        stream: &Stream,
        (now, wall): (Time, u64),
        window: usize,
    ) -> Consumer {
        let text = |key: &str| config[key].as_str().unwrap_or_default().to_owned();
        let span = |key: &str| config[key].as_u64().map(Duration::from_nanos);
        let next = match config["deliver_policy"].as_str() {
            Some("all") | None => 1,
            Some("new") => stream.last_seq + 1,
            Some("by_start_sequence") => config["opt_start_seq"].as_u64().expect("where"),
            other => panic!("no such policy here: {other:?}"),
        };
        let first = stream.messages.first_key_value().map_or(stream.last_seq + 1, |(seq, _)| *seq);
        // Nothing beyond the end is waited for.
        let next = next.max(first).min(stream.last_seq + 1);
        let filter = Some(text("filter_subject")).filter(|filter| !filter.is_empty());
        Consumer {
            name: name.to_owned(),
            config: completed(config),
            created: wall,
            deliver: text("deliver_subject"),
            filter: filter.unwrap_or(">".to_owned()),
            next,
            sent: (next - 1, 0),
            beat: span("idle_heartbeat"),
            beaten_at: now,
            threshold: span("inactive_threshold").unwrap_or(Duration::from_secs(5)),
            alone_since: None,
            unconfirmed: 0,
            window: (config["flow_control"] == true).then_some(window),
            asked: None,
            asks: 0,
        }
    }

    /// The next message, if there is one and it may leave.
    pub(crate) fn step(&mut self, stream: &Stream, now: Time) -> Option<Message> {
        if let Some(question) = self.ask() {
            return Some(question);
        }
        if self.is_stalled() {
            return None;
        }
        let (seq, stored) = stream.next(self.next, &self.filter)?;
        self.next = seq + 1;
        self.sent = (seq, self.sent.1 + 1);
        self.beaten_at = now;
        self.unconfirmed += size_of(&stored.message);
        let (own, at, left) = (self.sent.1, stored.at, stream.pending(self.next, &self.filter));
        let (name, of) = (&self.name, &stream.name);
        let reply = Some(format!("$JS.ACK.{of}.{name}.1.{seq}.{own}.{at}.{left}"));
        Some(Message { reply, ..stored.message.clone() })
    }

    fn is_stalled(&self) -> bool {
        self.window.is_some_and(|window| self.unconfirmed > window)
    }

    /// Asks for a confirmation when half of the window is full.
    fn ask(&mut self) -> Option<Message> {
        let window = self.window?;
        if self.unconfirmed <= window / 2 || self.asked.is_some() {
            return None;
        }
        self.asks += 1;
        let (stream, name) = (self.config["stream"].as_str().unwrap_or("S"), &self.name);
        let reply = format!("$JS.FC.{stream}.{name}.{}", self.asks);
        self.asked = Some((reply.clone(), self.unconfirmed));
        let mut question =
            Message::of_headers(&self.deliver, "NATS/1.0 100 FlowControl Request\r\n\r\n");
        question.reply = Some(reply);
        Some(question)
    }

    /// Whether that was the confirmation it waited for.
    pub(crate) fn confirm(&mut self, subject: &str) -> bool {
        let Some((_, size)) = self.asked.take_if(|(asked, _)| asked == subject) else {
            return false;
        };
        self.unconfirmed -= size;
        true
    }

    /// A heartbeat, if one is due.
    pub(crate) fn beat(&mut self, now: Time) -> Option<Message> {
        self.beat.filter(|beat| self.beaten_at.after(*beat) <= now)?;
        self.beaten_at = now;
        let (of_stream, own) = self.sent;
        let mut text = format!(
            "NATS/1.0 100 Idle Heartbeat\r\n\
             Nats-Last-Consumer: {own}\r\nNats-Last-Stream: {of_stream}\r\n"
        );
        if let Some((asked, _)) = self.asked.as_ref().filter(|_| self.is_stalled()) {
            text.push_str(&format!("Nats-Consumer-Stalled: {asked}\r\n"));
        }
        text.push_str("\r\n");
        Some(Message::of_headers(&self.deliver, &text))
    }

    /// Takes note of whether anybody listens. False: nobody has for too long, and it is over.
    pub(crate) fn notice(&mut self, is_heard: bool, now: Time) -> bool {
        if is_heard {
            self.alone_since = None;
            return true;
        }
        let since = *self.alone_since.get_or_insert(now);
        // Nobody hears the beats, either.
        self.beaten_at = now;
        now.since(since) < self.threshold
    }

    /// When it has to be looked at.
    pub(crate) fn deadline(&self) -> Time {
        match (self.alone_since, self.beat) {
            (Some(since), _) => since.after(self.threshold),
            (None, Some(beat)) => self.beaten_at.after(beat),
            (None, None) => Time::NEVER,
        }
    }

    /// What is told of it.
    pub(crate) fn info(&self, stream: &Stream) -> Value {
        let mut config = self.config.clone();
        config.as_object_mut().expect("an object").remove("stream");
        json!({
            "stream_name": stream.name,
            "name": self.name,
            "created": rfc3339(self.created),
            "config": config,
            "delivered": {"consumer_seq": self.sent.1, "stream_seq": self.sent.0},
            "ack_floor": {"consumer_seq": self.sent.1, "stream_seq": match self.sent {
                (_, 0) => 0,
                (of_stream, _) => of_stream,
            }},
            "num_ack_pending": 0,
            "num_redelivered": 0,
            "num_waiting": 0,
            "num_pending": stream.pending(self.next, &self.filter),
            "push_bound": true,
        })
    }
}

/// A configuration with what a server adds to it.
fn completed(wanted: &Value) -> Value {
    let mut config = json!({"max_deliver": -1, "replay_policy": "instant", "num_replicas": 0});
    for (key, value) in wanted.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}
