//! The clients: `cooee echo`, `greet`, `talk`, `chat` and `months`.
//!
//! Each is a service whose peer is the server, on the same engine and reactor as the server
//! itself: pure, and tested without a socket. This file owns their loop: it resolves the name,
//! passes on what is typed or piped, writes what they print, and ends as they say.

mod args;
mod chat;
mod connect;
mod echo;
mod greet;
mod months;
mod piped;
mod talk;
mod tty;

use std::io::ErrorKind;
use std::time::Duration;

use rustix::stdio::{stdin, stdout};
use rustix::termios::isatty;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

use crate::endpoint::Transport;
use crate::engine::{Kind, Limits, Quota, Service};
use crate::reactor::{Manner, Note, Reactor};
use connect::caller::Line;
use tty::display::Look;
use tty::editor::Wish;
use tty::terminal::{self, Terminal};

pub use args::{ChatArgs, EchoArgs, GreetArgs, MonthsArgs, TalkArgs};
pub use connect::question::Persistence;
pub use connect::target::Target;
pub use tty::terminal::AboveTheLine;

/// What a person types behind.
const PROMPT: &str = "> ";
/// The server takes what it takes: that it is slow is no reason to hang up.
const QUOTA: Quota = Quota { idle: None, queue_soft: usize::MAX, queue_hard: usize::MAX };

/// What one client is to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whom to call.
    pub target: Target,
    /// How long each address of it may take to answer.
    pub connect_timeout: Duration,
    /// What to do then.
    pub task: Task,
}

/// What to do with a server.
#[derive(Clone, Debug)]
pub enum Task {
    /// Send what is typed or piped, show what comes back.
    Echo(Persistence),
    /// Show what it says.
    Greet {
        /// In pieces of so many bytes.
        read_size: Option<usize>,
        /// How long it may be silent.
        timeout: Duration,
    },
    /// Talk to its operator.
    Talk,
    /// Talk to everybody.
    Chat {
        /// The name to take.
        nick: Option<String>,
        /// The room to join.
        room: Option<String>,
    },
    /// Ask for months: these, or those typed or piped.
    Months(Persistence, Vec<String>),
}

/// How a client ended, if nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All was done.
    Done,
    /// A signal has ended it, or a key that stands for one. The terminal is in order again, and
    /// the process is to die of that signal, so that whoever has started it knows.
    Signal(i32),
}

/// Does what `request` says.
///
/// # Errors
/// One line for people: what went wrong, with whom, and what would help.
pub fn run(request: &Request) -> Result<Ending, String> {
    let look = look();
    let addresses = request.target.resolve()?;
    let kind = match request.target.transport {
        Transport::Tcp => Kind::Stream,
        Transport::Udp => Kind::Datagram,
    };
    let (service, patience) = (request.target.service, request.connect_timeout);
    let line = Line { service, kind, addresses, patience };
    let limits = Limits { dial: patience, ..Limits::default() };
    let mut reactor = Reactor::new(limits).map_err(|error| setting_up(&error))?;
    if look.interactive {
        // The terminal has to be put back in order first.
        let others = [SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH];
        reactor.watch_signals(&others).map_err(|error| setting_up(&error))?;
        let ending = [SIGHUP, SIGQUIT, SIGTERM, SIGINT];
        terminal::heed(&ending).map_err(|error| setting_up(&error))?;
    }
    let front_end = front_end(&request.task, line, look);
    let number = reactor.engine().add_service(service, QUOTA, front_end);
    // A filter passes on what it is fed as it is; a person types lines.
    let manner = if look.interactive { Manner::Lines } else { Manner::Bytes };
    Client { reactor, number, look, manner, input: Input::Unread }.run()
}

fn front_end(task: &Task, line: Line, look: Look) -> Box<dyn Service> {
    match task {
        Task::Echo(persistence) => match line.kind {
            Kind::Stream => Box::new(echo::stream::Echo::new(line, look)),
            Kind::Datagram => Box::new(echo::datagram::DatagramEcho::new(line, look, *persistence)),
        },
        Task::Greet { read_size, timeout } => {
            Box::new(greet::Greet::new(line, look, *read_size, *timeout))
        }
        Task::Talk => Box::new(talk::Talk::new(line, look)),
        Task::Chat { nick, room } => {
            Box::new(chat::Chat::new(line, look, nick.as_deref(), room.as_deref()))
        }
        Task::Months(persistence, numbers) => {
            Box::new(months::Months::new(line, look, *persistence, numbers))
        }
    }
}

fn look() -> Look {
    let terminal = isatty(stdout());
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let colour = terminal && !is_set("NO_COLOR") && !is_dumb();
    Look { terminal, interactive: terminal && isatty(stdin()), colour }
}

/// Whether the terminal says that it can do nothing but print.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|kind| kind.is_empty() || kind == "dumb")
}

/// Where what is typed comes from.
enum Input {
    /// Not yet: nobody is connected who would want it.
    Unread,
    /// As notes of the reactor, that are for the service.
    Plain,
    /// As notes of the reactor, that are keys.
    Edited(Box<Terminal>),
    /// There is no more.
    Ended,
}

struct Client {
    reactor: Reactor,
    /// The front end's number in the engine.
    number: usize,
    look: Look,
    manner: Manner,
    input: Input,
}

