//! The end of a turn: one gathered write for each peer that has output, and the closing of those
//! that are done. Sockets are dropped here and nowhere else.
//!
//! A conversation that is over within the turn it began in (greet) is never registered with
//! epoll. Its socket is looked at in the next turn, while it is still in the cache, if peers have
//! been that prompt of late; once more a little later; and only if the peer dawdles is it
//! registered like any other.

use std::io;
use std::time::Duration;

use super::listeners::Accepting;
use super::source::Source;
use super::stream::Stream;
use super::{Reactor, enqueue};
use crate::engine::{Engine, Peer, Step};

/// How long a peer that epoll does not know has for its FIN until the second look.
pub(super) const LINGER_LOOK: Duration = Duration::from_millis(5);
/// More than this many such peers: the oldest are looked at before their time.
const LINGERING_MAX: usize = 64;

/// While peers are not that prompt, the first look is a call in vain: then every so-manieth peer
/// is looked at, to see whether that has changed.
const PROBE_EVERY: u64 = 32;

/// Writes to one peer in one turn: a service that sends more whenever there is room could
/// otherwise keep the loop to itself.
const WRITES_MAX: usize = 8;

/// Peers flushed at a time. A line to thousands would otherwise keep everybody else waiting for
/// as many system calls; those beyond are flushed in the next turns, behind the answers of those.
const FLUSHED_MAX: usize = 512;

/// What is left of a peer after its step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Alive,
    /// It takes whatever it is given, and has had its share of this turn.
    Busy,
    HungUp,
    Gone,
}

impl Reactor {
    /// Flushes until there is nothing left to do: a closing may make a service speak to others.
    pub(super) fn flush(&mut self) {
        self.sweep_lingering();
        loop {
            self.engine.settle();
            self.place_calls();
            let mut touched = std::mem::take(&mut self.touched);
            touched.extend(std::iter::from_fn(|| self.engine.next_touched()));
            for peer in touched.drain(FLUSHED_MAX.min(touched.len())..) {
                self.engine.defer(peer);
                self.deferred.push_back(peer);
            }
            self.send_together(&touched);
            for &peer in &touched {
                self.flush_peer(peer);
            }
            let done = touched.is_empty();
            touched.clear();
            self.touched = touched;
            if done {
                break;
            }
        }
        self.engine.end_turn();
    }

