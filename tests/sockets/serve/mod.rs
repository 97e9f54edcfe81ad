//! `cooee serve` as a whole.

mod addresses;
#[cfg(feature = "admin")]
pub(crate) mod admin;
mod console;
mod datagrams;
mod hex;
mod jobs;
mod json;
mod leaving;
mod limits;
mod log;
#[cfg(all(feature = "admin", feature = "bench"))]
mod page;
mod refusals;
mod speed;
mod streams;
mod terminal;
