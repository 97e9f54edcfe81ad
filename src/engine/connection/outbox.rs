//! What a peer is still to be sent, in order.
//!
//! Three kinds of chunk: bytes of its own, a range of a buffer shared with other peers, and a
//! range of the turn's read buffer (what was just read is what is sent: no copy at all). Chunks
//! of the last kind live until the end of the turn; `keep` copies what the kernel did not take.

use std::collections::{BTreeSet, VecDeque};
use std::io::IoSlice;
use std::ops::{Deref, Range};
use std::rc::{Rc, Weak};

use super::pool::Pool;

/// Own bytes gather in chunks of up to this many, so that no chunk is large enough for the
/// allocator to map and unmap it each time.
pub(super) const OWN_CHUNK_BYTES: usize = 32 * 1024;
/// One gathered write takes at most this many chunks; the rest goes with the next one.
pub(crate) const SLICES_MAX: usize = 16;
/// Shared ranges shorter than this are copied to what waits already: that costs less than a chunk
/// of their own, and many of them still leave in one write.
const SHARE_MIN_BYTES: usize = 1024;
/// And a range that is less than this part of its buffer is copied before it has to wait: it would
/// keep alive much for little.
const SHARE_MIN_PART: usize = 2;

/// A part of what a peer is to be sent.
pub(super) enum Chunk {
    Own(Vec<u8>),
    Shared(Rc<Vec<u8>>, Range<usize>),
    /// The same, kept beyond the turn.
    Kept(Share),
    Turn(Range<usize>),
}

/// A range of a shared buffer that is kept beyond the turn.
pub(super) struct Share {
    buffer: Rc<Vec<u8>>,
    /// One for each share, and nowhere else: so their number is that of the shares, and the buffer
    /// is counted with the first of them, and no longer after the last.
    mark: Weak<Vec<u8>>,
    start: u32,
    end: u32,
}

impl Share {
    /// `None`: better a copy.
    fn of(buffer: &Rc<Vec<u8>>, range: &Range<usize>, pool: &mut Pool) -> Option<Share> {
        if range.len() < SHARE_MIN_BYTES.max(buffer.capacity() / SHARE_MIN_PART) {
            return None;
        }
        let (start, end) = (u32::try_from(range.start).ok()?, u32::try_from(range.end).ok()?);
        if Rc::weak_count(buffer) == 0 {
            pool.held += buffer.capacity();
        }
        Some(Share { buffer: Rc::clone(buffer), mark: Rc::downgrade(buffer), start, end })
    }

    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    fn end(self, pool: &mut Pool) {
        drop(self.mark);
        if Rc::weak_count(&self.buffer) == 0 {
            pool.held -= self.buffer.capacity();
        }
    }
}

impl Chunk {
    #[inline]
    fn len(&self) -> usize {
        match self {
            Chunk::Own(bytes) => bytes.len(),
            Chunk::Shared(_, range) | Chunk::Turn(range) => range.len(),
            Chunk::Kept(share) => share.range().len(),
        }
    }

    /// Whether it is as it may stay beyond the turn.
    fn is_kept(&self) -> bool {
        matches!(self, Chunk::Own(_) | Chunk::Kept(_))
    }

    /// Bytes that it keeps beyond this turn: of what it shares, its part.
    fn kept(&self) -> usize {
        match self {
            Chunk::Own(bytes) => bytes.len(),
            Chunk::Kept(share) => self.len() / Rc::weak_count(&share.buffer).max(1),
            Chunk::Shared(..) | Chunk::Turn(_) => 0,
        }
    }

    #[inline]
    fn bytes<'a>(&'a self, turn: &'a [u8]) -> &'a [u8] {
        match self {
            Chunk::Own(bytes) => bytes,
            Chunk::Shared(buffer, range) => &buffer[range.clone()],
            Chunk::Kept(share) => &share.buffer[share.range()],
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
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        if self.is_all() {
            return self.outbox.len;
        }
        let chunks = self.outbox.chunks.iter().take(self.chunks);
        chunks.map(Chunk::len).sum::<usize>() - self.outbox.sent
    }

    /// Whether nothing is behind it.
    #[inline]
    pub(crate) fn is_all(&self) -> bool {
        self.outbox.chunks.len() <= self.chunks
    }

    /// All of it, if it is in one piece.
    #[inline]
    pub(crate) fn piece(&self) -> Option<&'a [u8]> {
        match self.outbox.chunks.len().min(self.chunks) {
            1 => self.outbox.chunks.front().map(|one| &one.bytes(self.turn)[self.outbox.sent..]),
            _ => None,
        }
    }

