//! What all forms of a result say in the same words, first of all what it is called.

use super::Report;
use crate::bench::figures::{grouped, short};
use crate::bench::measure::latency::{Latency, samples_for};

/// What a result is called where it stands alone.
pub(super) fn name(report: &Report) -> String {
    let name = match (&report.search, report.asked_rate_per_s) {
        (Some(search), _) => format!("{}, the highest rate with {}", report.workload, search.bound),
        (None, Some(_)) if report.is_rest() => format!("{} at rest", report.workload),
        (None, Some(rate)) => format!("{} at {}/s", report.workload, short(rate)),
        (None, None) => report.workload.clone(),
    };
    match report.stage {
        Some(stage) => format!("{name}, stage {} of {}", stage.number, stage.of),
        None => name,
    }
}

/// What two servers are called that were measured in turns; `None`: these results are no such pair.
pub(super) fn letters(reports: &[&Report]) -> Option<[&'static str; 2]> {
    matches!(reports, [_, b] if b.versus.is_some()).then_some(["A", "B"])
}

/// What each is called among others: those of the same name are numbered.
pub(super) fn names(reports: &[&Report]) -> Vec<String> {
    if let Some(letters) = letters(reports) {
        let pairs = reports.iter().zip(letters);
        return pairs.map(|(report, letter)| format!("{} ({letter})", name(report))).collect();
    }
    let names: Vec<String> = reports.iter().map(|report| name(report)).collect();
    let same = |names: &[String], name| names.iter().filter(|other| *other == name).count();
    let numbered = names.iter().enumerate().map(|(index, name)| match same(&names, name) {
        1 => name.clone(),
        _ => format!("{name} ({})", same(&names[..=index], name)),
    });
    numbered.collect()
}

/// What went wrong, by kind.
pub(super) fn errors(report: &Report) -> String {
    let kinds: Vec<String> = report
        .errors
        .iter()
        .filter(|(name, _)| *name != "total")
        .map(|(name, count)| format!("{} {}", grouped(*count), name.replace('_', " ")))
        .collect();
    let (count, kinds) = (report.failures(), kinds.join(", "));
    match (kinds.as_str(), count) {
        ("", 0) => "no errors".into(),
        (_, 1) => format!("1 error: {kinds}"),
        _ => format!("{} errors: {kinds}", grouped(count)),
    }
}

/// How long something took, with its unit.
pub(super) fn lasted(seconds: f64) -> String {
    match seconds {
        short if short < 1.0 => format!("{:.0} ms", 1000.0 * short),
        seconds => format!("{seconds:.1} s"),
    }
}

/// That nothing was completed, and how long it was tried.
pub(super) fn in_vain(report: &Report) -> String {
    if report.is_rest() {
        return format!("a rest of {}: nothing was asked", lasted(report.duration_s));
    }
    let tried = lasted(report.elapsed_s.unwrap_or(report.duration_s));
    format!("of the {} not one was completed in {tried}", report.operation())
}

/// Why there are dashes among the percentiles of so many latencies; `None`: there are none.
pub(super) fn too_few(timed: &[Latency], names: &[&str]) -> Option<String> {
    let hidden = names.iter().filter(|name| timed.iter().any(|one| one.shown(name).is_none()));
    let takes = |name: &&str| {
        let samples = grouped(samples_for(Latency::quantile(name)?));
        Some(format!("{name} takes {samples}"))
    };
    let takes: Vec<String> = hidden.filter_map(takes).collect();
    (!takes.is_empty()).then(|| format!("too few were timed: {}", takes.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::StageReport;
    use super::super::example::{nothing, timed};
    use super::super::versus::Versus;
    use super::*;
    use crate::bench::load::workload::Workload;

    #[test]
    fn two_servers_measured_in_turns_are_a_and_b_as_in_their_comparison() {
        let mut reports = [timed(Workload::TcpRr, &[1]), timed(Workload::TcpRr, &[1])];
        assert_eq!(names(&reports.iter().collect::<Vec<_>>()), ["tcp_rr (1)", "tcp_rr (2)"]);
        reports[1].versus = Some(Versus { sentence: String::new(), figures: Vec::new() });
        assert_eq!(names(&reports.iter().collect::<Vec<_>>()), ["tcp_rr (A)", "tcp_rr (B)"]);
        let table = super::super::table::several(&reports);
        assert!(table.starts_with("server "), "{table}");
        assert!(table.contains("\nA   ") && table.contains("\nB   "), "{table}");
    }

    #[test]
    fn a_dash_is_explained_where_there_is_one() {
        let timed = |samples| Latency { samples: Some(samples), ..Latency::default() };
        assert_eq!(too_few(&[timed(299)], &["p50", "p99", "max"]), None);
        let told = too_few(&[timed(299), timed(298)], &["p50", "p99", "max"]);
        assert_eq!(told.unwrap(), "too few were timed: p99 takes 299");
    }

    #[test]
    fn what_went_wrong_is_told_by_kind_and_how_long_it_was_tried() {
        let mut report = nothing();
        assert_eq!(errors(&report), "1,234 errors: 1,234 refused");
        assert_eq!(in_vain(&report), "of the requests not one was completed in 10.0 s");
        report.elapsed_s = Some(0.02);
        assert!(in_vain(&report).ends_with("in 20 ms"));
        report.asked_rate_per_s = Some(0.0);
        report.stage = Some(StageReport { number: 2, of: 3, begins_s: 1.0 });
        assert_eq!(in_vain(&report), "a rest of 10.0 s: nothing was asked");
        let mut fine = timed(Workload::Chat, &[1]);
        assert_eq!(errors(&fine), "no errors");
        fine.errors.insert("late".into(), 2);
        assert_eq!(errors(&fine), "0 errors: 2 late");
        fine.errors.insert("total".into(), 1);
        fine.errors.insert("lost".into(), 1);
        assert_eq!(errors(&fine), "1 error: 2 late, 1 lost");
    }
}
