//! A line editor without a terminal: keys in, lines out, and what the line being typed looks like.
//! One row, which scrolls sideways if the line is longer; so text can be printed above it at any
//! moment, whatever the width of the terminal is by then.

use std::collections::VecDeque;
use std::time::Duration;

use super::clusters::{clusters, end_after, shown, start_before, width};
use super::keys::{Key, Keys};
use crate::engine::Time;

/// So many lines are remembered; the oldest are forgotten.
const HISTORY_MAX: usize = 1000;
/// What is typed so long after Escape is no sequence with it.
const ESCAPE: Duration = Duration::from_millis(100);
/// A line longer than this takes no more text, and is not taken for what it would have been.
pub(crate) const LINE_CHARS_MAX: usize = 16 * 1024;

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EditorEvent {
    /// This line is finished.
    Line(String),
    /// A line is finished of which there was too much: its end is missing.
    TooLong,
    /// There is no more to say (Ctrl-D on an empty line).
    End,
    /// Leave now (Ctrl-C).
    Interrupt,
    /// Sleep in the background (Ctrl-Z).
    Suspend,
    /// An empty screen (Ctrl-L).
    Clear,
    /// Ways to go on with the last word of this, the line up to the cursor (Tab): see
    /// `Editor::complete`.
    Complete(String),
}

/// The ways to go on with a word, of which Tab shows one after the other.
struct Completion {
    /// Where the word begins.
    start: usize,
    /// What takes its place; the last is what was typed.
    choices: Vec<Vec<char>>,
    /// The one that is shown.
    shown: usize,
}

/// The line being typed, and those before it.
pub(crate) struct Editor {
    prompt: String,
    keys: Keys,
    typed_at: Time,
    text: Vec<char>,
    /// Where in `text` the cursor stands.
    cursor: usize,
    /// What was deleted last, for Ctrl-Y.
    killed: Vec<char>,
    history: VecDeque<Vec<char>>,
    /// Which line of the history is shown, and what was typed before that.
    recalled: Option<(usize, Vec<char>)>,
    /// Since the last Tab nothing else was typed.
    completion: Option<Completion>,
    /// Whether something was typed that the line had no room for.
    is_cut: bool,
}

impl Editor {
    pub(crate) fn new(prompt: &str) -> Editor {
        Editor {
            prompt: prompt.into(),
            keys: Keys::default(),
            typed_at: Time::ZERO,
            text: Vec::new(),
            cursor: 0,
            killed: Vec::new(),
            history: VecDeque::new(),
            recalled: None,
            completion: None,
            is_cut: false,
        }
    }

    /// Puts `prompt`, which is ASCII, before the line, from the next time on that it is drawn.
    pub(crate) fn set_prompt(&mut self, prompt: &str) {
        prompt.clone_into(&mut self.prompt);
    }

    /// Whether nothing has been typed into the line.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Takes what was typed.
    pub(crate) fn type_in(&mut self, bytes: &[u8], now: Time) {
        let is_late = now.since(self.typed_at) >= ESCAPE;
        self.typed_at = now;
        self.keys.feed(bytes, is_late);
    }

    /// What was typed next that is more than text.
    pub(crate) fn next_event(&mut self) -> Option<EditorEvent> {
        while let Some(key) = self.keys.next_key() {
            if let Some(event) = self.press(key) {
                return Some(event);
            }
        }
        None
    }

    fn press(&mut self, key: Key) -> Option<EditorEvent> {
        if key == Key::Tab {
            return self.go_on();
        }
        self.completion = None;
        match key {
            Key::Char(character) => self.insert(&[character]),
            Key::Enter => return Some(self.finish()),
            Key::Control('d') if self.text.is_empty() => return Some(EditorEvent::End),
            Key::Control('c') => return Some(EditorEvent::Interrupt),
            Key::Control('z') => return Some(EditorEvent::Suspend),
            Key::Control('l') => return Some(EditorEvent::Clear),
            Key::Control('p') | Key::Up => self.recall_earlier(|_| true),
            Key::Control('n') | Key::Down => self.recall_later(),
            Key::Control('r') => self.search(),
            Key::Control('y') => self.insert(&self.killed.clone()),
            Key::Backspace => drop(self.delete(self.left(), self.cursor)),
            Key::Delete | Key::Control('d') => drop(self.delete(self.cursor, self.right())),
            Key::Control('u') => self.kill(0, self.cursor),
            Key::Control('k') => self.kill(self.cursor, self.text.len()),
            Key::Control('w') | Key::Alt('\x7f') => {
                self.kill(self.word_before(self.cursor), self.cursor);
            }
            Key::Alt('d') => self.kill(self.cursor, self.word_behind(self.cursor)),
            Key::Control('b') | Key::Left => self.cursor = self.left(),
            Key::Control('f') | Key::Right => self.cursor = self.right(),
            Key::Control('a') | Key::Home => self.cursor = 0,
            Key::Control('e') | Key::End => self.cursor = self.text.len(),
            Key::Alt('b') | Key::WordLeft => self.cursor = self.word_before(self.cursor),
            Key::Alt('f') | Key::WordRight => self.cursor = self.word_behind(self.cursor),
            Key::Control(_) | Key::Alt(_) | Key::Paste(_) | Key::Tab | Key::Unknown => {}
        }
        None
    }
}

