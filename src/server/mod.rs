//! `cooee serve`: listeners from endpoints, the operator's console, and leaving in order.

#[cfg_attr(not(feature = "admin"), path = "no_admin.rs")]
mod admin;
mod announce;
mod args;
#[cfg_attr(not(feature = "bus"), path = "no_bus.rs")]
mod bus;
#[cfg(feature = "config")]
mod check;
mod config;
#[doc(hidden)] // only for the tests that throw lines at it
pub mod console;
mod desk;
mod faulty;
mod front;
#[doc(hidden)] // only for the tests that throw requests at it
pub mod http;
#[cfg_attr(not(feature = "systemd"), path = "no_inherited.rs")]
mod inherited;
mod instances;
mod listen;
mod memory;
#[cfg_attr(not(all(feature = "systemd", target_os = "linux")), path = "no_notify.rs")]
mod notify;
mod operator;
#[cfg_attr(not(feature = "config"), path = "no_reload.rs")]
mod reload;
mod socket;
mod socket_file;
mod totals;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::engine::{Limits, Metrics, Tap, Time};
use crate::failure::setting_up;
use crate::guards::Guards;
use crate::hex::{HexDump, HexLimits};
use crate::logging::{self, LogFormat};
use crate::outlet::{self, Log};
pub use crate::reactor::Listening;
use crate::reactor::{Note, Reactor};
use admin::Facts;
use announce::Announcement;
pub use args::ServeArgs;
#[cfg(feature = "bus")]
pub use args::secret_among;
pub use bus::BusPlan;
use bus::Joining;
#[cfg(feature = "config")]
pub use check::check;
pub use config::Config;
#[cfg(feature = "manual")]
pub(crate) use console::HELP as CONSOLE_HELP;
use console::{Aim, Console};
use desk::Desk;
use front::Front;
pub use front::Identity;
pub use inherited::Inherited;
use instances::Instances;
use listen::Places;
use memory::BUFFERED_MIN;
use notify::Notifier;
#[cfg(feature = "config")]
pub use reload::Fresh;
pub use reload::Reload;
use signal_hook::consts::SIGHUP;
use socket_file::SocketFile;
use totals::Stat;

/// How far the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifecycle {
    Serving,
    /// No new connections; until that time, peers get what is queued for them.
    Draining(Time),
    /// No connections; until that time, the last words wait for somebody to read them.
    Parting(Time),
    Left,
}

/// What a server has beside its configuration.
#[derive(Default)]
pub struct Outside {
    /// Sockets that are open already.
    pub inherited: Inherited,
    /// How SIGHUP has the configuration read again; `None`: it ends the server.
    pub reload: Option<Reload>,
}

/// A server that listens.
pub struct Server {
    /// Of the unix sockets, before which they are dropped; those of `--admin` stay until the end.
    socket_files: Vec<SocketFile>,
    _admin_files: Vec<SocketFile>,
    reactor: Reactor,
    /// The services for streams, by name, with their number in the engine.
    #[cfg_attr(not(feature = "config"), expect(dead_code))]
    services: listen::Services,
    /// What stands before them.
    front: Rc<Front>,
    console: Console,
    desk: Desk,
    /// Whom the line being typed is for, as its prompt says.
    aim: Aim,
    /// What `--admin` tells.
    facts: Rc<Facts>,
    stat: Option<Stat>,
    reload: Option<Reload>,
    /// Whether the end of the terminal, which is told by SIGHUP too, is to end us.
    minds_hangup: bool,
    notifier: Option<Notifier>,
    announcement: Option<Announcement>,
    lifecycle: Lifecycle,
    drain: Duration,
    leave_with_input: bool,
}

