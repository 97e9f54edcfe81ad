//! The operator's console: what each line typed at the server means.

mod fault;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use log::LevelFilter;

use super::bus::BusView;
use super::desk::Desk;
use super::faulty::FaultyListener;
use crate::append::append;
use crate::engine::{Bytes, Engine, Entry, Metrics, Peer};

/// `/who` lists this many peers, and counts the rest.
const WHO_MAX: usize = 100;

/// What `/help` says.
pub(crate) const HELP: &str = "\
TEXT            answers the talk client who spoke last, or the one chosen
/to N           until the next /to, TEXT goes to talk client N, to nobody else
/to             TEXT answers whoever spoke last again
/to N TEXT      says one thing to talk client N
/who            lists the peers: service, address, name and room, age, bytes
/say ROOM TEXT  says something in a chat room, as operator
/kick N         closes the connection of peer N
/stats          what happened so far
/fault          shows what is done wrong on purpose, and by whom
/fault N WHAT   does it to peer N at once: reset, close, stall or halfopen;
                or knobs from now on, as in delay=50ms&rate=1k; or off
/fault NAME WHAT
                sets the knobs of the listeners of a service, as in
                /fault echo delay=50ms, for those who connect from now on
/fault off      nothing is done wrong any more, nor to those who are here
/quiet          of the log, only warnings and errors come here; what talk
                clients say and the answers to your commands come as ever
/loud           the whole log again, and how many came and went meanwhile
/quit           leaves, after what is queued has gone out
";

/// For Tab, with the blank that follows.
const COMMANDS: [&str; 10] =
    ["/fault ", "/help", "/kick ", "/loud", "/quiet", "/quit", "/say ", "/stats", "/to ", "/who"];

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
    /// What goes wrong on purpose: shows or changes it.
    Fault,
    /// Hold back most of the log.
    Quiet,
    /// Hold back nothing any more.
    Loud,
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
        ("fault", _) => ConsoleCommand::Fault,
        ("stats", "") => ConsoleCommand::Stats,
        ("quiet", "") => ConsoleCommand::Quiet,
        ("loud", "") => ConsoleCommand::Loud,
        ("quit", "") => ConsoleCommand::Quit,
        ("help", "") => ConsoleCommand::Help,
        ("who" | "stats" | "quiet" | "loud" | "quit" | "help", _) => {
            ConsoleCommand::Wrong(format!("/{word} stands alone; nothing done"))
        }
        _ => ConsoleCommand::Wrong(format!("no command /{word:.20}; /help lists them")),
    }
}

/// Whom plain text goes to, as the prompt says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// Talk is not served.
    Nowhere,
    Nobody,
    Here(Peer),
    /// It has left, and gets nothing any more.
    Gone(Peer),
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aim::Nowhere => f.write_str("> "),
            Aim::Nobody => f.write_str("to nobody> "),
            Aim::Here(peer) => write!(f, "to {peer}> "),
            Aim::Gone(peer) => write!(f, "to {peer} (left)> "),
        }
    }
}

/// What there was when the log was held back.
#[derive(Clone, Copy, Debug)]
struct Held {
    level: LevelFilter,
    opened: u64,
    closed: u64,
}

/// Which services the console speaks to, by their number in the engine.
#[derive(Default)]
pub(super) struct Console {
    pub(super) talk: Option<usize>,
    pub(super) chat: Option<usize>,
    /// Those whose knobs can be changed.
    listeners: Vec<FaultyListener>,
    held: Option<Held>,
    /// Whether what `--hex` shows is held back as well; `None`: it shows nothing.
    is_dump_held: Option<Rc<Cell<bool>>>,
    /// The bus, if there is one.
    bus: Option<BusView>,
}

