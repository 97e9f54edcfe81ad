//! What a comparison has found about one question, in words and as rows of text: what a page shows.

use super::Report;
use super::compare::{ComparedFigure, are_of_a_kind, differing, name, rows};
use crate::bench::figures::{figure, whole};

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

/// What there is to say of both files, in the order of `before`.
pub(crate) fn findings<'a>(before: &'a [Report], after: &'a [Report]) -> Vec<Finding<'a>> {
    let mut found = Vec::new();
    for a in before {
        let b = after.iter().find(|b| are_of_a_kind(a, b));
        found.push(b.map_or_else(|| alone(a, "A"), |b| of_two(a, b)));
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

fn of_two<'a>(a: &'a Report, b: &'a Report) -> Finding<'a> {
    let differing = differing(a, b).into_iter();
    let figures = rows(a, b);
    let is_vain = a.operations == 0 || b.operations == 0;
    Finding {
        title: name(a),
        sentence: sentence(a, b, &figures),
        remarks: differing
            .map(|(name, of_a, of_b)| format!("not the same: {name} {of_a} in A, {of_b} in B"))
            .collect(),
        rows: if is_vain { Vec::new() } else { figures.iter().map(row).collect() },
        before: Some(a),
        after: Some(b),
    }
}

fn tone(figure: &ComparedFigure) -> Tone {
    match figure.verdict() {
        "WORSE" => Tone::Worse,
        "better" => Tone::Better,
        _ => Tone::Neither,
    }
}

fn row(of_both: &ComparedFigure) -> FindingRow {
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
        ratio: of_both.ratio().map_or("-".into(), |ratio| format!("{ratio:.3}")),
        verdict: of_both.verdict().to_lowercase(),
        tone: tone(of_both),
    }
}

fn sentence(a: &Report, b: &Report, figures: &[ComparedFigure]) -> String {
    match (a.operations, b.operations) {
        (0, 0) => return "Neither A nor B completed an operation.".into(),
        (0, _) => return "A completed not one operation.".into(),
        (_, 0) => return "B completed not one operation.".into(),
        _ => {}
    }
    let changed = |wanted: Tone| {
        let told = |figure: &ComparedFigure| {
            let change = 100.0 * (figure.ratio().unwrap_or(1.0) - 1.0);
            format!("{} {change:+.1} %", figure.name)
        };
        let all = figures.iter().filter(|figure| tone(figure) == wanted).map(told);
        all.collect::<Vec<_>>().join(", ")
    };
    match (changed(Tone::Worse), changed(Tone::Better)) {
        (worse, better) if worse.is_empty() && better.is_empty() => {
            "No difference beyond the noise was seen.".into()
        }
        (worse, better) if worse.is_empty() => format!("B is better: {better}."),
        (worse, better) if better.is_empty() => format!("B is worse: {worse}."),
        (worse, better) => format!("B is worse in {worse}; better in {better}."),
    }
}
