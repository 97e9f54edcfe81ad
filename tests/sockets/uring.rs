//! io_uring: many reads or writes share a call, it is used at all, and nobody notices when the
//! kernel refuses it.

#![allow(clippy::disallowed_methods)] // tests, which wait for real sockets

use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use rustix::process::Signal;

use crate::support::served::Served;
use crate::support::{Member, PATIENCE, Tcp, loudly};

const CLIENTS: usize = 24;
const ROUNDS: usize = 5;
const ENDPOINTS: [&str; 2] = ["echo+tcp://127.0.0.1:0", "chat+tcp://127.0.0.1:0"];

/// Whether io_uring cannot be watched here; the reason is said loudly.
fn cannot_be_tested() -> bool {
    let probe = ["-qq", "-o", "/dev/null", "-e", "trace=io_uring_setup", "true"];
    let why = match Command::new("strace").args(probe).output() {
        Ok(output) if !output.status.success() => {
            String::from_utf8_lossy(&output.stderr).into_owned()
        }
        Err(error) => format!("strace: {error} (apt-get install strace)"),
        Ok(_) if !cfg!(all(target_os = "linux", feature = "uring")) => "not built in".into(),
        Ok(_) if std::env::var_os("TEST_NO_URING").is_some() => "TEST_NO_URING is set".into(),
        Ok(_) => match refusal() {
            Some(line) => format!("this kernel refuses it: {line}"),
            None => return false,
        },
    };
    loudly(&format!("NOT TESTED, because io_uring cannot be watched here: {why}"));
    true
}

/// What the kernel says to a server that would use io_uring, if it refuses.
fn refusal() -> Option<String> {
    static REFUSAL: OnceLock<Option<String>> = OnceLock::new();
    let ask = || {
        let calls = trace("probe", &[], &[], |_| {});
        let refused = |line: &&str| line.starts_with("io_uring_") && line.contains(" = -1 E");
        calls.lines().find(refused).map(str::to_owned)
    };
    REFUSAL.get_or_init(ask).clone()
}

/// Stops the server, so that all of what the clients do meanwhile is there when it goes on.
fn stop(served: &Served) {
    served.server.signal(Signal::STOP);
    let path = format!("/proc/{}/stat", served.server.pid().as_raw_nonzero());
    let begun = Instant::now();
    // The state stands behind the name, which is in parentheses: T or, when traced, t.
    while !std::fs::read_to_string(&path).unwrap().contains(") T")
        && !std::fs::read_to_string(&path).unwrap().contains(") t")
    {
        assert!(begun.elapsed() < PATIENCE, "it does not stop");
        std::thread::yield_now();
    }
}

/// Runs a server under strace with these words, and returns the calls that strace has seen.
fn trace(name: &str, words: &[&str], flags: &[&str], meet: impl Fn(&mut Served)) -> String {
    let record = std::env::temp_dir().join(format!("cooee-{}-{name}", std::process::id()));
    let path = record.to_str().unwrap();
    let trace = ["-e", "trace=io_uring_setup,io_uring_enter,recvfrom,sendto"];
    let runner = [&["strace", "-D", "-qq", "-o", path][..], &trace, words].concat();
    let mut served = Served::start_under(&runner, &ENDPOINTS, flags);
    meet(&mut served);
    drop(served);
    let calls = std::fs::read_to_string(&record).unwrap();
    std::fs::remove_file(&record).unwrap();
    calls
}

/// Echoes from many at once and a line of chat to many at once; returns the calls that it took.
fn converse(name: &str, words: &[&str], flags: &[&str]) -> String {
    trace(name, words, flags, talk)
}

fn talk(served: &mut Served) {
    let [echo, chat] = served.addresses[..] else { panic!("two addresses") };
    let mut clients: Vec<Tcp> = (0..CLIENTS).map(|_| Tcp::connect(echo)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.echoes(&format!("I am {n}"));
    }
    let mut members: Vec<Member> = (0..CLIENTS).map(|_| Member::join(chat).0).collect();
    for round in 0..ROUNDS {
        let said = |n| format!("{n} says {round}");
        stop(served);
        for (n, client) in clients.iter_mut().enumerate() {
            client.say(said(n));
        }
        members[0].say(&format!("round {round}"));
        served.server.signal(Signal::CONT);
        for (n, client) in clients.iter_mut().enumerate() {
            let heard = client.hear_bytes(said(n).len());
            assert_eq!(String::from_utf8(heard).unwrap(), said(n), "client {n}");
        }
        for member in &mut members[1..] {
            member.wait_for_line(&format!("<guest1> round {round}"));
        }
    }
    drop(clients);
    let rest = format!("({CLIENTS} open)");
    served.wait_until("those who echoed have left", |stats| stats.contains(&rest));
}

/// How many operations each batch had.
fn batches(calls: &str) -> impl Iterator<Item = usize> {
    let count = |line: &str| line.split_once("io_uring_enter(")?.1.split(", ").nth(1)?.parse().ok();
    calls.lines().filter_map(count)
}

#[test]
fn those_who_speak_at_once_are_read_and_answered_in_one_call() {
    if cannot_be_tested() {
        return;
    }
    let calls = converse("together", &[], &[]);
    // Each round needs one for the reads, one for the echoes; the first may be cut in two if the
    // server was at work when it was stopped.
    let whole = batches(&calls).filter(|count| *count >= CLIENTS).count();
    assert!(whole > ROUNDS, "{whole} of {CLIENTS} or more in {ROUNDS} rounds: {calls}");
}

#[test]
fn who_does_not_want_it_does_without() {
    if cannot_be_tested() {
        return;
    }
    let calls = converse("plain", &[], &["--no-uring"]);
    assert!(!calls.contains("io_uring"), "{calls}");
    assert!(calls.contains("sendto("), "{calls}");
}

#[test]
fn where_the_kernel_refuses_it_at_the_start_or_later_nobody_loses_anything() {
    if cannot_be_tested() {
        return;
    }
    let faults = [
        ("setup", "ENOSYS", "1+"),
        ("setup", "EPERM", "1+"),
        ("enter", "EPERM", "1+"),
        ("enter", "EPERM", "2+"),
        ("enter", "EINTR", "3+2"),
        ("enter", "EAGAIN", "3+3"),
        ("enter", "EBUSY", "4"),
        ("enter", "ENOMEM", "3+"),
        ("enter", "EINTR", "4+"),
        ("enter", "EPERM", "5+"),
    ];
    for (call, error, when) in faults {
        let inject = format!("inject=io_uring_{call}:error={error}:when={when}");
        let calls = converse(&format!("{call}-{error}-{when}"), &["-e", &inject], &[]);
        assert!(calls.contains("INJECTED"), "{inject} never happened:\n{calls}");
    }
}
