//! A result as a page shows it: with a name, a colour, and a place on the common timeline.

use crate::bench::report::Report;
use crate::bench::report::plot::Colour;
use crate::bench::report::words::names;

/// A result on a page. Its name and its colour are the same wherever it is shown.
#[derive(Clone)]
pub(super) struct ShownRun<'a> {
    pub(super) report: &'a Report,
    pub(super) name: String,
    pub(super) colour: Colour,
    /// When it began, in seconds on a timeline that it shares with others.
    pub(super) begins_s: f64,
}

impl<'a> ShownRun<'a> {
    pub(super) fn new(report: &'a Report, name: &str, number: usize) -> ShownRun<'a> {
        ShownRun { report, name: name.into(), colour: Colour::Numbered(number), begins_s: 0.0 }
    }

    /// Whether there is anything to show of it but errors.
    pub(super) fn has_worked(&self) -> bool {
        self.report.operations > 0
    }

    /// Whether anything was done again and again: connections that do nothing are made once.
    pub(super) fn has_timeline(&self) -> bool {
        self.has_worked() && self.report.workload != "idle" && !self.report.timeline.is_empty()
    }
}

/// The runs of a page.
pub(super) fn runs<'a>(reports: &[&'a Report]) -> Vec<ShownRun<'a>> {
    let mut runs: Vec<ShownRun<'_>> = Vec::new();
    for (number, (report, name)) in reports.iter().zip(names(reports)).enumerate() {
        runs.push(ShownRun::new(report, &name, number));
    }
    match reports.iter().map(|report| report.stage).collect::<Option<Vec<_>>>() {
        Some(stages) => {
            let begins = stages.iter().map(|stage| stage.begins_s);
            runs.iter_mut().zip(begins).for_each(|(run, begins_s)| run.begins_s = begins_s);
        }
        None if is_ramp(reports) => one_after_the_other(&mut runs),
        None => {}
    }
    runs
}

/// Whether these are one measurement at rates that rise.
pub(super) fn is_ramp(reports: &[&Report]) -> bool {
    let is_step = |report: &&Report| report.asked_rate_per_s.is_some() && report.search.is_none();
    let rises = |pair: &[&Report]| {
        let plan = |report: &Report| {
            (report.workload.clone(), report.connections, report.size, report.depth)
        };
        pair[0].asked_rate_per_s < pair[1].asked_rate_per_s && plan(pair[0]) == plan(pair[1])
    };
    reports.len() > 1 && reports.iter().all(is_step) && reports.windows(2).all(rises)
}

/// Puts runs on one timeline, as if nothing had been between them.
fn one_after_the_other(runs: &mut [ShownRun<'_>]) {
    let mut end = 0.0;
    for run in runs {
        run.begins_s = end;
        let last = run.report.timeline.last().map_or(0.0, |point| point.at_s);
        end += (last + run.report.slice_s).max(run.report.duration_s);
    }
}
