//! What one person typed, made safe to show to another: nothing in it can drive a terminal,
//! forge a line or hide.

use unicode_width::UnicodeWidthChar;

use crate::append::append;

/// This many marks may stand on one letter; more would run into the lines above and below.
const MARKS_MAX: usize = 8;
/// They ask for a symbol to be shown as text, or as an emoji.
const AS_TEXT: char = '\u{fe0e}';
const AS_EMOJI: char = '\u{fe0f}';
const JOINER: char = '\u{200d}';
const NON_JOINER: char = '\u{200c}';
/// Turns a digit into a key.
const KEYCAP: char = '\u{20e3}';

/// A byte becomes at most this many: a C1 control of two bytes is shown as `\x9b`, U+200B of three
/// as `\u{200b}`, a control of one as `\x1b`.
pub(crate) const GROWTH_MAX: usize = 4;

/// Appends `bytes` to `out` as text. Invalid UTF-8 becomes U+FFFD; control characters, line ends,
/// bidirectional overrides and invisible characters become visible escapes such as `\x1b`, `\n` and
/// `\u{202e}`. Tabs and printable text stay as they are, and so do joiners and variation selectors
/// where they shape what can be seen.
pub(crate) fn push_visible(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        // Most text is plain ASCII to its end, and is copied as a whole.
        let text = chunk.valid();
        let plain = text.bytes().position(|byte| !matches!(byte, b' '..=b'~'));
        let (head, tail) = text.split_at(plain.unwrap_or(text.len()));
        out.push_str(head);
        push_visible_text(out, head.chars().next_back(), tail);
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// `bytes` as `push_visible` shows them.
pub(crate) fn visible(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    push_visible(&mut out, bytes);
    out
}

/// Appends `text`; `last` is the character in front of it.
fn push_visible_text(out: &mut String, mut last: Option<char>, text: &str) {
    let mut marks = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        let stands = match character {
            AS_TEXT | AS_EMOJI | JOINER | NON_JOINER => shapes(last, character, next),
            _ => !is_invisible(character),
        };
        let is_mark = character.width() == Some(0);
        marks = if is_mark { marks + 1 } else { 0 };
        if stands && marks <= MARKS_MAX {
            push_visible_char(out, character);
            last = Some(character);
        } else {
            append(out, format_args!("\\u{{{:x}}}", u32::from(character)));
            last = None;
        }
    }
}

/// Whether `character`, which has no look of its own, changes that of the characters around it.
fn shapes(last: Option<char>, character: char, next: Option<char>) -> bool {
    let (Some(last), after) = (last, next.unwrap_or('\0')) else { return false };
    match character {
        AS_TEXT => is_pictograph(last),
        AS_EMOJI => is_pictograph(last) || (is_key(last) && after == KEYCAP),
        NON_JOINER => is_joined_script(last) && is_joined_script(after),
        _ => {
            let picture = is_pictograph(last) || last == AS_EMOJI;
            (picture && is_pictograph(after)) || (is_joined_script(last) && is_joined_script(after))
        }
    }
}

fn is_key(character: char) -> bool {
    matches!(character, '0'..='9' | '#' | '*')
}

