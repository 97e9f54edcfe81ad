//! The driver on small sockets of its own, and on a stage: what the simulation cannot show.

mod batches;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::*;
use crate::engine::stage::Stage;
use crate::engine::{Address, Kind, Net, Operated, Quota, Reason, Service};

/// Echoes, calls when told to, and notes why peers were closed.
#[derive(Default)]
struct Witness(Rc<RefCell<Vec<Reason>>>);

impl Service for Witness {
    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        net.send_back(peer, input.len());
        input.len()
    }

    fn closed(&mut self, _: Peer, reason: Reason, _: &mut Net) {
        self.0.borrow_mut().push(reason);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Witness {
    fn told(&mut self, _: Option<&str>, net: &mut Net) {
        net.dial(([192, 0, 2, 7], 7).into(), Kind::Stream);
    }
}

/// Sockets on which everybody has said so many bytes, and that take all; they count the calls.
#[derive(Default)]
struct Counting {
    said: usize,
    batch_max: usize,
    reads: Vec<usize>,
    writes: Vec<usize>,
    written: usize,
    /// All calls for one at a time: what, and of which socket.
    calls: Vec<(&'static str, usize)>,
}

impl Sockets for Counting {
    type Socket = usize;

    fn read(&mut self, socket: &usize, into: &mut [u8]) -> io::Result<usize> {
        self.reads.push(1);
        self.calls.push(("read", *socket));
        Ok(self.said.min(into.len()))
    }

    fn write(&mut self, socket: &usize, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        self.writes.push(1);
        self.written += outgoing.bytes();
        self.calls.push(("write", *socket));
        Ok(outgoing.bytes())
    }

    fn hang_up(&mut self, _: &usize) {}

    fn close(&mut self, _: usize, _: Option<Address>) {}

    fn watch(&mut self, _: Peer, _: &usize) -> io::Result<()> {
        Ok(())
    }

    fn batch_max(&self) -> usize {
        self.batch_max
    }

    fn batch_min(&self) -> usize {
        4
    }

    fn read_many<'a>(
        &mut self,
        reads: impl Iterator<Item = BatchRead<'a, usize>>,
        outcomes: &mut Vec<Outcome>,
    ) {
        outcomes.extend(reads.map(|read| Some(Ok(self.said.min(read.into.len())))));
        self.reads.push(outcomes.len());
    }

    fn write_many<'a>(
        &mut self,
        writes: impl Iterator<Item = BatchWrite<'a, usize>>,
        outcomes: &mut Vec<Outcome>,
    ) {
        outcomes.extend(writes.map(|write| Some(Ok(write.bytes.len()))));
        self.written += outcomes.iter().flatten().flatten().sum::<usize>();
        // A batch with nothing in it is no call.
        self.writes.extend(Some(outcomes.len()).filter(|count| *count > 0));
    }
}

fn driver(sockets: Counting, peers: usize) -> (Driver<Counting>, Vec<Peer>) {
    limited(Limits::default(), sockets, peers)
}

fn limited(limits: Limits, sockets: Counting, peers: usize) -> (Driver<Counting>, Vec<Peer>) {
    let mut driver = Driver::new(limits, sockets);
    driver.engine_mut().add_service("test", Quota::default(), Box::new(Witness::default()));
    let arrival = |port| {
        let remote = ([192, 0, 2, 1], port).into();
        Arrival::new(remote, ([192, 0, 2, 99], 5000).into())
    };
    let peers: Vec<Peer> = (1..=peers)
        .map(|n| driver.accept(0, arrival(u16::try_from(n).unwrap()), n).unwrap())
        .collect();
    driver.end_turn();
    (driver, peers)
}

/// A turn in which all of `peers` are readable.
fn turn(driver: &mut Driver<Counting>, peers: &[Peer]) {
    driver.begin_turn(driver.engine().now(), 0);
    peers.iter().for_each(|peer| driver.note(*peer, Readiness::READABLE));
    driver.serve();
    driver.end_turn();
}

