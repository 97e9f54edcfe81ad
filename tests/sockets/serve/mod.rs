//! `cooee serve` as a whole.

mod addresses;
mod console;
mod datagrams;
mod leaving;
mod limits;
mod log;
mod refusals;
mod speed;
mod streams;