/// Completion.
impl Editor {
    /// Tab: the next way to go on, or the question which there are.
    fn go_on(&mut self) -> Option<EditorEvent> {
        let Some(mut completion) = self.completion.take() else {
            return Some(EditorEvent::Complete(self.text[..self.cursor].iter().collect()));
        };
        completion.shown = (completion.shown + 1) % completion.choices.len();
        self.put(completion);
        None
    }

    /// Answers `EditorEvent::Complete`: each of `choices` can take the place of the last word
    /// before the cursor. Without any nothing happens; `None`: Tab is a character like others.
    pub(crate) fn complete(&mut self, choices: Option<Vec<String>>) {
        let Some(choices) = choices else { return self.insert(&['\t']) };
        if choices.is_empty() {
            return;
        }
        let head = &self.text[..self.cursor];
        let start = head.iter().rposition(|c| c.is_whitespace()).map_or(0, |blank| blank + 1);
        let typed = head[start..].to_vec();
        let mut choices: Vec<Vec<char>> =
            choices.iter().map(|choice| choice.chars().collect()).collect();
        let is_only = choices.len() == 1;
        choices.push(typed);
        self.put(Completion { start, choices, shown: 0 });
        if is_only {
            // The next Tab is about what follows.
            self.completion = None;
        }
    }

    fn put(&mut self, completion: Completion) {
        let choice = &completion.choices[completion.shown];
        let length = self.text.len() - (self.cursor - completion.start) + choice.len();
        if length <= LINE_CHARS_MAX {
            self.text.splice(completion.start..self.cursor, choice.iter().copied());
            self.cursor = completion.start + choice.len();
            self.completion = Some(completion);
        }
    }
}

/// Changing the line.
impl Editor {
    fn insert(&mut self, characters: &[char]) {
        if self.text.len() + characters.len() <= LINE_CHARS_MAX {
            self.text.splice(self.cursor..self.cursor, characters.iter().copied());
            self.cursor += characters.len();
        } else {
            self.is_cut = true;
        }
    }

    fn delete(&mut self, from: usize, to: usize) -> Vec<char> {
        self.cursor = from;
        let deleted = self.text.drain(from..to).collect();
        self.is_cut &= !self.text.is_empty();
        deleted
    }

    fn kill(&mut self, from: usize, to: usize) {
        let killed = self.delete(from, to);
        if !killed.is_empty() {
            self.killed = killed;
        }
    }

    fn left(&self) -> usize {
        start_before(&self.text, self.cursor)
    }

    fn right(&self) -> usize {
        end_after(&self.text, self.cursor)
    }

    fn word_before(&self, at: usize) -> usize {
        let head = &self.text[..at];
        let end = head.iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| last + 1);
        head[..end].iter().rposition(|c| c.is_whitespace()).map_or(0, |blank| blank + 1)
    }

    fn word_behind(&self, at: usize) -> usize {
        let from = |start: usize, is_blank: bool| {
            let rest = &self.text[start..];
            let found = rest.iter().position(|c| c.is_whitespace() == is_blank);
            found.map_or(self.text.len(), |index| start + index)
        };
        from(from(at, false), true)
    }
}

/// The lines before this one.
impl Editor {
    fn finish(&mut self) -> EditorEvent {
        let is_cut = std::mem::take(&mut self.is_cut);
        let line = self.take_line();
        if is_cut { EditorEvent::TooLong } else { EditorEvent::Line(line) }
    }

