//! `cooee bench`: measures any server that speaks one of the services, honestly.
//!
//! The workloads are services that ask and time, on the same engine and loop as the server. What
//! is measured by whom: `exchange`, `visit`, `room`, `crowd` ask; `recorder` notes; `worker` is a
//! thread with a loop; `report` is the result, `report_table`, `report_json` and `report_html`
//! are its forms.

mod args;
mod budget;
mod compare;
mod core;
mod crowd;
mod exchange;
mod fault;
mod interruption;
mod latency;
mod payload;
mod plan;
mod plots;
mod progress;
mod recorder;
mod report;
mod report_html;
mod report_json;
mod report_table;
mod room;
mod schedule;
mod script;
mod search;
mod statistics;
mod target;
mod usage;
mod visit;
mod window;
mod worker;
mod workload;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use budget::Budget;
use compare::compare;
use interruption::Interruption;
use plan::Plan;
use report::{Noise, Repeats, Report, SearchReport, known};
use search::Search;
use statistics::Interval;
use target::Target;
use worker::Outcome;
use workload::Workload;

pub use args::{BenchArgs, BenchCommand, CompareArgs, EXAMPLES};
use core::Ending;

/// The rate is sure enough if its interval is no wider than this share to either side.
const CONVERGED: f64 = 0.05;
/// What `cooee bench` alone measures, each for a few seconds.
const STANDARD: [Workload; 9] = [
    Workload::TcpRr,
    Workload::TcpStream,
    Workload::TcpCrr,
    Workload::TcpCc,
    Workload::Greet,
    Workload::UdpRr,
    Workload::Months,
    Workload::Chat,
    Workload::Idle,
];

/// Why nothing came of it.
pub enum Failure {
    /// It was asked wrongly.
    Usage(String),
    /// It could not be done.
    Failed(String),
    /// It was measured, or compared, and is not good enough.
    NotGoodEnough(String),
    /// That signal came; what was measured until then has been told.
    Signal(i32),
}

/// Does what `args` ask for, and prints it.
///
/// # Errors
/// What went wrong, in one line.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    if let Some(BenchCommand::Compare(args)) = &args.command {
        return run_compare(args);
    }
    let mut session = Session::new(args).map_err(Failure::Failed)?;
    let measured = match args.workload {
        None => session.standard_set(),
        Some(workload) => session.measure(workload),
    };
    // What has been measured before something failed is not thrown away.
    if measured.is_ok() || !session.reports.is_empty() {
        session.publish().map_err(Failure::Failed)?;
    }
    if let Some(signal) = session.interrupted.signal() {
        return Err(Failure::Signal(signal));
    }
    measured?;
    session.verdict.map_or(Ok(()), Err)
}

/// One call of `cooee bench`.
struct Session<'a> {
    args: &'a BenchArgs,
    reports: Vec<Report>,
    /// A signal to end has come.
    interrupted: Interruption,
    /// The worst that has happened.
    verdict: Option<Failure>,
    is_set: bool,
}

