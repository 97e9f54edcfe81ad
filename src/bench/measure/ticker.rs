//! What a thread tells whoever watches it, at a pace that the watcher chooses: slices of the
//! timeline are too coarse in a long run. A run that nobody watches has no ticker.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::phase::RunPhase;
use super::recorder::{Sample, histogram};
use crate::engine::Time;

/// What happened since the tick before, within one phase.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    /// Which thread tells it.
    pub(crate) thread: usize,
    /// The phase it belongs to.
    pub(crate) phase: RunPhase,
    /// Which interval of the phase it ends with, from 0.
    pub(crate) number: u64,
    /// When it ended, since the phase began: a whole number of intervals, except the last.
    pub(crate) until: Duration,
    /// How long it was.
    pub(crate) length: Duration,
    /// Operations that ended in it.
    pub(crate) operations: u64,
    /// Failures in it.
    pub(crate) failures: u64,
    /// The latencies of the operations, in nanoseconds.
    pub(crate) latency: Histogram<u32>,
}

impl Tick {
    /// One in which nothing has happened.
    pub(crate) fn new(thread: usize, phase: RunPhase) -> Tick {
        Tick {
            thread,
            phase,
            number: 0,
            until: Duration::ZERO,
            length: Duration::ZERO,
            operations: 0,
            failures: 0,
            latency: histogram(2),
        }
    }
}

/// So many ticks of each thread may wait to be shown, by a terminal that has been stopped; then the
/// next one is longer.
pub(crate) const WAITING_MAX: usize = 16;

/// Gathers what happens, and hands it over each time that is due.
pub(crate) struct Ticker {
    every: Duration,
    to: SyncSender<Tick>,
    current: Tick,
    /// When the phase began, and when the current tick did.
    began: Time,
    since: Time,
}

