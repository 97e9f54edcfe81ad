//! The reactor's half of a turn, on pipes: epoll's edges are remembered, peers are served within
//! their share, and what they are owed is flushed. The rules are those of `src/reactor`.

use std::collections::VecDeque;
use std::io::{self, Read};

use cooee::engine::{Flow, Peer, Step, Table};

use super::facts::{Facts, Shared, Told, arrival};
use super::pipe::Edge;
use super::world::World;

/// The server's socket of one client, as `Engine::input` reads it.
struct Socket<'a> {
    facts: &'a Shared,
    client: usize,
}

impl Read for Socket<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut guard = self.facts.borrow_mut();
        let Facts { pipes, rng, trace, now, .. } = &mut *guard;
        let outcome = pipes[self.client].read(into, *now, rng);
        let told = outcome.as_ref().map_or(u64::MAX, |count| *count as u64);
        trace.note("read", &[self.client as u64, told]);
        outcome
    }
}

/// What the driver remembers of a socket.
pub(crate) struct Stream {
    pub(crate) client: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) ends: bool,
    pub(crate) queued: bool,
}

#[derive(Default)]
pub(crate) struct Driver {
    pub(crate) streams: Table<Stream>,
    pub(crate) ready: VecDeque<Peer>,
    /// Those with more to do that have had their share.
    pub(crate) unfinished: VecDeque<Peer>,
    /// Those that were too many to be flushed in their turn.
    pub(crate) deferred: VecDeque<Peer>,
    /// Events that come once more, a turn late.
    late: Vec<(Peer, Edge, bool)>,
    pub(crate) dead: Vec<Peer>,
}

impl World {
    pub(crate) fn turn(&mut self) {
        self.facts.borrow_mut().begin_turn();
        let events = self.fetch_events();
        let now = self.facts.borrow().now;
        self.engine.advance(now, 1_000_000_000 + now.seconds());
        self.facts.borrow_mut().note("turn", &[super::facts::nanos(now), events.len() as u64]);
        for (peer, edge, ends) in events {
            self.learn(peer, edge, ends);
        }
        self.accept();
        self.serve_ready();
        self.probe_the_dead();
        self.engine.ring();
        self.flush();
        self.flush_deferred();
        self.check_turn();
        self.nudge();
        self.rest();
    }

    pub(crate) fn driver_is_due(&self) -> bool {
        let facts = self.facts.borrow();
        let edges = facts.pipes.iter().zip(&facts.stories);
        !self.driver.ready.is_empty()
            || !self.driver.unfinished.is_empty()
            || !self.driver.deferred.is_empty()
            || self.engine.has_touched()
            || (!self.backlog.is_empty() && self.engine.has_room())
            || edges.filter(|(_, s)| s.peer.is_some()).any(|(p, _)| p.edge != Edge::default())
    }

    /// What `epoll_wait` returns: in any order, some twice, some for sockets that are gone.
    fn fetch_events(&mut self) -> Vec<(Peer, Edge, bool)> {
        let mut facts = self.facts.borrow_mut();
        let mut events = std::mem::take(&mut self.driver.late);
        for client in 0..facts.pipes.len() {
            let Some(peer) = facts.stories[client].peer else { continue };
            let edge = std::mem::take(&mut facts.pipes[client].edge);
            let spurious = facts.rng.chance(5);
            if edge != Edge::default() || spurious {
                let both = Edge { readable: true, writable: true };
                let ends = facts.pipes[client].ends();
                events.push((peer, if spurious { both } else { edge }, ends));
            }
        }
        if !self.driver.dead.is_empty() && facts.rng.chance(200) {
            let peer = *facts.rng.pick(&self.driver.dead);
            events.push((peer, Edge { readable: true, writable: true }, true));
        }
        for at in (1..events.len()).rev() {
            events.swap(at, facts.rng.below(at + 1));
        }
        self.driver.late.extend(events.iter().filter(|_| facts.rng.chance(20)).copied());
        events
    }

    fn learn(&mut self, peer: Peer, edge: Edge, ends: bool) {
        let Some(stream) = self.driver.streams.get_mut(peer) else {
            self.engine.metrics_mut().stale_events += 1;
            self.facts.borrow_mut().see("stale event");
            return;
        };
        stream.ends |= ends;
        if edge.readable || stream.ends {
            stream.readable = true;
            if !std::mem::replace(&mut stream.queued, true) {
                self.driver.ready.push_back(peer);
            }
        }
        if edge.writable {
            stream.writable = true;
            self.engine.writable(peer);
        }
        let broken = self.facts.borrow().pipes[stream.client].broken;
        if let Some(kind) = broken.filter(|_| !self.engine.wants_input(peer)) {
            self.engine.failed(peer, &kind.into());
        }
    }

