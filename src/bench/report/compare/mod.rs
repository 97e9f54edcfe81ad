//! Two results side by side: ratios, whether they are more than chance, whether that is too much.

pub(super) mod row;
mod sentence;
mod text;
mod tolerance;

use super::Report;
use super::words::name;
use crate::bench::measure::statistics::verdict::Design;

pub(crate) use row::ComparedRow;
use tolerance::Ruling;
pub(crate) use tolerance::Tolerance;

/// What a comparison has found.
pub(crate) struct Comparison {
    /// What both sides have measured.
    pub(crate) pairs: Vec<ComparedPair>,
    /// What only one side has, in words.
    pub(crate) alone: Vec<String>,
    /// What is worse by more than is tolerated.
    pub(crate) excesses: Vec<String>,
    /// All of it for people.
    pub(crate) table: String,
}

/// Two results that answer the same question.
pub(crate) struct ComparedPair {
    /// What was measured, such as `tcp_rr at 1,000/s`.
    pub(crate) name: String,
    /// A.
    pub(crate) before: ComparedSide,
    /// B.
    pub(crate) after: ComparedSide,
    /// What was not asked for, or not measured, in the same way.
    pub(crate) differing: Vec<Difference>,
    /// Figure by figure.
    pub(crate) rows: Vec<ComparedRow>,
    /// What it comes to, in one plain sentence.
    pub(crate) sentence: String,
    /// What `--fail-over` lets pass, and why.
    pub(crate) remarks: Vec<String>,
}

/// One result of a pair.
pub(crate) struct ComparedSide {
    /// The server.
    pub(crate) target: String,
    /// How many runs it is made of.
    pub(crate) runs: usize,
    /// Why it ended before its time.
    pub(crate) partial: Option<String>,
}

impl ComparedSide {
    fn of(report: &Report) -> ComparedSide {
        let runs = report.repeats.as_ref().map_or(1, |repeats| repeats.rate_per_s.len());
        ComparedSide { target: report.target.clone(), runs, partial: report.partial.clone() }
    }
}

/// One thing that is not the same on both sides.
pub(crate) struct Difference {
    /// What it is.
    pub(crate) name: &'static str,
    /// With A.
    pub(crate) before: String,
    /// With B.
    pub(crate) after: String,
}

/// Whether both answer the same question. What a search has found is its answer, so that its
/// rate is no part of the question.
pub(super) fn are_of_a_kind(a: &Report, b: &Report) -> bool {
    let question = |report: &Report| match report.search {
        Some(_) => (true, None),
        None => (false, report.asked_rate_per_s),
    };
    let stage = |report: &Report| report.stage.map(|stage| (stage.number, stage.of));
    a.workload == b.workload && question(a) == question(b) && stage(a) == stage(b)
}

/// Compares results that answer the same question, in the order of `before`.
///
/// # Errors
/// If nothing can be compared.
pub(crate) fn compare(
    before: &[Report],
    after: &[Report],
    design: Design,
    tolerances: &[Tolerance],
) -> Result<Comparison, String> {
    let (mut pairs, mut alone, mut excesses) = (Vec::new(), Vec::new(), Vec::new());
    for a in before {
        if let Some(b) = after.iter().find(|b| are_of_a_kind(a, b)) {
            pairs.push(pair(a, b, design, tolerances, &mut excesses));
            continue;
        }
        alone.push(format!("{}: only in A", name(a)));
        if !tolerances.is_empty() {
            excesses.push(format!("{}: not in B", name(a)));
        }
    }
    if pairs.is_empty() {
        let all = |reports: &[Report]| reports.iter().map(name).collect::<Vec<_>>().join(", ");
        let (a, b) = (all(before), all(after));
        return Err(format!("nothing is in both files: A has {a}; B has {b}"));
    }
    let only_after = after.iter().filter(|b| !before.iter().any(|a| are_of_a_kind(a, b)));
    alone.extend(only_after.map(|b| format!("{}: only in B", name(b))));
    let mut found = Comparison { pairs, alone, excesses, table: String::new() };
    found.table = text::table(&found);
    Ok(found)
}

