//! The operator's console: what each line typed at the server means.

use std::fmt::Write;

use super::Screen;
use crate::engine::{Bytes, Engine};

/// `/who` lists this many peers, and counts the rest.
const WHO_MAX: usize = 100;

/// What `/help` says.
pub(crate) const HELP: &str = "\
TEXT            answers the talk client who spoke last, or the one chosen
/to N           until the next /to, TEXT goes to talk client N and to nobody else
/to             TEXT answers whoever spoke last again
/to N TEXT      says one thing to talk client N
/who            lists the peers: service, address, age, bytes
/say ROOM TEXT  says something in a chat room, as operator
/kick N         closes the connection of peer N
/stats          what happened so far
/quit           leaves, after what is queued has gone out
";

/// One line of the operator.
#[derive(Debug, PartialEq, Eq)]
pub enum ConsoleCommand {
    /// For talk: text, or `/to`.
    Talk,
    /// For chat: `/say`.
    Chat,
    /// Who is here.
    Who,
    /// Close that peer.
    Kick(u64),
    /// What happened so far.
    Stats,
    /// Leave.
    Quit,
    /// What commands there are.
    Help,
    /// Not understood; what the operator is told about it.
    Wrong(String),
}

/// What `line` means.
pub fn understand(line: &str) -> ConsoleCommand {
    let Some(command) = line.strip_prefix('/') else { return ConsoleCommand::Talk };
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    match (word, rest.trim()) {
        ("to", _) => ConsoleCommand::Talk,
        ("say", rest) if rest.contains(' ') => ConsoleCommand::Chat,
        ("say", _) => ConsoleCommand::Wrong("/say ROOM TEXT needs a room and a text".into()),
        ("kick", number) => match number.trim_start_matches('#').parse() {
            Ok(number) => ConsoleCommand::Kick(number),
            Err(_) => {
                ConsoleCommand::Wrong("/kick N needs the number of a peer; /who lists them".into())
            }
        },
        ("who", "") => ConsoleCommand::Who,
        ("stats", "") => ConsoleCommand::Stats,
        ("quit", "") => ConsoleCommand::Quit,
        ("help", "") => ConsoleCommand::Help,
        ("who" | "stats" | "quit" | "help", _) => {
            ConsoleCommand::Wrong(format!("/{word} stands alone; nothing done"))
        }
        _ => ConsoleCommand::Wrong(format!("no command /{word:.20}; /help lists them")),
    }
}

/// Which services the console speaks to, by their number in the engine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Console {
    pub(super) talk: Option<usize>,
    pub(super) chat: Option<usize>,
}

impl Console {
    /// Does what a line says. True: the operator wants to leave.
    pub(super) fn handle(&self, line: &str, engine: &mut Engine, screen: &mut Screen) -> bool {
        if line.trim().is_empty() {
            return false;
        }
        match understand(line) {
            ConsoleCommand::Talk => self.pass(self.talk, "talk", line, engine, screen),
            ConsoleCommand::Chat => self.pass(self.chat, "chat", line, engine, screen),
            ConsoleCommand::Who => screen.push(who(engine)),
            ConsoleCommand::Kick(number) => {
                if engine.kick(number).is_none() {
                    screen.push(format!("no peer #{number}; /who lists them\n"));
                }
            }
            ConsoleCommand::Stats => screen.push(format!("{}\n", engine.metrics())),
            ConsoleCommand::Help => screen.push(HELP),
            ConsoleCommand::Wrong(what) => screen.push(format!("{what}\n")),
            ConsoleCommand::Quit => return true,
        }
        false
    }

    /// There is no operator any more.
    pub(super) fn ended(&self, engine: &mut Engine) {
        for service in [self.talk, self.chat].into_iter().flatten() {
            engine.tell(service, None);
        }
    }

    fn pass(
        &self,
        service: Option<usize>,
        name: &str,
        line: &str,
        engine: &mut Engine,
        screen: &mut Screen,
    ) {
        match service {
            Some(service) => engine.tell(service, Some(line)),
            None => screen.push(format!("{name} is not served here: nobody to say that to\n")),
        }
    }
}

fn who(engine: &Engine) -> String {
    let mut text = String::new();
    for entry in engine.roster().take(WHO_MAX) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{} {} {} {} s, in {}, out {}",
            entry.peer,
            entry.service,
            entry.remote,
            entry.age.as_secs(),
            Bytes(entry.bytes_in),
            Bytes(entry.bytes_out),
        );
    }
    match engine.connections() {
        0 => text.push_str("nobody is connected\n"),
        count if count > WHO_MAX => {
            let _ = writeln!(text, "and {} more", count - WHO_MAX);
        }
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_understood_and_everything_else_is_explained() {
        assert_eq!(understand("hello /quit"), ConsoleCommand::Talk);
        for line in ["/to 3 hello", "/to 3", "/to", "/to ", "/to\t3"] {
            assert_eq!(understand(line), ConsoleCommand::Talk, "{line}");
        }
        assert_eq!(understand("/say lobby hello all"), ConsoleCommand::Chat);
        assert_eq!(understand("/who"), ConsoleCommand::Who);
        assert_eq!(understand("/kick #12"), ConsoleCommand::Kick(12));
        assert_eq!(understand("/stats "), ConsoleCommand::Stats);
        assert_eq!(understand("/quit"), ConsoleCommand::Quit);
        assert_eq!(understand("/help"), ConsoleCommand::Help);
        for wrong in ["/", "/say lobby", "/kick", "/kick me", "/quit now", "/nonsense", "//"] {
            assert!(matches!(understand(wrong), ConsoleCommand::Wrong(_)), "{wrong}");
        }
    }
}
