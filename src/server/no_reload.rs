//! Reading again what SIGHUP asks for, in a build that reads no configuration.

use super::Server;

/// Nothing could be read.
pub enum Reload {}

impl Server {
    /// Reads the certificate again.
    pub(super) fn reload(&mut self) {
        match self.front.renew(None) {
            Ok(()) => log::info!("certificate read again: it is for those who connect from now on"),
            Err(why) => log::error!("{why}; everything stays as it was"),
        }
    }
}
