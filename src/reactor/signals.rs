//! Signals, as notes. Those that end a program or tell it something are caught. One that stops it
//! must not be: a caught signal has no default any more, and to stop by SIGSTOP instead would be
//! for ever where no shell would continue us. So SIGTSTP is held back while there is something to
//! put in order before, and its coming is seen all the same.

use std::collections::VecDeque;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

#[cfg(target_os = "linux")]
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::signal::{SigSet, Signal};
#[cfg(target_os = "linux")]
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{getpid, kill_process};
use signal_hook::consts::SIGTSTP;
use signal_hook_mio::v1_0::Signals as Caught;

use super::Note;

/// The signals that are watched.
pub(super) struct Signals {
    caught: Caught,
    #[cfg(target_os = "linux")]
    held_back: Option<SignalFd>,
}

impl Signals {
    /// Starts watching those of `numbers`.
    pub(super) fn watch(registry: &Registry, token: Token, numbers: &[i32]) -> io::Result<Signals> {
        let caught = numbers.iter().filter(|number| **number != SIGTSTP);
        let mut caught = Caught::new(caught)?;
        registry.register(&mut caught, token, Interest::READABLE)?;
        #[cfg(target_os = "linux")]
        let held_back = match numbers.contains(&SIGTSTP) {
            true => Some(watch_stop(registry, token)?),
            false => None,
        };
        Ok(Signals {
            caught,
            #[cfg(target_os = "linux")]
            held_back,
        })
    }

    /// Notes those that have come.
    pub(super) fn serve(&mut self, notes: &mut VecDeque<Note>) {
        notes.extend(self.caught.pending().map(Note::Signal));
        #[cfg(target_os = "linux")]
        while let Some(Ok(Some(_))) = self.held_back.as_ref().map(SignalFd::read_signal) {
            notes.push_back(Note::Signal(SIGTSTP));
        }
    }
}

#[cfg(target_os = "linux")]
fn watch_stop(registry: &Registry, token: Token) -> io::Result<SignalFd> {
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let held_back = SignalFd::with_flags(&stop(), flags)?;
    registry.register(&mut SourceFd(&held_back.as_raw_fd()), token, Interest::READABLE)?;
    Ok(held_back)
}

fn stop() -> SigSet {
    [Signal::SIGTSTP].into_iter().collect()
}

/// SIGTSTP held back without a loop, by whoever has something to put in order before it stops:
/// in the thread that makes this and those that it starts, as long as this lives.
pub struct HeldStop {
    #[cfg(target_os = "linux")]
    seen: SignalFd,
}

impl HeldStop {
    /// `None`: its coming could not be seen, and so it stops us as ever.
    pub fn new() -> Option<HeldStop> {
        #[cfg(target_os = "linux")]
        {
            let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
            let seen = SignalFd::with_flags(&stop(), flags).ok()?;
            hold_back_stop(true);
            Some(HeldStop { seen })
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Whether it has come since this was asked last.
    pub fn has_come(&self) -> bool {
        #[cfg(target_os = "linux")]
        return matches!(self.seen.read_signal(), Ok(Some(_)));
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Stops until the shell brings us back. Nothing stops where no shell could.
    pub fn stop(&self) {
        hold_back_stop(false);
        // To ourselves: nothing can forbid it.
        let _ = kill_process(getpid(), rustix::process::Signal::TSTP);
        hold_back_stop(true);
    }
}

impl Drop for HeldStop {
    fn drop(&mut self) {
        hold_back_stop(false);
    }
}

/// Holds SIGTSTP back, or lets it stop us. Only where its coming can be seen meanwhile.
pub fn hold_back_stop(held: bool) {
    if cfg!(target_os = "linux") {
        // Cannot fail with a set of this kind.
        let _ = if held { stop().thread_block() } else { stop().thread_unblock() };
    }
}
