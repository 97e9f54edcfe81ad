//! The operator's desk: a screen, and at a terminal the line being typed, which has a row of its
//! own below all else. What a line means is the console's business.
//!
//! Nothing here waits, for a terminal that is stopped must not stop the server; and nothing here
//! gets the server stopped: in the background the terminal is left alone (SIGTTOU, SIGTTIN).
//! What goes to a terminal with a line on it goes through one queue, log lines too: then nothing
//! can come between the pieces of another.

use std::fs;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::fs::fstat;
use rustix::process::Signal;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{isatty, tcgetattr};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGQUIT, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH};

use super::console::Aim;
use crate::engine::Time;
use crate::outlet::{Log, Outlet};
use crate::reactor::Manner;
use crate::terminal::{is_dumb, size};
use crate::tty::editor::{Editor, EditorEvent};
use crate::tty::raw;

/// How often to see whether the terminal has become ours: `fg` tells a job that runs nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How the operator's lines come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyboard {
    /// Whole, from a pipe, a file, or a terminal that can only print.
    None,
    /// From a terminal that somebody else is in front of; when to look again.
    Away(Time),
    /// As keys.
    Ours,
    /// Not any more.
    Ended,
}

/// What the row of the line being typed looks like, once all that waits is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Empty,
    /// The line as it was, or something else.
    Stale,
    /// The line as it is.
    Drawn,
}

/// The operator's screen and keyboard. Dropping it brings the terminal back to what it was.
pub(super) struct Desk {
    screen: Outlet,
    keyboard: Keyboard,
    editor: Editor,
    row: Row,
    /// Whether the log goes to the same terminal as the screen.
    shows_log: bool,
    /// Whether log lines come through us now.
    holds_log: bool,
}

impl Desk {
    /// Standard input and output, whatever they are.
    pub(super) fn new() -> Desk {
        let is_terminal = isatty(stdin()) && isatty(stdout()) && !is_dumb();
        if is_terminal {
            raw::leave_on_panic(|| Log::hold(false));
        }
        Desk {
            screen: Outlet::stdout(),
            keyboard: if is_terminal { Keyboard::Away(Time::ZERO) } else { Keyboard::None },
            editor: Editor::new(&Aim::Nowhere.to_string()),
            row: Row::Empty,
            shows_log: is_same_terminal(stdout(), stderr()),
            holds_log: false,
        }
    }

    /// How standard input is to be read.
    pub(super) fn manner(&self) -> Manner {
        match self.keyboard {
            Keyboard::None => Manner::Commands,
            Keyboard::Away(_) | Keyboard::Ours | Keyboard::Ended => Manner::Keys,
        }
    }

    /// The signals that concern the terminal: each would otherwise end or stop us and leave it raw.
    pub(super) fn signals(&self) -> Vec<i32> {
        match self.keyboard {
            Keyboard::None => Vec::new(),
            Keyboard::Away(_) | Keyboard::Ours | Keyboard::Ended => {
                let ignored = ignored_signals();
                let all = [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH];
                all.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect()
            }
        }
    }

    /// Whether there was a terminal, and it has hung up.
    pub(super) fn has_lost_terminal(&self) -> bool {
        self.keyboard != Keyboard::None && tcgetattr(stdin()).is_err()
    }

    /// Whether the operator sees the log on this screen.
    pub(super) fn shows_log(&self) -> bool {
        self.shows_log
    }

    /// Whether the operator types at an editor of ours, in a line that is still empty.
    pub(super) fn awaits_line(&self) -> bool {
        self.keyboard == Keyboard::Ours && self.editor.is_empty()
    }
}

/// The screen.
impl Desk {
    /// Shows lines, above the one being typed.
    pub(super) fn push(&mut self, text: impl AsRef<[u8]>) {
        if self.keyboard != Keyboard::Ours {
            return self.screen.push(text);
        }
        let mut bytes = if self.row == Row::Empty { Vec::new() } else { raw::CLEAR_ROW.to_vec() };
        bytes.extend_from_slice(text.as_ref());
        if self.screen.draw(bytes) {
            self.row = Row::Empty;
        }
    }

    /// Writes as much as the screen takes.
    pub(super) fn flush(&mut self) {
        if self.holds_log {
            let logged = Log::outlet().take();
            if !logged.is_empty() {
                self.push(logged);
            }
        }
        self.screen.flush();
        if self.screen.is_behind() {
            return;
        }
        if self.keyboard == Keyboard::Ours && self.row != Row::Drawn {
            self.row = Row::Drawn;
            self.screen.draw(self.editor.drawn(size(stdout()).columns));
        } else if self.keyboard != Keyboard::Ours && self.holds_log {
            self.hold_log(false);
        }
    }

