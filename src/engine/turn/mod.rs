//! One turn after the other: who is ready is served within its share, what everybody is owed is
//! written, what is done is closed. The rules are here and nowhere else; `Sockets` carry them out.

mod batch;
mod flush;
mod lingering;
mod row;
mod serve;
mod sockets;
mod trim;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use super::{Arrival, Engine, Layers, Limits, Peer, Table, Time};
use batch::BatchBuffers;
use lingering::Lingering;
use row::Row;

pub use sockets::{BatchRead, BatchWrite, Outcome, Outgoing, Readiness, Sockets};

/// The engine and its sockets.
///
/// Its owner waits; then a turn is
///
/// ```text
/// begin_turn      the time
/// note, accept    what has come
/// serve           those that are ready are read from, within their share
/// end_turn        timers, after reading: nobody is idle with bytes waiting; then all is written
/// ```
///
/// in this order, and the next one begins at [`next_deadline`](Driver::next_deadline) at the
/// latest; at once, if it [`has_work`](Driver::has_work).
///
/// [`Reactor`](crate::reactor::Reactor) owns one whose sockets are the kernel's. Here is the least
/// there can be: an echo for one connection, over sockets of std. It does not wait but asks over
/// and over, which costs a processor and is correct: to be told of readiness that is not there does
/// no harm.
///
/// ```
/// use std::io::{self, Read, Write};
/// use std::net::{Shutdown, TcpListener, TcpStream};
///
/// use cooee::engine::{
///     Address, Arrival, Driver, Limits, Net, Outgoing, Peer, Quota, Readiness, Service, Sockets,
///     Time,
/// };
///
/// /// Sockets of std.
/// struct Plain;
///
/// impl Sockets for Plain {
///     type Socket = TcpStream;
///
///     fn read(&mut self, mut socket: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
///         socket.read(into)
///     }
///
///     fn write(&mut self, mut socket: &TcpStream, outgoing: &Outgoing) -> io::Result<usize> {
///         socket.write_vectored(&outgoing.slices())
///     }
///
///     fn hang_up(&mut self, socket: &TcpStream) {
///         let _ = socket.shutdown(Shutdown::Write);
///     }
///
///     fn close(&mut self, _: TcpStream, _: Option<Address>) {}
///
///     fn watch(&mut self, _: Peer, _: &TcpStream) -> io::Result<()> {
///         Ok(()) // with a poll: register it
///     }
/// }
///
/// struct Echo;
///
/// impl Service for Echo {
///     fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
///         net.send_back(peer, input.len());
///         input.len()
///     }
/// }
///
/// # fn main() -> io::Result<()> {
/// let mut driver = Driver::new(Limits::default(), Plain);
/// let echo = driver.engine_mut().add_service("echo", Quota::default(), Box::new(Echo));
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut client = TcpStream::connect(listener.local_addr()?)?;
/// client.write_all(b"hello")?;
/// client.shutdown(Shutdown::Write)?;
///
/// driver.begin_turn(Time::ZERO, 0);
/// let (socket, remote) = listener.accept()?;
/// socket.set_nonblocking(true)?;
/// let (remote, local) = (remote.into(), socket.local_addr()?.into());
/// let arrival = Arrival::new(remote, local);
/// let peer = driver.accept(echo, arrival, socket).expect("a free place");
/// driver.end_turn();
///
/// while driver.engine().connections() > 0 {
///     driver.begin_turn(Time::ZERO, 0); // with a clock: since the loop began
///     driver.note(peer, Readiness { readable: true, writable: true, ..Readiness::default() });
///     driver.serve();
///     driver.end_turn();
/// }
///
/// let mut heard = String::new();
/// client.read_to_string(&mut heard)?;
/// assert_eq!(heard, "hello");
/// # Ok(())
/// # }
/// ```
pub struct Driver<S: Sockets> {
    engine: Engine,
    sockets: S,
    rows: Table<Row<S::Socket>>,
    /// Peers that have become ready.
    ready: VecDeque<Peer>,
    /// Peers with more to do that have had their share: each turn they come after those that have
    /// just become ready, so that a short question need not wait for everybody's bulk.
    unfinished: VecDeque<Peer>,
    /// Those that are flushed at the moment.
    flushing: Vec<Peer>,
    /// Those that were too many to be flushed in their turn.
    deferred: VecDeque<Peer>,
    /// The same of those who wait for what their service has told many.
    audience: VecDeque<Peer>,
    lingering: Lingering,
    batch: BatchBuffers,
}

