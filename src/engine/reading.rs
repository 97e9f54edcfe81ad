//! Reading into the turn's buffer: from one socket after the other, or from many at once.

use std::io::{self, Read};
use std::ops::Range;

use super::Engine;
use super::connection::{Connection, Kind};
use super::slots::Peer;

/// The turn's read buffer.
pub(super) const TURN_BYTES: usize = 256 * 1024;
/// Once so much input waits to be sent back, that comes first: bulk leaves while it is in the
/// cache, and nobody's answer waits long for other people's input.
const ENOUGH_BYTES: usize = 64 * 1024;
/// What one of many peers is given to be read into.
pub(super) const SLOT_BYTES: usize = 8 * 1024;
/// Input up to this long is moved out of its slot to what came before: that costs less than the
/// flush that a turn's buffer full of gaps would need.
const MOVED_MAX_BYTES: usize = 1024;

/// What reading leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// There is nothing more to read until the next readiness.
    Drained,
    /// There may be more, but it is not wanted now: `wants_input` will tell when.
    Paused,
    /// The peer's share of this turn is used up, or the turn's buffer is full: call again.
    More,
}

impl Engine {
    /// Whether it makes sense to call `input` for `peer` now.
    pub(crate) fn wants_input(&self, peer: Peer) -> bool {
        self.to_read(peer).is_some()
    }

    /// Whether `peer` may be read into one of the slots now.
    pub(super) fn fits_slot(&self, peer: Peer) -> bool {
        let Some(connection) = self.core.connections.get(peer) else { return false };
        let counts_reads = self.services[usize::from(connection.service)].counts_reads;
        let goes_on = connection.is_interrupted();
        connection.wants_input() && connection.kind() == Kind::Stream && !counts_reads && !goes_on
    }

    /// Whether more may be read, or the turn has to be flushed first.
    pub(super) fn can_read(&self) -> bool {
        self.turn_used < ENOUGH_BYTES
    }

    /// Reads from `socket` and delivers, within the peer's share of a turn. `read_on` says that the
    /// peer's FIN or an error is known to wait behind the data: then a short read is not taken
    /// for the last one, because no further readiness would announce the end.
    pub(super) fn input(&mut self, peer: Peer, socket: &mut impl Read, read_on: bool) -> Flow {
        self.core.cost.begin_share();
        if self.is_interrupted(peer) && self.wants_input(peer) {
            self.redeliver(peer);
        }
        let mut share = TURN_BYTES;
        for _ in 0..self.core.limits.reads {
            if self.core.cost.share_ended || share == 0 {
                break;
            }
            let Some((kind, most)) = self.to_read(peer) else { return Flow::Paused };
            if !self.can_read() {
                return Flow::More;
            }
            let slot = self.turn_used..self.turn_used.saturating_add(most).min(self.turn.len());
            let outcome = socket.read(&mut self.turn[slot.clone()]);
            share = share.saturating_sub(*outcome.as_ref().unwrap_or(&0));
            if self.take(peer, kind, slot, outcome, read_on) {
                return Flow::Drained;
            }
        }
        Flow::More
    }

    /// Slots to be read into, one for each of so many peers that `fits_slot`. `filled` must follow
    /// for each of them in this order, and nothing else in between.
    pub(super) fn read_slots(&mut self) -> impl ExactSizeIterator<Item = &mut [u8]> {
        self.slots_at = self.turn_used;
        self.turn[self.slots_at..].chunks_exact_mut(SLOT_BYTES)
    }

    /// Delivers what reading from `peer` into the slot with that number has brought, as `input`
    /// does. A slot that is full may not have been all.
    pub(super) fn filled(&mut self, peer: Peer, slot: usize, outcome: io::Result<usize>) -> Flow {
        self.core.cost.begin_share();
        let mut start = self.slots_at + slot * SLOT_BYTES;
        if let Ok(count) = outcome
            && count <= MOVED_MAX_BYTES
        {
            self.turn.copy_within(start..start + count, self.turn_used);
            start = self.turn_used;
        }
        match self.take(peer, Kind::Stream, start..start + SLOT_BYTES, outcome, false) {
            true => Flow::Drained,
            false => Flow::More,
        }
    }

