//! A script at work on its connection: what of it the engine does.

use super::script::{Next, weighed};
use super::{FaultKind, Script};
use crate::engine::connection::{Connection, Phase};
use crate::engine::core::Core;
use crate::engine::layers::Layers;
use crate::engine::{Engine, Entry, Peer, Reason, Time};

impl Core {
    /// The script of `peer` takes something that is said.
    pub(in crate::engine) fn suffer(&mut self, peer: Peer, bytes: &[u8]) {
        let Core { connections, layers, counts, pool, limits, touched, now, .. } = self;
        let Some(connection) = connections.get_mut(peer) else { return };
        let Some(script) = layers.get_mut(peer).and_then(|one| one.script_mut()) else { return };
        let faults = &mut counts[usize::from(connection.service)].over(connection.carrier()).faults;
        weighed(script, pool, |script, _| script.add(bytes, *now, faults));
        let waiting = connection.queued() + script.held();
        connection.back_up(waiting, limits, pool);
        connection.touch(peer, touched);
    }

    /// Bytes that are held back for `peer`.
    pub(in crate::engine) fn held_back(&self, peer: Peer) -> usize {
        self.script(peer).map_or(0, Script::held)
    }

    /// Whether `peer`, for whom nothing is queued, is not to end yet.
    #[cold]
    pub(in crate::engine) fn goes_on(&self, peer: Peer) -> bool {
        self.script(peer).is_some_and(Script::goes_on)
    }

    /// Whether `peer` has taken all that it has been given, and is not to end yet.
    pub(in crate::engine) fn is_held_back(&self, peer: Peer) -> bool {
        let is_given = self.connections.get(peer).is_some_and(|one| one.queued() > 0);
        !is_given && self.goes_on(peer)
    }

    fn script(&self, peer: Peer) -> Option<&Script> {
        self.layers.get(peer).and_then(|one| one.script())
    }

    /// When a connection with layers, which without them would be looked at when `due`, is to be
    /// looked at.
    pub(in crate::engine) fn due_through(
        &self,
        peer: Peer,
        connection: &Connection,
        due: Time,
    ) -> Time {
        if !connection.phase.says_no_more() || !self.is_held_back(peer) {
            return due;
        }
        // It does not take nothing: it is given nothing.
        let idle = self.quotas[usize::from(connection.service)].idle;
        idle.map_or(Time::NEVER, |idle| connection.active_at.after(idle))
    }

    /// Its script ends the connection of `peer` with a FIN. If it was closing for another reason
    /// and all had been said, that is the reason still.
    fn cut_short(&mut self, peer: Peer) {
        let Core { connections, layers, counts, pool, .. } = self;
        let Some(connection) = connections.get_mut(peer) else { return };
        let Some(layers) = layers.get_mut(peer) else { return };
        let is_cut_short = layers.waiting() > 0 || connection.phase.reason().is_none();
        if let Some(script) = layers.script_mut() {
            weighed(script, pool, |script, _| script.cut());
        }
        if is_cut_short {
            let counts = counts[usize::from(connection.service)].over(connection.carrier());
            counts.faults.count(FaultKind::Close);
            connection.enter(connection.phase.cut_short(Reason::EndedByFault));
        }
        self.close(peer, Reason::EndedByFault);
        self.touch(peer);
    }

    /// From here on nothing is held back from `peer`.
    pub(in crate::engine) fn set_free(&mut self, peer: Peer) {
        let Some(script) = self.layers.get_mut(peer).and_then(|one| one.script_mut()) else {
            return;
        };
        script.set_free();
        self.touch(peer);
    }
}

impl Engine {
    /// A connection with layers has been made: whether its script lets it begin.
    pub(in crate::engine) fn begin_script(&mut self, peer: Peer) -> bool {
        let before = self.faults_so_far(peer);
        let Core { connections, layers, counts, now, .. } = &mut self.core;
        let Some(connection) = connections.get_mut(peer) else { return false };
        let Some(layers) = layers.get_mut(peer) else { return false };
        let Some(script) = layers.script_mut() else { return false };
        script.begin(*now);
        let fault = match (script.is_refused(), script.is_half_open()) {
            (true, _) => FaultKind::Refuse,
            (false, true) => FaultKind::HalfOpen,
            (false, false) => {
                self.core.arm_script(peer);
                return false;
            }
        };
        counts[usize::from(connection.service)].over(connection.carrier()).faults.count(fault);
        layers.never_begin();
        if let Some(before) = before {
            self.show_faults(peer, before);
        }
        match fault {
            FaultKind::Refuse => self.core.kill(peer, Reason::RefusedByFault),
            _ => {
                if let Some(connection) = self.core.connections.get_mut(peer) {
                    connection.phase = connection.phase.readied();
                }
                self.core.pause_until(peer, Time::NEVER);
            }
        }
        true
    }

