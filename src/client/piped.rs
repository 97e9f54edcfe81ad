//! The lines of a filter's input, as the bytes they are. Where a read has cut it changes nothing,
//! and no piece of a long line can be taken for a line of its own.

/// A line longer than this is passed on in parts rather than kept until it ends.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What the input consists of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line, without its newline.
    Line(Vec<u8>),
    /// A part of a long line, in which more follows.
    Part(Vec<u8>),
    /// The rest of a long line, without its newline.
    Rest(Vec<u8>),
}

/// Cuts input into lines.
#[derive(Default)]
pub(super) struct Piped {
    pending: Vec<u8>,
    /// Whether parts of the line that is pending have been passed on.
    is_within: bool,
}

impl Piped {
    /// The pieces that the next bytes complete, or the end of all (`None`).
    pub(super) fn take(&mut self, bytes: Option<&[u8]>) -> Vec<Piece> {
        match bytes {
            Some(bytes) => self.push(bytes),
            None => self.end().into_iter().collect(),
        }
    }

    /// The pieces that `bytes` complete.
    fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for chunk in bytes.split_inclusive(|byte| *byte == b'\n') {
            match chunk.strip_suffix(b"\n") {
                Some(end) => {
                    self.pending.extend_from_slice(end);
                    pieces.push(self.complete());
                }
                None => self.pending.extend_from_slice(chunk),
            }
        }
        if self.pending.len() > LINE_BYTES_MAX {
            self.is_within = true;
            pieces.push(Piece::Part(std::mem::take(&mut self.pending)));
        }
        pieces
    }

    /// The piece that the end of the input completes.
    fn end(&mut self) -> Option<Piece> {
        (!self.pending.is_empty() || self.is_within).then(|| self.complete())
    }

    fn complete(&mut self) -> Piece {
        let line = std::mem::take(&mut self.pending);
        match std::mem::take(&mut self.is_within) {
            true => Piece::Rest(line),
            false => Piece::Line(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> Piece {
        Piece::Line(text.to_vec())
    }

    #[test]
    fn lines_are_the_bytes_they_are_wherever_a_read_has_cut() {
        let input = b"one\r\n\nb\xffd\0\nBYE";
        for cut in 0..=input.len() {
            let mut piped = Piped::default();
            let mut pieces = piped.push(&input[..cut]);
            pieces.extend(piped.push(&input[cut..]));
            pieces.extend(piped.end());
            let wanted = [line(b"one\r"), line(b""), line(b"b\xffd\0"), line(b"BYE")];
            assert_eq!(pieces, wanted, "cut at {cut}");
            assert_eq!(piped.end(), None);
        }
    }

    #[test]
    fn no_piece_of_a_long_line_is_a_line() {
        let long = vec![b'x'; LINE_BYTES_MAX];
        for rest in [&b"BYE"[..], b""] {
            let mut piped = Piped::default();
            assert_eq!(piped.push(&long), []);
            assert_eq!(piped.push(b"x").len(), 1);
            let mut pieces = piped.push(rest);
            pieces.extend(piped.push(b"\nBYE\n"));
            assert_eq!(pieces, [Piece::Rest(rest.to_vec()), line(b"BYE")]);
        }
        let mut piped = Piped::default();
        piped.push(&[&long[..], b"x"].concat());
        assert_eq!(piped.push(b"BYE"), []);
        assert_eq!(piped.end(), Some(Piece::Rest(b"BYE".to_vec())));
    }
}
