//! What a peer is still to be sent, in order, and the pool that such buffers come from.
//!
//! Three kinds of chunk: bytes of its own, a range of a buffer shared with other peers, and a
//! range of the turn's read buffer (what was just read is what is sent: no copy at all). Chunks
//! of the last kind live until the end of the turn; `hold` copies what the kernel did not take.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::{Deref, Range};
use std::rc::Rc;

use super::time::Time;

/// Own bytes gather in chunks of up to this many, so that no chunk is large enough for the
/// allocator to map and unmap it each time.
const OWN_CHUNK_BYTES: usize = 32 * 1024;
/// The pool keeps buffers for so many bytes in all; more are given back to the allocator.
const POOLED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// And so many of each kind: those of a large room in which everybody is sent something.
const POOLED_MAX: usize = 16 * 1024;
/// One gathered write takes at most this many chunks; the rest goes with the next one.
pub(crate) const SLICES_MAX: usize = 16;
/// Shared ranges shorter than this are copied to what waits already: that costs less than a chunk
/// of their own, and many of them still leave in one write.
const SHARE_MIN_BYTES: usize = 1024;

enum Chunk {
    Own(Vec<u8>),
    Shared(Rc<Vec<u8>>, Range<usize>),
    Turn(Range<usize>),
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Chunk::Own(bytes) => bytes.len(),
            Chunk::Shared(_, range) | Chunk::Turn(range) => range.len(),
        }
    }

    /// Whether it may stay as it is beyond the turn.
    fn can_wait(&self) -> bool {
        match self {
            Chunk::Own(_) => true,
            Chunk::Shared(_, range) => range.len() >= SHARE_MIN_BYTES,
            Chunk::Turn(_) => false,
        }
    }

    fn bytes<'a>(&'a self, turn: &'a [u8]) -> &'a [u8] {
        match self {
            Chunk::Own(bytes) => bytes,
            Chunk::Shared(buffer, range) => &buffer[range.clone()],
            Chunk::Turn(range) => &turn[range.clone()],
        }
    }
}

/// What one gathered write takes of an outbox. Small, and so handed around; the slices are made
/// where they are written.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    outbox: &'a Outbox,
    turn: &'a [u8],
    chunks: usize,
}

impl<'a> Head<'a> {
    pub(crate) fn bytes(&self) -> usize {
        let chunks = self.outbox.chunks.iter().take(self.chunks);
        chunks.map(Chunk::len).sum::<usize>() - self.outbox.sent
    }

    /// Whether nothing is behind it.
    pub(crate) fn is_all(&self) -> bool {
        self.outbox.chunks.len() <= self.chunks
    }

    /// All that is to be sent, if it is in one piece.
    pub(crate) fn piece(&self) -> Option<&'a [u8]> {
        match self.outbox.chunks.len() {
            1 => self.outbox.chunks.front().map(|one| &one.bytes(self.turn)[self.outbox.sent..]),
            _ => None,
        }
    }

    pub(crate) fn slices(&self) -> Slices<'a> {
        let mut slices = Slices { slices: [IoSlice::new(&[]); SLICES_MAX], count: 0 };
        let mut skip = self.outbox.sent;
        let chunks = self.outbox.chunks.iter().take(self.chunks);
        for (slice, chunk) in slices.slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(&chunk.bytes(self.turn)[skip..]);
            skip = 0;
            slices.count += 1;
        }
        slices
    }
}

/// Bytes for one gathered write, as the kernel takes them.
pub struct Slices<'a> {
    slices: [IoSlice<'a>; SLICES_MAX],
    count: usize,
}

impl<'a> Deref for Slices<'a> {
    type Target = [IoSlice<'a>];

    fn deref(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.count]
    }
}

/// Ordered output of one peer.
///
/// Invariants: no chunk is empty; `sent` is less than the length of the first chunk; `len` is the
/// sum of the chunks' lengths less `sent`.
pub(crate) struct Outbox {
    chunks: VecDeque<Chunk>,
    sent: usize,
    len: usize,
}

impl Default for Outbox {
    /// With room for one chunk, which is what nearly all need; `VecDeque` would begin with four.
    fn default() -> Outbox {
        Outbox { chunks: VecDeque::with_capacity(1), sent: 0, len: 0 }
    }
}

