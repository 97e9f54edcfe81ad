//! What stands between the socket of one connection and its service: what it is to suffer, a header
//! that tells whom a proxy speaks for, and a cipher. Outermost first, each a small type without a
//! socket.
//!
//! A connection without any knows nothing of this but one bit. One that has some begins in
//! `Phase::Handshaking`: its service hears of it (`opened`) once all of them are through, and from
//! then on sees and says plain bytes. What it says waits in an outbox of its own until it is
//! written to, so that all of that becomes one record; only what is sealed gets into the outbox
//! that is written.

mod haste;
mod passing;
mod sealing;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::IoSlice;
use std::rc::Rc;

use super::address::Address;
use super::connection::Connection;
use super::connection::pool::{Buffers, Pool};
use super::core::Core;
use super::counts::Carrier;
use super::dial::Arrival;
use super::faults::{Script, weighed};
use super::reason::Reason;
use super::slots::Peer;

/// Seals what goes out and opens what comes in. It has no socket, and where the input is cut
/// changes nothing.
pub trait Cipher {
    /// The socket is connected: what is to be said first goes to `sealed`.
    fn begin(&mut self, sealed: &mut Vec<u8>);

    /// Takes what has come, all of it. What it says goes to `plain`; what has to be sent for it (a
    /// handshake, an alert) to `sealed`.
    ///
    /// # Errors
    /// The conversation has failed, as the line says. An alert for the peer may be in `sealed`, and
    /// what came before may be in `plain`.
    fn feed(
        &mut self,
        input: &[u8],
        plain: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<Fed, String>;

    /// Seals what the service says. Never before it is ready.
    fn seal(&mut self, plain: &[IoSlice<'_>], sealed: &mut Vec<u8>);

    /// We have said all: tells the peer so, once.
    fn close(&mut self, sealed: &mut Vec<u8>);

    /// Whether the peer has told that it has said all. A FIN before that has cut something off.
    fn is_finished(&self) -> bool;
}

/// A cipher that could not be had: each conversation fails, as the line says.
pub struct Unable(pub String);

impl Cipher for Unable {
    fn begin(&mut self, _: &mut Vec<u8>) {}

    fn feed(&mut self, _: &[u8], _: &mut Vec<u8>, _: &mut Vec<u8>) -> Result<Fed, String> {
        Err(self.0.clone())
    }

    fn seal(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) {}

    fn close(&mut self, _: &mut Vec<u8>) {}

    fn is_finished(&self) -> bool {
        false
    }
}

/// What came of feeding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// The handshake has just been completed.
    pub ready: Option<Handshake>,
    /// The peer has just told that it has said all.
    pub finished: bool,
    /// What it cost beyond the bytes, in units of [`Net::spend`](super::Net::spend).
    pub units: usize,
}

/// How both sides came to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// By certificates.
    Full,
    /// By what they had agreed on before.
    Resumed,
}

/// Reads what comes before everything else.
pub trait Preface {
    /// Looks at all that has come so far.
    fn read(&mut self, input: &[u8]) -> Prefaced;
}

/// What it has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefaced {
    /// It is not whole yet.
    More,
    /// It is so many bytes long, and the peer has that address; `None`: the one that it came from.
    Whole(usize, Option<Address>),
    /// It is wrong, as the line says.
    Wrong(String),
}

/// What is said before everything else, to a peer with that address from ours.
pub type Opener = Rc<dyn Fn(&Arrival) -> Vec<u8>>;

/// The layers of one connection.
#[derive(Default)]
pub struct Layers {
    opener: Option<Opener>,
    preface: Option<Box<dyn Preface>>,
    cipher: Option<Box<dyn Cipher>>,
    script: Option<Box<Script>>,
    progress: Progress,
    /// What has come of the preface, and behind it until the peer has been judged.
    held: Vec<u8>,
    /// What the service has said since it was flushed last.
    plain: Option<Box<Buffers>>,
    /// Our own address.
    local: Option<Address>,
    /// Whether the peer's FIN has come while it was judged.
    is_ended: bool,
    /// Whether the peer's FIN has come before it told that it had said all.
    is_cut_off: bool,
    /// Whether it is never to begin.
    is_mute: bool,
    /// What has failed.
    failure: Option<String>,
}

/// How far they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// Nothing has been said yet.
    #[default]
    Fresh,
    /// The preface is being read.
    Preface,
    /// The guards are to judge the address that the preface has told.
    Judging,
    /// Both sides agree on keys.
    Handshake,
    /// The service speaks.
    Open,
}

impl Layers {
    /// With this said before everything else.
    pub fn opening(mut self, opener: Opener) -> Layers {
        self.opener = Some(opener);
        self
    }

    /// With this to be read before everything else.
    pub fn prefaced(mut self, preface: Box<dyn Preface>) -> Layers {
        self.preface = Some(preface);
        self
    }

    /// With this around all that the service hears and says.
    pub fn enciphered(mut self, cipher: Box<dyn Cipher>) -> Layers {
        self.cipher = Some(cipher);
        self
    }

    /// With faults in what goes out.
    pub fn faulty(mut self, script: Script) -> Layers {
        self.script = Some(Box::new(script));
        self
    }

