//! Results as JSON: one object for one run, an array for several. The schema lies in
//! `schema/bench.schema.json`.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Report;
use crate::bench::fields;
use crate::bench::measure::latency::Latency;
use crate::services::text::visible;

/// More than anything that is counted or timed.
const MOST: f64 = 1e18;
/// Results that are larger are none; the standard set has less than a hundredth of it.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The text for so many results.
pub(crate) fn write(reports: &[Report]) -> String {
    let text = match reports {
        [only] => serde_json::to_string_pretty(only),
        several => serde_json::to_string_pretty(several),
    };
    // Keys are strings and no number is infinite, so this does not fail.
    text.unwrap_or_default() + "\n"
}

/// The results that such a file holds. Whatever text is in them can be shown on a terminal.
///
/// # Errors
/// One line: why it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<Report>, String> {
    let name = visible(path.as_os_str().as_bytes());
    let text = content(path).map_err(|error| format!("{name}: {error}"))?;
    let reports = parse(&text).map_err(|why| {
        let why = visible(why.as_bytes());
        format!("{name} is no result of cooee bench --json: {why}")
    })?;
    Ok(reports)
}

/// Writes a latency as an object that is always there, as people's scripts expect: with null for
/// each figure if nothing was timed.
#[allow(clippy::ref_option)] // as serde calls it
pub(super) fn figures_or_nulls<S: Serializer>(
    latency: &Option<Latency>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match latency {
        Some(latency) => latency.serialize(serializer),
        None => {
            let keys = ["min", "mean", "p50", "p90", "p99", "p99_9", "p99_99", "max"];
            serializer.collect_map(keys.map(|key| (key, Value::Null)))
        }
    }
}

fn content(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(io::Error::new(ErrorKind::FileTooLarge, "it is larger than any result")),
        false => Ok(text),
    }
}

fn parse(text: &str) -> Result<Vec<Report>, String> {
    let value: Value = match text.trim() {
        "" => return Err("it is empty".into()),
        text => serde_json::from_str(text).map_err(|error| error.to_string())?,
    };
    let values = match value {
        Value::Array(values) if values.is_empty() => return Err("it holds no result".into()),
        Value::Array(values) => values,
        value => vec![value],
    };
    values.into_iter().map(report).collect()
}

fn report(mut value: Value) -> Result<Report, String> {
    if !value.is_object() {
        return Err("a result is an object".into());
    }
    make_sound("", &mut value)?;
    let timed = value["latency_us"].as_object();
    if timed.is_some_and(|figures| figures.values().all(Value::is_null)) {
        value["latency_us"] = Value::Null;
    }
    fields::read(&value)
}

/// Makes every text visible and sees to it that no figure is one that cannot be.
fn make_sound(key: &str, value: &mut Value) -> Result<(), String> {
    match value {
        Value::String(text) => *text = visible(text.as_bytes()),
        // A clock may be set back.
        Value::Number(number)
            if key == "clock_set_s" && number.as_f64().is_some_and(f64::is_finite) => {}
        Value::Number(number) if !number.as_f64().is_some_and(|n| (0.0..=MOST).contains(&n)) => {
            return Err(format!("{key} is {number}, which no figure can be"));
        }
        Value::Array(values) => values.iter_mut().try_for_each(|value| make_sound(key, value))?,
        Value::Object(pairs) => {
            for (key, mut value) in std::mem::take(pairs) {
                make_sound(&key, &mut value)?;
                pairs.insert(visible(key.as_bytes()), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_result_is_told_with_the_reason() {
        for (text, why) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("[]", "it holds no result"),
            ("7", "a result is an object"),
            ("[[]]", "a result is an object"),
            ("{}", "workload is missing"),
            ("{\"workload\": 7}", "workload is not text"),
            ("{\"rate_per_s\": -1}", "rate_per_s is -1, which no figure can be"),
            ("{\"rate_per_s\": 1e999}", "number out of range"),
            ("{\"p50\": 1e300}", "p50 is 1e+300, which no figure can be"),
            ("{\"rate_per_s\": NaN}", "expected value"),
            ("{\"a\"", "EOF"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{error:?}");
        }
    }

    #[test]
    fn a_latency_of_nothing_is_null_in_every_key_and_is_read_again() {
        use super::super::example::{nothing, timed};
        use crate::bench::load::workload::Workload;

        let reports = [nothing(), timed(Workload::TcpRr, &[1])];
        let read = parse(&write(&reports)).unwrap();
        assert_eq!(read[0].latency_us, None);
        assert_eq!(read[1].latency_us, reports[1].latency_us);
        let value: Value = serde_json::from_str(&write(&reports)).unwrap();
        let figures = value[0]["latency_us"].as_object().unwrap();
        assert_eq!(figures.len(), 8);
        assert!(figures.values().all(Value::is_null));
    }

    /// Each figure is one of its own, each text as well.
    fn renumber(value: &mut Value, count: &mut u32) {
        *count += 1;
        match value {
            Value::Number(_) => *value = Value::from(*count),
            Value::String(_) => *value = Value::from(format!("text {count}")),
            Value::Bool(is) => *is = true,
            Value::Array(values) => values.iter_mut().for_each(|value| renumber(value, count)),
            Value::Object(pairs) => pairs.values_mut().for_each(|value| renumber(value, count)),
            Value::Null => panic!("nothing is to be unknown here"),
        }
    }

    #[test]
    fn every_key_that_is_written_is_read_again() {
        let mut reports = [super::super::example::extreme()];
        reports[0].timeline.truncate(1);
        let mut value: Value = serde_json::from_str(&write(&reports)).unwrap();
        renumber(&mut value, &mut 0);
        make_sound("", &mut value).unwrap();
        let again = write(&[report(value.clone()).unwrap()]).replace(".0", "");
        assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), value);
    }

    #[test]
    fn texts_and_keys_are_made_visible() {
        let mut value = serde_json::json!({ "a\u{1b}b": ["\u{9b}2J", { "c": "\n" }] });
        make_sound("", &mut value).unwrap();
        assert_eq!(value, serde_json::json!({ "a\\x1bb": ["\\x9b2J", { "c": "\\n" }] }));
    }
}
