//! A `cooee serve` process for the tests of the guards: on any free port, spoken to by plain
//! blocking sockets, gone when dropped. Not a test itself.
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing that a test waits for takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server and its console.
pub(crate) struct Served {
    pub(crate) child: Child,
    console: Option<ChildStdin>,
    screen: BufReader<ChildStdout>,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Served {
    /// Serves these endpoints, each on one transport and one host, with these flags.
    pub(crate) fn start(endpoints: &[&str], flags: &[&str]) -> Served {
        Served::start_under(&[] as &[&str], endpoints, flags)
    }

    /// The same, started by another program such as strace.
    pub(crate) fn start_under<S: AsRef<OsStr>>(
        wrapper: &[S],
        endpoints: &[&str],
        flags: &[&str],
    ) -> Served {
        let mut words: Vec<&OsStr> = wrapper.iter().map(AsRef::as_ref).collect();
        words.push(OsStr::new(env!("CARGO_BIN_EXE_cooee")));
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args(["-q", "serve", "--announce", "/dev/stdout"])
            .args(flags)
            .args(endpoints)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let console = child.stdin.take();
        let mut screen = BufReader::new(child.stdout.take().unwrap());
        let addresses = endpoints.iter().map(|_| address(&mut screen)).collect();
        Served { child, console, screen, addresses }
    }

    /// Types a line at the console.
    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.console.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line on the operator's screen.
    pub(crate) fn screen_line(&mut self) -> String {
        let mut line = String::new();
        self.screen.read_line(&mut line).unwrap();
        line
    }

    /// What `/stats` says.
    pub(crate) fn stats(&mut self) -> String {
        self.type_line("/stats");
        self.screen_line()
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

    /// A line of /proc/PID/status as a number.
    pub(crate) fn status(&self, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Open descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(screen: &mut BufReader<ChildStdout>) -> SocketAddr {
    let mut line = String::new();
    screen.read_line(&mut line).unwrap();
    let (_, address) = line.trim().split_once("://").expect("an announced endpoint");
    address.parse().unwrap()
}

/// Runs the test called `name` of this file, which is ignored otherwise, as root of a network
/// namespace of its own. `None`: this machine does not allow that.
pub(crate) fn in_own_network(name: &str) -> Option<std::process::Output> {
    let unshare = |words: &[&OsStr]| {
        Command::new("unshare").args(["--map-root-user", "--net", "--"]).args(words).output()
    };
    let set_up = "ip link set lo up";
    let probe = unshare(&["sh", "-c", set_up].map(OsStr::new));
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            eprintln!("SKIPPED {name}: no network namespace of its own: {why}");
            return None;
        }
        Err(error) => {
            eprintln!("SKIPPED {name}: unshare cannot be run: {error}");
            return None;
        }
    }
    let this = std::env::current_exe().unwrap();
    let test = [this.as_os_str(), OsStr::new("--exact"), OsStr::new(name)];
    let flags = ["--ignored", "--nocapture"].map(OsStr::new);
    Some(unshare(&[&test[..], &flags[..]].concat()).unwrap())
}

/// Runs `ip` with these words.
pub(crate) fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).status().unwrap();
    assert!(done.success(), "ip {words}");
}
