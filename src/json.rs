//! JSON (RFC 8259) as far as a log needs it: one flat object in one line. Whatever its texts are
//! made of, nothing in them can end the line, close a string or drive a terminal.

use std::fmt::Display;

use crate::append::append;

/// An object that is being written.
pub(crate) struct Object(String);

impl Object {
    /// One without members.
    pub(crate) fn new() -> Object {
        Object(String::from("{"))
    }

    /// Adds a string.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        push_string(&mut self.0, text);
    }

    /// Adds what is shown as text, as a string.
    pub(crate) fn shown(&mut self, name: &str, what: impl Display) {
        self.text(name, &what.to_string());
    }

    /// Adds what is shown as JSON has it: a whole number, `true` or `false`.
    pub(crate) fn plain(&mut self, name: &str, what: impl Display) {
        self.name(name);
        append(&mut self.0, format_args!("{what}"));
    }

    /// Adds a number, to the millionth. JSON has none that is not finite: that becomes null.
    pub(crate) fn number(&mut self, name: &str, number: f64) {
        match number.is_finite() {
            true => self.plain(name, format_args!("{number:.6}")),
            false => self.plain(name, "null"),
        }
    }

    /// The object as one line.
    pub(crate) fn into_line(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_string(&mut self.0, name);
        self.0.push(':');
    }
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Of controls JSON asks it only below U+0020; a terminal heeds others as well.
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => {
                append(out, format_args!("\\u{:04x}", u32::from(character)));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_one_line_with_its_members_in_order() {
        let mut object = Object::new();
        object.text("a", "x");
        object.shown("b", format_args!("{}:{}", "::1", 7));
        object.plain("c", 12);
        object.plain("d", true);
        object.number("e", 0.25);
        object.number("f", f64::NAN);
        let wanted = r#"{"a":"x","b":"::1:7","c":12,"d":true,"e":0.250000,"f":null}"#;
        assert_eq!(object.into_line(), format!("{wanted}\n"));
        assert_eq!(Object::new().into_line(), "{}\n");
    }

    #[test]
    fn no_text_ends_its_string_or_its_line_or_reaches_a_terminal() {
        let mut object = Object::new();
        object.text("\"k\n", "\"\\\n\r\t\0\u{1b}[2J\u{7f}\u{9b}31m\u{2028}\u{fffd}ä😀");
        let wanted = r#"{"\"k\n":"\"\\\n\r\t\u0000\u001b[2J\u007f\u009b31m\u2028"#;
        assert_eq!(object.into_line(), format!("{wanted}\u{fffd}ä😀\"}}\n"));
    }

    #[test]
    fn another_reader_of_json_finds_the_same_text() {
        for code in (0..0x3000).chain(0xfff0..0x1_0010).filter_map(char::from_u32) {
            let text = format!("a{code}b\\{code}\"");
            let mut object = Object::new();
            object.text("text", &text);
            let line = object.into_line();
            assert_eq!(line.matches('\n').count(), 1);
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["text"], text.as_str());
        }
    }
}
