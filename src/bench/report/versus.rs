//! What a comparison of two servers has found, as it is kept with the result of the second.
#![allow(missing_docs)] // the schema has a line on each field

use serde::Serialize;

use super::compare::{ComparedPair, ComparedRow};
use crate::bench::measure::statistics::verdict::Verdict;

/// What was found about B.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Versus {
    /// What it comes to, in words.
    pub(crate) sentence: String,
    pub(crate) figures: Vec<VersusFigure>,
}

/// One figure of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct VersusFigure {
    pub(crate) figure: &'static str,
    pub(crate) verdict: &'static str,
    /// B to A, and where the true ratio lies (99 %).
    pub(crate) ratio: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
    /// How likely so great a difference is by chance.
    pub(crate) p: Option<f64>,
}

impl Versus {
    pub(crate) fn of(pair: &ComparedPair) -> Versus {
        let figures = pair.rows.iter().map(VersusFigure::of).collect();
        Versus { sentence: pair.sentence.clone(), figures }
    }
}

impl VersusFigure {
    fn of(row: &ComparedRow) -> VersusFigure {
        let verdict = match row.verdict {
            Verdict::Better(_) => "better",
            Verdict::Worse(_) => "worse",
            Verdict::Same(_) => "no_difference",
            Verdict::TooNoisy => "too_noisy",
            Verdict::TooFew(..) => "too_few",
        };
        let ComparedRow { name: figure, ratio, interval, p, .. } = *row;
        VersusFigure { figure, verdict, ratio, interval, p }
    }
}
