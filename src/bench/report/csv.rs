//! Results as CSV (RFC 4180, with the line ends of Unix): one table of rows that all have the same
//! columns, of two kinds. `result` is a class of operations in one repeat, or in all of them
//! together; `slice` is a slice of the timeline. What a row has no figure for is left empty. The
//! columns are described in `docs/formats.md`.

use std::fmt::Write;
use std::slice;

use super::classes;
use super::{Report, TimelinePoint};
use crate::bench::measure::latency::Latency;
use crate::services::text::visible;

/// Each has its unit in its name. New ones are added at the end.
const HEADER: [&str; 27] = [
    "kind",
    "run",
    "workload",
    "model",
    "target",
    "connections",
    "size_bytes",
    "depth",
    "threads",
    "asked_rate_per_s",
    "class",
    "repeat",
    "begin_s",
    "duration_s",
    "operations",
    "rate_per_s",
    "bytes_per_s",
    "errors",
    "min_us",
    "mean_us",
    "p50_us",
    "p90_us",
    "p99_us",
    "p99_9_us",
    "p99_99_us",
    "max_us",
    "label",
];

/// The text for so many results.
pub(super) fn write(reports: &[Report]) -> String {
    let mut out = String::new();
    line(&mut out, HEADER.map(String::from).as_slice());
    for (index, report) in reports.iter().enumerate() {
        let common = common(index + 1, report);
        let repeats = match report.singles.as_slice() {
            [] => slice::from_ref(report),
            several => several,
        };
        for (index, single) in repeats.iter().enumerate() {
            results(&mut out, &common, single, &(index + 1).to_string());
        }
        results(&mut out, &common, report, "all");
        for (index, single) in repeats.iter().enumerate() {
            for point in &single.timeline {
                let cells = of_slice(&(index + 1).to_string(), point, single.slice_s);
                row(&mut out, "slice", &common, &cells);
            }
        }
    }
    out
}

/// What all rows of a result have in common: its plan in front, its label at the end.
struct Common {
    plan: [String; 9],
    label: String,
}

fn common(run: usize, report: &Report) -> Common {
    let label = report.provenance.label.clone().unwrap_or_default();
    let plan = [
        run.to_string(),
        report.workload.clone(),
        report.model.clone(),
        report.target.clone(),
        report.connections.to_string(),
        report.size.to_string(),
        report.depth.to_string(),
        report.threads.to_string(),
        maybe(report.asked_rate_per_s),
    ];
    Common { plan, label }
}

/// A row for each class of one repeat, or of all.
fn results(out: &mut String, common: &Common, report: &Report, repeat: &str) {
    for class in classes::all(report) {
        let is_whole = class.key == "operation";
        let samples = class.latency.and_then(|latency| latency.samples);
        // What is no operation of its own has neither a rate nor errors.
        let whole = |figure: String| if is_whole { figure } else { String::new() };
        let count = match is_whole {
            true => report.operations.to_string(),
            false => samples.map_or(String::new(), |samples| samples.to_string()),
        };
        let mut cells = vec![
            class.key,
            repeat.into(),
            String::new(),
            number(report.duration_s),
            count,
            whole(number(report.rate_per_s)),
            whole(number(report.bytes_per_s)),
            whole(report.failures().to_string()),
        ];
        cells.extend(latency(class.latency));
        row(out, "result", common, &cells);
    }
}

