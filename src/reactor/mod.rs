//! The impure half: the poll loop. It waits on mio, keeps every socket, lends streams to the
//! engine and tells it the time. It knows no protocol.
//!
//! Everything is registered once and edge-triggered; readiness is remembered, so no message costs
//! an epoll_ctl. `turn` is the page to read first.

mod alarm;
mod answers;
mod clock;
mod datagrams;
mod flush;
mod input;
mod listeners;
mod rest;
#[cfg_attr(not(all(target_os = "linux", feature = "uring")), path = "no_ring.rs")]
mod ring;
mod sendmmsg;
mod serve;
mod sockets;
mod source;
mod stream;
mod together;

use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use mio::{Events, Interest, Poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use slab::Slab;

use crate::engine::{Engine, Limits, Peer, Responder, Table, Time};
use crate::guards::{Guards, Policy};
use clock::Clock;
use datagrams::{Datagrams, Tray};
use input::Input;

use listeners::{Accepting, Listener};
use rest::Rests;
use source::Source;
use stream::Stream;
use together::Together;

pub use clock::Watch;
pub use input::Manner;
pub use signal_hook::consts::SIGHUP;
pub use sockets::{Families, Listening, bind_datagrams, listen, raise_descriptor_limit};

/// Events fetched in one turn.
const EVENTS_MAX: usize = 1024;
/// A pause in accepting is logged no more often than this.
const PAUSE_TOLD_EVERY: Duration = Duration::from_secs(10);

/// What concerns whoever owns the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The operator has typed a line.
    Line(String),
    /// The operator has typed a line that is longer than any may be; it is lost.
    Overlong,
    /// Bytes of standard input, as they came.
    Bytes(Vec<u8>),
    /// The operator's input has ended; comes once, last of the lines.
    InputEnded,
    /// A signal to end has come.
    Stop,
}

/// The poll loop and all its sockets.
pub struct Reactor {
    poll: Poll,
    events: Events,
    clock: Clock,
    engine: Engine,
    streams: Table<Stream>,
    listeners: Slab<Listener>,
    datagrams: Slab<Datagrams>,
    responders: Vec<Box<dyn Responder>>,
    guards: Guards,
    /// Room for datagrams, from the first datagram socket on.
    tray: Option<Tray>,
    /// When it was looked up which broadcast addresses there are.
    networks_known: Option<Time>,
    /// Sources to be served in this turn or, with their share used up, in the next.
    ready: VecDeque<Source>,
    accepting: Accepting,
    /// The listener that took the last free place.
    accepted_last: usize,
    pause_told: Option<Time>,
    /// Hung-up peers that epoll does not know; see `flush`.
    lingering: VecDeque<(Time, Peer)>,
    /// Those of them that have hung up since the last look.
    hung_up: Vec<Peer>,
    /// Whether the last first look at one of them has found its FIN.
    prompt: bool,
    /// Those that are flushed at the moment.
    touched: Vec<Peer>,
    together: Together,
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
    /// Wakes up more precisely than the poll does.
    alarm: Option<alarm::Alarm>,
}

impl Reactor {
    /// A loop that waits for nothing yet.
    pub fn new(limits: Limits) -> io::Result<Reactor> {
        Ok(Reactor {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            clock: Clock::new(),
            engine: Engine::new(limits),
            streams: Table::default(),
            listeners: Slab::new(),
            datagrams: Slab::new(),
            responders: Vec::new(),
            guards: Guards::new(&Policy::default(), limits.connections),
            tray: None,
            networks_known: None,
            ready: VecDeque::new(),
            accepting: Accepting::Yes,
            accepted_last: 0,
            pause_told: None,
            lingering: VecDeque::new(),
            hung_up: Vec::new(),
            prompt: true,
            touched: Vec::new(),
            together: Together::default(),
            signals: None,
            input: None,
            notes: VecDeque::new(),
            rests: Rests::default(),
            busy_at: Time::ZERO,
            spin: Duration::ZERO,
            wake_at: None,
            alarm: None,
        })
    }

