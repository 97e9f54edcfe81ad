//! The end of a turn: one gathered write for each peer that has output, and the closing of those
//! that are done. Sockets are closed here and nowhere else.

use std::collections::VecDeque;
use std::io;

use super::row::Row;
use super::{Driver, Outgoing, Peer, Sockets};
use crate::engine::cost::VISIT_UNITS;
use crate::engine::{Engine, Field, Step};

/// Writes to one peer in one turn: a service that sends more whenever there is room could
/// otherwise keep the loop to itself.
const WRITES_MAX: usize = 8;
/// Deferred peers that are taken up at a time.
const TAKEN_UP: usize = 64;

/// How a visit to a peer has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visited {
    Alive,
    /// It takes whatever it is given, and has had its share of this turn.
    Busy,
    HungUp,
    Gone,
}

impl<S: Sockets> Driver<S> {
    /// Ends a turn: does what has become due, and then flushes everybody, those last who were left
    /// for it by an earlier turn.
    pub fn end_turn(&mut self) {
        self.engine.core.cost.begin_flush();
        self.engine.fire_timers();
        self.flush();
        self.flush_deferred();
        if self.engine.core.trimming.is_due(self.engine.now()) && !self.has_work() {
            self.trim();
        }
    }

    /// Flushes until there is nothing left to do: a closing may make a service speak to others.
    /// Those beyond what a round may cost are left for later turns: a line to thousands would
    /// otherwise keep everybody else waiting for as many system calls.
    pub fn flush(&mut self) {
        self.look_at_lingering();
        loop {
            self.engine.settle();
            self.judge();
            self.dial();
            match self.engine.touched() {
                0 => break,
                1 if !self.engine.is_flush_spent() => {
                    if let Some(peer) = self.engine.take_only_touched() {
                        self.flush_or_defer(peer, false);
                    }
                }
                _ => self.flush_touched(),
            }
        }
        self.engine.end_flush();
    }

    fn flush_touched(&mut self) {
        let mut peers = std::mem::take(&mut self.flushing);
        self.engine.take_touched(&mut peers);
        if !self.audience.is_empty() {
            self.line_up(&mut peers);
        }
        // Those for whom there is no room are left, and what is said to them stays unsealed.
        let room = self.engine.take_up(&peers);
        peers.drain(room..).for_each(|peer| self.leave(peer));
        self.flush_all(&peers);
        peers.clear();
        self.flushing = peers;
    }

    /// How many peers may still be visited in this round.
    fn visits_left(&self) -> usize {
        self.engine.flush_left().div_ceil(VISIT_UNITS)
    }

    /// Puts those whose service tells many something at the end of the line: each of them is
    /// written to once for all that has been said until its turn comes. What other services have
    /// to say does not wait for that.
    fn line_up(&mut self, peers: &mut Vec<Peer>) {
        peers.retain(|&peer| {
            let is_behind = self.engine.is_behind(peer);
            if is_behind {
                self.leave(peer);
            }
            !is_behind
        });
    }

    fn flush_all(&mut self, mut peers: &[Peer]) {
        // No more in one call than the round has room for: who is left for a later turn has all
        // that is said until then in one write.
        while let Some(count) = self.batch_of(self.visits_left().min(peers.len())) {
            let (together, others) = peers.split_at(count);
            self.flush_together(together);
            peers = others;
        }
        peers.iter().for_each(|peer| self.flush_or_defer(*peer, false));
    }

    fn flush_together(&mut self, peers: &[Peer]) {
        self.batch.clear();
        self.write_together(peers);
        // Not used while these are visited one by one.
        let batch = std::mem::take(&mut self.batch);
        let mut written = batch.peers().peekable();
        for &peer in peers {
            let is_written = written.next_if_eq(&peer).is_some();
            self.flush_or_defer(peer, is_written);
        }
        drop(written);
        self.batch = batch;
    }

    /// Flushes `peer`, or leaves it for a later turn if the round has cost what it may. Not if it
    /// has been written to just now: whoever has been promised a FIN with its last bytes (MSG_MORE)
    /// has it at once.
    #[inline]
    fn flush_or_defer(&mut self, peer: Peer, is_written: bool) {
        if is_written || !self.engine.is_flush_spent() {
            self.flush_peer(peer);
        } else if !self.engine.is_listed(peer) {
            self.leave(peer);
        }
    }

    /// Leaves `peer` for a later turn, unless it is gone.
    fn leave(&mut self, peer: Peer) {
        if self.engine.defer(peer) {
            let is_behind = self.engine.is_behind(peer);
            let queue = if is_behind { &mut self.audience } else { &mut self.deferred };
            queue.push_back(peer);
        }
    }

    /// Flushes some of those that were too many for their own turn: first those who are answered,
    /// then as many of those who wait for what many are told.
    fn flush_deferred(&mut self) {
        self.flush_later(|driver| &mut driver.deferred);
        self.flush_later(|driver| &mut driver.audience);
        if self.audience.is_empty() {
            self.engine.caught_up();
        }
    }

    /// Flushes those at the head of a queue, as many as a round has room for.
    fn flush_later(&mut self, queue: fn(&mut Self) -> &mut VecDeque<Peer>) {
        self.engine.core.cost.begin_flush();
        while !queue(self).is_empty() && !self.engine.is_flush_spent() {
            let mut peers = std::mem::take(&mut self.flushing);
            peers.extend(queue(self).iter().take(TAKEN_UP));
            let room = self.engine.take_up(&peers);
            peers.truncate(room);
            queue(self).drain(..room);
            let others = queue(self).len();
            self.flush_all(&peers);
            peers.clear();
            self.flushing = peers;
            // Those for whom there was no room any more keep their place.
            let waiting = queue(self);
            waiting.rotate_right(waiting.len() - others);
            self.flush();
        }
    }

