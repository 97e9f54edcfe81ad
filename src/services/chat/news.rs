//! How the server words who comes and goes (`* ann joined`), so that no member can say the same
//! with `/me`. What counts is how it looks.

use crate::services::text::skeleton;

/// The length of the longest word that makes news, `renamed`.
const LONGEST: usize = 7;

/// Whether `* NAME text` could be taken for news, with `text` as others are shown it.
pub(super) fn is_news(text: &str) -> bool {
    let mut seen = skeleton(text);
    match &next_word(&mut seen) {
        b"joined\0" | b"left\0\0\0" | b"renamed" => true,
        b"is\0\0\0\0\0" => match &next_word(&mut seen) {
            b"now\0\0\0\0" => true,
            // Of a server: `* north is gone, with 14 here`.
            b"gone\0\0\0" | b"back\0\0\0" => {
                &next_word(&mut seen) == b"with\0\0\0"
                    && seen.find(|c| *c != ' ').is_some_and(char::is_numeric)
            }
            _ => false,
        },
        _ => false,
    }
}

/// The next word without the punctuation around it, padded with zeros. All zeros: there is none, or
/// it cannot make news.
fn next_word(seen: &mut impl Iterator<Item = char>) -> [u8; LONGEST] {
    let (mut word, mut length, mut over) = ([0; LONGEST], 0, false);
    for character in seen {
        match u8::try_from(character) {
            Ok(b' ') if length > 0 => break,
            Ok(letter) if letter.is_ascii_alphabetic() && length < LONGEST && !over => {
                word[length] = letter;
                length += 1;
            }
            _ if character.is_alphanumeric() => return [0; LONGEST],
            _ => over = length > 0,
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_look_like_news_are_news() {
        for news in [
            "joined",
            "left.",
            " JOINED, 3 left",
            "is\u{a0}now x",
            "“renamed”",
            "- is, now",
            "is gone, with 14 here",
            "IS back  with  1",
        ] {
            assert!(is_news(news), "{news:?}");
        }
        for other in [
            "",
            "is",
            "is nowhere",
            "rejoined",
            "join.ed",
            "left2",
            "weft",
            "nowise is now",
            "is gone",
            "is back with tea",
            "is back at 8",
        ] {
            assert!(!is_news(other), "{other:?}");
        }
    }
}
