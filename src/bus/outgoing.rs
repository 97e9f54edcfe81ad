//! What is about to be said to the bus, and whether there is room for more: what it does not take
//! is bounded here, before it is queued.

use crate::engine::{Net, Peer};

/// Bytes that may wait for a bus that does not take them. What would be more and nobody has to
/// have is dropped; lines wait where they are kept.
const WAITING_MAX: usize = 256 * 1024;

/// See the top of this file.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Said in this turn.
    pub(super) bytes: Vec<u8>,
    /// What was said before and has not been taken.
    waiting: usize,
}

impl Outgoing {
    /// Whether something more may be said.
    pub(super) fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// How many bytes more.
    pub(super) fn room(&self) -> usize {
        WAITING_MAX.saturating_sub(self.waiting + self.bytes.len())
    }

    /// Looks how much has not been taken.
    pub(super) fn look(&mut self, peer: Peer, net: &Net) {
        self.waiting = net.queued(peer);
    }

    /// Hands all of it over.
    pub(super) fn send(&mut self, peer: Peer, net: &mut Net) {
        if !self.bytes.is_empty() {
            net.send(peer, &self.bytes);
            self.bytes.clear();
            self.look(peer, net);
        }
    }

    /// The connection is gone, and with it what has not left.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.waiting = 0;
    }
}
