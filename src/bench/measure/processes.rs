//! The processes of this machine that can be seen. From `/proc` (proc(5)).

use std::fs;
use std::time::Duration;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) name: String,
    /// CPU time so far.
    pub(super) cpu: Duration,
}

/// All of them.
pub(super) fn processes() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
}

/// Of `/proc/PID/stat`. The name stands in parentheses and may have any characters.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.into();
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
    let parent = u32::try_from(number(1)?).ok()?;
    Some(Process { pid, parent, name, cpu: ticks(number(11)? + number(12)?) })
}

/// The kernel's unit of CPU time.
pub(super) fn ticks(count: u64) -> Duration {
    Duration::from_millis(1000 * count / rustix::param::clock_ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let line = "77 (a (b) c) S 1 77 77 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 1 0 1";
        let name = "a (b) c".into();
        let wanted = Process { pid: 77, parent: 1, name, cpu: ticks(300) };
        assert_eq!(parse(77, line), Some(wanted));
        assert_eq!(parse(77, "x"), None);
    }
}
