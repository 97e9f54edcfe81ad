//! By how much figures differ: the ratio of B to A by Hodges and Lehmann, with its interval.
//!
//! All of it is on logarithms, because what slows a server down multiplies its figures. The
//! interval belongs to the tests of `significance`: it is made of those ratios by which A would
//! have to be multiplied for the test to find no difference any more. It needs the shape of the
//! noise to be the same on both sides, and nothing else about it. Where values are equal it errs
//! on the side of being too wide.

use super::LEVEL;
use super::ranks::Sums;
use super::significance::COUNTED_MAX;

/// The quantile of the normal distribution that leaves 0.5 % above it: half of `LEVEL`.
const NORMAL_QUANTILE: f64 = 2.575_829;

/// A ratio of B to A.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Effect {
    /// The estimate.
    pub(crate) ratio: f64,
    /// Where the true ratio lies with a confidence of 99 %; `None`: so few values do not tell.
    pub(crate) interval: Option<(f64, f64)>,
}

impl Effect {
    /// Of two groups: the median of all ratios of a value of `b` to one of `a`. `None`: a figure
    /// is zero, and there are no ratios to it.
    pub(crate) fn of_groups(a: &[f64], b: &[f64]) -> Option<Effect> {
        let (of_a, of_b) = (logarithms(a)?, logarithms(b)?);
        let ratios = of_b.iter().flat_map(|b| of_a.iter().map(move |a| b - a)).collect();
        Effect::of_logarithms(ratios, choices_outside(a.len(), b.len()))
    }

    /// Of pairs: the median of the means of any two ratios, those of a pair with itself included
    /// (Walsh's averages). `None`, as in `of_groups`.
    pub(crate) fn of_pairs(a: &[f64], b: &[f64]) -> Option<Effect> {
        let (of_a, of_b) = (logarithms(a)?, logarithms(b)?);
        let ratios: Vec<f64> = of_a.iter().zip(&of_b).map(|(a, b)| b - a).collect();
        let with_later = |(index, first): (usize, &f64)| {
            let first = *first;
            ratios[index..].iter().map(move |second| f64::midpoint(first, *second))
        };
        let means = ratios.iter().enumerate().flat_map(with_later).collect();
        Effect::of_logarithms(means, signs_outside(ratios.len()))
    }

    /// `outside`: how many on either end are left out of the interval, plus one.
    fn of_logarithms(mut values: Vec<f64>, outside: usize) -> Option<Effect> {
        values.sort_by(f64::total_cmp);
        let (count, half) = (values.len(), values.len() / 2);
        let ratio = match count {
            0 => return None,
            count if count % 2 == 0 => f64::midpoint(values[half - 1], values[half]),
            _ => values[half],
        };
        let is_known = (1..=half).contains(&outside);
        let interval = is_known.then(|| (values[outside - 1].exp(), values[count - outside].exp()));
        Some(Effect { ratio: ratio.exp(), interval })
    }
}

fn logarithms(values: &[f64]) -> Option<Vec<f64>> {
    values.iter().map(|value| (*value > 0.0).then(|| value.ln())).collect()
}

/// How many of the smallest sums of ranks together are rarer than half of `LEVEL`, if `a` of
/// `a + b` ranks are summed up.
#[allow(clippy::cast_precision_loss)] // a few thousand values
fn choices_outside(a: usize, b: usize) -> usize {
    if a + b <= COUNTED_MAX {
        let ranks: Vec<usize> = (1..=a + b).collect();
        return Sums::of_choices(&ranks, a.min(b)).within(LEVEL / 2.0);
    }
    let (a, b) = (a as f64, b as f64);
    outside_normal(a * b / 2.0, a * b * (a + b + 1.0) / 12.0)
}

