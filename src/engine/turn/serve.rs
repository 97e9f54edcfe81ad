//! Serving: who is ready is read from within its share, one after the other. Whoever has more to
//! do goes to the back of the queue, for the next turn.

use std::collections::VecDeque;

use super::row::Reader;
use super::{Driver, Peer, Sockets};
use crate::engine::reading::Flow;

/// One of the two queues.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ServedQueue {
    Ready,
    Unfinished,
}

impl<S: Sockets> Driver<S> {
    /// Serves those that have become ready, and then those that had more to do, each once and as
    /// long as its round lasts. Who has not been served, or has more to do, is served in the next
    /// turn after those that become ready until then. Returns whether some of those who have just
    /// become ready wait for `flush` to be answered.
    pub fn serve(&mut self) -> bool {
        let (fresh, unfinished) = (self.ready.len(), self.unfinished.len());
        self.serve_round(ServedQueue::Ready, fresh);
        self.unfinished.append(&mut self.ready);
        if unfinished > 0 {
            if fresh > 0 {
                // Their answers need not wait for what the others have to do.
                self.flush();
            }
            self.serve_round(ServedQueue::Unfinished, unfinished);
        }
        fresh > 0 && unfinished == 0
    }

    /// Serves the first `left` of a queue at most.
    fn serve_round(&mut self, queue: ServedQueue, mut left: usize) {
        self.engine.core.cost.begin_round();
        while left > 0 && !self.engine.is_round_spent() {
            if !self.engine.can_read() {
                self.flush();
            }
            let served = self.read_together(queue, left);
            if served > 0 {
                left -= served;
                continue;
            }
            left -= 1;
            match self.queue(queue).pop_front() {
                Some(peer) => self.serve_peer(peer),
                None => return,
            }
        }
    }

    pub(super) fn queue(&mut self, queue: ServedQueue) -> &mut VecDeque<Peer> {
        match queue {
            ServedQueue::Ready => &mut self.ready,
            ServedQueue::Unfinished => &mut self.unfinished,
        }
    }

    fn serve_peer(&mut self, peer: Peer) {
        let Driver { engine, sockets, rows, unfinished, .. } = self;
        let Some(row) = rows.get_mut(peer) else { return };
        row.is_queued = false;
        if row.writable {
            engine.writable(peer);
        }
        let mut reader = Reader { sockets, socket: &row.socket, bytes: 0 };
        let flow = engine.input(peer, &mut reader, row.reads_on());
        let bytes = reader.bytes;
        match flow {
            Flow::Drained => row.drained(bytes),
            // `flush` brings it back once its output has gone.
            Flow::Paused => {}
            Flow::More => row.enqueue(peer, unfinished),
        }
    }
}
