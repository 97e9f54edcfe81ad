//! What the kernel says about processes, and what it lets them have.

use std::fs;
use std::net::TcpListener;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use rustix::process::{Resource, Rlimit, getrlimit, prlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT};
use signal_hook::flag::register_conditional_default;

use super::Server;

/// Clock ticks a second in /proc, on every Linux that Rust runs on.
pub(crate) const TICKS: u64 = 100;

impl Server {
    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.pid().as_raw_nonzero());
        fs::read_to_string(path).expect("a running process")
    }

    /// Its resident memory in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The processor time it has used, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> u64 {
        let stat = self.proc("stat");
        // Field 2 is the name, which may contain anything; 14 and 15 are the user and system time.
        let (_, fields) = stat.rsplit_once(") ").expect("the end of the name");
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        ticks.sum::<u64>() * 1000 / TICKS
    }

    /// Lowers its descriptor limit such that it gets only `more` beyond those it has.
    pub(crate) fn leave_descriptors(&self, more: usize) {
        let path = format!("/proc/{}/fd", self.pid().as_raw_nonzero());
        let names = fs::read_dir(path).expect("a running process");
        let open: Vec<u64> = names
            .map(|name| name.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        // The kernel gives the lowest free number, and none from the limit on.
        let last = (0..).filter(|number| !open.contains(number)).nth(more).expect("a number");
        let limits = Rlimit { current: Some(last), maximum: Some(last) };
        prlimit(Some(self.pid()), Resource::Nofile, limits).expect("our own child");
    }
}

/// Has children heed the signals that end a program, even if these tests are a job in the
/// background, which ignores them: exec(2) hands down what is ignored, but not what is handled.
pub(crate) fn let_children_heed_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [SIGHUP, SIGINT, SIGQUIT] {
            let always = Arc::new(AtomicBool::new(true));
            register_conditional_default(signal, always).expect("a handler");
        }
    });
}

/// Sees to it that this process, with all the tests in it, may have `count` descriptors open.
pub(crate) fn raise_descriptor_limit(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).expect("the soft limit rises to the hard one");
    }
    let possible = getrlimit(Resource::Nofile).current;
    assert!(
        possible.is_none_or(|possible| possible >= count),
        "this test needs {count} descriptors, but the hard limit is {possible:?}: ulimit -Hn"
    );
}

/// A port that was free on all addresses a moment ago, outside the range from which clients get
/// theirs. Somebody may take it before the server does: whoever asks has to try again.
pub(crate) fn free_port(attempt: u16) -> u16 {
    let start = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap();
    let mut candidates = (start + attempt * 500)..;
    candidates.find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok()).expect("a free port")
}

/// Runs `cooee` with these words, which it must refuse with this status, in one line and without
/// having listened on anything. Returns the line.
pub(crate) fn refused(status: i32, words: &[&str]) -> String {
    let mut cooee = Server::run(env!("CARGO_BIN_EXE_cooee"), words);
    let ended = cooee.ended();
    assert_eq!(ended.status, status, "{words:?}: {:#?}", ended.log);
    assert_eq!(ended.log.len(), 1, "one line, for {words:?}: {:#?}", ended.log);
    assert!(ended.screen.is_empty(), "nothing on stdout, for {words:?}: {:#?}", ended.screen);
    assert!(ended.log[0].starts_with("cooee: "), "{words:?}: {}", ended.log[0]);
    ended.log[0].clone()
}
