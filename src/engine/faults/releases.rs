//! When which script goes on. Apart from the deadlines of connections, which stay where they are
//! however often something is held back.

use crate::engine::connection::Phase;
use crate::engine::core::Core;
use crate::engine::deadlines::Deadlines;
use crate::engine::{Engine, Peer, Time};

/// See the top of this file.
#[derive(Default)]
pub(in crate::engine) struct Releases {
    deadlines: Deadlines,
    /// How many scripts have a good entry there.
    armed: usize,
}

impl Releases {
    /// When the earliest is due, be its entry stale or not.
    pub(in crate::engine) fn next(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// Gives back the room of entries if no script has one that is good.
    pub(in crate::engine) fn trim(&mut self) {
        if self.armed == 0 {
            self.deadlines = Deadlines::default();
        }
    }

    /// One that has an entry is gone.
    pub(in crate::engine) fn forget(&mut self) {
        self.armed -= 1;
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.deadlines.len()
    }
}

impl Core {
    /// Sees to it that the script of `peer` goes on in time.
    pub(super) fn arm_script(&mut self, peer: Peer) {
        let Core { connections, layers, releases, .. } = self;
        let Some(connection) = connections.get(peer) else { return };
        let Some(script) = layers.get_mut(peer).and_then(|one| one.script_mut()) else { return };
        let next = match connection.phase {
            Phase::Gone(_) => Time::NEVER,
            _ if connection.queued() > 0 => script.end_due(),
            _ => script.due(),
        };
        if next < script.armed {
            releases.armed += usize::from(script.armed == Time::NEVER);
            script.armed = next;
            releases.deadlines.push(next, peer);
        }
    }
}

impl Engine {
    /// Has the scripts go on that are due by now.
    pub(in crate::engine) fn fire_scripts(&mut self) {
        while let Some((when, peer)) = self.core.releases.deadlines.pop_due(self.core.now) {
            let Core { layers, releases, .. } = &mut self.core;
            let script = layers.get_mut(peer).and_then(|one| one.script_mut());
            let Some(script) = script.filter(|script| script.armed == when) else { continue };
            script.armed = Time::NEVER;
            releases.armed -= 1;
            self.play(peer);
        }
        self.core.sweep_scripts();
    }
}

impl Core {
    /// Drops entries that are out of date, if there are many.
    pub(in crate::engine) fn sweep_scripts(&mut self) {
        let Core { layers, releases, .. } = self;
        releases.deadlines.sweep(releases.armed, |when, peer| {
            let script = layers.get(peer).and_then(|one| one.script());
            script.is_some_and(|script| script.armed == when)
        });
    }
}
