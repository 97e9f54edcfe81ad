//! What a comparison has found, in words.

use super::LEVEL;
use super::effect::Effect;
use super::significance::{GROUP_MIN, PAIRS_MIN, mann_whitney, signed_rank};

/// A difference that is estimated as less than this is told as none, however significant it is.
/// Runs of one server repeat each other more closely than two processes of the same program do:
/// where their memory lies, and what the machine did at the two times, is worth about as much, and
/// no number of runs averages it out.
const SLIGHT: f64 = 0.01;
/// If the interval reaches farther than this to either side, it is too wide for "no difference":
/// a regression that people would care for may hide in it.
const NARROW: f64 = 0.05;
/// From this share more on, multiples are easier to read than per cent.
const MANIFOLD: f64 = 9.0;
/// More values than this on one side are left out: their pairs would no longer fit in memory.
const VALUES_MAX: usize = 1000;

/// What a figure means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sense {
    /// More is better.
    Rate,
    /// Less is better.
    Latency,
    /// Less is better, and none is usual.
    Errors,
}

/// How the runs of A and B belong together, and so which test tells them apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Design {
    /// All of A, all of B: Mann and Whitney's U.
    Groups,
    /// In turns, each run of A with the run of B after it: Wilcoxon's signed ranks.
    Pairs,
}

impl Design {
    /// The test, as it is called.
    pub(crate) fn test(self) -> &'static str {
        match self {
            Design::Groups => "Mann-Whitney",
            Design::Pairs => "signed rank",
        }
    }

    /// What is counted.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Design::Groups => "runs",
            Design::Pairs => "pairs",
        }
    }

    /// How many of them a test needs.
    pub(crate) fn needed(self) -> usize {
        match self {
            Design::Groups => GROUP_MIN,
            Design::Pairs => PAIRS_MIN,
        }
    }
}

/// By which share a figure is better or worse, from and to; `None`: a value is zero, and there is
/// no share of it.
type Extent = Option<(f64, f64)>;

/// What is known about a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// B is better.
    Better(Extent),
    /// B is worse.
    Worse(Extent),
    /// If there is a difference, it is at most this share.
    Same(f64),
    /// The runs differ too much among themselves.
    TooNoisy,
    /// So many runs of A and of B are too few.
    TooFew([usize; 2], Design),
}

/// Everything that two series of the same figure tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Judgement {
    /// What to say.
    pub(crate) verdict: Verdict,
    /// How likely a difference like this is by chance alone; `None`: not enough values.
    pub(crate) p: Option<f64>,
    /// By how much they differ; `None`: some are zero, or there are none.
    pub(crate) effect: Option<Effect>,
}

/// Judges the values of A and B, one a run. Values without a partner are no pair.
pub(crate) fn judge(sense: Sense, design: Design, a: &[f64], b: &[f64]) -> Judgement {
    let most = match design {
        Design::Groups => VALUES_MAX,
        Design::Pairs => a.len().min(b.len()).min(VALUES_MAX),
    };
    let (a, b) = (&a[..a.len().min(most)], &b[..b.len().min(most)]);
    let effect = match design {
        Design::Groups => Effect::of_groups(a, b),
        Design::Pairs => Effect::of_pairs(a, b),
    };
    let test = match design {
        Design::Groups => mann_whitney(a, b),
        Design::Pairs => signed_rank(&differences(a, b)),
    };
    let p = test.ok();
    let mut all = a.iter().chain(b);
    let is_same = all.next().is_none_or(|first| all.all(|value| value == first));
    let verdict = match p {
        None => Verdict::TooFew([a.len(), b.len()], design),
        Some(_) if is_same => Verdict::Same(0.0),
        Some(p) => decide(sense, p, effect, mean(b) > mean(a)),
    };
    Judgement { verdict, p, effect }
}

/// Of logarithms, as the effect is; where there are none, of the values themselves.
fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    let pairs = || a.iter().zip(b);
    match pairs().all(|(a, b)| *a > 0.0 && *b > 0.0) {
        true => pairs().map(|(a, b)| b.ln() - a.ln()).collect(),
        false => pairs().map(|(a, b)| b - a).collect(),
    }
}

