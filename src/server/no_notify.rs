//! Telling the service manager how we are, in a build that cannot: nothing.

use crate::engine::{Metrics, Time};

/// Nobody.
pub(super) enum Notifier {}

impl Notifier {
    pub(super) fn from_environment() -> Option<Notifier> {
        None
    }

    pub(super) fn ready(&mut self, _: &str) {}

    #[cfg(feature = "config")]
    pub(super) fn reloading(&mut self) {}

    pub(super) fn stopping(&mut self) {}

    pub(super) fn tend(&mut self, _: Time, _: impl FnOnce() -> Metrics) -> Time {
        Time::NEVER
    }
}
