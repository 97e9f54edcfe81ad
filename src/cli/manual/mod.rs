//! The manual: a page for the program and one for each command, made of its flags, its help and
//! what is said here beyond that (`prose.rs`).

mod help;
mod prose;
mod roff;

use std::fs;
use std::path::Path;

use clap::builder::ArgAction;
use clap::{Arg, Command, CommandFactory};

use super::Cli;
use crate::{server, services};
use help::take_apart;
use prose::{BENCH_STATUS, ENVIRONMENT, Prose, SERVE_ENVIRONMENT, SIGNAL_STATUS, STATUS};
use roff::{Roff, bold, escaped, placeholder};

/// When what the pages say was changed last.
const DATE: &str = "2026-11-27";

/// One page.
pub struct Page {
    /// Its name, `cooee-serve`.
    pub name: String,
    /// It, for man(1).
    pub text: String,
}

/// All pages, that of the program first.
pub fn pages() -> Vec<Page> {
    let mut root = Cli::command().disable_help_subcommand(true);
    // Tells each command its flags with those of all.
    root.build();
    let mut commands = Vec::new();
    gather(&root, "cooee", &mut commands);
    let names: Vec<String> = commands.iter().map(|(words, _)| words.replace(' ', "-")).collect();
    let page = |(words, command): &(String, &Command)| Page {
        name: words.replace(' ', "-"),
        text: page(command, words, &names),
    };
    commands.iter().map(page).collect()
}

/// The page of the command with these words, such as `["bench", "compare"]`.
///
/// # Errors
/// One line, if there is no such command.
pub fn page_of(words: &[String]) -> Result<Page, String> {
    let name = ["cooee"].into_iter().chain(words.iter().map(String::as_str));
    let name = name.collect::<Vec<_>>().join("-");
    let mut pages = pages();
    match pages.iter().position(|page| page.name == name) {
        Some(at) => Ok(pages.swap_remove(at)),
        None => {
            let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
            Err(format!("there is no page {name}; there are {}", names.join(", ")))
        }
    }
}

