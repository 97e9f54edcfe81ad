//! The terminal as clients, top and bench share it: what it is, how large, and writing to it
//! without being kept by one that takes nothing; frames and graphs. What they show is not known
//! here.

#[cfg(any(feature = "admin", feature = "bench"))]
pub(crate) mod graph;
#[cfg(any(feature = "admin", feature = "bench"))]
pub(crate) mod screen;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::stdio::{stderr, stdout};
use rustix::termios::{isatty, tcgetwinsize};

/// How often a terminal that takes nothing is left alone to see whether we are to end.
const LOOK_UP: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Standard output and standard error, see `screen`.
static SCREENS: [OnceLock<Option<OwnedFd>>; 2] = [OnceLock::new(), OnceLock::new()];
/// Whether a signal to end has come, see `heed`.
static ENDED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// How large a terminal is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    // Clients have one row.
    #[cfg_attr(not(any(feature = "admin", feature = "bench")), allow(dead_code))]
    pub(crate) rows: usize,
}

impl Size {
    /// Of a terminal that does not say its own.
    pub(crate) const USUAL: Size = Size { columns: 80, rows: 24 };
}

/// How large the terminal is now.
pub(crate) fn size(terminal: BorrowedFd<'_>) -> Size {
    let (columns, rows) = tcgetwinsize(terminal).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    let or = |told: u16, usual: usize| if told > 0 { usize::from(told) } else { usual };
    Size { columns: or(columns, Size::USUAL.columns), rows: or(rows, Size::USUAL.rows) }
}

/// Whether the terminal says that it can do nothing but print.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|kind| kind.is_empty() || kind == "dumb")
}

/// Whether `error` says that the terminal has hung up.
pub(crate) fn is_hangup(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// Has each of `signals` end the waiting for a terminal that takes nothing.
///
/// # Errors
/// If such a signal cannot be caught.
pub(crate) fn heed(signals: &[i32]) -> io::Result<()> {
    let ended = ENDED.get_or_init(Arc::default);
    for signal in signals {
        signal_hook::flag::register(*signal, Arc::clone(ended))?;
    }
    Ok(())
}

fn is_ended() -> bool {
    ENDED.get().is_some_and(|ended| ended.load(Ordering::Relaxed))
}

/// Standard output (0) or standard error (1). If it is a terminal, by a description of our own,
/// that does not block without those who share the terminal being so too: a terminal that is
/// stopped must not keep us from a signal.
pub(crate) fn screen(which: usize) -> BorrowedFd<'static> {
    let (fd, path) = if which == 0 { (stdout(), "/dev/fd/1") } else { (stderr(), "/dev/fd/2") };
    let reopen = || {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        isatty(fd).then(|| open(path, flags, Mode::empty()).ok()).flatten()
    };
    SCREENS[which].get_or_init(reopen).as_ref().map_or(fd, AsFd::as_fd)
}

/// Writes all of it, waiting as long as that takes, unless a signal ends us meanwhile.
pub(crate) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if is_ended() => return Err(io::ErrorKind::Interrupted.into()),
            Err(Errno::AGAIN) => {
                // A signal ends it, too: then it is tried once more.
                let _ = poll(&mut [PollFd::new(&to, PollFlags::OUT)], Some(&LOOK_UP));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
