//! Lines for people: none is wider than a terminal of 80 columns, whatever there is to tell.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::services::text::visible;

/// Columns of a terminal that nobody has made wider, of a mail, of a log of CI.
pub(super) const WIDTH: usize = 80;
/// Where the text behind a label begins.
const LABELLED: usize = 15;
/// Text has at least so many columns, however long what stands before it is.
const ROOM_MIN: usize = 20;

/// Appends `text` behind a label, wrapped so that it stands in a column of its own.
pub(super) fn labelled(out: &mut String, label: &str, text: &str) {
    let width = LABELLED - 3;
    hung(out, &format!("  {label:<width$} "), text);
}

/// Appends `text` behind `first`. Lines that follow are indented by the width of `first`. A word is
/// broken only if it is longer than a line, and a figure stays with its `%`.
pub(super) fn hung(out: &mut String, first: &str, text: &str) {
    let indent = first.width().min(WIDTH - ROOM_MIN);
    let mut column = first.width();
    out.push_str(first);
    let mut is_first = true;
    for word in words(text) {
        let word = word.as_str();
        let space = usize::from(!is_first);
        if column + space + word.width() <= WIDTH {
            out.push_str(&" "[..space]);
            column += space;
        } else if !is_first {
            column = next_line(out, indent);
        }
        column = push_word(out, word, column, indent);
        is_first = false;
    }
    // A label without a text leaves no blanks behind it.
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

/// The words of a text, in which nothing is left that could move a cursor.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in visible(text.as_bytes()).split_whitespace() {
        match words.last_mut() {
            Some(figure) if word.starts_with('%') => *figure = format!("{figure} {word}"),
            _ => words.push(word.into()),
        }
    }
    words
}

/// Appends a word, in pieces if no line takes it; the column behind it.
fn push_word(out: &mut String, word: &str, mut column: usize, indent: usize) -> usize {
    for character in word.chars() {
        let width = character.width().unwrap_or(0);
        if column + width > WIDTH {
            column = next_line(out, indent);
        }
        out.push(character);
        column += width;
    }
    column
}

fn next_line(out: &mut String, indent: usize) -> usize {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    indent
}

/// As much of a name as a column of that width takes.
pub(super) fn cut(name: &str, width: usize) -> String {
    let mut left = width;
    let fits = |character: &char| {
        let rest = left.checked_sub(character.width().unwrap_or(0));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    visible(name.as_bytes()).chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(first: &str, text: &str) -> Vec<String> {
        let mut out = String::new();
        hung(&mut out, first, text);
        assert!(out.ends_with('\n'));
        out.lines().map(String::from).collect()
    }

    #[test]
    fn words_stay_whole_and_stand_below_each_other() {
        let lines = lines("warning  ", &"steal ".repeat(30));
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("warning  steal steal"));
        assert!(lines[1].starts_with("         steal steal"));
        let words = lines.iter().flat_map(|line| line.split_whitespace());
        assert_eq!(words.filter(|word| *word == "steal").count(), 30);
        assert!(lines.iter().all(|line| line.len() <= WIDTH && line.trim_end() == line));
    }

    #[test]
    fn a_figure_and_its_percent_sign_stay_in_one_line() {
        for width in 50..70 {
            let found =
                lines("", &format!("{} waited 45 %, of 100 % {}", "x".repeat(width), "then"));
            assert!(found.iter().all(|line| !line.starts_with('%')), "{found:?}");
            assert!(found.iter().all(|line| line.width() <= WIDTH), "{found:?}");
        }
    }

    #[test]
    fn only_what_is_longer_than_a_line_is_broken() {
        let url = format!("echo://{}", "x".repeat(150));
        let found = lines("  at ", &format!("short {url} short"));
        assert!(found.iter().all(|line| line.width() <= WIDTH), "{found:?}");
        assert_eq!(found[0], "  at short");
        let joined: String = found.iter().map(|line| line.trim_start()).collect();
        assert_eq!(joined, format!("at short{url} short"));
        assert_eq!(lines(&"y".repeat(90), "z").last().unwrap().trim(), "z");
    }

    #[test]
    fn wide_and_hostile_text_keeps_to_the_columns() {
        let found = lines("label ", &"日本\u{1b}[2J\n ".repeat(20));
        assert!(found.iter().all(|line| line.width() <= WIDTH), "{found:?}");
        assert!(found[0].contains("日本\\x1b[2J\\n"));
        assert_eq!(cut("日本語", 5), "日本");
        assert_eq!(lines("  label ", ""), ["  label"]);
    }
}
