//! The impure half: the poll loop. It waits on mio, accepts, and has the engine's driver go through
//! its turn on the kernel's sockets (`kernel.rs`). It knows no protocol.
//!
//! Everything is registered once and edge-triggered; readiness is remembered, so no message costs
//! an epoll_ctl. `turn` is the page to read first.
//!
//! A server is a [`Reactor`] with services and listeners, and a loop around [`Reactor::turn`]. This
//! one ends in order: at SIGTERM or SIGINT it takes in nobody new and says goodbye to those who are
//! there, as long as that takes, but no longer than five seconds.
//!
//! ```no_run
//! # use std::io;
//! # use std::time::Duration;
//! # use cooee::engine::{Limits, Net, Peer, Quota, Service};
//! # use cooee::descriptors::raise_limit;
//! # use cooee::reactor::{Note, Reactor, listen, Families, Listening};
//! # struct Echo;
//! # impl Service for Echo {
//! #     fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
//! #         net.send_back(peer, input.len());
//! #         input.len()
//! #     }
//! # }
//! # fn main() -> io::Result<()> {
//! let descriptors = raise_limit();
//! let connections = descriptors.saturating_sub(100).min(100_000); // some are for other things
//! let mut reactor = Reactor::new(Limits { connections, ..Limits::default() })?;
//! let echo = reactor.engine().add_service("echo", Quota::default(), Box::new(Echo));
//! let address = ([127, 0, 0, 1], 7000).into();
//! reactor.add_listener(listen(address, Families::Both, &Listening::default())?, echo)?;
//! reactor.watch_signals(&[])?;
//!
//! let mut until = None;
//! while until.is_none_or(|until| reactor.now() < until && reactor.engine().connections() > 0) {
//!     reactor.turn()?;
//!     while let Some(note) = reactor.next_note() {
//!         if let Note::Signal(_) = note {
//!             reactor.stop_listening();
//!             reactor.engine().close_all();
//!             until = Some(reactor.now().after(Duration::from_secs(5)));
//!             reactor.wake_at(until);
//!         }
//!     }
//! }
//! println!("{}", reactor.engine().metrics());
//! # Ok(())
//! # }
//! ```

mod alarm;
mod clock;
mod input;
mod kernel;
mod listeners;
mod rest;
mod serve;
mod signals;
#[cfg_attr(not(target_os = "linux"), path = "no_sock_diag.rs")]
mod sock_diag;
mod sockets;
#[cfg_attr(not(target_os = "linux"), path = "no_timerfd.rs")]
mod timerfd;
mod token;
mod udp;
mod unix;
#[cfg_attr(not(all(target_os = "linux", feature = "uring")), path = "uring/none.rs")]
mod uring;
mod vanished;
mod waiting;

use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use mio::{Events, Poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use slab::Slab;

use crate::engine::{Address, Driver, Engine, Limits, Responder, Time};
use crate::guards::{DatagramGuard, Guards, Policy};
use clock::Clock;
use input::Input;
use kernel::Kernel;
use listeners::{Accepting, ListenSocket, Listener};
use rest::Rests;
use signals::Signals;
use token::Source;
pub use udp::UdpFaults;
use udp::{Datagrams, Tray};
use vanished::Vanished;

pub use clock::Watch;
pub(crate) use clock::wall;
pub use input::Manner;
pub use signals::{HeldStop, hold_back_stop};
pub use sockets::{Families, Listening, adopt, bind_datagrams, listen};
pub(crate) use unix::dial_unix;
pub use unix::listen_unix;
#[cfg(feature = "bench")]
pub(crate) use unix::peer_of;

/// Events fetched in one turn: as many as there is room to answer in one with 4 KiB each
/// (`Limits::flush_units`), or each turn would leave some answers for later, behind many others.
const EVENTS_MAX: usize = 200;
/// Room for so many sources other than peers is made at once: what lasts must not be put amid
/// a burst.
const SOURCES_RESERVED: usize = 32;
/// A pause in accepting is logged no more often than this.
const PAUSE_TOLD_EVERY: Duration = Duration::from_secs(10);

/// What concerns whoever owns the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The operator has typed a line.
    Line(String),
    /// The operator has typed a line that is too long, and is dropped.
    LineTooLong,
    /// Bytes of standard input, as they came.
    Bytes(Vec<u8>),
    /// The operator's input has ended; comes once, last of the lines.
    InputEnded,
    /// The signal of that number has come.
    Signal(i32),
}

