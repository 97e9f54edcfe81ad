//! Whether a difference is more than chance: two tests by ranks. How large it is says `effect`.

use super::ranks::{Sums, doubled_ranks, two_sided_normal};

/// Fewer values a side cannot be significant at 1 %, however they lie: with 4 and 4 the least p is
/// 2 of 70, with 5 and 5 it is 2 of 252.
pub(crate) const GROUP_MIN: usize = 5;
/// Fewer pairs cannot be either: the least p of 7 is 2 of 128, of 8 it is 2 of 256.
pub(crate) const PAIRS_MIN: usize = 8;
/// With more values on both sides together the sum of ranks is taken for normal: a p of 1 % is then
/// told as at most a tenth of itself too large, and counting all ways would begin to take time.
pub(super) const COUNTED_MAX: usize = 60;

/// There are not enough values to tell anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TooFew;

/// Mann and Whitney's U test, two-sided: how likely chance alone deals out the ranks of `a` and
/// `b` as unevenly as they are. Ties are no approximation: what is counted are all ways in which
/// these very ranks, equal ones included, fall to the two sides.
///
/// # Errors
/// With fewer than five values on one side.
pub(crate) fn mann_whitney(a: &[f64], b: &[f64]) -> Result<f64, TooFew> {
    if a.len().min(b.len()) < GROUP_MIN {
        return Err(TooFew);
    }
    let ranks = doubled_ranks(&[a, b].concat());
    let (of_a, of_b) = ranks.split_at(a.len());
    // Either sum tells the same, and the shorter one is counted sooner.
    let group = if a.len() <= b.len() { of_a } else { of_b };
    let sum: usize = group.iter().sum();
    Ok(match ranks.len() <= COUNTED_MAX {
        true => Sums::of_choices(&ranks, group.len()).two_sided(sum),
        false => choice_normal(&ranks, group.len(), sum),
    })
}

/// The variance is that of a draw without replacement from these very ranks, so ties are in it.
#[allow(clippy::cast_precision_loss)] // a few thousand ranks
fn choice_normal(ranks: &[usize], count: usize, sum: usize) -> f64 {
    let (all, count) = (ranks.len() as f64, count as f64);
    let mean = ranks.iter().sum::<usize>() as f64 / all;
    let squares: f64 = ranks.iter().map(|rank| (*rank as f64 - mean).powi(2)).sum();
    let variance = count * (all - count) / all * squares / (all - 1.0);
    two_sided_normal(sum as f64, count * mean, variance, 2.0)
}

/// Wilcoxon's signed-rank test, two-sided: how likely chance alone gives these differences of
/// pairs their signs. Equal distances share their mean rank. Differences of zero are treated as
/// Pratt has proposed: they take their ranks, which then count for neither side. (Leaving them out
/// before, as Wilcoxon did, would make the others more significant the more pairs are equal.)
///
/// # Errors
/// With fewer than eight pairs.
pub(crate) fn signed_rank(differences: &[f64]) -> Result<f64, TooFew> {
    if differences.len() < PAIRS_MIN {
        return Err(TooFew);
    }
    let distances: Vec<f64> = differences.iter().map(|difference| difference.abs()).collect();
    let ranked = doubled_ranks(&distances).into_iter().zip(differences);
    let ranked: Vec<(usize, f64)> =
        ranked.map(|(rank, difference)| (rank, *difference)).filter(|(_, d)| *d != 0.0).collect();
    let ranks: Vec<usize> = ranked.iter().map(|(rank, _)| *rank).collect();
    let sum = ranked.iter().filter(|(_, d)| *d > 0.0).map(|(rank, _)| rank).sum();
    Ok(match ranks.len() <= COUNTED_MAX {
        true => Sums::of_signs(&ranks).two_sided(sum),
        false => sign_normal(&ranks, sum),
    })
}

