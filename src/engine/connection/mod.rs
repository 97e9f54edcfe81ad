//! One connection as the engine keeps it: who, which phase, how much, how long. No socket.

pub(crate) mod outbox;
pub(crate) mod pool;

mod address;
mod phase;

use std::io;
use std::net::SocketAddr;

use super::limits::{Limits, Quota};
use super::reason::Reason;
use super::slots::Peer;
use super::time::Time;
use address::Address;
use pool::{Buffers, Pool};

pub(crate) use phase::{Phase, Step};

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes in order, with an end on either side (TCP).
    Stream,
    /// Messages that keep their boundaries and have no end (a connected UDP socket).
    Datagram,
}

impl Kind {
    /// The transport that carries it, as logs name it.
    pub fn transport(self) -> &'static str {
        match self {
            Kind::Stream => "tcp",
            Kind::Datagram => "udp",
        }
    }
}

/// Who made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The peer, over a stream.
    Accepted,
    /// We did.
    Called(Kind),
}

/// What the engine keeps of one connection. Small: there may be a million, nearly all idle.
pub(crate) struct Connection {
    pub(crate) remote: Address,
    /// `None` while there is neither unfinished input nor unsent output.
    pub(crate) buffers: Option<Box<Buffers>>,
    pub(crate) opened_at: Time,
    /// When bytes last went either way, or since when the phase has had a deadline of its own.
    pub(crate) active_at: Time,
    /// The deadline that is in the heap for this connection; entries with another time are stale.
    pub(crate) armed: Time,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) phase: Phase,
    pub(crate) origin: Origin,
    pub(crate) service: u8,
    pub(crate) flush: Flush,
}

/// Whether something is to be done for a connection at the end of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Nothing has happened since it was flushed.
    Idle,
    /// It is on the list of this turn.
    Listed,
    /// It was on the list and has been left for a later turn. Until then it outlives the turn's
    /// read buffer, so nothing that it is sent may lie there.
    Deferred,
}

// It is full: one more byte here would be eight for each connection.
const _: () = assert!(size_of::<Connection>() == 80);

impl Connection {
    /// One that has been accepted.
    pub(crate) fn accepted(remote: SocketAddr, service: u8, now: Time) -> Connection {
        Connection::new(remote, Origin::Accepted, Phase::Open, service, now)
    }

    /// One that is being made.
    pub(crate) fn called(remote: SocketAddr, kind: Kind, service: u8, now: Time) -> Connection {
        Connection::new(remote, Origin::Called(kind), Phase::Dialing, service, now)
    }

    fn new(remote: SocketAddr, origin: Origin, phase: Phase, service: u8, now: Time) -> Connection {
        Connection {
            remote: remote.into(),
            buffers: None,
            opened_at: now,
            active_at: now,
            armed: Time::NEVER,
            bytes_in: 0,
            bytes_out: 0,
            phase,
            origin,
            service,
            flush: Flush::Idle,
        }
    }

    /// What it carries.
    pub(crate) fn kind(&self) -> Kind {
        match self.origin {
            Origin::Accepted => Kind::Stream,
            Origin::Called(kind) => kind,
        }
    }

    /// Puts it, whose name is `peer`, on the list of those to be flushed, once.
    #[inline]
    pub(crate) fn touch(&mut self, peer: Peer, list: &mut Vec<Peer>) {
        if self.flush == Flush::Idle {
            self.flush = Flush::Listed;
            list.push(peer);
        }
    }

    /// Gives its buffers back if there is nothing in them.
    pub(crate) fn release(&mut self, pool: &mut Pool) {
        if let Some(buffers) = self.buffers.take_if(|buffers| buffers.is_empty()) {
            pool.give_set(buffers);
        }
    }

    /// Bytes still to be sent.
    pub(crate) fn queued(&self) -> usize {
        self.buffers.as_ref().map_or(0, |buffers| buffers.outbox.len())
    }

    /// What is to be done for it next.
    #[inline]
    pub(crate) fn step(&self) -> Step {
        self.phase.step(self.queued())
    }

    /// Takes it to `phase`. Returns whether that is another one.
    pub(crate) fn enter(&mut self, phase: Phase) -> bool {
        std::mem::replace(&mut self.phase, phase) != phase
    }

    /// Whether reading from it makes sense now.
    pub(crate) fn wants_input(&self) -> bool {
        if !self.phase.is_heard() {
            return self.phase.is_discarded();
        }
        // Whom we have called may read no more until we do: both would wait for ever.
        let Some(buffers) = &self.buffers else { return true };
        let backed_up = buffers.backed_up && self.origin == Origin::Accepted;
        !backed_up && buffers.paused_until == Time::ZERO
    }

    /// Since when its output has been above its service's soft limit; `NEVER`: it is not.
    fn slow_since(&self) -> Time {
        self.buffers.as_ref().map_or(Time::NEVER, |buffers| buffers.slow_since)
    }

    /// Until when nothing is read from it; `NEVER`: nothing is paused.
    fn paused_until(&self) -> Time {
        let paused = self.buffers.as_ref().map(|buffers| buffers.paused_until);
        paused.filter(|until| *until != Time::ZERO).unwrap_or(Time::NEVER)
    }

    /// Ends its pause if that is over by `now`.
    pub(crate) fn end_pause(&mut self, now: Time) -> bool {
        let over = self.paused_until() <= now;
        if let Some(buffers) = self.buffers.as_mut().filter(|_| over) {
            buffers.paused_until = Time::ZERO;
        }
        over
    }

    /// Whether its service goes on with input that it has seen already before more is read.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.buffers.as_ref().is_some_and(|buffers| buffers.interrupted)
    }

    /// When it must be looked at again if nothing happens until then; `NEVER`: it need not be.
    #[inline]
    pub(crate) fn due(&self, limits: &Limits, quota: &Quota) -> Time {
        match self.phase {
            Phase::Dialing => self.opened_at.after(limits.dial),
            Phase::Open | Phase::HalfClosedRemote | Phase::HalfClosedLocal => {
                let idle = quota.idle.map_or(Time::NEVER, |idle| self.active_at.after(idle));
                let slow = self.slow_since().after(limits.slow);
                idle.min(slow).min(self.paused_until())
            }
            Phase::HalfClosingLocal | Phase::Closing(_) | Phase::Finishing(_) => {
                self.active_at.after(limits.stall).min(self.paused_until())
            }
            Phase::Lingering(_) => self.active_at.after(limits.linger),
            Phase::Gone(_) => Time::NEVER,
        }
    }

    /// Why it is closed when that time has come.
    pub(crate) fn overdue(&self, limits: &Limits, now: Time) -> Reason {
        match self.phase {
            Phase::Dialing => Reason::Failed(io::ErrorKind::TimedOut),
            Phase::Open | Phase::HalfClosedRemote | Phase::HalfClosedLocal => {
                match self.slow_since().after(limits.slow) <= now {
                    true => Reason::Slow,
                    false => Reason::Idle,
                }
            }
            Phase::HalfClosingLocal | Phase::Closing(_) | Phase::Finishing(_) => Reason::Slow,
            // It had everything; that it never closed its side is no reason of its own.
            Phase::Lingering(reason) | Phase::Gone(reason) => reason,
        }
    }
}
