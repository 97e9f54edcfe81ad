//! Lines out of a stream: complete ones from a slice of input, and how much of it they used.

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

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let end = memchr::memchr(b'\n', rest)?;
        self.used += end + 1;
        let line = &rest[..end];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
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
}
