//! From endpoints to listeners: resolve, look for clashes, bind all or nothing, announce.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::path::Path;

use super::Config;
use super::console::Console;
use crate::endpoint::{Endpoint, Transport, url};
use crate::reactor::{self, Families, Listening, Reactor};
use crate::services::Offer;

/// One socket to be opened.
#[derive(Clone, Copy)]
struct Place {
    offer: &'static Offer,
    transport: Transport,
    address: SocketAddr,
}

enum Socket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Place {
    fn url(&self) -> String {
        url(self.offer.name, self.transport, self.address)
    }

    fn same_port(&self, other: &Place) -> bool {
        self.transport == other.transport
            && self.address.port() == other.address.port()
            && self.address.port() != 0
    }
}

/// Opens every socket that `config` asks for and gives it to the reactor with its service.
pub(super) fn open(config: &Config, reactor: &mut Reactor) -> Result<Console, String> {
    let places = places(config)?;
    let sockets = places
        .iter()
        .map(|place| bind(place, &places, &config.listening))
        .collect::<Result<Vec<_>, _>>()?;
    let mut console = Console::default();
    let mut urls = String::new();
    let mut hired = Hired::default();
    for (place, socket) in places.iter().zip(sockets) {
        let address = socket.local_address().map_err(|error| because(place, &error))?;
        urls.push_str(&url(place.offer.name, place.transport, address));
        urls.push('\n');
        hired.employ(config, place, socket, reactor).map_err(|error| because(place, &error))?;
    }
    console.talk = hired.streams.iter().find(|(name, _)| *name == "talk").map(|(_, n)| *n);
    console.chat = hired.streams.iter().find(|(name, _)| *name == "chat").map(|(_, n)| *n);
    if let Some(path) = &config.announce {
        announce(path, &urls)?;
    }
    for url in urls.lines() {
        log::info!("listening on {url}");
    }
    Ok(console)
}

/// The services made so far, so that one serves all its listeners.
#[derive(Default)]
struct Hired {
    streams: Vec<(&'static str, usize)>,
    responders: Vec<(&'static str, usize)>,
}

impl Hired {
    fn employ(
        &mut self,
        config: &Config,
        place: &Place,
        socket: Socket,
        reactor: &mut Reactor,
    ) -> io::Result<()> {
        let (offer, settings) = (place.offer, &config.settings);
        let not_offered = || io::Error::from(io::ErrorKind::Unsupported);
        match socket {
            Socket::Tcp(listener) => {
                let make = offer.stream.ok_or_else(not_offered)?;
                let number = find_or(&mut self.streams, offer.name, || {
                    let quota = config.quota(offer);
                    reactor.engine().add_service(offer.name, quota, make(settings))
                });
                reactor.add_listener(listener, number)
            }
            Socket::Udp(socket) => {
                let make = offer.datagram.ok_or_else(not_offered)?;
                let number = find_or(&mut self.responders, offer.name, || {
                    reactor.add_responder(make(settings))
                });
                reactor.add_datagrams(socket, number)
            }
        }
    }
}

fn find_or(
    made: &mut Vec<(&'static str, usize)>,
    name: &'static str,
    make: impl FnOnce() -> usize,
) -> usize {
    match made.iter().find(|(known, _)| *known == name) {
        Some((_, number)) => *number,
        None => {
            let number = make();
            made.push((name, number));
            number
        }
    }
}

impl Socket {
    fn local_address(&self) -> io::Result<SocketAddr> {
        match self {
            Socket::Tcp(listener) => listener.local_addr(),
            Socket::Udp(socket) => socket.local_addr(),
        }
    }
}

/// Every socket to be opened, each once.
fn places(config: &Config) -> Result<Vec<Place>, String> {
    let mut places: Vec<Place> = Vec::new();
    for endpoint in config.endpoints() {
        let hosts = match &endpoint.host {
            Some(host) => std::slice::from_ref(host),
            None => config.hosts.as_slice(),
        };
        for transport in endpoint.transports() {
            for host in hosts {
                for address in resolve(&endpoint, transport, host)? {
                    let place = Place { offer: endpoint.service, transport, address };
                    add(&mut places, place)?;
                }
            }
        }
    }
    Ok(places)
}

fn add(places: &mut Vec<Place>, place: Place) -> Result<(), String> {
    let clash = places
        .iter()
        .find(|other| other.same_port(&place) && other.address.ip() == place.address.ip());
    match clash {
        Some(other) if other.offer.name != place.offer.name => Err(both_want(other, &place)),
        // Asked for twice, as by --host localhost --host 127.0.0.1.
        Some(_) => Ok(()),
        None => {
            places.push(place);
            Ok(())
        }
    }
}

fn resolve(
    endpoint: &Endpoint,
    transport: Transport,
    host: &str,
) -> Result<Vec<SocketAddr>, String> {
    let port = endpoint.port.unwrap_or(endpoint.service.port);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = endpoint.service.name;
    let found = (bare, port).to_socket_addrs().map_err(|error| {
        format!(
            "{name}+{transport}: the host {host} does not resolve: {error}; \
             check the name, or give an address"
        )
    })?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn bind(place: &Place, all: &[Place], listening: &Listening) -> Result<Socket, String> {
    // [::] takes IPv4 peers as well, unless an IPv4 address is asked for beside it.
    let beside = |other: &Place| other.same_port(place) && other.address.is_ipv4();
    let families = match all.iter().any(beside) {
        true => Families::Own,
        false => Families::Both,
    };
    // What people say to each other must meet in one process.
    let reuse_port = listening.reuse_port && !place.offer.meets;
    let listening = Listening { reuse_port, ..listening.clone() };
    let address = place.address;
    let socket = match place.transport {
        Transport::Tcp => reactor::listen(address, families, &listening).map(Socket::Tcp),
        Transport::Udp => reactor::bind_datagrams(address, families, &listening).map(Socket::Udp),
    };
    socket.map_err(|error| {
        // Those before it are bound: one of ours may be in the way, as 127.0.0.1 of 0.0.0.0.
        let mut before = all.iter().take_while(|other| !std::ptr::eq(*other, place));
        match before.find(|other| other.same_port(place)) {
            Some(ours) if error.kind() == io::ErrorKind::AddrInUse => both_want(ours, place),
            _ => because(place, &error),
        }
    })
}

fn both_want(one: &Place, other: &Place) -> String {
    format!(
        "{} and {} want the same port: give one of them another, such as {}://:0 for any",
        one.url(),
        other.url(),
        other.offer.name,
    )
}

fn because(place: &Place, error: &io::Error) -> String {
    let name = place.offer.name;
    let help = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "; another server is there already: stop it, or choose another port, \
             {name}://:0 for any"
        ),
        io::ErrorKind::PermissionDenied if place.address.port() < 1024 => {
            "; ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE): \
             choose a higher one"
                .into()
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address".into(),
        _ => String::new(),
    };
    format!("cannot listen on {}: {error}{help}", place.url())
}

/// Writes the file in one step, so that whoever waits for it never reads half of it.
fn announce(path: &Path, urls: &str) -> Result<(), String> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.part", std::process::id()));
    // A pipe or a device is written to, never replaced.
    let is_special = fs::metadata(path).is_ok_and(|found| !found.is_file());
    let written = match is_special {
        true => fs::write(path, urls),
        false => fs::write(&draft, urls).and_then(|()| fs::rename(&draft, path)),
    };
    written.map_err(|error| format!("--announce {}: {error}", path.display()))
}
