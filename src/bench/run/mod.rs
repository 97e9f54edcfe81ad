//! Carrying out what was planned: threads that make the load, once, several times, or at one rate
//! after another.

mod interruption;
mod progress;
mod repeats;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod worker;