impl Outbox {
    /// Bytes still to be sent.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Queues a copy of `bytes`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], pool: &mut Pool) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            let room = match self.chunks.back() {
                Some(Chunk::Own(last)) => OWN_CHUNK_BYTES.saturating_sub(last.len()),
                _ => 0,
            };
            if room == 0 {
                self.chunks.push_back(Chunk::Own(pool.take_buffer()));
                continue;
            }
            let (head, tail) = bytes.split_at(room.min(bytes.len()));
            if let Some(Chunk::Own(last)) = self.chunks.back_mut() {
                last.extend_from_slice(head);
            }
            bytes = tail;
        }
    }

    /// Queues a copy of `bytes` as a message of its own. An empty one is none.
    pub(crate) fn push_message(&mut self, bytes: &[u8], pool: &mut Pool) {
        if !bytes.is_empty() {
            let mut message = pool.take_buffer();
            message.extend_from_slice(bytes);
            self.len += message.len();
            self.chunks.push_back(Chunk::Own(message));
        }
    }

    /// Queues a range of a buffer that others are sent too. One that is first in line is shared
    /// however short it is: it mostly leaves within the turn, and nobody needs a buffer for it.
    pub(crate) fn push_shared(
        &mut self,
        buffer: &Rc<Vec<u8>>,
        range: Range<usize>,
        pool: &mut Pool,
    ) {
        if range.is_empty() {
            return;
        }
        if range.len() < SHARE_MIN_BYTES && !self.is_empty() {
            self.push(&buffer[range], pool);
        } else {
            self.len += range.len();
            self.chunks.push_back(Chunk::Shared(Rc::clone(buffer), range));
        }
    }

    /// Queues a range of the turn's read buffer. `hold` must follow before that is used again.
    pub(crate) fn push_turn(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.len += range.len();
        match self.chunks.back_mut() {
            Some(Chunk::Turn(last)) if last.end == range.start => last.end = range.end,
            _ => self.chunks.push_back(Chunk::Turn(range)),
        }
    }

    /// What is first in line, for one gathered write: at most `chunks_max` chunks, and never more
    /// than `SLICES_MAX`.
    pub(crate) fn head<'a>(&'a self, turn: &'a [u8], chunks_max: usize) -> Head<'a> {
        Head { outbox: self, turn, chunks: chunks_max.min(SLICES_MAX) }
    }

    /// Takes note that the first `count` bytes are gone.
    pub(crate) fn sent(&mut self, count: usize, pool: &mut Pool) {
        debug_assert!(count <= self.len);
        self.len -= count;
        self.sent += count;
        while let Some(first) = self.chunks.front() {
            if self.sent < first.len() {
                return;
            }
            self.sent -= first.len();
            if let Some(Chunk::Own(buffer)) = self.chunks.pop_front() {
                pool.give_buffer(buffer);
            }
        }
    }

    /// Copies what cannot wait where it is: it lies in the turn's read buffer, which is about to
    /// be used again, or is so short that it would keep alive a shared buffer for next to nothing.
    pub(crate) fn hold(&mut self, turn: &[u8], pool: &mut Pool) {
        self.copy_unless(Chunk::can_wait, turn, pool);
    }

    /// Like `hold`, for what will go out in one of the next turns: short shared ranges stay shared.
    pub(crate) fn hold_turn(&mut self, turn: &[u8], pool: &mut Pool) {
        self.copy_unless(|chunk| !matches!(chunk, Chunk::Turn(_)), turn, pool);
    }

    fn copy_unless(&mut self, can_wait: impl Fn(&Chunk) -> bool, turn: &[u8], pool: &mut Pool) {
        for (at, chunk) in self.chunks.iter_mut().enumerate() {
            if can_wait(chunk) {
                continue;
            }
            let gone = if at == 0 { std::mem::take(&mut self.sent) } else { 0 };
            let mut own = pool.take_buffer();
            own.extend_from_slice(&chunk.bytes(turn)[gone..]);
            *chunk = Chunk::Own(own);
        }
    }

    /// Drops everything: the peer will not get it any more.
    pub(crate) fn forfeit(&mut self, pool: &mut Pool) {
        self.sent(self.len, pool);
    }
}

/// What a connection owns only while it needs it: an unfinished line, unsent output.
pub(crate) struct Buffers {
    /// Input that the service could not use yet.
    pub(crate) inbox: Vec<u8>,
    /// Output that the kernel has not taken yet.
    pub(crate) outbox: Outbox,
    /// Since when the outbox has been above the service's soft limit.
    /// `NEVER`: it is not.
    pub(crate) slow_since: Time,
    /// Until when nothing is read or delivered; `ZERO`: nothing is paused.
    pub(crate) paused_until: Time,
    /// Whether reading is paused until the outbox falls below `Limits::low`.
    pub(crate) backed_up: bool,
    /// Whether the service has stopped in the midst of the inbox, and is to go on with it before
    /// more is read.
    pub(crate) interrupted: bool,
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers {
            inbox: Vec::new(),
            outbox: Outbox::default(),
            slow_since: Time::NEVER,
            paused_until: Time::ZERO,
            backed_up: false,
            interrupted: false,
        }
    }
}

// After a line to a large room the pool keeps as many of both as the room has members.
const _: () = assert!(size_of::<Buffers>() == 96 && size_of::<Chunk>() == 32);

impl Buffers {
    pub(crate) fn is_empty(&self) -> bool {
        self.inbox.is_empty() && self.outbox.is_empty() && self.paused_until == Time::ZERO
    }
}

/// Spare buffers, so that a steady flow of messages allocates nothing.
#[derive(Default)]
pub(crate) struct Pool {
    // Boxed, because an idle connection has room for one pointer and no more.
    #[allow(clippy::vec_box)]
    sets: Vec<Box<Buffers>>,
    buffers: Vec<Vec<u8>>,
    /// What all of them have room for.
    bytes: usize,
}

