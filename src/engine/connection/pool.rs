//! What a connection owns only while it needs it, and the pool that such buffers come from.
//!
//! The pool counts the heap that all of them take, to the byte that is asked of the allocator, so
//! that there can be a limit on all of it together.

use std::collections::{BTreeSet, VecDeque};

use super::outbox::{Chunk, OWN_CHUNK_BYTES, Outbox};
use crate::engine::time::Time;

/// A buffer of more than this is none to keep a few bytes in.
const SMALL_BYTES: usize = 4 * 1024;
/// No buffer has room for less than this.
const BUFFER_BYTES_MIN: usize = 64;
/// The pool keeps buffers for so many bytes in all; more are given back to the allocator.
const POOLED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// And no more than this part of the limit on all that waits.
const POOLED_SHARE: usize = 16;
/// And so many of each kind: those of a large room in which everybody is sent something.
const POOLED_MAX: usize = 16 * 1024;

/// What a connection owns only while it needs it: an unfinished line, unsent output.
pub(crate) struct Buffers {
    /// Input that the service could not use yet.
    pub(crate) inbox: Vec<u8>,
    /// Output that the kernel has not taken yet.
    pub(crate) outbox: Outbox,
    /// Since when the outbox has been above the service's soft limit; `NEVER`: it is not.
    pub(crate) slow_since: Time,
    /// Until when nothing is read or delivered; `ZERO`: nothing is paused.
    pub(crate) paused_until: Time,
    /// Whether reading is paused until the outbox falls below `Limits::low`.
    pub(crate) backed_up: bool,
    /// Whether the service has stopped in the midst of the inbox, and is to go on with it before
    /// more is read.
    pub(crate) interrupted: bool,
    /// Whether the peer's end has come meanwhile, which the service is told when it is through.
    pub(crate) ended: bool,
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
            ended: false,
        }
    }
}

// After a line to a large room the pool keeps as many of both as the room has members.
const _: () = assert!(size_of::<Buffers>() == 96 && size_of::<Chunk>() == 32);

impl Buffers {
    /// Whether nothing would be lost without it. Who is backed up may be so for what is held back.
    pub(crate) fn is_empty(&self) -> bool {
        let is_paused = self.paused_until != Time::ZERO || self.backed_up;
        self.inbox.is_empty() && self.outbox.is_empty() && !is_paused
    }

    /// Takes out the unused input.
    pub(crate) fn take_inbox(&mut self, pool: &mut Pool) -> Vec<u8> {
        pool.held -= self.inbox.capacity();
        std::mem::take(&mut self.inbox)
    }

    /// Keeps unused input: `head`, which was taken out before, and behind it `tail`.
    pub(crate) fn keep(&mut self, head: Vec<u8>, tail: &[u8], pool: &mut Pool) {
        pool.held -= self.inbox.capacity();
        if head.capacity() > 0 {
            self.inbox = head;
        }
        self.inbox.extend_from_slice(tail);
        // What a large read has made of it is not needed for the little that is left of that.
        self.inbox.shrink_to(SMALL_BYTES.max(2 * self.inbox.len()));
        pool.held += self.inbox.capacity();
    }

    /// Bytes that wait here and that the peer would free by going: what is only passing through
    /// in this turn is not among them.
    pub(crate) fn waiting(&self) -> usize {
        self.inbox.len() + self.outbox.kept()
    }

    /// Bytes of the heap that a set takes whatever is in its outbox.
    fn frame(&self) -> usize {
        size_of::<Buffers>() + self.inbox.capacity() + self.outbox.frame()
    }

    /// Bytes of the heap that all of it takes, without the shared buffers that have been `seen`.
    pub(crate) fn weight(&self, seen: &mut BTreeSet<*const Vec<u8>>) -> usize {
        self.frame() + self.outbox.weight(seen)
    }
}

/// Spare buffers, so that a steady flow of messages allocates nothing; and the count of all that
/// is not spare.
pub(crate) struct Pool {
    // Boxed, because an idle connection has room for one pointer and no more.
    #[allow(clippy::vec_box)]
    sets: Vec<Box<Buffers>>,
    /// Those with room for no more than `SMALL_BYTES`, and the larger ones.
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    /// What all that is spare takes of the heap, and may take.
    spare: usize,
    spare_max: usize,
    /// What all that is given out takes of the heap, and up to what that is no matter.
    pub(crate) held: usize,
    ample: usize,
    /// Empty but within `Outbox::keep`.
    pub(super) waiting: VecDeque<Chunk>,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool::new(usize::MAX)
    }
}

impl Pool {
    /// One beside which so many bytes may be given out.
    pub(crate) fn new(limit: usize) -> Pool {
        Pool {
            sets: Vec::new(),
            small: Vec::new(),
            large: Vec::new(),
            spare: 0,
            spare_max: POOLED_BYTES_MAX.min(limit / POOLED_SHARE),
            held: 0,
            ample: limit / 2,
            waiting: VecDeque::new(),
        }
    }

