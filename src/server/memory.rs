//! How much memory this process can have, and so how much may wait for all peers together.
//!
//! That is what the machine has, what the cgroups of the process allow (both versions, at every
//! level), or what is left of its own limits (`ulimit -v` and `-d`), whichever is least.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use crate::engine::Bytes;

/// What waits for peers may take one part in this many of the memory, unless the operator says
/// otherwise. The rest is for connections, services, what a turn needs for a moment, and what the
/// allocator loses.
const SHARE: usize = 4;
/// The least that makes sense: enough for some peers with full queues.
pub(crate) const BUFFERED_MIN: usize = 1024 * 1024;
/// What is assumed where nothing is known.
const UNKNOWN: usize = 4 * 1024 * 1024 * 1024;

/// A limit on memory: how many bytes, and what sets it.
type MemoryLimit = (usize, &'static str);

/// How many bytes may wait for all peers: what is `asked` for, or a share of the memory.
pub(super) fn buffered(asked: Option<usize>) -> usize {
    let (there, who) = there();
    log::debug!("memory: {} are there ({who})", Bytes(there as u64));
    match asked {
        Some(asked) => {
            if let Some(warning) = warning(asked, (there, who)) {
                log::warn!("{warning}");
            }
            asked
        }
        None => (there / SHARE).max(BUFFERED_MIN),
    }
}

fn warning(asked: usize, (there, who): MemoryLimit) -> Option<String> {
    (asked > there / 2).then(|| {
        let (asked, there) = (Bytes(asked as u64), Bytes(there as u64));
        format!(
            "--max-buffered {asked} is more than half of the {there} that are there ({who}): \
             memory may run out before it is reached, for everybody"
        )
    })
}

/// The tightest limit.
fn there() -> MemoryLimit {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = [
        (Resource::As, "VmSize", "address space, ulimit -v"),
        (Resource::Data, "VmData", "data, ulimit -d"),
    ];
    let limits = limits.into_iter().filter_map(|(resource, used, what)| {
        let most = usize::try_from(getrlimit(resource).current?).ok()?;
        Some((most.saturating_sub(kib(&status, used).unwrap_or(0)), what))
    });
    let physical = machine().map(|bytes| (bytes, "the machine's"));
    let cgroup = cgroup().map(|bytes| (bytes, "the cgroup's"));
    limits.chain(physical).chain(cgroup).min().unwrap_or((UNKNOWN, "nothing is known"))
}

/// The memory of the machine.
fn machine() -> Option<usize> {
    kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal")
}

/// The memory that the cgroups allow.
fn cgroup() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let files = limit_files(&groups, &mounts).into_iter();
    // "max" means no limit; a file that is missing sets none either.
    files.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

/// The bytes in the line of `field`, which files in /proc give in kB.
fn kib(text: &str, field: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The files with limits on memory: for each group of /proc/self/cgroup those in its own folder and
/// in all folders above it, as far as /proc/self/mountinfo shows them.
fn limit_files(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for group in groups.lines() {
        let mut fields = group.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (kind, names): (_, &[&str]) = match controllers {
            "" => ("cgroup2", &["memory.max", "memory.high"]),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("cgroup", &["memory.limit_in_bytes"])
            }
            _ => continue,
        };
        for (root, top) in mounts.lines().filter_map(|line| mount(line, kind)) {
            // A group outside of what is mounted here cannot be seen: the top must do.
            let inside = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
            let folder = Path::new(top).join(inside);
            let folders = folder.ancestors().take_while(|folder| folder.starts_with(top));
            files.extend(folders.flat_map(|at| names.iter().map(|name| at.join(name))));
        }
    }
    files
}

/// Which folder of a hierarchy a line of mountinfo mounts, and where, if the hierarchy is of that
/// kind and may limit memory.
fn mount<'a>(line: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let (place, what) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let mut what = what.split(' ');
    let is_kind = what.next()? == kind;
    let has_memory = what.nth(1)?.split(',').any(|option| option == "memory");
    (is_kind && (has_memory || kind == "cgroup2")).then_some((place.next()?, place.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(groups: &str, mounts: &str) -> Vec<String> {
        let files = limit_files(groups, mounts).into_iter();
        files.map(|file| file.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn lines_of_proc_are_read_by_name_and_everything_else_says_nothing() {
        let status = "Name:\tcooee\nVmPeak:\t    3100 kB\nVmSize:\t    3060 kB\nThreads:\t1\n";
        assert_eq!(kib(status, "VmSize"), Some(3060 * 1024));
        assert_eq!(kib("MemTotal:       24683744 kB\n", "MemTotal"), Some(24_683_744 * 1024));
        for (text, field) in [
            (status, "Vm"),
            (status, "Threads"),
            ("", "VmSize"),
            ("VmSize: x kB", "VmSize"),
            ("VmSize: 99999999999999999999 kB", "VmSize"),
            ("VmSize: 18446744073709551615 kB", "VmSize"),
        ] {
            assert_eq!(kib(text, field), None, "{field} in {text:?}");
        }
    }

    #[test]
    fn a_group_of_version_2_is_looked_up_at_every_level() {
        let groups = "0::/system.slice/cooee.service\n";
        let mounts =
            "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        let wanted = [
            "/sys/fs/cgroup/system.slice/cooee.service/memory.max",
            "/sys/fs/cgroup/system.slice/cooee.service/memory.high",
            "/sys/fs/cgroup/system.slice/memory.max",
            "/sys/fs/cgroup/system.slice/memory.high",
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/memory.high",
        ];
        assert_eq!(files(groups, mounts), wanted);
    }

    #[test]
    fn a_group_of_version_1_is_looked_up_where_memory_is_mounted() {
        let groups = "5:devices:/a\n4:cpu,memory:/a/b\n1:name=systemd:/\n0::/\n";
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                      33 31 0:33 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n\
                      35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";
        let wanted = ["a/b/", "a/", ""];
        let wanted = wanted.map(|at| format!("/sys/fs/cgroup/memory/{at}memory.limit_in_bytes"));
        assert_eq!(files(groups, mounts), wanted);
    }

    #[test]
    fn within_a_container_the_top_of_what_is_mounted_is_its_own() {
        let mounts = "9 8 0:32 /docker/4f7e /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        let top = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        assert_eq!(files("4:memory:/docker/4f7e", mounts), [top]);
        assert_eq!(files("4:memory:/somewhere/else", mounts), [top]);
        let inner = "/sys/fs/cgroup/memory/inner/memory.limit_in_bytes";
        assert_eq!(files("4:memory:/docker/4f7e/inner", mounts), [inner, top]);
    }

    #[test]
    fn nonsense_in_proc_is_passed_over() {
        let nothing: [String; 0] = [];
        for groups in ["", ":", "0:", "nonsense", "0::/\n\n", "4:memory"] {
            for mounts in ["", "-", " - ", "1 2 3 - cgroup2", "1 2 3 / - cgroup2 cgroup2 rw"] {
                assert_eq!(files(groups, mounts), nothing, "{groups:?} {mounts:?}");
            }
        }
    }

    #[test]
    fn what_is_there_is_known_and_only_more_than_half_of_it_is_warned_of() {
        let (bytes, who) = there();
        assert!(bytes > BUFFERED_MIN, "{bytes} ({who})");
        let there = (512 << 20, "the cgroup's");
        assert_eq!(warning(256 << 20, there), None);
        let warning = warning(1 << 30, there).unwrap();
        assert!(warning.starts_with("--max-buffered 1.0 GiB is more than half"), "{warning}");
        assert!(warning.contains("512.0 MiB that are there (the cgroup's)"), "{warning}");
    }
}
