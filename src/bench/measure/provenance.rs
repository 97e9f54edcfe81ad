//! Where a result comes from: without it, nobody can tell later what has been measured.
#![allow(missing_docs)] // the schema has a line on each field

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::bench::fields::{Fields, FromJson, Reading};

/// Where and how a result was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Provenance {
    pub(crate) date: String,
    pub(crate) host: String,
    pub(crate) kernel: String,
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    pub(crate) pinning: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) congestion: Option<String>,
    pub(crate) features: Vec<String>,
    pub(crate) command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
}

impl FromJson for Provenance {
    fn from_json(value: &Value, reading: &mut Reading) -> Provenance {
        let mut of = Fields::of(value, reading);
        Provenance {
            date: of.optional("date"),
            host: of.optional("host"),
            kernel: of.optional("kernel"),
            cpu: of.optional("cpu"),
            cpus: of.optional("cpus"),
            pinning: of.optional("pinning"),
            congestion: of.optional("congestion"),
            features: of.optional("features"),
            command: of.optional("command"),
            label: of.optional("label"),
        }
    }
}

impl Provenance {
    /// Of a run that begins at `wall`, on so many CPUs of this machine, placed as `pinning` says.
    pub(crate) fn of_this_machine(wall: Duration, cpus: usize, pinning: String) -> Provenance {
        let name = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let second = i64::try_from(wall.as_secs()).ok();
        let date = second.and_then(|second| Timestamp::from_second(second).ok());
        Provenance {
            date: date.unwrap_or(Timestamp::MAX).to_string(),
            host: text(name.nodename()),
            kernel: format!("{} {}", text(name.sysname()), text(name.release())),
            cpu: fs::read_to_string("/proc/cpuinfo")
                .ok()
                .and_then(|text| cpu_model(&text))
                .unwrap_or_else(|| text(name.machine())),
            cpus,
            pinning,
            congestion: fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control")
                .ok()
                .map(|text| text.trim().into()),
            features: features(),
            command: command_line(std::env::args_os().map(|word| word.to_string_lossy().into())),
            label: None,
        }
    }
}

/// What this program was built with.
fn features() -> Vec<String> {
    let all =
        [("bench", true), ("manual", cfg!(feature = "manual")), ("uring", cfg!(feature = "uring"))];
    all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.into()).collect()
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
}

/// The words as one would type them in a shell.
fn command_line(words: impl Iterator<Item = String>) -> String {
    let quoted = words.map(|word| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@%~".contains(&byte);
        match !word.is_empty() && word.bytes().all(is_plain) {
            true => word,
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again() {
        let words = ["cooee", "bench", "--label", "it's new", "", "echo://[::1]:7"];
        assert_eq!(
            command_line(words.map(String::from).into_iter()),
            r"cooee bench --label 'it'\''s new' '' 'echo://[::1]:7'"
        );
    }

    #[test]
    fn the_model_of_a_cpu_is_found() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 7B13\nflags\t\t: fpu\n";
        assert_eq!(cpu_model(text).as_deref(), Some("AMD EPYC 7B13"));
        assert_eq!(cpu_model("processor : 0\n"), None);
    }

    #[test]
    fn a_date_is_that_of_the_beginning() {
        let wall = Duration::from_millis(1_795_799_047_900);
        let told = Provenance::of_this_machine(wall, 2, "0:1".into());
        assert_eq!(told.date, "2026-11-27T17:04:07Z");
        assert!(!told.host.is_empty() && !told.kernel.is_empty() && !told.cpu.is_empty());
    }
}
