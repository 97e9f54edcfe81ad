//! Carrying out what was planned: threads that make the load, once, several times, or at one rate
//! after another.

mod interruption;
mod progress;
mod search;
pub(crate) mod session;
mod worker;
