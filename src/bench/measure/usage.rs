//! What processes use: CPU time, waiting for a CPU, memory. From `/proc` (proc(5)).

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of a thread or a process so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Time on a CPU.
    pub(crate) busy: Duration,
    /// Time ready to run, without a CPU: others were at work on it.
    pub(crate) starved: Duration,
}

impl Usage {
    /// Of the calling thread.
    pub(crate) fn of_this_thread() -> Usage {
        let told = fs::read_to_string("/proc/thread-self/schedstat");
        told.ok().and_then(|text| parse(&text)).unwrap_or_else(|| {
            let time = clock_gettime(ClockId::ThreadCPUTime);
            let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
            let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
            Usage { busy: Duration::new(seconds, nanos), starved: Duration::ZERO }
        })
    }

    /// Of all threads of a process; `None`: there is none, or it may not be looked at.
    pub(crate) fn of_process(pid: u32) -> Option<Usage> {
        let mut sum = Usage::default();
        for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            let path = thread.ok()?.path().join("schedstat");
            let Some(usage) = fs::read_to_string(path).ok().and_then(|text| parse(&text)) else {
                continue;
            };
            sum = sum.and(usage);
        }
        Some(sum)
    }

    /// Both together.
    pub(crate) fn and(self, other: Usage) -> Usage {
        Usage { busy: self.busy + other.busy, starved: self.starved + other.starved }
    }

    /// What has been used since `earlier`.
    pub(crate) fn since(self, earlier: Usage) -> Usage {
        Usage {
            busy: self.busy.saturating_sub(earlier.busy),
            starved: self.starved.saturating_sub(earlier.starved),
        }
    }
}

/// What was used in one stage of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StageUsage {
    /// By this thread.
    pub(crate) thread: Usage,
    /// By the server.
    pub(crate) server: Option<Usage>,
    /// Bytes of memory of the server at the end.
    pub(crate) resident: Option<u64>,
}

/// What this thread, and the server if its process is known, use in each stage of a run.
pub(crate) struct UsageMeter {
    server: Option<u32>,
    begun: Option<(Usage, Option<Usage>)>,
    /// Of the stages that are over.
    pub(crate) stages: Vec<StageUsage>,
}

impl UsageMeter {
    pub(crate) fn new(server: Option<u32>) -> UsageMeter {
        UsageMeter { server, begun: None, stages: Vec::new() }
    }

    /// The first stage begins.
    pub(crate) fn begin(&mut self) {
        self.begun = Some(self.read());
    }

    /// A stage is over, and the next one begins.
    pub(crate) fn next(&mut self) {
        if self.begun.is_some() {
            self.end();
            self.begin();
        }
    }

    /// The last stage is over. Only the first call counts.
    pub(crate) fn end(&mut self) {
        let Some(begun) = self.begun.take() else { return };
        let ended = self.read();
        self.stages.push(StageUsage {
            thread: ended.0.since(begun.0),
            server: ended.1.zip(begun.1).map(|(end, begin)| end.since(begin)),
            resident: self.server.and_then(resident_bytes),
        });
    }

    fn read(&self) -> (Usage, Option<Usage>) {
        (Usage::of_this_thread(), self.server.and_then(Usage::of_process))
    }
}

/// `schedstat`: nanoseconds on a CPU, nanoseconds waiting for one, time slices.
fn parse(text: &str) -> Option<Usage> {
    let mut numbers = text.split_ascii_whitespace().map(|word| word.parse().ok());
    let busy = Duration::from_nanos(numbers.next()??);
    let starved = Duration::from_nanos(numbers.next()??);
    Some(Usage { busy, starved })
}

/// Bytes of memory that a process holds (VmRSS).
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_schedstat_is_read() {
        let usage = parse("1500 2500 7\n").unwrap();
        let nanos = Duration::from_nanos;
        assert_eq!(usage, Usage { busy: nanos(1500), starved: nanos(2500) });
        assert_eq!(parse("x"), None);
    }

    #[test]
    fn a_busy_thread_sees_its_own_time_pass() {
        let before = Usage::of_this_thread();
        let mut sum = 0_u64;
        while Usage::of_this_thread().since(before).busy < Duration::from_millis(1) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(sum > 0);
        let own = std::process::id();
        let mut meter = UsageMeter::new(Some(own));
        meter.end();
        meter.next();
        assert!(meter.stages.is_empty(), "nothing has begun");
        meter.begin();
        meter.next();
        meter.end();
        meter.end();
        assert_eq!(meter.stages.len(), 2);
        assert!(meter.stages[0].resident.is_some_and(|bytes| bytes > 100_000));
        assert!(Usage::of_process(own).unwrap().busy >= Duration::from_millis(1));
        assert!(resident_bytes(own).unwrap() > 100_000);
    }
}
