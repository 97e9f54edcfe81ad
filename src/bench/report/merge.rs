//! Results of several generators that have worked at the same time, as one.
//!
//! Histograms are added, never percentiles averaged. A rate is only one while all of them were at
//! work: it is that of the window which they have in common.

use std::ops::Range;

use super::{ClientUsage, DatagramCounts, Noise, Report, TimelinePoint, encode};
use crate::bench::measure::latency::Latency;
use crate::bench::measure::recorder::add;

/// A common window that is a smaller share of the shortest one says too little about the rate.
const COMMON_MIN: f64 = 0.5;

/// A timeline that tells of a smaller share of the common window says too little about it.
const COVERED_MIN: f64 = 0.5;

/// Adds up the results of several generators; each with the name that it is called by.
///
/// # Errors
/// Why they are not of one measurement, in one line.
pub(crate) fn merge(results: &[(String, Report)]) -> Result<Report, String> {
    let [(name, first), others @ ..] = results else { return Err("nothing to merge".into()) };
    for result in results {
        check_single(result)?;
    }
    for (other, report) in others {
        if let Some((what, a, b)) = difference(first, report) {
            return Err(format!("{name} and {other} are not of one plan: {what} {a} and {b}"));
        }
    }
    if let Some((a, b)) = same(results) {
        return Err(format!("{a} and {b} are the same result: name each once"));
    }
    let common = common_window(results)?;
    for (name, report) in results {
        if covered(report, &common) < COVERED_MIN * (common.end - common.start) {
            return Err(format!(
                "{name} cannot be merged: it was too short for a timeline, which tells the rate of \
                 the time when all were at work"
            ));
        }
    }
    let reports: Vec<&Report> = results.iter().map(|(_, report)| report).collect();
    sum(&reports, &common)
}

/// Two that would be counted twice: of one generator, and begun at the same moment.
fn same(results: &[(String, Report)]) -> Option<(&String, &String)> {
    let key = |report: &Report| (report.measured_from_s, report.operations, report.hdr_v2.clone());
    let pairs = results
        .iter()
        .enumerate()
        .flat_map(|(index, a)| results[index + 1..].iter().map(move |b| (a, b)));
    pairs.into_iter().find(|(a, b)| key(&a.1) == key(&b.1)).map(|(a, b)| (&a.0, &b.0))
}

fn check_single((name, report): &(String, Report)) -> Result<(), String> {
    let why = if report.repeats.is_some() || report.search.is_some() {
        "it is made of several runs"
    } else if report.partial.is_some() {
        "it is partial"
    } else if report.measured_from_s.is_none() {
        "it does not say when it was measured: its cooee is too old"
    } else if report.workload == "idle" {
        "idle connections have no rate"
    } else {
        return Ok(());
    };
    Err(format!("{name} cannot be merged: {why}"))
}

/// What was not planned alike. Servers, names and places may differ.
fn difference(a: &Report, b: &Report) -> Option<(&'static str, String, String)> {
    let plan = |report: &Report| {
        [
            ("workload", report.workload.clone()),
            ("model", report.model.clone()),
            ("connections", report.connections.to_string()),
            ("size", report.size.to_string()),
            ("depth", report.depth.to_string()),
            // Windows end a little after their time.
            ("duration", format!("{:.1}", report.duration_s)),
        ]
    };
    let both = plan(a).into_iter().zip(plan(b));
    both.map(|(a, b)| (a.0, a.1, b.1)).find(|(_, a, b)| a != b)
}

fn window(report: &Report) -> Range<f64> {
    let from = report.measured_from_s.unwrap_or(0.0);
    from..from + report.duration_s
}

/// The time in which all were measuring, in seconds since 1970.
fn common_window(results: &[(String, Report)]) -> Result<Range<f64>, String> {
    let last = |(a, b): (usize, f64), (index, begin): (usize, f64)| {
        if begin > b { (index, begin) } else { (a, b) }
    };
    let begins = results.iter().map(|(_, report)| window(report).start).enumerate();
    let (latest, start) = begins.fold((0, f64::MIN), last);
    let ends = results.iter().map(|(_, report)| -window(report).end).enumerate();
    let (earliest, end) = ends.fold((0, f64::MIN), last);
    let shortest = results.iter().map(|(_, report)| report.duration_s).fold(f64::MAX, f64::min);
    let common = -end - start;
    if common < COMMON_MIN * shortest {
        let (first, second) = (&results[earliest].0, &results[latest].0);
        return Err(match common > 0.0 {
            true => format!(
                "{first} and {second} were measured together for {common:.1} s only, of \
                 {shortest:.1}: start all with the same --start-at"
            ),
            false => format!(
                "{second} began {:.1} s after {first} had ended: start all with the same \
                 --start-at",
                -common
            ),
        });
    }
    Ok(start..-end)
}

