//! The plots, and the same figures as tables: TCP echo of several servers over connections, and
//! their latency at a load that is the same for all.

use std::fmt::Write;
use std::path::Path;

use cooee::bench::figures::{figure, grouped, whole};
use cooee::bench::plot::{Axis, Colour, Curve, Plot, PlotPoint, log_steps, steps};

use crate::cells::{self, OPEN_CONNECTIONS, PLOT_BYTES};
use crate::ratios::median;
use crate::servers::Contender;
use crate::table::{self, COST, RATE};
use crate::visit::PERCENTILES;
use crate::{Outcome, Results};

const SIZE: (u32, u32) = (900, 440);
/// What a hollow point means.
const HOLLOW: &str = "the generator had no time left";

/// Measures, writes the plots to `folder`, and prints the tables.
pub(crate) fn make(results: &mut Results, rate: f64, folder: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    for cell in cells::over_connections() {
        results.measure(cell, true);
    }
    results.measure(cells::open_loop(rate), true);
    let results = &*results;
    let Some((open, closed)) = results.outcomes.split_last() else {
        return Err("nothing was measured".into());
    };
    for (name, plot) in [
        ("rate-over-connections.svg", rates(results, closed)),
        ("latency-percentiles.svg", latencies(results, open, rate)),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, plot.draw())
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let mut text = String::new();
    over_connections(&mut text, results, closed, "operations/s", |outcome, index| {
        let mark = if outcome.was_bound(index) { "\\*" } else { "" };
        outcome.of(index, RATE).map(|rate| whole(rate) + mark)
    });
    over_connections(&mut text, results, closed, "server CPU us/operation", |outcome, index| {
        outcome.of(index, COST).map(|cost| format!("{cost:.2}"))
    });
    over_percentiles(&mut text, results, open);
    table::foot(&mut text, results);
    text.push_str("- \\*: the generator had no time left in most visits; hollow in the plot.\n");
    print!("{text}");
    Ok(())
}

impl Outcome {
    /// The median of contender `index`; `None`: it could not be measured.
    fn of(&self, index: usize, figure: impl Fn(&crate::Visit) -> f64) -> Option<f64> {
        let all: Vec<f64> = self.visits[index].iter().map(figure).collect();
        (!all.is_empty()).then(|| median(all))
    }

    /// Whether the generator had no time left in most visits.
    fn was_bound(&self, index: usize) -> bool {
        let visits = &self.visits[index];
        2 * visits.iter().filter(|visit| visit.was_bottleneck).count() > visits.len()
    }
}

fn curves(results: &Results, points: impl Fn(usize) -> Vec<PlotPoint>) -> Vec<Curve> {
    let all = results.contenders.iter().enumerate();
    let curve = |(index, contender): (usize, &Contender)| Curve {
        points: points(index),
        circles: Some(|point| figure(point.y)),
        ..Curve::through(contender.name.clone(), Colour::Numbered(index), [])
    };
    all.map(curve).collect()
}

#[allow(clippy::cast_precision_loss)] // a picture
fn rates(results: &Results, closed: &[Outcome]) -> Plot {
    let connections = closed.iter().map(|outcome| outcome.cell.connections as f64).collect();
    let point = |outcome: &Outcome, index| {
        let y = outcome.of(index, RATE)?;
        let x = outcome.cell.connections as f64;
        Some(PlotPoint { is_hollow: outcome.was_bound(index), ..PlotPoint::at(x, y) })
    };
    let curves =
        curves(results, |index| closed.iter().filter_map(|one| point(one, index)).collect());
    let highest = curves.iter().flat_map(|curve| &curve.points).fold(0.0, |most, p| p.y.max(most));
    let x = "connections at once, one request in flight on each";
    Plot {
        size: SIZE,
        title: format!("TCP echo of {PLOT_BYTES} bytes on one core: rate over connections"),
        x: Axis::log(x, connections, whole),
        y: Axis::linear("operations per second", steps(highest), whole),
        curves,
        levels: Vec::new(),
        hollow: HOLLOW,
    }
}

/// The percentile p stands at 1 / (1 - p), so that each nine has the same room.
fn latencies(results: &Results, open: &Outcome, rate: f64) -> Plot {
    let places = PERCENTILES.map(|(percent, _)| 100.0 / (100.0 - percent));
    let points = |index: usize| {
        let point = |rank: usize| {
            let y = open.of(index, |visit| visit.latency[rank])?;
            let is_hollow = open.was_bound(index);
            Some(PlotPoint { is_hollow, ..PlotPoint::at(places[rank], y) })
        };
        (0..PERCENTILES.len()).filter_map(point).collect()
    };
    let curves = curves(results, points);
    let all = || curves.iter().flat_map(|curve| &curve.points).map(|point| point.y);
    let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(1.0, f64::max));
    let title = format!(
        "TCP echo of {PLOT_BYTES} bytes on one core: latency at {} requests/s, {OPEN_CONNECTIONS} \
         connections",
        whole(rate)
    );
    Plot {
        size: SIZE,
        title,
        x: Axis::percentiles("percentile of requests", places.into()),
        y: Axis::log("latency in microseconds", log_steps(least, most), whole),
        curves,
        levels: Vec::new(),
        hollow: HOLLOW,
    }
}

/// A row for each contender, a column for each number of connections.
fn over_connections(
    text: &mut String,
    results: &Results,
    closed: &[Outcome],
    what: &str,
    tell: impl Fn(&Outcome, usize) -> Option<String>,
) {
    let mut head = vec![format!("{what}, connections:")];
    head.extend(closed.iter().map(|outcome| grouped(outcome.cell.connections as u64)));
    let told = |outcome, index| tell(outcome, index).unwrap_or("-".into());
    rows(text, results, &head, |index| closed.iter().map(|one| told(one, index)).collect());
}

fn over_percentiles(text: &mut String, results: &Results, open: &Outcome) {
    let mut head = vec![format!("us, {}", open.cell.name)];
    head.extend(PERCENTILES.map(|(percent, _)| format!("p{percent}")));
    head.extend(["rate kept".into(), "server CPU us/operation".into()]);
    let row = |index| {
        let ranks = 0..PERCENTILES.len();
        let mut cells: Vec<Option<String>> =
            ranks.map(|rank| with_ends(open, index, rank)).collect();
        cells.push(open.of(index, RATE).map(whole));
        cells.push(open.of(index, COST).map(|cost| format!("{cost:.2}")));
        cells.into_iter().map(|cell| cell.unwrap_or("-".into())).collect()
    };
    rows(text, results, &head, row);
}

/// The median of a percentile, and the least and the greatest of the rounds.
fn with_ends(open: &Outcome, index: usize, rank: usize) -> Option<String> {
    let middle = open.of(index, |visit| visit.latency[rank])?;
    let all = || open.visits[index].iter().map(|visit| visit.latency[rank]);
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    Some(format!("{} ({}..{})", figure(middle), figure(least), figure(most)))
}

fn rows(text: &mut String, results: &Results, head: &[String], row: impl Fn(usize) -> Vec<String>) {
    table::line(text, head);
    let rule = |index| if index == 0 { "---" } else { "---:" }.to_string();
    table::line(text, &(0..head.len()).map(rule).collect::<Vec<_>>());
    for (index, contender) in results.contenders.iter().enumerate() {
        let mut cells = vec![contender.name.clone()];
        cells.extend(row(index));
        table::line(text, &cells);
    }
    let _ = writeln!(text);
}
