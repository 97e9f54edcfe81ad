//! Many connections that do nothing: whether they are taken, whether they are kept, what they
//! cost.

use super::core::{Core, Stage, Workload};
use super::recorder::Sample;
use crate::engine::{Arrival, Net, Peer, Reason, Service, Table, Time};

/// Calls that may be under way at once.
const CALLS_MAX: usize = 256;

struct Guest {
    called: Time,
    open: bool,
}

/// The crowd.
pub(super) struct Crowd {
    core: Core,
    guests: Table<Guest>,
    called: usize,
    open: usize,
    /// How long each call took, kept until the window is known that they count for.
    arrivals: Vec<(Time, Time)>,
}

impl Crowd {
    pub(super) fn new(core: Core) -> Crowd {
        let arrivals = Vec::with_capacity(core.connections);
        Crowd { core, guests: Table::default(), called: 0, open: 0, arrivals }
    }

    fn make_calls(&mut self, net: &mut Net) {
        let now = self.core.watch.now();
        while self.called < self.core.connections && self.called - self.open < CALLS_MAX {
            let Some(peer) = self.core.call(net, self.called as u64) else { return };
            self.called += 1;
            self.guests.insert(peer, Guest { called: now, open: false });
        }
    }

    fn look_after(&mut self, net: &mut Net) {
        let now = self.core.watch.now();
        self.make_calls(net);
        self.core.advance(now);
        if self.core.stage == Stage::Draining {
            self.core.done(now);
        }
        self.core.wake(net, now);
    }

    /// All are there: the time of holding begins. Calls count as operations of its beginning.
    fn begin(&mut self, now: Time) {
        self.core.begin(now);
        for (called, opened) in std::mem::take(&mut self.arrivals) {
            let from = now.after(self.core.plan.warmup);
            let done = from.after(opened.since(called));
            self.core.record(&Sample { intended: from, sent: from, done, bytes: 0 });
        }
    }
}

impl Workload for Crowd {
    fn core(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl Service for Crowd {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        let now = self.core.watch.now();
        let Some(guest) = self.guests.get_mut(peer) else { return };
        guest.open = true;
        self.open += 1;
        self.arrivals.push((guest.called, now));
        self.core.note_progress();
        if self.core.stage == Stage::Opening && self.open == self.core.connections {
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

    fn closed(&mut self, peer: Peer, reason: Reason, _: &mut Net) {
        let now = self.core.watch.now();
        if let Some(guest) = self.guests.remove(peer)
            && self.core.stage < Stage::Draining
        {
            self.core.lost(guest.open, 1, reason, now);
            // The target is there as long as it keeps one of the others.
            if guest.open && self.guests.iter().any(|(_, other)| other.open) {
                self.core.note_progress();
            }
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        self.look_after(net);
    }

    fn told(&mut self, _: Option<&str>, net: &mut Net) {
        self.look_after(net);
    }
}
