//! `cooee serve`: listeners from endpoints, the operator's console, and leaving in order.

#[cfg_attr(not(feature = "admin"), path = "no_admin.rs")]
mod admin;
mod announce;
mod args;
#[doc(hidden)] // only for the tests that throw lines at it
pub mod console;
mod desk;
#[doc(hidden)] // only for the tests that throw requests at it
pub mod http;
mod listen;
mod memory;
mod operator;
mod totals;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::descriptors;
use crate::endpoint::Endpoint;
use crate::engine::{Limits, Metrics, Quota, SLOTS_MAX, Tap, Time};
use crate::failure::setting_up;
use crate::guards::{Guards, Policy};
use crate::hex::{HexDump, HexLimits};
use crate::logging::{self, LogFormat};
use crate::outlet::{self, Log};
pub use crate::reactor::Listening;
use crate::reactor::{Note, Reactor};
use crate::services::{self, Offer, Settings};
use admin::Facts;
use announce::Announcement;
pub use args::ServeArgs;
#[cfg(feature = "manual")]
pub(crate) use console::HELP as CONSOLE_HELP;
use console::{Aim, Console};
use desk::Desk;
use memory::BUFFERED_MIN;
use totals::Stat;

/// What to serve, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to serve; none means all services.
    pub endpoints: Vec<Endpoint>,
    /// Where an endpoint without a host listens: names or addresses.
    pub hosts: Vec<String>,
    /// A file for the endpoints that we listen on, written once we do.
    pub announce: Option<PathBuf>,
    /// What the services are told at the start.
    pub settings: Settings,
    /// Connections at the same time; `None`: as many as the limit on descriptors allows.
    pub connections: Option<usize>,
    /// Bytes that may wait for all peers together; `None`: a share of the memory.
    pub buffered: Option<usize>,
    /// How long a connection may be idle; `None`: as its service has it, `Some(None)`: for ever.
    pub idle: Option<Option<Duration>>,
    /// How the sockets listen.
    pub listening: Listening,
    /// For how long after an event the loop does not sleep.
    pub spin: Duration,
    /// Whether to use io_uring where the kernel has it.
    pub uring: bool,
    /// Whose connections to accept and whose datagrams to answer, and how many.
    pub guards: Policy,
    /// Bytes that a chat member may be behind by for a while.
    pub chat_queue: usize,
    /// Bytes that it must not be behind by at all; `None`: four times `chat_queue`.
    pub chat_queue_hard: Option<usize>,
    /// How much of what goes over the connections the log shows; `None`: nothing of it.
    pub hex: Option<HexLimits>,
    /// Where metrics and a page about all this are served: host and port. `None`: nowhere.
    pub admin: Option<(String, u16)>,
    /// The names that it answers to, beside addresses, localhost and that of this machine.
    pub admin_hosts: Vec<String>,
    /// How often a line is logged about what happens, if at all.
    pub stat: Option<Duration>,
    /// How long leaving may take.
    pub drain: Duration,
    /// Whether to leave at once when standard input ends: then our parent is gone.
    pub leave_with_input: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            endpoints: Vec::new(),
            hosts: vec!["127.0.0.1".into()],
            announce: None,
            settings: Settings::default(),
            connections: None,
            buffered: None,
            idle: None,
            listening: Listening::default(),
            spin: Duration::ZERO,
            uring: true,
            guards: Policy::default(),
            chat_queue: 256 * 1024,
            chat_queue_hard: None,
            hex: None,
            admin: None,
            admin_hosts: Vec::new(),
            stat: None,
            drain: Duration::from_secs(5),
            leave_with_input: false,
        }
    }
}

impl Config {
    /// The endpoints to serve: those asked for, or every service.
    fn endpoints(&self) -> Vec<Endpoint> {
        if !self.endpoints.is_empty() {
            return self.endpoints.clone();
        }
        services::OFFERS
            .iter()
            .map(|service| Endpoint { service, transport: None, host: None, port: None })
            .collect()
    }

    /// The services that stay in one process even if others may share their ports.
    fn unshared(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = Vec::new();
        for Endpoint { service, .. } in self.endpoints() {
            if self.listening.reuse_port && service.single_process && !names.contains(&service.name)
            {
                names.push(service.name);
            }
        }
        names
    }

