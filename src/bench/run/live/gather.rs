//! What all threads tell of the same interval, made one. Percentiles are never averaged: the
//! histograms are added.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::bench::measure::phase::RunPhase;
use crate::bench::measure::recorder::{add, histogram};
use crate::bench::measure::ticker::Tick;

/// What happened in all threads within one interval, or several in a row.
#[derive(Clone, Debug)]
pub(super) struct TickSum {
    pub(super) phase: RunPhase,
    /// When it ended, since the phase began.
    pub(super) until: Duration,
    pub(super) operations: u64,
    pub(super) failures: u64,
    /// In nanoseconds.
    pub(super) latency: Histogram<u32>,
    /// How long it was in all threads together, and in how many.
    lengths: Duration,
    threads: u32,
}

impl TickSum {
    pub(super) fn new(phase: RunPhase) -> TickSum {
        TickSum {
            phase,
            until: Duration::ZERO,
            operations: 0,
            failures: 0,
            latency: histogram(2),
            lengths: Duration::ZERO,
            threads: 0,
        }
    }

    /// Adds what one more thread tells.
    fn add(&mut self, tick: &Tick) {
        self.until = self.until.max(tick.until);
        self.operations += tick.operations;
        self.failures += tick.failures;
        add(&mut self.latency, &tick.latency);
        self.lengths += tick.length;
        self.threads += 1;
    }

    /// Adds what came after it.
    pub(super) fn append(&mut self, later: &TickSum) {
        let length = self.length() + later.length();
        self.until = later.until;
        self.operations += later.operations;
        self.failures += later.failures;
        add(&mut self.latency, &later.latency);
        (self.lengths, self.threads) = (length, 1);
    }

    /// How long it was.
    pub(super) fn length(&self) -> Duration {
        self.lengths / self.threads.max(1)
    }

    /// Operations a second; `None`: it had no length.
    #[allow(clippy::cast_precision_loss)] // a figure for people
    pub(super) fn rate(&self) -> Option<f64> {
        let length = self.length().as_secs_f64();
        (length > 0.0).then(|| self.operations as f64 / length)
    }

    /// A percentile in microseconds; `None`: of nothing there is none.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        let told = !self.latency.is_empty();
        told.then(|| {
            crate::bench::measure::latency::micros(self.latency.value_at_quantile(quantile))
        })
    }
}

/// Adds up what threads tell of the same interval.
pub(super) struct Gather {
    /// What each thread has told last.
    told: Vec<Option<(RunPhase, u64)>>,
    pending: BTreeMap<(RunPhase, u64), TickSum>,
}

impl Gather {
    pub(super) fn new(threads: usize) -> Gather {
        Gather { told: vec![None; threads], pending: BTreeMap::new() }
    }

    /// Takes what a thread tells; the intervals of which all have told, or that they have passed.
    pub(super) fn add(&mut self, tick: &Tick) -> Vec<TickSum> {
        let interval = (tick.phase, tick.number);
        if let Some(told) = self.told.get_mut(tick.thread) {
            *told = Some(interval);
        }
        self.pending.entry(interval).or_insert_with(|| TickSum::new(tick.phase)).add(tick);
        let Some(common) = self.told.iter().min().copied().flatten() else { return Vec::new() };
        let mut whole = Vec::new();
        while let Some(first) = self.pending.first_entry().filter(|first| *first.key() <= common) {
            whole.push(first.remove());
        }
        whole
    }

    /// What is left when all threads are done.
    pub(super) fn finish(self) -> impl Iterator<Item = TickSum> {
        self.pending.into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(thread: usize, phase: RunPhase, number: u64, operations: u64) -> Tick {
        let mut tick = Tick::new(thread, phase);
        let length = Duration::from_millis(100);
        (tick.number, tick.until, tick.length) =
            (number, length * (u32::try_from(number).unwrap() + 1), length);
        tick.operations = operations;
        for _ in 0..operations {
            tick.latency.record(1000 * (thread as u64 + 1)).unwrap();
        }
        tick
    }

    /// End in milliseconds, operations, rate.
    fn told(sums: &[TickSum]) -> Vec<(u128, u64, f64)> {
        sums.iter()
            .map(|sum| (sum.until.as_millis(), sum.operations, sum.rate().unwrap()))
            .collect()
    }

    #[test]
    fn an_interval_is_whole_when_every_thread_has_told_of_it() {
        let mut gather = Gather::new(2);
        let phase = RunPhase::Measuring;
        assert!(gather.add(&tick(0, phase, 0, 99)).is_empty());
        assert!(gather.add(&tick(0, phase, 1, 5)).is_empty());
        let whole = gather.add(&tick(1, phase, 0, 1));
        assert_eq!(told(&whole), [(100, 100, 1000.0)]);
        // Not the mean of both threads' percentiles.
        let [p50, most] = [0.5, 1.0].map(|share| whole[0].quantile(share).unwrap().round());
        assert_eq!((p50, most), (1.0, 2.0));
        let rest: Vec<TickSum> = gather.finish().collect();
        assert_eq!(told(&rest), [(200, 5, 50.0)]);
    }

    #[test]
    fn an_interval_that_a_thread_has_missed_holds_up_nobody() {
        let mut gather = Gather::new(2);
        assert!(gather.add(&tick(0, RunPhase::Warming, 0, 1)).is_empty());
        assert!(gather.add(&tick(0, RunPhase::Measuring, 0, 2)).is_empty());
        assert!(gather.add(&tick(0, RunPhase::Measuring, 1, 3)).is_empty());
        let whole = gather.add(&tick(1, RunPhase::Measuring, 1, 4));
        assert_eq!(told(&whole), [(100, 1, 10.0), (100, 2, 20.0), (200, 7, 70.0)]);
    }

    #[test]
    fn of_nothing_there_is_no_figure() {
        let sum = TickSum::new(RunPhase::Warming);
        assert_eq!((sum.rate(), sum.quantile(0.5)), (None, None));
    }

    #[test]
    fn intervals_in_a_row_are_as_long_as_all_of_them() {
        let mut gather = Gather::new(1);
        let mut sum = TickSum::new(RunPhase::Measuring);
        for number in 0..3 {
            gather
                .add(&tick(0, RunPhase::Measuring, number, 10))
                .iter()
                .for_each(|s| sum.append(s));
        }
        assert_eq!((sum.length(), sum.rate()), (Duration::from_millis(300), Some(100.0)));
    }
}
