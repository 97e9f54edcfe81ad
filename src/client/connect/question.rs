//! One question at a time over UDP: asked again if no answer comes, given up in the end. What
//! counts as the answer, and what is a late duplicate, is up to the front end.

use std::time::Duration;

use super::connection::ServerConnection;
use super::diagnosis;
use crate::engine::{Net, Time};

/// How long an answer is waited for, and how often a question is asked again.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// How long one answer may take.
    pub timeout: Duration,
    /// How often a question that was not answered is asked again.
    pub retries: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy { timeout: Duration::from_secs(2), retries: 2 }
    }
}

/// What has become of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// There is none, or it still has time.
    On,
    /// It was asked for the last time, and the time is up.
    Over,
}

/// The question that waits for its answer.
pub(crate) struct Question {
    retry: RetryPolicy,
    pending: Option<Vec<u8>>,
    tries: u32,
    due: Time,
}

impl Question {
    pub(crate) fn new(retry: RetryPolicy) -> Question {
        Question { retry, pending: None, tries: 0, due: Time::NEVER }
    }

    /// What has been asked and not been answered yet.
    pub(crate) fn pending(&self) -> Option<&[u8]> {
        self.pending.as_deref()
    }

    /// Asks.
    pub(crate) fn ask(&mut self, bytes: &[u8], connection: &mut ServerConnection, net: &mut Net) {
        self.pending = Some(bytes.to_vec());
        self.tries = 0;
        self.ask_again(connection, net);
    }

    /// Asks what has not been answered as if for the first time: at another address.
    pub(crate) fn ask_anew(&mut self, connection: &mut ServerConnection, net: &mut Net) {
        self.tries = 0;
        self.ask_again(connection, net);
    }

    /// How often it has been asked.
    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }

    /// Asks once more.
    pub(crate) fn ask_again(&mut self, connection: &mut ServerConnection, net: &mut Net) {
        let Some(bytes) = &self.pending else { return };
        self.tries += 1;
        self.due = net.now().after(self.retry.timeout);
        net.wake_at(self.due);
        connection.send(bytes, net);
    }

    /// The answer has come.
    pub(crate) fn answered(&mut self) -> Option<Vec<u8>> {
        self.pending.take()
    }

    /// To be called from `alarm`.
    pub(crate) fn alarm(&mut self, connection: &mut ServerConnection, net: &mut Net) -> Wait {
        if self.pending.is_none() {
            return Wait::On;
        }
        if self.due > net.now() {
            net.wake_at(self.due);
        } else if self.tries > self.retry.retries {
            return Wait::Over;
        } else {
            log::debug!("no answer within {:?}; asking again", self.retry.timeout);
            self.ask_again(connection, net);
        }
        Wait::On
    }

    /// Why a question was given up.
    pub(crate) fn silence(&self) -> String {
        let RetryPolicy { timeout, .. } = self.retry;
        let often = match self.tries {
            1 => "asked once".into(),
            tries => format!("asked {tries} times"),
        };
        format!("no answer within {timeout:?}, {often}")
    }

    /// The line for a question that was given up.
    pub(crate) fn given_up(&self, connection: &ServerConnection) -> String {
        connection.complaint(&format!("{}: {}", self.silence(), diagnosis::SILENT))
    }
}
