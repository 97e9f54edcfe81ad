//! The one place that reads the machine's clocks.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime};

use crate::engine::Time;

/// The loop's clock for whoever measures finer than turns. Counts from the same beginning as
/// `Time` in the loop that handed it out.
#[derive(Clone, Copy, Debug)]
pub struct Watch(Instant);

impl Watch {
    /// One that counts from now on.
    #[cfg(feature = "bench")]
    pub(crate) fn start() -> Watch {
        Watch(Instant::now())
    }

    /// Now.
    pub fn now(self) -> Time {
        Time::at(self.0.elapsed())
    }
}

/// The wall clock: what has passed since 1970-01-01 00:00 UTC.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The wall clock is read again after this long; nobody needs it finer.
const WALL_AGE_MAX: Duration = Duration::from_millis(100);

/// Monotonic time for everything, wall time for what people read.
pub(super) struct Clock {
    origin: Instant,
    wall_seconds: u64,
    wall_read: Option<Time>,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock { origin: Instant::now(), wall_seconds: 0, wall_read: None }
    }

    pub(super) fn watch(&self) -> Watch {
        Watch(self.origin)
    }

    /// Now, and the seconds since 1970-01-01 00:00 UTC.
    pub(super) fn read(&mut self) -> (Time, u64) {
        let now = Time::at(self.origin.elapsed());
        if self.wall_read.is_none_or(|read| now.since(read) >= WALL_AGE_MAX) {
            // A clock set before 1970 counts as 1970: it only ever dates a greeting.
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.wall_seconds = wall.as_secs();
            self.wall_read = Some(now);
        }
        (now, self.wall_seconds)
    }
}
