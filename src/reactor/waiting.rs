//! Waiting: until an event or a deadline, and what the events say.

use std::io;
use std::time::Duration;

use mio::Events;

use super::listeners::Accepting;
use super::source::Source;
use super::{Reactor, enqueue, flush};
use crate::engine::Peer;

impl Reactor {
    pub(super) fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => self.rests.waited(),
            Err(error) => {
                self.rests.endure(error)?;
                self.events.clear();
            }
        }
        let (now, wall_seconds) = self.clock.read();
        self.engine.advance(now, wall_seconds);
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
        self.look_for_vanished();
        self.end_rests();
        Ok(())
    }

    /// How long the poll may sleep: not at all if there is work left.
    fn timeout(&mut self) -> Option<Duration> {
        let room_again = self.accepting == Accepting::Full && self.engine.has_room();
        let spinning = self.engine.now().since(self.busy_at) < self.spin;
        let unserved = !self.ready.is_empty() || !self.unfinished.is_empty();
        let unserved = unserved || !self.deferred.is_empty();
        if unserved || self.engine.has_touched() || room_again || spinning {
            return Some(Duration::ZERO);
        }
        let retry = match self.accepting {
            Accepting::Exhausted(when) => Some(when),
            Accepting::Yes | Accepting::Full => None,
        };
        let fresh = self.hung_up.first().map(|_| self.engine.now().after(flush::LINGER_LOOK));
        let lingering = self.lingering.front().map(|(when, _)| *when).or(fresh);
        let vanished = self.vanished.next();
        let rest = self.rests.next();
        let deadlines =
            [self.engine.next_deadline(), retry, lingering, vanished, rest, self.wake_at];
        let next = deadlines.into_iter().flatten().min()?;
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
            Source::Alarm => {}
            Source::Listener(slot) => {
                self.knocking = true;
                if let Some(listener) = self.listeners.get_mut(slot) {
                    enqueue(&mut self.ready, source, &mut listener.queued);
                }
            }
            Source::Datagrams(slot) => {
                if let Some(datagrams) = self.datagrams.get_mut(slot) {
                    enqueue(&mut self.ready, source, &mut datagrams.queued);
                }
            }
            Source::Stream(peer) => self.note_stream(peer, event),
        }
    }

    fn note_stream(&mut self, peer: Peer, event: &mio::event::Event) {
        let Some(stream) = self.streams.get_mut(peer) else {
            self.engine.metrics_mut().stale_events += 1;
            return;
        };
        if event.is_read_closed() || event.is_error() || event.is_priority() {
            stream.must_read_on();
        }
        if event.is_readable() || stream.reads_on() {
            stream.readable = true;
            enqueue(&mut self.ready, Source::Stream(peer), &mut stream.queued);
        }
        if event.is_writable() {
            stream.writable = true;
            self.engine.writable(peer);
        }
        if self.engine.is_dialing(peer) {
            match (stream.take_error(), stream.connected()) {
                (Some(error), _) => self.engine.failed(peer, &error),
                (None, Some(local)) => self.engine.dialed(peer, local),
                (None, None) => {}
            }
            return;
        }
        // Reading finds an error behind the data; where nobody reads, it has to be asked for.
        if event.is_error()
            && !self.engine.wants_input(peer)
            && let Some(error) = stream.take_error()
        {
            self.engine.failed(peer, &error);
        }
    }
}
