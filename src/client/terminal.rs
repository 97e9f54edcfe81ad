//! The terminal while a line is being typed: raw, one row for the line, everything else above it.
//!
//! The poll loop itself reads the keys, so what comes from the server and what is typed can never
//! get into each other's way, and there is no thread that would have to be woken to leave.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::retry_on_intr;
use rustix::process::Signal;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{isatty, tcdrain};

use crate::engine::Time;
use crate::terminal::{screen, size, write_all};
use crate::tty::editor::{Editor, EditorEvent};
use crate::tty::raw;

/// Whether a log line has been written over the line being typed.
static DISTURBED: AtomicBool = AtomicBool::new(false);

/// The terminal in raw mode. Dropping it brings back the mode it was in.
pub(super) struct Terminal {
    editor: Editor,
}

impl Terminal {
    /// Takes the terminal over and shows the prompt.
    pub(super) fn open(prompt: &str) -> io::Result<Terminal> {
        let terminal = Terminal { editor: Editor::new(prompt) };
        raw::leave_on_panic(|| ());
        terminal.enter()?;
        Ok(terminal)
    }

    fn enter(&self) -> io::Result<()> {
        // In the background this stops us until we are brought back (SIGTTOU). Only then is the
        // mode one to return to, and not that of the shell's own line editor.
        retry_on_intr(|| tcdrain(stdin()))?;
        raw::enter()?;
        self.draw("")
    }

    /// Prints whole lines above the line being typed.
    pub(super) fn print(&self, lines: &[u8]) -> io::Result<()> {
        let mut out = raw::CLEAR_ROW.to_vec();
        out.extend_from_slice(lines);
        out.extend_from_slice(self.editor.drawn(size(stdout()).columns).as_bytes());
        DISTURBED.store(false, Ordering::Relaxed);
        write_all(screen(0), &out)
    }

    /// Takes what was typed; `next_event` says what the user wants.
    pub(super) fn type_in(&mut self, bytes: &[u8], now: Time) {
        self.editor.type_in(bytes, now);
    }

    /// What the user wants next; after an `End` or `Interrupt` nothing more. `None`: the line is
    /// drawn as it is now.
    pub(super) fn next_event(&mut self) -> io::Result<Option<EditorEvent>> {
        while let Some(event) = self.editor.next_event() {
            match event {
                EditorEvent::Suspend => self.suspend(raw::as_the_driver)?,
                EditorEvent::Clear => self.draw("\x1b[H\x1b[2J")?,
                EditorEvent::Line(line) => {
                    write_all(screen(0), self.editor.finished(&line).as_bytes())?;
                    return Ok(Some(EditorEvent::Line(line)));
                }
                EditorEvent::TooLong
                | EditorEvent::End
                | EditorEvent::Interrupt
                | EditorEvent::Complete(_) => return Ok(Some(event)),
            }
        }
        self.draw("")?;
        Ok(None)
    }

    /// Goes on with the word before the cursor in one of these ways; `None`: Tab is a character.
    pub(super) fn complete(&mut self, choices: Option<Vec<String>>) {
        self.editor.complete(choices);
    }

    /// Draws the line again if a log line has disturbed it.
    pub(super) fn tidy(&self) -> io::Result<()> {
        match DISTURBED.load(Ordering::Relaxed) {
            true => self.draw(""),
            false => Ok(()),
        }
    }

    /// The terminal has another size.
    pub(super) fn resized(&self) -> io::Result<()> {
        // What was wrapped may be below.
        self.draw("\r\x1b[J")
    }

    /// Somebody has stopped us and continued us (SIGSTOP): the terminal may be anyhow.
    pub(super) fn resume(&self) -> io::Result<()> {
        raw::enter_again()?;
        self.draw("")
    }

    /// Somebody wants us to stop (SIGTSTP).
    pub(super) fn stop(&self) -> io::Result<()> {
        self.suspend(raw::to_ourselves)
    }

    /// Leaves the terminal and tells all who are in front of it, as Ctrl-C does elsewhere.
    pub(super) fn interrupt(&self) -> io::Result<()> {
        leave();
        raw::as_the_driver(Signal::INT)
    }

    fn draw(&self, before: &str) -> io::Result<()> {
        let line = self.editor.drawn(size(stdout()).columns);
        DISTURBED.store(false, Ordering::Relaxed);
        write_all(screen(0), format!("{before}{line}").as_bytes())
    }

    /// Sleeps until the shell brings us back (`fg`). Nothing stops where no shell could: in an
    /// orphaned process group.
    fn suspend(&self, send: impl Fn(Signal) -> io::Result<()>) -> io::Result<()> {
        leave();
        send(Signal::TSTP)?;
        self.enter()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
    }
}

/// Brings back the mode from before, once, with the line being typed cleared.
fn leave() {
    if raw::leave() {
        // Nothing is left to be done if the terminal is gone.
        let _ = write_all(screen(0), raw::CLEAR_ROW);
    }
}

/// Where log lines go: to standard error, and not into the line being typed.
pub struct TerminalLog;

impl io::Write for TerminalLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_torn = raw::is_raw() && isatty(stderr());
        if is_torn && !DISTURBED.swap(true, Ordering::Relaxed) {
            write_all(screen(1), raw::CLEAR_ROW)?;
        }
        write_all(screen(1), bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
