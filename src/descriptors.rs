//! How many descriptors this process may have, and how many of them are not for connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not connections: standard streams, epoll, signals, timers, listeners.
pub const SPARE: usize = 64;

/// Raises the soft limit of open descriptors to the hard one, and says what it is.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let granted = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    granted.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX))
}