    /// Guards what is added from now on, in the place of the default guards.
    pub fn guard(&mut self, guards: Guards) {
        self.guards = guards;
    }

    /// Keeps asking for events for so long after each before it sleeps. Answers come sooner, for
    /// waking up takes longer than all else; meanwhile a processor is busy.
    pub fn spin(&mut self, spin: Duration) {
        self.spin = spin;
    }

    /// Reads from many peers and writes to many in one system call, where the kernel has io_uring
    /// (Linux 6.1) and nothing forbids it. Without it everything works the same.
    pub fn use_uring(&mut self) -> io::Result<()> {
        self.together.start()
    }

    /// The engine, to add services and to act for the operator. What that leaves to be sent is
    /// flushed in the next turn, which then does not wait.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The time of the turn that has just been.
    pub fn now(&self) -> Time {
        self.engine.now()
    }

    /// Accepts from `listener` for the service with that number.
    pub fn add_listener(&mut self, listener: TcpListener, service: usize) -> io::Result<()> {
        let mut listener = Listener::new(mio::net::TcpListener::from_std(listener), service)?;
        let entry = self.listeners.vacant_entry();
        let token = Source::Listener(entry.key()).token();
        self.poll.registry().register(listener.socket(), token, Interest::READABLE)?;
        entry.insert(listener);
        Ok(())
    }

    /// Takes a responder in and returns the number to `add_datagrams` with.
    pub fn add_responder(&mut self, responder: Box<dyn Responder>) -> usize {
        self.responders.push(responder);
        self.responders.len() - 1
    }

    /// Answers what comes to `socket` through the responder with that number.
    pub fn add_datagrams(&mut self, socket: UdpSocket, responder: usize) -> io::Result<()> {
        self.tray.get_or_insert_with(Tray::new);
        let socket = mio::net::UdpSocket::from_std(socket);
        let entry = self.datagrams.vacant_entry();
        let token = Source::Datagrams(entry.key()).token();
        let datagrams = Datagrams::new(socket, responder, self.poll.registry(), token)?;
        self.guards.letterbox.opened(datagrams.port());
        entry.insert(datagrams);
        Ok(())
    }

    /// From now on SIGTERM and SIGINT come as notes, and those of `others`, by number.
    pub fn watch_signals(&mut self, others: &[i32]) -> io::Result<()> {
        let mut signals = Signals::new([&[SIGTERM, SIGINT], others].concat())?;
        let token = Source::Signals.token();
        self.poll.registry().register(&mut signals, token, Interest::READABLE)?;
        self.signals = Some(signals);
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

    /// Closes the listeners and the datagram sockets: nobody new.
    pub fn stop_listening(&mut self) {
        self.listeners.clear();
        self.datagrams.clear();
    }

    /// The next thing that concerns the owner.
    pub fn next_note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// Ends a turn at `when` at the latest; `None`: whenever something happens.
    pub fn wake_at(&mut self, when: Option<Time>) {
        self.wake_at = when;
    }

    /// One turn: facts before timers, writes last.
    ///
    /// # Errors
    /// Only if the kernel refuses to poll. Whatever concerns one socket ends at that socket.
    pub fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        self.serve_ready();
        self.engine.ring();
        self.flush();
        Ok(())
    }
}

