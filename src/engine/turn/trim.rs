//! Gives back what many needed, once few are left. What it is, its owners know.

use super::batch::BatchBuffers;
use super::{Driver, Sockets};
use crate::engine::heap;

impl<S: Sockets> Driver<S> {
    /// Gives back the room of those who have gone.
    pub(super) fn trim(&mut self) {
        let rows = self.rows.slots().max(self.engine.core.connections.slots());
        self.engine.trim();
        self.rows.trim();
        for queue in [&mut self.ready, &mut self.unfinished, &mut self.deferred] {
            queue.shrink_to_fit();
        }
        self.flushing.shrink_to_fit();
        self.lingering.trim();
        self.batch = BatchBuffers::default();
        heap::settle(rows);
    }
}
