//! Knobs as people write them behind the `?` of an endpoint: `delay=100ms~20ms&reset=5%&seed=7`.
//! What they do is the engine's business (`engine/faults/`).

mod values;

use std::fmt::{self, Write};

use crate::engine::{At, Knobs, Share, Stall};
use crate::spelling::nearest;
use values::{Moment, Percent, Size, Time};

/// What a knob is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fits {
    /// Any transport.
    All,
    /// Tcp, unix and tls.
    Streams,
    /// Udp.
    Datagrams,
}

/// One knob, as the help has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Knob {
    /// What it is called.
    pub name: &'static str,
    /// What stands behind its `=`.
    pub value: &'static str,
    /// What it is for.
    pub fits: Fits,
    /// What it does, in a few words.
    pub about: &'static str,
    /// How it may be written.
    example: &'static str,
}

const fn knob(
    name: &'static str,
    value: &'static str,
    fits: Fits,
    example: &'static str,
    about: &'static str,
) -> Knob {
    Knob { name, value, fits, about, example }
}

/// All of them, in the order in which they are applied and written.
pub const KNOBS: [Knob; 13] = [
    knob("refuse", "P%", Fits::Streams, "5%", "RST right after accepting"),
    knob("halfopen", "P%", Fits::Streams, "5%", "never reads, never answers"),
    knob("stall", "P%[@SIZE]", Fits::Streams, "5%@4k", "reads on, says nothing after that"),
    knob("delay", "TIME[~TIME]", Fits::All, "100ms~20ms", "each reply so much later"),
    knob("rate", "SIZE", Fits::All, "1M", "so many bytes of replies a second"),
    knob("slice", "SIZE[~SIZE][@TIME]", Fits::Streams, "10~4@5ms", "replies in pieces, apart"),
    knob("reset", "P%[@SIZE or @TIME]", Fits::Streams, "5%@4k", "RST then, or as first reply"),
    knob("close", "SIZE or TIME", Fits::Streams, "10s", "FIN after that"),
    knob("drop", "P%", Fits::Datagrams, "5%", "no reply"),
    knob("dup", "P%", Fits::Datagrams, "5%", "the reply twice"),
    knob("reorder", "P%", Fits::Datagrams, "5%", "the reply behind the next one"),
    knob("corrupt", "P%", Fits::Datagrams, "5%", "one bit of the reply is wrong"),
    knob("seed", "NUMBER", Fits::All, "7", "what chance begins with; else drawn and told"),
];

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it means.
    pub knobs: Knobs,
    /// Each knob that was written, and where, in bytes from the start of the text.
    pub places: Vec<(&'static Knob, usize)>,
}

/// Why a text is no list of knobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is, in bytes from the start of the text.
    pub at: usize,
    /// What is wrong and what to write instead, in one line.
    pub why: String,
}

impl Mistake {
    /// At that place, for that reason.
    pub fn new(at: usize, why: impl Into<String>) -> Mistake {
        Mistake { at, why: why.into() }
    }

    /// The same in one line, if the text is what is behind `before`.
    pub fn told(&self, before: &str, text: &str) -> String {
        let column = before.chars().count() + text[..self.at].chars().count() + 1;
        format!("column {column}: {}", self.why)
    }
}

/// Reads `KNOB=VALUE[&KNOB=VALUE...]`.
///
/// # Errors
/// What is wrong first, and where.
pub fn parse(text: &str) -> Result<Reading, Mistake> {
    let mut reading = Reading { knobs: Knobs::default(), places: Vec::new() };
    let mut at = 0;
    for one in text.split('&') {
        read(&mut reading, one, at)?;
        at += one.len() + 1;
    }
    match reading.places[..] {
        [(only, at)] if only.name == "seed" => {
            Err(Mistake::new(at, "a seed alone does nothing: add what it is for, like drop=5%"))
        }
        _ => judge(reading),
    }
}

/// Takes in one `KNOB=VALUE`, which is so far from the start of the text.
fn read(reading: &mut Reading, text: &str, at: usize) -> Result<(), Mistake> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let Some(knob) = KNOBS.iter().find(|knob| knob.name == name) else {
        return Err(Mistake::new(at, unknown(name)));
    };
    if reading.places.iter().any(|(other, _)| *other == knob) {
        return Err(Mistake::new(at, format!("{name} is there already: leave one out")));
    }
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        let Knob { example, .. } = knob;
        return Err(Mistake::new(at, format!("{name} has no value, write {name}={example}")));
    };
    let set = set(&mut reading.knobs, name, value);
    set.map_err(|why| Mistake::new(at + name.len() + 1, format!("{name}: {why}")))?;
    reading.places.push((knob, at));
    Ok(())
}

fn unknown(name: &str) -> String {
    if name.is_empty() {
        return "a knob is missing here, write KNOB=VALUE[&KNOB=VALUE...]".into();
    }
    let known: Vec<&str> = KNOBS.iter().map(|knob| knob.name).collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("no knob is called {name:?}, did you mean {near}?"),
        None => format!("no knob is called {name:?}, known are {}", known.join(", ")),
    }
}

