//! The signals that end a bench: it tells what was measured until then, and dies of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::{register, register_conditional_default, register_usize};

/// Whether a signal to end has come. The next one ends the process.
pub(crate) struct Interruption {
    pub(crate) has_come: Arc<AtomicBool>,
    /// Its number.
    signal: Arc<AtomicUsize>,
}

impl Interruption {
    pub(crate) fn watch() -> io::Result<Interruption> {
        let (has_come, signal) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            // First, so that none is lost that comes between these lines.
            register_usize(number, Arc::clone(&signal), usize::try_from(number).unwrap_or(0))?;
            // In this order the first signal finds the flag down, and only raises it.
            register_conditional_default(number, Arc::clone(&has_come))?;
            register(number, Arc::clone(&has_come))?;
        }
        if signal.load(Ordering::Relaxed) != 0 {
            has_come.store(true, Ordering::Relaxed);
        }
        Ok(Interruption { has_come, signal })
    }

    /// The signal that has come.
    pub(crate) fn signal(&self) -> Option<i32> {
        let number = i32::try_from(self.signal.load(Ordering::Relaxed)).ok();
        number.filter(|number| *number != 0)
    }
}
