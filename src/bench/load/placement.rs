//! On which CPUs server and generator run. Left to the scheduler, one run has them on CPUs of their
//! own and the next on one, which differs by more than what is measured.

use std::fmt;
use std::str::FromStr;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// What `--pin` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pin {
    /// CPUs of their own, where there are enough and the server is ours.
    #[default]
    Auto,
    /// As the scheduler likes.
    Off,
    /// These.
    To(Placement),
}

impl Pin {
    /// Threads of the generator, unless it is said how many.
    pub(crate) fn threads(&self) -> usize {
        match self {
            Pin::To(placement) => placement.generator.len(),
            Pin::Auto | Pin::Off => 1,
        }
    }
}

/// The CPU of the server, and one for each thread of the generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// `None`: the server is not ours.
    pub(crate) server: Option<usize>,
    pub(crate) generator: Vec<usize>,
}

/// On which CPUs a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// Where the scheduler likes: as was asked for, or because the server is not ours.
    Off,
    /// The same, because there are too few CPUs: why, for the header.
    Impossible(String),
    /// Each thread on its own.
    To(Placement),
}

impl Pinning {
    /// The same for a server that is not ours, which is where it is.
    pub(crate) fn without_server(&self) -> Pinning {
        match self {
            Pinning::To(placement) => Pinning::To(placement.without_server()),
            Pinning::Off | Pinning::Impossible(_) => Pinning::Off,
        }
    }

    /// What `pin` means for `threads` of the generator and a server that is ours or not.
    ///
    /// # Errors
    /// One line: what is wrong with the CPUs that were named.
    pub(crate) fn of(pin: &Pin, threads: usize, is_own: bool) -> Result<Pinning, String> {
        match pin {
            Pin::Off => Ok(Pinning::Off),
            Pin::Auto if !is_own => Ok(Pinning::Off),
            Pin::Auto => {
                Ok(Placement::apart(threads).map_or_else(Pinning::Impossible, Pinning::To))
            }
            Pin::To(placement) => {
                placement.fits(threads, is_own).map(|()| Pinning::To(placement.clone()))
            }
        }
    }

    /// The CPU of the server.
    pub(crate) fn server(&self) -> Option<usize> {
        self.placement()?.server
    }

    /// The CPU of a thread of the generator.
    pub(crate) fn generator(&self, thread: usize) -> Option<usize> {
        self.placement()?.generator.get(thread).copied()
    }

    fn placement(&self) -> Option<&Placement> {
        match self {
            Pinning::To(placement) => Some(placement),
            Pinning::Off | Pinning::Impossible(_) => None,
        }
    }
}

/// As `--pin` takes it.
impl fmt::Display for Pinning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.placement() {
            Some(placement) => placement.fmt(f),
            None => f.write_str("off"),
        }
    }
}

const EXAMPLE: &str =
    "write auto, off, or the CPU of the server and one for each thread, such as 0:1,2";

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Pin, String> {
        let cpu = |text: &str| {
            let number = text.parse::<usize>().ok().filter(|cpu| *cpu < CpuSet::MAX_CPU);
            number.ok_or_else(|| format!("{text:?} is no CPU: {EXAMPLE}"))
        };
        let (server, generator) = match text {
            "auto" => return Ok(Pin::Auto),
            "off" => return Ok(Pin::Off),
            _ => text.split_once(':').ok_or(EXAMPLE)?,
        };
        let server = Some(server).filter(|text| !text.is_empty()).map(cpu).transpose()?;
        let generator = generator.split(',').map(cpu).collect::<Result<Vec<_>, _>>()?;
        Ok(Pin::To(Placement { server, generator }))
    }
}

