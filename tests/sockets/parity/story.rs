//! What a service does, and what it was told.

use std::cell::RefCell;
use std::rc::Rc;

use cooee::engine::{Arrival, Net, Peer, Reason, Service};

/// How much `Bulk` sends: more than any buffer of the kernel takes.
pub(crate) const BULK_BYTES: usize = 24 * 1024 * 1024;
/// What `Greets` says.
pub(crate) const HELLO: &[u8] = b"hello";

/// What a client has heard: how many bytes, what they sum up to, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) bytes: usize,
    pub(crate) sum: u64,
    /// The server's FIN has come.
    pub(crate) finished: bool,
    /// A RST has.
    pub(crate) reset: bool,
}

impl Heard {
    pub(crate) fn note(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        for byte in bytes {
            self.sum = self.sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
    }
}

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plot {
    /// Sends back what comes.
    Echo,
    /// Sends a word and its FIN, and goes on listening.
    Ends,
    /// Says hello and closes.
    Greets,
    /// Reads one byte and drops the peer.
    LeavesAtOnce,
    /// Reads four bytes at a time.
    Sips,
    /// Answers with more than anybody takes at once.
    Bulk,
    /// Who speaks first has everybody else closed.
    Rivals,
}

/// A service with a plot. Peers are named in the order in which they arrived.
#[derive(Clone)]
pub(crate) struct Story {
    plot: Plot,
    told: Rc<RefCell<Vec<String>>>,
    peers: Rc<RefCell<Vec<Peer>>>,
}

impl Story {
    pub(crate) fn new(plot: Plot) -> Story {
        Story { plot, told: Rc::default(), peers: Rc::default() }
    }

    /// All facts; bytes that came in pieces as one, since where they are cut is chance.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.borrow().clone()
    }

    /// How many facts begin so.
    pub(crate) fn count(&self, fact: &str) -> usize {
        self.told.borrow().iter().filter(|one| one.contains(fact)).count()
    }

    fn tell(&self, peer: Peer, fact: &str) {
        let number = self.peers.borrow().iter().position(|one| *one == peer);
        let number = number.expect("opened");
        self.told.borrow_mut().push(format!("{number} {fact}"));
    }

    /// Notes input behind what the same peer has sent just before.
    fn receive(&self, peer: Peer, count: usize) {
        let number = self.peers.borrow().iter().position(|one| *one == peer).expect("opened");
        let prefix = format!("{number} received ");
        let mut told = self.told.borrow_mut();
        let before = told.last().and_then(|last| last.strip_prefix(&prefix)?.parse().ok());
        match before.filter(|_| self.plot != Plot::Sips) {
            Some(before) => {
                let sum: usize = before;
                *told.last_mut().expect("a fact") = format!("{prefix}{}", sum + count);
            }
            None => told.push(format!("{prefix}{count}")),
        }
    }
}

impl Service for Story {
    fn read_bytes(&self) -> usize {
        match self.plot {
            Plot::Sips => 4,
            Plot::LeavesAtOnce => 1,
            _ => 64 * 1024,
        }
    }

    fn counts_reads(&self) -> bool {
        matches!(self.plot, Plot::Sips | Plot::LeavesAtOnce)
    }

    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        self.peers.borrow_mut().push(peer);
        self.tell(peer, "opened");
        match self.plot {
            Plot::Greets => {
                net.send(peer, HELLO);
                net.close(peer);
            }
            Plot::Ends => {
                net.send(peer, b"that is all");
                net.finish(peer);
            }
            _ => {}
        }
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        self.receive(peer, input.len());
        match self.plot {
            Plot::Echo | Plot::Sips => net.send_back(peer, input.len()),
            Plot::Bulk => net.send(peer, &vec![b'b'; BULK_BYTES]),
            Plot::LeavesAtOnce => net.leave(peer),
            Plot::Rivals => {
                let others = self.peers.borrow();
                others.iter().filter(|other| **other != peer).for_each(|other| net.close(*other));
            }
            Plot::Ends | Plot::Greets => {}
        }
        input.len()
    }

    fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
        assert!(rest.is_empty());
        self.tell(peer, "finished");
        net.close(peer);
    }

    fn drained(&mut self, peer: Peer, _: &mut Net) {
        self.tell(peer, "drained");
    }

    fn fell_behind(&mut self, peer: Peer, _: &mut Net) -> &'static [u8] {
        self.tell(peer, "fell behind");
        b""
    }

    fn closed(&mut self, peer: Peer, reason: Reason, _: &mut Net) {
        self.tell(peer, &format!("closed: {reason}"));
    }
}
