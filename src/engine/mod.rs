//! The pure half: it carries bytes between lent streams and services, and keeps every promise
//! about them. No socket, no clock, no randomness.
//!
//! Whoever drives it (the reactor, or the simulator in `tests/`) does this once a turn: `advance`
//! the time, `accept` and `input` what has come, `ring` what is due, then flush: `settle`, and for
//! each peer from `next_touched` do what `step` says until it says `Wait`; at last `end_turn`.
//! Many peers may be read from at once (`rooms`, then `filled` for each), and what is `outgoing`
//! for many may be written at once before `sent` is said of each.

mod address;
mod connection;
mod cost;
mod deadlines;
mod delivery;
mod dialing;
mod governor;
mod lagging;
mod limits;
mod metrics;
mod net;
mod operator;
mod outbox;
mod pool;
mod reading;
mod reason;
mod relief;
mod service;
mod slots;
#[cfg(test)]
pub(crate) mod stage;
mod step;
mod time;

use std::io;

use connection::{Connection, Flush, Phase};
use outbox::SLICES_MAX;
use reading::TURN_BYTES;

pub use connection::Kind;
pub use dialing::Call;
pub use limits::{Limits, Quota};
pub use metrics::{Bytes, Metrics};
pub use net::Net;
pub use outbox::Slices;
pub use reading::ROOM_BYTES;
pub use reason::Reason;
pub use service::{Arrival, Reply, Responder, Service};
pub use slots::{Peer, SLOTS_MAX, Slots, Table};
pub use step::{Entry, Flow, Outgoing, Step};
pub use time::Time;

/// What accepting a connection costs, in units of `Net::spend`.
const ACCEPT_UNITS: usize = 8 * 1024;

struct Resident {
    name: &'static str,
    /// The most bytes that one read brings it.
    read_bytes: usize,
    /// Whether it matters to it where its input is cut.
    counts_reads: bool,
    service: Box<dyn Service>,
}

/// All connections and all services.
pub struct Engine {
    net: Net,
    residents: Vec<Resident>,
    /// All that is read in a turn lies here until it has been answered.
    turn: Box<[u8]>,
    /// How much of `turn` is taken by input that still waits to be sent back.
    turn_used: usize,
    /// Where in `turn` the first of the `rooms` lies that were lent last.
    rooms_at: usize,
}

impl Engine {
    /// An engine without services.
    pub fn new(limits: Limits) -> Engine {
        let turn = vec![0; TURN_BYTES].into_boxed_slice();
        let net = Net::new(limits);
        Engine { net, residents: Vec::new(), turn, turn_used: 0, rooms_at: 0 }
    }

    /// Takes a service in and returns the number to `accept` with. At most 256 fit.
    pub fn add_service(
        &mut self,
        name: &'static str,
        quota: Quota,
        service: Box<dyn Service>,
    ) -> usize {
        assert!(self.residents.len() <= usize::from(u8::MAX), "at most 256 services");
        let (read_bytes, counts_reads) = (service.read_bytes(), service.counts_reads());
        self.residents.push(Resident { name, read_bytes, counts_reads, service });
        self.net.quotas.push(quota);
        self.net.alarms.push(Time::NEVER);
        let index = self.residents.len() - 1;
        self.call(index, |service, net| service.started(net));
        index
    }

    /// What happened so far.
    pub fn metrics(&self) -> Metrics {
        self.net.metrics
    }

    /// The counters, for what the driver itself has to count.
    pub fn metrics_mut(&mut self) -> &mut Metrics {
        &mut self.net.metrics
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.net.connections.len()
    }

    /// The time of this turn.
    pub fn now(&self) -> Time {
        self.net.now
    }

    /// Whether one more connection would be taken.
    pub fn has_room(&self) -> bool {
        self.net.has_room()
    }
}

/// The turn.
impl Engine {
    /// Somebody new waits in vain: has a service close a peer with little claim to its place. It is
    /// free once that has been flushed. False: nobody gives way.
    pub fn make_room(&mut self) -> bool {
        let services = 0..self.residents.len();
        services.into_iter().any(|index| self.call(index, |service, net| service.make_room(net)))
    }

    /// Sets the time: since the loop began, and in seconds since 1970-01-01 00:00 UTC.
    pub fn advance(&mut self, now: Time, wall_seconds: u64) {
        debug_assert!(now >= self.net.now);
        self.net.now = now;
        self.net.wall = wall_seconds;
    }

