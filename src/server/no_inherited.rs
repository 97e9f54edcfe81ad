//! Inherited sockets in a build without them: refused.

use super::socket::Socket;
use crate::endpoint::{Endpoint, Transport};
use crate::engine::Location;
use crate::services::Offer;

/// None.
#[derive(Default)]
pub struct Inherited {}

impl Inherited {
    /// Refuses what is there for us.
    ///
    /// # Errors
    /// If sockets have been passed to this process.
    pub fn take() -> Result<Inherited, String> {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let is_ours = variable("LISTEN_PID") == std::process::id().to_string();
        match variable("LISTEN_FDS").as_str() {
            "" | "0" => Ok(Inherited {}),
            _ if !is_ours => Ok(Inherited {}),
            _ => {
                Err("LISTEN_FDS needs the feature systemd, which this cooee was built without"
                    .into())
            }
        }
    }

    /// None.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    pub(super) fn has(&self, _: &Offer, _: Transport, _: Option<&Location>) -> bool {
        false
    }

    #[cfg(feature = "config")]
    pub(super) fn addresses(&self) -> impl Iterator<Item = (&'static Offer, Transport, &Location)> {
        std::iter::empty()
    }

    pub(super) fn into_sockets(
        self,
    ) -> impl Iterator<Item = (&'static Offer, Transport, Location, Socket)> {
        std::iter::empty()
    }
}
