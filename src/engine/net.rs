//! `Net`: all that a service can see and do. Sending and closing only take note here; the bytes
//! leave at the end of the turn, and `closed` is told then.

use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::connection::{Connection, Flush, Kind, Phase};
use super::cost::Cost;
use super::deadlines::Deadlines;
use super::dialing::Call;
use super::governor::Governor;
use super::limits::{Limits, Quota};
use super::metrics::Metrics;
use super::pool::{Buffers, Pool};
use super::reason::Reason;
use super::slots::{Peer, SLOTS_MAX, Slots};
use super::time::Time;

/// The network as a service sees it. See the functions of the first `impl` block; the rest is the
/// engine's own.
pub struct Net {
    /// What happened so far.
    pub metrics: Metrics,
    pub(super) connections: Slots<Connection>,
    /// Those to be flushed in this turn, and how many of them have been.
    pub(super) touched: Vec<Peer>,
    pub(super) flushed: usize,
    pub(super) deadlines: Deadlines,
    /// How many connections have a good entry among the deadlines.
    pub(super) armed: usize,
    pub(super) quotas: Vec<Quota>,
    /// For each service when it wants to be woken.
    pub(super) alarms: Vec<Time>,
    /// The service being called.
    pub(super) calling: usize,
    /// Where in the turn's read buffer the input being delivered lies, if it lies there.
    pub(super) input: Option<Range<usize>>,
    /// Whether some outbox refers to that input, so that it must stay until the turn ends.
    pub(super) input_kept: bool,
    pub(super) cost: Cost,
    pub(super) limits: Limits,
    pub(super) pool: Pool,
    pub(super) governor: Governor,
    pub(super) screen: Vec<u8>,
    /// Whether the service wants nothing of standard input for now.
    pub(super) input_held: bool,
    /// Peers to be called.
    pub(super) dials: Vec<(Peer, Call)>,
    /// Bytes that the peer which was dropped last had taken.
    pub(super) went_out: u64,
    /// How the program is to end, once a service has said so.
    pub(super) outcome: Option<Result<(), String>>,
    pub(super) now: Time,
    pub(super) wall: u64,
}

impl Net {
    /// The time of this turn.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Seconds since 1970-01-01 00:00 UTC, at most a tenth of a second old.
    pub fn wall_seconds(&self) -> u64 {
        self.wall
    }

