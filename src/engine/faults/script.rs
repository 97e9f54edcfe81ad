//! What one connection is to suffer: takes what is said and gives it out later, in pieces, in part
//! or not at all. No socket, no clock.
//!
//! The knobs hold one behind the other: beyond its bytes a stalled connection throws away what is
//! said; the rest becomes due after its delay; what is due leaves at the rate and in pieces; and
//! what has left counts for the end.

mod when;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::knobs::{At, Draws, FaultCounts, FaultKind, Knobs, Slicing, Spread};
use super::rate::Rate;
use crate::engine::connection::pool::Pool;
use crate::engine::time::Time;

/// No piece is longer than this.
const PIECE_MAX_BYTES: usize = 32 * 1024;
/// What is held is given back to the allocator, once it is empty, if it had room for more.
const ROOM_BYTES: usize = 4 * 1024;

/// See the top of this file.
pub struct Script {
    knobs: Rc<Knobs>,
    draws: Draws,
    opened_at: Time,
    is_refused: bool,
    is_half_open: bool,
    /// Bytes of replies behind which all is thrown away.
    stalls: Option<u64>,
    reset: Option<At>,
    close: Option<At>,
    /// Nothing is held back any more.
    is_free: bool,
    /// It is over: what is said is thrown away.
    is_cut: bool,
    /// The time at which there is an entry for it among the releases; `NEVER`: there is none.
    pub(super) armed: Time,
    /// Bytes that were said and not thrown away, and how many of them have left.
    said: u64,
    left: u64,
    /// Whether that it stalls is counted.
    has_stalled: bool,
    /// Whether what is said next is a reply of its own.
    is_new: bool,
    replies: VecDeque<Reply>,
    bytes: VecDeque<u8>,
    /// How many replies there were.
    number: u64,
    /// When the last of them is due.
    last_due: Time,
    rate: Option<Rate>,
    slices: Slices,
}

/// What was said at once.
struct Reply {
    due: Time,
    /// How many of its bytes have not left yet.
    bytes: usize,
    /// Whether it is counted for the rate, for its pieces.
    has_waited: bool,
    is_cut_up: bool,
}

/// The pieces of replies.
#[derive(Default)]
struct Slices {
    /// What is missing of the latest one.
    missing: usize,
    /// How many there were.
    number: u64,
    /// When the next may begin.
    next: Time,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// So many bytes are to be taken and sent, on their own.
    Send(usize),
    /// Nothing before [`Script::due`].
    Wait,
    /// The end, with a RST.
    Reset,
    /// The end, with a FIN.
    Close,
}

impl Script {
    /// For the connection with those draws. `None`: nothing is ever done to it.
    pub fn new(knobs: &Rc<Knobs>, draws: Draws) -> Option<Script> {
        let fate = knobs.fate(draws);
        let stall = knobs.stall.filter(|_| fate == Some(FaultKind::Stall));
        let reset = knobs.reset.filter(|_| fate == Some(FaultKind::Reset));
        let script = Script {
            knobs: Rc::clone(knobs),
            draws,
            opened_at: Time::ZERO,
            is_refused: fate == Some(FaultKind::Refuse),
            is_half_open: fate == Some(FaultKind::HalfOpen),
            stalls: stall.map(|stall| stall.after),
            reset: reset.map(|(_, at)| at),
            close: knobs.close,
            is_free: false,
            is_cut: false,
            armed: Time::NEVER,
            said: 0,
            left: 0,
            has_stalled: false,
            is_new: true,
            replies: VecDeque::new(),
            bytes: VecDeque::new(),
            number: 0,
            last_due: Time::ZERO,
            rate: knobs.rate.map(Rate::new),
            slices: Slices::default(),
        };
        script.does_anything().then_some(script)
    }

    fn does_anything(&self) -> bool {
        let ends = self.is_refused || self.reset.is_some() || self.close.is_some();
        let stops = self.is_half_open || self.stalls.is_some();
        let slows = self.knobs.delay.is_some() || self.rate.is_some() || self.knobs.slice.is_some();
        ends || stops || slows
    }

    /// The knobs that it plays.
    pub fn knobs(&self) -> &Rc<Knobs> {
        &self.knobs
    }

