//! What a comparison comes to, in one plain sentence.

use super::super::Report;
use super::row::ComparedRow;
use crate::bench::measure::statistics::significance::{GROUP_MIN, PAIRS_MIN};
use crate::bench::measure::statistics::verdict::{Design, Sense, Verdict};

/// The sentence for results like `report`, of which A and B have so many runs.
pub(super) fn sentence(
    report: &Report,
    rows: &[ComparedRow],
    design: Design,
    runs: [usize; 2],
) -> String {
    let decisive = decisive(report);
    let Some(row) = rows.iter().find(|row| row.name == decisive) else { return String::new() };
    let what = match &report.search {
        Some(search) => format!("highest rate with {}", search.bound),
        None => row.name.into(),
    };
    let said = match row.verdict {
        Verdict::Better(_) | Verdict::Worse(_) if row.sense == Sense::Rate => {
            format!("B is {}", row.words())
        }
        Verdict::Better(_) | Verdict::Worse(_) => format!("B's {what} is {}", row.words()),
        Verdict::Same(_) | Verdict::TooNoisy => format!("{what}: {}", row.words()),
        Verdict::TooFew(..) if report.search.is_some() => row.words(),
        // Five find nothing but what never overlaps; eight find a tenth in noise of three per cent.
        Verdict::TooFew(_, Design::Groups) => {
            format!("{}; measure both with --repeat 8 ({GROUP_MIN} at least)", row.words())
        }
        Verdict::TooFew(_, Design::Pairs) => {
            format!("{}; --repeat {PAIRS_MIN} or more has them", row.words())
        }
    };
    said + &evidence(row, design, runs) + errors(rows)
}

/// The figure that the sentence is about. In an open loop the rate is what was asked for, and those
/// who do nothing have none.
fn decisive(report: &Report) -> &'static str {
    match (report.workload.as_str(), &report.search, report.model.as_str()) {
        ("idle", ..) => "p50",
        (_, None, "open") => "p99",
        _ => "rate",
    }
}

fn evidence(row: &ComparedRow, design: Design, [a, b]: [usize; 2]) -> String {
    let Some(p) = row.p else { return String::new() };
    let p = if p < 0.0001 { "p < 0.0001".into() } else { format!("p = {p:.4}") };
    let runs = match design {
        Design::Groups => format!("{a} and {b}"),
        Design::Pairs => a.min(b).to_string(),
    };
    format!(" ({}, {runs} {}, {p})", design.test(), design.unit())
}

/// Who answers faster because it answers less has not become better.
fn errors(rows: &[ComparedRow]) -> &'static str {
    let has_more = |row: &ComparedRow| match row.verdict {
        Verdict::Worse(_) => true,
        _ => row.before == 0.0 && row.after > 0.0,
    };
    match rows.iter().find(|row| row.sense == Sense::Errors).is_some_and(has_more) {
        true => "; B has more errors",
        false => "",
    }
}
