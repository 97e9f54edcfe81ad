//! Several runs of the same plan as one result, and how sure its mean is.

use super::{Noise, Repeats, Report, known};
use crate::bench::figures::figure;
use crate::bench::measure::latency::Latency;
use crate::bench::measure::statistics::outliers::{median, outliers};
use crate::bench::measure::statistics::student::Interval;

/// The rate is sure enough if its interval is no wider than this share to either side.
const CONVERGED: f64 = 0.05;

impl Report {
    /// Says how sure the mean of `singles` is. One that has completed nothing has no figures.
    pub(crate) fn add_repeats(&mut self, singles: &[Report]) {
        let rate = |(number, report): (usize, &Report)| {
            report.latency_us.map(|_| (number, report.rate_per_s))
        };
        let (numbers, rates): (Vec<usize>, Vec<f64>) = (1..).zip(singles).filter_map(rate).unzip();
        let outliers: Vec<usize> = outliers(&rates).into_iter().map(|at| numbers[at]).collect();
        self.warn_of_outliers(&outliers, singles, median(&rates));
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
        // Of one run there is no interval, and why the others have no figures is told already.
        if !converged && rates.len() > 1 {
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
            outliers,
        });
        let mut at = 0.0;
        for point in &mut self.timeline {
            point.at_s = at;
            at += self.slice_s;
        }
    }

    fn warn_of_outliers(&mut self, outliers: &[usize], singles: &[Report], usual: f64) {
        let told = |number: &usize| {
            format!("repeat {number} ({} a second)", figure(singles[number - 1].rate_per_s))
        };
        let told: Vec<String> = outliers.iter().map(told).collect();
        if !told.is_empty() {
            self.warnings.push(format!(
                "far from all others: {}; the median is {}",
                told.join(", "),
                figure(usual)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::{nothing, timed};
    use super::*;
    use crate::bench::load::workload::Workload;

    #[test]
    fn of_runs_without_figures_no_interval_is_told() {
        for worked in [0, 1] {
            let mut whole = nothing();
            whole.add_repeats(
                &[vec![timed(Workload::TcpRr, &[1]); worked], vec![nothing(); 2]].concat(),
            );
            let told = |warning: &String| warning.contains("not converged");
            assert!(!whole.warnings.iter().any(told), "{:?}", whole.warnings);
            assert!(!whole.repeats.unwrap().converged);
        }
    }

    #[test]
    fn a_repeat_far_from_all_others_is_named_by_its_number() {
        let run = |rate: f64| {
            let mut report = timed(Workload::TcpRr, &[1]);
            report.rate_per_s = rate;
            report
        };
        let mut singles: Vec<Report> = [1000.0, 1010.0, 990.0, 1005.0, 400.0].map(run).into();
        singles.insert(0, nothing());
        let mut whole = run(800.0);
        whole.add_repeats(&singles);
        let told = "far from all others: repeat 6 (400 a second); the median is 1,000";
        assert_eq!(whole.warnings[0], told);
        assert_eq!(whole.repeats.unwrap().outliers, [6]);
        let mut whole = run(1000.0);
        whole.add_repeats(&singles[1..5]);
        assert!(whole.repeats.unwrap().outliers.is_empty(), "too few to tell");
    }
}
