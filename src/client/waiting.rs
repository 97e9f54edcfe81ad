//! A word to whoever waits for a server that has long been silent, once: it may be slow, stalled or
//! no such server, and nobody should wonder whether anything was sent.

use std::time::Duration;

use super::display::Display;
use crate::engine::{Net, Time};

/// What takes longer than this is long.
const LONG: Duration = Duration::from_secs(3);

/// See the top of this file.
pub(super) struct Waiting {
    what: &'static str,
    due: Option<Time>,
    is_told: bool,
}

impl Waiting {
    /// For `what`, as people are told: `the server's echo`.
    pub(super) fn for_what(what: &'static str) -> Waiting {
        Waiting { what, due: None, is_told: false }
    }

    /// It is awaited from now on, if it was not before.
    pub(super) fn begin(&mut self, net: &mut Net) {
        if self.due.is_none() && !self.is_told {
            let due = net.now().after(LONG);
            self.due = Some(due);
            net.wake_at(due);
        }
    }

    /// It is awaited no longer.
    pub(super) fn end(&mut self) {
        self.due = None;
    }

    /// Says so if it is time to.
    pub(super) fn alarm(&mut self, display: &Display, net: &mut Net) {
        match self.due {
            Some(due) if due > net.now() => net.wake_at(due),
            Some(_) => {
                (self.due, self.is_told) = (None, true);
                display.warn(&format!("waiting for {}; Ctrl-C leaves", self.what), net);
            }
            None => {}
        }
    }
}
