//! One connection of a client to NATS: what it has said of itself, and what it listens to.

use std::collections::BTreeMap;
use std::time::Duration;

use cooee::engine::Time;
use serde_json::Value;

use super::Options;
use super::subjects::{covers, is_pattern};
use super::words::{Fault, Message, Op, take};

/// A client is asked whether it is there so long after it came, and then this often.
const FIRST_PING: Duration = Duration::from_secs(2);
const PINGS: Duration = Duration::from_secs(120);
/// Who owes so many answers is gone.
const PINGS_MAX: usize = 3;

struct Subscription {
    subject: String,
    heard: u64,
    /// After so many it is over.
    most: Option<u64>,
}

/// See the top of this file.
pub(crate) struct Link {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    /// To be closed behind its output.
    pub(crate) is_over: bool,
    /// What CONNECT said; nothing yet.
    about: Option<Value>,
    subscriptions: BTreeMap<String, Subscription>,
    ping_at: Time,
    pings: usize,
}

impl Link {
    pub(crate) fn new(now: Time) -> Link {
        Link {
            input: Vec::new(),
            output: Vec::new(),
            is_over: false,
            about: None,
            subscriptions: BTreeMap::new(),
            ping_at: now.after(FIRST_PING),
            pings: 0,
        }
    }

    /// A line of its own.
    pub(crate) fn tell(&mut self, line: &str) {
        if !self.is_over {
            self.output.extend_from_slice(line.as_bytes());
            self.output.extend_from_slice(b"\r\n");
        }
    }

    pub(crate) fn end(&mut self, why: Option<&str>) {
        if let Some(why) = why {
            self.tell(&format!("-ERR '{why}'"));
        }
        self.is_over = true;
    }

    /// The next thing that it has said.
    pub(crate) fn next_op(&mut self, options: &Options) -> Option<Op> {
        if self.is_over {
            return None;
        }
        match take(&self.input, options.payload_max) {
            Ok(Some((used, op))) => {
                self.input.drain(..used);
                Some(op)
            }
            Ok(None) => None,
            Err(Fault::Told(why)) => {
                self.end(Some(why));
                None
            }
            Err(Fault::Silent) => {
                self.end(None);
                None
            }
        }
    }

    /// Whether it may say that; if not it is ended.
    pub(crate) fn is_welcome(&mut self, op: &Op, login: Option<&(String, String)>) -> bool {
        let Some((user, password)) = login.filter(|_| self.about.is_none()) else { return true };
        if let Op::Connect(about) = op
            && about["user"] == **user
            && about["pass"] == **password
        {
            return true;
        }
        self.end(Some("Authorization Violation"));
        false
    }

    /// Whatever is between it and the server alone.
    pub(crate) fn obey(&mut self, op: Op) {
        match op {
            Op::Connect(about) => self.about = Some(about),
            Op::Ping => return self.tell("PONG"),
            Op::Pong => {
                self.pings = 0;
                return;
            }
            Op::Subscribe { subject, .. } if !is_pattern(&subject) => {
                return self.tell("-ERR 'Invalid Subject'");
            }
            Op::Subscribe { subject, sid } => {
                let subscription = Subscription { subject, heard: 0, most: None };
                self.subscriptions.entry(sid).or_insert(subscription);
            }
            Op::Unsubscribe { sid, after } => {
                let found = self.subscriptions.get_mut(&sid);
                match (found, after) {
                    (Some(found), Some(most)) if found.heard < most => found.most = after,
                    _ => drop(self.subscriptions.remove(&sid)),
                }
            }
            Op::Publish(_) => unreachable!("it concerns others"),
        }
        if self.says("verbose", true) {
            self.tell("+OK");
        }
    }

    fn says(&self, key: &str, otherwise: bool) -> bool {
        let about = self.about.as_ref().unwrap_or(&Value::Null);
        about[key].as_bool().unwrap_or(otherwise)
    }

    pub(crate) fn hears_itself(&self) -> bool {
        self.says("echo", true)
    }

    pub(crate) fn wants_refusals(&self) -> bool {
        self.says("headers", false) && self.says("no_responders", false)
    }

    /// The subscriptions that cover `subject`.
    pub(crate) fn covering<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a str> {
        let all = self.subscriptions.iter();
        let found = all.filter(|(_, subscription)| covers(&subscription.subject, subject));
        found.map(|(sid, _)| sid.as_str())
    }

    /// The same message for the first subscription that covers it.
    pub(crate) fn hear(&mut self, message: &Message) {
        let sid = self.covering(&message.subject).next().map(str::to_owned);
        if let Some(sid) = sid {
            self.hear_at(&sid, message);
        }
    }

    /// A message for that subscription, if it is still there.
    pub(crate) fn hear_at(&mut self, sid: &str, message: &Message) {
        let with_headers = self.says("headers", false);
        let Some(found) = self.subscriptions.get_mut(sid).filter(|_| !self.is_over) else { return };
        found.heard += 1;
        message.write(sid, with_headers, &mut self.output);
        if found.most.is_some_and(|most| found.heard >= most) {
            self.subscriptions.remove(sid);
        }
    }

    pub(crate) fn ping_if_due(&mut self, now: Time) {
        if self.ping_at > now || self.is_over {
            return;
        }
        self.ping_at = now.after(PINGS);
        self.pings += 1;
        match self.pings {
            PINGS_MAX.. => self.end(Some("Stale Connection")),
            _ => self.tell("PING"),
        }
    }

    pub(crate) fn deadline(&self) -> Time {
        if self.is_over { Time::NEVER } else { self.ping_at }
    }
}
