//! Many at once: reading from those who are ready, and writing what a turn leaves, in one call
//! each instead of one for every peer. Only where `Sockets` can do that; what it does not do is
//! left to `serve` and `flush`, which do everything one by one.

use super::serve::ServedQueue;
use super::{BatchRead, BatchWrite, Driver, Outcome, Peer, Sockets};
use crate::engine::Step;
use crate::engine::reading::Flow;

/// Fewer than this are not worth a batch.
const BATCH_MIN: usize = 4;
/// A longer output is sent on its own: what it costs are its bytes, not its call.
const PIECE_MAX_BYTES: usize = 2048;

/// Room for one batch.
#[derive(Default)]
pub(super) struct BatchBuffers {
    /// Those in the batch, and how many bytes each is sent.
    peers: Vec<(Peer, usize)>,
    outcomes: Vec<Outcome>,
    /// Those that have been written to, in order.
    written: Vec<Peer>,
}

impl BatchBuffers {
    fn clear(&mut self) {
        self.peers.clear();
        self.outcomes.clear();
    }

    /// Takes out who has been written to since it was taken last.
    pub(super) fn take_written(&mut self) -> Vec<Peer> {
        std::mem::take(&mut self.written)
    }

    /// Gives the memory of `take_written` back.
    pub(super) fn give_written(&mut self, mut written: Vec<Peer>) {
        written.clear();
        self.written = written;
    }

    /// Who is in it, how many bytes that was about, and what became of it.
    fn drain(&mut self) -> impl Iterator<Item = (Peer, usize, Outcome)> {
        let outcomes = self.outcomes.drain(..).chain(std::iter::repeat_with(|| None));
        self.peers.drain(..).zip(outcomes).map(|((peer, bytes), outcome)| (peer, bytes, outcome))
    }
}

impl<S: Sockets> Driver<S> {
    /// Reads from peers at the head of a queue, `most` at most, in one call. Returns how many that
    /// were; none, if those there have to be served one by one.
    pub(super) fn read_together(&mut self, queue: ServedQueue, most: usize) -> usize {
        let most = most.min(self.sockets.batch_max());
        if most < BATCH_MIN {
            return 0;
        }
        let Driver { engine, sockets, rows, ready, unfinished, batch, .. } = self;
        let waiting = if queue == ServedQueue::Ready { &*ready } else { &*unfinished };
        let most = most.min(engine.read_slots().len());
        batch.clear();
        let is_quick = |peer: &&Peer| {
            rows.get(**peer).is_some_and(|row| row.is_quick()) && engine.fits_slot(**peer)
        };
        batch.peers.extend(waiting.iter().take(most).take_while(is_quick).map(|peer| (*peer, 0)));
        let count = batch.peers.len();
        if count < BATCH_MIN {
            return 0;
        }
        let peers = batch.peers.iter().filter_map(|(peer, _)| rows.get(*peer));
        let reads = peers.zip(engine.read_slots());
        let reads = reads.map(|(row, into)| BatchRead { socket: &row.socket, into });
        sockets.read_many(reads, &mut batch.outcomes);
        if batch.outcomes.is_empty() {
            return 0;
        }
        self.queue(queue).drain(..count);
        self.deliver_batch();
        count
    }

    fn deliver_batch(&mut self) {
        let Driver { engine, rows, unfinished, batch, .. } = self;
        for (slot, (peer, _, outcome)) in batch.drain().enumerate() {
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
        if self.sockets.batch_max() < BATCH_MIN || peers.len() < BATCH_MIN {
            return;
        }
        let Driver { engine, sockets, rows, batch, .. } = self;
        batch.clear();
        let BatchBuffers { peers: sending, outcomes, .. } = batch;
        let writes = peers.iter().filter_map(|&peer| {
            let row = rows.get(peer).filter(|row| row.writable)?;
            let is_write = engine.step(peer) == Step::Write;
            let (head, is_last) = engine.outgoing(peer).filter(|_| is_write)?;
            let bytes = head.piece().filter(|bytes| bytes.len() <= PIECE_MAX_BYTES)?;
            sending.push((peer, bytes.len()));
            Some(BatchWrite { socket: &row.socket, bytes, is_last })
        });
        sockets.write_many(writes, outcomes);
        batch.written.extend(batch.peers.iter().map(|(peer, _)| *peer));
        for (peer, wanted, outcome) in batch.drain() {
            if let Some(row) = rows.get_mut(peer)
                && let Some(outcome) = outcome
            {
                row.written(engine, peer, wanted, outcome);
            }
        }
    }
}
