//! A real pseudo-terminal, and an emulator that says what a person would see on it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use memchr::memmem;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcgetpgrp, tcsetwinsize};

use super::{PATIENCE, let_children_heed_signals};

/// The program that is tested.
pub(crate) const COOEE: &str = env!("CARGO_BIN_EXE_cooee");

/// How many rows that have left the screen the emulator still knows.
const SCROLLED_MAX: usize = 200;

/// A client on a terminal of 80 columns and 24 rows.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    keyboard: File,
    /// Kept open, so that the terminal outlives the client.
    pub(crate) line: File,
    output: Receiver<Vec<u8>>,
    pub(crate) screen: vt100::Parser,
    pub(crate) raw: Vec<u8>,
}

impl Terminal {
    /// `cooee` with these words on a terminal.
    pub(crate) fn start(words: &[&str], environment: &[(&str, &str)]) -> Terminal {
        Terminal::run(&[&[COOEE], words].concat(), environment)
    }

    /// A terminal with any command on it.
    pub(crate) fn run(command: &[&str], environment: &[(&str, &str)]) -> Terminal {
        let (keyboard, line) = open_terminal();
        let child = spawn_on(&line, command, environment);
        let output = pieces_of(keyboard.try_clone().unwrap());
        let screen = vt100::Parser::new(24, 80, SCROLLED_MAX);
        Terminal { child, keyboard, line, output, screen, raw: Vec::new() }
    }

    /// An interactive shell, that can stop what it has started and bring it back.
    pub(crate) fn shell() -> Terminal {
        let command = ["bash", "--norc", "--noprofile", "-i"];
        let mut terminal = Terminal::run(&command, &[("PS1", "PROMPT$ ")]);
        terminal.sees(&["PROMPT$"]);
        terminal
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: impl AsRef<[u8]>) {
        self.keyboard.write_all(keys.as_ref()).unwrap();
    }

    /// The rows of the screen, without the empty ones at its end.
    pub(crate) fn rows(&self) -> Vec<String> {
        let rows = self.screen.screen().rows(0, 80).map(|row| row.trim_end().to_owned());
        let mut rows: Vec<String> = rows.collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    /// The rows of the screen, behind those that have left it at its upper end.
    #[cfg(feature = "bench")] // clients do not say that much
    pub(crate) fn all_rows(&mut self) -> Vec<String> {
        let screen = self.screen.screen_mut();
        screen.set_scrollback(SCROLLED_MAX);
        let mut rows = Vec::new();
        for above in (1..=screen.scrollback()).rev() {
            screen.set_scrollback(above);
            rows.extend(screen.rows(0, 80).next().map(|row| row.trim_end().to_owned()));
        }
        screen.set_scrollback(0);
        rows.extend(self.rows());
        rows
    }

    /// Waits until the last rows of the screen are these.
    pub(crate) fn sees(&mut self, last: &[&str]) {
        let is_there =
            |rows: &[String]| rows.len() >= last.len() && rows[rows.len() - last.len()..] == *last;
        while !is_there(&self.rows()) {
            self.look_for(last);
        }
    }

    /// Waits for its end, and asserts that the terminal is as it was before.
    pub(crate) fn ends(mut self, status: i32, last: &[&str]) {
        let ended = self.child.wait().unwrap();
        self.sees(last);
        assert_eq!(ended.code(), Some(status), "{:#?}", self.rows());
        assert!(is_cooked(&self.line), "the terminal is left raw");
    }

    /// The same for an end by a signal.
    pub(crate) fn dies(mut self, signal: Signal, last: &[&str]) {
        let ended = self.child.wait().unwrap();
        self.sees(last);
        assert_eq!(ended.signal(), Some(signal.as_raw()), "{ended} {:#?}", self.rows());
        assert!(is_cooked(&self.line), "the terminal is left raw");
    }

    /// Waits for more on the screen, where `what` is to come; never stops amid what is drawn at
    /// once (mode 2026), of which a read gets any part.
    pub(crate) fn look_for(&mut self, what: impl std::fmt::Debug) {
        loop {
            let Ok(piece) = self.output.recv_timeout(PATIENCE) else {
                panic!("{what:#?} does not come; the screen is {:#?}", self.rows());
            };
            self.screen.process(&piece);
            self.raw.extend_from_slice(&piece);
            let begun = memmem::rfind(&self.raw, b"\x1b[?2026h");
            if begun <= memmem::rfind(&self.raw, b"\x1b[?2026l") {
                return;
            }
        }
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The process group that the keyboard belongs to.
    pub(crate) fn front(&self) -> Pid {
        tcgetpgrp(&self.keyboard).unwrap()
    }

    /// Waits until `text` is written, and the line that is typed drawn again below it.
    pub(crate) fn hears(&mut self, text: &str) {
        let start = self.raw.len();
        let is_there = |raw: &[u8]| {
            let heard = String::from_utf8_lossy(&raw[start..]).into_owned();
            heard.split_once(text).is_some_and(|(_, behind)| behind.contains("\x1b8"))
        };
        while !is_there(&self.raw) {
            self.look_for(text);
        }
    }

    /// Waits until `text` is written, if it has not been yet.
    pub(crate) fn writes(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.raw).contains(text) {
            self.look_for(text);
        }
    }

    /// Gives the terminal another size; zero stands for one that does not know its own.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // The emulator fails where a line wraps on a screen of one row.
        self.screen.screen_mut().set_size(rows.max(2), columns.max(1));
        tcsetwinsize(&self.line, size).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A terminal of 80 columns and 24 rows: the end where a person types, and that of a program.
pub(crate) fn open_terminal() -> (File, File) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let line = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&line, size).unwrap();
    (keyboard.into(), line)
}

/// Starts a command on a terminal, in a session of its own, so that Ctrl-C there is a signal for it
/// alone (setsid(1)).
pub(crate) fn spawn_on(line: &File, command: &[&str], environment: &[(&str, &str)]) -> Child {
    let_children_heed_signals();
    Command::new("setsid")
        .arg("--ctty")
        .args(command)
        .env_remove("RUST_LOG")
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(environment.iter().copied())
        .stdin(line.try_clone().unwrap())
        .stdout(line.try_clone().unwrap())
        .stderr(line.try_clone().unwrap())
        .spawn()
        .expect("setsid, of util-linux")
}

/// Whether the terminal's driver edits lines and shows what is typed.
pub(crate) fn is_cooked(line: &File) -> bool {
    tcgetattr(line).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
}

fn pieces_of(mut source: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
