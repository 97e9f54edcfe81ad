//! The flags of `cooee serve`: their defaults, their help, and the `Config` that they ask for.

// Doc comments here are help texts, in which HOST[:PORT] is no link.
#![allow(rustdoc::broken_intra_doc_links)]

#[cfg_attr(not(feature = "bus"), path = "args/no_bus.rs")]
mod bus;
mod guards;
mod help;
mod source;
mod tls;
mod watching;

use std::ops::RangeInclusive;
#[cfg(feature = "config")]
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{BUFFERED_MIN, Config, Listening, http};
use crate::admin_address::AdminAddress;
use crate::endpoint::Endpoint;
use crate::engine::UnixName;
use crate::logging::LogFormat;
use crate::rate::Rate;
use crate::services::echo::Mode;
use crate::services::greet::Template;
use crate::services::{Settings, chat, talk};
use crate::units::{
    OrOff, Parse, or_off, parse_duration, parse_from, parse_nonempty, parse_positive_duration,
    parse_positive_size, parse_size, rate_or_off as rate,
};
pub(super) use bus::BusArgs;
#[cfg(feature = "bus")]
pub use bus::secret_among;
use guards::GuardArgs;
use help::{EXAMPLES, SOURCES, services_help};
use source::SourceArgs;
use tls::TlsArgs;
use watching::LogArgs;

/// The flags of `cooee serve`.
#[derive(Args, Debug)]
#[command(after_long_help = services_help() + EXAMPLES + SOURCES, after_help = services_help())]
pub struct ServeArgs {
    /// What to serve [default: all services]
    #[arg(value_name = "ENDPOINT")]
    endpoints: Vec<String>,

