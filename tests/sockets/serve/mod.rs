//! `cooee serve` as a whole.

mod addresses;
#[cfg(feature = "admin")]
pub(crate) mod admin;
#[cfg(feature = "config")]
pub(crate) mod configuration;
mod console;
mod datagrams;
mod hex;
mod jobs;
mod json;
mod leaving;
mod limits;
mod log;
mod memory;
#[cfg(all(feature = "admin", feature = "bench"))]
mod page;
mod refusals;
#[cfg(feature = "config")]
mod reload;
mod speed;
mod streams;
#[cfg(all(feature = "config", feature = "systemd"))]
mod systemd;
mod terminal;
