//! The two: ours, and nats-server as a child process.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cooee::engine::Time;

use super::words::words;
use crate::sim::{Nats, Options, Trouble};
use crate::support::PATIENCE;
use crate::support::nats::Nats as RealNats;

/// How long a step waits for more than was expected.
const SPARE: Duration = Duration::from_millis(60);

/// A step: one of the clients says something, or time passes.
pub(super) enum Step {
    Say(usize, Vec<u8>),
    Pass(Duration),
}

/// What each client heard in one step: one entry for each thing said, in the order of the alphabet.
pub(super) type Heard = Vec<Vec<String>>;

/// A NATS to talk to.
pub(super) trait Arm {
    fn join(&mut self);
    /// Takes a step; `expected` is how much is to be heard by each, if that is known.
    fn step(&mut self, step: &Step, expected: Option<&Heard>) -> Heard;
}

pub(super) struct Simulated {
    nats: Nats,
    now: Time,
    links: Vec<u64>,
}

impl Simulated {
    pub(super) fn new(options: Options) -> Simulated {
        let nats = Nats::new(options, Trouble::default(), 1, 1_000_000_000_000_000_000);
        Simulated { nats, now: Time::ZERO, links: Vec::new() }
    }
}

impl Arm for Simulated {
    fn join(&mut self) {
        self.links.push(self.nats.connect(self.now));
    }

    fn step(&mut self, step: &Step, _: Option<&Heard>) -> Heard {
        match step {
            Step::Say(client, bytes) => self.nats.feed(self.links[*client], bytes, self.now),
            Step::Pass(wait) => {
                let end = self.now.after(*wait);
                while self.nats.deadline() <= end {
                    self.now = self.nats.deadline().max(self.now);
                    self.nats.tick(self.now);
                }
                self.now = end;
            }
        }
        let mut heard = Heard::new();
        for link in &self.links {
            let bytes = std::mem::take(self.nats.output(*link));
            heard.push(words(&bytes, self.nats.is_over(*link)));
        }
        heard
    }
}

pub(super) struct Real {
    nats: RealNats,
    links: Vec<TcpStream>,
    unread: Vec<(Vec<u8>, bool)>,
}

impl Real {
    /// `None`: it is not installed.
    pub(super) fn start(login: bool) -> Option<Real> {
        let words = ["--user", "ann", "--pass", "right"];
        let nats = RealNats::with_streams(if login { &words[..] } else { &[] })?;
        let (links, unread) = Default::default();
        Some(Real { nats, links, unread })
    }

    /// Takes what has come, waiting for it no longer than that.
    fn read(&mut self, link: usize, wait: Duration) {
        let mut buffer = [0; 65_536];
        self.links[link].set_read_timeout(Some(wait)).unwrap();
        match self.links[link].read(&mut buffer) {
            Ok(0) => self.unread[link].1 = true,
            Ok(count) => self.unread[link].0.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.unread[link].1 = true,
            Err(_) => {}
        }
    }
}

impl Arm for Real {
    fn join(&mut self) {
        self.links.push(TcpStream::connect(self.nats.address).unwrap());
        self.unread.push((Vec::new(), false));
    }

    fn step(&mut self, step: &Step, expected: Option<&Heard>) -> Heard {
        match step {
            Step::Say(client, bytes) => self.links[*client].write_all(bytes).unwrap(),
            Step::Pass(wait) => std::thread::park_timeout(*wait),
        }
        let begun = Instant::now();
        let mut heard = Heard::new();
        for link in 0..self.links.len() {
            let enough = expected.map_or(0, |expected| expected[link].len());
            while words(&self.unread[link].0, self.unread[link].1).len() < enough
                && begun.elapsed() < PATIENCE / 4
            {
                self.read(link, SPARE);
            }
            if !self.unread[link].1 {
                self.read(link, SPARE);
            }
            let (bytes, is_over) = std::mem::take(&mut self.unread[link]);
            self.unread[link].1 = is_over;
            heard.push(words(&bytes, is_over));
        }
        heard
    }
}
