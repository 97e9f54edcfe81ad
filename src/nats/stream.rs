//! JetStream: the questions that make a stream and its consumers, what is answered, and what
//! stands in the subjects and headers of what a consumer sends. Answers are read leniently.

use std::time::Duration;

use serde_json::{Value, json};

use super::headers::Headers;
use super::parser::fit_to_show;

/// Why JetStream does not do something: the numbers of its errors that mean something to us.
pub mod code {
    /// There is no consumer by that name.
    pub const NO_CONSUMER: u64 = 10014;
    /// There is a stream by that name that is set up otherwise.
    pub const OTHER_CONFIGURATION: u64 = 10058;
    /// There is no stream by that name.
    pub const NO_STREAM: u64 = 10059;
    /// There is another stream over these subjects.
    pub const OVERLAP: u64 = 10065;
}

/// Something to ask JetStream, by publishing it with a subject for the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Under what.
    pub subject: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// A stream as it is wished: in files, and what is too much of a subject is discarded from its
/// beginning.
#[derive(Clone, Copy, Debug)]
pub struct StreamWish<'a> {
    /// A token.
    pub name: &'a str,
    /// All that is published under these; `*` and `>` may be in it.
    pub subjects: &'a str,
    /// How much of each subject is kept.
    pub messages_per_subject: u64,
    /// How long ids are remembered.
    pub duplicate_window: Duration,
}

/// Asks for such a stream, be it there already or not.
pub fn create_stream(wish: &StreamWish<'_>) -> Question {
    let body = json!({
        "name": wish.name,
        "subjects": [wish.subjects],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_msgs_per_subject": wish.messages_per_subject,
        "duplicate_window": nanos(wish.duplicate_window),
        "num_replicas": 1,
    });
    question(format!("$JS.API.STREAM.CREATE.{}", wish.name), &body)
}

/// Asks how a stream is.
pub fn stream_info(name: &str) -> Question {
    Question { subject: format!("$JS.API.STREAM.INFO.{name}"), body: Vec::new() }
}

/// Where a consumer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest that the stream has.
    All,
    /// With that number, or the first behind it.
    At(u64),
    /// With what comes from now on.
    New,
}

/// An ephemeral consumer as it is wished: it sends on its own, keeps its state in memory, and wants
/// nothing confirmed but its questions whether we keep up (flow control).
#[derive(Clone, Copy, Debug)]
pub struct ConsumerWish<'a> {
    /// Of which stream.
    pub stream: &'a str,
    /// Of what is published under that.
    pub filter: &'a str,
    /// Where to send it.
    pub deliver: &'a str,
    /// See there.
    pub start: Start,
    /// How often it says that there is nothing new.
    pub heartbeat: Duration,
    /// It goes after nobody has listened for so long.
    pub inactive: Duration,
}

/// Asks for such a consumer.
pub fn create_consumer(wish: &ConsumerWish<'_>) -> Question {
    let mut config = json!({
        "filter_subject": wish.filter,
        "deliver_subject": wish.deliver,
        "ack_policy": "none",
        "replay_policy": "instant",
        "max_deliver": 1,
        "mem_storage": true,
        "num_replicas": 1,
        "flow_control": true,
        "idle_heartbeat": nanos(wish.heartbeat),
        "inactive_threshold": nanos(wish.inactive),
    });
    config["deliver_policy"] = Value::from(match wish.start {
        Start::All => "all",
        Start::At(_) => "by_start_sequence",
        Start::New => "new",
    });
    if let Start::At(first) = wish.start {
        config["opt_start_seq"] = Value::from(first);
    }
    let body = json!({"stream_name": wish.stream, "config": config});
    question(format!("$JS.API.CONSUMER.CREATE.{}", wish.stream), &body)
}

/// Asks that a consumer go.
pub fn delete_consumer(stream: &str, consumer: &str) -> Question {
    let subject = format!("$JS.API.CONSUMER.DELETE.{stream}.{consumer}");
    Question { subject, body: Vec::new() }
}

fn question(subject: String, body: &Value) -> Question {
    Question { subject, body: body.to_string().into_bytes() }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What JetStream answers to what it will not do. Its `Display` is a line for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiError {
    /// A number as of HTTP, or 0.
    pub status: u64,
    /// One of [`code`], another, or 0.
    pub code: u64,
    /// In words, fit to be shown.
    pub words: String,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            0 => f.write_str(&self.words),
            code => write!(f, "{} (error {code} of JetStream)", self.words),
        }
    }
}

/// How a stream is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// When it was made, as it was told: another text is another stream.
    pub created: String,
    /// What it keeps.
    pub subjects: Vec<String>,
    /// How much of each subject it keeps; `None`: all.
    pub messages_per_subject: Option<u64>,
    /// How many messages it has.
    pub messages: u64,
    /// The number of its oldest one; 0: it never had any.
    pub first_seq: u64,
    /// The number that it gave last.
    pub last_seq: u64,
}

/// How a consumer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerState {
    /// By which it is asked to go.
    pub name: String,
    /// What it had to send at that moment.
    pub pending: u64,
    /// The stream's number of what it sent last; or of what lies before its beginning.
    pub stream_seq: u64,
}

/// The receipt for what was published under a subject of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PubAck {
    /// Which has it.
    pub stream: String,
    /// Its number there.
    pub seq: u64,
    /// It had been taken before: that is the number of then.
    pub is_duplicate: bool,
}

