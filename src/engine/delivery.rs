//! From the turn's read buffer to the service: counts what has come, puts it behind what was left
//! unused before, keeps what is left unused now.

use std::ops::Range;

use super::Engine;
use super::connection::{Kind, Phase};
use super::reason::Reason;
use super::slots::Peer;
use super::time::Time;

impl Engine {
    /// Counts what lies at `range` of the turn's buffer, and hands it to the service if that
    /// still listens.
    pub(super) fn deliver(&mut self, peer: Peer, range: Range<usize>) {
        self.net.spend(range.len());
        let Some(connection) = self.net.connections.get_mut(peer) else { return };
        connection.bytes_in += range.len() as u64;
        self.net.metrics.bytes_in += range.len() as u64;
        if !connection.is_heard() {
            return;
        }
        connection.active_at = self.net.now;
        self.net.calling = usize::from(connection.service);
        match &mut connection.buffers {
            Some(buffers) if !buffers.inbox.is_empty() => {
                let inbox = buffers.take_inbox(&mut self.net.pool);
                self.deliver_behind(peer, inbox, range);
            }
            _ => self.deliver_in_place(peer, range),
        }
        self.relieve();
    }

    /// The usual case: nothing was left from before, so the service reads in the turn's buffer.
    fn deliver_in_place(&mut self, peer: Peer, range: Range<usize>) {
        let net = &mut self.net;
        net.input = Some(range.clone());
        net.input_kept = false;
        let input = &self.turn[range.clone()];
        let service = &mut self.residents[net.calling].service;
        let used = service.received(peer, input, net).min(input.len());
        net.input = None;
        if net.input_kept {
            self.turn_used = range.end;
        }
        if used < range.len() {
            self.keep(peer, Vec::new(), range.start + used..range.end);
        }
    }

    /// Lets the service of a peer that it was interrupted with go on with what it has left.
    pub(super) fn redeliver(&mut self, peer: Peer) {
        let Some(connection) = self.net.connections.get_mut(peer) else { return };
        self.net.calling = usize::from(connection.service);
        let is_heard = connection.is_heard();
        // What waited for its turn is not idle.
        connection.active_at = self.net.now;
        let Some(buffers) = &mut connection.buffers else { return };
        buffers.interrupted = false;
        let inbox = buffers.take_inbox(&mut self.net.pool);
        if is_heard {
            self.deliver_behind(peer, inbox, 0..0);
            self.relieve();
        } else {
            // It has been closed meanwhile, and what still comes is discarded.
            self.net.release(peer);
        }
    }

    fn deliver_behind(&mut self, peer: Peer, mut inbox: Vec<u8>, range: Range<usize>) {
        inbox.extend_from_slice(&self.turn[range.clone()]);
        let service = &mut self.residents[self.net.calling].service;
        let used = service.received(peer, &inbox, &mut self.net).min(inbox.len());
        inbox.drain(..used);
        self.keep(peer, inbox, range.end..range.end);
    }

    /// Keeps unused input for next time: `inbox` and behind it `rest` of the turn's buffer.
    fn keep(&mut self, peer: Peer, inbox: Vec<u8>, rest: Range<usize>) {
        let net = &mut self.net;
        let Some(connection) = net.connections.get_mut(peer) else { return };
        // A datagram is whole: what is not used of it will not be completed.
        if !connection.is_heard() || connection.kind() == Kind::Datagram {
            return net.release(peer);
        }
        let buffers = connection.buffers.get_or_insert_with(|| net.pool.take_set());
        buffers.keep(inbox, &self.turn[rest], &mut net.pool);
        let goes_on = net.cost.share_ended || buffers.paused_until != Time::ZERO;
        buffers.interrupted = goes_on && !buffers.inbox.is_empty();
        if buffers.interrupted {
            // However much it is, nothing more is read before it has gone.
        } else if buffers.inbox.len() > net.limits.inbox {
            buffers.inbox.clear();
            net.release(peer);
            net.close_as(peer, Reason::TooLong);
        } else {
            net.release(peer);
        }
    }

    /// The peer's FIN has come.
    pub(super) fn ended(&mut self, peer: Peer) {
        let Some(connection) = self.net.connections.get_mut(peer) else { return };
        let heard = connection.is_heard();
        connection.phase = match connection.phase {
            Phase::Open => Phase::HalfClosed,
            Phase::Ending => Phase::Finishing(Reason::Eof),
            Phase::Listening => Phase::Gone(Reason::Eof),
            Phase::Closing(reason) => Phase::Finishing(reason),
            Phase::Lingering(reason) => Phase::Gone(reason),
            same => same,
        };
        if heard {
            connection.active_at = self.net.now;
            let index = usize::from(connection.service);
            let buffers = connection.buffers.as_mut();
            let rest = buffers.map(|b| b.take_inbox(&mut self.net.pool)).unwrap_or_default();
            self.net.release(peer);
            self.call(index, |service, net| service.finished(peer, &rest, net));
        }
        self.net.touch(peer);
    }
}