/// The poll loop and all its sockets. It stays in the thread that made it.
pub struct Reactor {
    poll: Poll,
    events: Events,
    clock: Clock,
    driver: Driver<Kernel>,
    listeners: Slab<Listener>,
    datagrams: Slab<Datagrams>,
    responders: Vec<Box<dyn Responder>>,
    datagram_guard: DatagramGuard,
    /// Room for datagrams, from the first datagram socket on.
    tray: Option<Tray>,
    /// When it was looked up which broadcast addresses there are.
    networks_known: Option<Time>,
    /// Sources other than peers that have become ready.
    ready: VecDeque<Source>,
    /// Those of them with more to do that have had their share: they come after the peers that
    /// have just become ready.
    unfinished: VecDeque<Source>,
    /// How many of those there were when the turn began.
    left: usize,
    /// Connections that may still be accepted in this turn.
    accepts_left: usize,
    accepting: Accepting,
    /// Whether somebody may wait at a listener although all places are taken.
    newcomers_wait: bool,
    /// The listener that took the last free place.
    accepted_last: usize,
    pause_told: Option<Time>,
    vanished: Vanished,
    signals: Option<Signals>,
    input: Option<Input>,
    notes: VecDeque<Note>,
    /// Who is to be served later, although there is something to be done.
    rests: Rests,
    /// When something happened last, and for how long after that the loop does not sleep.
    busy_at: Time,
    spin: Duration,
    /// When the owner wants its turn at the latest.
    wake_at: Option<Time>,
    /// When a reply that is held back is due.
    held_until: Option<Time>,
    /// Wakes up more precisely than the poll does.
    timer: Option<timerfd::Timer>,
}

