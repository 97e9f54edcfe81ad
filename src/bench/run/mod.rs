//! Carrying out what was planned: threads that make the load, once, several times, or at one rate
//! after another.

mod interruption;
pub(crate) mod invocation;
mod live;
mod search;
mod worker;
