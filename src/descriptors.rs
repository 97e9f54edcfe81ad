//! How many descriptors this process may have, and how many of them are not for connections.

pub use crate::reactor::raise_descriptor_limit as raise_limit;

/// Descriptors that are not connections: standard streams, epoll, signals, timers, listeners.
pub const SPARE: usize = 64;