impl Server {
    /// Listens on everything that `config` asks for, or on nothing.
    ///
    /// # Errors
    /// One line for people: what could not be done, where, why, and what would help.
    pub fn start(config: &Config, outside: Outside) -> Result<Server, String> {
        let Outside { inherited, reload } = outside;
        // First of all: even if we fail to start, an old announcement must go.
        let announcement = config.announce.as_deref().map(Announcement::prepare).transpose();
        let mut announcement = announcement?;
        let limits = config.limits()?;
        // Before signals are watched, so that Ctrl-C ends the wait for a name server.
        let plan = listen::plan(config, &inherited)?;
        let front = Rc::new(Front::new(config)?);
        let mut reactor = reactor(config, limits)?;
        // Before it is announced that we listen: a signal may come at once.
        let desk = Desk::new();
        let mut signals = desk.signals();
        let minds_hangup = signals.contains(&SIGHUP);
        if (reload.is_some() || front.has_identity()) && !minds_hangup {
            signals.push(SIGHUP);
        }
        reactor.watch_signals(&signals).map_err(setting_up)?;
        let is_dump_held = config.hex.map(|limits| {
            let is_held = Rc::default();
            reactor.engine().set_tap(dump(limits, Rc::clone(&is_held)));
            is_held
        });
        let (facts, admin) = admin::open(config, &plan.admin, &mut reactor)?;
        let joining = config.bus.as_ref().map(BusPlan::open).transpose()?;
        let bus = joining.as_ref().map(Joining::view);
        if let Some(view) = &bus {
            facts.bus.get_or_init(|| view.clone());
        }
        let places = Places { plan: &plan, inherited, front: &front, admin: admin.urls, joining };
        let (instances, listening) =
            listen::open(config, places, &mut reactor, announcement.as_mut())?;
        let Instances { streams: services, files: socket_files, listeners, .. } = instances;
        facts.listening.replace(listening);
        config.warn_of_unshared();
        reactor.watch_input(desk.manner()).map_err(setting_up)?;
        let notifier = (!config.leave_with_input).then(Notifier::from_environment).flatten();
        Ok(Server {
            socket_files,
            _admin_files: admin.files,
            reactor,
            console: Console::of(&services, listeners, is_dump_held, bus),
            services,
            front,
            desk,
            aim: Aim::Nowhere,
            facts,
            stat: config.stat.map(Stat::new),
            reload,
            minds_hangup,
            notifier,
            announcement,
            lifecycle: Lifecycle::Serving,
            drain: config.drain,
            leave_with_input: config.leave_with_input,
        })
    }

    /// Serves until a signal or the operator ends it, and says what was done.
    ///
    /// # Errors
    /// If the kernel refuses to poll.
    pub fn run(mut self) -> Result<Metrics, String> {
        // What the start has left to be written is not announced by an event.
        if let Some(notifier) = &mut self.notifier {
            notifier.ready(&self.reactor.engine().metrics().to_string());
        }
        self.show();
        while self.lifecycle != Lifecycle::Left {
            self.reactor.turn().map_err(|error| format!("polling: {error}"))?;
            while let Some(note) = self.reactor.next_note() {
                self.handle(&note);
            }
            self.end_drain();
            self.show();
        }
        Ok(self.reactor.engine().metrics())
    }

    fn handle(&mut self, note: &Note) {
        match note {
            Note::Line(line) => self.obey(line, None),
            Note::LineTooLong => {
                self.desk.push("that line was longer than 64 KiB: nothing done\n");
            }
            Note::Bytes(keys) => self.heed_keys(keys),
            Note::InputEnded => {
                if let Some(error) = self.reactor.input_failure() {
                    log::warn!("standard input: {error}; taken for its end");
                }
                self.input_ended();
            }
            Note::Signal(SIGHUP) if self.is_to_reload() => self.reload(),
            Note::Signal(signal) if self.desk.heed(*signal) => {}
            Note::Signal(_) => self.stop(),
        }
    }

    /// Whether there is something that SIGHUP could have read again.
    fn has_to_reload(&self) -> bool {
        self.reload.is_some() || self.front.has_identity()
    }

    /// Whether SIGHUP asks for the configuration, rather than telling that the terminal is gone.
    fn is_to_reload(&self) -> bool {
        self.has_to_reload() && !(self.minds_hangup && self.desk.has_lost_terminal())
    }

    /// Leaves in order the first time, at once the second.
    fn stop(&mut self) {
        self.lifecycle = match self.lifecycle {
            Lifecycle::Serving => {
                self.socket_files.clear();
                self.reactor.stop_listening();
                self.announcement = None;
                self.facts.is_leaving.set(true);
                self.notifier.iter_mut().for_each(Notifier::stopping);
                let engine = self.reactor.engine();
                // The last lines of the log are for whoever sees us go.
                drop(self.console.let_through(engine));
                let left = engine.shared_connections();
                log::info!("leaving: nobody new; connections to finish: {left}");
                engine.close_all();
                // Nobody can be told anything any more, and Ctrl-C is a signal again.
                if self.desk.end() {
                    self.reactor.hold_input(true);
                }
                Lifecycle::Draining(self.reactor.now().after(self.drain))
            }
            Lifecycle::Draining(_) => self.part(Time::ZERO),
            Lifecycle::Parting(_) | Lifecycle::Left => Lifecycle::Left,
        };
    }