fn set(knobs: &mut Knobs, name: &str, value: &str) -> Result<(), String> {
    match name {
        "refuse" => knobs.refuse = values::share(value)?,
        "halfopen" => knobs.halfopen = values::share(value)?,
        "stall" => {
            let (share, after) = values::share_at(value)?;
            let after = after.map_or(Ok(0), values::bytes)?;
            knobs.stall = (share != Share::NONE).then_some(Stall { share, after });
        }
        "delay" => knobs.delay = values::spread(value)?,
        "rate" => knobs.rate = Some(values::rate(value)?),
        "slice" => knobs.slice = Some(values::slices(value)?),
        "reset" => {
            let (share, at) = values::share_at(value)?;
            let at = at.map_or(Ok(At::FirstReply), values::moment)?;
            knobs.reset = (share != Share::NONE).then_some((share, at));
        }
        "close" => knobs.close = Some(values::moment(value)?),
        "drop" => knobs.drop = values::share(value)?,
        "dup" => knobs.duplicate = values::share(value)?,
        "reorder" => knobs.reorder = values::share(value)?,
        "corrupt" => knobs.corrupt = values::share(value)?,
        _ => knobs.seed = Some(values::seed(value)?),
    }
    Ok(())
}

/// Refuses shares that are more than all connections together.
fn judge(reading: Reading) -> Result<Reading, Mistake> {
    let fates = reading.knobs.fates();
    let sum: u32 = fates.iter().map(|(_, share)| share.parts()).sum();
    let is_exclusive =
        |(knob, _): &&(&Knob, usize)| fates.iter().any(|(kind, _)| kind.name() == knob.name);
    match reading.places.iter().rfind(is_exclusive) {
        Some((_, at)) if sum > Share::ALL.parts() => {
            let parts = fates.iter().filter(|(_, share)| *share != Share::NONE);
            let parts: Vec<String> =
                parts.map(|(kind, share)| format!("{}={}", kind.name(), Percent(*share))).collect();
            let why = "are more than all connections together: 100% is the most";
            Err(Mistake::new(*at, format!("{} {why}", parts.join(" and "))))
        }
        _ => Ok(reading),
    }
}

/// The canonical form, which is read as the same again.
impl fmt::Display for Knobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_streams(&mut text)?;
        let shares = [
            ("drop", self.drop),
            ("dup", self.duplicate),
            ("reorder", self.reorder),
            ("corrupt", self.corrupt),
        ];
        shares.into_iter().try_for_each(|(name, share)| write_share(&mut text, name, share))?;
        if let Some(seed) = self.seed {
            write!(text, "&seed={seed}")?;
        }
        f.write_str(text.trim_start_matches('&'))
    }
}

/// Each with a `&` before it.
impl Knobs {
    fn write_streams(&self, to: &mut String) -> fmt::Result {
        write_share(to, "refuse", self.refuse)?;
        write_share(to, "halfopen", self.halfopen)?;
        match self.stall {
            None => {}
            Some(Stall { share, after: 0 }) => write!(to, "&stall={}", Percent(share))?,
            Some(Stall { share, after }) => {
                write!(to, "&stall={}@{}", Percent(share), Size(after))?;
            }
        }
        self.write_pace(to)?;
        match self.reset {
            None => {}
            Some((share, At::FirstReply)) => write!(to, "&reset={}", Percent(share))?,
            Some((share, at)) => write!(to, "&reset={}@{}", Percent(share), Moment(at))?,
        }
        self.close.map_or(Ok(()), |at| write!(to, "&close={}", Moment(at)))
    }

    fn write_pace(&self, to: &mut String) -> fmt::Result {
        if let Some(delay) = self.delay {
            write!(to, "&delay={}", Time(delay.middle))?;
            if !delay.jitter.is_zero() {
                write!(to, "~{}", Time(delay.jitter))?;
            }
        }
        if let Some(rate) = self.rate {
            write!(to, "&rate={}", Size(rate))?;
        }
        let Some(slice) = self.slice else { return Ok(()) };
        write!(to, "&slice={}", Size(slice.bytes.into()))?;
        if slice.spread > 0 {
            write!(to, "~{}", Size(slice.spread.into()))?;
        }
        match slice.apart.is_zero() {
            true => Ok(()),
            false => write!(to, "@{}", Time(slice.apart)),
        }
    }
}

