//! The seeded simulator: the production engine and services in a world of scripted clients, a
//! kernel that cuts, blocks, interrupts and breaks by chance, and time that jumps. No sockets, no
//! threads, no clock. Every claim of ARCHITECTURE.md is an assertion here that names its number.

mod client;
mod cuts;
mod dumped;
mod facts;
mod kinds;
mod mixes;
#[allow(dead_code)] // for now
mod nats;
#[cfg(feature = "bus")]
pub(crate) mod nodes;
mod oracles;
mod pipe;
mod rng;
mod sockets;
mod turn;
mod witness;
mod world;

#[allow(unused_imports)] // of the nodes
pub(crate) use self::rng::Rng;
#[allow(unused_imports)] // for tests/sockets/parity
pub(crate) use self::{
    dumped::{Streams, streams},
    facts::{Facts, Shared, arrival},
    nats::{Nats, Options, Trouble},
    pipe::{Pipe, event_of},
    sockets::Pipes,
};
pub(crate) use cuts::{assert_cuts_change_nothing, turns_after};
pub(crate) use mixes::{MIXES, Mix, RUSH};
pub(crate) use world::World;