impl Reactor {
    /// A loop that waits for nothing yet, with the default guards ([`Policy::default`]): no source
    /// has more than three quarters of all connections, and a network is sent 1,000 answers a
    /// second over UDP, loopback excepted from both.
    ///
    /// # Errors
    /// If the kernel makes no epoll instance.
    pub fn new(limits: Limits) -> io::Result<Reactor> {
        let guards = Guards::new(&Policy::default(), limits.connections);
        let poll = Poll::new()?;
        let kernel = Kernel::new(poll.registry().try_clone()?, guards.connections);
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            clock: Clock::new(),
            driver: Driver::new(limits, kernel),
            listeners: Slab::new(),
            datagrams: Slab::new(),
            responders: Vec::new(),
            datagram_guard: guards.datagrams,
            tray: None,
            networks_known: None,
            ready: VecDeque::with_capacity(SOURCES_RESERVED),
            unfinished: VecDeque::with_capacity(SOURCES_RESERVED),
            left: 0,
            accepts_left: 0,
            accepting: Accepting::Yes,
            newcomers_wait: false,
            accepted_last: 0,
            pause_told: None,
            vanished: Vanished::new(),
            signals: None,
            input: None,
            notes: VecDeque::new(),
            rests: Rests::default(),
            busy_at: Time::ZERO,
            spin: Duration::ZERO,
            wake_at: None,
            held_until: None,
            timer: None,
        })
    }

    /// Guards what is added from now on, in the place of the default guards.
    pub fn guard(&mut self, guards: Guards) {
        self.driver.sockets_mut().guard = guards.connections;
        self.datagram_guard = guards.datagrams;
    }

    /// Guards by another policy from now on. Who is connected stays, and counts.
    pub fn change_guards(&mut self, policy: &Policy, connections: usize) {
        self.datagram_guard.change(policy);
        let present: Vec<Address> = self.driver.engine().all_counted().collect();
        self.driver.sockets_mut().guard.change(policy, connections, present.into_iter());
    }

    /// Keeps asking for events for so long after each before it sleeps. Answers come sooner, for
    /// waking up takes longer than all else; meanwhile a processor is busy.
    pub fn spin(&mut self, spin: Duration) {
        self.spin = spin;
    }

    /// From now on a peer that gives no sign of life for so long, although it is owed something, is
    /// ended as timed out. Linux only.
    pub fn give_up_after(&mut self, silence: Duration) {
        self.vanished.set_limit(silence);
    }

    /// The same for who connects from now on, and for whoever is owed something already.
    ///
    /// # Errors
    /// If the kernel does not take it for a listener.
    pub fn change_dead_after(&mut self, silence: Duration) -> io::Result<()> {
        self.give_up_after(silence);
        self.listeners.iter().try_for_each(|(_, one)| match &one.socket {
            ListenSocket::Tcp(listener, _) => sockets::keep_alive(listener, silence),
            // Its peers are at this machine.
            ListenSocket::Unix(_) => Ok(()),
        })
    }

    /// Reads from many peers and writes to many in one system call, where the kernel has io_uring
    /// (Linux 6.1) and nothing forbids it. Without it everything works the same.
    ///
    /// # Errors
    /// If it cannot be used, or the feature `uring` is not built in; the loop goes on without.
    pub fn use_uring(&mut self) -> io::Result<()> {
        self.driver.sockets_mut().start_ring()
    }

    /// The engine, to add services and to act for the operator. What that leaves to be sent is
    /// flushed in the next turn, which then does not wait.
    pub fn engine(&mut self) -> &mut Engine {
        self.driver.engine_mut()
    }

    /// The time of the turn that has just been.
    pub fn now(&self) -> Time {
        self.driver.engine().now()
    }

    /// Takes a responder in, under the name that [`Engine::survey`] shows, and returns the number
    /// to [`add_datagrams`](Reactor::add_datagrams) with.
    pub fn add_responder(&mut self, name: &'static str, responder: Box<dyn Responder>) -> usize {
        self.responders.push(responder);
        self.driver.engine_mut().add_responder(name)
    }

    /// From now on it is known how long turns take ([`Survey::turns`](crate::engine::Survey)), for
    /// one more look at the clock in each.
    pub fn measure_turns(&mut self) {
        self.driver.engine_mut().measure_turns();
    }

    /// Answers what comes to `socket` through the responder with that number. It may be one from
    /// [`bind_datagrams`] or any other.
    ///
    /// # Errors
    /// If the kernel refuses an option that is needed, or to poll it.
    pub fn add_datagrams(&mut self, socket: UdpSocket, responder: usize) -> io::Result<()> {
        self.add_faulty_datagrams(socket, responder, None)
    }

    /// The same for a socket whose replies are to suffer something.
    ///
    /// # Errors
    /// As for `add_datagrams`.
    pub fn add_faulty_datagrams(
        &mut self,
        socket: UdpSocket,
        responder: usize,
        faults: Option<UdpFaults>,
    ) -> io::Result<()> {
        self.tray.get_or_insert_with(Tray::new);
        let socket = mio::net::UdpSocket::from_std(socket);
        let entry = self.datagrams.vacant_entry();
        let token = Source::Datagrams(entry.key()).token();
        let datagrams = Datagrams::new(socket, responder, self.poll.registry(), token)?;
        let datagrams = datagrams.suffering(faults);
        self.datagram_guard.opened(datagrams.port());
        entry.insert(datagrams);
        Ok(())
    }

    /// From now on SIGTERM and SIGINT come as notes, and those of `others`, by number;
    /// SIGTSTP only while it is held back, and on Linux.
    pub fn watch_signals(&mut self, others: &[i32]) -> io::Result<()> {
        let numbers = [&[SIGTERM, SIGINT], others].concat();
        let token = Source::Signals.token();
        self.signals = Some(Signals::watch(self.poll.registry(), token, &numbers)?);
        Ok(())
    }

    /// From now on standard input comes as notes.
    pub fn watch_input(&mut self, manner: Manner) -> io::Result<()> {
        let mut input = Input::watch(self.poll.registry(), manner)?;
        if input.is_always_ready() {
            enqueue(&mut self.ready, Source::Input, &mut input.queued);
        }
        self.input = Some(input);
        Ok(())
    }

    /// Why standard input ended before its end, if it did.
    pub fn input_failure(&mut self) -> Option<io::Error> {
        self.input.as_mut()?.failure.take()
    }

    /// Stops reading standard input, or goes on with it.
    pub fn hold_input(&mut self, held: bool) {
        let Some(input) = self.input.as_mut().filter(|input| input.held != held) else { return };
        input.held = held;
        if input.is_always_ready() {
            enqueue(&mut self.ready, Source::Input, &mut input.queued);
        } else if !held {
            input.look_again(self.poll.registry(), &mut self.notes);
        }
    }

    /// Closes the listeners and the datagram sockets: nobody new, but for services apart
    /// ([`Quota::apart`](crate::engine::Quota::apart)). Connections go on; see
    /// [`Engine::close_all`].
    pub fn stop_listening(&mut self) {
        let engine = self.driver.engine();
        self.listeners.retain(|_, listener| engine.is_apart(listener.service));
        for (_, datagrams) in &mut self.datagrams {
            datagrams.send_held(self.driver.engine_mut());
        }
        self.datagrams.clear();
    }

    /// The next thing that concerns the owner; to be asked after each turn, until `None`.
    pub fn next_note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// Ends a turn at `when` at the latest; `None`: whenever something happens.
    pub fn wake_at(&mut self, when: Option<Time>) {
        self.wake_at = when;
    }

    /// One turn: waits until something happens or is due, then facts before timers, writes last. It
    /// does not wait while something is left to be done.
    ///
    /// # Errors
    /// Only if the kernel refuses to poll. Whatever concerns one socket ends at that socket.
    pub fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        self.serve_fresh();
        let owes_answers = self.driver.serve();
        self.serve_unfinished(owes_answers);
        self.free_place();
        self.driver.end_turn();
        Ok(())
    }
}

fn enqueue(ready: &mut VecDeque<Source>, source: Source, queued: &mut bool) {
    if !std::mem::replace(queued, true) {
        ready.push_back(source);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use rustix::fs::{OFlags, fcntl_getfl};

    use super::*;

    #[test]
    fn a_listener_of_std_does_not_block_the_loop() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let twin = listener.try_clone().unwrap();
        assert!(!fcntl_getfl(&twin).unwrap().contains(OFlags::NONBLOCK));
        let mut reactor = Reactor::new(Limits::default()).unwrap();
        reactor.add_listener(listener, 0).unwrap();
        assert!(fcntl_getfl(&twin).unwrap().contains(OFlags::NONBLOCK));
    }
}
