//! When something happens in a script.

use super::{Next, Script};
use crate::engine::At;
use crate::engine::time::Time;

impl Script {
    /// When `next` has something new to tell.
    pub(crate) fn due(&self) -> Time {
        match self.end(Time::ZERO) {
            Some(_) => Time::ZERO,
            None => self.end_due().min(self.ready()),
        }
    }

    /// When the connection ends, if that depends on the time.
    pub(crate) fn end_due(&self) -> Time {
        let end = [self.reset, self.close].into_iter().filter_map(|at| match at {
            Some(At::After(time)) => Some(self.opened_at.after(time)),
            Some(At::Bytes(_) | At::FirstReply) | None => None,
        });
        end.min().filter(|_| !self.is_cut && !self.is_free).unwrap_or(Time::NEVER)
    }

    /// When something may leave.
    fn ready(&self) -> Time {
        let Some(reply) = self.replies.front() else { return Time::NEVER };
        let slice = self.knobs.slice.map_or(Time::ZERO, |_| self.slices.next);
        match self.is_free {
            true => Time::ZERO,
            false if self.reset == Some(At::FirstReply) => reply.due,
            false => reply.due.max(slice).max(self.rate_ready()),
        }
    }

    /// When the rate lets so much leave that it is worth it.
    pub(super) fn rate_ready(&self) -> Time {
        self.rate.as_ref().map_or(Time::ZERO, |rate| rate.ready(self.bytes.len()))
    }

    /// How the connection ends, if it does so at `now`.
    pub(crate) fn end(&self, now: Time) -> Option<Next> {
        let is_over = |at: Option<At>| match at {
            Some(At::After(time)) => self.opened_at.after(time) <= now,
            Some(At::Bytes(bytes)) => self.left >= bytes,
            Some(At::FirstReply) | None => false,
        };
        match () {
            () if self.is_cut || self.is_free => None,
            () if is_over(self.reset) => Some(Next::Reset),
            () if is_over(self.close) => Some(Next::Close),
            () => None,
        }
    }
}
