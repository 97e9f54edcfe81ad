//! Peers that we have hung up on before their readiness was ever told.
//!
//! A conversation that is over within the turn it began in (greet) is not watched. Its socket is
//! looked at in the next turn, while it is still in the cache, if peers have been that prompt of
//! late; once more a little later; and only if the peer dawdles is it watched like any other.

use std::collections::VecDeque;
use std::time::Duration;

use super::row::Reader;
use super::{Driver, Peer, Sockets, Time};
use crate::engine::Step;

/// How long such a peer has for its FIN until the second look.
const SECOND_LOOK: Duration = Duration::from_millis(5);
/// More than this many such peers: the oldest are looked at before their time.
const LINGERING_MAX: usize = 64;
/// While peers are not that prompt, the immediate look is a call in vain: then only one in so many
/// is looked at, to see whether that has changed.
const PROBE_EVERY: u64 = 32;

/// When to look at whom.
pub(super) struct Lingering {
    /// Those that we have hung up on since the last look.
    hung_up: Vec<Peer>,
    /// Those that have had their immediate look, and when they have their second.
    waiting: VecDeque<(Time, Peer)>,
    /// Whether the latest immediate look found a FIN.
    are_prompt: bool,
    /// Whether this turn's look has been.
    pub(super) has_looked: bool,
}

impl Default for Lingering {
    fn default() -> Lingering {
        let (hung_up, waiting) = Default::default();
        Lingering { hung_up, waiting, are_prompt: true, has_looked: false }
    }
}

impl Lingering {
    /// Our FIN to `peer`, whose readiness is not told, is out.
    pub(super) fn add(&mut self, peer: Peer) {
        self.hung_up.push(peer);
    }

    /// Gives back room that is not needed.
    pub(super) fn trim(&mut self) {
        if self.hung_up.is_empty() && self.waiting.is_empty() {
            (self.hung_up, self.waiting) = Default::default();
        }
    }

    /// When to look again; asked at `now`, after a turn.
    pub(super) fn next(&self, now: Time) -> Option<Time> {
        let fresh = self.hung_up.first().map(|_| now.after(SECOND_LOOK));
        self.waiting.front().map(|(when, _)| *when).or(fresh)
    }
}

impl<S: Sockets> Driver<S> {
    /// Looks at those of the last turn at once, as long as that finds their FINs; at the others
    /// when it is time or there are too many.
    pub(super) fn look_at_lingering(&mut self) {
        // Not where there is no room to read; the next flush of the turn looks.
        if self.lingering.has_looked || !self.engine.can_read() {
            return;
        }
        self.lingering.has_looked = true;
        let now = self.engine.now();
        let mut hung_up = std::mem::take(&mut self.lingering.hung_up);
        for peer in hung_up.drain(..) {
            let looks = self.lingering.are_prompt || peer.number().is_multiple_of(PROBE_EVERY);
            if looks {
                self.lingering.are_prompt = self.has_finished(peer);
            }
            if !looks || !self.lingering.are_prompt {
                self.lingering.waiting.push_back((now.after(SECOND_LOOK), peer));
            }
        }
        self.lingering.hung_up = hung_up;
        while let Some((when, peer)) = self.lingering.waiting.front().copied() {
            if when > now && self.lingering.waiting.len() <= LINGERING_MAX {
                return;
            }
            self.lingering.waiting.pop_front();
            if !self.has_finished(peer) {
                self.watch(peer);
            }
        }
    }

    /// Whether a peer that we have hung up on has sent its FIN as well, or is gone. What it sent
    /// before is discarded.
    #[inline]
    fn has_finished(&mut self, peer: Peer) -> bool {
        let Driver { engine, sockets, rows, .. } = self;
        let Some(row) = rows.get(peer) else { return true };
        let mut reader = Reader { sockets, socket: &row.socket, bytes: 0 };
        engine.input(peer, &mut reader, true);
        engine.step(peer) != Step::Wait
    }
}