    /// Delivers what one read into `slot` of the turn's buffer has brought. True: that was all
    /// for now.
    #[inline]
    fn take(
        &mut self,
        peer: Peer,
        kind: Kind,
        slot: Range<usize>,
        outcome: io::Result<usize>,
        read_on: bool,
    ) -> bool {
        match outcome {
            Ok(0) if kind == Kind::Stream => {
                self.peer_finished(peer);
                true
            }
            Ok(count) => {
                self.core.expects_no_more = false;
                self.deliver(peer, slot.start..slot.start + count);
                let is_all = match kind {
                    Kind::Stream => count < slot.len() && !read_on,
                    Kind::Datagram => self.core.expects_no_more,
                };
                is_all && !self.is_interrupted(peer)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            Err(error) => {
                self.failed(peer, &error);
                true
            }
        }
    }

    /// Whether the service of `peer` has stopped in the midst of its input, and goes on with it
    /// when `input` is called next.
    pub(crate) fn is_interrupted(&self, peer: Peer) -> bool {
        self.core.connections.get(peer).is_some_and(Connection::is_interrupted)
    }

    /// What `peer` carries and how much one read may bring, if it is to be read now.
    #[inline]
    fn to_read(&self, peer: Peer) -> Option<(Kind, usize)> {
        let connection = self.core.connections.get(peer)?;
        let service = &self.services[usize::from(connection.service)];
        let most = match service.counts_reads {
            true => service.read_bytes,
            false => service.read_bytes.min(self.core.read_at_once(connection)),
        };
        connection.wants_input().then(|| (connection.kind(), most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Net, Operated, Service};

    /// Sends back what comes, and says so if it cares where that was cut.
    struct Mirror {
        counts_reads: bool,
    }

    impl Service for Mirror {
        fn read_bytes(&self) -> usize {
            usize::MAX
        }

        fn counts_reads(&self) -> bool {
            self.counts_reads
        }

        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            net.send_back(peer, input.len());
            input.len()
        }
    }

    #[test]
    fn short_inputs_read_together_leave_room_for_more() {
        let mut stage = Stage::new(Mirror { counts_reads: false });
        let peers: Vec<Peer> = (0..32u8).map(|_| stage.join()).collect();
        let engine = stage.engine();
        let inputs: Vec<Vec<u8>> = (0..32).map(|n| vec![n; 1 + usize::from(n) % 3]).collect();
        for (slot, input) in engine.read_slots().zip(&inputs) {
            slot[..input.len()].copy_from_slice(input);
        }
        for (n, (peer, input)) in peers.iter().zip(&inputs).enumerate() {
            assert!(engine.fits_slot(*peer));
            assert_eq!(engine.filled(*peer, n, Ok(input.len())), Flow::Drained);
        }
        for (peer, input) in peers.iter().zip(&inputs) {
            assert_eq!(engine.outgoing(*peer).and_then(|(head, _)| head.piece()), Some(&input[..]));
        }
        assert!(engine.can_read());
        assert!(engine.read_slots().len() >= 31);
    }

    /// Asks, and expects nothing behind the answer.
    struct Asker;

    impl Service for Asker {
        fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
            net.show(&String::from_utf8_lossy(input));
            if input == b"answer" {
                net.expect_no_more();
            }
            input.len()
        }

        fn operated(&mut self) -> Option<&mut dyn Operated> {
            Some(self)
        }
    }

    impl Operated for Asker {
        fn told(&mut self, _: Option<&str>, net: &mut Net) {
            net.dial(([192, 0, 2, 7], 7).into(), Kind::Datagram);
        }
    }

    /// Datagrams, one for each read.
    struct Datagrams(Vec<&'static str>);

    impl Read for Datagrams {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let next = self.0.pop().ok_or(io::ErrorKind::WouldBlock)?;
            into[..next.len()].copy_from_slice(next.as_bytes());
            Ok(next.len())
        }
    }

    #[test]
    fn a_datagram_socket_is_asked_until_it_has_none_or_none_is_expected() {
        for (came, left) in [(vec!["stray", "stray"], 0), (vec!["late", "answer", "stray"], 1)] {
            let mut stage = Stage::new(Asker);
            stage.tell(None);
            let peer = stage.dialed()[0];
            stage.answer(peer, ([192, 0, 2, 99], 5000).into());
            let mut datagrams = Datagrams(came);
            assert_eq!(stage.engine().input(peer, &mut datagrams, false), Flow::Drained);
            assert_eq!(datagrams.0.len(), left);
            // What one datagram was is no word about the next.
            let mut datagrams = Datagrams(vec!["stray", "stray"]);
            stage.engine().input(peer, &mut datagrams, false);
            assert_eq!(datagrams.0.len(), 0);
        }
    }

    #[test]
    fn who_counts_reads_is_read_from_alone() {
        let mut stage = Stage::new(Mirror { counts_reads: true });
        let peer = stage.join();
        assert!(stage.engine().wants_input(peer));
        assert!(!stage.engine().fits_slot(peer));
    }

    /// For ever the same.
    struct Endless;

    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            into.fill(b'x');
            Ok(into.len())
        }
    }

    #[test]
    fn a_share_of_a_turn_is_no_more_than_the_turns_buffer() {
        let mut stage = Stage::new(Mirror { counts_reads: false });
        let peer = stage.join();
        // What it sends from here on is read and thrown away.
        stage.engine().kick(peer.number());
        let before = stage.engine().metrics().bytes_in;
        assert_eq!(stage.engine().input(peer, &mut Endless, false), Flow::More);
        assert_eq!(stage.engine().metrics().bytes_in - before, TURN_BYTES as u64);
    }

    #[test]
    fn once_enough_waits_to_be_sent_back_that_comes_first_and_there_is_room_for_everybody() {
        let mut stage = Stage::new(Mirror { counts_reads: false });
        let peers: Vec<Peer> = (0..6).map(|_| stage.join()).collect();
        stage.say_in_turn(peers[0], vec![b'x'; 64 * 1024 - 1]);
        assert!(stage.engine().can_read());
        stage.say_in_turn(peers[0], "x");
        assert!(!stage.engine().can_read());
        stage.flush();
        assert_eq!(stage.hear(peers[0]).len(), 64 * 1024);
        for peer in &peers {
            stage.send(*peer, vec![b'x'; 64 * 1024]);
        }
        stage.flush();
        assert!(peers.iter().all(|peer| stage.hear(*peer).len() == 64 * 1024));
    }
}
