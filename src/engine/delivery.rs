//! From the turn's read buffer to the service: counts what has come, puts it behind what was left
//! unused before, keeps what is left unused now.

use std::io::IoSlice;
use std::ops::Range;

use super::Engine;
use super::connection::Kind;
use super::core::Core;
use super::net::{Delivery, Net};
use super::reason::Reason;
use super::slots::Peer;
use super::tap::{Direction, show};
use super::time::Time;

impl Core {
    /// Counts so many bytes from `peer`. If its service still listens: the number of that, and what
    /// it has left unused before, if anything.
    #[inline]
    fn came(&mut self, peer: Peer, count: usize) -> Option<(usize, Option<Vec<u8>>)> {
        let connection = self.connections.get_mut(peer)?;
        connection.bytes_in += count as u64;
        let service = usize::from(connection.service);
        self.counts[service].over(connection.carrier()).bytes_in += count as u64;
        if !connection.phase.is_heard() {
            return None;
        }
        connection.active_at = self.now;
        let unused = connection.buffers.as_mut().filter(|buffers| !buffers.inbox.is_empty());
        Some((service, unused.map(|buffers| buffers.take_inbox(&mut self.pool))))
    }
}

impl Engine {
    /// Counts what lies at `range` of the turn's buffer, and hands it to the service if that
    /// still listens.
    pub(super) fn deliver(&mut self, peer: Peer, range: Range<usize>) {
        let core = &mut self.core;
        core.cost.spend(range.len(), &core.limits);
        let Some(connection) = core.connections.get(peer) else { return };
        match connection.is_layered() {
            false => self.deliver_clear(peer, range),
            true => self.unwrap(peer, range),
        }
    }

    /// The same for bytes that are as the service is to see them.
    #[inline]
    pub(super) fn deliver_clear(&mut self, peer: Peer, range: Range<usize>) {
        if let Some(tap) = &mut self.tap {
            let bytes = IoSlice::new(&self.turn[range.clone()]);
            show(&mut **tap, &self.core, peer, Direction::In, &[bytes], range.len());
        }
        let Some((service, inbox)) = self.core.came(peer, range.len()) else { return };
        match inbox {
            Some(inbox) => self.deliver_behind(peer, service, inbox, range),
            None => self.deliver_in_place(peer, service, range),
        }
        self.relieve();
    }

    /// The same for bytes that lie somewhere else.
    pub(super) fn deliver_held(&mut self, peer: Peer, held: &[u8]) {
        if let Some(tap) = &mut self.tap {
            let bytes = [IoSlice::new(held)];
            show(&mut **tap, &self.core, peer, Direction::In, &bytes, held.len());
        }
        let Some((service, inbox)) = self.core.came(peer, held.len()) else { return };
        let mut inbox = inbox.unwrap_or_default();
        inbox.extend_from_slice(held);
        self.deliver_behind(peer, service, inbox, 0..0);
        self.relieve();
    }

    /// The usual case: nothing was left from before, so the service reads in the turn's buffer.
    fn deliver_in_place(&mut self, peer: Peer, service: usize, range: Range<usize>) {
        let bytes = &self.turn[range.clone()];
        let input = Delivery { bytes, at: Some(range.start), is_kept: false };
        let mut net = Net { core: &mut self.core, service, input };
        let entry = &mut self.services[service];
        let used = entry.service.received(peer, bytes, &mut net).min(bytes.len());
        if net.input.is_kept {
            self.turn_used = range.end;
        }
        if used < range.len() {
            self.keep(peer, Vec::new(), range.start + used..range.end);
        }
    }

