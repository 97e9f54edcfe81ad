//! The sockets that listen, of whichever transport, until the reactor has them.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::rc::Rc;

use super::socket_file::SocketFile;
use crate::engine::{Layering, Location, UnixName};
use crate::reactor::{self, Listening, Reactor};

/// One that listens.
pub(super) enum Socket {
    /// For streams.
    Tcp(TcpListener),
    /// For datagrams.
    Udp(UdpSocket),
    /// For streams between processes of this machine. The file comes first: see there.
    Unix(Option<SocketFile>, UnixListener, Location),
}

/// What has come of listening.
#[derive(Default)]
pub(super) struct Listened {
    /// Where, as it is announced.
    pub(super) urls: Vec<String>,
    /// Of unix sockets.
    pub(super) files: Vec<SocketFile>,
}

impl Socket {
    /// Whether a file that one needs could be made, as far as can be told without making it.
    ///
    /// # Errors
    /// As for `unix`.
    pub(super) fn check(location: &Location) -> Result<(), String> {
        match location.unix() {
            Some(UnixName::Path(path)) => SocketFile::check(path),
            Some(UnixName::Abstract(_)) | None => Ok(()),
        }
    }

    /// A unix socket that listens at `location`.
    ///
    /// # Errors
    /// Why it cannot, and what would help.
    pub(super) fn unix(location: &Location, listening: &Listening) -> Result<Socket, String> {
        let (file, listener) = match location.unix() {
            Some(UnixName::Path(path)) => {
                let (listener, file) = SocketFile::open(path, listening)?;
                (Some(file), listener)
            }
            Some(name) => {
                let listener = reactor::listen_unix(name, listening).map_err(|error| {
                    let is_taken = error.kind() == io::ErrorKind::AddrInUse;
                    let help = "; another server is there: stop it, or choose another name";
                    format!("{error}{}", if is_taken { help } else { "" })
                })?;
                (None, listener)
            }
            None => return Err("it is no unix socket".into()),
        };
        Ok(Socket::Unix(file, listener, location.clone()))
    }

    /// Where it is.
    pub(super) fn location(&self) -> io::Result<Location> {
        match self {
            Socket::Tcp(listener) => listener.local_addr().map(Location::Ip),
            Socket::Udp(socket) => socket.local_addr().map(Location::Ip),
            // It knows itself by the name that its file had first.
            Socket::Unix(_, _, location) => Ok(location.clone()),
        }
    }

    /// Gives it to the reactor, for the service over streams with that number, behind `front`.
    pub(super) fn add(
        self,
        reactor: &mut Reactor,
        number: usize,
        front: Option<Rc<dyn Layering>>,
        files: &mut Vec<SocketFile>,
    ) -> io::Result<()> {
        match self {
            Socket::Tcp(listener) => reactor.add_listener_behind(front, listener, number),
            Socket::Unix(file, listener, _) => {
                files.extend(file);
                reactor.add_unix_listener_behind(front, listener, number)
            }
            Socket::Udp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