#[allow(clippy::cast_precision_loss)] // a few values
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// There is a difference if the test says so, equality lies outside the interval (with ties that
/// may be asked for separately), and it is not slight.
fn decide(sense: Sense, p: f64, effect: Option<Effect>, is_more: bool) -> Verdict {
    let better = |is_more| is_more == (sense == Sense::Rate);
    let Some((ratio, (low, high))) = effect.and_then(|e| Some((e.ratio, e.interval?))) else {
        return match p <= LEVEL {
            true if better(is_more) => Verdict::Better(None),
            true => Verdict::Worse(None),
            false => Verdict::TooNoisy,
        };
    };
    let leaves_out = low > 1.0 || high < 1.0;
    if p <= LEVEL && leaves_out && (ratio - 1.0).abs() >= SLIGHT {
        let extent = if low > 1.0 { (low - 1.0, high - 1.0) } else { (1.0 - high, 1.0 - low) };
        return match better(low > 1.0) {
            true => Verdict::Better(Some(extent)),
            false => Verdict::Worse(Some(extent)),
        };
    }
    let reach = (high - 1.0).abs().max((1.0 - low).abs());
    if reach <= NARROW { Verdict::Same(reach) } else { Verdict::TooNoisy }
}

impl Verdict {
    /// In a few words, for a table.
    pub(crate) fn brief(&self, sense: Sense) -> String {
        let [better, worse, manifold] = match sense {
            Sense::Rate => ["faster", "slower", "as fast"],
            Sense::Latency => ["lower", "higher", "as high"],
            Sense::Errors => ["fewer", "more", "as many"],
        };
        match self {
            Verdict::Better(Some(extent)) | Verdict::Worse(Some(extent))
                if extent.1 >= MANIFOLD =>
            {
                multiplied(manifold, *extent)
            }
            Verdict::Better(extent) => changed(better, *extent),
            Verdict::Worse(extent) => changed(worse, *extent),
            Verdict::Same(0.0) => "the same".into(),
            Verdict::Same(_) => "no difference seen".into(),
            Verdict::TooNoisy => "too noisy to tell".into(),
            Verdict::TooFew(..) => "too few to tell".into(),
        }
    }

    /// Whole, with what would help.
    pub(crate) fn words(&self, sense: Sense) -> String {
        match self {
            Verdict::Same(0.0) => "no difference seen (all runs are the same)".into(),
            Verdict::Same(reach) => {
                format!("no difference seen (at most {} % either way)", rounded_up(100.0 * reach))
            }
            Verdict::TooNoisy => {
                "too noisy to tell; more --repeat, a longer --duration, a quieter \
                                  machine or --pin would help"
                    .into()
            }
            Verdict::TooFew([1, 1], Design::Groups) => "one run each: too few to tell".into(),
            Verdict::TooFew([a, b], design) => {
                let (unit, needed, count) = (design.unit(), design.needed(), a.min(b));
                format!("too few {unit} to tell ({count} of {needed} needed)")
            }
            Verdict::Better(_) | Verdict::Worse(_) => self.brief(sense),
        }
    }
}

/// Such as "faster by 4 to 7 %".
fn changed(how: &str, extent: Extent) -> String {
    let Some((least, most)) = extent.map(|(least, most)| (100.0 * least, 100.0 * most)) else {
        return how.into();
    };
    // With one decimal, where without the two would be one, or the lower one none.
    let tell = |value: f64, decimals| format!("{value:.decimals$}");
    for decimals in [0, 1] {
        let (from, to) = (tell(least, decimals), tell(most, decimals));
        if from != to && tell(0.0, decimals) != from {
            return format!("{how} by {from} to {to} %");
        }
    }
    match tell(least, 1) {
        none if none == "0.0" => format!("{how} by at most {} %", rounded_up(most)),
        both => format!("{how} by {both} %"),
    }
}

