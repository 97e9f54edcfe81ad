//! What else went on while a run was measured. Figures from a machine that had other things to do
//! look like any others, so this is told before them.
#![allow(missing_docs)] // the schema has a line on each field

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::processes::{processes, ticks};
use crate::bench::fields::{Fields, FromJson, Reading};
use crate::engine::Time;
use crate::reactor::{Watch, wall};

/// A process that uses more of a CPU than this share disturbs.
const BUSY: f64 = 0.1;
/// The hypervisor took more than this share of the CPUs' time.
const STOLEN: f64 = 0.02;
/// Whoever waits for a CPU for more than this share of the time is measured too slow.
const STARVED: f64 = 0.1;
/// A generator that does nothing for so long has been stopped: it looks about every 20 ms.
const STOPPED: Duration = Duration::from_millis(250);
/// The wall clock was set by more seconds than it drifts, or than pass between two reads of clocks.
const CLOCK_STEP: f64 = 0.05;

/// What this machine is about at one moment.
pub(crate) struct Surroundings {
    watch: Watch,
    at: Time,
    wall: Duration,
    /// Time of all CPUs together, and what the hypervisor took of it.
    cpu_time: Duration,
    stolen: Duration,
    /// CPU time of each process, and its name.
    processes: BTreeMap<u32, (Duration, String)>,
    clock_source: String,
    /// Connections that were not kept in TIME_WAIT because there are too many there.
    overflowed: u64,
}

/// What disturbed a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Interference {
    pub(crate) stolen: f64,
    pub(crate) busy_processes: Vec<BusyProcess>,
    pub(crate) clock_set_s: f64,
    pub(crate) clock_sources: Vec<String>,
    pub(crate) stood_still_s: f64,
    pub(crate) time_wait: u64,
    pub(crate) time_wait_overflowed: u64,
}

/// A process that had nothing to do with the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct BusyProcess {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) cpu: f64,
}

impl FromJson for Interference {
    fn from_json(value: &Value, reading: &mut Reading) -> Interference {
        let mut of = Fields::of(value, reading);
        Interference {
            stolen: of.optional("stolen"),
            busy_processes: of.optional("busy_processes"),
            clock_set_s: of.optional("clock_set_s"),
            clock_sources: of.optional("clock_sources"),
            stood_still_s: of.optional("stood_still_s"),
            time_wait: of.optional("time_wait"),
            time_wait_overflowed: of.optional("time_wait_overflowed"),
        }
    }
}

impl FromJson for BusyProcess {
    fn from_json(value: &Value, reading: &mut Reading) -> BusyProcess {
        let mut of = Fields::of(value, reading);
        BusyProcess { pid: of.needed("pid"), name: of.needed("name"), cpu: of.needed("cpu") }
    }
}

impl Surroundings {
    /// As they are now.
    pub(crate) fn observe() -> Surroundings {
        Surroundings::at(Watch::start())
    }

    fn at(watch: Watch) -> Surroundings {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (cpu_time, stolen) = cpu_times(&read("/proc/stat")).unwrap_or_default();
        let (wall, at) = (wall(), watch.now());
        let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        Surroundings {
            watch,
            at,
            wall,
            cpu_time,
            stolen,
            processes: processes().map(|one| (one.pid, (one.cpu, one.name))).collect(),
            clock_source: read(source).trim().into(),
            overflowed: overflowed(&read("/proc/net/netstat")).unwrap_or(0),
        }
    }

    /// What has changed until now. `involved`: the processes that are part of the run.
    pub(crate) fn until_now(self, involved: &BTreeSet<u32>) -> Interference {
        let later = Surroundings::at(self.watch);
        let passed = later.at.since(self.at);
        let steps = later.wall.as_secs_f64() - self.wall.as_secs_f64() - passed.as_secs_f64();
        let cpu_time = later.cpu_time.saturating_sub(self.cpu_time);
        let mut sources = vec![self.clock_source, later.clock_source];
        sources.dedup();
        Interference {
            stolen: share(later.stolen.saturating_sub(self.stolen), cpu_time),
            busy_processes: busy(&self.processes, &later.processes, involved, passed),
            clock_set_s: if steps.abs() > CLOCK_STEP { steps } else { 0.0 },
            clock_sources: if sources.len() > 1 { sources } else { Vec::new() },
            stood_still_s: 0.0,
            time_wait: in_time_wait(&fs::read_to_string("/proc/net/sockstat").unwrap_or_default()),
            time_wait_overflowed: later.overflowed.saturating_sub(self.overflowed),
        }
    }
}

