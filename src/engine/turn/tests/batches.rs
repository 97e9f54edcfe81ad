//! Many at once, and who need not wait for them.

use super::*;

#[test]
fn a_batch_is_worth_it_from_four_on_and_has_so_many_at_most() {
    for (peers, batch_max, reads) in
        [(3, 40, vec![1; 3]), (4, 40, vec![4]), (10, 40, vec![10]), (10, 8, vec![8, 1, 1])]
    {
        let sockets = Counting { said: 16, batch_max, ..Counting::default() };
        let (mut driver, all) = driver(sockets, peers);
        turn(&mut driver, &all);
        assert_eq!(driver.sockets().reads, reads, "{peers} peers, {batch_max} at once");
        assert_eq!(driver.sockets().writes, reads, "{peers} peers, {batch_max} at once");
    }
}

#[test]
fn long_output_is_written_alone_and_bulk_read_alone_from_then_on() {
    let (mut driver, all) =
        driver(Counting { said: 4000, batch_max: 40, ..Counting::default() }, 5);
    turn(&mut driver, &all);
    let sockets = driver.sockets();
    assert_eq!((&sockets.reads[..], &sockets.writes[..]), (&[5][..], &[1; 5][..]));
    driver.sockets_mut().said = usize::MAX;
    turn(&mut driver, &all);
    assert!(all.iter().all(|peer| driver.standing(*peer).unwrap().is_read_alone));
    driver.sockets_mut().said = 100;
    driver.sockets_mut().reads.clear();
    turn(&mut driver, &[]);
    assert_eq!(driver.sockets().reads, [1; 5]);
    assert!(!all.iter().any(|peer| driver.standing(*peer).unwrap().is_read_alone));
}

#[test]
fn who_has_just_asked_is_answered_before_those_with_more_to_do_are_served() {
    let (mut driver, all) = driver(Counting { said: usize::MAX, ..Counting::default() }, 2);
    turn(&mut driver, &all[..1]);
    driver.sockets_mut().said = 5;
    driver.sockets_mut().calls.clear();
    turn(&mut driver, &all[1..]);
    let calls = &driver.sockets().calls;
    assert_eq!(calls[..], [("read", 2), ("write", 2), ("read", 1), ("write", 1)]);
}

#[test]
fn who_is_served_first_need_not_wait_for_many_others_to_be_answered() {
    let calls = |flush_every| {
        let limits = Limits { flush_every, ..Limits::default() };
        let (mut driver, all) = limited(limits, Counting { said: 16, ..Counting::default() }, 3);
        turn(&mut driver, &all);
        driver.sockets().calls.clone()
    };
    let (read, write) = (|n| ("read", n), |n| ("write", n));
    for one_by_one in [0, 1] {
        let expected = [read(1), write(1), read(2), write(2), read(3), write(3)];
        assert_eq!(calls(one_by_one), expected);
    }
    assert_eq!(calls(2), [read(1), read(2), write(1), write(2), read(3), write(3)]);
    for all in [3, usize::MAX] {
        assert_eq!(calls(all), [read(1), read(2), read(3), write(1), write(2), write(3)]);
    }
}

#[test]
fn a_batch_has_no_more_than_are_to_be_answered_together() {
    let limits = Limits { flush_every: 6, ..Limits::default() };
    let sockets = Counting { said: 16, batch_max: 40, ..Counting::default() };
    let (mut driver, all) = limited(limits, sockets, 15);
    turn(&mut driver, &all);
    assert_eq!(driver.sockets().reads, [6, 6, 1, 1, 1]);
    assert_eq!(driver.sockets().writes, [6, 6, 1, 1, 1]);
}

#[test]
fn a_batch_has_no_more_than_the_round_has_room_for() {
    let limits = Limits { flush_units: 6 * 16 * 1024, ..Limits::default() };
    let sockets = Counting { said: 1, batch_max: 40, ..Counting::default() };
    let (mut driver, all) = limited(limits, sockets, 15);
    driver.begin_turn(driver.engine().now(), 0);
    all.iter().for_each(|peer| driver.note(*peer, Readiness::READABLE));
    driver.serve();
    driver.flush();
    assert_eq!(driver.sockets().writes, [6]);
    driver.end_turn();
    // Two rounds: that of the turn itself, and that of those who have been left for later.
    assert_eq!(driver.sockets().writes, [6, 6]);
    turn(&mut driver, &[]);
    assert_eq!(driver.sockets().writes, [6, 6, 1, 1, 1]);
}

