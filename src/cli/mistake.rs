//! What is wrong with the words behind `cooee`, in one line as every other error.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, Error};

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
    let words: Vec<String> = words.filter_map(|word| word.into_string().ok()).collect();
    let root = Cli::command();
    let (command, name) = command(&root, &words);
    let tip_for_value = tip_for_value(error, &words, command);
    let told = error.to_string();
    let lines = told.lines().map(str::trim).filter(|line| !line.is_empty());
    let behind = ["Usage:", "For more information"];
    let mut line = String::new();
    for part in lines.take_while(|line| !behind.iter().any(|start| line.starts_with(start))) {
        let tip = match part.strip_prefix("tip: ") {
            // No argument of ours begins with a dash.
            Some(tip) if tip.starts_with("to pass ") => match &tip_for_value {
                Some(better) => Some(better.as_str()),
                None => continue,
            },
            tip => tip,
        };
        line.push_str(match tip {
            _ if line.is_empty() => "",
            Some(_) => "; ",
            None => " ",
        });
        line.push_str(tip.unwrap_or(part));
    }
    if let Some(tip) = tip_for_workload(error) {
        line.push_str("; ");
        line.push_str(tip);
    }
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{}; see {name} --help", visible(line.as_bytes()))
}

/// What to do about a word with a `-` that was meant as the value of the flag before it. What clap
/// would advise, to write it behind `--`, makes it another argument.
fn tip_for_value(error: &Error, words: &[String], command: &Command) -> Option<String> {
    let Some(ContextValue::String(named)) = error.get(ContextKind::InvalidArg) else { return None };
    let at = words.iter().position(|word| word.starts_with(named.as_str()))?;
    let (flag, value) = (&words[at.checked_sub(1)?], &words[at]);
    let is_flag = |arg: &Arg| {
        let is_long = arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long));
        let is_short = arg.get_short().is_some_and(|short| *flag == format!("-{short}"));
        (is_long || is_short) && arg.get_action().takes_values()
    };
    command.get_arguments().find(|arg| is_flag(arg))?;
    Some(match value.strip_prefix('-')?.starts_with(|first: char| first.is_ascii_digit()) {
        true => format!("{flag} cannot be negative"),
        false => format!("to pass it as a value, write {flag}={value}"),
    })
}

/// What measures a service that was named in the place of a workload; and where the server's
/// address belongs.
fn tip_for_workload(error: &Error) -> Option<&'static str> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    text(ContextKind::InvalidArg).filter(|arg| *arg == "[WORKLOAD]")?;
    let value = text(ContextKind::InvalidValue)?;
    let service = value.split(['+', ':']).next().unwrap_or_default();
    match service {
        "echo" if service == value => Some("tcp_rr and tcp_stream measure echo, udp_rr over UDP"),
        "talk" => Some("nothing measures talk, for a person answers there"),
        _ if value.contains([':', '+']) => Some("the server comes behind the workload"),
        _ => None,
    }
}

/// The command that `words` are about, as far as they name one.
fn command<'a>(root: &'a Command, words: &[String]) -> (&'a Command, String) {
    let (mut command, mut name) = (root, root.get_name().to_owned());
    for word in words {
        if let Some(found) = command.find_subcommand(word) {
            command = found;
            name = format!("{name} {}", found.get_name());
        }
    }
    (command, name)
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
            (&["serve", "--nope"], "unexpected argument '--nope' found; see cooee serve --help"),
            (&["months", "1", "--to"], "unexpected argument '--to' found; see cooee months"),
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

    #[test]
    fn a_value_that_begins_like_a_flag_gets_a_tip_that_works() {
        for (words, told) in [
            (&["greet", "--read-size", "-1"][..], "'-1' found; --read-size cannot be negative; "),
            (
                &["serve", "--drain", "-1s"],
                "'-1' found; --drain cannot be negative; see cooee serve",
            ),
            (&["serve", "echo", "--host", "-x"], "to pass it as a value, write --host=-x; see"),
            (&["serve", "--echo-once", "-1"], "unexpected argument '-1' found; see cooee serve"),
            (&["echo", "-1"], "unexpected argument '-1' found; see cooee echo --help"),
            (&["greet", "--read-size=-1"], "it cannot be negative"),
        ] {
            let line = mistake(words);
            assert!(line.contains(told), "{words:?}: {line}");
        }
    }

    #[cfg(feature = "bench")]
    #[test]
    fn mistakes_about_the_bench_are_lines_too() {
        for (words, told) in [
            (&["bench", "--rat", "5"][..], "a similar argument exists: '--rate'; see cooee bench"),
            (&["bench", "nope"], "[possible values: tcp_rr, tcp_crr,"),
            (&["bench", "echo"], "idle]; tcp_rr and tcp_stream measure echo, udp_rr over UDP; see"),
            (&["bench", "echo+udp://:7"], "idle]; the server comes behind the workload; see cooee"),
            (&["bench", "talk"], "idle]; nothing measures talk, for a person answers there; see"),
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
