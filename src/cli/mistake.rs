//! What is wrong with the words behind `cooee`, in one line as every other error.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, Error};

use super::Cli;
use crate::services::text::visible;

/// Whether `error` is no mistake: help or a version that was asked for, or the help for somebody
/// who has said nothing yet.
pub fn is_help(error: &Error) -> bool {
    let is_at_a_loss = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    !error.use_stderr() || is_at_a_loss
}

/// One line: what is wrong with `words`, what may be meant, where all of it is explained.
pub fn in_one_line(error: &Error, words: impl Iterator<Item = OsString>) -> String {
    let told = error.to_string();
    let lines = told.lines().map(str::trim).filter(|line| !line.is_empty());
    let behind = ["Usage:", "For more information"];
    let mut line = String::new();
    for part in lines.take_while(|line| !behind.iter().any(|start| line.starts_with(start))) {
        let tip = part.strip_prefix("tip: ");
        line.push_str(match tip {
            _ if line.is_empty() => "",
            Some(_) => "; ",
            None => " ",
        });
        line.push_str(tip.unwrap_or(part));
    }
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{}; see {} --help", visible(line.as_bytes()), command(words))
}

/// The command that `words` are about, as far as they name one.
fn command(words: impl Iterator<Item = OsString>) -> String {
    let root = Cli::command();
    let (mut command, mut name) = (&root, root.get_name().to_owned());
    for word in words.filter_map(|word| word.into_string().ok()) {
        if let Some(found) = command.find_subcommand(&word) {
            command = found;
            name = format!("{name} {}", found.get_name());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn mistake(words: &[&str]) -> String {
        let words = [&["cooee"], words].concat();
        let error = Cli::try_parse_from(&words).unwrap_err();
        assert!(!is_help(&error), "{words:?}");
        in_one_line(&error, words.iter().skip(1).map(OsString::from))
    }

    #[test]
    fn every_mistake_is_one_line_that_says_where_to_look() {
        for (words, told) in [
            (&["frob"][..], "unrecognized subcommand 'frob'; see cooee --help"),
            (
                &["serve", "--nope"],
                "unexpected argument '--nope' found; to pass '--nope' as a value",
            ),
            (&["serve", "--host"], "a value is required for '--host <HOST>'"),
            (&["serve", "-v", "-q"], "cannot be used with '--quiet...'; see cooee serve --help"),
            (&["echo", "a", "b"], "unexpected argument 'b' found; see cooee echo --help"),
            (&["echo", "--udpp"], "found; a similar argument exists: '--udp'; see cooee echo"),
            (&["greet", "--read-size", "0"], "it must be at least one byte; see cooee greet"),
            (&["months", "--retries", "x"], "see cooee months --help"),
            (&["chat", "--nick"], "but none was supplied; see cooee chat --help"),
            (&["talk", "--connect-timeout", "5"], "add a unit"),
            (&["--verbose=3"], "see cooee --help"),
            (&["serve", "--drain", "1\n2\u{1b}[2J"], "invalid value '1 2' for"),
        ] {
            let line = mistake(words);
            assert!(line.contains(told), "{words:?}: {line}");
            assert!(!line.contains(char::is_control), "{words:?}: {line:?}");
        }
    }

    #[cfg(feature = "bench")]
    #[test]
    fn mistakes_about_the_bench_are_lines_too() {
        for (words, told) in [
            (&["bench", "--rat", "5"][..], "a similar argument exists: '--rate'; see cooee bench"),
            (&["bench", "nope"], "[possible values: tcp_rr, tcp_crr,"),
            (
                &["bench", "compare"],
                "were not provided: <A.json> <B.json>; see cooee bench compare",
            ),
            (&["bench", "tcp_rr", "--rate", "1", "--rate", "2"], "multiple times; see cooee bench"),
            (&["bench", "tcp_rr", "--json", ""], "a value is required for '--json <FILE>'"),
        ] {
            let line = mistake(words);
            assert!(line.contains(told), "{words:?}: {line}");
            assert!(!line.contains(char::is_control), "{words:?}: {line:?}");
        }
    }

    #[test]
    fn help_and_versions_are_no_mistakes() {
        for words in
            [&["cooee", "--help"][..], &["cooee", "serve", "-h"], &["cooee", "-V"], &["cooee"]]
        {
            let error = Cli::try_parse_from(words).unwrap_err();
            assert!(is_help(&error), "{words:?}");
        }
    }
}
