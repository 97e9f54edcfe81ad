//! The plots, and the same figures as tables: TCP echo of several servers over connections, and
//! their latency at a load that is the same for all.

use std::fmt::Write;
use std::path::Path;

use crate::cells::{self, OPEN_CONNECTIONS, PLOT_BYTES};
use crate::drawing::{Axis, Line, Plot, Point, ones_twos_fives, steps};
use crate::table::{self, COST, RATE, grouped, median, micros};
use crate::visit::PERCENTILES;
use crate::{Outcome, Results};

/// What is said in the legend of a point at which the generator was the bottleneck.
const HOLLOW: [&str; 3] = ["the generator", "had no time left", "(bottleneck)"];

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
        let svg = plot.draw().map_err(|error| format!("{}: {error}", path.display()))?;
        std::fs::write(&path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let mut text = String::new();
    over_connections(&mut text, results, closed, "operations/s", |outcome, index| {
        let mark = if outcome.was_bound(index) { "\\*" } else { "" };
        outcome.of(index, RATE).map(|rate| grouped(rate) + mark)
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

fn lines(results: &Results, points: impl Fn(usize) -> Vec<Point>) -> Vec<Line> {
    let all = results.contenders.iter().enumerate();
    all.map(|(index, contender)| Line { name: contender.name.clone(), points: points(index) })
        .collect()
}

#[allow(clippy::cast_precision_loss)] // a picture
fn rates(results: &Results, closed: &[Outcome]) -> Plot {
    let connections = closed.iter().map(|outcome| outcome.cell.connections as f64);
    let point = |outcome: &Outcome, index| {
        let y = outcome.of(index, RATE)?;
        let x = outcome.cell.connections as f64;
        Some(Point { x, y, is_hollow: outcome.was_bound(index) })
    };
    let lines = lines(results, |index| closed.iter().filter_map(|one| point(one, index)).collect());
    let highest = lines.iter().flat_map(|line| &line.points).fold(0.0, |most, p| p.y.max(most));
    Plot {
        title: format!("TCP echo of {PLOT_BYTES} bytes on one core: rate over connections"),
        x: Axis::log("connections at once, one request in flight on each", connections, grouped),
        y: Axis::linear("operations per second", steps(highest), grouped),
        lines,
        hollow: HOLLOW,
    }
}

/// The percentile p stands at 1 / (1 - p), so that each nine has the same room.
fn latencies(results: &Results, open: &Outcome, rate: f64) -> Plot {
    let places = PERCENTILES.map(|(percent, _)| 100.0 / (100.0 - percent));
    let points = |index: usize| {
        let point = |rank: usize| {
            let y = open.of(index, |visit| visit.latency[rank])?;
            Some(Point { x: places[rank], y, is_hollow: open.was_bound(index) })
        };
        (0..PERCENTILES.len()).filter_map(point).collect()
    };
    let lines = lines(results, points);
    let all = || lines.iter().flat_map(|line| &line.points).map(|point| point.y);
    let ends = (all().fold(f64::INFINITY, f64::min), all().fold(1.0, f64::max));
    let title = format!(
        "TCP echo of {PLOT_BYTES} bytes on one core: latency at {} requests/s, {OPEN_CONNECTIONS} \
         connections",
        grouped(rate)
    );
    Plot {
        title,
        x: Axis::log("percentile of requests", places.into_iter(), percentile),
        y: Axis::log("latency in microseconds", ones_twos_fives(ends).into_iter(), grouped),
        lines,
        hollow: HOLLOW,
    }
}

/// `1 / (1 - p)` as the percentile that people know.
fn percentile(place: f64) -> String {
    let text = format!("{:.2}", 100.0 - 100.0 / place);
    text.trim_end_matches('0').trim_end_matches('.').into()
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
    head.extend(closed.iter().map(|outcome| grouped_count(outcome.cell.connections)));
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
        cells.push(open.of(index, RATE).map(grouped));
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
    Some(format!("{} ({}..{})", micros(middle), micros(least), micros(most)))
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

#[allow(clippy::cast_precision_loss)] // far below 2^53
fn grouped_count(count: usize) -> String {
    grouped(count as f64)
}
