//! What a comparison has found about one question, in words and as rows of text: what a page shows.

use super::Report;
use super::compare::row::ComparedRow;
use super::compare::{ComparedPair, Difference, are_of_a_kind};
use super::words::name;
use crate::bench::figures::{figure, whole};
use crate::bench::measure::statistics::verdict::Verdict;

/// What was found about one question.
pub(crate) struct Finding<'a> {
    /// What was asked.
    pub(crate) title: String,
    /// The answer, in a sentence.
    pub(crate) sentence: String,
    /// Why the answer is doubtful.
    pub(crate) remarks: Vec<String>,
    /// The figures behind it.
    pub(crate) rows: Vec<FindingRow>,
    /// The results, for their plots; `None`: only the other one was there.
    pub(crate) before: Option<&'a Report>,
    pub(crate) after: Option<&'a Report>,
}

/// One figure of both.
pub(crate) struct FindingRow {
    pub(crate) name: String,
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) ratio: String,
    pub(crate) verdict: String,
    pub(crate) tone: Tone,
}

/// Whether a change is welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Better,
    Worse,
    Neither,
}

/// What there is to say of both files, in the order of `before`; `pairs`: what was found of those
/// that answer the same question.
pub(crate) fn findings<'a>(
    before: &'a [Report],
    after: &'a [Report],
    pairs: &[ComparedPair],
) -> Vec<Finding<'a>> {
    let mut pairs = pairs.iter();
    let mut found = Vec::new();
    for a in before {
        // Pairs come in the same order.
        let partner = after.iter().find(|b| are_of_a_kind(a, b));
        let both = partner.and_then(|b| Some((b, pairs.next()?)));
        found.push(both.map_or_else(|| alone(a, "A"), |(b, pair)| of_two(a, b, pair)));
    }
    let is_new = |b: &&Report| !before.iter().any(|a| are_of_a_kind(a, b));
    found.extend(after.iter().filter(is_new).map(|b| alone(b, "B")));
    found
}

fn alone<'a>(report: &'a Report, side: &str) -> Finding<'a> {
    let is_a = side == "A";
    Finding {
        title: name(report),
        sentence: format!("Only in {side}."),
        remarks: Vec::new(),
        rows: Vec::new(),
        before: Some(report).filter(|_| is_a),
        after: Some(report).filter(|_| !is_a),
    }
}

fn of_two<'a>(a: &'a Report, b: &'a Report, pair: &ComparedPair) -> Finding<'a> {
    let is_vain = a.operations == 0 || b.operations == 0;
    let differing = pair.differing.iter().map(|Difference { name, before, after }| {
        format!("not the same: {name} {before} in A, {after} in B")
    });
    Finding {
        title: pair.name.clone(),
        sentence: pair.sentence.clone(),
        remarks: differing.chain(pair.remarks.iter().cloned()).collect(),
        rows: if is_vain { Vec::new() } else { pair.rows.iter().map(row).collect() },
        before: Some(a),
        after: Some(b),
    }
}

fn row(of_both: &ComparedRow) -> FindingRow {
    let unit = match of_both.name {
        "rate" => "rate /s".into(),
        "errors" => "errors".into(),
        name => format!("{name} µs"),
    };
    let told = |value| if of_both.name == "errors" { whole(value) } else { figure(value) };
    FindingRow {
        name: unit,
        before: told(of_both.before),
        after: told(of_both.after),
        ratio: of_both.ratio.map_or("-".into(), |ratio| format!("{ratio:.3}")),
        verdict: of_both.brief(),
        tone: match of_both.verdict {
            Verdict::Better(_) => Tone::Better,
            Verdict::Worse(_) => Tone::Worse,
            Verdict::Same(_) | Verdict::TooNoisy | Verdict::TooFew(..) => Tone::Neither,
        },
    }
}
