//! What the turn needs of the world: one trait, small enough for a kernel, a simulator and a test.

use std::io;

use crate::engine::connection::outbox::{Head, Slices};
use crate::engine::{Address, Dial, Peer, Refusal, Time};

/// The sockets of all peers. Nothing here waits: what cannot be done at once is refused with
/// `WouldBlock`, and the owner of the driver says by [`Readiness`] when it is worth another try.
///
/// Readiness is told once for each change, as epoll(7) does with EPOLLET; the driver remembers it.
/// To tell of it more often does no harm.
///
/// Five methods must be written; the others are for those who call, and for those who can read from
/// or write to many in one call. [`Driver`](super::Driver) has an example.
pub trait Sockets {
    /// The socket of one peer. Whatever it is, it has a row for each connection.
    type Socket;

    /// Reads what there is into `into`, which is never empty, as recv(2) does: 0 is the peer's FIN,
    /// where there is one (a datagram may be empty).
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, `Interrupted` if it should be tried again; with all others
    /// the connection has failed.
    fn read(&mut self, socket: &Self::Socket, into: &mut [u8]) -> io::Result<usize>;

    /// Writes as much as is taken at once, as sendmsg(2) does, and returns how many bytes that
    /// were. Less than all says that no more is taken until it is noted as `writable` again.
    ///
    /// # Errors
    /// As for `read`.
    fn write(&mut self, socket: &Self::Socket, outgoing: &Outgoing<'_>) -> io::Result<usize>;

    /// Sends our FIN, as shutdown(2) does with SHUT_WR. Should it fail, reading will tell.
    fn hang_up(&mut self, socket: &Self::Socket);

    /// Closes the socket of a peer that a guard has counted under the address `remote`; `None`:
    /// none has, because its service stands apart ([`Quota::apart`](crate::engine::Quota::apart)),
    /// because we have called it, or because it has not told its address.
    fn close(&mut self, socket: Self::Socket, remote: Option<Address>);

    /// Has the `close` that follows break the connection, as a RST does (SO_LINGER of 0). By
    /// default it ends like any other.
    fn abort(&mut self, _socket: &Self::Socket) {}

    /// From now on the owner is to [`note`](super::Driver::note) this one's readiness, beginning
    /// with what it is now. Called at most once for each; not at all for a conversation that is
    /// over before it matters. [`close`](Sockets::close) is the end of it.
    ///
    /// # Errors
    /// The connection has failed.
    fn watch(&mut self, peer: Peer, socket: &Self::Socket) -> io::Result<()>;

    /// The error that waits on a socket, if there is one: for those that are not read.
    fn take_error(&mut self, _socket: &Self::Socket) -> Option<io::Error> {
        None
    }

    /// Judges a peer that has told its address itself, or has had it told by a proxy.
    ///
    /// # Errors
    /// It is not let in.
    fn admit(
        &mut self,
        _socket: &Self::Socket,
        _remote: Address,
        _now: Time,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    /// Begins to connect a socket (connect(2), EINPROGRESS). How that went is asked whenever it is
    /// noted as ready: of `take_error`, and of `connected`.
    ///
    /// # Errors
    /// The call has failed.
    fn dial(&mut self, _peer: Peer, _dial: &Dial) -> io::Result<Self::Socket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Our own address, once there is a connection; `None` while there is none yet.
    fn connected(&mut self, _socket: &Self::Socket) -> Option<Address> {
        None
    }

    /// Our own address of a connection that is or was there, for the log
    /// ([`Engine::log_fields`](crate::engine::Engine::log_fields)).
    fn local(&mut self, _socket: &Self::Socket) -> Option<Address> {
        None
    }

    /// How many may be read from or written to in one call. With 0, the driver does that one by
    /// one.
    fn batch_max(&self) -> usize {
        0
    }

    /// Fewer than so many are not worth a call for many.
    fn batch_min(&self) -> usize {
        2
    }

    /// Reads from many, each as `read` does, before any of it is looked at. One outcome for each,
    /// in order; for those behind the last outcome nothing was attempted.
    fn read_many<'a>(
        &mut self,
        _reads: impl Iterator<Item = BatchRead<'a, Self::Socket>>,
        _outcomes: &mut Vec<Outcome>,
    ) where
        Self::Socket: 'a,
    {
    }

    /// Writes to many, each as `write` does. Outcomes as for `read_many`.
    fn write_many<'a>(
        &mut self,
        _writes: impl Iterator<Item = BatchWrite<'a, Self::Socket>>,
        _outcomes: &mut Vec<Outcome>,
    ) where
        Self::Socket: 'a,
    {
    }
}

/// What became of one of many reads or writes: as [`Sockets::read`] and [`Sockets::write`] return
/// it. `None`: it was not attempted.
pub type Outcome = Option<io::Result<usize>>;

/// One of many reads.
pub struct BatchRead<'a, T> {
    /// From where.
    pub socket: &'a T,
    /// Into what.
    pub into: &'a mut [u8],
}

/// One of many writes.
pub struct BatchWrite<'a, T> {
    /// To where.
    pub socket: &'a T,
    /// What, in one piece.
    pub bytes: &'a [u8],
    /// Whether a FIN follows right behind these bytes, so that both may share a segment.
    pub is_last: bool,
}

/// The head of a peer's output: what one write may take.
pub struct Outgoing<'a> {
    pub(super) head: Head<'a>,
    /// Whether a FIN follows right behind these bytes, so that both may share a segment.
    pub is_last: bool,
}

impl<'a> Outgoing<'a> {
    /// The bytes, for one gathered write (`Write::write_vectored`, sendmsg(2)): 1 to 16 slices of a
    /// stream; of a datagram socket one, which is one datagram.
    #[inline]
    pub fn slices(&self) -> Slices<'a> {
        self.head.slices()
    }

    /// All of it, if it is in one piece.
    #[inline]
    pub fn piece(&self) -> Option<&'a [u8]> {
        self.head.piece()
    }

    /// How many bytes that is.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.head.bytes()
    }
}

/// What the owner has been told about a socket. What is `false` says nothing: it takes nothing
/// back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be something to read.
    pub readable: bool,
    /// It may take output.
    pub writable: bool,
    /// A FIN, an error, or more behind urgent data waits behind what is to be read (EPOLLRDHUP,
    /// EPOLLERR, EPOLLPRI): then a short read is not the last, and nothing further will be told.
    pub read_on: bool,
    /// It is broken; [`Sockets::take_error`] says how.
    pub error: bool,
}

impl Readiness {
    /// There is something to read, and that is all.
    pub const READABLE: Readiness =
        Readiness { readable: true, writable: false, read_on: false, error: false };
    /// It takes output, and that is all.
    pub const WRITABLE: Readiness =
        Readiness { readable: false, writable: true, read_on: false, error: false };
}