    /// Lets in whom the guards let in of those whose address is known only now.
    fn judge(&mut self) {
        while let Some((peer, remote)) = self.engine.next_newcomer() {
            let Some(row) = self.rows.get(peer) else { continue };
            match self.sockets.admit(&row.socket, remote, self.engine.now()) {
                Ok(()) => {
                    self.engine.admitted(peer);
                    self.go_on(peer);
                }
                Err(refusal) => self.engine.refused(peer, refusal),
            }
        }
    }

    /// Serves `peer` again if its service was interrupted in what came behind a header: no
    /// readiness will tell of that.
    fn go_on(&mut self, peer: Peer) {
        if self.engine.is_interrupted(peer)
            && let Some(row) = self.rows.get_mut(peer)
        {
            row.readable = true;
            row.enqueue(peer, &mut self.unfinished);
        }
    }

    /// Calls whom the services want called.
    fn dial(&mut self) {
        while let Some((peer, dial)) = self.engine.next_dial() {
            match self.sockets.dial(peer, &dial) {
                Ok(socket) => {
                    self.rows.insert(peer, Row::dialed(socket));
                    self.watch(peer);
                }
                Err(error) => self.engine.failed(peer, &error),
            }
        }
    }

    #[inline]
    fn flush_peer(&mut self, peer: Peer) {
        self.engine.core.cost.spend_flush(VISIT_UNITS);
        let Some(row) = self.rows.get_mut(peer) else {
            if self.engine.step(peer) == Step::Drop {
                // A call that could not even be placed.
                self.engine.reap(peer, None);
            }
            return;
        };
        match row.follow(&mut self.engine, &mut self.sockets, peer) {
            Visited::Gone => self.close(peer),
            Visited::HungUp if !row.is_watched() => self.lingering.add(peer),
            Visited::Busy => row.enqueue(peer, &mut self.unfinished),
            Visited::Alive | Visited::HungUp => {
                if row.readable && self.engine.wants_input(peer) {
                    row.enqueue(peer, &mut self.unfinished);
                }
                if !row.is_watched() {
                    self.watch(peer);
                }
            }
        }
    }

    /// Has `peer`'s readiness told, once.
    pub(super) fn watch(&mut self, peer: Peer) {
        let Some(row) = self.rows.get_mut(peer).filter(|row| !row.is_watched()) else { return };
        match self.sockets.watch(peer, &row.socket) {
            Ok(()) => row.watched(),
            Err(error) => self.unwatched(peer, &error),
        }
    }

    /// The readiness of `peer` cannot be told.
    #[cold]
    fn unwatched(&mut self, peer: Peer, error: &io::Error) {
        let line = format_args!("{peer} cannot be watched: {error}; dropped");
        let number = [("number", Field::Number(peer.number()))];
        self.engine.remark_with(log::Level::Warn, line, &number);
        self.engine.failed(peer, error);
    }

    fn close(&mut self, peer: Peer) {
        let (counted, mut local) = (self.engine.counted(peer), None);
        if let Some(row) = self.rows.remove(peer) {
            self.engine.core.cost.spend_flush(VISIT_UNITS);
            if self.engine.aborts(peer) {
                self.sockets.abort(&row.socket);
            }
            if self.engine.wants_address() {
                local = self.sockets.local(&row.socket);
            }
            self.sockets.close(row.socket, counted);
        }
        self.engine.reap(peer, local);
    }
}

impl<T> Row<T> {
    /// Does what the engine wants of this socket until it wants nothing more.
    fn follow<S>(&mut self, engine: &mut Engine, sockets: &mut S, peer: Peer) -> Visited
    where
        S: Sockets<Socket = T>,
    {
        let mut visited = Visited::Alive;
        let mut writes = 0;
        loop {
            match engine.step(peer) {
                Step::Wait => return visited,
                Step::Write if !self.writable => {
                    engine.write_blocked(peer);
                    return visited;
                }
                Step::Write if writes == WRITES_MAX => {
                    engine.write_blocked(peer);
                    return Visited::Busy;
                }
                Step::Write if writes > 0 && engine.is_flush_spent() => {
                    engine.put_off(peer);
                    return Visited::Busy;
                }
                Step::Write => {
                    writes += 1;
                    self.write(engine, sockets, peer);
                }
                Step::HangUp => {
                    engine.core.cost.spend_flush(VISIT_UNITS);
                    sockets.hang_up(&self.socket);
                    engine.hung_up(peer);
                    visited = Visited::HungUp;
                }
                Step::Drop => return Visited::Gone,
            }
        }
    }

    fn write<S>(&mut self, engine: &mut Engine, sockets: &mut S, peer: Peer)
    where
        S: Sockets<Socket = T>,
    {
        let Some((head, is_last)) = engine.outgoing(peer) else { return };
        let outgoing = Outgoing { head, is_last };
        let wanted = outgoing.bytes();
        let outcome = sockets.write(&self.socket, &outgoing);
        self.written(engine, peer, wanted, outcome);
    }

    /// Takes note of what became of writing `wanted` bytes.
    #[inline]
    pub(super) fn written(
        &mut self,
        engine: &mut Engine,
        peer: Peer,
        wanted: usize,
        outcome: io::Result<usize>,
    ) {
        match outcome {
            Ok(count) => {
                // A short write has met a full buffer: it will be told when it is not.
                self.writable = count == wanted;
                engine.sent(peer, count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => engine.failed(peer, &error),
        }
    }
}
