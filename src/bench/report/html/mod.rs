//! Results as one page that needs nothing else: plots as SVG, tables, no script.

mod figure;
mod grid;
mod plots;
mod sections;
mod shown_run;
mod style;
mod tables;

use std::fmt::Write;

use super::Report;
use super::finding::Finding;
use super::plot::{Colour, escape};
use sections::{Sections, cards, heading, plan};
use shown_run::{ShownRun, is_ramp, runs};

/// The page for so many results.
pub(crate) fn page(reports: &[Report]) -> String {
    let reports: Vec<&Report> = reports.iter().collect();
    let runs = runs(&reports);
    let title = match runs.as_slice() {
        [only] => format!("cooee bench: {}", only.name),
        several if is_ramp(&reports) => {
            format!("cooee bench: {}, {} rates", several[0].report.workload, several.len())
        }
        several => format!("cooee bench: {} runs", several.len()),
    };
    let mut out = head(&title);
    for run in &runs {
        remarks(&mut out, &run.name, run.report);
    }
    match runs.as_slice() {
        [only] => {
            out.push_str(&plan(only.report));
            out.push_str(&if only.has_worked() { cards(only) } else { String::new() });
        }
        several => out.push_str(&tables::summary(several)),
    }
    let mut sections = Sections::new(2);
    if is_ramp(&reports) {
        sections.ramps(&[("", Colour::Ink, runs.clone())]);
    }
    sections.all(&runs);
    out + &sections.html + FOOT
}