/// Writes all pages to that directory, which is made if it is not there.
///
/// # Errors
/// One line: what could not be written, and why.
pub fn write_all(directory: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: &std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    for page in pages() {
        let path = directory.join(format!("{}.1", page.name));
        fs::write(&path, page.text).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

fn gather<'a>(command: &'a Command, words: &str, into: &mut Vec<(String, &'a Command)>) {
    into.push((words.to_owned(), command));
    for within in command.get_subcommands() {
        gather(within, &format!("{words} {}", within.get_name()), into);
    }
}

fn page(command: &Command, words: &str, names: &[String]) -> String {
    let name = words.replace(' ', "-");
    let mut roff = Roff::new(&name, DATE, concat!("cooee ", env!("CARGO_PKG_VERSION")));
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    roff.section("name");
    roff.markup(&format!("{} \\- {}", escaped(&name), escaped(&uncapitalized(&about))));
    roff.section("synopsis");
    synopsis(&mut roff, command, words);
    let prose = Prose::of(words);
    roff.section("description");
    roff.paragraphs(prose.map_or(&about, |prose| prose.description));
    arguments(&mut roff, command);
    commands(&mut roff, command);
    options(&mut roff, command);
    blocks(&mut roff, command, words);
    list(&mut roff, "files", prose.map_or(&[], |prose| prose.files));
    list(&mut roff, "environment", ENVIRONMENT);
    if words == "cooee serve" {
        SERVE_ENVIRONMENT.iter().for_each(|(name, what)| roff.item(&bold(name), what));
    }
    list(&mut roff, "exit status", STATUS);
    if words.starts_with("cooee bench") {
        roff.item(&bold(BENCH_STATUS.0), BENCH_STATUS.1);
    }
    roff.item(&bold(SIGNAL_STATUS.0), SIGNAL_STATUS.1);
    see_also(&mut roff, &name, names);
    roff.into_page()
}

fn synopsis(roff: &mut Roff, command: &Command, words: &str) {
    let mut line = bold(words);
    if command.get_arguments().any(|arg| !arg.is_positional()) {
        line.push_str(&format!(" [{}]", placeholder("OPTIONS")));
    }
    for arg in command.get_positionals() {
        let dots = if is_many(arg) { "..." } else { "" };
        let name = format!("{}{dots}", placeholder(&value_name(arg)));
        line.push_str(&if arg.is_required_set() {
            format!(" {name}")
        } else {
            format!(" [{name}]")
        });
    }
    let is_root = command.get_positionals().next().is_none();
    if command.has_subcommands() && is_root {
        line.push_str(&format!(" {}", placeholder("COMMAND")));
    }
    roff.markup(&line);
    if command.has_subcommands() && !is_root {
        roff.line_break();
        roff.markup(&format!("{} {}", bold(words), placeholder("COMMAND")));
    }
}

fn arguments(roff: &mut Roff, command: &Command) {
    if command.get_positionals().next().is_some() {
        roff.section("arguments");
    }
    for arg in command.get_positionals() {
        roff.item(&placeholder(&value_name(arg)), &help_of(arg));
        values(roff, arg);
    }
}

fn commands(roff: &mut Roff, command: &Command) {
    if command.has_subcommands() {
        roff.section("commands");
    }
    for within in command.get_subcommands() {
        let about = within.get_about().map(ToString::to_string).unwrap_or_default();
        roff.item(&bold(within.get_name()), &about);
    }
}

/// Those without a heading first, then the others as the help has them.
fn options(roff: &mut Roff, command: &Command) {
    let shown = |arg: &&Arg| !arg.is_positional() && !arg.is_hide_set();
    let mut headings: Vec<Option<&str>> = vec![None];
    for arg in command.get_arguments().filter(shown) {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    roff.section("options");
    for heading in headings {
        if let Some(heading) = heading {
            roff.subsection(heading);
        }
        let under = command.get_arguments().filter(shown);
        for arg in under.filter(|arg| arg.get_help_heading() == heading) {
            roff.item(&flag(arg), &help_of(arg));
            values(roff, arg);
        }
    }
}

/// `-c, --connections N`.
fn flag(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| bold(&format!("-{short}")));
    let long = arg.get_long().map(|long| bold(&format!("--{long}")));
    let mut tag = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if takes_value(arg) {
        tag.push_str(&format!(" {}", placeholder(&value_name(arg))));
    }
    tag
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn is_many(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|count| count.max_values() > 1)
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
}

/// What the help says of a flag, with its default.
fn help_of(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
    let defaults = defaults.collect::<Vec<_>>().join(" ");
    if !takes_value(arg) || defaults.is_empty() || arg.is_hide_default_value_set() {
        return help;
    }
    format!("{help} [default: {defaults}]")
}

/// The words that a flag takes, if only those.
fn values(roff: &mut Roff, arg: &Arg) {
    // The help of an argument names them itself where there is nothing to be said about them.
    let values: Vec<(String, String)> = arg
        .get_possible_values()
        .iter()
        .filter(|value| takes_value(arg) && !value.is_hide_set())
        .filter_map(|value| Some((bold(value.get_name()), value.get_help()?.to_string())))
        .collect();
    if !values.is_empty() {
        roff.within(|roff| values.iter().for_each(|(tag, help)| roff.item(tag, help)));
    }
}

/// What the help has behind the options, and the commands that are typed once it runs.
fn blocks(roff: &mut Roff, command: &Command, words: &str) {
    let text = command.get_after_long_help().or(command.get_after_help());
    let behind = take_apart(&text.map(ToString::to_string).unwrap_or_default());
    let is_example = |heading: &str| heading == "Examples";
    for (heading, lines) in behind.blocks.iter().filter(|(heading, _)| !is_example(heading)) {
        roff.section(match heading.as_str() {
            "What there is to serve" => "services",
            heading => heading,
        });
        roff.verbatim(lines.iter().map(String::as_str));
    }
    match words {
        "cooee serve" => {
            roff.section("console commands");
            roff.text("Each line that is typed or piped into the server is one of these.");
            roff.verbatim(server::CONSOLE_HELP.lines());
        }
        "cooee chat" => {
            roff.section("chat commands");
            roff.verbatim(services::chat::HELP);
        }
        _ => {}
    }
    if !behind.notes.is_empty() {
        roff.section("notes");
        roff.text(&behind.notes);
    }
    let examples = behind.blocks.iter().filter(|(heading, _)| is_example(heading));
    let examples = examples.flat_map(|(_, lines)| lines.iter().map(String::as_str));
    let own = Prose::of(words).map_or(&[][..], |prose| prose.examples).iter().copied();
    let examples: Vec<&str> = examples.chain(own).collect();
    if !examples.is_empty() {
        roff.section("examples");
        roff.verbatim(examples);
    }
}

fn list(roff: &mut Roff, heading: &str, items: &[(&str, &str)]) {
    if !items.is_empty() {
        roff.section(heading);
    }
    for (tag, text) in items {
        roff.item(&bold(tag), text);
    }
}

fn see_also(roff: &mut Roff, name: &str, names: &[String]) {
    let others = names.iter().map(String::as_str).filter(|other| *other != name);
    let others: Vec<String> =
        others.chain(["hexdump"]).map(|o| format!("{}(1)", bold(o))).collect();
    roff.section("see also");
    roff.markup(&others.join(", "));
}

/// The description of a page does not begin as a sentence does.
fn uncapitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command as Process, Stdio};

    use super::*;

    /// What `program` says about a page.
    fn complaints(program: &[&str], page: &Page) -> String {
        let mut child = Process::new(program[0])
            .args(&program[1..])
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "80")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error} (apt-get install it)", program[0]));
        child.stdin.take().unwrap().write_all(page.text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = if program[0] == "mandoc" { output.stdout } else { output.stderr };
        String::from_utf8(said).unwrap()
    }

    #[test]
    fn mandoc_and_man_have_nothing_to_say_about_any_page() {
        for page in pages() {
            for program in [
                &["mandoc", "-T", "lint", "-W", "warning"][..],
                &["man", "--warnings", "--encoding=UTF-8", "--local-file", "-"],
            ] {
                assert_eq!(complaints(program, &page), "", "{program:?} about {}", page.name);
            }
        }
    }

    #[test]
    fn every_command_has_a_page_with_what_a_manual_page_has_and_says_more_than_its_help() {
        let pages = pages();
        for Page { name, text } in &pages {
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"]
            {
                let count = text.lines().filter(|line| **line == format!(".SH {section}")).count();
                assert_eq!(count, 1, "{section} of {name}");
            }
            let words = name.replace('-', " ");
            assert!(Prose::of(&words).is_some(), "{name} has no description of its own");
        }
        for prose in prose::PROSE {
            let name = prose.command.replace(' ', "-");
            let is_built = cfg!(feature = "bench") || !name.contains("bench");
            assert_eq!(pages.iter().any(|page| page.name == name), is_built, "{name}");
        }
    }

    #[test]
    fn examples_and_console_commands_are_kept_as_they_are_written() {
        let page = page_of(&["serve".into()]).unwrap().text;
        let (_, examples) = page.split_once(".SH EXAMPLES\n.RS 4\n.nf\n").unwrap();
        let first = examples.lines().next().unwrap();
        let wanted = r"cooee serve                                  all five services on 127.0.0.1";
        assert_eq!(first, wanted);
        let (_, console) = page.split_once(".SH CONSOLE COMMANDS\n").unwrap();
        assert!(console.contains("\n/kick N         closes the connection"), "{console}");
        assert!(page.contains(".SS Guards\n.TP\n\\fB\\-\\-allow\\fR \\fICIDR\\fR\n"), "{page}");
    }

    #[test]
    fn a_page_that_is_not_there_is_named_with_those_that_are() {
        let error = page_of(&["sevre".into()]).err().unwrap();
        assert!(error.starts_with("there is no page cooee-sevre; there are cooee, cooee-serve"));
    }
}
