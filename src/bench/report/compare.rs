//! Two results side by side: ratios, whether they exceed the noise, whether that is too much.

use std::fmt::Write;
use std::str::FromStr;

use super::{Report, SearchReport};
use crate::bench::figures::figure;
use crate::bench::measure::statistics::exceeds_noise;

/// By how much a figure may be worse, such as `p99=10%`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tolerance {
    figure: String,
    share: f64,
}

impl FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Tolerance, String> {
        let example = "write it like p99=10% or rate=5%";
        let (figure, percent) = text.split_once('=').ok_or(example)?;
        if !FIGURES.contains(&figure) {
            return Err(format!("{figure:?} is not compared: {}", FIGURES.join(", ")));
        }
        let percent = percent.strip_suffix('%').ok_or(example)?;
        let percent: f64 = percent.trim().parse().map_err(|_| example)?;
        if !(percent.is_finite() && percent >= 0.0) {
            return Err(example.into());
        }
        Ok(Tolerance { figure: figure.into(), share: percent / 100.0 })
    }
}

/// What is compared; of `rate` more is better, of all others less.
const FIGURES: [&str; 8] = ["rate", "mean", "p50", "p90", "p99", "p99.9", "max", "errors"];

/// What a comparison has found.
pub(crate) struct Comparison {
    /// For people.
    pub(crate) table: String,
    /// What is worse by more than is tolerated.
    pub(crate) excesses: Vec<String>,
}

/// One figure of both.
pub(super) struct ComparedFigure {
    pub(super) name: &'static str,
    pub(super) before: f64,
    pub(super) after: f64,
    /// Shares of the figures; `None`: not known.
    noise: Option<(f64, f64)>,
}

impl ComparedFigure {
    pub(super) fn ratio(&self) -> Option<f64> {
        (self.before > 0.0).then(|| self.after / self.before)
    }

    /// By which share it has become worse; negative: better.
    fn worse(&self) -> f64 {
        match (self.name, self.ratio()) {
            ("rate", Some(ratio)) => 1.0 - ratio,
            ("rate", None) => 0.0,
            (_, Some(ratio)) => ratio - 1.0,
            (_, None) if self.after > 0.0 => f64::INFINITY,
            _ => 0.0,
        }
    }

    pub(super) fn verdict(&self) -> &'static str {
        match (self.ratio(), self.noise) {
            (Some(ratio), Some((a, b))) if !exceeds_noise(ratio, a, b) => "within the noise",
            (Some(_), Some(_)) if self.worse() > 0.0 => "WORSE",
            (Some(_), Some(_)) => "better",
            (_, _) if self.before == self.after => "the same",
            _ => "noise not known",
        }
    }
}

/// Whether both answer the same question. What a search has found is its answer, so that its
/// rate is no part of the question.
pub(super) fn are_of_a_kind(a: &Report, b: &Report) -> bool {
    let question = |report: &Report| match report.search {
        Some(_) => (true, None),
        None => (false, report.asked_rate_per_s),
    };
    a.workload == b.workload && question(a) == question(b)
}

/// What a result is called where it stands alone.
pub(super) fn name(report: &Report) -> String {
    match (&report.search, report.asked_rate_per_s) {
        (Some(search), _) => format!("{}, the highest rate with {}", report.workload, search.bound),
        (None, Some(rate)) => format!("{} at {}/s", report.workload, figure(rate)),
        (None, None) => report.workload.clone(),
    }
}

/// Compares results that answer the same question, in the order of `before`.
///
/// # Errors
/// If nothing can be compared.
pub(crate) fn compare(
    before: &[Report],
    after: &[Report],
    tolerances: &[Tolerance],
) -> Result<Comparison, String> {
    let mut found = Comparison { table: String::new(), excesses: Vec::new() };
    let mut in_common = 0;
    for a in before {
        let Some(b) = after.iter().find(|b| are_of_a_kind(a, b)) else {
            let _ = writeln!(found.table, "{}: only in A", name(a));
            if !tolerances.is_empty() {
                found.excesses.push(format!("{}: not in B", name(a)));
            }
            continue;
        };
        in_common += 1;
        compare_two(a, b, tolerances, &mut found);
    }
    if in_common == 0 {
        let all = |reports: &[Report]| reports.iter().map(name).collect::<Vec<_>>().join(", ");
        let (a, b) = (all(before), all(after));
        return Err(format!("nothing is in both files: A has {a}; B has {b}"));
    }
    for b in after.iter().filter(|b| !before.iter().any(|a| are_of_a_kind(a, b))) {
        let _ = writeln!(found.table, "{}: only in B", name(b));
    }
    Ok(found)
}

