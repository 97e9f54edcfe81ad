//! Calling others: a service asks for a connection, the driver places the call and says how it
//! went.

use std::net::{IpAddr, SocketAddr};

use super::Engine;
use super::connection::{Connection, Kind, Phase};
use super::net::Net;
use super::reason::Reason;
use super::service::Arrival;
use super::slots::Peer;

/// Whom to call, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whom.
    pub remote: SocketAddr,
    /// Over what.
    pub kind: Kind,
    /// From which of this machine's addresses; `None`: as the kernel chooses.
    pub from: Option<IpAddr>,
    /// Whether dropping the socket is to send a RST instead of a FIN (SO_LINGER of zero), so that
    /// no TIME_WAIT is left behind.
    pub resets: bool,
    /// Whether a silent peer is asked now and then if it is still there. Without that nothing ever
    /// tells that its machine is gone.
    pub keepalive: bool,
}

impl Call {
    /// An ordinary call.
    pub fn to(remote: SocketAddr, kind: Kind) -> Call {
        Call { remote, kind, from: None, resets: false, keepalive: true }
    }
}

impl Net {
    /// Calls `remote`. The answer is `opened`, or `closed` with what went wrong and no `opened`
    /// before it. `None`: there is no room for another connection.
    pub fn dial(&mut self, remote: SocketAddr, kind: Kind) -> Option<Peer> {
        self.call(Call::to(remote, kind))
    }

    /// Like `dial`, with everything that can be chosen.
    pub fn call(&mut self, call: Call) -> Option<Peer> {
        if !self.has_room() {
            return None;
        }
        let service = u8::try_from(self.calling).ok()?;
        let connection = Connection::called(call.remote, call.kind, service, self.now);
        let peer = self.connections.insert(connection);
        self.metrics.opened += 1;
        self.dials.push((peer, call));
        self.arm(peer);
        // So that the turn does not wait before it has been called.
        self.touch(peer);
        Some(peer)
    }
}

impl Engine {
    /// The next peer to be called, and how. Answer with `dialed` or `failed`.
    pub fn next_dial(&mut self) -> Option<(Peer, Call)> {
        while let Some((peer, call)) = self.net.dials.pop() {
            if self.net.connections.get(peer).is_some() {
                return Some((peer, call));
            }
        }
        None
    }

    /// Whether `peer` has been called and has not answered yet.
    pub fn is_dialing(&self, peer: Peer) -> bool {
        self.net.connections.get(peer).is_some_and(|c| c.phase == Phase::Dialing)
    }

    /// `peer` has answered, at our address `local`.
    pub fn dialed(&mut self, peer: Peer, local: SocketAddr) {
        let Some(connection) = self.net.connections.get_mut(peer) else { return };
        if connection.phase != Phase::Dialing {
            return;
        }
        let (index, remote) = (usize::from(connection.service), connection.remote.into());
        if is_itself(local, remote) {
            return self.net.kill(peer, Reason::Itself);
        }
        connection.phase = Phase::Open;
        connection.active_at = self.net.now;
        let arrival = Arrival { remote, local };
        let line = format_args!("{peer} connected from {local} to {remote}");
        self.remark(log::Level::Debug, line);
        self.net.arm(peer);
        self.net.touch(peer);
        self.call(index, |service, net| service.opened(peer, &arrival, net));
    }
}

/// Whether both ends are one. A call to a port of this machine where nobody listens may be given
/// that very port for its own end, and TCP then connects it to itself (RFC 9293, section 3.5,
/// simultaneous open); a datagram socket hears itself in the same way. To call the wildcard
/// address is to call this machine.
fn is_itself(local: SocketAddr, remote: SocketAddr) -> bool {
    let (ours, theirs) = (local.ip().to_canonical(), remote.ip().to_canonical());
    local.port() == remote.port() && (ours == theirs || theirs.is_unspecified())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::super::Service;
    use super::super::stage::Stage;
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
        let peer = *stage.called.last().expect("a call");
        (stage, peer)
    }

    const LOCAL: ([u8; 4], u16) = ([192, 0, 2, 99], 4000);

    #[test]
    fn a_call_that_is_answered_is_opened_and_may_say_all_and_still_listen() {
        let (mut stage, peer) = called("stream");
        stage.tell(Some("too early"));
        stage.engine.dialed(peer, LOCAL.into());
        stage.tell(Some("hello"));
        stage.tell(None);
        stage.tell(Some("too late"));
        assert_eq!(stage.hear(peer), "hello");
        stage.say(peer, "an answer");
        stage.finish(peer);
        let shown = "opened #1 192.0.2.99:4000\nheard 9\nfinished\nclosed #1 closed by the peer\n";
        assert_eq!(stage.screen(), shown);
        assert_eq!(stage.engine.connections(), 0);
    }

    #[test]
    fn a_call_that_fails_is_closed_with_the_reason_and_never_opened() {
        let (mut stage, peer) = called("stream");
        stage.engine.failed(peer, &io::ErrorKind::ConnectionRefused.into());
        stage.flush();
        assert_eq!(stage.screen(), "closed #1 failed: connection refused\n");
    }

    #[test]
    fn a_call_that_comes_back_to_ourselves_is_closed_and_never_opened() {
        for kind in ["stream", "datagram"] {
            let (mut stage, peer) = called(kind);
            stage.engine.dialed(peer, ([192, 0, 2, 7], 7).into());
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
            let [ours, theirs] = [local, remote].map(|text| text.parse().unwrap());
            assert_eq!(is_itself(ours, theirs), is_same, "{local} and {remote}");
        }
    }

    #[test]
    fn who_is_left_hears_the_rest_and_is_waited_for_no_longer() {
        let (mut stage, peer) = called("stream");
        stage.engine.dialed(peer, LOCAL.into());
        stage.tell(Some("the rest"));
        stage.tell(Some("leave"));
        assert_eq!(stage.hear(peer), "the rest");
        assert_eq!(stage.screen(), "opened #1 192.0.2.99:4000\nclosed #1 done\n");
        assert_eq!(stage.engine.connections(), 0);
    }

    #[test]
    fn a_call_that_nobody_answers_times_out() {
        let (mut stage, _) = called("stream");
        stage.pass(Duration::from_secs(9));
        assert_eq!(stage.screen(), "");
        stage.pass(Duration::from_secs(1));
        assert_eq!(stage.screen(), "closed #1 failed: timed out\n");
    }

    #[test]
    fn whom_we_called_is_heard_even_while_it_takes_nothing() {
        let (mut stage, peer) = called("stream");
        stage.engine.dialed(peer, LOCAL.into());
        stage.engine.tell(0, Some(&"x".repeat(1024 * 1024)));
        assert!(stage.engine.is_backed_up());
        assert!(stage.engine.wants_input(peer));
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
        stage.engine.dialed(peer, LOCAL.into());
        stage.engine.tell(0, Some("one"));
        stage.engine.tell(0, Some("two"));
        let sizes = |stage: &Stage| stage.engine.outgoing(peer).map(|outgoing| outgoing.bytes());
        assert_eq!(sizes(&stage), Some(3));
        stage.flush();
        assert_eq!(stage.hear(peer), "onetwo");
        stage.engine.input(peer, &mut OneEmpty(true), false);
        stage.tell(None);
        stage.tell(Some("three"));
        assert_eq!(stage.hear(peer), "three");
        assert_eq!(stage.screen(), "opened #1 192.0.2.99:4000\nheard 0\n");
    }
}
