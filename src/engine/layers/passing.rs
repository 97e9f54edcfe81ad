//! What the layers of a connection make of what comes.

use std::ops::Range;

use super::{Fed, Handshake, Layers, Prefaced, Progress};
use crate::engine::connection::{Origin, Phase};
use crate::engine::dial::Arrival;
use crate::engine::operator::Field;
use crate::engine::{Address, Engine, Peer, Reason, Refusal};

/// What feeding has cost if it failed with an alert: it may have been at the end of a step of a
/// handshake, some 90 µs in units of 0.3 ns.
const FAILURE_UNITS: usize = 300_000;

/// Where what has come lies.
enum Came {
    /// In the turn's read buffer.
    Turn(Range<usize>),
    /// It was held back.
    Held(Vec<u8>),
}

/// How they begin, and when they are through.
impl Engine {
    /// A connection has been made for the service with that number, which hears of it once its
    /// layers are through. `None`: there is no room.
    pub(in crate::engine) fn accept_through(
        &mut self,
        service: usize,
        arrival: Arrival,
        layers: Layers,
    ) -> Option<Peer> {
        let peer = self.enter(
            service,
            &arrival,
            Origin::accepted(layers.carrier(arrival.remote)).layered(),
        )?;
        self.core.layers.insert(peer, Box::new(layers));
        self.first_beginner();
        self.core.beginners.push_back(peer);
        if !self.begin_script(peer) {
            self.begin_layers(peer, arrival.local);
        }
        Some(peer)
    }

    /// Both ends are known: says what is to be said first.
    pub(in crate::engine) fn begin_layers(&mut self, peer: Peer, local: Address) {
        let core = &mut self.core;
        let Some(layers) = core.layers.get_mut(peer) else { return };
        let Some(connection) = core.connections.get(peer) else { return };
        layers.local = Some(local);
        let arrival = Arrival::new(connection.remote.into(), local);
        let opening = layers.opener.take().map(|opener| opener(&arrival));
        layers.progress = Progress::Preface;
        let is_prefaced = layers.preface.is_some();
        if let Some(opening) = opening {
            self.push_sealed(peer, &opening);
        }
        if !is_prefaced {
            self.admitted(peer);
        }
    }

    /// The next peer whose address is known now and has to be judged. Answer with `admitted` or
    /// `refused`.
    pub(in crate::engine) fn next_newcomer(&mut self) -> Option<(Peer, Address)> {
        while let Some(peer) = self.core.newcomers.pop() {
            // Whoever has gone meanwhile is not counted, and its service does not hear of it.
            if let Some(one) = self.core.connections.get(peer)
                && one.phase == Phase::Handshaking
                && self.core.layers.get(peer).is_some_and(|one| !one.is_judged())
            {
                return Some((peer, one.remote.into()));
            }
        }
        None
    }

    /// The guards have nothing against `peer`.
    pub(in crate::engine) fn admitted(&mut self, peer: Peer) {
        let core = &mut self.core;
        let Some(layers) = core.layers.get_mut(peer) else { return };
        let Some(connection) = core.connections.get_mut(peer) else { return };
        connection.active_at = core.now;
        core.cost.begin_share();
        layers.progress = Progress::Handshake;
        let (held, is_ended) = (std::mem::take(&mut layers.held), layers.is_ended);
        match &mut layers.cipher {
            Some(cipher) => {
                let mut sealed = std::mem::take(&mut self.sealed);
                cipher.begin(&mut sealed);
                self.queue_sealed(peer, sealed);
                self.core.arm(peer);
                if !held.is_empty() {
                    self.decipher(peer, &Came::Held(held));
                }
            }
            None => {
                self.open(peer, None);
                if !held.is_empty() {
                    self.deliver_held(peer, &held);
                }
            }
        }
        if is_ended {
            self.peer_finished(peer);
        }
    }

    /// The guards do not let `peer` in.
    pub(in crate::engine) fn refused(&mut self, peer: Peer, refusal: Refusal) {
        let Some(connection) = self.core.connections.get(peer) else { return };
        let (service, over) = (usize::from(connection.service), connection.carrier());
        *refusal.counter(self.core.counts[service].over(over)) += 1;
        self.fail_layers(peer, Reason::Refused, refusal.to_string());
    }

    /// All layers of `peer` are through: its service hears of it.
    fn open(&mut self, peer: Peer, secured: Option<Handshake>) {
        let core = &mut self.core;
        let Some(layers) = core.layers.get_mut(peer) else { return };
        let Some(connection) = core.connections.get_mut(peer) else { return };
        layers.progress = Progress::Open;
        let remote = connection.remote.into();
        let Some(local) = layers.local else { return };
        if layers.cipher.is_none() && layers.script.is_none() {
            // From here on it is like any other.
            connection.origin = connection.origin.bare();
            core.layers.remove(peer);
        }
        connection.phase = connection.phase.readied();
        connection.active_at = core.now;
        let service = usize::from(connection.service);
        core.arm(peer);
        core.touch(peer);
        let arrival = Arrival { remote, local, secured };
        self.dispatch(service, |service, net| service.opened(peer, &arrival, net));
    }

    /// A layer of `peer` has failed, as the line says.
    fn fail_layers(&mut self, peer: Peer, reason: Reason, failure: String) {
        let core = &mut self.core;
        if let Some(layers) = core.layers.get_mut(peer) {
            layers.failure.get_or_insert(failure);
        }
        match reason {
            Reason::Refused => core.kill(peer, reason),
            // An alert is on its way to it.
            _ => core.close(peer, reason),
        }
    }

