//! The answers to one batch of datagrams: which of them make one message, and which messages may
//! share a call. Nothing is sent here.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::engine::ResponderCounts;

/// Answers up to this size may share a message (GSO): each must fit the path in one packet, and
/// this fits any Ethernet.
const SEGMENT_BYTES_MAX: usize = 1400;
/// Bytes of answers in one message.
const MESSAGE_BYTES_MAX: usize = 60_000;

/// Who gets an answer, and from which of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) to: SocketAddr,
    pub(super) from: Option<IpAddr>,
}

/// Answers of one size to one peer, one behind the other; the last may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) envelope: Envelope,
    pub(super) segment: usize,
    pub(super) bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// One answer.
    pub(super) fn single(envelope: Envelope, bytes: &'a [u8]) -> Message<'a> {
        Message { envelope, segment: bytes.len(), bytes }
    }

    /// How many datagrams it is.
    pub(super) fn count(&self) -> usize {
        segments(self.bytes.len(), self.segment).count()
    }

    /// Counts it as sent.
    pub(super) fn count_sent(&self, counts: &mut ResponderCounts) {
        counts.sent += self.count() as u64;
        counts.bytes_out += self.bytes.len() as u64;
    }

    /// How it is to be cut, if it is more than one datagram.
    pub(super) fn cut(&self) -> Option<usize> {
        (self.segment < self.bytes.len()).then_some(self.segment)
    }
}

/// The answers that have been gathered, in the order in which they are to leave.
#[derive(Default)]
pub(super) struct Answers {
    runs: Vec<Run>,
    bytes: Vec<u8>,
}

struct Run {
    envelope: Envelope,
    segment: usize,
    count: usize,
    bytes: Range<usize>,
}

impl Run {
    fn takes(&self, envelope: Envelope, length: usize, count_max: usize) -> bool {
        self.envelope == envelope
            && self.count < count_max
            && self.bytes.len() == self.count * self.segment
            && (1..=self.segment).contains(&length)
            && self.bytes.len() + length <= MESSAGE_BYTES_MAX
    }
}

impl Answers {
    /// Whether an answer of so many bytes is gathered; others are not worth a copy.
    pub(super) fn take(length: usize) -> bool {
        length <= SEGMENT_BYTES_MAX
    }

    /// Adds an answer to the message before it, if that goes to the same peer and is cut alike;
    /// otherwise it begins one. A message has `count_max` answers at most.
    pub(super) fn add(&mut self, envelope: Envelope, answer: &[u8], count_max: usize) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(answer);
        let bytes = start..self.bytes.len();
        match self.runs.last_mut() {
            Some(run) if run.takes(envelope, answer.len(), count_max) => {
                run.count += 1;
                run.bytes.end = bytes.end;
            }
            _ => self.runs.push(Run { envelope, segment: answer.len(), count: 1, bytes }),
        }
    }

    /// What is to be sent.
    pub(super) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.runs.iter().map(|run| {
            let (envelope, segment) = (run.envelope, run.segment);
            Message { envelope, segment, bytes: &self.bytes[run.bytes.clone()] }
        })
    }

    /// Nothing is left.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.bytes.clear();
    }
}

