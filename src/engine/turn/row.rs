//! The socket of one peer and what is known of its readiness.

use std::collections::VecDeque;
use std::io;

use super::{Peer, Sockets};
use crate::engine::reading::SLOT_BYTES;

/// A peer's socket. Its readiness is remembered, because it is told only once.
pub(super) struct Row<T> {
    pub(super) socket: T,
    /// There may be something to read.
    pub(super) readable: bool,
    /// It may take output.
    pub(super) writable: bool,
    /// Whether it is in one of the queues.
    pub(super) is_queued: bool,
    reading: Reading,
}

// With its peer's name and a descriptor a row of two words; one more byte would make it three.
const _: () = assert!(size_of::<Row<i32>>() == 8);

/// Whether its readiness is told, and how it is best read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is not told. A conversation that is over within a turn never gets further.
    Unwatched,
    /// It may be read together with others: one short read is likely to be all.
    Quick,
    /// More has come at once lately than fits into a slot.
    Bulk,
    /// A FIN, an error or urgent data is known to wait, so a short read is not the last.
    ReadOn,
}

impl<T> Row<T> {
    /// One that has been accepted: it takes output at once; whether there is input, watching will
    /// tell.
    pub(super) fn accepted(socket: T) -> Row<T> {
        Row { writable: true, ..Row::dialed(socket) }
    }

    /// One that is being connected: it takes output once that is told.
    pub(super) fn dialed(socket: T) -> Row<T> {
        let (readable, writable, is_queued) = (false, false, false);
        Row { socket, readable, writable, is_queued, reading: Reading::Unwatched }
    }

    /// Puts it, whose name is `peer`, last in the queue, once.
    pub(super) fn enqueue(&mut self, peer: Peer, queue: &mut VecDeque<Peer>) {
        if !std::mem::replace(&mut self.is_queued, true) {
            queue.push_back(peer);
        }
    }

    /// From here on its readiness is told.
    pub(super) fn watched(&mut self) {
        self.reading = Reading::Quick;
    }

    pub(super) fn is_watched(&self) -> bool {
        self.reading != Reading::Unwatched
    }

    /// A FIN, an error or more behind urgent data is known to wait.
    pub(super) fn must_read_on(&mut self) {
        self.reading = Reading::ReadOn;
    }

    /// Whether a short read is not the last.
    pub(super) fn reads_on(&self) -> bool {
        self.reading == Reading::ReadOn
    }

    /// Whether it may be read together with others.
    pub(super) fn is_quick(&self) -> bool {
        self.reading == Reading::Quick
    }

    /// More has come than fits into a slot.
    pub(super) fn came_in_bulk(&mut self) {
        if self.reading == Reading::Quick {
            self.reading = Reading::Bulk;
        }
    }

    /// There is nothing more to read; `bytes` is what there was.
    pub(super) fn drained(&mut self, bytes: usize) {
        self.readable = false;
        // To have found nothing says nothing about the size of what will come.
        if self.reading == Reading::Bulk && (1..SLOT_BYTES).contains(&bytes) {
            self.reading = Reading::Quick;
        }
    }
}

/// Reading from a socket, and how much it was.
pub(super) struct Reader<'a, S: Sockets> {
    pub(super) sockets: &'a mut S,
    pub(super) socket: &'a S::Socket,
    pub(super) bytes: usize,
}

impl<S: Sockets> io::Read for Reader<'_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.sockets.read(self.socket, into)?;
        self.bytes += count;
        Ok(count)
    }
}