/// The same for the sum of the ranks of those of `pairs` differences that are positive.
#[allow(clippy::cast_precision_loss)] // a few thousand values
fn signs_outside(pairs: usize) -> usize {
    if pairs <= COUNTED_MAX {
        let ranks: Vec<usize> = (1..=pairs).collect();
        return Sums::of_signs(&ranks).within(LEVEL / 2.0);
    }
    let pairs = pairs as f64;
    outside_normal(pairs * (pairs + 1.0) / 4.0, pairs * (pairs + 1.0) * (2.0 * pairs + 1.0) / 24.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count
fn outside_normal(mean: f64, variance: f64) -> usize {
    (mean - NORMAL_QUANTILE * variance.sqrt()).max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::normal;
    use super::super::significance::{mann_whitney, signed_rank};
    use super::*;
    use crate::splitmix::Random;

    #[test]
    fn the_estimate_and_the_interval_of_known_values_are_known() {
        let a = [100.0, 101.0, 102.0, 103.0, 104.0];
        let b = a.map(|value| 2.0 * value);
        let effect = Effect::of_groups(&a, &b).unwrap();
        assert!((effect.ratio - 2.0).abs() < 1e-9);
        // With 5 and 5 only the outermost ratios are outermost enough: 1 of 252 below.
        let (low, high) = effect.interval.unwrap();
        assert!((low - 200.0 / 104.0).abs() < 1e-9 && (high - 208.0 / 100.0).abs() < 1e-9);
        let pairs = Effect::of_pairs(&[1.0; 8], &[2.0; 8]).unwrap();
        let (low, high) = pairs.interval.unwrap();
        assert!((pairs.ratio - 2.0).abs() < 1e-9 && (low - 2.0).abs() + (high - 2.0).abs() < 1e-9);
    }

    #[test]
    fn few_values_have_an_estimate_and_no_interval_and_zeros_have_neither() {
        let effect = Effect::of_groups(&[10.0], &[11.0]).unwrap();
        assert!((effect.ratio - 1.1).abs() < 1e-9 && effect.interval.is_none());
        assert_eq!(Effect::of_groups(&[1.0; 4], &[2.0; 4]).unwrap().interval, None);
        assert_eq!(Effect::of_pairs(&[1.0; 7], &[2.0; 7]).unwrap().interval, None);
        assert_eq!(Effect::of_groups(&[0.0, 1.0], &[1.0]), None);
        assert_eq!(Effect::of_groups(&[], &[]), None);
        assert_eq!(Effect::of_pairs(&[], &[]), None);
    }

    #[test]
    fn many_values_are_left_out_as_counting_would() {
        // No more of them, so that the interval is never too narrow.
        let fewer = choices_outside(30, 30) - outside_normal(450.0, 4575.0);
        assert!(fewer <= 2, "{fewer}");
        let fewer = signs_outside(60) - outside_normal(915.0, 18_452.5);
        assert!(fewer <= 5, "{fewer}");
        // Published: 1 % two-sided, C = 8 for 8 and 8 values, 1 for 8 pairs.
        assert_eq!(
            (choices_outside(8, 8), choices_outside(5, 5), choices_outside(4, 4)),
            (8, 1, 0)
        );
        assert_eq!((signs_outside(8), signs_outside(10), signs_outside(7)), (1, 4, 0));
    }

    #[test]
    fn the_interval_leaves_out_equality_exactly_if_the_test_finds_a_difference() {
        let mut random = Random::new(3);
        let (mut found, mut held) = (0, 0);
        for round in 0..1200_u32 {
            let count = 8 + round as usize % 5;
            let shift = 0.03 * f64::from(round % 3);
            let mut some = |mean: f64| -> Vec<f64> {
                (0..count).map(|_| (mean + 0.03 * normal(&mut random)).exp()).collect()
            };
            let (a, b) = (some(0.0), some(shift));
            let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b.ln() - a.ln()).collect();
            for (effect, p) in [
                (Effect::of_groups(&a, &b), mann_whitney(&a, &b)),
                (Effect::of_pairs(&a, &b), signed_rank(&differences)),
            ] {
                let (low, high) = effect.unwrap().interval.unwrap();
                let leaves_out = low > 1.0 || high < 1.0;
                assert_eq!(leaves_out, p.unwrap() <= LEVEL, "{low} {high} {p:?}");
                found += u32::from(leaves_out);
                held += u32::from(low <= shift.exp() && shift.exp() <= high);
            }
        }
        assert!(found > 600, "{found} of 2400");
        // At least 99 %, and some more, because so few values leave so few intervals to choose.
        assert!((2370..=2400).contains(&held), "{held} of 2400");
    }
}
