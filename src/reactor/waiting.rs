//! Waiting: until an event or a deadline, and what the events say.

use std::io;
use std::time::Duration;

use mio::Events;

use super::listeners::Accepting;
use super::token::Source;
use super::{Reactor, enqueue};
use crate::engine::Readiness;

impl Reactor {
    pub(super) fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        if self.driver.engine().measures_turns() {
            let engine = self.driver.engine_mut();
            engine.turn_took(self.clock.watch().now().since(engine.now()));
        }
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => self.rests.waited(),
            Err(error) => {
                self.rests.endure(error)?;
                self.events.clear();
            }
        }
        let (now, wall_seconds) = self.clock.read();
        self.driver.begin_turn(now, wall_seconds);
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        if !events.is_empty() {
            self.busy_at = now;
        }
        for event in &events {
            self.note_readiness(event);
        }
        events.clear();
        self.events = events;
        self.resume_accepting();
        self.serve_held();
        self.look_for_vanished();
        self.end_rests();
        Ok(())
    }

    /// How long the poll may sleep: not at all if there is work left.
    fn timeout(&mut self) -> Option<Duration> {
        let spinning = self.driver.engine().now().since(self.busy_at) < self.spin;
        let unserved = !self.ready.is_empty() || !self.unfinished.is_empty();
        if unserved || self.driver.has_work() || self.may_accept_again() || spinning {
            return Some(Duration::ZERO);
        }
        let retry = match self.accepting {
            Accepting::Exhausted(when) => Some(when),
            Accepting::Yes | Accepting::Full => None,
        };
        let vanished = self.vanished.next();
        let rest = self.rests.next();
        let asked = [self.wake_at, self.held_until];
        let deadlines = [self.driver.next_deadline(), retry, vanished, rest];
        let next = deadlines.into_iter().chain(asked).flatten().min()?;
        self.timeout_until(next)
    }

    fn note_readiness(&mut self, event: &mio::event::Event) {
        let source = Source::of(event.token());
        match source {
            // Few, and somebody waits for them: before all others.
            Source::Signals => self.ready.push_front(source),
            Source::Input => {
                if let Some(input) = &mut self.input
                    && !std::mem::replace(&mut input.queued, true)
                {
                    self.ready.push_front(source);
                }
            }
            Source::Timer => {}
            Source::Listener(slot) => {
                self.newcomers_wait = true;
                if let Some(listener) = self.listeners.get_mut(slot) {
                    enqueue(&mut self.ready, source, &mut listener.queued);
                }
            }
            Source::Datagrams(slot) => {
                if let Some(datagrams) = self.datagrams.get_mut(slot) {
                    enqueue(&mut self.ready, source, &mut datagrams.queued);
                }
            }
            Source::Stream(peer) => self.driver.note(peer, readiness(event)),
        }
    }
}

fn readiness(event: &mio::event::Event) -> Readiness {
    Readiness {
        readable: event.is_readable(),
        writable: event.is_writable(),
        read_on: event.is_read_closed() || event.is_error() || event.is_priority(),
        error: event.is_error(),
    }
}
