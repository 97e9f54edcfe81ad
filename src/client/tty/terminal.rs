//! The terminal while a line is being typed: raw, one row for the line, everything else above it.
//!
//! The poll loop itself reads the keys, so what comes from the server and what is typed can never
//! get into each other's way, and there is no thread that would have to be woken to leave.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, TryLockError};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcdrain, tcgetattr,
    tcgetpgrp, tcsetattr,
};

use super::editor::{Editor, EditorEvent};
use crate::engine::Time;
use crate::reactor::hold_back_stop;
use crate::terminal::{screen, size, write_all};

/// What is typed so long after Escape is no sequence with it.
const ESCAPE: Duration = Duration::from_millis(100);

/// Whether a log line has been written over the line being typed.
static DISTURBED: AtomicBool = AtomicBool::new(false);
/// Whether there is a line being typed.
static TYPING: AtomicBool = AtomicBool::new(false);
/// The mode to bring back, while the terminal is raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal in raw mode. Dropping it brings back the mode it was in.
pub(crate) struct Terminal {
    editor: Editor,
    typed_at: Time,
}

impl Terminal {
    /// Takes the terminal over and shows the prompt.
    pub(crate) fn open(prompt: &'static str) -> io::Result<Terminal> {
        let terminal = Terminal { editor: Editor::new(prompt), typed_at: Time::ZERO };
        restore_on_panic();
        terminal.enter()?;
        Ok(terminal)
    }

    fn enter(&self) -> io::Result<()> {
        // In the background this stops us until we are brought back (SIGTTOU). Only then is the
        // mode one to return to, and not that of the shell's own line editor.
        retry_on_intr(|| tcdrain(stdin()))?;
        let before = tcgetattr(stdin())?;
        if let Ok(mut saved) = BEFORE.lock() {
            *saved = Some(before.clone());
        }
        hold_back_stop(true);
        self.take(before)
    }

    fn take(&self, mut mode: Termios) -> io::Result<()> {
        mode.input_modes -= InputModes::ICRNL | InputModes::IXON;
        mode.local_modes -=
            LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before stays.
        retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Now, &mode))?;
        TYPING.store(true, Ordering::Relaxed);
        self.draw("")
    }

    /// Prints whole lines above the line being typed.
    pub(crate) fn print(&self, lines: &[u8]) -> io::Result<()> {
        let mut out = b"\r\x1b[K".to_vec();
        out.extend_from_slice(lines);
        out.extend_from_slice(self.editor.drawn(size(stdout()).columns).as_bytes());
        DISTURBED.store(false, Ordering::Relaxed);
        write_all(screen(0), &out)
    }

    /// Takes what was typed, and says what the user wants; the last of that may be to leave.
    pub(crate) fn type_in(&mut self, bytes: &[u8], now: Time) -> io::Result<Vec<EditorEvent>> {
        let is_late = now.since(self.typed_at) >= ESCAPE;
        self.typed_at = now;
        self.editor.type_in(bytes, is_late);
        let mut events = Vec::new();
        while let Some(event) = self.editor.next_event() {
            match event {
                EditorEvent::Suspend => self.suspend(as_the_driver)?,
                EditorEvent::Clear => self.draw("\x1b[H\x1b[2J")?,
                EditorEvent::Line(line) => {
                    write_all(screen(0), self.editor.finished(&line).as_bytes())?;
                    events.push(EditorEvent::Line(line));
                }
                EditorEvent::End | EditorEvent::Interrupt => {
                    events.push(event);
                    return Ok(events);
                }
            }
        }
        self.draw("")?;
        Ok(events)
    }

    /// Draws the line again if a log line has disturbed it.
    pub(crate) fn tidy(&self) -> io::Result<()> {
        match DISTURBED.load(Ordering::Relaxed) {
            true => self.draw(""),
            false => Ok(()),
        }
    }

    /// The terminal has another size.
    pub(crate) fn resized(&self) -> io::Result<()> {
        // What was wrapped may be below.
        self.draw("\r\x1b[J")
    }

    /// Somebody has stopped us and continued us (SIGSTOP): the terminal may be anyhow.
    pub(crate) fn resume(&self) -> io::Result<()> {
        let before = BEFORE.lock().ok().and_then(|saved| saved.clone());
        before.map_or(Ok(()), |before| self.take(before))
    }

    /// Somebody wants us to stop (SIGTSTP).
    pub(crate) fn stop(&self) -> io::Result<()> {
        self.suspend(|signal| Ok(kill_process(getpid(), signal)?))
    }

    /// Leaves the terminal and tells all who are in front of it, as Ctrl-C does elsewhere.
    pub(crate) fn interrupt(&self) -> io::Result<()> {
        leave();
        as_the_driver(Signal::INT)
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
    // In a panic that came amid a change of it there may be nobody left to wait for.
    let saved = match BEFORE.try_lock() {
        Ok(mut saved) => saved.take(),
        Err(TryLockError::Poisoned(saved)) => saved.into_inner().take(),
        Err(TryLockError::WouldBlock) => None,
    };
    if let Some(before) = saved {
        TYPING.store(false, Ordering::Relaxed);
        // Nothing is left to be done if the terminal is gone. It may be stopped: no waiting.
        let _ = retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Now, &before));
        let _ = write_all(screen(0), b"\r\x1b[K");
        hold_back_stop(false);
    }
}

/// A panic may end the program without dropping anything, and its message needs a terminal.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            tell(panic);
        }));
    });
}

/// Sends `signal` to whom the terminal's driver would: to all who are in front of it.
fn as_the_driver(signal: Signal) -> io::Result<()> {
    match tcgetpgrp(stdin()) {
        Ok(front) if front == getpgrp() => kill_current_process_group(signal)?,
        // It drives somebody else, or nobody.
        Ok(_) | Err(_) => kill_process(getpid(), signal)?,
    }
    Ok(())
}

/// Where log lines go: to standard error, and not into the line being typed.
pub struct TerminalLog;

impl io::Write for TerminalLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_torn = TYPING.load(Ordering::Relaxed) && isatty(stderr());
        if is_torn && !DISTURBED.swap(true, Ordering::Relaxed) {
            write_all(screen(1), b"\r\x1b[K")?;
        }
        write_all(screen(1), bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