    /// The connection was opened at `now`, or this is for it from `now` on.
    pub(crate) fn begin(&mut self, now: Time) {
        self.opened_at = now;
    }

    /// Goes on where `other` was, which is for the same connection. What has left before does not
    /// count any more, and nothing that is held is later than it could be by now.
    pub(crate) fn succeed(&mut self, other: Script) {
        self.armed = other.armed;
        (self.said, self.is_cut) = (other.bytes.len() as u64, other.is_cut);
        (self.replies, self.bytes) = (other.replies, other.bytes);
        (self.number, self.slices.number) = (other.number, other.slices.number);
        let latest = self.opened_at.after(self.knobs.delay.map_or(Duration::ZERO, Spread::most));
        self.last_due = other.last_due.min(latest);
        self.replies.iter_mut().for_each(|reply| reply.due = reply.due.min(latest));
    }

    /// The connection is reset before anything else happens.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// The connection is neither read nor answered.
    pub(crate) fn is_half_open(&self) -> bool {
        self.is_half_open && !self.is_free
    }

    /// What goes on, in words for the end of the connection.
    pub(crate) fn condition(&self) -> Option<&'static str> {
        match (self.is_half_open(), self.has_stalled && !self.is_free) {
            (true, _) => Some("half-open by fault"),
            (_, true) => Some("stalled by fault"),
            _ => None,
        }
    }

    /// Whether nothing more is done to it.
    pub(crate) fn is_set_free(&self) -> bool {
        self.is_free
    }

    /// Nothing more is done to it: all that is held is due.
    pub(crate) fn set_free(&mut self) {
        self.is_free = true;
    }

    /// Throws away all that is held, and what will be said.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        self.replies.clear();
        self.bytes.clear();
        self.shrink();
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is an entry for it among the releases.
    pub(crate) fn is_armed(&self) -> bool {
        self.armed < Time::NEVER
    }

    /// What they take of the heap.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.capacity() + self.replies.capacity() * size_of::<Reply>()
    }

    /// Whether the connection must not end yet.
    pub(crate) fn goes_on(&self) -> bool {
        !self.bytes.is_empty() || (self.is_stalled() && !self.is_cut)
    }

    /// Whether what is said from here on is thrown away.
    pub(crate) fn is_stalled(&self) -> bool {
        let is_over = self.stalls.is_some_and(|after| self.said >= after);
        !self.is_free && (self.is_half_open || is_over)
    }

    /// The service has said all.
    pub(crate) fn ended(&mut self, counts: &mut FaultCounts) {
        if self.is_stalled() {
            self.count_stall(counts);
        }
    }

    fn count_stall(&mut self, counts: &mut FaultCounts) {
        if !self.is_half_open && !std::mem::replace(&mut self.has_stalled, true) {
            counts.count(FaultKind::Stall);
        }
    }
}

/// What is said, and what becomes of it.
impl Script {
    /// What is said from here on is a reply of its own.
    pub(crate) fn begin_reply(&mut self) {
        self.is_new = true;
    }

    fn reply(&mut self, now: Time, counts: &mut FaultCounts) {
        self.is_new = false;
        let delay = self.knobs.delay.filter(|_| !self.is_free).map_or(Duration::ZERO, |spread| {
            spread.pick(self.draws.draw(FaultKind::Delay, self.number))
        });
        self.number += 1;
        if delay > Duration::ZERO {
            counts.count(FaultKind::Delay);
        }
        self.last_due = self.last_due.max(now.after(delay));
        let reply = Reply { due: self.last_due, bytes: 0, has_waited: false, is_cut_up: false };
        self.replies.push_back(reply);
    }

    /// Something is said at `now`: more of a reply, or a new one.
    pub(crate) fn add(&mut self, bytes: &[u8], now: Time, counts: &mut FaultCounts) {
        let room = match self.stalls {
            _ if self.is_cut || self.is_half_open() => 0,
            _ if self.is_free => u64::MAX,
            Some(after) => after.saturating_sub(self.said),
            None => u64::MAX,
        };
        let taken = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if taken < bytes.len() && !self.is_cut {
            self.count_stall(counts);
        }
        if taken == 0 {
            return;
        }
        if self.is_new || self.replies.is_empty() {
            self.reply(now, counts);
        }
        self.said += taken as u64;
        self.bytes.extend(&bytes[..taken]);
        if let Some(reply) = self.replies.back_mut() {
            reply.bytes += taken;
        }
    }

