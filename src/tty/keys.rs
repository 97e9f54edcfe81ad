//! What a terminal in raw mode sends, as keys: UTF-8, control characters, and the escape sequences
//! of xterm and its kin (ECMA-48, section 5.4). What is no key of ours is recognized whole, so
//! that no part of it is taken for text.

use std::ops::Range;

/// Of a sequence that goes on for longer the rest is not kept; it is one that nobody knows.
const SEQUENCE_BYTES_MAX: usize = 1024;
const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    /// With the Ctrl key, as a small letter.
    Control(char),
    /// With the Alt key, or right after Escape.
    Alt(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    WordLeft,
    WordRight,
    /// Text that is pasted begins, or has ended.
    Paste(bool),
    /// One that does nothing here.
    Unknown,
}

/// What stands at the head of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// A key of so many bytes.
    Key(usize, Key),
    /// The beginning of one.
    Incomplete,
}

/// Keys out of bytes, however these were cut.
#[derive(Default)]
pub(crate) struct Keys {
    /// What was typed; up to `read` it has become keys.
    typed: Vec<u8>,
    read: usize,
    /// Amid text that is pasted, where a control character is no command.
    pasting: bool,
}

impl Keys {
    /// Takes what was typed. `is_late`: some time after what came before it.
    pub(crate) fn feed(&mut self, bytes: &[u8], is_late: bool) {
        self.typed.drain(..self.read);
        self.read = 0;
        // The key Escape and, later, another one. A sequence that was cut goes on with these.
        let goes_on = matches!(bytes, [b'[', ..] | [b'O', b'@'..=b'~']);
        if is_late && self.typed.iter().all(|byte| *byte == ESC) && !goes_on {
            self.typed.clear();
        }
        self.typed.extend_from_slice(bytes);
    }

    /// The next key; `None`: more has to be typed for it.
    pub(crate) fn next_key(&mut self) -> Option<Key> {
        let Found::Key(length, key) = found(&self.typed[self.read..]) else {
            self.forget_excess();
            return None;
        };
        self.read += length;
        match key {
            Key::Paste(begins) => self.pasting = begins,
            Key::Control('c') => self.pasting = false,
            Key::Tab if self.pasting => return Some(Key::Char('\t')),
            Key::Char(_) | Key::Enter => {}
            _ if self.pasting => return Some(Key::Unknown),
            _ => {}
        }
        Some(key)
    }

    /// Of a sequence without an end only that it is one is kept.
    fn forget_excess(&mut self) {
        let rest = &self.typed[self.read..];
        if rest.len() > SEQUENCE_BYTES_MAX {
            // With a parameter that none of the sequences has that mean something.
            let head = if rest[1] == ESC { 3 } else { 2 };
            self.typed = [&rest[..head], b"0"].concat();
            self.read = 0;
        }
    }
}

fn found(bytes: &[u8]) -> Found {
    match bytes {
        [] | [ESC] | [ESC, ESC] => Found::Incomplete,
        [ESC, rest @ ..] => escaped(rest),
        [byte, ..] if byte.is_ascii() => Found::Key(1, plain(*byte)),
        _ => character(bytes, 0),
    }
}

/// The character at `at`, where a byte that is no ASCII stands. What is broken ends before the
/// first byte that does not continue it.
fn character(bytes: &[u8], at: usize) -> Found {
    let head = &bytes[at..bytes.len().min(at + 4)];
    let broken = Key::Char(char::REPLACEMENT_CHARACTER);
    let (valid, error) = match std::str::from_utf8(head) {
        Ok(text) => (text, None),
        Err(error) => {
            (std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or(""), Some(error))
        }
    };
    match (valid.chars().next(), error.map(|error| error.error_len())) {
        // A control character of C1 is no text.
        (Some(control), _) if control.is_control() => Found::Key(at + 2, Key::Unknown),
        (Some(character), _) => Found::Key(at + character.len_utf8(), Key::Char(character)),
        (None, Some(Some(length))) => Found::Key(at + length, broken),
        (None, _) => Found::Incomplete,
    }
}

fn plain(byte: u8) -> Key {
    match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x08 | 0x7f => Key::Backspace,
        0x01..=0x1a => Key::Control(char::from(byte + 0x60)),
        0x00 | 0x1b..=0x1f => Key::Unknown,
        _ => Key::Char(char::from(byte)),
    }
}

