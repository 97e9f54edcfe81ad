//! Unix sockets: making them, and who is at the other end. What becomes of their files is the
//! business of whoever listens.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use rustix::process::{geteuid, getpid};
use socket2::{Domain, SockAddr, Socket, Type};

use super::Listening;
use crate::engine::{Address, Credentials, UnixName};

/// A listening unix socket. If it has a file, that must not be there yet, and has its mode before
/// anybody can connect.
pub fn listen_unix(name: &UnixName, listening: &Listening) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&address_of(name)?)?;
    if let UnixName::Path(path) = name {
        std::fs::set_permissions(path, PermissionsExt::from_mode(listening.unix_mode))?;
    }
    socket.listen(i32::try_from(listening.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// A stream to whoever listens there. Unlike TCP it is connected at once or not at all;
/// `WouldBlock`: as many wait there as may.
pub(crate) fn dial_unix(name: &UnixName) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&address_of(name)?)?;
    Ok(socket)
}

fn address_of(name: &UnixName) -> io::Result<SockAddr> {
    match name {
        UnixName::Path(path) => SockAddr::unix(path),
        UnixName::Abstract(name) => {
            let name = [&[0], name.as_slice()].concat();
            SockAddr::unix(OsString::from_vec(name))
        }
    }
}

/// Who has connected that stream, or listened for it.
pub(crate) fn peer_of(stream: &impl AsFd) -> Address {
    Address::Unix(credentials(stream))
}

#[cfg(target_os = "linux")]
fn credentials(stream: &impl AsFd) -> Option<Credentials> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    let found = getsockopt(stream, PeerCredentials).ok()?;
    // A process of another namespace has no number here.
    Some(Credentials { uid: found.uid(), pid: u32::try_from(found.pid()).unwrap_or(0) })
}

#[cfg(not(target_os = "linux"))]
fn credentials(_: &impl AsFd) -> Option<Credentials> {
    None
}

/// What the other side is told of this process.
pub(super) fn this_process() -> Address {
    let pid = u32::try_from(getpid().as_raw_nonzero().get()).unwrap_or(0);
    Address::Unix(Some(Credentials { uid: geteuid().as_raw(), pid }))
}
