//! What is said in one room in one turn: one buffer for all members, and which ranges of it each of
//! them is not sent.
//!
//! Members do not get back what they said themselves: a speaker is sent the ranges around its own
//! lines, everybody else the whole buffer in one piece. A member that comes within the turn skips
//! what was gathered before. One that leaves, or has to be sent something else next, is sent its
//! part early, and skips that later. So a command costs as much as the one member that it concerns,
//! however many there are in the room. This file knows neither names nor rooms.

use std::ops::Range;
use std::rc::Rc;

use crate::engine::Peer;

/// Once more than this has been gathered, it is published and a new buffer begins.
const GATHERED_BYTES: usize = 32 * 1024;

/// Somebody in the room.
#[derive(Clone, Copy)]
struct Occupant {
    peer: Peer,
    /// The latest of the ranges that it skips: an index into `Gathering::skips`, from 1 on. 0:
    /// none.
    last_skip: usize,
}

/// A range of the buffer that one member is not sent.
#[derive(Clone, Copy)]
struct Skip {
    start: usize,
    end: usize,
    /// The range before it that the same member skips, counted as in `Occupant`.
    before: usize,
}

/// The members of a room, and the lines of the turn. A seat is a position in the list of members.
#[derive(Default)]
pub(super) struct Gathering {
    members: Vec<Occupant>,
    /// `None` until something is said.
    buffer: Option<Rc<Vec<u8>>>,
    skips: Vec<Skip>,
    /// Whether the buffer has been published already; outboxes may still refer to it then.
    published: bool,
    /// What one member is sent, kept so that its memory is used again.
    ranges: Vec<Range<usize>>,
}

impl Gathering {
    /// How many members there are.
    pub(super) fn seats(&self) -> usize {
        self.members.len()
    }

    /// Gives back room that is not needed.
    pub(super) fn trim(&mut self) {
        self.members.shrink_to_fit();
        if self.is_empty() {
            (self.buffer, self.skips, self.ranges) = Default::default();
            self.published = false;
        }
    }

    /// The members, by seat.
    pub(super) fn peers(&self) -> impl Iterator<Item = Peer> {
        self.members.iter().map(|member| member.peer)
    }

    /// Takes in `peer`, which is sent what is said from now on. Returns its seat.
    pub(super) fn enter(&mut self, peer: Peer) -> usize {
        let seat = self.members.len();
        self.members.push(Occupant { peer, last_skip: 0 });
        if !self.is_empty() {
            self.skip_all(seat);
        }
        seat
    }

    /// Lets out the member on `seat`, after sending it what it has not been sent yet. Returns the
    /// member that has that seat now.
    pub(super) fn leave(&mut self, seat: usize, send: impl FnMut(Peer, &[u8])) -> Option<Peer> {
        self.publish_to(seat, send);
        if seat < self.members.len() {
            self.members.swap_remove(seat);
        }
        self.members.get(seat).map(|member| member.peer)
    }

    /// Whether there is nothing to publish.
    pub(super) fn is_empty(&self) -> bool {
        self.published || self.length() == 0
    }

