//! What becomes of a peer whose time is up, or that does not read what it is sent: such a reader
//! forfeits what is queued, its service may leave it one last word, and it has `Limits::stall` to
//! fetch that.

use super::connection::Phase;
use super::{Engine, Peer, Reason, Time};

impl Engine {
    /// The deadline of `peer` that was set to `when` has come.
    pub(super) fn look_at(&mut self, peer: Peer, when: Time) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(peer) else { return };
        if connection.armed != when {
            return;
        }
        connection.armed = Time::NEVER;
        core.armed -= 1;
        if connection.end_pause(core.now) {
            // Its driver then finds that it is to be read again.
            connection.release(&mut core.pool);
            connection.touch(peer, &mut core.touched);
        }
        let Some(connection) = core.connections.get(peer) else { return };
        if core.due(peer, connection) > core.now {
            return core.arm(peer);
        }
        if connection.phase == Phase::Handshaking {
            return self.layers_overdue(peer);
        }
        match connection.overdue(&core.limits, core.now) {
            // It is given nothing to be slow with.
            Reason::Slow if core.is_held_back(peer) => {
                core.kill(peer, Reason::Idle);
            }
            Reason::Slow => self.give_up(peer, Reason::Slow),
            reason => core.kill(peer, reason),
        }
    }

    /// Ends `peer`, which is too slow a reader, for `reason`. Nobody else waits for it: the service
    /// is told now, and all that stays is the last word, if there is one.
    pub(super) fn give_up(&mut self, peer: Peer, reason: Reason) {
        let Some(connection) = self.core.connections.get(peer) else { return };
        // Behind half of a record there can be no last word.
        if !connection.phase.may_be_told() || connection.is_layered() {
            return self.core.kill(peer, reason);
        }
        let index = usize::from(connection.service);
        self.forfeit(peer);
        let last_word = self.dispatch(index, |service, net| service.fell_behind(peer, net));
        // In parting the service may have let out what it had gathered for everybody: behind a
        // line that was cut off anywhere, the peer could not make sense of it.
        self.forfeit(peer);
        self.core.send(peer, last_word);
        match last_word {
            b"" => self.core.kill(peer, reason),
            _ => self.core.close(peer, reason),
        }
    }

    fn forfeit(&mut self, peer: Peer) {
        if let Some(connection) = self.core.connections.get_mut(peer) {
            self.core.pool.forfeit(connection.buffers.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::{Address, Arrival, Limits, Net, Quota, Service, Step};

    /// Has a last word for those who read too slowly, or not.
    struct Town {
        last_word: &'static [u8],
    }

    impl Service for Town {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            net.send(peer, &vec![b'x'; 100 * input.len()]);
            input.len()
        }

        fn fell_behind(&mut self, peer: Peer, net: &mut Net) -> &'static [u8] {
            net.send(peer, b"gathered before");
            self.last_word
        }
    }

    fn engine(last_word: &'static [u8]) -> (Engine, Peer) {
        let quota = Quota { idle: None, queue_soft: 1000, queue_hard: 5000, apart: None };
        let mut engine = Engine::new(Limits::default());
        engine.add_service("test", quota, Box::new(Town { last_word }));
        let here = Address::from(([192, 0, 2, 1], 4000));
        let peer = engine.accept(0, Arrival::new(here, here)).unwrap();
        (engine, peer)
    }

    /// `peer` causes output of a hundred times as many bytes, of which its socket takes none.
    fn stall(engine: &mut Engine, peer: Peer, bytes: usize) {
        engine.input(peer, &mut &vec![b'?'; bytes][..], false);
        engine.write_blocked(peer);
    }

    fn queued(engine: &Engine, peer: Peer) -> Vec<u8> {
        let slices = engine.outgoing(peer).map(|(head, _)| head.slices());
        slices.iter().flat_map(|slices| slices.iter().flat_map(|slice| slice.to_vec())).collect()
    }

    #[test]
    fn too_much_at_once_is_forfeited_for_one_last_word() {
        let (mut engine, peer) = engine(b"too slow");
        stall(&mut engine, peer, 51);
        assert_eq!(queued(&engine, peer), b"too slow");
        engine.write_blocked(peer);
        engine.sent(peer, 8);
        assert_eq!(engine.step(peer), Step::HangUp);
    }

    #[test]
    fn too_much_for_too_long_is_too_and_the_last_word_does_not_wait_for_ever() {
        let (mut engine, peer) = engine(b"too slow");
        stall(&mut engine, peer, 11);
        let whole = 1100;
        for (seconds, wanted, left) in [
            (9, Step::Write, whole),
            (11, Step::Write, 8),
            (40, Step::Write, 8),
            (42, Step::Drop, 0),
        ] {
            engine.advance(Time::at(Duration::from_secs(seconds)), 0);
            engine.fire_timers();
            engine.write_blocked(peer);
            assert_eq!(
                (engine.step(peer), queued(&engine, peer).len()),
                (wanted, left),
                "{seconds}"
            );
        }
    }

    #[test]
    fn a_service_without_a_last_word_drops_it_at_once() {
        let (mut engine, peer) = engine(b"");
        stall(&mut engine, peer, 51);
        assert_eq!(engine.step(peer), Step::Drop);
    }

    #[test]
    fn as_much_as_is_allowed_is_not_too_much_and_one_more_is() {
        let (mut engine, peer) = engine(b"too slow");
        stall(&mut engine, peer, 10);
        engine.advance(Time::at(Duration::from_secs(100)), 0);
        engine.fire_timers();
        assert_eq!(queued(&engine, peer).len(), 1000);
        stall(&mut engine, peer, 40);
        assert_eq!(queued(&engine, peer).len(), 5000);
        stall(&mut engine, peer, 1);
        assert_eq!(queued(&engine, peer), b"too slow");
    }
}
