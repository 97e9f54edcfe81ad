//! Looking at the bytes themselves: a tap is shown each read and each write of every peer, in
//! order, as the kernel gave and took them. Without one, that costs a look at a null pointer.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;

use super::Engine;
use super::address::Address;
use super::connection::{Connection, Kind};
use super::core::Core;
use super::faults::{FaultCounts, FaultKind};
use super::slots::Peer;
use super::time::Time;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer to us.
    In,
    /// From us to the peer.
    Out,
}

/// One read, or one write as far as the kernel took it.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// The connection; `None`: a datagram of a socket that many share.
    pub peer: Option<Peer>,
    /// The service; `None` as for `peer`.
    pub service: Option<&'static str>,
    /// What the connection carries.
    pub kind: Kind,
    /// The peer's address.
    pub remote: Address,
    /// Our own, where it is known without asking.
    pub local: Option<Address>,
    /// Which way it went.
    pub direction: Direction,
    /// The time of the turn, since the connection began; of a socket that many share, since the
    /// loop did.
    pub age: Duration,
    /// The time of the turn since the loop began, for whoever limits how much is shown.
    pub now: Time,
    /// Bytes of a stream that had gone this way before; 0 for datagrams.
    pub offset: u64,
    /// The FIN of this direction: there are no bytes, and none will follow. Ours is shown as soon
    /// as it is sent; but if the peer has finished first, the connection is dropped, and only the
    /// log tells that.
    pub is_end: bool,
    /// What has just been done wrong on purpose: there are no bytes.
    pub fault: Option<FaultKind>,
    /// How many bytes it was: the first of `pieces`.
    pub count: usize,
    /// Where they lie, perhaps with more behind them that was not taken.
    pub pieces: &'a [IoSlice<'a>],
}

impl Passage<'_> {
    /// The bytes.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        self.pieces.iter().flat_map(|piece| piece.iter().copied()).take(self.count)
    }
}

/// Whoever looks, and can do no more than that.
pub trait Tap {
    /// One read or write has been done.
    fn passed(&mut self, passage: &Passage<'_>);

    /// It is `now`: what was withheld in the time before may be told.
    fn settle(&mut self, _now: Time) {}

    /// When `settle` is to be called; `None`: nothing is due.
    fn next(&self) -> Option<Time> {
        None
    }
}

impl Engine {
    /// Shows `tap` from now on all that is read and written.
    pub fn set_tap(&mut self, tap: Box<dyn Tap>) {
        self.tap = Some(tap);
    }

    /// Has the tap tell what it has withheld in the seconds before `now`: with `Time::NEVER` all of
    /// it, before the last words are said.
    #[cold]
    pub fn settle_tap(&mut self, now: Time) {
        if let Some(tap) = &mut self.tap {
            tap.settle(now);
        }
    }

    /// The kernel has taken the first `count` bytes of what is outgoing to `peer`.
    #[cold]
    pub(super) fn show_written(&mut self, peer: Peer, count: usize) {
        let Some(mut tap) = self.tap.take() else { return };
        let is_layered = self.core.connections.get(peer).is_some_and(Connection::is_layered);
        let layers = self.core.layers.get(peer).filter(|_| is_layered);
        let is_shown = layers.is_some_and(|layers| layers.counts_plain());
        // Then it was shown before it was sealed.
        if let Some((head, _)) = self.outgoing(peer).filter(|_| !is_shown) {
            show(&mut *tap, &self.core, peer, Direction::Out, &head.slices(), count);
        }
        self.tap = Some(tap);
    }

    /// The FIN of that direction has come, or has been sent.
    #[cold]
    pub(super) fn show_end(&mut self, peer: Peer, direction: Direction) {
        let Engine { tap: Some(tap), core, .. } = self else { return };
        let Some(connection) = watched(core, peer) else { return };
        let one = passage(peer, connection, core, direction);
        let offset = match direction {
            Direction::In => connection.bytes_in,
            Direction::Out => connection.bytes_out,
        };
        tap.passed(&Passage { offset, is_end: true, ..one });
    }

    /// What has gone wrong on purpose so far where `peer` is, for `show_faults`; `None`: nobody
    /// looks.
    #[inline]
    pub(super) fn faults_so_far(&self, peer: Peer) -> Option<FaultCounts> {
        self.tap.as_ref()?;
        self.faults_of(peer)
    }

    #[cold]
    fn faults_of(&self, peer: Peer) -> Option<FaultCounts> {
        let connection = self.core.connections.get(peer)?;
        let counts = &self.core.counts[usize::from(connection.service)];
        Some(counts.at(connection.carrier()).faults)
    }

    /// Shows what has gone wrong on purpose since then, and has been done to `peer`.
    #[cold]
    pub(super) fn show_faults(&mut self, peer: Peer, before: FaultCounts) {
        let Some(after) = self.faults_of(peer) else { return };
        let Engine { tap: Some(tap), core, .. } = self else { return };
        let Some(connection) = watched(core, peer) else { return };
        for kind in FaultKind::ALL.into_iter().filter(|kind| after.of(*kind) > before.of(*kind)) {
            let one = passage(peer, connection, core, Direction::Out);
            tap.passed(&Passage { offset: connection.bytes_out, fault: Some(kind), ..one });
        }
    }