    /// The layers of `peer` have taken too long.
    pub(in crate::engine) fn layers_overdue(&mut self, peer: Peer) {
        let Some(layers) = self.core.layers.get_mut(peer) else { return };
        let (reason, missing) = layers.missing();
        layers.failure.get_or_insert(missing.into());
        self.core.kill(peer, reason);
    }
}

/// What comes.
impl Engine {
    /// Hands what lies at `range` of the turn's buffer to the layers of `peer`.
    #[inline(never)]
    pub(in crate::engine) fn unwrap(&mut self, peer: Peer, range: Range<usize>) {
        if self.core.layers.get(peer).is_some_and(|layers| layers.is_clear()) {
            return self.deliver_clear(peer, range);
        }
        let Engine { core, turn, .. } = self;
        let Some(connection) = core.connections.get(peer) else { return };
        let is_heard = connection.phase.is_heard() || connection.phase == Phase::Handshaking;
        let Some(layers) = core.layers.get_mut(peer).filter(|_| is_heard) else { return };
        match layers.progress {
            Progress::Fresh => {}
            Progress::Preface | Progress::Judging => {
                layers.held.extend_from_slice(&turn[range]);
                if layers.progress == Progress::Preface {
                    self.read_preface(peer);
                }
            }
            Progress::Handshake | Progress::Open => self.decipher(peer, &Came::Turn(range)),
        }
    }

    /// A proxy has told for whom it speaks.
    fn remark_named(&mut self, peer: Peer, remote: Address, proxy: Address) {
        let line = format_args!("{peer} is {remote}, by way of {proxy}");
        let fields = [
            ("event", Field::Text("named")),
            ("number", Field::Number(peer.number())),
            ("peer", Field::Shown(&remote)),
            ("proxy", Field::Shown(&proxy)),
        ];
        self.remark_with(log::Level::Info, line, &fields);
    }

    fn read_preface(&mut self, peer: Peer) {
        let core = &mut self.core;
        let Some(layers) = core.layers.get_mut(peer) else { return };
        let Some(preface) = &mut layers.preface else { return };
        match preface.read(&layers.held) {
            Prefaced::More => {}
            Prefaced::Whole(length, remote) => {
                layers.held.drain(..length);
                layers.preface = None;
                if core.connections.get(peer).is_some_and(|one| one.origin.is_called()) {
                    // Whom we have called is not for the guards to judge.
                    return self.admitted(peer);
                }
                layers.progress = Progress::Judging;
                core.newcomers.push(peer);
                if let (Some(remote), Some(one)) = (remote, core.connections.get_mut(peer)) {
                    let proxy = Address::from(one.remote);
                    one.remote = remote.into();
                    if remote != proxy {
                        self.remark_named(peer, remote, proxy);
                    }
                }
            }
            Prefaced::Wrong(why) => self.fail_layers(peer, Reason::Preface, why),
        }
    }

    fn decipher(&mut self, peer: Peer, came: &Came) {
        let Engine { core, turn, .. } = self;
        let Some(cipher) = core.layers.get_mut(peer).and_then(|one| one.cipher.as_mut()) else {
            return;
        };
        let (mut plain, mut sealed) =
            (std::mem::take(&mut self.plain), std::mem::take(&mut self.sealed));
        let input = match came {
            Came::Turn(range) => &turn[range.clone()],
            Came::Held(held) => held,
        };
        let outcome = cipher.feed(input, &mut plain, &mut sealed);
        let lost = if sealed.is_empty() { 0 } else { FAILURE_UNITS };
        self.queue_sealed(peer, sealed);
        let failed = Fed { units: lost, ..Fed::default() };
        let Fed { ready, finished, units } = outcome.as_ref().map_or(failed, |fed| *fed);
        self.core.cost.spend(units, &self.core.limits);
        if ready.is_some() {
            self.open(peer, ready);
        }
        if !plain.is_empty() {
            self.deliver_opened(peer, came, &plain);
        }
        plain.clear();
        self.plain = plain;
        match outcome {
            Err(failure) => self.fail_layers(peer, Reason::Tls, failure),
            Ok(_) if finished => self.finish_clear(peer),
            Ok(_) => {}
        }
    }

    /// Delivers what has been opened where what came lay, if there is room for it.
    fn deliver_opened(&mut self, peer: Peer, came: &Came, plain: &[u8]) {
        match came {
            Came::Turn(range) if plain.len() <= range.len() => {
                let range = range.start..range.start + plain.len();
                self.turn[range.clone()].copy_from_slice(plain);
                self.deliver_clear(peer, range);
            }
            _ => self.deliver_held(peer, plain),
        }
    }

    /// The FIN of `peer` has come.
    #[inline(never)]
    pub(in crate::engine) fn unwrap_end(&mut self, peer: Peer) {
        let core = &mut self.core;
        let Some(layers) = core.layers.get_mut(peer) else { return };
        let Some(phase) = core.connections.get(peer).map(|one| one.phase) else { return };
        let (is_heard, is_beginning) = (phase.is_heard(), phase == Phase::Handshaking);
        let is_finished = layers.cipher.as_ref().is_none_or(|cipher| cipher.is_finished());
        match layers.progress {
            // It has been closed already.
            _ if !is_heard && !is_beginning => self.finish_clear(peer),
            Progress::Judging => layers.is_ended = true,
            Progress::Fresh | Progress::Preface => {
                let why = "the connection ended before its PROXY header was whole".into();
                self.fail_layers(peer, Reason::Preface, why);
                self.finish_clear(peer);
            }
            Progress::Handshake => {
                let why = "the peer ended the connection during the handshake".into();
                self.fail_layers(peer, Reason::Tls, why);
                self.finish_clear(peer);
            }
            Progress::Open => {
                layers.is_cut_off |= is_heard && !is_finished;
                self.finish_clear(peer);
            }
        }
    }
}
