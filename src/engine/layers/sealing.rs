//! What the layers of a connection make of what is said.

use super::Cipher;
use crate::engine::connection::Phase;
use crate::engine::connection::outbox::SLICES_MAX;
use crate::engine::connection::pool::Buffers;
use crate::engine::tap::{Direction, show};
use crate::engine::{Engine, Peer};

impl Engine {
    /// Seals what the service of `peer` has said, and behind its last word that this was all. What
    /// it is to suffer comes behind that.
    #[inline(never)]
    pub(in crate::engine) fn seal(&mut self, peer: Peer) {
        let Some(layers) = self.core.layers.get_mut(peer).filter(|one| one.is_open()) else {
            return;
        };
        let is_faulty = layers.script.is_some();
        if let Some(script) = &mut layers.script {
            script.begin_reply();
        }
        let plain = layers.plain.take();
        let cipher = layers.cipher.take();
        let before = self.faults_so_far(peer).filter(|_| is_faulty);
        match cipher {
            Some(cipher) => self.encipher(peer, plain, cipher),
            None => self.pass_all(peer, plain),
        }
        if let Some(before) = before {
            self.show_faults(peer, before);
        }
        if is_faulty {
            self.play(peer);
            self.relieve();
        }
    }

    fn encipher(&mut self, peer: Peer, plain: Option<Box<Buffers>>, mut cipher: Box<dyn Cipher>) {
        if let Some(plain) = plain {
            self.seal_all(peer, plain, &mut *cipher);
        }
        if self.core.connections.get(peer).is_some_and(|one| one.phase.says_no_more()) {
            let mut sealed = std::mem::take(&mut self.sealed);
            cipher.close(&mut sealed);
            self.queue_sealed(peer, sealed);
        }
        if let Some(layers) = self.core.layers.get_mut(peer) {
            layers.cipher = Some(cipher);
        }
    }

    fn seal_all(&mut self, peer: Peer, mut plain: Box<Buffers>, cipher: &mut dyn Cipher) {
        while !plain.outbox.is_empty() {
            let mut sealed = std::mem::take(&mut self.sealed);
            let head = plain.outbox.head(&self.turn, SLICES_MAX);
            let (slices, count) = (head.slices(), head.bytes());
            if let Some(tap) = &mut self.tap {
                show(&mut **tap, &self.core, peer, Direction::Out, &slices, count);
            }
            cipher.seal(&slices, &mut sealed);
            plain.outbox.sent(count, &mut self.core.pool);
            self.core.took(peer, count);
            self.queue_sealed(peer, sealed);
        }
        self.core.pool.give_set(plain);
    }

    /// Passes on what is said in the clear.
    fn pass_all(&mut self, peer: Peer, plain: Option<Box<Buffers>>) {
        let Some(mut plain) = plain else { return };
        while !plain.outbox.is_empty() {
            let head = plain.outbox.head(&self.turn, SLICES_MAX);
            let (slices, count) = (head.slices(), head.bytes());
            slices.iter().for_each(|slice| self.core.suffer(peer, slice));
            plain.outbox.sent(count, &mut self.core.pool);
        }
        self.core.pool.give_set(plain);
    }

    /// Queues what the layers have made, and keeps the room for it.
    pub(super) fn queue_sealed(&mut self, peer: Peer, mut sealed: Vec<u8>) {
        self.push_sealed(peer, &sealed);
        sealed.clear();
        self.sealed = sealed;
    }

    /// Queues what the layers have made.
    pub(super) fn push_sealed(&mut self, peer: Peer, sealed: &[u8]) {
        if sealed.is_empty() {
            return;
        }
        let core = &mut self.core;
        if core.layers.get(peer).is_some_and(|one| one.is_open() && one.script.is_some()) {
            // Records keep their order: whatever comes behind what is held is held, too.
            return core.suffer(peer, sealed);
        }
        let Some(connection) = core.connections.get_mut(peer) else { return };
        if matches!(connection.phase, Phase::Gone(_)) {
            return;
        }
        let pool = &mut core.pool;
        let buffers = connection.buffers.get_or_insert_with(|| pool.take_set());
        buffers.outbox.push(sealed, pool);
        let waiting = buffers.outbox.len();
        connection.back_up(waiting, &core.limits, pool);
        connection.touch(peer, &mut core.touched);
    }
}
