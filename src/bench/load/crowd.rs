//! Many connections that do nothing: whether they are taken, whether they are kept, what they
//! cost.

use super::run_state::{RunPhase, RunState};
use crate::bench::measure::abort::Abort;
use crate::bench::measure::recorder::Sample;
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Table, Time};

/// The most dials under way at once.
const DIALS_MAX: usize = 256;

struct Guest {
    dialed: Time,
    opened: Option<Time>,
}

/// The service that makes and holds the connections.
pub(super) struct Crowd {
    run: RunState,
    guests: Table<Guest>,
    /// Those that are open or being dialed.
    dialed: usize,
    open: usize,
    next_id: u64,
    /// After a failed dial, the next one waits until then.
    retry_at: Time,
}

impl Crowd {
    pub(super) fn new(run: RunState) -> Crowd {
        let (dialed, open, next_id) = (0, 0, 0);
        let (guests, retry_at) = (Table::default(), Time::ZERO);
        Crowd { run, guests, dialed, open, next_id, retry_at }
    }

    fn dial_more(&mut self, net: &mut Net) {
        let now = self.run.watch.now();
        if now < self.retry_at || self.run.phase > RunPhase::Opening {
            return;
        }
        while self.dialed < self.run.connections && self.dialed - self.open < DIALS_MAX {
            let Some(peer) = self.run.dial(net, self.next_id) else { return };
            self.next_id += 1;
            self.dialed += 1;
            self.guests.insert(peer, Guest { dialed: now, opened: None });
        }
    }

    fn look_after(&mut self, net: &mut Net) {
        let now = self.run.watch.now();
        self.dial_more(net);
        self.run.advance(now);
        if self.run.phase == RunPhase::Draining {
            self.run.done(now);
        }
        self.run.wake(net, now);
    }

    /// All connections are open: now they are held. Dials count as operations that begin with the
    /// window.
    fn begin(&mut self, now: Time) {
        self.run.begin(now);
        for (_, guest) in self.guests.iter() {
            let Some(opened) = guest.opened else { continue };
            let from = self.run.from();
            let done = from.after(opened.since(guest.dialed));
            self.run.record(&Sample { intended: from, sent: from, done, bytes: 0 });
        }
    }
}

impl Service for Crowd {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        let now = self.run.watch.now();
        let Some(guest) = self.guests.get_mut(peer) else { return };
        guest.opened = Some(now);
        self.open += 1;
        self.run.note_open(self.open, now);
        if self.run.phase == RunPhase::Opening && self.open == self.run.connections {
            self.begin(now);
        }
        self.look_after(net);
    }

    fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        net.leave(peer);
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        let now = self.run.watch.now();
        let Some(guest) = self.guests.remove(peer) else { return };
        self.run.advance(now);
        self.dialed -= 1;
        self.open -= usize::from(guest.opened.is_some());
        self.retry_at = now.after(self.run.plan.pause());
        if self.run.phase < RunPhase::Draining {
            self.run.lost(guest.opened.is_some(), 1, reason, net, now);
        }
        match (self.run.phase, self.open) {
            (RunPhase::Warming | RunPhase::Measuring, 0) => {
                let whose = if self.run.plan.threads > 1 { " of a thread" } else { "" };
                let what = format!("none of {} connections{whose} is left", self.run.connections);
                self.run.end(Abort::Vanished(what), now);
            }
            // As long as it keeps one connection, the target has not vanished.
            (RunPhase::Warming | RunPhase::Measuring, _) => self.run.note_progress(),
            _ => {}
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        self.look_after(net);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Crowd {
    fn started(&mut self, net: &mut Net) {
        self.look_after(net);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use super::super::plan::RunPlan;
    use super::super::supervision::Supervision;
    use super::super::workload::Workload;
    use super::*;
    use crate::engine::stage::Stage;
    use crate::reactor::Watch;

    #[test]
    fn the_run_is_over_once_nobody_is_left_and_not_before() {
        let plan = Arc::new(RunPlan { connections: 3, ..RunPlan::example(Workload::Idle) });
        let supervision = Supervision::example();
        let results = Rc::clone(&supervision.results);
        let run = RunState::new(&plan, Watch::start(), 0, supervision);
        let mut stage = Stage::new(Crowd::new(run));
        stage.flush();
        let guests = stage.dialed().to_vec();
        for guest in &guests {
            stage.answer(*guest, ([127, 0, 0, 1], 49152).into());
        }
        for guest in &guests {
            assert!(results.get().is_none(), "{guest} is still there");
            stage.finish(*guest);
        }
        let abort = results.get().expect("it is over")[0].abort.as_ref().map(Abort::to_string);
        assert!(abort.is_some_and(|why| why.contains("none of 3 connections is left")));
    }
}