    /// Queues a copy of `bytes` for `peer`; as one message, if it is a datagram socket. Ignored if
    /// it is gone or closing. If the kernel leaves more of its output than the service's hard
    /// limit, the peer is closed as `Slow`.
    pub fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.queue(peer, |kind, buffers, pool| match kind {
            Kind::Stream => buffers.outbox.push(bytes, pool),
            Kind::Datagram => buffers.outbox.push_message(bytes, pool),
        });
    }

    /// Like `send`, without a copy if possible: `input` must be the slice that `received` was
    /// given, or the head of it.
    pub fn send_back(&mut self, peer: Peer, input: &[u8]) {
        let is_deferred =
            self.connections.get(peer).is_some_and(|one| one.flush == Flush::Deferred);
        match self.input.clone().filter(|_| !is_deferred) {
            Some(whole) => {
                debug_assert!(input.len() <= whole.len());
                self.input_kept = true;
                let head = whole.start..whole.start + input.len();
                self.queue(peer, |kind, buffers, pool| match kind {
                    Kind::Stream => buffers.outbox.push_turn(head, pool),
                    Kind::Datagram => buffers.outbox.push_message(input, pool),
                });
            }
            None => self.send(peer, input),
        }
    }

    /// Queues a range of a buffer that others are sent too, without a copy.
    pub fn share(&mut self, peer: Peer, buffer: &Rc<Vec<u8>>, range: Range<usize>) {
        self.queue(peer, |kind, buffers, pool| match kind {
            Kind::Stream => buffers.outbox.push_shared(buffer, range, pool),
            Kind::Datagram => buffers.outbox.push_message(&buffer[range], pool),
        });
    }

    /// Reads nothing from `peer` until `when`, and delivers nothing: what `received` leaves unused
    /// comes again then. The peer's own sending waits meanwhile. For rates.
    pub fn pause_until(&mut self, peer: Peer, when: Time) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if !connection.is_heard() || when <= self.now {
            return;
        }
        let buffers = connection.buffers.get_or_insert_with(|| self.pool.take_set());
        buffers.paused_until = when;
        self.arm(peer);
    }

    /// Ends our side once all that is queued for `peer` is out, and goes on listening to it.
    /// Datagrams have no such end: nothing happens.
    pub fn finish(&mut self, peer: Peer) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        match (connection.phase, connection.kind()) {
            (Phase::Open, Kind::Stream) => connection.phase = Phase::Ending,
            (Phase::HalfClosed, _) => connection.phase = Phase::Finishing(Reason::Eof),
            _ => return,
        }
        self.touch(peer);
    }

    /// Ends the whole program once the turn is over: there is nothing left to do, or it has gone
    /// wrong in the way that the line says. The first word counts.
    pub fn stop(&mut self, outcome: Result<(), String>) {
        self.outcome.get_or_insert(outcome);
    }

    /// Closes `peer` once all that is queued for it is out.
    pub fn close(&mut self, peer: Peer) {
        self.close_as(peer, Reason::Done);
    }

    /// Drops `peer` once all that is queued for it is out, without waiting for its FIN. For
    /// whoever has read all there is: over unread input the kernel sends a RST.
    pub fn leave(&mut self, peer: Peer) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        match connection.phase {
            Phase::Dialing => connection.phase = Phase::Gone(Reason::Done),
            Phase::Open | Phase::HalfClosed | Phase::Ending | Phase::Listening => {
                connection.phase = Phase::Finishing(Reason::Done);
            }
            _ => return,
        }
        connection.active_at = self.now;
        self.touch(peer);
    }

    /// Bytes queued for `peer` that the kernel has not taken yet.
    pub fn queued(&self, peer: Peer) -> usize {
        self.connections.get(peer).map_or(0, Connection::queued)
    }

    /// How many of the bytes sent to a peer the kernel has taken in all: for `closed`, about the
    /// peer that it tells of.
    pub fn went_out(&self) -> u64 {
        self.went_out
    }

    /// Whether `peer` can still be sent something.
    pub fn is_open(&self, peer: Peer) -> bool {
        self.connections.get(peer).is_some_and(Connection::may_be_told)
    }

    /// How many connections there may be at once.
    pub fn places(&self) -> usize {
        self.limits.connections
    }

    /// The address of `peer`, unless it is gone.
    pub fn remote(&self, peer: Peer) -> Option<SocketAddr> {
        self.connections.get(peer).map(|connection| connection.remote.into())
    }

    /// Asks for `alarm` in `wait` from now at the latest. The earliest wish counts; it is
    /// fulfilled once, and a later one has to be made again.
    pub fn wake_in(&mut self, wait: Duration) {
        self.wake_at(self.now.after(wait));
    }

    /// Asks for `alarm` at `when` at the latest.
    pub fn wake_at(&mut self, when: Time) {
        let alarm = &mut self.alarms[self.calling];
        *alarm = when.min(*alarm);
    }

    /// Puts a line before the operator. The text must have been made visible already: no control
    /// characters.
    pub fn show(&mut self, line: &str) {
        if self.screen.len() + line.len() >= self.limits.screen {
            self.metrics.screen_lost += 1;
            return;
        }
        self.screen.extend_from_slice(line.as_bytes());
        self.screen.push(b'\n');
    }

    /// Says whether `told` and `fed` had better wait: what is not wanted yet is not read either.
    pub fn hold_input(&mut self, held: bool) {
        self.input_held = held;
    }

    /// Puts bytes on standard output as they are: for filters, never for an operator's terminal.
    pub fn print(&mut self, bytes: &[u8]) {
        self.screen.extend_from_slice(bytes);
    }
}

