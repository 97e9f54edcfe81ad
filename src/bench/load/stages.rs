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

impl StageRecord {
    /// One of which nobody knows yet when it begins.
    fn new(recorder: Recorder) -> StageRecord {
        let (from, to, stood_still) = (Time::NEVER, Time::NEVER, Duration::ZERO);
        StageRecord { from, to, recorder, stood_still }
    }
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
        let (is_open, phases) = (plan.rate.is_some(), plan.phases());
        let recorder = |duration| match plan.count {
            Some(_) => Recorder::of_any_length(is_open, &phases),
            None => Recorder::new(duration, is_open, &phases),
        };
        let stages = plan.stages();
        let records = stages.iter().map(|stage| StageRecord::new(recorder(stage.duration)));
        let all = records.collect();
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

    /// When the one under way ends.
    pub(super) fn end(&self) -> Time {
        self.all[self.current].to
    }

    /// The stage that `time` is in; before the first, the first, and after the last, the last.
    fn index(&self, time: Time) -> usize {
        if self.all.len() == 1 {
            return 0;
        }
        self.all.partition_point(|stage| stage.from <= time).saturating_sub(1)
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

    /// When the latest operation ended, or failed.
    pub(super) fn last_resolved(&self) -> Time {
        self.all[self.current].recorder.last_resolved()
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
        self.all = vec![StageRecord::new(Recorder::unused())];
        self.current = 0;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Stage;
    use super::super::workload::Workload;
    use super::*;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    /// Two stages, of a second from 1 s on and of two seconds behind it.
    fn two() -> Stages {
        let stage = |seconds| Stage { duration: Duration::from_secs(seconds), rate: Some(1.0) };
        let profile = vec![stage(1), stage(2)];
        let plan = RunPlan { rate: Some(1.0), profile, ..RunPlan::example(Workload::TcpRr) };
        let mut stages = Stages::new(&plan);
        assert_eq!(stages.begin(&plan, at(1000)), at(4000));
        stages
    }

    #[test]
    fn a_stage_is_from_its_beginning_on_and_before_its_end() {
        let mut stages = two();
        let indices = [0, 1000, 1999, 2000, 3999, 9000].map(|millis| stages.index(at(millis)));
        assert_eq!(indices, [0, 0, 0, 1, 1, 1]);
        assert_eq!((stages.advance(at(1999)), stages.end()), (false, at(2000)));
        assert_eq!((stages.advance(at(2000)), stages.end()), (true, at(4000)));
        assert!(!stages.advance(at(9000)), "there is none behind the last");
    }

    #[test]
    fn what_is_asked_in_one_stage_and_ends_in_the_next_is_of_the_first_and_ends_a_silence_of_both()
    {
        let mut stages = two();
        let (intended, done) = (at(1900), at(2500));
        stages.record(&Sample { intended, sent: intended, done, bytes: 1 });
        let all = stages.finish(at(4000));
        let told = all.iter().map(|stage| (stage.recorder.operations, stage.recorder.silence()));
        let (second, more) = (Duration::from_secs(1), Duration::from_millis(1500));
        assert_eq!(told.collect::<Vec<_>>(), [(1, second), (0, more)]);
    }

    #[test]
    fn a_run_that_ends_early_has_the_stages_that_have_begun_and_the_first_in_any_case() {
        for (end, lengths) in [(500, vec![]), (1500, vec![500]), (2500, vec![1000, 500])] {
            let all = two().finish(at(end));
            let measured = all.iter().map(|stage| stage.to.since(stage.from).as_millis());
            let measured: Vec<u128> = measured.filter(|length| *length > 0).collect();
            assert_eq!((measured, all.len()), (lengths.clone(), lengths.len().max(1)));
        }
    }
}
