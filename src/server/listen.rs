//! From endpoints to listeners: resolves names, looks for clashes, binds all or nothing, announces.

mod refusals;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::Config;
use super::announce::Announcement;
use super::bus::Joining;
use super::faulty::Faults;
use super::front::Front;
use super::inherited::Inherited;
use super::instances::Instances;
use super::socket::Socket;
#[cfg(feature = "config")]
use crate::admin_address;
use crate::endpoint::{Endpoint, Transport, url};
use crate::engine::Location;
use crate::reactor::{self, Families, Listening, Reactor};
use crate::resolve::resolve;
use crate::services::Offer;
use refusals::{because, both_want, cannot, differ};

/// One socket to be opened.
#[derive(Clone)]
pub(super) struct Binding {
    pub(super) offer: &'static Offer,
    pub(super) transport: Transport,
    location: Location,
    /// Whether the user wrote this address itself rather than a name: nothing else will do.
    is_literal: bool,
    /// Whether no other process can serve it beside us.
    is_alone: bool,
    /// What it does wrong.
    pub(super) faults: Rc<Faults>,
}

impl Binding {
    fn url(&self) -> String {
        url(self.offer.name, self.transport, &self.location)
    }

    /// The same with the knobs that were asked for.
    fn written(&self) -> String {
        self.url() + self.faults.written()
    }

    /// Its port, unless it is any.
    fn port(&self) -> Option<u16> {
        self.location.ip().map(|address| address.port()).filter(|port| *port != 0)
    }

    fn same_port(&self, other: &Binding) -> bool {
        let is_alike = self.transport.is_stream() == other.transport.is_stream();
        is_alike && self.port().is_some() && self.port() == other.port()
    }

    /// Whether both are for the same.
    fn is_alike(&self, other: &Binding) -> bool {
        self.offer.name == other.offer.name && self.transport == other.transport
    }

    /// Whether both would be the same socket.
    fn clashes(&self, other: &Binding) -> bool {
        match (&self.location, &other.location) {
            (Location::Ip(one), Location::Ip(two)) => self.same_port(other) && one.ip() == two.ip(),
            (one, two) => one == two,
        }
    }
}

/// What to listen on.
#[derive(Default)]
pub(super) struct ListenPlan {
    /// Each once.
    bindings: Vec<Binding>,
    names: Vec<HostName>,
    /// Those for which there is a socket that was inherited, at their address. Each once.
    given: Vec<Binding>,
    /// The endpoints, in the order of the command line, and what they do wrong over what.
    faults: Vec<(Endpoint, Transport, Rc<Faults>)>,
    /// Where `--admin` listens.
    pub(super) admin: Vec<Location>,
}

/// A socket, and what it is bound to.
type BoundSocket<'a> = (&'a Binding, Socket);

/// A name and its addresses. If this machine has only some of them, those will do.
struct HostName {
    host: String,
    wanted: Vec<(Transport, SocketAddr)>,
}

impl HostName {
    fn wants(&self, binding: &Binding) -> bool {
        let address = binding.location.ip();
        address.is_some_and(|address| self.wanted.contains(&(binding.transport, address)))
    }
}

/// Services for streams, by their name and their number in the engine.
pub(super) type Services = Vec<(&'static str, usize)>;

/// What is to be opened, and what is open already.
pub(super) struct Places<'a> {
    pub(super) plan: &'a ListenPlan,
    pub(super) inherited: Inherited,
    /// What stands before all services.
    pub(super) front: &'a Rc<Front>,
    /// Where `--admin` listens, to be announced with them.
    pub(super) admin: Vec<String>,
    /// The bus, if there is one.
    pub(super) joining: Option<Joining>,
}

/// Opens every socket of the plan, and gives it to the reactor with its service, as it does those
/// that were inherited. Also returns what has been announced, and the files.
pub(super) fn open(
    config: &Config,
    places: Places<'_>,
    reactor: &mut Reactor,
    announcement: Option<&mut Announcement>,
) -> Result<(Instances, Vec<String>), String> {
    let Places { plan, inherited, front, admin, joining } = places;
    let (bound, missing) = plan.bind(&config.listening)?;
    let (mut urls, mut lines) = (Vec::new(), Vec::new());
    let mut instances = Instances::behind(front, config, joining);
    let mut listen = |binding: &Binding, socket: Socket| {
        let url = url(binding.offer.name, binding.transport, &socket.location()?);
        let knobs = binding.faults.knobs().map(|knobs| format!("?{knobs}"));
        lines.push(format!("{url}{}", knobs.unwrap_or_default()));
        urls.push(url.clone());
        instances.listen(config, binding, socket, url, reactor)
    };
    for (offer, transport, location, socket) in inherited.into_sockets() {
        let (is_literal, is_alone) = (true, true);
        let faults = plan.faults_of(offer, transport, &location);
        let binding = Binding { offer, transport, location, is_literal, is_alone, faults };
        if let Socket::Tcp(listener) = &socket {
            reactor::adopt(listener, &config.listening)
                .map_err(|error| because(&binding, &error))?;
        }
        listen(&binding, socket).map_err(|error| because(&binding, &error))?;
    }
    for (binding, socket) in bound {
        listen(binding, socket).map_err(|error| because(binding, &error))?;
    }
    lines.extend(admin.iter().cloned());
    urls.extend(admin);
    if let Some(announcement) = announcement {
        announcement.publish(&urls.iter().map(|url| format!("{url}\n")).collect::<String>())?;
    }
    for line in missing {
        log::warn!("{line}");
    }
    for line in &lines {
        log::info!("listening on {line}");
    }
    Ok((instances, urls))
}

