//! Gives back what many needed, once few are left. What that is, its owners know.

use super::{Driver, Sockets};
use crate::engine::heap;

impl<S: Sockets> Driver<S> {
    /// Gives back the room of those who have gone. Nothing is left to be done.
    #[cold]
    pub(super) fn trim(&mut self) {
        let rows = self.rows.slots().max(self.engine.core.connections.slots());
        if !self.engine.trim() {
            return;
        }
        self.rows.trim();
        (self.ready, self.unfinished) = Default::default();
        (self.deferred, self.audience) = Default::default();
        (self.flushing, self.batch) = Default::default();
        self.lingering.trim();
        heap::settle(rows);
    }
}
