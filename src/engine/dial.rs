//! How connections come about: somebody arrives, or we call.

use std::net::IpAddr;
use std::rc::Rc;

use super::address::Address;
use super::connection::Kind;
use super::layers::{Handshake, Layering};
use super::location::Location;

/// Both ends of a new connection, as this side sees them. IPv4 addresses are IPv4 here, also at a
/// socket for both families (never `::ffff:192.0.2.1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The peer's address.
    pub remote: Address,
    /// Our own address, the one that the peer reached.
    pub local: Address,
    /// How both sides came to agree on keys; `None`: all is said in the clear.
    pub secured: Option<Handshake>,
}

impl Arrival {
    /// A connection between these addresses on which all is said in the clear.
    pub fn new(remote: Address, local: Address) -> Arrival {
        Arrival { remote, local, secured: None }
    }
}

/// Whom to call, and how.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Whom.
    pub remote: Location,
    /// Over what.
    pub kind: Kind,
    /// From which of this machine's addresses; `None`: as the kernel chooses. A unix socket is not
    /// called from any.
    pub from: Option<IpAddr>,
    /// Whether dropping the socket is to send a RST instead of a FIN (SO_LINGER of zero), so that
    /// no TIME_WAIT is left behind.
    pub resets: bool,
    /// Whether a silent peer is asked now and then if it is still there (SO_KEEPALIVE). Without
    /// that nothing ever tells that its machine is gone.
    pub keepalive: bool,
    /// What is put between the socket and the service; `None`: nothing.
    pub through: Option<Rc<dyn Layering>>,
}

impl Dial {
    /// An ordinary call: from any address, a FIN at its end, and kept alive.
    pub fn to(remote: Location, kind: Kind) -> Dial {
        Dial { remote, kind, from: None, resets: false, keepalive: true, through: None }
    }

    /// The address of whom it calls, as far as it is known before there is a connection.
    pub(super) fn address(&self) -> Address {
        self.remote.ip().map_or(Address::Unix(None), Address::Ip)
    }
}

/// Whether both ends are one. A call to a port of this machine where nobody listens may be given
/// that very port for its own end, and TCP then connects it to itself (RFC 9293, section 3.5,
/// simultaneous open); a datagram socket hears itself in the same way. To call the wildcard
/// address is to call this machine.
pub(super) fn is_itself(local: Address, remote: Address) -> bool {
    let (Address::Ip(local), Address::Ip(remote)) = (local, remote) else { return false };
    let (ours, theirs) = (local.ip().to_canonical(), remote.ip().to_canonical());
    local.port() == remote.port() && (ours == theirs || theirs.is_unspecified())
}
