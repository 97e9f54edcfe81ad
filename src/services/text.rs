//! What one person typed, made safe to show to another: nothing in it can drive a terminal,
//! forge a line or hide.

use std::fmt::Write;

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

/// Characters that reorder, hide or join what stands around them (Unicode categories Cf, Zl, Zp,
/// variation selectors apart, which emoji need).
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
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
    fn text_in_any_language_stays_and_broken_text_is_replaced() {
        assert_eq!(visible("Grüße, 世界 👋\t!".as_bytes()), "Grüße, 世界 👋\t!");
        assert_eq!(visible(b"ok\xff\xfeok"), "ok\u{fffd}\u{fffd}ok");
    }
}
