//! Reading into the turn's buffer: from one lent stream after the other, or from many at once.

use std::io::{self, Read};
use std::ops::Range;

use super::Engine;
use super::connection::{Connection, Kind};
use super::slots::Peer;
use super::step::Flow;

/// The turn's read buffer.
pub(super) const TURN_BYTES: usize = 256 * 1024;
/// Once so much input waits to be sent back, that comes first: bulk leaves while it is in the
/// cache, and nobody's answer waits long for other people's input.
const ENOUGH_BYTES: usize = 64 * 1024;
/// What one of many peers is given to be read into.
pub const ROOM_BYTES: usize = 8 * 1024;
/// Input up to this long is moved out of its room to what came before: that costs less than the
/// flush that a turn's buffer full of gaps would need.
const MOVED_MAX_BYTES: usize = 1024;

impl Engine {
    /// Whether it makes sense to call `input` for `peer` now.
    pub fn wants_input(&self, peer: Peer) -> bool {
        self.to_read(peer).is_some()
    }

    /// Whether `peer` may be read into one of the `rooms` now.
    pub fn wants_room(&self, peer: Peer) -> bool {
        let Some(connection) = self.net.connections.get(peer) else { return false };
        let counts_reads = self.residents[usize::from(connection.service)].counts_reads;
        let goes_on = connection.is_interrupted();
        connection.wants_input() && connection.kind() == Kind::Stream && !counts_reads && !goes_on
    }

    /// Whether there is room to read, or the turn has to be flushed and ended first.
    pub fn can_read(&self) -> bool {
        self.turn_used < ENOUGH_BYTES
    }

    /// Reads from `stream` and delivers, within the peer's share of a turn. `read_on` says that the
    /// peer's FIN or an error is known to wait behind the data: then a short read is not taken
    /// for the last one, because no further readiness would announce the end.
    pub fn input(&mut self, peer: Peer, stream: &mut impl Read, read_on: bool) -> Flow {
        self.net.begin_share();
        if self.is_interrupted(peer) && self.wants_input(peer) {
            self.redeliver(peer);
        }
        let mut share = TURN_BYTES;
        for _ in 0..self.net.limits.reads {
            if self.net.has_had_its_share() || share == 0 {
                break;
            }
            let Some((kind, most)) = self.to_read(peer) else { return Flow::Paused };
            if !self.can_read() {
                return Flow::More;
            }
            let room = self.turn_used..self.turn_used.saturating_add(most).min(self.turn.len());
            let outcome = stream.read(&mut self.turn[room.clone()]);
            share = share.saturating_sub(*outcome.as_ref().unwrap_or(&0));
            if self.take(peer, kind, room, outcome, read_on) {
                return Flow::Drained;
            }
        }
        Flow::More
    }

    /// Rooms to read into for so many peers that `wants_room`, one for each. `filled` must follow
    /// for each of them in this order, and nothing else in between.
    pub fn rooms(&mut self) -> impl ExactSizeIterator<Item = &mut [u8]> {
        self.rooms_at = self.turn_used;
        self.turn[self.rooms_at..].chunks_exact_mut(ROOM_BYTES)
    }

    /// Delivers what reading from `peer` into the room with that number has brought, as `input`
    /// does. A room that is full may not have been all.
    pub fn filled(&mut self, peer: Peer, room: usize, outcome: io::Result<usize>) -> Flow {
        self.net.begin_share();
        let mut start = self.rooms_at + room * ROOM_BYTES;
        if let Ok(count) = outcome
            && count <= MOVED_MAX_BYTES
        {
            self.turn.copy_within(start..start + count, self.turn_used);
            start = self.turn_used;
        }
        match self.take(peer, Kind::Stream, start..start + ROOM_BYTES, outcome, false) {
            true => Flow::Drained,
            false => Flow::More,
        }
    }

    /// Delivers what one read into `room` of the turn's buffer has brought. True: that was all
    /// for now.
    fn take(
        &mut self,
        peer: Peer,
        kind: Kind,
        room: Range<usize>,
        outcome: io::Result<usize>,
        read_on: bool,
    ) -> bool {
        match outcome {
            Ok(0) if kind == Kind::Stream => {
                self.ended(peer);
                true
            }
            Ok(count) => {
                self.deliver(peer, room.start..room.start + count);
                let is_short = count < room.len() && !read_on && kind == Kind::Stream;
                is_short && !self.is_interrupted(peer)
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
    pub fn is_interrupted(&self, peer: Peer) -> bool {
        self.net.connections.get(peer).is_some_and(Connection::is_interrupted)
    }

    /// What `peer` carries and how much one read may bring, if it is to be read now.
    fn to_read(&self, peer: Peer) -> Option<(Kind, usize)> {
        let connection = self.net.connections.get(peer)?;
        let resident = &self.residents[usize::from(connection.service)];
        let most = match resident.counts_reads {
            true => resident.read_bytes,
            false => resident.read_bytes.min(self.net.read_at_once(connection)),
        };
        connection.wants_input().then(|| (connection.kind(), most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Net, Service};

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
            net.send_back(peer, input);
            input.len()
        }
    }

    #[test]
    fn short_inputs_read_together_leave_room_for_more() {
        let mut stage = Stage::new(Mirror { counts_reads: false });
        let peers: Vec<Peer> = (0..32u8).map(|_| stage.join()).collect();
        let engine = &mut stage.engine;
        let inputs: Vec<Vec<u8>> = (0..32).map(|n| vec![n; 1 + usize::from(n) % 3]).collect();
        for (room, input) in engine.rooms().zip(&inputs) {
            room[..input.len()].copy_from_slice(input);
        }
        for (n, (peer, input)) in peers.iter().zip(&inputs).enumerate() {
            assert!(engine.wants_room(*peer));
            assert_eq!(engine.filled(*peer, n, Ok(input.len())), Flow::Drained);
        }
        for (peer, input) in peers.iter().zip(&inputs) {
            assert_eq!(engine.outgoing(*peer).and_then(|o| o.piece()), Some(&input[..]));
        }
        assert!(engine.can_read());
        assert!(engine.rooms().len() >= 31);
    }

    #[test]
    fn who_counts_reads_is_read_from_alone() {
        let mut stage = Stage::new(Mirror { counts_reads: true });
        let peer = stage.join();
        assert!(stage.engine.wants_input(peer));
        assert!(!stage.engine.wants_room(peer));
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
        stage.engine.kick(peer.number());
        let before = stage.engine.metrics().bytes_in;
        assert_eq!(stage.engine.input(peer, &mut Endless, false), Flow::More);
        assert_eq!(stage.engine.metrics().bytes_in - before, TURN_BYTES as u64);
    }
}
