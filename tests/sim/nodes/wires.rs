//! What joins members, nodes and NATS: pipes, each between an engine and somebody outside, with the
//! kernel's cuts and refusals.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use cooee::engine::{Address, Arrival, Dial, Outgoing, Peer, Readiness, Sockets, Time};

use super::super::pipe::{Edge, Faults, Pipe, event_of};
use super::super::rng::{Rng, Trace};

/// How much a kernel keeps of what nobody has read, at most and at least.
const ROOM: (usize, usize) = (256, 65_536);
/// How long it takes until a call is answered, at most, in microseconds.
const ANSWER: usize = 2_000;

/// Who is at the other end of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A member, by its number.
    Member(usize),
    /// NATS has been called and has not answered yet.
    Calling { answered_at: Time },
    /// One of its links. Nothing passes before that time.
    Nats { link: u64, stalled_until: Time },
    /// Nobody any more.
    Nobody,
}

/// One connection of a node.
pub(crate) struct Wire {
    pub(crate) pipe: Pipe,
    pub(crate) node: usize,
    pub(crate) peer: Option<Peer>,
    pub(crate) end: End,
}

/// All of them, and what everybody shares.
pub(crate) struct Wires {
    pub(crate) rng: Rng,
    pub(crate) trace: Trace,
    pub(crate) now: Time,
    pub(crate) all: Vec<Wire>,
    pub(crate) faults: Faults,
}

pub(crate) type Shared = Rc<RefCell<Wires>>;

impl Wires {
    pub(crate) fn new(seed: u64, faults: Faults) -> Wires {
        let (rng, trace) = (Rng::new(seed), Trace::new(false));
        Wires { rng, trace, now: Time::ZERO, all: Vec::new(), faults }
    }

    /// A new one of that node; its number.
    pub(crate) fn lay(&mut self, node: usize, end: End) -> usize {
        let (least, most) = ROOM;
        let is_member = matches!(end, End::Member(_));
        // Members keep up: those who do not are another simulation.
        let room = if is_member { usize::MAX / 2 } else { self.rng.within(least..=most) };
        let (up_room, down_room) = (self.rng.within(least..=most), room);
        let pipe = Pipe { up_room, down_room, faults: self.faults, ..Pipe::default() };
        self.all.push(Wire { pipe, node, peer: None, end });
        self.all.len() - 1
    }

    /// Breaks one, as a RST does.
    pub(crate) fn cut(&mut self, wire: usize) {
        let purges = self.rng.chance(500);
        self.all[wire].pipe.break_off(io::ErrorKind::ConnectionReset, purges);
        self.all[wire].pipe.left = true;
        self.all[wire].end = End::Nobody;
    }

    /// What the poll of that node tells.
    pub(crate) fn events(&mut self, node: usize) -> Vec<(Peer, Readiness)> {
        let mut events = Vec::new();
        for wire in self.all.iter_mut().filter(|wire| wire.node == node) {
            let Some(peer) = wire.peer else { continue };
            if matches!(wire.end, End::Calling { .. }) {
                continue;
            }
            events.extend(event_of(&mut wire.pipe).map(|event| (peer, event)));
        }
        for at in (1..events.len()).rev() {
            events.swap(at, self.rng.below(at + 1));
        }
        events
    }

    /// Whether there would be any.
    pub(crate) fn has_events(&self, node: usize) -> bool {
        self.all.iter().filter(|wire| wire.node == node && wire.peer.is_some()).any(|wire| {
            let is_told = wire.pipe.watched && !matches!(wire.end, End::Calling { .. });
            is_told && wire.pipe.edge != Edge::default()
        })
    }
}

/// The address of a member, by its wire.
pub(crate) fn arrival(wire: usize) -> Arrival {
    let port = 1024 + u16::try_from(wire).expect("few wires");
    Arrival::new(([192, 0, 2, 1], port).into(), ([192, 0, 2, 99], 5001).into())
}

/// The sockets of one node.
pub(crate) struct NodeSockets {
    pub(crate) wires: Shared,
    pub(crate) node: usize,
}

impl Sockets for NodeSockets {
    type Socket = usize;

    fn read(&mut self, wire: &usize, into: &mut [u8]) -> io::Result<usize> {
        let mut guard = self.wires.borrow_mut();
        let Wires { rng, trace, now, all, .. } = &mut *guard;
        let outcome = all[*wire].pipe.read(into, *now, rng);
        trace.note("read", &[*wire as u64, outcome.as_ref().map_or(0, |count| *count as u64)]);
        outcome
    }

    fn write(&mut self, wire: &usize, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        let mut guard = self.wires.borrow_mut();
        let Wires { rng, trace, now, all, .. } = &mut *guard;
        let outcome = all[*wire].pipe.write(&outgoing.slices(), *now, rng);
        trace.note("write", &[*wire as u64, outcome.as_ref().map_or(0, |count| *count as u64)]);
        outcome
    }

    fn hang_up(&mut self, wire: &usize) {
        let mut wires = self.wires.borrow_mut();
        let now = wires.now;
        let _ = wires.all[*wire].pipe.shut_down(now);
    }

    fn close(&mut self, wire: usize, _: Option<Address>) {
        let mut wires = self.wires.borrow_mut();
        wires.all[wire].pipe.drop_socket();
        wires.all[wire].peer = None;
        if matches!(wires.all[wire].end, End::Calling { .. }) {
            wires.all[wire].end = End::Nobody;
        }
        wires.trace.note("drop", &[wire as u64]);
    }

    fn watch(&mut self, peer: Peer, wire: &usize) -> io::Result<()> {
        let mut wires = self.wires.borrow_mut();
        let wire = &mut wires.all[*wire];
        wire.peer = Some(peer);
        let pipe = &mut wire.pipe;
        pipe.watched = true;
        pipe.edge = Edge { readable: pipe.has_news(), writable: !pipe.blocked };
        Ok(())
    }

    fn take_error(&mut self, wire: &usize) -> Option<io::Error> {
        self.wires.borrow().all[*wire].pipe.broken.map(io::Error::from)
    }

    fn dial(&mut self, peer: Peer, _: &Dial) -> io::Result<usize> {
        let mut wires = self.wires.borrow_mut();
        let wait = wires.rng.micros(1..=ANSWER);
        let end = End::Calling { answered_at: wires.now.after(wait) };
        let number = wires.lay(self.node, end);
        wires.all[number].peer = Some(peer);
        wires.trace.note("dial", &[number as u64]);
        Ok(number)
    }

    fn connected(&mut self, wire: &usize) -> Option<Address> {
        let is_through = matches!(self.wires.borrow().all[*wire].end, End::Nats { .. });
        is_through.then(|| {
            let port = 1024 + u16::try_from(*wire).expect("few wires");
            Address::Ip(([192, 0, 2, 99], port).into())
        })
    }
}
