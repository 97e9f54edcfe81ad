//! The plots of a page: latency over percentiles, rate and latency over time, the parts of a
//! connection.

use super::plot::{Axis, Curve, Plot, log_steps, steps};
use super::{Report, TimelinePoint};
use crate::bench::figures::figure;

const WIDTH: u32 = 860;
const HEIGHT: u32 = 340;
/// The height of a plot over time.
const TIMELINE_HEIGHT: u32 = 250;
/// Latencies below are drawn as this: a logarithmic axis has no zero.
const MICROS_MIN: f64 = 0.1;

/// The latency of each report over percentiles: 90 % stands at 10, 99 % at 100, and so on.
pub(super) fn percentiles(reports: &[Report]) -> String {
    over_percentiles(reports.iter().filter_map(percentile_curve).collect())
}

fn percentile_curve(report: &Report) -> Option<Curve> {
    let histogram = report.histogram()?;
    let mut points = Vec::new();
    for value in histogram.iter_quantiles(8) {
        let quantile = value.quantile_iterated_to();
        if quantile >= 1.0 {
            break;
        }
        #[allow(clippy::cast_precision_loss)] // a picture
        let micros = value.value_iterated_to() as f64 / 1000.0;
        points.push((1.0 / (1.0 - quantile), micros.max(MICROS_MIN)));
    }
    (points.len() > 1).then(|| Curve::through(name(report), points))
}

/// What a report is called in a legend.
pub(super) fn name(report: &Report) -> String {
    match report.asked_rate_per_s {
        Some(rate) => format!("{} at {rate:.0}/s", report.workload),
        None => report.workload.clone(),
    }
}

/// Numbered, if several reports have the same name.
pub(super) fn numbered(reports: &[Report]) -> Vec<Report> {
    let mut numbered = reports.to_vec();
    for (index, report) in numbered.iter_mut().enumerate() {
        let same = reports.iter().filter(|other| name(other) == name(report)).count();
        if same > 1 {
            report.workload = format!("{} ({})", report.workload, index + 1);
        }
    }
    numbered
}

/// The rate over time.
pub(super) fn rates(reports: &[Report]) -> String {
    over_time(reports, "a second", |point| Some(point.rate_per_s))
}

/// The p99 over time.
pub(super) fn latencies(reports: &[Report]) -> String {
    over_time(reports, "p99 in us", |point| point.p99_us)
}

/// The parts of an operation: their percentiles.
pub(super) fn phases(report: &Report) -> String {
    let curves = report.phases_us.iter().map(|(name, latency)| {
        let points = [(2.0, latency.p50), (10.0, latency.p90), (100.0, latency.p99)];
        let tail = [(1000.0, latency.p99_9), (10_000.0, latency.p99_99)];
        let points = points.into_iter().chain(tail).map(|(x, y)| (x, y.max(MICROS_MIN)));
        Curve::through(name.replace('_', " "), points)
    });
    over_percentiles(curves.collect())
}

fn over_percentiles(curves: Vec<Curve>) -> String {
    let Some(Extent { right, low, high }) = Extent::of(&curves) else { return no_plot(NOTHING) };
    let right = right.max(100.0);
    draw(&Plot {
        size: (WIDTH, HEIGHT),
        title: String::new(),
        x: Axis::percentiles("percentile", log_steps(1.0, right)).until(right),
        y: Axis::log("microseconds", log_steps(low, high), plain),
        curves,
        has_legend: true,
        hollow: None,
    })
}

/// What is drawn of a slice; `None`: nothing ended in it.
type TimelineFigure = fn(&TimelinePoint) -> Option<f64>;

/// Its curves have the colours that the plot of percentiles has a legend for.
fn over_time(reports: &[Report], unit: &'static str, figure: TimelineFigure) -> String {
    let curve = |report: &Report| {
        let points = report.timeline.iter().filter_map(|point| Some((point.at_s, figure(point)?)));
        Curve::through(name(report), points)
    };
    let curves: Vec<Curve> = reports.iter().map(curve).collect();
    let Some(Extent { right, high, .. }) = Extent::of(&curves) else { return no_plot(NOTHING) };
    let right = right.max(0.1);
    draw(&Plot {
        size: (WIDTH, TIMELINE_HEIGHT),
        title: String::new(),
        x: Axis::linear("seconds", steps(right), plain).until(right),
        y: Axis::linear(unit, steps(high.max(1.0)), plain),
        curves,
        has_legend: false,
        hollow: None,
    })
}

const NOTHING: &str = "nothing was measured";

/// A plot that cannot be drawn is replaced by a word, never by nothing.
fn draw(plot: &Plot) -> String {
    plot.draw().unwrap_or_else(|error| no_plot(&error))
}

fn no_plot(why: &str) -> String {
    format!("<p>no plot: {why}</p>")
}

/// How far curves reach.
struct Extent {
    right: f64,
    low: f64,
    high: f64,
}

impl Extent {
    /// `None`: there are no points.
    fn of(curves: &[Curve]) -> Option<Extent> {
        let points = curves.iter().flat_map(|curve| &curve.points);
        points.fold(None, |extent, point| {
            let Extent { right, low, high } =
                extent.unwrap_or(Extent { right: point.x, low: point.y, high: point.y });
            let (right, low) = (right.max(point.x), low.min(point.y));
            Some(Extent { right, low, high: high.max(point.y) })
        })
    }
}

fn plain(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        value if value < 1.0 => format!("{value:.1}"),
        value if value < 10.0 && value.fract() > 0.001 => format!("{value:.1}"),
        value => figure(value).trim_end_matches(".0").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_shows_no_more_decimals_than_it_has_to() {
        assert_eq!([0.0, 0.1, 1.0, 10.0, 100_000.0].map(plain), ["0", "0.1", "1", "10", "100,000"]);
    }
}
