//! `COOEE_...` in a build without it: warned of. The command line is all there is.

use std::ffi::OsString;

use clap::Parser;

use super::Cli;

/// The command line.
pub struct Invocation {
    /// What is to be done.
    pub cli: Cli,
    /// What is worth a warning, once.
    pub remarks: Option<&'static str>,
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
        let is_set = std::env::var_os("COOEE_CONFIG").is_some_and(|file| !file.is_empty());
        let remark = "COOEE_CONFIG: ignored, as all COOEE_... is: no feature config in this build";
        let cli = Cli::try_parse_from(words).map_err(Mistake::Words)?;
        Ok(Invocation { cli, remarks: is_set.then_some(remark) })
    }

    /// `what` as it is: everything stands on the command line.
    pub fn locate(&self, what: String) -> String {
        what
    }
}
