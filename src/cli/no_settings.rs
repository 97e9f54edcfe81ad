//! `--config` and `COOEE_...` in a build without them: refused, and warned of.

use std::ffi::OsString;

use clap::Parser;

use super::{Cli, Command};

/// The command line, which is all there is.
pub struct Invocation {
    /// What is to be done.
    pub cli: Cli,
    /// What is worth a warning, once.
    pub remarks: Vec<String>,
}

/// Why there is none.
pub enum Mistake {
    /// The words themselves are wrong, or ask for help.
    Words(clap::Error),
    /// One line about something else.
    Elsewhere(String),
}

impl Invocation {
    /// Reads the words of a command line.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(words: &[OsString]) -> Result<Invocation, Mistake> {
        let cli = Cli::try_parse_from(words).map_err(Mistake::Words)?;
        let Command::Serve(args) = &cli.command else {
            return Ok(Invocation { cli, remarks: Vec::new() });
        };
        if args.file().is_some() {
            let why = "--config needs the feature config, which this cooee was built without";
            return Err(Mistake::Elsewhere(why.into()));
        }
        let is_set = std::env::var_os("COOEE_CONFIG").is_some_and(|file| !file.is_empty());
        let remark = "COOEE_CONFIG: ignored, as all COOEE_... is: no feature config in this build";
        let remarks = is_set.then(|| remark.into()).into_iter().collect();
        Ok(Invocation { cli, remarks })
    }

    /// `what` as it is: everything stands on the command line.
    pub fn locate(&self, what: String) -> String {
        what
    }
}