    /// Begins a round of serving: as much input as `Limits::round_units` allow, until
    /// `has_spent_the_round`.
    pub fn begin_round(&mut self) {
        self.net.begin_round();
    }

    /// Whether it is time to look who has become ready meanwhile.
    pub fn has_spent_the_round(&self) -> bool {
        self.net.has_spent_the_round()
    }

    /// A connection has been made for the service with that number. `None`: there is no room.
    pub fn accept(&mut self, service: usize, arrival: Arrival) -> Option<Peer> {
        if !self.has_room() {
            return None;
        }
        let number = u8::try_from(service).ok()?;
        let connection = Connection::accepted(arrival.remote, number, self.net.now);
        let peer = self.net.connections.insert(connection);
        self.net.metrics.opened += 1;
        self.net.begin_share();
        self.net.spend(ACCEPT_UNITS);
        let (name, remote) = (self.residents[service].name, arrival.remote);
        let line = format_args!("{peer} {name} connection established with {remote}");
        self.remark(log::Level::Info, line);
        self.net.arm(peer);
        self.net.touch(peer);
        self.call(service, |service, net| service.opened(peer, &arrival, net));
        Some(peer)
    }

    /// Does what has become due by now: idle and lingering peers, alarms of services.
    pub fn ring(&mut self) {
        while let Some((when, peer)) = self.net.deadlines.pop_due(self.net.now) {
            self.look_at(peer, when);
        }
        for index in 0..self.residents.len() {
            if self.net.alarms[index] <= self.net.now {
                self.net.alarms[index] = Time::NEVER;
                self.call(index, |service, net| service.alarm(net));
            }
        }
        if let Some(withheld) = self.net.governor.settle(self.net.now) {
            log::info!("{withheld} more lines about connections withheld");
        }
    }

    /// When `ring` has to be called next.
    pub fn next_deadline(&self) -> Option<Time> {
        let alarm = self.net.alarms.iter().copied().min().filter(|when| *when < Time::NEVER);
        let others = [self.net.deadlines.next(), self.net.governor.next()];
        alarm.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Lets the services send what they gathered in this turn.
    pub fn settle(&mut self) {
        for index in 0..self.residents.len() {
            self.call(index, |service, net| service.settled(net));
        }
    }

    /// The next peer with something to be done for it. New ones may come up while these are
    /// flushed; it ends, because every peer closes only once.
    pub fn next_touched(&mut self) -> Option<Peer> {
        while let Some(peer) = self.net.touched.get(self.net.flushed).copied() {
            self.net.flushed += 1;
            if let Some(connection) = self.net.connections.get_mut(peer) {
                connection.flush = Flush::Idle;
                return Some(peer);
            }
        }
        self.net.touched.clear();
        self.net.flushed = 0;
        None
    }

    /// Leaves a peer that `next_touched` has returned for a later turn: it is not returned again
    /// until `take_up` has been called for it.
    pub fn defer(&mut self, peer: Peer) {
        let Some(connection) = self.net.connections.get_mut(peer) else { return };
        connection.flush = Flush::Deferred;
        if let Some(buffers) = &mut connection.buffers {
            buffers.outbox.hold_turn(&self.turn, &mut self.net.pool);
        }
    }

    /// A deferred peer is about to be flushed.
    pub fn take_up(&mut self, peer: Peer) {
        if let Some(connection) = self.net.connections.get_mut(peer) {
            connection.flush = Flush::Idle;
        }
    }

    /// Whether anything waits to be flushed, or anybody to be called.
    pub fn has_touched(&self) -> bool {
        self.net.flushed < self.net.touched.len() || !self.net.dials.is_empty()
    }

    /// Asks for `peer` to be flushed: its socket takes output again.
    pub fn writable(&mut self, peer: Peer) {
        if self.net.queued(peer) > 0 {
            self.net.touch(peer);
        }
    }

    /// What `peer` wants of its socket next.
    pub fn step(&self, peer: Peer) -> Step {
        let Some(connection) = self.net.connections.get(peer) else { return Step::Wait };
        match connection.phase {
            Phase::Gone(_) => Step::Drop,
            _ if connection.queued() > 0 => Step::Write,
            Phase::Ending | Phase::Closing(_) => Step::HangUp,
            Phase::Finishing(_) => Step::Drop,
            Phase::Dialing
            | Phase::Open
            | Phase::HalfClosed
            | Phase::Listening
            | Phase::Lingering(_) => Step::Wait,
        }
    }

    /// The head of what `peer` is to be sent; `None` if there is nothing.
    pub fn outgoing(&self, peer: Peer) -> Option<Outgoing<'_>> {
        let connection = self.net.connections.get(peer)?;
        let outbox = &connection.buffers.as_ref()?.outbox;
        let chunks_max = match connection.kind() {
            Kind::Stream => SLICES_MAX,
            Kind::Datagram => 1,
        };
        if outbox.is_empty() {
            return None;
        }
        let head = outbox.head(&self.turn, chunks_max);
        let last = head.is_all() && matches!(connection.phase, Phase::Ending | Phase::Closing(_));
        Some(Outgoing { head, last })
    }

