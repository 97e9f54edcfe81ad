//! Results as GitHub-flavoured Markdown, to be pasted into an issue or the summary of a CI job:
//! what spoils them, one table of figures, one of latencies, and how it was measured.

use std::fmt::Write;

use super::Report;
use super::classes;
use super::table::COLUMNS;
use super::words::{errors, in_vain, names, too_few};
use crate::bench::figures::{bytes, figure, grouped, or_dash};
use crate::services::text::visible;

/// A result, and what it is called.
type Run<'a> = (String, &'a Report);

/// The text for so many results.
pub(super) fn write(reports: &[Report]) -> String {
    let names = names(&reports.iter().collect::<Vec<_>>());
    let runs: Vec<Run<'_>> = names.into_iter().zip(reports).collect();
    let mut out = String::new();
    let title = match runs.as_slice() {
        [(name, only)] => format!("{name}, {}", only.target),
        several => format!("{} results", several.len()),
    };
    let _ = writeln!(out, "## cooee bench: {}\n", escape(&title));
    runs.iter().for_each(|run| remarks(&mut out, run));
    let worked: Vec<&Run<'_>> = runs.iter().filter(|(_, report)| report.operations > 0).collect();
    if !worked.is_empty() {
        figures(&mut out, &worked);
        latencies(&mut out, &worked);
    }
    configuration(&mut out, &runs);
    out
}

fn remarks(out: &mut String, (name, report): &Run<'_>) {
    let name = escape(name);
    let mut remark = |kind: &str, text: &str| {
        let _ = writeln!(out, "> **{name}: {kind}** {}\n", escape(text));
    };
    let is_nothing = report.operations == 0;
    if is_nothing && !report.is_rest() {
        remark("failed:", &format!("{}; {}", in_vain(report), errors(report)));
    }
    if let Some(why) = &report.partial {
        remark(if is_nothing { "why:" } else { "a partial result:" }, why);
    }
    report.warnings.iter().for_each(|warning| remark("warning:", warning));
    if let Some(versus) = &report.versus {
        remark("beside the first server:", &versus.sentence);
    }
    if let Some(search) = &report.search {
        let found = search.highest_rate_per_s.map_or("none".into(), figure);
        remark("the highest rate /s with", &format!("{}: {found}", search.bound));
    }
}

