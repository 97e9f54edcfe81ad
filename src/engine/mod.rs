//! The pure half: it carries bytes between sockets and services, and keeps every promise about
//! them. No socket of its own, no clock, no randomness.
//!
//! Which of its types matter depends on who you are:
//!
//! - *You write a protocol.* It is a [`Service`] (streams) or a [`Responder`] (datagrams). All it
//!   can do is in [`Net`]; [`Peer`] names a connection, [`Table`] holds what you keep about each,
//!   [`Reason`] says how one ended. [`Quota`] and [`Limits`] bound it, [`stage::Stage`] tests it.
//!   The [front page](crate) has a whole one.
//! - *You own a loop.* [`Driver`] is the whole of the engine: one turn after the other, over
//!   whatever implements [`Sockets`]. The reactor gives it the kernel's, the simulator in `tests/`
//!   scripted ones, a stage buffers in memory.
//! - *You operate a server.* [`Engine`], by [`Driver::engine_mut`], takes services in, lists
//!   connections, closes them and counts ([`Metrics`]).
//!
//! The engine knows what every connection is to be sent and what is due when; the driver asks it,
//! peer by peer, what to do next, and carries that out.

mod address;
mod connection;
mod core;
mod cost;
mod counts;
mod deadlines;
mod delivery;
mod dial;
mod dialing;
mod faults;
mod flushing;
mod governor;
mod heap;
mod lagging;
mod layers;
mod limits;
mod location;
mod metrics;
mod net;
mod operator;
mod reading;
mod reason;
mod refusal;
mod relief;
mod service;
mod slots;
pub mod stage;
mod survey;
mod tap;
mod time;
mod touched;
mod trimming;
mod turn;

use std::any::Any;

use self::core::Core;
use connection::{Connection, Origin, Step};
use counts::ServiceCounts;
use reading::TURN_BYTES;

pub use address::{Address, Credentials};
pub use connection::Kind;
pub use connection::outbox::Slices;
pub use counts::{Carrier, Histogram, ResponderCounts, StreamCounts};
pub use dial::{Arrival, Dial};
pub(crate) use faults::Mishaps;
pub use faults::{At, Draws, FaultCounts, FaultKind, Knobs, Script, Share, Slicing, Spread, Stall};
pub use layers::{Cipher, Fed, Handshake, Layering, Layers, Opener, Preface, Prefaced, Unable};
pub use limits::{Limits, Quota};
pub use location::{Location, UnixName};
pub use metrics::{Bytes, Metrics};
pub use net::Net;
pub use operator::Entry;
pub(crate) use operator::Field;
pub use reason::Reason;
pub use refusal::Refusal;
pub use service::{Operated, Reply, Responder, Service};
pub use slots::{Peer, SLOTS_MAX, Slots, Table};
pub use survey::Survey;
pub use tap::{Direction, Passage, Tap};
pub use time::Time;
pub use turn::{BatchRead, BatchWrite, Driver, Outcome, Outgoing, Readiness, Sockets, Standing};

/// A service and what it has answered once for all.
struct Registered {
    /// The most bytes that one read brings it.
    read_bytes: usize,
    /// Whether it matters to it where its input is cut.
    counts_reads: bool,
    /// Whether it has told many something, of whom some may wait for a later turn.
    told_many: bool,
    service: Box<dyn Service>,
}

/// Deadlines that are looked at in one turn. The rest are as late as a turn is long.
const DUE_MAX: usize = 512;

/// All connections and all services: what the owner of a [`Driver`] and an operator see of them.
pub struct Engine {
    core: Core,
    services: Vec<Registered>,
    /// All that is read in a turn lies here until it has been answered.
    turn: Box<[u8]>,
    /// How much of `turn` is taken by input that still waits to be sent back.
    turn_used: usize,
    /// Where in `turn` the first of the read slots lies that were lent last.
    slots_at: usize,
    /// Who looks at what is read and written.
    tap: Option<Box<dyn Tap>>,
    /// Room for what layers make of what comes and is said.
    plain: Vec<u8>,
    sealed: Vec<u8>,
    /// Those with layers that are about to be flushed.
    to_seal: Vec<Peer>,
}