impl Session<'_> {
    fn new(args: &BenchArgs) -> Result<Session<'_>, String> {
        let interrupted =
            Interruption::watch().map_err(|error| format!("watching for signals: {error}"))?;
        Ok(Session { args, reports: Vec::new(), interrupted, verdict: None, is_set: false })
    }

    /// All workloads in short, against servers of our own.
    fn standard_set(&mut self) -> Result<(), Failure> {
        self.is_set = true;
        // A flag that does not suit one of them is found before the first.
        for workload in STANDARD {
            self.args.plan(workload, true).map_err(Failure::Usage)?;
        }
        for workload in STANDARD {
            let mut plan = self.args.plan(workload, true).map_err(Failure::Usage)?;
            plan.warmup = plan.warmup.min(plan.duration / 4);
            let (report, _) = self.run_against(&mut plan, &self.target(workload)?)?;
            self.reports.push(report);
            if self.is_interrupted() {
                break;
            }
        }
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.signal().is_some()
    }

    fn target(&self, workload: Workload) -> Result<Target, Failure> {
        match &self.args.endpoint {
            Some(text) => Target::parse(workload, text, self.args.pid).map_err(Failure::Usage),
            None => Target::start(workload).map_err(Failure::Failed),
        }
    }

    fn measure(&mut self, workload: Workload) -> Result<(), Failure> {
        let is_search = self.args.find_max.is_some() || self.args.ramp.is_some();
        let mut plan = self.args.plan(workload, is_search).map_err(Failure::Usage)?;
        if is_search && workload == Workload::Idle {
            return Err(Failure::Usage("idle has no rate to search".into()));
        }
        let target = self.target(workload)?;
        if self.args.find_max.is_some() {
            self.find_max(&mut plan, &target)
        } else if self.args.ramp.is_some() {
            self.ramp(&mut plan, &target)
        } else {
            self.repeat(&mut plan, &target)
        }
    }

    /// Runs `plan` once; what it says and what it is made of.
    fn run_against(
        &mut self,
        plan: &mut Plan,
        target: &Target,
    ) -> Result<(Report, Outcome), Failure> {
        plan.remote = target.address;
        let budget = Budget::of_this_machine(target.address.ip());
        budget.check(plan).map_err(|what| Failure::Failed(format!("this run {what}")))?;
        let shared = Arc::new(plan.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let run = worker::start(&shared, target.pid, &stop);
        progress::follow(&run, plan, &self.interrupted.has_come, &stop);
        let outcome = run.join().map_err(Failure::Failed)?;
        self.judge(plan, target, &outcome);
        Ok((Report::of(plan, target, &outcome), outcome))
    }

    fn judge(&mut self, plan: &Plan, target: &Target, outcome: &Outcome) {
        let told = |what: &str| format!("{} {}: {what}", plan.workload.name(), target.url);
        let verdict = match &outcome.ending {
            Some(Ending::Wrong(what)) => Failure::NotGoodEnough(told(what)),
            Some(ending) => Failure::Failed(told(&report::in_words(ending))),
            None if outcome.recorder.operations == 0 => {
                Failure::Failed(told("not one operation was completed"))
            }
            None => return,
        };
        self.verdict.get_or_insert(verdict);
    }

    /// The plan once, or so many times.
    fn repeat(&mut self, plan: &mut Plan, target: &Target) -> Result<(), Failure> {
        let times = self.args.repeat.unwrap_or(1);
        let mut singles = Vec::new();
        let mut sum: Option<Outcome> = None;
        for _ in 0..times {
            let (report, outcome) = self.run_against(plan, target)?;
            singles.push(report);
            sum = Some(match sum {
                None => outcome,
                Some(sum) => sum.and(outcome),
            });
            if self.verdict.is_some() || self.is_interrupted() {
                break;
            }
        }
        let Some(sum) = sum else { return Ok(()) };
        let mut report = Report::of(plan, target, &sum);
        if singles.len() > 1 {
            report.timeline = singles.iter().flat_map(|single| single.timeline.clone()).collect();
            report.add_repeats(&singles);
        }
        self.reports.push(report);
        Ok(())
    }

    fn ramp(&mut self, plan: &mut Plan, target: &Target) -> Result<(), Failure> {
        let Some(ramp) = self.args.ramp else { return Ok(()) };
        for rate in ramp.rates(self.args.steps) {
            plan.rate = Some(rate);
            let (report, _) = self.run_against(plan, target)?;
            self.reports.push(report);
            if self.verdict.is_some() || self.is_interrupted() {
                break;
            }
        }
        Ok(())
    }

    fn find_max(&mut self, plan: &mut Plan, target: &Target) -> Result<(), Failure> {
        let Some(bound) = self.args.find_max.clone() else { return Ok(()) };
        let mut search = Search::new(bound.clone(), plan.rate);
        let mut best: Option<Report> = None;
        let mut last = None;
        while let Some(rate) = search.next() {
            plan.rate = Some(rate);
            let (report, outcome) = self.run_against(plan, target)?;
            search.note(report.rate_per_s, &report.latency_us, lost_share(&report, &outcome));
            let is_over = matches!(outcome.ending, Some(Ending::Wrong(_) | Ending::Failed(_)));
            if is_over || self.is_interrupted() {
                last = Some(report);
                break;
            }
            // That a rate is too high is no failure of the search.
            self.verdict = None;
            if search.highest() == Some(rate) {
                best = Some(report.clone());
            }
            last = Some(report);
        }
        if best.is_none() && self.verdict.is_none() {
            let what = format!("no rate keeps {bound}");
            self.verdict = Some(Failure::NotGoodEnough(what));
        }
        if let Some(mut report) = best.or(last) {
            report.search = Some(SearchReport {
                bound: bound.to_string(),
                highest_rate_per_s: search.highest(),
                probes: search.probes,
            });
            self.reports.push(report);
        }
        Ok(())
    }

    /// Prints and writes what was asked for.
    fn publish(&self) -> Result<(), String> {
        if let Some(path) = &self.args.html {
            write(path, &report_html::page(&self.reports))?;
        }
        if self.args.json_on_stdout() {
            return print(&report_json::write(&self.reports));
        }
        if let Some(path) = &self.args.json {
            write(path, &report_json::write(&self.reports))?;
        }
        print(&match self.reports.as_slice() {
            [only] if !self.is_set => report_table::whole(only),
            several => report_table::several(several),
        })
    }
}

