//! `--config FILE`: TOML whose keys are the long flags of `cooee serve`. Every mistake is told with
//! its line and column.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml_span::value::ValueInner;
use toml_span::{ErrorKind, Value};

use super::Setting;
use super::flags::{Flags, Form};
use crate::services::text::visible;

/// No configuration of ours is longer; what is, is something else (`/dev/zero`).
const BYTES_MAX: u64 = 1 << 20;

/// What the file at `path` says.
///
/// # Errors
/// One line: where in the file, what is wrong, and what would be right.
pub(super) fn read(path: &Path, flags: &mut Flags) -> Result<Vec<Setting>, String> {
    let failed = |why: String| format!("--config {}: {why}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(failed("it is longer than 1 MiB, and no configuration".into()));
    }
    let name = visible(path.display().to_string().as_bytes());
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        format!("{}: what stands here is not UTF-8", Document::new(&name, &good).at(good.len()))
    })?;
    parse(&name, &text, flags)
}

/// The text of a file, to say where in it something stands.
struct Document<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Document<'a> {
    /// A byte order mark, as some editors write it, counts for nothing.
    fn new(name: &'a str, text: &'a str) -> Document<'a> {
        Document { name, text: text.strip_prefix('\u{feff}').unwrap_or(text) }
    }

    /// `cooee.toml:3:9`, of the byte at `offset`.
    fn at(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.name)
    }
}

fn parse(name: &str, text: &str, flags: &mut Flags) -> Result<Vec<Setting>, String> {
    let document = Document::new(name, text);
    let value = toml_span::parse(document.text).map_err(|error| {
        let why = match &error.kind {
            ErrorKind::UnquotedString | ErrorKind::InvalidNumber => {
                "text, times, sizes and rates stand in quotes, such as \"10s\"".into()
            }
            ErrorKind::UnexpectedEof => "the file ends too early".into(),
            ErrorKind::Unexpected(character) => format!("{character:?} cannot stand here"),
            ErrorKind::DuplicateKey { key, first } => {
                format!("{key} stands twice, the first time at {}", document.at(first.start))
            }
            _ => format!("{error}"),
        };
        format!("{}: {}", document.at(error.span.start), visible(why.as_bytes()))
    })?;
    let Some(table) = value.as_table() else { return Ok(Vec::new()) };
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    let setting = |(key, value): (&toml_span::value::Key<'_>, &Value<'_>)| {
        let (place, key) = (document.at(key.span.start), key.name.as_ref());
        let form = flags.form(key).ok_or_else(|| unknown(&place, key, value, flags))?;
        let values = values(key, form, value, flags);
        let values = values.map_err(|(at, why)| format!("{}: {why}", document.at(at)))?;
        Ok(Setting { key: key.to_owned(), values, place })
    };
    entries.into_iter().map(setting).collect()
}

fn unknown(place: &str, key: &str, value: &Value<'_>, flags: &Flags) -> String {
    let tip = match (flags.nearest(key), value.as_table()) {
        (_, Some(_)) => "; keys stand alone here, not in tables".into(),
        (Some(near), None) => format!("; did you mean {near}?"),
        (None, None) => String::new(),
    };
    let key = visible(format!("{key:?}").as_bytes());
    format!("{place}: no flag of serve is called {key}{tip} (cooee serve --help has them all)")
}

/// Where something is wrong, and what.
type Wrong = (usize, String);

/// The values of `key`, each of which will do.
fn values(
    key: &str,
    form: Form,
    value: &Value<'_>,
    flags: &mut Flags,
) -> Result<Vec<String>, Wrong> {
    let single = std::slice::from_ref(value);
    let each = match value.as_array() {
        Some(array) if form == Form::Many => array.as_slice(),
        _ => single,
    };
    let one = |value: &Value<'_>| {
        let at = value.span.start;
        let text = text(form, value).ok_or_else(|| (at, wrong_type(key, form, value, flags)))?;
        flags.judge(key, &text).map_err(|why| (at, why))?;
        Ok(text)
    };
    each.iter().map(one).collect()
}

/// A value as it would stand on the command line.
fn text(form: Form, value: &Value<'_>) -> Option<String> {
    match (form, value.as_ref()) {
        (Form::Switch, ValueInner::Boolean(is_on)) => Some(is_on.to_string()),
        (Form::Count, ValueInner::Boolean(is_on)) => Some(u8::from(*is_on).to_string()),
        (Form::Count, ValueInner::Integer(count)) => {
            u8::try_from(*count).ok().map(|n| n.to_string())
        }
        (Form::One | Form::Many, ValueInner::String(text)) => Some(text.to_string()),
        (Form::One | Form::Many, ValueInner::Integer(number)) => Some(number.to_string()),
        (Form::One | Form::Many, ValueInner::Float(number)) => Some(number.to_string()),
        _ => None,
    }
}