impl Ticker {
    /// Hands over to `to` what happens in a thread in each `every`, which is above zero.
    pub(crate) fn new(thread: usize, every: Duration, to: SyncSender<Tick>, now: Time) -> Ticker {
        let current = Tick::new(thread, RunPhase::Opening);
        Ticker { every, to, current, began: now, since: now }
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Time {
        self.began.after(self.end_of(self.current.number))
    }

    /// Where that interval ends, since the phase began.
    fn end_of(&self, number: u64) -> Duration {
        self.every.saturating_mul(u32::try_from(number + 1).unwrap_or(u32::MAX))
    }

    /// An operation is over.
    pub(crate) fn note(&mut self, sample: &Sample) {
        self.current.operations += 1;
        self.current.latency.saturating_record(sample.done.nanos_since(sample.intended));
    }

    /// Something has failed, `count` times.
    pub(crate) fn note_failures(&mut self, count: u64) {
        self.current.failures += count;
    }

    /// It is `now`, and the run is in that phase. What was kept for longer than an interval is
    /// handed over as one.
    pub(crate) fn advance(&mut self, phase: RunPhase, now: Time) {
        if now >= self.next() {
            let passed = now.since(self.began).as_nanos() / self.every.as_nanos();
            self.current.number = u64::try_from(passed).unwrap_or(u64::MAX) - 1;
            self.hand_over(self.end_of(self.current.number), now);
        }
        if phase != self.current.phase {
            let is_empty = self.since == now && self.current.operations == 0;
            if !is_empty || self.current.failures > 0 {
                self.hand_over(now.since(self.began), now);
            }
            self.current = Tick::new(self.current.thread, phase);
            (self.began, self.since) = (now, now);
        }
    }

    fn hand_over(&mut self, until: Duration, now: Time) {
        let mut next = Tick::new(self.current.thread, self.current.phase);
        next.number = self.current.number + 1;
        let mut tick = std::mem::replace(&mut self.current, next);
        (tick.until, tick.length) = (until, now.since(self.since));
        match self.to.try_send(tick) {
            // It is part of the next one then.
            Err(TrySendError::Full(tick)) => {
                self.current = Tick { number: self.current.number, ..tick };
            }
            // If nobody listens any more, the main thread is leaving.
            Ok(()) | Err(TrySendError::Disconnected(_)) => self.since = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn ticker() -> (Ticker, Receiver<Tick>) {
        let (sender, ticks) = sync_channel(2);
        (Ticker::new(0, Duration::from_millis(100), sender, at(1000)), ticks)
    }

    fn sample(sent: u64, done: u64) -> Sample {
        Sample { intended: at(sent), sent: at(sent), done: at(done), bytes: 1 }
    }

    /// Phase, number, end, length in milliseconds, operations, failures.
    fn told(ticks: &Receiver<Tick>) -> Vec<(RunPhase, u64, u128, u128, u64, u64)> {
        let words = |tick: Tick| {
            let (until, length) = (tick.until.as_millis(), tick.length.as_millis());
            (tick.phase, tick.number, until, length, tick.operations, tick.failures)
        };
        ticks.try_iter().map(words).collect()
    }

    #[test]
    fn each_interval_of_a_phase_is_told_with_what_happened_in_it() {
        let (mut ticker, ticks) = ticker();
        assert_eq!(ticker.next(), at(1100));
        ticker.advance(RunPhase::Opening, at(1050));
        ticker.advance(RunPhase::Warming, at(1060));
        ticker.note(&sample(1060, 1070));
        ticker.advance(RunPhase::Warming, at(1159));
        assert_eq!(told(&ticks), [(RunPhase::Opening, 0, 60, 60, 0, 0)]);
        ticker.note_failures(3);
        ticker.advance(RunPhase::Warming, at(1161));
        ticker.note(&sample(1100, 1170));
        ticker.advance(RunPhase::Warming, at(1262));
        let warming = RunPhase::Warming;
        assert_eq!(told(&ticks), [(warming, 0, 100, 101, 1, 3), (warming, 1, 200, 101, 1, 0)]);
    }

    #[test]
    fn what_was_kept_for_several_intervals_is_one_tick_of_the_last_of_them() {
        let (mut ticker, ticks) = ticker();
        ticker.note(&sample(1000, 1290));
        ticker.advance(RunPhase::Opening, at(3_601_010));
        assert_eq!(told(&ticks), [(RunPhase::Opening, 35_999, 3_600_000, 3_600_010, 1, 0)]);
        assert_eq!(ticker.next(), at(3_601_100));
    }

    #[test]
    fn the_end_of_a_phase_is_told_unless_nothing_is_left_of_it() {
        let (mut ticker, ticks) = ticker();
        ticker.advance(RunPhase::Measuring, at(1000));
        ticker.note(&sample(1000, 1101));
        ticker.advance(RunPhase::Draining, at(1101));
        ticker.advance(RunPhase::Done, at(1120));
        let (measuring, draining) = (RunPhase::Measuring, RunPhase::Draining);
        let wanted = [(measuring, 0, 100, 101, 1, 0), (draining, 0, 19, 19, 0, 0)];
        assert_eq!(told(&ticks), wanted);
    }

    #[test]
    fn what_nobody_fetches_becomes_one_tick() {
        let (mut ticker, ticks) = ticker();
        for interval in 1..=50 {
            ticker.note(&sample(1000, 1000));
            ticker.advance(RunPhase::Opening, at(1000 + 100 * interval));
        }
        let opening = RunPhase::Opening;
        assert_eq!(told(&ticks), [(opening, 0, 100, 100, 1, 0), (opening, 1, 200, 100, 1, 0)]);
        ticker.advance(RunPhase::Opening, at(6100));
        assert_eq!(told(&ticks), [(opening, 50, 5100, 4900, 48, 0)]);
    }

    #[test]
    fn gathering_allocates_nothing() {
        let (mut ticker, _ticks) = ticker();
        let info = allocation_counter::measure(|| {
            for n in 0..10_000 {
                ticker.note(&sample(1000, 1000 + n % 40));
                ticker.advance(RunPhase::Opening, at(1099));
            }
        });
        assert_eq!(info.count_total, 0);
    }
}
