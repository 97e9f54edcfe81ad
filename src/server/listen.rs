//! From endpoints to listeners: resolve, look for clashes, bind all or nothing, announce.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use super::Config;
use super::announce::Announcement;
use super::console::Console;
use crate::endpoint::{Transport, url};
use crate::reactor::{self, Families, Listening, Reactor};
use crate::resolve::resolve;
use crate::services::Offer;

/// One socket to be opened.
#[derive(Clone, Copy)]
struct Place {
    offer: &'static Offer,
    transport: Transport,
    address: SocketAddr,
    /// It was asked for as an address, not as one of a name's: nothing else will do.
    is_literal: bool,
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

/// What is to be opened.
#[derive(Default)]
pub(super) struct Plan {
    /// Each once.
    places: Vec<Place>,
    names: Vec<Name>,
}

/// A socket, and where it is.
type Bound<'a> = (&'a Place, Socket);

/// The addresses of a name. If this machine has only some of them, those will do.
struct Name {
    host: String,
    wanted: Vec<(Transport, SocketAddr)>,
}

impl Name {
    fn wants(&self, place: &Place) -> bool {
        self.wanted.contains(&(place.transport, place.address))
    }
}

/// Opens every socket that is planned and gives it to the reactor with its service.
pub(super) fn open(
    config: &Config,
    plan: &Plan,
    reactor: &mut Reactor,
    announcement: Option<&mut Announcement>,
) -> Result<Console, String> {
    let (bound, missing) = plan.bind(&config.listening)?;
    let mut console = Console::default();
    let mut urls = String::new();
    let mut hired = Hired::default();
    for (place, socket) in bound {
        let address = socket.local_address().map_err(|error| because(place, &error))?;
        urls.push_str(&url(place.offer.name, place.transport, address));
        urls.push('\n');
        hired.employ(config, place, socket, reactor).map_err(|error| because(place, &error))?;
    }
    console.talk = hired.streams.iter().find(|(name, _)| *name == "talk").map(|(_, n)| *n);
    console.chat = hired.streams.iter().find(|(name, _)| *name == "chat").map(|(_, n)| *n);
    if let Some(announcement) = announcement {
        announcement.publish(&urls)?;
    }
    for line in missing {
        log::warn!("{line}");
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

/// Resolves every name and looks for clashes; opens nothing yet.
pub(super) fn plan(config: &Config) -> Result<Plan, String> {
    let mut plan = Plan::default();
    for endpoint in config.endpoints() {
        let hosts = match &endpoint.host {
            Some(host) => std::slice::from_ref(host),
            None => config.hosts.as_slice(),
        };
        for transport in endpoint.transports() {
            for host in hosts {
                let port = endpoint.port.unwrap_or(endpoint.service.port);
                let addresses = resolve(bare(host), port)
                    .map_err(|why| format!("{}+{transport}: {why}", endpoint.service.name))?;
                let is_literal = bare(host).parse::<IpAddr>().is_ok();
                for address in &addresses {
                    let place =
                        Place { offer: endpoint.service, transport, address: *address, is_literal };
                    add(&mut plan.places, place)?;
                }
                if !is_literal {
                    let wanted = addresses.into_iter().map(|address| (transport, address));
                    plan.names.push(Name { host: host.clone(), wanted: wanted.collect() });
                }
            }
        }
    }
    Ok(plan)
}

impl Plan {
    /// Binds all places, or of a name those that this machine has, with a line about each other.
    fn bind(&self, listening: &Listening) -> Result<(Vec<Bound<'_>>, Vec<String>), String> {
        let (mut bound, mut missing) = (Vec::new(), Vec::new());
        for place in &self.places {
            match bind(place, &self.places, listening) {
                Ok(socket) => bound.push((place, socket)),
                Err(error) if !place.is_literal && is_unavailable(&error) => {
                    missing.push((place, self.why(place, &error)));
                }
                Err(error) => return Err(self.why(place, &error)),
            }
        }
        for name in &self.names {
            if !bound.iter().any(|(place, _)| name.wants(place))
                && let Some((_, why)) = missing.iter().find(|(place, _)| name.wants(place))
            {
                return Err(why.clone());
            }
        }
        let line = |(place, why): (&Place, String)| {
            let names = self.names.iter().find(|name| name.wants(place));
            let host = names.map_or("", |name| name.host.as_str());
            format!("{why}; serving the other addresses of {host}")
        };
        Ok((bound, missing.into_iter().map(line).collect()))
    }

    fn why(&self, place: &Place, error: &io::Error) -> String {
        // Those before it are bound: one of ours may be in the way, as 127.0.0.1 of 0.0.0.0.
        let mut before = self.places.iter().take_while(|other| !std::ptr::eq(*other, place));
        match before.find(|other| other.same_port(place)) {
            Some(ours) if error.kind() == io::ErrorKind::AddrInUse => both_want(ours, place),
            _ => because(place, error),
        }
    }
}

/// Whether this machine does not have the address, or not its whole family.
fn is_unavailable(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn add(places: &mut Vec<Place>, place: Place) -> Result<(), String> {
    let clash = places
        .iter_mut()
        .find(|other| other.same_port(&place) && other.address.ip() == place.address.ip());
    match clash {
        Some(other) if other.offer.name != place.offer.name => Err(both_want(other, &place)),
        // Asked for twice, as by --host localhost --host 127.0.0.1.
        Some(other) => {
            other.is_literal |= place.is_literal;
            Ok(())
        }
        None => {
            places.push(place);
            Ok(())
        }
    }
}

fn bind(place: &Place, all: &[Place], listening: &Listening) -> io::Result<Socket> {
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
    match place.transport {
        Transport::Tcp => reactor::listen(address, families, &listening).map(Socket::Tcp),
        Transport::Udp => reactor::bind_datagrams(address, families, &listening).map(Socket::Udp),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services;

    /// What comes of a plan to serve greet at these addresses, those of a name or literal ones.
    fn bound(ips: &[&str], is_literal: bool) -> Result<(usize, Vec<String>), String> {
        let offer = services::OFFERS.iter().find(|offer| offer.name == "greet").unwrap();
        let addresses = ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0));
        let place = |address| Place { offer, transport: Transport::Tcp, address, is_literal };
        let wanted = addresses.clone().map(|address| (Transport::Tcp, address)).collect();
        let plan = Plan {
            places: addresses.map(place).collect(),
            names: vec![Name { host: "here".into(), wanted }],
        };
        plan.bind(&Listening::default()).map(|(bound, missing)| (bound.len(), missing))
    }

    #[test]
    fn of_a_name_those_addresses_are_served_that_this_machine_has() {
        // Documentation addresses (RFC 5737) belong to no machine.
        let (count, missing) = bound(&["203.0.113.77", "127.0.0.1"], false).unwrap();
        assert_eq!((count, missing.len()), (1, 1));
        assert!(missing[0].contains("203.0.113.77:0: ") && missing[0].ends_with("of here"));
        assert!(bound(&["203.0.113.77", "203.0.113.78"], false).is_err());
        assert!(bound(&["203.0.113.77", "127.0.0.1"], true).is_err());
    }

    #[test]
    fn an_address_of_a_name_that_is_in_use_is_still_an_error() {
        let plan = |port| Config {
            endpoints: vec![format!("greet://:{port}").parse().unwrap()],
            hosts: vec!["localhost".into()],
            ..Config::default()
        };
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let plan = super::plan(&plan(taken.local_addr().unwrap().port())).unwrap();
        let error = plan.bind(&Listening::default()).map(drop).unwrap_err();
        assert!(error.contains("in use"), "{error}");
    }
}