/// Waiting.
impl Reactor {
    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => self.rests.waited(),
            Err(error) => {
                self.rests.endure(error)?;
                self.events.clear();
            }
        }
        let (now, wall_seconds) = self.clock.read();
        self.engine.advance(now, wall_seconds);
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        if !events.is_empty() {
            self.busy_at = now;
        }
        for event in &events {
            self.note_readiness(event);
        }
        events.clear();
        self.events = events;
        self.resume_accepting();
        self.end_rests();
        Ok(())
    }

    /// How long the poll may sleep: not at all if there is work left.
    fn timeout(&mut self) -> Option<Duration> {
        let room_again = self.accepting == Accepting::Full && self.engine.has_room();
        let spinning = self.engine.now().since(self.busy_at) < self.spin;
        if !self.ready.is_empty() || self.engine.has_touched() || room_again || spinning {
            return Some(Duration::ZERO);
        }
        let retry = match self.accepting {
            Accepting::Exhausted(when) => Some(when),
            Accepting::Yes | Accepting::Full => None,
        };
        let fresh = self.hung_up.first().map(|_| self.engine.now().after(flush::LINGER_LOOK));
        let lingering = self.lingering.front().map(|(when, _)| *when).or(fresh);
        let rest = self.rests.next();
        let deadlines = [self.engine.next_deadline(), retry, lingering, self.wake_at, rest];
        let next = deadlines.into_iter().flatten().min()?;
        self.timeout_until(next)
    }

    fn note_readiness(&mut self, event: &mio::event::Event) {
        let source = Source::of(event.token());
        match source {
            Source::Signals => self.ready.push_back(source),
            Source::Input => {
                if let Some(input) = &mut self.input {
                    enqueue(&mut self.ready, source, &mut input.queued);
                }
            }
            Source::Alarm => {}
            Source::Listener(slot) => {
                if let Some(listener) = self.listeners.get_mut(slot) {
                    enqueue(&mut self.ready, source, &mut listener.queued);
                }
            }
            Source::Datagrams(slot) => {
                if let Some(datagrams) = self.datagrams.get_mut(slot) {
                    enqueue(&mut self.ready, source, &mut datagrams.queued);
                }
            }
            Source::Stream(peer) => self.note_stream(peer, event),
        }
    }

    fn note_stream(&mut self, peer: Peer, event: &mio::event::Event) {
        let Some(stream) = self.streams.get_mut(peer) else {
            self.engine.metrics_mut().stale_events += 1;
            return;
        };
        if event.is_read_closed() || event.is_error() || event.is_priority() {
            stream.must_read_on();
        }
        if event.is_readable() || stream.reads_on() {
            stream.readable = true;
            enqueue(&mut self.ready, Source::Stream(peer), &mut stream.queued);
        }
        if event.is_writable() {
            stream.writable = true;
            self.engine.writable(peer);
        }
        if self.engine.is_dialing(peer) {
            match (stream.take_error(), stream.connected()) {
                (Some(error), _) => self.engine.failed(peer, &error),
                (None, Some(local)) => self.engine.dialed(peer, local),
                (None, None) => {}
            }
            return;
        }
        // Reading finds an error behind the data; where nobody reads, it has to be asked for.
        if event.is_error()
            && !self.engine.wants_input(peer)
            && let Some(error) = stream.take_error()
        {
            self.engine.failed(peer, &error);
        }
    }

    /// Looks whether what kept us from accepting is over.
    fn resume_accepting(&mut self) {
        let over = match self.accepting {
            Accepting::Yes => return,
            Accepting::Exhausted(when) => when <= self.engine.now(),
            Accepting::Full => self.engine.has_room(),
        };
        if over {
            self.accepting = Accepting::Yes;
            // Their edges are long gone: look at all of them.
            // Whoever was served last comes last: a flood on one must not keep the others out.
            let (after, before): (Vec<_>, Vec<_>) =
                self.listeners.iter_mut().partition(|(slot, _)| *slot > self.accepted_last);
            for (slot, listener) in after.into_iter().chain(before) {
                enqueue(&mut self.ready, Source::Listener(slot), &mut listener.queued);
            }
        }
    }
}

fn enqueue(ready: &mut VecDeque<Source>, source: Source, queued: &mut bool) {
    if !std::mem::replace(queued, true) {
        ready.push_back(source);
    }
}
