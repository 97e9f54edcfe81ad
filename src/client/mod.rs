//! The clients: `cooee echo`, `greet`, `talk`, `chat` and `months`.
//!
//! Each is a service whose peer is the server, on the same engine and reactor as the server
//! itself: pure, and tested without a socket. This file owns their loop: it resolves the name,
//! passes on what is typed or piped, writes what they print, and ends as they say.

mod args;
mod chat;
mod connect;
mod display;
mod drops;
mod echo;
mod greet;
mod introduction;
mod months;
mod nicks;
mod pacer;
mod piped;
mod request;
mod talk;
mod terminal;
mod waiting;

use std::io::{ErrorKind, Write};

use signal_hook::consts::{
    SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH,
};

use crate::engine::{Kind, Limits, Quota, Service, Tap};
use crate::failure::setting_up;
use crate::hex::{HexDump, HexLimits};
use crate::logging::LogFormat;
use crate::reactor::{Manner, Note, Reactor};
use crate::terminal::{heed, is_dumb, is_hangup, screen, write_all};
use crate::tty::editor::{EditorEvent, LINE_CHARS_MAX};
use crate::tty::stdio::Stdio;
use connect::connection::Route;
use terminal::Terminal;

pub use args::{ChatArgs, EchoArgs, GreetArgs, MonthsArgs, TalkArgs};
pub use connect::question::RetryPolicy;
pub use connect::target::ConnectTarget;
pub use request::{Ending, Request, Task};
pub use terminal::TerminalLog;

/// Stands before the line being typed.
const PROMPT: &str = "> ";
/// The server takes what it takes: that it is slow is no reason to hang up.
const QUOTA: Quota =
    Quota { idle: None, queue_soft: usize::MAX, queue_hard: usize::MAX, apart: None };

/// Does what `request` says.
///
/// # Errors
/// One line for people: what went wrong, with whom, and what would help.
pub fn run(request: &Request) -> Result<Ending, String> {
    let stdio = Stdio::detect();
    let addresses = request.target.resolve()?;
    let kind = match request.target.transport.is_stream() {
        true => Kind::Stream,
        false => Kind::Datagram,
    };
    let (service, patience) = (request.target.service, request.connect_timeout);
    let through = request.through.layering();
    let route = Route { service, kind, addresses, patience, through };
    let limits = Limits { dial: patience, handshake: patience, ..Limits::default() };
    let mut reactor = Reactor::new(limits).map_err(setting_up)?;
    if stdio.is_interactive {
        // Each of these would end or stop us at once and leave the terminal raw.
        let others = [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH];
        reactor.watch_signals(&others).map_err(setting_up)?;
        let ending = [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGINT];
        heed(&ending).map_err(setting_up)?;
    }
    if request.hex {
        reactor.engine().set_tap(dump());
    }
    let front_end = front_end(&request.task, route, stdio);
    let number = reactor.engine().add_service(service, QUOTA, front_end);
    // What is piped goes out byte for byte; what a person types goes out line by line.
    let manner = if stdio.is_interactive { Manner::Lines } else { Manner::Bytes };
    Client { reactor, number, stdio, manner, input: InputState::Unread }.run()
}

/// What `--hex` shows: all of it, where the log goes.
fn dump() -> Box<dyn Tap> {
    // Without a standard error there is nobody to be shown anything.
    let write = |lines: &str| drop(TerminalLog.write_all(lines.as_bytes()));
    Box::new(HexDump::new(LogFormat::Text, HexLimits::NONE, write))
}

fn front_end(task: &Task, route: Route, stdio: Stdio) -> Box<dyn Service> {
    match task {
        Task::Echo(retry) => match route.kind {
            Kind::Stream => Box::new(echo::stream::EchoClient::new(route, stdio)),
            Kind::Datagram => {
                Box::new(echo::datagram::DatagramEchoClient::new(route, stdio, *retry))
            }
        },
        Task::Greet { read_size, timeout } => {
            Box::new(greet::GreetClient::new(route, stdio, *read_size, *timeout))
        }
        Task::Talk => Box::new(talk::TalkClient::new(route, stdio)),
        Task::Chat { nick, room, rate } => {
            let (nick, room) = (nick.as_deref(), room.as_deref());
            Box::new(chat::ChatClient::new(route, stdio, nick, room, *rate))
        }
        Task::Months(retry, numbers) => {
            Box::new(months::MonthsClient::new(route, stdio, *retry, numbers))
        }
    }
}

/// How far standard input is, and how it is read.
enum InputState {
    /// It is not read yet: no server has answered.
    Unread,
    /// Its bytes or lines go to the front end as they come.
    Plain,
    /// Its bytes are keys, of which the editor makes lines.
    Edited(Box<Terminal>),
    /// It has ended.
    Ended,
}

