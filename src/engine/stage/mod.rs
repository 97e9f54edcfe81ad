//! A place to try a protocol on: one service on the engine that the server runs, peers that are
//! buffers in memory, and a clock that moves only when told to.
//!
//! ```
//! use cooee::engine::stage::Stage;
//! use cooee::engine::{Net, Peer, Service};
//!
//! /// Sends back what comes.
//! struct Echo;
//!
//! impl Service for Echo {
//!     fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
//!         net.send_back(peer, input.len());
//!         input.len()
//!     }
//! }
//!
//! let mut stage = Stage::new(Echo);
//! let peer = stage.join();
//! stage.say(peer, "hello");
//! assert_eq!(stage.hear(peer), "hello");
//! stage.finish(peer);
//! assert!(stage.is_over(peer));
//! ```
//!
//! What a peer does ([`join`](Stage::join), [`say`](Stage::say), [`finish`](Stage::finish), ...) is
//! followed by turns until nothing is left to be done, so the next line of a test sees what came of
//! it. [`send`](Stage::send), [`end`](Stage::end) and [`take`](Stage::take) leave the turns to the
//! test ([`turn`](Stage::turn), [`flush`](Stage::flush)). In [`pass`](Stage::pass) what becomes due
//! happens when it is due: a test of ten minutes of silence takes microseconds.
//!
//! A [`Responder`](super::Responder) needs no stage: it is a function of its datagrams.

mod layered;
mod wires;

use std::io;
use std::time::Duration;

use super::{
    Address, Arrival, Driver, Engine, Limits, Peer, Quota, Readiness, Service, Standing, Time,
};
use wires::{BOTH, Wire, Wires};

/// See the top of this file.
pub struct Stage {
    pub(super) driver: Driver<Wires>,
    now: Time,
    wall: u64,
    joined: u16,
}

/// What there is.
impl Stage {
    /// A stage for one service, with the default limits and quota.
    pub fn new(service: impl Service + 'static) -> Stage {
        Stage::with(Limits::default(), Quota::default(), service)
    }

    /// A stage for one service.
    pub fn with(limits: Limits, quota: Quota, service: impl Service + 'static) -> Stage {
        let mut stage = Stage::empty(limits);
        stage.engine().add_service("test", quota, Box::new(service));
        stage
    }

    /// A stage for services that are added to its [`engine`](Stage::engine).
    pub fn empty(limits: Limits) -> Stage {
        Stage { driver: Driver::new(limits, Wires::default()), now: Time::ZERO, wall: 0, joined: 0 }
    }

    /// The engine, to act for the operator and to look at.
    pub fn engine(&mut self) -> &mut Engine {
        self.driver.engine_mut()
    }

    /// How `peer` stands; `None`: it is gone, and its service has been told `closed`.
    pub fn standing(&self, peer: Peer) -> Option<Standing> {
        self.driver.standing(peer)
    }

    fn wire(&mut self, peer: Peer) -> &mut Wire {
        self.driver.sockets_mut().of(peer).expect("a peer of this stage")
    }
}

/// What peers do.
impl Stage {
    /// A new peer: 192.0.2.1, on ports 1001, 1002 ...
    ///
    /// # Panics
    /// If all places are taken.
    pub fn join(&mut self) -> Peer {
        let peer = self.join_in_turn(0).expect("a free place");
        self.flush();
        peer
    }

    /// Like `join`, at the service with that number and with the turn going on; `None`: there is
    /// no free place.
    pub fn join_in_turn(&mut self, service: usize) -> Option<Peer> {
        let (arrival, place) = self.arrival();
        let peer = self.driver.accept(service, arrival, place)?;
        self.driver.sockets_mut().places.insert(peer, place);
        Some(peer)
    }

    pub(super) fn arrival(&mut self) -> (Arrival, usize) {
        self.joined += 1;
        let remote = ([192, 0, 2, 1], 1000 + self.joined).into();
        let local = ([192, 0, 2, 99], 5000).into();
        (Arrival::new(remote, local), self.driver.sockets_mut().add())
    }

    /// Lets `peer` send `bytes`, in a turn of its own.
    pub fn say(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.send(peer, bytes);
        self.flush();
    }

    /// Like `say`, but the turn goes on: nothing is flushed until something else is done.
    pub fn say_in_turn(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.send(peer, bytes);
        self.note_news();
        self.driver.serve();
    }