    fn length(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.len())
    }

    /// Whether it is time to publish, even within a turn.
    pub(super) fn is_full(&self) -> bool {
        !self.published && self.length() > GATHERED_BYTES
    }

    /// Adds a line for everybody but the member on seat `speaker`.
    pub(super) fn push(&mut self, speaker: Option<usize>, line: &str) {
        let buffer = self.writable();
        let start = buffer.len();
        buffer.extend_from_slice(line.as_bytes());
        let end = buffer.len();
        let Some(member) = speaker.and_then(|seat| self.members.get_mut(seat)) else { return };
        match member.last_skip.checked_sub(1).and_then(|last| self.skips.get_mut(last)) {
            Some(last) if last.end == start => last.end = end,
            _ => {
                self.skips.push(Skip { start, end, before: member.last_skip });
                member.last_skip = self.skips.len();
            }
        }
    }

    /// Gives each member what it is to be sent, in ranges of the shared buffer.
    pub(super) fn publish(&mut self, mut share: impl FnMut(Peer, &Rc<Vec<u8>>, Range<usize>)) {
        let Some(buffer) = self.buffer.as_ref().filter(|_| !self.is_empty()) else { return };
        for member in &mut self.members {
            if member.last_skip == 0 {
                share(member.peer, buffer, 0..buffer.len());
                continue;
            }
            find_ranges(&mut self.ranges, &self.skips, member.last_skip, buffer.len());
            while let Some(range) = self.ranges.pop() {
                share(member.peer, buffer, range);
            }
            member.last_skip = 0;
        }
        self.skips.clear();
        self.published = true;
    }

    /// Gives only the member on `seat` what has been gathered for it so far: bytes to be copied,
    /// because the buffer still grows.
    pub(super) fn publish_to(&mut self, seat: usize, mut send: impl FnMut(Peer, &[u8])) {
        let member = self.members.get(seat).copied().filter(|_| !self.is_empty());
        let (Some(member), Some(buffer)) = (member, &self.buffer) else { return };
        find_ranges(&mut self.ranges, &self.skips, member.last_skip, buffer.len());
        while let Some(range) = self.ranges.pop() {
            send(member.peer, &buffer[range]);
        }
        self.skip_all(seat);
    }

    /// Nothing of what has been gathered so far is for the member on `seat`.
    fn skip_all(&mut self, seat: usize) {
        let whole = Skip { start: 0, end: self.length(), before: 0 };
        let member = &mut self.members[seat];
        match member.last_skip.checked_sub(1) {
            // Its other ranges lie within this one.
            Some(last) => self.skips[last] = whole,
            None => {
                self.skips.push(whole);
                member.last_skip = self.skips.len();
            }
        }
    }

    /// The buffer, to be added to. Its memory is used again unless some outbox still refers to it.
    fn writable(&mut self) -> &mut Vec<u8> {
        let length = self.length();
        let buffer = self.buffer.get_or_insert_default();
        if std::mem::take(&mut self.published) {
            match Rc::get_mut(buffer) {
                Some(bytes) => bytes.clear(),
                None => *buffer = Rc::new(Vec::with_capacity(length)),
            }
        }
        // This never copies: nobody else has what is not published yet.
        Rc::make_mut(buffer)
    }
}

