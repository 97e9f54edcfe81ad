//! What all workloads have in common: how far the run is, when to give up, what to record.
//!
//! A run opens its connections, warms up, measures, and waits for the last answers. It ends
//! early if an answer is wrong, or if nothing has worked for as long as the timeout.

use std::sync::Arc;
use std::time::Duration;

use super::plan::Plan;
use super::schedule::Schedule;
use crate::bench::measure::fault::Fault;
use crate::bench::measure::recorder::{Recorder, Sample};
use crate::engine::{Net, Peer, Reason, Service, Time};
use crate::reactor::Watch;

/// The run is looked after at least this often.
const LOOK: Duration = Duration::from_millis(20);

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Connections are being made.
    Opening,
    /// As in the window, but it does not count.
    Warming,
    /// What begins now counts.
    Measuring,
    /// Nothing begins any more; answers that are owed may come.
    Draining,
    /// Over.
    Done,
}

/// Why a run ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// An answer was not what had to come.
    Wrong(String),
    /// Nothing worked any more.
    Vanished(String),
    /// Nothing ever worked.
    Failed(String),
    /// Not all connections could be made.
    Short(String),
    /// Somebody ended it.
    Interrupted,
}

impl Ending {
    /// Whether another run cannot end better.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Ending::Wrong(_) | Ending::Failed(_) | Ending::Short(_) | Ending::Interrupted => true,
            Ending::Vanished(_) => false,
        }
    }
}

/// Since when nothing works, and what happened last.
#[derive(Clone, Copy)]
struct Trouble {
    since: Time,
    fault: Fault,
}

/// A workload: a service that asks.
pub(crate) trait Workload: Service {
    /// What it has in common with the others.
    fn core(&mut self) -> &mut Core;
}

pub(crate) struct Core {
    pub(crate) plan: Arc<Plan>,
    pub(crate) watch: Watch,
    pub(crate) recorder: Recorder,
    pub(crate) stage: Stage,
    pub(crate) ending: Option<Ending>,
    /// When requests are due; `None`: a closed loop.
    pub(super) schedule: Option<Schedule>,
    /// This thread's share of the connections, and which thread it is.
    pub(crate) connections: usize,
    pub(crate) thread: usize,
    from: Time,
    to: Time,
    trouble: Option<Trouble>,
    has_worked: bool,
    looked: Time,
    /// The most connections that were open at once so far, and since when. Before the first, since
    /// when they are being made.
    reached: usize,
    reached_at: Option<Time>,
}

impl Core {
    pub(crate) fn new(plan: &Arc<Plan>, watch: Watch, thread: usize) -> Core {
        let phases = plan.workload.phases();
        Core {
            recorder: Recorder::new(plan.duration, plan.rate.is_some(), phases),
            plan: Arc::clone(plan),
            watch,
            stage: Stage::Opening,
            ending: None,
            schedule: None,
            connections: plan.share(plan.connections, thread),
            thread,
            from: Time::NEVER,
            to: Time::NEVER,
            trouble: None,
            has_worked: false,
            looked: Time::ZERO,
            reached: 0,
            reached_at: None,
        }
    }

    /// Everything is in place: the warm-up begins.
    #[allow(clippy::cast_precision_loss)] // a handful of threads
    pub(crate) fn begin(&mut self, now: Time) {
        self.stage = Stage::Warming;
        self.from = now.after(self.plan.warmup);
        self.to = self.from.after(self.plan.duration);
        self.recorder.begin(self.from, self.to);
        let threads = self.plan.threads as f64;
        self.schedule = self
            .plan
            .rate
            .map(|rate| Schedule::new(rate / threads, self.thread as f64 / threads, now));
        self.advance(now);
    }

    /// Looks where the run is at `now`, and whether it makes sense to go on.
    pub(crate) fn advance(&mut self, now: Time) {
        self.advance_opening(now);
        if self.stage == Stage::Warming && now >= self.from {
            self.stage = Stage::Measuring;
        }
        if self.stage == Stage::Measuring && now >= self.to {
            self.stage = Stage::Draining;
            self.note_unsent();
        }
        if self.stage == Stage::Draining
            && now >= self.to.after(self.plan.timeout.saturating_add(2 * LOOK))
        {
            self.done(now);
        }
        if let Some(trouble) = self.trouble
            && self.stage != Stage::Draining
            && now.since(trouble.since) >= self.plan.timeout
        {
            self.give_up(trouble.fault, now);
        }
    }

    /// Gives up if no further connection was made for as long as the timeout, whatever keeps them
    /// from being made. Calls time out by themselves, so they have a little more.
    fn advance_opening(&mut self, now: Time) {
        let since = *self.reached_at.get_or_insert(now);
        if self.stage == Stage::Opening
            && now.since(since) >= self.plan.timeout.saturating_add(2 * LOOK)
        {
            let fault = self.trouble.map_or(Fault::ConnectTimeout, |trouble| trouble.fault);
            self.give_up(fault, now);
        }
    }

    /// So many connections are open. Whoever opens and closes the same one again and again makes
    /// no progress.
    pub(crate) fn note_open(&mut self, open: usize, now: Time) {
        if open > self.reached {
            (self.reached, self.reached_at) = (open, Some(now));
            self.trouble = None;
        }
    }

