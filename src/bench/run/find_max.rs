//! The search for the highest rate that keeps a bound, carried out.

use std::time::Duration;

use super::invocation::{Invocation, check_budget};
use super::live::Caption;
use super::search::{Attempt, Outcome, Search};
use crate::bench::figures::figure;
use crate::bench::load::plan::RunPlan;
use crate::bench::load::target::Target;
use crate::bench::measure::bound::LatencyBound;
use crate::bench::measure::measurement::Measurement;
use crate::bench::report::{Report, SearchReport};
use crate::engine::Time;
use crate::failure::Failure;
use crate::reactor::Watch;

/// A search that is under way.
struct Way {
    search: Search,
    /// The report of the last try of the highest rate that held, and of the last try.
    best: Option<Report>,
    last: Option<Report>,
    /// Whether the target has ever answered.
    has_worked: bool,
    /// Why a rate was not tried.
    too_high: Option<String>,
    /// The longest time in a probe that did not hold in which no operation ended, in
    /// microseconds.
    silence: f64,
    /// What an operation cost the generator, in microseconds of CPU time, at each rate.
    costs: Vec<(f64, f64)>,
}

/// Rates up to so much apart are asked in the same way, so that what they cost tells how fast the
/// machine was.
const SIMILAR: f64 = 1.1;
/// By so much may the same work cost more at one time than at another on a steady machine.
const STEADY: f64 = 1.15;

/// Says that probes contradict each other.
fn disagreement(way: &Way) -> Option<String> {
    let (held, broke) = way.search.disagreement()?;
    Some(format!(
        "not sure: {} a second held once and {} did not, for something stalls now and then (for up \
         to {} us); longer probes (--duration) agree more",
        figure(held),
        figure(broke),
        figure(way.silence)
    ))
}

/// Says that the same work, at rates like `highest`, cost more at one time than at another: then
/// another search would find something else.
fn unsteady(costs: &[(f64, f64)], highest: f64) -> Option<String> {
    let is_similar = |rate: f64| (highest / SIMILAR..=highest * SIMILAR).contains(&rate);
    let costs = costs.iter().filter(|(rate, cost)| is_similar(*rate) && *cost > 0.0);
    let (low, high) = costs
        .fold((f64::INFINITY, 0.0_f64), |(low, high), (_, cost)| (low.min(*cost), high.max(*cost)));
    (high > STEADY * low).then(|| {
        format!(
            "this machine was not steady: at rates like the one found an operation cost the \
             generator {low:.1} us at one time and {high:.1} us at another, so another search \
             may find a rate that differs as much"
        )
    })
}

impl Invocation<'_> {
    /// Searches for the highest rate that keeps the bound of `--find-max`.
    pub(super) fn find_max(
        &mut self,
        plan: &mut RunPlan,
        target: &mut Target,
    ) -> Result<(), Failure> {
        let Some(bound) = self.args.find_max.clone() else { return Ok(()) };
        let (length, warmup) = (plan.duration, plan.warmup);
        if self.args.warmup.is_none() {
            plan.warmup = warmup.min(length / 4);
        }
        let search = Search::new(bound.clone(), plan.rate, length);
        let mut way = Way {
            search,
            best: None,
            last: None,
            has_worked: false,
            too_high: None,
            silence: 0.0,
            costs: Vec::new(),
        };
        let watch = Watch::start();
        let mut failed = Ok(());
        while let Some(attempt) = way.search.next(watch.now().since(Time::ZERO)) {
            match self.attempt(attempt, length, plan, target, &mut way) {
                Ok(true) => {}
                Ok(false) => break,
                Err(failure) => {
                    failed = Err(failure);
                    break;
                }
            }
        }
        self.tell_way(&bound, way, failed.is_ok());
        failed
    }

    /// Tries one rate. False: no other would do better.
    fn attempt(
        &mut self,
        Attempt { rate, times }: Attempt,
        length: Duration,
        plan: &mut RunPlan,
        target: &mut Target,
        way: &mut Way,
    ) -> Result<bool, Failure> {
        let number = way.search.probes.len() + 1;
        let part = format!("probe {number} at {}/s", figure(rate));
        self.caption = Caption::of(plan.workload).with(part);
        (plan.rate, plan.duration) = (Some(rate), times * length);
        plan.remote = target.location().clone();
        if let Err(why) = check_budget(plan) {
            // A lower rate may fit.
            way.search.refuse();
            way.too_high = Some(format!("{rate:.0} a second were not tried: {why}"));
            return Ok(true);
        }
        let (report, measurement) = self.run_against(plan, target)?;
        let lost = lost_share(&report, &measurement);
        way.search.note(report.rate_per_s, &report.latency_us.unwrap_or_default(), lost);
        way.costs.push((rate, report.client.cpu_us_per_operation));
        let held = way.search.probes.last().is_some_and(|probe| probe.held);
        if !held {
            way.silence = way.silence.max(report.longest_silence_us);
        }
        if held && way.search.highest().is_none_or(|highest| highest <= rate) {
            way.best = Some(report.clone());
        }
        way.last = Some(report);
        let is_over = matches!(&measurement.abort, Some(abort) if abort.is_final());
        way.has_worked |= measurement.recorder.operations > 0;
        if is_over || !way.has_worked || self.is_interrupted() {
            return Ok(false);
        }
        // A rate that is too high is no failure of the search.
        self.verdict = None;
        Ok(true)
    }

    fn tell_way(&mut self, bound: &LatencyBound, mut way: Way, is_whole: bool) {
        let highest = way.search.highest();
        let reason = match way.search.outcome {
            Outcome::Found => disagreement(&way),
            Outcome::Unsure(why) | Outcome::Nothing(why) => Some(why.to_string()),
            Outcome::Open => Some("the search did not come to its end".into()),
        };
        if is_whole && self.verdict.is_none() {
            self.verdict = match (&way.last, &reason) {
                (None, _) => way.too_high.take().map(Failure::Failed),
                (_, Some(why)) if highest.is_none() => {
                    Some(Failure::NotGoodEnough(format!("no rate keeps {bound}: {why}")))
                }
                _ => None,
            };
        }
        let answer = if highest.is_some() { way.best.or(way.last) } else { way.last };
        let Some(mut report) = answer else { return };
        report.warnings.extend(way.too_high);
        report.warnings.extend(highest.and_then(|highest| unsteady(&way.costs, highest)));
        report.search = Some(SearchReport {
            bound: bound.to_string(),
            highest_rate_per_s: highest,
            lowest_broken_per_s: way.search.lowest_broken(),
            reason,
            probes: way.search.probes,
        });
        self.reports.push(report);
    }
}

/// The share of requests that were never answered; all, if the run did not come to its end.
#[allow(clippy::cast_precision_loss)] // a share
fn lost_share(report: &Report, measurement: &Measurement) -> f64 {
    let (done, lost) = (report.operations as f64, report.failures() as f64);
    match measurement.abort {
        None if lost > 0.0 => lost / (done + lost),
        None => 0.0,
        Some(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_whose_speed_changed_is_told_and_rates_far_apart_tell_nothing() {
        let steady = [(1000.0, 20.0), (100_000.0, 4.4), (95_000.0, 4.9), (109_000.0, 0.0)];
        assert_eq!(unsteady(&steady, 100_000.0), None);
        assert_eq!(unsteady(&[], 100_000.0), None);
        let told = unsteady(&[(100_000.0, 4.4), (95_000.0, 6.0)], 100_000.0).unwrap();
        assert!(told.contains("4.4 us at one time and 6.0 us at another"), "{told}");
    }
}
