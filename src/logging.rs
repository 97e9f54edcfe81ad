//! How the log is written: lines for people, or one JSON object a line for programs. What is
//! logged, and how much of it, is the business of those who log.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{Level, Record};

use crate::json::Object;
use crate::outlet::Log;
use crate::reactor::wall;

/// Whether the log is JSON from now on.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Few lines are longer.
const LINE_BYTES: usize = 1024;

/// A form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One object a line: time, level, target, message, and what the message is about.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<LogFormat, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("write text or json".into()),
        }
    }
}

/// From now on [`last_words`] and whoever asks [`format()`] keep to `format`.
pub fn set_format(format: LogFormat) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// Makes room for the longest of usual lines where they are put together, before anybody comes:
/// what lasts and grows amid a burst keeps the allocator from giving back what lies before it.
pub fn reserve_line() {
    Log::hold(true);
    log::error!("{:1$}", "", LINE_BYTES);
    drop(Log::outlet().take());
    Log::hold(false);
}

/// How the log is written.
pub fn format() -> LogFormat {
    match IS_JSON.load(Ordering::Relaxed) {
        true => LogFormat::Json,
        false => LogFormat::Text,
    }
}

/// `record`, logged now, as a line of JSON.
pub fn json_line(record: &Record<'_>) -> String {
    let mut object = head(now(), record.level(), record.target());
    object.shown("message", record.args());
    // It fails only if we do.
    let _ = record.key_values().visit(&mut Members(&mut object));
    object.into_line()
}

/// The time of a line that is written now.
pub(crate) fn now() -> Timestamp {
    let nanos = i128::try_from(wall().as_nanos()).unwrap_or_default();
    // A clock that is centuries off dates the line to 1970.
    Timestamp::from_nanosecond(nanos).unwrap_or_default()
}

/// Begins an object as every line of the log begins.
pub(crate) fn head(time: Timestamp, level: Level, target: &str) -> Object {
    let mut object = Object::new();
    object.shown("time", format_args!("{time:.6}"));
    object.text("level", level.as_str().to_ascii_lowercase().as_str());
    object.text("target", target);
    object
}

/// Writes why the program ends as the last line of the log.
pub fn last_words(what: &str) {
    Log::last_words(match format() {
        LogFormat::Text => format!("cooee: {what}\n"),
        LogFormat::Json => {
            let mut object = head(now(), Level::Error, "cooee");
            object.text("message", what);
            object.into_line()
        }
    });
}

/// The fields of a record become members of an object.
struct Members<'a>(&'a mut Object);

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        value.visit(Member { object: self.0, name: key.as_str() })
    }
}

/// One of them, as the kind of value it is.
struct Member<'a> {
    object: &'a mut Object,
    name: &'a str,
}

impl<'v> VisitValue<'v> for Member<'_> {
    /// Kinds that nobody here logs: showing any of them would take all the code for all of them.
    fn visit_any(&mut self, _: Value<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn visit_str(&mut self, text: &str) -> Result<(), Error> {
        self.object.text(self.name, text);
        Ok(())
    }

    /// What is not known is left out.
    fn visit_null(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.object.plain(self.name, value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.object.plain(self.name, value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.object.number(self.name, value);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.object.plain(self.name, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_level_target_message_and_then_its_fields_as_what_they_are() {
        let fields: [(&str, Value<'_>); 6] = [
            ("number", 12_u64.into()),
            ("duration_s", 0.5.into()),
            ("is_over", true.into()),
            ("left", Value::null()),
            ("reason", "say \"no\"\n".into()),
            ("below", (-3_i64).into()),
        ];
        let mut record = Record::builder();
        record.level(Level::Warn).target("here").key_values(&fields);
        let line = json_line(&record.args(format_args!("what \"happened\"")).build());
        let (time, rest) = line.split_once(',').unwrap();
        let time = time.strip_prefix("{\"time\":\"").unwrap().strip_suffix('"').unwrap();
        assert!(
            time.parse::<Timestamp>().is_ok() && time.len() == "2026-11-27T20:31:23.123456Z".len()
        );
        let wanted = r#""level":"warn","target":"here","message":"what \"happened\"","#.to_owned()
            + r#""number":12,"duration_s":0.500000,"is_over":true,"#
            + r#""reason":"say \"no\"\n","below":-3}"#;
        assert_eq!(rest, wanted + "\n");
    }
}