/// Resolves every name and looks for clashes; opens nothing yet. What has been `inherited` is not
/// to be opened: for an endpoint without an address, or at that address.
pub(super) fn plan(config: &Config, inherited: &Inherited) -> Result<ListenPlan, String> {
    let mut plan = ListenPlan::default();
    for (place, endpoint) in config.endpoints().into_iter().enumerate() {
        let faults = Faults::of(place, &endpoint);
        for transport in endpoint.transports() {
            let faults = faults.apart();
            plan.faults.push((endpoint.clone(), transport, Rc::clone(&faults)));
            if endpoint.has_address() || !inherited.has(endpoint.service, transport, None) {
                plan.add(config, &endpoint, transport, &faults, inherited)?;
            }
        }
    }
    if let Some(admin) = &config.admin {
        plan.admin = admin.resolve().map_err(|why| format!("--admin: {why}"))?;
        let port = admin.port().filter(|port| *port != 0);
        let has_port =
            |one: &&Binding| one.transport.is_stream() && port.is_some() && one.port() == port;
        if let (Some(port), Some(other)) = (port, plan.bindings.iter().find(has_port)) {
            let url = other.url();
            return Err(format!("{url} and --admin {port} want the same port: give one another"));
        }
        for location in &plan.admin {
            Socket::check(location).map_err(|why| format!("cannot listen on {admin}: {why}"))?;
        }
    }
    Ok(plan)
}

impl ListenPlan {
    /// Takes in where `endpoint` is served over one of its transports, and what goes wrong there.
    fn add(
        &mut self,
        config: &Config,
        endpoint: &Endpoint,
        transport: Transport,
        faults: &Rc<Faults>,
        inherited: &Inherited,
    ) -> Result<(), String> {
        let offer = endpoint.service;
        let is_alone = config.is_for_one_process(offer);
        if let Some(name) = &endpoint.unix {
            let (location, is_literal) = (Location::from(name.clone()), true);
            let faults = Rc::clone(faults);
            let binding = Binding { offer, transport, location, is_literal, is_alone, faults };
            if !inherited.has(offer, transport, Some(&binding.location)) {
                Socket::check(&binding.location).map_err(|why| cannot(&binding, &why))?;
            }
            return self.take(binding, inherited);
        }
        let hosts = match &endpoint.host {
            Some(host) => std::slice::from_ref(host),
            None => config.hosts.as_slice(),
        };
        for host in hosts {
            let port = endpoint.port.unwrap_or(transport.port(offer));
            let addresses = resolve(bare(host), port)
                .map_err(|why| format!("{}+{transport}: {why}", offer.name))?;
            let is_literal = bare(host).parse::<IpAddr>().is_ok();
            for address in &addresses {
                let (location, faults) = (Location::Ip(*address), Rc::clone(faults));
                let binding = Binding { offer, transport, location, is_literal, is_alone, faults };
                self.take(binding, inherited)?;
            }
            if !is_literal {
                let wanted = addresses.into_iter().map(|address| (transport, address));
                self.names.push(HostName { host: host.clone(), wanted: wanted.collect() });
            }
        }
        Ok(())
    }

    /// Takes in one socket: to be opened, unless it was inherited.
    fn take(&mut self, binding: Binding, inherited: &Inherited) -> Result<(), String> {
        let Binding { offer, transport, location, .. } = &binding;
        match inherited.has(offer, *transport, Some(location)) {
            true => add(&mut self.given, binding),
            false => add(&mut self.bindings, binding),
        }
    }