/// A front end and the loop that drives it.
struct Client {
    reactor: Reactor,
    /// The front end's number in the engine.
    number: usize,
    stdio: Stdio,
    manner: Manner,
    input: InputState,
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
            (Note::Line(line), InputState::Plain) => engine.tell(self.number, Some(&line)),
            (Note::LineTooLong, _) => log::warn!("a line of more than 64 KiB is not sent"),
            (Note::Bytes(bytes), InputState::Edited(terminal)) => {
                terminal.type_in(&bytes, engine.now());
                return self.heed_keys();
            }
            (Note::Bytes(bytes), InputState::Plain) => engine.feed(self.number, Some(&bytes)),
            // In raw mode Ctrl-D is a key, so the input ends only when the terminal is gone.
            (Note::InputEnded, InputState::Edited(_)) => return Ok(Some(Ending::Signal(SIGHUP))),
            (Note::InputEnded, InputState::Plain) => {
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
            (SIGCONT, InputState::Edited(terminal)) => terminal.resume(),
            (SIGTSTP, InputState::Edited(terminal)) => terminal.stop(),
            (SIGWINCH, InputState::Edited(terminal)) => terminal.resized(),
            (SIGCONT | SIGTSTP | SIGWINCH, _) => Ok(()),
            _ => return Ok(Some(Ending::Signal(signal))),
        };
        heeded.map_or_else(|error| lost(&error), |()| Ok(None))
    }

    fn heed_keys(&mut self) -> Result<Option<Ending>, String> {
        while let InputState::Edited(terminal) = &mut self.input {
            let event = match terminal.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => return lost(&error),
            };
            if let Some(ending) = self.handle_event(event) {
                return Ok(Some(ending));
            }
        }
        Ok(None)
    }

    fn handle_event(&mut self, event: EditorEvent) -> Option<Ending> {
        match (event, &mut self.input) {
            (EditorEvent::Line(line), _) => self.reactor.engine().tell(self.number, Some(&line)),
            (EditorEvent::TooLong, _) => {
                log::warn!("that line was longer than {LINE_CHARS_MAX} characters: not sent");
            }
            (EditorEvent::End, _) => self.end_input(),
            (EditorEvent::Interrupt, InputState::Edited(terminal)) => {
                // Whether the others could be told or not, we end by this signal.
                let _ = terminal.interrupt();
                return Some(Ending::Signal(SIGINT));
            }
            (EditorEvent::Complete(head), InputState::Edited(terminal)) => {
                terminal.complete(self.reactor.engine().completions(self.number, &head));
            }
            // `Terminal::next_event` has done what these ask for.
            (
                EditorEvent::Interrupt
                | EditorEvent::Suspend
                | EditorEvent::Clear
                | EditorEvent::Complete(_),
                _,
            ) => {}
        }
        None
    }

    /// Tells the front end that the input has ended. The terminal leaves raw mode with its editor,
    /// so that Ctrl-C is a signal again.
    fn end_input(&mut self) {
        self.input = InputState::Ended;
        self.reactor.hold_input(true);
        let engine = self.reactor.engine();
        match self.manner {
            Manner::Lines | Manner::Commands => engine.tell(self.number, None),
            Manner::Bytes | Manner::Keys => engine.feed(self.number, None),
        }
    }

    /// Prints what the front end has shown. Ends the client if nobody reads that any more.
    fn show(&mut self) -> Result<Option<Ending>, String> {
        let text = self.reactor.engine().take_screen();
        let written = match &self.input {
            InputState::Edited(terminal) if text.is_empty() => terminal.tidy(),
            InputState::Edited(terminal) => terminal.print(&text),
            _ => write_all(screen(0), &text),
        };
        match written {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Some(Ending::Done)),
            Err(error) if self.stdio.is_terminal => lost(&error),
            Err(error) => Err(format!("standard output: {error}")),
        }
    }

    /// Reads standard input while the front end takes it.
    fn tend_input(&mut self) -> Result<(), String> {
        let wanted = !self.reactor.engine().is_backed_up();
        match self.input {
            InputState::Unread if wanted => self.begin_input(),
            InputState::Plain => {
                self.reactor.hold_input(!wanted);
                Ok(())
            }
            // Keys are always read: one of them is Ctrl-C.
            InputState::Unread | InputState::Edited(_) | InputState::Ended => Ok(()),
        }
    }

    fn begin_input(&mut self) -> Result<(), String> {
        let edited = self.stdio.is_interactive && !is_dumb();
        let manner = if edited { Manner::Bytes } else { self.manner };
        self.input = match edited {
            true => {
                let terminal = match Terminal::open(PROMPT) {
                    // By a signal that ends us; the reactor's next note tells which.
                    Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
                    opened => opened.map_err(|error| terminal_gone(&error))?,
                };
                InputState::Edited(Box::new(terminal))
            }
            false => InputState::Plain,
        };
        if let Err(error) = self.reactor.watch_input(manner) {
            log::debug!("standard input: {error}");
            self.end_input();
        }
        Ok(())
    }
}

/// A terminal that has hung up ends us as SIGHUP does, whichever comes first.
fn lost(error: &std::io::Error) -> Result<Option<Ending>, String> {
    match error.kind() {
        _ if is_hangup(error) => Ok(Some(Ending::Signal(SIGHUP))),
        // By a signal that ends us; the reactor's next note tells which.
        ErrorKind::Interrupted => Ok(None),
        _ => Err(terminal_gone(error)),
    }
}

fn terminal_gone(error: &std::io::Error) -> String {
    format!("the terminal: {error}")
}
