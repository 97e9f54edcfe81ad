//! What `cooee serve` is told beside its command line: by the environment and by `--config FILE`.
//!
//! The definition of the flags is the one source of what keys there are, and clap reads every
//! value. Here is only where values come from, and who goes before whom: a flag before the
//! environment, that before the file. What is left is put among the words of the command line.

mod environment;
mod file;
mod flags;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::mistake::{in_one_line, is_help};
use super::{Cli, Command};
#[cfg(feature = "bus")]
use crate::server::secret_among;
use flags::Flags;

/// One key with its values, and where they were written.
#[derive(Clone, Debug)]
struct Setting {
    key: String,
    values: Vec<String>,
    place: String,
}

/// The command line with all that belongs to it.
pub struct Invocation {
    /// What is to be done.
    pub cli: Cli,
    /// What is worth a warning, once.
    pub remarks: Vec<String>,
    /// What does not stand on the command line.
    settings: Vec<Setting>,
}

/// Why there is none.
pub enum Mistake {
    /// The words themselves are wrong, or ask for help.
    Words(clap::Error),
    /// One line about something else.
    Elsewhere(String),
}

impl From<String> for Mistake {
    fn from(line: String) -> Mistake {
        Mistake::Elsewhere(line)
    }
}

impl Invocation {
    /// Reads the words of a command line, the first of which is the program, and what belongs to
    /// them.
    ///
    /// # Errors
    /// What is wrong, and where it stands.
    pub fn read(words: &[OsString]) -> Result<Invocation, Mistake> {
        #[cfg(feature = "bus")]
        secret_among(words)?;
        let plain = Cli::try_parse_from(words);
        match &plain {
            Ok(Cli { command: Command::Serve(args), .. }) if !args.is_apart() => {}
            // What is missing may stand elsewhere.
            Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {}
            _ => return plain.map(Invocation::of).map_err(Mistake::Words),
        }
        match Layers::of(words) {
            Some(layers) => layers.read(words),
            None => plain.map(Invocation::of).map_err(Mistake::Words),
        }
    }

    fn of(cli: Cli) -> Invocation {
        Invocation { cli, remarks: Vec::new(), settings: Vec::new() }
    }

    /// `what` behind the place where the setting stands that it names first, if it names one that
    /// does not stand on the command line.
    pub fn locate(&self, what: String) -> String {
        match located(&self.settings, &what) {
            Some(place) => format!("{place}: {what}"),
            None => what,
        }
    }

    /// What is set beside the command line, by key.
    pub fn settings(&self) -> BTreeMap<String, Vec<String>> {
        let settings = self.settings.iter();
        settings.map(|setting| (setting.key.clone(), setting.values.clone())).collect()
    }
}

/// Where the setting stands whose flag `what` names first.
fn located<'a>(settings: &'a [Setting], what: &str) -> Option<&'a str> {
    let named = settings.iter().filter_map(|setting| {
        let flag = format!("--{}", setting.key);
        let goes_on = |at: &usize| {
            let behind = what[at + flag.len()..].chars().next();
            behind.is_some_and(|next| next == '-' || next.is_ascii_alphanumeric())
        };
        let at = what.match_indices(&flag).map(|(at, _)| at).find(|at| !goes_on(at))?;
        Some((at, setting.place.as_str()))
    });
    named.min().map(|(_, place)| place)
}

/// The command line, and what it says about the others.
struct Layers {
    flags: Flags,
    matches: clap::ArgMatches,
}

impl Layers {
    /// `None`: the command is not `serve`.
    fn of(words: &[OsString]) -> Option<Layers> {
        let matches = Cli::command().ignore_errors(true).try_get_matches_from(words).ok()?;
        let (name, matches) = matches.subcommand()?;
        (name == "serve").then(|| Layers { flags: Flags::of_serve(), matches: matches.clone() })
    }

    fn read(mut self, words: &[OsString]) -> Result<Invocation, Mistake> {
        let mut remarks = Vec::new();
        let (variables, path) = environment::read(&mut self.flags, &mut remarks)?;
        let path = self.matches.get_one("config").cloned().or(path);
        let from_file = match &path {
            Some(path) => file::read(path, &mut self.flags)?,
            None => Vec::new(),
        };
        let settings = self.in_effect([variables, from_file]);
        let words = self.joined(words, &settings, path.as_deref());
        match Cli::try_parse_from(&words) {
            Ok(cli) => Ok(Invocation { cli, remarks, settings }),
            Err(error) if is_help(&error) => Err(Mistake::Words(error)),
            Err(error) => {
                let line = in_one_line(&error, words.iter().skip(1).cloned());
                let is_incomplete = error.kind() == ErrorKind::MissingRequiredArgument;
                let mut lacking = settings.iter().filter(|_| is_incomplete);
                Err(Mistake::Elsewhere(match lacking.find(|one| self.flags.lacks_others(one)) {
                    Some(Setting { key, place, .. }) => format!("{place}: {key}: {line}"),
                    None => located(&settings, &line)
                        .map_or(line.clone(), |place| format!("{place}: {line}")),
                }))
            }
        }
    }

    /// Those settings that nothing before them beats: the same flag, or one that cannot stand
    /// beside it.
    fn in_effect(&self, levels: [Vec<Setting>; 2]) -> Vec<Setting> {
        let mut given: Vec<String> = self.flags.given(&self.matches);
        let mut left = Vec::new();
        for level in levels {
            let is_free = |setting: &Setting| {
                !given.iter().any(|key| self.flags.exclude_each_other(key, &setting.key))
            };
            let free: Vec<Setting> = level.into_iter().filter(is_free).collect();
            given.extend(free.iter().map(|setting| setting.key.clone()));
            left.extend(free);
        }
        left
    }

    /// The words with the settings behind `serve`.
    fn joined(
        &self,
        words: &[OsString],
        settings: &[Setting],
        path: Option<&Path>,
    ) -> Vec<OsString> {
        let command = words.iter().position(|word| word == "serve").unwrap_or(words.len() - 1);
        let mut joined = words[..=command].to_vec();
        for setting in settings {
            joined.extend(self.flags.words(setting).into_iter().map(OsString::from));
        }
        if let Some(path) = path.filter(|_| !self.matches.contains_id("config")) {
            joined.extend(["--config".into(), path.into()]);
        }
        joined.extend_from_slice(&words[command + 1..]);
        joined
    }
}
