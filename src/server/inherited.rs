//! Sockets that whoever started us has opened (sd_listen_fds(3), systemd.socket(5)): LISTEN_FDS of
//! them, from descriptor 3 on. LISTEN_FDNAMES says what each is for: a service, perhaps on one
//! transport, as in `echo+tcp`.

use std::env;
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use socket2::SockRef;

use super::socket::Socket;
use crate::endpoint::{Endpoint, Transport};
use crate::engine::{Location, UnixName};
use crate::services::Offer;
use crate::services::text::visible;

/// More than anybody would pass.
const SOCKETS_MAX: usize = 1024;
/// The first that is passed (SD_LISTEN_FDS_START).
const FIRST: usize = 3;

/// One of those sockets, and what it is for.
struct InheritedSocket {
    offer: &'static Offer,
    transport: Transport,
    location: Location,
    socket: Socket,
}

/// The sockets that we have been given.
#[derive(Default)]
pub struct Inherited {
    sockets: Vec<InheritedSocket>,
}

impl Inherited {
    /// Takes the sockets that are there. To be called before anything else is opened, and before
    /// there are threads, for it changes the environment.
    ///
    /// # Errors
    /// One line for people: which socket is not what it is said to be.
    pub fn take() -> Result<Inherited, String> {
        let Ok(count) = env::var("LISTEN_FDS") else { return Ok(Inherited::default()) };
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let is_ours = match env::var("LISTEN_PID") {
            Ok(number) if !number.is_empty() => number == std::process::id().to_string(),
            _ => true,
        };
        match count.parse() {
            _ if !is_ours => Ok(Inherited::default()),
            Ok(0..=SOCKETS_MAX) => Inherited::from(&mut ListenFd::from_env(), &names),
            _ => Err(format!("LISTEN_FDS={}: write 0 to {SOCKETS_MAX}", visible(count.as_bytes()))),
        }
    }

    fn from(passed: &mut ListenFd, names: &str) -> Result<Inherited, String> {
        let mut names = names.split(':');
        let mut sockets = Vec::new();
        for index in 0..passed.len() {
            let name = names.next().unwrap_or_default();
            let socket = taken(passed, index, name);
            sockets.push(socket.map_err(|why| {
                let (descriptor, name) = (FIRST + index, visible(name.as_bytes()));
                format!("inherited socket {descriptor}, called {name:?}: {why}")
            })?);
        }
        Ok(Inherited { sockets })
    }

    /// What they are for. Without other endpoints those are served.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |one: &InheritedSocket| Endpoint {
            transport: Some(one.transport),
            unix: one.location.unix().cloned(),
            ..Endpoint::of(one.offer)
        };
        self.sockets.iter().map(endpoint).collect()
    }

    /// Whether one of them is for that service on that transport; at that address, if one is named.
    pub(super) fn has(&self, offer: &Offer, over: Transport, at: Option<&Location>) -> bool {
        self.sockets.iter().any(|one| {
            let is_there = at.is_none_or(|location| one.location == *location);
            one.offer.name == offer.name && one.transport == over && is_there
        })
    }

    /// Where they listen, and for what.
    #[cfg(feature = "config")]
    pub(super) fn addresses(&self) -> impl Iterator<Item = (&'static Offer, Transport, &Location)> {
        self.sockets.iter().map(|one| (one.offer, one.transport, &one.location))
    }

    /// They are somebody else's from now on.
    pub(super) fn into_sockets(
        self,
    ) -> impl Iterator<Item = (&'static Offer, Transport, Location, Socket)> {
        self.sockets.into_iter().map(|one| (one.offer, one.transport, one.location, one.socket))
    }
}