    /// What those do wrong who come by the socket for that which was inherited at `location`: as
    /// the endpoint has it that names its place, or else one that takes any.
    fn faults_of(&self, offer: &Offer, transport: Transport, location: &Location) -> Rc<Faults> {
        let is_there = |one: &&Binding| {
            let is_same = one.offer.name == offer.name && one.transport == transport;
            is_same && one.location == *location
        };
        if let Some(given) = self.given.iter().find(is_there) {
            return Rc::clone(&given.faults);
        }
        let found = self.faults.iter().find(|(endpoint, over, _)| {
            let is_same = endpoint.service.name == offer.name && !endpoint.has_address();
            is_same && *over == transport
        });
        let none = || Faults::new(self.faults.len(), None);
        found.map_or_else(none, |(_, _, faults)| Rc::clone(faults))
    }

    /// What would be announced, if every port were free, with the knobs that were asked for.
    #[cfg(feature = "config")]
    pub(super) fn urls(&self, inherited: &Inherited) -> impl Iterator<Item = String> {
        let given = inherited.addresses().map(|(offer, over, location)| {
            let faults = self.faults_of(offer, over, location);
            url(offer.name, over, location) + faults.written()
        });
        let admin = self.admin.iter().map(admin_address::url);
        given.chain(self.bindings.iter().map(Binding::written)).chain(admin)
    }

    /// Binds everything; of a name, only the addresses that this machine has. Also returns a line
    /// about each address that it does not have.
    fn bind(&self, listening: &Listening) -> Result<(Vec<BoundSocket<'_>>, Vec<String>), String> {
        let (mut bound, mut missing) = (Vec::new(), Vec::new());
        for binding in &self.bindings {
            if binding.transport == Transport::Unix {
                let socket = Socket::unix(&binding.location, listening);
                bound.push((binding, socket.map_err(|why| cannot(binding, &why))?));
                continue;
            }
            let twin = twin_port(binding, &bound);
            match bind(binding, twin, &self.bindings, listening) {
                Ok(socket) => bound.push((binding, socket)),
                Err(error) if !binding.is_literal && is_unavailable(&error) => {
                    missing.push((binding, self.why(binding, &error)));
                }
                Err(error) => return Err(self.why(binding, &error)),
            }
        }
        for name in &self.names {
            if !bound.iter().any(|(binding, _)| name.wants(binding))
                && let Some((_, why)) = missing.iter().find(|(binding, _)| name.wants(binding))
            {
                return Err(why.clone());
            }
        }
        let line = |(binding, why): (&Binding, String)| {
            let names = self.names.iter().find(|name| name.wants(binding));
            let host = names.map_or("", |name| name.host.as_str());
            format!("{why}; serving the other addresses of {host}")
        };
        Ok((bound, missing.into_iter().map(line).collect()))
    }

