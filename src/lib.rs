//! cooee: the little conversations networks are tested and taught with, served from one
//! hand-written poll loop.
//!
//! ```text
//! kernel <--> reactor (mio: sockets, readiness)
//!                |  lends a stream, tells the time
//!                v
//!             engine (pure: slots, outboxes, deadlines)
//!                |  opened received finished closed ...
//!                v
//!             services (pure: echo greet talk chat months)
//! ```
//!
//! Uses go one way: `engine` <- `guards`, `services` and `reactor` <- `server`, `client` <- `cli`.
//! Only `reactor` names mio; `engine`, `guards` and `services` know no socket and no clock. The
//! library exists for the binary and its tests; its interface may change with any version.
// One place has an argument for it: `reactor/uring/mod.rs`.
#![deny(unsafe_code)]

#[cfg(feature = "bench")]
pub mod bench;
pub mod cli;
pub mod client;
pub mod endpoint;
pub mod engine;
pub mod guards;
pub mod outlet;
pub mod reactor;
pub mod server;
pub mod services;
pub mod units;
