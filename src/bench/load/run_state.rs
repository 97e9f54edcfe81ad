//! The state that all workloads have in common: the phase of the run, when to give up, what to
//! record.
//!
//! A run opens its connections, warms up, measures, and waits for the last answers. It ends
//! early if an answer is wrong, or if nothing has worked for as long as the timeout.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::plan::RunPlan;
use super::schedule::Schedule;
use super::stages::Stages;
use super::supervision::Supervision;
use crate::bench::measure::abort::Abort;
use crate::bench::measure::fault::Fault;
use crate::bench::measure::recorder::Sample;
use crate::engine::{Net, Peer, Reason, Time};
use crate::reactor::{Watch, wall};

pub(super) use crate::bench::measure::phase::RunPhase;

/// The phase is checked at least this often.
const LOOK: Duration = Duration::from_millis(20);

/// A target that has refused everything for so long when the window ends is gone.
const GONE: Duration = Duration::from_millis(100);

/// Since when nothing works, and what happened last, and when: while nothing is asked, silence is
/// no proof.
#[derive(Clone, Copy)]
struct Trouble {
    since: Time,
    latest: Time,
    fault: Fault,
}

/// The state of a run, whatever its workload is.
pub(crate) struct RunState {
    pub(super) plan: Arc<RunPlan>,
    pub(super) watch: Watch,
    stages: Stages,
    pub(super) phase: RunPhase,
    /// When requests are due; `None`: a closed loop.
    pub(super) schedule: Option<Schedule>,
    /// This thread's share of the connections, and which thread it is.
    pub(super) connections: usize,
    pub(super) thread: usize,
    from: Time,
    to: Time,
    trouble: Option<Trouble>,
    /// What has failed over TLS, in words.
    failure: Option<String>,
    has_worked: bool,
    looked: Time,
    /// When the phase was checked last.
    checked: Time,
    /// The most connections that were open at once so far, and since when. Before the first, since
    /// when they are being made.
    reached: usize,
    reached_at: Option<Time>,
    abort: Option<Abort>,
    supervision: Supervision,
}

impl RunState {
    pub(crate) fn new(
        plan: &Arc<RunPlan>,
        watch: Watch,
        thread: usize,
        supervision: Supervision,
    ) -> RunState {
        RunState {
            stages: Stages::new(plan),
            plan: Arc::clone(plan),
            watch,
            phase: RunPhase::Opening,
            schedule: None,
            connections: plan.share(plan.connections, thread),
            thread,
            from: Time::NEVER,
            to: Time::NEVER,
            trouble: None,
            failure: None,
            has_worked: false,
            looked: Time::ZERO,
            checked: Time::ZERO,
            reached: 0,
            reached_at: None,
            abort: None,
            supervision,
        }
    }

    /// Everything is in place: the warm-up begins. With `--start-at` it lasts until then.
    pub(super) fn begin(&mut self, now: Time) {
        self.enter(RunPhase::Warming);
        self.from = now.after(self.plan.warmup);
        if let Some(start) = self.plan.start_at {
            let early = start.saturating_sub(wall()).saturating_sub(self.plan.warmup);
            if early.is_zero() {
                let what = "the connections were not open in time for --start-at";
                self.end(Abort::Short(what.into()), now);
                return;
            }
            self.from = self.from.after(early);
        }
        self.to = self.stages.begin(&self.plan, self.from);
        self.schedule = self.stages.schedule(&self.plan, now, self.thread);
        self.advance(now);
    }

    fn enter(&mut self, phase: RunPhase) {
        self.phase = phase;
        match phase {
            RunPhase::Opening | RunPhase::Warming => {}
            RunPhase::Measuring => self.supervision.meter.begin(),
            RunPhase::Draining | RunPhase::Done => self.supervision.meter.end(),
        }
    }

    /// Enters the phase that is due at `now`, and gives up if nothing works.
    pub(super) fn advance(&mut self, now: Time) {
        if self.supervision.stop.load(Ordering::Relaxed) {
            self.end(Abort::Interrupted, now);
        }
        if self.phase == RunPhase::Done {
            return;
        }
        self.note_check(now);
        self.advance_opening(now);
        if self.phase == RunPhase::Warming && now >= self.from {
            self.enter(RunPhase::Measuring);
        }
        self.advance_window(now);
        if self.phase == RunPhase::Draining
            && now >= self.to.after(self.plan.timeout.saturating_add(2 * LOOK))
        {
            self.done(now);
        }
        if let Some(trouble) = self.trouble
            && self.phase != RunPhase::Draining
            && trouble.latest.since(trouble.since) >= self.plan.timeout
        {
            self.give_up(trouble.fault, now);
        }
        self.supervision.tick(self.phase, now);
    }