impl Pool {
    pub(crate) fn take_set(&mut self) -> Box<Buffers> {
        let set = self.sets.pop().unwrap_or_default();
        self.bytes -= set.inbox.capacity();
        set
    }

    /// Takes back a set that has nothing in it.
    pub(crate) fn give_set(&mut self, mut set: Box<Buffers>) {
        debug_assert!(set.is_empty());
        if self.sets.len() < POOLED_MAX && self.has_room_for(&set.inbox) {
            self.bytes += set.inbox.capacity();
            set.slow_since = Time::NEVER;
            set.paused_until = Time::ZERO;
            set.backed_up = false;
            set.interrupted = false;
            self.sets.push(set);
        }
    }

    /// Takes back a set with all that is in it: its peer will not get that any more.
    pub(crate) fn forfeit(&mut self, set: Option<Box<Buffers>>) {
        if let Some(mut set) = set {
            set.outbox.forfeit(self);
            set.inbox.clear();
            set.paused_until = Time::ZERO;
            self.give_set(set);
        }
    }

    fn take_buffer(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    fn give_buffer(&mut self, mut buffer: Vec<u8>) {
        if self.buffers.len() < POOLED_MAX && self.has_room_for(&buffer) {
            self.bytes += buffer.capacity();
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    fn has_room_for(&self, buffer: &Vec<u8>) -> bool {
        self.bytes + buffer.capacity() <= POOLED_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(outbox: &Outbox, turn: &[u8]) -> Vec<u8> {
        outbox.head(turn, SLICES_MAX).slices().iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn chunks_of_all_kinds_leave_in_order_whatever_the_size_of_the_writes() {
        let turn = b"..turn..".to_vec();
        let shared = Rc::new([vec![b's'; SHARE_MIN_BYTES], b"short".to_vec()].concat());
        for step in [1, 2, 3, 500, SHARE_MIN_BYTES, 5000] {
            let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
            outbox.push(b"own", &mut pool);
            outbox.push_shared(&shared, 0..SHARE_MIN_BYTES, &mut pool);
            outbox.push_shared(&shared, SHARE_MIN_BYTES..SHARE_MIN_BYTES + 5, &mut pool);
            outbox.push_turn(2..4);
            outbox.push_turn(4..6);
            outbox.push(b"!", &mut pool);
            let mut written = Vec::new();
            while !outbox.is_empty() {
                let bytes = contents(&outbox, &turn);
                let count = step.min(bytes.len());
                written.extend_from_slice(&bytes[..count]);
                outbox.sent(count, &mut pool);
            }
            let expected = [&b"own"[..], &shared, b"turn!"].concat();
            assert_eq!(written, expected, "in steps of {step}");
        }
    }

    #[test]
    fn holding_keeps_the_unsent_part_of_a_turn_chunk() {
        let mut turn = b"abcdef".to_vec();
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        outbox.push_turn(0..6);
        outbox.sent(2, &mut pool);
        outbox.hold(&turn, &mut pool);
        turn.fill(b'x');
        assert_eq!(contents(&outbox, &turn), b"cdef");
        assert_eq!(outbox.len(), 4);
    }

    #[test]
    fn a_short_range_is_shared_within_the_turn_and_copied_if_it_has_to_wait() {
        let shared = Rc::new(b"short, and of a buffer that may be large".to_vec());
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        outbox.push_shared(&shared, 0..0, &mut pool);
        assert!(outbox.chunks.is_empty());
        outbox.push_shared(&shared, 0..5, &mut pool);
        assert_eq!(Rc::strong_count(&shared), 2);
        outbox.sent(2, &mut pool);
        outbox.hold(&[], &mut pool);
        assert_eq!(Rc::strong_count(&shared), 1);
        outbox.push_shared(&shared, 5..10, &mut pool);
        assert_eq!((outbox.chunks.len(), contents(&outbox, &[])), (1, b"ort, and".to_vec()));
    }

    #[test]
    fn forfeiting_leaves_nothing_and_frees_the_shared_buffer() {
        let shared = Rc::new(vec![7; SHARE_MIN_BYTES]);
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        outbox.push_shared(&shared, 0..SHARE_MIN_BYTES, &mut pool);
        outbox.sent(3, &mut pool);
        outbox.forfeit(&mut pool);
        assert!(outbox.is_empty());
        assert_eq!(Rc::strong_count(&shared), 1);
    }

    #[test]
    fn the_pool_keeps_no_more_than_its_bound() {
        let mut pool = Pool::default();
        for _ in 0..1000 {
            pool.give_buffer(Vec::with_capacity(OWN_CHUNK_BYTES));
        }
        assert_eq!(pool.bytes, POOLED_BYTES_MAX);
        while !pool.buffers.is_empty() {
            pool.take_buffer();
        }
        assert_eq!(pool.bytes, 0);
    }

    #[test]
    fn a_long_message_is_cut_into_chunks_and_comes_out_whole() {
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        let message: Vec<u8> = (0..100_000u32).map(|n| n.to_le_bytes()[0]).collect();
        outbox.push(&message, &mut pool);
        assert_eq!(contents(&outbox, &[]), message);
    }
}
