//! A stream: messages under some subjects, in the order in which they came, each with a number.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cooee::engine::Time;
use serde_json::{Value, json};

use super::consumer::Consumer;
use super::subjects::covers;
use super::words::Message;

/// One message of it.
pub(crate) struct Stored {
    pub(crate) message: Message,
    /// Nanoseconds since 1970.
    pub(crate) at: u64,
}

/// See the top of this file.
pub(crate) struct Stream {
    pub(crate) name: String,
    /// As it is told, with all that was left to the server.
    pub(crate) config: Value,
    /// Nanoseconds since 1970.
    pub(crate) created: u64,
    pub(crate) messages: BTreeMap<u64, Stored>,
    /// The numbers of the messages under each subject.
    subjects: BTreeMap<String, BTreeSet<u64>>,
    pub(crate) last_seq: u64,
    pub(crate) consumers: BTreeMap<String, Consumer>,
    /// `Nats-Msg-Id`s of late, with the numbers of their messages.
    ids: VecDeque<(Time, String, u64)>,
    /// It takes lines twice, as if they came a window apart.
    pub(crate) is_forgetful: bool,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) seq: u64,
    pub(crate) is_duplicate: bool,
}

impl Stream {
    pub(crate) fn new(name: &str, wanted: &Value, created: u64) -> Stream {
        Stream {
            name: name.to_owned(),
            config: completed(wanted),
            created,
            messages: BTreeMap::new(),
            subjects: BTreeMap::new(),
            last_seq: 0,
            consumers: BTreeMap::new(),
            ids: VecDeque::new(),
            is_forgetful: false,
        }
    }

    pub(crate) fn wants(&self, subject: &str) -> bool {
        self.subjects().iter().any(|pattern| covers(pattern, subject))
    }

    pub(crate) fn subjects(&self) -> Vec<&str> {
        let subjects = self.config["subjects"].as_array().map_or(&[][..], Vec::as_slice);
        subjects.iter().filter_map(Value::as_str).collect()
    }

    /// Stores a message, if it is none of late.
    pub(crate) fn take(&mut self, message: Message, now: Time, at: u64) -> Taken {
        let window = Duration::from_nanos(self.config["duplicate_window"].as_u64().unwrap_or(0));
        while self.ids.front().is_some_and(|(since, ..)| now.since(*since) > window) {
            self.ids.pop_front();
        }
        let id = message.header("Nats-Msg-Id");
        let known = self.ids.iter().find(|(_, known, _)| Some(known) == id.as_ref());
        if let Some((_, _, seq)) = known.filter(|_| !self.is_forgetful) {
            return Taken { seq: *seq, is_duplicate: true };
        }
        self.last_seq += 1;
        let seq = self.last_seq;
        self.ids.extend(id.map(|id| (now, id, seq)));
        self.discard(&message.subject, seq);
        self.messages.insert(seq, Stored { message: Message { reply: None, ..message }, at });
        Taken { seq, is_duplicate: false }
    }

    /// Makes room for one more of that subject, which gets that number.
    fn discard(&mut self, subject: &str, seq: u64) {
        let most = self.config["max_msgs_per_subject"].as_u64().unwrap_or(0);
        let kept = self.subjects.entry(subject.to_owned()).or_default();
        if most > 0
            && kept.len() as u64 >= most
            && let Some(first) = kept.pop_first()
        {
            self.messages.remove(&first);
        }
        kept.insert(seq);
    }

    /// The numbers from that one on that a consumer is to get.
    fn wanted(&self, from: u64, filter: &str) -> impl Iterator<Item = u64> {
        let subjects = match self.subjects.get_key_value(filter) {
            Some((_, only)) => vec![only],
            None => {
                let all = self.subjects.iter().filter(|(subject, _)| covers(filter, subject));
                all.map(|(_, numbers)| numbers).collect()
            }
        };
        subjects.into_iter().flat_map(move |numbers| numbers.range(from..).copied())
    }

    /// The first message from that number on that a consumer is to get.
    pub(crate) fn next(&self, from: u64, filter: &str) -> Option<(u64, &Stored)> {
        let seq = self.wanted(from, filter).min()?;
        Some((seq, &self.messages[&seq]))
    }

    /// How many of these there are.
    pub(crate) fn pending(&self, from: u64, filter: &str) -> usize {
        self.wanted(from, filter).count()
    }

    pub(crate) fn state(&self) -> Value {
        let first = self.messages.first_key_value();
        let none = if self.last_seq == 0 { 0 } else { self.last_seq + 1 };
        let when = |at: Option<u64>| at.map_or("0001-01-01T00:00:00Z".to_owned(), rfc3339);
        let bytes: usize = self.messages.values().map(|stored| size_of(&stored.message)).sum();
        json!({
            "messages": self.messages.len(),
            "bytes": bytes,
            "first_seq": first.map_or(none, |(seq, _)| *seq),
            "first_ts": when(first.map(|(_, stored)| stored.at)),
            "last_seq": self.last_seq,
            "last_ts": when(self.messages.last_key_value().map(|(_, stored)| stored.at)),
            "consumer_count": self.consumers.len(),
        })
    }
}

/// What a message counts for where bytes are counted.
pub(crate) fn size_of(message: &Message) -> usize {
    message.subject.len() + message.headers.len() + message.payload.len() + 22
}

pub(crate) fn rfc3339(at: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at)).expect("a time").to_string()
}

/// A configuration with what a server adds to it.
pub(crate) fn completed(wanted: &Value) -> Value {
    let mut config = json!({
        "retention": "limits", "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0,
        "max_msgs_per_subject": -1, "max_msg_size": -1, "discard": "old", "storage": "memory",
        "num_replicas": 1, "duplicate_window": 120_000_000_000_u64, "allow_direct": false,
        "mirror_direct": false, "sealed": false, "deny_delete": false, "deny_purge": false,
        "allow_rollup_hdrs": false,
    });
    for (key, value) in wanted.as_object().into_iter().flatten() {
        // No limit may be written as 0.
        let is_none = key.starts_with("max_") && key != "max_age" && *value == 0;
        config[key] = if is_none { json!(-1) } else { value.clone() };
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_so_many_a_subject_and_nothing_twice() {
        let wanted = json!({"name": "S", "subjects": ["a.*"], "max_msgs_per_subject": 2});
        let mut stream = Stream::new("S", &wanted, 0);
        let mut take = |subject: &str, id: Option<&str>, now: u64| {
            let mut message = Message::new(subject, "x");
            if let Some(id) = id {
                message.headers = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n").into_bytes();
            }
            stream.take(message, Time::at(Duration::from_secs(now)), now).seq
        };
        assert_eq!((take("a.b", Some("1"), 0), take("a.b", Some("1"), 120)), (1, 1));
        assert_eq!((take("a.b", Some("1"), 121), take("a.c", None, 121)), (2, 3));
        assert_eq!(take("a.b", None, 122), 4);
        assert_eq!(stream.messages.keys().copied().collect::<Vec<u64>>(), [2, 3, 4]);
        assert_eq!((stream.pending(0, "a.b"), stream.pending(3, "a.*")), (2, 2));
        assert_eq!((stream.state()["first_seq"].as_u64(), stream.last_seq), (Some(2), 4));
    }
}