    fn end_drain(&mut self) {
        let Lifecycle::Draining(until) = self.lifecycle else { return };
        let engine = self.reactor.engine();
        let left = engine.shared_connections();
        if left == 0 {
            self.lifecycle = self.part(until);
        } else if until <= engine.now() {
            log::warn!("leaving: --drain is over; connections unfinished: {left}");
            self.lifecycle = self.part(until);
        }
    }

    /// Logs the sum of it all, which may be read until that time.
    fn part(&mut self, until: Time) -> Lifecycle {
        self.reactor.engine().settle_tap(Time::NEVER);
        log::info!("left: {}", self.reactor.engine().metrics());
        Lifecycle::Parting(until)
    }

    /// Writes what there is to the operator's screen and to the log, as far as they take it.
    fn show(&mut self) {
        self.tend_desk();
        let engine = self.reactor.engine();
        let shown = engine.take_screen();
        if !shown.is_empty() {
            self.desk.push(shown);
        }
        self.desk.flush();
        if let Some(lost) = self.desk.take_lost() {
            engine.metrics_mut().screen_lost += lost;
            self.desk.push(format!("{lost} lines were lost while this screen was stopped\n"));
        }
        let is_behind = self.desk.is_behind() | flush_log(engine.metrics_mut());
        let is_announcing = self.announcement.as_mut().is_some_and(Announcement::tend);
        let now = engine.now();
        let until = match self.lifecycle {
            Lifecycle::Parting(until) if !is_behind || until <= now => {
                self.lifecycle = Lifecycle::Left;
                None
            }
            Lifecycle::Draining(until) | Lifecycle::Parting(until) => Some(until),
            Lifecycle::Serving | Lifecycle::Left => None,
        };
        let again = (is_behind || is_announcing).then(|| now.after(outlet::RETRY));
        let look_at = self.desk.look_at();
        let stat = self.tell_stat();
        let notify =
            self.notifier.as_mut().map(|to| to.tend(now, || self.reactor.engine().metrics()));
        let times = [again, until, look_at, stat, notify];
        self.reactor.wake_at(times.into_iter().flatten().min());
    }
}

/// `--stat`.
impl Server {
    /// Logs the line that is due, if one is, and says when the next will be.
    fn tell_stat(&mut self) -> Option<Time> {
        let stat = self.stat.as_mut()?;
        let engine = self.reactor.engine();
        if let Some(line) = stat.line(engine.now(), engine.survey()) {
            log::info!("{line}");
        }
        Some(stat.next())
    }
}

/// A loop as `config` wants it, without anything to serve.
fn reactor(config: &Config, limits: Limits) -> Result<Reactor, String> {
    let mut reactor = Reactor::new(limits).map_err(setting_up)?;
    reactor.spin(config.spin);
    reactor.give_up_after(config.listening.dead_after);
    if config.uring
        && let Err(error) = reactor.use_uring()
    {
        log::debug!("io_uring cannot be used: {error}; every send is a call of its own");
    }
    reactor.guard(Guards::new(&config.guards, limits.connections));
    if logging::format() == LogFormat::Json {
        reactor.engine().log_fields();
    }
    Ok(reactor)
}

/// What `--hex` shows in the log, whatever the level of that is; but not while it is held back.
fn dump(limits: HexLimits, is_held: Rc<Cell<bool>>) -> Box<dyn Tap> {
    let write = move |lines: &str| {
        if !is_held.get() {
            Log::outlet().push(lines);
        }
    };
    let mut dump = HexDump::new(logging::format(), limits, write);
    dump.announce("--hex: what people send is shown in this log");
    Box::new(dump)
}

/// Whether log lines still wait to be taken.
fn flush_log(metrics: &mut Metrics) -> bool {
    let mut log = Log::outlet();
    log.flush();
    let lost = log.take_lost();
    drop(log);
    if let Some(lost) = lost {
        metrics.log_lost += lost;
        log::warn!(lines = lost; "{lost} log lines were lost while standard error was stopped");
    }
    Log::outlet().is_behind()
}
