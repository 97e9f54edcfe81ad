//! The plots of a page. Each is `None` if there is nothing that it could show.

use super::shown_run::ShownRun;
use crate::bench::figures::short;
use crate::bench::measure::bound::LatencyBound;
use crate::bench::measure::latency::Latency;
use crate::bench::report::plot::{
    Axis, Colour, Curve, Level, Plot, PlotPoint, log_steps, steps, steps_between,
};
use crate::bench::report::{Probe, TimelinePoint};

/// Latencies below are drawn as this: a logarithmic axis has no zero.
const MICROS_MIN: f64 = 0.1;
/// Latencies that differ by more than this factor are drawn on a logarithmic axis.
const FAR_APART: f64 = 20.0;
const LATENCY: &str = "latency, µs";
/// Of more runs, the uncorrected latencies are left to the table.
const WITH_UNCORRECTED_MAX: usize = 2;

/// The latency of each run over percentiles: 90 % stands at 10, 99 % at 100, and so on.
pub(super) fn percentiles(runs: &[ShownRun<'_>]) -> Option<Plot> {
    let mut curves = Vec::new();
    for run in runs.iter().filter(|run| run.has_worked()) {
        curves.push(of_histogram(run));
        let uncorrected = run.report.uncorrected_us.filter(|_| runs.len() <= WITH_UNCORRECTED_MAX);
        if let Some(latency) = uncorrected {
            let name = format!("{}, uncorrected", run.name);
            let curve = of_latency(name, run.colour, &latency, run.report.operations);
            curves.push(Curve { is_dashed: true, ..curve });
        }
    }
    over_percentiles("Latency over percentiles".into(), curves)
}

/// By its histogram; by the percentiles that are told, if that cannot be read.
fn of_histogram(run: &ShownRun<'_>) -> Curve {
    let mut points = Vec::new();
    if let Some(histogram) = run.report.histogram() {
        for value in histogram.iter_quantiles(8) {
            let quantile = value.quantile_iterated_to();
            if quantile >= 1.0 {
                break;
            }
            #[allow(clippy::cast_precision_loss)] // a picture
            let micros = value.value_iterated_to() as f64 / 1000.0;
            points.push((1.0 / (1.0 - quantile), micros.max(MICROS_MIN)));
        }
    }
    if points.is_empty() {
        let report = run.report;
        return of_latency(run.name.clone(), run.colour, &report.latencies(), report.operations);
    }
    Curve::through(run.name.clone(), run.colour, points)
}

/// As far as `operations` have percentiles: one in a thousand needs a thousand.
#[allow(clippy::cast_precision_loss)] // a picture
fn of_latency(name: String, colour: Colour, latency: &Latency, operations: u64) -> Curve {
    let points = [(2.0, latency.p50), (10.0, latency.p90), (100.0, latency.p99)];
    let tail = [(1000.0, latency.p99_9), (10_000.0, latency.p99_99)];
    let points = points.into_iter().chain(tail).filter(|(x, _)| *x <= operations.max(2) as f64);
    Curve::through(name, colour, points.map(|(x, y)| (x, y.max(MICROS_MIN))))
}

/// The parts of an operation, each in its colour.
pub(super) fn parts(run: &ShownRun<'_>, colour: impl Fn(&str) -> Colour) -> Option<Plot> {
    if !run.has_worked() {
        return None;
    }
    let curves = run.report.phases_us.iter().map(|(name, latency)| {
        of_latency(name.replace('_', " "), colour(name), latency, run.report.operations)
    });
    over_percentiles(run.name.clone(), curves.collect())
}

fn over_percentiles(title: String, curves: Vec<Curve>) -> Option<Plot> {
    let Extent { right, low, high, .. } = Extent::of(&curves)?;
    let right = right.max(100.0);
    Some(Plot {
        size: (0, 0),
        title,
        x: Axis::percentiles("percentile", log_steps(1.0, right)).until(right),
        y: Axis::log(LATENCY, log_steps(low, high), short),
        curves,
        levels: Vec::new(),
        hollow: "",
    })
}

/// The rate over time.
pub(super) fn rates(title: &str, runs: &[ShownRun<'_>]) -> Option<Plot> {
    let mut plot = over_time(title, runs, "a second", |point| point.rate_per_s)?;
    let is_alone = plot.curves.len() == 1 || runs.iter().any(|run| run.begins_s > 0.0);
    plot.curves.iter_mut().for_each(|curve| curve.is_shaded = is_alone);
    Some(plot)
}

/// The p99 over time; nothing where nothing was done.
pub(super) fn latencies(title: &str, runs: &[ShownRun<'_>]) -> Option<Plot> {
    let p99 = |point: &TimelinePoint| match point.rate_per_s > 0.0 {
        true => point.p99_us.map_or(f64::NAN, |p99| p99.max(MICROS_MIN)),
        false => f64::NAN,
    };
    let mut plot = over_time(title, runs, "p99, µs", p99)?;
    let Extent { low, high, .. } = Extent::of(&plot.curves)?;
    if high / low > FAR_APART {
        plot.y = Axis::log("p99, µs", log_steps(low, high), short);
    }
    Some(plot)
}

/// Runs on their common timeline: each begins where it says.
fn over_time(
    title: &str,
    runs: &[ShownRun<'_>],
    unit: &str,
    figure: impl Fn(&TimelinePoint) -> f64,
) -> Option<Plot> {
    let mut end = 0.0_f64;
    let mut curves = Vec::new();
    for run in runs.iter().filter(|run| run.has_timeline()) {
        let (timeline, slice) = (&run.report.timeline, run.report.slice_s);
        // A slice stands at its middle; the first and the last reach to the ends.
        let place = |point: &TimelinePoint| run.begins_s + point.at_s;
        let middle = |point: &TimelinePoint| (place(point) + slice / 2.0, figure(point));
        let first = timeline.first().map(|point| (place(point), figure(point)));
        let last = timeline.last().map(|point| (place(point) + slice, figure(point)));
        end = end.max(last.map_or(0.0, |last| last.0));
        let points = first.into_iter().chain(timeline.iter().map(middle)).chain(last);
        curves.push(Curve::through(run.name.clone(), run.colour, points));
    }
    let Extent { high, .. } = Extent::of(&curves)?;
    Some(Plot {
        size: (0, 0),
        title: title.into(),
        x: Axis::linear("seconds", steps(end), short).until(end),
        y: from_zero(unit, high),
        curves,
        levels: Vec::new(),
        hollow: "",
    })
}

/// Measurements at rates that rise, over the rate that was asked for: what was reached, and the
/// latency. Each measurement has a name and a colour; the points have those of their runs if there
/// is only one.
pub(super) fn ramps(ramps: &[(&str, Colour, Vec<ShownRun<'_>>)]) -> Option<[Plot; 2]> {
    let (mut rates, mut latencies) = (Vec::new(), Vec::new());
    let is_alone = ramps.len() == 1;
    for (name, colour, runs) in ramps {
        let named = |what: &str| if is_alone { what.into() } else { format!("{name}: {what}") };
        let curve = |what: &str, y: fn(&ShownRun<'_>) -> f64| {
            let points = runs.iter().filter(|run| run.has_worked()).map(|run| PlotPoint {
                colour: is_alone.then_some(run.colour),
                ..PlotPoint::at(asked(run), y(run))
            });
            Curve {
                points: points.collect(),
                circles: Some(tell_rate),
                ..line(named(what), *colour)
            }
        };
        rates.push(curve("reached", |run| run.report.rate_per_s));
        let p50 = curve("p50", |run| run.report.latencies().p50.max(MICROS_MIN));
        let p99 = curve("p99", |run| run.report.latencies().p99.max(MICROS_MIN));
        let circles = Some(tell_latency as fn(&PlotPoint) -> String);
        latencies.push(Curve { is_dashed: true, circles, ..p50 });
        latencies.push(Curve { circles, ..p99 });
    }
    let Extent { left, right, .. } = Extent::of(&rates)?;
    let asked = Curve::through("asked".into(), Colour::Ink, [(left, left), (right, right)]);
    rates.insert(0, Curve { is_dashed: true, ..asked });
    let Extent { low, high, .. } = Extent::of(&rates)?;
    let x = over_asked(left, right);
    let y = Axis::linear("reached a second", steps_between(low, high), short);
    let reached = plot("Rate reached over the rate asked for", x.clone(), y, rates);
    let Extent { low, high, .. } = Extent::of(&latencies)?;
    let latency = plot("Latency over the rate asked for", x, latency_axis(low, high), latencies);
    Some([reached, latency])
}

fn asked(run: &ShownRun<'_>) -> f64 {
    run.report.asked_rate_per_s.unwrap_or(0.0)
}

fn line(name: String, colour: Colour) -> Curve {
    Curve::through(name, colour, [])
}

fn tell_rate(point: &PlotPoint) -> String {
    format!("{} a second asked for, {} reached", short(point.x), short(point.y))
}

fn tell_latency(point: &PlotPoint) -> String {
    format!("{} µs at {} a second", short(point.y), short(point.x))
}

fn plot(title: &str, x: Axis, y: Axis, curves: Vec<Curve>) -> Plot {
    Plot { size: (0, 0), title: title.into(), x, y, curves, levels: Vec::new(), hollow: "" }
}

/// Rates that are far apart are drawn on a logarithmic axis.
fn over_asked(left: f64, right: f64) -> Axis {
    const NAME: &str = "asked a second";
    match left <= 0.0 || right / left < FAR_APART {
        true => Axis::linear(NAME, steps_between(left, right), short),
        false => Axis::log(NAME, log_steps(left, right), short),
    }
}

/// With some room above the highest.
fn from_zero(name: &str, high: f64) -> Axis {
    let marks = steps(high);
    let end = marks.last().map_or(high, |last| last.max(1.04 * high));
    Axis::linear(name, marks, short).until(end)
}

fn latency_axis(low: f64, high: f64) -> Axis {
    match high / low > FAR_APART {
        true => Axis::log(LATENCY, log_steps(low, high), short),
        false => from_zero(LATENCY, high),
    }
}

/// The ways to the highest rate: the latency that is bounded over the rate that was tried.
pub(super) fn searches(runs: &[ShownRun<'_>]) -> Option<Plot> {
    let (mut curves, mut levels) = (Vec::new(), Vec::<Level>::new());
    for run in runs {
        let Some(search) = &run.report.search else { continue };
        let mut probes: Vec<Probe> = search.probes.clone();
        probes.sort_by(|a, b| a.asked_rate_per_s.total_cmp(&b.asked_rate_per_s));
        let points = probes.iter().filter_map(|probe| {
            let bounded_us = probe.bounded_us.filter(|bounded| *bounded > 0.0)?;
            let point = PlotPoint::at(probe.asked_rate_per_s, bounded_us);
            Some(PlotPoint { is_hollow: !probe.held, ..point })
        });
        let curve = line(run.name.clone(), run.colour);
        curves.push(Curve { points: points.collect(), circles: Some(tell_latency), ..curve });
        let limit = search.bound.parse().map(|bound: LatencyBound| bound.limit);
        let name = format!("the bound: {}", search.bound);
        if let (Ok(y), false) = (limit, levels.iter().any(|level| level.name == name)) {
            levels.push(Level { name, y });
        }
    }
    let Extent { left, right, low, high } = Extent::of(&curves)?;
    let bounds = levels.iter().map(|level| level.y);
    let (low, high) = bounds.fold((low, high), |(low, high), y| (low.min(y), high.max(y)));
    let title = "Latency over the rates that were tried";
    let mut plot = plot(title, over_asked(left, right), latency_axis(low, high), curves);
    (plot.levels, plot.hollow) = (levels, "the bound, or the rate, was not kept");
    Some(plot)
}

/// How far curves reach.
struct Extent {
    left: f64,
    right: f64,
    low: f64,
    high: f64,
}

impl Extent {
    /// `None`: there are no points.
    fn of(curves: &[Curve]) -> Option<Extent> {
        let points = curves.iter().flat_map(|curve| &curve.points);
        let mut points = points.filter(|point| point.y.is_finite()).peekable();
        let first = *points.peek()?;
        let extent = Extent { left: first.x, right: first.x, low: first.y, high: first.y };
        Some(points.fold(extent, |extent, point| Extent {
            left: extent.left.min(point.x),
            right: extent.right.max(point.x),
            low: extent.low.min(point.y),
            high: extent.high.max(point.y),
        }))
    }
}
