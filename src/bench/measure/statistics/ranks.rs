//! Ranks, and how likely each sum of them is if chance alone has dealt them out.

/// The ranks of values, from 1 on, doubled: values that are equal share the mean of their ranks,
/// and twice that is always whole, so that sums of them can be compared exactly.
pub(super) fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let after = before + equal.len();
        equal.iter().for_each(|index| ranks[*index] = before + 1 + after);
        before = after;
    }
    ranks
}

/// In how many ways each sum comes about; all ways are equally likely.
pub(super) struct Sums {
    /// The number of ways, by sum. They are far more than 2^53, but only shares of them count.
    ways: Vec<f64>,
}

impl Sums {
    /// Of `count` of these scores, whichever they are.
    pub(super) fn of_choices(scores: &[usize], count: usize) -> Sums {
        let mut largest = scores.to_vec();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        let most = |chosen: usize| largest.iter().take(chosen).sum::<usize>();
        // By the number of scores that have been chosen.
        let mut ways: Vec<_> = (0..=count).map(|chosen| vec![0.0; most(chosen) + 1]).collect();
        ways[0][0] = 1.0;
        for (seen, score) in scores.iter().enumerate() {
            // From many to few, so that no score is chosen twice.
            for chosen in (0..count.min(seen + 1)).rev() {
                let (fewer, more) = ways.split_at_mut(chosen + 1);
                let places = more[0].iter_mut().skip(*score);
                places.zip(&fewer[chosen]).for_each(|(place, way)| *place += way);
            }
        }
        Sums { ways: ways.pop().unwrap_or_default() }
    }

    /// Of those of these scores that have come up positive, each with even chances.
    pub(super) fn of_signs(scores: &[usize]) -> Sums {
        let mut ways = vec![0.0; scores.iter().sum::<usize>() + 1];
        ways[0] = 1.0;
        for score in scores {
            for sum in (*score..ways.len()).rev() {
                ways[sum] += ways[sum - score];
            }
        }
        Sums { ways }
    }

    /// How likely a sum is that lies as far out as this one, or farther, on either side: twice the
    /// smaller tail. With ties the two tails may differ; this never errs towards a difference.
    pub(super) fn two_sided(&self, sum: usize) -> f64 {
        let below: f64 = self.ways.iter().take(sum + 1).sum();
        let above: f64 = self.ways.iter().skip(sum).sum();
        (2.0 * below.min(above) / self.whole()).min(1.0)
    }

    /// How many of the smallest possible sums have together a chance of at most `share`, where no
    /// sum between the smallest and the largest is impossible.
    pub(super) fn within(&self, share: f64) -> usize {
        let mut chance = 0.0;
        let possible = self.ways.iter().skip_while(|ways| **ways == 0.0);
        possible
            .take_while(|ways| {
                chance += **ways / self.whole();
                chance <= share
            })
            .count()
    }

    fn whole(&self) -> f64 {
        self.ways.iter().sum()
    }
}

/// The same for so many scores that the sum is as good as normal. `variance` and `mean` are those
/// of the sum; `step` is how far neighbouring sums are apart.
pub(super) fn two_sided_normal(sum: f64, mean: f64, variance: f64, step: f64) -> f64 {
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((sum - mean).abs() - step / 2.0).max(0.0) / variance.sqrt();
    (2.0 * upper_tail(distance)).min(1.0)
}

/// How likely a normal value is above `z`, which is not negative; right to 7.5e-8 (Abramowitz and
/// Stegun, 26.2.17).
fn upper_tail(z: f64) -> f64 {
    const TERMS: [f64; 5] =
        [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let polynomial = TERMS.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * polynomial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        assert_eq!(doubled_ranks(&[3.0, 1.0, 2.0]), [6, 2, 4]);
        assert_eq!(doubled_ranks(&[5.0, 1.0, 5.0, 5.0, 9.0]), [6, 2, 6, 6, 10]);
        assert_eq!(doubled_ranks(&[0.0, -0.0]), [3, 3]);
        assert_eq!(doubled_ranks(&[]), [0; 0]);
    }

    #[test]
    fn all_ways_are_counted() {
        // Two of 1, 2, 3, 4: 3 4 5 5 6 7.
        let sums = Sums::of_choices(&[1, 2, 3, 4], 2);
        assert_eq!(sums.ways, [0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 1.0, 1.0]);
        assert_eq!((sums.two_sided(3), sums.two_sided(5)), (2.0 / 6.0, 1.0));
        assert_eq!((sums.within(0.1), sums.within(0.17), sums.within(0.4)), (0, 1, 2));
        // 0 1 2 3 3 4 5 6.
        let sums = Sums::of_signs(&[1, 2, 3]);
        assert_eq!(sums.ways, [1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0]);
        assert_eq!((sums.two_sided(6), sums.within(0.25)), (0.25, 2));
        assert_eq!(Sums::of_signs(&[]).two_sided(0), 1.0);
    }

    #[test]
    fn the_tail_of_the_normal_distribution_is_that_of_the_tables() {
        for (z, tail) in [(0.0, 0.5), (1.0, 0.158_655), (1.959_964, 0.025), (2.575_829, 0.005)] {
            assert!((upper_tail(z) - tail).abs() < 1e-6, "{z}: {}", upper_tail(z));
        }
        assert_eq!(two_sided_normal(7.0, 7.0, 0.0, 1.0), 1.0);
    }
}
