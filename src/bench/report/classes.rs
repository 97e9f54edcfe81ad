//! The classes of operations that a result has latencies of: the whole operation, the same as a
//! generator without a schedule would show it, and its parts.

use super::Report;
use crate::bench::measure::latency::Latency;

/// One of them.
pub(super) struct Class {
    /// What it is called in CSV, whatever the workload: `operation`, `uncorrected`, `connect`.
    pub(super) key: String,
    /// What it is called in tables.
    pub(super) name: String,
    /// `None`: nothing was timed.
    pub(super) latency: Option<Latency>,
}

impl Class {
    fn new(key: &str, name: &str, latency: Option<Latency>) -> Class {
        Class { key: key.into(), name: name.into(), latency }
    }
}

/// All classes of a result, the whole operation first.
pub(super) fn all(report: &Report) -> Vec<Class> {
    let mut classes = vec![Class::new("operation", whole(report), report.latency_us)];
    if report.uncorrected_us.is_some() {
        classes.push(Class::new("uncorrected", "uncorrected", report.uncorrected_us));
    }
    for (key, latency) in &report.phases_us {
        classes.push(Class::new(key, &key.replace('_', " "), Some(*latency)));
    }
    classes
}

/// The classes for people: a part that is the whole operation, counted from the same beginning, is
/// not told twice.
pub(super) fn told(report: &Report) -> Vec<Class> {
    let (parts, mut classes): (Vec<Class>, Vec<Class>) =
        all(report).into_iter().partition(|class| report.phases_us.contains_key(&class.key));
    classes.retain(|class| class.latency.is_some());
    for part in parts {
        let is_same = |class: &Class| {
            class.latency == part.latency && (part.key == "whole" || part.name == class.name)
        };
        if !classes.iter().any(is_same) {
            classes.push(part);
        }
    }
    classes
}

/// What the latency of a result counts.
fn whole(report: &Report) -> &'static str {
    match (report.model.as_str(), report.workload.as_str()) {
        ("open", _) => "corrected",
        (_, "idle" | "tcp_cc") => "connect",
        (_, "tcp_crr" | "greet") => "exchange",
        (_, "chat") => "delivery",
        _ => "round trip",
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::extreme;
    use super::*;

    #[test]
    fn a_part_that_is_the_whole_is_told_once_but_kept_apart_in_csv() {
        let mut report = extreme();
        report.uncorrected_us = None;
        let same = report.latency_us.unwrap();
        let other = Latency { p50: 1.0, ..same };
        report.phases_us = [("connect", other), ("first_byte", same), ("whole", same)]
            .map(|(key, latency)| (key.to_owned(), latency))
            .into();
        let keys = |classes: Vec<Class>| -> Vec<String> {
            classes.into_iter().map(|class| class.key).collect()
        };
        assert_eq!(keys(all(&report)), ["operation", "connect", "first_byte", "whole"]);
        assert_eq!(keys(told(&report)), ["operation", "connect", "first_byte"]);
        report.latency_us = None;
        report.phases_us.clear();
        assert!(told(&report).is_empty(), "nothing was timed");
    }
}
