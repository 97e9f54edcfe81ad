//! The figures of a histogram that are told.
#![allow(missing_docs)] // the schema has a line on each field

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Percentiles, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p99_9: f64,
    pub(crate) p99_99: f64,
    pub(crate) max: f64,
}

#[allow(clippy::cast_precision_loss)] // figures for people
/// Nanoseconds as microseconds.
pub(crate) fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

impl Latency {
    /// Of a histogram of nanoseconds.
    pub(crate) fn of<T: hdrhistogram::Counter>(histogram: &Histogram<T>) -> Latency {
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        Latency {
            min: micros(if histogram.is_empty() { 0 } else { histogram.min() }),
            mean: histogram.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: micros(histogram.max()),
        }
    }

    /// The figure that a bound names, such as `p99`.
    pub(crate) fn named(&self, name: &str) -> Option<f64> {
        Some(match name {
            "min" => self.min,
            "mean" => self.mean,
            "p50" => self.p50,
            "p90" => self.p90,
            "p99" => self.p99,
            "p99_9" | "p99.9" => self.p99_9,
            "p99_99" | "p99.99" => self.p99_99,
            "max" => self.max,
            _ => return None,
        })
    }
}