fn wrong_type(key: &str, form: Form, value: &Value<'_>, flags: &Flags) -> String {
    let found = match value.as_ref() {
        ValueInner::String(_) => "text",
        ValueInner::Integer(_) | ValueInner::Float(_) => "a number",
        ValueInner::Boolean(_) => "true or false",
        ValueInner::Array(_) => "an array",
        ValueInner::Table(_) => "a table",
    };
    let name = flags.value_name(key);
    let wanted = match form {
        Form::Switch => "is true or false".into(),
        Form::Count => "is true, or a small number".into(),
        Form::One => format!("takes one {name}"),
        Form::Many => format!("takes one {name} or an array of them"),
    };
    format!("{key} {wanted}, not {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<Vec<(String, Vec<String>, String)>, String> {
        let settings = parse("c.toml", text, &mut Flags::of_serve())?;
        Ok(settings.into_iter().map(|one| (one.key, one.values, one.place)).collect())
    }

    #[test]
    fn every_type_stands_where_one_expects_it() {
        let text = "\u{feff}# cooee\nendpoints = [\"echo\",\n \"chat://:0\"]\nhost = \"::1\"\n\
                    max-connections = 100\nchat-rate = \"5/s\"\n  echo-once = true\nverbose = 2\n";
        let settings = told(text).unwrap();
        for (key, values, place) in [
            ("endpoints", &["echo", "chat://:0"][..], "c.toml:2:1"),
            ("host", &["::1"], "c.toml:4:1"),
            ("max-connections", &["100"], "c.toml:5:1"),
            ("chat-rate", &["5/s"], "c.toml:6:1"),
            ("echo-once", &["true"], "c.toml:7:3"),
            ("verbose", &["2"], "c.toml:8:1"),
        ] {
            let values = values.iter().map(ToString::to_string).collect();
            assert!(settings.contains(&(key.into(), values, place.into())), "{settings:?}");
        }
    }

    #[test]
    fn every_mistake_has_a_place_a_reason_and_one_line() {
        for (text, line) in [
            (
                "\n  grreting = \"x\"",
                "c.toml:2:3: no flag of serve is called \"grreting\"; did you mean greeting?",
            ),
            ("zzzzzzz = 1", "c.toml:1:1: no flag of serve is called \"zzzzzzz\" (cooee"),
            ("max_connections = 5", "did you mean max-connections?"),
            ("config = \"x\"", "c.toml:1:1: no flag of serve is called \"config\""),
            ("drain = 5", "c.toml:1:9: drain = \"5\": \"5\" is not a duration"),
            ("drain = 5s", "c.toml:1:9: text, times, sizes and rates stand in quotes"),
            ("drain = soon", "c.toml:1:9: text, times, sizes and rates stand in quotes"),
            ("endpoints = [\"echo\",\n  \"ehco\"]", "c.toml:2:4: endpoint \"ehco\": no service"),
            (
                "endpoints = [[\"echo\"]]",
                "endpoints takes one ENDPOINT or an array of them, not an array",
            ),
            ("max-connections = [1, 2]", "c.toml:1:19: max-connections takes one N, not an array"),
            ("max-connections = -1", "write a number from 1 on"),
            ("idle-timeout = false", "c.toml:1:16: idle-timeout takes one TIME, not true or false"),
            ("echo-once = \"yes\"", "echo-once is true or false, not text"),
            ("verbose = 1000", "verbose is true, or a small number, not a number"),
            (
                "[chat]\nrate = \"5/s\"",
                "c.toml:1:2: no flag of serve is called \"chat\"; keys stand alone",
            ),
            (
                "drain = \"1s\"\ndrain = \"2s\"",
                "c.toml:2:1: drain stands twice, the first time at c.toml:1:1",
            ),
            ("drain = \"1s", "c.toml:1:9: unterminated string"),
            ("drain = ", "c.toml:1:9: the file ends too early"),
            ("é = 1", "c.toml:1:1: 'é' cannot stand here"),
            ("\u{1b}[2J", "c.toml:1:1: '\\u{1b}' cannot stand here"),
        ] {
            let told = told(text).unwrap_err();
            assert!(told.contains(line), "{text:?}: {told}");
            assert!(!told.contains(char::is_control), "{told:?}");
        }
    }

    #[test]
    fn however_deep_or_long_nonsense_is_it_ends_in_a_line() {
        for (piece, count) in [("a=[", 1), ("[", 100_000), ("{a=", 100_000), ("a.", 100_000)] {
            assert!(told(&format!("a = {}", piece.repeat(count))).is_err());
            assert!(told(&piece.repeat(count)).is_err());
        }
        assert_eq!(told("").unwrap(), []);
    }
}
