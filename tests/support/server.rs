//! `cooee serve` as a child process: its log, its console, its signals and its end.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::lines::Lines;

/// Whether servers are tested without io_uring: `TEST_NO_URING=1 cargo test --test sockets`.
fn is_plain() -> bool {
    std::env::var_os("TEST_NO_URING").is_some()
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    input: Option<ChildStdin>,
    /// Its standard error, line by line.
    pub(crate) log: Lines,
    /// Its standard output: what the operator sees.
    pub(crate) screen: Lines,
}

/// How a server ended.
pub(crate) struct Ended {
    /// The exit status, or minus the signal that killed it.
    pub(crate) status: i32,
    /// The log lines that nobody had taken.
    pub(crate) log: Vec<String>,
    /// The screen lines that nobody had taken.
    pub(crate) screen: Vec<String>,
}

impl Server {
    /// `cooee serve` with these words behind it.
    pub(crate) fn start(words: &[&str]) -> Server {
        Server::run(env!("CARGO_BIN_EXE_cooee"), &[&["serve"], words].concat())
    }

    /// The same with no more than `descriptors` to be had.
    pub(crate) fn start_with_descriptors(descriptors: usize, words: &[&str]) -> Server {
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        let shell = ["-c", &script, env!("CARGO_BIN_EXE_cooee"), "serve"];
        Server::run("sh", &[&shell, words].concat())
    }

    /// `cooee serve` with these words behind it, whose operator looks at `screen`.
    pub(crate) fn start_before(screen: impl Into<Stdio>, words: &[&str]) -> Server {
        let words = [&["serve"], words].concat();
        Server::spawn(env!("CARGO_BIN_EXE_cooee"), &words, screen.into(), Stdio::piped())
    }

    /// `cooee serve` with these words behind it, whose log goes to `log`.
    pub(crate) fn start_logging_to(log: impl Into<Stdio>, words: &[&str]) -> Server {
        let words = [&["serve"], words].concat();
        Server::spawn(env!("CARGO_BIN_EXE_cooee"), &words, Stdio::piped(), log.into())
    }

    /// Any program that is or becomes cooee.
    pub(crate) fn run(program: &str, words: &[&str]) -> Server {
        Server::spawn(program, words, Stdio::piped(), Stdio::piped())
    }

    fn spawn(program: &str, words: &[&str], screen: Stdio, log: Stdio) -> Server {
        let mut words = words.to_vec();
        let serve = words.iter().position(|word| *word == "serve");
        if let Some(at) = serve.filter(|_| is_plain() && !words.contains(&"help")) {
            words.insert(at + 1, "--no-uring");
        }
        let mut child = Command::new(program)
            .args(words)
            .env_remove("RUST_LOG")
            .env_remove("RUST_LOG_STYLE")
            // Without a name server nearby, a name must not take long to be unknown.
            .env("RES_OPTIONS", "timeout:1 attempts:1")
            .stdin(Stdio::piped())
            .stdout(screen)
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let log = Lines::of("the log", or_nothing(child.stderr.take()));
        let screen = Lines::of("the screen", or_nothing(child.stdout.take()));
        let input = child.stdin.take();
        Server { child, input, log, screen }
    }

    /// Where it listens for `what`, such as `echo+tcp`. With several addresses each call gives
    /// the next.
    pub(crate) fn address(&mut self, what: &str) -> SocketAddr {
        let start = format!("listening on {what}://");
        let line = self.log.wait_for_line(&start);
        let (_, address) = line.split_once(&start).expect("the line that was waited for");
        let address = address.split('?').next().unwrap_or_default();
        address.parse().expect("an address behind the service")
    }

    /// Types a line at the console.
    pub(crate) fn operator(&mut self, line: &str) {
        let input = self.input.as_mut().expect("a console");
        writeln!(input, "{line}").expect("the server reads its console");
    }

    /// Its standard input, to be written to by somebody else.
    pub(crate) fn console(&mut self) -> ChildStdin {
        self.input.take().expect("a console")
    }

    /// Leaves the console: the server's standard input ends.
    pub(crate) fn operator_leaves(&mut self) {
        self.input = None;
    }

    /// Asks for `/who` and returns the bytes in and out of peer `number` as they are shown there.
    pub(crate) fn traffic_of(&mut self, number: u64) -> (String, String) {
        self.operator("/who");
        let line = self.screen.wait_for_line(&format!("#{number} "));
        let (_, traffic) = line.split_once(", in ").expect("the bytes in");
        let (bytes_in, bytes_out) = traffic.split_once(", out ").expect("the bytes out");
        (bytes_in.to_owned(), bytes_out.to_owned())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the server is there");
    }

    /// Waits for its end, its console still open.
    pub(crate) fn ended(&mut self) -> Ended {
        // The outputs end when the process does, and they have a deadline.
        let (log, screen) = (self.log.rest(), self.screen.rest());
        let status = self.child.wait().expect("a child");
        let killed_by = || -status.signal().unwrap_or(0);
        Ended { status: status.code().unwrap_or_else(killed_by), log, screen }
    }
}

/// What a child's output can be read from, if it goes to us.
fn or_nothing(pipe: Option<impl Read + Send + 'static>) -> Box<dyn Read + Send> {
    match pipe {
        Some(pipe) => Box::new(pipe),
        None => Box::new(std::io::empty()),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's log: {:#?}", self.log.all());
            eprintln!("the operator's screen: {:#?}", self.screen.all());
        }
    }
}
