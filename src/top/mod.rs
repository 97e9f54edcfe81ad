//! `cooee top`: what a server with `--admin` tells about itself, live; and `cooee health`, which
//! asks once. Clients on the same engine and loop as the others, over HTTP.

mod answer;
mod args;
mod caller;
mod frame;
pub mod health;
mod keyboard;

use std::cell::RefCell;
use std::io::{self, ErrorKind, IsTerminal, stdout};
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

use crate::engine::{Limits, Quota, Time};
use crate::failure::{Failure, setting_up};
use crate::reactor::{Manner, Note, Reactor, hold_back_stop};
use crate::terminal::graph::Glyphs;
use crate::terminal::screen::Screen;
use crate::terminal::{heed, is_dumb, screen, write_all};
use answer::ANSWER_MAX;
use caller::{Caller, Seen};
use keyboard::Keyboard;

pub use args::TopArgs;
pub use health::HealthArgs;

/// How often a frame is drawn.
const FRAME: Duration = Duration::from_millis(250);
/// How often a terminal that only prints, or no terminal, gets a line.
const LINE: Duration = Duration::from_secs(1);

/// Shows it until somebody has seen enough.
///
/// # Errors
/// Why nothing can be shown, or which signal ended it.
pub fn run(args: &TopArgs) -> Result<(), Failure> {
    let address = args.place.address();
    let (locations, name) = (address.resolve().map_err(Failure::Failed)?, address.to_string());
    let limits = Limits { inbox: ANSWER_MAX, ..Limits::default() };
    let fail = |error| Failure::Failed(setting_up(error));
    let mut reactor = Reactor::new(limits).map_err(fail)?;
    let others = [SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH];
    let is_drawn = stdout().is_terminal() && !is_dumb();
    // Held back while there is a frame; otherwise it stops us as ever.
    let others = others.into_iter().filter(|one| is_drawn || *one != SIGTSTP).collect::<Vec<_>>();
    reactor.watch_signals(&others).map_err(fail)?;
    heed(&[SIGHUP, SIGQUIT, SIGTERM, SIGINT]).map_err(fail)?;
    let seen = Rc::new(RefCell::new(Seen::default()));
    let caller = Caller::new(name.clone(), locations, Rc::clone(&seen));
    reactor.engine().add_service("top", Quota::default(), Box::new(caller));
    let glyphs = Glyphs::of_locale(|name| std::env::var(name).ok());
    let next = Time::ZERO.after(if is_drawn { Duration::ZERO } else { LINE });
    let mut top = Top { reactor, name, seen, glyphs, next, drawn: None };
    if is_drawn {
        top.begin_drawing().map_err(|error| Failure::Failed(format!("the terminal: {error}")))?;
    }
    let ending = top.run();
    top.end_drawing();
    ending
}

/// Frames, and the keys that are pressed meanwhile.
struct Drawn {
    screen: Screen,
    keyboard: Option<Keyboard>,
}

struct Top {
    reactor: Reactor,
    name: String,
    seen: Rc<RefCell<Seen>>,
    glyphs: Glyphs,
    /// When the next frame or line is due.
    next: Time,
    /// `None`: lines are printed.
    drawn: Option<Drawn>,
}

impl Top {
    fn begin_drawing(&mut self) -> io::Result<()> {
        let keyboard = Keyboard::open()?;
        if keyboard.is_some()
            && let Err(error) = self.reactor.watch_input(Manner::Bytes)
        {
            log::debug!("standard input: {error}");
        }
        hold_back_stop(true);
        self.drawn = Some(Drawn { screen: Screen::of_output(), keyboard });
        Ok(())
    }

    fn end_drawing(&mut self) {
        if self.drawn.take().is_some() {
            hold_back_stop(false);
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        loop {
            self.reactor.wake_at(Some(self.next));
            let turned = self.reactor.turn();
            turned.map_err(|error| Failure::Failed(format!("polling: {error}")))?;
            while let Some(note) = self.reactor.next_note() {
                match note {
                    Note::Signal(SIGTSTP) => self.stop(),
                    Note::Signal(SIGCONT) => self.resume(),
                    Note::Signal(SIGWINCH) => self.next = Time::ZERO,
                    Note::Signal(signal) => return Err(Failure::Signal(signal)),
                    Note::Bytes(keys) if keys.iter().any(|key| b"qQ".contains(key)) => {
                        return Ok(());
                    }
                    // The terminal is gone.
                    Note::InputEnded if self.drawn.is_some() => {
                        return Err(Failure::Signal(SIGHUP));
                    }
                    Note::Bytes(_) | Note::InputEnded | Note::Line(_) | Note::LineTooLong => {}
                }
            }
            if let Some(Err(why)) = self.reactor.engine().outcome().cloned() {
                return Err(Failure::Failed(why));
            }
            if self.next <= self.reactor.now() && !self.show()? {
                return Ok(());
            }
        }
    }

    /// Shows how it is now. False: nobody reads it any more.
    fn show(&mut self) -> Result<bool, Failure> {
        let now = self.reactor.now();
        let seen = self.seen.borrow();
        if let Some(drawn) = &mut self.drawn {
            self.next = now.after(FRAME);
            let (size, has_keys) = (drawn.screen.size(), drawn.keyboard.is_some());
            let lines = frame::lines(&self.name, &seen, size, self.glyphs, has_keys);
            drawn.screen.draw(&lines, size);
            return Ok(true);
        }
        self.next = now.after(LINE);
        let line = format!("{}\n", frame::line(&self.name, &seen));
        match write_all(screen(0), line.as_bytes()) {
            Ok(()) => Ok(true),
            // By a signal that ends us: the next note tells which.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::Failed(format!("standard output: {error}"))),
        }
    }

    /// Sleeps until the shell brings us back, with nothing shown.
    fn stop(&mut self) {
        let Some(drawn) = &mut self.drawn else { return };
        drawn.screen.erase();
        drawn.keyboard.iter().for_each(Keyboard::give_back);
        hold_back_stop(false);
        // To ourselves: nothing can forbid it.
        let _ = kill_process(getpid(), Signal::TSTP);
        hold_back_stop(true);
        self.resume();
    }

    /// We have been brought back, by whomever: the terminal may be anyhow.
    fn resume(&mut self) {
        if let Some(Drawn { keyboard: Some(keyboard), .. }) = &self.drawn
            && let Err(error) = keyboard.take()
        {
            log::debug!("the keyboard: {error}");
        }
        self.next = Time::ZERO;
    }
}
