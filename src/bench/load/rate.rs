//! Rates of requests, as `--rate` and `--ramp` take them.

use std::str::FromStr;

use crate::units::parse_rate;

/// Requests a second: a number, as it is or in thousands or millions, or a rate with its unit.
pub(crate) fn parse_requests(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let (digits, times) = match number.as_bytes().last() {
        Some(b'k') => (&number[..number.len() - 1], 1e3),
        Some(b'M') => (&number[..number.len() - 1], 1e6),
        _ => (number, 1.0),
    };
    match digits.parse::<f64>().map(|count| times * count).or_else(|_| parse_rate(text))? {
        rate if (0.001..=1e8).contains(&rate) => Ok(rate),
        rate if rate > 0.0 => Err("it must be between 0.001 and 100,000,000 a second".into()),
        _ => Err("it must be above zero, such as 5000 or 5000/s".into()),
    }
}

/// Rates from one to another, such as `1000..20000`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ramp {
    from: f64,
    to: f64,
}

impl FromStr for Ramp {
    type Err = String;

    fn from_str(text: &str) -> Result<Ramp, String> {
        let (from, to) = text.split_once("..").ok_or("write it like 1000..20000")?;
        let (from, to) = (parse_requests(from)?, parse_requests(to)?);
        match from < to {
            true => Ok(Ramp { from, to }),
            false => Err("it has to go up, such as 1000..20000".into()),
        }
    }
}

impl Ramp {
    /// So many rates, evenly apart, both ends included.
    #[allow(clippy::cast_precision_loss)] // a handful of steps
    pub(crate) fn rates(&self, steps: usize) -> Vec<f64> {
        let last = steps.max(2) - 1;
        let at = |step: usize| self.from + (self.to - self.from) * step as f64 / last as f64;
        (0..=last).map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ramps_are_read_and_wrong_ones_named() {
        let ramp: Ramp = "100..500/s".parse().unwrap();
        assert_eq!(ramp.rates(5), [100.0, 200.0, 300.0, 400.0, 500.0]);
        let ramp: Ramp = "1.5k..2M/s".parse().unwrap();
        assert_eq!(ramp.rates(2), [1500.0, 2e6]);
        for wrong in ["100", "500..100", "0..5", "k..2k", "1..2kk"] {
            assert!(wrong.parse::<Ramp>().is_err(), "{wrong}");
        }
    }
}