#[test]
fn an_answer_leaves_nothing_to_be_done() {
    let (mut driver, all) = driver(Counting { said: 16, ..Counting::default() }, 1);
    turn(&mut driver, &all);
    assert!(!driver.has_work());
    assert_eq!(driver.next_deadline(), None);
}

#[test]
fn sockets_are_found_by_their_slots() {
    let (driver, all) = driver(Counting::default(), 3);
    assert_eq!(driver.slots(), 3);
    let found: Vec<(Peer, usize)> = driver.sockets_in(1..9).map(|(p, s)| (p, *s)).collect();
    assert_eq!(found, [(all[1], 2), (all[2], 3)]);
    assert_eq!(driver.sockets_in(3..4).count(), 0);
}

#[test]
fn a_call_that_cannot_be_placed_is_closed_with_the_reason() {
    let reasons = Rc::default();
    let mut driver = Driver::new(Limits::default(), Counting::default());
    let service = Box::new(Witness(Rc::clone(&reasons)));
    driver.engine_mut().add_service("test", Quota::default(), service);
    driver.engine_mut().tell(0, None);
    assert!(driver.has_work());
    driver.end_turn();
    assert_eq!(*reasons.borrow(), [Reason::Failed(io::ErrorKind::Unsupported)]);
    assert_eq!(driver.engine().connections(), 0);
    assert!(!driver.has_work());
}

#[test]
fn who_has_failed_in_a_way_that_its_socket_does_not_tell_is_closed_too() {
    let reasons = Rc::default();
    let mut stage = Stage::new(Witness(Rc::clone(&reasons)));
    let peer = stage.join();
    stage.driver.fail(peer, &io::ErrorKind::TimedOut.into());
    stage.flush();
    assert_eq!(*reasons.borrow(), [Reason::Failed(io::ErrorKind::TimedOut)]);
}

/// Answers with a lot.
struct Bulk;

impl Service for Bulk {
    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        net.send(peer, &vec![b'b'; 2_000_000]);
        input.len()
    }
}

#[test]
fn who_takes_all_is_not_too_slow_because_others_have_spent_the_round() {
    let limits = Limits { flush_units: 64 * 1024, ..Limits::default() };
    let mut stage = Stage::with(limits, Quota::default(), Bulk);
    let peer = stage.join();
    stage.say(peer, "?");
    assert_eq!(stage.hear(peer).len(), 2_000_000);
    assert!(!stage.is_over(peer));
}

#[test]
fn limits_of_nothing_are_limits_of_one_at_a_time() {
    let limits = Limits { round_units: 0, flush_units: 0, ..Limits::default() };
    let mut stage = Stage::with(limits, Quota::default(), Witness::default());
    let peers = [stage.join(), stage.join()];
    peers.iter().for_each(|peer| stage.send(*peer, "hello"));
    stage.flush();
    assert_eq!(peers.map(|peer| stage.hear(peer)), ["hello", "hello"]);
}

/// Says hello and closes.
struct Greets;

impl Service for Greets {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        net.send(peer, b"hello");
        net.close(peer);
    }
}

#[test]
fn who_finishes_at_once_is_gone_in_the_next_turn_and_nothing_is_left_of_it() {
    let mut driver = Driver::new(Limits::default(), Counting::default());
    driver.engine_mut().add_service("test", Quota::default(), Box::new(Greets));
    let address = ([192, 0, 2, 1], 1).into();
    driver.accept(0, Arrival::new(address, address), 0);
    driver.end_turn();
    // One look in a turn is enough.
    driver.flush();
    assert_eq!(driver.engine().connections(), 1);
    driver.begin_turn(driver.engine().now(), 0);
    driver.end_turn();
    assert_eq!(driver.engine().connections(), 0);
    assert_eq!(driver.lingering.next(driver.engine().now()), None);
}

