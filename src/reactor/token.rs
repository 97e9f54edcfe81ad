//! What an epoll token names. The kind stands in its two lowest bits, so the kernel hands back
//! where to look, and a token of the past finds nothing because a `Peer` is never given twice.

use mio::Token;

use crate::engine::Peer;

const KIND_BITS: u32 = 2;

// A token holds a `Peer` and a kind; mio's tokens are as wide as a pointer.
const _: () = assert!(usize::BITS >= Peer::BITS + KIND_BITS, "cooee needs a 64-bit machine");

/// Something the poll loop waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A signal has come.
    Signals,
    /// The operator has typed.
    Input,
    /// It is time.
    Timer,
    /// The listener in that slot.
    Listener(usize),
    /// The datagram socket in that slot.
    Datagrams(usize),
    /// The stream of that peer.
    Stream(Peer),
}

impl Source {
    #[allow(clippy::cast_possible_truncation)] // a `usize` has 64 bits, see above
    pub(super) fn token(self) -> Token {
        let (payload, kind) = match self {
            Source::Signals => (0, 0),
            Source::Input => (1, 0),
            Source::Timer => (2, 0),
            Source::Listener(slot) => (slot as u64, 1),
            Source::Datagrams(slot) => (slot as u64, 2),
            Source::Stream(peer) => (peer.to_bits(), 3),
        };
        Token((payload << KIND_BITS | kind) as usize)
    }

    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn of(token: Token) -> Source {
        let payload = token.0 as u64 >> KIND_BITS;
        match (token.0 & 3, payload) {
            (0, 0) => Source::Signals,
            (0, 1) => Source::Input,
            (0, _) => Source::Timer,
            (1, slot) => Source::Listener(slot as usize),
            (2, slot) => Source::Datagrams(slot as usize),
            (_, bits) => Source::Stream(Peer::from_bits(bits)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_survives_the_way_through_a_token() {
        let peer = Peer::from_bits((1 << Peer::BITS) - 1);
        let all = [
            Source::Signals,
            Source::Input,
            Source::Timer,
            Source::Listener(7),
            Source::Datagrams(9),
            Source::Stream(peer),
        ];
        for source in all {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
