//! In the place of `timerfd` where there is none: deadlines are kept to the millisecond.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use mio::Registry;

use crate::engine::Time;

/// There is none.
pub(super) struct Timer(Infallible);

impl Timer {
    pub(super) fn new(_: &Registry) -> io::Result<Timer> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set(&mut self, _: Time, _: Duration) -> io::Result<()> {
        match self.0 {}
    }
}
