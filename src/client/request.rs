//! What a client is asked to do, and how it ended.

use std::time::Duration;

use super::connect::question::RetryPolicy;
use super::connect::target::ConnectTarget;
use crate::through::Through;

/// What one client is to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// The server to connect to.
    pub target: ConnectTarget,
    /// How long each address of it may take to answer.
    pub connect_timeout: Duration,
    /// What is put between the socket and the client.
    pub(crate) through: Through,
    /// Whether to show on standard error what goes over the connection.
    pub hex: bool,
    /// What to do then.
    pub task: Task,
}

/// What to do with a server.
#[derive(Clone, Debug)]
pub enum Task {
    /// Send what is typed or piped, show what comes back.
    Echo(RetryPolicy),
    /// Show what it says.
    Greet {
        /// In pieces of so many bytes.
        read_size: Option<usize>,
        /// How long it may be silent.
        timeout: Duration,
    },
    /// Talk to its operator.
    Talk,
    /// Talk to everybody.
    Chat {
        /// The name to take.
        nick: Option<String>,
        /// The room to join.
        room: Option<String>,
        /// How many lines a second the server takes; `None`: any number.
        rate: Option<f64>,
    },
    /// Ask for months: these, or those typed or piped.
    Months(RetryPolicy, Vec<String>),
}

/// How a client ended, if nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All was done.
    Done,
    /// A signal has ended it, or a key that stands for one. The terminal is in order again, and
    /// the process is to die of that signal, so that whoever has started it knows.
    Signal(i32),
}
