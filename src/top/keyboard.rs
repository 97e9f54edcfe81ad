//! The keys while frames are drawn: read one by one and not shown. Ctrl-C and Ctrl-Z stay signals.

use std::io;
use std::sync::{Mutex, Once, TryLockError};

use rustix::io::retry_on_intr;
use rustix::stdio::stdin;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr,
};

/// The mode to bring back.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Keys come one by one as long as this lives.
pub(super) struct Keyboard;

impl Keyboard {
    /// `None`: standard input is no terminal, and there are no keys.
    pub(super) fn open() -> io::Result<Option<Keyboard>> {
        if !isatty(stdin()) {
            return Ok(None);
        }
        restore_on_panic();
        let keyboard = Keyboard;
        keyboard.take()?;
        Ok(Some(keyboard))
    }

    /// Takes the keys again, after somebody else had them.
    pub(super) fn take(&self) -> io::Result<()> {
        let mut mode = tcgetattr(stdin())?;
        if let Ok(mut saved) = BEFORE.lock() {
            saved.get_or_insert_with(|| mode.clone());
        }
        mode.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        Ok(retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Now, &mode))?)
    }

    /// Gives them back.
    pub(super) fn give_back(&self) {
        leave();
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    // In a panic that came amid a change of it there may be nobody left to wait for.
    let saved = match BEFORE.try_lock() {
        Ok(mut saved) => saved.take(),
        Err(TryLockError::Poisoned(saved)) => saved.into_inner().take(),
        Err(TryLockError::WouldBlock) => None,
    };
    if let Some(before) = saved {
        // Nothing is left to be done if the terminal is gone.
        let _ = retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Now, &before));
    }
}

/// A panic may end the program without dropping anything.
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
