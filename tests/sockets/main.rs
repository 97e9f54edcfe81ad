//! The program over real sockets, as its users run it: the servers, the clients and the bench as
//! processes of their own, plain blocking sockets on the other side. Only what needs a kernel is
//! here; the rules themselves are tested beside the code and in `simulation`.
//!
//! `cargo test --test sockets serve::limits` runs one part. `TEST_NO_URING=1` has every server do
//! without io_uring.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[cfg(feature = "bench")]
mod bench;
#[cfg(feature = "bus")]
mod bus;
mod client;
mod dialogues;
mod faults;
mod guards;
mod lessons;
mod narrow_path;
mod parity;
#[cfg(feature = "proxy")]
mod proxy;
mod serve;
#[allow(dead_code, unused_imports)] // what `parity` needs of it
#[path = "../sim/mod.rs"]
mod sim;
mod slow;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "admin")]
mod top;
mod unix;
mod uring;