impl<S: Sockets> Driver<S> {
    /// No services and no connections yet.
    pub fn new(limits: Limits, sockets: S) -> Driver<S> {
        Driver {
            engine: Engine::new(limits),
            sockets,
            rows: Table::default(),
            ready: VecDeque::new(),
            unfinished: VecDeque::new(),
            flushing: Vec::new(),
            deferred: VecDeque::new(),
            audience: VecDeque::new(),
            lingering: Lingering::default(),
            batch: BatchBuffers::default(),
        }
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to add services and to act for the operator. What that leaves to be sent is
    /// flushed in the next turn.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// What carries the bytes.
    pub fn sockets(&self) -> &S {
        &self.sockets
    }

    /// The same, to change it.
    pub fn sockets_mut(&mut self) -> &mut S {
        &mut self.sockets
    }

    /// The sockets in these slots ([`Peer::slot`]), by peer.
    pub fn sockets_in(&self, slots: Range<usize>) -> impl Iterator<Item = (Peer, &S::Socket)> {
        self.rows.range(slots).map(|(peer, row)| (peer, &row.socket))
    }

    /// How many slots have been used so far.
    pub fn slots(&self) -> usize {
        self.rows.slots()
    }

    /// Begins a turn at `now`, since the loop began and never earlier than the turn before, and
    /// `wall_seconds` since 1970-01-01 00:00 UTC. A readiness that is noted is served in
    /// [`serve`](Driver::serve), what is due by `now` in [`end_turn`](Driver::end_turn).
    pub fn begin_turn(&mut self, now: Time, wall_seconds: u64) {
        self.engine.advance(now, wall_seconds);
        self.lingering.has_looked = false;
    }

    /// A connection has been made for the service with that number: `opened` is told before this
    /// returns. `None`: all places are taken, and the socket is dropped;
    /// [`has_free_place`](Engine::has_free_place) tells before.
    ///
    /// # Panics
    /// If there is no such service.
    pub fn accept(&mut self, service: usize, arrival: Arrival, socket: S::Socket) -> Option<Peer> {
        let peer = self.engine.accept(service, arrival)?;
        self.rows.insert(peer, Row::accepted(socket));
        Some(peer)
    }

    /// The same with something between the socket and the service, which hears of it when all of
    /// that is through.
    pub fn accept_through(
        &mut self,
        service: usize,
        arrival: Arrival,
        socket: S::Socket,
        layers: Layers,
    ) -> Option<Peer> {
        let peer = self.engine.accept_through(service, arrival, layers)?;
        self.rows.insert(peer, Row::accepted(socket));
        Some(peer)
    }

    /// The owner has been told how `peer`'s socket is. Of a peer that is gone that is counted
    /// (`Metrics::stale_events`) and otherwise ignored.
    #[inline]
    pub fn note(&mut self, peer: Peer, readiness: Readiness) {
        let Driver { engine, sockets, rows, ready, .. } = self;
        let Some(row) = rows.get_mut(peer) else {
            engine.metrics_mut().stale_events += 1;
            return;
        };
        if readiness.read_on {
            row.must_read_on();
        }
        if readiness.readable || row.reads_on() {
            row.readable = true;
            row.enqueue(peer, ready);
        }
        if readiness.writable && !std::mem::replace(&mut row.writable, true) {
            engine.writable(peer);
        }
        if engine.is_dialing(peer) {
            match (sockets.take_error(&row.socket), sockets.connected(&row.socket)) {
                (Some(error), _) => engine.failed(peer, &error),
                (None, Some(local)) => engine.answered(peer, local),
                (None, None) => {}
            }
            return;
        }
        // Reading finds an error behind the data; where nobody reads, it has to be asked for.
        if readiness.error
            && !engine.wants_input(peer)
            && let Some(error) = sockets.take_error(&row.socket)
        {
            engine.failed(peer, &error);
        }
    }

    /// The connection of `peer` has failed in a way that its socket does not tell. It is dropped at
    /// the end of the turn, and what was queued for it is lost.
    pub fn fail(&mut self, peer: Peer, error: &io::Error) {
        self.engine.failed(peer, error);
    }

    /// Whether there is something to be done at once: then the owner does not wait.
    pub fn has_work(&self) -> bool {
        let queues = [&self.ready, &self.unfinished, &self.deferred, &self.audience];
        queues.iter().any(|queue| !queue.is_empty()) || self.engine.has_touched()
    }

    /// When the next turn has to begin, if nothing happens before. `None`: nothing is due.
    pub fn next_deadline(&self) -> Option<Time> {
        let lingering = self.lingering.next(self.engine.now());
        self.engine.next_deadline().into_iter().chain(lingering).min()
    }

    /// How `peer` stands; `None`: it is gone. For tests and whoever looks for a fault.
    pub fn standing(&self, peer: Peer) -> Option<Standing> {
        let row = self.rows.get(peer)?;
        Some(Standing {
            readable: row.readable,
            writable: row.writable,
            is_queued: row.is_queued,
            is_watched: row.is_watched(),
            is_deferred: self.engine.is_deferred(peer),
            is_read_alone: !row.is_quick(),
            wants_input: self.engine.wants_input(peer),
            queued: self.engine.core.queued(peer),
            held: self.engine.core.held_back(peer),
            is_due: self.engine.step(peer) != super::Step::Wait,
        })
    }
}

/// How a peer stands between two turns, for tests and whoever looks for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// There may be something to read.
    pub readable: bool,
    /// It may take output.
    pub writable: bool,
    /// It waits to be served.
    pub is_queued: bool,
    /// [`Sockets::watch`] has been called for it.
    pub is_watched: bool,
    /// It is flushed in a later turn.
    pub is_deferred: bool,
    /// It is not read together with others.
    pub is_read_alone: bool,
    /// What it sends would be read.
    pub wants_input: bool,
    /// Bytes that wait for it.
    pub queued: usize,
    /// How many of them are held back: there is a time for them.
    pub held: usize,
    /// It is to be written to, hung up on or closed.
    pub is_due: bool,
}

#[cfg(test)]
mod tests;
