//! The search for the highest rate that keeps a bound: which to try next. Pure.

use crate::bench::measure::bound::LatencyBound;
use crate::bench::measure::latency::Latency;
use crate::bench::report::Probe;

/// The first rate, unless `--rate` says another.
const FIRST_RATE: f64 = 1000.0;
/// The search ends when the highest rate that held and the lowest that did not are this close.
const CLOSE_ENOUGH: f64 = 1.05;
/// The search ends after so many probes in any case.
const PROBES_MAX: usize = 20;
/// A rate counts as reached from this share of it on.
const REACHED: f64 = 0.98;

/// A search: the rate is doubled until it does not hold, or halved until it does, then bisected.
pub(crate) struct Search {
    bound: LatencyBound,
    next: f64,
    held: Option<f64>,
    broke: Option<f64>,
    /// Each step of the way.
    pub(crate) probes: Vec<Probe>,
}

impl Search {
    /// Begins at `first`, or at a rate that any server keeps.
    pub(crate) fn new(bound: LatencyBound, first: Option<f64>) -> Search {
        let next = first.unwrap_or(FIRST_RATE);
        Search { bound, next, held: None, broke: None, probes: Vec::new() }
    }

    /// The rate to try; `None`: the search is over.
    pub(crate) fn next(&self) -> Option<f64> {
        let close = |low: f64, high: f64| high / low < CLOSE_ENOUGH;
        let over = match (self.held, self.broke) {
            (Some(held), Some(broke)) => close(held, broke),
            (None, Some(broke)) => broke <= 1.0,
            _ => false,
        };
        (!over && self.probes.len() < PROBES_MAX).then_some(self.next)
    }

    /// Takes the result of the rate that was tried last.
    /// `lost` is the share of requests that were never answered: slower than any bound.
    pub(crate) fn note(&mut self, rate_per_s: f64, latency: &Latency, lost: f64) {
        let asked = self.next;
        let bounded_us = latency.named(&self.bound.figure).unwrap_or(f64::INFINITY);
        let held = lost <= self.bound.spared()
            && bounded_us <= self.bound.limit
            && rate_per_s >= REACHED * asked;
        // Nothing that takes no time at all has been timed.
        let bounded_us = (latency.max > 0.0 || bounded_us > 0.0).then_some(bounded_us);
        self.probes.push(Probe { asked_rate_per_s: asked, rate_per_s, bounded_us, held });
        match held {
            true => self.held = Some(asked),
            false => self.broke = Some(asked),
        }
        self.next = match (self.held, self.broke) {
            (Some(held), None) => 2.0 * held,
            (None, Some(broke)) => broke / 2.0,
            (Some(held), Some(broke)) => (held * broke).sqrt(),
            (None, None) => asked,
        };
    }

    /// The highest rate that held.
    pub(crate) fn highest(&self) -> Option<f64> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server with one waiting line: latency grows without bound towards `capacity`.
    fn latency_at(rate: f64, capacity: f64) -> Latency {
        let p99 = if rate < capacity { 50.0 / (1.0 - rate / capacity) } else { 1e9 };
        Latency { p99, ..Latency::default() }
    }

    fn search(first: Option<f64>, capacity: f64) -> Search {
        let mut search = Search::new("p99=1ms".parse().unwrap(), first);
        while let Some(rate) = search.next() {
            search.note(rate.min(capacity), &latency_at(rate, capacity), 0.0);
        }
        search
    }

    #[test]
    fn the_highest_rate_is_found_from_below_and_from_above() {
        // A p99 of 1000 us is reached at 95 % of the capacity.
        for first in [None, Some(10.0), Some(1_000_000.0)] {
            let search = search(first, 40_000.0);
            let found = search.highest().unwrap();
            assert!((36_000.0..=38_000.0).contains(&found), "{found} from {first:?}");
            assert!(search.probes.len() < PROBES_MAX);
        }
    }

    #[test]
    fn a_bound_that_no_rate_keeps_ends_the_search_with_nothing() {
        let mut search = Search::new("max=1us".parse().unwrap(), Some(64.0));
        while let Some(rate) = search.next() {
            search.note(rate, &Latency { max: 5.0, ..Latency::default() }, 0.0);
        }
        assert_eq!(search.highest(), None);
        assert_eq!(search.probes.len(), 7);
    }

    #[test]
    fn a_rate_that_was_not_reached_or_failed_did_not_hold() {
        let mut search = Search::new("p50=1s".parse().unwrap(), Some(100.0));
        search.note(97.0, &Latency::default(), 0.0);
        assert!(!search.probes[0].held);
        search.note(50.0, &Latency::default(), 1.0);
        assert!(!search.probes[1].held);
        search.note(25.0, &Latency::default(), 0.0);
        assert_eq!(search.highest(), Some(25.0));
    }
}