    /// A datagram has gone over the socket at `local`, which many share.
    pub(crate) fn show_datagram(
        &mut self,
        direction: Direction,
        local: SocketAddr,
        remote: SocketAddr,
        bytes: &[u8],
    ) {
        let one = datagram(direction, local, remote, self.core.now);
        let Some(tap) = &mut self.tap else { return };
        tap.passed(&Passage { count: bytes.len(), pieces: &[IoSlice::new(bytes)], ..one });
    }

    /// Something has been done wrong on purpose to a datagram from the socket at `local`.
    #[cold]
    pub(crate) fn show_datagram_fault(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        kind: FaultKind,
    ) {
        let one = datagram(Direction::Out, local, remote, self.core.now);
        let Some(tap) = &mut self.tap else { return };
        tap.passed(&Passage { fault: Some(kind), ..one });
    }

    /// Whether anybody looks.
    pub(crate) fn is_tapped(&self) -> bool {
        self.tap.is_some()
    }
}

/// Shows the first `count` bytes of what has been read from `peer`, or is said to it.
#[cold]
pub(super) fn show(
    tap: &mut dyn Tap,
    core: &Core,
    peer: Peer,
    direction: Direction,
    pieces: &[IoSlice<'_>],
    count: usize,
) {
    let Some(connection) = watched(core, peer) else { return };
    let before = match direction {
        Direction::In => connection.bytes_in,
        Direction::Out => connection.bytes_out,
    };
    let offset = offset_of(connection, before);
    tap.passed(&Passage { offset, count, pieces, ..passage(peer, connection, core, direction) });
}

/// The connection of `peer`, if it is one to be shown: whoever operates a server from a service
/// apart would see little but itself.
fn watched(core: &Core, peer: Peer) -> Option<&Connection> {
    core.connections.get(peer).filter(|one| core.is_shared(one))
}

/// A passage of nothing.
fn passage(
    peer: Peer,
    connection: &Connection,
    core: &Core,
    direction: Direction,
) -> Passage<'static> {
    Passage {
        peer: Some(peer),
        service: Some(core.names[usize::from(connection.service)]),
        kind: connection.kind(),
        remote: connection.remote.into(),
        local: None,
        direction,
        age: core.now.since(connection.opened_at),
        now: core.now,
        offset: 0,
        is_end: false,
        fault: None,
        count: 0,
        pieces: &[],
    }
}

/// The same of a socket that many share.
fn datagram(
    direction: Direction,
    local: SocketAddr,
    remote: SocketAddr,
    now: Time,
) -> Passage<'static> {
    Passage {
        peer: None,
        service: None,
        kind: Kind::Datagram,
        remote: remote.into(),
        local: Some(local.into()),
        direction,
        age: now.since(Time::ZERO),
        now,
        offset: 0,
        is_end: false,
        fault: None,
        count: 0,
        pieces: &[],
    }
}

/// Each datagram is counted from its own beginning.
fn offset_of(connection: &Connection, before: u64) -> u64 {
    match connection.kind() {
        Kind::Stream => before,
        Kind::Datagram => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Limits, Net, Quota, Service};

    /// Answers twice what it is told, in a second piece.
    struct Twice;

    impl Service for Twice {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            net.send_back(peer, input.len());
            net.send(peer, input);
            input.len()
        }

        fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
            net.close(peer);
        }
    }

    /// Writes down what it is shown.
    struct Scribe(Rc<RefCell<Vec<String>>>);

    impl Tap for Scribe {
        fn passed(&mut self, one: &Passage<'_>) {
            let text = String::from_utf8(one.bytes().collect()).unwrap();
            let Passage { direction, offset, is_end, age, .. } = one;
            let end = if *is_end { " FIN" } else { "" };
            let line = format!("{:?} {direction:?} {offset} {text:?}{end} {age:?}", one.peer);
            self.0.borrow_mut().push(line);
        }
    }

    #[test]
    fn a_tap_sees_what_went_each_way_in_order_and_where_in_the_stream_it_was() {
        let mut stage = Stage::new(Twice);
        let seen = Rc::new(RefCell::new(Vec::new()));
        stage.engine().set_tap(Box::new(Scribe(Rc::clone(&seen))));
        let peer = stage.join();
        stage.say(peer, "abc");
        stage.pass(Duration::from_secs(2));
        stage.say(peer, "d");
        assert_eq!(stage.hear(peer), "abcabcdd");
        stage.finish(peer);
        let wanted = [
            r#"Some(#1@0) In 0 "abc" 0ns"#,
            r#"Some(#1@0) Out 0 "abcabc" 0ns"#,
            r#"Some(#1@0) In 3 "d" 2s"#,
            r#"Some(#1@0) Out 6 "dd" 2s"#,
            // What is closed at once has no FIN of its own.
            r#"Some(#1@0) In 4 "" FIN 2s"#,
        ];
        assert_eq!(*seen.borrow(), wanted);
    }

    #[test]
    fn a_service_apart_is_not_shown() {
        let mut stage = Stage::empty(Limits::default());
        let apart = Quota { apart: Some(1), ..Quota::default() };
        stage.engine().add_service("apart", apart, Box::new(Twice));
        let seen = Rc::new(RefCell::new(Vec::new()));
        stage.engine().set_tap(Box::new(Scribe(Rc::clone(&seen))));
        let peer = stage.join();
        stage.say(peer, "abc");
        assert_eq!(stage.hear(peer), "abcabc");
        stage.finish(peer);
        assert!(seen.borrow().is_empty());
    }
}
