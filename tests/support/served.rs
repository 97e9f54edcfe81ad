//! A server with what can be counted of it: what `/stats` says, and its descriptors.

#![allow(clippy::disallowed_methods)] // real time passes here

use std::net::SocketAddr;
use std::time::Instant;

use super::{PATIENCE, Server};

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
