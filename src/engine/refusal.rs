//! Why a connection is not let in. A guard decides that (`guards`); here it is counted and told.

use std::fmt;

use super::counts::StreamCounts;

/// Why a connection is closed before anything is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its address is denied, or not among those allowed.
    Denied,
    /// Its source has this many already, and may have no more.
    TooMany(usize),
    /// Its network makes new ones too fast.
    Rate,
}

impl Refusal {
    /// The counter of that reason.
    pub fn counter(self, counts: &mut StreamCounts) -> &mut u64 {
        match self {
            Refusal::Denied => &mut counts.refused_denied,
            Refusal::TooMany(_) => &mut counts.refused_too_many,
            Refusal::Rate => &mut counts.refused_rate,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Denied => f.write_str("not allowed here (--allow, --deny)"),
            Refusal::TooMany(most) => write!(f, "it has {most} already (--max-per-ip)"),
            Refusal::Rate => f.write_str("too many new ones (--accept-rate)"),
        }
    }
}