    /// Whether it is time to look at all connections, which an alarm for a single request is not.
    pub(crate) fn looks_at_all(&mut self, now: Time) -> bool {
        let is_time = now.since(self.looked) >= LOOK / 2 || self.stage == Stage::Draining;
        if is_time {
            self.looked = now;
        }
        is_time
    }

    /// What was due before the end and was never sent is not forgotten.
    fn note_unsent(&mut self) {
        let Some(schedule) = &mut self.schedule else { return };
        schedule.skip(self.from);
        let unsent = schedule.skip(self.to);
        self.recorder.faults.add(Fault::Unsent, unsent);
    }

    /// Whether a closed loop may go on asking at `now`.
    pub(crate) fn may_ask(&self, now: Time) -> bool {
        matches!(self.stage, Stage::Warming | Stage::Measuring) && now < self.to
    }

    /// The intended time of a request that may be sent now, if there is one.
    pub(crate) fn next_due(&mut self, now: Time) -> Option<Time> {
        match &mut self.schedule {
            None => self.may_ask(now).then_some(now),
            // What was due before the end may still be sent by whoever wakes up at the end.
            Some(schedule) if self.stage < Stage::Draining && schedule.next() < self.to => {
                schedule.take(now)
            }
            Some(_) => None,
        }
    }

    /// Asks to be woken when the next request is due.
    pub(crate) fn wake_when_due(&self, net: &mut Net) {
        if let Some(schedule) = &self.schedule
            && self.stage < Stage::Draining
            && schedule.next() < self.to
        {
            net.wake_at(schedule.next());
        }
    }

    /// How late a request was sent for which a connection had been free: the generator's fault.
    pub(crate) fn note_slip(&mut self, due: Time, now: Time) {
        if self.recorder.counts(due) {
            self.recorder
                .slip
                .saturating_record(crate::bench::measure::recorder::nanos(now.since(due)));
        }
    }

    pub(crate) fn record(&mut self, sample: &Sample) {
        self.recorder.record(sample);
        self.trouble = None;
        self.has_worked = true;
    }

    /// Whether anything has ever worked.
    pub(crate) fn has_worked(&self) -> bool {
        self.has_worked
    }

    /// Something works, though it is no operation.
    pub(crate) fn note_progress(&mut self) {
        self.trouble = None;
    }

    pub(crate) fn fault(&mut self, fault: Fault, count: u64, now: Time) {
        if self.stage == Stage::Done || count == 0 {
            return;
        }
        self.recorder.fault(fault, count, now);
        if fault.is_failure() {
            let since = self.trouble.map_or(now, |trouble| trouble.since);
            self.trouble = Some(Trouble { since, fault });
            let hopeless = matches!(fault, Fault::Refused | Fault::ConnectTimeout);
            if hopeless && !self.has_worked {
                self.give_up(fault, now);
            }
        }
    }

    /// A call has failed, or a connection has ended that owed so many answers.
    pub(crate) fn lost(&mut self, was_open: bool, owed: usize, reason: Reason, now: Time) {
        if owed == 0 && self.stage >= Stage::Draining {
            return;
        }
        let fault = if was_open { Fault::of_end(reason) } else { Fault::of_call(reason) };
        self.fault(fault, owed.max(1) as u64, now);
    }

    /// An answer was wrong: nothing after it can be trusted, and the run ends.
    pub(crate) fn wrong(&mut self, what: String, now: Time) {
        if self.stage != Stage::Done {
            self.recorder.fault(Fault::Wrong, 1, now);
            self.end(Ending::Wrong(what), now);
        }
    }

    fn give_up(&mut self, fault: Fault, now: Time) {
        let what = fault.words().to_string();
        let ending = match (self.has_worked, self.stage, self.reached) {
            (true, ..) => Ending::Vanished(what),
            (false, Stage::Opening, 1..) => {
                let (reached, all) = (self.reached, self.connections);
                Ending::Short(format!("only {reached} of {all} connections were made: {what}"))
            }
            (false, ..) => Ending::Failed(what),
        };
        self.end(ending, now);
    }

    /// Ends the run before its time.
    pub(crate) fn end(&mut self, ending: Ending, now: Time) {
        if self.stage != Stage::Done {
            self.ending.get_or_insert(ending);
            self.done(now);
        }
    }

    /// Ends the run.
    pub(crate) fn done(&mut self, now: Time) {
        self.recorder.finish(now);
        self.to = self.to.min(now);
        self.stage = Stage::Done;
    }

    /// How much of the window has been measured.
    pub(crate) fn measured(&self) -> Duration {
        match self.from {
            Time::NEVER => Duration::ZERO,
            from => self.to.since(from),
        }
    }

    /// Asks to be woken for whatever comes next.
    pub(crate) fn wake(&self, net: &mut Net, now: Time) {
        net.wake_at(now.after(LOOK));
        match self.stage {
            Stage::Warming => net.wake_at(self.from),
            Stage::Measuring => net.wake_at(self.to),
            Stage::Opening | Stage::Draining | Stage::Done => {}
        }
    }

    /// Calls the target from the next source address. `None`: no room, which the budget excludes.
    pub(crate) fn call(&self, net: &mut Net, id: u64) -> Option<Peer> {
        net.call(self.plan.call(id))
    }
}
