//! A point in time as the engine knows it: nanoseconds since the loop began.
//!
//! Not a clock. The reactor reads the machine's clock once a turn and hands the result over; the
//! simulator hands over whatever it likes.

use std::time::Duration;

/// Nanoseconds since the loop began. Eight bytes, ordered, cheap to keep per connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment the loop began.
    pub const ZERO: Time = Time(0);
    /// Later than anything that happens; "never" wherever a deadline is meant.
    pub const NEVER: Time = Time(u64::MAX);

    /// The moment `elapsed` after the loop began.
    pub fn at(elapsed: Duration) -> Time {
        Time::ZERO.after(elapsed)
    }

    /// The same in nanoseconds.
    pub fn at_nanos(elapsed: u64) -> Time {
        Time(elapsed)
    }

    /// This moment and `wait` more; `NEVER` if that is past the 584 years that fit.
    pub fn after(self, wait: Duration) -> Time {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        Time(self.0.saturating_add(nanos))
    }

    /// The moment `wait` before this one; `None` if that was before the loop began.
    pub fn before(self, wait: Duration) -> Option<Time> {
        let nanos = u64::try_from(wait.as_nanos()).ok()?;
        self.0.checked_sub(nanos).map(Time)
    }

    /// How long it is since `earlier`; zero if that is still to come.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same in nanoseconds.
    pub fn nanos_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since the loop began.
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_and_subtracting_saturate() {
        let second = Time::at(Duration::from_secs(1));
        assert_eq!(second.since(Time::ZERO), Duration::from_secs(1));
        assert_eq!(Time::ZERO.since(second), Duration::ZERO);
        assert_eq!(second.after(Duration::MAX), Time::NEVER);
        assert_eq!(second.before(Duration::from_secs(1)), Some(Time::ZERO));
        assert_eq!(second.before(Duration::from_secs(2)), None);
        assert_eq!(second.after(Duration::from_millis(1500)).seconds(), 2);
    }
}