    /// Where to listen, unless the endpoint says it: an address or a name (repeatable)
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1",
          value_parser = parse_nonempty as Parse<_>)]
    host: Vec<String>,

    /// Who may connect to unix sockets that have a file: its mode, in octal [default: 660]
    #[arg(long, value_name = "MODE", value_parser = mode as Parse<_>)]
    unix_mode: Option<u32>,

    /// Write the endpoints, with their real ports, to FILE once all listen
    #[arg(long, value_name = "FILE")]
    announce: Option<PathBuf>,

    /// Serve metrics for Prometheus and a page for people over HTTP, to whoever can connect there:
    /// PORT, HOST:PORT, [IPV6]:PORT or unix:///PATH; a port alone is at 127.0.0.1
    #[arg(long, value_name = "ADDRESS", value_parser = AdminAddress::parse as Parse<_>,
          help_heading = "Seeing it work", hide = cfg!(not(feature = "admin")))]
    admin: Option<AdminAddress>,

    /// Answer there to this name, too, beside addresses, localhost and this host's own (repeatable)
    #[arg(long, value_name = "NAME", value_parser = admin_host as Parse<_>, requires = "admin",
          help_heading = "Seeing it work", hide = cfg!(not(feature = "admin")))]
    admin_host: Vec<String>,

    /// Log a line about what happens every so often, such as 1s
    #[arg(long, value_name = "TIME", value_parser = stat as Parse<_>,
          help_heading = "Seeing it work")]
    stat: Option<Duration>,

    /// Leave at once when standard input ends, which whoever has started this holds
    #[arg(long, hide = true)]
    leave_with_input: bool,

    /// What greet says: {ip} {port} {peer} {local} {host} {time} {id}, \n \r \t \\ {{ }}
    #[arg(long, value_name = "TEMPLATE", help_heading = "Services")]
    greeting: Option<String>,

    /// Close each echo connection after the first echo
    #[arg(long, help_heading = "Services", conflicts_with = "echo_reply")]
    echo_once: bool,

    /// Answer each read of an echo connection with TEXT instead
    #[arg(long, value_name = "TEXT", help_heading = "Services")]
    echo_reply: Option<String>,

    /// Lines a chat member may send, in bursts of three times that; or off [default: 10/s]
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = "Services")]
    chat_rate: Option<OrOff<f64>>,

    /// Messages of a talk client shown in a second, the rest waits; or off [default: 1000/s]
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = "Services")]
    talk_rate: Option<OrOff<f64>>,

    /// How far a chat member may be behind for 10 s; longer ends it [default: 256k]
    #[arg(long, value_name = "SIZE", value_parser = parse_positive_size as Parse<_>,
          help_heading = "Services")]
    chat_queue: Option<usize>,

    /// How far a chat member may be behind at all [default: four times --chat-queue]
    #[arg(long, value_name = "SIZE",
          value_parser = parse_size as Parse<_>, help_heading = "Services")]
    chat_queue_hard: Option<usize>,

    /// Connections at once [default: what the descriptor limit allows]
    #[arg(long, value_name = "N",
          value_parser = parse_from::<1> as Parse<_>, help_heading = "Limits")]
    max_connections: Option<usize>,

    /// Bytes that may wait for all peers together, unread by them or unfinished. Near it, those who
    /// hold most are not read for a while; at it they are closed
    /// [default: a quarter of the memory there is; cgroups and ulimit -v count]
    #[arg(long, value_name = "SIZE", value_parser = buffered as Parse<_>, help_heading = "Limits")]
    max_buffered: Option<usize>,

    /// Close a connection on which nothing went either way for so long; or off
    /// [default: echo and talk 10m, chat off]
    #[arg(long, value_name = "TIME", value_parser = time_or_off, help_heading = "Limits")]
    idle_timeout: Option<OrOff<Duration>>,

    /// Drop a peer whose machine has vanished after this long without a sign of life, at least 8s.
    /// One that is there and only does not read is no such peer
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = dead_after as Parse<_>,
          help_heading = "Limits")]
    dead_after: Duration,

    /// Connections that may wait to be accepted (the kernel caps it: net.core.somaxconn)
    #[arg(long, value_name = "N", default_value = "4096",
          value_parser = parse_from::<1> as Parse<_>, help_heading = "Limits")]
    backlog: usize,

    /// How long leaving may take
    #[arg(long, value_name = "TIME", default_value = "5s",
          value_parser = parse_duration as Parse<_>, help_heading = "Limits")]
    drain: Duration,

    /// Do not sleep for so long after each event: answers come sooner, but a processor is busy
    /// meanwhile, all the time if something happens that often (try 100us)
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = parse_duration as Parse<_>,
          hide_default_value = true, help_heading = "Speed")]
    spin: Duration,

    /// Read and write one connection per system call, even where the kernel has io_uring
    #[arg(long, help_heading = "Speed")]
    no_uring: bool,

    /// Let other processes serve the same ports, one a core: the kernel spreads peers over them.
    /// Not for talk, whose people must meet in one process, and for chat only with a --bus
    #[arg(long, help_heading = "Speed")]
    reuse_port: bool,

    /// The congestion control of TCP connections, such as reno or cubic [default: the machine's]
    #[arg(long, value_name = "NAME", value_parser = parse_nonempty as Parse<_>,
          help_heading = "Speed")]
    congestion: Option<String>,

    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    guards: GuardArgs,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    bus: BusArgs,

    #[command(flatten)]
    log: LogArgs,
}

/// Permission bits as chmod(1) takes them.
fn mode(text: &str) -> Result<u32, String> {
    let is_octal = (1..=4).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    match u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777) {
        Some(mode) => Ok(mode),
        None => Err("write permissions in octal, such as 660 or 666".into()),
    }
}

fn time_or_off(text: &str) -> Result<OrOff<Duration>, String> {
    or_off(text, parse_positive_duration).map(OrOff)
}

/// What the kernel can count its questions by, in whole seconds (tcp(7)).
const DEAD_AFTER: RangeInclusive<Duration> = Duration::from_secs(8)..=Duration::from_secs(43_200);

fn dead_after(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    match DEAD_AFTER.contains(&time) {
        true => Ok(time),
        false => Err("write a time from 8s to 720m".into()),
    }
}

/// More lines than that nobody reads.
const STAT_MIN: Duration = Duration::from_millis(100);

