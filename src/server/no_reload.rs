//! Reading a configuration again, in a build that reads none.

use super::Server;

/// Nothing could be read.
pub enum Reload {}

impl Server {
    /// There is nothing to do.
    pub(super) fn reload(&mut self) {}
}
