//! A timer that makes the poll return, to some microseconds (timerfd_create(2)).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::token::Source;
use crate::engine::Time;

pub(super) struct Timer {
    timer: OwnedFd,
    /// What it is set to.
    set: Option<Time>,
}

impl Timer {
    pub(super) fn new(registry: &Registry) -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let token = Source::Timer.token();
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Timer { timer, set: None })
    }

    /// Expires at `when`, which is `wait` from now. Each expiry is an edge of its own, so nothing
    /// has to be read.
    pub(super) fn set(&mut self, when: Time, wait: Duration) -> io::Result<()> {
        if self.set == Some(when) {
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let it_value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        let value = Itimerspec { it_interval: never, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value)?;
        self.set = Some(when);
        Ok(())
    }
}