fn pair(
    a: &Report,
    b: &Report,
    design: Design,
    tolerances: &[Tolerance],
    excesses: &mut Vec<String>,
) -> ComparedPair {
    let is_rest = a.is_rest() && b.is_rest();
    if b.operations == 0 && !is_rest && !tolerances.is_empty() {
        excesses.push(format!("{}: B completed not one operation", a.workload));
    }
    let mut rows = row::rows(a, b, design);
    if a.operations == 0 && b.operations == 0 {
        // Of nothing there are no figures.
        rows.retain(|row| row.name == "errors" && row.before + row.after > 0.0);
    }
    let mut remarks = Vec::new();
    let rulings = rows.iter().flat_map(|row| tolerances.iter().map(|t| t.ruling(row)));
    for ruling in rulings {
        match ruling {
            Ruling::Fine => {}
            Ruling::Remark(remark) => remarks.push(remark),
            Ruling::Excess(excess) => excesses.push(format!("{} {excess}", a.workload)),
        }
    }
    let (before, after) = (ComparedSide::of(a), ComparedSide::of(b));
    let sentence = match (a.operations, b.operations) {
        (0, 0) if is_rest => "a rest: nothing was asked".into(),
        (0, 0) => "neither A nor B completed one operation".into(),
        (0, _) => "A completed not one operation".into(),
        (_, 0) => "B completed not one operation".into(),
        _ => sentence::sentence(a, &rows, design, [before.runs, after.runs]),
    };
    ComparedPair {
        name: name(a),
        before,
        after,
        differing: differing(a, b),
        rows,
        sentence,
        remarks,
    }
}