#[test]
fn batches_allocate_nothing() {
    let (mut driver, all) = driver(Counting { said: 16, batch_max: 40, ..Counting::default() }, 40);
    let mut turns = |count: usize| {
        for _ in 0..count {
            turn(&mut driver, &all);
            driver.sockets_mut().reads.clear();
            driver.sockets_mut().writes.clear();
        }
    };
    turns(10);
    assert_eq!(allocation_counter::measure(|| turns(100)).count_total, 0);
}

/// Tells everybody, at the end of a turn, how often somebody has spoken.
#[derive(Default)]
struct Crowd {
    members: Vec<Peer>,
    heard: usize,
}

impl Service for Crowd {
    fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
        self.members.push(peer);
    }

    fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
        self.heard += 1;
        input.len()
    }

    fn settled(&mut self, net: &mut Net) {
        for _ in 0..std::mem::take(&mut self.heard) {
            self.members.iter().for_each(|peer| net.send(*peer, b"said"));
        }
    }
}

/// Has so many come to `service`, on these sockets; what there was to be done for that is done.
fn come(
    driver: &mut Driver<Counting>,
    service: Box<dyn Service>,
    sockets: Range<usize>,
) -> Vec<Peer> {
    let service = driver.engine_mut().add_service("test", Quota::default(), service);
    let address = ([192, 0, 2, 1], 1).into();
    let mut join = |n| driver.accept(service, Arrival::new(address, address), n).unwrap();
    let peers = sockets.map(&mut join).collect();
    while driver.has_work() {
        turn(driver, &[]);
    }
    peers
}

#[test]
fn what_many_are_told_waits_in_line_and_comes_together_and_nobody_else_waits_for_it() {
    let limits = Limits { flush_units: 1, ..Limits::default() };
    let (mut driver, echo) = limited(limits, Counting { said: 1, ..Counting::default() }, 1);
    let members = come(&mut driver, Box::<Crowd>::default(), 100..120);
    turn(&mut driver, &members[..1]);
    driver.sockets_mut().calls.clear();
    turn(&mut driver, &members[1..2]);
    let mut turns = 1;
    while driver.has_work() {
        turn(&mut driver, &echo);
        assert!(driver.sockets().calls.contains(&("write", 1)));
        turns += 1;
    }
    // One visit in each turn to those who wait; once for both lines, but to the two that had the
    // first before the second was said.
    assert_eq!(turns, 20);
    let calls = driver.sockets_mut().calls.split_off(0);
    let writes = |socket| calls.iter().filter(|call| **call == ("write", socket)).count();
    assert!((100..120).all(|socket| writes(socket) == 1), "{calls:?}");
}

#[test]
fn nobody_in_an_audience_is_passed_over_however_often_somebody_speaks() {
    let limits = Limits { flush_units: 1, ..Limits::default() };
    let mut driver = Driver::new(limits, Counting { said: 1, ..Counting::default() });
    let members = come(&mut driver, Box::<Crowd>::default(), 0..129);
    driver.sockets_mut().calls.clear();
    // More than are taken up at a time, so that some are put back; a round and one more.
    for _ in 0..130 {
        turn(&mut driver, &members[..1]);
    }
    let calls = driver.sockets_mut().calls.split_off(0);
    let is_written = |socket: usize| calls.contains(&("write", socket));
    assert!((0..129).all(is_written), "{:?}", (0..129).filter(|one| !is_written(*one)).count());
}

/// Tells all others when somebody goes, whoever came last first.
#[derive(Default)]
struct Mourners(Vec<Peer>);

impl Service for Mourners {
    fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
        self.0.push(peer);
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        net.send(peer, b"said");
        input.len()
    }

    fn closed(&mut self, peer: Peer, _: Reason, net: &mut Net) {
        self.0.retain(|one| *one != peer);
        self.0.iter().rev().for_each(|one| net.send(*one, b"gone"));
    }
}

#[test]
fn who_is_spoken_to_while_a_turn_ends_waits_in_one_place_and_has_all_once() {
    // Enough for one visit: that to who has gone.
    let limits = Limits { flush_units: 100, ..Limits::default() };
    let sockets = Counting { said: 1, batch_max: 8, ..Counting::default() };
    let mut driver = Driver::new(limits, sockets);
    let peers = come(&mut driver, Box::<Mourners>::default(), 0..12);
    driver.begin_turn(driver.engine().now(), 0);
    driver.fail(peers[0], &io::ErrorKind::ConnectionReset.into());
    peers[1..].iter().for_each(|peer| driver.note(*peer, Readiness::READABLE));
    driver.serve();
    driver.end_turn();
    let queues = [&driver.deferred, &driver.audience];
    assert!(queues.iter().map(|queue| queue.len()).sum::<usize>() < 12);
    while driver.has_work() {
        turn(&mut driver, &[]);
    }
    assert_eq!(driver.sockets().written, 11 * "saidgone".len());
}
