//! Many at once: in some turns the driver reads from several peers before it delivers anything,
//! and writes to several before it says so, as `src/reactor/together.rs` does with io_uring.

use std::io::{self, IoSlice};

use cooee::engine::{Flow, Peer, Step};

use super::facts::Facts;
use super::world::World;

impl World {
    /// Whether to do the next things together: by chance, so that every world has both ways.
    fn is_together(&mut self) -> bool {
        self.facts.borrow_mut().rng.chance(500)
    }

    /// Reads from those at the head of the queue of the ready and returns how many they were.
    pub(crate) fn receive_together(&mut self, most: usize) -> usize {
        if !self.is_together() {
            return 0;
        }
        let rooms = self.engine.rooms().len().min(most);
        let fits = |peer: &&Peer| {
            let stream = self.driver.streams.get(**peer);
            stream.is_some_and(|stream| !stream.ends) && self.engine.wants_room(**peer)
        };
        let peers: Vec<Peer> =
            self.driver.ready.iter().take(rooms).take_while(fits).copied().collect();
        let mut outcomes = Vec::new();
        for (peer, room) in peers.iter().zip(self.engine.rooms()) {
            let stream = self.driver.streams.get(*peer).expect("it fits");
            let mut guard = self.facts.borrow_mut();
            let Facts { pipes, rng, trace, now, .. } = &mut *guard;
            let outcome = pipes[stream.client].read(room, *now, rng);
            pipes[stream.client].calls.together = true;
            trace.note("read", &[stream.client as u64, told(&outcome)]);
            outcomes.push(outcome);
        }
        for (room, (peer, outcome)) in peers.iter().zip(outcomes).enumerate() {
            assert_eq!(self.driver.ready.pop_front(), Some(*peer));
            let stream = self.driver.streams.get_mut(*peer).expect("it fits");
            stream.queued = false;
            let client = stream.client;
            let flow = self.engine.filled(*peer, room, outcome);
            self.facts.borrow_mut().pipes[client].calls.together = false;
            let stream = self.driver.streams.get_mut(*peer).expect("dropped only in a flush");
            match flow {
                Flow::Drained => stream.readable = false,
                Flow::Paused => unreachable!("it has been read from"),
                Flow::More => {
                    stream.queued = true;
                    self.driver.unfinished.push_back(*peer);
                }
            }
        }
        if peers.len() > 1 {
            self.facts.borrow_mut().see("read together");
        }
        peers.len()
    }

    /// Writes to those whose output is in one piece; the rest is for `flush_peer`.
    pub(crate) fn send_together(&mut self, peers: &[Peer]) {
        if !self.is_together() {
            return;
        }
        let mut sent = Vec::new();
        for &peer in peers {
            let stream = self.driver.streams.get(peer).expect("touched, so alive");
            let client = stream.client;
            if !stream.writable || self.engine.step(peer) != Step::Write {
                continue;
            }
            let outgoing = self.engine.outgoing(peer);
            let Some(bytes) = outgoing.and_then(|outgoing| outgoing.piece()) else { continue };
            let mut guard = self.facts.borrow_mut();
            let Facts { pipes, rng, trace, now, .. } = &mut *guard;
            pipes[client].calls.visit();
            pipes[client].calls.visiting = true;
            let outcome = pipes[client].write(&[IoSlice::new(bytes)], *now, rng);
            trace.note("write", &[client as u64, bytes.len() as u64, told(&outcome)]);
            sent.push((peer, bytes.len(), outcome));
        }
        if sent.len() > 1 {
            self.facts.borrow_mut().see("written together");
        }
        for (peer, wanted, outcome) in sent {
            self.written(peer, wanted, outcome);
        }
    }
}

fn told(outcome: &io::Result<usize>) -> u64 {
    outcome.as_ref().map_or(u64::MAX, |count| *count as u64)
}
