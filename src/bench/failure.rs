//! How a bench fails: each way has its exit status.

/// Why nothing came of it.
#[derive(Debug)]
pub enum Failure {
    /// It was asked wrongly.
    Usage(String),
    /// It could not be done.
    Failed(String),
    /// It was measured, or compared, and is not good enough.
    NotGoodEnough(String),
    /// That signal came; what was measured until then has been told.
    Signal(i32),
}

impl Failure {
    /// In words.
    pub(super) fn into_words(self) -> String {
        match self {
            Failure::Usage(what) | Failure::Failed(what) | Failure::NotGoodEnough(what) => what,
            Failure::Signal(signal) => format!("ended by signal {signal}"),
        }
    }
}
