//! How sure a mean of independent values is: Student's t. It compares nothing.

/// A mean and how far the true one may be from it, with a confidence of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    /// The mean.
    pub(crate) mean: f64,
    /// Half the width of the interval; infinite for fewer than two values.
    pub(crate) half: f64,
}

impl Interval {
    /// Of independent values.
    #[allow(clippy::cast_precision_loss)] // a few hundred values
    pub(crate) fn of(values: &[f64]) -> Interval {
        let count = values.len() as f64;
        if values.is_empty() {
            return Interval { mean: 0.0, half: f64::INFINITY };
        }
        let mean = values.iter().sum::<f64>() / count;
        if values.len() < 2 {
            return Interval { mean, half: f64::INFINITY };
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        Interval { mean, half: student(values.len() - 1) * error }
    }

    /// Half the width as a share of the mean.
    pub(crate) fn relative(&self) -> f64 {
        if self.mean > 0.0 { self.half / self.mean } else { f64::INFINITY }
    }
}

/// The two-sided 95 % quantile of Student's t.
#[allow(clippy::cast_precision_loss)] // small numbers
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    match freedom {
        0 => f64::INFINITY,
        1..=30 => TABLE[freedom - 1],
        // Cornish and Fisher's first term; exact to three digits from here on.
        _ => 1.96 + 2.372 / freedom as f64,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::Rng;
    use proptest::test_runner::{RngAlgorithm, TestRng};

    use super::*;

    #[test]
    fn the_interval_of_known_values_is_known() {
        // Mean 5, standard deviation 2.138, standard error 0.756, t(7) = 2.365.
        let interval = Interval::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert!((interval.mean - 5.0).abs() < 1e-9);
        assert!((interval.half - 1.788).abs() < 1e-3, "{interval:?}");
        assert!((interval.relative() - 0.3576).abs() < 1e-3);
    }

    #[test]
    fn one_value_says_nothing_about_its_noise() {
        assert_eq!(Interval::of(&[7.0]), Interval { mean: 7.0, half: f64::INFINITY });
        assert!(Interval::of(&[]).relative().is_infinite());
        assert_eq!(Interval::of(&[3.0, 3.0, 3.0]).half, 0.0);
    }

    #[test]
    fn the_interval_holds_the_true_mean_about_nineteen_times_of_twenty() {
        let mut random = TestRng::deterministic_rng(RngAlgorithm::XorShift);
        let mut uniform = || f64::from(random.next_u32()) / 4_294_967_296.0;
        for count in [5, 12, 60] {
            let mut held = 0;
            for _ in 0..2000 {
                // The sum of twelve is nearly normal, with a mean of 6.
                let values: Vec<f64> =
                    (0..count).map(|_| (0..12).map(|_| uniform()).sum()).collect();
                let interval = Interval::of(&values);
                held += i32::from((interval.mean - 6.0).abs() <= interval.half);
            }
            assert!((1860..=1940).contains(&held), "{held} of 2000 with {count} values");
        }
    }
}
