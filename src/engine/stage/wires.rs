//! The sockets of a stage: buffers in memory that take and give as much as they are told to.

use std::collections::BTreeMap;
use std::io;

use crate::engine::{Address, Dial, Outgoing, Peer, Readiness, Refusal, Sockets, Time};

/// The sockets of a stage.
#[derive(Default)]
pub(crate) struct Wires {
    pub(super) wires: Vec<Wire>,
    /// Whose wire is where.
    pub(super) places: BTreeMap<Peer, usize>,
    /// Whom the service has called.
    pub(super) dialed: Vec<Peer>,
    /// What has been noticed and not been noted yet.
    pub(super) news: Vec<(Peer, Readiness)>,
    /// Who is not let in.
    pub(super) refused: Option<(Address, Refusal)>,
}

/// One connection in memory.
pub(super) struct Wire {
    /// What the peer has sent and how much of it has been read.
    pub(super) said: Vec<u8>,
    pub(super) read: usize,
    /// What comes behind that: the peer's FIN, or an error.
    pub(super) end: Option<Result<(), io::ErrorKind>>,
    pub(super) heard: Vec<u8>,
    /// Bytes that are taken from here on.
    pub(super) capacity: usize,
    pub(super) is_watched: bool,
    /// Our FIN is out, or the socket closed.
    pub(super) is_over: bool,
    /// With a RST.
    pub(super) is_reset: bool,
    /// How many writes there were.
    pub(super) writes: usize,
    /// Our own address, where we have called and the peer has answered.
    pub(super) local: Option<Address>,
}

impl Wire {
    fn new() -> Wire {
        Wire {
            said: Vec::new(),
            read: 0,
            end: None,
            heard: Vec::new(),
            capacity: usize::MAX,
            is_watched: false,
            is_over: false,
            is_reset: false,
            writes: 0,
            local: None,
        }
    }

    fn readiness(&self) -> Readiness {
        Readiness {
            readable: self.read < self.said.len() || self.end.is_some(),
            writable: self.capacity > 0,
            read_on: self.end.is_some(),
            error: matches!(self.end, Some(Err(_))),
        }
    }
}

impl Wires {
    pub(super) fn add(&mut self) -> usize {
        self.wires.push(Wire::new());
        self.wires.len() - 1
    }

    pub(super) fn of(&mut self, peer: Peer) -> Option<&mut Wire> {
        let place = *self.places.get(&peer)?;
        self.wires.get_mut(place)
    }

    /// Something has changed about the wire of `peer`; of `changes`, what is so now is news.
    pub(super) fn notice(&mut self, peer: Peer, changes: Readiness) {
        if let Some(wire) = self.of(peer).filter(|wire| wire.is_watched) {
            let Readiness { readable, writable, read_on, error } = wire.readiness();
            let readable = readable && changes.readable;
            let writable = writable && changes.writable;
            self.news.push((peer, Readiness { readable, writable, read_on, error }));
        }
    }
}

/// Either may have changed.
pub(super) const BOTH: Readiness = Readiness { writable: true, ..Readiness::READABLE };

impl Sockets for Wires {
    type Socket = usize;

    fn read(&mut self, place: &usize, into: &mut [u8]) -> io::Result<usize> {
        let wire = &mut self.wires[*place];
        let count = into.len().min(wire.said.len() - wire.read);
        if count == 0 {
            return match wire.end {
                Some(Ok(())) => Ok(0),
                Some(Err(kind)) => Err(kind.into()),
                None => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        into[..count].copy_from_slice(&wire.said[wire.read..wire.read + count]);
        wire.read += count;
        if wire.read == wire.said.len() {
            wire.said.clear();
            wire.read = 0;
        }
        Ok(count)
    }

    fn admit(&mut self, _: &usize, remote: Address, _: Time) -> Result<(), Refusal> {
        match self.refused {
            Some((address, refusal)) if address == remote => Err(refusal),
            _ => Ok(()),
        }
    }

    fn write(&mut self, place: &usize, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        let wire = &mut self.wires[*place];
        let count = outgoing.bytes().min(wire.capacity);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut left = count;
        for slice in outgoing.slices().iter() {
            let some = left.min(slice.len());
            wire.heard.extend_from_slice(&slice[..some]);
            left -= some;
        }
        wire.writes += 1;
        if wire.capacity < usize::MAX {
            wire.capacity -= count;
        }
        Ok(count)
    }

    fn hang_up(&mut self, place: &usize) {
        self.wires[*place].is_over = true;
    }

    fn close(&mut self, place: usize, _: Option<Address>) {
        let wire = &mut self.wires[place];
        wire.is_over = true;
        wire.is_watched = false;
    }

    fn abort(&mut self, place: &usize) {
        self.wires[*place].is_reset = true;
    }

    fn watch(&mut self, peer: Peer, place: &usize) -> io::Result<()> {
        self.wires[*place].is_watched = true;
        if self.wires[*place].local.is_some() || !self.dialed.contains(&peer) {
            self.notice(peer, BOTH);
        }
        Ok(())
    }

    fn take_error(&mut self, place: &usize) -> Option<io::Error> {
        self.wires[*place].end?.err().map(io::Error::from)
    }

    fn dial(&mut self, peer: Peer, _: &Dial) -> io::Result<usize> {
        let place = self.add();
        self.places.insert(peer, place);
        self.dialed.push(peer);
        Ok(place)
    }

    fn connected(&mut self, place: &usize) -> Option<Address> {
        self.wires[*place].local
    }
}
