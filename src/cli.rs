//! The command line: the commands, and the flags that all of them have. The flags of a command
//! stand in the `args.rs` of the module that does it.

#[cfg(feature = "manual")]
pub mod completions;
pub mod log_filter;
#[cfg(feature = "manual")]
pub mod manual;
pub mod mistake;
pub mod serve;
#[cfg_attr(not(feature = "config"), path = "cli/no_settings.rs")]
pub mod settings;

use clap::{ArgAction, Parser, Subcommand};
use log::LevelFilter;

use crate::client::{ChatArgs, EchoArgs, GreetArgs, MonthsArgs, TalkArgs};
use crate::server::ServeArgs;

/// Where the flags of every command stand in its help: behind its own.
const LAST: usize = 900;

/// The little conversations networks are tested and taught with, from one poll loop.
#[derive(Parser, Debug)]
#[command(name = "cooee", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Say more: every step
    #[arg(short, long, global = true, display_order = LAST, action = ArgAction::Count,
          conflicts_with = "quiet")]
    verbose: u8,

    /// Say less: -q warnings and errors, -qq errors only
    #[arg(short, long, global = true, display_order = LAST, action = ArgAction::Count)]
    quiet: u8,
}

impl Cli {
    /// What the flags say about logging; RUST_LOG goes before.
    pub fn log_level(&self) -> LevelFilter {
        match (self.verbose, self.quiet) {
            (0, 0) if self.command.is_client() => LevelFilter::Warn,
            (0, 1..) if self.command.is_client() => LevelFilter::Error,
            (0, 0) => LevelFilter::Info,
            (0, 1) => LevelFilter::Warn,
            (0, _) => LevelFilter::Error,
            (1, _) => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        }
    }
}

/// What cooee can do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve echo, greet, talk, chat and months
    Serve(Box<ServeArgs>),

    /// Send what you type or pipe, show what comes back
    Echo(EchoArgs),

    /// Show what a greet server says
    Greet(GreetArgs),

    /// Talk to the operator of a server, until BYE
    Talk(TalkArgs),

    /// Chat with everybody in a room, until BYE
    Chat(ChatArgs),

    /// Ask for the names of months
    Months(MonthsArgs),

    /// Watch a server with --admin, live
    #[cfg(feature = "admin")]
    Top(crate::top::TopArgs),

    /// Nothing: this build is without the feature admin
    #[cfg(not(feature = "admin"))]
    #[command(hide = true)]
    Top {
        /// Where
        #[arg(hide = true)]
        address: Option<String>,
    },

    /// Ask a server with --admin whether it is ready
    #[cfg(feature = "admin")]
    Health(crate::top::HealthArgs),

    /// Nothing: this build is without the feature admin
    #[cfg(not(feature = "admin"))]
    #[command(hide = true)]
    Health {
        /// Where
        #[arg(hide = true)]
        address: Option<String>,
    },

    /// Measure any echo, greet, months or chat server
    #[cfg(feature = "bench")]
    #[command(after_help = crate::bench::EXAMPLES)]
    Bench(Box<crate::bench::BenchArgs>),

    /// Print a completion script for a shell
    #[cfg(feature = "manual")]
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },

    /// Print a page of the manual, for man -l -
    #[cfg(feature = "manual")]
    Manual {
        /// Whose page, such as serve or bench compare [default: that of cooee itself]
        #[arg(value_name = "COMMAND")]
        words: Vec<String>,

        /// Write all pages to DIR instead, each under its name
        #[arg(long, value_name = "DIR", conflicts_with = "words")]
        dir: Option<std::path::PathBuf>,
    },
}

impl Command {
    /// Whether it calls a server: then only what goes wrong is logged. A line for each connection
    /// would be in one person's way, and most of what a bench does.
    pub fn is_client(&self) -> bool {
        match self {
            Command::Echo(_)
            | Command::Greet(_)
            | Command::Talk(_)
            | Command::Chat(_)
            | Command::Months(_) => true,
            #[cfg(feature = "admin")]
            Command::Top(_) | Command::Health(_) => true,
            #[cfg(not(feature = "admin"))]
            Command::Top { .. } | Command::Health { .. } => true,
            #[cfg(feature = "bench")]
            Command::Bench(_) => true,
            Command::Serve(_) => false,
            #[cfg(feature = "manual")]
            Command::Completions { .. } | Command::Manual { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
