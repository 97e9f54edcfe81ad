//! The one place that reads the machine's clocks.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::engine::Time;

/// The loop's clock for whoever measures finer than turns. Counts from the same beginning as
/// `Time` in the loop that handed it out.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// When it began, in nanoseconds of the machine's monotonic clock.
    origin: u64,
}

impl Watch {
    /// One that counts from now on.
    pub(crate) fn start() -> Watch {
        Watch { origin: monotonic() }
    }

    /// Now.
    pub fn now(self) -> Time {
        Time::at_nanos(monotonic().saturating_sub(self.origin))
    }
}

/// Nanoseconds of the monotonic clock. Not by way of `Instant`, whose sums cost as much as reading
/// the clock does: a bench reads it for each answer.
fn monotonic() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    // Neither is ever negative.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// The wall clock: what has passed since 1970-01-01 00:00 UTC.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The wall clock is read again after this long; nobody needs it finer.
const WALL_AGE_MAX: Duration = Duration::from_millis(100);

/// Monotonic time for everything, wall time for what people read.
pub(super) struct Clock {
    watch: Watch,
    wall_seconds: u64,
    wall_read: Option<Time>,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock { watch: Watch::start(), wall_seconds: 0, wall_read: None }
    }

    pub(super) fn watch(&self) -> Watch {
        self.watch
    }

    /// Now, and the seconds since 1970-01-01 00:00 UTC.
    pub(super) fn read(&mut self) -> (Time, u64) {
        let now = self.watch.now();
        if self.wall_read.is_none_or(|read| now.since(read) >= WALL_AGE_MAX) {
            // A clock set before 1970 counts as 1970: it only ever dates a greeting.
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.wall_seconds = wall.as_secs();
            self.wall_read = Some(now);
        }
        (now, self.wall_seconds)
    }
}
