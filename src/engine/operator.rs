//! What an operator sees of the engine and can do to it.

use std::fmt;
use std::net::SocketAddr;

use super::{Engine, Entry, Peer, Reason};

impl Engine {
    /// Every connection, in slot order.
    pub fn roster(&self) -> impl Iterator<Item = Entry> {
        self.net.connections.iter().map(|(peer, connection)| Entry {
            peer,
            service: self.residents[usize::from(connection.service)].name,
            remote: connection.remote.into(),
            age: self.net.now.since(connection.opened_at),
            bytes_in: connection.bytes_in,
            bytes_out: connection.bytes_out,
        })
    }

    /// The address of `peer`, unless it is gone.
    pub fn remote(&self, peer: Peer) -> Option<SocketAddr> {
        self.net.remote(peer)
    }

    /// Logs a line about one connection, as long as there are not too many in this second.
    pub fn remark(&mut self, level: log::Level, line: fmt::Arguments<'_>) {
        if log::log_enabled!(level) && self.net.governor.admits(self.net.now) {
            log::log!(level, "{line}");
        }
    }

    /// What the services have shown and printed since the last call.
    pub fn take_screen(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.net.screen)
    }

    /// How the program is to end, once a service has said so.
    pub fn outcome(&self) -> Option<&Result<(), String>> {
        self.net.outcome.as_ref()
    }

    /// Hands bytes of standard input to the service with that number as they came; `None`: that
    /// was all.
    pub fn feed(&mut self, service: usize, bytes: Option<&[u8]>) {
        self.call(service, |service, net| service.fed(bytes, net));
    }

    /// How many connections own buffers, and how many of those have nothing in them: none, at the
    /// end of a turn.
    pub fn buffered(&self) -> (usize, usize) {
        let owned = self.net.connections.iter().filter_map(|(_, c)| c.buffers.as_ref());
        owned.fold((0, 0), |(all, empty), b| (all + 1, empty + usize::from(b.is_empty())))
    }

    /// Whether what is fed should wait: a service wants it so, or a peer is far behind.
    pub fn is_backed_up(&self) -> bool {
        self.net.input_held
            || self.net.connections.iter().any(|(_, connection)| {
                connection.buffers.as_ref().is_some_and(|buffers| buffers.backed_up)
            })
    }

    /// Tells the service with that number what the operator typed; `None`: nobody will any more.
    pub fn tell(&mut self, service: usize, line: Option<&str>) {
        self.call(service, |service, net| service.told(line, net));
        // What it gathered must not wait for the next turn's end: nothing might bring one about.
        self.call(service, |service, net| service.settled(net));
    }

    /// Closes the connection with that number once all that is queued for it is out; at once, if
    /// it is closing already.
    pub fn kick(&mut self, number: u64) -> Option<Peer> {
        let (peer, index) = (self.net.connections.iter())
            .find(|(peer, _)| peer.number() == number)
            .map(|(peer, connection)| (peer, usize::from(connection.service)))?;
        match self.net.is_open(peer) {
            true => {
                self.call(index, |service, net| service.kicked(peer, net));
                self.net.close_as(peer, Reason::Kicked);
            }
            false => self.net.hurry(peer),
        }
        Some(peer)
    }

    /// Closes every connection once all that is queued for it is out.
    pub fn close_all(&mut self) {
        let everybody: Vec<Peer> = self.net.connections.iter().map(|(peer, _)| peer).collect();
        for peer in everybody {
            self.net.close_as(peer, Reason::Shutdown);
        }
    }
}