    /// What carries a connection with them, to a peer at that address.
    pub(super) fn carrier(&self, remote: Address) -> Carrier {
        if self.cipher.is_some() { Carrier::Tls } else { remote.carrier() }
    }

    /// Whether the peer's address is known only when something has come.
    pub(crate) fn is_prefaced(&self) -> bool {
        self.preface.is_some()
    }

    /// Whether the guards know of it.
    pub(super) fn is_judged(&self) -> bool {
        !matches!(self.progress, Progress::Preface | Progress::Judging)
    }

    /// Whether what comes is as its service is to see it.
    fn is_clear(&self) -> bool {
        self.is_open() && self.cipher.is_none()
    }

    /// Whether its service has been told of it.
    pub(super) fn is_open(&self) -> bool {
        self.progress == Progress::Open
    }

    /// Where what the service says waits to be sealed.
    pub(super) fn plain(&mut self, pool: &mut Pool) -> &mut Box<Buffers> {
        self.plain.get_or_insert_with(|| pool.take_set())
    }

    /// The same, if anything does.
    pub(super) fn unsealed(&self) -> Option<&Buffers> {
        self.plain.as_deref()
    }

    /// Has that outlive the turn's read buffer.
    pub(super) fn keep_turn(&mut self, turn: &[u8], pool: &mut Pool) {
        if let Some(plain) = &mut self.plain {
            plain.outbox.keep_turn(turn, pool);
        }
    }

    /// What it suffers.
    pub(super) fn script(&self) -> Option<&Script> {
        self.script.as_deref()
    }

    /// Of a connection that has had no layers so far.
    pub(super) fn open_through(script: Script) -> Layers {
        Layers { progress: Progress::Open, ..Layers::default() }.faulty(script)
    }

    /// From now on it suffers that.
    pub(super) fn change_script(&mut self, mut script: Script, pool: &mut Pool) {
        let before = self.script.as_ref().map_or(0, |script| script.weight());
        if let Some(former) = self.script.take() {
            script.succeed(*former);
        }
        pool.held = pool.held + script.weight() - before;
        self.script = Some(Box::new(script));
    }

    /// Its service will not be told of it, and what comes is not looked at.
    pub(super) fn never_begin(&mut self) {
        self.progress = match self.is_prefaced() {
            true => Progress::Preface,
            false => Progress::Handshake,
        };
        self.is_mute = true;
    }

    /// Whether that is so.
    pub(super) fn has_never_begun(&self) -> bool {
        self.is_mute
    }

    /// Bytes that wait to be sealed, or are held back.
    pub(super) fn waiting(&self) -> usize {
        let unsealed = self.unsealed().map_or(0, |plain| plain.outbox.len());
        unsealed + self.script().map_or(0, Script::held)
    }

    /// The same, to go on with.
    pub(super) fn script_mut(&mut self) -> Option<&mut Script> {
        self.script.as_deref_mut()
    }

    /// Whether what the service says is counted and shown when it is sealed, and not when it is
    /// sent.
    pub(super) fn counts_plain(&self) -> bool {
        self.cipher.is_some() || self.script.is_none()
    }

    /// Drops what waits to be sealed, and what is held back.
    pub(super) fn forfeit(&mut self, pool: &mut Pool) {
        pool.forfeit(self.plain.take());
        if let Some(script) = &mut self.script {
            weighed(script, pool, |script, _| script.cut());
        }
    }

    /// What has not come in time.
    fn missing(&self) -> (Reason, &'static str) {
        match self.progress {
            Progress::Preface => (Reason::Preface, "it did not come whole in time"),
            _ => (Reason::Tls, "the handshake took too long"),
        }
    }
}

impl Core {
    /// The connection of `peer`, which had layers, is over: what may have to be said of `reason`.
    /// Returns whether its service knows of it.
    #[inline(never)]
    pub(super) fn end_layers(&mut self, peer: Peer, one: &Connection, reason: &mut Reason) -> bool {
        let Some(mut layers) = self.layers.remove(peer) else { return true };
        layers.forfeit(&mut self.pool);
        let weight = layers.script().map_or(0, Script::weight);
        self.pool.held -= weight;
        if layers.script().is_some_and(Script::is_armed) {
            self.releases.forget();
            self.sweep_scripts();
        }
        if let Some(condition) = layers.script().and_then(Script::condition) {
            layers.failure.get_or_insert_with(|| condition.into());
        }
        if layers.is_cut_off && matches!(reason, Reason::Eof | Reason::Done) {
            *reason = Reason::CutOff;
        }
        self.failure = layers.failure.take();
        one.origin.is_called() || layers.is_open()
    }

    /// The layers of `peer` have taken so many bytes of what its service says.
    fn took(&mut self, peer: Peer, count: usize) {
        self.cost.spend_flush(count);
        if let Some(connection) = self.connections.get_mut(peer) {
            connection.bytes_out += count as u64;
            self.counts[usize::from(connection.service)].over(connection.carrier()).bytes_out +=
                count as u64;
        }
    }
}

/// What puts layers between sockets and services: a listener for those it accepts, a client for
/// those it calls.
pub trait Layering: fmt::Debug {
    /// Those for one more connection, to a peer at that address; `None`: it needs none.
    fn layers(&self, remote: Address) -> Option<Layers>;

    /// Whether all of them are enciphered.
    fn is_secured(&self) -> bool {
        false
    }
}