    #[inline(always)] // in every write; the other place that has it is cold
    pub(crate) fn slices(&self) -> Slices<'a> {
        let mut slices = Slices { slices: [IoSlice::new(&[]); SLICES_MAX], count: 0 };
        let mut skip = self.outbox.sent;
        // Counted by what there is, not by what there may be: that loop is not unrolled.
        for chunk in self.outbox.chunks.iter().take(self.chunks) {
            slices.slices[slices.count] = IoSlice::new(&chunk.bytes(self.turn)[skip..]);
            slices.count += 1;
            skip = 0;
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
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Queues a copy of `bytes`.
    pub(crate) fn push(&mut self, bytes: &[u8], pool: &mut Pool) {
        self.len += bytes.len();
        self.copy(bytes, pool);
    }

    /// Puts a copy of `bytes` last.
    #[inline]
    fn copy(&mut self, mut bytes: &[u8], pool: &mut Pool) {
        if let Some(Chunk::Own(last)) = self.chunks.back_mut() {
            let room = OWN_CHUNK_BYTES.saturating_sub(last.len());
            let (head, tail) = bytes.split_at(room.min(bytes.len()));
            pool.fill(last, head);
            bytes = tail;
        }
        while !bytes.is_empty() {
            let (head, tail) = bytes.split_at(OWN_CHUNK_BYTES.min(bytes.len()));
            let mut buffer = pool.take_buffer(bytes.len());
            pool.fill(&mut buffer, head);
            self.append(Chunk::Own(buffer), pool);
            bytes = tail;
        }
    }

    /// Queues a copy of `bytes` as a message of its own. An empty one is none.
    pub(crate) fn push_message(&mut self, bytes: &[u8], pool: &mut Pool) {
        if !bytes.is_empty() {
            let mut message = pool.take_buffer(bytes.len());
            pool.fill(&mut message, bytes);
            self.len += message.len();
            self.append(Chunk::Own(message), pool);
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
            self.append(Chunk::Shared(Rc::clone(buffer), range), pool);
        }
    }

    /// Queues a range of the turn's read buffer. `keep` must follow before that is used again.
    pub(crate) fn push_turn(&mut self, range: Range<usize>, pool: &mut Pool) {
        if range.is_empty() {
            return;
        }
        self.len += range.len();
        match self.chunks.back_mut() {
            Some(Chunk::Turn(last)) if last.end == range.start => last.end = range.end,
            _ => self.append(Chunk::Turn(range), pool),
        }
    }

    /// Adds a chunk, and counts the place that it takes.
    fn append(&mut self, chunk: Chunk, pool: &mut Pool) {
        let before = self.chunks.capacity();
        self.chunks.push_back(chunk);
        pool.held += (self.chunks.capacity() - before) * size_of::<Chunk>();
    }

    /// What is first in line, for one gathered write: at most `chunks_max` chunks, and never more
    /// than `SLICES_MAX`.
    pub(crate) fn head<'a>(&'a self, turn: &'a [u8], chunks_max: usize) -> Head<'a> {
        Head { outbox: self, turn, chunks: chunks_max.min(SLICES_MAX) }
    }

    /// Takes note that the first `count` bytes are gone.
    #[inline]
    pub(crate) fn sent(&mut self, count: usize, pool: &mut Pool) {
        debug_assert!(count <= self.len);
        self.len -= count;
        self.sent += count;
        while let Some(first) = self.chunks.front() {
            if self.sent < first.len() {
                return;
            }
            self.sent -= first.len();
            match self.chunks.pop_front() {
                Some(Chunk::Own(buffer)) => pool.give_buffer(buffer),
                Some(Chunk::Kept(share)) => share.end(pool),
                Some(Chunk::Shared(..) | Chunk::Turn(_)) | None => {}
            }
        }
    }

    /// Copies what cannot wait where it is: it lies in the turn's read buffer, which is about to
    /// be used again, or is so little that it would keep alive a shared buffer for next to nothing.
    pub(crate) fn keep(&mut self, turn: &[u8], pool: &mut Pool) {
        let Some(kept) = self.chunks.iter().position(|chunk| !chunk.is_kept()) else { return };
        let mut waiting = std::mem::take(&mut pool.waiting);
        waiting.extend(self.chunks.drain(kept..));
        for chunk in waiting.drain(..) {
            if chunk.is_kept() {
                self.append(chunk, pool);
            } else if let Chunk::Shared(buffer, range) = &chunk
                && let Some(share) = Share::of(buffer, range, pool)
            {
                self.append(Chunk::Kept(share), pool);
            } else {
                let first = self.chunks.is_empty();
                let gone = if first { std::mem::take(&mut self.sent) } else { 0 };
                self.copy(&chunk.bytes(turn)[gone..], pool);
            }
        }
        pool.waiting = waiting;
    }

    /// Like `keep`, for what will go out in one of the next turns: shared ranges stay as they are
    /// unless something lies in the turn's buffer.
    pub(crate) fn keep_turn(&mut self, turn: &[u8], pool: &mut Pool) {
        if self.chunks.iter().any(|chunk| matches!(chunk, Chunk::Turn(_))) {
            self.keep(turn, pool);
        }
    }

    /// Bytes that are kept beyond this turn.
    pub(super) fn kept(&self) -> usize {
        self.chunks.iter().map(Chunk::kept).sum()
    }

    /// Bytes of the heap that its list of chunks takes, however many are in it.
    pub(super) fn frame(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Bytes of the heap that its chunks take, without the shared buffers that have been `seen`.
    pub(super) fn weight(&self, seen: &mut BTreeSet<*const Vec<u8>>) -> usize {
        let weight = |chunk: &Chunk| match chunk {
            Chunk::Own(bytes) => bytes.capacity(),
            Chunk::Kept(share) if seen.insert(Rc::as_ptr(&share.buffer)) => share.buffer.capacity(),
            Chunk::Kept(_) | Chunk::Shared(..) | Chunk::Turn(_) => 0,
        };
        self.chunks.iter().map(weight).sum()
    }

    /// Drops everything: the peer will not get it any more.
    pub(crate) fn forfeit(&mut self, pool: &mut Pool) {
        self.sent(self.len, pool);
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
            outbox.push_turn(2..4, &mut pool);
            outbox.push_turn(4..6, &mut pool);
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
    fn what_one_write_takes_is_one_piece_whatever_waits_behind_it() {
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        outbox.push_turn(0..3, &mut pool);
        outbox.push(b"def", &mut pool);
        let piece = |most| outbox.head(b"abc", most).piece();
        assert_eq!((piece(SLICES_MAX), piece(1)), (None, Some(&b"abc"[..])));
    }

    #[test]
    fn holding_keeps_the_unsent_part_of_a_turn_chunk() {
        let mut turn = b"abcdef".to_vec();
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        outbox.push_turn(0..6, &mut pool);
        outbox.sent(2, &mut pool);
        outbox.keep(&turn, &mut pool);
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
        outbox.keep(&[], &mut pool);
        assert_eq!(Rc::strong_count(&shared), 1);
        outbox.push_shared(&shared, 5..10, &mut pool);
        assert_eq!((outbox.chunks.len(), contents(&outbox, &[])), (1, b"ort, and".to_vec()));
    }

    #[test]
    fn what_many_wait_for_counts_once_and_is_anybodys_only_in_part() {
        let shared = Rc::new(vec![7; 10 * SHARE_MIN_BYTES]);
        let mut pool = Pool::default();
        let mut outboxes: Vec<Outbox> = (0..4).map(|_| Outbox::default()).collect();
        for outbox in &mut outboxes {
            outbox.push_shared(&shared, 0..8 * SHARE_MIN_BYTES, &mut pool);
            assert_eq!((outbox.kept(), pool.held % shared.len()), (0, 0));
            outbox.keep(&[], &mut pool);
            assert_eq!(pool.held, shared.len());
        }
        assert!(outboxes.iter().all(|outbox| outbox.kept() == 2 * SHARE_MIN_BYTES));
        outboxes[0].sent(5, &mut pool);
        outboxes.iter_mut().for_each(|outbox| outbox.forfeit(&mut pool));
        assert_eq!((pool.held, Rc::strong_count(&shared), Rc::weak_count(&shared)), (0, 1, 0));
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
    fn a_long_message_is_cut_into_chunks_and_comes_out_whole() {
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        let message: Vec<u8> = (0..100_000u32).map(|n| n.to_le_bytes()[0]).collect();
        outbox.push(&message, &mut pool);
        assert_eq!(contents(&outbox, &[]), message);
    }

    #[test]
    fn half_of_a_buffer_is_shared_for_as_long_as_it_waits_and_less_than_that_is_not() {
        let shared = Rc::new(vec![7; 10 * SHARE_MIN_BYTES]);
        let mut pool = Pool::default();
        for (bytes, owners) in [(5 * SHARE_MIN_BYTES, 2), (5 * SHARE_MIN_BYTES - 1, 1)] {
            let mut outbox = Outbox::default();
            outbox.push_shared(&shared, 0..bytes, &mut pool);
            outbox.keep(&[], &mut pool);
            assert_eq!(Rc::strong_count(&shared), owners, "{bytes}");
        }
    }

    #[test]
    fn a_range_that_is_long_enough_is_shared_behind_something_else() {
        let shared = Rc::new(vec![7; SHARE_MIN_BYTES]);
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        outbox.push(b"first", &mut pool);
        outbox.push_shared(&shared, 1..SHARE_MIN_BYTES, &mut pool);
        assert_eq!(Rc::strong_count(&shared), 1);
        outbox.push_shared(&shared, 0..SHARE_MIN_BYTES, &mut pool);
        assert_eq!(Rc::strong_count(&shared), 2);
    }

    #[test]
    fn of_the_turn_only_what_lies_side_by_side_is_one_piece() {
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        outbox.push_turn(0..2, &mut pool);
        outbox.push_turn(2..3, &mut pool);
        assert_eq!(outbox.head(b"abc of others de", SLICES_MAX).piece(), Some(&b"abc"[..]));
        outbox.push_turn(14..16, &mut pool);
        assert_eq!(contents(&outbox, b"abc of others de"), b"abcde");
    }
}