fn compare_two(a: &Report, b: &Report, tolerances: &[Tolerance], found: &mut Comparison) {
    let out = &mut found.table;
    let _ = writeln!(out, "{}  A: {}  B: {}", a.workload, a.target, b.target);
    for (name, of_a, of_b) in differing(a, b) {
        let _ = writeln!(out, "  not the same: {name} {of_a} in A, {of_b} in B");
    }
    for (name, report) in [("A", a), ("B", b)] {
        if let Some(why) = &report.partial {
            let _ = writeln!(out, "  {name} is partial: {why}");
        }
    }
    if b.operations == 0 && !tolerances.is_empty() {
        found.excesses.push(format!("{}: B completed not one operation", a.workload));
    }
    let _ = writeln!(out, "  {:<8} {:>12} {:>12} {:>8}", "", "A", "B", "B/A");
    for row in rows(a, b) {
        let ratio = row.ratio().map_or("-".into(), |ratio| format!("{ratio:.3}"));
        let _ = writeln!(
            out,
            "  {:<8} {:>12} {:>12} {:>8}  {}",
            row.name,
            figure(row.before),
            figure(row.after),
            ratio,
            row.verdict()
        );
        for tolerance in tolerances.iter().filter(|tolerance| tolerance.figure == row.name) {
            if row.worse() > tolerance.share {
                found.excesses.push(format!(
                    "{} {}: {:.1} % worse, {:.1} % are allowed",
                    a.workload,
                    row.name,
                    100.0 * row.worse(),
                    100.0 * tolerance.share
                ));
            }
        }
    }
}

#[allow(clippy::cast_precision_loss)] // figures for people
pub(super) fn rows(a: &Report, b: &Report) -> Vec<ComparedFigure> {
    FIGURES
        .into_iter()
        .map(|name| {
            let latency = |report: &Report| report.latency_us.named(name).unwrap_or(0.0);
            let (before, after) = match name {
                "rate" => (rate(a), rate(b)),
                "errors" => (a.failures() as f64, b.failures() as f64),
                _ => (latency(a), latency(b)),
            };
            let noise = match name {
                "rate" => a.noise.rate.zip(b.noise.rate),
                "p50" => a.noise.p50.zip(b.noise.p50),
                "p99" => a.noise.p99.zip(b.noise.p99),
                _ => None,
            };
            ComparedFigure { name, before, after, noise }
        })
        .collect()
}

/// The rate that is compared: none, if no rate has kept the bound of a search.
fn rate(report: &Report) -> f64 {
    let is_in_vain = |search: &SearchReport| search.highest_rate_per_s.is_none();
    match report.search.as_ref().is_some_and(is_in_vain) {
        true => 0.0,
        false => report.rate_per_s,
    }
}

/// What was not asked for in the same way.
pub(super) fn differing(a: &Report, b: &Report) -> Vec<(&'static str, String, String)> {
    let told = |report: &Report| {
        [
            ("model", report.model.clone()),
            ("connections", report.connections.to_string()),
            ("size", report.size.to_string()),
            ("depth", report.depth.to_string()),
            ("threads", report.threads.to_string()),
            ("closing", report.closing.clone()),
            ("bound", report.search.as_ref().map_or("none".into(), |search| search.bound.clone())),
        ]
    };
    let pairs = told(a).into_iter().zip(told(b));
    pairs.filter(|(a, b)| a.1 != b.1).map(|(a, b)| (a.0, a.1, b.1)).collect()
}