    /// The kernel has taken the first `count` bytes of what `step` said to write.
    pub fn sent(&mut self, peer: Peer, count: usize) {
        let net = &mut self.net;
        let Some(connection) = net.connections.get_mut(peer) else { return };
        let Some(buffers) = &mut connection.buffers else { return };
        buffers.outbox.sent(count, &mut net.pool);
        connection.bytes_out += count as u64;
        net.metrics.bytes_out += count as u64;
        connection.active_at = net.now;
        let length = buffers.outbox.len();
        let index = usize::from(connection.service);
        if length <= net.quotas[index].queue_soft {
            buffers.slow_since = Time::NEVER;
        }
        let drained = buffers.backed_up && length <= net.limits.marks(net.pool.held).1;
        if drained {
            buffers.backed_up = false;
        }
        let listening = connection.may_be_told();
        connection.release(&mut net.pool);
        if drained && listening {
            self.call(index, |service, net| service.drained(peer, net));
        }
    }

    /// The kernel takes no more of `peer`'s output for now.
    pub fn hold(&mut self, peer: Peer) {
        let Some(connection) = self.net.connections.get_mut(peer) else { return };
        if let Some(buffers) = &mut connection.buffers {
            buffers.outbox.hold(&self.turn, &mut self.net.pool);
        }
        if self.net.is_far_behind(peer) {
            self.give_up(peer, Reason::Slow);
        }
        self.relieve();
    }

    /// Reading or writing has failed: the connection is broken.
    pub fn failed(&mut self, peer: Peer, error: &io::Error) {
        self.net.kill(peer, Reason::Failed(error.kind()));
    }

    /// Our FIN is out.
    pub fn hung_up(&mut self, peer: Peer) {
        let Some(connection) = self.net.connections.get_mut(peer) else { return };
        connection.phase = match connection.phase {
            Phase::Ending => Phase::Listening,
            Phase::Closing(reason) => Phase::Lingering(reason),
            same => same,
        };
        connection.active_at = self.net.now;
        self.net.arm(peer);
    }

    /// The socket of `peer` is dropped: its end.
    pub fn reap(&mut self, peer: Peer) {
        let Some(connection) = self.net.connections.remove(peer) else { return };
        let reason = match connection.phase {
            Phase::Gone(reason) | Phase::Finishing(reason) => reason,
            // Only if the driver drops a socket of its own accord.
            _ => Reason::Shutdown,
        };
        self.net.pool.forfeit(connection.buffers);
        if connection.armed < Time::NEVER {
            self.net.armed -= 1;
            let Net { deadlines, connections, armed, .. } = &mut self.net;
            deadlines.sweep(*armed, |when, peer| {
                connections.get(peer).is_some_and(|connection| connection.armed == when)
            });
        }
        self.net.metrics.closed += 1;
        self.net.went_out = connection.bytes_out;
        let index = usize::from(connection.service);
        let name = self.residents[index].name;
        let (came, went) = (Bytes(connection.bytes_in), Bytes(connection.bytes_out));
        let age = self.net.now.since(connection.opened_at);
        let line =
            format_args!("{peer} {name} closed: {reason} (in {came}, out {went}, {age:.1?})");
        self.remark(log::Level::Info, line);
        self.call(index, |service, net| service.closed(peer, reason, net));
    }

    /// Everything is flushed: the turn's read buffer may be used again.
    pub fn end_turn(&mut self) {
        debug_assert!(!self.has_touched());
        self.turn_used = 0;
    }
}

impl Engine {
    fn call<T>(&mut self, index: usize, tell: impl FnOnce(&mut dyn Service, &mut Net) -> T) -> T {
        self.net.calling = index;
        tell(self.residents[index].service.as_mut(), &mut self.net)
    }
}