    /// What is to be done at `now`. Not to be asked before what was sent last is out.
    pub(crate) fn next(&mut self, now: Time, counts: &mut FaultCounts) -> Next {
        if let Some(end) = self.end(now) {
            return end;
        }
        let Some(reply) = self.replies.front() else { return Next::Wait };
        if self.is_free {
            return Next::Send(self.bytes.len().min(PIECE_MAX_BYTES));
        }
        if reply.due > now {
            return Next::Wait;
        }
        if self.reset == Some(At::FirstReply) {
            return Next::Reset;
        }
        if self.rate_ready() > now {
            let reply = self.replies.front_mut();
            if reply.is_some_and(|reply| !std::mem::replace(&mut reply.has_waited, true)) {
                counts.count(FaultKind::Rate);
            }
            return Next::Wait;
        }
        let due = match self.knobs.slice {
            Some(_) if self.slices.next > now => return Next::Wait,
            Some(slicing) => self.slice(slicing, counts),
            None => self.due_bytes(now),
        };
        let allowed = self.rate.as_ref().map_or(usize::MAX, |rate| rate.allows(now));
        Next::Send(due.min(allowed).min(PIECE_MAX_BYTES).min(self.room()))
    }

    /// How many bytes of all replies that are due.
    fn due_bytes(&self, now: Time) -> usize {
        self.replies.iter().take_while(|reply| reply.due <= now).map(|reply| reply.bytes).sum()
    }

    /// What is missing of the piece that is being sent, or the length of the next one.
    fn slice(&mut self, slicing: Slicing, counts: &mut FaultCounts) -> usize {
        let Some(reply) = self.replies.front_mut() else { return 0 };
        if self.slices.missing == 0 {
            let length = slicing.pick(self.draws.draw(FaultKind::Slice, self.slices.number));
            self.slices.number += 1;
            self.slices.missing = length.min(reply.bytes);
            if length < reply.bytes && !std::mem::replace(&mut reply.is_cut_up, true) {
                counts.count(FaultKind::Slice);
            }
        }
        self.slices.missing
    }

    /// How many bytes may leave before the end.
    fn room(&self) -> usize {
        let most = [self.reset, self.close].into_iter().filter_map(|at| match at {
            Some(At::Bytes(bytes)) => Some(bytes.saturating_sub(self.left)),
            Some(At::FirstReply | At::After(_)) | None => None,
        });
        most.min().map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Takes out the next `count` bytes, which leave at `now`, and hands them to `send` one part
    /// after the other.
    pub(crate) fn take(&mut self, count: usize, now: Time, mut send: impl FnMut(&[u8])) {
        let (head, tail) = self.bytes.as_slices();
        let split = count.min(head.len());
        send(&head[..split]);
        if count > split {
            send(&tail[..count - split]);
        }
        self.bytes.drain(..count);
        self.left += count as u64;
        if let Some(rate) = &mut self.rate {
            rate.spend(count, now);
        }
        if let Some(slicing) = self.knobs.slice {
            self.slices.missing = self.slices.missing.saturating_sub(count);
            if self.slices.missing == 0 {
                self.slices.next = now.after(slicing.apart);
            }
        }
        let mut rest = count;
        while let Some(reply) = self.replies.front_mut() {
            let some = rest.min(reply.bytes);
            (reply.bytes, rest) = (reply.bytes - some, rest - some);
            if reply.bytes > 0 {
                break;
            }
            self.replies.pop_front();
        }
        self.shrink();
    }

    /// Gives back much room in which nothing is.
    fn shrink(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > ROOM_BYTES {
            self.bytes = VecDeque::new();
            self.replies = VecDeque::new();
        }
    }
}

/// Does something to `script` and counts what it takes of the heap by then.
pub(crate) fn weighed<T>(
    script: &mut Script,
    pool: &mut Pool,
    change: impl FnOnce(&mut Script, &mut Pool) -> T,
) -> T {
    let before = script.weight();
    let outcome = change(script, pool);
    pool.held = pool.held + script.weight() - before;
    outcome
}

#[cfg(test)]
mod tests;
