//! The connection between the load of a thread and its worker: what the one is told, what the other
//! is handed over.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::stages::StageRecord;
use crate::bench::measure::abort::Abort;
use crate::bench::measure::measurement::ThreadResult;
use crate::bench::measure::phase::RunPhase;
use crate::bench::measure::recorder::Sample;
use crate::bench::measure::ticker::Ticker;
use crate::bench::measure::usage::{StageUsage, UsageMeter};
use crate::engine::Time;
use crate::reactor::wall;

/// The connection between the load of a thread and its worker.
pub(crate) struct Supervision {
    /// Set to end the run before its time.
    pub(crate) stop: Arc<AtomicBool>,
    /// Tells whoever watches what happens, if somebody does.
    pub(crate) ticker: Option<Ticker>,
    /// How many operations of the window all threads are still to begin, if they are counted.
    pub(crate) left: Option<Arc<AtomicUsize>>,
    /// Measures CPU time and memory within the window.
    pub(crate) meter: UsageMeter,
    /// Receives the results when the run is over: one for each stage that has begun.
    pub(crate) results: Rc<OnceCell<Vec<ThreadResult>>>,
}

impl Supervision {
    /// Of a run that nobody watches.
    #[cfg(test)]
    pub(super) fn example() -> Supervision {
        Supervision {
            stop: Arc::default(),
            ticker: None,
            left: None,
            meter: UsageMeter::new(None),
            results: Rc::default(),
        }
    }

    /// Whether as many operations have been begun as are counted.
    pub(super) fn is_count_done(&self) -> bool {
        self.left.as_ref().is_some_and(|left| left.load(Ordering::Relaxed) == 0)
    }

    /// Takes one of the operations that are counted. False: another thread has begun the last one.
    pub(super) fn take_one(&mut self) -> bool {
        let Some(left) = &self.left else { return true };
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Has the ticker, if there is one, hand over what is due.
    pub(super) fn tick(&mut self, phase: RunPhase, now: Time) {
        if let Some(ticker) = &mut self.ticker {
            ticker.advance(phase, now);
        }
    }

    /// An operation is over.
    pub(super) fn note(&mut self, sample: &Sample) {
        if let Some(ticker) = &mut self.ticker {
            ticker.note(sample);
        }
    }

    /// Something has failed, `count` times.
    pub(super) fn note_failures(&mut self, count: u64) {
        if let Some(ticker) = &mut self.ticker {
            ticker.note_failures(count);
        }
    }

    /// The run is over at `now`, in the last of those stages because of `abort`.
    pub(super) fn hand_over(&mut self, stages: Vec<StageRecord>, abort: Option<Abort>, now: Time) {
        let used = std::mem::take(&mut self.meter.stages);
        let used = used.into_iter().chain(std::iter::repeat(StageUsage::default()));
        let result = |(stage, used)| result_of(stage, used, now);
        let mut results: Vec<ThreadResult> = stages.into_iter().zip(used).map(result).collect();
        if let Some(last) = results.last_mut() {
            last.abort = abort;
        }
        let handed_over = self.results.set(results);
        debug_assert!(handed_over.is_ok(), "a run ends once");
    }
}

fn result_of(stage: StageRecord, used: StageUsage, now: Time) -> ThreadResult {
    let has_begun = stage.from <= now;
    ThreadResult {
        measured: if has_begun { stage.to.since(stage.from) } else { Duration::ZERO },
        elapsed: now.since(Time::ZERO),
        abort: None,
        recorder: stage.recorder,
        usage: used.thread,
        server: used.server,
        resident: used.resident,
        measured_from: has_begun.then(|| wall().saturating_sub(now.since(stage.from))),
        stood_still: stage.stood_still,
    }
}
