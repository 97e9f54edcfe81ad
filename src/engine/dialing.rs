//! Calling others: a service asks for a connection, the driver places the call and says how it
//! went.

use super::Engine;
use super::address::Address;
use super::connection::Phase;
use super::dial::{Arrival, Dial, is_itself};
use super::operator::Field;
use super::reason::Reason;
use super::slots::Peer;

impl Engine {
    /// The next peer to be called, and how. Answer with `answered` or `failed`.
    pub(super) fn next_dial(&mut self) -> Option<(Peer, Dial)> {
        while let Some((peer, dial)) = self.core.dials.pop_front() {
            if self.core.connections.get(peer).is_some() {
                return Some((peer, dial));
            }
        }
        None
    }

    /// Whether `peer` has been called and has not answered yet.
    pub(super) fn is_dialing(&self, peer: Peer) -> bool {
        self.core.connections.get(peer).is_some_and(|c| c.phase == Phase::Dialing)
    }

    /// `peer` has answered, at our address `local`.
    pub(super) fn answered(&mut self, peer: Peer, local: Address) {
        let Some(connection) = self.core.connections.get_mut(peer) else { return };
        if connection.phase != Phase::Dialing {
            return;
        }
        let (index, remote) = (usize::from(connection.service), Address::from(connection.remote));
        if is_itself(local, remote) {
            return self.core.kill(peer, Reason::Itself);
        }
        connection.phase = connection.phase.answered();
        connection.active_at = self.core.now;
        let arrival = Arrival { remote, local };
        let line = format_args!("{peer} connected from {local} to {remote}");
        let fields = [
            ("number", Field::Number(peer.number())),
            ("peer", Field::Shown(&remote)),
            ("local", Field::Shown(&local)),
        ];
        self.remark_with(log::Level::Debug, line, &fields);
        self.core.arm(peer);
        self.core.touch(peer);
        self.dispatch(index, |service, net| service.opened(peer, &arrival, net));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::super::stage::Stage;
    use super::super::{Kind, Net, Operated, Service};
    use super::*;

    /// Calls somebody when told to, says what it is told, and shows what happens.
    struct Caller(Option<Peer>);

    impl Service for Caller {
        fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
            net.show(&format!("opened {peer} {}", arrival.local));
        }

        fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
            net.show(&format!("heard {}", input.len()));
            input.len()
        }

        fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
            net.show("finished");
            net.close(peer);
        }

        fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
            net.show(&format!("closed {peer} {reason}"));
        }

        fn operated(&mut self) -> Option<&mut dyn Operated> {
            Some(self)
        }
    }

    impl Operated for Caller {
        fn told(&mut self, line: Option<&str>, net: &mut Net) {
            let remote = ([192, 0, 2, 7], 7).into();
            match (line, self.0) {
                (Some("stream"), _) => self.0 = net.dial(remote, Kind::Stream),
                (Some("leave"), Some(peer)) => net.leave(peer),
                (Some("datagram"), _) => self.0 = net.dial(remote, Kind::Datagram),
                (Some(text), Some(peer)) => net.send(peer, text.as_bytes()),
                (None, Some(peer)) => net.finish(peer),
                (_, None) => {}
            }
        }
    }

    fn called(kind: &str) -> (Stage, Peer) {
        let mut stage = Stage::new(Caller(None));
        stage.tell(Some(kind));
        let peer = *stage.dialed().last().expect("a call");
        (stage, peer)
    }

    const LOCAL: ([u8; 4], u16) = ([192, 0, 2, 99], 4000);

    #[test]
    fn a_call_that_is_answered_is_opened_and_may_say_all_and_still_listen() {
        let (mut stage, peer) = called("stream");
        stage.tell(Some("too early"));
        stage.answer(peer, LOCAL.into());
        stage.tell(Some("hello"));
        stage.tell(None);
        stage.tell(Some("too late"));
        assert_eq!(stage.hear(peer), "hello");
        stage.say(peer, "an answer");
        stage.finish(peer);
        let shown = "opened #1 192.0.2.99:4000\nheard 9\nfinished\nclosed #1 closed by the peer\n";
        assert_eq!(stage.screen(), shown);
        assert_eq!(stage.engine().connections(), 0);
    }

    #[test]
    fn a_call_that_fails_is_closed_with_the_reason_and_never_opened() {
        let (mut stage, peer) = called("stream");
        stage.fail(peer, io::ErrorKind::ConnectionRefused);
        stage.flush();
        assert_eq!(stage.screen(), "closed #1 failed: connection refused\n");
    }

    #[test]
    fn a_call_that_comes_back_to_ourselves_is_closed_and_never_opened() {
        for kind in ["stream", "datagram"] {
            let (mut stage, peer) = called(kind);
            stage.answer(peer, ([192, 0, 2, 7], 7).into());
            stage.flush();
            assert_eq!(stage.screen(), "closed #1 connected to itself\n");
        }
        for (local, remote, is_same) in [
            ("127.0.0.1:7", "127.0.0.1:7", true),
            ("127.0.0.1:7", "0.0.0.0:7", true),
            ("[::1]:7", "[::]:7", true),
            ("127.0.0.1:7", "[::ffff:127.0.0.1]:7", true),
            ("[fe80::1%2]:7", "[fe80::1%2]:7", true),
            ("127.0.0.1:7", "127.0.0.2:7", false),
            ("127.0.0.1:7", "127.0.0.1:8", false),
        ] {
            let [ours, theirs] = [local, remote].map(|text| Address::Ip(text.parse().unwrap()));
            assert_eq!(is_itself(ours, theirs), is_same, "{local} and {remote}");
        }
    }

    #[test]
    fn who_is_left_hears_the_rest_and_is_waited_for_no_longer() {
        let (mut stage, peer) = called("stream");
        stage.answer(peer, LOCAL.into());
        stage.tell(Some("the rest"));
        stage.tell(Some("leave"));
        assert_eq!(stage.hear(peer), "the rest");
        assert_eq!(stage.screen(), "opened #1 192.0.2.99:4000\nclosed #1 done\n");
        assert_eq!(stage.engine().connections(), 0);
    }

    #[test]
    fn a_call_that_nobody_answers_times_out() {
        let (mut stage, _) = called("stream");
        stage.pass(Duration::from_secs(9));
        assert_eq!(stage.screen(), "");
        stage.pass(Duration::from_secs(1));
        assert_eq!(stage.screen(), "closed #1 failed: timed out\n");
        let metrics = stage.engine().metrics();
        assert_eq!((metrics.opened, metrics.closed), (1, 1));
    }

    #[test]
    fn whom_we_called_is_heard_even_while_it_takes_nothing() {
        let (mut stage, peer) = called("stream");
        stage.answer(peer, LOCAL.into());
        stage.engine().tell(0, Some(&"x".repeat(1024 * 1024)));
        assert!(stage.engine().is_backed_up());
        assert!(stage.engine().wants_input(peer));
    }

    /// One empty datagram, and then nothing more for now.
    struct OneEmpty(bool);

    impl io::Read for OneEmpty {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            match std::mem::take(&mut self.0) {
                true => Ok(0),
                false => Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }

    #[test]
    fn datagrams_leave_one_by_one_and_have_no_end() {
        let (mut stage, peer) = called("datagram");
        stage.answer(peer, LOCAL.into());
        stage.engine().tell(0, Some("one"));
        stage.engine().tell(0, Some("two"));
        let size = stage.engine().outgoing(peer).map(|(head, _)| head.bytes());
        assert_eq!(size, Some(3));
        stage.flush();
        assert_eq!(stage.hear(peer), "onetwo");
        stage.engine().input(peer, &mut OneEmpty(true), false);
        stage.tell(None);
        stage.tell(Some("three"));
        assert_eq!(stage.hear(peer), "three");
        assert_eq!(stage.screen(), "opened #1 192.0.2.99:4000\nheard 0\n");
    }
}
