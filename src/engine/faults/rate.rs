//! So many bytes in a second, and no more at once than ten milliseconds' worth.

use std::time::Duration;

use crate::engine::time::Time;

/// What has been saved up is worth this long at the most, and one byte at the least.
const BURST: Duration = Duration::from_millis(10);
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A token bucket that keeps a time instead of tokens: up to when all that has left is paid for.
/// `None`: nothing has left, and it is full.
pub(super) struct Rate {
    bytes_per_second: u64,
    paid_until: Option<Time>,
}

impl Rate {
    pub(super) fn new(bytes_per_second: u64) -> Rate {
        Rate { bytes_per_second: bytes_per_second.max(1), paid_until: None }
    }

    /// How long so many bytes take.
    fn takes(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * NANOS_PER_SECOND).div_ceil(self.bytes_per_second.into());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn burst(&self) -> Duration {
        BURST.max(self.takes(1))
    }

    /// How many bytes fit into that time.
    fn fits(&self, time: Duration) -> usize {
        let bytes = time.as_nanos() * u128::from(self.bytes_per_second) / NANOS_PER_SECOND;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// How many bytes may leave at `now`.
    pub(super) fn allows(&self, now: Time) -> usize {
        self.fits(self.paid_until.map_or(Duration::MAX, |until| now.since(until)).min(self.burst()))
    }

    /// When so many of `bytes` may leave that it is worth it: half a burst. Whoever comes a little
    /// late for that has lost nothing.
    pub(super) fn ready(&self, bytes: usize) -> Time {
        let worth = self.fits(self.burst() / 2).min(bytes).max(1);
        self.paid_until.map_or(Time::ZERO, |until| until.after(self.takes(worth)))
    }

    /// So many bytes leave at `now`.
    pub(super) fn spend(&mut self, bytes: usize, now: Time) {
        let takes = self.takes(bytes);
        let saved = now.after(takes).before(self.burst()).unwrap_or(Time::ZERO);
        self.paid_until = self.paid_until.map(|until| until.after(takes)).max(Some(saved));
    }
}
