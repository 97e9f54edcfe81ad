//! The terminal's raw mode, in which keys come one by one, and the way back out of it: once,
//! whatever ends the program. There is one terminal, and so one mode to bring back.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, TryLockError};

use nix::sys::signal::{SigSet, SigmaskHow, Signal as NixSignal};
use rustix::io::retry_on_intr;
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};
use rustix::stdio::stdin;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr,
    tcgetpgrp, tcsetattr,
};

use crate::reactor::hold_back_stop;
use crate::terminal::screen;

/// Empties the row in which the cursor stands.
pub(crate) const CLEAR_ROW: &[u8] = b"\r\x1b[K";

/// Whether the terminal is raw.
static RAW: AtomicBool = AtomicBool::new(false);
/// The mode to bring back, while it is.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether the terminal is raw, and a line being typed on it.
pub(crate) fn is_raw() -> bool {
    RAW.load(Ordering::Relaxed)
}

/// Whether the terminal is ours to read from and to change: whoever does so in the background is
/// stopped. One that drives nobody is everybody's.
pub(crate) fn is_in_front() -> bool {
    tcgetpgrp(stdin()).map_or(true, |front| front == getpgrp())
}

/// Takes the terminal over, in one of the two ways below, if it is ours. False: it is not.
pub(crate) fn enter_in_front(enter: impl FnOnce() -> io::Result<()>) -> bool {
    unstopped(|| is_in_front() && enter().is_ok())
}

/// Does something that changes the terminal, without being stopped for it (SIGTTOU): between a look
/// at who is in front and the change somebody else may have come there.
fn unstopped<T>(change: impl FnOnce() -> T) -> T {
    let stop = SigSet::from(NixSignal::SIGTTOU);
    // Neither can fail with a set of this kind.
    let before = stop.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let changed = change();
    let _ = before.map(|mask| mask.thread_set_mask());
    changed
}

/// Takes the terminal over. What was typed before stays. If that fails nothing has changed: above
/// all, SIGTSTP stops us as ever.
pub(crate) fn enter() -> io::Result<()> {
    let before = tcgetattr(stdin())?;
    if let Ok(mut saved) = BEFORE.lock() {
        *saved = Some(before.clone());
    }
    hold_back_stop(true);
    take(before).inspect_err(|_| {
        leave();
    })
}

/// Takes it over once more: somebody has stopped us and continued us (SIGSTOP), and the terminal
/// may be anyhow.
pub(crate) fn enter_again() -> io::Result<()> {
    let before = BEFORE.lock().ok().and_then(|saved| saved.clone());
    before.map_or(Ok(()), take)
}

fn take(mut mode: Termios) -> io::Result<()> {
    mode.input_modes -= InputModes::ICRNL | InputModes::IXON;
    // Somebody may have left it raw: lines would begin where the one before ended.
    mode.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    mode.local_modes -=
        LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
    mode.special_codes[SpecialCodeIndex::VMIN] = 1;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Now, &mode))?;
    RAW.store(true, Ordering::Relaxed);
    Ok(())
}

/// Brings back the mode from before, once. False: it had been brought back already.
pub(crate) fn leave() -> bool {
    // In a panic that came amid a change of it there may be nobody left to wait for.
    let saved = match BEFORE.try_lock() {
        Ok(mut saved) => saved.take(),
        Err(TryLockError::Poisoned(saved)) => saved.into_inner().take(),
        Err(TryLockError::WouldBlock) => None,
    };
    let Some(before) = saved else { return false };
    RAW.store(false, Ordering::Relaxed);
    unstopped(|| {
        // In the background it is somebody else's, who has it as they like.
        if is_in_front() {
            // Nothing is left to be done if the terminal is gone. It may be stopped: no waiting.
            let _ = retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Now, &before));
        }
    });
    hold_back_stop(false);
    true
}

/// Has a panic leave raw mode first: it may end the program without dropping anything, and its
/// message needs a terminal. `before_message` is what else that message has to wait for.
pub(crate) fn leave_on_panic(before_message: fn()) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if leave() {
                // What cannot be written at once is not worth waiting for now.
                let _ = rustix::io::write(screen(0), CLEAR_ROW);
            }
            before_message();
            tell(panic);
        }));
    });
}

/// Sends `signal` to whom the terminal's driver would: to all who are in front of it.
pub(crate) fn as_the_driver(signal: Signal) -> io::Result<()> {
    match tcgetpgrp(stdin()) {
        Ok(front) if front == getpgrp() => kill_current_process_group(signal)?,
        // It drives somebody else, or nobody.
        Ok(_) | Err(_) => kill_process(getpid(), signal)?,
    }
    Ok(())
}

/// Sends `signal` to ourselves.
pub(crate) fn to_ourselves(signal: Signal) -> io::Result<()> {
    Ok(kill_process(getpid(), signal)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_terminal_stops_nobody_and_afterwards_the_signal_does_as_ever() {
        let is_held = || SigSet::thread_get_mask().unwrap().contains(NixSignal::SIGTTOU);
        let others = SigSet::from(NixSignal::SIGTSTP);
        others.thread_block().unwrap();
        assert_eq!((is_held(), unstopped(is_held), is_held()), (false, true, false));
        assert!(SigSet::thread_get_mask().unwrap().contains(NixSignal::SIGTSTP));
        // Whoever holds it back goes on doing so.
        SigSet::from(NixSignal::SIGTTOU).thread_block().unwrap();
        assert_eq!((unstopped(is_held), is_held()), (true, true));
    }
}
