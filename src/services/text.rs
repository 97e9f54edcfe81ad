//! What one person typed, made safe to show to another: nothing in it can drive a terminal,
//! forge a line or hide.

use std::fmt::Write;

/// A byte becomes at most so many: a C1 control of two bytes is shown as `\x9b`, U+200B of three
/// as `\u{200b}`, a control of one as `\x1b`.
pub(crate) const GROWTH_MAX: usize = 4;

/// `bytes` as text. Invalid UTF-8 becomes U+FFFD; control characters, line ends, bidirectional
/// overrides and invisible characters become visible escapes such as `\x1b`, `\n` and `\u{202e}`.
/// Tabs and printable text stay as they are. Appends to `out`.
pub(crate) fn push_visible(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        // Most text is plain up to its end, and is copied at once.
        let text = chunk.valid();
        let plain = text.bytes().position(|byte| !matches!(byte, b' '..=b'~'));
        let (head, tail) = text.split_at(plain.unwrap_or(text.len()));
        out.push_str(head);
        tail.chars().for_each(|character| push_visible_char(out, character));
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// See `push_visible`.
pub(crate) fn visible(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    push_visible(&mut out, bytes);
    out
}

fn push_visible_char(out: &mut String, character: char) {
    // Writing to a `String` cannot fail.
    let _ = match character {
        '\t' => out.write_char('\t'),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => write!(out, "\\x{:02x}", u32::from(character)),
        _ if is_invisible(character) => write!(out, "\\u{{{:x}}}", u32::from(character)),
        _ => out.write_char(character),
    };
}

/// Characters that reorder, hide or join what stands around them, or look like nothing at all:
/// Unicode's Cf, Zl, Zp and Default_Ignorable_Code_Point, and blanks that are letters. Variation
/// selectors apart, which emoji need, and the Arabic signs among Cf that can be seen.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_a_terminal_is_shown_instead() {
        assert_eq!(visible(b"\x1b[31mred\x07\r\n"), "\\x1b[31mred\\x07\\r\\n");
        assert_eq!(visible("\u{9b}2J".as_bytes()), "\\x9b2J");
        assert_eq!(visible("a\u{202e}b\u{200b}".as_bytes()), "a\\u{202e}b\\u{200b}");
    }

    #[test]
    fn letters_that_cannot_be_seen_are_shown() {
        for letter in ["\u{115f}", "\u{3164}", "\u{ffa0}", "\u{2800}", "\u{34f}", "\u{e0041}"] {
            let shown = visible(format!("a{letter}b").as_bytes());
            assert!(shown.starts_with("a\\u{") && shown.ends_with("}b"), "{shown}");
        }
    }

    #[test]
    fn nothing_that_is_shown_has_a_control_character_but_tabs() {
        for character in '\0'..=char::MAX {
            let shown = visible(character.to_string().as_bytes());
            assert!(!shown.contains(|c: char| c.is_control() && c != '\t'), "{character:?}");
            assert!(!shown.is_empty(), "{character:?}");
        }
    }

    #[test]
    fn text_in_any_language_stays_and_broken_text_is_replaced() {
        assert_eq!(visible("Grüße, 世界 👋\t!".as_bytes()), "Grüße, 世界 👋\t!");
        assert_eq!(visible(b"ok\xff\xfeok"), "ok\u{fffd}\u{fffd}ok");
    }
}
