//! The flags of `cooee serve` as keys: which there are, what they take, and whether a value will
//! do. All of it is asked of clap.

use std::error::Error;

use clap::builder::ArgAction;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory};

use super::Setting;
use crate::cli::Cli;
use crate::endpoint::Endpoint;
use crate::services::text::visible;
use crate::spelling::nearest;

/// Flags that say where the others come from, or are for those who start us.
const NO_KEYS: [&str; 4] = ["config", "check", "leave-with-input", "help"];
/// Louder than that the log cannot be.
const LOUDEST: u8 = 3;

/// How a key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// True or false.
    Switch,
    /// True, or how often.
    Count,
    One,
    Many,
}

/// The flags of `cooee serve`.
pub(super) struct Flags {
    serve: Command,
}

fn key_of(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_else(|| arg.get_id().as_str())
}

impl Flags {
    pub(super) fn of_serve() -> Flags {
        let mut root = Cli::command();
        // Tells each command its flags with those of all.
        root.build();
        let serve = root.find_subcommand("serve").cloned().unwrap_or(root);
        Flags { serve }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.serve.get_arguments().map(key_of).filter(|key| !NO_KEYS.contains(key))
    }

    fn arg(&self, key: &str) -> Option<&Arg> {
        let mut args = self.serve.get_arguments();
        args.find(|arg| key_of(arg) == key && !NO_KEYS.contains(&key))
    }

    /// How `key` is written, if there is such a key.
    pub(super) fn form(&self, key: &str) -> Option<Form> {
        Some(match self.arg(key)?.get_action() {
            ArgAction::Append => Form::Many,
            ArgAction::SetTrue => Form::Switch,
            ArgAction::Count => Form::Count,
            _ => Form::One,
        })
    }

    /// What `key` takes, in the words of the help.
    pub(super) fn value_name(&self, key: &str) -> String {
        let names = self.arg(key).and_then(Arg::get_value_names).unwrap_or_default();
        names.first().map(ToString::to_string).unwrap_or_default()
    }

    /// The key that is spelt most like `key`.
    pub(super) fn nearest(&self, key: &str) -> Option<&str> {
        nearest(key, self.keys())
    }

    /// Those that stand on the command line.
    pub(super) fn given(&self, matches: &ArgMatches) -> Vec<String> {
        let is_given = |arg: &&Arg| {
            let id = arg.get_id().as_str();
            matches.try_contains_id(id).is_ok()
                && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        self.serve.get_arguments().filter(is_given).map(|arg| key_of(arg).to_owned()).collect()
    }

    /// Whether only one of these can be in effect.
    pub(super) fn exclude_each_other(&self, one: &str, other: &str) -> bool {
        let excludes = |one: &str, other: &str| {
            let conflicts = self.arg(one).map(|arg| self.serve.get_arg_conflicts_with(arg));
            conflicts.is_some_and(|conflicts| conflicts.iter().any(|arg| key_of(arg) == other))
        };
        one == other || excludes(one, other) || excludes(other, one)
    }

    /// `setting` in the words of a command line.
    pub(super) fn words(&self, setting: &Setting) -> Vec<String> {
        setting.values.iter().flat_map(|value| self.word(&setting.key, value)).collect()
    }

    fn word(&self, key: &str, value: &str) -> Vec<String> {
        match self.form(key) {
            Some(Form::Switch) if value == "true" => vec![format!("--{key}")],
            Some(Form::Switch) => Vec::new(),
            Some(Form::Count) => {
                let times = value.parse::<u8>().unwrap_or_default().min(LOUDEST);
                vec![format!("--{key}"); usize::from(times)]
            }
            _ if key == "endpoints" => vec![value.to_owned()],
            _ => vec![format!("--{key}={value}")],
        }
    }

    /// Whether `setting` does nothing without others that are not there.
    pub(super) fn lacks_others(&mut self, setting: &Setting) -> bool {
        let words = [String::from("serve")].into_iter().chain(self.words(setting));
        let error = self.serve.try_get_matches_from_mut(words).err();
        error.is_some_and(|error| error.kind() == ErrorKind::MissingRequiredArgument)
    }

    /// Whether `value` will do for `key`, on its own.
    ///
    /// # Errors
    /// Why not, and what would, without saying where it stands.
    pub(super) fn judge(&mut self, key: &str, value: &str) -> Result<(), String> {
        if key == "endpoints" {
            return value.parse::<Endpoint>().map(drop).map_err(|error| error.to_string());
        }
        let words = [String::from("serve")].into_iter().chain(self.word(key, value));
        match self.serve.try_get_matches_from_mut(words) {
            Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => {
                let why = match error.source() {
                    Some(why) => why.to_string(),
                    None => error.to_string().lines().next().unwrap_or_default().to_owned(),
                };
                let why = why.strip_prefix("error: ").unwrap_or(&why);
                Err(visible(format!("{key} = {value:?}: {why}").as_bytes()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_serve_is_a_key_but_those_about_the_keys() {
        let flags = Flags::of_serve();
        let keys: Vec<&str> = flags.keys().collect();
        for key in ["endpoints", "host", "chat-rate", "allow", "log-format", "verbose", "quiet"] {
            assert!(keys.contains(&key), "{key}");
        }
        for no_key in NO_KEYS {
            assert!(!keys.contains(&no_key) && flags.form(no_key).is_none(), "{no_key}");
        }
        for (key, form) in [
            ("endpoints", Form::Many),
            ("host", Form::Many),
            ("echo-once", Form::Switch),
            ("verbose", Form::Count),
            ("drain", Form::One),
        ] {
            assert_eq!(flags.form(key), Some(form), "{key}");
        }
        assert_eq!(flags.nearest("max_conections"), Some("max-connections"));
        assert_eq!(flags.nearest("zzzzzz"), None);
    }

    #[test]
    fn a_value_is_judged_as_that_of_the_flag_would_be() {
        let mut flags = Flags::of_serve();
        for (key, value) in [
            ("drain", "10s"),
            ("endpoints", "echo+tcp://:7"),
            ("admin-host", "needs.admin.too"),
            ("echo-once", "true"),
            ("verbose", "2"),
            ("greeting", "--hi"),
        ] {
            assert_eq!(flags.judge(key, value), Ok(()), "{key}");
        }
        for (key, value, why) in [
            ("drain", "5", "drain = \"5\": \"5\" is not a duration"),
            ("max-connections", "-3", "write a number from 1 on"),
            ("endpoints", "ehco", "did you mean echo"),
            ("log-format", "xml", "write text or json"),
            ("host", "", "must not be empty"),
        ] {
            let told = flags.judge(key, value).unwrap_err();
            assert!(told.contains(why) && !told.contains('\n'), "{told}");
        }
    }

    #[test]
    fn what_cannot_stand_together_excludes_each_other_both_ways() {
        let flags = Flags::of_serve();
        assert!(flags.exclude_each_other("echo-once", "echo-reply"));
        assert!(flags.exclude_each_other("echo-reply", "echo-once"));
        assert!(flags.exclude_each_other("quiet", "verbose"));
        assert!(flags.exclude_each_other("host", "host"));
        assert!(!flags.exclude_each_other("host", "drain"));
    }
}