    /// Gives all that is spare back to the allocator.
    pub(crate) fn trim(&mut self) {
        (self.sets, self.small, self.large) = Default::default();
        self.spare = 0;
        self.waiting.shrink_to_fit();
    }

    /// From now on so many bytes may be given out beside it.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        let Pool { spare_max, ample, .. } = Pool::new(limit);
        (self.spare_max, self.ample) = (spare_max, ample);
    }

    #[inline]
    pub(crate) fn take_set(&mut self) -> Box<Buffers> {
        let spare = self.sets.pop();
        self.spare -= spare.as_ref().map_or(0, |set| set.frame());
        let set = spare.unwrap_or_default();
        self.held += set.frame();
        set
    }

    /// Takes back a set that has nothing in it.
    #[inline]
    pub(crate) fn give_set(&mut self, mut set: Box<Buffers>) {
        debug_assert!(set.is_empty());
        let frame = set.frame();
        self.held -= frame;
        if self.sets.len() < POOLED_MAX && self.spare + frame <= self.spare_max {
            self.spare += frame;
            set.slow_since = Time::NEVER;
            set.backed_up = false;
            set.interrupted = false;
            set.ended = false;
            self.sets.push(set);
        }
    }

    /// Takes back a set with all that is in it: its peer will not get that any more.
    pub(crate) fn forfeit(&mut self, set: Option<Box<Buffers>>) {
        if let Some(mut set) = set {
            set.outbox.forfeit(self);
            // With its room: a set that is taken next, for a last word, must not hold that again.
            drop(set.take_inbox(self));
            set.paused_until = Time::ZERO;
            set.backed_up = false;
            self.give_set(set);
        }
    }

    /// A buffer for about so many bytes. A large one is better than none for a few, unless memory
    /// is short.
    pub(super) fn take_buffer(&mut self, wanted: usize) -> Vec<u8> {
        let small = if wanted <= SMALL_BYTES { self.small.pop() } else { None };
        let fits = wanted > SMALL_BYTES || self.held < self.ample;
        let spare = small.or_else(|| if fits { self.large.pop() } else { None });
        let buffer = spare.unwrap_or_default();
        self.spare -= buffer.capacity();
        self.held += buffer.capacity();
        buffer
    }

    /// Adds bytes to a buffer, which grows by doubling, but not past what one chunk may hold.
    #[inline]
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>, bytes: &[u8]) {
        let (before, length) = (buffer.capacity(), buffer.len() + bytes.len());
        if length > before {
            let roomy = (2 * before).clamp(BUFFER_BYTES_MIN, OWN_CHUNK_BYTES);
            buffer.reserve_exact(roomy.max(length) - buffer.len());
            self.held += buffer.capacity() - before;
        }
        buffer.extend_from_slice(bytes);
    }

    pub(super) fn give_buffer(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        self.held -= capacity;
        let alike = if capacity <= SMALL_BYTES { &mut self.small } else { &mut self.large };
        if alike.len() < POOLED_MAX && self.spare + capacity <= self.spare_max {
            self.spare += capacity;
            buffer.clear();
            alike.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_no_more_than_its_bound() {
        let mut pool = Pool { held: 1000 * OWN_CHUNK_BYTES, ..Pool::default() };
        for _ in 0..1000 {
            pool.give_buffer(Vec::with_capacity(OWN_CHUNK_BYTES));
        }
        assert_eq!(pool.held, 0);
        assert_eq!(pool.spare, POOLED_BYTES_MAX);
        while !pool.large.is_empty() {
            pool.take_buffer(OWN_CHUNK_BYTES);
        }
        assert_eq!(pool.spare, 0);
    }

    #[test]
    fn what_has_been_given_out_and_taken_back_counts_for_nothing() {
        let mut pool = Pool::default();
        let mut set = pool.take_set();
        set.outbox.push(&[b'x'; 3 * OWN_CHUNK_BYTES + 5], &mut pool);
        set.outbox.push_message(&[b'y'; 2 * OWN_CHUNK_BYTES], &mut pool);
        set.outbox.push_turn(0..100_000, &mut pool);
        set.keep(Vec::new(), b"unfinished", &mut pool);
        assert_eq!(pool.held, set.weight(&mut BTreeSet::new()));
        set.outbox.keep(&[b'z'; 100_000], &mut pool);
        assert_eq!(pool.held, set.weight(&mut BTreeSet::new()));
        set.outbox.sent(OWN_CHUNK_BYTES + 1, &mut pool);
        assert_eq!(pool.held, set.weight(&mut BTreeSet::new()));
        let inbox = set.take_inbox(&mut pool);
        set.keep(inbox, b", and more", &mut pool);
        assert_eq!(
            (pool.held, &set.inbox[..]),
            (set.weight(&mut BTreeSet::new()), &b"unfinished, and more"[..])
        );
        pool.forfeit(Some(set));
        assert_eq!(pool.held, 0);
        let again = pool.take_set();
        assert_eq!(pool.held, again.weight(&mut BTreeSet::new()));
    }

    #[test]
    fn a_trimmed_pool_keeps_nothing_and_counts_on_what_is_given_out() {
        let mut pool = Pool::default();
        let (mut kept, spare) = (pool.take_set(), pool.take_set());
        kept.outbox.push(&[b'x'; 100], &mut pool);
        pool.give_set(spare);
        let mut large = Vec::new();
        pool.fill(&mut large, &[b'x'; OWN_CHUNK_BYTES]);
        pool.give_buffer(large);
        pool.trim();
        let capacities = (pool.sets.capacity(), pool.small.capacity(), pool.large.capacity());
        assert_eq!((capacities, pool.spare), ((0, 0, 0), 0));
        assert_eq!(pool.held, kept.weight(&mut BTreeSet::new()));
        pool.forfeit(Some(kept));
        assert_eq!(pool.held, 0);
    }

    #[test]
    fn a_few_bytes_take_no_large_buffer_if_there_is_a_small_one_or_memory_is_short() {
        let mut pool = Pool { held: 2 * OWN_CHUNK_BYTES, ..Pool::default() };
        pool.give_buffer(Vec::with_capacity(100));
        pool.give_buffer(Vec::with_capacity(OWN_CHUNK_BYTES));
        assert_eq!(pool.take_buffer(10).capacity(), 100);
        pool.ample = 0;
        assert_eq!(pool.take_buffer(10).capacity(), 0);
        assert_eq!(pool.take_buffer(SMALL_BYTES).capacity(), 0);
        pool.ample = pool.held;
        assert_eq!(pool.take_buffer(10).capacity(), 0);
        pool.ample += 1;
        assert_eq!(pool.take_buffer(10).capacity(), OWN_CHUNK_BYTES);
        pool.give_buffer(Vec::with_capacity(OWN_CHUNK_BYTES));
        pool.ample = 0;
        assert_eq!(pool.take_buffer(SMALL_BYTES + 1).capacity(), OWN_CHUNK_BYTES);
    }

    #[test]
    fn a_large_read_leaves_no_large_inbox_behind() {
        let mut pool = Pool::default();
        let mut set = pool.take_set();
        set.keep(Vec::with_capacity(100_000), b"a little", &mut pool);
        assert!(set.inbox.capacity() <= SMALL_BYTES, "{}", set.inbox.capacity());
        assert_eq!(pool.held, set.weight(&mut BTreeSet::new()));
        // Where it is half full that room is likely to be needed.
        set.keep(Vec::with_capacity(100_000), &[b'x'; 50_000], &mut pool);
        assert!(set.inbox.capacity() >= 100_000);
    }

    #[test]
    fn of_each_kind_so_many_are_kept_and_of_sets_so_many_bytes() {
        let mut pool = Pool { spare_max: usize::MAX, ..Pool::default() };
        for _ in 0..=POOLED_MAX {
            pool.held += 1 + Box::<Buffers>::default().frame();
            pool.give_buffer(Vec::with_capacity(1));
            pool.give_set(Box::default());
        }
        assert_eq!((pool.small.len(), pool.sets.len(), pool.held), (POOLED_MAX, POOLED_MAX, 0));
        let frame = size_of::<Buffers>() + size_of::<Chunk>();
        let mut pool = Pool { spare_max: 10 * frame, ..Pool::default() };
        let sets: Vec<_> = (0..20).map(|_| pool.take_set()).collect();
        assert_eq!(pool.held, 20 * frame);
        sets.into_iter().for_each(|set| pool.give_set(set));
        assert_eq!((pool.sets.len(), pool.spare), (10, 10 * frame));
        pool.take_set();
        assert_eq!((pool.sets.len(), pool.spare), (9, 9 * frame));
    }

    #[test]
    fn the_room_of_an_inbox_is_there_for_the_next_unfinished_line() {
        let mut pool = Pool::default();
        let mut set = pool.take_set();
        set.keep(Vec::with_capacity(100), b"unfinished", &mut pool);
        let mut inbox = set.take_inbox(&mut pool);
        inbox.clear();
        set.keep(inbox, b"", &mut pool);
        pool.give_set(set);
        let mut set = pool.take_set();
        set.keep(Vec::new(), b"another", &mut pool);
        assert_eq!(set.inbox.capacity(), 100);
        assert_eq!(pool.held, size_of::<Buffers>() + size_of::<Chunk>() + 100);
    }

    #[test]
    fn a_buffer_grows_by_doubling_and_not_before_it_is_full() {
        let (mut pool, mut buffer) = (Pool::default(), Vec::new());
        for (bytes, capacity) in [
            (1, 64),
            (63, 64),
            (1, 128),
            (1000, 1065),
            (1, 2130),
            (18_000, 19_066),
            (1, OWN_CHUNK_BYTES),
        ] {
            pool.fill(&mut buffer, &vec![b'x'; bytes]);
            assert_eq!((buffer.capacity(), pool.held), (capacity, capacity));
        }
    }
}
