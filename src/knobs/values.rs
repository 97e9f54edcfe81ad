//! What stands behind the `=` of a knob, read and written.

use std::fmt;
use std::time::Duration;

use crate::engine::{At, Share, Slicing, Spread};
use crate::units::{parse_duration, parse_size};

/// Decimals of a percentage that a `Share` can tell apart.
const DECIMALS: usize = 4;

/// `P%`.
pub(super) fn share(text: &str) -> Result<Share, String> {
    let wrong = |why: &str| format!("{text:?} is not a share: {why}; write it like 5% or 0.5%");
    let Some(number) = text.trim().strip_suffix('%') else { return Err(wrong("add a %")) };
    let number = number.trim();
    if number.starts_with('-') {
        return Err(wrong("it cannot be negative"));
    }
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) {
        return Err(wrong("no number stands before the %"));
    }
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > DECIMALS {
        return Err(wrong(&format!("it has more than {DECIMALS} decimals")));
    }
    let parts = format!("{whole}{decimals:0<DECIMALS$}").parse().ok();
    let more = || format!("{text:?} is more than all there is: 100% is the most");
    parts.and_then(Share::of_million).ok_or_else(more)
}

/// `P%[@MORE]`: the share, and what stands behind the `@`.
pub(super) fn share_at(text: &str) -> Result<(Share, Option<&str>), String> {
    match text.split_once('@') {
        Some((part, more)) => Ok((share(part)?, Some(more))),
        None => Ok((share(text)?, None)),
    }
}

/// `BYTES`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    parse_size(text).map(|bytes| bytes as u64)
}

/// `BYTES or TIME`: whatever has a unit of time is a time, and `m` is a minute.
pub(super) fn moment(text: &str) -> Result<At, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ' ');
    match unit.trim() {
        "us" | "ms" | "s" | "m" | "h" => parse_duration(text).map(At::After),
        _ => parse_size(text).map(|bytes| At::Bytes(bytes as u64)).map_err(|_| {
            format!("{text:?} is neither a size, like 64 or 4k, nor a time, like 500ms or 10s")
        }),
    }
}

/// `T[~J]`; `None`: no time at all.
pub(super) fn spread(text: &str) -> Result<Option<Spread>, String> {
    let (middle, jitter) = match text.split_once('~') {
        Some((middle, jitter)) => (parse_duration(middle)?, parse_duration(jitter)?),
        None => (parse_duration(text)?, Duration::ZERO),
    };
    let is_some = !middle.is_zero() || !jitter.is_zero();
    Ok(is_some.then_some(Spread { middle, jitter }))
}

/// `N[~V][@T]`.
pub(super) fn slices(text: &str) -> Result<Slicing, String> {
    let (sizes, apart) = match text.split_once('@') {
        Some((sizes, apart)) => (sizes, parse_duration(apart)?),
        None => (text, Duration::ZERO),
    };
    let (bytes, spread) = match sizes.split_once('~') {
        Some((bytes, spread)) => (piece(bytes)?, piece(spread)?),
        None => (piece(sizes)?, 0),
    };
    if bytes == 0 || spread >= bytes {
        return Err(format!("{sizes:?} makes pieces of nothing: each has a byte at least"));
    }
    Ok(Slicing { bytes, spread, apart })
}

fn piece(text: &str) -> Result<u32, String> {
    let size = parse_size(text)?;
    u32::try_from(size)
        .map_err(|_| format!("{text:?} is too long for a piece: it has less than 4G"))
}

/// `SIZE` a second.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("at 0 bytes a second nothing ever leaves: that is stall=100%".into()),
        rate => Ok(rate),
    }
}

/// A number that draws begin with.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a seed: write a whole number, like 7"))
}

/// A share as it is written: `0.5%`.
pub(super) struct Percent(pub(super) Share);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.0.parts();
        let (whole, rest) = (parts / 10_000, parts % 10_000);
        let decimals = format!("{rest:04}");
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            decimals => write!(f, "{whole}.{decimals}%"),
        }
    }
}

/// A size as it is written: `4k`.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "k")];
        let fits = |(unit, _): &&(u64, &str)| self.0 != 0 && self.0.is_multiple_of(*unit);
        match units.iter().find(fits) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A time as it is written: `20ms`.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let (unit, name) = match nanos {
            _ if nanos.is_multiple_of(1_000_000_000) => (1_000_000_000, "s"),
            _ if nanos.is_multiple_of(1_000_000) => (1_000_000, "ms"),
            _ => (1000, "us"),
        };
        write!(f, "{}", nanos / unit)?;
        match nanos % unit {
            0 => {}
            rest => write!(f, ".{}", format!("{rest:03}").trim_end_matches('0'))?,
        }
        f.write_str(name)
    }
}

/// A moment as it is written.
pub(super) struct Moment(pub(super) At);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            At::FirstReply => Ok(()),
            At::Bytes(bytes) => Size(bytes).fmt(f),
            At::After(time) => Time(time).fmt(f),
        }
    }
}
