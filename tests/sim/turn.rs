//! A turn of the world: what epoll would tell, accepting, and then the driver that the server runs.

use cooee::engine::{Layers, Peer, Readiness, Script};

use super::facts::arrival;
use super::pipe::{Edge, event_of};
use super::world::World;

impl World {
    pub(crate) fn turn(&mut self) {
        self.facts.borrow_mut().begin_turn();
        let events = self.fetch_events();
        let now = self.facts.borrow().now;
        self.driver.begin_turn(now, 1_000_000_000 + now.seconds());
        self.facts.borrow_mut().note("turn", &[super::facts::nanos(now), events.len() as u64]);
        for (peer, readiness) in events {
            if self.driver.standing(peer).is_none() {
                self.facts.borrow_mut().see("stale event");
            }
            self.driver.note(peer, readiness);
        }
        self.accept();
        self.driver.serve();
        self.probe_the_dead();
        self.driver.end_turn();
        self.check_turn();
        self.nudge();
        self.rest();
    }

    pub(crate) fn is_due(&self) -> bool {
        let facts = self.facts.borrow();
        let edges = facts.pipes.iter().filter(|pipe| pipe.watched);
        self.driver.has_work()
            || (!self.backlog.is_empty() && self.driver.engine().has_free_place())
            || edges.into_iter().any(|pipe| pipe.edge != Edge::default())
    }

    /// What `epoll_wait` returns: in any order, some twice, some for sockets that are gone.
    fn fetch_events(&mut self) -> Vec<(Peer, Readiness)> {
        let mut facts = self.facts.borrow_mut();
        let mut events = std::mem::take(&mut self.late);
        for client in 0..facts.pipes.len() {
            let Some(peer) = facts.stories[client].peer else { continue };
            if !facts.pipes[client].watched {
                continue;
            }
            let spurious = facts.rng.chance(5);
            let pipe = &mut facts.pipes[client];
            if spurious {
                pipe.edge = Edge { readable: true, writable: true };
            }
            events.extend(event_of(pipe).map(|event| (peer, event)));
        }
        if !facts.dead.is_empty() && facts.rng.chance(200) {
            let count = facts.dead.len();
            let at = facts.rng.below(count);
            events.push((facts.dead[at], EVERYTHING));
        }
        for at in (1..events.len()).rev() {
            events.swap(at, facts.rng.below(at + 1));
        }
        self.late.extend(events.iter().filter(|_| facts.rng.chance(20)).copied());
        events
    }

    fn accept(&mut self) {
        while self.driver.engine().has_free_place() {
            let Some(client) = self.backlog.pop_front() else { return };
            let service = self.facts.borrow().stories[client].service;
            let number = self.accepted;
            self.accepted += 1;
            let knobs = self.facts.borrow().knobs.clone();
            let script = knobs.and_then(|knobs| Script::new(&knobs, knobs.draws(0, number)));
            let peer = match script {
                None => self.driver.accept(service, arrival(client), client),
                Some(script) => {
                    let layers = Layers::default().faulty(script);
                    self.driver.accept_through(service, arrival(client), client, layers)
                }
            };
            assert!(peer.is_some(), "there is room");
            assert_eq!(self.facts.borrow().stories[client].peer, peer, "opened in accept");
        }
        if !self.backlog.is_empty() && self.driver.engine_mut().free_place() {
            self.facts.borrow_mut().see("made room");
        }
    }

    /// Oracle 1: nothing can be done to the dead.
    fn probe_the_dead(&mut self) {
        let mut facts = self.facts.borrow_mut();
        if !facts.rng.chance(100) {
            return;
        }
        let invented = Peer::from_bits(facts.rng.next());
        let count = facts.dead.len().max(1);
        let at = facts.rng.below(count);
        let dead = facts.dead.get(at).copied().unwrap_or(invented);
        drop(facts);
        for peer in [dead, invented] {
            self.probe(peer);
        }
    }

    fn probe(&mut self, peer: Peer) {
        let driver = &mut self.driver;
        let before = (driver.engine().metrics(), driver.engine().connections(), driver.has_work());
        assert_eq!(driver.standing(peer), None, "oracle 1: it stands somehow");
        driver.note(peer, EVERYTHING);
        driver.engine_mut().metrics_mut().stale_events -= 1;
        driver.fail(peer, &std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(driver.engine_mut().kick(peer.number()), None, "oracle 1: kick");
        let after = (driver.engine().metrics(), driver.engine().connections(), driver.has_work());
        assert_eq!(before, after, "oracle 1: {peer:?} is gone and yet");
    }
}

const EVERYTHING: Readiness =
    Readiness { readable: true, writable: true, read_on: true, error: true };
