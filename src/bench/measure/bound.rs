//! A bound on latency, as `--find-max` takes it.

use std::fmt;
use std::str::FromStr;

use super::latency::Latency;
use crate::units::parse_duration;

/// A latency that must not be exceeded, such as `p99=1ms`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatencyBound {
    /// Which figure.
    pub(crate) figure: String,
    /// Microseconds.
    pub(crate) limit: f64,
    text: String,
}

impl LatencyBound {
    /// The share of requests that it says nothing about: of p99, one in a hundred.
    pub(crate) fn spared(&self) -> f64 {
        match self.figure.as_str() {
            "p50" => 0.5,
            "p90" => 0.1,
            "p99" => 0.01,
            "p99.9" | "p99_9" => 0.001,
            "p99.99" | "p99_99" => 0.0001,
            _ => 0.0,
        }
    }
}

impl FromStr for LatencyBound {
    type Err = String;

    fn from_str(text: &str) -> Result<LatencyBound, String> {
        let example = "write it like p99=1ms";
        let (figure, limit) = text.split_once('=').ok_or(example)?;
        Latency::default()
            .named(figure)
            .ok_or_else(|| format!("{figure:?} is no latency figure, {example}"))?;
        let limit = parse_duration(limit)?.as_secs_f64() * 1e6;
        if limit <= 0.0 {
            return Err(format!("nothing is done in no time, {example}"));
        }
        Ok(LatencyBound { figure: figure.into(), limit, text: text.into() })
    }
}

impl fmt::Display for LatencyBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_and_wrong_ones_named() {
        assert_eq!("p99.9=250us".parse::<LatencyBound>().unwrap().limit, 250.0);
        for wrong in ["p99", "p98=1ms", "p99=1", "p99=0s"] {
            assert!(wrong.parse::<LatencyBound>().is_err(), "{wrong}");
        }
    }
}