impl Console {
    /// One that speaks to those of `services` that have an operator.
    pub(super) fn of(
        services: &[(&'static str, usize)],
        listeners: Vec<FaultyListener>,
        is_dump_held: Option<Rc<Cell<bool>>>,
        bus: Option<BusView>,
    ) -> Console {
        let find = |wanted| services.iter().find(|(name, _)| *name == wanted).map(|(_, n)| *n);
        Console { talk: find("talk"), chat: find("chat"), listeners, held: None, is_dump_held, bus }
    }

    /// Does what a line says. `aim` is whom plain text was meant for, if the operator has been told
    /// by a prompt. True: the operator wants to leave.
    pub(super) fn handle(
        &mut self,
        line: &str,
        aim: Option<Aim>,
        engine: &mut Engine,
        desk: &mut Desk,
    ) -> bool {
        if line.trim().is_empty() {
            return false;
        }
        match understand(line) {
            ConsoleCommand::Talk if line.starts_with('/') => {
                self.pass(self.talk, "talk", line, engine, desk);
            }
            ConsoleCommand::Talk => self.answer(line, aim, engine, desk),
            ConsoleCommand::Chat => self.pass(self.chat, "chat", line, engine, desk),
            ConsoleCommand::Who => desk.push(who(engine)),
            ConsoleCommand::Kick(number) => {
                desk.push(match engine.kick(number) {
                    Some(peer) => format!("{peer} is kicked\n"),
                    None => format!("no peer #{number}; /who lists them\n"),
                });
            }
            ConsoleCommand::Fault => desk.push(fault::obey(line, &self.listeners, engine)),
            ConsoleCommand::Stats => {
                desk.push(format!("{}\n", engine.metrics()));
                self.bus.iter().for_each(|bus| desk.push(format!("{}\n", bus.line())));
            }
            ConsoleCommand::Quiet => desk.push(self.hold_back(engine, desk.shows_log())),
            ConsoleCommand::Loud => desk.push(self.let_through(engine)),
            ConsoleCommand::Help => desk.push(HELP),
            ConsoleCommand::Wrong(what) => desk.push(format!("{what}\n")),
            ConsoleCommand::Quit => return true,
        }
        false
    }

    /// There is no operator any more.
    pub(super) fn ended(&mut self, engine: &mut Engine) {
        for service in [self.talk, self.chat].into_iter().flatten() {
            engine.tell(service, None);
        }
    }

    /// Whom plain text goes to now.
    pub(super) fn aim(&self, engine: &mut Engine) -> Aim {
        let Some(talk) = self.talk else { return Aim::Nowhere };
        match engine.addressee(talk) {
            None => Aim::Nobody,
            Some(peer) if engine.is_open(peer) => Aim::Here(peer),
            Some(peer) => Aim::Gone(peer),
        }
    }

    /// Says `line` to whom it was meant for when its first letter was typed, though somebody else
    /// may have spoken since.
    fn answer(&self, line: &str, aim: Option<Aim>, engine: &mut Engine, desk: &mut Desk) {
        let now = self.aim(engine);
        let to = match aim {
            Some(Aim::Here(peer) | Aim::Gone(peer)) => {
                let is_same = matches!(now, Aim::Here(other) | Aim::Gone(other) if other == peer);
                if is_same { None } else { Some(peer) }
            }
            Some(Aim::Nobody) if now != Aim::Nobody => {
                return desk.push("that was for nobody: not sent; see whom the prompt names now\n");
            }
            Some(Aim::Nowhere | Aim::Nobody) | None => None,
        };
        match to {
            None => self.pass(self.talk, "talk", line, engine, desk),
            Some(peer) if engine.is_open(peer) => {
                let line = format!("/to {} {line}", peer.number());
                self.pass(self.talk, "talk", &line, engine, desk);
            }
            Some(peer) => desk.push(format!("{peer} has left: not sent\n")),
        }
    }

    fn pass(
        &self,
        service: Option<usize>,
        name: &str,
        line: &str,
        engine: &mut Engine,
        desk: &mut Desk,
    ) {
        match service {
            Some(service) => engine.tell(service, Some(line)),
            None => desk.push(format!("{name} is not served here: nobody to say that to\n")),
        }
    }
}

/// The log on the operator's screen.
impl Console {
    fn hold_back(&mut self, engine: &Engine, shows_log: bool) -> &'static str {
        let level = log::max_level();
        if self.held.is_some() {
            return "it is quiet already; /loud ends that\n";
        }
        if !shows_log {
            return "the log does not come to this screen: there is nothing to hold back\n";
        }
        if level <= LevelFilter::Warn && self.is_dump_held.is_none() {
            return "the log has nothing but warnings and errors: there is nothing to hold back\n";
        }
        let Metrics { opened, closed, .. } = engine.metrics();
        self.held = Some(Held { level, opened, closed });
        log::set_max_level(level.min(LevelFilter::Warn));
        self.hold_dump(true);
        "quiet: of the log only warnings and errors come here; /loud ends it\n"
    }

    /// So much is to be logged from now on; or once it is loud again.
    #[cfg(feature = "config")]
    pub(super) fn set_level(&mut self, level: LevelFilter) {
        match &mut self.held {
            Some(held) => held.level = level,
            None => log::set_max_level(level),
        }
    }

    /// Ends what `hold_back` has begun.
    pub(super) fn let_through(&mut self, engine: &Engine) -> String {
        let Some(held) = self.held.take() else { return "it is loud already\n".into() };
        log::set_max_level(held.level);
        self.hold_dump(false);
        let Metrics { opened, closed, .. } = engine.metrics();
        let (came, went) = (opened - held.opened, closed - held.closed);
        format!("loud again; connections since /quiet: {came} came, {went} went\n")
    }

    fn hold_dump(&self, is_held: bool) {
        self.is_dump_held.iter().for_each(|held| held.set(is_held));
    }
}

/// Completion.
impl Console {
    /// What can take the place of the last word of `head`.
    pub(super) fn completions(&self, head: &str, engine: &mut Engine) -> Vec<String> {
        let Some((word, rest)) = head.split_once(' ') else { return commands(head) };
        match (word, self.chat) {
            ("/to", _) => numbers(engine, rest, Some("talk")),
            ("/kick", _) => numbers(engine, rest, None),
            ("/fault", _) => fault::completions(rest, &self.listeners, engine),
            ("/say", Some(chat)) => engine.completions(chat, head).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

fn commands(head: &str) -> Vec<String> {
    let matching = COMMANDS.iter().filter(|command| command.starts_with(head));
    matching.filter(|_| !head.is_empty()).map(ToString::to_string).collect()
}

/// The numbers that begin with `head`, the lowest first; of the peers of one service or of all.
fn numbers(engine: &Engine, head: &str, service: Option<&str>) -> Vec<String> {
    let mark = if head.starts_with('#') { "#" } else { "" };
    let is_wanted = |entry: &Entry| service.is_none_or(|name| name == entry.service);
    let mut numbers: Vec<u64> =
        engine.roster().filter(is_wanted).map(|entry| entry.peer.number()).collect();
    numbers.sort_unstable();
    let words = numbers.into_iter().map(|number| format!("{mark}{number} "));
    words.filter(|word| word.starts_with(head)).take(WHO_MAX).collect()
}

fn who(engine: &Engine) -> String {
    let mut entries: Vec<Entry> = engine.roster().collect();
    let count = entries.len();
    if count > WHO_MAX {
        entries.select_nth_unstable_by_key(WHO_MAX, |entry| entry.peer.number());
        entries.truncate(WHO_MAX);
    }
    entries.sort_unstable_by_key(|entry| entry.peer.number());
    let mut text = String::new();
    for Entry { peer, service, remote, age, bytes_in, bytes_out, .. } in entries {
        let about = engine.description(peer).map(|words| format!(" ({words})")).unwrap_or_default();
        let (age, came, went) = (age.as_secs(), Bytes(bytes_in), Bytes(bytes_out));
        let line =
            format_args!("{peer} {service} {remote}{about} {age} s, in {came}, out {went}\n");
        append(&mut text, line);
    }
    match count {
        0 => text.push_str("nobody is connected\n"),
        count if count > WHO_MAX => {
            append(&mut text, format_args!("and {} more\n", count - WHO_MAX));
        }
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_terminal_and_knows_what_tab_knows() {
        assert!(HELP.lines().all(|line| line.len() < 80));
        for command in COMMANDS.iter().filter(|command| **command != "/help") {
            assert!(HELP.lines().any(|line| line.starts_with(command.trim_end())), "{command}");
        }
        assert_eq!(commands("/qu"), ["/quiet", "/quit"]);
        assert_eq!((commands(""), commands("x")), (vec![], vec![]));
    }

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
        for line in ["/fault", "/fault 3 reset", "/fault off", "/fault x y z"] {
            assert_eq!(understand(line), ConsoleCommand::Fault, "{line}");
        }
        assert_eq!(understand("/quiet"), ConsoleCommand::Quiet);
        assert_eq!(understand("/loud "), ConsoleCommand::Loud);
        assert_eq!(understand("/quit"), ConsoleCommand::Quit);
        assert_eq!(understand("/help"), ConsoleCommand::Help);
        for wrong in ["/", "/say lobby", "/kick", "/kick me", "/quit now", "/nonsense", "//"] {
            assert!(matches!(understand(wrong), ConsoleCommand::Wrong(_)), "{wrong}");
        }
    }
}