    fn take_line(&mut self) -> String {
        self.cursor = 0;
        self.recalled = None;
        let line = std::mem::take(&mut self.text);
        let text = line.iter().collect();
        if !line.is_empty() && self.history.back() != Some(&line) {
            self.history.push_back(line);
            if self.history.len() > HISTORY_MAX {
                self.history.pop_front();
            }
        }
        text
    }

    fn recall_earlier(&mut self, is_wanted: impl Fn(&[char]) -> bool) {
        let before = self.recalled.as_ref().map_or(self.history.len(), |(index, _)| *index);
        let Some(index) = (0..before).rev().find(|index| is_wanted(&self.history[*index])) else {
            return;
        };
        let typed = self.recalled.take().map_or_else(|| self.text.clone(), |(_, typed)| typed);
        self.recalled = Some((index, typed));
        self.show(self.history[index].clone());
    }

    fn recall_later(&mut self) {
        let Some((index, typed)) = self.recalled.take() else { return };
        match self.history.get(index + 1).cloned() {
            Some(line) => {
                self.recalled = Some((index + 1, typed));
                self.show(line);
            }
            None => self.show(typed),
        }
    }

    /// The last line, or the one before that which was found, with what was typed in it.
    fn search(&mut self) {
        let typed = self.recalled.as_ref().map_or(&self.text, |(_, typed)| typed).clone();
        self.recall_earlier(|line| {
            typed.is_empty() || line.windows(typed.len()).any(|part| part == typed)
        });
    }

    fn show(&mut self, text: Vec<char>) {
        self.is_cut = false;
        self.cursor = text.len();
        self.text = text;
    }
}

/// What it looks like.
impl Editor {
    /// The bytes that draw the line on the cursor's row, which must be empty or be this line.
    ///
    /// The last column stays free, lest the row wrap. Terminals do not agree how wide some
    /// characters are, so the cursor goes back to where the terminal itself had it.
    pub(crate) fn drawn(&self, columns: usize) -> String {
        let prompt = if columns > self.prompt.len() + 2 { self.prompt.as_str() } else { "" };
        let room = columns.saturating_sub(prompt.len() + 1);
        let (start, mut used) = self.seen_from(room);
        let mut out = format!("\r{prompt}");
        out.extend(self.text[start..self.cursor].iter().map(|character| shown(*character)));
        out.push_str("\x1b7");
        for cluster in clusters(&self.text[self.cursor..]) {
            used += width(cluster);
            if used > room {
                break;
            }
            out.extend(cluster.iter().map(|character| shown(*character)));
        }
        out.push_str("\x1b[K\x1b8");
        out
    }

    /// Where what is seen of the line starts, if the cursor and what it stands on are to be within
    /// `room` columns; and how many are before the cursor.
    fn seen_from(&self, room: usize) -> (usize, usize) {
        let under = width(&self.text[self.cursor..self.right()]);
        let (mut start, mut ahead) = (self.cursor, 0);
        while start > 0 {
            let before = start_before(&self.text, start);
            let more = width(&self.text[before..start]);
            if ahead + more + under > room {
                break;
            }
            (start, ahead) = (before, ahead + more);
        }
        (start, ahead)
    }

