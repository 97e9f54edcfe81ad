//! What of an invocation is running now, in words.

use std::fmt;

use crate::bench::load::workload::Workload;

/// What is running now: a workload, and which part of all that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caption {
    pub(crate) workload: Workload,
    /// Such as `2 of 9`, `repeat 1 of 5`; the widest first.
    parts: Vec<String>,
}

impl Caption {
    /// All of that workload.
    pub(crate) fn of(workload: Workload) -> Caption {
        Caption { workload, parts: Vec::new() }
    }

    /// That part of it, such as `repeat 1 of 5`.
    pub(crate) fn with(mut self, part: String) -> Caption {
        self.parts.push(part);
        self
    }
}

impl fmt::Display for Caption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.workload.name())?;
        self.parts.iter().try_for_each(|part| write!(f, ", {part}"))
    }
}