    /// Whether something waits to be written.
    pub(super) fn is_behind(&self) -> bool {
        self.screen.is_behind()
    }

    /// How many lines the screen has lost, see `Outlet::take_lost`.
    pub(super) fn take_lost(&mut self) -> Option<u64> {
        self.screen.take_lost()
    }

    /// Puts `prompt` before the line being typed.
    pub(super) fn set_prompt(&mut self, prompt: &str) {
        self.editor.set_prompt(prompt);
        self.touch();
    }

    fn touch(&mut self) {
        if self.row == Row::Drawn {
            self.row = Row::Stale;
        }
    }

    fn hold_log(&mut self, is_held: bool) {
        self.holds_log = is_held;
        Log::hold(is_held);
    }
}

/// The keyboard.
impl Desk {
    /// Takes what was typed; `next_event` says what the operator wants.
    pub(super) fn type_in(&mut self, bytes: &[u8], now: Time) {
        self.editor.type_in(bytes, now);
        self.touch();
    }

    /// What the operator wants next: a line, an end, or to know how a word can go on.
    pub(super) fn next_event(&mut self) -> Option<EditorEvent> {
        while let Some(event) = self.editor.next_event() {
            match event {
                EditorEvent::Suspend => self.suspend(raw::as_the_driver),
                EditorEvent::Clear => self.redraw("\x1b[H\x1b[2J"),
                EditorEvent::Line(line) => {
                    // What is typed before the terminal is ours its driver has shown.
                    if self.keyboard == Keyboard::Ours {
                        self.redraw(self.editor.finished(&line));
                    }
                    return Some(EditorEvent::Line(line));
                }
                EditorEvent::TooLong
                | EditorEvent::End
                | EditorEvent::Interrupt
                | EditorEvent::Complete(_) => return Some(event),
            }
        }
        None
    }

    /// Goes on with the word before the cursor in one of these ways.
    pub(super) fn complete(&mut self, choices: Vec<String>) {
        self.editor.complete(Some(choices));
    }

    /// Takes the terminal if it has become ours. True: from now on keys are read.
    pub(super) fn tend(&mut self, now: Time) -> bool {
        let Keyboard::Away(look_at) = self.keyboard else { return false };
        if look_at > now {
            return false;
        }
        // What is half written must be whole first.
        let is_written = !self.screen.is_behind() && !Log::outlet().is_behind();
        if is_written && raw::enter_in_front(raw::enter) {
            self.keyboard = Keyboard::Ours;
            self.row = Row::Stale;
            self.hold_log(self.shows_log);
            return true;
        }
        self.keyboard = Keyboard::Away(now.after(LOOK_EVERY));
        false
    }

    /// When `tend` is to be called next.
    pub(super) fn look_at(&self) -> Option<Time> {
        match self.keyboard {
            Keyboard::Away(look_at) => Some(look_at),
            Keyboard::None | Keyboard::Ours | Keyboard::Ended => None,
        }
    }

    /// Does what a signal asks for, if it is about the terminal. False: it is about the server.
    pub(super) fn heed(&mut self, signal: i32) -> bool {
        match (signal, self.keyboard) {
            (SIGTSTP, Keyboard::Ours) => self.suspend(raw::to_ourselves),
            (SIGWINCH, Keyboard::Ours) => self.redraw("\r\x1b[J"),
            // Stopped by SIGSTOP, as by somebody who has had the terminal since.
            (SIGCONT, Keyboard::Ours) if raw::enter_in_front(raw::enter_again) => {
                self.touch();
            }
            (SIGCONT, Keyboard::Ours | Keyboard::Away(_)) => {
                self.leave();
                self.keyboard = Keyboard::Away(Time::ZERO);
            }
            (SIGTSTP | SIGWINCH | SIGCONT, _) => {}
            (SIGHUP | SIGQUIT | SIGUSR1 | SIGUSR2, _) => self.die(signal),
            _ => return false,
        }
        true
    }

    /// No more keys are read. The terminal's driver has them again, Ctrl-C for one. False: there
    /// were no keys, but lines.
    pub(super) fn end(&mut self) -> bool {
        self.leave();
        let had_keys = self.keyboard != Keyboard::None;
        if had_keys {
            self.keyboard = Keyboard::Ended;
        }
        had_keys
    }

    /// Brings the terminal back to what it was, with the line being typed cleared.
    fn leave(&mut self) {
        if self.keyboard == Keyboard::Ours {
            // In the background the row is somebody else's.
            if raw::is_in_front() {
                self.redraw(raw::CLEAR_ROW);
            }
            self.row = Row::Empty;
            self.keyboard = Keyboard::Away(Time::ZERO);
            raw::leave();
        }
        self.flush();
    }