impl Engine {
    /// An engine without services.
    pub(crate) fn new(limits: Limits) -> Engine {
        let turn = vec![0; TURN_BYTES].into_boxed_slice();
        let core = Core::new(limits);
        Engine {
            core,
            services: Vec::new(),
            turn,
            turn_used: 0,
            slots_at: 0,
            tap: None,
            plain: Vec::new(),
            sealed: Vec::new(),
            to_seal: Vec::new(),
        }
    }

    /// Takes a service in, under the name that logs and [`Engine::roster`] show, and returns the
    /// number to [`Driver::accept`] with: 0 for the first. `Service::started` is told at once.
    ///
    /// # Panics
    /// With more than 256 services.
    pub fn add_service(
        &mut self,
        name: &'static str,
        quota: Quota,
        service: Box<dyn Service>,
    ) -> usize {
        assert!(self.services.len() <= usize::from(u8::MAX), "at most 256 services");
        let (read_bytes, counts_reads) = (service.read_bytes(), service.counts_reads());
        let told_many = false;
        self.services.push(Registered { read_bytes, counts_reads, told_many, service });
        self.core.names.push(name);
        self.core.counts.push(ServiceCounts::default());
        self.core.quotas.push(quota);
        self.core.alarms.push(Time::NEVER);
        let index = self.services.len() - 1;
        self.operate(index, |operated, net| operated.started(net));
        index
    }

    /// Holds the service with that number to another quota from now on, and tells it what it is
    /// made with now ([`Service::reconfigured`]). Its peers stay, and are held to that too. Whether
    /// it stands apart does not change.
    pub fn reconfigure(&mut self, index: usize, quota: Quota, settings: &dyn Any) {
        let Some(registered) = self.services.get_mut(index) else { return };
        registered.service.reconfigured(settings);
        registered.read_bytes = registered.service.read_bytes();
        registered.counts_reads = registered.service.counts_reads();
        let Quota { idle, apart, .. } = self.core.quotas[index];
        self.core.quotas[index] = Quota { apart, ..quota };
        if quota.idle != idle {
            let of_it = self.core.connections.iter();
            let of_it = of_it.filter(|(_, connection)| usize::from(connection.service) == index);
            let peers: Vec<Peer> = of_it.map(|(peer, _)| peer).collect();
            peers.into_iter().for_each(|peer| self.core.arm(peer));
        }
    }

    /// Other numbers of connections and of bytes that may wait for them, from now on. Nobody is
    /// sent away for the former.
    pub fn set_limits(&mut self, connections: usize, buffered: usize) {
        (self.core.limits.connections, self.core.limits.buffered) = (connections, buffered);
        self.core.pool.set_limit(buffered);
    }

    /// The counters of what belongs to no service.
    pub fn metrics_mut(&mut self) -> &mut Metrics {
        &mut self.core.metrics
    }

    /// How many connections there are, with those that are being closed or called.
    pub fn connections(&self) -> usize {
        self.core.connections.len()
    }

    /// The time of this turn.
    pub fn now(&self) -> Time {
        self.core.now
    }

    /// Whether one more connection would be taken, of services that share the places.
    pub fn has_free_place(&self) -> bool {
        self.core.has_free_place()
    }

    /// Whether one more connection of the service with that number would be taken.
    pub fn has_free_place_for(&self, service: usize) -> bool {
        self.core.has_free_place_for(service)
    }

    /// All places are taken and a newcomer waits: has a service close a peer with little claim to
    /// its place (`Service::free_place`), which is free once that has been flushed; before that,
    /// those go whose layers have taken long. False: nobody gives way.
    pub fn free_place(&mut self) -> bool {
        if self.hurry_beginners() {
            return true;
        }
        let mut services = 0..self.services.len();
        services.any(|index| {
            !self.is_apart(index) && self.dispatch(index, |service, net| service.free_place(net))
        })
    }