/// Such as "8.5 to 12 times as high"; of more than a thousand times nobody needs to know both ends.
fn multiplied(manifold: &str, (least, most): (f64, f64)) -> String {
    let tell = |times: f64| match times {
        times if times < 10.0 => format!("{times:.1}"),
        times if times < 1000.0 => format!("{times:.0}"),
        _ => "1000".into(),
    };
    let (least, most) = (1.0 + least, 1.0 + most);
    match most {
        most if most < 1000.0 => format!("{} to {} times {manifold}", tell(least), tell(most)),
        _ => format!("over {} times {manifold}", tell(least)),
    }
}

/// Per cent that are not more than this says.
fn rounded_up(percent: f64) -> String {
    // What rounding has added must not become a whole step, and there is no -0.
    let whole_steps = |steps: f64| ((percent * steps - 1e-6).ceil() + 0.0) / steps;
    match percent {
        percent if percent > 0.95 => format!("{:.0}", whole_steps(1.0)),
        _ => format!("{:.1}", whole_steps(10.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::normal;
    use super::*;
    use crate::splitmix::Random;

    fn runs(count: usize, mean: f64, noise: f64, random: &mut Random) -> Vec<f64> {
        (0..count).map(|_| mean * (noise * normal(random)).exp()).collect()
    }

    fn is_different(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Better(_) | Verdict::Worse(_))
    }

    /// Of how many comparisons a difference was told, with so much noise and B by so much slower.
    fn told(design: Design, runs_each: usize, noise: f64, slower: f64, times: usize) -> usize {
        let mut random = Random::new((runs_each + 100 * times) as u64);
        let mut one = |_: &usize| {
            let a = runs(runs_each, 100_000.0, noise, &mut random);
            let b = runs(runs_each, 100_000.0 * (1.0 - slower), noise, &mut random);
            is_different(judge(Sense::Rate, design, &a, &b).verdict)
        };
        (0..times).filter(&mut one).count()
    }

    #[test]
    fn a_server_beside_itself_is_called_different_once_in_a_hundred_times() {
        // 20 of 2000 are expected at most; 35 would be three and a half deviations above that.
        for (design, runs_each) in [
            (Design::Groups, 5),
            (Design::Groups, 8),
            (Design::Groups, 12),
            (Design::Pairs, 8),
            (Design::Pairs, 12),
        ] {
            let alarms = told(design, runs_each, 0.05, 0.0, 2000);
            assert!(alarms <= 34, "{alarms} of 2000 with {runs_each}, {design:?}");
        }
    }

    #[test]
    fn a_server_that_is_slower_by_a_tenth_is_found() {
        for (design, runs_each, least) in
            [(Design::Groups, 8, 995), (Design::Groups, 12, 999), (Design::Pairs, 12, 995)]
        {
            let found = told(design, runs_each, 0.03, 0.1, 1000);
            assert!(found >= least, "{found} of 1000 with {runs_each}, {design:?}");
        }
        // Five a side must not overlap at all, and eight pairs must all say the same.
        assert!(told(Design::Groups, 5, 0.02, 0.1, 1000) >= 980);
        assert!(told(Design::Pairs, 8, 0.03, 0.1, 1000) >= 930);
    }

    #[test]
    fn the_direction_of_the_figure_decides_what_is_better() {
        let (few, many) =
            ([100.0, 101.0, 102.0, 103.0, 104.0], [110.0, 111.0, 112.0, 113.0, 114.0]);
        for (sense, up, down) in [
            (Sense::Rate, "faster by 6 to 14 %", "slower by 5 to 12 %"),
            (Sense::Latency, "higher by 6 to 14 %", "lower by 5 to 12 %"),
            (Sense::Errors, "more by 6 to 14 %", "fewer by 5 to 12 %"),
        ] {
            let (risen, fallen) = (
                judge(sense, Design::Groups, &few, &many),
                judge(sense, Design::Groups, &many, &few),
            );
            assert_eq!(risen.verdict.words(sense), up);
            assert_eq!(fallen.verdict.brief(sense), down);
            let is_better = matches!(risen.verdict, Verdict::Better(_));
            assert_eq!(is_better, sense == Sense::Rate);
        }
    }

    fn words(design: Design, a: &[f64], b: &[f64]) -> String {
        judge(Sense::Rate, design, a, b).verdict.words(Sense::Rate)
    }

    #[test]
    fn what_is_not_known_is_said_with_what_would_help() {
        let steady = [100.0, 100.5, 101.0, 101.5, 102.0];
        let wild = [80.0, 90.0, 100.0, 110.0, 120.0];
        let same = "no difference seen (at most 2 % either way)";
        assert_eq!(words(Design::Groups, &steady, &steady), same);
        let noisy = words(Design::Groups, &wild, &wild);
        assert!(noisy.starts_with("too noisy to tell; more --repeat"), "{noisy}");
        let few = "too few runs to tell (4 of 5 needed)";
        assert_eq!(words(Design::Groups, &steady, &wild[..4]), few);
        let few = "too few pairs to tell (5 of 8 needed)";
        assert_eq!(words(Design::Pairs, &steady, &wild), few);
        assert_eq!(words(Design::Groups, &[1.0], &[2.0]), "one run each: too few to tell");
        assert_eq!(words(Design::Pairs, &[], &[2.0]), "too few pairs to tell (0 of 8 needed)");
        let same = "no difference seen (all runs are the same)";
        assert_eq!(words(Design::Groups, &[7.0; 5], &[7.0; 5]), same);
    }

    #[test]
    fn a_slight_difference_is_told_as_none_however_sure_it_is() {
        let of = |by: f64| {
            let a: Vec<f64> = (0..9).map(|i| 1000.0 + 0.01 * f64::from(i)).collect();
            words(Design::Groups, &a, &a.iter().map(|v| v * by).collect::<Vec<_>>())
        };
        assert_eq!(of(1.008), "no difference seen (at most 0.9 % either way)");
        assert_eq!(of(1.012), "faster by 1.2 %");
        assert_eq!(of(0.95), "slower by 5.0 %");
    }

    #[test]
    fn figures_that_may_be_zero_are_compared_without_a_ratio() {
        let none = [0.0; 5];
        let judged = |a: &[f64], b: &[f64]| judge(Sense::Errors, Design::Groups, a, b);
        assert_eq!(judged(&none, &none).verdict, Verdict::Same(0.0));
        assert_eq!(judged(&none, &[3.0; 5]).verdict, Verdict::Worse(None));
        assert_eq!(judged(&[3.0; 5], &none).verdict.brief(Sense::Errors), "fewer");
        let once = judged(&none, &[0.0, 0.0, 900.0, 0.0, 0.0]);
        assert_eq!((once.verdict, once.effect), (Verdict::TooNoisy, None));
        let pairs = judge(Sense::Errors, Design::Pairs, &[0.0; 8], &[5.0; 8]);
        assert_eq!(pairs.verdict, Verdict::Worse(None));
    }

    #[test]
    fn changes_have_the_decimals_that_they_need() {
        for (least, most, told) in [
            (0.04, 0.07, "faster by 4 to 7 %"),
            (0.041, 0.044, "faster by 4.1 to 4.4 %"),
            (0.004, 0.031, "faster by 0.4 to 3.1 %"),
            (0.0001, 0.021, "faster by at most 3 %"),
            (0.0502, 0.0503, "faster by 5.0 %"),
            (0.5, 8.0, "faster by 50 to 800 %"),
            (7.52, 12.0, "8.5 to 13 times as fast"),
            (120.0, 1200.0, "over 121 times as fast"),
            (1e5, 1e6, "over 1000 times as fast"),
        ] {
            assert_eq!(Verdict::Better(Some((least, most))).brief(Sense::Rate), told);
        }
        assert_eq!(["0.0", "0.1", "1", "2", "5"], [0.0, 0.01, 1.0, 1.2, 5.0].map(rounded_up));
    }
}