/// What was not asked for in the same way, or not measured on the same machine.
fn differing(a: &Report, b: &Report) -> Vec<Difference> {
    let told = |report: &Report| {
        [
            ("model", report.model.clone()),
            ("connections", report.connections.to_string()),
            ("size", report.size.to_string()),
            ("depth", report.depth.to_string()),
            ("threads", report.threads.to_string()),
            ("closing", report.closing.clone()),
            ("sources", report.sources.to_string()),
            ("host", report.provenance.host.clone()),
            ("kernel", report.provenance.kernel.clone()),
            ("cpu", report.provenance.cpu.clone()),
            ("pinning", report.provenance.pinning.clone()),
            ("bound", report.search.as_ref().map_or("none".into(), |search| search.bound.clone())),
        ]
    };
    // Files of earlier versions do not say where they come from.
    let is_known = |text: &str| !text.is_empty();
    let both = told(a).into_iter().zip(told(b)).filter(|(a, b)| a.1 != b.1);
    let both = both.filter(|(a, b)| is_known(&a.1) && is_known(&b.1));
    both.map(|(a, b)| Difference { name: a.0, before: a.1, after: b.1 }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::bench::fields;
    use crate::bench::measure::statistics::verdict::Verdict;

    /// A result with nothing in it but what every file has.
    fn result() -> Value {
        let latency = json!({
            "min": 1.0, "mean": 2.0, "p50": 2.0, "p90": 3.0, "p99": 4.0, "p99_9": 5.0,
            "p99_99": 6.0, "max": 7.0
        });
        json!({
            "workload": "tcp_rr", "model": "closed", "target": "echo+tcp://127.0.0.1:7",
            "connections": 8, "size": 64, "depth": 1, "duration_s": 1.0, "operations": 1000,
            "rate_per_s": 1000.0, "bytes_per_s": 64000.0, "errors": { "total": 0 },
            "latency_us": latency, "client_cpu": 0.5, "cooee": "0.1.0", "own_server": false,
            "threads": 1, "warmup_s": 0.0, "timeout_s": 1.0, "closing": "fin", "sources": 0,
            "phases_us": {}, "longest_silence_us": 9.0, "slice_s": 0.1, "timeline": [],
            "client": {
                "cpu_s": 0.5, "cpu_us_per_operation": 500.0, "busiest": 0.5, "starved": 0.0,
                "was_bottleneck": false
            },
            "noise": { "from": "slices", "rate": null, "p50": null, "p99": null },
            "warnings": [], "hdr_v2": ""
        })
    }

    /// Eight runs of it: rates and all latencies by so much greater than 1000 and 100.
    fn repeated(mut result: Value, rate: f64, latency: f64, errors: u64) -> Value {
        let spread = |centre: f64| (0..8).map(|i| centre + 0.001 * centre * f64::from(i)).collect();
        let (rates, latencies): (Vec<f64>, Vec<f64>) =
            (spread(1000.0 * rate), spread(100.0 * latency));
        let errors = [errors; 8];
        result["repeats"] = json!({
            "rate_per_s": rates, "mean_us": latencies, "p50_us": latencies, "p90_us": latencies,
            "p99_us": latencies, "p99_9_us": latencies, "max_us": latencies, "errors": errors,
            "rate_half_width": 1.0, "converged": true
        });
        result
    }

    fn compared(a: &Value, b: &Value, design: Design) -> Comparison {
        let report = |value: &Value| fields::read::<Report>(value).unwrap();
        let found = compare(&[report(a)], &[report(b)], design, &[]).unwrap();
        let is_narrow = |line: &str| line.chars().count() <= 80;
        assert!(found.table.lines().all(is_narrow), "{}", found.table);
        found
    }

    #[test]
    fn runs_are_told_apart_figure_by_figure_and_in_one_sentence() {
        let (a, b) = (repeated(result(), 1.0, 1.0, 0), repeated(result(), 0.9, 1.2, 0));
        let found = compared(&a, &b, Design::Groups);
        let pair = &found.pairs[0];
        let told = "B is slower by 9.6 to 10.4 % (Mann-Whitney, 8 and 8 runs, p = 0.0002)";
        assert_eq!(pair.sentence, told);
        assert!(matches!(pair.rows[4].verdict, Verdict::Worse(Some(_))));
        assert_eq!(pair.rows[4].brief(), "higher by 19.5 to 20.5 %");
        let (low, high) = pair.rows[0].interval.unwrap();
        assert!(low < 0.9 && 0.9 < high && high < 0.91, "{low} {high}");
        assert_eq!((pair.before.runs, pair.rows[7].verdict), (8, Verdict::Same(0.0)));
        let better = compared(&b, &a, Design::Pairs).pairs.remove(0).sentence;
        assert_eq!(better, "B is faster by 11.1 % (signed rank, 8 pairs, p = 0.0078)");
    }

    #[test]
    fn the_sentence_is_about_what_was_asked() {
        let mut a = result();
        a["model"] = json!("open");
        a["asked_rate_per_s"] = json!(1000.0);
        let (open, slower) = (repeated(a.clone(), 1.0, 1.0, 0), repeated(a, 1.0, 1.2, 0));
        let said = |a: &Value, b: &Value| compared(a, b, Design::Groups).pairs[0].sentence.clone();
        assert!(said(&open, &slower).starts_with("B's p99 is higher by 19.5 to 20.5 % (Mann"));
        assert!(said(&open, &open).starts_with("p99: no difference seen (at most "));

        let (mut idle, mut search) = (repeated(result(), 1.0, 1.0, 0), result());
        idle["workload"] = json!("idle");
        assert!(said(&idle, &idle).starts_with("p50: no difference"));
        search["search"] =
            json!({ "bound": "p99=1ms", "highest_rate_per_s": 1000.0, "probes": [] });
        assert_eq!(said(&search, &search), "one run each: too few to tell");

        let (a, faster) = (repeated(result(), 1.0, 1.0, 0), repeated(result(), 1.1, 1.0, 3));
        assert!(said(&a, &faster).ends_with("; B has more errors"), "{}", said(&a, &faster));
    }

    #[test]
    fn results_of_older_versions_are_compared_by_what_they_have_kept() {
        let mut old = repeated(result(), 1.0, 1.0, 0);
        for figure in ["mean_us", "p50_us", "p90_us", "p99_9_us", "max_us", "errors"] {
            old["repeats"].as_object_mut().unwrap().remove(figure);
        }
        let found = compared(&old, &repeated(result(), 0.9, 1.0, 0), Design::Groups);
        let verdict = |index: usize| found.pairs[0].rows[index].verdict;
        assert!(matches!(verdict(0), Verdict::Worse(_)), "{}", found.table);
        assert!(matches!(verdict(4), Verdict::Same(_)), "{}", found.table);
        assert_eq!(verdict(2), Verdict::TooFew([1, 8], Design::Groups));
    }

    #[test]
    fn a_rest_has_no_figures_and_breaks_no_bound() {
        let mut rest = result();
        rest["model"] = json!("open");
        rest["asked_rate_per_s"] = json!(0.0);
        rest["operations"] = json!(0);
        rest["rate_per_s"] = json!(0.0);
        rest["stage"] = json!({ "number": 2, "of": 3, "begins_s": 1.0 });
        let report = || fields::read::<Report>(&rest).unwrap();
        let bound = ["p99=10%".parse().unwrap()];
        let found = compare(&[report()], &[report()], Design::Groups, &bound).unwrap();
        assert_eq!(found.excesses, [""; 0]);
        assert_eq!(found.pairs[0].sentence, "a rest: nothing was asked");
        assert!(!found.table.contains("too few to tell"), "{}", found.table);
    }

    #[test]
    fn one_run_each_is_never_called_better_or_worse() {
        let mut b = result();
        b["rate_per_s"] = json!(10.0);
        b["errors"]["total"] = json!(9);
        let found = compared(&result(), &b, Design::Groups);
        assert!(found.pairs[0].rows.iter().all(|row| matches!(row.verdict, Verdict::TooFew(..))));
        let told = "one run each: too few to tell; measure both with --repeat 8 (5 at least); \
                    B has more errors";
        assert_eq!(found.pairs[0].sentence, told);
    }

    #[test]
    fn the_table_keeps_its_columns_whatever_the_figures_are() {
        let mut far = repeated(result(), 99_999.0, 5_000_000.0, 1_000_000);
        far["target"] = json!("echo+tcp://a-long-name.of-a.server.example.org:65535");
        far["partial"] = json!("stopped answering ".repeat(9));
        let near = repeated(result(), 1.0, 1.0, 1);
        compared(&near, &far, Design::Groups);
        compared(&far, &near, Design::Groups);
    }
}
