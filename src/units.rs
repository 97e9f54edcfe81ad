//! Durations, sizes and rates as people write them: `500ms`, `64k`, `10/s`; and numbers as they
//! read them.
//!
//! Not a calculator: one number, one unit. Whatever is wrong, the error names what was written and
//! shows how it is written right; nothing overflows or wraps.

use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// How a flag's value is read. Each function has a type of its own, for which clap's code would be
/// compiled once more; written `parse_size as Parse<_>` those with the same result share it.
pub type Parse<T> = fn(&str) -> Result<T, String>;

/// Reads a duration: a number, perhaps with decimals, and one of `us ms s m h`; or `0` alone.
/// Parts of a nanosecond are cut off.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|why| wrong(text, "duration", &why, "500ms, 10s, 1.5m or 2h"))
}

/// Reads a size in bytes: a whole number, perhaps with `k`, `M` or `G` (1024, 1024², 1024³) and
/// `B` or `iB` behind that, upper or lower case.
pub fn parse_size(text: &str) -> Result<usize, String> {
    size(text).map_err(|why| wrong(text, "size", &why, "64, 4k or 1M"))
}

/// Reads a rate above zero and returns how many that is per second: a number, perhaps in thousands
/// or millions (`k`, `M`), and `/s`, `/m` or `/h`. Alone it is one per second.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    rate(text).map_err(|why| wrong(text, "rate", &why, "10, 10/s or 600/m"))
}

/// Reads a duration in which something can happen: above zero.
pub fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("nothing could ever happen in no time".into()),
        time => Ok(time),
    }
}

/// Reads a size of at least one byte.
pub fn parse_positive_size(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        0 => Err("it must be at least one byte".into()),
        size => Ok(size),
    }
}

/// Reads a whole number from `LEAST` on.
pub fn parse_from<const LEAST: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count >= LEAST => Ok(count),
        _ => Err(format!("write a number from {LEAST} on")),
    }
}

/// Reads any text but an empty one.
pub fn parse_nonempty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it must not be empty".into()) } else { Ok(text.into()) }
}

/// Reads `off` as `None`, and anything else with `parse`.
pub fn or_off<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if text.trim() == "off" {
        return Ok(None);
    }
    parse(text).map(Some).map_err(|error| format!("{error}, or off"))
}

/// A whole number with commas between the thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A limit that can be switched off.
#[derive(Clone, Copy, Debug)]
pub struct OrOff<T>(pub Option<T>);

/// Reads a rate above zero, or `off`.
pub fn rate_or_off(text: &str) -> Result<OrOff<f64>, String> {
    or_off(text, parse_rate).map(OrOff)
}

fn wrong(text: &str, what: &str, why: &str, examples: &str) -> String {
    format!("{text:?} is not a {what}: {why}; write it like {examples}")
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let nanos = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3600 * NANOS_PER_SECOND,
        "" if number == "0" => 0,
        "" => return Err("add a unit".into()),
        _ => return Err(format!("unknown unit {unit:?}, known are us, ms, s, m and h")),
    };
    times(number, nanos).and_then(from_nanos).ok_or_else(|| "too large".into())
}

/// More decimals than this make no nanosecond even of an hour. Those behind are cut off.
const DECIMALS: usize = 13;

/// The decimal number times `unit`, not rounded on the way; `None` if it does not fit.
fn times(number: &str, unit: u128) -> Option<u128> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let decimals = &decimals[..decimals.len().min(DECIMALS)];
    let scale = 10_u128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let digits: u128 = format!("{whole}{decimals}").parse().ok()?;
    Some(digits.checked_mul(unit)? / scale)
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    let seconds = u64::try_from(nanos / NANOS_PER_SECOND).ok()?;
    let rest = u32::try_from(nanos % NANOS_PER_SECOND).ok()?;
    Some(Duration::new(seconds, rest))
}

fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text)?;
    if number.contains('.') {
        return Err("not a whole number".into());
    }
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(format!("unknown unit {unit:?}, known are k, M and G")),
    };
    let number: Option<usize> = number.parse().ok();
    number.and_then(|number| number.checked_mul(factor)).ok_or_else(|| "too large".into())
}

