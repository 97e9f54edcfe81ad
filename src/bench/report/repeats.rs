//! Several runs of the same plan as one result, and how sure its mean is.

use super::{Noise, Repeats, Report, known};
use crate::bench::measure::statistics::Interval;

/// The rate is sure enough if its interval is no wider than this share to either side.
const CONVERGED: f64 = 0.05;

impl Report {
    /// Says how sure the mean of `singles` is.
    /// One that has completed nothing has no figures.
    pub(crate) fn add_repeats(&mut self, singles: &[Report]) {
        let all = |figure: fn(&Report) -> Option<f64>| {
            singles.iter().filter_map(figure).collect::<Vec<f64>>()
        };
        let p99 = |report: &Report| report.latency_us.map(|latency| latency.p99);
        let rates = all(|report| report.latency_us.map(|_| report.rate_per_s));
        let interval = Interval::of(&rates);
        let of = |figure| known(Interval::of(&all(figure)).relative());
        self.noise = Noise {
            from: "repeats".into(),
            rate: known(interval.relative()),
            p50: of(|report| report.latency_us.map(|latency| latency.p50)),
            p99: of(p99),
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
            p99_us: all(p99),
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
