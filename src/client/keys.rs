//! What a terminal in raw mode sends, as keys: UTF-8, control characters, and the escape sequences
//! of xterm and its kin (ECMA-48, section 5.4).

/// A sequence longer than this is none.
const SEQUENCE_BYTES_MAX: usize = 16;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    /// With the Ctrl key, as a small letter.
    Control(char),
    /// With the Alt key, or after Escape.
    Alt(char),
    Enter,
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
    /// One that does nothing here.
    Unknown,
}

/// Keys out of bytes, however these were cut.
#[derive(Default)]
pub(super) struct Keys {
    /// A sequence or character that is not complete yet.
    pending: Vec<u8>,
}

impl Keys {
    /// The key that `byte` completes.
    pub(super) fn push(&mut self, byte: u8) -> Option<Key> {
        // Whatever was begun, Ctrl-C is Ctrl-C.
        if byte == 0x03 {
            self.pending.clear();
        }
        self.pending.push(byte);
        let key = match self.pending.as_slice() {
            [0x1b, ..] => self.sequence()?,
            [only] if only.is_ascii() => plain(*only),
            _ => self.character()?,
        };
        self.pending.clear();
        Some(key)
    }

    fn character(&self) -> Option<Key> {
        match std::str::from_utf8(&self.pending) {
            Ok(text) => text.chars().next().map(Key::Char),
            // Only the end is missing.
            Err(error) if error.error_len().is_none() => None,
            Err(_) => Some(Key::Char(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn sequence(&self) -> Option<Key> {
        match &self.pending[1..] {
            [] | [b'[' | b'O'] => None,
            [b'[', parameters @ .., last @ b'@'..=b'~'] => Some(function(parameters, *last)),
            [b'O', last] => Some(function(b"", *last)),
            [b'[', ..] if self.pending.len() < SEQUENCE_BYTES_MAX => None,
            [b'[', ..] => Some(Key::Unknown),
            [0x08, ..] => Some(Key::Alt('\x7f')),
            [letter, ..] => Some(Key::Alt(char::from(*letter))),
        }
    }
}

fn plain(byte: u8) -> Key {
    match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Char('\t'),
        0x08 | 0x7f => Key::Backspace,
        0x01..=0x1a => Key::Control(char::from(byte + 0x60)),
        0x00 | 0x1b..=0x1f => Key::Unknown,
        _ => Key::Char(char::from(byte)),
    }
}

fn function(parameters: &[u8], last: u8) -> Key {
    let with_control = parameters.ends_with(b";5") || parameters.ends_with(b";3");
    match (last, parameters) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) if with_control => Key::WordRight,
        (b'D', _) if with_control => Key::WordLeft,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', b"1" | b"7") => Key::Home,
        (b'F', _) | (b'~', b"4" | b"8") => Key::End,
        (b'~', b"3") => Key::Delete,
        _ => Key::Unknown,
    }
}
