//! Complete lines at the head of some input, and how much of it they used. Also what in a line is
//! not text, and which line is a goodbye.

/// What either side says, on its own, to end a conversation.
const BYE: &[u8] = b"BYE";

/// The complete lines at the head of `input`, without their LF or CRLF. `used` grows as they are
/// taken.
pub(super) struct Lines<'a> {
    input: &'a [u8],
    pub(super) used: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: &'a [u8]) -> Lines<'a> {
        Lines { input, used: 0 }
    }

    /// What follows the lines taken so far.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.input[self.used..]
    }
}

/// How many bytes the first line of `text` has, with its LF; `None`: it has not ended yet.
pub(super) fn line_length(text: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', text).map(|end| end + 1)
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let length = line_length(rest)?;
        self.used += length;
        let line = &rest[..length - 1];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// `text` without the NUL bytes around it, which C programs send along with their strings.
pub(crate) fn without_padding(text: &[u8]) -> &[u8] {
    trim(text, |byte| byte == 0)
}

/// `text` without blanks and NUL bytes around it, to be compared with a keyword.
pub(crate) fn core(text: &[u8]) -> &[u8] {
    trim(text, |byte| byte == 0 || byte.is_ascii_whitespace())
}

fn trim(text: &[u8], is_around: impl Fn(u8) -> bool) -> &[u8] {
    let start = text.iter().position(|byte| !is_around(*byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_around(*byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Whether `text` is a goodbye and nothing else.
pub(super) fn is_bye(text: &[u8]) -> bool {
    core(text) == BYE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_complete_lines_and_leaves_the_rest() {
        let mut lines = Lines::new(b"one\r\n\ntwo\nrest");
        assert_eq!(lines.by_ref().collect::<Vec<_>>(), [&b"one"[..], b"", b"two"]);
        assert_eq!((lines.used, lines.rest()), (10, &b"rest"[..]));
        assert_eq!(Lines::new(b"no end").next(), None);
    }

    #[test]
    fn padding_is_no_text_and_a_goodbye_may_have_it() {
        assert_eq!(without_padding(b"\0\0a\0b\0"), b"a\0b");
        assert_eq!(without_padding(b"\0\0"), b"");
        for bye in [&b"BYE"[..], b" BYE\r", b"BYE\0\0\0", b"BYE \0", b"\0BYE\r\0"] {
            assert!(is_bye(bye), "{bye:?}");
        }
        for other in [&b"bye"[..], b"BYE now", b"B YE", b"", b"\0", b"GOODBYE"] {
            assert!(!is_bye(other), "{other:?}");
        }
        assert_eq!([core(b"\0 \0"), core(b""), core(b" B\0E\n")], [&b""[..], b"", b"B\0E"]);
    }
}
