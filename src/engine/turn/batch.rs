//! Many at once: reading from those who are ready, and writing what a turn leaves, in one call
//! each instead of one for every peer. Only where `Sockets` can do that; what it does not do is
//! left to `serve` and `flush`, which do everything one by one.

use std::collections::VecDeque;

use super::{BatchRead, BatchWrite, Driver, Outcome, Peer, Sockets};
use crate::engine::Step;
use crate::engine::reading::Flow;

/// A longer output is sent on its own: what it costs are its bytes, not its call.
const PIECE_MAX_BYTES: usize = 2048;

/// Room for one batch.
#[derive(Default)]
pub(super) struct BatchBuffers {
    /// Those in the latest batch, and how many bytes each is sent.
    peers: Vec<(Peer, usize)>,
    outcomes: Vec<Outcome>,
}

impl BatchBuffers {
    pub(super) fn clear(&mut self) {
        self.peers.clear();
        self.outcomes.clear();
    }

    /// Who is in it, in order.
    pub(super) fn peers(&self) -> impl Iterator<Item = Peer> {
        self.peers.iter().map(|(peer, _)| *peer)
    }

    /// Who is in it, how many bytes that was about, and what became of it.
    fn outcomes(&mut self) -> impl Iterator<Item = (Peer, usize, Outcome)> {
        let outcomes = self.outcomes.drain(..).chain(std::iter::repeat_with(|| None));
        self.peers.iter().zip(outcomes).map(|((peer, bytes), outcome)| (*peer, *bytes, outcome))
    }
}

impl<S: Sockets> Driver<S> {
    /// How many of so many are done in one batch. `None`: they are done one by one.
    pub(super) fn batch_of(&self, count: usize) -> Option<usize> {
        let count = count.min(self.sockets.batch_max());
        (count >= self.sockets.batch_min().max(1)).then_some(count)
    }

    /// Reads from peers at the head of a queue in one call, `most` at the most, and takes them out
    /// of it. Returns how many those are; none: those there have to be served one by one.
    pub(super) fn read_together(&mut self, queue: &mut VecDeque<Peer>, most: usize) -> usize {
        let Some(most) = self.batch_of(most.min(queue.len())) else { return 0 };
        let Driver { engine, sockets, rows, batch, .. } = self;
        let most = most.min(engine.read_slots().len());
        batch.clear();
        let is_quick = |peer: &&Peer| {
            rows.get(**peer).is_some_and(|row| row.is_quick()) && engine.fits_slot(**peer)
        };
        batch.peers.extend(queue.iter().take(most).take_while(is_quick).map(|peer| (*peer, 0)));
        if batch.peers.len() < sockets.batch_min() {
            return 0;
        }
        let peers = batch.peers.iter().filter_map(|(peer, _)| rows.get(*peer));
        let reads = peers.zip(engine.read_slots());
        let reads = reads.map(|(row, into)| BatchRead { socket: &row.socket, into });
        sockets.read_many(reads, &mut batch.outcomes);
        if batch.outcomes.is_empty() {
            return 0;
        }
        let together = batch.peers.len();
        queue.drain(..together);
        self.deliver_batch();
        together
    }

    fn deliver_batch(&mut self) {
        let Driver { engine, rows, unfinished, batch, .. } = self;
        for (slot, (peer, _, outcome)) in batch.outcomes().enumerate() {
            let Some(row) = rows.get_mut(peer) else { continue };
            row.is_queued = false;
            if row.writable {
                engine.writable(peer);
            }
            let flow = match outcome {
                Some(outcome) => engine.filled(peer, slot, outcome),
                None => Flow::More,
            };
            match flow {
                Flow::Drained => row.drained(0),
                Flow::Paused => {}
                Flow::More => {
                    row.came_in_bulk();
                    row.enqueue(peer, unfinished);
                }
            }
        }
    }

    /// Writes to those of `peers` whose output is short and in one piece, in one call.
    /// `flush_peer` does the rest.
    pub(super) fn write_together(&mut self, peers: &[Peer]) {
        let Driver { engine, sockets, rows, batch, .. } = self;
        let BatchBuffers { peers: sending, outcomes } = batch;
        let writes = peers.iter().filter_map(|&peer| {
            let row = rows.get(peer).filter(|row| row.writable)?;
            let is_write = engine.step(peer) == Step::Write;
            let (head, is_last) = engine.outgoing(peer).filter(|_| is_write)?;
            let bytes = head.piece().filter(|bytes| bytes.len() <= PIECE_MAX_BYTES)?;
            sending.push((peer, bytes.len()));
            Some(BatchWrite { socket: &row.socket, bytes, is_last })
        });
        sockets.write_many(writes, outcomes);
        for (peer, wanted, outcome) in batch.outcomes() {
            if let Some(row) = rows.get_mut(peer)
                && let Some(outcome) = outcome
            {
                row.written(engine, peer, wanted, outcome);
            }
        }
    }
}
