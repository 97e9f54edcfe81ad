//! What a layer that seals and opens is to the engine. It is not TLS: nothing here knows of it.

use std::io::IoSlice;

/// A layer that seals what goes out and opens what comes in. It has no socket.
pub trait Cipher {
    /// The socket is connected: what is to be said first goes to `sealed` (a client's hello).
    fn begin(&mut self, sealed: &mut Vec<u8>);

    /// Takes what has come, all of it. What it says goes to `plain`; what is to be sent for it
    /// (handshake, tickets, alerts) to `sealed`.
    ///
    /// # Errors
    ///
    /// The conversation has failed, for the reason that the line gives; an alert for the peer may
    /// be in `sealed`, and what was said before in `plain`.
    fn feed(
        &mut self,
        input: &[u8],
        plain: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<Fed, String>;

    /// Seals what the service says; only once it is ready.
    fn seal(&mut self, plain: &[IoSlice<'_>], sealed: &mut Vec<u8>);

    /// We have said all (close_notify). At most one leaves; none after a failure.
    fn close(&mut self, sealed: &mut Vec<u8>);

    /// The peer's FIN has come: whether it may (after its close_notify), or what came may be cut
    /// off.
    fn is_finished(&self) -> bool;
}

/// What feeding has brought about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// The handshake has just been completed.
    pub ready: Option<Handshake>,
    /// close_notify has just come.
    pub finished: bool,
    /// What it cost beyond the bytes, in the units of a turn.
    pub units: usize,
}

/// How the two have come to their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// With a certificate and its signature.
    Full,
    /// From what an earlier conversation left them.
    Resumed,
}
