//! One call of `cooee bench`: one plan, the same several times, at rising rates, or in search of
//! the highest; or the standard set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::interruption::Interruption;
use super::live::{Caption, Live};
use super::worker::Workers;
use crate::bench::args::BenchArgs;
use crate::bench::figures::figure;
use crate::bench::load::budget::Budget;
use crate::bench::load::placement::Pin;
use crate::bench::load::plan::RunPlan;
use crate::bench::load::run_id::RunId;
use crate::bench::load::target::Target;
use crate::bench::load::workload::{STANDARD_SET, Workload};
use crate::bench::measure::abort::Abort;
use crate::bench::measure::interference::Surroundings;
use crate::bench::measure::measurement::Measurement;
use crate::bench::report::compare::Comparison;
use crate::bench::report::{Report, StageReport};
use crate::failure::Failure;
use crate::reactor::wall;

/// Connections are opened so long before the warm-up of a run with `--start-at`.
const OPENING: Duration = Duration::from_secs(2);
/// Whoever waits longer wants to know what for.
const WORTH_SAYING: Duration = Duration::from_secs(3);
/// A signal is noticed within this time.
const LOOK: Duration = Duration::from_millis(50);

/// One call of `cooee bench`.
pub(crate) struct Invocation<'a> {
    pub(super) args: &'a BenchArgs,
    /// The server that the user has named.
    named: Option<Target>,
    /// The one of `--vs`.
    rival: Option<Target>,
    pub(super) comparison: Option<Comparison>,
    pub(super) reports: Vec<Report>,
    interrupted: Interruption,
    /// What is shown meanwhile, and what it is of.
    live: Live,
    pub(super) caption: Caption,
    /// The worst that has happened.
    pub(super) verdict: Option<Failure>,
}

