//! Lines of a child's output, read by a thread so that the child never waits for its tests.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use super::PATIENCE;

/// The lines that have come and have not been taken.
pub(crate) struct Lines {
    name: &'static str,
    receiver: Receiver<String>,
    waiting: Vec<String>,
    taken: Vec<String>,
}

impl Lines {
    /// Reads lines from `source` until its end.
    pub(crate) fn of(name: &'static str, source: impl Read + Send + 'static) -> Lines {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line);
                if sender.send(text.trim_end_matches('\n').to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Lines { name, receiver, waiting: Vec::new(), taken: Vec::new() }
    }

    /// Takes the first line that contains `text`, waiting for it if it has not come; the others
    /// stay.
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        let mut looked_at = 0;
        loop {
            if let Some(found) = self.waiting[looked_at..].iter().position(|l| l.contains(text)) {
                return self.take(looked_at + found);
            }
            looked_at = self.waiting.len();
            if !self.receive() {
                panic!("{} ended without {text:?}", self.name);
            }
        }
    }

    /// Takes the next line, waiting for it if none has come.
    pub(crate) fn next_line(&mut self) -> String {
        if self.waiting.is_empty() {
            assert!(self.receive(), "{} has no next line: it ended", self.name);
        }
        self.take(0)
    }

    /// Takes all that have not been taken, waiting for the end.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        while self.receive() {}
        let rest = std::mem::take(&mut self.waiting);
        self.taken.extend(rest.iter().cloned());
        rest
    }

    /// How many of the lines that have come so far contain `text`, taken or not.
    pub(crate) fn count(&mut self, text: &str) -> usize {
        self.waiting.extend(self.receiver.try_iter());
        self.taken.iter().chain(&self.waiting).filter(|line| line.contains(text)).count()
    }

    /// All that has come, which is what a failed test prints.
    pub(crate) fn all(&mut self) -> Vec<String> {
        self.waiting.extend(self.receiver.try_iter());
        self.taken.iter().chain(&self.waiting).cloned().collect()
    }

    fn take(&mut self, index: usize) -> String {
        let line = self.waiting.remove(index);
        self.taken.push(line.clone());
        line
    }

    /// Waits for one more line. False: there will be none.
    fn receive(&mut self) -> bool {
        match self.receiver.recv_timeout(PATIENCE) {
            Ok(line) => self.waiting.push(line),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("{} stays silent", self.name),
        }
        true
    }
}
