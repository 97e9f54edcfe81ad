//! That the bus is lost, and whether anybody has to know. Pure.

use std::time::Duration;

use crate::engine::Time;

/// A break that is over by then is not told to anybody.
const TOLD_AFTER: Duration = Duration::from_secs(2);

/// See the top of this file.
#[derive(Debug)]
pub(super) enum Loss {
    /// It is there.
    None,
    /// It is not, since then, as the line says.
    Untold(Time, String),
    /// That has been told.
    Told,
}

impl Loss {
    /// It is lost, since then.
    pub(super) fn begin(&mut self, since: Time, why: &str) {
        match self {
            Loss::None => *self = Loss::Untold(since, why.into()),
            // What keeps it from being reached again is worth more.
            Loss::Untold(_, known) => *known = why.into(),
            Loss::Told => {}
        }
    }

    /// It is there again: whether it has to be told.
    pub(super) fn end(&mut self) -> bool {
        let before = std::mem::replace(self, Loss::None);
        matches!(before, Loss::Told)
    }

    /// Why it is lost, if that is to be told now.
    pub(super) fn take(&mut self, now: Time) -> Option<String> {
        if self.due() > now {
            return None;
        }
        match std::mem::replace(self, Loss::Told) {
            Loss::Untold(_, why) => Some(why),
            Loss::None | Loss::Told => None,
        }
    }

    /// When to tell.
    pub(super) fn due(&self) -> Time {
        match self {
            Loss::Untold(since, _) => since.after(TOLD_AFTER),
            Loss::None | Loss::Told => Time::NEVER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    #[test]
    fn a_short_break_is_not_told_and_a_long_one_once() {
        let mut loss = Loss::None;
        loss.begin(at(1000), "closed");
        assert_eq!((loss.take(at(2999)), loss.end()), (None, false));
        loss.begin(at(5000), "closed");
        loss.begin(at(5100), "refused");
        assert_eq!(loss.due(), at(7000));
        assert_eq!(loss.take(at(7000)).as_deref(), Some("refused"));
        loss.begin(at(8000), "refused");
        assert_eq!((loss.take(at(99_000)), loss.due()), (None, Time::NEVER));
        assert!(loss.end());
        assert!(!loss.end());
    }
}
