//! What is recorded of the stages of a run, of which there is mostly one.

use std::time::Duration;

use super::plan::RunPlan;
use super::schedule::Schedule;
use crate::bench::measure::fault::Fault;
use crate::bench::measure::recorder::{Recorder, Sample};
use crate::engine::Time;

/// One stage, from its beginning on and before its end.
pub(super) struct StageRecord {
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) recorder: Recorder,
    /// The longest time between two looks at the clock.
    pub(super) stood_still: Duration,
}

/// All stages, one after the other. What belongs to a stage is what was meant to begin in it,
/// however late it ends.
pub(super) struct Stages {
    all: Vec<StageRecord>,
    /// Which one is under way.
    current: usize,
}

impl Stages {
    /// Those of a plan. When they begin is not known yet, and nothing counts until it is.
    pub(super) fn new(plan: &RunPlan) -> Stages {
        let (is_open, phases) = (plan.rate.is_some(), plan.workload.phases());
        let record = |duration| StageRecord {
            from: Time::NEVER,
            to: Time::NEVER,
            recorder: match plan.count {
                Some(_) => Recorder::of_any_length(is_open, phases),
                None => Recorder::new(duration, is_open, phases),
            },
            stood_still: Duration::ZERO,
        };
        let all = plan.stages().iter().map(|stage| record(stage.duration)).collect();
        Stages { all, current: 0 }
    }

    /// The first one begins at `from`; when the last one ends.
    pub(super) fn begin(&mut self, plan: &RunPlan, from: Time) -> Time {
        let mut from = from;
        for (record, stage) in self.all.iter_mut().zip(plan.stages()) {
            (record.from, record.to) = (from, from.after(stage.duration));
            record.recorder.begin(record.from, record.to);
            from = record.to;
        }
        from
    }

    /// When requests are due, from `begin` on at the rate of the first stage. `None`: it is a
    /// closed loop. `thread` of so many `threads` takes turns with the others.
    #[allow(clippy::cast_precision_loss)] // a handful of threads
    pub(super) fn schedule(&self, plan: &RunPlan, begin: Time, thread: usize) -> Option<Schedule> {
        let threads = plan.threads as f64;
        let rates: Option<Vec<f64>> = plan.stages().iter().map(|stage| stage.rate).collect();
        let begins = self.all.iter().enumerate();
        let begins = begins.map(|(index, stage)| if index == 0 { begin } else { stage.from });
        let stages: Vec<(Time, f64)> =
            begins.zip(rates?.iter().map(|rate| rate / threads)).collect();
        Some(Schedule::of_stages(&stages, thread as f64 / threads))
    }

    /// Goes on to the stage of `now`. False: it is under way already.
    pub(super) fn advance(&mut self, now: Time) -> bool {
        let is_over = now >= self.all[self.current].to && self.current + 1 < self.all.len();
        self.current += usize::from(is_over);
        is_over
    }

    /// The stage that `time` is in; before the first, the first, and after the last, the last.
    fn index(&self, time: Time) -> usize {
        if self.all.len() == 1 {
            return 0;
        }
        let later = self.all.iter().take_while(|stage| stage.from <= time).count();
        later.saturating_sub(1)
    }

    /// What is recorded of the stage that `time` is in.
    pub(super) fn at(&mut self, time: Time) -> &mut Recorder {
        let index = self.index(time);
        &mut self.all[index].recorder
    }

    /// An operation is over.
    pub(super) fn record(&mut self, sample: &Sample) {
        let (asked, done) = (self.index(sample.intended), self.index(sample.done));
        self.all[asked].recorder.record(sample);
        if asked != done {
            self.all[done].recorder.note_done(sample.done);
        }
    }

    /// A look at the clock, so long after the one before.
    pub(super) fn note_gap(&mut self, gap: Duration) {
        let stood_still = &mut self.all[self.current].stood_still;
        *stood_still = (*stood_still).max(gap);
    }

    /// Counts the requests that were due and that `schedule` still has.
    pub(super) fn note_unsent(&mut self, schedule: &mut Schedule) {
        for stage in &mut self.all {
            schedule.skip(stage.from);
            stage.recorder.faults.add(Fault::Unsent, schedule.skip(stage.to));
        }
    }

    /// Operations within the window so far.
    pub(super) fn operations(&self) -> u64 {
        self.all.iter().map(|stage| stage.recorder.operations).sum()
    }

    /// When the latest operation ended.
    pub(super) fn last_done(&self) -> Time {
        self.all[self.current].recorder.last_done()
    }

    /// What was recorded of those that began before `end`, and of the first in any case.
    pub(super) fn finish(&mut self, end: Time) -> Vec<StageRecord> {
        let mut all = std::mem::take(&mut self.all);
        let begun = all.iter().take_while(|stage| stage.from < end).count();
        all.truncate(begun.max(1));
        for stage in &mut all {
            stage.to = stage.to.min(end);
            stage.recorder.finish(end);
        }
        // What comes now is not recorded.
        self.all = vec![StageRecord {
            from: Time::NEVER,
            to: Time::NEVER,
            recorder: Recorder::unused(),
            stood_still: Duration::ZERO,
        }];
        self.current = 0;
        all
    }
}