fn figures(out: &mut String, runs: &[&Run<'_>]) {
    let columns =
        ["rate /s", "asked /s", "bytes /s", "operations", "errors", "generator", "server"];
    header(out, "result", &columns);
    for (name, report) in runs {
        let is_idle = report.workload == "idle";
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let what = report.operation();
        row(
            out,
            name,
            &[
                or_dash(Some(report.rate_per_s).filter(|_| !is_idle)) + &spread(report),
                or_dash(report.asked_rate_per_s),
                Some(report.bytes_per_s).filter(|rate| *rate > 0.0).map_or("-".into(), bytes),
                format!("{} {what}", grouped(report.operations)),
                errors(report),
                percent(report.client_cpu),
                report.server.map_or("-".into(), |server| percent(server.cpu)),
            ],
        );
    }
    out.push('\n');
}

/// How sure the mean of several runs is.
fn spread(report: &Report) -> String {
    let half = report.repeats.as_ref().and_then(|repeats| repeats.rate_half_width);
    half.map_or(String::new(), |half| format!(" +-{} (95 %)", figure(half)))
}

fn latencies(out: &mut String, runs: &[&Run<'_>]) {
    header(out, "latency in us", &COLUMNS);
    let mut timed = Vec::new();
    for (name, report) in runs {
        for class in classes::told(report) {
            let name = format!("{name}, {}", class.name);
            let value = |column| class.latency.and_then(|latency| latency.shown(column));
            row(out, &name, &COLUMNS.map(|column| or_dash(value(column))));
            timed.extend(class.latency);
        }
    }
    out.push('\n');
    if let Some(told) = too_few(&timed, &COLUMNS) {
        let _ = writeln!(out, "-: {}\n", escape(&told));
    }
}

fn configuration(out: &mut String, runs: &[Run<'_>]) {
    let names: Vec<&str> = runs.iter().map(|(name, _)| name.as_str()).collect();
    header(out, "configuration", &names);
    type Cell = fn(&Report) -> String;
    let rows: [(&str, Cell); 18] = [
        ("target", |report| {
            format!("{}{}", report.target, if report.own_server { " (our own)" } else { "" })
        }),
        ("model", |report| format!("{} loop", report.model)),
        ("connections", |report| grouped(report.connections as u64)),
        ("request, bytes", |report| grouped(report.size as u64)),
        ("in flight on each", |report| grouped(report.depth as u64)),
        ("measured, s", |report| figure(report.duration_s)),
        ("warm-up, s", |report| figure(report.warmup_s)),
        ("threads", |report| grouped(report.threads as u64)),
        ("closing", |report| report.closing.clone()),
        ("label", |report| report.provenance.label.clone().unwrap_or_else(|| "-".into())),
        ("date", |report| report.provenance.date.clone()),
        ("host", |report| report.provenance.host.clone()),
        ("kernel", |report| report.provenance.kernel.clone()),
        ("CPU", |report| format!("{} x {}", report.provenance.cpus, report.provenance.cpu)),
        ("pinning", |report| report.provenance.pinning.clone()),
        ("congestion control", |report| report.provenance.congestion.clone().unwrap_or_default()),
        ("command", |report| report.provenance.command.clone()),
        ("cooee", |report| format!("{} ({})", report.cooee, report.provenance.features.join(", "))),
    ];
    for (name, cell) in rows {
        row(out, name, &runs.iter().map(|(_, report)| cell(report)).collect::<Vec<_>>());
    }
}

/// The first column has names; the others have figures and stand to the right.
fn header(out: &mut String, first: &str, columns: &[&str]) {
    let cells: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    row(out, first, &cells);
    let _ = writeln!(out, "|---|{}", "---:|".repeat(columns.len()));
}

fn row(out: &mut String, first: &str, cells: &[String]) {
    let _ = write!(out, "| {} |", escape(first));
    for cell in cells {
        let _ = write!(out, " {} |", escape(cell));
    }
    out.push('\n');
}

/// Text that stays text wherever it stands: it neither ends its cell or its line, nor becomes a
/// link, a tag, code, emphasis or a formula.
fn escape(text: &str) -> String {
    let text = visible(text.as_bytes());
    let mut escaped = String::new();
    let mut last = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_within_word = |next: Option<&char>| {
            last.is_some_and(char::is_alphanumeric) && next.is_some_and(|c| c.is_alphanumeric())
        };
        let is_special = match character {
            // Names of workloads stay readable: within a word it means nothing.
            '_' => !is_within_word(characters.peek()),
            other => "\\`*[]<>|~&$#".contains(other),
        };
        if is_special {
            escaped.push('\\');
        }
        escaped.push(character);
        last = Some(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::example::{extreme, nothing, timed};
    use super::*;
    use crate::bench::load::workload::Workload;

    /// A small reader of what GitHub makes of a row: cells between bars that are not escaped, and
    /// what they say without the backslashes. Panics at what would not be text.
    fn cells(line: &str) -> Vec<String> {
        let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')).expect(line);
        let mut cells = vec![String::new()];
        let mut characters = inner.chars();
        while let Some(character) = characters.next() {
            let cell = cells.last_mut().unwrap();
            match character {
                '\\' => cell.push(characters.next().unwrap()),
                '|' => cells.push(String::new()),
                other => {
                    assert!(!"`*[]<>~&$#".contains(other), "{other} in {line}");
                    cell.push(other);
                }
            }
        }
        cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
    }

    /// The tables of a text: rows of cells, the header first.
    fn tables(text: &str) -> Vec<Vec<Vec<String>>> {
        let blocks = text.split("\n\n").filter(|block| block.starts_with('|'));
        let rows = |block: &str| block.lines().map(cells).collect::<Vec<_>>();
        blocks.map(rows).collect()
    }

    #[test]
    fn hostile_text_stays_text_and_tables_keep_their_form() {
        let hostile = extreme();
        let text = write(&[hostile.clone(), timed(Workload::TcpRr, &[1])]);
        let tables = tables(&text);
        assert_eq!(tables.len(), 3, "{text}");
        for table in &tables {
            assert!(table.iter().all(|row| row.len() == table[0].len()), "{table:?}");
        }
        let shown = visible(hostile.target.as_bytes());
        let target = tables[2].iter().find(|row| row[0] == "target").map(|row| &row[1]).unwrap();
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(target), squeezed(&format!("{shown} (our own)")));
        for line in text.lines().filter(|line| !line.starts_with('|')) {
            let starts = ["## ", "> **", "-: too few"];
            let is_ours = line.is_empty() || starts.iter().any(|start| line.starts_with(start));
            assert!(is_ours, "{line}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn names_of_workloads_stay_as_they_are() {
        assert_eq!(escape("tcp_rr echo+tcp://127.0.0.1:7"), "tcp_rr echo+tcp://127.0.0.1:7");
        assert_eq!(escape("_a_ \\|`"), "\\_a\\_ \\\\\\|\\`");
    }

    #[test]
    fn a_run_in_which_nothing_worked_has_no_figures() {
        let text = write(&[nothing()]);
        assert!(
            text.contains("not one was completed in 10.0 s; 1,234 errors: 1,234 refused"),
            "{text}"
        );
        assert_eq!(tables(&text).len(), 1, "the configuration alone: {text}");
    }
}
