//! What the engine keeps: all connections, who is to be flushed, what is due when, what has been
//! spent. Services see it only through `Net`.

use std::collections::VecDeque;

use super::address::Address;
use super::connection::pool::{Buffers, Pool};
use super::connection::{Connection, Kind, Origin, Phase};
use super::cost::Cost;
use super::counts::{Carrier, Histogram, ResponderCounts, ServiceCounts};
use super::deadlines::Deadlines;
use super::dial::Dial;
use super::faults::Releases;
use super::governor::Governor;
use super::layers::Layers;
use super::limits::{Limits, Quota};
use super::metrics::Metrics;
use super::reason::Reason;
use super::slots::{Peer, SLOTS_MAX, Slots, Table};
use super::time::Time;
use super::trimming::Trimming;

/// See the top of this file.
pub(super) struct Core {
    /// What belongs to no service; of the others, the sums are made when they are asked for.
    pub(super) metrics: Metrics,
    /// Of each service over streams, its name and what happened.
    pub(super) names: Vec<&'static str>,
    pub(super) counts: Vec<ServiceCounts>,
    /// Of each service over datagrams.
    pub(super) datagrams: Vec<(&'static str, ResponderCounts)>,
    /// How many connections have places of their service's own (`Quota::apart`).
    pub(super) apart: usize,
    /// How long turns take, if that is measured.
    pub(super) turns: Option<Histogram>,
    pub(super) connections: Slots<Connection>,
    /// The layers of those that have some.
    pub(super) layers: Table<Box<Layers>>,
    /// Those whose preface has told their address, for the guards to judge.
    pub(super) newcomers: Vec<Peer>,
    /// Those who came with layers, in the order in which they came; the first is not through.
    pub(super) beginners: VecDeque<Peer>,
    /// Those to be flushed.
    pub(super) touched: Vec<Peer>,
    pub(super) deadlines: Deadlines,
    /// When the faults of whom go on.
    pub(super) releases: Releases,
    /// How many connections have a good entry among the deadlines.
    pub(super) armed: usize,
    pub(super) quotas: Vec<Quota>,
    /// For each service when it wants to be woken.
    pub(super) alarms: Vec<Time>,
    pub(super) cost: Cost,
    pub(super) limits: Limits,
    pub(super) pool: Pool,
    pub(super) trimming: Trimming,
    pub(super) governor: Governor,
    /// Whether lines about connections are logged with fields.
    pub(super) logs_fields: bool,
    pub(super) screen: Vec<u8>,
    /// Whether a service wants nothing of standard input for now.
    pub(super) input_held: bool,
    /// Peers to be called.
    pub(super) dials: VecDeque<(Peer, Dial)>,
    /// Bytes that the peer which was dropped last had taken.
    pub(super) went_out: u64,
    /// What failed in the layers of the peer which was dropped last.
    pub(super) failure: Option<String>,
    /// Whether nothing is expected behind the datagram that is being delivered.
    pub(super) expects_no_more: bool,
    /// How the program is to end, once a service has said so.
    pub(super) outcome: Option<Result<(), String>>,
    pub(super) now: Time,
    pub(super) wall: u64,
}

impl Core {
    pub(super) fn new(limits: Limits) -> Core {
        Core {
            metrics: Metrics::default(),
            names: Vec::new(),
            counts: Vec::new(),
            datagrams: Vec::new(),
            apart: 0,
            turns: None,
            connections: Slots::default(),
            layers: Table::default(),
            newcomers: Vec::new(),
            beginners: VecDeque::new(),
            touched: Vec::new(),
            deadlines: Deadlines::default(),
            releases: Releases::default(),
            armed: 0,
            quotas: Vec::new(),
            alarms: Vec::new(),
            cost: Cost::default(),
            governor: Governor::new(limits.log_lines),
            logs_fields: false,
            limits,
            pool: Pool::new(limits.buffered),
            trimming: Trimming::default(),
            screen: Vec::new(),
            input_held: false,
            dials: VecDeque::new(),
            went_out: 0,
            failure: None,
            expects_no_more: false,
            outcome: None,
            now: Time::ZERO,
            wall: 0,
        }
    }

    /// How many connections there are that share the places.
    pub(super) fn shared(&self) -> usize {
        self.connections.len() - self.apart
    }