/// The page of two files, or two servers, that were compared; `names` says what A and B are.
pub(crate) fn page_of_findings(names: [&str; 2], findings: &[Finding<'_>]) -> String {
    let title = match findings {
        [only] => format!("cooee bench: A against B, {}", only.title),
        _ => "cooee bench: A against B".into(),
    };
    let mut out = head(&title);
    let [a, b] = names.map(escape);
    let _ = writeln!(out, "<p class=\"sub\">A is <b>{a}</b>, B is <b>{b}</b>.</p>");
    for finding in findings {
        for (side, report) in [("A", finding.before), ("B", finding.after)] {
            let name = format!("{}, {side}", finding.title);
            report.iter().for_each(|report| remarks(&mut out, &name, report));
        }
        for remark in &finding.remarks {
            hint(&mut out, &finding.title, remark);
        }
    }
    if findings.len() > 1 {
        out.push_str(&tables::overview(findings));
    }
    both_ramps(&mut out, findings);
    for finding in findings {
        add_finding(&mut out, finding, findings.len() == 1);
    }
    out + FOOT
}

/// Two measurements at rates that rise share their plots.
fn both_ramps(out: &mut String, findings: &[Finding<'_>]) {
    let pairs = findings.iter().filter_map(|finding| finding.before.zip(finding.after));
    let (before, after): (Vec<&Report>, Vec<&Report>) = pairs.unzip();
    if is_ramp(&before) && is_ramp(&after) {
        let mut sections = Sections::new(2);
        let (a, b) = (Colour::Numbered(0), Colour::Numbered(1));
        sections.ramps(&[("A", a, runs(&before)), ("B", b, runs(&after))]);
        out.push_str(&sections.html);
    }
}

/// What was found about one question, and both results on the same plots.
fn add_finding(out: &mut String, finding: &Finding<'_>, is_only: bool) {
    let both = finding.before.zip(finding.after);
    // What is only in one of them has been told above.
    if both.is_none() && !is_only {
        return;
    }
    if !is_only {
        out.push_str(&heading(2, &finding.title));
    }
    let _ = writeln!(out, "<p class=\"lead\">{}</p>", escape(&finding.sentence));
    let Some((a, b)) = both else { return };
    if !finding.rows.is_empty() {
        out.push_str(&tables::finding(finding));
    }
    let mut sections = Sections::new(if is_only { 2 } else { 3 });
    sections.all(&[ShownRun::new(a, "A", 0), ShownRun::new(b, "B", 1)]);
    out.push_str(&sections.html);
}

fn head(title: &str) -> String {
    let (title, style) = (escape(title), style::style());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n"
    )
}

const FOOT: &str = "</main>\n</body>\n</html>\n";

/// What makes a result doubtful, before the result.
fn remarks(out: &mut String, name: &str, report: &Report) {
    let named = escape(name);
    let why = report.partial.as_deref().map(escape);
    let what = match report.operations {
        0 if !report.is_rest() => Some("not one operation was completed"),
        _ => why.as_ref().map(|_| "a partial result"),
    };
    if let Some(what) = what {
        let why = why.unwrap_or_default();
        let _ = writeln!(out, "<p class=\"bad\"><b>{named}: {what}.</b> {why}</p>");
    }
    for warning in &report.warnings {
        hint(out, name, warning);
    }
}

fn hint(out: &mut String, name: &str, text: &str) {
    let (name, text) = (escape(name), escape(text));
    let _ = writeln!(out, "<p class=\"hint\"><b>{name}:</b> {text}</p>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fields;
    use crate::bench::measure::statistics::verdict::Design;
    use crate::bench::report::StageReport;
    use crate::bench::report::compare::compare;
    use crate::bench::report::finding::findings;

    const HOSTILE: &str = "<script>\"'&</style></title>";

    /// A result of two slices, with what `change` makes of it.
    fn report(change: impl FnOnce(&mut Report)) -> Report {
        let latency = serde_json::json!({
            "min": 10.0, "mean": 60.0, "p50": 50.0, "p90": 90.0, "p99": 200.0, "p99_9": 900.0,
            "p99_99": 2000.0, "max": 2500.0
        });
        let slice = |at: f64| {
            serde_json::json!({
                "at_s": at, "rate_per_s": 1000.0 + at, "p50_us": 50.0, "p99_us": 200.0, "errors": 0
            })
        };
        let sample = serde_json::json!({
            "workload": "tcp_rr", "model": "closed", "target": "echo+tcp://127.0.0.1:7",
            "connections": 8, "size": 64, "depth": 1, "duration_s": 2.0, "operations": 20000,
            "rate_per_s": 1000.0, "bytes_per_s": 64000.0, "errors": { "total": 0 },
            "latency_us": latency, "client_cpu": 0.5, "cooee": "0.1.0", "own_server": false,
            "threads": 1, "warmup_s": 1.0, "timeout_s": 2.0, "closing": "fin", "sources": 0,
            "phases_us": {}, "longest_silence_us": 10.0, "slice_s": 1.0,
            "timeline": [slice(0.0), slice(1.0)], "warnings": [], "hdr_v2": "",
            "client": {
                "cpu_s": 1.0, "cpu_us_per_operation": 1.0, "busiest": 0.5, "starved": 0.0,
                "was_bottleneck": false
            },
            "noise": { "from": "slices", "rate": 0.01, "p50": 0.01, "p99": 0.01 },
        });
        let mut report = fields::read(&sample).unwrap();
        change(&mut report);
        report
    }

    fn at_rate(rate: f64) -> Report {
        report(|report| report.asked_rate_per_s = Some(rate))
    }

    fn search(highest: Option<f64>) -> Report {
        let probe = |rate: f64, held| {
            serde_json::json!({
                "asked_rate_per_s": rate, "rate_per_s": rate, "bounded_us": rate, "held": held
            })
        };
        let search = serde_json::json!({
            "bound": "p99=1ms", "highest_rate_per_s": highest,
            "probes": [probe(500.0, highest.is_some()), probe(2000.0, false)]
        });
        report(|report| report.search = fields::read(&search).unwrap())
    }

    fn figures(page: &str) -> usize {
        page.matches("<figure>").count()
    }

    /// What a comparison of two files finds.
    fn found<'a>(before: &'a [Report], after: &'a [Report]) -> Vec<Finding<'a>> {
        let found = compare(before, after, Design::Groups, &[]);
        findings(before, after, &found.map_or_else(|_| Vec::new(), |found| found.pairs))
    }

    #[test]
    fn what_others_said_stays_text() {
        let hostile = report(|report| {
            let all = [
                &mut report.workload,
                &mut report.model,
                &mut report.target,
                &mut report.closing,
                &mut report.cooee,
            ];
            all.into_iter().for_each(|text| *text = HOSTILE.into());
            report.partial = Some(HOSTILE.into());
            report.warnings = vec![HOSTILE.into()];
            report.errors.insert(HOSTILE.into(), 1);
            report.phases_us.insert(HOSTILE.into(), report.latencies());
            report.search = search(None).search;
            if let Some(search) = &mut report.search {
                search.bound = HOSTILE.into();
            }
        });
        let both = [hostile];
        let compared = page_of_findings([HOSTILE, HOSTILE], &found(&both, &both));
        for page in [page(&both), compared] {
            assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;&lt;/style&gt;"), "{page}");
            assert!(!page.contains("<script") && page.matches("</style>").count() == 1, "{page}");
            assert_eq!(page.matches("</title>").count(), page.matches("<title>").count());
        }
    }

    #[test]
    fn a_run_in_which_nothing_worked_has_its_errors_and_neither_plots_nor_zeros() {
        let failed = report(|report| {
            *report = Report {
                operations: 0,
                duration_s: 0.0,
                rate_per_s: 0.0,
                latency_us: Default::default(),
                timeline: Vec::new(),
                partial: Some("nobody listens".into()),
                ..report.clone()
            };
            report.errors = [("refused".into(), 3), ("total".into(), 3)].into();
        });
        let lone = page(std::slice::from_ref(&failed));
        for told in ["not one operation was completed", "nobody listens", "refused", ">3<"] {
            assert!(lone.contains(told), "{told}: {lone}");
        }
        assert_eq!(figures(&lone), 0);
        let shown = lone.split("</style>").last().unwrap();
        assert!(!shown.contains(">0<") && !shown.contains(">0.0"), "{shown}");
        let among_others = page(&[failed.clone(), report(|_| ())]);
        assert!(!among_others.contains("<td>0.0"), "{among_others}");
        let (failed, worked) = ([failed], [report(|_| ())]);
        let compared = page_of_findings(["a", "b"], &found(&worked, &failed));
        assert!(compared.contains("B completed not one operation") && !compared.contains("-100"));
    }

    #[test]
    fn a_single_slice_is_drawn() {
        let page = page(&[report(|report| report.timeline.truncate(1))]);
        assert_eq!(figures(&page), 3);
        assert!(!page.contains("NaN"), "{page}");
    }

    #[test]
    fn a_ramp_is_drawn_over_the_asked_rate_and_its_steps_one_after_the_other() {
        let reports: Vec<Report> = [100.0, 200.0, 400.0].map(at_rate).into();
        let ramp = page(&reports);
        assert!(ramp.contains("Rate reached over the rate asked for"), "{ramp}");
        assert_eq!(figures(&ramp), 5);
        let begun: Vec<f64> =
            runs(&reports.iter().collect::<Vec<_>>()).iter().map(|run| run.begins_s).collect();
        assert_eq!(begun, [0.0, 2.0, 4.0]);
        // Neither rates that fall nor several workloads are a ramp.
        let fallen: Vec<Report> = [200.0, 100.0].map(at_rate).into();
        assert!(!page(&fallen).contains("over the rate asked for"));
        let compared = page_of_findings(["a", "b"], &found(&reports, &reports));
        assert!(compared.contains("A: p99") && compared.contains("B: p99"), "{compared}");
    }

    #[test]
    fn the_stages_of_a_profile_share_a_timeline_and_a_rest_is_no_failure() {
        let mut reports: Vec<Report> = [100.0, 0.0, 400.0].map(at_rate).into();
        for (number, report) in reports.iter_mut().enumerate() {
            let begins_s = [0.0, 7.0, 9.5][number];
            report.stage = Some(StageReport { number: number + 1, of: 3, begins_s });
        }
        reports[1].operations = 0;
        let begun: Vec<f64> =
            runs(&reports.iter().collect::<Vec<_>>()).iter().map(|run| run.begins_s).collect();
        assert_eq!(begun, [0.0, 7.0, 9.5]);
        let page = page(&reports);
        assert!(page.contains("The stages one after the other"), "{page}");
        assert!(!page.contains("not one operation"), "{page}");
    }

    #[test]
    fn a_search_shows_the_bound_and_what_did_not_hold() {
        for highest in [Some(500.0), None] {
            let page = page(&[search(highest)]);
            for told in ["the bound: p99=1ms", "was not kept", "not held"] {
                assert!(page.contains(told), "{told}: {page}");
            }
            assert_eq!(page.contains(">held<"), highest.is_some());
        }
    }

    #[test]
    fn a_run_has_one_colour_in_every_plot_and_table() {
        let (before, after) = ([at_rate(100.0)], [at_rate(100.0)]);
        let page = page_of_findings(["a", "b"], &found(&before, &after));
        let keys = |name: &str| -> Vec<&str> {
            let named = format!("</svg>{name}<");
            let ends = page.match_indices(&named).map(|(at, _)| at);
            let key = |end| page[..end].rsplit("<path").next().unwrap();
            ends.map(|end| key(end).split("var(--").nth(1).unwrap().split(')').next().unwrap())
                .collect()
        };
        for (name, colour) in [("A", "c0"), ("B", "c1")] {
            let found = keys(name);
            assert!(found.len() >= 5 && found.iter().all(|key| *key == colour), "{found:?}");
        }
        assert!(!page.contains("(1)"), "{page}");
    }

    #[test]
    fn runs_of_the_same_name_are_numbered() {
        let reports = [report(|_| ()), at_rate(100.0), report(|_| ())];
        let names: Vec<String> =
            runs(&reports.iter().collect::<Vec<_>>()).into_iter().map(|run| run.name).collect();
        assert_eq!(names, ["tcp_rr (1)", "tcp_rr at 100/s", "tcp_rr (2)"]);
    }

    #[test]
    fn what_is_only_in_one_of_two_files_is_told() {
        let (before, after) = ([report(|_| ()), at_rate(5.0)], [report(|_| ()), at_rate(6.0)]);
        let page = page_of_findings(["a", "b"], &found(&before, &after));
        assert!(page.contains("Only in A.") && page.contains("Only in B."), "{page}");
    }
}
