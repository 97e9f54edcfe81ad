//! What is to be measured, checked and complete. Where it comes from is the business of `args`.

use std::net::IpAddr;
use std::time::Duration;

use super::placement::Pinning;
use super::run_id::RunId;
use super::workload::Workload;
use crate::engine::{Dial, Kind, Location};
use crate::through::Through;

/// How the generator ends its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Closing {
    /// In order; TIME_WAIT stays on this side for a minute, and takes a port.
    Fin,
    /// By a reset; nothing stays.
    Rst,
}

impl Closing {
    /// Its name in JSON and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Closing::Fin => "fin",
            Closing::Rst => "rst",
        }
    }
}

/// A part of a run, with a rate of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    /// How long it lasts.
    pub(crate) duration: Duration,
    /// Requests a second over all threads, 0 for a rest; `None`: a closed loop.
    pub(crate) rate: Option<f64>,
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct RunPlan {
    /// Which run this is; each has its own.
    pub(crate) id: RunId,
    /// What is done.
    pub(crate) workload: Workload,
    /// Against whom.
    pub(crate) remote: Location,
    /// Connections at once, over all threads.
    pub(crate) connections: usize,
    /// Bytes of a request.
    pub(crate) size: usize,
    /// Requests in flight on each connection.
    pub(crate) depth: usize,
    /// How long is measured; with `count`, at most.
    pub(crate) duration: Duration,
    /// How many operations are measured; `None`: as many as there are within `duration`.
    pub(crate) count: Option<usize>,
    /// How long is run before that.
    pub(crate) warmup: Duration,
    /// Requests a second over all threads, the most that a profile asks for; `None`: a closed loop.
    pub(crate) rate: Option<f64>,
    /// What `duration` is made of, each with a rate and a result of its own, over the same
    /// connections; empty: there is one stage.
    pub(crate) profile: Vec<Stage>,
    /// Each with its own loop.
    pub(crate) threads: usize,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// The source addresses of dials, in turns; empty: as the kernel chooses.
    pub(crate) sources: Vec<IpAddr>,
    /// When the window begins: since 1970-01-01 00:00 UTC. `None`: once the warm-up is over.
    pub(crate) start_at: Option<Duration>,
    /// How connections end.
    pub(crate) closing: Closing,
    /// What is put between the sockets and the generator.
    pub(crate) through: Through,
    /// Whether greetings are known to be our own server's default.
    pub(crate) own_greeting: bool,
    /// On which CPUs.
    pub(crate) pinning: Pinning,
}

#[cfg(test)]
impl RunPlan {
    /// One for tests, of ten seconds.
    pub(crate) fn example(workload: Workload) -> RunPlan {
        RunPlan {
            id: RunId::from_random(1),
            workload,
            remote: ([127, 0, 0, 1], 5007).into(),
            connections: 8,
            size: 64,
            depth: 1,
            duration: Duration::from_secs(10),
            warmup: Duration::from_secs(1),
            count: None,
            rate: None,
            profile: Vec::new(),
            threads: 1,
            timeout: Duration::from_secs(2),
            sources: Vec::new(),
            start_at: None,
            closing: Closing::Fin,
            through: Through::default(),
            own_greeting: false,
            pinning: Pinning::Off,
        }
    }
}

impl RunPlan {
    /// The share of `total` that a thread has.
    pub(crate) fn share(&self, total: usize, thread: usize) -> usize {
        total / self.threads + usize::from(thread < total % self.threads)
    }

    /// What of an operation is measured apart: that of the workload, and over TLS how long it
    /// took from the call to the end of the handshake, for either kind of that.
    pub(crate) fn phases(&self) -> Vec<&'static str> {
        let is_told = self.through.is_secured() && self.workload.connects_each_time();
        let handshakes = if is_told { &["full_handshake", "resumed_handshake"][..] } else { &[] };
        [self.workload.phases(), handshakes].concat()
    }

    /// What the window is made of: one stage, unless there is a profile.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        match self.profile.is_empty() {
            true => vec![Stage { duration: self.duration, rate: self.rate }],
            false => self.profile.clone(),
        }
    }

    /// The same with one of its stages only, from 0; itself, if it has no profile.
    pub(crate) fn stage(&self, number: usize) -> RunPlan {
        let mut plan = self.clone();
        if let Some(stage) = self.profile.get(number) {
            (plan.duration, plan.rate) = (stage.duration, stage.rate);
            plan.profile.clear();
        }
        plan
    }

    /// How connection number `id` is dialed.
    #[allow(clippy::cast_possible_truncation)] // a remainder
    pub(crate) fn dial(&self, id: u64) -> Dial {
        let from = match self.sources.len() as u64 {
            0 => None,
            count => Some(self.sources[(id % count) as usize]),
        };
        let kind = match self.workload.is_datagram() {
            true => Kind::Datagram,
            false => Kind::Stream,
        };
        let resets = self.closing == Closing::Rst;
        // It has timeouts of its own.
        let through = self.through.layering();
        Dial { remote: self.remote.clone(), kind, from, resets, keepalive: false, through }
    }

    /// How long to wait after a failed dial, so that a target that refuses is not flooded.
    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(20).min(self.timeout / 4)
    }

    /// `closed` or `open`: who decides when the next request is sent.
    pub(crate) fn model(&self) -> &'static str {
        if self.rate.is_some() { "open" } else { "closed" }
    }
}