    fn accept(&mut self) {
        while self.engine.has_room() {
            let Some(client) = self.backlog.pop_front() else { return };
            let service = self.facts.borrow().stories[client].service;
            let peer = self.engine.accept(service, arrival(client)).expect("there is room");
            assert_eq!(self.facts.borrow().stories[client].peer, Some(peer), "opened in accept");
            let stream =
                Stream { client, readable: false, writable: true, ends: false, queued: false };
            self.driver.streams.insert(peer, stream);
        }
        if !self.backlog.is_empty() && self.engine.make_room() {
            self.facts.borrow_mut().see("made room");
        }
    }

    /// Those that have become ready first, then those with more to do; each round ends with what
    /// it may cost.
    fn serve_ready(&mut self) {
        let unfinished = self.driver.unfinished.len();
        let ready = self.driver.ready.len();
        self.serve_round(ready);
        let Driver { ready: left, unfinished: queue, .. } = &mut self.driver;
        queue.append(left);
        if unfinished == 0 {
            return;
        }
        if ready > 0 {
            self.flush();
        }
        let Driver { ready, unfinished: queue, .. } = &mut self.driver;
        std::mem::swap(ready, queue);
        self.serve_round(unfinished);
        let Driver { ready, unfinished: queue, .. } = &mut self.driver;
        ready.append(queue);
        std::mem::swap(ready, queue);
    }

    fn serve_round(&mut self, mut left: usize) {
        self.engine.begin_round();
        while left > 0 {
            if self.engine.has_spent_the_round() {
                return self.facts.borrow_mut().see("round spent");
            }
            if !self.engine.can_read() {
                self.facts.borrow_mut().see("flushed early");
                self.flush();
            }
            let together = self.receive_together(left);
            left -= together;
            if together > 0 {
                continue;
            }
            left -= 1;
            let Some(peer) = self.driver.ready.pop_front() else { return };
            let Some(stream) = self.driver.streams.get_mut(peer) else { continue };
            stream.queued = false;
            let mut socket = Socket { facts: &self.facts, client: stream.client };
            match self.engine.input(peer, &mut socket, stream.ends) {
                Flow::Drained => stream.readable = false,
                Flow::Paused => self.facts.borrow_mut().see("paused"),
                Flow::More => {
                    self.facts.borrow_mut().see("more");
                    stream.queued = true;
                    self.driver.unfinished.push_back(peer);
                }
            }
        }
    }

    fn flush(&mut self) {
        loop {
            self.engine.settle();
            if !self.engine.has_touched() {
                break;
            }
            let mut touched: Vec<Peer> =
                std::iter::from_fn(|| self.engine.next_touched()).collect();
            let most = self.facts.borrow_mut().rng.within(1..=40);
            for peer in touched.drain(most.min(touched.len())..) {
                self.engine.defer(peer);
                self.driver.deferred.push_back(peer);
                self.note_deferred(peer, true);
            }
            self.send_together(&touched);
            for peer in touched {
                self.flush_peer(peer);
            }
        }
        self.engine.next_touched();
        self.engine.end_turn();
    }

    /// Flushes some of those that were too many for their own turn.
    fn flush_deferred(&mut self) {
        let most = self.facts.borrow_mut().rng.within(1..=40).min(self.driver.deferred.len());
        if most == 0 {
            return;
        }
        let touched: Vec<Peer> = self.driver.deferred.drain(..most).collect();
        for &peer in &touched {
            self.engine.take_up(peer);
            self.note_deferred(peer, false);
        }
        self.send_together(&touched);
        touched.into_iter().for_each(|peer| self.flush_peer(peer));
        self.flush();
    }

    fn note_deferred(&self, peer: Peer, deferred: bool) {
        let client = self.driver.streams.get(peer).expect("touched, so alive").client;
        let mut facts = self.facts.borrow_mut();
        facts.stories[client].deferred = deferred;
        facts.see("deferred");
    }

