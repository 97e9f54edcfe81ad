//! The operator's screen (standard output), which may be stopped with Ctrl-S or be a pipe that
//! nobody reads. It must never stop the server: text waits in a bounded queue and is written only
//! while poll(2) says that there is room.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::stdout;

/// Text that waits for longer than the screen is stopped; more is dropped and counted.
const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// poll(2) promises room for this much in a pipe (PIPE_BUF); a write of more might block.
const WRITE_BYTES: usize = 4096;
/// When to try again with a screen that is stopped.
const RETRY: Duration = Duration::from_millis(50);
/// How long the last words may take.
const LAST_WORDS: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// What is still to be shown.
pub(super) struct Screen {
    /// A description of our own of the terminal or pipe, so that it can be non-blocking without
    /// anybody who shares standard output being so; `None`: there is none to be had.
    own: Option<OwnedFd>,
    queue: VecDeque<u8>,
    lost_lines: u64,
    broken: bool,
}

impl Default for Screen {
    fn default() -> Self {
        let (queue, lost_lines, broken) = Default::default();
        Screen { own: reopen(), queue, lost_lines, broken }
    }
}

impl Screen {
    /// Queues lines.
    pub(super) fn push(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        if self.queue.len() + text.len() > QUEUE_BYTES_MAX || self.broken {
            self.lost_lines += text.iter().filter(|byte| **byte == b'\n').count() as u64;
        } else {
            self.queue.extend(text);
        }
    }

    /// Shows what can be shown without waiting. Returns how many lines have been lost.
    pub(super) fn flush(&mut self) -> u64 {
        self.write_while_ready();
        std::mem::take(&mut self.lost_lines)
    }

    /// When to `flush` again, if something is left.
    pub(super) fn retry(&self) -> Option<Duration> {
        (!self.queue.is_empty()).then_some(RETRY)
    }

    /// Shows the rest, if the screen takes it within a moment.
    pub(super) fn finish(&mut self) {
        self.write_while_ready();
        if !self.queue.is_empty() && is_ready(&LAST_WORDS) {
            self.write_while_ready();
        }
    }

    fn write_while_ready(&mut self) {
        while !self.queue.is_empty() && is_ready(&AT_ONCE) {
            let (head, _) = self.queue.as_slices();
            let fd = self.own.as_ref().map_or_else(|| stdout(), |own| own.as_fd());
            match rustix::io::write(fd, &head[..head.len().min(WRITE_BYTES)]) {
                Ok(count) => drop(self.queue.drain(..count)),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return,
                // Nobody looks any more (EPIPE and the like).
                Err(_) => {
                    self.broken = true;
                    self.queue.clear();
                }
            }
        }
    }
}

/// A terminal, a FIFO: what may block, and whose position in a file is nobody's business.
fn reopen() -> Option<OwnedFd> {
    use rustix::fs::{FileType, Mode, OFlags, fstat, open};
    let kind = FileType::from_raw_mode(fstat(stdout()).ok()?.st_mode);
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    matches!(kind, FileType::CharacterDevice | FileType::Fifo)
        .then(|| open("/dev/fd/1", flags, Mode::empty()).ok())
        .flatten()
}

fn is_ready(patience: &Timespec) -> bool {
    let stdout = stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::OUT)];
    poll(&mut fds, Some(patience)).is_ok_and(|count| count > 0)
}
