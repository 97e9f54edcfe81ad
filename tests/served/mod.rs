//! A server as the tests of the guards see it: its counters, its descriptors, and a network of
//! its own if need be. Not a test itself; stands on `support`.
#![allow(dead_code, clippy::disallowed_methods)] // each test uses its part; real time passes here

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Instant;

use crate::support::{PATIENCE, Server, loudly};

/// Says that a test runs in a network namespace of its own.
const OWN_NETWORK: &str = "COOEE_TEST_OWN_NETWORK=1";

/// A server, and where it listens, in the order of the endpoints.
pub(crate) struct Served {
    pub(crate) server: Server,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Served {
    /// Serves these endpoints, each on one transport and one host, with these flags.
    pub(crate) fn start(endpoints: &[&str], flags: &[&str]) -> Served {
        Served::start_under(&[], endpoints, flags)
    }

    /// The same, run by another program such as strace.
    pub(crate) fn start_under(runner: &[&str], endpoints: &[&str], flags: &[&str]) -> Served {
        let cooee = [env!("CARGO_BIN_EXE_cooee"), "serve"];
        let words = [runner, &cooee, flags, endpoints].concat();
        let mut server = Server::run(words[0], &words[1..]);
        let name = |endpoint: &&str| endpoint.split(':').next().unwrap_or_default().to_owned();
        let addresses = endpoints.iter().map(|each| server.address(&name(each))).collect();
        Served { server, addresses }
    }

    /// What `/stats` says.
    pub(crate) fn stats(&mut self) -> String {
        self.server.operator("/stats");
        self.server.screen.wait_for_line("connections: ")
    }

    /// The number before these words in `/stats`; zero if they are not there.
    pub(crate) fn stat(&mut self, words: &str) -> u64 {
        let stats = self.stats();
        let Some(at) = stats.find(words) else { return 0 };
        let number = stats[..at].trim_end().rsplit([' ', '(']).next().unwrap_or_default();
        number.parse().unwrap_or_else(|_| panic!("{words:?} in {stats:?}"))
    }

    /// Asks `/stats` until `is_so`, and fails if that takes too long.
    pub(crate) fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let stats = self.stats();
            if is_so(&stats) {
                return stats;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {stats}");
            std::thread::yield_now();
        }
    }

    /// Open descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.server.pid().as_raw_nonzero());
        std::fs::read_dir(path).expect("a running process").count()
    }
}

/// Runs the test called `name` of this file, which is ignored otherwise, as root of a network
/// namespace of its own. `None`: this machine does not allow that, which is said loudly.
pub(crate) fn in_own_network(name: &str) -> Option<Output> {
    let unshare = |words: &[&OsStr]| {
        Command::new("unshare").args(["--map-root-user", "--net", "--"]).args(words).output()
    };
    let why = match unshare(&["ip", "link", "set", "lo", "up"].map(OsStr::new)) {
        Ok(probe) if probe.status.success() => None,
        Ok(probe) => Some(String::from_utf8_lossy(&probe.stderr).into_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    };
    if let Some(why) = why {
        loudly(&format!("NOT TESTED, because there is no network namespace to be had: {why}"));
        return None;
    }
    let this = std::env::current_exe().expect("a path");
    let test = [this.as_os_str(), OsStr::new("--exact"), OsStr::new(name)];
    let flags = ["--ignored", "--nocapture"].map(OsStr::new);
    let mark = ["env", OWN_NETWORK].map(OsStr::new);
    Some(unshare(&[&mark[..], &test[..], &flags[..]].concat()).expect("it has just run"))
}

/// Runs `ip` with these words; only in a network of the test's own, never on this machine's.
pub(crate) fn ip(words: &str) {
    let (name, _) = OWN_NETWORK.split_once('=').expect("a mark");
    assert!(std::env::var_os(name).is_some(), "run by another test, in a network of its own");
    let done = Command::new("ip").args(words.split(' ')).status().expect("iproute2");
    assert!(done.success(), "ip {words}");
}
