//! The search for the highest rate that keeps a bound: which to try next, and when it is found.
//! Pure.
//!
//! One bad moment of a machine decides nothing. Far from the edge a rate that fails is tried once
//! more; near it two tries of three decide. The lowest rate that did not hold is tried again at the
//! end, and what is found has to hold for longer before it is told.

use std::time::Duration;

use crate::bench::measure::bound::LatencyBound;
use crate::bench::measure::latency::{Latency, samples_for};
use crate::bench::report::Probe;

/// The first rate, unless `--rate` says another.
const FIRST_RATE: f64 = 1000.0;
/// If not even the first rate holds, the next is so much lower.
const DOWN: f64 = 8.0;
/// The highest rate that held and the lowest that did not are near each other: two of three decide.
const NEAR: f64 = 1.5;
/// They are so close that the lower one is the answer, once it is confirmed.
const CLOSE_ENOUGH: f64 = 1.05;
/// The step up from a rate that holds after all.
const STEP_UP: f64 = 1.2;
/// How many times as long as a probe the confirmation takes.
const CONFIRMATION: u32 = 3;
/// The steps down after confirmations that failed, one for each. A disturbed machine still keeps
/// some rate; only if even the last fails has nothing been found.
const STEPS_DOWN: [f64; 4] = [0.93, 0.8, 0.6, 0.4];
/// The whole search takes no longer than so many probes.
const LENGTH_MAX: u32 = 40;
/// Searches whose rates differ by less agree.
const ALIKE: f64 = 1.15;
/// A rate counts as reached from this share of it on.
const REACHED: f64 = 0.98;

/// What to try next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Attempt {
    pub(crate) rate: f64,
    /// So many times the length of a probe.
    pub(crate) times: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Not over yet.
    Open,
    /// The highest rate is known and confirmed.
    Found,
    /// One has held, but it is not sure: why.
    Unsure(&'static str),
    /// None has held: why.
    Nothing(&'static str),
}

/// What the next try is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// To come closer to the edge.
    Narrow,
    /// To see whether the lowest rate that did not hold was only unlucky.
    Challenge,
    /// To be sure of the highest that held.
    Confirm,
}

/// A search: the rate is doubled until it does not hold, or lowered until it does, then bisected,
/// then confirmed.
pub(crate) struct Search {
    bound: LatencyBound,
    /// How long a probe takes.
    probe: Duration,
    /// Lower rates give too few answers in that time for the figure of the bound.
    rate_min: f64,
    next: f64,
    /// Tries of `next` that held, and that did not.
    votes: (u32, u32),
    held: Option<f64>,
    broke: Option<f64>,
    aim: Aim,
    /// The rate that has been challenged already.
    challenged: Option<f64>,
    failed_confirmations: usize,
    pub(crate) outcome: Outcome,
    /// Each step of the way.
    pub(crate) probes: Vec<Probe>,
}

impl Search {
    /// Begins at `first`, or at a rate that any server keeps. A probe takes `probe`.
    pub(crate) fn new(bound: LatencyBound, first: Option<f64>, probe: Duration) -> Search {
        let rate_min = rate_min(&bound, probe);
        Search {
            bound,
            probe,
            rate_min,
            next: first.unwrap_or(FIRST_RATE).max(rate_min),
            votes: (0, 0),
            held: None,
            broke: None,
            aim: Aim::Narrow,
            challenged: None,
            failed_confirmations: 0,
            outcome: Outcome::Open,
            probes: Vec::new(),
        }
    }