/// As `--pin` takes it.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.map_or(Ok(()), |cpu| write!(f, "{cpu}"))?;
        for (index, cpu) in self.generator.iter().enumerate() {
            write!(f, "{}{cpu}", if index == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

impl Placement {
    /// CPUs of their own for our server and `threads` of the generator, out of those that this
    /// process may use; on different cores, if there are enough.
    ///
    /// # Errors
    /// Why nothing is pinned, for the header.
    pub(crate) fn apart(threads: usize) -> Result<Placement, String> {
        let cpus = in_order_of_use(&allowed(), core);
        if cpus.len() <= threads {
            let needed = threads + 1;
            return Err(format!(
                "not pinned: this takes {needed} CPUs, and there are {}",
                cpus.len()
            ));
        }
        Ok(Placement { server: Some(cpus[0]), generator: cpus[1..=threads].to_vec() })
    }

    /// The same for a server that is not ours.
    fn without_server(&self) -> Placement {
        Placement { server: None, generator: self.generator.clone() }
    }

    /// Whether these are CPUs that this process may use, one for each of `threads`.
    fn fits(&self, threads: usize, is_own: bool) -> Result<(), String> {
        let allowed = allowed();
        let mut all = self.server.iter().chain(&self.generator);
        if let Some(cpu) = all.find(|cpu| !allowed.contains(cpu)) {
            return Err(format!(
                "CPU {cpu} is none of those that may be used here: {}",
                list(&allowed)
            ));
        }
        match (self.server, is_own) {
            (Some(_), false) => {
                let rest = self.without_server();
                return Err(format!("the server is not ours to pin: write {rest}"));
            }
            (None, true) => return Err(format!("our own server has a CPU too: {EXAMPLE}")),
            _ => {}
        }
        match self.generator.len() {
            count if count == threads => Ok(()),
            count => {
                Err(format!("CPUs for {count}, but --threads is {threads}: name one for each"))
            }
        }
    }
}

fn list(cpus: &[usize]) -> String {
    cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// Keeps a thread or a process, `None` the calling thread, on one CPU.
///
/// # Errors
/// Why that cannot be done.
pub(crate) fn keep_on(cpu: usize, whom: Option<Pid>) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(whom, &set).map_err(|error| format!("keeping it on CPU {cpu}: {error}"))
}

/// The CPUs that this process may use: the mask and the cpuset that it was given.
pub(crate) fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// Two CPUs of the same core share most of what makes it fast.
fn core(cpu: usize) -> (usize, usize) {
    let read = |name: &str| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/{name}");
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    (read("physical_package_id").unwrap_or(0), read("core_id").unwrap_or(cpu))
}

/// The first CPU of each core, then the second of each, and so on.
fn in_order_of_use(cpus: &[usize], core: impl Fn(usize) -> (usize, usize)) -> Vec<usize> {
    let cores: Vec<_> = cpus.iter().map(|cpu| core(*cpu)).collect();
    let mut ordered: Vec<(usize, usize)> = Vec::new();
    for (index, cpu) in cpus.iter().enumerate() {
        let before = cores[..index].iter().filter(|core| **core == cores[index]).count();
        ordered.push((before, *cpu));
    }
    ordered.sort_unstable();
    ordered.into_iter().map(|(_, cpu)| cpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placements_are_read_as_they_are_told_and_wrong_ones_named() {
        for text in ["0:1", "0:1,2", ":3", "12:0"] {
            let Ok(Pin::To(placement)) = text.parse() else { panic!("{text}") };
            assert_eq!(placement.to_string(), text);
        }
        assert_eq!("auto".parse(), Ok(Pin::Auto));
        assert_eq!("off".parse(), Ok(Pin::Off));
        for wrong in ["", "1", "0:", "0:1,", "a:1", "0:99999", "on"] {
            assert!(wrong.parse::<Pin>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn cores_are_used_up_before_any_is_shared() {
        // 0 and 1 are of one core, 2 and 3 of another, and so on.
        let of_pairs = |cpu: usize| (0, cpu / 2);
        assert_eq!(in_order_of_use(&[0, 1, 2, 3, 5], of_pairs), [0, 2, 5, 1, 3]);
        assert_eq!(in_order_of_use(&[1, 4], of_pairs), [1, 4]);
    }

    #[test]
    fn too_few_cpus_are_told() {
        let why = Placement::apart(allowed().len()).unwrap_err();
        assert!(why.starts_with("not pinned: this takes "), "{why}");
    }

    #[test]
    fn a_thread_stays_where_it_is_kept() {
        let cpu = allowed()[0];
        let seen = std::thread::spawn(move || keep_on(cpu, None).map(|()| allowed()));
        assert_eq!(seen.join().unwrap(), Ok(vec![cpu]));
    }
}
