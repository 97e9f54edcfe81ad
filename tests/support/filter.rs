//! A client in a pipe: what it is fed, what it prints, how it ends.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// What a client that has ended leaves behind.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) status: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) errors: String,
}

impl Left {
    /// What it printed.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// Asserts that all went well, and nothing was complained of.
    pub(crate) fn fine(self) -> Left {
        let head = String::from_utf8_lossy(&self.out[..self.out.len().min(1000)]);
        assert_eq!((self.status, self.errors.as_str()), (Some(0), ""), "{head:?}");
        self
    }

    /// Asserts that it failed with one line, which contains these words.
    pub(crate) fn failed(self, words: &[&str]) -> Left {
        assert_eq!(self.status, Some(1), "{self:?}");
        let lines: Vec<&str> = self.errors.lines().collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        for word in words {
            assert!(lines[0].contains(word), "{word:?} is not in {:?}", lines[0]);
        }
        self
    }
}

/// `cooee` with these words, its standard streams piped.
pub(crate) fn start(words: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cooee"))
        .args(words)
        .env_remove("RUST_LOG")
        .env("RES_OPTIONS", "timeout:1 attempts:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cooee starts")
}

/// Waits for a child's end, but no longer than `patience`; then it is killed, and there is `None`.
pub(crate) fn output_within(patience: Duration, child: Child) -> Option<Output> {
    let pid = Pid::from_child(&child);
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(patience) else {
        let _ = kill_process(pid, Signal::KILL);
        return None;
    };
    Some(output.expect("a child"))
}

/// Waits for its end, but not for ever.
pub(crate) fn end(child: Child) -> Left {
    let output = output_within(PATIENCE, child).expect("a client that ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Left { status: output.status.code(), out: output.stdout, errors }
}

/// `cooee` with these words, fed with `input` and then the end.
pub(crate) fn cooee(words: &[&str], input: impl AsRef<[u8]>) -> Left {
    let mut child = start(words);
    let mut pipe = child.stdin.take().unwrap();
    let input = input.as_ref().to_vec();
    // A client that has ended reads no more.
    thread::spawn(move || pipe.write_all(&input));
    end(child)
}
