//! Several runs of the same plan as one result, and how sure its mean is.

use super::{Noise, Repeats, Report, known};
use crate::bench::measure::latency::Latency;
use crate::bench::measure::statistics::student::Interval;

/// The rate is sure enough if its interval is no wider than this share to either side.
const CONVERGED: f64 = 0.05;

impl Report {
    /// Says how sure the mean of `singles` is. One that has completed nothing has no figures.
    pub(crate) fn add_repeats(&mut self, singles: &[Report]) {
        let rate = |report: &Report| report.latency_us.map(|_| report.rate_per_s);
        let rates: Vec<f64> = singles.iter().filter_map(rate).collect();
        let interval = Interval::of(&rates);
        let latencies = |figure: fn(Latency) -> f64| -> Vec<f64> {
            singles.iter().filter_map(|report| report.latency_us.map(figure)).collect()
        };
        let of = |figure| known(Interval::of(&latencies(figure)).relative());
        self.noise = Noise {
            from: "repeats".into(),
            rate: known(interval.relative()),
            p50: of(|latency| latency.p50),
            p99: of(|latency| latency.p99),
        };
        let converged = interval.relative() <= CONVERGED;
        if !converged {
            self.warnings.push(format!(
                "not converged: after {} runs the mean rate is known to +-{:.1} % only; \
                 more --repeat, a longer --duration or a quieter machine would help",
                rates.len(),
                100.0 * interval.relative()
            ));
        }
        self.repeats = Some(Repeats {
            rate_per_s: rates,
            mean_us: latencies(|latency| latency.mean),
            p50_us: latencies(|latency| latency.p50),
            p90_us: latencies(|latency| latency.p90),
            p99_us: latencies(|latency| latency.p99),
            p99_9_us: latencies(|latency| latency.p99_9),
            max_us: latencies(|latency| latency.max),
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