impl Interference {
    /// The other run of the same plan disturbed as well.
    pub(crate) fn and(mut self, other: Interference) -> Interference {
        self.stolen = self.stolen.max(other.stolen);
        self.clock_set_s += other.clock_set_s;
        self.stood_still_s = self.stood_still_s.max(other.stood_still_s);
        self.time_wait = self.time_wait.max(other.time_wait);
        self.time_wait_overflowed += other.time_wait_overflowed;
        self.busy_processes.extend(other.busy_processes);
        self.busy_processes.sort_by(|a, b| a.pid.cmp(&b.pid).then(b.cpu.total_cmp(&a.cpu)));
        self.busy_processes.dedup_by_key(|process| process.pid);
        if self.clock_sources.is_empty() {
            self.clock_sources = other.clock_sources;
        }
        self
    }

    /// One line for each thing that disturbed. `generator`, `server`: the shares of the time that
    /// they waited for a CPU.
    pub(crate) fn warnings(&self, generator: f64, server: Option<f64>) -> Vec<String> {
        let starved = [("generator", generator), ("server", server.unwrap_or(0.0))];
        let mut told: Vec<String> = starved
            .into_iter()
            .filter(|(_, share)| *share > STARVED)
            .map(|(who, share)| {
                format!("the {who} waited for a CPU {:.0} % of the time", 100.0 * share)
            })
            .collect();
        let stood_still = self.stood_still_s;
        if stood_still >= STOPPED.as_secs_f64() {
            told.push(format!(
                "the generator stood still for {stood_still:.1} s, as if it had been stopped"
            ));
        }
        if self.stolen > STOLEN {
            told.push(format!(
                "the hypervisor took {:.0} % of the CPU time (steal)",
                100.0 * self.stolen
            ));
        }
        told.extend(self.busy_line());
        if self.clock_set_s != 0.0 {
            told.push(format!("the clock was set by {:+.1} s meanwhile", self.clock_set_s));
        }
        if let [before, after] = self.clock_sources.as_slice() {
            told.push(format!("the kernel changed its clock from {before} to {after} meanwhile"));
        }
        told
    }

