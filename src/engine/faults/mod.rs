//! Faults on demand: what a listener does wrong, exactly as told.
//!
//! The knobs of a listener say what, draws by a hash say to whom, and a script plays it on one
//! connection: a layer between what is to be sent and the socket.

mod knobs;
mod mishaps;
mod playing;
mod rate;
mod releases;
mod script;

pub use knobs::{At, Draws, FaultCounts, FaultKind, Knobs, Share, Slicing, Spread, Stall};
pub(crate) use mishaps::Mishaps;
pub(super) use releases::Releases;
pub use script::Script;
pub(super) use script::weighed;
