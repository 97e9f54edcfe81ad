//! Every bound of the engine, by name, with what happens there.

use std::time::Duration;

/// Bounds that hold for every connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Bytes of unsent output at which a peer is not read any more (it resumes below `low`).
    pub high: usize,
    /// Bytes of unsent output below which reading resumes and `drained` is told.
    pub low: usize,
    /// Bytes of input that a service may leave unused; one more and the peer is closed `TooLong`.
    pub inbox: usize,
    /// Reads from one peer in one turn; after that the others have theirs first.
    pub reads: usize,
    /// What one peer's input may cost in one turn, in units of `Net::spend`; after that the others
    /// have theirs first.
    pub share_units: u64,
    /// What the input of all may cost before the driver looks who has become ready meanwhile; who
    /// has not been served by then is served after those.
    pub round_units: u64,
    /// How long a peer that we call may take to answer; then it is given up as timed out.
    pub dial: Duration,
    /// How long a peer that we have closed may take to close its own side; then it is dropped.
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
            inbox: 64 * 1024,
            reads: 4,
            share_units: 256 * 1024,
            round_units: 4 * 1024 * 1024,
            dial: Duration::from_secs(10),
            linger: Duration::from_secs(3),
            stall: Duration::from_secs(30),
            slow: Duration::from_secs(10),
            log_lines: 100,
            screen: 1024 * 1024,
        }
    }
}

/// Bounds that differ from service to service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How long nothing may go either way; then the peer is closed `Idle`. `None`: for ever.
    pub idle: Option<Duration>,
    /// Bytes of unsent output that are too many if they stay for `Limits::slow`.
    pub queue_soft: usize,
    /// Bytes that the kernel may leave of a turn's output; one more and the peer is closed `Slow`.
    pub queue_hard: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Quota { idle: None, queue_soft: usize::MAX, queue_hard: 1024 * 1024 }
    }
}