impl Client {
    fn run(mut self) -> Result<Ending, String> {
        loop {
            self.reactor.turn().map_err(|error| format!("polling: {error}"))?;
            while let Some(note) = self.reactor.next_note() {
                if let Some(ending) = self.heed(note)? {
                    return Ok(ending);
                }
            }
            if let Some(ending) = self.show()? {
                return Ok(ending);
            }
            if let Some(outcome) = self.reactor.engine().outcome().cloned() {
                return outcome.map(|()| Ending::Done);
            }
            self.tend_input()?;
        }
    }

    fn heed(&mut self, note: Note) -> Result<Option<Ending>, String> {
        let engine = self.reactor.engine();
        match (note, &mut self.input) {
            (Note::Signal(signal), _) => return self.heed_signal(signal),
            (Note::Line(line), Input::Plain) => engine.tell(self.number, Some(&line)),
            (Note::LineTooLong, _) => log::warn!("a line of more than 64 KiB is not sent"),
            (Note::Bytes(bytes), Input::Edited(terminal)) => {
                return match terminal.type_in(&bytes, engine.now()) {
                    Ok(wishes) => Ok(wishes.into_iter().find_map(|wish| self.grant(wish))),
                    Err(error) => lost(&error),
                };
            }
            (Note::Bytes(bytes), Input::Plain) => engine.feed(self.number, Some(&bytes)),
            // Ctrl-D is a key there: nothing else ends it but that the terminal is gone.
            (Note::InputEnded, Input::Edited(_)) => return Ok(Some(Ending::Signal(SIGHUP))),
            (Note::InputEnded, Input::Plain) => {
                if let Some(error) = self.reactor.input_failure() {
                    return Err(format!("standard input: {error}; give a file or a pipe to read"));
                }
                self.end_input();
            }
            _ => {}
        }
        Ok(None)
    }

    fn heed_signal(&mut self, signal: i32) -> Result<Option<Ending>, String> {
        let heeded = match (signal, &self.input) {
            (SIGCONT, Input::Edited(terminal)) => terminal.resume(),
            (SIGTSTP, Input::Edited(terminal)) => terminal.stop(),
            (SIGWINCH, Input::Edited(terminal)) => terminal.resized(),
            (SIGCONT | SIGTSTP | SIGWINCH, _) => Ok(()),
            _ => return Ok(Some(Ending::Signal(signal))),
        };
        heeded.map_or_else(|error| lost(&error), |()| Ok(None))
    }

    fn grant(&mut self, wish: Wish) -> Option<Ending> {
        match (wish, &self.input) {
            (Wish::Line(line), _) => self.reactor.engine().tell(self.number, Some(&line)),
            (Wish::End, _) => self.end_input(),
            (Wish::Interrupt, Input::Edited(terminal)) => {
                // We are to die of it either way.
                let _ = terminal.interrupt();
                return Some(Ending::Signal(SIGINT));
            }
            // The terminal has seen to these.
            (Wish::Interrupt | Wish::Suspend | Wish::Clear, _) => {}
        }
        None
    }

    /// There is no more to say. The terminal is itself again, so Ctrl-C is a signal.
    fn end_input(&mut self) {
        self.input = Input::Ended;
        self.reactor.hold_input(true);
        let engine = self.reactor.engine();
        match self.manner {
            Manner::Lines | Manner::Commands => engine.tell(self.number, None),
            Manner::Bytes => engine.feed(self.number, None),
        }
    }

    /// Prints what there is to print. Ends it if nobody reads that any more.
    fn show(&mut self) -> Result<Option<Ending>, String> {
        let text = self.reactor.engine().take_screen();
        let written = match &self.input {
            Input::Edited(terminal) if text.is_empty() => terminal.tidy(),
            Input::Edited(terminal) => terminal.print(&text),
            _ => terminal::write_all(terminal::screen(0), &text),
        };
        match written {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Some(Ending::Done)),
            Err(error) if self.look.terminal => lost(&error),
            Err(error) => Err(format!("standard output: {error}")),
        }
    }

    /// Reads standard input while somebody wants it.
    fn tend_input(&mut self) -> Result<(), String> {
        let wanted = !self.reactor.engine().is_backed_up();
        match self.input {
            Input::Unread if wanted => self.begin_input(),
            Input::Plain => {
                self.reactor.hold_input(!wanted);
                Ok(())
            }
            // Ctrl-C is always read.
            Input::Unread | Input::Edited(_) | Input::Ended => Ok(()),
        }
    }

    fn begin_input(&mut self) -> Result<(), String> {
        let edited = self.look.interactive && !is_dumb();
        let manner = if edited { Manner::Bytes } else { self.manner };
        self.input = match edited {
            true => {
                let terminal = match Terminal::open(PROMPT) {
                    // A signal has ended it, which comes as a note now.
                    Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
                    opened => opened.map_err(|error| terminal_gone(&error))?,
                };
                Input::Edited(Box::new(terminal))
            }
            false => Input::Plain,
        };
        if let Err(error) = self.reactor.watch_input(manner) {
            log::debug!("standard input: {error}");
            self.end_input();
        }
        Ok(())
    }
}

fn setting_up(error: &std::io::Error) -> String {
    format!("setting up the poll loop: {error}")
}

/// A terminal that has hung up ends us as SIGHUP does, whichever comes first.
fn lost(error: &std::io::Error) -> Result<Option<Ending>, String> {
    match error.kind() {
        _ if terminal::is_hangup(error) => Ok(Some(Ending::Signal(SIGHUP))),
        // A signal has ended it, which comes as a note now.
        ErrorKind::Interrupted => Ok(None),
        _ => Err(terminal_gone(error)),
    }
}

fn terminal_gone(error: &std::io::Error) -> String {
    format!("the terminal: {error}")
}
