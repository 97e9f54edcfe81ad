//! Whom to measure: the server that an endpoint names, or one of our own in a second process.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::net::{IpAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

use super::placement::keep_on;
use super::plan::RunPlan;
use super::sources::check_sources;
use super::workload::Workload;
use crate::bench::measure::listeners::{listeners, listeners_at};
use crate::bench::measure::usage::Usage;
use crate::endpoint::{Endpoint, Transport, url};
use crate::engine::Location;
use crate::failure::Failure;
use crate::resolve::resolve;
use crate::through::{Through, ThroughArgs};
use crate::tls::Resume;

/// Our own server must listen within this time.
const START_MAX: Duration = Duration::from_secs(10);
/// A signal is noticed within this time.
const LOOK: Duration = Duration::from_millis(50);
/// Where a process announces its endpoints to write them to its standard output. A process that
/// can name its own program has `/proc`, though perhaps no `/dev`.
const ANNOUNCE: &str = if cfg!(target_os = "linux") { "/proc/self/fd/1" } else { "/dev/stdout" };

/// The server that is measured.
pub(crate) struct Target {
    service: &'static str,
    transport: Transport,
    /// Where it may listen: all places behind its name that have not failed.
    locations: Vec<Location>,
    /// Those that have.
    failed: Vec<Location>,
    /// What is put between the sockets and the generator.
    pub(crate) through: Through,
    /// Its process, if known.
    pub(crate) pid: Option<u32>,
    own: Option<OwnServer>,
}

impl Target {
    /// The server that the user has named, called from `sources`, with its process if that is
    /// known.
    ///
    /// # Errors
    /// What is wrong with its name, its process or where it is to be called from.
    pub(crate) fn named(
        workload: Workload,
        text: &str,
        sources: &[IpAddr],
        through: (&ThroughArgs, Resume),
        pid: Option<u32>,
    ) -> Result<Target, Failure> {
        let endpoint = understand(workload, text).map_err(Failure::Usage)?;
        let mut target = Target::of(workload, &endpoint, through).map_err(Failure::Failed)?;
        check_sources(sources)?;
        if let Some(source) = sources.first() {
            let family = |location: &Location| {
                location.ip().is_some_and(|address| address.is_ipv4() == source.is_ipv4())
            };
            target.locations.retain(family);
            if target.locations.is_empty() {
                let what = format!("--source {source}: {text} has no address of that kind");
                return Err(Failure::Usage(what));
            }
        }
        if let Some(pid) = pid.filter(|pid| Usage::of_process(*pid).is_none()) {
            let what = format!("--pid {pid}: there is no such process, or it cannot be looked at");
            return Err(Failure::Failed(what));
        }
        Ok(Target { pid, ..target })
    }

    fn of(
        workload: Workload,
        endpoint: &Endpoint,
        (through, resume): (&ThroughArgs, Resume),
    ) -> Result<Target, String> {
        let host = endpoint.host.as_deref().unwrap_or("127.0.0.1");
        let (service, transport) = (endpoint.service, transport_of(workload, endpoint));
        let port = endpoint.port.unwrap_or(transport.port(service));
        let locations = match &endpoint.unix {
            Some(name) => vec![name.clone().into()],
            None => resolve(host, port)?.into_iter().map(Location::Ip).collect(),
        };
        let through = match transport.is_secured() {
            true => through.secured(host, resume)?,
            false => through.through()?,
        };
        let (service, failed, pid, own) = (service.name, Vec::new(), None, None);
        Ok(Target { service, transport, locations, failed, through, pid, own })
    }

    /// Our own server, started for `plan`, alone on a CPU if that has one for it.
    ///
    /// # Errors
    /// One line: why it does not listen.
    pub(crate) fn start(plan: &RunPlan, stop: &AtomicBool) -> Result<Target, String> {
        let (own, url) = OwnServer::start(plan, stop)?;
        let endpoint: Endpoint = url.parse().map_err(|error| format!("{error}"))?;
        let target = Target::of(plan.workload, &endpoint, (&ThroughArgs::default(), Resume::Auto))?;
        let (pid, through) = (Some(own.child.id()), plan.through.clone());
        Ok(Target { pid, through, own: Some(own), ..target })
    }

    /// Whom to dial.
    pub(crate) fn location(&self) -> &Location {
        &self.locations[0]
    }

