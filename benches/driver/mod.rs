//! An engine with one service, and peers without sockets whose kernel takes what it is given: for
//! measuring, and for counting allocations. It goes through a turn as the reactor does.

use std::hint::black_box;
use std::io::{self, Read};
use std::time::Duration;

use cooee::engine::{Arrival, Engine, Limits, Peer, Quota, Service, Step, Time};
use cooee::services::{self, Settings};

/// One message, and then nothing more for now.
struct Message<'a>(&'a [u8]);

impl Read for Message<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

/// The engine and its peers.
pub(crate) struct Driver {
    pub(crate) engine: Engine,
    pub(crate) peers: Vec<Peer>,
    /// One write takes at most so many bytes.
    pub(crate) write_max: usize,
    now: Time,
    /// Who has had our FIN since the last turn.
    hung_up: Vec<Peer>,
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
    pub(crate) fn new(service: Box<dyn Service>, quota: Quota, peers: usize) -> Driver {
        let mut engine = Engine::new(Limits { connections: 65_536, ..Limits::default() });
        engine.add_service("driven", quota, service);
        let (now, peers_max) = (Time::ZERO, peers);
        let (peers, hung_up) = (Vec::with_capacity(peers_max), Vec::new());
        let mut driver = Driver { engine, peers, write_max: usize::MAX, now, hung_up };
        for _ in 0..peers_max {
            let peer = driver.accept();
            driver.peers.push(peer);
        }
        driver.flush();
        // Past the first second, in which a large room still tells who joined.
        driver.pass(Duration::from_secs(2));
        driver.flush();
        driver
    }

    /// A new peer.
    pub(crate) fn accept(&mut self) -> Peer {
        let remote = ([192, 0, 2, 1], 40_000).into();
        let local = ([192, 0, 2, 99], 5007).into();
        self.engine.accept(0, Arrival { remote, local }).expect("room")
    }

    /// Lets `peer` send `bytes`, as one read.
    pub(crate) fn say(&mut self, peer: Peer, bytes: &[u8]) {
        self.engine.input(peer, &mut Message(bytes), false);
    }

    /// Lets time pass, and what becomes due by then happen.
    pub(crate) fn pass(&mut self, wait: Duration) {
        self.now = self.now.after(wait);
        self.engine.advance(self.now, self.now.seconds());
        self.engine.ring();
    }

    /// A turn in which so many peers come, and those who were hung up on close their side as well.
    /// Returns the bytes that left.
    pub(crate) fn visit(&mut self, visitors: usize) -> usize {
        self.pass(Duration::from_millis(1));
        for _ in 0..visitors {
            self.accept();
        }
        while let Some(peer) = self.hung_up.pop() {
            self.engine.input(peer, &mut io::empty(), true);
        }
        self.flush()
    }

    /// A turn in which everybody says `message`. Returns the bytes that left.
    pub(crate) fn all_say(&mut self, message: &[u8]) -> usize {
        let mut left = 0;
        for at in 0..self.peers.len() {
            if !self.engine.can_read() {
                left += self.flush();
            }
            self.say(self.peers[at], message);
        }
        left + self.flush()
    }

    /// The end of a turn. Returns the bytes that left.
    pub(crate) fn flush(&mut self) -> usize {
        let mut left = 0;
        self.engine.settle();
        while let Some(peer) = self.engine.next_touched() {
            left += self.follow(peer);
        }
        self.engine.end_turn();
        left
    }

    fn follow(&mut self, peer: Peer) -> usize {
        let mut left = 0;
        loop {
            match self.engine.step(peer) {
                Step::Write => {
                    let outgoing = self.engine.outgoing(peer).expect("something to write");
                    black_box(&*outgoing.slices());
                    let count = outgoing.bytes().min(self.write_max);
                    self.engine.sent(peer, count);
                    left += count;
                }
                Step::HangUp => {
                    self.engine.hung_up(peer);
                    self.hung_up.push(peer);
                }
                Step::Drop => self.engine.reap(peer),
                Step::Wait => return left,
            }
        }
    }
}
