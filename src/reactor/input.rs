//! Standard input, be it a terminal, a pipe or a file: as lines of an operator, or as bytes.
//!
//! Standard input is never switched to non-blocking: the shell shares that switch with us and
//! would be left with it. Instead it is read once per readiness and then registered again, which
//! makes epoll look once more whether there is still something.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::stdio::stdin;

use super::Note;
use super::token::Source;
use crate::engine::Time;

/// A longer line is dropped as a whole, and its owner told: a piece of it could mean anything.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Bytes read at once.
const CHUNK_BYTES: usize = 32 * 1024;
/// The same for keys: each may end a line, and what a line asks for costs more than the line.
const KEYS_BYTES: usize = 128;
/// How much an operator may have done before a break: more than anybody types or pastes, and
/// little enough for an input that never ends. Each byte counts as one.
const SHARE: usize = 64 * 1024;
/// How long such a break is.
const BREAK: Duration = Duration::from_millis(10);
/// What else is to be paid for: a read and a line.
const CALL_COST: usize = 1024;

enum State {
    /// epoll says when there is something.
    Polled,
    /// A file or the like, which epoll refuses because it never blocks.
    AlwaysReady,
    /// Its end has been seen.
    Ended,
}

/// How standard input is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As `Note::Line`, without the line's end.
    Lines,
    /// The same at a bounded pace, for an operator.
    Commands,
    /// As `Note::Bytes`, as they come.
    Bytes,
    /// The same at a bounded pace, for an operator at a terminal.
    Keys,
}

/// Standard input.
pub(super) struct Input {
    state: State,
    manner: Manner,
    /// What has been read and not been looked at yet.
    unread: VecDeque<u8>,
    /// A line that has not ended yet.
    pending: Vec<u8>,
    /// The line that has not ended yet is too long, and is being dropped.
    overlong: bool,
    /// What has been done since the last break.
    spent: usize,
    /// When it began to count.
    counts_from: Time,
    /// Nothing is read while the owner wants nothing.
    pub(super) held: bool,
    /// Whether it is in the queue of the ready.
    pub(super) queued: bool,
    /// Why it could not be read to its end.
    pub(super) failure: Option<io::Error>,
}

impl Input {
    /// Starts watching standard input.
    pub(super) fn watch(registry: &Registry, manner: Manner) -> io::Result<Input> {
        let fd = stdin().as_raw_fd();
        let registered =
            registry.register(&mut SourceFd(&fd), Source::Input.token(), Interest::READABLE);
        let state = match registered {
            Ok(()) => State::Polled,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => State::AlwaysReady,
            Err(error) => return Err(error),
        };
        Ok(Input::new(state, manner))
    }

    fn new(state: State, manner: Manner) -> Input {
        Input {
            state,
            manner,
            unread: VecDeque::new(),
            pending: Vec::new(),
            overlong: false,
            spent: 0,
            counts_from: Time::ZERO,
            held: false,
            queued: false,
            failure: None,
        }
    }

    /// Whether there is something to read without epoll saying so.
    pub(super) fn is_always_ready(&self) -> bool {
        matches!(self.state, State::AlwaysReady) && !self.held
    }

    /// Reads once and passes on what it was. Returns how long to wait before the next time, if it
    /// had its share.
    pub(super) fn serve(
        &mut self,
        registry: &Registry,
        notes: &mut VecDeque<Note>,
        now: Time,
    ) -> Option<Duration> {
        if now >= self.counts_from.after(BREAK) {
            (self.spent, self.counts_from) = (0, now);
        }
        if self.unread.is_empty() {
            self.read(registry, notes);
        } else {
            self.take(notes);
            self.look_again(registry, notes);
        }
        let is_paced = matches!(self.manner, Manner::Commands | Manner::Keys)
            && !matches!(self.state, State::Ended);
        (is_paced && self.spent >= SHARE).then_some(BREAK)
    }

