//! `Net`: all that a service can see and do. Sending and closing only take note here; the bytes
//! leave at the end of the turn, and `closed` is told then.

use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::address::Address;
use super::connection::{Flush, Kind};
use super::core::Core;
use super::dial::Dial;
use super::location::Location;
use super::reason::Reason;
use super::slots::Peer;
use super::survey::Survey;
use super::time::Time;

/// The network as a service sees it while it is told a fact: all that a protocol may do.
///
/// Nothing here waits or fails, and nothing happens before the service has returned: sending
/// queues, closing takes note. About a peer that is gone, everything does and finds nothing. A
/// service may name any [`Peer`] that it knows, not only the one that the fact is about.
pub struct Net<'a> {
    pub(super) core: &'a mut Core,
    /// The service that is told.
    pub(super) service: usize,
    /// The input that is being delivered; empty with every other fact.
    pub(super) input: Delivery<'a>,
}

/// The input that is being delivered.
#[derive(Default)]
pub(super) struct Delivery<'a> {
    pub(super) bytes: &'a [u8],
    /// Where in the turn's read buffer it lies, if it lies there.
    pub(super) at: Option<usize>,
    /// Whether some outbox refers to it, so that it must stay until the turn ends.
    pub(super) is_kept: bool,
}

impl<'a> Net<'a> {
    pub(super) fn new(core: &'a mut Core, service: usize) -> Net<'a> {
        Net { core, service, input: Delivery::default() }
    }
}

/// Sending and closing.
impl Net<'_> {
    /// Queues a copy of `bytes` for `peer`; as one message, if it is a datagram socket. Ignored if
    /// it is gone or closing. If the kernel leaves more of a turn's output than
    /// [`Quota::queue_hard`](super::Quota::queue_hard), the peer is closed as [`Reason::Slow`]:
    /// whoever sends much looks at [`queued`](Net::queued) and goes on when
    /// [`drained`](super::Service::drained) is told.
    #[inline]
    pub fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.core.send(peer, bytes);
    }

    /// Sends `peer` the first `count` bytes of the input that is being delivered, without a copy
    /// if possible.
    #[inline]
    pub fn send_back(&mut self, peer: Peer, count: usize) {
        debug_assert!(count <= self.input.bytes.len());
        let count = count.min(self.input.bytes.len());
        let bytes = &self.input.bytes[..count];
        let one = self.core.connections.get(peer);
        let is_deferred = one.is_some_and(|one| one.flush == Flush::Deferred);
        let Some(start) = self.input.at.filter(|_| !is_deferred) else {
            return self.core.send(peer, bytes);
        };
        self.input.is_kept = true;
        self.core.queue(peer, |kind, buffers, pool| match kind {
            Kind::Stream => buffers.outbox.push_turn(start..start + count, pool),
            Kind::Datagram => buffers.outbox.push_message(bytes, pool),
        });
    }

    /// Queues a range of a buffer that others are sent too, without a copy.
    #[inline]
    pub fn share(&mut self, peer: Peer, buffer: &Rc<Vec<u8>>, range: Range<usize>) {
        self.core.queue(peer, |kind, buffers, pool| match kind {
            Kind::Stream => buffers.outbox.push_shared(buffer, range, pool),
            Kind::Datagram => buffers.outbox.push_message(&buffer[range], pool),
        });
    }

    /// Closes `peer` once all that is queued for it is out: FIN, then what still comes is discarded
    /// until its own FIN, for at most [`Limits::linger`](super::Limits::linger), so that no RST
    /// destroys what it has not read yet (RFC 9293, section 3.6.1). Then `closed` is told.
    pub fn close(&mut self, peer: Peer) {
        self.core.close(peer, Reason::Done);
    }

    /// Ends our side once all that is queued for `peer` is out (shutdown(2), SHUT_WR), and goes on
    /// listening to it. Datagrams have no such end: nothing happens.
    pub fn finish(&mut self, peer: Peer) {
        self.core.finish(peer);
    }

    /// Drops `peer` once all that is queued for it is out, without waiting for its FIN. For
    /// whoever has read all there is: over unread input the kernel sends a RST.
    pub fn leave(&mut self, peer: Peer) {
        self.core.leave(peer);
    }

    /// Drops `peer` at once, as too slow a reader: what is queued for it is lost.
    pub fn give_up(&mut self, peer: Peer) {
        self.core.kill(peer, Reason::Slow);
    }

    /// Drops `peer` at once, as one that is good for nothing: what is queued for it is lost.
    pub fn abandon(&mut self, peer: Peer) {
        self.core.kill(peer, Reason::Failed(io::ErrorKind::ConnectionAborted));
    }

    /// Calls `remote`, for this service. The answer is `opened`, or `closed` with what went wrong
    /// and no `opened` before it, after [`Limits::dial`](super::Limits::dial) at the latest.
    /// `None`: all places are taken.
    pub fn dial(&mut self, remote: Location, kind: Kind) -> Option<Peer> {
        self.dial_with(Dial::to(remote, kind))
    }

    /// Like `dial`, with everything that can be chosen.
    pub fn dial_with(&mut self, dial: Dial) -> Option<Peer> {
        self.core.dial(self.service, dial)
    }
}