/// How much of a slice of `report` lies in a window.
fn part(report: &Report, point: &TimelinePoint, common: &Range<f64>) -> f64 {
    let begin = report.measured_from_s.unwrap_or(0.0) + point.at_s;
    ((begin + report.slice_s).min(common.end) - begin.max(common.start)).max(0.0)
}

/// Of how much of a window the timeline of `report` tells: it has whole slices only.
fn covered(report: &Report, common: &Range<f64>) -> f64 {
    report.timeline.iter().map(|point| part(report, point, common)).sum()
}

/// Operations of `report` in a window, from the slices of its timeline; of a slice that lies partly
/// in it, as large a part.
fn operations_within(report: &Report, common: &Range<f64>) -> f64 {
    report.timeline.iter().map(|point| part(report, point, common) * point.rate_per_s).sum()
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn sum(reports: &[&Report], common: &Range<f64>) -> Result<Report, String> {
    let [first, others @ ..] = reports else { return Err("nothing to merge".into()) };
    let mut merged = (*first).clone();
    let mut histogram = first.histogram().ok_or("a histogram cannot be read")?;
    for report in others {
        add(&mut histogram, &report.histogram().ok_or("a histogram cannot be read")?);
        merged.operations += report.operations;
        merged.connections += report.connections;
        merged.threads += report.threads;
        merged.own_server &= report.own_server;
        for (kind, count) in &report.errors {
            *merged.errors.entry(kind.clone()).or_default() += count;
        }
        merged.warnings.extend(report.warnings.iter().cloned());
        merged.longest_silence_us = merged.longest_silence_us.min(report.longest_silence_us);
    }
    let total =
        |figure: fn(&Report) -> f64| reports.iter().map(|report| figure(report)).sum::<f64>();
    let length = common.end - common.start;
    let bytes_each = total(|report| report.bytes_per_s * report.duration_s)
        / (merged.operations as f64).max(1.0);
    let rate = |report: &&Report| operations_within(report, common) / covered(report, common);
    merged.rate_per_s = reports.iter().map(rate).sum();
    merged.bytes_per_s = merged.rate_per_s * bytes_each;
    merged.measured_from_s = Some(common.start);
    merged.duration_s = length;
    merged.asked_rate_per_s = first
        .asked_rate_per_s
        .map(|_| reports.iter().filter_map(|report| report.asked_rate_per_s).sum());
    merged.target = distinct(reports, |report| &report.target);
    merged.provenance.host = distinct(reports, |report| &report.provenance.host);
    merged.client_cpu =
        total(|report| report.client_cpu * report.threads as f64) / merged.threads.max(1) as f64;
    merged.client = client(reports, merged.operations);
    merged.latency_us = Latency::of(&histogram);
    merged.hdr_v2 = encode(&histogram);
    merged.datagrams = datagrams(reports);
    merged.timeline = timeline(reports, common, first.slice_s);
    merged.noise = Noise::of_slices(&merged.timeline);
    // Of these there are percentiles only, which cannot be added.
    (merged.uncorrected_us, merged.slip_us, merged.server) = (None, None, None);
    merged.phases_us.clear();
    merged.merged = reports.len();
    Ok(merged)
}

/// What they name, each once.
fn distinct(reports: &[&Report], name: fn(&Report) -> &String) -> String {
    let mut names: Vec<&str> = Vec::new();
    for report in reports {
        if !names.contains(&name(report).as_str()) {
            names.push(name(report));
        }
    }
    names.join(", ")
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn client(reports: &[&Report], operations: u64) -> ClientUsage {
    let cpu_s: f64 = reports.iter().map(|report| report.client.cpu_s).sum();
    let most = |figure: fn(&ClientUsage) -> f64| {
        reports.iter().map(|report| figure(&report.client)).fold(0.0, f64::max)
    };
    ClientUsage {
        cpu_s,
        cpu_us_per_operation: cpu_s * 1e6 / operations.max(1) as f64,
        busiest: most(|client| client.busiest),
        starved: most(|client| client.starved),
        was_bottleneck: reports.iter().any(|report| report.client.was_bottleneck),
    }
}

#[allow(clippy::cast_precision_loss)] // a share
fn datagrams(reports: &[&Report]) -> Option<DatagramCounts> {
    let all: Vec<DatagramCounts> = reports.iter().filter_map(|report| report.datagrams).collect();
    let total = |count: fn(&DatagramCounts) -> u64| all.iter().map(count).sum::<u64>();
    let (sent, lost) = (total(|udp| udp.sent), total(|udp| udp.lost));
    (!all.is_empty()).then(|| DatagramCounts {
        sent,
        lost,
        loss: lost as f64 / sent.max(1) as f64,
        duplicate: total(|udp| udp.duplicate),
        reordered: total(|udp| udp.reordered),
        late: total(|udp| udp.late),
    })
}

/// The rates of all over the common window, in slices as long as theirs. Percentiles of slices
/// cannot be added.
fn timeline(reports: &[&Report], common: &Range<f64>, slice: f64) -> Vec<TimelinePoint> {
    let mut points = Vec::new();
    let mut at_s = 0.0;
    while slice > 0.0 && at_s + slice <= common.end - common.start + 1e-6 {
        let within = common.start + at_s..common.start + at_s + slice;
        let operations: f64 = reports.iter().map(|report| operations_within(report, &within)).sum();
        let rate_per_s = operations / slice;
        points.push(TimelinePoint { at_s, rate_per_s, p50_us: None, p99_us: None, errors: 0 });
        at_s += slice;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::super::example::timed;
    use super::*;
    use crate::bench::load::workload::Workload;

    /// A run of ten seconds that began then, with one operation of so many milliseconds in each
    /// slice of a tenth of a second.
    fn result(name: &str, from: f64, latency: u64) -> (String, Report) {
        let mut report = timed(Workload::TcpRr, &[latency; 100]);
        report.measured_from_s = Some(from);
        (report.duration_s, report.slice_s) = (10.0, 0.1);
        let point = |index: i32| TimelinePoint {
            at_s: 0.1 * f64::from(index),
            rate_per_s: 10.0,
            p50_us: None,
            p99_us: None,
            errors: 0,
        };
        report.timeline = (0..100).map(point).collect();
        report.asked_rate_per_s = Some(10.0);
        (name.into(), report)
    }

    #[test]
    fn histograms_are_added_and_the_rate_is_that_of_the_common_window() {
        let merged = merge(&[result("a", 1000.0, 1), result("b", 1002.5, 9)]).unwrap();
        assert_eq!((merged.operations, merged.connections, merged.merged), (200, 16, 2));
        assert!((merged.rate_per_s - 20.0).abs() < 0.1, "{}", merged.rate_per_s);
        assert!((merged.duration_s - 7.5).abs() < 1e-6);
        assert_eq!((merged.measured_from_s, merged.asked_rate_per_s), (Some(1002.5), Some(20.0)));
        let latency = merged.latency_us.unwrap();
        assert_eq!(latency.samples, Some(200));
        // Half of all took 1 ms and half 9: a mean of percentiles would be 5.
        assert!(latency.p50 < 1100.0 && latency.p99 > 8900.0, "{latency:?}");
        assert_eq!(merged.timeline.len(), 75);
        assert_eq!(merged.histogram().unwrap().len(), 200);
    }

    #[test]
    fn the_end_of_a_window_that_fills_no_slice_lowers_no_rate() {
        let mut results = [result("a", 1000.0, 1), result("b", 1000.0, 9)];
        for (_, report) in &mut results {
            report.timeline.truncate(60);
        }
        let merged = merge(&results).unwrap();
        assert!((merged.rate_per_s - 20.0).abs() < 0.1, "{}", merged.rate_per_s);
    }

    #[test]
    fn what_has_no_timeline_is_refused() {
        for (slices, length) in [(0, 0.1), (100, 1e-300), (100, 0.0)] {
            let mut short = result("b", 1000.0, 9);
            short.1.timeline.truncate(slices);
            short.1.slice_s = length;
            for results in
                [[result("a", 1000.0, 1), short.clone()], [short.clone(), result("a", 1000.0, 1)]]
            {
                let why = merge(&results).unwrap_err();
                assert!(why.starts_with("b cannot be merged: it was too short"), "{why}");
            }
        }
    }

    #[test]
    fn the_same_result_counts_once() {
        let (a, b) = (result("a", 1000.0, 1), result("b", 1000.0, 9));
        let why = merge(&[a.clone(), b, ("c".into(), a.1)]).unwrap_err();
        assert_eq!(why, "a and c are the same result: name each once");
    }

    #[test]
    fn what_was_not_measured_together_is_refused_with_the_reason() {
        let why = |results: &[_]| merge(results).unwrap_err();
        assert_eq!(
            why(&[result("a", 1000.0, 1), result("b", 1012.0, 1)]),
            "b began 2.0 s after a had ended: start all with the same --start-at"
        );
        assert_eq!(
            why(&[result("a", 1006.0, 1), result("b", 1000.0, 1)]),
            "b and a were measured together for 4.0 s only, of 10.0: start all with the same \
             --start-at"
        );
        let mut other = result("b", 1000.0, 1);
        other.1.size = 65;
        assert_eq!(
            why(&[result("a", 1000.0, 1), other]),
            "a and b are not of one plan: size 64 and 65"
        );
        let mut old = result("b", 1000.0, 1);
        old.1.measured_from_s = None;
        assert!(why(&[result("a", 1000.0, 1), old]).starts_with("b cannot be merged: "));
    }
}
