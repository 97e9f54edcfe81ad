//! Rates of requests, as `--rate`, `--ramp` and `--profile` take them.

use std::str::FromStr;

use super::plan::Stage;
use crate::units::{parse_positive_duration, parse_rate};

/// Requests a second: a rate that a generator can keep.
pub(crate) fn parse_requests(text: &str) -> Result<f64, String> {
    match parse_rate(text)? {
        rate if (0.001..=1e8).contains(&rate) => Ok(rate),
        _ => Err("it must be between 0.001 and 100,000,000 a second".into()),
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

/// Each stage has histograms of its own.
const STAGES_MAX: usize = 100;

/// Stages one after the other, such as `30s@1000,1m@5000,10s@0`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile(pub(crate) Vec<Stage>);

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Profile, String> {
        let stages: Vec<Stage> = text.split(',').map(stage).collect::<Result<_, _>>()?;
        match stages.len() {
            ..=STAGES_MAX if stages.iter().all(|stage| stage.rate == Some(0.0)) => {
                Err("nothing is asked in any stage".into())
            }
            ..=STAGES_MAX => Ok(Profile(stages)),
            more => Err(format!("{more} stages, at most {STAGES_MAX}")),
        }
    }
}

fn stage(text: &str) -> Result<Stage, String> {
    let wrong = |why: &str| format!("'{text}': {why}");
    let (duration, rate) = text.split_once('@').ok_or_else(|| {
        wrong("write TIME@RATE for each stage, with commas between, such as 30s@1000,10s@0")
    })?;
    let duration = parse_positive_duration(duration.trim()).map_err(|why| wrong(&why))?;
    let rate = match rate.trim() {
        "0" | "0/s" => 0.0,
        rate => parse_requests(rate).map_err(|why| wrong(&why))?,
    };
    Ok(Stage { duration, rate: Some(rate) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn profiles_are_read_and_wrong_stages_named() {
        let Profile(stages) = "30s@1000, 1m@5k/s,10s@0".parse().unwrap();
        let told = |stage: &Stage| (stage.duration.as_secs(), stage.rate.unwrap());
        assert_eq!(stages.iter().map(told).collect::<Vec<_>>(), [(30, 1e3), (60, 5e3), (10, 0.0)]);
        let Profile(stages) = "10ms@0.5".parse().unwrap();
        assert_eq!(stages, [Stage { duration: Duration::from_millis(10), rate: Some(0.5) }]);
        for (wrong, why) in [
            ("", "'': write TIME@RATE"),
            ("1s@5,", "'': write TIME@RATE"),
            ("1s@5,2s", "'2s': write TIME@RATE"),
            ("0s@5", "'0s@5': "),
            ("1@5", "'1@5': "),
            ("1s@-5", "'1s@-5': \"-5\" is not a rate: it cannot be negative"),
            ("1s@0,2s@0/s", "nothing is asked"),
        ] {
            let error = wrong.parse::<Profile>().unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
        let many = vec!["1s@1"; 101].join(",");
        assert!(many.parse::<Profile>().unwrap_err().contains("101 stages, at most 100"));
    }

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