    /// Goes on to the next stage, or ends the window, when that is due.
    fn advance_window(&mut self, now: Time) {
        if self.phase != RunPhase::Measuring {
            return;
        }
        while self.stages.advance(now) {
            self.supervision.meter.next();
        }
        if self.supervision.is_count_done() {
            self.to = now;
            self.enter(RunPhase::Draining);
        } else if now >= self.to {
            if let Some(trouble) = self.trouble
                && trouble.fault == Fault::Refused
                && self.to.since(trouble.since) >= GONE
            {
                return self.give_up(trouble.fault, now);
            }
            self.enter(RunPhase::Draining);
            if let Some(schedule) = &mut self.schedule {
                self.stages.note_unsent(schedule);
            }
        }
    }

    fn note_check(&mut self, now: Time) {
        if self.phase == RunPhase::Measuring {
            self.stages.note_gap(now.since(self.checked));
        }
        self.checked = now;
    }

    /// Gives up if no further connection was made within the timeout, whatever the reason. Dials
    /// time out by themselves, so this waits a little longer.
    fn advance_opening(&mut self, now: Time) {
        let since = *self.reached_at.get_or_insert(now);
        if self.phase == RunPhase::Opening
            && now.since(since) >= self.plan.timeout.saturating_add(2 * LOOK)
        {
            let fault = self.trouble.map_or(Fault::ConnectTimeout, |trouble| trouble.fault);
            self.give_up(fault, now);
        }
    }

    /// Notes how many connections are open. Only a new maximum is progress: a server may accept
    /// and close the same one over and over.
    pub(super) fn note_open(&mut self, open: usize, now: Time) {
        if open > self.reached {
            (self.reached, self.reached_at) = (open, Some(now));
            self.trouble = None;
        }
    }

    /// Whether it is time to look at all connections: not at every alarm, which may be for a single
    /// request.
    pub(super) fn looks_at_all(&mut self, now: Time) -> bool {
        let is_time = now.since(self.looked) >= LOOK / 2 || self.phase == RunPhase::Draining;
        if is_time {
            self.looked = now;
        }
        is_time
    }

    /// Whether a closed loop may go on asking at `now`.
    pub(super) fn may_ask(&self, now: Time) -> bool {
        matches!(self.phase, RunPhase::Warming | RunPhase::Measuring) && now < self.to
    }

    /// The intended time of a request that may be sent now, if there is one.
    pub(super) fn next_due(&mut self, now: Time) -> Option<Time> {
        if self.supervision.is_count_done() {
            return None;
        }
        let due = match &mut self.schedule {
            None => self.may_ask(now).then_some(now),
            // What was due before the end may still be sent by whoever wakes up at the end.
            Some(schedule) if self.phase < RunPhase::Draining && schedule.next() < self.to => {
                schedule.take(now)
            }
            Some(_) => None,
        }?;
        (due < self.from || self.supervision.take_one()).then_some(due)
    }

    /// Counts what was due at `due`, and is sent.
    pub(super) fn note_sent(&mut self, due: Time) {
        self.stages.at(due).note_sent(due);
    }

    /// Asks to be woken when the next request is due.
    pub(super) fn wake_when_due(&self, net: &mut Net) {
        if let Some(schedule) = &self.schedule
            && self.phase < RunPhase::Draining
            && schedule.next() < self.to
        {
            net.wake_at(schedule.next());
        }
    }

    /// Counts a datagram that was due at `due`, and is lost.
    pub(super) fn note_lost(&mut self, due: Time) {
        let recorder = self.stages.at(due);
        recorder.lost += u64::from(recorder.counts(due));
    }

    /// Records how late a request was sent although a connection was free: the delay is the
    /// generator's.
    pub(super) fn note_slip(&mut self, due: Time, now: Time) {
        let recorder = self.stages.at(due);
        if recorder.counts(due) {
            recorder.slip.saturating_record(now.nanos_since(due));
        }
    }

    pub(super) fn record(&mut self, sample: &Sample) {
        self.stages.record(sample);
        self.supervision.note(sample);
        self.trouble = None;
        self.has_worked = true;
    }

    /// A part of an operation took from `began` to `ended`.
    pub(super) fn record_phase(&mut self, phase: usize, began: Time, ended: Time) {
        self.stages.at(began).record_phase(phase, began, ended);
    }

    /// Operations within the window so far.
    pub(super) fn operations(&self) -> u64 {
        self.stages.operations()
    }

    /// Whether anything has ever worked.
    pub(super) fn has_worked(&self) -> bool {
        self.has_worked
    }

    /// Something works, although no operation was completed.
    pub(super) fn note_progress(&mut self) {
        self.trouble = None;
    }