    /// Whether `connection` shares the places: its service does not stand apart.
    pub(super) fn is_shared(&self, connection: &Connection) -> bool {
        self.quotas[usize::from(connection.service)].apart.is_none()
    }

    /// Whether one more connection fits that shares the places.
    pub(super) fn has_free_place(&self) -> bool {
        self.shared() < self.limits.connections && self.connections.len() < SLOTS_MAX
    }

    /// Whether one more connection of that service fits.
    pub(super) fn has_free_place_for(&self, service: usize) -> bool {
        match self.quotas[service].apart {
            None => self.has_free_place(),
            Some(places) => {
                self.counts[service].open() < places && self.connections.len() < SLOTS_MAX
            }
        }
    }

    /// Counts a connection that has begun.
    pub(super) fn began(&mut self, service: usize, over: Carrier) {
        self.counts[service].over(over).began();
        self.apart += usize::from(self.quotas[service].apart.is_some());
    }

    /// Counts one that is over.
    pub(super) fn ended(&mut self, connection: &Connection, reason: Reason) {
        let service = usize::from(connection.service);
        let age = self.now.since(connection.opened_at);
        self.counts[service].over(connection.carrier()).ended(reason, age);
        self.apart -= usize::from(self.quotas[service].apart.is_some());
    }

    pub(super) fn remote(&self, peer: Peer) -> Option<Address> {
        self.connections.get(peer).map(|connection| connection.remote.into())
    }

    pub(super) fn queued(&self, peer: Peer) -> usize {
        let Some(connection) = self.connections.get(peer) else { return 0 };
        match connection.is_layered() {
            false => connection.queued(),
            true => connection.queued() + self.layers.get(peer).map_or(0, |one| one.waiting()),
        }
    }

    /// Whether `peer` can still be sent something.
    pub(super) fn is_open(&self, peer: Peer) -> bool {
        self.connections.get(peer).is_some_and(|connection| connection.phase.may_be_told())
    }

    /// Puts `peer` on the list of those to be flushed, once.
    #[inline]
    pub(super) fn touch(&mut self, peer: Peer) {
        if let Some(connection) = self.connections.get_mut(peer) {
            connection.touch(peer, &mut self.touched);
        }
    }

    /// The most that is to be read at once from that connection.
    pub(super) fn read_at_once(&self, connection: &Connection) -> usize {
        self.limits.read_at_once(self.pool.held, connection.queued())
    }

    /// Queues something for `peer`, if it may be told anything.
    pub(super) fn queue(&mut self, peer: Peer, push: impl FnOnce(Kind, &mut Buffers, &mut Pool)) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if !connection.phase.may_be_told() {
            return;
        }
        let (kind, pool) = (connection.kind(), &mut self.pool);
        if connection.is_layered() {
            let Some(layers) = self.layers.get_mut(peer) else { return };
            push(kind, layers.plain(pool), pool);
            if kind == Kind::Stream {
                let waiting = layers.waiting() + connection.queued();
                connection.back_up(waiting, &self.limits, pool);
            }
            return connection.touch(peer, &mut self.touched);
        }
        let buffers = connection.buffers.get_or_insert_with(|| pool.take_set());
        push(kind, buffers, pool);
        if buffers.outbox.is_empty() {
            return connection.release(pool);
        }
        let (high, _) = self.limits.marks(pool.held);
        buffers.backed_up |= buffers.outbox.len() >= high;
        connection.touch(peer, &mut self.touched);
    }