    /// Flushes some of those that were too many for their own turn.
    pub(super) fn flush_deferred(&mut self) {
        if self.deferred.is_empty() {
            return;
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.extend(self.deferred.drain(..FLUSHED_MAX.min(self.deferred.len())));
        touched.iter().for_each(|peer| self.engine.take_up(*peer));
        self.send_together(&touched);
        touched.drain(..).for_each(|peer| self.flush_peer(peer));
        self.touched = touched;
        // A closing may have made a service speak to others.
        self.flush();
    }

    /// Calls whom the services want called.
    fn place_calls(&mut self) {
        while let Some((peer, call)) = self.engine.next_dial() {
            match Stream::dialing(&call) {
                Ok(stream) => {
                    self.streams.insert(peer, stream);
                    self.register(peer);
                }
                Err(error) => self.engine.failed(peer, &error),
            }
        }
    }

    fn flush_peer(&mut self, peer: Peer) {
        let Some(stream) = self.streams.get_mut(peer) else {
            if self.engine.step(peer) == Step::Drop {
                // A call that could not even be placed.
                self.engine.reap(peer);
            }
            return;
        };
        match stream.follow(&mut self.engine, peer) {
            Left::Gone => self.drop_stream(peer),
            Left::HungUp if !stream.is_registered() => self.hung_up.push(peer),
            Left::Busy => enqueue(&mut self.unfinished, Source::Stream(peer), &mut stream.queued),
            Left::Alive | Left::HungUp => {
                if stream.readable && self.engine.wants_input(peer) {
                    enqueue(&mut self.unfinished, Source::Stream(peer), &mut stream.queued);
                }
                self.register(peer);
            }
        }
    }

    /// Tells epoll about `peer`, once.
    fn register(&mut self, peer: Peer) {
        let Some(stream) = self.streams.get_mut(peer).filter(|stream| !stream.is_registered())
        else {
            return;
        };
        let token = Source::Stream(peer).token();
        if let Err(error) = stream.register(self.poll.registry(), token) {
            let line = format_args!("{peer} cannot be watched: {error}; dropped");
            self.engine.remark(log::Level::Warn, line);
            self.engine.failed(peer, &error);
        }
    }

    fn drop_stream(&mut self, peer: Peer) {
        // Closing the descriptor takes it out of epoll as well (epoll(7)).
        self.streams.remove(peer);
        if let Some(remote) = self.engine.remote(peer) {
            self.guards.connections.left(remote.ip());
        }
        self.engine.reap(peer);
        if let Accepting::Exhausted(when) = &mut self.accepting {
            *when = self.engine.now();
        }
    }

    /// Looks at hung-up peers that epoll does not know: at those of the last turn at once, as long
    /// as that finds their FINs, at the others when it is time or there are too many.
    fn sweep_lingering(&mut self) {
        if !self.engine.can_read() {
            // In the middle of a turn; its end looks again.
            return;
        }
        let later = self.engine.now().after(LINGER_LOOK);
        let mut hung_up = std::mem::take(&mut self.hung_up);
        for peer in hung_up.drain(..) {
            let looks = self.prompt || peer.number().is_multiple_of(PROBE_EVERY);
            if looks {
                self.prompt = self.has_ended(peer);
            }
            if !looks || !self.prompt {
                self.lingering.push_back((later, peer));
            }
        }
        self.hung_up = hung_up;
        while let Some((when, peer)) = self.lingering.front().copied() {
            if when > self.engine.now() && self.lingering.len() <= LINGERING_MAX {
                return;
            }
            self.lingering.pop_front();
            if !self.has_ended(peer) {
                self.register(peer);
            }
        }
    }

    /// Whether a hung-up peer has sent its FIN as well. What it sent before is discarded.
    fn has_ended(&mut self, peer: Peer) -> bool {
        let Some(stream) = self.streams.get_mut(peer) else { return true };
        self.engine.input(peer, &mut &stream.socket, true);
        self.engine.step(peer) != Step::Wait
    }
}

impl Stream {
    /// Does what the engine wants of this socket until it wants nothing more.
    fn follow(&mut self, engine: &mut Engine, peer: Peer) -> Left {
        let mut left = Left::Alive;
        let mut writes = 0;
        loop {
            match engine.step(peer) {
                Step::Write if self.writable && writes == WRITES_MAX => {
                    engine.hold(peer);
                    return Left::Busy;
                }
                Step::Write if self.writable => {
                    writes += 1;
                    self.write(engine, peer);
                }
                Step::Write => {
                    engine.hold(peer);
                    return left;
                }
                Step::HangUp => {
                    self.hang_up();
                    engine.hung_up(peer);
                    left = Left::HungUp;
                }
                Step::Drop => return Left::Gone,
                Step::Wait => return left,
            }
        }
    }

    fn write(&mut self, engine: &mut Engine, peer: Peer) {
        let Some(outgoing) = engine.outgoing(peer) else { return };
        let wanted = outgoing.bytes();
        let outcome = self.send(&outgoing);
        self.written(engine, peer, wanted, outcome);
    }

    /// Takes note of what became of writing `wanted` bytes.
    pub(super) fn written(
        &mut self,
        engine: &mut Engine,
        peer: Peer,
        wanted: usize,
        outcome: io::Result<usize>,
    ) {
        match outcome {
            Ok(count) => {
                // A short write has met a full buffer: the next edge will say when it is not.
                self.writable = count == wanted;
                engine.sent(peer, count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => engine.failed(peer, &error),
        }
    }
}
