//! `cooee serve` as a whole.

mod addresses;
mod console;
mod datagrams;
mod hex;
mod jobs;
mod json;
mod leaving;
mod limits;
mod log;
mod refusals;
mod speed;
mod streams;
mod terminal;
