//! Reading into the turn's buffer: from one lent stream after the other, or from many at once.

use std::io::{self, Read};
use std::ops::Range;

use super::Engine;
use super::connection::Kind;
use super::slots::Peer;
use super::step::Flow;

/// The turn's read buffer.
pub(super) const TURN_BYTES: usize = 256 * 1024;
/// Once so much input waits to be sent back, that comes first: bulk leaves while it is in the
/// cache, and nobody's answer waits long for other people's input.
const ENOUGH_BYTES: usize = 64 * 1024;
/// What one of many peers is given to be read into.
pub const ROOM_BYTES: usize = 8 * 1024;

impl Engine {
    /// Whether it makes sense to call `input` for `peer` now.
    pub fn wants_input(&self, peer: Peer) -> bool {
        self.to_read(peer).is_some()
    }

    /// Whether `peer` may be read into one of the `rooms` now.
    pub fn wants_room(&self, peer: Peer) -> bool {
        self.to_read(peer).is_some_and(|(kind, _)| kind == Kind::Stream)
    }

    /// Whether there is room to read, or the turn has to be flushed and ended first.
    pub fn can_read(&self) -> bool {
        self.turn_used < ENOUGH_BYTES
    }

    /// Reads from `stream` and delivers, within the peer's share of a turn. `read_on` says that the
    /// peer's FIN or an error is known to wait behind the data: then a short read is not taken
    /// for the last one, because no further readiness would announce the end.
    pub fn input(&mut self, peer: Peer, stream: &mut impl Read, read_on: bool) -> Flow {
        self.net.share_ended = false;
        for _ in 0..self.net.limits.reads {
            if self.net.share_ended {
                break;
            }
            let Some((kind, most)) = self.to_read(peer) else { return Flow::Paused };
            if !self.can_read() {
                return Flow::More;
            }
            let room = self.turn_used..self.turn_used.saturating_add(most).min(self.turn.len());
            let outcome = stream.read(&mut self.turn[room.clone()]);
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
        self.net.share_ended = false;
        let start = self.rooms_at + room * ROOM_BYTES;
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
                count < room.len() && !read_on && kind == Kind::Stream
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            Err(error) => {
                self.failed(peer, &error);
                true
            }
        }
    }

    /// What `peer` carries and how much one read may bring, if it is to be read now.
    fn to_read(&self, peer: Peer) -> Option<(Kind, usize)> {
        let connection = self.net.connections.get(peer)?;
        let most = self.residents[usize::from(connection.service)].read_bytes;
        connection.wants_input().then(|| (connection.kind(), most))
    }
}