    /// Lets the service of a peer that it was interrupted with go on with what it has left.
    pub(super) fn redeliver(&mut self, peer: Peer) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(peer) else { return };
        let service = usize::from(connection.service);
        let is_heard = connection.phase.is_heard();
        // What waited for its turn is not idle.
        connection.active_at = core.now;
        let Some(buffers) = &mut connection.buffers else { return };
        buffers.interrupted = false;
        let has_ended = std::mem::take(&mut buffers.ended);
        let inbox = buffers.take_inbox(&mut core.pool);
        if is_heard {
            self.deliver_behind(peer, service, inbox, 0..0);
            self.relieve();
            if has_ended {
                self.finish_clear(peer);
            }
        } else {
            // It has been closed meanwhile, and what still comes is discarded.
            core.release(peer);
        }
    }

    fn deliver_behind(
        &mut self,
        peer: Peer,
        service: usize,
        mut inbox: Vec<u8>,
        range: Range<usize>,
    ) {
        inbox.extend_from_slice(&self.turn[range.clone()]);
        let input = Delivery { bytes: &inbox, at: None, is_kept: false };
        let mut net = Net { core: &mut self.core, service, input };
        let entry = &mut self.services[service];
        let used = entry.service.received(peer, &inbox, &mut net).min(inbox.len());
        inbox.drain(..used);
        self.keep(peer, inbox, range.end..range.end);
    }

    /// Keeps unused input for next time: `inbox` and behind it `rest` of the turn's buffer.
    fn keep(&mut self, peer: Peer, inbox: Vec<u8>, rest: Range<usize>) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(peer) else { return };
        // A datagram is whole: what is not used of it will not be completed.
        if !connection.phase.is_heard() || connection.kind() == Kind::Datagram {
            return core.release(peer);
        }
        let buffers = connection.buffers.get_or_insert_with(|| core.pool.take_set());
        buffers.keep(inbox, &self.turn[rest], &mut core.pool);
        let goes_on = core.cost.share_ended || buffers.paused_until != Time::ZERO;
        buffers.interrupted = goes_on && !buffers.inbox.is_empty();
        if buffers.interrupted {
            // However much it is, nothing more is read before it has gone.
        } else if buffers.inbox.len() > core.limits.inbox {
            drop(buffers.take_inbox(&mut core.pool));
            core.release(peer);
            core.close(peer, Reason::TooLong);
        } else {
            core.release(peer);
        }
    }

    /// The peer's FIN has come.
    pub(super) fn peer_finished(&mut self, peer: Peer) {
        match self.core.connections.get(peer) {
            Some(connection) if connection.is_layered() => self.unwrap_end(peer),
            _ => self.finish_clear(peer),
        }
    }

    /// The peer has said all, and all of that has been delivered. Whoever was interrupted in the
    /// midst of it goes through the rest first: a layer tells an end together with what precedes
    /// it.
    pub(super) fn finish_clear(&mut self, peer: Peer) {
        if let Some(connection) = self.core.connections.get_mut(peer)
            && connection.phase.is_heard()
            && let Some(buffers) = connection.buffers.as_mut().filter(|set| set.interrupted)
        {
            buffers.ended = true;
            return;
        }
        if self.tap.is_some() {
            self.show_end(peer, Direction::In);
        }
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(peer) else { return };
        let heard = connection.phase.is_heard();
        connection.enter(connection.phase.peer_finished());
        if heard {
            connection.active_at = core.now;
            let service = usize::from(connection.service);
            let buffers = connection.buffers.as_mut();
            let rest = buffers.map(|b| b.take_inbox(&mut core.pool)).unwrap_or_default();
            core.release(peer);
            self.dispatch(service, |service, net| service.finished(peer, &rest, net));
        }
        self.core.touch(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::stage::tests::Mirror;
    use crate::engine::{Limits, Quota, Service};

    /// Uses nothing of what comes, and closes behind a full stop.
    struct Hoards;

    impl Service for Hoards {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            if input.ends_with(b".") {
                net.close(peer);
            }
            0
        }
    }

    #[test]
    fn an_inbox_may_be_full_and_one_byte_more_is_too_much() {
        let limits = Limits { inbox: 4, ..Limits::default() };
        let mut stage = Stage::with(limits, Quota::default(), Hoards);
        let peer = stage.join();
        stage.say(peer, "abcd");
        assert!(!stage.is_over(peer));
        stage.say(peer, "e");
        assert!(stage.is_over(peer));
    }

    #[test]
    fn of_whoever_has_been_closed_nothing_is_kept() {
        let mut stage = Stage::new(Hoards);
        let peer = stage.join();
        stage.say(peer, "ab");
        assert_eq!(stage.engine().buffered(), (1, 0));
        stage.say(peer, "c.");
        assert_eq!(stage.engine().buffered(), (0, 0));
    }

    #[test]
    fn what_comes_in_two_reads_of_a_turn_is_sent_back_from_where_it_lies() {
        let mut stage = Stage::new(Mirror);
        let peer = stage.join();
        stage.say_in_turn(peer, "ab");
        stage.say_in_turn(peer, "cd");
        let (head, _) = stage.engine().outgoing(peer).expect("an echo");
        assert_eq!(head.piece(), Some(&b"abcd"[..]));
    }
}