/// Puts into `ranges` what is left of `0..end` without the skipped ranges, the first of it last.
fn find_ranges(ranges: &mut Vec<Range<usize>>, skips: &[Skip], last: usize, end: usize) {
    let (mut end, mut next) = (end, last);
    while let Some(skip) = next.checked_sub(1).map(|at| skips[at]) {
        ranges.extend((skip.end < end).then_some(skip.end..end));
        (end, next) = (skip.start, skip.before);
    }
    ranges.extend((end > 0).then_some(0..end));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some members: 0, 1, 2 ...
    fn of(count: u64) -> Gathering {
        let mut gathering = Gathering::default();
        (0..count).for_each(|bits| _ = gathering.enter(Peer::from_bits(bits)));
        gathering
    }

    fn publish(gathering: &mut Gathering) -> Vec<(u64, String)> {
        let mut shared = Vec::new();
        gathering.publish(|peer, buffer, range| {
            shared.push((peer.to_bits(), String::from_utf8_lossy(&buffer[range]).into_owned()));
        });
        shared
    }

    fn publish_to(gathering: &mut Gathering, seat: usize) -> String {
        let mut sent = String::new();
        gathering.publish_to(seat, |_, bytes| sent.push_str(&String::from_utf8_lossy(bytes)));
        sent
    }

    #[test]
    fn room_is_given_back_between_lines_and_never_amid_them() {
        let mut gathering = of(3);
        gathering.push(Some(0), "one\n");
        gathering.trim();
        let heard = |bits| (bits, "one\n".to_owned());
        assert_eq!(publish(&mut gathering), [heard(1), heard(2)]);
        gathering.trim();
        assert!(gathering.buffer.is_none() && gathering.is_empty());
        gathering.push(Some(1), "one\n");
        assert_eq!(publish(&mut gathering), [heard(0), heard(2)]);
    }

    #[test]
    fn a_listener_gets_the_whole_in_one_piece_and_a_speaker_what_is_around_its_lines() {
        let mut gathering = of(3);
        for (speaker, line) in [(Some(1), "a"), (Some(2), "b"), (Some(1), "c"), (None, "d")] {
            gathering.push(speaker, line);
        }
        let expected = [(0, "abcd"), (1, "b"), (1, "d"), (2, "a"), (2, "cd")];
        let shared = publish(&mut gathering);
        assert_eq!(shared, expected.map(|(peer, text)| (peer, text.to_string())));
        assert!(gathering.is_empty());
        assert_eq!(publish(&mut gathering), []);
    }

    #[test]
    fn a_speaker_alone_is_sent_nothing() {
        let mut gathering = of(1);
        gathering.push(Some(0), "one");
        gathering.push(Some(0), "two");
        assert_eq!(gathering.skips.len(), 1);
        assert_eq!(publish(&mut gathering), []);
        assert!(gathering.is_empty());
    }

    #[test]
    fn a_newcomer_hears_only_what_is_said_after_it_has_come() {
        let mut gathering = of(1);
        gathering.push(None, "before ");
        let seat = gathering.enter(Peer::from_bits(7));
        gathering.push(Some(seat), "own ");
        gathering.push(None, "after");
        let expected = [(0, "before own after"), (7, "after")];
        assert_eq!(publish(&mut gathering), expected.map(|(peer, text)| (peer, text.to_string())));
    }

    #[test]
    fn who_is_sent_something_early_hears_nothing_twice_and_the_others_notice_nothing() {
        let mut gathering = of(2);
        gathering.push(Some(0), "a");
        gathering.push(None, "b");
        assert_eq!(publish_to(&mut gathering, 0), "b");
        assert_eq!(publish_to(&mut gathering, 0), "");
        gathering.push(None, "c");
        gathering.push(Some(0), "d");
        assert_eq!(publish_to(&mut gathering, 0), "c");
        gathering.push(None, "e");
        let expected = [(0, "e"), (1, "abcde")];
        assert_eq!(publish(&mut gathering), expected.map(|(peer, text)| (peer, text.to_string())));
    }

    #[test]
    fn who_leaves_hears_the_rest_and_the_last_takes_its_seat_with_what_it_skips() {
        let mut gathering = of(3);
        gathering.push(Some(2), "mine ");
        gathering.push(None, "ours ");
        let mut heard = Vec::new();
        let moved = gathering.leave(0, |_, bytes| heard.extend_from_slice(bytes));
        assert_eq!((heard.as_slice(), moved), (&b"mine ours "[..], Some(Peer::from_bits(2))));
        gathering.push(Some(0), "mine again");
        let expected = [(2, "ours "), (1, "mine ours mine again")];
        assert_eq!(publish(&mut gathering), expected.map(|(peer, text)| (peer, text.to_string())));
    }

    #[test]
    fn the_buffer_is_used_again_unless_somebody_still_needs_it() {
        let mut gathering = of(2);
        gathering.push(Some(0), "first");
        let place = gathering.buffer.as_ref().unwrap().as_ptr();
        publish(&mut gathering);
        gathering.push(Some(0), "next");
        assert_eq!(gathering.buffer.as_ref().unwrap().as_ptr(), place);

        let mut held = Vec::new();
        gathering.publish(|_, buffer, range| held.push((Rc::clone(buffer), range)));
        gathering.push(None, "last");
        let (buffer, range) = &held[0];
        assert_eq!(&buffer[range.clone()], b"next");
        assert_eq!(&gathering.buffer.as_ref().unwrap()[..], b"last");
    }

    #[test]
    fn it_is_full_before_it_grows_large() {
        let mut gathering = Gathering::default();
        let line = "x".repeat(4096);
        while !gathering.is_full() {
            gathering.push(None, &line);
        }
        assert!(gathering.length() <= GATHERED_BYTES + line.len());
        publish(&mut gathering);
        assert!(!gathering.is_full());
    }
}
