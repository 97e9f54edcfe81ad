//! Many at once: reading from those who are ready, and writing what a turn leaves, in one system
//! call each instead of one for every peer. Only where there is a `Ring`; what it does not do is
//! left to `serve` and `flush`, which do everything one by one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::ring::{Outcome, Ring};
use super::source::Source;
use super::stream::Stream;
use super::{Reactor, enqueue};
use crate::engine::{Engine, Flow, Peer, Step};

/// Fewer than this are not worth a batch.
const TOGETHER_MIN: usize = 4;
/// A longer output is sent on its own: what it costs are its bytes, not its call.
const TOGETHER_BYTES_MAX: usize = 2048;

/// Peers that are served together.
#[derive(Default)]
pub(super) struct Together {
    ring: Option<Ring>,
    /// Those in the batch, and how many bytes each is sent.
    peers: Vec<(Peer, usize)>,
}

impl Together {
    /// From now on, if the kernel lets us.
    pub(super) fn start(&mut self) -> io::Result<()> {
        self.ring = Some(Ring::new()?);
        Ok(())
    }

    /// What became of each in the batch that has been run.
    fn outcomes(&mut self) -> impl Iterator<Item = (Peer, usize, Outcome)> {
        let ring = self.ring.as_ref();
        let outcome = move |number| ring.and_then(|ring| ring.outcome(number));
        let peers = self.peers.drain(..).enumerate();
        peers.map(move |(number, (peer, bytes))| (peer, bytes, outcome(number)))
    }

    /// Goes on without the ring if the kernel has refused it.
    fn check(&mut self) {
        if self.ring.take_if(|ring| ring.is_spent()).is_some() {
            log::warn!("the kernel refuses io_uring from now on; going on without it");
        }
    }
}

impl Reactor {
    /// Reads from peers at the head of the queue of the ready, `most` at most, in one call.
    /// Returns how many that were; none, if those there have to be served one by one.
    pub(super) fn receive_together(&mut self, most: usize) -> usize {
        if self.together.ring.is_none() || most < TOGETHER_MIN {
            return 0;
        }
        if !self.engine.can_read() {
            self.flush();
        }
        let Reactor { engine, streams, ready, unfinished, together, .. } = self;
        let Together { ring: Some(ring), peers } = together else { return 0 };
        peers.clear();
        let rooms = engine.rooms().len().min(most);
        for source in ready.iter().take(rooms) {
            match source {
                Source::Stream(peer) if is_quick(engine, streams.get(*peer), *peer) => {
                    peers.push((*peer, 0));
                }
                _ => break,
            }
        }
        let count = peers.len();
        if count < TOGETHER_MIN {
            return 0;
        }
        let Some(mut batch) = ring.batch() else { return 0 };
        for ((peer, _), room) in peers.iter().zip(engine.rooms()) {
            if let Some(stream) = streams.get(*peer) {
                batch.receive(stream.socket.as_fd(), room);
            }
        }
        batch.run();
        ready.drain(..count);
        for (room, (peer, _, outcome)) in together.outcomes().enumerate() {
            let Some(stream) = streams.get_mut(peer) else { continue };
            stream.queued = false;
            if stream.writable {
                engine.writable(peer);
            }
            let flow = match outcome {
                Some(outcome) => engine.filled(peer, room, outcome),
                None => Flow::More,
            };
            match flow {
                Flow::Drained => stream.drained(0),
                Flow::Paused => {}
                Flow::More => {
                    stream.is_bulk();
                    enqueue(unfinished, Source::Stream(peer), &mut stream.queued);
                }
            }
        }
        together.check();
        count
    }

    /// Writes to those of `peers` whose output is in one piece, in one call for as many as fit
    /// into a batch. `flush_peer` does the rest.
    pub(super) fn send_together(&mut self, peers: &[Peer]) {
        let Reactor { engine, streams, together, .. } = self;
        if peers.len() < TOGETHER_MIN {
            return;
        }
        let mut peers = peers.iter();
        while !peers.as_slice().is_empty() {
            let Together { ring: Some(ring), peers: sending } = &mut *together else { return };
            let Some(mut batch) = ring.batch() else { return together.check() };
            sending.clear();
            while !batch.is_full()
                && let Some(&peer) = peers.next()
            {
                let Some((to, bytes, last)) = in_one_piece(engine, streams.get(peer), peer) else {
                    continue;
                };
                batch.send(to, bytes, last);
                sending.push((peer, bytes.len()));
            }
            batch.run();
            for (peer, wanted, outcome) in together.outcomes() {
                if let Some(stream) = streams.get_mut(peer)
                    && let Some(outcome) = outcome
                {
                    stream.written(engine, peer, wanted, outcome);
                }
            }
            together.check();
        }
    }
}

/// Whether one short read of `peer` is likely to be all.
fn is_quick(engine: &Engine, stream: Option<&Stream>, peer: Peer) -> bool {
    stream.is_some_and(Stream::is_quick) && engine.wants_room(peer)
}

/// What `peer` is to be sent now, if that is one slice.
fn in_one_piece<'a>(
    engine: &'a Engine,
    stream: Option<&'a Stream>,
    peer: Peer,
) -> Option<(BorrowedFd<'a>, &'a [u8], bool)> {
    let stream = stream.filter(|stream| stream.writable)?;
    if engine.step(peer) != Step::Write {
        return None;
    }
    let outgoing = engine.outgoing(peer)?;
    let bytes = outgoing.piece().filter(|bytes| bytes.len() <= TOGETHER_BYTES_MAX)?;
    Some((stream.socket.as_fd(), bytes, outgoing.last))
}