    /// Lets `peer` send `bytes`, and nobody look at that yet.
    pub fn send(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.wire(peer).said.extend_from_slice(bytes.as_ref());
        self.driver.sockets_mut().notice(peer, Readiness::READABLE);
    }

    /// Lets `peer` send its FIN.
    pub fn finish(&mut self, peer: Peer) {
        self.end(peer, Ok(()));
        self.flush();
    }

    /// Breaks the connection of `peer`, as a RST does (ECONNRESET).
    pub fn reset(&mut self, peer: Peer) {
        self.fail(peer, io::ErrorKind::ConnectionReset);
    }

    /// Behind what `peer` has sent comes its FIN, or an error; nobody looks at that yet.
    pub fn end(&mut self, peer: Peer, end: Result<(), io::ErrorKind>) {
        self.wire(peer).end = Some(end);
        self.driver.sockets_mut().notice(peer, BOTH);
    }

    /// From here on the socket of `peer` takes so many bytes, and then no more: a reader that is
    /// slow. Without that it takes everything.
    pub fn take(&mut self, peer: Peer, bytes: usize) {
        self.take_no_more_than(peer, bytes);
        self.driver.sockets_mut().notice(peer, Readiness::WRITABLE);
    }

    /// The same, without `peer` being told if that is more than before.
    pub fn take_no_more_than(&mut self, peer: Peer, bytes: usize) {
        self.wire(peer).capacity = bytes;
    }

    /// Answers the call to `peer`, at our address `local`.
    pub fn answer(&mut self, peer: Peer, local: Address) {
        self.wire(peer).local = Some(local);
        self.driver.sockets_mut().notice(peer, BOTH);
        self.flush();
    }

    /// Whom the services have called, in order.
    pub fn dialed(&self) -> &[Peer] {
        &self.driver.sockets().dialed
    }

    /// What `peer` has been sent since the last call, as text.
    ///
    /// # Panics
    /// If it is none.
    pub fn hear(&mut self, peer: Peer) -> String {
        String::from_utf8(self.hear_bytes(peer)).expect("text")
    }

    /// What `peer` has been sent since the last call, as the bytes it is.
    pub fn hear_bytes(&mut self, peer: Peer) -> Vec<u8> {
        std::mem::take(&mut self.wire(peer).heard)
    }

    /// Whether the service has ended the conversation with `peer`: our FIN has reached it, behind
    /// all that it heard, or its socket is closed.
    pub fn is_over(&mut self, peer: Peer) -> bool {
        self.wire(peer).is_over
    }
}

/// What else happens.
impl Stage {
    /// Breaks the connection or the call of `peer` in some way.
    pub fn fail(&mut self, peer: Peer, kind: io::ErrorKind) {
        self.end(peer, Err(kind));
        self.flush();
    }

    /// From the next turn on it is so many seconds since 1970-01-01 00:00 UTC.
    pub fn set_wall(&mut self, seconds: u64) {
        self.wall = seconds;
    }

    /// Lets the operator type a line; `None`: nobody will any more.
    pub fn tell(&mut self, line: Option<&str>) {
        self.engine().tell(0, line);
        self.flush();
    }

    /// What the services have shown and printed since the last call, as text.
    ///
    /// # Panics
    /// If it is none.
    pub fn screen(&mut self) -> String {
        String::from_utf8(self.engine().take_screen()).expect("text")
    }

    /// Lets time pass, and what becomes due meanwhile happen at its time: deadlines, alarms.
    pub fn pass(&mut self, wait: Duration) {
        let end = self.now.after(wait);
        while let Some(due) = self.driver.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.flush();
        }
        self.now = end;
        self.flush();
    }

    /// Lets time pass until nothing is due any more. Returns how many turns that took.
    pub fn run_out(&mut self) -> usize {
        let mut turns = 0;
        while let Some(due) = self.driver.next_deadline() {
            self.now = due.max(self.now);
            self.turn();
            turns += 1;
        }
        turns
    }

    /// Lets time pass without a turn: the next one finds that much due at once.
    pub fn skip(&mut self, wait: Duration) {
        self.now = self.now.after(wait);
    }

    /// One turn.
    pub fn turn(&mut self) {
        self.driver.begin_turn(self.now, self.wall);
        self.note_news();
        self.driver.serve();
        self.driver.end_turn();
    }

    /// Turns until nothing is left to be done.
    pub fn flush(&mut self) {
        self.turn();
        while self.driver.has_work() || !self.driver.sockets().news.is_empty() {
            self.turn();
        }
    }

    fn note_news(&mut self) {
        let mut news = std::mem::take(&mut self.driver.sockets_mut().news);
        for (peer, readiness) in news.drain(..) {
            self.driver.note(peer, readiness);
        }
        self.driver.sockets_mut().news = news;
    }
}