/// How many of the messages, the first ones, may leave in one call, and how that cuts them: they
/// come from one address of ours, and whichever are more than one datagram are cut alike.
pub(super) fn alike(messages: &[Message<'_>]) -> (usize, Option<usize>) {
    let (mut cut, mut longest) = (None, 0);
    for (count, message) in messages.iter().enumerate() {
        let (cut_with, longest_with) = (cut.or(message.cut()), longest.max(message.segment));
        let is_alike = message.envelope.from == messages[0].envelope.from
            && (message.cut().is_none() || message.cut() == cut_with)
            && cut_with.is_none_or(|cut| longest_with <= cut);
        if !is_alike {
            return (count, cut);
        }
        (cut, longest) = (cut_with, longest_with);
    }
    (messages.len(), cut)
}

/// Where the datagrams of a train of `length` bytes lie, each `stride` long but the last. An empty
/// datagram is one, too.
pub(super) fn segments(length: usize, stride: usize) -> impl Iterator<Item = Range<usize>> {
    let stride = stride.max(1);
    let count = length.div_ceil(stride).max(1);
    (0..count).map(move |n| n * stride..length.min((n + 1) * stride))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(port: u16) -> Envelope {
        Envelope { to: ([127, 0, 0, 1], port).into(), from: None }
    }

    /// To whom (a port) and how large the answers of each message are.
    fn gathered(answers: &[(u16, usize)], count_max: usize) -> Vec<(u16, Vec<usize>)> {
        let mut gathered = Answers::default();
        for (port, size) in answers {
            gathered.add(envelope(*port), &vec![0; *size], count_max);
        }
        let sizes = |message: Message<'_>| {
            let sizes = segments(message.bytes.len(), message.segment).map(|range| range.len());
            (message.envelope.to.port(), sizes.collect())
        };
        gathered.messages().map(sizes).collect()
    }

    #[test]
    fn a_train_is_cut_into_its_datagrams() {
        let cut = |length, stride| segments(length, stride).map(|r| r.len()).collect::<Vec<_>>();
        assert_eq!(cut(0, 0), [0]);
        assert_eq!(cut(5, 5), [5]);
        assert_eq!(cut(5, 2), [2, 2, 1]);
    }

    #[test]
    fn a_message_has_equal_answers_to_one_peer_and_one_shorter_at_its_end() {
        let apart = |answers: &[(u16, usize)]| gathered(answers, 64).len() == answers.len();
        assert_eq!(gathered(&[(1, 4), (1, 4), (1, 3)], 64), [(1, vec![4, 4, 3])]);
        assert!(apart(&[(1, 4), (2, 4), (1, 4)]), "another peer");
        assert!(apart(&[(1, 4), (1, 5)]), "a longer one");
        assert!(apart(&[(1, 4), (1, 0)]), "an empty one");
        assert!(apart(&[(1, 0), (1, 0)]), "empty ones");
        assert_eq!(gathered(&[(1, 4), (1, 3), (1, 3)], 64), [(1, vec![4, 3]), (1, vec![3])]);
        assert_eq!(gathered(&[(1, 4); 3], 2), [(1, vec![4, 4]), (1, vec![4])]);
        assert_eq!(gathered(&[(1, 1400); 43], 64)[0].1.len(), 42, "what a packet can carry");
    }

    #[test]
    fn answers_to_one_peer_from_two_addresses_stay_apart() {
        let mut gathered = Answers::default();
        for from in ["127.0.0.1", "127.0.0.2"] {
            gathered.add(Envelope { from: from.parse().ok(), ..envelope(1) }, b"same", 64);
        }
        let messages: Vec<_> = gathered.messages().collect();
        assert_eq!(messages.len(), 2);
        assert_eq!(alike(&messages), (1, None));
    }

    #[test]
    fn what_is_cleared_leaves_nothing_behind() {
        let mut gathered = Answers::default();
        gathered.add(envelope(1), b"before", 64);
        gathered.clear();
        gathered.add(envelope(1), b"after!", 64);
        let messages: Vec<_> = gathered.messages().map(|message| message.bytes).collect();
        assert_eq!(messages, [b"after!"]);
    }

    #[test]
    fn messages_share_a_call_if_they_are_cut_alike() {
        let together = |sizes: &[(usize, usize)]| {
            let message = |(segment, length): &(usize, usize)| Message {
                envelope: envelope(1),
                segment: *segment,
                bytes: &[0; 100][..*length],
            };
            alike(&sizes.iter().map(message).collect::<Vec<_>>())
        };
        assert_eq!(together(&[]), (0, None));
        assert_eq!(together(&[(5, 5), (0, 0), (9, 9)]), (3, None), "single ones");
        assert_eq!(together(&[(5, 5), (5, 12), (5, 10), (2, 2)]), (4, Some(5)));
        assert_eq!(together(&[(5, 10), (6, 12)]), (1, Some(5)), "cut otherwise");
        assert_eq!(together(&[(5, 10), (6, 6)]), (1, Some(5)), "it would be cut");
        assert_eq!(together(&[(6, 6), (5, 10)]), (1, None), "the first would be cut");
    }
}
