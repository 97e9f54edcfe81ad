//! A real nats-server of a test's own: on a port of its choice, with streams in a folder or
//! without, alone or in a cluster; killed, frozen, started again where it was.

#![allow(clippy::disallowed_methods)] // patience is measured by a clock

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::lines::Lines;
use super::{Folder, PATIENCE, loudly};

/// A running nats-server. Dropping it kills it.
pub(crate) struct Nats {
    child: Child,
    log: Lines,
    folder: Folder,
    /// What it is started with, but for its port.
    words: Vec<String>,
    /// Where clients reach it. It stays the same when it is started again.
    pub(crate) address: SocketAddr,
    /// Where others of its cluster reach it.
    route: Option<SocketAddr>,
}

impl Nats {
    /// With streams. `None` where there is no nats-server, which is said.
    pub(crate) fn with_streams(words: &[&str]) -> Option<Nats> {
        let folder = Folder::new("nats");
        let store = folder.path("store");
        Nats::in_folder(folder, &[&["-js", "-sd", &store], words].concat())
    }

    /// Without streams.
    pub(crate) fn without_streams(words: &[&str]) -> Option<Nats> {
        Nats::in_folder(Folder::new("nats"), words)
    }

    /// With that configuration, without streams unless it has some.
    pub(crate) fn configured(config: &str) -> Option<Nats> {
        let folder = Folder::new("nats");
        let file = folder.path("nats.conf");
        std::fs::write(&file, config).unwrap();
        Nats::in_folder(folder, &["-c", &file])
    }

    /// Two of a cluster, which know each other. They have no streams: of two, neither could decide
    /// anything alone.
    pub(crate) fn two() -> Option<(Nats, Nats)> {
        let member = |name, words: &[&str]| {
            let cluster = ["-n", name, "--cluster", "nats://127.0.0.1:-1", "--cluster_name", "two"];
            Nats::in_folder(Folder::new("nats"), &[&cluster, words].concat())
        };
        let one = member("one", &[])?;
        let route = format!("nats://{}", one.route.expect("it is in a cluster"));
        let other = member("other", &["--routes", &route])?;
        let ports = [&one, &other].map(|nats| nats.address.port().to_string());
        for nats in [&one, &other] {
            let begun = Instant::now();
            while !ports.iter().all(|port| nats.info().contains(port)) {
                assert!(begun.elapsed() < PATIENCE, "they do not know each other");
                std::thread::yield_now();
            }
        }
        Some((one, other))
    }

    /// What it tells whoever connects.
    fn info(&self) -> String {
        let mut line = String::new();
        let stream = TcpStream::connect(self.address).expect("it listens");
        BufReader::new(stream).read_line(&mut line).expect("it greets");
        line
    }

    fn in_folder(folder: Folder, words: &[&str]) -> Option<Nats> {
        let asked = Command::new("nats-server").arg("--version").stdin(Stdio::null()).output();
        if !asked.is_ok_and(|output| output.status.success()) {
            loudly("NOT TESTED, because there is no nats-server on this machine");
            return None;
        }
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let (child, mut log) = spawn(&words, "-1");
        let (route, address) = ready(&mut log, &words);
        Some(Nats { child, log, folder, words, address, route })
    }

    /// As `--bus` has it.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Where something in its folder is, or may be.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path(name)
    }

    /// Kills it in whatever it is doing (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    /// Starts it again on the same port and with the same streams, after `kill` or after it ended.
    pub(crate) fn start_again(&mut self) {
        self.child.wait().expect("it has ended, or was told to");
        let port = self.address.port().to_string();
        (self.child, self.log) = spawn(&self.words, &port);
        (self.route, _) = ready(&mut self.log, &self.words);
    }

    /// Has it do nothing more, while its connections stay.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        // Its threads stop one after the other.
        let tasks = format!("/proc/{}/task", self.child.id());
        let is_stopped = |task: &Path| {
            let stat = std::fs::read_to_string(task.join("stat")).expect("a thread");
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        let all = || std::fs::read_dir(&tasks).expect("a process");
        while !all().all(|task| is_stopped(&task.expect("a thread").path())) {
            std::thread::yield_now();
        }
    }

    /// Has it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to leave, and to send everybody elsewhere before (lame duck mode).
    pub(crate) fn leave(&self) {
        self.signal(Signal::USR2);
    }

    /// Takes the next line of its log with that text.
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        self.log.wait_for_line(text)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }
}

fn spawn(words: &[String], port: &str) -> (Child, Lines) {
    let mut child = Command::new("nats-server")
        .args(["-a", "127.0.0.1", "-p", port])
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nats-server starts");
    let log = Lines::of("the log of nats-server", child.stderr.take().expect("a pipe"));
    (child, log)
}

/// Where it is reached by others of its cluster and by clients, once it is.
fn ready(log: &mut Lines, words: &[String]) -> (Option<SocketAddr>, SocketAddr) {
    let mut at = |text| {
        let line = log.wait_for_line(text);
        let (_, address) = line.rsplit_once(' ').expect("an address behind it");
        address.parse().expect("an address behind it")
    };
    let address = at("Listening for client connections on ");
    let is_clustered = words.iter().any(|word| word == "--cluster");
    let route = is_clustered.then(|| at("Listening for route connections on "));
    log.wait_for_line("Server is ready");
    (route, address)
}

impl Drop for Nats {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log of nats-server: {:#?}", self.log.all());
        }
    }
}
