//! By how much a figure may be worse before `--fail-over` fails a comparison.

use std::str::FromStr;

use super::row::{ComparedRow, FIGURES};
use crate::bench::figures::figure;
use crate::bench::measure::statistics::verdict::{Sense, Verdict};

/// By how much a figure may be worse, such as `p99=10%`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tolerance {
    figure: String,
    share: f64,
}

impl FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Tolerance, String> {
        let example = "write it like p99=10% or rate=5%";
        let (figure, percent) = text.split_once('=').ok_or(example)?;
        if !FIGURES.iter().any(|(name, _)| *name == figure) {
            let known = FIGURES.map(|(name, _)| name).join(", ");
            return Err(format!("{figure:?} is not compared: {known}"));
        }
        let percent = percent.strip_suffix('%').ok_or(example)?;
        let percent: f64 = percent.trim().parse().map_err(|_| example)?;
        if !(percent.is_finite() && percent >= 0.0) {
            return Err(example.into());
        }
        Ok(Tolerance { figure: figure.into(), share: percent / 100.0 })
    }
}

/// What a tolerance says about a figure.
#[derive(Debug, PartialEq)]
pub(super) enum Ruling {
    /// It is about another figure, or this one is good enough.
    Fine,
    /// Good enough, with something to be told.
    Remark(String),
    /// Worse by more than is tolerated.
    Excess(String),
}

impl Tolerance {
    /// Whether `row` is good enough. Where there are enough runs, only a difference that is none of
    /// chance counts; otherwise the ratio alone decides.
    pub(super) fn ruling(&self, row: &ComparedRow) -> Ruling {
        if self.figure != row.name {
            return Ruling::Fine;
        }
        let (name, percent) = (row.name, 100.0 * self.share);
        let worse = match row.worse() {
            f64::INFINITY => format!("{} where there were none", figure(row.after)),
            share => format!("{:.1} % worse", 100.0 * share),
        };
        let worse = format!("{name}: {worse}, {percent:.1} % are allowed");
        let is_worse = row.worse() > self.share;
        match row.verdict {
            Verdict::TooFew(..) if is_worse => {
                Ruling::Excess(format!("{worse} (by the ratio alone: {})", row.words()))
            }
            Verdict::TooFew(..) => {
                let words = row.words();
                Ruling::Remark(format!("--fail-over {name}: by the ratio alone ({words})"))
            }
            _ if !is_worse => Ruling::Fine,
            // Errors that begin where there were none are no matter of chance.
            Verdict::Worse(_) => Ruling::Excess(worse),
            _ if row.sense == Sense::Errors && row.before == 0.0 => Ruling::Excess(worse),
            _ => {
                let why = row.brief();
                Ruling::Remark(format!("--fail-over {worse}; let pass, may be chance: {why}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::statistics::verdict::Design;

    fn row(verdict: Verdict, after: f64) -> ComparedRow {
        ComparedRow {
            name: "p99",
            sense: Sense::Latency,
            before: 100.0,
            after,
            ratio: Some(after / 100.0),
            interval: None,
            verdict,
            p: None,
        }
    }

    fn tolerance() -> Tolerance {
        "p99=10%".parse().unwrap()
    }

    #[test]
    fn only_what_is_no_chance_exceeds_a_tolerance() {
        let sure = tolerance().ruling(&row(Verdict::Worse(Some((0.05, 0.3))), 120.0));
        assert_eq!(sure, Ruling::Excess("p99: 20.0 % worse, 10.0 % are allowed".into()));
        let unsure = tolerance().ruling(&row(Verdict::TooNoisy, 120.0));
        let told = "--fail-over p99: 20.0 % worse, 10.0 % are allowed; let pass, may be chance: \
                    too noisy to tell";
        assert_eq!(unsure, Ruling::Remark(told.into()));
        for (verdict, after) in [
            (Verdict::Worse(Some((0.02, 0.3))), 109.0),
            (Verdict::Better(None), 50.0),
            (Verdict::Same(0.01), 100.5),
        ] {
            assert_eq!(tolerance().ruling(&row(verdict, after)), Ruling::Fine);
        }
        let other: Tolerance = "rate=10%".parse().unwrap();
        assert_eq!(other.ruling(&row(Verdict::Worse(None), 900.0)), Ruling::Fine);
    }

    #[test]
    fn too_few_runs_are_judged_by_the_ratio_alone_and_that_is_said() {
        let few = Verdict::TooFew([1, 1], Design::Groups);
        let told = "p99: 20.0 % worse, 10.0 % are allowed (by the ratio alone: one run each: too \
                    few to tell)";
        assert_eq!(tolerance().ruling(&row(few, 120.0)), Ruling::Excess(told.into()));
        let told = "--fail-over p99: by the ratio alone (one run each: too few to tell)";
        assert_eq!(tolerance().ruling(&row(few, 105.0)), Ruling::Remark(told.into()));
    }

    #[test]
    fn errors_where_there_were_none_are_no_chance() {
        let errors = |before: f64, verdict| ComparedRow {
            name: "errors",
            sense: Sense::Errors,
            before,
            ratio: (before > 0.0).then(|| 2.0 / before),
            ..row(verdict, 2.0)
        };
        let tolerance: Tolerance = "errors=0%".parse().unwrap();
        let ruling = tolerance.ruling(&errors(0.0, Verdict::TooNoisy));
        assert_eq!(
            ruling,
            Ruling::Excess("errors: 2.0 where there were none, 0.0 % are allowed".into())
        );
        let ruling = tolerance.ruling(&errors(2.0, Verdict::Same(0.0)));
        assert_eq!(ruling, Ruling::Fine);
    }

    #[test]
    fn a_tolerance_that_says_nothing_is_refused() {
        for (text, why) in [
            ("p98=1%", "\"p98\" is not compared: rate, mean, p50"),
            ("p99", "write it like p99=10%"),
            ("p99=10", "write it like p99=10%"),
            ("p99=-1%", "write it like p99=10%"),
            ("p99=inf%", "write it like p99=10%"),
        ] {
            let error = text.parse::<Tolerance>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
