//! Why a run ended before its time.

use std::fmt;

/// Why a run ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Abort {
    /// Somebody ended it.
    Interrupted,
    /// Nothing worked any more.
    Vanished(String),
    /// Nothing ever worked.
    Failed(String),
    /// Not all connections could be made.
    Short(String),
    /// An answer was not what had to come.
    Wrong(String),
}

impl Abort {
    /// Whether another run would end no better.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Abort::Wrong(_) | Abort::Failed(_) | Abort::Short(_) | Abort::Interrupted => true,
            Abort::Vanished(_) => false,
        }
    }

    /// When several threads abort, the highest one is reported.
    pub(super) fn severity(&self) -> u8 {
        match self {
            Abort::Interrupted => 1,
            Abort::Vanished(_) => 2,
            Abort::Failed(_) => 3,
            Abort::Short(_) => 4,
            Abort::Wrong(_) => 5,
        }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Abort::Wrong(what) | Abort::Short(what) => f.write_str(what),
            Abort::Vanished(what) => write!(f, "the target stopped answering: {what}"),
            Abort::Failed(what) => write!(f, "the target never answered: {what}"),
            Abort::Interrupted => f.write_str("interrupted"),
        }
    }
}