fn stat(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        time if time >= STAT_MIN => Ok(time),
        _ => Err("write 100ms or more".into()),
    }
}

fn admin_host(text: &str) -> Result<String, String> {
    match http::is_name(text) {
        true => Ok(text.into()),
        false => Err("write a name alone, such as stats.example".into()),
    }
}

fn buffered(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        size @ BUFFERED_MIN.. => Ok(size),
        _ => Err("that is too little for even a few peers; write 1M or more".into()),
    }
}

impl ServeArgs {
    /// How the log is to be written, which has to be known first of all.
    pub fn log_format(&self) -> LogFormat {
        self.log.log_format
    }

    /// Whether only to tell what would be served.
    #[cfg(feature = "config")]
    pub fn is_check(&self) -> bool {
        self.source.check
    }

    /// The file with more settings, if there is one.
    #[cfg(feature = "config")]
    pub fn file(&self) -> Option<&Path> {
        self.source.config.as_deref()
    }

    /// Whether whoever started us has said all there is to say.
    pub fn is_apart(&self) -> bool {
        self.leave_with_input
    }

    /// What these flags ask for, where `inherited` are the endpoints whose sockets we have been
    /// given: without others, those are served.
    ///
    /// # Errors
    /// One line for people: which word is wrong, why, and what to write instead.
    pub fn config(&self, inherited: &[Endpoint]) -> Result<Config, String> {
        let endpoints = self
            .endpoints
            .iter()
            .map(|word| word.parse().map_err(|error| format!("{error}")))
            .collect::<Result<Vec<Endpoint>, String>>()?;
        let endpoints = if endpoints.is_empty() { inherited.to_vec() } else { endpoints };
        self.refuse_idle_options(&endpoints)?;
        self.refuse_idle_mode(&endpoints)?;
        self.source.refuse_if_absent()?;
        if cfg!(not(feature = "admin")) && self.admin.is_some() {
            return Err(
                "--admin needs the feature admin, which this cooee was built without".into()
            );
        }
        let chat_queue = self.chat_queue.unwrap_or(Config::default().chat_queue);
        if self.chat_queue_hard.is_some_and(|hard| hard < chat_queue) {
            return Err(format!(
                "--chat-queue-hard is below --chat-queue ({chat_queue} bytes): make it larger"
            ));
        }
        Ok(Config {
            hosts: self.host.clone(),
            announce: self.announce.clone(),
            settings: self.settings()?,
            connections: self.max_connections,
            buffered: self.max_buffered,
            idle: self.idle_timeout.map(|limit| limit.0),
            listening: Listening {
                backlog: u32::try_from(self.backlog).unwrap_or(u32::MAX),
                congestion: self.congestion.clone(),
                dead_after: self.dead_after,
                reuse_port: self.reuse_port,
                unix_mode: self.unix_mode.unwrap_or(Listening::default().unix_mode),
            },
            spin: self.spin,
            uring: !self.no_uring,
            guards: self.guards.policy(&endpoints)?,
            proxies: self.guards.proxies()?,
            identity: self.tls.identity(&endpoints)?,
            hex: self.log.hex()?,
            chat_queue,
            chat_queue_hard: self.chat_queue_hard,
            endpoints,
            admin: self.admin.clone(),
            admin_hosts: self.admin_host.clone(),
            stat: self.stat,
            bus: self.bus.plan(self.chat_rate.is_some_and(|rate| rate.0.is_none()))?,
            drain: self.drain,
            leave_with_input: self.leave_with_input,
        })
    }

    /// A mode without a file to have it would be a mistake in silence.
    fn refuse_idle_mode(&self, endpoints: &[Endpoint]) -> Result<(), String> {
        let is_file = |name: &UnixName| matches!(name, UnixName::Path(_));
        let is_served = endpoints.iter().any(|one| one.unix.as_ref().is_some_and(is_file));
        let is_told = matches!(&self.admin, Some(AdminAddress::Unix(name)) if is_file(name));
        match self.unix_mode.is_some() && !is_served && !is_told {
            true => Err("--unix-mode is for unix sockets that have a file, and none is served \
                         here: add one, such as echo+unix:///run/echo.sock, or leave it out"
                .into()),
            false => Ok(()),
        }
    }

