//! The flags about where else the flags come from.

use std::path::PathBuf;

use clap::Args;

/// The flags of the configuration itself.
#[derive(Args, Debug)]
#[command(next_help_heading = "Configuration")]
pub(super) struct SourceArgs {
    /// Read more flags from FILE, in TOML: max-connections = 100, endpoints = ["echo", "chat"].
    /// SIGHUP has it read again
    #[arg(long, value_name = "FILE", hide = cfg!(not(feature = "config")))]
    pub(super) config: Option<PathBuf>,

    /// Say what would be served, a line each, and open nothing: exit status 0, or 2 and a line
    #[arg(long, hide = cfg!(not(feature = "config")))]
    pub(super) check: bool,
}

impl SourceArgs {
    /// What is asked for is not there in every build.
    pub(super) fn refuse_if_absent(&self) -> Result<(), String> {
        let flag = match (&self.config, self.check) {
            _ if cfg!(feature = "config") => return Ok(()),
            (Some(_), _) => "--config",
            (None, true) => "--check",
            (None, false) => return Ok(()),
        };
        Err(format!("{flag} needs the feature config, which this cooee was built without"))
    }
}