fn write_share(to: &mut String, name: &str, share: Share) -> fmt::Result {
    match share {
        Share::NONE => Ok(()),
        share => write!(to, "&{name}={}", Percent(share)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn written(text: &str) -> String {
        match parse(text) {
            Ok(reading) => reading.knobs.to_string(),
            Err(mistake) => panic!("{text}: {}", mistake.told("", text)),
        }
    }

    fn why(text: &str) -> String {
        let told = parse(text).expect_err(text).told("", text);
        assert!(!told.contains('\n'), "{told}");
        told
    }

    #[test]
    fn every_knob_is_read_and_written_as_its_example_says() {
        for Knob { name, example, .. } in &KNOBS {
            let text = match *name {
                "seed" => "delay=1s&seed=7".into(),
                _ => format!("{name}={example}"),
            };
            assert_eq!(written(&text), text);
        }
    }

    #[test]
    fn knobs_are_written_in_the_order_of_the_table_and_in_the_largest_whole_unit() {
        for (text, canonical) in [
            ("seed=07&delay=100ms", "delay=100ms&seed=7"),
            ("reset=5.50%@1024&refuse=0.0001%", "refuse=0.0001%&reset=5.5%@1k"),
            ("delay=0.1s~0s", "delay=100ms"),
            ("delay=0&dup=1%", "dup=1%"),
            ("delay=0s~5ms", "delay=0s~5ms"),
            ("delay=1.5us", "delay=1.5us"),
            ("delay=1m~30s", "delay=60s~30s"),
            ("rate=1048576", "rate=1M"),
            ("rate=1MiB", "rate=1M"),
            ("slice=10~0@0s", "slice=10"),
            ("stall=100%@0", "stall=100%"),
            ("reset=100%@0s", "reset=100%@0s"),
            ("close=0", "close=0"),
            ("drop=0%&dup=1%", "dup=1%"),
        ] {
            assert_eq!(written(text), canonical, "{text}");
        }
    }

    #[test]
    fn a_minute_is_written_small_and_a_mebibyte_large() {
        let close = |text: &str| parse(text).unwrap().knobs.close;
        assert_eq!(close("close=1m"), Some(At::After(std::time::Duration::from_secs(60))));
        assert_eq!(close("close=1M"), Some(At::Bytes(1 << 20)));
        assert_eq!(close("close=64"), Some(At::Bytes(64)));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_column_and_what_to_write() {
        for (text, wanted) in [
            ("", "column 1: a knob is missing here, write KNOB=VALUE"),
            ("delay=1s&", "column 10: a knob is missing here"),
            ("dealy=1s", "column 1: no knob is called \"dealy\", did you mean delay?"),
            ("delay=1s&DROP=5%", "column 10: no knob is called \"DROP\", did you mean drop?"),
            ("é=1", "column 1: no knob is called \"é\", known are refuse, halfopen"),
            ("delay", "column 1: delay has no value, write delay=100ms~20ms"),
            ("reset=", "column 1: reset has no value, write reset=5%@4k"),
            ("delay=1s&delay=2s", "column 10: delay is there already"),
            ("delay=50", "column 7: delay: \"50\" is not a duration: add a unit"),
            ("delay=50ms~5", "column 7: delay: \"5\" is not a duration: add a unit"),
            ("drop=5", "column 6: drop: \"5\" is not a share: add a %"),
            ("drop=%", "column 6: drop: \"%\" is not a share: no number"),
            ("drop=-5%", "column 6: drop: \"-5%\" is not a share: it cannot be negative"),
            ("drop=0.00001%", "column 6: drop: \"0.00001%\" is not a share: it has more than 4"),
            ("drop=101%", "column 6: drop: \"101%\" is more than all there is: 100%"),
            ("drop=99999999999%", "column 6: drop: \"99999999999%\" is more than all"),
            ("rate=0", "column 6: rate: at 0 bytes a second nothing ever leaves"),
            ("rate=1Mbit", "column 6: rate: \"1Mbit\" is not a size"),
            ("slice=0", "column 7: slice: \"0\" makes pieces of nothing"),
            ("slice=10~10", "column 7: slice: \"10~10\" makes pieces of nothing"),
            ("slice=4G", "column 7: slice: \"4G\" is too long for a piece: it has less than 4G"),
            ("reset=5%@soon", "column 7: reset: \"soon\" is neither a size"),
            ("close=1x", "column 7: close: \"1x\" is neither a size"),
            ("delay=1s&seed=x", "column 15: seed: \"x\" is not a seed"),
            ("seed=7", "column 1: a seed alone does nothing"),
            (
                "refuse=60%&delay=1s&reset=40.0001%&close=1s",
                "column 21: refuse=60% and reset=40.0001% are more than all connections",
            ),
        ] {
            let why = why(text);
            assert!(why.starts_with(wanted), "{text}: {why}");
        }
        assert_eq!(written("refuse=60%&stall=40%"), "refuse=60%&stall=40%");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_and_read_again_as_the_same(
            words in prop::collection::vec(select(vec![
                "refuse=", "halfopen=", "stall=", "delay=", "rate=", "slice=", "reset=", "close=",
                "drop=", "dup=", "reorder=", "corrupt=", "seed=", "5", "0.25", "%", "@", "~", "4k",
                "10ms", "1.5s", "1M", "3us", "&", "&", "é",
            ]), 0..12),
        ) {
            let text = words.concat();
            if let Ok(reading) = parse(&text)
                && !reading.knobs.is_none()
            {
                prop_assert_eq!(parse(&reading.knobs.to_string()).unwrap().knobs, reading.knobs);
            }
        }
    }
}