impl Net {
    pub(super) fn new(limits: Limits) -> Net {
        Net {
            metrics: Metrics::default(),
            connections: Slots::default(),
            touched: Vec::new(),
            flushed: 0,
            deadlines: Deadlines::default(),
            armed: 0,
            quotas: Vec::new(),
            alarms: Vec::new(),
            calling: 0,
            input: None,
            input_kept: false,
            cost: Cost::default(),
            governor: Governor::new(limits.log_lines),
            limits,
            pool: Pool::new(limits.buffered),
            screen: Vec::new(),
            input_held: false,
            dials: Vec::new(),
            went_out: 0,
            outcome: None,
            now: Time::ZERO,
            wall: 0,
        }
    }

    /// Whether one more connection fits.
    pub(super) fn has_room(&self) -> bool {
        self.connections.len() < self.limits.connections.min(SLOTS_MAX)
    }

    /// Puts `peer` on the list of those to be flushed, once.
    pub(super) fn touch(&mut self, peer: Peer) {
        if let Some(connection) = self.connections.get_mut(peer) {
            connection.touch(peer, &mut self.touched);
        }
    }

    /// The most that is to be read at once from that connection.
    pub(super) fn read_at_once(&self, connection: &Connection) -> usize {
        self.limits.read_at_once(self.pool.held, connection.queued())
    }

    fn queue(&mut self, peer: Peer, push: impl FnOnce(Kind, &mut Buffers, &mut Pool)) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if !connection.may_be_told() {
            return;
        }
        let (kind, pool) = (connection.kind(), &mut self.pool);
        let buffers = connection.buffers.get_or_insert_with(|| pool.take_set());
        push(kind, buffers, pool);
        if buffers.outbox.is_empty() {
            return connection.release(pool);
        }
        let (high, _) = self.limits.marks(pool.held);
        buffers.backed_up |= buffers.outbox.len() >= high;
        connection.touch(peer, &mut self.touched);
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

    /// Closes `peer` for `reason` once all that is queued for it is out.
    pub(super) fn close_as(&mut self, peer: Peer, reason: Reason) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        connection.phase = match (connection.phase, reason) {
            (Phase::Dialing, _) => Phase::Gone(reason),
            // There is no FIN to be sent or to be waited for.
            (Phase::Open, _) if connection.kind() == Kind::Datagram => Phase::Finishing(reason),
            (Phase::Open | Phase::Ending, _) => Phase::Closing(reason),
            (Phase::Listening, _) => Phase::Lingering(reason),
            (Phase::HalfClosed, Reason::Done) => Phase::Finishing(Reason::Eof),
            (Phase::HalfClosed, _) => Phase::Finishing(reason),
            _ => return,
        };
        // Its deadline is set only if the kernel does not take what is queued at once: `hold`.
        connection.active_at = self.now;
        if matches!(connection.phase, Phase::Lingering(_)) {
            self.arm(peer);
        }
        self.touch(peer);
    }

    /// Ends at once a peer that is closing already and takes its time over it.
    pub(super) fn hurry(&mut self, peer: Peer) {
        let reason = match self.connections.get(peer).map(|connection| connection.phase) {
            Some(Phase::Closing(why) | Phase::Finishing(why) | Phase::Lingering(why)) => why,
            _ => Reason::Kicked,
        };
        self.kill(peer, reason);
    }

    /// Ends `peer` at once. It forfeits what is queued for it.
    pub(super) fn kill(&mut self, peer: Peer, reason: Reason) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        if matches!(connection.phase, Phase::Gone(_)) {
            return;
        }
        connection.phase = Phase::Gone(reason);
        self.pool.forfeit(connection.buffers.take());
        self.touch(peer);
    }

    /// Sees to it that `peer` is looked at when it is due, unless an earlier look is planned.
    pub(super) fn arm(&mut self, peer: Peer) {
        let Some(connection) = self.connections.get_mut(peer) else { return };
        let quota = &self.quotas[usize::from(connection.service)];
        let Some(due) = connection.due(&self.limits, quota) else { return };
        if due < connection.armed {
            self.armed += usize::from(connection.armed == Time::NEVER);
            connection.armed = due;
            self.deadlines.push(due, peer);
        }
    }

    /// Gives the buffers of `peer` back if there is nothing in them.
    pub(super) fn release(&mut self, peer: Peer) {
        if let Some(connection) = self.connections.get_mut(peer) {
            connection.release(&mut self.pool);
        }
    }
}
