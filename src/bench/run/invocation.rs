//! One call of `cooee bench`: one plan, the same several times, at rising rates, or in search of
//! the highest; or the standard set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::interruption::Interruption;
use super::live::{Caption, Live};
use super::search::Search;
use super::worker::Workers;
use crate::bench::args::BenchArgs;
use crate::bench::figures::figure;
use crate::bench::load::budget::Budget;
use crate::bench::load::plan::RunPlan;
use crate::bench::load::run_id::RunId;
use crate::bench::load::target::Target;
use crate::bench::load::workload::{STANDARD_SET, Workload};
use crate::bench::measure::abort::Abort;
use crate::bench::measure::latency::Latency;
use crate::bench::measure::measurement::Measurement;
use crate::bench::report::{Report, SearchReport};
use crate::failure::Failure;

/// One call of `cooee bench`.
pub(crate) struct Invocation<'a> {
    args: &'a BenchArgs,
    /// The server that the user has named.
    named: Option<Target>,
    reports: Vec<Report>,
    interrupted: Interruption,
    /// What is shown meanwhile, and what it is of.
    live: Live,
    caption: Caption,
    /// The worst that has happened.
    verdict: Option<Failure>,
}

impl Invocation<'_> {
    /// An invocation that ends in order when a signal comes.
    ///
    /// # Errors
    /// If signals cannot be watched for.
    pub(crate) fn new(args: &BenchArgs, named: Option<Target>) -> Result<Invocation<'_>, String> {
        let failed = |error| format!("watching for signals: {error}");
        let interrupted = Interruption::watch().map_err(failed)?;
        let live = Live::new(args.stat).map_err(failed)?;
        let caption = Caption::of(args.workload.unwrap_or(STANDARD_SET[0]));
        let (reports, verdict) = (Vec::new(), None);
        Ok(Invocation { args, named, reports, interrupted, live, caption, verdict })
    }

    /// Measures what was asked for.
    ///
    /// # Errors
    /// Why that could not be done, or what is wrong with what was measured.
    pub(crate) fn measure(&mut self) -> Result<(), Failure> {
        match self.args.workload {
            None => self.standard_set()?,
            Some(workload) => self.measure_one(workload)?,
        }
        self.verdict.take().map_or(Ok(()), Err)
    }

    /// What has been measured, and the signal that has ended it. From now on a signal ends the
    /// process.
    pub(crate) fn end(self) -> (Vec<Report>, Option<i32>) {
        let signal = self.interrupted.signal();
        self.interrupted.has_come.store(true, Ordering::Relaxed);
        (self.reports, signal)
    }

    /// All workloads in short, against servers of our own.
    fn standard_set(&mut self) -> Result<(), Failure> {
        let mut verdict = None;
        for (index, workload) in STANDARD_SET.into_iter().enumerate() {
            let part = format!("{} of {}", index + 1, STANDARD_SET.len());
            self.caption = Caption::of(workload).with(part);
            let mut plan = self.args.plan(workload, true).map_err(Failure::Usage)?;
            if self.args.warmup.is_none() {
                plan.warmup = plan.warmup.min(plan.duration / 4);
            }
            let done = Target::start(workload, &self.interrupted.has_come)
                .map_err(Failure::Failed)
                .and_then(|mut target| self.repeat(&mut plan, &mut target));
            // A failed workload does not keep the others from being measured.
            let failed = done.err().map(|failure| {
                Failure::Failed(format!("{}: {}", workload.name(), failure.into_words()))
            });
            verdict = verdict.or(failed).or(self.verdict.take());
            if self.is_interrupted() {
                break;
            }
        }
        self.verdict = verdict;
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.has_come.load(Ordering::Relaxed)
    }

    fn measure_one(&mut self, workload: Workload) -> Result<(), Failure> {
        let is_search = self.args.find_max.is_some() || self.args.ramp.is_some();
        let mut plan = self.args.plan(workload, is_search).map_err(Failure::Usage)?;
        let mut target = match self.named.take() {
            Some(target) => target,
            None => Target::start(workload, &self.interrupted.has_come).map_err(Failure::Failed)?,
        };
        if self.args.find_max.is_some() {
            self.find_max(&mut plan, &mut target)
        } else if self.args.ramp.is_some() {
            self.ramp(&mut plan, &mut target)
        } else {
            self.repeat(&mut plan, &mut target)
        }
    }

    /// Runs `plan` once, at the first address that answers; the report, and what it was made from.
    fn run_against(
        &mut self,
        plan: &mut RunPlan,
        target: &mut Target,
    ) -> Result<(Report, Measurement), Failure> {
        loop {
            plan.remote = target.address();
            plan.id = RunId::random();
            check_budget(plan).map_err(Failure::Failed)?;
            let measurement = self.run_once(plan, target)?;
            let has_failed = match &measurement.abort {
                Some(abort) => matches!(abort, Abort::Failed(_)),
                None => measurement.recorder.operations == 0,
            };
            if has_failed && !self.is_interrupted() && target.try_next() {
                continue;
            }
            if !has_failed {
                target.settle();
            }
            self.judge(plan, target, &measurement);
            return Ok((Report::of(plan, target, &measurement), measurement));
        }
    }

    fn run_once(&mut self, plan: &RunPlan, target: &Target) -> Result<Measurement, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let plan = Arc::new(plan.clone());
        let watching = self.live.begin(&self.caption, plan.threads, plan.duration);
        let workers = Workers::start(&plan, target.pid, &stop, watching.tick());
        let workers = workers.map_err(Failure::Failed)?;
        watching.follow(&workers.ticks, &self.interrupted.has_come, &stop);
        workers.join().map_err(Failure::Failed)
    }

    fn judge(&mut self, plan: &RunPlan, target: &Target, measurement: &Measurement) {
        let told = |what: &str| format!("{} {target}: {what}", plan.workload.name());
        let verdict = match &measurement.abort {
            Some(Abort::Wrong(what)) => Failure::NotGoodEnough(told(what)),
            Some(abort) => Failure::Failed(told(&abort.to_string())),
            None if measurement.recorder.operations == 0 => {
                let most = measurement.recorder.faults.most();
                let why = most.map_or(String::new(), |fault| format!(": {}", fault.words()));
                Failure::Failed(told(&format!("not one operation was completed{why}")))
            }
            None => return,
        };
        self.verdict.get_or_insert(verdict);
    }

    fn is_over(&self) -> bool {
        self.verdict.is_some() || self.is_interrupted()
    }

    /// Runs the plan once, or as often as `--repeat` says.
    fn repeat(&mut self, plan: &mut RunPlan, target: &mut Target) -> Result<(), Failure> {
        let times = self.args.repeat.unwrap_or(1);
        let whole = self.caption.clone();
        let mut singles = Vec::new();
        let mut sum: Option<Measurement> = None;
        let mut failed = Ok(());
        while singles.len() < times && !self.is_over() {
            if times > 1 {
                let part = format!("repeat {} of {times}", singles.len() + 1);
                self.caption = whole.clone().with(part);
            }
            match self.run_against(plan, target) {
                Ok((report, measurement)) => {
                    singles.push(report);
                    sum = Some(match sum {
                        None => measurement,
                        Some(sum) => sum.and(measurement),
                    });
                }
                Err(failure) => {
                    failed = Err(failure);
                    break;
                }
            }
        }
        let Some(sum) = sum else { return failed };
        let mut report = Report::of(plan, target, &sum);
        if singles.len() > 1 {
            report.timeline = singles.iter().flat_map(|single| single.timeline.clone()).collect();
            report.add_repeats(&singles);
        }
        self.reports.push(report);
        failed
    }

    fn ramp(&mut self, plan: &mut RunPlan, target: &mut Target) -> Result<(), Failure> {
        let Some(ramp) = self.args.ramp else { return Ok(()) };
        let (whole, steps) = (self.caption.clone(), self.args.steps());
        for (index, rate) in ramp.rates(steps).into_iter().enumerate() {
            let part = format!("step {} of {steps} at {}/s", index + 1, figure(rate));
            self.caption = whole.clone().with(part);
            plan.rate = Some(rate);
            let (report, _) = self.run_against(plan, target)?;
            self.reports.push(report);
            if self.is_over() {
                break;
            }
        }
        Ok(())
    }

    fn find_max(&mut self, plan: &mut RunPlan, target: &mut Target) -> Result<(), Failure> {
        let Some(bound) = self.args.find_max.clone() else { return Ok(()) };
        let mut search = Search::new(bound.clone(), plan.rate);
        let mut best: Option<Report> = None;
        let mut last = None;
        let mut failed = Ok(());
        let mut too_high = None;
        let whole = self.caption.clone();
        while let Some(rate) = search.next() {
            let part = format!("probe {} at {}/s", search.probes.len() + 1, figure(rate));
            self.caption = whole.clone().with(part);
            plan.rate = Some(rate);
            plan.remote = target.address();
            if let Err(why) = check_budget(plan) {
                // A lower rate may fit.
                search.note(0.0, &Latency::default(), 1.0);
                too_high = Some(format!("{rate:.0} a second were not tried: {why}"));
                continue;
            }
            let (report, measurement) = match self.run_against(plan, target) {
                Ok(probed) => probed,
                Err(failure) => {
                    failed = Err(failure);
                    break;
                }
            };
            search.note(report.rate_per_s, &report.latency_us, lost_share(&report, &measurement));
            let is_over = matches!(&measurement.abort, Some(abort) if abort.is_final());
            if search.highest() == Some(rate) {
                best = Some(report.clone());
            }
            last = Some(report);
            if is_over || self.is_interrupted() {
                break;
            }
            // A rate that is too high is no failure of the search.
            self.verdict = None;
        }
        if best.is_none() && self.verdict.is_none() && failed.is_ok() {
            let what = format!("no rate keeps {bound}");
            self.verdict = Some(Failure::NotGoodEnough(what));
        }
        if last.is_none() && failed.is_ok() {
            self.verdict = too_high.take().map(Failure::Failed);
        }
        if let Some(mut report) = best.or(last) {
            report.warnings.extend(too_high);
            report.search = Some(SearchReport {
                bound: bound.to_string(),
                highest_rate_per_s: search.highest(),
                probes: search.probes,
            });
            self.reports.push(report);
        }
        failed
    }
}

/// Whether this machine has what the plan needs.
fn check_budget(plan: &RunPlan) -> Result<(), String> {
    let budget = Budget::of_this_machine(plan.remote.ip());
    budget.check(plan).map_err(|what| format!("this run {what}"))
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