    /// Does to `peer` what its script has for now.
    pub(in crate::engine) fn play(&mut self, peer: Peer) {
        let before = self.faults_so_far(peer);
        self.do_next(peer);
        if let Some(before) = before {
            self.show_faults(peer, before);
        }
    }

    fn do_next(&mut self, peer: Peer) {
        let Core { connections, layers, counts, pool, limits, touched, now, .. } = &mut self.core;
        let Some(connection) = connections.get_mut(peer) else { return };
        let Some(script) = layers.get_mut(peer).and_then(|one| one.script_mut()) else { return };
        if matches!(connection.phase, Phase::Dialing | Phase::Gone(_)) {
            return;
        }
        let faults = &mut counts[usize::from(connection.service)].over(connection.carrier()).faults;
        if connection.phase.says_no_more() {
            script.ended(faults);
        }
        if script.is_stalled()
            && let Some(buffers) = &mut connection.buffers
        {
            // It is read on, and its service is asked for no more.
            buffers.backed_up &= buffers.outbox.len() + script.held() > limits.low;
            connection.release(pool);
        }
        let next = match connection.queued() {
            0 => script.next(*now, faults),
            _ if script.end_due() <= *now => script.end(*now).unwrap_or(Next::Wait),
            _ => Next::Wait,
        };
        match next {
            Next::Wait => {}
            Next::Send(count) => {
                let buffers = connection.buffers.get_or_insert_with(|| pool.take_set());
                weighed(script, pool, |script, pool| {
                    script.take(count, *now, |bytes| buffers.outbox.push(bytes, pool));
                });
                connection.touch(peer, touched);
            }
            Next::Reset => {
                faults.count(FaultKind::Reset);
                self.core.kill(peer, Reason::ResetByFault);
            }
            Next::Close => self.core.cut_short(peer),
        }
        self.core.arm_script(peer);
    }

    /// Whether the socket of `peer` is to be closed with a RST.
    pub(in crate::engine) fn aborts(&self, peer: Peer) -> bool {
        let phase = self.core.connections.get(peer).map(|one| one.phase);
        matches!(phase, Some(Phase::Gone(Reason::RefusedByFault | Reason::ResetByFault)))
    }

    /// What `peer` suffers; `None`: nothing.
    pub fn faults(&self, peer: Peer) -> Option<&Script> {
        self.core.script(peer).filter(|script| !script.is_set_free())
    }

    /// All who suffer something.
    pub fn faulty(&self) -> impl Iterator<Item = (Entry, &Script)> {
        self.roster().filter_map(|entry| {
            let script = self.faults(entry.peer)?;
            Some((entry, script))
        })
    }

    /// From now on that happens to `peer`; `None`: nothing any more. What it is still to be sent is
    /// sent as that has it; times and bytes count from now. False: there is no such connection, or
    /// it has never begun.
    pub fn set_faults(&mut self, peer: Peer, script: Option<Script>) -> bool {
        if self.core.layers.get(peer).is_some_and(|layers| layers.has_never_begun()) {
            return false;
        }
        let Some(script) = script else {
            self.core.set_free(peer);
            return self.resume(peer);
        };
        let before = self.faults_so_far(peer);
        let is_there = self.put_in(peer, script);
        if let Some(before) = before {
            self.show_faults(peer, before);
        }
        self.core.touch(peer);
        self.core.arm_script(peer);
        is_there
    }

    /// Has `script` take the place of what `peer` suffered so far. False: there is no such
    /// connection.
    fn put_in(&mut self, peer: Peer, mut script: Script) -> bool {
        let Core { connections, layers, counts, pool, now, .. } = &mut self.core;
        let Some(connection) = connections.get_mut(peer) else { return false };
        let faults = &mut counts[usize::from(connection.service)].over(connection.carrier()).faults;
        faults.expect();
        script.begin(*now);
        let is_paused = script.is_half_open();
        if is_paused {
            faults.count(FaultKind::HalfOpen);
        }
        if connection.is_layered() {
            if let Some(layers) = layers.get_mut(peer) {
                layers.change_script(script, pool);
            }
        } else {
            connection.origin = connection.origin.layered();
            layers.insert(peer, Box::new(Layers::open_through(script)));
        }
        match is_paused {
            true => {
                self.core.pause_until(peer, Time::NEVER);
                true
            }
            false => self.resume(peer),
        }
    }

    /// Reads again from `peer`, if it was half open. False: there is no such connection.
    fn resume(&mut self, peer: Peer) -> bool {
        let Some(connection) = self.core.connections.get_mut(peer) else { return false };
        if let Some(buffers) = connection.buffers.as_mut()
            && buffers.paused_until == Time::NEVER
        {
            buffers.paused_until = Time::ZERO;
            connection.release(&mut self.core.pool);
        }
        self.core.touch(peer);
        true
    }
}

#[cfg(test)]
mod acceptance;
#[cfg(test)]
mod tests;
