//! Where a server is: what it listens at, and what its clients call.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// A place to listen at or to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Over IP.
    Ip(SocketAddr),
    /// At a unix socket. Shared: whoever calls often says it often.
    Unix(Arc<UnixName>),
}

/// The name of a unix socket (unix(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnixName {
    /// A file.
    Path(PathBuf),
    /// No file: it is known for as long as it is open. Linux only.
    Abstract(Vec<u8>),
}

impl Location {
    /// Its address over IP, if it has one.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Location::Ip(address) => Some(*address),
            Location::Unix(_) => None,
        }
    }

    /// The name of its unix socket, if it is one.
    pub fn unix(&self) -> Option<&UnixName> {
        match self {
            Location::Ip(_) => None,
            Location::Unix(name) => Some(name),
        }
    }
}

impl From<SocketAddr> for Location {
    fn from(address: SocketAddr) -> Location {
        Location::Ip(address)
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for Location {
    fn from(ip_and_port: (I, u16)) -> Location {
        Location::Ip(ip_and_port.into())
    }
}

impl From<UnixName> for Location {
    fn from(name: UnixName) -> Location {
        Location::Unix(Arc::new(name))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Ip(address) => address.fmt(f),
            Location::Unix(name) => name.fmt(f),
        }
    }
}

/// As it stands behind `://` in an endpoint: `/run/echo.sock`, `@name`.
impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnixName::Path(path) => path.display().fmt(f),
            UnixName::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
        }
    }
}
