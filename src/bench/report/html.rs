//! Results as one page that needs nothing else: plots as SVG, tables, no script.

use std::fmt::Write;

use super::Report;
use super::plots;
use super::table::COLUMNS;
use crate::bench::figures::{bytes, figure, grouped, or_dash};
use crate::bench::measure::latency::Latency;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 900px;
       margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em; margin-bottom: 0 } h2 { font-size: 1.15em; margin: 1.8em 0 .4em }
p { margin: .4em 0 } .sub { color: #666 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { text-align: right; padding: .25em .6em; border-bottom: 1px solid #e4e4e4 }
th:first-child, td:first-child { text-align: left } th { color: #555; font-weight: 600 }
.bad { background: #fdecea; border-left: 4px solid #c0392b; padding: .5em .8em }
.hint { background: #fff8e1; border-left: 4px solid #d9a400; padding: .5em .8em }
svg { width: 100%; height: auto; display: block }
.wide { overflow-x: auto }";

/// The page for so many results.
pub(crate) fn page(reports: &[Report]) -> String {
    let reports = plots::numbered(reports);
    let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width\">\n");
    let title = match reports.as_slice() {
        [only] => format!("cooee bench: {}", plots::name(only)),
        several => format!("cooee bench: {} runs", several.len()),
    };
    let _ = write!(out, "<title>{}</title>\n<style>{STYLE}</style>\n", escape(&title));
    let _ = writeln!(out, "<h1>{}</h1>", escape(&title));
    for report in &reports {
        remarks(&mut out, report);
    }
    summary(&mut out, &reports);
    section(&mut out, "Latency over percentiles", LATENCY_NOTE, &plots::percentiles(&reports));
    table_of_latencies(&mut out, &reports);
    section(&mut out, "Rate over time", "", &plots::rates(&reports));
    section(&mut out, "p99 over time", "", &plots::latencies(&reports));
    for report in reports.iter().filter(|report| !report.phases_us.is_empty()) {
        let title = format!("Parts of an operation: {}", plots::name(report));
        section(&mut out, &title, "", &plots::phases(report));
        let rows =
            report.phases_us.iter().map(|(name, latency)| (name.replace('_', " "), *latency));
        latencies(&mut out, &rows.collect::<Vec<_>>());
    }
    configuration(&mut out, &reports);
    out.push_str("</html>\n");
    out
}

const LATENCY_NOTE: &str = "Both axes are logarithmic. A steep end is what few requests felt, \
                            and what users remember.";

fn section(out: &mut String, title: &str, note: &str, body: &str) {
    let _ = writeln!(out, "<h2>{}</h2>", escape(title));
    if !note.is_empty() {
        let _ = writeln!(out, "<p class=\"sub\">{note}</p>");
    }
    let _ = writeln!(out, "{body}");
}

fn remarks(out: &mut String, report: &Report) {
    let name = escape(&plots::name(report));
    if let Some(why) = &report.partial {
        let why = escape(why);
        let _ = writeln!(out, "<p class=\"bad\"><b>{name}: a partial result.</b> {why}</p>");
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "<p class=\"hint\"><b>{name}:</b> {}</p>", escape(warning));
    }
}

fn summary(out: &mut String, reports: &[Report]) {
    out.push_str("<div class=\"wide\"><table><tr><th>run<th>model<th>rate /s<th>bytes /s");
    out.push_str("<th>p50 us<th>p99 us<th>max us<th>errors<th>generator<th>server</tr>\n");
    for report in reports {
        let server =
            report.server.map_or("-".into(), |server| format!("{:.0} %", 100.0 * server.cpu));
        let _ = writeln!(
            out,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{:.0} %<td>{server}</tr>",
            escape(&plots::name(report)),
            escape(&report.model),
            figure(report.rate_per_s),
            bytes(report.bytes_per_s),
            or_dash(report.latency("p50")),
            or_dash(report.latency("p99")),
            or_dash(report.latency("max")),
            grouped(report.failures()),
            100.0 * report.client_cpu,
        );
    }
    out.push_str("</table></div>\n");
}

fn table_of_latencies(out: &mut String, reports: &[Report]) {
    let mut rows = Vec::new();
    for report in reports {
        let name = plots::name(report);
        let Some(latency) = report.latency_us else { continue };
        if let Some(uncorrected) = report.uncorrected_us {
            rows.push((format!("{name}, from the intended time"), latency));
            rows.push((format!("{name}, uncorrected"), uncorrected));
        } else {
            rows.push((name, latency));
        }
    }
    latencies(out, &rows);
}

fn latencies(out: &mut String, rows: &[(String, Latency)]) {
    out.push_str("<div class=\"wide\"><table><tr><th>in us");
    COLUMNS.iter().for_each(|column| {
        let _ = write!(out, "<th>{column}");
    });
    out.push_str("</tr>\n");
    for (name, latency) in rows {
        let _ = write!(out, "<tr><td>{}", escape(name));
        for column in COLUMNS {
            let _ = write!(out, "<td>{}", or_dash(latency.shown(column)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn configuration(out: &mut String, reports: &[Report]) {
    out.push_str("<h2>Configuration</h2>\n<div class=\"wide\"><table><tr><th>");
    for report in reports {
        let _ = write!(out, "<th>{}", escape(&plots::name(report)));
    }
    out.push_str("</tr>\n");
    let own = |report: &Report| if report.own_server { " (our own)" } else { "" };
    type Cell = fn(&Report) -> String;
    let rows: [(&str, Cell); 10] = [
        ("connections", |report| grouped(report.connections as u64)),
        ("request, bytes", |report| grouped(report.size as u64)),
        ("in flight on each", |report| report.depth.to_string()),
        ("measured, s", |report| format!("{:.1}", report.duration_s)),
        ("warm-up, s", |report| format!("{:.1}", report.warmup_s)),
        ("threads", |report| report.threads.to_string()),
        ("asked rate /s", |report| report.asked_rate_per_s.map_or("-".into(), figure)),
        ("closing", |report| report.closing.clone()),
        ("longest silence, us", |report| figure(report.longest_silence_us)),
        ("cooee", |report| report.cooee.clone()),
    ];
    out.push_str("<tr><td>target");
    for report in reports {
        let _ = write!(out, "<td>{}{}", escape(&report.target), own(report));
    }
    out.push_str("</tr>\n");
    for (name, cell) in rows {
        let _ = write!(out, "<tr><td>{name}");
        for report in reports {
            let _ = write!(out, "<td>{}", escape(&cell(report)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

/// Text that may stand in a page.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_cannot_become_part_of_the_page() {
        assert_eq!(escape("got \"<b>\" & more"), "got &quot;&lt;b&gt;&quot; &amp; more");
    }
}
