//! The rooms of other servers: what is said there is heard here and the other way round. This file
//! makes of news from the bus what the rooms are told, and of what happens here wishes to the bus.

use std::fmt;

use super::names::Name;
use crate::bus::Port;

/// What joins the rooms of one server with those of others.
#[derive(Clone)]
pub struct BusRooms {
    port: Port,
    node: Name,
    run: u64,
    started: u64,
}

impl BusRooms {
    /// Rooms of the server called `node` on the bus at the other end of `port`; `None`: that is
    /// not a well-formed name. `run` tells this start of the server from all others of any,
    /// at random; it began `started` milliseconds after 1970-01-01 00:00 UTC.
    pub fn new(port: Port, node: &str, run: u64, started: u64) -> Option<BusRooms> {
        Some(BusRooms { port, node: Name::parse(node.as_bytes())?, run, started })
    }
}

impl fmt::Debug for BusRooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rooms of {}, run {:016x}", self.node, self.run)
    }
}