    fn read(&mut self, registry: &Registry, notes: &mut VecDeque<Note>) {
        // A background process that reads from its terminal is stopped as a whole (SIGTTIN).
        if matches!(self.state, State::Ended) || self.held || is_in_background() || !is_ready() {
            return;
        }
        let mut chunk = [0; CHUNK_BYTES];
        let most = if self.manner == Manner::Keys { KEYS_BYTES } else { CHUNK_BYTES };
        self.spent += CALL_COST;
        match rustix::io::read(stdin(), &mut chunk[..most]) {
            Ok(count) if count > 0 => match self.manner {
                Manner::Lines | Manner::Commands => {
                    self.unread.extend(&chunk[..count]);
                    self.take(notes);
                }
                Manner::Bytes | Manner::Keys => {
                    let ends = chunk[..count].iter().filter(|byte| matches!(byte, b'\r' | b'\n'));
                    self.spent += count + CALL_COST * ends.count();
                    notes.push_back(Note::Bytes(chunk[..count].to_vec()));
                }
            },
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Ok(_) => return self.end(registry, notes),
            // EIO is a terminal that is gone: nobody will type any more.
            Err(error) => {
                if error != rustix::io::Errno::IO {
                    self.failure = Some(error.into());
                }
                return self.end(registry, notes);
            }
        }
        self.look_again(registry, notes);
    }

    /// Passes on the lines that have been read, an operator's no further than his share goes.
    fn take(&mut self, notes: &mut VecDeque<Note>) {
        while self.manner == Manner::Lines || self.spent < SHARE {
            let Some(byte) = self.unread.pop_front() else { return };
            self.spent += 1;
            match byte {
                b'\n' => self.pass_on(notes),
                _ if self.overlong => {}
                _ if self.pending.len() == LINE_BYTES_MAX => {
                    self.overlong = true;
                    self.pending = Vec::new();
                    notes.push_back(Note::LineTooLong);
                }
                byte => self.pending.push(byte),
            }
        }
    }

    fn pass_on(&mut self, notes: &mut VecDeque<Note>) {
        self.spent += CALL_COST;
        // Its owner has been told of one that was too long.
        if !std::mem::take(&mut self.overlong) {
            let line = String::from_utf8_lossy(&self.pending);
            notes.push_back(Note::Line(line.trim_end_matches('\r').to_owned()));
        }
        self.pending.clear();
    }

    /// Has epoll look once more whether there is something.
    pub(super) fn look_again(&mut self, registry: &Registry, notes: &mut VecDeque<Note>) {
        if !matches!(self.state, State::Polled) || !self.unread.is_empty() {
            return;
        }
        let fd = stdin().as_raw_fd();
        let token = Source::Input.token();
        if let Err(error) = registry.reregister(&mut SourceFd(&fd), token, Interest::READABLE) {
            log::warn!("standard input: {error}; the console is closed");
            self.end(registry, notes);
        }
    }

    fn end(&mut self, registry: &Registry, notes: &mut VecDeque<Note>) {
        if !self.pending.is_empty() {
            self.pass_on(notes);
        }
        if matches!(self.state, State::Polled) {
            // Gone either way; an error here changes nothing.
            let _ = registry.deregister(&mut SourceFd(&stdin().as_raw_fd()));
        }
        self.state = State::Ended;
        notes.push_back(Note::InputEnded);
    }
}

/// Whether a read would not wait. Whoever shares standard input may have taken what was announced.
fn is_ready() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
}

fn is_in_background() -> bool {
    match rustix::termios::tcgetpgrp(stdin()) {
        Ok(foreground) => foreground != rustix::process::getpgrp(),
        // Not a terminal: nothing to be in the background of.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(pieces: &[&[u8]]) -> Vec<Note> {
        let (state, manner) = (State::AlwaysReady, Manner::Lines);
        let mut input = Input::new(state, manner);
        let mut notes = VecDeque::new();
        for piece in pieces {
            input.unread.extend(*piece);
            input.take(&mut notes);
        }
        notes.into()
    }

    #[test]
    fn a_line_that_is_too_long_is_told_of_once_and_no_piece_of_it_passed_on() {
        let fits = "x".repeat(LINE_BYTES_MAX);
        let long = format!("{fits}/quit\nnext\n");
        let expected = [Note::LineTooLong, Note::Line("next".into())];
        assert_eq!(notes(&[long.as_bytes()]), expected);
        for at in [1, LINE_BYTES_MAX - 1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, long.len() - 5] {
            let (head, tail) = long.as_bytes().split_at(at);
            assert_eq!(notes(&[head, tail]), expected, "cut at {at}");
        }
        assert_eq!(notes(&[format!("{fits}\n").as_bytes()]), [Note::Line(fits.clone())]);
        let longer = [&long.as_bytes()[..long.len() - 6], fits.as_bytes(), b"/quit\r\n"].concat();
        assert_eq!(notes(&[&longer]), [Note::LineTooLong]);
    }
}