    fn dispatch<T>(
        &mut self,
        index: usize,
        tell: impl FnOnce(&mut dyn Service, &mut Net<'_>) -> T,
    ) -> T {
        let mut net = Net::new(&mut self.core, index);
        tell(self.services[index].service.as_mut(), &mut net)
    }
}

/// What the driver says and asks, in the order of a turn.
impl Engine {
    /// Sets the time: since the loop began, and in seconds since 1970-01-01 00:00 UTC.
    pub(crate) fn advance(&mut self, now: Time, wall_seconds: u64) {
        debug_assert!(now >= self.core.now);
        self.core.now = now;
        self.core.wall = wall_seconds;
    }

    /// A connection has been made for the service with that number. `None`: there is no room.
    fn accept(&mut self, service: usize, arrival: Arrival) -> Option<Peer> {
        let peer = self.enter(service, &arrival, Origin::accepted(arrival.remote.carrier()))?;
        self.dispatch(service, |service, net| service.opened(peer, &arrival, net));
        Some(peer)
    }

    #[inline]
    fn enter(&mut self, service: usize, arrival: &Arrival, origin: Origin) -> Option<Peer> {
        if !self.has_free_place_for(service) {
            return None;
        }
        let number = u8::try_from(service).ok()?;
        let core = &mut self.core;
        let connection = Connection::new(arrival.remote, origin, number, core.now);
        let peer = core.connections.insert(connection);
        core.began(service, origin.carrier());
        core.cost.begin_share();
        self.remark_beginning(peer, service, arrival);
        self.core.arm(peer);
        self.core.touch(peer);
        Some(peer)
    }

    /// Does what has become due by now: idle and lingering peers, alarms of services.
    pub(crate) fn fire_timers(&mut self) {
        self.fire_scripts();
        for _ in 0..DUE_MAX {
            let Some((when, peer)) = self.core.deadlines.pop_due(self.core.now) else { break };
            self.look_at(peer, when);
        }
        for index in 0..self.services.len() {
            if self.core.alarms[index] <= self.core.now {
                self.core.alarms[index] = Time::NEVER;
                self.dispatch(index, |service, net| service.alarm(net));
            }
        }
        if let Some(withheld) = self.core.governor.settle(self.core.now) {
            log::info!(lines = withheld; "{withheld} more lines about connections withheld");
        }
        if self.tap.is_some() {
            self.settle_tap(self.core.now);
        }
    }

    /// When `fire_timers` has to be called next.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let alarm = self.core.alarms.iter().copied().min().filter(|when| *when < Time::NEVER);
        let (core, trimming) = (&self.core, self.core.trimming.next());
        let deadlines = [core.deadlines.next(), core.releases.next(), trimming];
        let others = deadlines.into_iter().chain([self.core.governor.next()]);
        let next = alarm.into_iter().chain(others.flatten()).min();
        match &self.tap {
            None => next,
            Some(tap) => next.into_iter().chain(tap.next()).min(),
        }
    }

    /// Whether it is time to look who has become ready meanwhile.
    fn is_round_spent(&self) -> bool {
        self.core.cost.is_round_spent(&self.core.limits)
    }

    /// Whether whoever has not been flushed yet has to wait for a later turn.
    fn is_flush_spent(&self) -> bool {
        self.flush_left() == 0
    }

    /// How many units of output this round has left.
    fn flush_left(&self) -> usize {
        self.core.cost.flush_left(&self.core.limits)
    }

    /// Asks for `peer` to be flushed: its socket takes output again.
    fn writable(&mut self, peer: Peer) {
        if self.core.connections.get(peer).is_some_and(|one| one.queued() > 0) {
            self.core.touch(peer);
        }
    }
}
