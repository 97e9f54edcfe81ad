//! Accepting: in batches, and never given up for good.
//!
//! A listener is edge-triggered like everything else, so one that stopped at an error would never
//! be heard of again: it stays in the queue of the ready, or waits for a time to come back to it.

use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use mio::Interest;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener};
use socket2::Socket;

use super::unix::peer_of;
use super::{Reactor, token};
use crate::engine::{Address, Arrival, Carrier, Layering, Layers, Time};

/// Connections accepted from one listener in one turn; then those already made have theirs. A turn
/// can greet as many and see as many off (`Limits::flush_units`).
pub(super) const ACCEPTS_MAX: usize = 64;
/// And from all listeners together.
pub(super) const ACCEPTS_IN_ALL_MAX: usize = 2 * ACCEPTS_MAX;
/// And for a service with places of its own, beside those.
pub(super) const ACCEPTS_APART_MAX: usize = 16;
/// Connections that were gone before they were accepted, in one turn. More in a row than any peers
/// would bring about (a filter that refuses) are waited out.
pub(super) const GONE_MAX: usize = 32;
// Or a turn would end first, and the next one begin with none.
const _: () = assert!(GONE_MAX < ACCEPTS_MAX);

/// A listening socket and the service behind it.
pub(super) struct Listener {
    pub(super) socket: ListenSocket,
    pub(super) service: usize,
    /// What stands between those who connect and the service.
    front: Option<Rc<dyn Layering>>,
    /// Whether it is in the queue of the ready.
    pub(super) queued: bool,
}

/// What peers come in by.
pub(super) enum ListenSocket {
    /// And the address that it is bound to.
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener),
}

/// What one call of `accept` brought.
pub(super) enum Accepted {
    One(Socket, Arrival),
    /// Nobody else is waiting.
    None,
    /// The one that was to be accepted is gone, or a signal came between; it concerns nobody else.
    Gone(io::Error),
    /// The machine has run out of something; those who wait go on waiting.
    Exhausted(io::Error),
}

impl From<UnixListener> for ListenSocket {
    fn from(listener: UnixListener) -> ListenSocket {
        ListenSocket::Unix(listener)
    }
}

impl ListenSocket {
    pub(super) fn tcp(listener: TcpListener) -> io::Result<ListenSocket> {
        let local = listener.local_addr()?;
        Ok(ListenSocket::Tcp(listener, local))
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            ListenSocket::Tcp(listener, _) => listener,
            ListenSocket::Unix(listener) => listener,
        }
    }

    fn carrier(&self) -> Carrier {
        match self {
            ListenSocket::Tcp(..) => Carrier::Tcp,
            ListenSocket::Unix(_) => Carrier::Unix,
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            ListenSocket::Tcp(listener, _) => listener.as_fd(),
            ListenSocket::Unix(listener) => listener.as_fd(),
        }
    }

    fn accept(&self) -> io::Result<(Socket, Arrival)> {
        match self {
            ListenSocket::Tcp(listener, bound) => {
                let (stream, remote) = listener.accept()?;
                let local = local(&stream, *bound);
                let arrival = Arrival::new(canonical(remote).into(), local.into());
                Ok((OwnedFd::from(stream).into(), arrival))
            }
            ListenSocket::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                let arrival = Arrival::new(peer_of(&stream), Address::Unix(None));
                Ok((OwnedFd::from(stream).into(), arrival))
            }
        }
    }
}

impl Listener {
    /// What carries those who come in by it.
    pub(super) fn carrier(&self) -> Carrier {
        match &self.front {
            Some(front) if front.is_secured() => Carrier::Tls,
            _ => self.socket.carrier(),
        }
    }

    /// What stands between whoever connects from there and the service.
    pub(super) fn layers(&self, remote: Address) -> Option<Layers> {
        self.front.as_ref()?.layers(remote)
    }

    /// Whether somebody waits to be accepted.
    pub(super) fn has_waiting(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::from_borrowed_fd(self.socket.fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
    }

    pub(super) fn accept(&self) -> Accepted {
        match self.socket.accept() {
            Ok((stream, arrival)) => Accepted::One(stream, arrival),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Accepted::None,
            Err(error) if is_of_one(&error) => Accepted::Gone(error),
            // Descriptors, memory, or something that accept(2) does not know (a security
            // module, a filter): it may be as true of the next call.
            Err(error) => Accepted::Exhausted(error),
        }
    }
}

/// The address that the peer reached; only a wildcard listener has to ask.
fn local(stream: &TcpStream, bound: SocketAddr) -> SocketAddr {
    match bound.ip().is_unspecified() {
        true => stream.local_addr().map_or(bound, canonical),
        false => bound,
    }
}

impl Reactor {
    /// Accepts from `listener` for the service with that number. One from
    /// [`listen`](super::listen) has the options that suit a server; it need not be one of those.
    ///
    /// # Errors
    /// If the kernel refuses to poll it.
    pub fn add_listener(&mut self, listener: net::TcpListener, service: usize) -> io::Result<()> {
        self.add_listener_behind(None, listener, service)
    }

    /// The same, with what `front` puts between those who connect and the service.
    ///
    /// # Errors
    /// As for `add_listener`.
    pub fn add_listener_behind(
        &mut self,
        front: Option<Rc<dyn Layering>>,
        listener: net::TcpListener,
        service: usize,
    ) -> io::Result<()> {
        // std's sockets block, and so would the loop: accepting goes on until there is nobody left.
        listener.set_nonblocking(true)?;
        let socket = ListenSocket::tcp(TcpListener::from_std(listener))?;
        self.add_listen_socket(front, socket, service)
    }

    /// The same for a unix socket, such as one from [`listen_unix`](super::listen_unix).
    ///
    /// # Errors
    /// As for `add_listener`.
    pub fn add_unix_listener_behind(
        &mut self,
        front: Option<Rc<dyn Layering>>,
        listener: std::os::unix::net::UnixListener,
        service: usize,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        self.add_listen_socket(front, UnixListener::from_std(listener).into(), service)
    }

    fn add_listen_socket(
        &mut self,
        front: Option<Rc<dyn Layering>>,
        mut socket: ListenSocket,
        service: usize,
    ) -> io::Result<()> {
        let entry = self.listeners.vacant_entry();
        let token = token::Source::Listener(entry.key()).token();
        socket.source().register(self.poll.registry(), token, Interest::READABLE)?;
        let listener = Listener { socket, service, front, queued: false };
        self.driver.engine_mut().offer_over(service, listener.carrier());
        entry.insert(listener);
        Ok(())
    }
}

/// Whether the machine has run out of something.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// Whether accept(2) speaks of the one connection that was to be accepted, or of a signal.
fn is_of_one(error: &io::Error) -> bool {
    use rustix::io::Errno as E;
    let errno = error.raw_os_error().map(E::from_raw_os_error);
    matches!(
        errno,
        Some(
            E::CONNABORTED
                | E::INTR
                | E::PROTO
                | E::NOPROTOOPT
                | E::OPNOTSUPP
                | E::NETDOWN
                | E::NETUNREACH
                | E::HOSTDOWN
                | E::HOSTUNREACH
                | E::NONET
        )
    )
}

/// An IPv4 peer of a dual-stack socket by its IPv4 address.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether accepting goes on, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    Yes,
    /// Descriptors or memory have run out: again then, or when a socket has been dropped.
    Exhausted(Time),
    /// As many connections as are allowed: again when a tenth of them have gone.
    Full,
}