    fn settings(&self) -> Result<Settings, String> {
        let greeting = match &self.greeting {
            Some(template) => {
                Template::parse(template).map_err(|error| format!("--greeting: {error}"))?
            }
            None => Template::default(),
        };
        let echo = match (&self.echo_reply, self.echo_once) {
            (Some(text), _) => Mode::Reply(text.as_bytes().to_vec()),
            (None, true) => Mode::Once,
            (None, false) => Mode::Stream,
        };
        let in_bursts_of = |seconds: f64| {
            move |OrOff(limit): OrOff<f64>| {
                limit.map(|per_second| Rate { per_second, burst: (seconds * per_second).max(1.0) })
            }
        };
        let chat_rate = self.chat_rate.map_or(Some(chat::RATE), in_bursts_of(3.0));
        let talk_rate = self.talk_rate.map_or(Some(talk::RATE), in_bursts_of(1.0));
        let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Settings { echo, greeting, host_name, chat_rate, talk_rate, bus: None })
    }

    /// An option for a service that is not served is a mistake, and would be one in silence.
    fn refuse_idle_options(&self, endpoints: &[Endpoint]) -> Result<(), String> {
        let given = [
            ("--greeting", self.greeting.is_some(), &["greet"][..]),
            ("--echo-once", self.echo_once, &["echo"]),
            ("--echo-reply", self.echo_reply.is_some(), &["echo"]),
            ("--chat-rate", self.chat_rate.is_some(), &["chat"]),
            ("--talk-rate", self.talk_rate.is_some(), &["talk"]),
            ("--chat-queue", self.chat_queue.is_some(), &["chat"]),
            ("--chat-queue-hard", self.chat_queue_hard.is_some(), &["chat"]),
            ("--bus", self.bus.is_given(), &["chat"]),
            ("--idle-timeout", self.idle_timeout.is_some(), &["echo", "talk", "chat"]),
        ];
        for (option, is_given, services) in given {
            let served = endpoints.is_empty()
                || endpoints.iter().any(|endpoint| {
                    services.contains(&endpoint.service.name) && serves(endpoint, true)
                });
            if is_given && !served {
                let names = services.join(", ");
                return Err(format!(
                    "{option} is for {names} over streams, which is not served here: \
                     add it, or leave the option out"
                ));
            }
        }
        Ok(())
    }
}

