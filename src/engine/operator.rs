//! What an operator sees of the engine and can do to it.

use super::{Engine, Entry, Peer, Reason};

impl Engine {
    /// Every connection, in slot order.
    pub fn roster(&self) -> impl Iterator<Item = Entry> {
        self.net.connections.iter().map(|(peer, connection)| Entry {
            peer,
            service: self.residents[usize::from(connection.service)].name,
            remote: connection.remote,
            age: self.net.now.since(connection.opened_at),
            bytes_in: connection.bytes_in,
            bytes_out: connection.bytes_out,
        })
    }

    /// What the services have put before the operator since the last call, as lines.
    pub fn take_screen(&mut self) -> String {
        std::mem::take(&mut self.net.screen)
    }

    /// Tells the service with that number what the operator typed; `None`: nobody will any more.
    pub fn tell(&mut self, service: usize, line: Option<&str>) {
        self.call(service, |service, net| service.told(line, net));
    }

    /// Closes the connection with that number once all that is queued for it is out.
    pub fn kick(&mut self, number: u64) -> Option<Peer> {
        let (peer, _) = self.net.connections.iter().find(|(peer, _)| peer.number() == number)?;
        self.net.close_as(peer, Reason::Kicked);
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
