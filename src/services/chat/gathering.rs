//! What is said in one room in one turn: one buffer for all its members, and whose lines lie where.
//!
//! Nobody gets back what it said itself, so a speaker is sent the ranges around its own lines and
//! everybody else the whole in one piece. Only this knows seats; it knows neither names nor rooms.

use std::ops::Range;
use std::rc::Rc;

use crate::engine::Peer;

/// Once more than this has been gathered it is published, and a new buffer begins.
const GATHERED_BYTES: usize = 32 * 1024;

/// A part of the buffer that the member on `seat` is not sent.
#[derive(Clone, Copy)]
struct Own {
    seat: usize,
    start: usize,
    end: usize,
}

/// The lines of a turn. Seats are positions in the list of members; they must not change between
/// a `push` and the `publish` that follows it.
#[derive(Default)]
pub(super) struct Gathering {
    buffer: Rc<Vec<u8>>,
    own: Vec<Own>,
    /// Whether the buffer holds what is out already: outboxes may still refer to it.
    published: bool,
}

impl Gathering {
    /// Whether there is nothing to publish.
    pub(super) fn is_empty(&self) -> bool {
        self.published || self.buffer.is_empty()
    }

    /// Whether it is time to publish, even within a turn.
    pub(super) fn is_full(&self) -> bool {
        !self.published && self.buffer.len() > GATHERED_BYTES
    }

    /// Adds a line that everybody is sent but the member on `speaker`.
    pub(super) fn push(&mut self, speaker: Option<usize>, line: &str) {
        let buffer = self.writable();
        let start = buffer.len();
        buffer.extend_from_slice(line.as_bytes());
        let end = buffer.len();
        let Some(seat) = speaker else { return };
        match self.own.last_mut() {
            Some(last) if last.seat == seat && last.end == start => last.end = end,
            _ => self.own.push(Own { seat, start, end }),
        }
    }

    /// Hands each member what it is to be sent, in ranges of the shared buffer.
    pub(super) fn publish(
        &mut self,
        members: &[Peer],
        mut share: impl FnMut(Peer, &Rc<Vec<u8>>, Range<usize>),
    ) {
        if self.is_empty() {
            return;
        }
        self.own.sort_unstable_by_key(|own| (own.seat, own.start));
        let mut speakers = self.own.iter().peekable();
        for (seat, peer) in members.iter().enumerate() {
            let mut from = 0;
            while let Some(own) = speakers.next_if(|own| own.seat == seat) {
                if from < own.start {
                    share(*peer, &self.buffer, from..own.start);
                }
                from = own.end;
            }
            if from < self.buffer.len() {
                share(*peer, &self.buffer, from..self.buffer.len());
            }
        }
        self.own.clear();
        self.published = true;
    }

    /// The buffer, to add to it. It is used again unless some outbox still refers to it.
    fn writable(&mut self) -> &mut Vec<u8> {
        if std::mem::take(&mut self.published) {
            match Rc::get_mut(&mut self.buffer) {
                Some(bytes) => bytes.clear(),
                None => self.buffer = Rc::new(Vec::with_capacity(self.buffer.len())),
            }
        }
        // Never copies: what is not published yet is nobody else's.
        Rc::make_mut(&mut self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: u64) -> Vec<Peer> {
        (0..count).map(Peer::from_bits).collect()
    }

    fn publish(gathering: &mut Gathering, members: &[Peer]) -> Vec<(u64, String)> {
        let mut shared = Vec::new();
        gathering.publish(members, |peer, buffer, range| {
            shared.push((peer.to_bits(), String::from_utf8_lossy(&buffer[range]).into_owned()));
        });
        shared
    }

    #[test]
    fn a_listener_gets_the_whole_in_one_piece_and_a_speaker_what_is_around_its_lines() {
        let mut gathering = Gathering::default();
        for (speaker, line) in [(Some(1), "a"), (Some(2), "b"), (Some(1), "c"), (None, "d")] {
            gathering.push(speaker, line);
        }
        let expected = [(0, "abcd"), (1, "b"), (1, "d"), (2, "a"), (2, "cd")];
        let shared = publish(&mut gathering, &peers(3));
        assert_eq!(shared, expected.map(|(peer, text)| (peer, text.to_string())));
        assert!(gathering.is_empty());
        assert_eq!(publish(&mut gathering, &peers(3)), []);
    }

    #[test]
    fn a_speaker_alone_is_sent_nothing() {
        let mut gathering = Gathering::default();
        gathering.push(Some(0), "one");
        gathering.push(Some(0), "two");
        assert_eq!(gathering.own.len(), 1);
        assert_eq!(publish(&mut gathering, &peers(1)), []);
        assert!(gathering.is_empty());
    }

    #[test]
    fn the_buffer_is_used_again_unless_somebody_still_needs_it() {
        let mut gathering = Gathering::default();
        gathering.push(Some(0), "first");
        let place = gathering.buffer.as_ptr();
        publish(&mut gathering, &peers(2));
        gathering.push(Some(0), "next");
        assert_eq!(gathering.buffer.as_ptr(), place);

        let mut held = Vec::new();
        gathering.publish(&peers(2), |_, buffer, range| held.push((Rc::clone(buffer), range)));
        gathering.push(None, "last");
        let (buffer, range) = &held[0];
        assert_eq!(&buffer[range.clone()], b"next");
        assert_eq!(&gathering.buffer[..], b"last");
    }

    #[test]
    fn it_is_full_before_it_grows_large() {
        let mut gathering = Gathering::default();
        let line = "x".repeat(4096);
        while !gathering.is_full() {
            gathering.push(None, &line);
        }
        assert!(gathering.buffer.len() <= GATHERED_BYTES + line.len());
        publish(&mut gathering, &[]);
        assert!(!gathering.is_full());
    }
}