    /// Nobody has answered: turns to the next address of its name. False: there is none.
    pub(crate) fn try_next(&mut self) -> bool {
        if self.locations.len() < 2 {
            return false;
        }
        let failed = self.locations.remove(0);
        log::info!("{failed} does not answer; {} is next", self.location());
        self.failed.push(failed);
        true
    }

    /// It has answered: only this address is used from now on.
    pub(crate) fn settle(&mut self) {
        self.locations.truncate(1);
        self.failed.clear();
    }

    /// Its endpoint.
    pub(crate) fn url(&self) -> String {
        url(self.service, self.transport, self.location())
    }

    /// The processes of this machine that are part of a run against it.
    pub(crate) fn processes(&self) -> BTreeSet<u32> {
        let mut involved = BTreeSet::from([std::process::id()]);
        involved.extend(self.pid);
        match self.location() {
            _ if self.own.is_some() => {}
            Location::Ip(address) if UdpSocket::bind((address.ip(), 0)).is_ok() => {
                let is_datagram = self.transport == Transport::Udp;
                involved.extend(listeners(address.port(), is_datagram));
            }
            Location::Ip(_) => {}
            Location::Unix(name) => involved.extend(listeners_at(name)),
        }
        involved
    }

    /// Whether it is our own.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }
}

/// Its endpoint, and the addresses that have failed before.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())?;
        for (index, failed) in self.failed.iter().enumerate() {
            f.write_str(if index == 0 { " (nor at " } else { ", " })?;
            write!(f, "{failed}")?;
        }
        if self.failed.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

/// What carries `workload` to `endpoint`.
fn transport_of(workload: Workload, endpoint: &Endpoint) -> Transport {
    match endpoint.transport {
        Some(named @ (Transport::Unix | Transport::Tls)) => named,
        _ => workload.transport(),
    }
}

/// What `text` means, an endpoint, HOST:PORT or unix:///PATH, for a workload.
fn understand(workload: Workload, text: &str) -> Result<Endpoint, String> {
    let service = workload.service();
    let text = match text.starts_with("unix:") {
        true => format!("{service}+{text}"),
        false if text.contains("://") || text.parse::<Endpoint>().is_ok() => text.to_owned(),
        false => format!("{service}://{text}"),
    };
    let endpoint = Endpoint::to_call(&text)?;
    let transport = match transport_of(workload, &endpoint) {
        _ if workload.is_datagram() => workload.transport(),
        transport => transport,
    };
    let name = endpoint.service.name;
    if !endpoint.transports().any(|over| over == transport)
        || (name != workload.service() && !workload.takes_any_service())
    {
        let (asker, service) = (workload.name(), workload.service());
        return Err(format!("{asker} asks {service}+{transport}, not {endpoint}"));
    }
    if endpoint.port == Some(0) {
        return Err(format!("{endpoint}: port 0 is no port to call; a server announces its own"));
    }
    Ok(endpoint)
}

/// A server in a process of its own, ended with this value. It leaves when its standard input,
/// which we hold, ends: so it does not outlive us however we end.
struct OwnServer {
    child: Child,
}

