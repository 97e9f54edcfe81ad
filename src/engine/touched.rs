//! For whom something is to be done at the end of a turn: who has been touched, who is left for a
//! later turn, and who has to wait behind those.

use super::Engine;
use super::connection::Flush;
use super::cost::VISIT_UNITS;
use super::slots::Peer;

/// Peers that a service speaks to at the end of a turn before it counts as telling many.
const MANY: usize = 16;

impl Engine {
    /// Lets the services send what they gathered in this turn.
    pub(crate) fn settle(&mut self) {
        for index in 0..self.services.len() {
            let touched = self.touched();
            self.dispatch(index, |service, net| service.settled(net));
            self.services[index].told_many |= self.touched() > touched + MANY;
        }
    }

    /// Whether the service of `peer` has told many something that some wait for.
    pub(super) fn is_behind(&self, peer: Peer) -> bool {
        let connection = self.core.connections.get(peer);
        connection.is_some_and(|one| self.services[usize::from(one.service)].told_many)
    }

    /// Nobody waits any more for what many were told.
    pub(super) fn caught_up(&mut self) {
        self.services.iter_mut().for_each(|one| one.told_many = false);
    }

    /// Whether anything waits to be flushed, or anybody to be called.
    pub(super) fn has_touched(&self) -> bool {
        !self.core.touched.is_empty() || !self.core.dials.is_empty()
    }

    /// How many peers something is to be done for.
    pub(super) fn touched(&self) -> usize {
        self.core.touched.len()
    }

    /// Takes the one for whom something is to be done, unless it is gone.
    pub(super) fn take_only_touched(&mut self) -> Option<Peer> {
        let peer = self.core.touched.pop()?;
        if self.core.connections.get(peer)?.is_layered() {
            self.seal(peer);
        }
        self.core.connections.get_mut(peer)?.flush = Flush::Idle;
        Some(peer)
    }

    /// Moves those for whom something is to be done to `peers`: each of them is to be taken up
    /// (`take_up`) or deferred. More may come up while these are flushed; it ends, because every
    /// peer closes only once.
    pub(super) fn take_touched(&mut self, peers: &mut Vec<Peer>) {
        peers.append(&mut self.core.touched);
    }

    /// Leaves a peer for a later turn: it is not touched again until `take_up`. False: it is gone.
    pub(super) fn defer(&mut self, peer: Peer) -> bool {
        let Engine { core, turn, .. } = self;
        let Some(connection) = core.connections.get_mut(peer) else { return false };
        connection.flush = Flush::Deferred;
        if let Some(buffers) = &mut connection.buffers {
            buffers.outbox.keep_turn(turn, &mut core.pool);
        }
        if connection.is_layered()
            && let Some(layers) = core.layers.get_mut(peer)
        {
            layers.keep_turn(turn, &mut core.pool);
        }
        true
    }

    /// Takes up peers that were touched or deferred, from the first on, until what it takes to
    /// visit them and to seal what is said to them is more than the round has left. Returns how
    /// many those are: they are flushed now.
    pub(super) fn take_up(&mut self, peers: &[Peer]) -> usize {
        let mut left = self.flush_left();
        let mut taken = 0;
        for &peer in peers {
            if left == 0 {
                break;
            }
            taken += 1;
            left = left.saturating_sub(VISIT_UNITS);
            if let Some(connection) = self.core.connections.get_mut(peer) {
                match connection.is_layered() {
                    false => connection.flush = Flush::Idle,
                    true => {
                        // Sealed, and written.
                        left = left.saturating_sub(2 * self.core.queued(peer));
                        self.to_seal.push(peer);
                    }
                }
            }
        }
        // They stay listed meanwhile: what is sealed for them is no reason to come back to them.
        while let Some(peer) = self.to_seal.pop() {
            self.seal(peer);
            if let Some(connection) = self.core.connections.get_mut(peer) {
                connection.flush = Flush::Idle;
            }
        }
        taken
    }

    /// Whether `peer` has been touched since it was taken up: then it comes up once more in this
    /// turn.
    pub(super) fn is_listed(&self, peer: Peer) -> bool {
        self.core.connections.get(peer).is_some_and(|one| one.flush == Flush::Listed)
    }

    /// Whether `peer` has been left for a later turn.
    pub(super) fn is_deferred(&self, peer: Peer) -> bool {
        self.core.connections.get(peer).is_some_and(|one| one.flush == Flush::Deferred)
    }
}