    /// Draws something in the place of the line being typed, which is drawn again afterwards.
    fn redraw(&mut self, bytes: impl AsRef<[u8]>) {
        if self.screen.draw(bytes) {
            self.row = Row::Empty;
        }
    }

    /// Sleeps until the shell brings us back. Nothing stops where no shell could: in an orphaned
    /// process group.
    fn suspend(&mut self, send: impl Fn(Signal) -> std::io::Result<()>) {
        self.leave();
        if let Err(error) = send(Signal::TSTP) {
            log::debug!("not suspended: {error}");
        }
    }

    /// Ends by `signal`, as if nobody had caught it.
    fn die(&mut self, signal: i32) {
        self.leave();
        // To ourselves, by its default: nothing can forbid it.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.leave();
        if self.holds_log {
            self.hold_log(false);
        }
    }
}

fn is_same_terminal(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let device = |fd| fstat(fd).map(|stat| stat.st_rdev).ok();
    isatty(one) && isatty(other) && device(one) == device(other)
}

/// The signals that whoever started us wants ignored (nohup), a bit each; none where nobody says.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::*;

    /// A desk with a keyboard of ours, whose screen somebody reads.
    fn desk() -> (Desk, UnixStream) {
        let (screen, reader) = UnixStream::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        let desk = Desk {
            screen: Outlet::of(screen.into()),
            keyboard: Keyboard::Ours,
            editor: Editor::new(&Aim::Nowhere.to_string()),
            row: Row::Stale,
            shows_log: false,
            holds_log: false,
        };
        (desk, reader)
    }

    /// What is written so far, as a terminal shows it: its rows as far as there is something on
    /// them.
    fn rows(terminal: &mut vt100::Parser, reader: &mut UnixStream) -> Vec<String> {
        let mut bytes = [0; 4096];
        loop {
            match reader.read(&mut bytes) {
                // A terminal makes a line feed a new line.
                Ok(count) => {
                    let text = String::from_utf8_lossy(&bytes[..count]).replace('\n', "\r\n");
                    terminal.process(text.as_bytes());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let rows = terminal.screen().rows(0, 80).map(|row| row.trim_end().to_owned());
        let mut rows: Vec<String> = rows.collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    #[derive(Clone, Debug)]
    enum Act {
        Type(char),
        Show(u8),
        Flush,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            prop::char::range('a', 'z').prop_map(Act::Type),
            any::<u8>().prop_map(Act::Show),
            Just(Act::Flush),
        ]
    }

    proptest! {
        #[test]
        fn what_is_shown_never_tears_what_is_being_typed(
            acts in prop::collection::vec(act(), 0..60),
        ) {
            let (mut desk, mut reader) = desk();
            let mut terminal = vt100::Parser::new(100, 80, 0);
            let (mut typed, mut shown) = (String::new(), Vec::new());
            for act in acts.into_iter().chain([Act::Flush]) {
                match act {
                    Act::Type(letter) => {
                        typed.push(letter);
                        desk.type_in(letter.to_string().as_bytes(), Time::ZERO);
                        prop_assert_eq!(desk.next_event(), None);
                    }
                    Act::Show(number) => {
                        shown.push(format!("line {number}"));
                        desk.push(format!("line {number}\n"));
                    }
                    Act::Flush => {
                        desk.flush();
                        let line = format!("> {typed}").trim_end().to_owned();
                        let wanted = [shown.as_slice(), &[line]].concat();
                        prop_assert_eq!(rows(&mut terminal, &mut reader), wanted);
                    }
                }
            }
            desk.keyboard = Keyboard::Ended; // there is no terminal to be left
        }
    }

    #[test]
    fn a_prompt_takes_the_place_of_the_one_before_it() {
        let (mut desk, mut reader) = desk();
        let mut terminal = vt100::Parser::new(24, 80, 0);
        desk.type_in(b"hello", Time::ZERO);
        assert_eq!(desk.next_event(), None);
        desk.flush();
        desk.set_prompt("to nobody> ");
        desk.flush();
        assert_eq!(rows(&mut terminal, &mut reader), ["to nobody> hello"]);
        assert!(!desk.awaits_line());
        desk.keyboard = Keyboard::Ended;
    }

    #[test]
    fn without_keys_there_is_no_line_and_nothing_but_what_is_shown() {
        let (mut desk, mut reader) = desk();
        desk.keyboard = Keyboard::None;
        desk.push("first\n");
        desk.push("second\n");
        desk.flush();
        let mut text = [0; 64];
        let count = reader.read(&mut text).unwrap();
        assert_eq!(&text[..count], b"first\nsecond\n");
        assert!(!desk.heed(signal_hook::consts::SIGTERM), "that is about the server");
        assert!(!desk.end(), "there were no keys");
    }
}
