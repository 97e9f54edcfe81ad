//! `cooee serve` as a whole.

mod addresses;
mod console;
mod datagrams;
mod jobs;
mod leaving;
mod limits;
mod log;
mod refusals;
mod speed;
mod streams;
mod terminal;