    /// Queues a copy of `bytes`.
    #[inline]
    pub(super) fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.queue(peer, |kind, buffers, pool| match kind {
            Kind::Stream => buffers.outbox.push(bytes, pool),
            Kind::Datagram => buffers.outbox.push_message(bytes, pool),
        });
    }

    pub(super) fn pause_until(&mut self, peer: Peer, when: Time) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if !connection.phase.is_heard() || when <= self.now {
            return;
        }
        let buffers = connection.buffers.get_or_insert_with(|| self.pool.take_set());
        buffers.paused_until = when;
        self.arm(peer);
    }

    /// Judges what the kernel has left of `peer`'s output: whether it is too much at once. If it
    /// is too much for a while, that while begins.
    pub(super) fn is_far_behind(&mut self, peer: Peer) -> bool {
        let Some(connection) = self.connections.get_mut(peer) else { return false };
        let quota = self.quotas[usize::from(connection.service)];
        let length = connection.queued();
        if length > quota.queue_hard {
            return true;
        }
        if length > quota.queue_soft
            && let Some(buffers) = &mut connection.buffers
        {
            buffers.slow_since = buffers.slow_since.min(self.now);
        }
        self.arm(peer);
        false
    }

    /// See `Net::finish`.
    pub(super) fn finish(&mut self, peer: Peer) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if connection.enter(connection.phase.finished(connection.kind())) {
            self.touch(peer);
        }
    }

    /// Closes `peer` for `reason` once all that is queued for it is out.
    pub(super) fn close(&mut self, peer: Peer, reason: Reason) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if connection.enter(connection.phase.closed(connection.kind(), reason)) {
            // Its deadline is set only if the kernel does not take what is queued at once
            // (`write_blocked`), or nothing more is to be sent.
            connection.active_at = self.now;
            if matches!(connection.phase, Phase::Lingering(_)) {
                self.arm(peer);
            }
            self.touch(peer);
        }
    }

    /// See `Net::leave`.
    pub(super) fn leave(&mut self, peer: Peer) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if connection.enter(connection.phase.left()) {
            connection.active_at = self.now;
            self.touch(peer);
        }
    }

    /// Ends `peer` at once. It forfeits what is queued for it.
    pub(super) fn kill(&mut self, peer: Peer, reason: Reason) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if connection.enter(connection.phase.killed(reason)) {
            self.pool.forfeit(connection.buffers.take());
            if let Some(layers) = self.layers.get_mut(peer) {
                layers.forfeit(&mut self.pool);
            }
            self.touch(peer);
        }
    }

    /// Sees to it that `peer` is looked at when it is due, unless an earlier look is planned.
    #[inline]
    pub(super) fn arm(&mut self, peer: Peer) {
        let Some(connection) = self.connections.get(peer) else { return };
        let due = self.due(peer, connection);
        self.look_by(peer, due);
    }

    /// When `peer` must be looked at again if nothing happens until then.
    #[inline]
    pub(super) fn due(&self, peer: Peer, connection: &Connection) -> Time {
        let quota = &self.quotas[usize::from(connection.service)];
        let due = connection.due(&self.limits, quota);
        match connection.is_layered() {
            false => due,
            true => self.due_through(peer, connection, due),
        }
    }

    /// Drops deadlines that are out of date, if there are many.
    pub(super) fn sweep(&mut self) {
        let Core { deadlines, connections, armed, .. } = self;
        deadlines.sweep(*armed, |when, peer| {
            connections.get(peer).is_some_and(|connection| connection.armed == when)
        });
    }

    /// Sees to it that `peer` is looked at by `when`.
    pub(super) fn look_by(&mut self, peer: Peer, when: Time) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if when < connection.armed {
            self.armed += usize::from(connection.armed == Time::NEVER);
            connection.armed = when;
            self.deadlines.push(when, peer);
        }
    }

    /// Has somebody called on behalf of a service.
    pub(super) fn dial(&mut self, service: usize, dial: Dial) -> Option<Peer> {
        if !self.has_free_place_for(service) {
            return None;
        }
        let number = u8::try_from(service).ok()?;
        let address = dial.address();
        let layers = dial.through.as_ref().and_then(|through| through.layers(address));
        let carrier = layers.as_ref().map_or(address.carrier(), |layers| layers.carrier(address));
        let origin = Origin::called(dial.kind, carrier);
        let origin = if layers.is_some() { origin.layered() } else { origin };
        let connection = Connection::new(address, origin, number, self.now);
        let peer = self.connections.insert(connection);
        if let Some(layers) = layers {
            self.layers.insert(peer, Box::new(layers));
        }
        self.began(service, origin.carrier());
        self.dials.push_back((peer, dial));
        self.arm(peer);
        // So that the turn does not wait before it has been called.
        self.touch(peer);
        Some(peer)
    }

    /// Gives the buffers of `peer` back if there is nothing in them.
    pub(super) fn release(&mut self, peer: Peer) {
        if let Some(connection) = self.connections.get_mut(peer) {
            connection.release(&mut self.pool);
        }
    }
}
