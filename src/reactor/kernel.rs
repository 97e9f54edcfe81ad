//! The kernel's sockets, as the turn needs them: one system call for each of its wishes, or one
//! for many where there is an io_uring.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mio::event::Source as _;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use socket2::Socket;

use super::listeners::canonical;
use super::token::Source;
use super::uring::{BATCH_MAX, BATCH_MIN, Ring};
use super::{sockets, unix};
use crate::engine::{
    Address, BatchRead, BatchWrite, Dial, Kind, Location, Outcome, Outgoing, Peer, Refusal,
    Sockets, Time,
};
use crate::guards::ConnectionGuard;

// There is a row for each connection.
const _: () = assert!(size_of::<Socket>() == 4);

/// What carries bytes, TCP and UDP alike: the calls that matter are the same for both.
pub(super) struct Kernel {
    registry: Registry,
    /// Many at once; without it everybody calls recv(2) and send(2).
    ring: Option<Ring>,
    /// Who may come in.
    pub(super) guard: ConnectionGuard,
    /// Whether a descriptor has been closed since this was last looked at.
    pub(super) has_closed: bool,
}

impl Kernel {
    pub(super) fn new(registry: Registry, guard: ConnectionGuard) -> Kernel {
        Kernel { registry, ring: None, guard, has_closed: false }
    }

    /// Reads and writes many at once from now on, if the kernel lets us.
    pub(super) fn start_ring(&mut self) -> io::Result<()> {
        self.ring = Some(Ring::new()?);
        Ok(())
    }

    /// Goes on without the ring if the kernel has refused it.
    fn check_ring(&mut self) {
        if self.ring.take_if(|ring| ring.is_spent()).is_some() {
            log::warn!("the kernel refuses io_uring from now on; going on without it");
        }
    }
}

impl Sockets for Kernel {
    type Socket = Socket;

    fn read(&mut self, socket: &Socket, into: &mut [u8]) -> io::Result<usize> {
        sockets::receive(socket, into)
    }

    fn write(&mut self, socket: &Socket, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        match outgoing.piece() {
            Some(bytes) => sockets::send(socket, bytes, outgoing.is_last),
            None => sockets::send_many(socket, &outgoing.slices(), outgoing.is_last),
        }
    }

    /// Only TCP is hung up on.
    fn hang_up(&mut self, socket: &Socket) {
        let _ = socket.shutdown(Shutdown::Write);
    }

    /// Closing the descriptor takes it out of epoll as well (epoll(7)).
    fn close(&mut self, socket: Socket, remote: Option<Address>) {
        if let Some(remote) = remote {
            self.guard.left(remote);
        }
        drop(socket);
        self.has_closed = true;
    }

    fn abort(&mut self, socket: &Socket) {
        sockets::reset_on_close(socket);
    }

    fn admit(&mut self, socket: &Socket, remote: Address, now: Time) -> Result<(), Refusal> {
        let outcome = self.guard.admit(remote, now);
        if outcome.is_err() {
            sockets::reset_on_close(socket);
        }
        outcome
    }

    fn watch(&mut self, peer: Peer, socket: &Socket) -> io::Result<()> {
        let token = Source::Stream(peer).token();
        SourceFd(&socket.as_raw_fd()).register(&self.registry, token, everything())
    }

    fn take_error(&mut self, socket: &Socket) -> Option<io::Error> {
        socket.take_error().unwrap_or_else(Some)
    }

    fn dial(&mut self, _: Peer, dial: &Dial) -> io::Result<Socket> {
        match (&dial.remote, dial.kind) {
            (Location::Ip(remote), Kind::Stream) => sockets::dial(*remote, dial),
            (Location::Ip(remote), Kind::Datagram) => {
                Ok(OwnedFd::from(sockets::dial_datagrams(*remote, dial)?).into())
            }
            (Location::Unix(name), Kind::Stream) => unix::dial_unix(name),
            (Location::Unix(_), Kind::Datagram) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn connected(&mut self, socket: &Socket) -> Option<Address> {
        let local = socket.peer_addr().and_then(|_| socket.local_addr()).ok()?;
        match local.as_socket() {
            Some(local) => Some(local.into()),
            // As the other side sees us.
            None => Some(unix::this_process()),
        }
    }

    fn local(&mut self, socket: &Socket) -> Option<Address> {
        let local = socket.local_addr().ok()?.as_socket();
        Some(local.map_or(Address::Unix(None), |local| canonical(local).into()))
    }

    fn batch_max(&self) -> usize {
        if self.ring.is_some() { BATCH_MAX } else { 0 }
    }

    fn batch_min(&self) -> usize {
        BATCH_MIN
    }

    fn read_many<'a>(
        &mut self,
        reads: impl Iterator<Item = BatchRead<'a, Socket>>,
        outcomes: &mut Vec<Outcome>,
    ) {
        let Some(ring) = &mut self.ring else { return };
        if let Some(mut batch) = ring.batch() {
            reads.for_each(|read| batch.receive(read.socket.as_fd(), read.into));
            batch.run();
            outcomes.extend(ring.outcomes());
        }
        self.check_ring();
    }

    fn write_many<'a>(
        &mut self,
        writes: impl Iterator<Item = BatchWrite<'a, Socket>>,
        outcomes: &mut Vec<Outcome>,
    ) {
        let Some(ring) = &mut self.ring else { return };
        if let Some(mut batch) = ring.batch() {
            writes.for_each(|write| batch.send(write.socket.as_fd(), write.bytes, write.is_last));
            batch.run();
            outcomes.extend(ring.outcomes());
        }
        self.check_ring();
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
