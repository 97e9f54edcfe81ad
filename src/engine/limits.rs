//! Every bound of the engine, by name, with what happens there.

use std::time::Duration;

/// Bounds that hold for every connection. The defaults suit a server of thousands of peers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, at most [`SLOTS_MAX`](super::SLOTS_MAX); further ones wait in the
    /// kernel's backlog, and calls are refused. Each takes a descriptor: see
    /// [`raise_limit`](crate::descriptors::raise_limit).
    pub connections: usize,
    /// Bytes of unsent output at which a peer that has connected to us is not read any more, until
    /// they have fallen to `low`.
    pub high: usize,
    /// Bytes of unsent output at which reading resumes and [`drained`](super::Service::drained) is
    /// told.
    pub low: usize,
    /// Bytes of the heap that may wait for all peers together: unsent output and unfinished input.
    /// From three quarters of that on, the less room is left the sooner a peer is not read any
    /// more and the less is read at once; at the limit those who hold most are closed
    /// `Memory`, until an eighth is free.
    pub buffered: usize,
    /// Bytes of input that a service may leave unused; one more and the peer is closed `TooLong`.
    pub inbox: usize,
    /// Reads from one peer in one turn, 256 KiB in all at most; after that the others have theirs
    /// first.
    pub reads: usize,
    /// What one peer's input may cost in one turn, in units of [`Net::spend`](super::Net::spend);
    /// after that the others have theirs first.
    pub share_units: u64,
    /// What the input of all may cost in a round, in the same units: those who have just become
    /// ready have one round in a turn, those with more to do another. Who has not been served by
    /// then is served in a later turn, after those that become ready until then. At least 1.
    pub round_units: u64,
    /// What sealing for all and writing to them may cost in a round, in the same units. A turn has
    /// three: for those to whom it has something to say, for those whom earlier turns have left,
    /// and for those of them who wait for what many are told. A visit to a peer counts as much as
    /// 16 KiB, hanging up and closing as much again. Who has not been written to by then is in a
    /// later turn. At least 1.
    pub flush_units: u64,
    /// Once so many peers have been served, what they are owed is written before others are served.
    /// At least 1. A server does best to write to all of them at the end of its turn: that is
    /// cheapest, and none of them notices. A client that asks again as soon as it is answered does
    /// not: what it writes together is answered together, so its connections move in convoys and
    /// wait for each other.
    pub flush_every: usize,
    /// How long a peer that we call may take to answer; then it is given up as timed out.
    pub dial: Duration,
    /// How long a peer may take for each layer of its connection: to send a whole PROXY header, to
    /// complete a handshake; then it is dropped.
    pub handshake: Duration,
    /// How long a peer that we have closed may take to close its own side; then it is dropped. What
    /// it sends meanwhile is discarded.
    pub linger: Duration,
    /// How long a closing peer may take none of what it is still owed; then it is dropped `Slow`.
    pub stall: Duration,
    /// How long a peer may stay above its service's soft queue limit; then it is closed `Slow`.
    pub slow: Duration,
    /// Lines about connections logged in one second; the rest is counted in one line.
    pub log_lines: u32,
    /// Bytes of text kept for an operator's screen that does not take them; then the newest is
    /// dropped and counted.
    pub screen: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 10_000,
            high: 256 * 1024,
            low: 64 * 1024,
            buffered: usize::MAX,
            inbox: 64 * 1024,
            reads: 4,
            share_units: 256 * 1024,
            round_units: 4 * 1024 * 1024,
            flush_units: 2 * 1024 * 1024,
            flush_every: usize::MAX,
            dial: Duration::from_secs(10),
            handshake: Duration::from_secs(5),
            linger: Duration::from_secs(3),
            stall: Duration::from_secs(30),
            slow: Duration::from_secs(10),
            log_lines: 100,
            screen: 1024 * 1024,
        }
    }
}

/// However short memory is, a peer for which less than this waits is read.
const READ_MIN_BYTES: usize = 4 * 1024;
/// No peer is to take more than this part of what is free.
const FREE_SHARE: usize = 8;

impl Limits {
    /// `high` and `low` as they are while `held` bytes wait for all peers together: as they stand
    /// while a quarter of the limit is free (and several times `high`), and then in proportion to
    /// what is.
    #[inline]
    pub(super) fn marks(&self, held: usize) -> (usize, usize) {
        let free = self.buffered.saturating_sub(held);
        let enough = (self.buffered / 4).max(self.high.saturating_mul(FREE_SHARE));
        if free >= enough {
            return (self.high, self.low);
        }
        let part = |mark: usize| mark.saturating_mul(free) / enough;
        (part(self.high).max(READ_MIN_BYTES).min(self.high), part(self.low))
    }

    /// The most that is to be read at once from a peer for which `queued` bytes wait: where memory
    /// is short, what is missing to its mark.
    pub(super) fn read_at_once(&self, held: usize, queued: usize) -> usize {
        match self.marks(held) {
            (high, _) if high == self.high => usize::MAX,
            (high, _) => high.saturating_sub(queued).max(READ_MIN_BYTES),
        }
    }
}

/// Bounds of a service, for each of its peers. By default nobody is closed for silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How long nothing may go either way; then the peer is closed `Idle`. `None`: for ever.
    pub idle: Option<Duration>,
    /// Bytes of unsent output that are too many if they stay for [`Limits::slow`]; then the peer is
    /// closed `Slow`. For services in which a peer does not itself cause what it is sent.
    pub queue_soft: usize,
    /// Bytes that the kernel may leave of a turn's output; one more and the peer is closed `Slow`.
    pub queue_hard: usize,
    /// How many connections it has places for that are its own, beside [`Limits::connections`]: so
    /// neither it nor the others can take the last place from each other. It stands apart in other
    /// respects, too: it outlasts `stop_listening` and `close_all`, who connects to it is judged
    /// by address only, what happens to its connections is not worth a line at level info, and no
    /// tap sees them. When they are all taken, `Service::free_place` is told. `None`: it shares
    /// the others'.
    pub apart: Option<usize>,
}

impl Default for Quota {
    fn default() -> Self {
        Quota { idle: None, queue_soft: usize::MAX, queue_hard: 1024 * 1024, apart: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_fall_with_what_is_free_of_the_last_quarter() {
        let limits = Limits { buffered: 40_000_000, ..Limits::default() };
        let (high, low) = (limits.high, limits.low);
        for (held, wanted) in [
            (0, (high, low)),
            (30_000_000, (high, low)),
            (35_000_000, (high / 2, low / 2)),
            (37_500_000, (high / 4, low / 4)),
            (39_999_999, (READ_MIN_BYTES, 0)),
            (40_000_000, (READ_MIN_BYTES, 0)),
            (usize::MAX, (READ_MIN_BYTES, 0)),
        ] {
            assert_eq!(limits.marks(held), wanted, "{held}");
        }
        assert_eq!(Limits::default().marks(usize::MAX / 2), (high, low));
        assert_eq!(limits.read_at_once(30_000_000, high - 1), usize::MAX);
        assert_eq!(limits.read_at_once(35_000_000, 100_000), high / 2 - 100_000);
        assert_eq!(limits.read_at_once(35_000_000, 130_000), READ_MIN_BYTES);
        let small = Limits { buffered: 1 << 20, ..Limits::default() };
        assert_eq!(small.marks(0), (high / 2, low / 2));
        let tiny = Limits { buffered: 0, high: 100, low: 10, ..Limits::default() };
        assert_eq!(tiny.marks(1), (100, 0));
    }
}
