//! The addresses behind a name, without anybody waiting for them.

use std::net::SocketAddr;

/// What a name server has said.
pub type Found = Result<Vec<SocketAddr>, String>;

/// Looks one name up at a time.
pub trait Lookup {
    /// Begins to look `host` up. False: the one before is still under way.
    fn start(&mut self, host: &str, port: u16) -> bool;

    /// What has come of it, once.
    fn poll(&mut self) -> Option<Found>;
}
