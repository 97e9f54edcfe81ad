//! One connection as the engine keeps it: who, which phase, how much, how long. No socket.

pub(crate) mod outbox;
pub(crate) mod pool;

mod address;
mod phase;

use std::io;

use super::address::Address;
use super::counts::Carrier;
use super::limits::{Limits, Quota};
use super::reason::Reason;
use super::slots::Peer;
use super::time::Time;
use address::Packed;
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

/// Who made a connection, what carries it, and whether there are layers on it: one byte for all of
/// that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(u8);

const CALLED: u8 = 1;
const DATAGRAM: u8 = 2;
const LAYERED: u8 = 4;
/// The carrier is in the bits from here on.
const CARRIER_BITS: u32 = 3;

impl Origin {
    /// The peer has connected, over a stream.
    pub(crate) fn accepted(carrier: Carrier) -> Origin {
        Origin((carrier as u8) << CARRIER_BITS)
    }

    /// We have connected.
    pub(crate) fn called(kind: Kind, carrier: Carrier) -> Origin {
        let datagram = if kind == Kind::Datagram { DATAGRAM } else { 0 };
        Origin(Origin::accepted(carrier).0 | CALLED | datagram)
    }

    /// The same with layers.
    pub(crate) fn layered(self) -> Origin {
        Origin(self.0 | LAYERED)
    }

    /// What of it is left without layers.
    pub(crate) fn bare(self) -> Origin {
        Origin(self.0 & !LAYERED)
    }

    pub(crate) fn is_called(self) -> bool {
        self.0 & CALLED != 0
    }

    pub(crate) fn is_layered(self) -> bool {
        self.0 & LAYERED != 0
    }

    fn kind(self) -> Kind {
        if self.0 & DATAGRAM != 0 { Kind::Datagram } else { Kind::Stream }
    }

    pub(crate) fn carrier(self) -> Carrier {
        Carrier::ALL[usize::from(self.0 >> CARRIER_BITS)]
    }
}

/// What the engine keeps of one connection. Small: there may be a million, nearly all idle.
pub(crate) struct Connection {
    pub(crate) remote: Packed,
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
    /// One that has been accepted or is being made.
    pub(crate) fn new(remote: Address, origin: Origin, service: u8, now: Time) -> Connection {
        let phase = match (origin.is_called(), origin.is_layered()) {
            (true, _) => Phase::Dialing,
            (false, true) => Phase::Handshaking,
            (false, false) => Phase::Open,
        };
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
        self.origin.kind()
    }

    /// What carries it.
    pub(crate) fn carrier(&self) -> Carrier {
        self.origin.carrier()
    }

    /// The transport that carries it, as logs name it.
    pub(crate) fn transport(&self) -> &'static str {
        match self.kind() {
            Kind::Stream => self.carrier().name(),
            Kind::Datagram => "udp",
        }
    }

    /// Whether there are layers between its socket and its service.
    pub(crate) fn is_layered(&self) -> bool {
        self.origin.is_layered()
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

    /// Has it read no more, if so many bytes that wait for it are too many.
    pub(crate) fn back_up(&mut self, waiting: usize, limits: &Limits, pool: &mut Pool) {
        if waiting >= limits.marks(pool.held).0 {
            self.buffers.get_or_insert_with(|| pool.take_set()).backed_up = true;
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
            return self.phase.is_discarded() || self.phase == Phase::Handshaking;
        }
        // Whom we have called may read no more until we do: both would wait for ever.
        let Some(buffers) = &self.buffers else { return true };
        let backed_up = buffers.backed_up && !self.origin.is_called();
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
            Phase::Handshaking => self.active_at.after(limits.handshake),
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
            Phase::Dialing | Phase::Handshaking => Reason::Failed(io::ErrorKind::TimedOut),
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
