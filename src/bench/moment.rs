//! Moments as people write them: RFC 3339, or seconds since 1970. jiff reads many more forms, and
//! explains in 40 kB of program what is wrong with them; here one line does.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The last second of the year 9999: what lies behind it are milliseconds, or a slip.
const LAST: f64 = 253_402_300_799.0;

/// Reads a moment, as what has passed since 1970-01-01 00:00 UTC.
///
/// # Errors
/// How to write it.
pub(super) fn parse_moment(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().or_else(|| seconds_of_date(text));
    let seconds = seconds.filter(|seconds| *seconds <= LAST);
    let moment = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    moment.ok_or_else(|| "write it like 2026-11-27T12:00:00Z or 1795780800".into())
}

/// Of a date with time and zone, such as `2026-11-27T12:00:00.5+01:00`.
#[allow(clippy::cast_precision_loss)] // below 2^53
fn seconds_of_date(text: &str) -> Option<f64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let (time, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-'])?);
    let (time, fraction) = match time.find('.') {
        Some(point) => (&time[..point], format!("0.{}", number_text(&time[point + 1..])?)),
        None => (time, "0".into()),
    };
    let (year, month_and_day) = date.split_once('-')?;
    let year = number_text(year).filter(|year| year.len() == 4)?.parse().ok()?;
    let ([month, day], [hour, minute, second]) = (pairs(month_and_day, '-')?, pairs(time, ':')?);
    let local = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let seconds = Offset::UTC.to_timestamp(local).ok()?.as_second() - offset(zone)?;
    Some(seconds as f64 + fraction.parse::<f64>().ok()?)
}

/// By how many seconds the clocks of a zone are ahead.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next()? {
        'Z' | 'z' => return (zone.len() == 1).then_some(0),
        '+' => 1,
        _ => -1,
    };
    let [hours, minutes] = pairs(&zone[1..], ':')?;
    let is_zone = hours < 24 && minutes < 60;
    is_zone.then(|| sign * (3600 * i64::from(hours) + 60 * i64::from(minutes)))
}

/// So many numbers of two digits.
fn pairs<const N: usize>(text: &str, between: char) -> Option<[i8; N]> {
    let number = |text| number_text(text).filter(|text| text.len() == 2)?.parse().ok();
    let numbers: Option<Vec<i8>> = text.split(between).map(number).collect();
    numbers?.try_into().ok()
}

/// Nothing but digits, and some.
fn number_text(text: &str) -> Option<&str> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_with_its_zone_or_seconds() {
        for (text, seconds) in [
            ("1795780800", 1_795_780_800.0),
            ("0.25", 0.25),
            ("1970-01-01T00:00:00Z", 0.0),
            ("2026-11-27T12:00:00Z", 1_795_780_800.0),
            ("2026-11-27 13:30:00.5+01:30", 1_795_780_800.5),
            ("2026-11-27t06:00:00-06:00", 1_795_780_800.0),
            ("2024-02-29T00:00:00z", 1_709_164_800.0),
        ] {
            assert_eq!(parse_moment(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "noon",
            "-1",
            "nan",
            "1e300",
            "1795780800000",
            "2026-11-27",
            "2026-11-27T12:00:00",
            "2026-11-27T12:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-27T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-27T12:00:00.Z",
            "2026-11-27T12:00:00Zulu",
            "2026-11-27T12:00:00+1:00",
            "2026-11-27T12:00:00+25:00",
            "2026-+1-27T12:00:00Z",
            "26-11-27T12:00:00Z",
            "2026-11-27T12:00:00é",
            "2026-11-27T12:00:0é+01:00",
        ] {
            assert!(parse_moment(text).unwrap_err().starts_with("write it like"), "{text}");
        }
    }
}
