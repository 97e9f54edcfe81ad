//! What a protocol is: `Service` for streams, `Responder` for datagrams.
//!
//! A service is one protocol for *all* its connections, so it may keep what they share (the rooms
//! of a chat) without locks. It is told facts and answers through `Net`; it never sees a socket,
//! never reads a clock, never blocks and is never called from within one of its own calls.

use std::any::Any;
use std::net::SocketAddr;

use super::dial::Arrival;
use super::net::Net;
use super::reason::Reason;
use super::slots::Peer;

/// A stream protocol, for all of its connections at once.
///
/// Each method tells a fact, in the past tense; what the service wants done about it, it says to
/// the [`Net`] that comes with it. None has to be written: what is left out does nothing, and input
/// that nobody cares about is thrown away.
///
/// For each peer `opened` comes first and `closed` comes last, exactly once. Between them come any
/// number of `received` and then, unless we were faster, one `finished`. No method is called while
/// another runs. What is sent inside any of them leaves together at the end of the turn.
pub trait Service {
    /// The most bytes that one read brings; asked once, and when it is `reconfigured`. More suits
    /// whoever sends them back as they are, less whoever makes much of little:
    /// [`Limits::reads`](super::Limits::reads) of them are a peer's share of a turn.
    fn read_bytes(&self) -> usize {
        64 * 1024
    }

    /// Whether it matters to this service, against the rule of `received`, where the input is cut:
    /// then each read has space for `read_bytes`, whatever else is going on. Asked as often.
    fn counts_reads(&self) -> bool {
        false
    }

    /// A connection has been made: accepted, or the answer to [`Net::dial`].
    fn opened(&mut self, _peer: Peer, _arrival: &Arrival, _net: &mut Net) {}

    /// Bytes have come; `input` is all that has not been used yet. Returns how many of them, from
    /// the first, were used; the rest comes again with more behind it, so an unfinished line needs
    /// no buffer here. Where the bytes were cut on their way is chance and must change nothing.
    ///
    /// A rest of more than [`Limits::inbox`](super::Limits::inbox) bytes closes the peer, as
    /// [`Reason::TooLong`]. After `close` nothing is told of what still comes. Datagrams come one
    /// at a time, and what is not used of one is gone.
    fn received(&mut self, _peer: Peer, input: &[u8], _net: &mut Net) -> usize {
        input.len()
    }

    /// The peer has sent its FIN: nothing more will come. `rest` is what `received` left unused.
    /// The peer may still be listening (RFC 9293, section 3.6.1, half-closed connections): send
    /// what is owed, and `close` when that is all; without that it stays open.
    fn finished(&mut self, peer: Peer, _rest: &[u8], net: &mut Net) {
        net.close(peer);
    }

    /// The output of a peer that had been backed up ([`Net::queued`] at
    /// [`Limits::high`](super::Limits::high) or above) has fallen to
    /// [`Limits::low`](super::Limits::low): the moment to send more, for whoever sends much.
    fn drained(&mut self, _peer: Peer, _net: &mut Net) {}

    /// The peer reads too slowly and is closed for it; what was queued for it is lost. Returns the
    /// last word to it; nothing else that it is sent now reaches it.
    fn fell_behind(&mut self, _peer: Peer, _net: &mut Net) -> &'static [u8] {
        b""
    }

    /// The operator closes `peer`: the moment for a last word to it, behind what is queued.
    fn kicked(&mut self, _peer: Peer, _net: &mut Net) {}

    /// The connection is over, and nothing can be sent to it any more; others may be told of it.
    /// For a call that never got through this is all that is told.
    fn closed(&mut self, _peer: Peer, _reason: Reason, _net: &mut Net) {}

    /// All places are taken and somebody new waits: closes one peer that has the least claim to its
    /// place, if there is such a one. Returns whether there was.
    fn free_place(&mut self, _net: &mut Net) -> bool {
        false
    }

    /// The time given to [`Net::wake_at`] has come. May come early or twice; look at [`Net::now`].
    fn alarm(&mut self, _net: &mut Net) {}

    /// Everything that arrived in this turn has been delivered: the moment to send what was
    /// gathered, once. Called again if the sending itself closes connections.
    ///
    /// A service that speaks to more than 16 peers here is one that tells many: if that is more
    /// than a turn can write, those who are left wait in a line of their own, and until that is
    /// empty whatever else its peers are sent waits there, too.
    fn settled(&mut self, _net: &mut Net) {}

    /// Few connections are left of many, and have been for a while: gives back the room that
    /// the others needed.
    fn trim(&mut self) {}

    /// What an operator may want to know of `peer` beside its address, such as a name. Made visible
    /// already: no control characters.
    fn description(&self, _peer: Peer) -> Option<String> {
        None
    }

    /// What the service was made with is this from now on, of the type that its maker knows; for
    /// its peers of before, too.
    fn reconfigured(&mut self, _settings: &dyn Any) {}

    /// The service as somebody operates it; `None`: nobody does.
    fn operated(&mut self) -> Option<&mut dyn Operated> {
        None
    }
}

/// What a service is told besides if somebody at a keyboard, or a file, is behind it: the front end
/// of a client, or talk with its operator. Such a service returns itself from
/// [`Service::operated`].
pub trait Operated {
    /// The service has been taken in, before anything else: the moment to call somebody.
    fn started(&mut self, _net: &mut Net) {}

    /// The operator has typed a line; `None`: there is no operator any more.
    fn told(&mut self, _line: Option<&str>, _net: &mut Net) {}