/// As JSON has it: all percentiles, even those that few samples carry.
fn latency(latency: Option<Latency>) -> [String; 8] {
    let names = ["min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    names.map(|name| maybe(latency.and_then(|latency| latency.named(name))))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count again
fn of_slice(repeat: &str, point: &TimelinePoint, seconds: f64) -> Vec<String> {
    let none = String::new;
    vec![
        "operation".into(),
        repeat.into(),
        number(point.at_s),
        number(seconds),
        ((point.rate_per_s * seconds).round() as u64).to_string(),
        number(point.rate_per_s),
        none(),
        point.errors.to_string(),
        none(),
        none(),
        maybe(point.p50_us),
        none(),
        maybe(point.p99_us),
        none(),
        none(),
        none(),
    ]
}

fn row(out: &mut String, kind: &str, common: &Common, cells: &[String]) {
    let Common { plan, label } = common;
    debug_assert_eq!(1 + plan.len() + cells.len() + 1, HEADER.len());
    let cells: Vec<String> = [&kind.to_owned()]
        .into_iter()
        .chain(plan)
        .chain(cells)
        .chain([label])
        .map(|cell| quoted(cell))
        .collect();
    line(out, &cells);
}

fn line(out: &mut String, cells: &[String]) {
    let _ = writeln!(out, "{}", cells.join(","));
}

/// A number that every program reads: no commas, no exponent, to a thousandth.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

fn maybe(value: Option<f64>) -> String {
    value.map_or(String::new(), number)
}

/// A field, in quotes if it has to be. Control characters are made visible: a row is a line.
fn quoted(field: &str) -> String {
    let field = visible(field.as_bytes());
    match field.contains([',', '"', ' ']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::{extreme, nothing, timed};
    use super::*;
    use crate::bench::load::workload::Workload;

    /// The cells of a row without quotes.
    fn cells(line: &str) -> Vec<&str> {
        line.split(',').collect()
    }

    #[test]
    fn each_row_is_a_line_and_has_all_columns() {
        let mut several = timed(Workload::TcpRr, &[1, 2]);
        several.singles = vec![timed(Workload::TcpRr, &[1]), timed(Workload::TcpRr, &[2])];
        let text = write(&[several, timed(Workload::TcpCrr, &[7])]);
        assert!(text.lines().all(|line| cells(line).len() == HEADER.len()), "{text}");
        let results = text.lines().filter(|line| line.starts_with("result,"));
        let told: Vec<String> = results
            .map(|line| [cells(line)[1], cells(line)[10], cells(line)[11]].join(" "))
            .collect();
        assert_eq!(
            told,
            [
                "1 operation 1",
                "1 operation 2",
                "1 operation all",
                "2 operation 1",
                "2 operation all"
            ]
        );
        let first = cells(text.lines().nth(1).unwrap());
        assert!(first[18].starts_with("999."), "{first:?}");
        assert_eq!((first[20], first[25]), ("1000.447", "1000.447"), "{first:?}");
    }

    #[test]
    fn nothing_has_no_figures_and_slices_stand_in_the_same_columns() {
        let text = write(&[nothing()]);
        let row = text.lines().nth(1).unwrap();
        assert!(row.starts_with("result,1,tcp_rr,closed,echo+tcp://127.0.0.1:9,8,64,1,1,,"));
        assert!(row.ends_with("operation,1,,10,0,0,0,1234,,,,,,,,,"), "{row}");
        let mut report = timed(Workload::TcpRr, &[1]);
        report.timeline = extreme().timeline;
        report.slice_s = 0.5;
        report.timeline[0] = TimelinePoint { rate_per_s: 10.0, ..report.timeline[1] };
        let text = write(&[report]);
        let slices: Vec<&str> = text.lines().filter(|line| line.starts_with("slice")).collect();
        assert!(slices[0].ends_with(",operation,1,0.5,0.5,5,10,,0,,,,,,,,,"), "{}", slices[0]);
        assert_eq!(slices.len(), 2);
    }

    #[test]
    fn fields_are_quoted_where_they_have_to_be_and_numbers_are_plain() {
        assert_eq!(quoted("tcp_rr"), "tcp_rr");
        assert_eq!(quoted("a,\"b\"\nc"), "\"a,\"\"b\"\"\\nc\"");
        assert_eq!(number(1_234_567.5), "1234567.5");
        assert_eq!((number(1e18), number(0.0)), ("1000000000000000000".into(), "0".into()));
        assert_eq!((number(100.0), number(0.000_4)), ("100".into(), "0".into()));
    }
}
