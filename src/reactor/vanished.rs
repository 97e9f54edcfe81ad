//! Peers whose machine is gone while they are still owed something.
//!
//! A silent peer is asked by keepalive whether it is there. While it has not acknowledged what it
//! was sent it is not asked (tcp(7)): the kernel repeats the data instead, and gives up after a
//! quarter of an hour. TCP_USER_TIMEOUT would shorten that, but would also end a peer that is there
//! and acknowledges every probe of its closed window, such as a client stopped with Ctrl-Z. So the
//! kernel is asked about each peer now and then: a part of them every time, and nobody at all once
//! nothing has been sent for long enough.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::Socket;

use super::Reactor;
use super::sock_diag::{Signs, SockDiag};
use crate::engine::{Peer, Time};

/// Peers looked at in one turn: some 3 us each.
const LOOKED_AT: usize = 32;
/// Everybody is looked at so many times within the time that a peer may be silent.
const ROUNDS: u32 = 8;
/// After nothing has been sent for so many times as long, nobody is looked at.
const LIMITS_WATCHED: u32 = 4;
/// Probes of a closed window are answered at once; that so many have been lost on their way, one
/// after the other, is not to be expected.
const PROBES_LOST: u8 = 3;

/// When to look at whom.
pub(super) struct Vanished {
    /// How long a peer may give no sign of life; `None`: nobody is looked at.
    limit: Option<Duration>,
    next: Option<Time>,
    /// The first slot of the next part.
    slot: usize,
    /// How much had been sent in all at the last look, and until when that is of interest.
    sent: u64,
    until: Time,
    /// `None`: the kernel lets nobody ask. Then it gives peers up in its own time.
    diag: Option<SockDiag>,
}

impl Vanished {
    pub(super) fn new() -> Vanished {
        Vanished { limit: None, next: None, slot: 0, sent: 0, until: Time::ZERO, diag: None }
    }

    /// Looks at everybody from now on. Where there is no netlink, such as under a filter of system
    /// calls, that is told.
    pub(super) fn set_limit(&mut self, limit: Duration) {
        match SockDiag::open() {
            Ok(diag) => (self.limit, self.diag) = (Some(limit), Some(diag)),
            Err(error) => log::warn!(
                "the kernel cannot be asked about its connections: {error}; a peer whose machine \
                 vanishes while it is owed something may stay for a quarter of an hour"
            ),
        }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Time> {
        self.next
    }

    /// Whether to look now. `sent` is what all peers have been sent so far, `slots` how many slots
    /// there are to look at.
    fn is_due(&mut self, sent: u64, slots: usize, now: Time) -> bool {
        let Some(limit) = self.limit else { return false };
        let looks = u32::try_from(slots.div_ceil(LOOKED_AT)).unwrap_or(u32::MAX);
        let pause = limit / ROUNDS / looks.max(1);
        if sent != self.sent {
            self.sent = sent;
            self.until = now.after(limit * LIMITS_WATCHED);
            self.next.get_or_insert(now.after(pause));
        }
        let is_due = self.next.is_some_and(|next| next <= now);
        if is_due {
            self.next = (now < self.until).then(|| now.after(pause));
        }
        is_due
    }
}

impl Reactor {
    /// Ends some of those peers that have vanished, if it is time to look.
    pub(super) fn look_for_vanished(&mut self) {
        let (sent, slots) = (self.driver.engine().bytes_out(), self.driver.slots());
        if !self.vanished.is_due(sent, slots, self.driver.engine().now()) {
            return;
        }
        let part = self.vanished.slot..self.vanished.slot + LOOKED_AT;
        self.vanished.slot = if part.end < slots { part.end } else { 0 };
        let Some(limit) = self.vanished.limit else { return };
        let Some(diag) = &self.vanished.diag else { return };
        let gone = self.driver.sockets_in(part).filter(|(_, socket)| {
            let signs = ends(socket).and_then(|(local, remote)| diag.ask(local, remote).ok());
            signs.is_some_and(|signs| signs.are_missing(limit))
        });
        let gone: Vec<Peer> = gone.map(|(peer, _)| peer).collect();
        for peer in gone {
            self.driver.fail(peer, &io::ErrorKind::TimedOut.into());
        }
    }
}

/// Both ends of a TCP connection: ours and the peer's.
fn ends(socket: &Socket) -> Option<(SocketAddr, SocketAddr)> {
    let local = socket.local_addr().ok()?.as_socket()?;
    let remote = socket.peer_addr().ok()?.as_socket()?;
    Some((local, remote))
}

impl Signs {
    fn are_missing(&self, limit: Duration) -> bool {
        let unanswered = self.retransmits > 0 || self.probes >= PROBES_LOST;
        unanswered && Duration::from_millis(self.silent_ms.into()) >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(120);

    fn signs(retransmits: u8, probes: u8, silent_ms: u32) -> Signs {
        Signs { retransmits, probes, silent_ms }
    }

    #[test]
    fn who_acknowledges_nothing_is_gone_and_who_does_not_read_is_not() {
        assert!(signs(7, 0, 120_000).are_missing(LIMIT));
        assert!(!signs(7, 0, 119_999).are_missing(LIMIT));
        // Nothing is on its way: keepalive asks.
        assert!(!signs(0, 0, 9_000_000).are_missing(LIMIT));
        // The window is closed, and the last probe has not been answered yet, or got lost.
        assert!(!signs(0, 1, 130_000).are_missing(LIMIT));
        assert!(!signs(0, 2, 250_000).are_missing(LIMIT));
        assert!(signs(0, 3, 360_000).are_missing(LIMIT));
    }

    #[test]
    fn nobody_is_looked_at_before_something_is_sent_and_long_after() {
        let mut vanished = Vanished::new();
        vanished.set_limit(LIMIT);
        let at = |seconds| Time::at(Duration::from_secs(seconds));
        let slots = 10 * LOOKED_AT;
        assert!(!vanished.is_due(0, slots, at(1)));
        assert_eq!(vanished.next(), None);
        assert!(!vanished.is_due(5, slots, at(2)));
        let mut looks = 0;
        while let Some(next) = vanished.next() {
            assert!(vanished.is_due(5, slots, next));
            looks += 1;
        }
        assert_eq!(looks, 10 * ROUNDS * LIMITS_WATCHED);
        assert!(!vanished.is_due(5, slots, at(9000)));
        assert!(!vanished.is_due(6, slots, at(9001)));
        assert!(vanished.next().is_some());
    }
}