/// Whether `endpoint` is served over streams, or over datagrams.
fn serves(endpoint: &Endpoint, streams: bool) -> bool {
    endpoint.transports().any(|transport| transport.is_stream() == streams)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The words behind `cooee serve`, alone.
    #[derive(Parser)]
    struct ServeLine {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn config(words: &[&str]) -> Result<Config, String> {
        let words = [&["serve"], words].concat();
        let line = ServeLine::try_parse_from(words).map_err(|error| error.to_string())?;
        line.args.config(&[])
    }

    #[test]
    fn defaults_expose_nothing_and_limit_what_must_be_limited() {
        let config = config(&[]).unwrap();
        assert_eq!(config.hosts, ["127.0.0.1"]);
        assert_eq!((config.listening.backlog, config.chat_queue), (4096, 256 * 1024));
        assert_eq!(config.idle, None);
        assert!(config.settings.chat_rate.is_some());
        let talk_rate = config.settings.talk_rate.unwrap();
        assert_eq!((talk_rate.per_second, talk_rate.burst), (1000.0, 1000.0));
    }

    #[cfg(not(feature = "bus"))]
    #[test]
    fn whatever_is_said_of_a_bus_that_is_not_built_in_is_refused() {
        for word in ["--bus=nats://127.0.0.1", "--bus-name=north", "--bus-ignore-advertised"] {
            let error = config(&["chat", word]).unwrap_err();
            assert!(error.starts_with("--bus needs the feature bus"), "{error}");
        }
    }

    #[test]
    fn a_rate_of_talk_comes_in_bursts_of_a_second() {
        let rate = |word| config(&["talk", "--talk-rate", word]).unwrap().settings.talk_rate;
        assert_eq!(rate("5/s").map(|rate| (rate.per_second, rate.burst)), Some((5.0, 5.0)));
        assert_eq!(rate("1/m").map(|rate| rate.burst), Some(1.0));
        assert_eq!(rate("off"), None);
    }

    #[test]
    fn an_option_for_a_service_that_is_not_served_is_refused() {
        let wrong: [&[&str]; 5] = [
            &["months", "--greeting", "x"],
            &["chat", "--talk-rate", "off"],
            &["echo+udp", "--echo-once"],
            &["greet", "--chat-rate", "off"],
            &["greet", "months", "--idle-timeout", "1m"],
        ];
        for words in wrong {
            let error = config(words).unwrap_err();
            assert!(error.contains("not served here"), "{words:?}: {error}");
        }
        assert!(config(&["echo+tcp", "echo+udp", "--echo-once"]).is_ok());
        assert!(config(&["--greeting", "x"]).is_ok());
    }

    #[test]
    fn guards_are_refused_where_they_would_do_nothing() {
        let wrong: [&[&str]; 5] = [
            &["months", "--max-per-ip", "3"],
            &["echo+udp", "--accept-rate", "3/s"],
            &["greet", "--udp-rate", "off"],
            &["chat", "--udp-low-ports"],
            &["echo", "--udp-rate-loopback", "--udp-rate", "off"],
        ];
        for words in wrong {
            assert!(config(words).is_err(), "{words:?}");
        }
        let words = ["--deny", "10.0.0.0/8", "--allow", "10.1.2.3", "--max-per-ip", "off"];
        let guards = config(&words).unwrap().guards;
        assert!(guards.networks.allow([10, 1, 2, 3].into()));
        assert!(!guards.networks.allow([10, 1, 2, 4].into()));
        assert_eq!(guards.per_source, crate::guards::PerSource::Any);
    }

    #[cfg(not(feature = "config"))]
    #[test]
    fn without_the_feature_a_file_and_a_check_are_refused_by_its_name() {
        for words in [["--config", "x.toml"].as_slice(), &["--check"]] {
            let error = config(words).unwrap_err();
            assert!(error.starts_with(words[0]) && error.contains("feature config"), "{error}");
        }
    }

    #[test]
    fn wrong_words_are_named() {
        for (words, named) in [
            (&["ehco"][..], "did you mean echo"),
            (&["--greeting", "hi {nmae}"], "{nmae}"),
            (&["--idle-timeout", "0s"], "no time, or off"),
            (&["--backlog", "0"], "from 1 on"),
            (&["--chat-queue", "0"], "at least one byte"),
            (&["--host", ""], "it must not be empty"),
            (&["--congestion", ""], "it must not be empty"),
            (&["--idle-timeout", "10"], "unit"),
            (&["--max-connections", "0"], "from 1 on"),
            (&["--max-buffered", "1023k"], "1M or more"),
            (&["--max-buffered", "lots"], "not a size"),
            (&["--max-per-ip", "0"], "from 1 on, or off"),
            (&["--deny", "10.0.0.0/40"], "10.0.0.0/8"),
            (&["--deny", "10.0.0.0/8", "--allow", "10.0.0.0/8"], "both"),
            (&["--chat-queue", "1M", "--chat-queue-hard", "64k"], "below"),
            (&["--echo-once", "--echo-reply", "x"], "cannot be used with"),
            (&["--hex-lines", "9"], "--hex-lines does nothing without --hex: add it"),
            (&["--hex-bytes", "1k"], "--hex-bytes does nothing without --hex: add it"),
            (&["--hex", "--hex-lines", "1"], "from 2 on"),
            (&["--hex", "--hex-bytes", "0"], "at least one byte"),
            (&["--log-format", "xml"], "write text or json"),
        ] {
            let error = config(words).unwrap_err();
            assert!(error.contains(named), "{words:?}: {error}");
        }
    }
}
