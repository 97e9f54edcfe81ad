//! Whether a member's next line is within the rate, and whether to tell it when it is not.

use crate::engine::Time;
use crate::rate::{Bucket, RateLimit};

/// What is to be done with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// Drop it and tell the member: it is the first one too many.
    Warn,
    Drop,
}

/// How fast one member has been speaking.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace {
    bucket: Bucket,
    warned: bool,
    /// Its lines that were too many so far.
    dropped: u32,
}

impl Pace {
    /// Judges the member's next line, and takes note of it.
    pub(super) fn judge(&mut self, limit: &RateLimit, now: Time) -> Verdict {
        if limit.spend(&mut self.bucket, 1, now) {
            self.warned = false;
            return Verdict::Pass;
        }
        self.dropped = self.dropped.saturating_add(1);
        match std::mem::replace(&mut self.warned, true) {
            true => Verdict::Drop,
            false => Verdict::Warn,
        }
    }

    /// What the member is told as it leaves, if lines of it were dropped: a program that has said
    /// much must know that not all of it was heard.
    pub(super) fn last_word(&self) -> Option<String> {
        match self.dropped {
            0 => None,
            1 => Some("1 of your lines was dropped: it came too fast.".into()),
            count => Some(format!("{count} of your lines were dropped: they came too fast.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rate::Rate;

    #[test]
    fn one_line_too_many_warns_once_until_one_passes_again() {
        let limit = RateLimit::new(Rate { per_second: 1.0, burst: 1.0 });
        let mut pace = Pace::default();
        let mut judge = |second| pace.judge(&limit, Time::at(Duration::from_secs(second)));
        assert_eq!(judge(0), Verdict::Pass);
        assert_eq!(judge(0), Verdict::Warn);
        assert_eq!(judge(0), Verdict::Drop);
        assert_eq!(judge(1), Verdict::Pass);
        assert_eq!(judge(1), Verdict::Warn);
        let told = "3 of your lines were dropped: they came too fast.";
        assert_eq!(pace.last_word().as_deref(), Some(told));
        assert_eq!(Pace::default().last_word(), None);
    }
}