/// Runs `script` (what each of several peers sends) whole, cut at every byte, and byte by byte,
/// and asserts that every peer hears the same: where input is cut on its way is chance.
///
/// # Panics
/// If a peer hears something else, or what it hears is no text.
pub fn assert_cuts_change_nothing<S: Service + 'static>(
    make: impl Fn() -> S,
    script: &[(usize, &[u8])],
    peers: usize,
) {
    let run = |cut: &dyn Fn(&[u8]) -> Vec<Vec<u8>>| -> Vec<(String, bool)> {
        let mut stage = Stage::new(make());
        let joined: Vec<Peer> = (0..peers).map(|_| stage.join()).collect();
        for (who, bytes) in script {
            for piece in cut(bytes) {
                stage.say(joined[*who], piece);
            }
        }
        stage.pass(Duration::from_secs(1));
        joined.iter().map(|peer| (stage.hear(*peer), stage.is_over(*peer))).collect()
    };
    let whole = run(&|bytes| vec![bytes.to_vec()]);
    let longest = script.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    for at in 1..longest {
        let cut = run(&|bytes| {
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            [head, tail].into_iter().filter(|piece| !piece.is_empty()).map(<[u8]>::to_vec).collect()
        });
        assert_eq!(cut, whole, "cut at byte {at}");
    }
    let bytewise = run(&|bytes| bytes.iter().map(|byte| vec![*byte]).collect());
    assert_eq!(bytewise, whole, "byte by byte");
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::engine::Net;

    /// Echoes lines with `send` and everything else with `send_back`.
    struct Both;

    impl Service for Both {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            match input {
                [b'#', ..] => net.send(peer, input),
                _ => net.send_back(peer, input.len()),
            }
            input.len()
        }
    }

    /// Has enough after each read.
    struct Modest;

    impl Service for Modest {
        fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
            net.end_share();
            input.len()
        }
    }

    #[test]
    fn a_service_may_end_a_peers_share_of_the_turn() {
        let mut stage = Stage::new(Modest);
        let peer = stage.join();
        stage.send(peer, vec![b'x'; 1024 * 1024]);
        for turn in 1..=16 {
            stage.turn();
            assert_eq!(stage.engine().metrics().bytes_in, turn * 64 * 1024);
        }
    }

    #[test]
    fn a_steady_flow_of_messages_allocates_nothing() {
        let mut stage = Stage::new(Both);
        let peers: Vec<Peer> = (0..100).map(|_| stage.join()).collect();
        let mut rounds = |count| {
            for peer in std::iter::repeat_n(&peers, count).flatten() {
                stage.say(*peer, "sixteen bytes ..");
                stage.say(*peer, "# as many bytes .");
                // Heard, but kept for the next round: the listening is not what is measured.
                stage.wire(*peer).heard.clear();
            }
        };
        rounds(10);
        let allocated = allocation_counter::measure(|| rounds(100));
        assert_eq!(allocated.count_total, 0);
    }

    /// Sends back what comes.
    pub(crate) struct Mirror;

    impl Service for Mirror {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            net.send_back(peer, input.len());
            input.len()
        }
    }

    #[test]
    fn who_is_left_for_a_later_turn_is_sent_what_it_said_and_not_what_others_say_by_then() {
        let mut stage = Stage::new(Mirror);
        let (late, other) = (stage.join(), stage.join());
        stage.say_in_turn(late, "said first, ");
        let engine = stage.engine();
        let mut touched = Vec::new();
        engine.take_touched(&mut touched);
        assert_eq!(touched, [late]);
        engine.defer(late);
        stage.flush();
        // It speaks again while it waits, and the turn's buffer is used again.
        stage.say_in_turn(late, "and then");
        stage.flush();
        stage.say(other, "something else, and longer than that");
        assert_eq!(stage.hear(late), "");
        stage.engine().take_up(&[late]);
        stage.engine().core.touch(late);
        stage.flush();
        assert_eq!(stage.hear(late), "said first, and then");
    }
}
