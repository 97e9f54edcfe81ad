//! The language of manual pages (man(7)) as far as our pages need it: whatever a text is made of,
//! it is shown as it is, and what is laid out by hand stays so.

use crate::append::append;

/// Lines of text are broken before they are longer than this.
const COLUMNS: usize = 80;
/// How far examples are indented.
const INDENT: u32 = 4;

/// A page that is being written.
pub(super) struct Roff(String);

impl Roff {
    /// A page of section 1 with that name.
    pub(super) fn new(name: &str, date: &str, source: &str) -> Roff {
        let mut roff = Roff(String::new());
        let title = name.to_uppercase().replace('-', "\\-");
        roff.line(format_args!(".TH {title} 1 \"{date}\" \"{source}\" \"User Commands\""));
        roff
    }

    /// Begins a section.
    pub(super) fn section(&mut self, heading: &str) {
        self.line(format_args!(".SH {}", heading.to_uppercase()));
    }

    /// Begins a part of a section.
    pub(super) fn subsection(&mut self, heading: &str) {
        self.line(format_args!(".SS {}", escaped(heading)));
    }

    /// Paragraphs, apart from each other by empty lines.
    pub(super) fn paragraphs(&mut self, text: &str) {
        for (number, paragraph) in text.split("\n\n").enumerate() {
            if number > 0 {
                self.line(format_args!(".PP"));
            }
            self.text(paragraph);
        }
    }

    /// Text that is filled. A sentence begins a line, so that roff knows where one ends.
    pub(super) fn text(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let marked = marked(word);
            if !line.is_empty() && line.len() + marked.len() >= COLUMNS {
                self.push(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&marked);
            if word.ends_with('.') {
                self.push(&line);
                line.clear();
            }
        }
        if !line.is_empty() {
            self.push(&line);
        }
    }

    /// What is marked already, as it is.
    pub(super) fn markup(&mut self, line: &str) {
        self.push(line);
    }

    /// What follows begins a line.
    pub(super) fn line_break(&mut self) {
        self.line(format_args!(".br"));
    }

    /// An item under a tag that is marked already.
    pub(super) fn item(&mut self, tag: &str, text: &str) {
        self.line(format_args!(".TP"));
        self.push(tag);
        self.text(text);
    }

    /// Items within an item.
    pub(super) fn within(&mut self, fill: impl FnOnce(&mut Roff)) {
        self.line(format_args!(".RS"));
        fill(self);
        self.line(format_args!(".RE"));
    }

    /// Lines that stay as they are written, indented.
    pub(super) fn verbatim<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        self.line(format_args!(".RS {INDENT}\n.nf"));
        for line in lines {
            self.push(&escaped(line.trim_end()));
        }
        self.line(format_args!(".fi\n.RE"));
    }

    /// The page.
    pub(super) fn into_page(self) -> String {
        self.0
    }

    /// A line of text, which must not be taken for a request.
    fn push(&mut self, line: &str) {
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        self.line(format_args!("{guard}{line}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        append(&mut self.0, format_args!("{line}\n"));
    }
}

/// `text` as it is, whatever roff would make of its characters.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            _ => out.push(character),
        }
    }
    out
}

/// In bold.
pub(super) fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

/// What stands for something else.
pub(super) fn placeholder(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

/// A word of a text: flags are bold, with what is in front of them and behind them as it was.
fn marked(word: &str) -> String {
    let Some(start) = word.find("--").filter(|at| *at <= 1) else { return escaped(word) };
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let length = word[start..].find(|c| !is_part(c)).unwrap_or(word.len() - start);
    let (flag, behind) = word[start..].split_at(length);
    match flag.len() {
        0..=2 => escaped(word),
        _ => format!("{}{}{}", escaped(&word[..start]), bold(flag), escaped(behind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_it_is() {
        assert_eq!(escaped(r"a\n 'b' --c `^~"), r"a\en \(aqb\(aq \-\-c \(ga\(ha\(ti");
        let mut roff = Roff::new("a-b", "2026-01-01", "a 1");
        roff.text(".SH no heading. Then");
        roff.verbatim(["'x  y", "  .z  "]);
        let wanted = [
            r#".TH A\-B 1 "2026-01-01" "a 1" "User Commands""#,
            r"\&.SH no heading.",
            "Then",
            ".RS 4",
            ".nf",
            r"\(aqx  y",
            "  .z",
            ".fi",
            ".RE",
            "",
        ];
        assert_eq!(roff.into_page(), wanted.join("\n"));
    }

    #[test]
    fn flags_are_bold_wherever_they_stand() {
        assert_eq!(marked("--hex"), r"\fB\-\-hex\fR");
        assert_eq!(marked("(--a-b)."), r"(\fB\-\-a\-b\fR).");
        assert_eq!(marked("--"), r"\-\-");
        assert_eq!(marked("1--2--3"), r"1\fB\-\-2\-\-3\fR");
        assert_eq!(marked("well-known"), r"well\-known");
    }
}
