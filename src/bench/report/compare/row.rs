//! One figure of two results, and what can be said about their difference.

use super::super::{Repeats, Report, SearchReport};
use crate::bench::measure::statistics::outliers::median;
use crate::bench::measure::statistics::verdict::{Design, Judgement, Sense, Verdict, judge};

/// What is compared.
pub(super) const FIGURES: [(&str, Sense); 8] = [
    ("rate", Sense::Rate),
    ("mean", Sense::Latency),
    ("p50", Sense::Latency),
    ("p90", Sense::Latency),
    ("p99", Sense::Latency),
    ("p99.9", Sense::Latency),
    ("max", Sense::Latency),
    ("errors", Sense::Errors),
];

/// One figure of both.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComparedRow {
    /// Such as `p99`.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) sense: Sense,
    /// Of A: the median of its runs, of errors the mean; of a single run its figure.
    pub(crate) before: f64,
    /// Of B, likewise.
    pub(crate) after: f64,
    /// B to A: estimated from all runs of both, or that of the two figures. `None`: A has none.
    pub(crate) ratio: Option<f64>,
    /// Where the true ratio lies with a confidence of 99 %; `None`: the runs do not tell.
    pub(crate) interval: Option<(f64, f64)>,
    /// What can be said.
    pub(crate) verdict: Verdict,
    /// How likely so great a difference is by chance; `None`: too few runs.
    pub(crate) p: Option<f64>,
}

impl ComparedRow {
    /// By which share it has become worse; negative: better.
    pub(crate) fn worse(&self) -> f64 {
        match (self.sense, self.ratio) {
            (Sense::Rate, Some(ratio)) => 1.0 - ratio,
            (Sense::Rate, None) => 0.0,
            (_, Some(ratio)) => ratio - 1.0,
            (_, None) if self.after > 0.0 => f64::INFINITY,
            _ => 0.0,
        }
    }

    /// The verdict in a few words.
    pub(crate) fn brief(&self) -> String {
        self.verdict.brief(self.sense)
    }

    /// The verdict with all that is to be said.
    pub(crate) fn words(&self) -> String {
        self.verdict.words(self.sense)
    }
}

/// All figures of `a` and `b`.
pub(super) fn rows(a: &Report, b: &Report, design: Design) -> Vec<ComparedRow> {
    FIGURES.into_iter().map(|figure| row(figure, a, b, design)).collect()
}

fn row(
    (name, sense): (&'static str, Sense),
    a: &Report,
    b: &Report,
    design: Design,
) -> ComparedRow {
    let (of_a, of_b) = (series(a, name), series(b, name));
    let (before, after) = (centre(sense, &of_a), centre(sense, &of_b));
    let Judgement { verdict, p, effect } = judge(sense, design, &of_a, &of_b);
    let simple = (before > 0.0).then(|| after / before);
    ComparedRow {
        name,
        sense,
        before,
        after,
        ratio: effect.map(|effect| effect.ratio).or(simple),
        interval: effect.and_then(|effect| effect.interval),
        verdict,
        p,
    }
}

/// A figure, run by run; just one, if the runs were not kept.
fn series(report: &Report, name: &str) -> Vec<f64> {
    let repeated = report.repeats.as_ref().map(|repeats| repeated(repeats, name));
    repeated.filter(|values| !values.is_empty()).unwrap_or_else(|| vec![single(report, name)])
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn repeated(repeats: &Repeats, name: &str) -> Vec<f64> {
    let kept = match name {
        "rate" => &repeats.rate_per_s,
        "mean" => &repeats.mean_us,
        "p50" => &repeats.p50_us,
        "p90" => &repeats.p90_us,
        "p99" => &repeats.p99_us,
        "p99.9" => &repeats.p99_9_us,
        "max" => &repeats.max_us,
        _ => return repeats.errors.iter().map(|count| *count as f64).collect(),
    };
    kept.clone()
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn single(report: &Report, name: &str) -> f64 {
    let is_in_vain = |search: &SearchReport| search.highest_rate_per_s.is_none();
    match name {
        // None, if no rate has kept the bound of a search.
        "rate" if report.search.as_ref().is_some_and(is_in_vain) => 0.0,
        "rate" => report.rate_per_s,
        "errors" => report.failures() as f64,
        _ => report.latency_us.and_then(|latency| latency.named(name)).unwrap_or(0.0),
    }
}

/// The median; of errors, which most runs have none of, the mean.
#[allow(clippy::cast_precision_loss)] // a few values
fn centre(sense: Sense, values: &[f64]) -> f64 {
    let count = values.len();
    if sense == Sense::Errors {
        return values.iter().sum::<f64>() / count.max(1) as f64;
    }
    median(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_centre_is_the_median_and_of_errors_the_mean() {
        assert_eq!(centre(Sense::Rate, &[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(centre(Sense::Latency, &[9.0, 1.0, 2.0, 4.0]), 3.0);
        assert_eq!(centre(Sense::Errors, &[0.0, 0.0, 6.0]), 2.0);
        assert_eq!(centre(Sense::Rate, &[]), 0.0);
    }
}
