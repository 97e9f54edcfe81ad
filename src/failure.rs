//! Why a command ends without having done its work: each way has its exit status.

/// Why nothing came of it.
#[derive(Debug)]
pub enum Failure {
    /// It was asked wrongly: exit status 2, as clap's own.
    Usage(String),
    /// It could not be done: exit status 1.
    Failed(String),
    /// It was measured, or compared, and is not good enough: exit status 3.
    NotGoodEnough(String),
    /// A signal ended it: the process dies of that signal, so that a loop of a script ends as well.
    Signal(i32),
}

impl Failure {
    /// In words.
    pub fn into_words(self) -> String {
        match self {
            Failure::Usage(what) | Failure::Failed(what) | Failure::NotGoodEnough(what) => what,
            Failure::Signal(signal) => format!("ended by signal {signal}"),
        }
    }
}

/// The line for a poll loop that cannot be had.
#[allow(clippy::needless_pass_by_value)] // as `map_err` wants it
pub fn setting_up(error: std::io::Error) -> String {
    format!("setting up the poll loop: {error}")
}
