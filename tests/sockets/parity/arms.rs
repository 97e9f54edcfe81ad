//! The two places where a conversation is held: real sockets on loopback, and the simulator's.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use cooee::engine::Driver;
use cooee::reactor::{Families, Listening, Reactor, listen};

use super::Scenario;
use super::story::{Heard, Story};
use crate::sim::{Facts, Pipe, Pipes, Shared, arrival, event_of};

/// What clients can do, and a server that does as it is told.
pub(crate) trait Arm {
    fn say(&mut self, client: usize, bytes: &[u8]);
    fn finish(&mut self, client: usize);
    /// Closes the socket, whatever is unread.
    fn close(&mut self, client: usize);
    /// A turn of the server's, if there is anything to be done.
    fn turn(&mut self);
    /// Turns until so many facts of that kind have been told.
    fn until(&mut self, fact: &str, count: usize);
    /// Reads so many bytes; the server has its turns meanwhile.
    fn read_all(&mut self, client: usize, bytes: usize);
    /// Reads what there is, and says what it has been in all.
    fn heard(&mut self, client: usize) -> Heard;
}

/// On loopback.
pub(crate) struct Kernel {
    reactor: Reactor,
    story: Story,
    clients: Vec<(Option<TcpStream>, Heard)>,
}

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

impl Kernel {
    /// With all clients connected, in order.
    pub(crate) fn new(scenario: &Scenario, story: Story, batches: bool) -> Kernel {
        let mut reactor = Reactor::new(scenario.limits).unwrap();
        let service = Box::new(story.clone());
        let number = reactor.engine().add_service("story", scenario.quota, service);
        let here = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = listen(here, Families::Own, &Listening::default()).unwrap();
        let address = listener.local_addr().unwrap();
        reactor.add_listener(listener, number).unwrap();
        if batches && reactor.use_uring().is_err() {
            eprintln!("no io_uring here: one by one instead");
        }
        let connect = |_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            (Some(stream), Heard::default())
        };
        Kernel { reactor, story, clients: (0..scenario.clients).map(connect).collect() }
    }

    fn read(&mut self, client: usize) {
        let (Some(stream), heard) = &mut self.clients[client] else { return };
        let mut buffer = vec![0; 1024 * 1024];
        while !heard.finished && !heard.reset {
            match stream.read(&mut buffer) {
                Ok(0) => heard.finished = true,
                Ok(count) => heard.note(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => heard.reset = true,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn patiently(&mut self, mut is_done: impl FnMut(&mut Kernel) -> bool) {
        let begun = Instant::now();
        while !is_done(self) {
            assert!(begun.elapsed() < PATIENCE, "it never comes: {:?}", self.story.told());
            self.turn();
        }
    }
}

impl Arm for Kernel {
    fn say(&mut self, client: usize, bytes: &[u8]) {
        let mut rest = bytes;
        // More than fits waits for the server to read.
        self.patiently(|arm| {
            let stream = arm.clients[client].0.as_mut().unwrap();
            match stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            rest.is_empty()
        });
    }

    fn finish(&mut self, client: usize) {
        self.clients[client].0.as_ref().unwrap().shutdown(Shutdown::Write).unwrap();
    }

    fn close(&mut self, client: usize) {
        self.clients[client].0 = None;
    }

    fn turn(&mut self) {
        let soon = self.reactor.now().after(Duration::from_millis(1));
        self.reactor.wake_at(Some(soon));
        self.reactor.turn().unwrap();
    }

    fn until(&mut self, fact: &str, count: usize) {
        self.patiently(|arm| arm.story.count(fact) >= count);
    }

    fn read_all(&mut self, client: usize, bytes: usize) {
        self.patiently(|arm| {
            arm.read(client);
            arm.clients[client].1.bytes >= bytes
        });
    }

    fn heard(&mut self, client: usize) -> Heard {
        self.read(client);
        self.clients[client].1.clone()
    }
}

/// In the simulator, with a kernel that does nothing by chance.
pub(crate) struct Simulator {
    driver: Driver<Pipes>,
    facts: Shared,
    story: Rc<Story>,
    heard: Vec<Heard>,
    closed: Vec<bool>,
}

/// What the simulated kernel takes at once, either way.
const ROOM: usize = 3_000_000;

impl Simulator {
    /// With all clients connected, in order.
    pub(crate) fn new(scenario: &Scenario, story: Rc<Story>, batch_max: usize) -> Simulator {
        let clients = scenario.clients;
        let pipe = || Pipe { up_room: ROOM, down_room: ROOM, ..Pipe::default() };
        let facts = Facts::of(scenario.limits, (0..clients).map(|_| pipe()).collect());
        let facts: Shared = Rc::new(RefCell::new(facts));
        let pipes = Pipes { facts: Rc::clone(&facts), batch_max };
        let mut driver = Driver::new(scenario.limits, pipes);
        let service = Box::new((*story).clone());
        driver.engine_mut().add_service("story", scenario.quota, service);
        let heard = vec![Heard::default(); clients];
        Simulator { driver, facts, story, heard, closed: vec![false; clients] }
    }

    fn read(&mut self, client: usize) {
        let mut facts = self.facts.borrow_mut();
        let now = facts.now;
        let (pipe, heard) = (&mut facts.pipes[client], &mut self.heard[client]);
        if self.closed[client] {
            return;
        }
        heard.note(&pipe.heard[pipe.read..]);
        pipe.hear(pipe.unheard(), now);
        heard.reset = pipe.client_reset;
        heard.finished = !heard.reset && pipe.is_over();
    }
}

impl Arm for Simulator {
    fn say(&mut self, client: usize, bytes: &[u8]) {
        let taken = self.facts.borrow_mut().pipes[client].say(bytes);
        assert_eq!(taken, bytes.len());
    }

    fn finish(&mut self, client: usize) {
        self.facts.borrow_mut().pipes[client].finish();
    }

    fn close(&mut self, client: usize) {
        let mut facts = self.facts.borrow_mut();
        let Facts { pipes, rng, .. } = &mut *facts;
        pipes[client].close(rng);
        self.closed[client] = true;
    }

    fn turn(&mut self) {
        let now = {
            let mut facts = self.facts.borrow_mut();
            facts.begin_turn();
            facts.now = facts.now.after(Duration::from_millis(1));
            facts.now
        };
        self.driver.begin_turn(now, 0);
        for client in 0..self.heard.len() {
            let (peer, event) = {
                let mut facts = self.facts.borrow_mut();
                let peer = facts.stories[client].peer;
                (peer, event_of(&mut facts.pipes[client]))
            };
            match (peer, event) {
                (Some(peer), Some(event)) => self.driver.note(peer, event),
                (Some(_), None) => {}
                (None, _) => {
                    let peer = self.driver.accept(0, arrival(client), client);
                    self.facts.borrow_mut().stories[client].peer = peer;
                }
            }
        }
        self.driver.serve();
        self.driver.end_turn();
    }

    fn until(&mut self, fact: &str, count: usize) {
        for _ in 0..10_000 {
            if self.story.count(fact) >= count {
                return;
            }
            self.turn();
        }
        panic!("it never comes: {:?}", self.story.told());
    }

    fn read_all(&mut self, client: usize, bytes: usize) {
        for _ in 0..10_000 {
            self.read(client);
            if self.heard[client].bytes >= bytes {
                return;
            }
            self.turn();
        }
        panic!("it never comes: {:?}", self.heard[client]);
    }

    fn heard(&mut self, client: usize) -> Heard {
        self.read(client);
        self.heard[client].clone()
    }
}
