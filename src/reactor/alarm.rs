//! Waking up on time: a timer beside the poll, whose own timeout mio rounds up to whole
//! milliseconds. Only for who asks for it; a server has no use for it.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::timerfd::Timer;
use super::{Reactor, Watch};
use crate::engine::Time;

impl Reactor {
    /// The loop's clock, for whoever measures finer than turns.
    pub fn watch(&self) -> Watch {
        self.clock.watch()
    }

    /// From now on deadlines are kept to some microseconds instead of a millisecond, at the price
    /// of a system call for each. Where there is no timerfd it stays at the millisecond.
    pub fn keep_fine_time(&mut self) -> io::Result<()> {
        match Timer::new(self.poll.registry()) {
            Ok(timer) => self.timer = Some(timer),
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// How long the poll may sleep until `next`, in its own measure.
    ///
    /// Counted from the start of the turn: the turn's own length, some microseconds, is not worth
    /// another look at the clock, unless fine time is kept.
    pub(super) fn timeout_until(&mut self, next: Time) -> Option<Duration> {
        if let Some(timer) = &mut self.timer {
            let wait = next.since(self.clock.watch().now());
            if wait.is_zero() || timer.set(next, wait).is_ok() {
                return Some(wait).filter(Duration::is_zero);
            }
        }
        Some(next.since(self.driver.engine().now()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::engine::{Arrival, Dial, Kind, Limits, Net, Operated, Peer, Quota, Reason, Service};

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

        fn operated(&mut self) -> Option<&mut dyn Operated> {
            Some(self)
        }
    }

    impl Operated for Sleeper {
        fn started(&mut self, net: &mut Net) {
            net.wake_in(NAP);
        }
    }

    impl Service for Caller {
        fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
            net.show(&format!("from {}", arrival.local.ip().unwrap()));
            net.leave(peer);
        }

        fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
            input.len()
        }

        fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
            net.show(&format!("closed: {reason}"));
            net.stop(Ok(()));
        }

        fn operated(&mut self) -> Option<&mut dyn Operated> {
            Some(self)
        }
    }

    impl Operated for Caller {
        fn started(&mut self, net: &mut Net) {
            net.dial_with(self.0.clone());
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
        let dial = Dial { from, resets: true, ..Dial::to(remote.into(), Kind::Stream) };
        let mut reactor = Reactor::new(Limits::default()).unwrap();
        let caller = Box::new(Caller(dial));
        reactor.engine().add_service("caller", Quota::default(), caller);
        assert_eq!(run(&mut reactor), "from 127.0.0.9\nclosed: done\n");
        let (mut accepted, _) = listener.accept().unwrap();
        let error = io::Read::read(&mut accepted, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    /// How long all the naps take.
    fn sleep(fine: bool) -> Duration {
        let mut reactor = Reactor::new(Limits::default()).unwrap();
        if fine {
            reactor.keep_fine_time().unwrap();
        }
        // A turn sets the time that the first nap counts from.
        reactor.wake_at(Some(reactor.now()));
        reactor.turn().unwrap();
        let begun = reactor.now();
        reactor.engine().add_service("sleeper", Quota::default(), Box::new(Sleeper(NAPS)));
        run(&mut reactor);
        reactor.now().since(begun)
    }

    #[test]
    fn fine_time_wakes_up_for_each_deadline_and_never_before_it() {
        let quickest = (0..20).map(|_| sleep(true)).min().unwrap();
        assert!(quickest >= NAP * NAPS, "{quickest:?}");
        // In whole milliseconds it would be 20 of them.
        assert!(!cfg!(target_os = "linux") || quickest < Duration::from_millis(15), "{quickest:?}");
    }
}
