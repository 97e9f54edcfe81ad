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
    /// A short read is not the last: a FIN, an error or more behind urgent data is known to wait.
    pub(super) read_on: bool,
    /// Whether it is in the queue of the ready.
    pub(super) queued: bool,
    /// Whether epoll knows it. A conversation that is over within a turn never gets there.
    pub(super) registered: bool,
}

impl Stream {
    /// One that has been accepted: it takes output at once; whether there is input, registering
    /// will tell.
    pub(super) fn accepted(tcp: TcpStream) -> Stream {
        Stream { writable: true, ..Stream::new(Socket::Tcp(tcp)) }
    }

    /// One that is being connected: it takes output once epoll says so.
    pub(super) fn dialing(call: &Call) -> io::Result<Stream> {
        Ok(Stream::new(match call.kind {
            Kind::Stream => Socket::Tcp(sockets::dial(call)?),
            Kind::Datagram => Socket::Udp(sockets::dial_datagrams(call)?),
        }))
    }

    fn new(socket: Socket) -> Stream {
        Stream {
            socket,
            readable: false,
            writable: false,
            read_on: false,
            queued: false,
            registered: false,
        }
    }

    /// Tells epoll about it, once for its life.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let source: &mut dyn Source = match &mut self.socket {
            Socket::Tcp(tcp) => tcp,
            Socket::Udp(udp) => udp,
        };
        registry.register(source, token, everything())?;
        self.registered = true;
        Ok(())
    }

    /// Writes what is outgoing in one call.
    pub(super) fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        match &self.socket {
            Socket::Tcp(tcp) => sockets::send(tcp, &outgoing.slices(), outgoing.last),
            Socket::Udp(udp) => sockets::send(udp, &outgoing.slices(), false),
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

/// What epoll is to tell. Urgent data end a read early although more lies behind them (tcp(7)),
/// so they have to be known of.
fn everything() -> Interest {
    let interest = Interest::READABLE | Interest::WRITABLE;
    #[cfg(target_os = "linux")]
    let interest = interest | Interest::PRIORITY;
    interest
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
