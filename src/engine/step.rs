//! What the engine and its driver say to each other about one connection.

use std::net::SocketAddr;
use std::time::Duration;

use super::outbox::{Head, Slices};
use super::slots::Peer;

/// What `Engine::input` leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// There is nothing more to read until the next readiness.
    Drained,
    /// There may be more, but it is not wanted now: `wants_input` will tell when.
    Paused,
    /// The peer's share of this turn is used up, or the turn's buffer is full: call again.
    More,
}

/// What a connection wants of its socket next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write what `outgoing` returns, then say `sent`, `hold` or `failed`.
    Write,
    /// Send a FIN (shut down the writing side), then say `hung_up`.
    HangUp,
    /// Drop the socket and say `reap`.
    Drop,
    /// Nothing until more happens.
    Wait,
}

/// The head of a peer's output.
pub struct Outgoing<'a> {
    pub(super) head: Head<'a>,
    /// Whether a FIN follows right behind these bytes, so that both may share a segment.
    pub last: bool,
}

impl<'a> Outgoing<'a> {
    /// All of the peer's output, if that is one slice and not several.
    pub fn piece(&self) -> Option<&'a [u8]> {
        self.head.piece()
    }

    /// The bytes, for one gathered write. Never empty.
    pub fn slices(&self) -> Slices<'a> {
        self.head.slices()
    }

    /// How many bytes that is.
    pub fn bytes(&self) -> usize {
        self.head.bytes()
    }
}

/// A line about one connection, for an operator.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub peer: Peer,
    /// The service it talks to.
    pub service: &'static str,
    /// The peer's address.
    pub remote: SocketAddr,
    /// How long it has been open.
    pub age: Duration,
    /// Bytes received from it.
    pub bytes_in: u64,
    /// Bytes sent to it.
    pub bytes_out: u64,
}
