//! Where one message of a talk client ends and the next begins.

use crate::services::lines::line_length;

/// Text longer than this is shown in pieces, be it a line or not.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// The longest line ending.
const LINE_END_BYTES: usize = 2;

/// How a client ends its messages, and so how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnding {
    /// None, or it has not said anything yet.
    Bare,
    Lf,
    CrLf,
}

impl LineEnding {
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            LineEnding::Bare => b"",
            LineEnding::Lf => b"\n",
            LineEnding::CrLf => b"\r\n",
        }
    }
}

/// What ended a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageEnd {
    /// A newline.
    Line(LineEnding),
    /// A silence: nothing has followed it for a while.
    Silence,
    /// The end of all that the client says, which does not tell how it ends lines.
    Input,
    /// Nothing: it was cut, because it grew too long or too many clients have unfinished text. What
    /// follows is the rest of it.
    Cut,
}

impl MessageEnd {
    /// Whether a newline may still follow that belongs to it.
    pub(super) fn was_a_guess(self) -> bool {
        matches!(self, MessageEnd::Silence | MessageEnd::Cut)
    }

    /// Nothing has followed for a while: what comes now is not the rest of it.
    pub(super) fn silence_followed(&mut self) {
        if *self == MessageEnd::Cut {
            *self = MessageEnd::Silence;
        }
    }
}

/// The first message of `text` without its line ending, what ended it, and how many bytes it has
/// with its line ending. `None`: it has not ended yet.
pub(super) fn next_message(text: &[u8]) -> Option<(&[u8], MessageEnd, usize)> {
    let most = MESSAGE_BYTES_MAX + LINE_END_BYTES;
    let head = &text[..text.len().min(most)];
    match line_length(head) {
        Some(length) => {
            let line = &head[..length - 1];
            let (line, line_ending) = match line.strip_suffix(b"\r") {
                Some(line) => (line, LineEnding::CrLf),
                None => (line, LineEnding::Lf),
            };
            Some((line, MessageEnd::Line(line_ending), length))
        }
        None if head.len() < most => None,
        None => {
            let piece = &head[..whole_characters(&head[..MESSAGE_BYTES_MAX])];
            Some((piece, MessageEnd::Cut, piece.len()))
        }
    }
}

/// How much of `text` to take so that it does not end within a character.
fn whole_characters(text: &[u8]) -> usize {
    let begins = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let tail = text.len().saturating_sub(4);
    match text[tail..].iter().rposition(begins) {
        Some(at) if text[tail + at] >= 0b1100_0000 && tail + at > 0 => tail + at,
        _ => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_with_its_line_or_where_it_is_too_long() {
        let lf = Some((&b"one"[..], MessageEnd::Line(LineEnding::Lf), 4));
        assert_eq!(next_message(b"one\ntwo"), lf);
        let crlf = Some((&b"one"[..], MessageEnd::Line(LineEnding::CrLf), 5));
        assert_eq!(next_message(b"one\r\n"), crlf);
        assert_eq!(next_message(b"one"), None);
        let long = "x".repeat(MESSAGE_BYTES_MAX);
        assert_eq!(next_message(long.as_bytes()), None);
        assert_eq!(next_message(format!("{long}\r\n").as_bytes()).unwrap().0, long.as_bytes());
        let longer = format!("{long}xxx\n");
        let (piece, end, used) = next_message(longer.as_bytes()).unwrap();
        assert_eq!(
            (piece.len(), end, used),
            (MESSAGE_BYTES_MAX, MessageEnd::Cut, MESSAGE_BYTES_MAX)
        );
    }

    #[test]
    fn a_piece_does_not_end_within_a_character() {
        for letter in ["é", "世", "👋"] {
            let text = format!("x{}", letter.repeat(MESSAGE_BYTES_MAX));
            let (piece, _, _) = next_message(text.as_bytes()).unwrap();
            assert!(std::str::from_utf8(piece).is_ok(), "{letter}");
            assert!(piece.len() > MESSAGE_BYTES_MAX - 5);
        }
        let binary = vec![0x80; 2 * MESSAGE_BYTES_MAX];
        assert_eq!(next_message(&binary).unwrap().2, MESSAGE_BYTES_MAX);
    }
}
