//! Completions for a shell. Beyond commands and flags, which clap_complete knows, they have what
//! there is to serve where an endpoint may stand.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::endpoint::Transport;
use crate::services::{OFFERS, Offer};

/// The arguments that take an endpoint: the command, and the argument's name in it.
const ENDPOINTS: &[(&str, &str)] = &[
    ("serve", "endpoints"),
    ("echo", "target"),
    ("greet", "target"),
    ("talk", "target"),
    ("chat", "target"),
    ("months", "words"),
    #[cfg(feature = "bench")]
    ("bench", "endpoint"),
];

/// The script for that shell.
pub fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "cooee", &mut script);
    if shell == Shell::Fish {
        // Of what is no flag, clap_complete tells fish nothing.
        script.extend_from_slice(for_fish().as_bytes());
    }
    script
}

/// The command line, where each argument that takes an endpoint has a list of those there are.
fn command() -> Command {
    let formats = PossibleValuesParser::new(["text", "json"]);
    let command = Cli::command().mut_subcommand("serve", |serve| {
        serve.mut_arg("log_format", |format| format.value_parser(formats))
    });
    ENDPOINTS.iter().fold(command, |command, (name, argument)| {
        // Leaked, for clap wants what lives as long as the program, which ends after this.
        let values = endpoints(name)
            .into_iter()
            .map(|(endpoint, about)| PossibleValue::new(&*endpoint.leak()).help(about));
        let parser = PossibleValuesParser::new(values);
        command.mut_subcommand(name, |command| {
            command.mut_arg(argument, |arg| arg.value_parser(parser))
        })
    })
}

/// What may stand there: every service with its transports; for a client its own.
fn endpoints(command: &str) -> Vec<(String, &'static str)> {
    let is_meant = |offer: &&Offer| match command {
        "serve" => true,
        // Nobody answers a bench there.
        "bench" => offer.name != "talk",
        client => offer.name == client,
    };
    let mut endpoints = Vec::new();
    for offer in OFFERS.iter().filter(is_meant) {
        endpoints.push((offer.name.to_owned(), offer.about));
        for transport in Transport::UNNAMED.into_iter().filter(|one| one.carries(offer)) {
            endpoints.push((format!("{}+{transport}", offer.name), offer.about));
        }
    }
    endpoints
}

/// The words that a command takes beside its flags.
fn for_fish() -> String {
    let mut script = String::new();
    let root = command();
    for command in root.get_subcommands() {
        let mut condition = format!("__fish_cooee_using_subcommand {}", command.get_name());
        let within: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        if !within.is_empty() {
            let within = within.join(" ");
            condition.push_str(&format!("; and not __fish_seen_subcommand_from {within}"));
        }
        for value in command.get_positionals().flat_map(Arg::get_possible_values) {
            let about = value.get_help().map(ToString::to_string).unwrap_or_default();
            let about = about.replace('\\', "\\\\").replace('\'', "\\'");
            script.push_str(&format!(
                "complete -c cooee -n \"{condition}\" -f -a {} -d '{about}'\n",
                value.get_name()
            ));
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::*;

    fn text(shell: Shell) -> String {
        String::from_utf8(script(shell)).unwrap()
    }

    /// What a shell prints that has read the script and then does what `then` says.
    fn done_by(program: &[&str], shell: Shell, then: &str) -> String {
        let name = format!("cooee-completions-{}-{shell}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text(shell)).unwrap();
        let script = then.replace("SCRIPT", &path.display().to_string());
        let mut process = Process::new(program[0]);
        let output = process.args(&program[1..]).args(["-c", &script]).env("TERM", "dumb").output();
        let output = output.unwrap_or_else(|e| panic!("{}: {e} (apt-get install it)", program[0]));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn bash_knows_services() {
        for (words, wanted) in [
            ("serve e", "echo echo+tcp echo+udp"),
            ("serve echo+udp ch", "chat chat+tcp"),
            ("months mo", "months months+udp"),
            ("greet gr", "greet greet+tcp"),
            ("serve --log-format j", "json"),
            ("completions z", "zsh"),
        ] {
            let last = words.rsplit(' ').next().unwrap();
            let before = words.rsplit(' ').nth(1).unwrap();
            let then = format!(
                "source SCRIPT; COMP_WORDS=(cooee {words}); \
                 COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE='cooee {words}'; \
                 _cooee cooee {last} {before}; echo \"${{COMPREPLY[*]}}\""
            );
            let program = ["bash", "--norc", "--noprofile"];
            assert_eq!(done_by(&program, Shell::Bash, &then).trim_end(), wanted, "{words}");
        }
    }

    #[test]
    fn fish_knows_services() {
        for (words, wanted) in [
            ("serve e", &["echo", "echo+tcp", "echo+udp"][..]),
            ("serve echo+udp ch", &["chat", "chat+tcp"]),
            ("months mo", &["months", "months+udp"]),
            ("completions z", &["zsh"]),
        ] {
            let then = format!("source SCRIPT; complete -C 'cooee {words}'");
            let found = done_by(&["fish", "--no-config"], Shell::Fish, &then);
            let found: Vec<&str> =
                found.lines().map(|line| line.split('\t').next().unwrap()).collect();
            assert_eq!(found, wanted, "{words}");
        }
    }

    #[test]
    fn zsh_finds_no_fault_in_its_script_which_names_the_services() {
        done_by(&["zsh", "-f", "-n"], Shell::Zsh, "SCRIPT");
        let is_fine = "autoload -U compinit; compinit -D; source SCRIPT && functions _cooee";
        assert!(done_by(&["zsh", "-f"], Shell::Zsh, is_fine).contains("_cooee () {"));
        let script = text(Shell::Zsh);
        for endpoint in ["echo+udp\\:", "months+udp\\:", "chat+tcp\\:"] {
            assert!(script.contains(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn every_argument_that_takes_an_endpoint_lists_those_that_it_takes() {
        let names = |command| -> Vec<String> {
            endpoints(command).into_iter().map(|(endpoint, _)| endpoint).collect()
        };
        assert_eq!(names("echo"), ["echo", "echo+tcp", "echo+udp"]);
        assert_eq!(names("serve").len(), OFFERS.len() + 6);
        assert!(!names("bench").contains(&"talk".to_owned()));
    }
}
