//! Serving: who is ready is read from within its share, one after the other. Whoever has more to
//! do goes to the back of the queue, for the next turn.

use std::collections::VecDeque;

use super::row::Reader;
use super::{Driver, Peer, Sockets};
use crate::engine::reading::Flow;

impl<S: Sockets> Driver<S> {
    /// Serves those that have become ready, and then those that had more to do, each once and as
    /// long as its round lasts. Who has not been served, or has more to do, is served in the next
    /// turn after those that become ready until then. Returns whether some of those who have just
    /// become ready wait for `flush` to be answered.
    pub fn serve(&mut self) -> bool {
        let mut ready = std::mem::take(&mut self.ready);
        let mut unfinished = std::mem::take(&mut self.unfinished);
        let owes_answers = !ready.is_empty();
        self.serve_round(&mut ready);
        self.unfinished.append(&mut ready);
        self.ready = ready;
        if unfinished.is_empty() {
            return owes_answers;
        }
        if owes_answers {
            // Their answers need not wait for what the others have to do.
            self.flush();
        }
        self.serve_round(&mut unfinished);
        unfinished.append(&mut self.unfinished);
        self.unfinished = unfinished;
        false
    }

    /// Serves those in a queue, as long as the round lasts.
    fn serve_round(&mut self, queue: &mut VecDeque<Peer>) {
        self.engine.core.cost.begin_round();
        let most = self.engine.core.limits.flush_every.max(1);
        let mut unanswered = 0;
        while !queue.is_empty() && !self.engine.is_round_spent() {
            if unanswered >= most || !self.engine.can_read() {
                self.flush();
                unanswered = 0;
            }
            unanswered += self.serve_next(queue, most - unanswered);
        }
    }

    /// Serves those at the head of a queue, `most` at the most, and takes them out of it. Returns
    /// how many those are, which is one at least.
    fn serve_next(&mut self, queue: &mut VecDeque<Peer>, most: usize) -> usize {
        match self.read_together(queue, most) {
            0 => {
                if let Some(peer) = queue.pop_front() {
                    self.serve_peer(peer);
                }
                1
            }
            together => together,
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