    /// The bytes that draw a line that is finished, whole.
    pub(crate) fn finished(&self, line: &str) -> String {
        let shown: String = line.chars().map(shown).collect();
        // Cleared first: on a row that is full the cursor still stands on its last character.
        format!("\r\x1b[K{}{shown}\n", self.prompt)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn events(editor: &mut Editor, typed: &str) -> Vec<EditorEvent> {
        editor.type_in(typed.as_bytes(), Time::ZERO);
        std::iter::from_fn(|| editor.next_event()).collect()
    }

    fn typed(text: &str) -> Editor {
        let mut editor = Editor::new("> ");
        assert_eq!(events(&mut editor, text), []);
        editor
    }

    #[test]
    fn a_line_that_was_cut_is_not_taken_for_a_whole_one() {
        let most = "x".repeat(LINE_CHARS_MAX);
        let mut editor = typed(&most);
        assert_eq!(events(&mut editor, "\r"), [EditorEvent::Line(most.clone())]);
        assert_eq!(events(&mut editor, &format!("{most}y\r")), [EditorEvent::TooLong]);
        assert_eq!(events(&mut editor, "next\r"), [EditorEvent::Line("next".into())]);
        let emptied = format!("{most}y\x15next\r");
        assert_eq!(events(&mut editor, &emptied), [EditorEvent::Line("next".into())]);
        let recalled = format!("{most}y\x1b[A\r");
        assert_eq!(events(&mut editor, &recalled), [EditorEvent::Line("next".into())]);
    }

    /// The line that comes of `typed`.
    fn line(typed: &str) -> String {
        let mut editor = Editor::new("> ");
        let events = events(&mut editor, &format!("{typed}\r"));
        assert_eq!(events.len(), 1, "{typed:?}");
        match &events[0] {
            EditorEvent::Line(line) => line.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_do_what_they_do_in_every_line_editor() {
        for (typed, wanted) in [
            ("hello", "hello"),
            ("hellp\x7fo", "hello"),
            ("ello\x01h", "hello"),
            ("ello\x1b[Hh\x1b[F!", "hello!"),
            ("helo\x1b[Dl", "hello"),
            ("hxello\x01\x06\x1b[3~", "hello"),
            ("hxello\x01\x06\x04", "hello"),
            ("one two three\x17four", "one two four"),
            ("one two\x15three\x19", "threeone two"),
            ("one two\x01\x0b", ""),
            ("one two\x1bb\x0bthree", "one three"),
            ("one two\x01\x1bfx", "onex two"),
            ("one two\x01\x1b[1;5Cx", "onex two"),
            ("one two\x1b[1;5Dx", "one xtwo"),
            ("Grüße\x7f\x7fß", "Grüß"),
            ("e\u{301}\x7fx", "x"),
            ("a\x1b[99~\x1b[200~b\x1b[201~\x1bOPc", "abc"),
            ("ab\x1b[1;3D\x1b[1;2D\x1b\x1b[Dc", "abc"),
            ("👩\u{200d}👩\u{200d}👧\x7fx", "x"),
            ("a👩🏽\u{200d}🚒\x1b[Dx\x1b[3~", "ax"),
            ("a🇩🇪🇫🇷\x1b[D\x7f", "a🇫🇷"),
            ("mی\u{200c}خ\x7f\x7f", "m"),
        ] {
            assert_eq!(line(typed), wanted, "{typed:?}");
        }
    }

    /// Types `typed`, in which each Tab is answered with those of `words` that begin as the last
    /// word does.
    fn completed(editor: &mut Editor, typed: &str, words: &[&str]) -> String {
        editor.type_in(typed.as_bytes(), Time::ZERO);
        while let Some(event) = editor.next_event() {
            let EditorEvent::Complete(head) = event else { panic!("{event:?}") };
            let last = head.rsplit(' ').next().unwrap();
            let choices = words.iter().filter(|word| word.starts_with(last));
            editor.complete(Some(choices.map(|word| word.to_string()).collect()));
        }
        editor.text.iter().collect()
    }

    #[test]
    fn tab_shows_one_way_to_go_on_after_the_other_and_then_what_was_typed() {
        let words = ["ann ", "andy ", "bob "];
        for (typed, wanted) in [
            ("b\t", "bob "),
            ("hi b\t!", "hi bob !"),
            ("an\t", "ann "),
            ("an\t\t", "andy "),
            ("an\t\t\t", "an"),
            ("an\t\t\t\t", "ann "),
            ("an\tb\t", "ann bob "),
            ("b\t\t", "bob ann "),
            ("x\t", "x"),
            ("x b\x1b[D\t", "x ann b"),
            ("\t\t\x17b\t", "bob "),
        ] {
            let mut editor = Editor::new("> ");
            assert_eq!(completed(&mut editor, typed, &words), wanted, "{typed:?}");
        }
    }

    #[test]
    fn where_nothing_is_completed_and_in_what_is_pasted_a_tab_is_a_character() {
        let mut editor = Editor::new("> ");
        assert_eq!(events(&mut editor, "a\t"), [EditorEvent::Complete("a".into())]);
        editor.complete(None);
        assert_eq!(events(&mut editor, "b\r"), [EditorEvent::Line("a\tb".into())]);
        let pasted = "\x1b[200~a\tb\x1b[201~\r";
        assert_eq!(events(&mut editor, pasted), [EditorEvent::Line("a\tb".into())]);
    }

    #[test]
    fn keys_that_came_in_pieces_are_the_same_keys() {
        let mut editor = Editor::new("> ");
        for byte in "bü\x1b[Dä\r".as_bytes() {
            editor.type_in(&[*byte], Time::ZERO);
            if let Some(event) = editor.next_event() {
                assert_eq!(event, EditorEvent::Line("bäü".into()));
                return;
            }
        }
        panic!("no line");
    }

    #[test]
    fn a_key_soon_after_escape_is_one_with_it_and_a_later_one_is_not() {
        for (millis, wanted) in [(99, "onex two"), (100, "fxone two")] {
            let mut editor = Editor::new("> ");
            editor.type_in(b"one two\x01\x1b", Time::ZERO);
            assert_eq!(editor.next_event(), None);
            editor.type_in(b"fx\r", Time::at(Duration::from_millis(millis)));
            assert_eq!(editor.next_event(), Some(EditorEvent::Line(wanted.into())));
        }
    }

    #[test]
    fn the_history_goes_back_and_forth_and_finds() {
        let mut editor = Editor::new("> ");
        let typed = "one\rtwo\rtwo\rthree\r\x1b[A\x1b[A\r\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\r";
        let lines = |events: Vec<EditorEvent>| -> Vec<String> {
            let text =
                |event| if let EditorEvent::Line(line) = event { line } else { String::new() };
            events.into_iter().map(text).collect()
        };
        let got = lines(events(&mut editor, typed));
        assert_eq!(got, ["one", "two", "two", "three", "two", "one"]);
        assert_eq!(lines(events(&mut editor, "new\x1b[A\x1b[A\x1b[B\x1b[B!\r")), ["new!"]);
        assert_eq!(lines(events(&mut editor, "hre\x12\r")), ["three"]);
    }

    #[test]
    fn control_keys_are_wishes() {
        let mut editor = Editor::new("> ");
        let all = events(&mut editor, "a\x03\x1a\x0c\x7f\x04");
        assert_eq!(
            all,
            [EditorEvent::Interrupt, EditorEvent::Suspend, EditorEvent::Clear, EditorEvent::End]
        );
    }

    /// Keys, each of which does something.
    const KEYS: &[&str] = &[
        "a", "b", " ", "\u{301}", "世", "é", "\x7f", "\x1b[D", "\x1b[C", "\x1b[3~", "\x01", "\x05",
        "\x17", "\x15", "\x0b", "\x19", "\x1b[A", "\x1b[B", "\x12", "\r", "\x1bb", "\x1bf",
        "\x1bd", "\x1b[", "\u{9b}", "\t",
    ];

    proptest! {
        #[test]
        fn whatever_is_typed_the_cursor_stays_within_the_line_and_the_row(
            typed in prop::collection::vec((select(KEYS), 0_usize..30), 1..200),
        ) {
            let mut editor = Editor::new("> ");
            for (key, columns) in typed {
                events(&mut editor, key);
                prop_assert!(editor.cursor <= editor.text.len());
                let drawn = editor.drawn(columns);
                let (row, _) = drawn.split_once("\x1b[K").unwrap();
                let row: Vec<char> =
                    row.replace(['\r', '\x1b'], "").replacen('7', "", 1).chars().collect();
                prop_assert!(width(&row) < columns.max(1), "{:?} on {}", drawn, columns);
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_scrolls_under_the_cursor() {
        let mut editor = typed("abcdefghij");
        assert_eq!(editor.drawn(80), "\r> abcdefghij\x1b7\x1b[K\x1b8");
        assert_eq!(editor.drawn(8), "\r> fghij\x1b7\x1b[K\x1b8");
        events(&mut editor, "\x1b[D");
        assert_eq!(editor.drawn(8), "\r> fghi\x1b7j\x1b[K\x1b8");
        events(&mut editor, "\x01");
        assert_eq!(editor.drawn(8), "\r> \x1b7abcde\x1b[K\x1b8");
    }

    #[test]
    fn what_is_wide_is_not_cut_at_the_margin_and_a_screen_may_be_tiny() {
        let mut editor = typed("世界世界");
        assert_eq!(editor.drawn(8), "\r> 世界\x1b7\x1b[K\x1b8");
        events(&mut editor, "\x01");
        assert_eq!(editor.drawn(8), "\r> \x1b7世界\x1b[K\x1b8");
        assert_eq!(editor.drawn(4), "\r\x1b7世\x1b[K\x1b8");
        for columns in [0, 1, 2] {
            assert_eq!(editor.drawn(columns), "\r\x1b7\x1b[K\x1b8");
        }
        let family = typed("👩\u{200d}👩\u{200d}👧");
        assert_eq!(family.drawn(8), "\r> \x1b7\x1b[K\x1b8");
        assert_eq!(family.drawn(9), "\r> 👩\u{200d}👩\u{200d}👧\x1b7\x1b[K\x1b8");
    }
}