fn rate(text: &str) -> Result<f64, String> {
    let (number, unit) = split(text)?;
    let (times, per) = match unit.as_bytes().first() {
        Some(b'k') => (1e3, unit[1..].trim_start()),
        Some(b'M') => (1e6, unit[1..].trim_start()),
        _ => (1.0, unit),
    };
    let seconds = match per {
        "" | "/s" => 1.0,
        "/m" => 60.0,
        "/h" => 3600.0,
        _ => return Err(format!("unknown unit {unit:?}, known are /s, /m and /h")),
    };
    match number.parse::<f64>().map(|number| times * number / seconds) {
        Ok(rate) if !rate.is_finite() => Err("too large".into()),
        Ok(rate) if rate > 0.0 => Ok(rate),
        _ => Err("it must be above zero".into()),
    }
}

/// The number (digits, perhaps a point and more digits) and what follows it, without blanks.
fn split(text: &str) -> Result<(&str, &str), String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err("it cannot be negative".into());
    }
    let is_unit = |character: char| !character.is_ascii_digit() && character != '.';
    let (number, unit) = text.split_at(text.find(is_unit).unwrap_or(text.len()));
    let is_digits = |part: &str| !part.is_empty() && !part.contains('.');
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    match number {
        _ if is_digits(whole) && is_digits(decimals) => Ok((number, unit.trim_start())),
        "" => Err("it does not start with a number".into()),
        _ => Err(format!("{number:?} is not a number")),
    }
}

