//! The terminal while a line is being typed: raw, one row for the line, everything else above it.
//!
//! The poll loop itself reads the keys, so what comes from the server and what is typed can never
//! get into each other's way, and there is no thread that would have to be woken to leave.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr,
    tcgetwinsize, tcsetattr,
};

use super::editor::{Editor, Wish};

/// How wide a terminal is that does not say it.
const COLUMNS: usize = 80;

/// Whether a log line has been written over the line being typed.
static DISTURBED: AtomicBool = AtomicBool::new(false);
/// Whether there is a line being typed.
static TYPING: AtomicBool = AtomicBool::new(false);

/// The terminal in raw mode. Dropping it brings back the mode it was in.
pub(super) struct Terminal {
    before: Termios,
    editor: Editor,
}

impl Terminal {
    /// Takes the terminal over and shows the prompt.
    pub(super) fn open(prompt: &'static str) -> io::Result<Terminal> {
        let before = tcgetattr(stdin())?;
        let terminal = Terminal { before, editor: Editor::new(prompt) };
        terminal.enter()?;
        Ok(terminal)
    }

    fn enter(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.input_modes -= InputModes::ICRNL | InputModes::IXON;
        raw.local_modes -=
            LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before stays.
        tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        TYPING.store(true, Ordering::Relaxed);
        self.draw("")
    }

    fn leave(&self) {
        TYPING.store(false, Ordering::Relaxed);
        // Nothing is left to be done if the terminal is gone.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
        let _ = write_all(stdout(), b"\r\x1b[K");
    }

    /// Prints whole lines above the line being typed.
    pub(super) fn print(&self, lines: &[u8]) -> io::Result<()> {
        let mut out = b"\r\x1b[K".to_vec();
        out.extend_from_slice(lines);
        out.extend_from_slice(self.editor.drawn(columns()).as_bytes());
        DISTURBED.store(false, Ordering::Relaxed);
        write_all(stdout(), &out)
    }

    /// Takes what was typed, and says what the user wants.
    pub(super) fn type_in(&mut self, mut bytes: &[u8]) -> io::Result<Vec<Wish>> {
        let mut wishes = Vec::new();
        while !bytes.is_empty() {
            let (used, wish) = self.editor.type_in(bytes);
            bytes = &bytes[used..];
            match wish {
                Some(Wish::Suspend) => self.suspend()?,
                Some(Wish::Clear) => self.draw("\x1b[H\x1b[2J")?,
                Some(wish) => {
                    if let Wish::Line(line) = &wish {
                        write_all(stdout(), self.editor.finished(line).as_bytes())?;
                    }
                    wishes.push(wish);
                }
                None => {}
            }
        }
        self.draw("")?;
        Ok(wishes)
    }

    /// Draws the line again if a log line has disturbed it.
    pub(super) fn tidy(&self) -> io::Result<()> {
        match DISTURBED.load(Ordering::Relaxed) {
            true => self.draw(""),
            false => Ok(()),
        }
    }

    fn draw(&self, before: &str) -> io::Result<()> {
        let line = self.editor.drawn(columns());
        DISTURBED.store(false, Ordering::Relaxed);
        write_all(stdout(), format!("{before}{line}").as_bytes())
    }

    /// Sleeps until the shell brings us back (Ctrl-Z, `fg`).
    fn suspend(&self) -> io::Result<()> {
        self.leave();
        kill_process(getpid(), Signal::TSTP)?;
        self.enter()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

fn columns() -> usize {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => COLUMNS,
    }
}

/// Writes all of it, waiting as long as that takes.
pub(super) fn write_all(to: rustix::fd::BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            // Somebody who shares it has switched it to non-blocking.
            Err(rustix::io::Errno::AGAIN) => {
                poll(&mut [PollFd::new(&to, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Where log lines go: to standard error, and not into the line being typed.
pub struct AboveTheLine;

impl io::Write for AboveTheLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_torn = TYPING.load(Ordering::Relaxed) && isatty(stderr());
        if is_torn && !DISTURBED.swap(true, Ordering::Relaxed) {
            write_all(stderr(), b"\r\x1b[K")?;
        }
        write_all(stderr(), bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
