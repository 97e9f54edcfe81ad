//! Who has a place and has not begun: when all are taken, it has less time for that.

use std::time::Duration;

use crate::engine::connection::Phase;
use crate::engine::{Engine, Peer, Time};

/// How long layers may take while somebody else waits for the place.
const HASTE: Duration = Duration::from_millis(500);

impl Engine {
    /// The one that has waited longest for its layers to be through, and since when. Whoever came
    /// before it is forgotten: so no more are remembered than come in `Limits::handshake`.
    pub(super) fn first_beginner(&mut self) -> Option<(Peer, Time)> {
        let core = &mut self.core;
        while let Some(peer) = core.beginners.front().copied() {
            match core.connections.get(peer) {
                Some(one) if one.phase == Phase::Handshaking => return Some((peer, one.active_at)),
                _ => core.beginners.pop_front(),
            };
        }
        None
    }

    /// All places are taken: ends those who have not begun for longer than `HASTE`, and looks again
    /// when the next one has. Returns whether there were any.
    pub(in crate::engine) fn hurry_beginners(&mut self) -> bool {
        let mut any = false;
        while let Some((peer, since)) = self.first_beginner() {
            let when = since.after(HASTE);
            if when > self.core.now {
                self.core.look_by(peer, when);
                return any;
            }
            self.layers_overdue(peer);
            any = true;
        }
        any
    }
}
