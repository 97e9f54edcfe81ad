//! Waiting out what would repeat at once and get nowhere: a call that is refused each time (a
//! filter, a machine without memory), an input that never ends. Whoever rests is not looked at
//! until then, whatever the poll says; the others notice nothing.

use std::io;
use std::time::Duration;

use super::Reactor;
use super::listeners::is_exhaustion;
use super::token::Source;
use crate::engine::Time;

/// How long whoever was refused rests.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// After so many waits in a row that failed, each further one is preceded by a nap.
const FAILED_WAITS: u32 = 16;
/// How long such a nap is. Nothing can be served meanwhile: there is no poll to tell whom.
const NAP: Duration = Duration::from_millis(10);
/// After so many waits in a row that the kernel has not the means for, the loop gives up.
const FAILED_WAITS_MAX: u32 = 1000;

/// Who rests, and until when.
#[derive(Default)]
pub(super) struct Rests {
    /// Of each listener, socket and input one at most.
    sources: Vec<(Time, Source)>,
    /// Waits in a row that failed.
    failed_waits: u32,
}

impl Rests {
    /// When the first is over.
    pub(super) fn next(&self) -> Option<Time> {
        self.sources.iter().map(|(until, _)| *until).min()
    }

    /// The poll has worked.
    pub(super) fn waited(&mut self) {
        self.failed_waits = 0;
    }

    /// Waiting has failed; perhaps it works if it is tried again.
    ///
    /// # Errors
    /// If that has been tried often enough.
    pub(super) fn endure(&mut self, error: io::Error) -> io::Result<()> {
        let is_interrupted = error.kind() == io::ErrorKind::Interrupted;
        // No reason to leave everybody alone; whoever is there hears of it a turn later.
        let may_pass = is_exhaustion(&error) && self.failed_waits < FAILED_WAITS_MAX;
        if !is_interrupted && !may_pass {
            return Err(error);
        }
        self.failed_waits = self.failed_waits.saturating_add(1);
        if self.failed_waits == FAILED_WAITS {
            log::warn!("the kernel refuses to wait for events: {error}; trying again and again");
        }
        if self.failed_waits >= FAILED_WAITS {
            std::thread::sleep(NAP);
        }
        Ok(())
    }
}

impl Reactor {
    /// Serves `source`, which stays marked as queued, in so long and not before.
    pub(super) fn rest(&mut self, source: Source, pause: Duration) {
        self.rests.sources.push((self.driver.engine().now().after(pause), source));
    }

    /// Puts those whose rest is over back into the queue of the ready.
    pub(super) fn end_rests(&mut self) {
        let now = self.driver.engine().now();
        let over = self.rests.sources.extract_if(.., |(until, _)| *until <= now);
        self.ready.extend(over.map(|(_, source)| source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Limits;

    #[test]
    fn who_rests_is_served_in_time_and_not_before() {
        let mut reactor = Reactor::new(Limits::default()).unwrap();
        reactor.rest(Source::Input, PAUSE);
        reactor.rest(Source::Listener(1), Duration::ZERO);
        reactor.end_rests();
        assert_eq!(reactor.ready, [Source::Listener(1)]);
        assert_eq!(reactor.rests.next(), Some(Time::ZERO.after(PAUSE)));
        reactor.driver.begin_turn(Time::ZERO.after(PAUSE), 0);
        reactor.end_rests();
        assert_eq!(reactor.ready, [Source::Listener(1), Source::Input]);
        assert_eq!(reactor.rests.next(), None);
    }

    #[test]
    fn a_poll_that_fails_is_tried_again_and_not_for_ever() {
        let mut rests = Rests::default();
        let error = |code: i32| io::Error::from_raw_os_error(code);
        let (interrupted, no_memory, not_allowed) = (4, 12, 1);
        assert!(rests.endure(error(not_allowed)).is_err());
        assert!(rests.endure(error(no_memory)).is_ok());
        rests.failed_waits = FAILED_WAITS_MAX;
        assert!(rests.endure(error(no_memory)).is_err());
        assert!(rests.endure(error(interrupted)).is_ok());
        rests.waited();
        assert!(rests.endure(error(no_memory)).is_ok());
    }
}
