//! The tables of a page: what stands in them.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::grid::{Grid, NONE};
use super::shown_run::ShownRun;
use crate::bench::figures::{bytes, figure, grouped, or_dash, short};
use crate::bench::measure::latency::Latency;
use crate::bench::report::finding::{Finding, Tone};
use crate::bench::report::plot::{Colour, escape};
use crate::bench::report::table::COLUMNS;
use crate::bench::report::{Report, ServerUsage};

/// All runs, one a row.
pub(super) fn summary(runs: &[ShownRun<'_>]) -> String {
    let head = [
        "run",
        "model",
        "rate /s",
        "bytes /s",
        "p50 µs",
        "p99 µs",
        "max µs",
        "errors",
        "generator",
        "server",
    ];
    let mut table = Grid::new("All runs", &head);
    for run in runs {
        let report = run.report;
        let told = |text: String| if run.has_worked() { text } else { NONE.into() };
        let rate = match report.workload.as_str() {
            "idle" => format!("{} held", grouped(report.operations)),
            _ => figure(report.rate_per_s),
        };
        let server = report.server.map_or(NONE.into(), |server| percent(server.cpu));
        table.row(
            Some(run.colour),
            &run.name,
            &[
                report.model.clone(),
                told(rate),
                told(bytes(report.bytes_per_s)),
                told(or_dash(report.latency("p50"))),
                told(or_dash(report.latency("p99"))),
                told(or_dash(report.latency("max"))),
                grouped(report.failures()),
                told(percent(report.client_cpu)),
                told(server),
            ],
        );
    }
    table.done()
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// The latencies of runs in which something worked.
pub(super) fn latencies(runs: &[ShownRun<'_>]) -> String {
    let mut rows = Vec::new();
    for run in runs.iter().filter(|run| run.has_worked()) {
        let report = run.report;
        match report.uncorrected_us {
            Some(uncorrected) => {
                let name = format!("{}, from the intended time", run.name);
                rows.push((Some(run.colour), name, report.latencies()));
                rows.push((None, format!("{}, uncorrected", run.name), uncorrected));
            }
            None => rows.push((Some(run.colour), run.name.clone(), report.latencies())),
        }
    }
    of_latencies("Latency in microseconds", rows)
}

/// The parts of operations, each in its colour.
pub(super) fn parts(runs: &[&ShownRun<'_>], colour: impl Fn(&str) -> Colour) -> String {
    let mut rows = Vec::new();
    for run in runs {
        for (name, latency) in &run.report.phases_us {
            let part = name.replace('_', " ");
            let told = if runs.len() == 1 { part } else { format!("{}, {part}", run.name) };
            rows.push((Some(colour(name)), told, *latency));
        }
    }
    of_latencies("Parts of an operation in microseconds", rows)
}

fn of_latencies(label: &str, rows: Vec<(Option<Colour>, String, Latency)>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head: Vec<&str> = ["µs"].into_iter().chain(COLUMNS).collect();
    let mut table = Grid::new(label, &head);
    for (colour, name, latency) in rows {
        let cell = |column| latency.shown(column).map_or(NONE.into(), figure);
        table.row(colour, &name, &COLUMNS.map(cell));
    }
    table.done()
}

/// The steps of a search, in the order in which they were tried.
pub(super) fn probes(run: &ShownRun<'_>) -> String {
    let Some(search) = &run.report.search else { return String::new() };
    let head = ["tried", "asked /s", "reached /s", "µs", &search.bound];
    let mut table = Grid::new("The rates that were tried", &head);
    for (index, probe) in search.probes.iter().enumerate() {
        let cells = [
            figure(probe.asked_rate_per_s),
            figure(probe.rate_per_s),
            or_dash(probe.bounded_us),
            if probe.held { "held" } else { "not held" }.into(),
        ];
        table.row(None, &(index + 1).to_string(), &cells);
    }
    table.done()
}

/// What went wrong, or was remarkable, by kind.
pub(super) fn errors(runs: &[ShownRun<'_>]) -> String {
    let named = |run: &ShownRun<'_>| run.report.errors.keys().cloned().collect::<Vec<String>>();
    let kinds: BTreeSet<String> = runs.iter().flat_map(named).filter(|k| k != "total").collect();
    if kinds.is_empty() {
        return String::new();
    }
    let words = kinds.iter().map(|kind| kind.replace('_', " "));
    let head: Vec<String> =
        ["run".into()].into_iter().chain(words).chain(["failed".into()]).collect();
    let mut table = Grid::new("Errors by kind", &head);
    for run in runs.iter().filter(|run| run.report.errors.len() > 1) {
        let count =
            |kind: &String| run.report.errors.get(kind).map_or(NONE.into(), |n| grouped(*n));
        let cells = kinds.iter().map(count).chain([grouped(run.report.failures())]);
        table.row(Some(run.colour), &run.name, &cells.collect::<Vec<_>>());
    }
    table.done()
}

/// The single runs of a result that is the mean of several.
pub(super) fn repeats(run: &ShownRun<'_>) -> String {
    let Some(repeats) = &run.report.repeats else { return String::new() };
    let numbers = (1..=repeats.rate_per_s.len()).map(|number| number.to_string());
    let head: Vec<String> = [run.name.clone()].into_iter().chain(numbers).collect();
    let mut table = Grid::new("Repeats", &head);
    let all = |figures: &[f64]| figures.iter().copied().map(figure).collect::<Vec<_>>();
    table.row(None, "rate /s", &all(&repeats.rate_per_s));
    table.row(None, "p99 µs", &all(&repeats.p99_us));
    table.done()
}

/// What generator and server used, and how well the schedule was kept.
pub(super) fn usage(runs: &[ShownRun<'_>]) -> String {
    let head = [
        "run",
        "generator CPU",
        "its µs/op",
        "waited for CPU",
        "slip p99 µs",
        "server CPU",
        "its µs/op",
        "memory",
    ];
    let mut table = Grid::new("What it took", &head);
    for run in runs.iter().filter(|run| run.has_worked()) {
        let (report, client) = (run.report, &run.report.client);
        let server = report.server;
        let of_server = |tell: &dyn Fn(ServerUsage) -> Option<String>| {
            server.and_then(tell).unwrap_or(NONE.into())
        };
        #[allow(clippy::cast_precision_loss)] // figures for people
        let cells = [
            percent(report.client_cpu),
            format!("{:.2}", client.cpu_us_per_operation),
            percent(client.starved),
            report.slip_us.map_or(NONE.into(), |slip| figure(slip.p99)),
            of_server(&|server| Some(percent(server.cpu))),
            of_server(&|server| Some(format!("{:.2}", server.cpu_us_per_operation))),
            of_server(&|server| server.resident_bytes.map(|held| bytes(held as f64))),
        ];
        table.row(Some(run.colour), &run.name, &cells);
    }
    table.done()
}

/// What became of datagrams.
pub(super) fn datagrams(runs: &[ShownRun<'_>]) -> String {
    let with = |run: &ShownRun<'_>| run.has_worked().then_some(run.report.datagrams).flatten();
    if runs.iter().all(|run| with(run).is_none()) {
        return String::new();
    }
    let head = ["datagrams", "sent", "lost", "share", "twice", "overtaken", "late"];
    let mut table = Grid::new("What became of datagrams", &head);
    for (run, udp) in runs.iter().filter_map(|run| with(run).map(|udp| (run, udp))) {
        let cells = [
            grouped(udp.sent),
            grouped(udp.lost),
            format!("{:.4} %", 100.0 * udp.loss),
            grouped(udp.duplicate),
            grouped(udp.reordered),
            grouped(udp.late),
        ];
        table.row(Some(run.colour), &run.name, &cells);
    }
    table.done()
}

type Fact = (&'static str, fn(&Report) -> String);

/// How it was measured.
const FACTS: [Fact; 21] = [
    ("target", |report| {
        format!("{}{}", report.target, if report.own_server { " (our own)" } else { "" })
    }),
    ("model", |report| format!("{} loop", report.model)),
    ("connections", |report| grouped(report.connections as u64)),
    ("bytes of a request", |report| grouped(report.size as u64)),
    ("in flight on each", |report| report.depth.to_string()),
    ("rate asked for", |report| report.asked_rate_per_s.map_or(NONE.into(), per_second)),
    ("measured", |report| match report.duration_s {
        seconds if seconds > 0.0 => format!("{seconds:.1} s"),
        _ => NONE.into(),
    }),
    ("warm-up", |report| format!("{:.1} s", report.warmup_s)),
    ("timeout", |report| format!("{:.1} s", report.timeout_s)),
    ("threads", |report| report.threads.to_string()),
    ("closing", |report| report.closing.clone()),
    ("longest silence", |report| match report.operations {
        0 => NONE.into(),
        _ => format!("{} µs", figure(report.longest_silence_us)),
    }),
    ("label", |report| report.provenance.label.clone().unwrap_or_else(|| NONE.into())),
    ("date", |report| known(&report.provenance.date)),
    ("host", |report| known(&report.provenance.host)),
    ("kernel", |report| known(&report.provenance.kernel)),
    ("CPUs", |report| match report.provenance.cpus {
        0 => NONE.into(),
        count => format!("{count} x {}", report.provenance.cpu),
    }),
    ("pinning", |report| known(&report.provenance.pinning)),
    ("congestion control", |report| {
        report.provenance.congestion.clone().unwrap_or_else(|| NONE.into())
    }),
    ("command", |report| known(&report.provenance.command)),
    ("cooee", |report| match report.provenance.features.as_slice() {
        [] => report.cooee.clone(),
        features => format!("{} ({})", report.cooee, features.join(", ")),
    }),
];

/// Results of older versions do not say everything.
fn known(text: &str) -> String {
    if text.is_empty() { NONE.into() } else { text.into() }
}

fn per_second(rate: f64) -> String {
    format!("{} a second", short(rate))
}

/// How it was measured: what holds for all once, what does not in a table.
pub(super) fn facts(runs: &[ShownRun<'_>]) -> String {
    let Some(first) = runs.first() else { return String::new() };
    let is_common =
        |fact: &&Fact| runs.iter().all(|run| fact.1(run.report) == fact.1(first.report));
    let (common, differing): (Vec<&Fact>, Vec<&Fact>) = FACTS.iter().partition(is_common);
    let mut out = String::from("<dl class=\"facts\">");
    for (name, tell) in common {
        let told = tell(first.report);
        if told == NONE {
            continue;
        }
        let class = if told.chars().count() > 24 { " class=\"long\"" } else { "" };
        let _ = write!(out, "<div{class}><dt>{name}</dt><dd>{}</dd></div>", escape(&told));
    }
    out.push_str("</dl>\n");
    if !differing.is_empty() {
        let names = differing.iter().map(|fact| fact.0);
        let head: Vec<&str> = ["run"].into_iter().chain(names).collect();
        let mut table = Grid::new("How each was measured", &head);
        for run in runs {
            let cells = differing.iter().map(|fact| fact.1(run.report)).collect::<Vec<_>>();
            table.row(Some(run.colour), &run.name, &cells);
        }
        out.push_str(&table.done());
    }
    out
}

/// All that was found, in words.
pub(super) fn overview(findings: &[Finding<'_>]) -> String {
    let mut table = Grid::new("What was found", &["", "in words"]);
    for finding in findings {
        table.words(&finding.title, std::slice::from_ref(&finding.sentence), "words");
    }
    table.done()
}

/// Both figures of each kind, and what is to be thought of them.
pub(super) fn finding(finding: &Finding<'_>) -> String {
    let label = format!("A and B: {}", finding.title);
    let mut table = Grid::new(&label, &["", "A", "B", "B/A", "verdict"]);
    for row in &finding.rows {
        let class = match row.tone {
            Tone::Better => "words better",
            Tone::Worse => "words worse",
            Tone::Neither => "words",
        };
        let (before, after) = (row.before.clone(), row.after.clone());
        let cells = [before, after, row.ratio.clone(), row.verdict.clone()];
        table.words(&row.name, &cells, class);
    }
    table.done()
}
