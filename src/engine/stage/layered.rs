//! Peers with something between their sockets and the service.

use super::Stage;
use crate::engine::{Address, Layers, Peer, Refusal};

impl Stage {
    /// A new peer with layers between its socket and the service.
    ///
    /// # Panics
    /// If all places are taken.
    pub fn join_through(&mut self, layers: Layers) -> Peer {
        let (arrival, place) = self.arrival();
        let peer = self.driver.accept_through(0, arrival, place, layers).expect("a free place");
        self.driver.sockets_mut().places.insert(peer, place);
        self.flush();
        peer
    }

    /// Whether the connection of `peer` has been broken.
    pub fn was_reset(&mut self, peer: Peer) -> bool {
        self.wire(peer).is_reset
    }

    /// In how many writes `peer` was sent what it has heard.
    pub fn writes(&mut self, peer: Peer) -> usize {
        self.wire(peer).writes
    }

    /// From here on a peer that turns out to be `address` is refused.
    pub fn refuse(&mut self, address: Address, refusal: Refusal) {
        self.driver.sockets_mut().refused = Some((address, refusal));
    }
}