    /// Bytes of standard input as they came, for a filter; `None`: that was all.
    fn fed(&mut self, _bytes: Option<&[u8]>, _net: &mut Net) {}

    /// What can take the place of the last word of `head`, which the operator has typed up to the
    /// cursor: all of it, with the blank that follows. `None`: there is nothing to complete here.
    fn completions(&self, _head: &str) -> Option<Vec<String>> {
        None
    }

    /// Whom the operator's plain text goes to now, whether that peer is still there or not;
    /// `None`: nobody.
    fn addressee(&self) -> Option<Peer> {
        None
    }
}

/// A datagram protocol: at most one datagram out for each one in, so that it can never amplify
/// the number of packets, whoever asks.
pub trait Responder {
    /// The reply to `payload`, one whole datagram of up to 65,507 bytes, perhaps none, from the
    /// sender that it names, which may be forged. `None`: no answer, which is the best one to
    /// whatever another server may have sent.
    ///
    /// Not everything gets here, and not every reply leaves: the reactor's
    /// [`DatagramGuard`](crate::guards::DatagramGuard) passes over ports below 1024 and our own,
    /// and limits the rate; and this is UDP. A reply that no datagram can hold is not sent.
    fn answer<'a>(&'a mut self, from: SocketAddr, payload: &'a [u8]) -> Option<Reply<'a>>;
}

/// What a datagram gets back, from the address that it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The whole datagram.
    pub bytes: &'a [u8],
    /// How many ordinary answers it counts for where answers are limited
    /// ([`Policy::udp_rate`](crate::guards::Policy::udp_rate)).
    pub weight: u32,
}

/// What a courtesy counts for.
const COURTESY_WEIGHT: u32 = 20;

impl<'a> Reply<'a> {
    /// What was asked for.
    pub fn answer(bytes: &'a [u8]) -> Reply<'a> {
        Reply { bytes, weight: 1 }
    }

    /// Help for somebody who has not asked rightly: an introduction, a hint. Who asks for it over
    /// and over is no person.
    pub fn courtesy(bytes: &'a [u8]) -> Reply<'a> {
        Reply { bytes, weight: COURTESY_WEIGHT }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Limits, Quota};

    /// Says nothing about anything.
    struct Plain;

    impl Service for Plain {}

    /// Gives the place of whoever came last to a newcomer.
    #[derive(Default)]
    struct Generous(Option<Peer>);

    impl Service for Generous {
        fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
            self.0 = Some(peer);
        }

        fn free_place(&mut self, net: &mut Net) -> bool {
            let last = self.0.take();
            last.iter().for_each(|peer| net.close(*peer));
            last.is_some()
        }
    }

    #[test]
    fn one_place_is_freed_by_the_first_service_that_has_one_to_give() {
        let mut stage = Stage::empty(Limits::default());
        let services: [Box<dyn Service>; 3] =
            [Box::new(Plain), Box::<Generous>::default(), Box::<Generous>::default()];
        for service in services {
            stage.engine().add_service("test", Quota::default(), service);
        }
        let peers = [0, 1, 2].map(|service| stage.join_in_turn(service).unwrap());
        for over in [[false, true, false], [false, true, true]] {
            assert!(stage.engine().free_place());
            stage.flush();
            assert_eq!(peers.map(|peer| stage.is_over(peer)), over);
        }
        assert!(!stage.engine().free_place());
    }

    /// Says what it was told last.
    struct Parrot(&'static str);

    impl Service for Parrot {
        fn reconfigured(&mut self, settings: &dyn Any) {
            self.0 = settings.downcast_ref().copied().unwrap_or(self.0);
        }

        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            net.send(peer, self.0.as_bytes());
            input.len()
        }
    }

    #[test]
    fn what_is_changed_holds_for_those_who_are_here() {
        let mut stage = Stage::with(Limits::default(), Quota::default(), Parrot("old"));
        let peer = stage.join();
        stage.say(peer, "?");
        assert_eq!(stage.hear(peer), "old");
        let quota =
            |seconds| Quota { idle: Some(Duration::from_secs(seconds)), ..Quota::default() };
        stage.engine().reconfigure(0, quota(10), &"new");
        stage.say(peer, "?");
        assert_eq!(stage.hear(peer), "new");
        stage.pass(Duration::from_secs(9));
        assert!(!stage.is_over(peer));
        stage.engine().reconfigure(0, quota(20), &"newer");
        stage.pass(Duration::from_secs(10));
        assert!(!stage.is_over(peer), "it may be silent for longer now");
        stage.engine().reconfigure(0, quota(1), &"newest");
        stage.pass(Duration::from_secs(1));
        assert!(stage.is_over(peer));
    }

    #[test]
    fn fewer_places_send_nobody_away() {
        let mut stage = Stage::with(Limits::default(), Quota::default(), Parrot("here"));
        let peers = [stage.join(), stage.join()];
        stage.engine().set_limits(1, 1 << 20);
        assert!(!stage.engine().has_free_place());
        stage.say(peers[1], "?");
        assert_eq!(stage.hear(peers[1]), "here");
        stage.engine().set_limits(3, 1 << 20);
        assert!(stage.engine().has_free_place());
    }

    #[test]
    fn what_a_service_does_not_care_about_is_thrown_away() {
        let limits = Limits { inbox: 4, ..Limits::default() };
        let mut stage = Stage::with(limits, Quota::default(), Plain);
        let peer = stage.join();
        stage.say(peer, "hello, is anybody there?");
        assert_eq!(stage.engine().buffered(), (0, 0));
        assert!(!stage.is_over(peer));
    }
}