    /// What to try; `None`: the search is over. `spent`: how long it has taken so far.
    pub(crate) fn next(&mut self, spent: Duration) -> Option<Attempt> {
        let times = if self.aim == Aim::Confirm { CONFIRMATION } else { 1 };
        let is_late = spent + times * self.probe > LENGTH_MAX * self.probe;
        if self.outcome == Outcome::Open && is_late {
            self.outcome = match self.held {
                Some(_) => Outcome::Unsure("the time for the search was over"),
                None => Outcome::Nothing("the time for the search was over"),
            };
        }
        (self.outcome == Outcome::Open).then_some(Attempt { rate: self.next, times })
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
            true => self.votes.0 += 1,
            false => self.votes.1 += 1,
        }
        match self.aim {
            Aim::Confirm => self.confirm(held),
            Aim::Narrow | Aim::Challenge => self.decide(),
        }
    }

    /// A rate that cannot be tried at all does not hold, and is not tried again.
    pub(crate) fn refuse(&mut self) {
        let asked_rate_per_s = self.next;
        let (rate_per_s, bounded_us, held) = (0.0, None, false);
        self.probes.push(Probe { asked_rate_per_s, rate_per_s, bounded_us, held });
        self.broke = Some(asked_rate_per_s);
        self.choose();
    }

    /// Whether enough tries of this rate have told the same.
    fn decide(&mut self) {
        let is_near = self.held.zip(self.broke).is_some_and(|(held, broke)| broke / held < NEAR);
        let enough_to_hold = if is_near { 2 } else { 1 };
        if self.votes.0 >= enough_to_hold {
            self.held = Some(self.next);
            self.broke = self.broke.filter(|broke| *broke > self.next);
        } else if self.votes.1 >= 2 {
            self.broke = Some(self.next);
        } else {
            return;
        }
        self.choose();
    }

    fn choose(&mut self) {
        self.votes = (0, 0);
        match (self.held, self.broke) {
            (Some(held), None) => {
                let factor = if self.aim == Aim::Challenge { STEP_UP } else { 2.0 };
                (self.next, self.aim) = (factor * held, Aim::Narrow);
            }
            (None, Some(broke)) if broke <= self.rate_min => {
                self.outcome = Outcome::Nothing(
                    "of a lower rate a probe has too few answers to tell; a longer --duration has \
                     more",
                );
            }
            (None, Some(broke)) => self.next = (broke / DOWN).max(self.rate_min),
            (Some(held), Some(broke)) if broke / held <= CLOSE_ENOUGH => {
                (self.next, self.aim) = match self.challenged == self.broke {
                    true => (held, Aim::Confirm),
                    false => (broke, Aim::Challenge),
                };
                self.challenged = self.broke;
            }
            (Some(held), Some(broke)) => self.next = (held * broke).sqrt(),
            (None, None) => {}
        }
    }

    fn confirm(&mut self, held: bool) {
        if held {
            self.held = Some(self.next);
            self.outcome = Outcome::Found;
            return;
        }
        self.broke = Some(self.next);
        if let Some(step) = STEPS_DOWN.get(self.failed_confirmations) {
            self.failed_confirmations += 1;
            self.next *= step;
            self.held = Some(self.next);
            return;
        }
        self.held = None;
        self.outcome = Outcome::Nothing(
            "rates that held for a moment did not for longer: the server or this machine is not \
             steady enough",
        );
    }

    /// The highest rate that held.
    pub(crate) fn highest(&self) -> Option<f64> {
        self.held
    }

    /// A rate that held once, and one far below it that did not: then something stalls from time to
    /// time, and another search may find another rate.
    pub(crate) fn disagreement(&self) -> Option<(f64, f64)> {
        let rates = |held| {
            let probes = self.probes.iter().filter(move |probe| probe.held == held);
            probes.map(|probe| probe.asked_rate_per_s)
        };
        let (held, broke) = (rates(true).reduce(f64::max)?, rates(false).reduce(f64::min)?);
        (broke * ALIKE < held).then_some((held, broke))
    }

    /// The lowest rate that did not.
    pub(crate) fn lowest_broken(&self) -> Option<f64> {
        self.broke
    }
}