    fn flush_peer(&mut self, peer: Peer) {
        let client = self.driver.streams.get(peer).expect("touched, so alive").client;
        {
            let mut facts = self.facts.borrow_mut();
            let calls = &mut facts.pipes[client].calls;
            if !std::mem::take(&mut calls.visiting) {
                calls.visit();
            }
        }
        loop {
            match self.engine.step(peer) {
                Step::Write => {
                    if !self.driver.streams.get(peer).is_some_and(|stream| stream.writable) {
                        self.engine.hold(peer);
                        self.facts.borrow_mut().see("held");
                        break;
                    }
                    self.write(peer, client);
                }
                Step::HangUp => {
                    assert!(self.engine.outgoing(peer).is_none(), "oracle 8: FIN before the rest");
                    let mut facts = self.facts.borrow_mut();
                    let now = facts.now;
                    facts.note("fin", &[client as u64]);
                    // Fails only if the connection is broken, which reading will tell.
                    let _ = facts.pipes[client].shut_down(now);
                    drop(facts);
                    self.engine.hung_up(peer);
                }
                Step::Drop => return self.drop_socket(peer, client),
                Step::Wait => break,
            }
        }
        let Some(stream) = self.driver.streams.get_mut(peer) else { return };
        if stream.readable && self.engine.wants_input(peer) && !stream.queued {
            stream.queued = true;
            self.driver.unfinished.push_back(peer);
        }
    }

    fn write(&mut self, peer: Peer, client: usize) {
        let outgoing = self.engine.outgoing(peer).expect("oracle 7: nothing to write");
        let wanted = outgoing.bytes();
        let outcome = {
            let mut guard = self.facts.borrow_mut();
            let Facts { pipes, rng, trace, now, .. } = &mut *guard;
            let outcome = pipes[client].write(&outgoing.slices(), *now, rng);
            let told = outcome.as_ref().map_or(u64::MAX, |count| *count as u64);
            trace.note("write", &[client as u64, wanted as u64, told]);
            outcome
        };
        self.written(peer, wanted, outcome);
    }

    pub(crate) fn written(&mut self, peer: Peer, wanted: usize, outcome: io::Result<usize>) {
        let stream = self.driver.streams.get_mut(peer).expect("being flushed");
        match outcome {
            Ok(count) => {
                stream.writable = count == wanted;
                self.engine.sent(peer, count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.engine.failed(peer, &error);
                assert_eq!(self.engine.step(peer), Step::Drop, "oracle 8: not killed");
            }
        }
    }

    fn drop_socket(&mut self, peer: Peer, client: usize) {
        self.driver.streams.remove(peer);
        self.engine.reap(peer);
        self.driver.dead.push(peer);
        let mut facts = self.facts.borrow_mut();
        let told = facts.stories[client].told;
        assert!(matches!(told, Told::Closed(_)), "oracle 2: closed was not told");
        facts.pipes[client].drop_socket();
        facts.note("drop", &[client as u64]);
    }
}

/// Oracle 1: nothing can be done to the dead.
struct Grave;

impl Read for Grave {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("oracle 1: read for a peer that is gone");
    }
}

impl World {
    fn probe_the_dead(&mut self) {
        let mut facts = self.facts.borrow_mut();
        if !facts.rng.chance(100) {
            return;
        }
        let invented = Peer::from_bits(facts.rng.next());
        let dead = match self.driver.dead.is_empty() {
            true => invented,
            false => *facts.rng.pick(&self.driver.dead),
        };
        drop(facts);
        for peer in [dead, invented] {
            self.probe(peer);
        }
    }

    fn probe(&mut self, peer: Peer) {
        let engine = &mut self.engine;
        let before = (engine.metrics(), engine.connections(), engine.has_touched());
        assert!(!engine.wants_input(peer), "oracle 1: wants_input");
        assert_eq!(engine.input(peer, &mut Grave, true), Flow::Paused, "oracle 1: input");
        engine.writable(peer);
        assert_eq!(engine.step(peer), Step::Wait, "oracle 1: step");
        assert!(engine.outgoing(peer).is_none(), "oracle 1: outgoing");
        engine.sent(peer, 5);
        engine.hold(peer);
        engine.failed(peer, &io::ErrorKind::ConnectionReset.into());
        engine.hung_up(peer);
        engine.reap(peer);
        assert_eq!(engine.kick(peer.number()), None, "oracle 1: kick");
        let after = (engine.metrics(), engine.connections(), engine.has_touched());
        assert_eq!(before, after, "oracle 1: {peer:?} is gone and yet");
    }
}
