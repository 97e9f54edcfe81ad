//! Waking up on time: a timerfd beside epoll, whose own timeout mio rounds up to whole
//! milliseconds. Only for who asks for it; a server has no use for it.

use std::io;
use std::time::Duration;

use super::{Reactor, Watch};
use crate::engine::Time;
#[cfg(all(target_os = "linux", feature = "bench"))]
pub(super) use timer::Alarm;

/// There is no finer time here.
#[cfg(not(all(target_os = "linux", feature = "bench")))]
pub(super) enum Alarm {}

#[cfg(not(all(target_os = "linux", feature = "bench")))]
impl Alarm {
    fn set(&mut self, _: Time, _: Duration) -> io::Result<()> {
        match *self {}
    }
}

impl Reactor {
    /// The loop's clock, for whoever measures finer than turns.
    pub fn watch(&self) -> Watch {
        self.clock.watch()
    }

    /// From now on deadlines are kept to some microseconds instead of a millisecond, at the price
    /// of a system call for each. Where there is no timerfd it stays at the millisecond.
    pub fn keep_fine_time(&mut self) -> io::Result<()> {
        #[cfg(all(target_os = "linux", feature = "bench"))]
        {
            self.alarm = Some(Alarm::new(self.poll.registry())?);
        }
        Ok(())
    }

    /// How long the poll may sleep until `next`, in its own measure.
    ///
    /// Counted from the start of the turn: the turn's own length, some microseconds, is not worth
    /// another look at the clock, unless fine time is kept.
    pub(super) fn timeout_until(&mut self, next: Time) -> Option<Duration> {
        if let Some(alarm) = &mut self.alarm {
            let wait = next.since(self.clock.watch().now());
            if wait.is_zero() || alarm.set(next, wait).is_ok() {
                return Some(wait).filter(Duration::is_zero);
            }
        }
        Some(next.since(self.driver.engine().now()))
    }
}

#[cfg(all(target_os = "linux", feature = "bench"))]
mod timer {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    use super::super::token::Source;
    use crate::engine::Time;

    /// A timer that makes the poll return.
    pub(in super::super) struct Alarm {
        timer: OwnedFd,
        /// What it is set to.
        set: Option<Time>,
    }

    impl Alarm {
        pub(in super::super) fn new(registry: &Registry) -> io::Result<Alarm> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            let token = Source::Alarm.token();
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Alarm { timer, set: None })
        }

        /// Rings at `when`, which is `wait` from now. Each ringing is an edge of its own, so
        /// nothing
        /// has to be read.
        pub(in super::super) fn set(&mut self, when: Time, wait: Duration) -> io::Result<()> {
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
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::engine::{Arrival, Dial, Kind, Limits, Net, Peer, Quota, Reason, Service};

    /// Calls as told to and says what comes of it.
    struct Caller(Dial);

    /// Sleeps so many times.
    struct Sleeper(u32);

    const NAP: Duration = Duration::from_micros(150);
    const NAPS: u32 = 20;

    impl Service for Sleeper {
        fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
            input.len()
        }

        fn alarm(&mut self, net: &mut Net) {
            self.0 -= 1;
            match self.0 {
                0 => net.stop(Ok(())),
                _ => net.wake_in(NAP),
            }
        }

        fn told(&mut self, _: Option<&str>, net: &mut Net) {
            net.wake_in(NAP);
        }
    }

    impl Service for Caller {
        fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
            net.show(&format!("from {}", arrival.local.ip()));
            net.leave(peer);
        }

        fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
            input.len()
        }

        fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
            net.show(&format!("closed: {reason}"));
            net.stop(Ok(()));
        }

        fn told(&mut self, _: Option<&str>, net: &mut Net) {
            net.dial_with(self.0);
        }
    }

    fn run(reactor: &mut Reactor) -> String {
        while reactor.engine().outcome().is_none() {
            reactor.turn().unwrap();
        }
        String::from_utf8(reactor.engine().take_screen()).unwrap()
    }

    #[test]
    fn a_call_leaves_from_the_address_it_is_told_to_and_may_end_with_a_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = listener.local_addr().unwrap();
        let from = Some([127, 0, 0, 9].into());
        let dial = Dial { from, resets: true, ..Dial::to(remote, Kind::Stream) };
        let mut reactor = Reactor::new(Limits::default()).unwrap();
        let caller = Box::new(Caller(dial));
        let number = reactor.engine().add_service("caller", Quota::default(), caller);
        reactor.engine().tell(number, None);
        assert_eq!(run(&mut reactor), "from 127.0.0.9\nclosed: done\n");
        let (mut accepted, _) = listener.accept().unwrap();
        let error = io::Read::read(&mut accepted, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    /// How long all the naps take.
    fn sleep(fine: bool) -> Duration {
        let mut reactor = Reactor::new(Limits::default()).unwrap();
        if fine {
            reactor.keep_fine_time().unwrap();
        }
        let sleeper = Box::new(Sleeper(NAPS));
        let number = reactor.engine().add_service("sleeper", Quota::default(), sleeper);
        // A turn sets the time that the first nap counts from.
        reactor.wake_at(Some(reactor.now()));
        reactor.turn().unwrap();
        let begun = reactor.now();
        reactor.engine().tell(number, None);
        run(&mut reactor);
        reactor.now().since(begun)
    }

    #[test]
    fn fine_time_wakes_up_for_each_deadline_and_never_before_it() {
        let quickest = (0..20).map(|_| sleep(cfg!(feature = "bench"))).min().unwrap();
        assert!(quickest >= NAP * NAPS, "{quickest:?}");
        // In whole milliseconds it would be 20 of them.
        assert!(!cfg!(feature = "bench") || quickest < Duration::from_millis(15), "{quickest:?}");
    }
}
