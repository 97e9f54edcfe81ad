//! Which core is whose.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// One core for the servers and another for the generator, if this machine has two for us.
pub(crate) struct Cores {
    pair: Option<(usize, usize)>,
    /// How many this process may use.
    pub(crate) count: usize,
}

impl Cores {
    pub(crate) fn of_this_machine() -> Cores {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
        // Interrupts mostly come to the first, so the servers have the last.
        let pair = match cores.as_slice() {
            [first, .., last] => Some((*last, *first)),
            _ => None,
        };
        let cores = Cores { pair, count: cores.len() };
        match cores.for_generator() {
            Ok(()) => cores,
            Err(_) => Cores { pair: None, ..cores },
        }
    }

    /// Processes that are started from now on run where servers do.
    pub(crate) fn for_server(&self) -> Result<(), String> {
        self.stay(self.pair.map(|(server, _)| server))
    }

    /// Processes that are started from now on run where the generator does; so do we.
    pub(crate) fn for_generator(&self) -> Result<(), String> {
        self.stay(self.pair.map(|(_, generator)| generator))
    }

    fn stay(&self, core: Option<usize>) -> Result<(), String> {
        let Some(core) = core else { return Ok(()) };
        let mut only = CpuSet::new();
        only.set(core);
        sched_setaffinity(None, &only).map_err(|error| format!("staying on core {core}: {error}"))
    }

    /// Where what ran, for people.
    pub(crate) fn told(&self) -> String {
        match self.pair {
            Some((server, generator)) => {
                format!("Servers were pinned to core {server}, the generator to core {generator}.")
            }
            None => format!(
                "NOTHING WAS PINNED: of {} cores no two could be kept apart, so servers and \
                 generator got into each other's way.",
                self.count
            ),
        }
    }
}

/// Processor and kernel, for people.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let (_, model) = model.unwrap_or(("", "unknown processor"));
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    format!("{model}, Linux {kernel}")
}
