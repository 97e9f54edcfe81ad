//! What tables and Markdown say in the same words.

use clap::ValueEnum;

use super::Report;
use crate::bench::figures::grouped;
use crate::bench::load::workload::Workload;

/// What the operations of a workload are called.
pub(super) fn operation(report: &Report) -> &'static str {
    Workload::from_str(&report.workload, false).map_or("operations", Workload::operation)
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

/// That nothing was completed, and how long it was tried.
pub(super) fn in_vain(report: &Report) -> String {
    let tried = match report.elapsed_s.unwrap_or(report.duration_s) {
        short if short < 1.0 => format!("{:.0} ms", 1000.0 * short),
        seconds => format!("{seconds:.1} s"),
    };
    format!("of the {} not one was completed in {tried}", operation(report))
}

#[cfg(test)]
mod tests {
    use super::super::example::{nothing, timed};
    use super::*;

    #[test]
    fn what_went_wrong_is_told_by_kind_and_how_long_it_was_tried() {
        let mut report = nothing();
        assert_eq!(errors(&report), "1,234 errors: 1,234 refused");
        assert_eq!(in_vain(&report), "of the requests not one was completed in 10.0 s");
        report.elapsed_s = Some(0.02);
        assert!(in_vain(&report).ends_with("in 20 ms"));
        let mut fine = timed(Workload::Chat, &[1]);
        assert_eq!(errors(&fine), "no errors");
        fine.errors.insert("late".into(), 2);
        assert_eq!(errors(&fine), "0 errors: 2 late");
        fine.errors.insert("total".into(), 1);
        fine.errors.insert("lost".into(), 1);
        assert_eq!(errors(&fine), "1 error: 2 late, 1 lost");
    }
}