#[test]
fn what_was_said_before_an_error_is_heard_before_it() {
    let reasons = Rc::default();
    let mut stage = Stage::new(Witness(Rc::clone(&reasons)));
    let peer = stage.join();
    stage.send(peer, "last words");
    stage.reset(peer);
    assert_eq!(stage.engine().metrics().bytes_in, 10);
    assert_eq!(*reasons.borrow(), [Reason::Failed(io::ErrorKind::ConnectionReset)]);
}

/// Answers with much in little pieces, of which every other is what it was asked.
struct Pieces;

impl Service for Pieces {
    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        for _ in 0..40 {
            net.send_back(peer, input.len());
            net.send(peer, b",");
        }
        input.len()
    }
}

#[test]
fn what_others_say_meanwhile_does_not_change_what_somebody_is_still_to_be_sent() {
    let limits = Limits { flush_units: 1, ..Limits::default() };
    let mut stage = Stage::with(limits, Quota::default(), Pieces);
    let peers = [stage.join(), stage.join()];
    for (peer, text) in peers.iter().zip(["a", "b"]) {
        stage.send(*peer, text);
        stage.turn();
    }
    stage.flush();
    assert_eq!(peers.map(|peer| stage.hear(peer)), ["a,".repeat(40), "b,".repeat(40)]);
}

/// Says farewell in many pieces.
struct Farewell;

impl Service for Farewell {
    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        for _ in 0..10 {
            net.send_back(peer, input.len());
            net.send(peer, b",");
        }
        net.close(peer);
        input.len()
    }
}

#[test]
fn a_fin_is_promised_behind_the_last_bytes_and_no_others() {
    let mut stage = Stage::new(Farewell);
    let peer = stage.join();
    stage.say_in_turn(peer, "bye");
    let engine = stage.engine();
    let heads: Vec<_> = std::iter::from_fn(|| {
        let (head, is_last) = engine.outgoing(peer)?;
        let bytes = head.bytes();
        engine.sent(peer, bytes);
        Some((bytes, is_last))
    })
    .collect();
    assert_eq!(heads, [(32, false), (8, true)]);
}

#[test]
fn a_visit_counts_as_much_as_16_kib_and_so_a_line_to_many_takes_some_turns() {
    let limits = Limits { flush_units: 4 * 16 * 1024, ..Limits::default() };
    let mut stage = Stage::with(limits, Quota::default(), Witness::default());
    let peers: Vec<Peer> = (0..10).map(|_| stage.join()).collect();
    peers.iter().for_each(|peer| stage.send(*peer, "hello"));
    let mut heard = || {
        stage.turn();
        peers.iter().filter(|peer| stage.hear(**peer) == "hello").count()
    };
    // Four in the turn itself, and four of those that were left for later.
    assert_eq!([heard(), heard(), heard()], [8, 2, 0]);
}

#[test]
fn serving_says_whether_an_answer_still_waits() {
    let (mut driver, all) = driver(Counting { said: 5, ..Counting::default() }, 2);
    assert!(!driver.serve());
    driver.note(all[0], Readiness::READABLE);
    assert!(driver.serve());
    driver.end_turn();
    driver.sockets_mut().said = usize::MAX;
    turn(&mut driver, &all[..1]);
    driver.sockets_mut().said = 5;
    driver.note(all[1], Readiness::READABLE);
    // It has left before the other went on.
    assert!(!driver.serve());
}

#[test]
fn who_dawdles_is_watched_from_the_second_look_on() {
    let mut stage = Stage::new(Greets);
    let peer = stage.join();
    stage.turn();
    assert!(!stage.standing(peer).unwrap().is_watched);
    stage.skip(std::time::Duration::from_millis(5));
    stage.turn();
    assert!(stage.standing(peer).unwrap().is_watched);
}

#[test]
fn bulk_is_over_with_a_short_read_and_a_fin_that_waits_is_not_forgotten() {
    let mut row = Row::accepted(());
    row.watched();
    row.came_in_bulk();
    row.drained(0);
    assert!(!row.is_quick());
    row.drained(1);
    assert!(row.is_quick());
    row.must_read_on();
    row.drained(1);
    assert!(row.reads_on());
}