    fn busy_line(&self) -> Option<String> {
        let used = |process: &BusyProcess| {
            format!("{} (pid {}) {:.0} %", process.name, process.pid, 100.0 * process.cpu)
        };
        let [first, others @ ..] = self.busy_processes.as_slice() else { return None };
        let few: Vec<String> = others.iter().take(2).map(used).collect();
        let rest = match others.len().saturating_sub(2) {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        let all = [vec![used(first)], few].concat().join(", ");
        Some(format!("others were at work, of a CPU: {all}{rest}"))
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}

/// Those that were busy, the busiest first.
fn busy(
    before: &BTreeMap<u32, (Duration, String)>,
    after: &BTreeMap<u32, (Duration, String)>,
    involved: &BTreeSet<u32>,
    passed: Duration,
) -> Vec<BusyProcess> {
    let used = after.iter().filter(|(pid, _)| !involved.contains(pid)).map(|(pid, (now, name))| {
        let earlier = before.get(pid).map_or(Duration::ZERO, |(then, _)| *then);
        let cpu = share(now.saturating_sub(earlier), passed);
        BusyProcess { pid: *pid, name: name.clone(), cpu }
    });
    let mut busy: Vec<BusyProcess> = used.filter(|process| process.cpu > BUSY).collect();
    busy.sort_by(|a, b| b.cpu.total_cmp(&a.cpu));
    busy
}

/// Of `/proc/stat`: the time of all CPUs, and what was stolen of it.
fn cpu_times(stat: &str) -> Option<(Duration, Duration)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times: Vec<u64> =
        line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    // Guest time, behind the first eight, is part of user time.
    Some((ticks(times.iter().take(8).sum()), ticks(*times.get(7)?)))
}

/// Of `/proc/net/sockstat`: connections in TIME_WAIT.
fn in_time_wait(sockstat: &str) -> u64 {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"));
    let mut words = line.unwrap_or_default().split_ascii_whitespace();
    words.find(|word| *word == "tw").and_then(|_| words.next()?.parse().ok()).unwrap_or(0)
}

/// Of `/proc/net/netstat`: connections that should have been kept in TIME_WAIT and were not. Its
/// names stand one line above their values.
fn overflowed(netstat: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_ascii_whitespace().position(|name| name == "TCPTimeWaitOverflow")?;
    values.split_ascii_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let (all, stolen) = cpu_times("cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 9\n").unwrap();
        assert_eq!((all, stolen), (ticks(36), ticks(8)));
        let sockstat = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 12 alloc 6 mem 1\n";
        assert_eq!((in_time_wait(sockstat), in_time_wait("x")), (12, 0));
        let netstat = "TcpExt: A TCPTimeWaitOverflow B\nTcpExt: 1 22 3\nIpExt: C\nIpExt: 4\n";
        assert_eq!(overflowed(netstat), Some(22));
    }

    fn process(millis: u64, name: &str) -> (Duration, String) {
        (Duration::from_millis(millis), name.into())
    }

    #[test]
    fn only_who_is_busy_and_not_involved_disturbs_and_the_busiest_is_first() {
        let before = BTreeMap::from([(1, process(500, "init")), (7, process(0, "ours"))]);
        let after = BTreeMap::from([
            (1, process(590, "init")),
            (7, process(900, "ours")),
            (8, process(300, "late")),
            (9, process(800, "hog")),
        ]);
        let found = busy(&before, &after, &BTreeSet::from([7]), Duration::from_secs(1));
        let named: Vec<_> = found.iter().map(|p| (p.pid, p.name.as_str(), p.cpu)).collect();
        assert_eq!(named, [(9, "hog", 0.8), (8, "late", 0.3)]);
    }

    #[test]
    fn each_thing_that_disturbed_has_its_line_and_a_quiet_machine_none() {
        assert_eq!(Interference::default().warnings(0.1, None), Vec::<String>::new());
        let hog = |pid| BusyProcess { pid, name: "hog".into(), cpu: 0.98 };
        let interference = Interference {
            stolen: 0.05,
            busy_processes: vec![hog(1), hog(2), hog(3), hog(4)],
            clock_set_s: -3.0,
            clock_sources: vec!["tsc".into(), "hpet".into()],
            stood_still_s: 1.5,
            ..Interference::default()
        };
        assert_eq!(
            interference.warnings(0.46, Some(0.2)),
            [
                "the generator waited for a CPU 46 % of the time",
                "the server waited for a CPU 20 % of the time",
                "the generator stood still for 1.5 s, as if it had been stopped",
                "the hypervisor took 5 % of the CPU time (steal)",
                "others were at work, of a CPU: hog (pid 1) 98 %, hog (pid 2) 98 %, \
                 hog (pid 3) 98 % and 1 more",
                "the clock was set by -3.0 s meanwhile",
                "the kernel changed its clock from tsc to hpet meanwhile",
            ]
        );
    }

    #[test]
    fn a_busy_process_of_somebody_elses_is_seen() {
        let before = Surroundings::observe();
        let own = std::process::id();
        assert!(before.processes.contains_key(&own));
        let found = before.until_now(&BTreeSet::from([own]));
        assert!(found.busy_processes.iter().all(|process| process.pid != own));
        assert_eq!((found.clock_set_s, found.clock_sources.len()), (0.0, 0));
    }
}
