//! Which of several values lies far from all others. A mean is at the mercy of one of them, so what
//! is usual is told by medians.

/// Fewer values do not tell what is usual.
pub(crate) const VALUES_MIN: usize = 5;
/// So many standard deviations are far: of normal noise 3 in 1,000 are.
const FAR: f64 = 3.0;
/// The standard deviation of normal noise, as a multiple of its median absolute deviation.
const SIGMA: f64 = 1.4826;

/// The middle of `values`; 0, if there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count => f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]),
    }
}

/// Which of `values` lie far from the others, counted from 0.
pub(crate) fn outliers(values: &[f64]) -> Vec<usize> {
    let centre = median(values);
    let deviations: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    let far = FAR * SIGMA * median(&deviations);
    // Where most are equal, nothing is known of how far apart they usually are.
    let tells = values.len() >= VALUES_MIN && far > 0.0;
    (0..values.len()).filter(|index| tells && deviations[*index] > far).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!((median(&[]), median(&[3.0]), median(&[4.0, 1.0])), (0.0, 3.0, 2.5));
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn one_far_from_the_others_is_found_if_they_are_enough() {
        assert_eq!(outliers(&[100.0, 101.0, 60.0, 99.0, 102.0]), [2]);
        assert_eq!(outliers(&[100.0, 101.0, 140.0, 99.0, 60.0, 98.0, 102.0]), [2, 4]);
        assert!(outliers(&[100.0, 101.0, 60.0, 99.0]).is_empty(), "too few");
        assert!(outliers(&[100.0, 105.0, 95.0, 98.0, 103.0]).is_empty(), "noise");
        assert!(outliers(&[7.0, 7.0, 7.0, 7.0, 9.0]).is_empty(), "nothing is known of noise");
    }
}
