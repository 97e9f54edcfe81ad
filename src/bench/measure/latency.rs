//! The figures of a histogram that are told.
#![allow(missing_docs)] // the schema has a line on each field

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::Value;

use crate::bench::fields::{Fields, FromJson, Reading};

/// Percentiles, in microseconds. There is none of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p99_9: f64,
    pub(crate) p99_99: f64,
    pub(crate) max: f64,
    /// How many were timed; `None` in results of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) samples: Option<u64>,
}

impl FromJson for Latency {
    fn from_json(value: &Value, reading: &mut Reading) -> Latency {
        let mut of = Fields::of(value, reading);
        Latency {
            min: of.needed("min"),
            mean: of.needed("mean"),
            p50: of.needed("p50"),
            p90: of.needed("p90"),
            p99: of.needed("p99"),
            p99_9: of.needed("p99_9"),
            p99_99: of.needed("p99_99"),
            max: of.needed("max"),
            samples: of.optional("samples"),
        }
    }
}

/// A percentile is shown to people only if it is likely to lie within what was measured: if all
/// samples are below the true one in no more than this share of cases. Otherwise the largest sample
/// would stand there under a name that promises more than `max` does.
const ALL_BELOW: f64 = 0.05;

#[allow(clippy::cast_precision_loss)] // figures for people
/// Nanoseconds as microseconds.
pub(crate) fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

impl Latency {
    /// Of a histogram of nanoseconds; `None`: nothing is in it.
    pub(crate) fn of<T: hdrhistogram::Counter>(histogram: &Histogram<T>) -> Option<Latency> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        Some(Latency {
            min: micros(histogram.min()),
            mean: histogram.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: micros(histogram.max()),
            samples: Some(histogram.len()),
        })
    }

    /// The figure `name` for people: percentiles only if there are samples enough to tell them.
    pub(crate) fn shown(&self, name: &str) -> Option<f64> {
        let tells = match (Latency::quantile(name), self.samples) {
            (Some(quantile), Some(samples)) => samples >= samples_for(quantile),
            _ => true,
        };
        self.named(name).filter(|_| tells)
    }

    /// The share of samples that lie below a percentile.
    pub(crate) fn quantile(name: &str) -> Option<f64> {
        let digits = name.strip_prefix('p')?.replace('_', ".");
        digits.parse::<f64>().ok().map(|percent| percent / 100.0)
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

/// How many samples it takes to tell a percentile: 5 for p50, 299 for p99, 29,956 for p99.99.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative, not large
pub(crate) fn samples_for(quantile: f64) -> u64 {
    (ALL_BELOW.ln() / quantile.ln()).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::recorder::histogram;

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Latency::of(&histogram::<u64>(3)), None);
    }

    #[test]
    fn a_percentile_is_shown_from_so_many_samples_on_that_it_lies_among_them() {
        for (name, enough) in [("p50", 5), ("p90", 29), ("p99", 299), ("p99.9", 2995)] {
            let with = |samples| Latency { samples: Some(samples), ..Latency::default() };
            assert_eq!(with(enough - 1).shown(name), None, "{name}");
            assert_eq!(with(enough).shown(name), Some(0.0), "{name}");
        }
        let two = Latency { samples: Some(2), max: 7.0, ..Latency::default() };
        assert_eq!((two.shown("max"), two.shown("p99_99")), (Some(7.0), None));
        // A result of an older version does not say how many there were.
        assert_eq!(Latency::default().shown("p99.99"), Some(0.0));
        assert_eq!(two.shown("p98"), None);
    }
}
