//! The bus, with nats-servers that the tests start.
#![allow(clippy::disallowed_methods)] // patience is measured by a clock

mod bots;
mod caller;
mod ends;
mod entering;
mod flags;
mod likeness;
mod many;
mod node;
mod protocol;
mod rooms;
#[cfg(feature = "admin")]
mod seen;
mod storm;
mod trouble;