/// Symbols that may look like emoji, roughly.
pub(crate) fn is_pictograph(character: char) -> bool {
    matches!(character,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2194}'..='\u{2199}' | '\u{21a9}'..='\u{21aa}' | '\u{231a}'..='\u{231b}'
        | '\u{2328}' | '\u{23cf}' | '\u{23e9}'..='\u{23fa}' | '\u{24c2}'
        | '\u{25aa}'..='\u{25ab}' | '\u{25b6}' | '\u{25c0}' | '\u{25fb}'..='\u{25fe}'
        | '\u{2600}'..='\u{27bf}' | '\u{2934}'..='\u{2935}' | '\u{2b05}'..='\u{2b07}'
        | '\u{2b1b}'..='\u{2b1c}' | '\u{2b50}' | '\u{2b55}' | '\u{3030}' | '\u{303d}'
        | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// Letters and signs of scripts whose letters join: Arabic, Syriac, those of India and Sri Lanka,
/// Myanmar, Khmer, Mongolian.
fn is_joined_script(character: char) -> bool {
    matches!(character,
        '\u{620}'..='\u{65f}' | '\u{66e}'..='\u{6d3}' | '\u{6fa}'..='\u{6ff}'
        | '\u{710}'..='\u{74f}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}'
        | '\u{900}'..='\u{963}' | '\u{971}'..='\u{9e5}' | '\u{9f0}'..='\u{df4}'
        | '\u{1000}'..='\u{103f}' | '\u{1050}'..='\u{109d}' | '\u{1780}'..='\u{17b3}'
        | '\u{17b6}'..='\u{17d3}' | '\u{1820}'..='\u{18aa}' | '\u{fb50}'..='\u{fbff}')
}

/// What the eye sees of `text`: without what has no width, with one kind of blank, wide Latin
/// letters as narrow ones, all in lower case.
pub(crate) fn skeleton(text: &str) -> impl Iterator<Item = char> {
    let seen = text.chars().filter(|c| c.is_whitespace() || c.width() != Some(0));
    let plain = seen.map(|character| match character {
        _ if character.is_whitespace() => ' ',
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        _ => character,
    });
    plain.flat_map(char::to_lowercase)
}

fn push_visible_char(out: &mut String, character: char) {
    match character {
        '\t' => out.push('\t'),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => {
            append(out, format_args!("\\x{:02x}", u32::from(character)));
        }
        _ => out.push(character),
    }
}

/// Characters that reorder, hide or join what stands around them, or cannot be seen: Unicode's Cf
/// (but for the Arabic signs in it, which can be seen), Zl, Zp and Default_Ignorable_Code_Point,
/// and letters that look like blanks.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
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
    fn what_shapes_emoji_and_words_stays_where_it_does_and_is_shown_elsewhere() {
        for good in [
            "❤\u{fe0f}",
            "☎\u{fe0e}",
            "1\u{fe0f}\u{20e3}",
            "👨\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "👩🏽\u{200d}🚀",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "ශ්\u{200d}රී",
        ] {
            assert_eq!(visible(good.as_bytes()), good);
        }
        for (bad, shown) in [
            ("a\u{fe0f}b", "a\\u{fe0f}b"),
            ("\u{fe0f}", "\\u{fe0f}"),
            ("1\u{fe0f}2", "1\\u{fe0f}2"),
            ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}\\u{fe0f}"),
            ("❤\u{fe01}", "❤\\u{fe01}"),
            ("x\u{e0100}\u{e01ef}", "x\\u{e0100}\\u{e01ef}"),
            ("a\u{200d}b", "a\\u{200d}b"),
            ("👨\u{200d}", "👨\\u{200d}"),
            ("👨\u{200d}\u{200d}👩", "👨\\u{200d}\\u{200d}👩"),
            ("ann\u{200c}", "ann\\u{200c}"),
            ("م\u{200c} م", "م\\u{200c} م"),
        ] {
            assert_eq!(visible(bad.as_bytes()), shown);
        }
    }

    #[test]
    fn marks_stand_on_a_letter_but_not_in_towers() {
        assert_eq!(visible("e\u{301}\u{323}".as_bytes()), "e\u{301}\u{323}");
        let shown = visible(format!("e{}x", "\u{301}".repeat(100)).as_bytes());
        assert_eq!(shown.matches('\u{301}').count(), MARKS_MAX);
        assert_eq!(shown.matches("\\u{301}").count(), 100 - MARKS_MAX);
    }

    #[test]
    fn no_character_grows_by_more_than_is_said_wherever_it_stands() {
        for character in '\0'..=char::MAX {
            let text = format!("e{}", character.to_string().repeat(MARKS_MAX + 2));
            let grown = visible(text.as_bytes()).len();
            assert!(grown <= text.len() * GROWTH_MAX, "{character:?}");
        }
        assert!(visible(b"\xff\xff").len() <= 2 * GROWTH_MAX);
    }

    #[test]
    fn a_skeleton_is_what_the_eye_sees() {
        for text in ["is\u{a0}now", "IS\u{2003}Now", "ｉｓ now", "i\u{301}s\u{200b} now"] {
            assert_eq!(skeleton(text).collect::<String>(), "is now");
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
