//! Several runs of the same plan, one after the other or in turns with those of another server.

use super::invocation::Invocation;
use crate::bench::load::plan::RunPlan;
use crate::bench::load::target::Target;
use crate::bench::measure::measurement::Measurement;
use crate::bench::measure::statistics::significance::PAIRS_MIN;
use crate::bench::measure::statistics::verdict::Design;
use crate::bench::report::Report;
use crate::bench::report::compare::compare;
use crate::failure::Failure;

/// One plan against one server, and what its runs have found.
struct Series {
    plan: RunPlan,
    target: Target,
    singles: Vec<Report>,
    sum: Option<Measurement>,
}

impl Series {
    fn new(plan: RunPlan, target: Target) -> Series {
        Series { plan, target, singles: Vec::new(), sum: None }
    }

    fn add(&mut self, (report, measurement): (Report, Measurement)) {
        self.singles.push(report);
        self.sum = Some(match self.sum.take() {
            None => measurement,
            Some(sum) => sum.and(measurement),
        });
    }

    /// All runs as one result.
    fn into_report(self) -> Option<Report> {
        if self.singles.len() < 2 {
            return self.singles.into_iter().next();
        }
        let mut report = Report::of(&self.plan, &self.target, &self.sum?);
        report.timeline = self.singles.iter().flat_map(|run| run.timeline.clone()).collect();
        report.add_repeats(&self.singles);
        report.singles = self.singles;
        Some(report)
    }
}

impl Invocation<'_> {
    /// Runs the plan once, or as often as `--repeat` says.
    pub(super) fn repeat(&mut self, plan: RunPlan, target: Target) -> Result<(), Failure> {
        let (whole, times) = (self.caption.clone(), self.args.repeat.unwrap_or(1));
        let mut series = Series::new(plan, target);
        let mut failed = Ok(());
        while series.singles.len() < times && !self.is_over() {
            if times > 1 {
                let part = format!("repeat {} of {times}", series.singles.len() + 1);
                self.caption = whole.clone().with(part);
            }
            match self.run_afresh(&mut series) {
                Ok(run) => series.add(run),
                Err(failure) => {
                    failed = Err(failure);
                    break;
                }
            }
        }
        self.reports.extend(series.into_report());
        failed
    }

    /// Runs the plan against both servers in turns, so that whatever this machine does meanwhile is
    /// done to both, and compares them pair by pair.
    pub(super) fn versus(
        &mut self,
        mut plan: RunPlan,
        target: Target,
        rival: Target,
    ) -> Result<(), Failure> {
        // Only a server of this machine can be called from the addresses of its loopback.
        let rival_ip = rival.location().ip().map(|address| address.ip());
        let is_near = rival_ip.is_some_and(|ip| ip.is_loopback() && ip.is_ipv4());
        if self.args.sources().is_ok_and(|given| given.is_empty()) && !is_near {
            plan.sources.clear();
        }
        let pairs = self.args.repeat.unwrap_or(PAIRS_MIN);
        let pinning = plan.pinning.without_server();
        let other = RunPlan { pinning, own_greeting: false, ..plan.clone() };
        let mut both = [Series::new(plan, target), Series::new(other, rival)];
        let whole = self.caption.clone();
        let mut failed = Ok(());
        while both[0].singles.len() < pairs && !self.is_over() {
            let part = format!("pair {} of {pairs}", both[0].singles.len() + 1);
            self.caption = whole.clone().with(part);
            match self.run_pair(&mut both) {
                Ok(Some(runs)) => both.iter_mut().zip(runs).for_each(|(side, run)| side.add(run)),
                Ok(None) => break,
                Err(failure) => {
                    failed = Err(failure);
                    break;
                }
            }
        }
        let reports: Vec<Report> = both.into_iter().filter_map(Series::into_report).collect();
        if let [a, b] = reports.as_slice() {
            let (a, b) = (std::slice::from_ref(a), std::slice::from_ref(b));
            self.comparison = compare(a, b, Design::Pairs, &[]).ok();
        }
        self.reports.extend(reports);
        failed
    }

    /// `None`: a run of the pair has failed, so that there is none.
    fn run_pair(
        &mut self,
        [a, b]: &mut [Series; 2],
    ) -> Result<Option<[(Report, Measurement); 2]>, Failure> {
        let pair = self.caption.clone();
        self.caption = pair.clone().with("A".into());
        let first = self.run_afresh(a)?;
        if self.is_over() {
            return Ok(None);
        }
        self.caption = pair.with("B".into());
        let second = self.run_afresh(b)?;
        Ok((!self.is_over()).then_some([first, second]))
    }

    /// Runs once; against a fresh process, if the server is ours: what one process happened to get
    /// in memory must not pass for the server.
    fn run_afresh(&mut self, series: &mut Series) -> Result<(Report, Measurement), Failure> {
        if series.target.is_own() && !series.singles.is_empty() {
            series.target = self.start_own(&series.plan)?;
        }
        self.run_against(&mut series.plan, &mut series.target)
    }
}