/// A figure in four columns: two or three digits that matter, and a unit.
pub fn shortened(value: f64) -> String {
    let (mut value, mut units) = (value, ["", "k", "M", "G", "T"].into_iter());
    let mut unit = units.next().unwrap_or("");
    for larger in units {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    match value {
        0.0 => "0".into(),
        value if value < 9.95 => format!("{value:.1}{unit}"),
        value => format!("{value:.0}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        let millis = Duration::from_millis;
        for (text, wanted) in [
            ("500ms", millis(500)),
            ("10s", millis(10_000)),
            ("5m", millis(300_000)),
            ("2h", millis(7_200_000)),
            ("100us", Duration::from_micros(100)),
            ("1.5s", millis(1500)),
            ("0.1s", millis(100)),
            ("1.50m", millis(90_000)),
            (" 10 s ", millis(10_000)),
            ("0", millis(0)),
            ("0s", millis(0)),
            ("1.0000000019s", Duration::new(1, 1)),
            (&format!("1.{}s", "3".repeat(100)), Duration::new(1, 333_333_333)),
        ] {
            assert_eq!(parse_duration(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_wrong_duration_is_named_with_the_reason_and_right_examples() {
        let known = "known are us, ms, s, m and h";
        for (text, why) in [
            ("10", "add a unit"),
            ("1.5", "add a unit"),
            ("", "it does not start with a number"),
            ("s", "it does not start with a number"),
            ("ten", "it does not start with a number"),
            ("-5s", "it cannot be negative"),
            ("10S", &format!("unknown unit \"S\", {known}")),
            ("1h30m", &format!("unknown unit \"h30m\", {known}")),
            ("1e3s", &format!("unknown unit \"e3s\", {known}")),
            ("1.2.3s", "\"1.2.3\" is not a number"),
            (".5s", "\".5\" is not a number"),
            ("5.s", "\"5.\" is not a number"),
            ("99999999999999999999h", "too large"),
            (&format!("{}s", "9".repeat(100)), "too large"),
        ] {
            let example = "write it like 500ms, 10s, 1.5m or 2h";
            let wanted = format!("{text:?} is not a duration: {why}; {example}");
            assert_eq!(parse_duration(text), Err(wanted));
        }
    }

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, wanted) in [
            ("0", 0),
            ("64", 64),
            ("64B", 64),
            ("4k", 4096),
            ("4K", 4096),
            ("4kB", 4096),
            ("4KiB", 4096),
            ("256k", 262_144),
            ("1M", 1_048_576),
            ("1 MiB", 1_048_576),
            ("1G", 1_073_741_824),
        ] {
            assert_eq!(parse_size(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_wrong_size_is_named_with_the_reason_and_right_examples() {
        for (text, why) in [
            ("", "it does not start with a number"),
            ("k", "it does not start with a number"),
            ("-1", "it cannot be negative"),
            ("1.5k", "not a whole number"),
            ("4x", "unknown unit \"x\", known are k, M and G"),
            ("4iB", "unknown unit \"iB\", known are k, M and G"),
            ("99999999999999999999", "too large"),
            ("18014398509481984k", "too large"),
        ] {
            let wanted = format!("{text:?} is not a size: {why}; write it like 64, 4k or 1M");
            assert_eq!(parse_size(text), Err(wanted));
        }
    }

    #[test]
    fn rates_are_read_as_so_many_per_second() {
        for (text, wanted) in [
            ("10/s", 10.0),
            ("10", 10.0),
            ("0.5", 0.5),
            ("600/m", 10.0),
            (" 1.5 /s ", 1.5),
            ("1800/h", 0.5),
            ("20k", 20_000.0),
            ("1.2M/s", 1_200_000.0),
            ("6k/m", 100.0),
        ] {
            assert_eq!(parse_rate(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_wrong_rate_is_named_with_the_reason_and_right_examples() {
        for (text, why) in [
            ("0", "it must be above zero"),
            ("0/s", "it must be above zero"),
            ("-1/s", "it cannot be negative"),
            ("/s", "it does not start with a number"),
            ("inf/s", "it does not start with a number"),
            ("10/d", "unknown unit \"/d\", known are /s, /m and /h"),
            ("10K", "unknown unit \"K\", known are /s, /m and /h"),
            ("1e3", "unknown unit \"e3\", known are /s, /m and /h"),
            (&format!("{}/s", "9".repeat(400)), "too large"),
        ] {
            let wanted = format!("{text:?} is not a rate: {why}; write it like 10, 10/s or 600/m");
            assert_eq!(parse_rate(text), Err(wanted));
        }
    }

    #[test]
    fn off_is_none_and_anything_else_is_left_to_the_parser() {
        assert_eq!(or_off("off", parse_rate), Ok(None));
        assert_eq!(or_off("10s", parse_duration), Ok(Some(Duration::from_secs(10))));
        let error = or_off("of", parse_size).unwrap_err();
        let start = "\"of\" is not a size: it does not start with a number; ";
        assert_eq!(error, format!("{start}write it like 64, 4k or 1M, or off"));
    }

    #[test]
    fn nothing_is_too_little_where_something_is_needed() {
        assert_eq!(parse_positive_duration("1us"), Ok(Duration::from_micros(1)));
        for zero in ["0", "0s", "0.0000000001s"] {
            let error = parse_positive_duration(zero).unwrap_err();
            assert_eq!(error, "nothing could ever happen in no time", "{zero}");
        }
        assert_eq!(parse_positive_size("1"), Ok(1));
        assert_eq!(parse_positive_size("0k").unwrap_err(), "it must be at least one byte");
        assert!(parse_positive_duration("1").unwrap_err().contains("add a unit"));
        assert!(parse_positive_size("x").unwrap_err().contains("is not a size"));
    }

    #[test]
    fn numbers_begin_where_they_are_to_begin() {
        assert_eq!((parse_from::<1>("1"), parse_from::<2>("2")), (Ok(1), Ok(2)));
        for text in ["0", "-1", "", "1.5", "one", "99999999999999999999"] {
            assert_eq!(parse_from::<1>(text).unwrap_err(), "write a number from 1 on", "{text}");
        }
        assert_eq!(parse_from::<2>("1").unwrap_err(), "write a number from 2 on");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in "[-019.+/ kMGiBsmuh\u{e9}\u{0}]{0,12}") {
            let _ = (parse_duration(&text), parse_size(&text), parse_rate(&text));
        }

        #[test]
        fn what_is_written_is_read(whole in 0_u32..1_000_000, millis in 0_u32..1000) {
            let wanted = Duration::new(whole.into(), millis * 1_000_000);
            prop_assert_eq!(parse_duration(&format!("{whole}.{millis:03}s")), Ok(wanted));
            prop_assert_eq!(parse_size(&format!("{whole}k")), Ok(whole as usize * 1024));
        }
    }

    #[test]
    fn figures_take_four_columns_unless_they_are_beyond_all_units() {
        for (value, wanted) in [
            (0.0, "0"),
            (0.04, "0.0"),
            (9.94, "9.9"),
            (9.96, "10"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (123_456.0, "123k"),
            (2.5e9, "2.5G"),
            (1e18, "1000000T"),
        ] {
            assert_eq!(shortened(value), wanted);
        }
    }
}