/// What stands behind an Escape.
fn escaped(rest: &[u8]) -> Found {
    match rest {
        // With the Alt key, in the way of rxvt and PuTTY.
        [ESC, b'[' | b'O', ..] => match escaped(&rest[1..]) {
            Found::Key(length, _) => Found::Key(length + 1, Key::Unknown),
            Found::Incomplete => Found::Incomplete,
        },
        [ESC, ..] | [] => Found::Key(1, Key::Unknown),
        [b'[', rest @ ..] => control_sequence(rest),
        [b'O', rest @ ..] => single_shift(rest),
        [b'P' | b'X' | b']' | b'^' | b'_', _, ..] => control_string(rest),
        [0x08 | 0x7f, ..] => Found::Key(2, Key::Alt('\x7f')),
        // Whatever was begun, these are these.
        [b'\r' | b'\n' | CTRL_C, ..] => Found::Key(1, Key::Unknown),
        [0..=0x1f, ..] => Found::Key(2, Key::Unknown),
        [byte, ..] if byte.is_ascii() => Found::Key(2, Key::Alt(char::from(*byte))),
        _ => match character(rest, 0) {
            Found::Key(length, _) => Found::Key(length + 1, Key::Unknown),
            Found::Incomplete => Found::Incomplete,
        },
    }
}

/// `ESC [`, parameters, intermediates, and one byte that ends it.
fn control_sequence(rest: &[u8]) -> Found {
    const HEAD: usize = 2;
    match rest {
        // The function keys of the Linux console.
        [b'[', b'@'..=b'~', ..] => return Found::Key(HEAD + 2, Key::Unknown),
        [b'['] => return Found::Incomplete,
        [b'M', reported @ ..] => return mouse(reported),
        _ => {}
    }
    let parameters = run(rest, 0, b'0'..b'@');
    let intermediates = run(rest, parameters, b' '..b'0');
    let numbers = &rest[..parameters];
    // Keys of rxvt with Shift end so, and their number has no other parameter behind it.
    let is_rxvt = !numbers.is_empty() && numbers.iter().all(u8::is_ascii_digit);
    if is_rxvt && rest.get(parameters) == Some(&b'$') {
        return Found::Key(HEAD + parameters + 1, Key::Unknown);
    }
    match rest.get(intermediates) {
        None => Found::Incomplete,
        Some(last @ b'@'..=b'~') if intermediates == parameters => {
            Found::Key(HEAD + intermediates + 1, function(numbers, *last))
        }
        Some(b'@'..=b'~') => Found::Key(HEAD + intermediates + 1, Key::Unknown),
        // No part of a sequence: that is broken off, and this stands for itself.
        Some(_) => Found::Key(HEAD + intermediates, Key::Unknown),
    }
}

/// Where the bytes from `start` on end that are in `range`.
fn run(bytes: &[u8], start: usize, range: Range<u8>) -> usize {
    start + bytes[start..].iter().take_while(|byte| range.contains(byte)).count()
}

/// Behind `ESC [ M`: a button and two coordinates, as a byte or a character each.
fn mouse(reported: &[u8]) -> Found {
    let mut at = 0;
    for _ in 0..3 {
        match reported.get(at) {
            None => return Found::Incomplete,
            Some(0..=0x1f) => return Found::Key(3 + at, Key::Unknown),
            Some(byte) if byte.is_ascii() => at += 1,
            Some(_) => match character(reported, at) {
                // Above column 95 a byte is more than ASCII, and no character.
                Found::Key(_, Key::Char(char::REPLACEMENT_CHARACTER)) => at += 1,
                Found::Key(end, _) => at = end,
                Found::Incomplete => return Found::Incomplete,
            },
        }
    }
    Found::Key(3 + at, Key::Unknown)
}

/// `ESC O`, perhaps modifiers, and one byte that ends it.
fn single_shift(rest: &[u8]) -> Found {
    const HEAD: usize = 2;
    let modifiers = run(rest, 0, b'0'..b'<');
    match rest.get(modifiers) {
        None => Found::Incomplete,
        Some(last @ b'@'..=b'~') => {
            Found::Key(HEAD + modifiers + 1, function(&rest[..modifiers], *last))
        }
        Some(_) => Found::Key(HEAD + modifiers, Key::Unknown),
    }
}

/// A string such as the answer of a terminal about its colours, up to BEL or `ESC \`. Only one
/// that comes at once is; otherwise it is a key with Alt, and text behind it.
fn control_string(rest: &[u8]) -> Found {
    let key = Key::Alt(char::from(rest[0]));
    let Some(end) = rest.iter().position(|byte| *byte < b' ') else { return Found::Incomplete };
    match &rest[end..] {
        [0x07, ..] => Found::Key(end + 2, Key::Unknown),
        [ESC, b'\\', ..] => Found::Key(end + 3, Key::Unknown),
        [ESC] => Found::Incomplete,
        _ => Found::Key(2, key),
    }
}