/// The share of requests that were never answered; all, if the run did not come to its end.
#[allow(clippy::cast_precision_loss)] // a share
fn lost_share(report: &Report, outcome: &Outcome) -> f64 {
    let (done, lost) = (report.operations as f64, report.failures() as f64);
    match outcome.ending {
        None if lost > 0.0 => lost / (done + lost),
        None => 0.0,
        Some(_) => 1.0,
    }
}

impl Outcome {
    /// This run and another of the same plan.
    fn and(mut self, other: Outcome) -> Outcome {
        self.recorder.merge(&other.recorder);
        self.measured += other.measured;
        self.silence = self.silence.max(other.silence);
        for (mine, theirs) in self.threads.iter_mut().zip(other.threads) {
            mine.busy += theirs.busy;
            mine.starved += theirs.starved;
        }
        self.server = self.server.zip(other.server).map(|(mut mine, theirs)| {
            mine.busy += theirs.busy;
            mine.starved += theirs.starved;
            mine
        });
        self.ending = self.ending.or(other.ending);
        self
    }
}

impl Report {
    /// Says how sure the mean of `singles` is.
    fn add_repeats(&mut self, singles: &[Report]) {
        let all = |figure: fn(&Report) -> f64| singles.iter().map(figure).collect::<Vec<f64>>();
        let rates = all(|report| report.rate_per_s);
        let interval = Interval::of(&rates);
        let of = |figure| known(Interval::of(&all(figure)).relative());
        self.noise = Noise {
            from: "repeats".into(),
            rate: known(interval.relative()),
            p50: of(|report| report.latency_us.p50),
            p99: of(|report| report.latency_us.p99),
        };
        let converged = interval.relative() <= CONVERGED;
        if !converged {
            self.warnings.push(format!(
                "not converged: after {} runs the mean rate is known to +-{:.1} % only; \
                 more --repeat, a longer --duration or a quieter machine would help",
                singles.len(),
                100.0 * interval.relative()
            ));
        }
        self.repeats = Some(Repeats {
            rate_per_s: rates,
            p99_us: all(|report| report.latency_us.p99),
            rate_half_width: known(interval.half),
            converged,
        });
        let mut at = 0.0;
        for point in &mut self.timeline {
            point.at_s = at;
            at += self.slice_s;
        }
    }
}

fn run_compare(args: &CompareArgs) -> Result<(), Failure> {
    let read = |path: &Path| report_json::read(path).map_err(Failure::Failed);
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let found = compare(&before, &after, &args.fail_over).map_err(Failure::Failed)?;
    if let Some(path) = &args.html {
        let both: Vec<Report> = before.into_iter().chain(after).collect();
        write(path, &report_html::page(&both)).map_err(Failure::Failed)?;
    }
    print(&found.table).map_err(Failure::Failed)?;
    match found.excesses.is_empty() {
        true => Ok(()),
        false => Err(Failure::NotGoodEnough(found.excesses.join("; "))),
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes to standard output; a reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<(), String> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}
