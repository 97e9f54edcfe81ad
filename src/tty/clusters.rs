//! Characters as people count them: letters with their marks, flags, and emoji that are joined to
//! one. As far as a cursor needs it, so without the tables of Unicode's annex 29: what takes no
//! room, or changes what is before it, belongs to that.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::services::text::is_pictograph;

const JOINER: char = '\u{200d}';

/// Where the cluster before `at` starts.
pub(crate) fn start_before(text: &[char], at: usize) -> usize {
    (0..at).rev().find(|index| !is_joined(text, *index)).unwrap_or(0)
}

/// Where the cluster at `at` ends.
pub(crate) fn end_after(text: &[char], at: usize) -> usize {
    (at + 1..text.len()).find(|index| !is_joined(text, *index)).unwrap_or(text.len())
}

/// The clusters of `text`, first to last.
pub(crate) fn clusters(text: &[char]) -> impl Iterator<Item = &[char]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (cluster, behind) = rest.split_at(end_after(rest, 0));
        rest = behind;
        (!cluster.is_empty()).then_some(cluster)
    })
}

/// How many columns `cluster` takes, on the terminals that give it the most.
pub(crate) fn width(cluster: &[char]) -> usize {
    let joined: String = cluster.iter().map(|character| shown(*character)).collect();
    let apart: usize = joined.chars().filter_map(char::width).sum();
    joined.width().max(apart)
}

/// A control character, such as a tab, is shown as a blank.
pub(crate) fn shown(character: char) -> char {
    if character.is_control() { ' ' } else { character }
}

/// Whether the character at `at` belongs to the one before it.
fn is_joined(text: &[char], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|index| text[index]) else { return false };
    let flag_letters = text[..at].iter().rev().take_while(|letter| is_flag_letter(**letter));
    match text[at] {
        character if character.is_control() || before.is_control() => false,
        character if character.width() == Some(0) => true,
        '\u{1f3fb}'..='\u{1f3ff}' => is_pictograph(base(text, at)),
        letter if is_flag_letter(letter) => flag_letters.count() % 2 == 1,
        picture => before == JOINER && is_pictograph(picture) && is_pictograph(base(text, at)),
    }
}

/// What stands before `at`, without its marks.
fn base(text: &[char], at: usize) -> char {
    let takes_room = |character: &&char| character.width() != Some(0);
    text[..at].iter().rev().find(takes_room).copied().unwrap_or_default()
}

fn is_flag_letter(character: char) -> bool {
    matches!(character, '\u{1f1e6}'..='\u{1f1ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_count_as_one_is_one() {
        for (text, wanted) in [
            ("abc", vec!["a", "b", "c"]),
            ("e\u{301}\u{323}x", vec!["e\u{301}\u{323}", "x"]),
            ("👩\u{200d}👩\u{200d}👧!", vec!["👩\u{200d}👩\u{200d}👧", "!"]),
            ("👩🏽\u{200d}🚒👍🏿", vec!["👩🏽\u{200d}🚒", "👍🏿"]),
            ("🏴\u{200d}☠\u{fe0f}❤\u{fe0f}", vec!["🏴\u{200d}☠\u{fe0f}", "❤\u{fe0f}"]),
            ("🇩🇪🇫🇷🇳", vec!["🇩🇪", "🇫🇷", "🇳"]),
            ("1\u{fe0f}\u{20e3}2", vec!["1\u{fe0f}\u{20e3}", "2"]),
            ("می\u{200c}خو", vec!["م", "ی\u{200c}", "خ", "و"]),
            ("क\u{94d}\u{200d}ष", vec!["क\u{94d}\u{200d}", "ष"]),
            ("한\u{1112}\u{1161}\u{11ab}", vec!["한", "\u{1112}\u{1161}\u{11ab}"]),
            ("a\u{200d}👩", vec!["a\u{200d}", "👩"]),
            ("\u{301}a\t\u{301}", vec!["\u{301}", "a", "\t", "\u{301}"]),
        ] {
            let text: Vec<char> = text.chars().collect();
            let found: Vec<String> = clusters(&text).map(|part| part.iter().collect()).collect();
            assert_eq!(found, wanted);
            let (mut at, mut back) = (text.len(), Vec::new());
            while at > 0 {
                let start = start_before(&text, at);
                back.insert(0, text[start..at].iter().collect::<String>());
                at = start;
            }
            assert_eq!(back, wanted);
        }
    }

    #[test]
    fn room_is_kept_for_the_terminals_that_need_most() {
        for (cluster, columns) in [
            ("a", 1),
            ("\t", 1),
            ("e\u{301}", 1),
            ("世", 2),
            ("❤\u{fe0f}", 2),
            ("🇩🇪", 2),
            ("👩\u{200d}👧", 4),
            ("\u{301}", 0),
        ] {
            let cluster: Vec<char> = cluster.chars().collect();
            assert_eq!(width(&cluster), columns, "{cluster:?}");
        }
    }
}
