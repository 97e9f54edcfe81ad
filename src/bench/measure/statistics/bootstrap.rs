//! How steady one run was: what its mean would have been, had its slices come in another mixture.
//!
//! Slices follow each other, and a slow one is rarely alone, so that a formula for independent
//! values makes the noise too small. Here whole blocks of neighbours are drawn, with replacement,
//! from the run bent into a ring (Politis and Romano's circular block bootstrap). It knows nothing
//! of what differs between two runs, so it never decides whether two servers differ.

use crate::splitmix::Random;

/// Fewer slices are no sample of anything.
const SLICES_MIN: usize = 8;
/// How often the run is put together anew.
const DRAWS: usize = 1000;
/// The half-width is that of this share of the draws, as for Student's t.
const CONFIDENCE: f64 = 0.95;

/// Half the width of the 95 % interval of the mean of `values`, which follow each other, as a share
/// of that mean; infinite, if there are too few or all are zero.
pub(crate) fn relative_half_width(values: &[f64], random: &mut Random) -> f64 {
    let mean = mean_of(values);
    if values.len() < SLICES_MIN || mean <= 0.0 {
        return f64::INFINITY;
    }
    let length = block_length(values);
    let mut means: Vec<f64> = (0..DRAWS).map(|_| drawn_mean(values, length, random)).collect();
    means.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let outside = ((1.0 - CONFIDENCE) / 2.0 * DRAWS as f64) as usize;
    (means[DRAWS - 1 - outside] - means[outside]) / 2.0 / mean
}

/// The mean of a series of the same length, put together from blocks that begin anywhere.
#[allow(clippy::cast_precision_loss)] // a few hundred slices
fn drawn_mean(values: &[f64], length: usize, random: &mut Random) -> f64 {
    let mut sum = 0.0;
    let mut left = values.len();
    while left > 0 {
        let start = random.below(values.len());
        let taken = length.min(left);
        sum += values.iter().cycle().skip(start).take(taken).sum::<f64>();
        left -= taken;
    }
    sum / values.len() as f64
}

/// The longer neighbours resemble each other, the longer the blocks: Carlstein's rule, from how
/// much a slice tells of the next one. A quarter of the run at most, or there would be nothing to
/// mix.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn block_length(values: &[f64]) -> usize {
    let mean = mean_of(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let products = values.iter().zip(&values[1..]).map(|(a, b)| (a - mean) * (b - mean));
    let likeness = if squares > 0.0 { products.sum::<f64>() / squares } else { 0.0 };
    let likeness = likeness.clamp(0.0, 0.97);
    let stretch = (2.0 * likeness / (1.0 - likeness.powi(2))).powf(2.0 / 3.0).max(1.0);
    let length = (stretch * (values.len() as f64).cbrt()).ceil() as usize;
    length.min(values.len() / 4)
}

#[allow(clippy::cast_precision_loss)] // a few hundred slices
fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Nearly normal, with mean 0 and deviation 1: the sum of twelve.
#[cfg(test)]
pub(super) fn normal(random: &mut Random) -> f64 {
    let uniform = |_| f64::from((random.next() >> 32) as u32) / 4_294_967_296.0;
    (0..12).map(uniform).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::super::student::Interval;
    use super::*;

    /// A hundred slices around 100; each tells so much of the next.
    fn series(likeness: f64, random: &mut Random) -> Vec<f64> {
        let mut last = normal(random);
        let mut values = Vec::new();
        for _ in 0..100 {
            last = likeness * last + (1.0 - likeness * likeness).sqrt() * normal(random);
            values.push(100.0 + 5.0 * last);
        }
        values
    }

    #[test]
    fn slices_that_tell_nothing_of_each_other_are_as_sure_as_students_t_says() {
        let mut random = Random::new(1);
        let mut sum = 0.0;
        for _ in 0..50 {
            let values = series(0.0, &mut random);
            sum += relative_half_width(&values, &mut random) / Interval::of(&values).relative();
        }
        assert!((0.85..=1.1).contains(&(sum / 50.0)), "{}", sum / 50.0);
    }

    #[test]
    fn slices_that_resemble_their_neighbours_are_less_sure() {
        let mut random = Random::new(2);
        let (mut sum, mut held) = (0.0, 0);
        for _ in 0..200 {
            let values = series(0.7, &mut random);
            let half = relative_half_width(&values, &mut random);
            sum += half / Interval::of(&values).relative();
            held += i32::from((mean_of(&values) - 100.0).abs() <= half * mean_of(&values));
        }
        // The truth: the square root of (1 + 0.7) / (1 - 0.7), which is 2.4.
        assert!((1.7..=2.5).contains(&(sum / 200.0)), "{}", sum / 200.0);
        assert!(held >= 170, "{held} of 200");
    }

    #[test]
    fn the_same_seed_says_the_same_and_too_little_says_nothing() {
        let values = series(0.5, &mut Random::new(3));
        let of = |seed| relative_half_width(&values, &mut Random::new(seed));
        assert_eq!(of(4), of(4));
        assert_eq!(relative_half_width(&[5.0; 8], &mut Random::new(5)), 0.0);
        assert!(relative_half_width(&[5.0; 7], &mut Random::new(5)).is_infinite());
        assert!(relative_half_width(&[0.0; 90], &mut Random::new(5)).is_infinite());
        assert!(relative_half_width(&[], &mut Random::new(5)).is_infinite());
    }

    #[test]
    fn blocks_grow_with_the_likeness_of_neighbours() {
        let mut random = Random::new(6);
        let [none, much, most] = [0.0, 0.8, 0.999].map(|l| block_length(&series(l, &mut random)));
        assert!(none <= 6 && (8..=20).contains(&much) && most == 25, "{none} {much} {most}");
        assert_eq!(block_length(&[3.0; 8]), 2);
    }
}