    fn quota(&self, offer: &Offer) -> Quota {
        let idle = self.idle.unwrap_or(offer.idle);
        match offer.fans_out {
            true => Quota {
                idle,
                queue_soft: self.chat_queue,
                queue_hard: self.chat_queue_hard.unwrap_or(self.chat_queue.saturating_mul(4)),
                apart: None,
            },
            false => Quota { idle, ..Quota::default() },
        }
    }

    fn limits(&self) -> Result<Limits, String> {
        let descriptors = descriptors::raise_limit();
        let admin = self.admin.as_ref().map_or(0, |_| admin::DESCRIPTORS);
        let spare = descriptors::SPARE + admin;
        let possible = descriptors.saturating_sub(spare).clamp(1, SLOTS_MAX);
        let connections = self.connections.unwrap_or(possible);
        if connections > possible {
            return Err(format!(
                "--max-connections {connections}: the limit of {descriptors} descriptors leaves \
                 room for {possible}; raise it with 'ulimit -n'"
            ));
        }
        let buffered = memory::buffered(self.buffered);
        Ok(Limits { connections, buffered, ..Limits::default() })
    }
}

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

/// A server that listens.
pub struct Server {
    reactor: Reactor,
    console: Console,
    desk: Desk,
    /// Whom the line being typed is for, as its prompt says.
    aim: Aim,
    /// What `--admin` tells.
    facts: Rc<Facts>,
    stat: Option<Stat>,
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
    pub fn start(config: &Config) -> Result<Server, String> {
        // First of all: even if we fail to start, an old announcement must go.
        let announcement = config.announce.as_deref().map(Announcement::prepare).transpose();
        let mut announcement = announcement?;
        let limits = config.limits()?;
        // Before signals are watched, so that Ctrl-C ends the wait for a name server.
        let plan = listen::plan(config)?;
        let mut reactor = Reactor::new(limits).map_err(setting_up)?;
        reactor.spin(config.spin);
        reactor.give_up_after(config.listening.dead_after);
        if config.uring
            && let Err(error) = reactor.use_uring()
        {
            log::debug!("io_uring cannot be used: {error}; every send is a call of its own");
        }
        reactor.guard(Guards::new(&config.guards, limits.connections));
        // Before it is announced that we listen: a signal may come at once.
        let desk = Desk::new();
        reactor.watch_signals(&desk.signals()).map_err(setting_up)?;
        if logging::format() == LogFormat::Json {
            reactor.engine().log_fields();
        }
        if let Some(limits) = config.hex {
            reactor.engine().set_tap(dump(limits));
        }
        let (facts, admin) = admin::open(config, &plan.admin, &mut reactor)?;
        let announcement_now = announcement.as_mut();
        let (console, listening) =
            listen::open(config, &plan, &mut reactor, announcement_now, &admin)?;
        facts.listening.replace(listening);
        for name in config.unshared() {
            log::warn!("--reuse-port does nothing for {name}, whose people meet in one process");
        }
        reactor.watch_input(desk.manner()).map_err(setting_up)?;
        Ok(Server {
            reactor,
            console,
            desk,
            aim: Aim::Nowhere,
            facts,
            stat: config.stat.map(Stat::new),
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
            Note::Signal(signal) if self.desk.heed(*signal) => {}
            Note::Signal(_) => self.stop(),
        }
    }

    /// Leaves in order the first time, at once the second.
    fn stop(&mut self) {
        self.lifecycle = match self.lifecycle {
            Lifecycle::Serving => {
                self.reactor.stop_listening();
                self.announcement = None;
                self.facts.is_leaving.set(true);
                let engine = self.reactor.engine();
                // The last lines of the log are for whoever sees us go.
                drop(self.console.let_through(engine));
                let left = engine.shared_connections();
                log::info!("leaving: nobody new; connections to finish: {left}");
                engine.close_all();
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
        self.reactor.wake_at(again.into_iter().chain(until).chain(look_at).chain(stat).min());
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

/// What `--hex` shows in the log, whatever the level of that is; but not while `/quiet` lowers it.
fn dump(limits: HexLimits) -> Box<dyn Tap> {
    let level = log::max_level();
    let write = move |lines: &str| {
        if log::max_level() >= level {
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