    fn why(&self, binding: &Binding, error: &io::Error) -> String {
        // Those before it are bound. One of them may be in the way, as 127.0.0.1 is of 0.0.0.0.
        let mut before = self.bindings.iter().take_while(|other| !std::ptr::eq(*other, binding));
        match before.find(|other| other.same_port(binding)) {
            Some(ours) if error.kind() == io::ErrorKind::AddrInUse => both_want(ours, binding),
            _ => because(binding, error),
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

fn add(bindings: &mut Vec<Binding>, binding: Binding) -> Result<(), String> {
    match bindings.iter_mut().find(|other| other.clashes(&binding)) {
        Some(other) if !other.is_alike(&binding) => Err(both_want(other, &binding)),
        Some(other) if other.faults.written() != binding.faults.written() => {
            Err(differ(other, &binding))
        }
        // Asked for twice, as by --host localhost --host 127.0.0.1.
        Some(other) => {
            other.is_literal |= binding.is_literal;
            Ok(())
        }
        None => {
            bindings.push(binding);
            Ok(())
        }
    }
}

/// The port that a datagram socket with any port should have, if it is free: that of the listener
/// of the same service at the same address.
fn twin_port(binding: &Binding, bound: &[BoundSocket]) -> Option<u16> {
    let is_wanted = binding.transport == Transport::Udp && binding.port().is_none();
    let is_twin = |other: &Binding| {
        let is_same = other.offer.name == binding.offer.name && other.location == binding.location;
        is_same && other.transport == Transport::Tcp
    };
    let (_, listener) = bound.iter().rfind(|(other, _)| is_wanted && is_twin(other))?;
    Some(listener.location().ok()?.ip()?.port())
}

fn bind(
    binding: &Binding,
    twin: Option<u16>,
    all: &[Binding],
    listening: &Listening,
) -> io::Result<Socket> {
    // [::] takes IPv4 peers as well, unless there is an IPv4 address on the same port.
    let is_ipv4 = |other: &Binding| other.location.ip().is_some_and(|one| one.is_ipv4());
    let beside = |other: &Binding| other.same_port(binding) && is_ipv4(other);
    let families = match all.iter().any(beside) {
        true => Families::Own,
        false => Families::Both,
    };
    // With `reuse_port` the kernel may spread connections over several servers.
    let reuse_port = listening.reuse_port && !binding.is_alone;
    let listening = Listening { reuse_port, ..listening.clone() };
    let address = binding.location.ip().ok_or(io::ErrorKind::Unsupported)?;
    // If ports are shared, one that another server has looks free too.
    if let Some(port) = twin.filter(|_| !reuse_port) {
        let mut beside = address;
        beside.set_port(port);
        if let Ok(socket) = reactor::bind_datagrams(beside, families, &listening) {
            return Ok(Socket::Udp(socket));
        }
    }
    match binding.transport.is_stream() {
        true => reactor::listen(address, families, &listening).map(Socket::Tcp),
        false => reactor::bind_datagrams(address, families, &listening).map(Socket::Udp),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::services;

    /// What comes of a plan to serve greet at these addresses, those of a name or literal ones.
    fn bound(ips: &[&str], is_literal: bool) -> Result<(usize, Vec<String>), String> {
        let offer = services::OFFERS.iter().find(|offer| offer.name == "greet").unwrap();
        let addresses = ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0));
        let binding = |address| {
            let location = Location::Ip(address);
            let (is_alone, faults) = (false, Faults::new(0, None));
            Binding { offer, transport: Transport::Tcp, location, is_literal, is_alone, faults }
        };
        let wanted = addresses.clone().map(|address| (Transport::Tcp, address)).collect();
        let plan = ListenPlan {
            bindings: addresses.map(binding).collect(),
            names: vec![HostName { host: "here".into(), wanted }],
            ..ListenPlan::default()
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
    fn any_port_is_the_same_for_both_transports_if_it_is_free_there() {
        let endpoints = vec!["echo://:0".parse().unwrap()];
        let config = Config { endpoints, ..Config::default() };
        let plan = plan(&config, &Inherited::default()).unwrap();
        let [tcp, udp] = &plan.bindings[..] else { panic!() };
        let bind = |binding, twin| bind(binding, twin, &plan.bindings, &config.listening).unwrap();
        let port = |socket: &Socket| socket.location().unwrap().ip().unwrap().port();
        let first = bind(udp, None);
        assert_ne!(port(&bind(udp, Some(port(&first)))), port(&first));
        let taken = port(&first);
        drop(first);
        assert_eq!(port(&bind(udp, Some(taken))), taken);
        let listener = bind(tcp, None);
        let wanted = Some(port(&listener));
        let bound = [(tcp, listener)];
        assert_eq!((twin_port(udp, &bound), twin_port(tcp, &bound)), (wanted, None));
    }

    #[test]
    fn one_socket_is_asked_for_twice_only_with_the_same_knobs() {
        let planned = |endpoints: [&str; 2], hosts: &[&str]| {
            let endpoints = endpoints.map(|text| text.parse().unwrap()).to_vec();
            let hosts = hosts.iter().map(ToString::to_string).collect();
            let config = Config { endpoints, hosts, ..Config::default() };
            plan(&config, &Inherited::default()).map(|plan| plan.bindings.len())
        };
        let (one, two) = ("echo+tcp://127.0.0.1:7390", "echo+tcp://127.0.0.1:7390?delay=1ms");
        let error = planned([one, two], &[]).unwrap_err();
        assert_eq!(
            error,
            format!(
                "{one} and {two} would be one socket: leave out one, or give both the same knobs"
            )
        );
        assert!(planned([two, "echo+tcp://127.0.0.1:7390?delay=2ms"], &[]).is_err());
        // A seed that is chosen for each is no difference.
        assert_eq!(planned([two, two], &[]), Ok(1));
        let any = "echo+tcp://:7390?delay=1ms";
        assert_eq!(planned([any, "greet+tcp://:7391"], &["127.0.0.1", "127.0.0.1"]), Ok(2));
        // Any port is another one each time.
        assert_eq!(planned(["echo+tcp://:0?delay=1ms", "echo+tcp://:0"], &["127.0.0.1"]), Ok(2));
    }

    #[test]
    fn an_address_of_a_name_that_is_in_use_is_still_an_error() {
        let plan = |port| Config {
            endpoints: vec![format!("greet://:{port}").parse().unwrap()],
            hosts: vec!["localhost".into()],
            ..Config::default()
        };
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = plan(taken.local_addr().unwrap().port());
        let plan = super::plan(&config, &Inherited::default()).unwrap();
        let error = plan.bind(&Listening::default()).map(drop).unwrap_err();
        assert!(error.contains("in use"), "{error}");
    }
}