/// Who is there.
impl Net<'_> {
    /// Whether `peer` can still be sent something.
    pub fn is_open(&self, peer: Peer) -> bool {
        self.core.is_open(peer)
    }

    /// The address of `peer`, unless it is gone.
    pub fn remote(&self, peer: Peer) -> Option<Address> {
        self.core.remote(peer)
    }

    /// Bytes queued for `peer` that the kernel has not taken yet; 0 if it is gone.
    pub fn queued(&self, peer: Peer) -> usize {
        self.core.queued(peer)
    }

    /// How many of the bytes sent to a peer the kernel has taken in all: for `closed`, about the
    /// peer that it tells of.
    pub fn went_out(&self) -> u64 {
        self.core.went_out
    }

    /// What failed in the layers of a peer (TLS, a PROXY header), in words: for `closed`, about the
    /// peer that it tells of.
    pub fn failure(&self) -> Option<&str> {
        self.core.failure.as_deref()
    }

    /// All there is to see of the other services, for one that tells an operator.
    pub fn survey(&self) -> Survey<'_> {
        Survey::of(self.core)
    }

    /// How many connections there may be at once, over all services.
    pub fn places(&self) -> usize {
        self.core.limits.connections
    }
}

/// Time, and shares of it.
impl Net<'_> {
    /// The time of this turn: since the loop began, the same until the turn ends.
    pub fn now(&self) -> Time {
        self.core.now
    }

    /// Seconds since 1970-01-01 00:00 UTC, at most a tenth of a second old.
    pub fn wall_seconds(&self) -> u64 {
        self.core.wall
    }

    /// Asks for [`alarm`](super::Service::alarm) in `wait` from now at the latest. There is one for
    /// each service: the earliest wish counts, it is fulfilled once, and a later one has to be made
    /// again.
    pub fn wake_in(&mut self, wait: Duration) {
        self.wake_at(self.core.now.after(wait));
    }

    /// Asks for `alarm` at `when` at the latest.
    pub fn wake_at(&mut self, when: Time) {
        let alarm = &mut self.core.alarms[self.service];
        *alarm = when.min(*alarm);
    }

    /// Reads nothing from `peer` until `when`, and delivers nothing: what `received` leaves unused
    /// comes again then. The peer's own sending waits meanwhile. For rates.
    pub fn pause_until(&mut self, peer: Peer, when: Time) {
        self.core.pause_until(peer, when);
    }

    /// Notes that something for the peer whose input is being delivered has cost so many units,
    /// beside the bytes themselves: one is about what it takes to echo a byte, 0.3 ns. A service
    /// that makes much of little, or works for more than one peer, says so here; otherwise its
    /// peers have more than their share ([`Limits::share_units`](super::Limits::share_units)).
    pub fn spend(&mut self, units: usize) {
        self.core.cost.spend(units, &self.core.limits);
    }

    /// Counts a line or a message of `peer` that this service has taken.
    pub fn count_message(&mut self, peer: Peer) {
        let Some(connection) = self.core.connections.get(peer) else { return };
        let carrier = connection.carrier();
        self.core.counts[self.service].over(carrier).messages += 1;
    }

    /// Ends the share of this turn of the peer whose input is being delivered: it is read again
    /// in the next one. For services that make much output of little input.
    pub fn end_share(&mut self) {
        self.core.cost.share_ended = true;
    }

    /// Says that no further datagram is expected of the peer whose datagram is being delivered: its
    /// socket is not asked for one until it is ready anew, which saves a call. What is there all
    /// the same is read then.
    pub fn expect_no_more(&mut self) {
        self.core.expects_no_more = true;
    }

    /// Whether the peer whose input is being delivered has had its share of this turn. `received`
    /// may then return early: what it leaves unused is delivered again in the next turn, whether
    /// more has come or not.
    pub fn has_had_its_share(&self) -> bool {
        self.core.cost.share_ended
    }
}

/// For services with somebody at a keyboard or a file behind them (`Operated`).
impl Net<'_> {
    /// Puts a line before the operator. The text must have been made visible already: no control
    /// characters.
    pub fn show(&mut self, line: &str) {
        if self.core.screen.len() + line.len() >= self.core.limits.screen {
            self.core.metrics.screen_lost += 1;
            return;
        }
        self.core.screen.extend_from_slice(line.as_bytes());
        self.core.screen.push(b'\n');
    }

    /// Puts bytes on standard output as they are: for filters, never for an operator's terminal.
    pub fn print(&mut self, bytes: &[u8]) {
        self.core.screen.extend_from_slice(bytes);
    }

    /// Says whether `told` and `fed` had better wait: what is not wanted yet is not read either.
    pub fn hold_input(&mut self, held: bool) {
        self.core.input_held = held;
    }

    /// Ends the whole program once the turn is over: there is nothing left to do, or it has gone
    /// wrong in the way that the line says. The first word counts.
    pub fn stop(&mut self, outcome: Result<(), String>) {
        self.core.outcome.get_or_insert(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Service;
    use crate::engine::stage::Stage;

    /// Shows the time of day, and closes whoever asks.
    struct Clock;

    impl Service for Clock {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            let before = net.is_open(peer);
            net.close(peer);
            net.show(&format!("{}: {before}, {}", net.wall_seconds(), net.is_open(peer)));
            input.len()
        }
    }

    #[test]
    fn a_service_knows_the_time_of_day_and_whom_it_may_still_tell_something() {
        let mut stage = Stage::new(Clock);
        stage.set_wall(1_800_000_000);
        let peer = stage.join();
        stage.say(peer, "?");
        assert_eq!(stage.screen(), "1800000000: true, false\n");
    }
}