/// Reads the answer to [`create_stream`] and [`stream_info`].
///
/// # Errors
/// What JetStream says against it, or why that is no answer.
pub fn stream_state(body: &[u8]) -> Result<StreamState, ApiError> {
    let answer = answer(body)?;
    let (config, state) = (&answer["config"], &answer["state"]);
    let subjects = config["subjects"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(StreamState {
        created: text(&answer["created"]),
        subjects: subjects.iter().map(text).collect(),
        messages_per_subject: config["max_msgs_per_subject"].as_u64().filter(|most| *most > 0),
        messages: number(&state["messages"]),
        first_seq: number(&state["first_seq"]),
        last_seq: number(&state["last_seq"]),
    })
}

/// Reads the answer to [`create_consumer`].
///
/// # Errors
/// What JetStream says against it, or why that is no answer.
pub fn consumer_state(body: &[u8]) -> Result<ConsumerState, ApiError> {
    let answer = answer(body)?;
    let name = text(&answer["name"]);
    if !super::is_subject(&name) || name.contains('.') {
        return Err(strange("the consumer has no name"));
    }
    let stream_seq = number(&answer["delivered"]["stream_seq"]);
    Ok(ConsumerState { name, pending: number(&answer["num_pending"]), stream_seq })
}

/// Reads the receipt for what was published.
///
/// # Errors
/// What JetStream says against it, or why that is no receipt.
pub fn pub_ack(body: &[u8]) -> Result<PubAck, ApiError> {
    let answer = answer(body)?;
    let seq = answer["seq"].as_u64().filter(|seq| *seq > 0);
    let seq = seq.ok_or_else(|| strange("a receipt without a number"))?;
    let is_duplicate = answer["duplicate"].as_bool().unwrap_or(false);
    Ok(PubAck { stream: text(&answer["stream"]), seq, is_duplicate })
}

/// An answer without an error in it.
fn answer(body: &[u8]) -> Result<Value, ApiError> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|_| strange("an answer that is not JSON"))?;
    let error = &answer["error"];
    if !answer.is_object() {
        return Err(strange("an answer that is no JSON object"));
    }
    if error.is_null() {
        return Ok(answer);
    }
    let words = match text(&error["description"]) {
        none if none.is_empty() => "an error without words".to_owned(),
        words => words,
    };
    Err(ApiError { status: number(&error["code"]), code: number(&error["err_code"]), words })
}

fn strange(words: &str) -> ApiError {
    ApiError { words: words.to_owned(), ..ApiError::default() }
}

fn text(value: &Value) -> String {
    fit_to_show(value.as_str().unwrap_or_default())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// What the reply subject of a message from a consumer says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// Which stream it is from.
    pub stream: &'a str,
    /// By which consumer.
    pub consumer: &'a str,
    /// Its number in the stream.
    pub stream_seq: u64,
    /// Its number among what the consumer has sent: 1, 2, 3, and so on without gaps.
    pub consumer_seq: u64,
    /// When the stream took it, in nanoseconds since 1970-01-01 00:00 UTC.
    pub at_ns: u64,
    /// How many are still to be sent.
    pub pending: u64,
}

impl<'a> Delivery<'a> {
    /// Reads `$JS.ACK.STREAM.CONSUMER.TIMES.SEQ.SEQ.AT.PENDING`, or the same with a domain and the
    /// hash of an account before the stream, and perhaps something behind it.
    #[inline]
    pub fn parse(reply: &'a str) -> Option<Delivery<'a>> {
        let rest = reply.strip_prefix("$JS.ACK.")?;
        let mut tokens = [""; 10];
        let mut count = 0;
        for token in rest.split('.').take(tokens.len()) {
            tokens[count] = token;
            count += 1;
        }
        let from = match count {
            7 => 0,
            9.. => 2,
            _ => return None,
        };
        let number = |at: usize| tokens[from + at].parse().ok();
        Some(Delivery {
            stream: tokens[from],
            consumer: tokens[from + 1],
            stream_seq: number(3)?,
            consumer_seq: number(4)?,
            at_ns: number(5)?,
            pending: number(6)?,
        })
    }
}

/// What a consumer, or the server in its place, says by the status of a message without payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// There is nothing new.
    Heartbeat {
        /// The consumer's number of what it sent last.
        consumer_seq: Option<u64>,
        /// The stream's number of it.
        stream_seq: Option<u64>,
        /// It waits for an empty message to that subject, which got lost.
        stalled: Option<&'a str>,
    },
    /// To be answered by an empty message to the reply subject of this.
    FlowControl,
    /// Nobody answers a question of ours.
    NoResponders,
    /// Anything else, such as 409: the consumer is gone.
    Other {
        /// The number.
        status: u16,
        /// What stands behind it.
        words: &'a str,
    },
}

impl<'a> Notice<'a> {
    /// Reads such headers; others have no status.
    pub fn parse(headers: Headers<'a>) -> Option<Notice<'a>> {
        let number = |name: &str| headers.value(name)?.parse().ok();
        let words = headers.description();
        Some(match headers.status()? {
            super::NO_RESPONDERS => Notice::NoResponders,
            100 if words.to_ascii_lowercase().starts_with("flowcontrol") => Notice::FlowControl,
            100 => Notice::Heartbeat {
                consumer_seq: number("Nats-Last-Consumer"),
                stream_seq: number("Nats-Last-Stream"),
                stalled: headers.value("Nats-Consumer-Stalled").filter(|to| super::is_subject(to)),
            },
            status => Notice::Other { status, words },
        })
    }
}

#[cfg(test)]
mod tests;
