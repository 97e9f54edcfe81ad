//! The socket of one peer, what is known of its readiness, and the two calls that carry bytes.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};

use super::sockets;
use crate::engine::{Call, Kind, Outgoing};

/// A socket that carries bytes to and from one peer.
pub(super) enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

/// A peer's socket. Its edges are remembered, because epoll tells them only once.
pub(super) struct Stream {
    pub(super) socket: Socket,
    /// There may be something to read.
    pub(super) readable: bool,
    /// It may take output.
    pub(super) writable: bool,
    /// A FIN or an error is known to wait behind what is to be read.
    pub(super) ends: bool,
    /// Whether it is in the queue of the ready.
    pub(super) queued: bool,
    /// Whether epoll knows it. A conversation that is over within a turn never gets there.
    pub(super) registered: bool,
}

impl Stream {
    /// One that has been accepted: it takes output at once; whether there is input, registering
    /// will tell.
    pub(super) fn accepted(tcp: TcpStream) -> Stream {
        let socket = Socket::Tcp(tcp);
        let (readable, writable, ends, queued, registered) = (false, true, false, false, false);
        Stream { socket, readable, writable, ends, queued, registered }
    }

    /// One that is being connected: it takes output once epoll says so.
    pub(super) fn dialing(call: &Call) -> io::Result<Stream> {
        let socket = match call.kind {
            Kind::Stream => Socket::Tcp(sockets::dial(call)?),
            Kind::Datagram => Socket::Udp(sockets::dial_datagrams(call)?),
        };
        let (readable, writable, ends, queued, registered) = (false, false, false, false, false);
        Ok(Stream { socket, readable, writable, ends, queued, registered })
    }

    /// Tells epoll about it, once for its life.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let source: &mut dyn Source = match &mut self.socket {
            Socket::Tcp(tcp) => tcp,
            Socket::Udp(udp) => udp,
        };
        registry.register(source, token, Interest::READABLE | Interest::WRITABLE)?;
        self.registered = true;
        Ok(())
    }

    /// Writes what is outgoing in one call.
    pub(super) fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        match &self.socket {
            Socket::Tcp(tcp) => sockets::send(tcp, outgoing.slices(), outgoing.last),
            Socket::Udp(udp) => sockets::send(udp, outgoing.slices(), false),
        }
    }

    /// Sends a FIN. Fails only if the connection is broken, which reading will tell.
    pub(super) fn hang_up(&self) {
        if let Socket::Tcp(tcp) = &self.socket {
            let _ = tcp.shutdown(Shutdown::Write);
        }
    }

    /// The error that waits on the socket, if there is one.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        let taken = match &self.socket {
            Socket::Tcp(tcp) => tcp.take_error(),
            Socket::Udp(udp) => udp.take_error(),
        };
        taken.unwrap_or_else(Some)
    }

    /// Our own address, once there is a connection; `None` while there is none yet.
    pub(super) fn connected(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.peer_addr().and_then(|_| tcp.local_addr()).ok(),
            Socket::Udp(udp) => udp.local_addr().ok(),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(tcp) => {
                let mut tcp = tcp;
                tcp.read(into)
            }
            Socket::Udp(udp) => udp.recv(into),
        }
    }
}