/// The key of a sequence. With other modifiers than these it is none of ours.
fn function(parameters: &[u8], last: u8) -> Key {
    match (last, parameters) {
        (b'C', b"1;5") => Key::WordRight,
        (b'D', b"1;5") => Key::WordLeft,
        (b'A', b"" | b"1") => Key::Up,
        (b'B', b"" | b"1") => Key::Down,
        (b'C', b"" | b"1") => Key::Right,
        (b'D', b"" | b"1") => Key::Left,
        (b'H', b"" | b"1") | (b'~', b"1" | b"7") => Key::Home,
        (b'F', b"" | b"1") | (b'~', b"4" | b"8") => Key::End,
        (b'~', b"3") => Key::Delete,
        (b'~', b"200") => Key::Paste(true),
        (b'~', b"201") => Key::Paste(false),
        _ => Key::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// The keys of `pieces`, that come one soon after the other.
    fn keys<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Key> {
        let (mut keys, mut all) = (Keys::default(), Vec::new());
        for piece in pieces {
            keys.feed(piece, false);
            all.extend(std::iter::from_fn(|| keys.next_key()));
        }
        all
    }

    fn text(keys: &[Key]) -> String {
        let of = |key: &Key| if let Key::Char(letter) = key { Some(*letter) } else { None };
        keys.iter().filter_map(of).collect()
    }

    /// Sequences as terminals send them: none of them is text.
    const SEQUENCES: &[&[u8]] = &[
        b"\x1b[A",
        b"\x1b[1;3D",
        b"\x1b[1;3C",
        b"\x1b[1;2A",
        b"\x1b[1;10B",
        b"\x1b[1;5:3A",
        b"\x1bOP",
        b"\x1bOM",
        b"\x1bOj",
        b"\x1bOc",
        b"\x1bO5D",
        b"\x1bO1;2P",
        b"\x1bOA",
        b"\x1b[15~",
        b"\x1b[15;2~",
        b"\x1b[3;5~",
        b"\x1b[99~",
        b"\x1b[Z",
        b"\x1b[E",
        b"\x1b[a",
        b"\x1b[[A",
        b"\x1b[[E",
        b"\x1b[7^",
        b"\x1b[7$",
        b"\x1b[7@",
        b"\x1b[23$",
        b"\x1b[5^",
        b"\x1b[27;5;13~",
        b"\x1b[27;6;65~",
        b"\x1b[97;5u",
        b"\x1b[13;2u",
        b"\x1b[57399u",
        b"\x1b[97;1:3u",
        b"\x1b[97:65;2;65u",
        b"\x1b[I",
        b"\x1b[O",
        b"\x1b[?62;c",
        b"\x1b[?2026;2$y",
        b"\x1b[24;80R",
        b"\x1b[>0;276;0c",
        b"\x1b[8;24;80t",
        b"\x1b[?1;2 q",
        b"\x1b[M !!",
        b"\x1b[Mabc",
        b"\x1b[M\x20\xc3\xa9\xc4\xa0",
        b"\x1b[<0;12;3M",
        b"\x1b[<0;12;3m",
        b"\x1b[32;12;3M",
        b"\x1b[200~",
        b"\x1b[201~",
        b"\x1b\x1b[D",
        b"\x1b\x1bOC",
        b"\x1b\x1b[5~",
        b"\x1bx",
        b"\x1b1",
        b"\x1b ",
        b"\x1b\xc3\xa9",
        b"\x1b\x7f",
        b"\x1b\x01",
        b"\x1b#",
        b"\x1b[88888888888888888888888888888888888888888888888888888888888888888888;9x",
    ];
    /// The same, but in pieces they would be keys with Alt.
    const STRINGS: &[&[u8]] = &[
        b"\x1b]11;rgb:ffff/ffff/ffff\x07",
        b"\x1b]11;rgb:0/0/0\x1b\\",
        b"\x1bP>|xterm(390)\x1b\\",
        b"\x1b_Gi=31;OK\x1b\\",
    ];

    #[test]
    fn no_sequence_is_text_and_none_takes_text_with_it() {
        for sequence in SEQUENCES.iter().chain(STRINGS) {
            for before in ["", "a", "ü"] {
                for behind in ["b", "[", "O", "1;2~", "世", "$", "\x1b"] {
                    let whole = [before.as_bytes(), sequence, behind.as_bytes(), b"\r"].concat();
                    let keys = keys([whole.as_slice()]);
                    let wanted = format!("{before}{behind}").replace('\x1b', "");
                    assert_eq!(text(&keys), wanted, "{}", whole.escape_ascii());
                    assert_eq!(keys.last(), Some(&Key::Enter), "{}", whole.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn cuts_change_nothing() {
        for sequence in SEQUENCES {
            let whole = [b"a\xc3\xbc", *sequence, b"b\xe4\xb8\x96\r"].concat();
            let wanted = keys([whole.as_slice()]);
            assert_eq!(keys(whole.chunks(1)), wanted, "{}", whole.escape_ascii());
            for cut in 0..whole.len() {
                let (head, tail) = whole.split_at(cut);
                assert_eq!(keys([head, tail]), wanted, "{} {cut}", whole.escape_ascii());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_mixture_of_sequences_and_text_gives_the_text(
            parts in prop::collection::vec(
                (select(SEQUENCES), select(&["hello", "ü", "世界", " ", "~", "A", "[", "O", "5"])),
                0..6,
            ),
            cut in any::<prop::sample::Index>(),
        ) {
            let (mut typed, mut wanted) = (Vec::new(), String::new());
            for (sequence, word) in parts {
                typed.extend_from_slice(sequence);
                typed.extend_from_slice(word.as_bytes());
                wanted.push_str(word);
            }
            typed.push(b'\r');
            let (head, tail) = typed.split_at(cut.index(typed.len() + 1));
            let keys = keys([head, tail]);
            prop_assert_eq!(text(&keys), wanted, "{}", typed.escape_ascii());
            prop_assert_eq!(keys.last(), Some(&Key::Enter));
        }
    }

    #[test]
    fn a_broken_character_is_replaced_and_what_follows_stands_for_itself() {
        let broken = Key::Char(char::REPLACEMENT_CHARACTER);
        assert_eq!(keys([&b"\xe9\r"[..]]), [broken, Key::Enter]);
        assert_eq!(keys([&b"\xe9"[..], b"\r"]), [broken, Key::Enter]);
        assert_eq!(keys([&b"\xe4\xb8a"[..]]), [broken, Key::Char('a')]);
        assert_eq!(keys([&b"\xf0\x9f\xc3\xbc"[..]]), [broken, Key::Char('ü')]);
        assert_eq!(keys([&b"\xc3\x1b[D"[..]]), [broken, Key::Left]);
        for byte in 0x80..=0xff {
            let keys = keys([&[byte, b'x', b'\r'][..]]);
            assert_eq!(keys, [broken, Key::Char('x'), Key::Enter], "{byte:x}");
        }
        assert_eq!(keys(["\u{9b}x".as_bytes()]), [Key::Unknown, Key::Char('x')]);
    }

    #[test]
    fn whatever_was_begun_enter_and_ctrl_c_are_themselves() {
        for begun in [
            "\x1b",
            "\x1b[",
            "\x1b[1;",
            "\x1b[ ",
            "\x1bO",
            "\x1bO1",
            "\x1b[[",
            "\x1b[M",
            "\x1b[Ma",
            "\x1b]11;",
            "\x1bP",
            "\x1b\x1b",
            "\x1b\x1b[",
            "\x1b[200~",
        ] {
            for (byte, key) in [(b'\r', Key::Enter), (0x03, Key::Control('c'))] {
                let keys = keys([begun.as_bytes(), &[byte]]);
                assert_eq!(keys.last(), Some(&key), "{begun:?}");
            }
        }
    }

    #[test]
    fn escape_alone_takes_nothing_of_what_is_typed_later() {
        for (behind, wanted) in [("a", "a"), ("Oh", ""), ("O", "O"), ("ü", "ü"), ("[A", "")] {
            let mut keys = Keys::default();
            keys.feed(b"\x1b", false);
            assert_eq!(keys.next_key(), None);
            keys.feed(behind.as_bytes(), true);
            let all: Vec<Key> = std::iter::from_fn(|| keys.next_key()).collect();
            assert_eq!(text(&all), wanted, "{behind}");
        }
    }

    #[test]
    fn what_is_pasted_is_text_and_commands_nothing() {
        let keys = keys([&b"\x1b[200~a\x04\x15\x1b[Db\tc\rd\x1b[201~\x15"[..]]);
        assert_eq!(text(&keys), "ab\tcd");
        let meaning: Vec<&Key> = keys.iter().filter(|key| **key != Key::Unknown).collect();
        assert!(!meaning.contains(&&Key::Left) && !meaning.contains(&&Key::Control('d')));
        assert_eq!(keys.last(), Some(&Key::Control('u')));
    }

    #[test]
    fn a_sequence_without_an_end_takes_no_memory() {
        let mut keys = Keys::default();
        for _ in 0..10_000 {
            keys.feed(b"\x1b[", false);
            keys.feed(&[b'1'; 100], false);
            assert_eq!(
                std::iter::from_fn(|| keys.next_key()).find(|key| *key != Key::Unknown),
                None
            );
        }
        assert!(keys.typed.capacity() < 8 * SEQUENCE_BYTES_MAX);
        for _ in 0..100 {
            keys.feed(&[b'1'; 100], false);
            assert_eq!(keys.next_key(), None);
        }
        keys.feed(b"Ab", false);
        assert_eq!((keys.next_key(), keys.next_key()), (Some(Key::Unknown), Some(Key::Char('b'))));
    }
}