impl OwnServer {
    /// Starts one and waits until it listens; it, and its endpoint.
    fn start(plan: &RunPlan, stop: &AtomicBool) -> Result<(OwnServer, String), String> {
        let workload = plan.workload;
        let failed = |what: &str, error| format!("our own server: {what}: {error}");
        let program = std::env::current_exe().map_err(|error| failed("this program", error))?;
        let transport: Transport = workload.transport();
        let mut command = Command::new(program);
        command
            .args(["serve", "-q"])
            .arg(format!("{}+{transport}://127.0.0.1:0", workload.service()))
            .args(["--announce", ANNOUNCE, "--leave-with-input"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if workload == Workload::Chat {
            command.args(["--chat-rate", "off"]);
        }
        if plan.through.has_header() {
            command.args(["--proxy-from", "127.0.0.0/8"]);
        }
        // Ctrl-C is for us; we end the server when the results are safe.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| failed("starting it", error))?;
        let mut server = OwnServer { child };
        if let Some(cpu) = plan.pinning.server() {
            // Before it has threads of its own, which then stay there too.
            keep_on(cpu, Some(Pid::from_child(&server.child)))
                .map_err(|why| format!("our own server: {why}"))?;
        }
        let url = server.wait(stop)?;
        Ok((server, url))
    }

    /// Waits until it listens, and reads where.
    fn wait(&mut self, stop: &AtomicBool) -> Result<String, String> {
        let Some(output) = &mut self.child.stdout else { return Err("no pipe".into()) };
        let look = Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos().try_into().unwrap_or(0) };
        let (mut told, mut chunk) = (Vec::new(), [0; 256]);
        for _ in 0..START_MAX.as_millis() / LOOK.as_millis() {
            if stop.load(Ordering::Relaxed) {
                return Err("interrupted".into());
            }
            let mut fds = [PollFd::new(&*output, PollFlags::IN)];
            if !poll(&mut fds, Some(&look)).is_ok_and(|ready| ready > 0) {
                continue;
            }
            let count = output.read(&mut chunk).map_err(|error| format!("its output: {error}"))?;
            told.extend_from_slice(&chunk[..count]);
            if let Some(end) = told.iter().position(|byte| *byte == b'\n') {
                return Ok(String::from_utf8_lossy(&told[..end]).into_owned());
            }
            if count == 0 {
                let status = self.child.wait().map_err(|error| format!("its end: {error}"))?;
                return Err(format!("our own server ended before it listened: {status}"));
            }
        }
        Err(format!("our own server does not listen after {START_MAX:?}"))
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_of(workload: Workload, text: &str) -> Result<String, String> {
        let endpoint = understand(workload, text)?;
        let through = (&ThroughArgs::default(), Resume::Auto);
        Target::of(workload, &endpoint, through).map(|target| target.url())
    }

    fn target(addresses: &[[u8; 4]]) -> Target {
        let locations = addresses.iter().map(|ip| Location::from((*ip, 7))).collect();
        let (service, transport, failed) = ("echo", Transport::Tcp, Vec::new());
        let through = Through::default();
        Target { service, transport, locations, failed, through, pid: None, own: None }
    }

    #[test]
    fn the_addresses_of_a_name_are_called_in_turn_until_one_answers() {
        let mut target = target(&[[127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 3]]);
        assert_eq!(target.to_string(), "echo+tcp://127.0.0.1:7");
        assert!(target.try_next() && target.try_next());
        let all = "echo+tcp://127.0.0.3:7 (nor at 127.0.0.1:7, 127.0.0.2:7)";
        assert_eq!(target.to_string(), all);
        assert!(!target.try_next());
        assert_eq!(target.to_string(), all);
    }

    #[test]
    fn the_address_that_has_answered_is_kept() {
        let mut target = target(&[[127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 3]]);
        assert!(target.try_next());
        target.settle();
        assert!(!target.try_next());
        assert_eq!(target.to_string(), "echo+tcp://127.0.0.2:7");
    }

    #[test]
    fn an_endpoint_or_an_address_will_do() {
        for text in ["echo", "echo+tcp://127.0.0.1:5007", "127.0.0.1:5007", "127.0.0.1"] {
            let url = url_of(Workload::TcpRr, text);
            assert_eq!(url.as_deref(), Ok("echo+tcp://127.0.0.1:5007"), "{text}");
        }
        let url = url_of(Workload::UdpRr, "echo://:7");
        assert_eq!(url.as_deref(), Ok("echo+udp://127.0.0.1:7"));
        for text in ["unix:///run/x", "echo+unix:///run/x"] {
            assert_eq!(url_of(Workload::TcpRr, text).as_deref(), Ok("echo+unix:///run/x"));
        }
        let url = url_of(Workload::Idle, "chat://[::1]:9");
        assert_eq!(url.as_deref(), Ok("chat+tcp://[::1]:9"));
    }

    #[test]
    fn an_endpoint_that_the_workload_does_not_ask_is_refused() {
        let error = url_of(Workload::TcpRr, "months://:1").unwrap_err();
        assert_eq!(error, "tcp_rr asks echo+tcp, not months://:1");
        assert!(url_of(Workload::UdpRr, "echo+tcp").is_err());
        let error = url_of(Workload::UdpRr, "unix:///run/x").unwrap_err();
        assert_eq!(error, "udp_rr asks echo+udp, not echo+unix:///run/x");
        assert!(url_of(Workload::Months, "unix:///x").unwrap_err().contains("not offered on unix"));
        assert!(url_of(Workload::TcpRr, "127.0.0.1:0").unwrap_err().contains("port 0"));
        assert!(url_of(Workload::TcpRr, "ehco://:1").unwrap_err().contains("did you mean echo"));
    }
}
