//! What a run has found: by each thread, by all of them, and by several runs of the same plan.

use std::time::Duration;

use super::abort::Abort;
use super::interference::Interference;
use super::recorder::Recorder;
use super::usage::Usage;

/// What one thread has found.
pub(crate) struct ThreadResult {
    /// All that it recorded.
    pub(crate) recorder: Recorder,
    /// Why it ended before its time, if it did.
    pub(crate) abort: Option<Abort>,
    /// How long it measured.
    pub(crate) measured: Duration,
    /// How long it took, from before the first call on.
    pub(crate) elapsed: Duration,
    /// What it used meanwhile.
    pub(crate) usage: Usage,
    /// What the server used meanwhile, if this thread has looked.
    pub(crate) server: Option<Usage>,
    /// Bytes of memory of the server at the end of the window, if this thread has looked.
    pub(crate) resident: Option<u64>,
    /// When the window began: since 1970-01-01 00:00 UTC. `None`: it never did.
    pub(crate) measured_from: Option<Duration>,
    /// The longest time within the window in which this thread did nothing at all, not even look
    /// at its clock.
    pub(crate) stood_still: Duration,
}

/// What a run has found.
pub(crate) struct Measurement {
    /// All that was recorded, by all threads.
    pub(crate) recorder: Recorder,
    /// Why it ended before its time, if it did.
    pub(crate) abort: Option<Abort>,
    /// How long was measured.
    pub(crate) measured: Duration,
    /// How long all took, from before the first call on.
    pub(crate) elapsed: Duration,
    /// What each thread used meanwhile.
    pub(crate) threads: Vec<Usage>,
    /// What the server used meanwhile, if its process is known.
    pub(crate) server: Option<Usage>,
    /// Bytes of memory of the server, before the first connection and at the end of the window.
    pub(crate) resident: Option<(u64, u64)>,
    /// The longest time in which no operation ended.
    pub(crate) silence: Duration,
    /// What disturbed it.
    pub(crate) interference: Interference,
    /// When the window began: since 1970-01-01 00:00 UTC. `None`: it never did.
    pub(crate) measured_from: Option<Duration>,
    /// When it was begun: since 1970-01-01 00:00 UTC.
    pub(crate) began: Duration,
}

impl Measurement {
    /// What the first thread has found, which is the one that looks at the server.
    /// `resident_before`: the server's memory before the first connection.
    pub(crate) fn of_first(first: ThreadResult, resident_before: Option<u64>) -> Measurement {
        Measurement {
            silence: first.recorder.silence(),
            recorder: first.recorder,
            abort: first.abort,
            measured: first.measured,
            elapsed: first.elapsed,
            threads: vec![first.usage],
            server: first.server,
            resident: resident_before.zip(first.resident),
            interference: Interference {
                stood_still_s: first.stood_still.as_secs_f64(),
                ..Interference::default()
            },
            measured_from: first.measured_from,
            began: Duration::ZERO,
        }
    }

    /// Adds what another thread of the same run has found.
    pub(crate) fn add_thread(&mut self, other: ThreadResult) {
        // What one thread did not see, another may have.
        self.silence = self.silence.min(other.recorder.silence());
        self.recorder.merge(&other.recorder);
        self.threads.push(other.usage);
        let stood_still = &mut self.interference.stood_still_s;
        *stood_still = stood_still.max(other.stood_still.as_secs_f64());
        self.measured = self.measured.max(other.measured);
        self.elapsed = self.elapsed.max(other.elapsed);
        let severity = |abort: &Option<Abort>| abort.as_ref().map_or(0, Abort::severity);
        if severity(&other.abort) > severity(&self.abort) {
            self.abort = other.abort;
        }
    }

    /// This run and another of the same plan.
    pub(crate) fn and(mut self, other: Measurement) -> Measurement {
        self.recorder.merge(&other.recorder);
        self.measured += other.measured;
        self.elapsed += other.elapsed;
        self.silence = self.silence.max(other.silence);
        for (mine, theirs) in self.threads.iter_mut().zip(other.threads) {
            *mine = mine.and(theirs);
        }
        self.server = self.server.zip(other.server).map(|(mine, theirs)| mine.and(theirs));
        self.abort = self.abort.or(other.abort);
        self.interference = self.interference.and(other.interference);
        self
    }
}
