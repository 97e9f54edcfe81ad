//! The flags of the bus, in a build without it: they are known, and refused.

use std::ffi::OsString;

use clap::{ArgAction, Args};

use crate::server::bus::BusPlan;

/// What was said of a bus, by whichever of its flags.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::server) struct BusArgs {
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "",
          action = ArgAction::Append,
          aliases = ["bus-name", "bus-rate", "bus-ignore-advertised", "bus-credentials", "bus-ca",
                     "bus-user", "bus-password", "bus-token"])]
    bus: Vec<OsString>,
}

impl BusArgs {
    /// Whether there is to be one.
    pub(super) fn is_given(&self) -> bool {
        !self.bus.is_empty()
    }

    /// Refuses it.
    pub(super) fn plan(&self, _: bool) -> Result<Option<BusPlan>, String> {
        match self.is_given() {
            true => Err("--bus needs the feature bus, which this cooee was built without".into()),
            false => Ok(None),
        }
    }
}
