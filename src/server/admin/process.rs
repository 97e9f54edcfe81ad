//! What the process itself uses, from `/proc` (proc(5)). Cheap: three small files, no list.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What the process uses; `None`: not known here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    /// Seconds of processor time, of its own and in the kernel.
    pub(super) cpu_seconds: Option<f64>,
    /// Bytes of memory that are resident.
    pub(super) resident: Option<u64>,
    /// Open descriptors, and how many there may be.
    pub(super) descriptors: Option<u64>,
    pub(super) descriptors_max: Option<u64>,
}

/// Reads all of it.
pub(super) fn read() -> Process {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    Process {
        cpu_seconds: cpu_seconds(&stat, clock_ticks_per_second()),
        resident: resident(&statm, page_size()),
        // Since Linux 6.2 the folder says how many are in it; to count them is too much.
        descriptors: fs::metadata("/proc/self/fd").ok().map(|fd| fd.len()).filter(|len| *len > 0),
        descriptors_max: getrlimit(Resource::Nofile).current,
    }
}

/// Fields 14 and 15; the name in field 2 may contain anything.
#[allow(clippy::cast_precision_loss)] // hundredths of seconds
fn cpu_seconds(stat: &str, ticks: u64) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11).map(str::parse::<u64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some((user + system) as f64 / ticks.max(1) as f64)
}

fn resident(statm: &str, page: usize) -> Option<u64> {
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * page as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name_and_nonsense_says_nothing() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(cpu_seconds(stat, 100), Some(2.0));
        assert_eq!(resident("1000 25 3 4", 4096), Some(102_400));
        for wrong in ["", "7 (a) S 1", "7 (a) S 1 2 3 4 5 6 7 8 9 10 x y", "1000", "a b c"] {
            assert_eq!((cpu_seconds(wrong, 100), resident(wrong, 1)), (None, None), "{wrong}");
        }
    }

    #[test]
    fn this_process_uses_something() {
        let process = read();
        assert!(process.resident.unwrap() > 100_000 && process.cpu_seconds.unwrap() >= 0.0);
        assert!(process.descriptors_max.is_none_or(|most| most > 3));
    }
}
