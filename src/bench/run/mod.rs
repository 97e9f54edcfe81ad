//! Carrying out what was planned: threads that make the load, once, several times, or at one rate
//! after another.

mod find_max;
mod interruption;
pub(crate) mod invocation;
mod live;
mod search;
mod series;
mod worker;