/// The socket with that index, which is for what `name` says.
fn taken(passed: &mut ListenFd, index: usize, name: &str) -> Result<InheritedSocket, String> {
    let named = "call it after a service (FileDescriptorName=echo in the .socket unit)";
    // A unix socket has a path, which is its own business here.
    let (name, is_unix) = match name.strip_suffix("+unix") {
        Some(service) => (service, true),
        None => (name, false),
    };
    let endpoint: Endpoint = name.parse().map_err(|_| format!("no service; {named}"))?;
    if endpoint.has_address() {
        return Err(format!("its address is its own; {named}"));
    }
    let socket = passed_socket(passed, index)?;
    let transport = match &socket {
        Socket::Tcp(_) => Transport::Tcp,
        Socket::Udp(_) => Transport::Udp,
        Socket::Unix(..) => Transport::Unix,
    };
    let is_secured = endpoint.transport == Some(Transport::Tls) && transport == Transport::Tcp;
    let transport = if is_secured { Transport::Tls } else { transport };
    let is_meant = match (is_unix, transport) {
        (true, over) => over == Transport::Unix && over.carries(endpoint.service),
        (false, Transport::Unix) => {
            endpoint.transport.is_none() && transport.carries(endpoint.service)
        }
        (false, over) => endpoint.transports().any(|offered| offered == over),
    };
    if !is_meant {
        return Err(format!("it is a {transport} socket, over which that is not served"));
    }
    let location = socket.location().map_err(|error| error.to_string())?;
    Ok(InheritedSocket { offer: endpoint.service, transport, location, socket })
}

/// The socket with that index, of whichever kind it is.
fn passed_socket(passed: &mut ListenFd, index: usize) -> Result<Socket, String> {
    if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
        is_open(&SockRef::from(&listener))?;
        return Ok(Socket::Tcp(listener));
    }
    if let Ok(Some(listener)) = passed.take_unix_listener(index) {
        is_open(&SockRef::from(&listener))?;
        let location = named(&listener).ok_or("it has no name to be called by")?;
        return Ok(Socket::Unix(None, listener, location.into()));
    }
    match passed.take_udp_socket(index) {
        Ok(Some(socket)) => Ok(Socket::Udp(unconnected(socket)?)),
        Ok(None) => Err("there is no such socket".into()),
        Err(error) => Err(kind(&error)),
    }
}

/// What it is called.
fn named(listener: &UnixListener) -> Option<UnixName> {
    let address = listener.local_addr().ok()?;
    match address.as_pathname() {
        Some(path) => Some(UnixName::Path(path.into())),
        None => abstract_name(&address),
    }
}

#[cfg(target_os = "linux")]
fn abstract_name(address: &std::os::unix::net::SocketAddr) -> Option<UnixName> {
    use std::os::linux::net::SocketAddrExt;
    address.as_abstract_name().map(|name| UnixName::Abstract(name.into()))
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &std::os::unix::net::SocketAddr) -> Option<UnixName> {
    None
}

fn kind(error: &io::Error) -> String {
    match error.kind() {
        // In its words, which name no more than one kind.
        io::ErrorKind::InvalidInput => "it is no socket for TCP, UDP or unix streams".into(),
        _ => error.to_string(),
    }
}

fn is_open(socket: &SockRef<'_>) -> Result<(), String> {
    match (is_listening(socket), socket.peer_addr()) {
        (true, _) => Ok(()),
        (false, Ok(_)) => Err("it is a connection, not a listener; write Accept=no".into()),
        (false, Err(_)) => Err("it does not listen; pass it after listen(2)".into()),
    }
}

#[cfg(target_os = "linux")]
fn is_listening(socket: &SockRef<'_>) -> bool {
    socket.is_listener().unwrap_or(false)
}

#[cfg(not(target_os = "linux"))]
fn is_listening(socket: &SockRef<'_>) -> bool {
    socket.peer_addr().is_err()
}

fn unconnected(socket: UdpSocket) -> Result<UdpSocket, String> {
    match socket.peer_addr() {
        Ok(peer) => Err(format!("it is connected to {peer} alone")),
        Err(_) => Ok(socket),
    }
}