impl Invocation<'_> {
    /// An invocation that ends in order when a signal comes.
    ///
    /// # Errors
    /// If signals cannot be watched for.
    pub(crate) fn new(
        args: &BenchArgs,
        named: Option<Target>,
        rival: Option<Target>,
    ) -> Result<Invocation<'_>, String> {
        let failed = |error| format!("watching for signals: {error}");
        let interrupted = Interruption::watch().map_err(failed)?;
        let live = Live::new(args.stat).map_err(failed)?;
        let caption = Caption::of(args.workload.unwrap_or(STANDARD_SET[0]));
        let (comparison, reports, verdict) = (None, Vec::new(), None);
        Ok(Invocation {
            args,
            named,
            rival,
            comparison,
            reports,
            interrupted,
            live,
            caption,
            verdict,
        })
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
    pub(crate) fn end(self) -> (Vec<Report>, Option<Comparison>, Option<i32>) {
        let signal = self.interrupted.signal();
        self.interrupted.has_come.store(true, Ordering::Relaxed);
        let mut reports = self.reports;
        for report in &mut reports {
            report.provenance.label.clone_from(&self.args.label);
        }
        (reports, self.comparison, signal)
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
            let done = self.start_own(&plan).and_then(|target| self.repeat(plan, target));
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

    /// A server of our own, for `plan`.
    pub(super) fn start_own(&self, plan: &RunPlan) -> Result<Target, Failure> {
        Target::start(plan, &self.interrupted.has_come).map_err(Failure::Failed)
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.has_come.load(Ordering::Relaxed)
    }

    fn measure_one(&mut self, workload: Workload) -> Result<(), Failure> {
        let is_search = self.args.find_max.is_some() || self.args.ramp.is_some();
        let mut plan = self.args.plan(workload, is_search).map_err(Failure::Usage)?;
        if self.rival.is_some() && self.args.pin == Pin::Auto {
            // A server that has a CPU of its own is no match for one that has not.
            plan.pinning = plan.pinning.without_server();
        }
        let mut target = match self.named.take() {
            Some(target) => target,
            None => self.start_own(&plan)?,
        };
        if let Some(rival) = self.rival.take() {
            self.versus(plan, target, rival)
        } else if self.args.find_max.is_some() {
            self.find_max(&mut plan, &mut target)
        } else if self.args.ramp.is_some() {
            self.ramp(&mut plan, &mut target)
        } else if self.args.profile.is_some() {
            self.profile(&mut plan, &mut target)
        } else {
            self.repeat(plan, target)
        }
    }

    /// Runs `plan` once, which has one stage; the report, and what it was made from.
    pub(super) fn run_against(
        &mut self,
        plan: &mut RunPlan,
        target: &mut Target,
    ) -> Result<(Report, Measurement), Failure> {
        let stage = self.run_stages(plan, target)?.pop();
        stage.ok_or_else(|| Failure::Failed("nothing was measured".into()))
    }

    /// Runs `plan` once, at the first address that answers: of each stage that has begun, the
    /// report, and what it was made from.
    fn run_stages(
        &mut self,
        plan: &mut RunPlan,
        target: &mut Target,
    ) -> Result<Vec<(Report, Measurement)>, Failure> {
        let stages = loop {
            plan.remote = target.location().clone();
            plan.through = target.through.clone();
            plan.id = RunId::random();
            check_budget(plan).map_err(Failure::Failed)?;
            let stages = self.run_once(plan, target)?;
            let has_worked = stages.iter().any(|stage| stage.recorder.operations > 0);
            let has_failed = match stages.iter().find_map(|stage| stage.abort.as_ref()) {
                Some(abort) => matches!(abort, Abort::Failed(_)),
                None => !has_worked,
            };
            if has_failed && !self.is_interrupted() && target.try_next() {
                continue;
            }
            if !has_failed {
                target.settle();
            }
            break stages;
        };
        let plans = stages.iter().enumerate().map(|(number, _)| plan.stage(number));
        let plans: Vec<RunPlan> = plans.collect();
        let mut reports = Vec::new();
        for (plan, measurement) in plans.iter().zip(stages) {
            self.judge(plan, target, &measurement);
            reports.push((Report::of(plan, target, &measurement), measurement));
        }
        number_stages(plan, &mut reports);
        Ok(reports)
    }

    fn run_once(&mut self, plan: &RunPlan, target: &Target) -> Result<Vec<Measurement>, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let plan = Arc::new(plan.clone());
        self.wait_for_start(&plan)?;
        let (surroundings, began) = (Surroundings::observe(), wall());
        let watching = self.live.begin(&self.caption, &plan);
        let workers = Workers::start(&plan, target.pid, &stop, watching.tick());
        let workers = workers.map_err(Failure::Failed)?;
        watching.follow(&workers.ticks, &self.interrupted.has_come, &stop);
        let mut stages = workers.join().map_err(Failure::Failed)?;
        let disturbed = surroundings.until_now(&target.processes());
        for stage in &mut stages {
            stage.began = began;
            stage.interference = disturbed.clone().and(std::mem::take(&mut stage.interference));
        }
        Ok(stages)
    }

    /// Waits until it is time to open connections for `--start-at`.
    fn wait_for_start(&self, plan: &RunPlan) -> Result<(), Failure> {
        let Some(start) = plan.start_at else { return Ok(()) };
        let begin = start.saturating_sub(plan.warmup);
        if begin <= wall() {
            let what =
                format!("--start-at has passed, or is nearer than --warmup {:?}", plan.warmup);
            return Err(Failure::Usage(what));
        }
        let left = begin.saturating_sub(wall()).saturating_sub(OPENING);
        if left >= WORTH_SAYING {
            self.live.tell(&format!("waiting {} s for --start-at", left.as_secs()));
        }
        while !self.is_interrupted() {
            match begin.saturating_sub(wall()).saturating_sub(OPENING) {
                Duration::ZERO => break,
                left => std::thread::sleep(left.min(LOOK)),
            }
        }
        Ok(())
    }

    fn judge(&mut self, plan: &RunPlan, target: &Target, measurement: &Measurement) {
        let told = |what: &str| format!("{} {target}: {what}", plan.workload.name());
        let verdict = match &measurement.abort {
            Some(Abort::Wrong(what)) => Failure::NotGoodEnough(told(what)),
            Some(abort) => Failure::Failed(told(&abort.to_string())),
            None if measurement.recorder.operations == 0 && asks_anything(plan) => {
                let most = measurement.recorder.faults.most();
                let why = most.map_or(String::new(), |fault| format!(": {}", fault.words()));
                Failure::Failed(told(&format!("not one operation was completed{why}")))
            }
            None => return,
        };
        self.verdict.get_or_insert(verdict);
    }

    pub(super) fn is_over(&self) -> bool {
        self.verdict.is_some() || self.is_interrupted()
    }

    /// Runs through the stages of the profile, over the same connections.
    fn profile(&mut self, plan: &mut RunPlan, target: &mut Target) -> Result<(), Failure> {
        self.caption = self.caption.clone().through(&plan.stages());
        let stages = self.run_stages(plan, target)?;
        self.reports.extend(stages.into_iter().map(|(report, _)| report));
        Ok(())
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
}

/// Says of the reports of a profile which stages they are of.
fn number_stages(plan: &RunPlan, reports: &mut [(Report, Measurement)]) {
    let mut begins = Duration::ZERO;
    for ((number, stage), (report, _)) in plan.profile.iter().enumerate().zip(reports) {
        let of = plan.profile.len();
        let begins_s = begins.as_secs_f64();
        report.stage = Some(StageReport { number: number + 1, of, begins_s });
        begins += stage.duration;
    }
}

/// Whether a request was due at all in the one stage of `plan`.
fn asks_anything(plan: &RunPlan) -> bool {
    plan.rate.is_none_or(|rate| rate * plan.duration.as_secs_f64() >= 1.0)
}

/// Whether this machine has what the plan needs.
pub(super) fn check_budget(plan: &RunPlan) -> Result<(), String> {
    let budget = Budget::of_this_machine(&plan.remote);
    budget.check(plan).map_err(|what| format!("this run {what}"))
}