/// The lowest rate of which a probe can tell the figure.
#[allow(clippy::cast_precision_loss)] // some ten thousand
fn rate_min(bound: &LatencyBound, probe: Duration) -> f64 {
    let samples = Latency::quantile(&bound.figure).map_or(1, samples_for);
    (samples as f64 / probe.as_secs_f64()).max(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::Rng;
    use proptest::test_runner::{RngAlgorithm, TestRng};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A server with one waiting line: latency grows without bound towards `capacity`.
    fn latency_at(rate: f64, capacity: f64) -> Latency {
        let p99 = if rate < capacity { 50.0 / (1.0 - rate / capacity) } else { 1e9 };
        Latency { p99, ..Latency::default() }
    }

    /// Searches for p99=1ms, where `measure` tells what a try of a rate gives; how long it took.
    fn search(first: Option<f64>, mut measure: impl FnMut(f64) -> Latency) -> (Search, Duration) {
        let mut search = Search::new("p99=1ms".parse().unwrap(), first, SECOND);
        let mut spent = Duration::ZERO;
        while let Some(Attempt { rate, times }) = search.next(spent) {
            spent += times * SECOND;
            search.note(rate, &measure(rate), 0.0);
        }
        (search, spent)
    }

    #[test]
    fn the_highest_rate_is_found_from_below_and_from_above() {
        // A p99 of 1000 us is reached at 95 % of the capacity.
        for first in [None, Some(10.0), Some(1_000_000.0)] {
            let (search, spent) = search(first, |rate| latency_at(rate, 40_000.0));
            let found = search.highest().unwrap();
            assert!((36_000.0..=38_000.0).contains(&found), "{found} from {first:?}");
            assert_eq!(search.outcome, Outcome::Found);
            assert!(spent <= 40 * SECOND, "{spent:?}");
        }
    }

    #[test]
    fn one_bad_moment_in_ten_does_not_decide() {
        let mut random = TestRng::deterministic_rng(RngAlgorithm::XorShift);
        let (mut close, mut told) = (0, 0);
        for _ in 0..500 {
            let bad = |rate| match random.next_u32() % 10 {
                0 => Latency { p99: 5000.0, ..Latency::default() },
                _ => latency_at(rate, 40_000.0),
            };
            let (search, spent) = search(None, bad);
            assert!(spent <= 40 * SECOND, "{spent:?}");
            let Some(found) = search.highest() else { continue };
            told += 1;
            close += i32::from((30_000.0..=38_000.0).contains(&found));
        }
        assert!(told > 490 && close > 485, "{told} {close}");
    }

    #[test]
    fn a_rate_that_holds_for_a_moment_only_is_not_told() {
        let mut tries = 0;
        let (search, _) = search(None, |rate| {
            tries += 1;
            let p99 = if rate > 4000.0 || tries > 11 { 2000.0 } else { 500.0 };
            Latency { p99, ..Latency::default() }
        });
        assert!(matches!(search.outcome, Outcome::Nothing(_)), "{:?}", search.probes);
        assert_eq!(search.highest(), None);
    }

    #[test]
    fn a_machine_that_was_disturbed_still_keeps_some_rate() {
        let mut tries = 0;
        let (search, spent) = search(None, |rate| {
            tries += 1;
            let capacity = if tries > 16 { 20_000.0 } else { 40_000.0 };
            latency_at(rate, capacity)
        });
        let found = search.highest().unwrap();
        assert_eq!(search.outcome, Outcome::Found, "{:?}", search.probes);
        assert!((7_000.0..=19_000.0).contains(&found) && spent <= 40 * SECOND, "{found}");
    }

    #[test]
    fn a_bound_that_no_rate_keeps_ends_the_search_with_the_reason() {
        let (search, _) = search(Some(4000.0), |_| Latency { p99: 5000.0, ..Latency::default() });
        assert_eq!(search.highest(), None);
        let Outcome::Nothing(why) = search.outcome else { panic!("{:?}", search.outcome) };
        assert!(why.starts_with("of a lower rate a probe has too few answers"), "{why}");
        // A p99 takes 299 samples.
        let asked: Vec<f64> = search.probes.iter().map(|probe| probe.asked_rate_per_s).collect();
        assert_eq!(asked, [4000.0, 4000.0, 500.0, 500.0, 299.0, 299.0]);
    }

    #[test]
    fn a_search_ends_in_time_and_says_that_it_did() {
        let mut search = Search::new("p99=1ms".parse().unwrap(), None, SECOND);
        search.note(1000.0, &Latency::default(), 0.0);
        assert_eq!(search.next(39 * SECOND), Some(Attempt { rate: 2000.0, times: 1 }));
        assert_eq!(search.next(40 * SECOND), None);
        assert_eq!(search.outcome, Outcome::Unsure("the time for the search was over"));
    }

    #[test]
    fn a_rate_that_was_not_reached_or_failed_did_not_hold() {
        let mut search = Search::new("p50=1s".parse().unwrap(), Some(100.0), SECOND);
        search.note(97.0, &Latency::default(), 0.0);
        assert!(!search.probes[0].held);
        search.note(100.0, &Latency::default(), 1.0);
        assert!(!search.probes[1].held);
        search.note(12.5, &Latency::default(), 0.0);
        assert_eq!(search.highest(), Some(12.5));
    }

    #[test]
    fn probes_that_contradict_each_other_are_told_and_those_of_one_edge_are_not() {
        let (mut search, _) = search(None, |rate| latency_at(rate, 20_000.0));
        assert_eq!(search.disagreement(), None);
        let highest = search.highest().unwrap();
        let far_below = Probe {
            asked_rate_per_s: highest / 2.0,
            rate_per_s: highest / 2.0,
            bounded_us: None,
            held: false,
        };
        search.probes.push(far_below);
        let (held, broke) = search.disagreement().unwrap();
        assert!(held >= highest && (broke - highest / 2.0).abs() < 1.0, "{held} {broke}");
    }

    #[test]
    fn a_rate_that_cannot_be_tried_is_not_tried_again() {
        let mut search = Search::new("p50=1s".parse().unwrap(), Some(800.0), SECOND);
        search.refuse();
        assert_eq!(search.next(Duration::ZERO), Some(Attempt { rate: 100.0, times: 1 }));
        assert_eq!((search.highest(), search.lowest_broken()), (None, Some(800.0)));
    }
}