#[allow(clippy::cast_precision_loss)] // a few thousand ranks
fn sign_normal(ranks: &[usize], sum: usize) -> f64 {
    let mean = ranks.iter().sum::<usize>() as f64 / 2.0;
    let variance = ranks.iter().map(|rank| (*rank as f64).powi(2)).sum::<f64>() / 4.0;
    two_sided_normal(sum as f64, mean, variance, 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::Rng;
    use proptest::test_runner::{RngAlgorithm, TestRng};

    use super::*;

    fn assert_near(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= 1e-4 * wanted, "{found} instead of {wanted}");
    }

    /// Numbers from `from` on.
    fn numbers(from: u32, count: u32) -> Vec<f64> {
        (from..from + count).map(f64::from).collect()
    }

    #[test]
    fn two_groups_apart_are_as_significant_as_they_can_be() {
        assert_near(mann_whitney(&numbers(0, 5), &numbers(5, 5)).unwrap(), 2.0 / 252.0);
        assert_near(mann_whitney(&numbers(8, 8), &numbers(0, 8)).unwrap(), 2.0 / 12_870.0);
        assert_near(mann_whitney(&numbers(0, 5), &numbers(5, 7)).unwrap(), 2.0 / 792.0);
        assert_eq!(mann_whitney(&[7.0; 5], &[7.0; 9]), Ok(1.0));
        assert_eq!(mann_whitney(&numbers(0, 4), &numbers(4, 90)), Err(TooFew));
    }

    #[test]
    fn the_rank_sum_test_agrees_with_the_published_tables() {
        // The largest U that is significant at 1 % two-sided, and the one behind it, which is not:
        // Mann and Whitney's table as in every textbook.
        for (size, critical) in [(5, 0), (6, 2), (7, 4), (8, 7), (10, 16), (12, 27), (15, 51)] {
            for (u, is_significant) in [(critical, true), (critical + 1, false)] {
                let (a, b) = groups_with(size, u);
                let p = mann_whitney(&a, &b).unwrap();
                assert_eq!(p <= 0.01, is_significant, "{size} a side, U {u}: {p}");
            }
        }
    }

    /// Two groups of `size` with that U: of each value of `a`, how many of `b` lie below it.
    fn groups_with(size: u32, u: u32) -> (Vec<f64>, Vec<f64>) {
        let below = |index: u32| (u.saturating_sub(index * size)).min(size);
        let a = (0..size).map(|index| f64::from(below(index)) - 0.5 + 1e-3 * f64::from(index));
        (a.collect(), numbers(0, size))
    }

    #[test]
    fn the_rank_sum_test_agrees_with_a_published_example() {
        // Hollander and Wolfe, permeability of the human chorioamnion, W = 30 (as in the help of
        // R's wilcox.test): one-sided 0.1272, so two-sided 0.2544.
        let at_term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let early = [1.15, 0.88, 0.90, 0.74, 1.21];
        assert_near(mann_whitney(&at_term, &early).unwrap(), 764.0 / 3003.0);
        assert!((764.0_f64 / 3003.0 - 0.2544).abs() < 1e-4);
    }

    #[test]
    fn the_signed_rank_test_agrees_with_a_published_example() {
        // Hollander and Wolfe, depression factor (R's wilcox.test), V = 40: one-sided 0.01953.
        let before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
        #[allow(clippy::approx_constant)] // 3.14 was measured
        let after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
        let differences: Vec<f64> = before.iter().zip(after).map(|(a, b)| a - b).collect();
        assert_near(signed_rank(&differences).unwrap(), 2.0 * 10.0 / 512.0);
    }

    #[test]
    fn the_signed_rank_test_agrees_with_the_published_tables() {
        // The largest T that is significant at 1 % two-sided, and the one behind it.
        for (pairs, critical) in [(8, 0), (9, 1), (10, 3), (12, 7), (15, 15), (20, 37)] {
            for (t, is_significant) in [(critical, true), (critical + 1, false)] {
                let p = signed_rank(&differences_with(pairs, t)).unwrap();
                assert_eq!(p <= 0.01, is_significant, "{pairs} pairs, T {t}: {p}");
            }
        }
        assert_eq!(signed_rank(&numbers(1, 7)), Err(TooFew));
    }

    /// Differences 1, 2, ..., so many of them negative that the sum of their ranks is `t`.
    fn differences_with(pairs: u32, t: u32) -> Vec<f64> {
        let mut left = t;
        let mut differences = Vec::new();
        for rank in (1..=pairs).rev() {
            let is_negative = rank <= left;
            left -= if is_negative { rank } else { 0 };
            differences.push(if is_negative { -f64::from(rank) } else { f64::from(rank) });
        }
        assert_eq!(left, 0);
        differences
    }

    #[test]
    fn zeros_take_ranks_and_count_for_neither_side() {
        assert_eq!(signed_rank(&[0.0; 9]), Ok(1.0));
        // Five zeros, five of one sign: 2 of 32, however small the zeros make the others' ranks.
        let half = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        assert_near(signed_rank(&half).unwrap(), 2.0 / 32.0);
        // With two zeros below them 1, 2 and 3 have the ranks 3 to 5: -1 alone weighs more.
        let some = [0.0, 0.0, -1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        assert_near(signed_rank(&some).unwrap(), 4.0 / 128.0);
    }

    #[test]
    fn p_is_what_trying_all_ways_finds_with_ties_and_zeros_too() {
        let mut random = TestRng::deterministic_rng(RngAlgorithm::XorShift);
        for round in 0..60 {
            let mut some = |count| -> Vec<f64> {
                (0..count).map(|_| f64::from(random.next_u32() % (2 + round % 9))).collect()
            };
            let (a, b) = (some(5), some(5 + round as usize % 3));
            assert_near(mann_whitney(&a, &b).unwrap(), of_all_choices(&a, &b));
            let signed: Vec<f64> = some(8 + round as usize % 2).iter().map(|v| v - 1.0).collect();
            assert_near(signed_rank(&signed).unwrap(), of_all_signs(&signed));
        }
    }

    /// Mean rank of a value among all: half a rank for those that are equal.
    fn mean_rank(value: f64, all: &[f64]) -> f64 {
        let count = |is: fn(f64, f64) -> bool| {
            f64::from(u8::try_from(all.iter().filter(|other| is(**other, value)).count()).unwrap())
        };
        count(|other, value| other < value) + (count(|other, value| other == value) + 1.0) / 2.0
    }

    /// Twice the smaller share of `sums` that lies as far out as the first.
    fn smaller_tail(found: f64, sums: &[f64]) -> f64 {
        let share = |is: &dyn Fn(f64) -> bool| {
            let count = sums.iter().filter(|sum| is(**sum)).count();
            count as f64 / sums.len() as f64
        };
        let tail = share(&|sum| sum <= found + 1e-9).min(share(&|sum| sum >= found - 1e-9));
        (2.0 * tail).min(1.0)
    }

    fn of_all_choices(a: &[f64], b: &[f64]) -> f64 {
        let all = [a, b].concat();
        let ranks: Vec<f64> = all.iter().map(|value| mean_rank(*value, &all)).collect();
        let sum = |chosen: u32| {
            let in_choice = |index: &usize| chosen >> index & 1 == 1;
            (0..all.len()).filter(in_choice).map(|index| ranks[index]).sum::<f64>()
        };
        let choices = (0..1u32 << all.len()).filter(|c| c.count_ones() as usize == a.len());
        smaller_tail(ranks[..a.len()].iter().sum(), &choices.map(sum).collect::<Vec<_>>())
    }

    fn of_all_signs(differences: &[f64]) -> f64 {
        let distances: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
        let nonzero: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
        let rank = |difference: &f64| mean_rank(difference.abs(), &distances);
        let sum = |signs: u32| {
            let is_positive = |(index, _): &(usize, &f64)| signs >> index & 1 == 1;
            nonzero.iter().enumerate().filter(is_positive).map(|(_, d)| rank(d)).sum::<f64>()
        };
        let found = nonzero.iter().filter(|d| **d > 0.0).map(rank).sum();
        smaller_tail(found, &(0..1u32 << nonzero.len()).map(sum).collect::<Vec<_>>())
    }

    #[test]
    fn many_values_are_judged_as_fewer_are() {
        // Just beyond and just below the limit, with the same overlap and some ties.
        for (fewer, more) in [(30, 31), (60, 61)] {
            let shifted = |count: u32, by: f64| -> Vec<f64> {
                (0..count).map(|i| f64::from(i * 7 % 23) + by).collect()
            };
            let of = |count: u32| match fewer {
                30 => mann_whitney(&shifted(count, 0.0), &shifted(count, 4.0)).unwrap(),
                _ => {
                    let differences = shifted(count, -8.0);
                    signed_rank(&differences).unwrap()
                }
            };
            let (counted, normal) = (of(fewer), of(more));
            assert!((counted / normal).ln().abs() < 0.25, "{counted} {normal}");
            assert!(counted < 0.2 && counted > 1e-4, "{counted}");
        }
        // Where it is decided, p is at most a tenth too large and never too small.
        let ranks: Vec<usize> = doubled_ranks(&numbers(0, 60));
        for (sum, is_of_choices) in [(1450, true), (1500, true), (1100, false), (1200, false)] {
            let (counted, normal) = match is_of_choices {
                true => (Sums::of_choices(&ranks, 30), choice_normal(&ranks, 30, sum)),
                false => (Sums::of_signs(&ranks), sign_normal(&ranks, sum)),
            };
            let counted = counted.two_sided(sum);
            assert!((0.004..0.04).contains(&counted), "{counted}");
            assert!((1.0..1.15).contains(&(normal / counted)), "{sum}: {counted} {normal}");
        }
    }
}
