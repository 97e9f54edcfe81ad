//! An engine with one service, and peers without sockets whose kernel takes what it is given: for
//! measuring, and for counting allocations.

use std::hint::black_box;
use std::io;
use std::time::Duration;

use cooee::engine::{
    Address, Arrival, Limits, Outgoing, Peer, Quota, Readiness, Service, Sockets, Standing, Time,
};
use cooee::services::{self, Settings};

/// What peers say, and where what they are told goes.
pub(crate) struct Sink {
    /// How much of `message` each has still to say, by the number of its socket.
    unsaid: Vec<usize>,
    message: Vec<u8>,
    /// One write takes at most so many bytes.
    pub(crate) write_max: usize,
    /// Bytes that have left.
    left: usize,
    /// Sockets that are free.
    free: Vec<usize>,
    watched: Vec<Peer>,
}

impl Sockets for Sink {
    type Socket = usize;

    fn read(&mut self, socket: &usize, into: &mut [u8]) -> io::Result<usize> {
        let unsaid = &mut self.unsaid[*socket];
        match *unsaid {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            // Its FIN.
            usize::MAX => Ok(0),
            some => {
                let count = some.min(into.len());
                let from = self.message.len() - some;
                into[..count].copy_from_slice(&self.message[from..from + count]);
                *unsaid -= count;
                Ok(count)
            }
        }
    }

    fn write(&mut self, _: &usize, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        black_box(&*outgoing.slices());
        let count = outgoing.bytes().min(self.write_max);
        self.left += count;
        Ok(count)
    }

    fn hang_up(&mut self, socket: &usize) {
        self.unsaid[*socket] = usize::MAX;
    }

    fn close(&mut self, socket: usize, _: Option<Address>) {
        self.free.push(socket);
    }

    fn watch(&mut self, peer: Peer, _: &usize) -> io::Result<()> {
        self.watched.push(peer);
        Ok(())
    }
}

/// The engine and its peers.
pub(crate) struct Driver {
    pub(crate) driver: cooee::engine::Driver<Sink>,
    pub(crate) peers: Vec<Peer>,
    sockets: Vec<usize>,
    now: Time,
}

impl Driver {
    /// A service of the table, with its own quota, and so many peers.
    pub(crate) fn offered(name: &str, peers: usize) -> Driver {
        let offer = services::find(name).expect("a known service");
        let settings = Settings { chat_rate: None, ..Settings::default() };
        let service = offer.stream.expect("a stream service")(&settings);
        Driver::new(service, Quota { idle: offer.idle, ..Quota::default() }, peers)
    }

    /// Any service and so many peers.
    pub(crate) fn new(service: Box<dyn Service>, quota: Quota, count: usize) -> Driver {
        let (unsaid, message, free, watched) = Default::default();
        let sink = Sink { unsaid, message, write_max: usize::MAX, left: 0, free, watched };
        let limits = Limits { connections: 65_536, ..Limits::default() };
        let mut driver = cooee::engine::Driver::new(limits, sink);
        driver.engine_mut().add_service("driven", quota, service);
        let (peers, sockets) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut driver = Driver { driver, peers, sockets, now: Time::ZERO };
        for _ in 0..count {
            let (peer, socket) = driver.accept();
            driver.peers.push(peer);
            driver.sockets.push(socket);
        }
        driver.turn();
        // Past the first second, in which a large room still tells who joined.
        driver.pass(Duration::from_secs(2));
        driver.turn();
        driver
    }

    /// A new peer, and its socket.
    fn accept(&mut self) -> (Peer, usize) {
        let remote = ([192, 0, 2, 1], 40_000).into();
        let local = ([192, 0, 2, 99], 5007).into();
        let sink = self.driver.sockets_mut();
        let socket = sink.free.pop().unwrap_or_else(|| {
            sink.unsaid.push(0);
            sink.unsaid.len() - 1
        });
        sink.unsaid[socket] = 0;
        let arrival = Arrival { remote, local };
        (self.driver.accept(0, arrival, socket).expect("room"), socket)
    }

    /// Lets time pass until the next turn.
    pub(crate) fn pass(&mut self, wait: Duration) {
        self.now = self.now.after(wait);
    }

    /// A turn in which so many peers come, and those who were hung up on close their side as well.
    /// Returns the bytes that left.
    pub(crate) fn visit(&mut self, visitors: usize) -> usize {
        self.pass(Duration::from_millis(1));
        self.driver.begin_turn(self.now, self.now.seconds());
        for _ in 0..visitors {
            self.accept();
        }
        self.end_turn()
    }

    /// A turn in which everybody says `message`. Returns the bytes that left.
    pub(crate) fn all_say(&mut self, message: &[u8]) -> usize {
        self.say(0..self.peers.len(), message)
    }

    /// A turn in which the first says `message`. Returns the bytes that left.
    pub(crate) fn one_says(&mut self, message: &[u8]) -> usize {
        self.say(0..1, message)
    }

    fn say(&mut self, who: std::ops::Range<usize>, message: &[u8]) -> usize {
        self.driver.begin_turn(self.now, self.now.seconds());
        let sink = self.driver.sockets_mut();
        sink.message.clear();
        sink.message.extend_from_slice(message);
        for at in who {
            self.driver.sockets_mut().unsaid[self.sockets[at]] = message.len();
            self.driver.note(self.peers[at], Readiness::READABLE);
        }
        self.end_turn()
    }

    fn turn(&mut self) -> usize {
        self.driver.begin_turn(self.now, self.now.seconds());
        self.end_turn()
    }

    /// Goes on until nothing is left to be done. Returns the bytes that left.
    fn end_turn(&mut self) -> usize {
        loop {
            self.driver.serve();
            self.driver.end_turn();
            self.note_room();
            if !self.driver.has_work() {
                return std::mem::take(&mut self.driver.sockets_mut().left);
            }
        }
    }

    /// A short write is over as soon as the turn is.
    fn note_room(&mut self) {
        let is_full = |standing: Standing| standing.queued > 0 && !standing.writable;
        if self.driver.sockets().write_max < usize::MAX {
            for at in 0..self.peers.len() {
                if self.driver.standing(self.peers[at]).is_some_and(is_full) {
                    self.driver.note(self.peers[at], Readiness::WRITABLE);
                }
            }
        }
        let mut watched = std::mem::take(&mut self.driver.sockets_mut().watched);
        watched.drain(..).for_each(|peer| self.driver.note(peer, Readiness::WRITABLE));
        self.driver.sockets_mut().watched = watched;
    }
}
