//! The flags about where else the flags come from.

use std::path::PathBuf;

use clap::Args;

/// The flags of the configuration itself.
#[derive(Args, Debug)]
#[command(next_help_heading = "Configuration")]
pub(super) struct SourceArgs {
    /// Read more flags from FILE, in TOML: max-connections = 100, endpoints = ["echo", "chat"].
    /// SIGHUP reads it again
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Say what would be served, a line each, and open nothing. Exit status 2 if something is wrong
    #[arg(long)]
    pub(super) check: bool,
}
