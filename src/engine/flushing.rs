//! What the driver asks and says when it flushes a peer: what is next for it, what it is to be
//! sent, what became of that, and its end.

use std::io;

use super::Engine;
use super::address::Address;
use super::connection::outbox::{Head, SLICES_MAX};
use super::connection::{Connection, Flush, Kind, Phase, Step};
use super::reason::Reason;
use super::slots::Peer;
use super::tap::Direction;
use super::time::Time;

impl Engine {
    /// What `peer` wants of its socket next.
    #[inline]
    pub(super) fn step(&self, peer: Peer) -> Step {
        let Some(connection) = self.core.connections.get(peer) else { return Step::Wait };
        match connection.step() {
            Step::HangUp | Step::Drop if connection.is_layered() => self.last_step(peer),
            step => step,
        }
    }

    /// What a connection with layers wants next, for which nothing is queued any more.
    #[cold]
    fn last_step(&self, peer: Peer) -> Step {
        let Some(connection) = self.core.connections.get(peer) else { return Step::Wait };
        match connection.phase {
            Phase::Gone(_) => Step::Drop,
            _ if self.has_more_to_come(peer, connection) => Step::Wait,
            _ => connection.step(),
        }
    }

    /// Whether something will be queued yet for a peer with layers: what it has been told since it
    /// was sealed for (then it is listed again), or what is held back.
    #[cold]
    fn has_more_to_come(&self, peer: Peer, connection: &Connection) -> bool {
        connection.flush == Flush::Listed || self.core.goes_on(peer)
    }

    /// The head of what `peer` is to be sent, and whether our FIN follows right behind it; `None`
    /// if there is nothing.
    #[inline]
    pub(crate) fn outgoing(&self, peer: Peer) -> Option<(Head<'_>, bool)> {
        let connection = self.core.connections.get(peer)?;
        let outbox = &connection.buffers.as_ref()?.outbox;
        let chunks_max = match connection.kind() {
            Kind::Stream => SLICES_MAX,
            Kind::Datagram => 1,
        };
        if outbox.is_empty() {
            return None;
        }
        let head = outbox.head(&self.turn, chunks_max);
        let is_last = head.is_all()
            && connection.phase.hangs_up()
            && !(connection.is_layered() && self.has_more_to_come(peer, connection));
        Some((head, is_last))
    }

    /// The kernel has taken the first `count` bytes of what is outgoing.
    #[inline]
    pub(super) fn sent(&mut self, peer: Peer, count: usize) {
        if self.tap.is_some() {
            self.show_written(peer, count);
        }
        let core = &mut self.core;
        core.cost.spend_flush(count);
        let Some(connection) = core.connections.get_mut(peer) else { return };
        let (is_layered, over) = (connection.is_layered(), connection.carrier());
        let layers = if is_layered { core.layers.get(peer) } else { None };
        let Some(buffers) = &mut connection.buffers else { return };
        buffers.outbox.sent(count, &mut core.pool);
        if connection.phase != Phase::Handshaking {
            // Its layers have their time, whatever we have to say for them.
            connection.active_at = core.now;
        }
        let length = buffers.outbox.len();
        let waiting = length + layers.map_or(0, |one| one.waiting());
        let index = usize::from(connection.service);
        if !layers.is_some_and(|one| one.counts_plain()) {
            // Otherwise that has been counted when it was sealed.
            connection.bytes_out += count as u64;
            core.counts[index].over(over).bytes_out += count as u64;
        }
        if length <= core.quotas[index].queue_soft {
            buffers.slow_since = Time::NEVER;
        }
        let drained = buffers.backed_up && waiting <= core.limits.marks(core.pool.held).1;
        if drained {
            buffers.backed_up = false;
        }
        let listening = connection.phase.may_be_told();
        connection.release(&mut core.pool);
        if is_layered && length == 0 {
            self.play(peer);
        }
        if drained && listening {
            self.dispatch(index, |service, net| service.drained(peer, net));
        }
    }

    /// What `peer` is to be sent waits for the next turn, through no fault of its own.
    pub(super) fn put_off(&mut self, peer: Peer) {
        self.keep_output(peer);
        self.relieve();
    }

    /// Copies what may not wait where it lies.
    pub(super) fn keep_output(&mut self, peer: Peer) {
        let connection = self.core.connections.get_mut(peer);
        if let Some(buffers) = connection.and_then(|connection| connection.buffers.as_mut()) {
            buffers.outbox.keep(&self.turn, &mut self.core.pool);
        }
    }

    /// The kernel takes no more of `peer`'s output for now.
    pub(super) fn write_blocked(&mut self, peer: Peer) {
        self.keep_output(peer);
        if self.core.is_far_behind(peer) {
            self.give_up(peer, Reason::Slow);
        }
        self.relieve();
    }

    /// Reading or writing has failed: the connection is broken.
    pub(super) fn failed(&mut self, peer: Peer, error: &io::Error) {
        self.core.kill(peer, Reason::Failed(error.kind()));
    }

    /// Our FIN is out.
    pub(super) fn hung_up(&mut self, peer: Peer) {
        if self.tap.is_some() {
            self.show_end(peer, Direction::Out);
        }
        let Some(connection) = self.core.connections.get_mut(peer) else { return };
        connection.enter(connection.phase.hung_up());
        connection.active_at = self.core.now;
        self.core.arm(peer);
    }

    /// The socket of `peer` is dropped: its end. Its `local` address is only for the log.
    pub(super) fn reap(&mut self, peer: Peer, local: Option<Address>) {
        let core = &mut self.core;
        let Some(mut connection) = core.connections.remove(peer) else { return };
        // Without a reason only if the driver drops a socket of its own accord.
        let mut reason = connection.phase.reason().unwrap_or(Reason::Shutdown);
        core.pool.forfeit(connection.buffers.take());
        let is_known = match connection.is_layered() {
            false => true,
            true => core.end_layers(peer, &connection, &mut reason),
        };
        if connection.armed < Time::NEVER {
            core.armed -= 1;
            core.sweep();
        }
        core.trimming.left(core.connections.len(), core.now);
        let index = usize::from(connection.service);
        self.core.ended(&connection, reason);
        self.core.went_out = connection.bytes_out;
        self.remark_end(peer, &connection, reason, local);
        if is_known {
            self.dispatch(index, |service, net| service.closed(peer, reason, net));
        }
        self.core.failure = None;
    }

    /// Everything is flushed: the turn's read buffer may be used again.
    pub(super) fn end_flush(&mut self) {
        debug_assert!(!self.has_touched());
        self.turn_used = 0;
    }
}
