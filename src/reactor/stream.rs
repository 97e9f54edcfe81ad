//! The socket of one peer, what is known of its readiness, and the two calls that carry bytes.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use mio::event::Source;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::Socket;

use super::sockets;
use crate::engine::{Call, Kind, Outgoing, ROOM_BYTES};

/// A peer's socket, TCP or UDP: the calls that matter are the same for both. Its edges are
/// remembered, because epoll tells them only once.
pub(super) struct Stream {
    pub(super) socket: Socket,
    /// There may be something to read.
    pub(super) readable: bool,
    /// It may take output.
    pub(super) writable: bool,
    /// Whether it is in the queue of the ready.
    pub(super) queued: bool,
    watch: Watch,
}

// With its peer's name a row of two words; one more byte here would make it three.
const _: () = assert!(size_of::<Stream>() == 8);

/// What epoll has to do with a socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    /// It does not know it. A conversation that is over within a turn never gets further.
    Unknown,
    Known,
    /// More has come at once lately than fits into a room shared with others.
    Bulk,
    /// It has told of a FIN, an error or urgent data, so a short read is not the last.
    ReadOn,
}

impl Stream {
    /// One that has been accepted: it takes output at once; whether there is input, registering
    /// will tell.
    pub(super) fn accepted(tcp: TcpStream) -> Stream {
        Stream { writable: true, ..Stream::new(OwnedFd::from(tcp)) }
    }

    /// One that is being connected: it takes output once epoll says so.
    pub(super) fn dialing(call: &Call) -> io::Result<Stream> {
        Ok(Stream::new(match call.kind {
            Kind::Stream => OwnedFd::from(sockets::dial(call)?),
            Kind::Datagram => OwnedFd::from(sockets::dial_datagrams(call)?),
        }))
    }

    fn new(socket: OwnedFd) -> Stream {
        let (readable, writable, queued) = (false, false, false);
        Stream { socket: socket.into(), readable, writable, queued, watch: Watch::Unknown }
    }

    /// Tells epoll about it, once for its life.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        SourceFd(&self.socket.as_raw_fd()).register(registry, token, everything())?;
        self.watch = Watch::Known;
        Ok(())
    }

    /// Whether epoll knows it.
    pub(super) fn is_registered(&self) -> bool {
        self.watch != Watch::Unknown
    }

    /// A FIN, an error or more behind urgent data is known to wait.
    pub(super) fn must_read_on(&mut self) {
        self.watch = Watch::ReadOn;
    }

    /// Whether a short read is not the last.
    pub(super) fn reads_on(&self) -> bool {
        self.watch == Watch::ReadOn
    }

    /// Whether it may be read together with others: one short read is likely to be all.
    pub(super) fn is_quick(&self) -> bool {
        self.watch == Watch::Known
    }

    /// More has come than fits into a room shared with others.
    pub(super) fn is_bulk(&mut self) {
        if self.watch == Watch::Known {
            self.watch = Watch::Bulk;
        }
    }

    /// There is nothing more to read; `bytes` is what there was.
    pub(super) fn drained(&mut self, bytes: usize) {
        self.readable = false;
        // To have found nothing says nothing about the size of what will come.
        if self.watch == Watch::Bulk && (1..ROOM_BYTES).contains(&bytes) {
            self.watch = Watch::Known;
        }
    }

    /// Writes what is outgoing in one call.
    pub(super) fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        sockets::send(&self.socket, &outgoing.slices(), outgoing.last)
    }

    /// Sends a FIN, which the engine wants of TCP alone. Fails only if the connection is broken,
    /// which reading will tell.
    pub(super) fn hang_up(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// The error that waits on the socket, if there is one.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.socket.take_error().unwrap_or_else(Some)
    }

    /// Both ends of a TCP connection: ours and the peer's.
    pub(super) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let local = self.socket.local_addr().ok()?.as_socket()?;
        let remote = self.socket.peer_addr().ok()?.as_socket()?;
        Some((local, remote))
    }

    /// Our own address, once there is a connection; `None` while there is none yet.
    pub(super) fn connected(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().and_then(|_| self.socket.local_addr()).ok()?.as_socket()
    }
}

/// Reading from a socket, and how much it was.
pub(super) struct Reading<'a> {
    pub(super) socket: &'a Socket,
    pub(super) bytes: usize,
}

impl Read for Reading<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(into)?;
        self.bytes += count;
        Ok(count)
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
