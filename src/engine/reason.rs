//! Why a connection ended: one enum, from which the log line and the manner of closing follow.

use std::fmt;
use std::io;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The service had said all it wanted to say.
    Done,
    /// The peer closed its side and has been answered.
    Eof,
    /// The peer closed its side without having told that it had said all: something may be missing.
    CutOff,
    /// The connection broke (reset, timed out by the kernel ...).
    Failed(io::ErrorKind),
    /// We had called ourselves: nobody listens on that port, and by chance it became ours.
    Itself,
    /// Nothing went either way for as long as the service allows.
    Idle,
    /// The peer did not read what it was sent, and the queue or the time for it ran out.
    Slow,
    /// All that waits for peers together was too much, and it held more of that than others.
    Memory,
    /// More unfinished input than the service can take.
    TooLong,
    /// It did not begin with a PROXY header as it had to.
    Preface,
    /// The handshake of TLS failed, or what came behind it was not what it had to be.
    Tls,
    /// The guards do not let in whom the PROXY header names.
    Refused,
    /// The operator closed it.
    Kicked,
    /// The server is leaving.
    Shutdown,
    /// It was to be reset as soon as it was there.
    RefusedByFault,
    /// It was to be reset then.
    ResetByFault,
    /// It was to end then.
    EndedByFault,
}

impl Reason {
    /// One word for each, for programs; [`index`](Reason::index) says whose is where.
    pub const LABELS: [&'static str; 16] = [
        "done", "eof", "reset", "failed", "itself", "idle", "slow", "memory", "too_long", "kicked",
        "shutdown", "cut_off", "preface", "tls", "refused", "fault",
    ];

    /// Where its label is.
    pub fn index(self) -> usize {
        match self {
            Reason::Done => 0,
            Reason::Eof => 1,
            Reason::Failed(io::ErrorKind::ConnectionReset) => 2,
            Reason::Failed(_) => 3,
            Reason::Itself => 4,
            Reason::Idle => 5,
            Reason::Slow => 6,
            Reason::Memory => 7,
            Reason::TooLong => 8,
            Reason::Kicked => 9,
            Reason::Shutdown => 10,
            Reason::CutOff => 11,
            Reason::Preface => 12,
            Reason::Tls => 13,
            Reason::Refused => 14,
            Reason::RefusedByFault | Reason::ResetByFault | Reason::EndedByFault => 15,
        }
    }

    /// One word for it, for programs.
    pub fn label(self) -> &'static str {
        Reason::LABELS[self.index()]
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Done => "done",
            Reason::Eof => "closed by the peer",
            Reason::Failed(io::ErrorKind::ConnectionReset) => "reset by the peer",
            Reason::Failed(io::ErrorKind::BrokenPipe) => "broken pipe",
            Reason::Failed(kind) => return write!(f, "failed: {kind}"),
            Reason::Itself => "connected to itself",
            Reason::Idle => "idle",
            Reason::Slow => "too slow a reader",
            Reason::Memory => "memory is short, and it held most",
            Reason::TooLong => "input too long",
            Reason::CutOff => "closed by the peer without close_notify",
            Reason::Preface => "no PROXY header",
            Reason::Tls => "TLS failed",
            Reason::Refused => "refused",
            Reason::Kicked => "kicked",
            Reason::Shutdown => "shutdown",
            Reason::RefusedByFault => "refused by fault",
            Reason::ResetByFault => "reset by fault",
            Reason::EndedByFault => "ended by fault",
        })
    }
}
