//! Results as tables for people, within 80 columns: every figure with its unit, and what limits
//! or spoils them before all else.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::classes::{self, Class};
use super::lines::{WIDTH, cut, hung, labelled};
use super::setting::setting;
use super::words::{errors, in_vain, lasted, letters, names, too_few};
use super::{DatagramCounts, Probe, Report, SearchReport};
use crate::bench::figures::{bytes, figure, fitted, grouped};
use crate::bench::measure::latency::Latency;

/// The names of the percentiles, and which they are.
pub(crate) const COLUMNS: [&str; 8] =
    ["min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
/// Takes 1,234,567,890.
const FIGURE_WIDTH: usize = 13;
/// The first column of the latencies.
const PERCENTILE_WIDTH: usize = 15;
/// The longest name that a class has in a table.
const CLASS_WIDTH_MAX: usize = 40;
/// The first column of several results.
const NAME_WIDTH: usize = 10;

/// So many results: one with everything that is worth telling, several in short.
pub(crate) fn of(reports: &[Report], is_set: bool) -> String {
    match reports {
        [only] if !is_set => whole(only),
        several => self::several(several),
    }
}

/// One result, with everything that is worth telling.
pub(crate) fn whole(report: &Report) -> String {
    let mut out = String::new();
    let is_nothing = report.operations == 0;
    // What has kept everything from working stands where the result would be.
    let partial = report.partial.as_deref().filter(|_| !is_nothing);
    remarks(&mut out, partial, &report.warnings, "");
    if !out.is_empty() {
        out.push('\n');
    }
    title(&mut out, report);
    match is_nothing {
        true => nothing(&mut out, report),
        false => result(&mut out, report),
    }
    if let Some(search) = report.search.as_ref().filter(|search| tells_more(search, is_nothing)) {
        probes(&mut out, search);
    }
    out
}

/// A search in which nothing ever worked is told by its result.
fn tells_more(search: &SearchReport, is_nothing: bool) -> bool {
    !is_nothing || search.probes.iter().any(|probe| probe.rate_per_s > 0.0)
}

fn remarks(out: &mut String, partial: Option<&str>, warnings: &[String], name: &str) {
    if let Some(why) = partial {
        hung(out, "PARTIAL  ", &format!("{name}{why}"));
    }
    for warning in warnings {
        hung(out, "warning  ", &format!("{name}{warning}"));
    }
}

/// The answer of a search, in one line.
fn answer(out: &mut String, search: &SearchReport) {
    let SearchReport { bound, highest_rate_per_s, lowest_broken_per_s, reason, .. } = search;
    let mut told = match highest_rate_per_s {
        Some(rate) => format!("{} a second keep {bound}", figure(*rate)),
        None => format!("no rate is known to keep {bound}"),
    };
    if let (Some(_), Some(rate)) = (highest_rate_per_s, lowest_broken_per_s) {
        let _ = write!(told, ", {} do not", figure(*rate));
    }
    if let Some(why) = reason {
        let _ = write!(told, "; {why}");
    }
    labelled(out, "answer", &told);
}

fn title(out: &mut String, report: &Report) {
    let own = if report.own_server { " (our own server, a second process)" } else { "" };
    let workload = cut(&report.workload, CLASS_WIDTH_MAX);
    hung(out, &format!("{workload}  "), &format!("{}{own}", report.target));
}

/// What happened in a run in which nothing worked; figures would be zeros that nobody measured.
fn nothing(out: &mut String, report: &Report) {
    labelled(out, "FAILED", &in_vain(report));
    if let Some(why) = &report.partial {
        labelled(out, "why", why);
    }
    let errors = match report.errors.len() {
        0 | 1 => "none was seen: the time was too short, or the server too slow".into(),
        _ => errors(report),
    };
    labelled(out, "errors", &errors);
}

fn result(out: &mut String, report: &Report) {
    setting(out, report);
    out.push('\n');
    if let Some(search) = &report.search {
        answer(out, search);
    }
    let what = report.operation();
    if report.workload != "idle" {
        let rate = format!("{} {what}/s", figure(report.rate_per_s));
        let volume = match report.bytes_per_s {
            none if none <= 0.0 => String::new(),
            volume => format!(", {}/s", bytes(volume)),
        };
        labelled(out, "rate", &format!("{rate}{volume}"));
    }
    let count = grouped(report.operations);
    let within = match report.merged {
        0 => format!(" in {}", lasted(report.duration_s)),
        _ => String::new(),
    };
    labelled(out, what, &format!("{count}{within}, {}", errors(report)));
    out.push('\n');
    latencies(out, &classes::told(report));
    out.push('\n');
    used(out, report);
    repeats(out, report);
}

/// Percentiles from top to bottom: so five classes stand side by side, which people compare.
fn latencies(out: &mut String, classes: &[Class]) {
    let mut rest = classes;
    while !rest.is_empty() {
        let mut room = WIDTH - PERCENTILE_WIDTH;
        let fits = |class: &&Class| {
            let rest = room.checked_sub(class_width(class));
            room = rest.unwrap_or(0);
            rest.is_some()
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (block, others) = rest.split_at(count);
        block_of_latencies(out, block);
        rest = others;
    }
    let timed: Vec<Latency> = classes.iter().filter_map(|class| class.latency).collect();
    if let Some(told) = too_few(&timed, &COLUMNS) {
        labelled(out, "-", &told);
    }
}

fn class_width(class: &Class) -> usize {
    cut(&class.name, CLASS_WIDTH_MAX).width().max(FIGURE_WIDTH - 1) + 1
}

fn block_of_latencies(out: &mut String, classes: &[Class]) {
    let _ = write!(out, "{:<PERCENTILE_WIDTH$}", "  latency in us");
    for class in classes {
        let (name, width) = (cut(&class.name, CLASS_WIDTH_MAX), class_width(class));
        let _ = write!(out, "{}{name}", " ".repeat(width - name.width()));
    }
    out.push('\n');
    for column in COLUMNS {
        let _ = write!(out, "{:<PERCENTILE_WIDTH$}", format!("  {column}"));
        for class in classes {
            let value = class.latency.and_then(|latency| latency.shown(column));
            let _ = write!(out, "{:>1$}", fitted(value, FIGURE_WIDTH - 1), class_width(class));
        }
        out.push('\n');
    }
}

fn used(out: &mut String, report: &Report) {
    let client = &report.client;
    let generator = format!(
        "{:.0} % of a core a thread, {:.2} us an operation; the busiest waited {:.0} % for a CPU",
        100.0 * report.client_cpu,
        client.cpu_us_per_operation,
        100.0 * client.starved
    );
    labelled(out, "generator", &generator);
    if let Some(slip) = &report.slip_us {
        let (p50, p99, max) = (figure(slip.p50), figure(slip.p99), figure(slip.max));
        let slipped = format!("slipped by {p50} us (p50), {p99} us (p99), {max} us at most");
        labelled(out, "schedule", &slipped);
    }
    if let Some(server) = &report.server {
        let (cpu, each) = (100.0 * server.cpu, server.cpu_us_per_operation);
        labelled(out, "server", &format!("{cpu:.0} % of a core, {each:.2} us an operation"));
        memory(out, report);
    }
    if let Some(counts) = &report.datagrams {
        datagrams(out, counts);
    }
}

fn datagrams(out: &mut String, counts: &DatagramCounts) {
    let told = format!(
        "{} sent, {} lost ({:.4} %), {} twice, {} overtaken, {} late",
        grouped(counts.sent),
        grouped(counts.lost),
        100.0 * counts.loss,
        grouped(counts.duplicate),
        grouped(counts.reordered),
        grouped(counts.late)
    );
    labelled(out, "datagrams", &told);
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn memory(out: &mut String, report: &Report) {
    let Some(server) = &report.server else { return };
    if let (Some(before), Some(after)) = (server.resident_before_bytes, server.resident_bytes)
        && report.workload == "idle"
    {
        let each = after.saturating_sub(before) as f64 / report.connections.max(1) as f64;
        let (before, after) = (bytes(before as f64), bytes(after as f64));
        let told = format!(
            "{before} before, {after} with all: {each:.0} B a connection, without the kernel's"
        );
        labelled(out, "memory", &told);
    }
}

fn repeats(out: &mut String, report: &Report) {
    let Some(repeats) = &report.repeats else { return steadiness(out, report) };
    let half = repeats.rate_half_width.map_or("unknown".into(), |half| {
        format!("{:.1} %", 100.0 * half / report.rate_per_s.max(f64::MIN_POSITIVE))
    });
    let rates: Vec<String> = repeats.rate_per_s.iter().map(|rate| figure(*rate)).collect();
    labelled(out, "repeats", &format!("{} /s; +-{half} (95 %)", rates.join(" ")));
}

/// How steady a single run was in what it was to find out.
fn steadiness(out: &mut String, report: &Report) {
    let (what, share) = match (report.workload.as_str(), report.model.as_str()) {
        ("idle", _) => return,
        (_, "open") => ("p99", report.noise.p99),
        _ => ("rate", report.noise.rate),
    };
    if let Some(share) = share {
        let percent = 100.0 * share;
        let told = format!("{what} +-{percent:.1} % within this run; the next may differ by more");
        labelled(out, "steadiness", &told);
    }
}

/// The way of a search.
fn probes(out: &mut String, search: &SearchReport) {
    out.push('\n');
    hung(out, "  ", &format!("the way to the highest rate with {}", search.bound));
    let row = |out: &mut String, cells: [String; 3], told: &str| {
        let [asked, got, bounded] = cells;
        let line = format!("  {asked:>14} {got:>14} {bounded:>14}  {told}");
        let _ = writeln!(out, "{}", line.trim_end());
    };
    row(out, ["asked /s", "got /s", "us"].map(String::from), "");
    for Probe { asked_rate_per_s, rate_per_s, bounded_us, held } in &search.probes {
        let cells = [Some(*asked_rate_per_s), Some(*rate_per_s), *bounded_us];
        row(out, cells.map(|cell| fitted(cell, 14)), if *held { "held" } else { "not held" });
    }
}

/// Several results, two lines each: what is compared in columns, and below it how it came about.
pub(crate) fn several(reports: &[Report]) -> String {
    let mut out = String::new();
    let shown: Vec<&Report> = reports.iter().collect();
    for (report, name) in reports.iter().zip(names(&shown)) {
        let name = format!("{name}: ");
        remarks(&mut out, report.partial.as_deref(), &report.warnings, &name);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let cells = ["rate /s", "p50 us", "p99 us", "max us", "errors"].map(String::from);
    let letters = letters(&shown);
    row_of_several(&mut out, letters.map_or("workload", |_| "server"), &cells);
    for (index, report) in reports.iter().enumerate() {
        let name = letters.map_or(report.workload.as_str(), |letters| letters[index]);
        one_of_several(&mut out, name, report);
    }
    let timed: Vec<Latency> = reports.iter().filter_map(|report| report.latency_us).collect();
    if let Some(told) = too_few(&timed, &["p50", "p99"]) {
        hung(&mut out, "-  ", &told);
    }
    out
}

fn row_of_several(out: &mut String, name: &str, cells: &[String]) {
    let name = cut(name, NAME_WIDTH);
    let _ = write!(out, "{name}{}", " ".repeat(NAME_WIDTH - name.width()));
    for cell in cells {
        let _ = write!(out, " {cell:>FIGURE_WIDTH$}");
    }
    out.push('\n');
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn one_of_several(out: &mut String, name: &str, report: &Report) {
    let is_nothing = report.operations == 0;
    // Connections that do nothing have a number and no rate.
    let has_rate = !is_nothing && report.workload != "idle";
    let figures = [
        has_rate.then_some(report.rate_per_s),
        report.latency("p50"),
        report.latency("p99"),
        report.latency("max"),
    ];
    let mut cells = figures.map(|value| fitted(value, FIGURE_WIDTH)).to_vec();
    cells.push(match grouped(report.failures()) {
        count if count.len() <= FIGURE_WIDTH => count,
        _ => format!("{:.2e}", report.failures() as f64),
    });
    row_of_several(out, name, &cells);
    let told = match is_nothing {
        true => format!("{}; {}", in_vain(report), errors(report)),
        false => in_words(report),
    };
    hung(out, "  ", &told);
}

fn in_words(report: &Report) -> String {
    let model = match report.asked_rate_per_s {
        Some(rate) => format!(", {} /s asked", figure(rate)),
        None => String::new(),
    };
    let volume = match report.bytes_per_s {
        rate if rate > 0.0 => format!(", {}/s", bytes(rate)),
        _ => String::new(),
    };
    let server = report
        .server
        .map_or(String::new(), |server| format!(", server {:.0} %", 100.0 * server.cpu));
    let (count, what) = (grouped(report.operations), report.operation());
    let generator = 100.0 * report.client_cpu;
    format!("{count} {what}{model}{volume}; CPU: generator {generator:.0} %{server}")
}

#[cfg(test)]
mod tests {
    use super::super::example::{LONG, extreme, nothing, timed};
    use super::*;
    use crate::bench::load::workload::STANDARD_SET;

    fn assert_fits(text: &str) {
        for line in text.lines() {
            assert!(line.width() <= WIDTH, "{} columns: {line}\n{text}", line.width());
            assert_eq!(line.trim_end(), line, "blanks at the end");
        }
        assert!(text.ends_with('\n') && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn every_table_fits_eighty_columns_however_long_its_figures_are() {
        let mut all = vec![nothing()];
        for workload in STANDARD_SET {
            let mut report = extreme();
            report.workload = workload.name().into();
            all.push(report.clone());
            report.asked_rate_per_s = None;
            report.model = "closed".into();
            all.push(report);
            all.push(timed(workload, &[1, 2, 3]));
        }
        let mut foreign = extreme();
        foreign.workload = "\u{1b}[2J".repeat(60);
        all.push(foreign);
        for report in &all {
            assert_fits(&whole(report));
        }
        assert_fits(&several(&all));
    }

    #[test]
    fn what_limits_a_result_comes_before_it() {
        let mut report = timed(STANDARD_SET[0], &[1]);
        report.warnings = vec!["a busy neighbour".into()];
        report.partial = Some("interrupted".into());
        let told = "PARTIAL  interrupted\nwarning  a busy neighbour\n\ntcp_rr  echo";
        assert!(whole(&report).starts_with(told), "{}", whole(&report));
        let told = "PARTIAL  tcp_rr: interrupted\nwarning  tcp_rr: a busy neighbour\n\nworkload";
        assert!(several(&[report]).starts_with(told));
    }

    #[test]
    fn a_run_in_which_nothing_worked_says_what_happened_and_nothing_else() {
        let told = "\
tcp_rr  echo+tcp://127.0.0.1:9
  FAILED       of the requests not one was completed in 10.0 s
  why          the target never answered: connection refused: is a server
               listening there?
  errors       1,234 errors: 1,234 refused
";
        assert_eq!(whole(&nothing()), told);
        let short = several(&[nothing()]);
        let row = short.lines().find(|line| line.starts_with("tcp_rr ")).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["tcp_rr", "-", "-", "-", "-", "1,234"], "{short}");
    }

    #[test]
    fn percentiles_that_too_few_samples_carry_are_dashes_with_the_reason() {
        let text = whole(&timed(STANDARD_SET[0], &[1; 40]));
        let row = |name: &str| text.lines().find(|line| line.trim().starts_with(name)).unwrap();
        assert!(row("p90 ").ends_with(" 1,000"), "{text}");
        assert!(row("p99 ").ends_with(" -") && row("p99.99 ").ends_with(" -"), "{text}");
        assert!(row("max ").ends_with(" 1,000"), "{text}");
        let why = "  -            too few were timed: p99 takes 299, p99.9 takes 2,995, p99.99\n";
        assert!(text.contains(why), "{text}");
        assert!(!several(&[timed(STANDARD_SET[0], &[1])]).contains(" 0.0"));
    }

    #[test]
    fn a_figure_that_no_column_takes_keeps_its_first_digits() {
        assert_eq!(fitted(Some(12_345_678.9), FIGURE_WIDTH), "12,345,679");
        assert_eq!(fitted(Some(LONG), FIGURE_WIDTH), "1.23e14");
    }
}
