//! Several runs of the same plan as one result, and how sure its mean is.

use super::{Noise, Repeats, Report, known};
use crate::bench::measure::statistics::student::Interval;

/// The rate is sure enough if its interval is no wider than this share to either side.
const CONVERGED: f64 = 0.05;

impl Report {
    /// Says how sure the mean of `singles` is.
    pub(crate) fn add_repeats(&mut self, singles: &[Report]) {
        let all = |figure: fn(&Report) -> f64| singles.iter().map(figure).collect::<Vec<f64>>();
        let rates = all(|report| report.rate_per_s);
        let interval = Interval::of(&rates);
        let of = |figure| known(Interval::of(&all(figure)).relative());
        self.noise = Noise {
            from: "repeats".into(),
            rate: known(interval.relative()),
            p50: of(|report| report.latency_us.p50),
            p99: of(|report| report.latency_us.p99),
        };
        let converged = interval.relative() <= CONVERGED;
        if !converged {
            self.warnings.push(format!(
                "not converged: after {} runs the mean rate is known to +-{:.1} % only; \
                 more --repeat, a longer --duration or a quieter machine would help",
                singles.len(),
                100.0 * interval.relative()
            ));
        }
        self.repeats = Some(Repeats {
            rate_per_s: rates,
            mean_us: all(|report| report.latency_us.mean),
            p50_us: all(|report| report.latency_us.p50),
            p90_us: all(|report| report.latency_us.p90),
            p99_us: all(|report| report.latency_us.p99),
            p99_9_us: all(|report| report.latency_us.p99_9),
            max_us: all(|report| report.latency_us.max),
            errors: singles.iter().map(Report::failures).collect(),
            rate_half_width: known(interval.half),
            converged,
        });
        let mut at = 0.0;
        for point in &mut self.timeline {
            point.at_s = at;
            at += self.slice_s;
        }
    }
}
