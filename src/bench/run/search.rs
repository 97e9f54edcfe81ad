//! Which rate to try next: the search for the highest that keeps a bound, and a ramp. Pure.

use std::str::FromStr;

use crate::bench::args::requests;
use crate::bench::measure::latency::Latency;
use crate::bench::report::Probe;
use crate::units::parse_duration;

/// The search begins here if nobody says where.
const FIRST_RATE: f64 = 1000.0;
/// It ends when the highest rate that held and the lowest that did not are this close.
const CLOSE_ENOUGH: f64 = 1.05;
/// It ends after so many probes in any case.
const PROBES_MAX: usize = 20;
/// A rate counts as reached from this share of it on.
const REACHED: f64 = 0.98;

/// A latency that must not be exceeded, such as `p99=1ms`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    /// Which figure.
    pub(crate) figure: String,
    /// Microseconds.
    pub(crate) limit: f64,
    text: String,
}

impl Bound {
    /// The share of requests that it says nothing about: of p99, one in a hundred.
    fn spared(&self) -> f64 {
        match self.figure.as_str() {
            "p50" => 0.5,
            "p90" => 0.1,
            "p99" => 0.01,
            "p99.9" | "p99_9" => 0.001,
            "p99.99" | "p99_99" => 0.0001,
            _ => 0.0,
        }
    }
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Bound, String> {
        let example = "write it like p99=1ms";
        let (figure, limit) = text.split_once('=').ok_or(example)?;
        Latency::default()
            .named(figure)
            .ok_or_else(|| format!("{figure:?} is no latency figure, {example}"))?;
        let limit = parse_duration(limit)?.as_secs_f64() * 1e6;
        if limit <= 0.0 {
            return Err(format!("nothing is done in no time, {example}"));
        }
        Ok(Bound { figure: figure.into(), limit, text: text.into() })
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Rates from one to another, such as `1000..20000`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ramp {
    from: f64,
    to: f64,
}

impl FromStr for Ramp {
    type Err = String;

    fn from_str(text: &str) -> Result<Ramp, String> {
        let (from, to) = text.split_once("..").ok_or("write it like 1000..20000")?;
        let (from, to) = (requests(from)?, requests(to)?);
        match from < to {
            true => Ok(Ramp { from, to }),
            false => Err("it has to go up, such as 1000..20000".into()),
        }
    }
}

impl Ramp {
    /// So many rates, evenly apart, both ends included.
    #[allow(clippy::cast_precision_loss)] // a handful of steps
    pub(crate) fn rates(&self, steps: usize) -> Vec<f64> {
        let last = steps.max(2) - 1;
        let at = |step: usize| self.from + (self.to - self.from) * step as f64 / last as f64;
        (0..=last).map(at).collect()
    }
}

/// A search: first up in doubles, or down in halves, then between the two that are known.
pub(crate) struct Search {
    bound: Bound,
    next: f64,
    held: Option<f64>,
    broke: Option<f64>,
    /// Each step of the way.
    pub(crate) probes: Vec<Probe>,
}

impl Search {
    /// Begins at `first`, or where nothing is too slow for it.
    pub(crate) fn new(bound: Bound, first: Option<f64>) -> Search {
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

    /// The rate that was asked for last led to this.
    /// `lost` is the share of requests that were never answered: slower than any bound.
    pub(crate) fn note(&mut self, rate_per_s: f64, latency: &Latency, lost: f64) {
        let asked = self.next;
        let bounded_us = latency.named(&self.bound.figure).unwrap_or(f64::INFINITY);
        let held = lost <= self.bound.spared()
            && bounded_us <= self.bound.limit
            && rate_per_s >= REACHED * asked;
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
        // 1000 us are reached at 95 % of the capacity.
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

    #[test]
    fn bounds_and_ramps_are_read_and_wrong_ones_named() {
        assert_eq!("p99.9=250us".parse::<Bound>().unwrap().limit, 250.0);
        for wrong in ["p99", "p98=1ms", "p99=1", "p99=0s"] {
            assert!(wrong.parse::<Bound>().is_err(), "{wrong}");
        }
        let ramp: Ramp = "100..500/s".parse().unwrap();
        assert_eq!(ramp.rates(5), [100.0, 200.0, 300.0, 400.0, 500.0]);
        for wrong in ["100", "500..100", "0..5"] {
            assert!(wrong.parse::<Ramp>().is_err(), "{wrong}");
        }
    }
}
