//! What an operator sees of the engine and can do to it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::connection::Phase;
use super::net::Net;
use super::{Engine, Operated, Peer, Reason};

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

impl Engine {
    /// Every connection, in slot order, with those that are being called or closed.
    pub fn roster(&self) -> impl Iterator<Item = Entry> {
        self.core.connections.iter().map(|(peer, connection)| Entry {
            peer,
            service: self.services[usize::from(connection.service)].name,
            remote: connection.remote.into(),
            age: self.core.now.since(connection.opened_at),
            bytes_in: connection.bytes_in,
            bytes_out: connection.bytes_out,
        })
    }

    /// The address of `peer`, unless it is gone.
    pub(crate) fn remote(&self, peer: Peer) -> Option<SocketAddr> {
        self.core.remote(peer)
    }

    /// Logs a line about one connection, as long as there are not too many in this second
    /// ([`Limits::log_lines`](super::Limits::log_lines)).
    pub(crate) fn remark(&mut self, level: log::Level, line: fmt::Arguments<'_>) {
        if log::log_enabled!(level) && self.core.governor.admits(self.core.now) {
            log::log!(level, "{line}");
        }
    }

    /// What the services have shown and printed since the last call
    /// ([`Net::show`](super::Net::show)): for whoever has a screen.
    pub fn take_screen(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.core.screen)
    }

    /// How the program is to end, once a service has said so.
    pub fn outcome(&self) -> Option<&Result<(), String>> {
        self.core.outcome.as_ref()
    }

    /// Tells the service with that number something, if somebody operates it.
    pub(super) fn operate(
        &mut self,
        service: usize,
        tell: impl FnOnce(&mut dyn Operated, &mut Net<'_>),
    ) {
        self.dispatch(service, |service, net| {
            if let Some(operated) = service.operated() {
                tell(operated, net);
            }
        });
    }

    /// Hands bytes of standard input to the service with that number as they came; `None`: that
    /// was all.
    pub fn feed(&mut self, service: usize, bytes: Option<&[u8]>) {
        self.operate(service, |operated, net| operated.fed(bytes, net));
    }

    /// How many connections own buffers, and how many of those have nothing in them: none, at the
    /// end of a turn. It looks at every connection; for tests.
    pub fn buffered(&self) -> (usize, usize) {
        let owned = self.core.connections.iter().filter_map(|(_, c)| c.buffers.as_ref());
        owned.fold((0, 0), |(all, empty), b| (all + 1, empty + usize::from(b.is_empty())))
    }

    /// Whether what is fed should wait: a service wants it so, or a peer is far behind.
    pub fn is_backed_up(&self) -> bool {
        self.core.input_held
            || self.core.connections.iter().any(|(_, connection)| {
                connection.buffers.as_ref().is_some_and(|buffers| buffers.backed_up)
            })
    }

    /// Tells the service with that number what the operator typed; `None`: nobody will any more.
    pub fn tell(&mut self, service: usize, line: Option<&str>) {
        self.operate(service, |operated, net| operated.told(line, net));
        // What it gathered must not wait for the next turn's end: nothing might bring one about.
        self.dispatch(service, |service, net| service.settled(net));
    }

    /// Closes the connection with that number ([`Peer::number`]) once all that is queued for it is
    /// out; at once, if it is closing already. `None`: there is no such connection.
    pub fn kick(&mut self, number: u64) -> Option<Peer> {
        let (peer, index) = (self.core.connections.iter())
            .find(|(peer, _)| peer.number() == number)
            .map(|(peer, connection)| (peer, usize::from(connection.service)))?;
        match self.core.is_open(peer) {
            true => {
                self.dispatch(index, |service, net| service.kicked(peer, net));
                self.core.close(peer, Reason::Kicked);
            }
            false => {
                let phase = self.core.connections.get(peer).map(|connection| connection.phase);
                let reason = phase.and_then(Phase::reason).unwrap_or(Reason::Kicked);
                self.core.kill(peer, reason);
            }
        }
        Some(peer)
    }

    /// Closes every connection once all that is queued for it is out, as [`Reason::Shutdown`].
    /// [`connections`](Engine::connections) says when the last of them is gone.
    pub fn close_all(&mut self) {
        let everybody: Vec<Peer> = self.core.connections.iter().map(|(peer, _)| peer).collect();
        for peer in everybody {
            self.core.close(peer, Reason::Shutdown);
        }
    }
}