    pub(super) fn fault(&mut self, fault: Fault, count: u64, now: Time) {
        if self.phase == RunPhase::Done || count == 0 {
            return;
        }
        self.stages.at(now).fault(fault, count, now);
        if fault.is_failure() {
            self.supervision.note_failures(count);
            let since = self.trouble.map_or(now, |trouble| trouble.since);
            self.trouble = Some(Trouble { since, latest: now, fault });
            let hopeless = match fault {
                Fault::Refused => true,
                // A short backlog drops calls as long as many come; others have been answered.
                Fault::ConnectTimeout => self.reached == 0,
                _ => false,
            };
            if hopeless && !self.has_worked {
                self.give_up(fault, now);
            }
        }
    }

    /// A dial has failed, or a connection has ended with `owed` answers outstanding.
    pub(super) fn lost(
        &mut self,
        was_open: bool,
        owed: usize,
        reason: Reason,
        net: &Net<'_>,
        now: Time,
    ) {
        if owed == 0 && self.phase >= RunPhase::Draining {
            return;
        }
        let failure = net.failure().map(|failure| format!("{reason}: {failure}"));
        self.failure = self.failure.take().or(failure);
        let (judge, before) = (if was_open { Fault::of_end } else { Fault::of_dial }, self.trouble);
        self.fault(judge(reason), owed.max(1) as u64, now);
        if was_open && owed == 0 && self.schedule.is_some() {
            // Nothing was due: servers close what is idle, and answer who calls again.
            self.trouble = before;
        }
    }

    /// An answer was wrong: nothing after it can be trusted, and the run ends.
    pub(super) fn wrong(&mut self, what: String, now: Time) {
        if self.phase != RunPhase::Done {
            self.stages.at(now).fault(Fault::Wrong, 1, now);
            self.end(Abort::Wrong(what), now);
        }
    }

    fn give_up(&mut self, fault: Fault, now: Time) {
        let what = self.failure.take().unwrap_or_else(|| fault.words().to_string());
        let abort = match (self.has_worked, self.phase, self.reached) {
            (true, ..) => Abort::Vanished(what),
            (false, RunPhase::Opening, 1..) => {
                let (reached, all) = (self.reached, self.connections);
                Abort::Short(format!("only {reached} of {all} connections were made: {what}"))
            }
            (false, ..) => Abort::Failed(what),
        };
        self.end(abort, now);
    }

    /// Ends the run before its time.
    pub(super) fn end(&mut self, abort: Abort, now: Time) {
        if self.phase != RunPhase::Done {
            self.abort.get_or_insert(abort);
            self.done(now);
        }
    }

    /// Ends the run, and hands over what was measured.
    pub(super) fn done(&mut self, now: Time) {
        self.to = match self.supervision.is_count_done() {
            // What became of the last one ends the window, and not when that was noticed.
            true => self.stages.last_resolved().min(now),
            false => self.to.min(now),
        };
        self.enter(RunPhase::Done);
        self.supervision.tick(self.phase, now);
        let stages = self.stages.finish(self.to);
        self.supervision.hand_over(stages, self.abort.take(), now);
    }

    /// When the window begins.
    pub(super) fn from(&self) -> Time {
        self.from
    }

    /// Asks to be woken for whatever comes next.
    pub(super) fn wake(&self, net: &mut Net, now: Time) {
        net.wake_at(now.after(LOOK));
        if let Some(ticker) = &self.supervision.ticker {
            net.wake_at(ticker.next());
        }
        match self.phase {
            RunPhase::Warming => net.wake_at(self.from),
            // What each stage uses is read off when it ends.
            RunPhase::Measuring => net.wake_at(self.stages.end()),
            RunPhase::Opening | RunPhase::Draining | RunPhase::Done => {}
        }
    }

    /// Dials the target from the next source address. `None`: all slots are taken, which the budget
    /// excludes.
    pub(super) fn dial(&self, net: &mut Net, id: u64) -> Option<Peer> {
        net.dial_with(self.plan.dial(id))
    }
}

#[cfg(test)]
mod tests {
    use super::super::workload::Workload;
    use super::*;

    #[test]
    fn a_call_in_vain_is_the_end_unless_others_have_been_answered() {
        for (open, fault, is_over) in [
            (0, Fault::ConnectTimeout, true),
            (1, Fault::ConnectTimeout, false),
            (1, Fault::Refused, true),
        ] {
            let plan = Arc::new(RunPlan::example(Workload::TcpRr));
            let mut run = RunState::new(&plan, Watch::start(), 0, Supervision::example());
            let now = run.watch.now();
            run.note_open(open, now);
            run.fault(fault, 1, now);
            assert_eq!(run.phase == RunPhase::Done, is_over, "{open} open, then {fault:?}");
            // But if it goes on like that, it is.
            run.fault(fault, 1, now.after(plan.timeout));
            run.advance(now.after(plan.timeout));
            assert_eq!(run.phase, RunPhase::Done);
        }
    }
}
