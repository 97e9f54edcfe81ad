//! Endpoints as people write them: `SERVICE[+TRANSPORT][://[HOST][:PORT]][?KNOBS]`, and
//! `SERVICE+unix://PATH` or `SERVICE+unix://@NAME` for unix sockets.
//!
//! The same grammar for server, clients and bench. It names a service, perhaps on one transport,
//! at an address; what is left out is the default of whoever asks. Nothing is looked up here: a
//! host name stays a name. IPv6 addresses stand in brackets (RFC 3986, section 3.2.2), perhaps with
//! a zone (`[fe80::1%eth0]`).

mod transport;

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::engine::{Knobs, Location, UnixName};
use crate::knobs::{self, Fits, Knob, Mistake};
use crate::services::{OFFERS, Offer, find};
use crate::spelling::nearest;
pub use transport::Transport;

/// A service, perhaps on one transport, at an address, as far as they were given. Its `Display` is
/// the canonical form, which parses to the same again.
#[derive(Clone)]
pub struct Endpoint {
    /// The service.
    pub service: &'static Offer,
    /// The transport; one that carries the service. `None`: all that do.
    pub transport: Option<Transport>,
    /// A host name or an IP address, without brackets. Never empty.
    pub host: Option<String>,
    /// The port; 0 asks for any free one.
    pub port: Option<u16>,
    /// The name of a unix socket; there if, and only if, that is the transport. Then there is
    /// neither host nor port.
    pub unix: Option<UnixName>,
    /// How it is to misbehave, on each of the transports; `None`: not at all.
    pub knobs: Option<Box<Knobs>>,
}

impl Endpoint {
    /// That service on all its transports, at its usual place.
    pub fn of(service: &'static Offer) -> Endpoint {
        Endpoint { service, transport: None, host: None, port: None, unix: None, knobs: None }
    }

    /// Whether it says where.
    pub fn has_address(&self) -> bool {
        self.host.is_some() || self.port.is_some() || self.unix.is_some()
    }

    /// The transports it stands for, in the order in which they are announced.
    pub fn transports(&self) -> impl Iterator<Item = Transport> + use<> {
        let (service, wanted) = (self.service, self.transport);
        let is_meant = move |transport: &Transport| match wanted {
            Some(wanted) => *transport == wanted,
            None => transport.carries(service),
        };
        let known = if wanted.is_some() { &Transport::ALL[..] } else { &Transport::UNNAMED };
        known.iter().copied().filter(is_meant)
    }

    /// The endpoint in `text`, for somebody who calls it.
    ///
    /// # Errors
    /// One line for people.
    pub fn to_call(text: &str) -> Result<Endpoint, String> {
        text.parse::<Endpoint>().map_err(|error| error.to_string())?.called()
    }

    /// The same, if it is for somebody who calls: nobody misbehaves there.
    ///
    /// # Errors
    /// One line for people, if it has knobs.
    fn called(self) -> Result<Endpoint, String> {
        match &self.knobs {
            None => Ok(self),
            Some(knobs) => Err(format!(
                "{self} is to be called, and ?{knobs} is for who serves it (cooee serve): remove it"
            )),
        }
    }

    /// What the knobs in `text` ask for, if they fit all its transports.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    fn fitting(&self, text: &str) -> Result<Option<Box<Knobs>>, Mistake> {
        let reading = knobs::parse(text)?;
        for (knob, at) in &reading.places {
            if let Some(why) = misfit(knob, self.service, self.transports()) {
                return Err(Mistake::new(*at, why));
            }
        }
        Ok(Some(reading.knobs).filter(|knobs| !knobs.is_none()).map(Box::new))
    }
}

/// Why `knob` is of no use where `service` is served over those, if over one of them it is not.
pub(crate) fn misfit(
    knob: &Knob,
    service: &Offer,
    mut over: impl Iterator<Item = Transport>,
) -> Option<String> {
    if over.all(|over| over.takes(knob.fits)) {
        return None;
    }
    let (name, service_name) = (knob.name, service.name);
    let kind = if knob.fits == Fits::Datagrams { "datagrams" } else { "streams" };
    let fits = |over: &Transport| over.carries(service) && over.takes(knob.fits);
    Some(match Transport::ALL.into_iter().find(fits) {
        Some(over) => format!("{name} is for {kind} only, write {service_name}+{over}"),
        None => format!("{name} is for {kind} only, and {service_name} has none"),
    })
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Endpoint, EndpointError> {
        let error = |why| EndpointError { text: text.into(), why };
        let Some((place, knobs)) = text.split_once('?') else {
            return placed(text).map_err(error);
        };
        let endpoint = placed(place).map_err(error)?;
        let told = |mistake: Mistake| error(mistake.told(&format!("{place}?"), knobs));
        Ok(Endpoint { knobs: endpoint.fitting(knobs).map_err(told)?, ..endpoint })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.service.name)?;
        if let Some(transport) = self.transport {
            write!(f, "+{transport}")?;
        }
        if self.has_address() {
            f.write_str("://")?;
        }
        if let Some(name) = &self.unix {
            name.fmt(f)?;
        }
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]")?,
            Some(host) => f.write_str(host)?,
            None => {}
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))?;
        self.knobs.as_ref().map_or(Ok(()), |knobs| write!(f, "?{knobs}"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Endpoint) -> bool {
        let key = |endpoint: &Endpoint| (endpoint.service.name, endpoint.transport, endpoint.port);
        key(self) == key(other)
            && self.host == other.host
            && self.unix == other.unix
            && self.knobs == other.knobs
    }
}

impl Eq for Endpoint {}

/// What a listener is announced as: the endpoint that reaches it.
pub fn url(service: &str, transport: Transport, location: &Location) -> String {
    format!("{service}+{transport}://{location}")
}

/// Why a text is no endpoint, and what to write instead, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    text: String,
    why: String,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "endpoint {:?}: {}", self.text, self.why)
    }
}

impl std::error::Error for EndpointError {}

/// All that stands before the `?`.
fn placed(text: &str) -> Result<Endpoint, String> {
    let Some((head, address)) = text.split_once("://") else {
        return without_address(text);
    };
    let (service, transport) = what(head)?;
    let endpoint = Endpoint { transport, ..Endpoint::of(service) };
    if transport == Some(Transport::Unix) {
        return Ok(Endpoint { unix: Some(unix_name(address, head)?), ..endpoint });
    }
    if transport.is_none() && address.starts_with('/') && !address.ends_with('/') {
        return Err(format!("a path is for unix sockets, write {head}+unix://{address}"));
    }
    let (host, port) = at(address)?;
    Ok(Endpoint { host, port, ..endpoint })
}

/// `SERVICE[+TRANSPORT]` and nothing else.
fn without_address(text: &str) -> Result<Endpoint, String> {
    let Some(end) = text.find([':', '/', '@', ' ']) else {
        let (service, transport) = what(text)?;
        if transport == Some(Transport::Unix) {
            unix_name("", text)?;
        }
        return Ok(Endpoint { transport, ..Endpoint::of(service) });
    };
    let (head, rest) = text.split_at(end);
    if let (_, Some(Transport::Unix)) = what(head)? {
        let rest = rest.trim_start_matches([':', '/', ' ']);
        let slash = if rest.starts_with('@') { "" } else { "/" };
        let meant = format!("{head}://{slash}{rest}");
        let is_one = meant.parse::<Endpoint>().is_ok();
        let meant = if is_one { &meant } else { "SERVICE+unix:///PATH" };
        return Err(format!("a path begins with :///, write {meant}"));
    }
    // The head ended at one of four characters of one byte.
    let rest = rest[1..].trim_matches('/');
    let guesses = [format!("://{rest}"), format!("://:{rest}"), format!("://[{rest}]")];
    let meant = guesses.iter().find_map(|guess| format!("{head}{guess}").parse::<Endpoint>().ok());
    let instead = meant.map_or("SERVICE://HOST:PORT".into(), |meant| meant.to_string());
    Err(format!("an address begins with ://, write {instead}"))
}

/// `SERVICE[+TRANSPORT]`.
fn what(text: &str) -> Result<(&'static Offer, Option<Transport>), String> {
    let (name, transport) = match text.split_once('+') {
        Some((name, transport)) => (name, Some(transport)),
        None => (text, None),
    };
    let service = find(name).ok_or_else(|| unknown_service(name))?;
    let transport = transport.map(|transport| carrier(service, transport)).transpose()?;
    Ok((service, transport))
}

fn carrier(service: &'static Offer, name: &str) -> Result<Transport, String> {
    let known = Transport::ALL.into_iter().find(|transport| transport.to_string() == name);
    let Some(transport) = known else {
        return Err(format!("unknown transport {name:?}, write tcp, udp, unix or tls after the +"));
    };
    if transport.carries(service) {
        return Ok(transport);
    }
    let name = service.name;
    match Transport::ALL.into_iter().find(|other| other.carries(service)) {
        Some(other) => Err(format!("{name} is not offered on {transport}, write {name}+{other}")),
        None => Err(format!("{name} is not offered on {transport}")),
    }
}

/// What the address of a unix socket has room for (unix(7), `sun_path`), but for the byte at the
/// end of a path or before an abstract name.
pub(crate) const UNIX_NAME_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// `/PATH` or `@NAME`, behind `head` and `://`.
pub(crate) fn unix_name(text: &str, head: &str) -> Result<UnixName, String> {
    let example = format!("{head}:///run/cooee/socket");
    if let Some((name, behind)) = text.split_once('?') {
        let behind = format!("?{behind}");
        return Err(format!("stray text {behind:?}: a ? ends the name {name:?}, remove it"));
    }
    if text.chars().any(char::is_control) {
        return Err("a control character is in it, remove that".into());
    }
    let name = match text.strip_prefix('@') {
        Some("") => return Err(format!("no name after the @, write {head}://@NAME")),
        Some(_) if cfg!(not(target_os = "linux")) => {
            return Err(format!("only Linux has names without a file, write {example}"));
        }
        Some(name) => UnixName::Abstract(name.into()),
        None if text.is_empty() => {
            return Err(format!("a unix socket has a path, write it like {example}"));
        }
        None if text.ends_with('/') => {
            return Err(format!("{text} is a directory, name the socket in it, like {example}"));
        }
        None if !text.starts_with('/') => {
            return Err(format!("a path begins with a / of its own, write {head}:///{text}"));
        }
        None => UnixName::Path(text.into()),
    };
    if let Some((_, port)) = text.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(format!("a unix socket has no port, remove the :{port}"));
    }
    let length = text.len() - usize::from(text.starts_with('@'));
    match length <= UNIX_NAME_BYTES {
        true => Ok(name),
        false => Err(format!(
            "the name is {length} bytes long, and that of a socket may have {UNIX_NAME_BYTES}: \
             choose a shorter one"
        )),
    }
}

/// `[HOST][:PORT]`.
pub(crate) fn at(text: &str) -> Result<(Option<String>, Option<u16>), String> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => {
            let (host, rest) =
                text.split_once(']').ok_or("the closing ] is missing, write it like [::1]:5007")?;
            (Some(bracketed(host)?), rest)
        }
        None if text.matches(':').count() > 1 => {
            return Err("write IPv6 addresses in brackets: [::1]".into());
        }
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (named(host)?, rest)
        }
    };
    match rest.strip_prefix(':') {
        Some(digits) => Ok((host, Some(port(digits)?))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(format!("stray text {rest:?} after the ], only :PORT may follow")),
    }
}

/// An IPv6 address in its canonical form, with its zone if it has one.
fn bracketed(text: &str) -> Result<String, String> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| {
        format!("{address:?} is not an IPv6 address, and nothing else stands in brackets")
    })?;
    match zone {
        None => Ok(address.to_string()),
        Some(zone) if is_name(zone) => Ok(format!("{address}%{zone}")),
        Some(zone) => Err(format!("{zone:?} is not a zone, write it like [fe80::1%eth0]")),
    }
}

/// A host name or an IPv4 address.
fn named(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(stray) = text.find(['/', '?', '#']) {
        let (host, stray) = text.split_at(stray);
        return Err(format!("stray text {stray:?} after the host {host:?}, remove it"));
    }
    // The resolver would take a bare number for an IPv4 address written in one piece.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text} is not a host, for a port write ://:{text}"));
    }
    if !is_name(text) {
        let allowed = "letters, digits, dots, hyphens and underscores";
        return Err(format!("{text:?} is not a host, it may have {allowed}"));
    }
    Ok(Some(text.into()))
}

fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    text.bytes().all(is_allowed) && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

fn port(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Err("no port after the colon, write one or leave the colon out".into());
    }
    if let Some((digits, stray)) = text.find(['/', '?', '#']).map(|at| text.split_at(at)) {
        return Err(format!("stray text {stray:?} after the port {digits:?}, remove it"));
    }
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("{text:?} is not a port, write a number from 0 to 65535"))
}

fn unknown_service(name: &str) -> String {
    let names: Vec<&str> = OFFERS.iter().map(|offer| offer.name).collect();
    let known = names.join(", ");
    let unknown = match name {
        "" => "it does not begin with a service".into(),
        _ => format!("no service is called {name:?}"),
    };
    match nearest(name, OFFERS.iter().map(|offer| offer.name)) {
        Some(near) => format!("{unknown}, did you mean {near}? Known are {known}"),
        None => format!("{unknown}, known are {known}, as in echo://localhost:5007"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn parse(text: &str) -> Endpoint {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn why(text: &str) -> String {
        let error = text.parse::<Endpoint>().expect_err(text).to_string();
        assert!(!error.contains('\n'), "{error}");
        error.strip_prefix(&format!("endpoint {text:?}: ")).unwrap().into()
    }

    #[test]
    fn every_part_but_the_service_may_be_left_out() {
        use Transport::{Tcp, Udp};
        for (text, service, transport, host, port) in [
            ("echo", "echo", None, None, None),
            ("echo+udp://:7", "echo", Some(Udp), None, Some(7)),
            ("chat://[::]:5001", "chat", None, Some("::"), Some(5001)),
            ("greet://0.0.0.0:0", "greet", None, Some("0.0.0.0"), Some(0)),
            ("echo://localhost", "echo", None, Some("localhost"), None),
            ("echo+tcp://127.0.0.1:5007", "echo", Some(Tcp), Some("127.0.0.1"), Some(5007)),
            ("echo://[fe80::1%eth0]:7", "echo", None, Some("fe80::1%eth0"), Some(7)),
            ("months+udp", "months", Some(Udp), None, None),
            ("echo://my-host_2.example.", "echo", None, Some("my-host_2.example."), None),
        ] {
            let endpoint = parse(text);
            assert_eq!(endpoint.service.name, service);
            assert_eq!((endpoint.transport, endpoint.port), (transport, port), "{text}");
            assert_eq!(endpoint.host.as_deref(), host, "{text}");
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn other_ways_to_write_it_print_canonically() {
        assert_eq!(parse("echo://").to_string(), "echo");
        assert_eq!(parse("echo://:007").to_string(), "echo://:7");
        assert_eq!(parse("echo://[0:0::0:1]").to_string(), "echo://[::1]");
    }

    #[test]
    fn endpoints_differ_if_any_part_does() {
        let all = ["echo", "chat", "echo+tcp", "echo+udp", "echo://a", "echo://b", "echo://:1"];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                assert_eq!(parse(one) == parse(other), i == j, "{one} {other}");
            }
        }
    }

    #[test]
    fn behind_a_question_mark_it_has_knobs() {
        for (text, canonical) in [
            ("echo+tcp://:7?delay=100ms~20ms&reset=5%&seed=7", None),
            ("echo?delay=50ms", None),
            ("echo://?seed=7&delay=50ms", Some("echo?delay=50ms&seed=7")),
            ("echo+udp://[::1]:7?drop=5%", None),
            ("chat+unix:///run/x?close=10s", None),
            ("talk+unix://@name?slice=10~4@5ms", None),
            ("greet+tls?refuse=100%", None),
            ("months?corrupt=1%", None),
            ("echo+udp?drop=0%", Some("echo+udp")),
        ] {
            assert_eq!(parse(text).to_string(), canonical.unwrap_or(text));
        }
        assert_eq!(parse("echo+unix:///x?delay=1ms").unix, parse("echo+unix:///x").unix);
        assert_ne!(parse("echo?delay=1ms"), parse("echo"));
        assert_ne!(parse("echo?delay=1ms&seed=0"), parse("echo?delay=1ms"));
    }

    #[test]
    fn a_knob_fits_all_transports_or_is_refused_with_the_one_to_write() {
        for (text, wanted) in [
            ("echo?reset=5%", "column 6: reset is for streams only, write echo+tcp"),
            ("echo+udp://:7?rate=1k&stall=5%", "column 23: stall is for streams only, write echo+"),
            ("echo+unix:///ä?drop=5%", "column 16: drop is for datagrams only, write echo+udp"),
            ("chat?delay=1s&dup=5%", "column 15: dup is for datagrams only, and chat has none"),
            ("months?close=5s", "column 8: close is for streams only, and months has none"),
            ("echo?", "column 6: a knob is missing here"),
            ("echo:7?delay=1s", "an address begins with ://, write echo://:7"),
        ] {
            let why = why(text);
            assert!(why.starts_with(wanted), "{text}: {why}");
        }
    }

    #[test]
    fn who_calls_has_no_knobs() {
        assert_eq!(parse("echo://:7").called(), Ok(parse("echo://:7")));
        let why = parse("echo://:7?delay=1s").called().unwrap_err();
        assert!(why.contains("?delay=1s is for who serves it"), "{why}");
    }

    #[test]
    fn without_a_transport_it_stands_for_all_that_the_service_has() {
        let transports = |text| parse(text).transports().collect::<Vec<_>>();
        assert_eq!(transports("echo"), [Transport::Tcp, Transport::Udp]);
        assert_eq!(transports("echo+udp"), [Transport::Udp]);
        assert_eq!(transports("greet"), [Transport::Tcp]);
        assert_eq!(transports("months"), [Transport::Udp]);
    }

    #[test]
    fn what_is_announced_parses_to_that_address() {
        let ip = |text: &str| Location::Ip(text.parse().unwrap());
        assert_eq!(url("echo", Transport::Tcp, &ip("127.0.0.1:5007")), "echo+tcp://127.0.0.1:5007");
        assert_eq!(url("echo", Transport::Udp, &ip("[::1]:7")), "echo+udp://[::1]:7");
        let path = UnixName::Path("/run/x".into());
        assert_eq!(url("echo", Transport::Unix, &path.into()), "echo+unix:///run/x");
        for address in ["192.0.2.1:1", "[::1]:7", "[::ffff:192.0.2.1]:7", "[fe80::1%2]:65535"] {
            let announced = url("echo", Transport::Udp, &ip(address));
            assert_eq!(parse(&announced).to_string(), announced);
        }
    }

    #[test]
    fn an_unknown_service_is_answered_with_the_nearest_and_all() {
        let known = "echo, greet, talk, chat, months";
        for (name, near) in [
            ("ehco", "echo"),
            ("Echo", "echo"),
            ("ECHO", "echo"),
            ("eco", "echo"),
            ("ekko", "echo"),
            ("chta", "chat"),
            ("month", "months"),
            ("great", "greet"),
        ] {
            let wanted =
                format!("no service is called {name:?}, did you mean {near}? Known are {known}");
            assert_eq!(why(name), wanted);
            assert_eq!(why(&format!("{name}://:7")), wanted);
        }
        let end = format!("known are {known}, as in echo://localhost:5007");
        assert_eq!(why("http://x"), format!("no service is called \"http\", {end}"));
        assert_eq!(why("localhost:7"), format!("no service is called \"localhost\", {end}"));
        for empty in ["", "://", "+tcp", ":5007", "://:5007"] {
            assert_eq!(why(empty), format!("it does not begin with a service, {end}"));
        }
    }

    #[test]
    fn a_transport_must_be_known_and_carry_the_service() {
        assert_eq!(why("greet+udp"), "greet is not offered on udp, write greet+tcp");
        assert_eq!(why("months+tcp://:1"), "months is not offered on tcp, write months+udp");
        for name in ["", "sctp", "TCP", "tcp+udp"] {
            let wanted =
                format!("unknown transport {name:?}, write tcp, udp, unix or tls after the +");
            assert_eq!(why(&format!("echo+{name}://:7")), wanted);
        }
    }

    #[test]
    fn unix_sockets_have_a_path_or_an_abstract_name() {
        let path = |text: &str| Some(UnixName::Path(text.into()));
        for (text, unix) in [
            ("echo+unix:///run/cooee/echo.sock", path("/run/cooee/echo.sock")),
            ("chat+unix:///a", path("/a")),
            ("greet+unix:///with space/ü:x#1", path("/with space/ü:x#1")),
            ("talk+unix://@name", Some(UnixName::Abstract(b"name".to_vec()))),
        ] {
            let endpoint = parse(text);
            let transports: Vec<_> = endpoint.transports().collect();
            assert_eq!((endpoint.to_string(), transports), (text.into(), vec![Transport::Unix]));
            assert_eq!((&endpoint.host, endpoint.port, &endpoint.unix), (&None, None, &unix));
        }
        assert_ne!(parse("echo+unix:///a"), parse("echo+unix:///b"));
        let longest = "x".repeat(UNIX_NAME_BYTES);
        for name in [format!("/{}", &longest[1..]), format!("@{longest}")] {
            assert_eq!(parse(&format!("echo+unix://{name}")).to_string().len(), 12 + name.len());
        }
    }

    #[test]
    fn what_is_no_name_of_a_unix_socket_is_answered_with_what_is() {
        let longer = format!("/{}", "x".repeat(107));
        for (text, wanted) in [
            ("echo+unix", "a unix socket has a path, write it like echo+unix:///run/cooee/socket"),
            ("echo+unix://", "a unix socket has a path"),
            ("echo+unix:///", "/ is a directory, name the socket in it"),
            ("echo+unix:///run/", "/run/ is a directory"),
            ("echo+unix://run/x", "a path begins with a / of its own, write echo+unix:///run/x"),
            ("echo+unix:/run/x", "a path begins with :///, write echo+unix:///run/x"),
            ("echo+unix@name", "a path begins with :///, write echo+unix://@name"),
            ("echo+unix://@", "no name after the @, write echo+unix://@NAME"),
            ("echo+unix:///run/x:7", "a unix socket has no port, remove the :7"),
            ("echo+unix:///a\nb", "a control character"),
            ("echo:///run/x", "a path is for unix sockets, write echo+unix:///run/x"),
            ("months+unix:///x", "months is not offered on unix, write months+udp"),
            (&format!("echo+unix://{longer}"), "the name is 108 bytes long, and that of a socket"),
        ] {
            let why = why(text);
            assert!(why.starts_with(wanted), "{text}: {why}");
        }
    }

    #[test]
    fn a_wrong_separator_is_answered_with_what_was_probably_meant() {
        for (text, meant) in [
            ("echo:5007", "echo://:5007"),
            ("echo+udp:7", "echo+udp://:7"),
            ("echo 7", "echo://:7"),
            ("echo:localhost", "echo://localhost"),
            ("echo:localhost:7", "echo://localhost:7"),
            ("echo:/[::1]:7", "echo://[::1]:7"),
            ("echo//:7", "echo://:7"),
            ("echo/", "echo"),
            ("echo:::1", "echo://[::1]"),
            ("echo:me@home", "SERVICE://HOST:PORT"),
        ] {
            assert_eq!(why(text), format!("an address begins with ://, write {meant}"));
        }
    }

    #[test]
    fn a_wrong_port_is_named() {
        for port in ["65536", "-1", "+7", "x", "7x", " 7", "99999999999"] {
            let wanted = format!("{port:?} is not a port, write a number from 0 to 65535");
            assert_eq!(why(&format!("echo://:{port}")), wanted);
            assert_eq!(why(&format!("echo://[::1]:{port}")), wanted);
        }
        let wanted = "no port after the colon, write one or leave the colon out";
        assert_eq!(why("echo://localhost:"), wanted);
    }

    #[test]
    fn ipv6_addresses_need_both_brackets_and_brackets_need_an_ipv6_address() {
        for text in ["echo://::1", "echo://::", "echo://::1:5007", "echo://fe80::1]:7"] {
            assert_eq!(why(text), "write IPv6 addresses in brackets: [::1]");
        }
        assert_eq!(why("echo://[::1"), "the closing ] is missing, write it like [::1]:5007");
        for text in ["localhost", "127.0.0.1", "", ":::"] {
            let rest = "is not an IPv6 address, and nothing else stands in brackets";
            assert_eq!(why(&format!("echo://[{text}]:7")), format!("{text:?} {rest}"));
        }
        let zone = |zone| format!("{zone:?} is not a zone, write it like [fe80::1%eth0]");
        assert_eq!(why("echo://[fe80::1%]"), zone(""));
        assert_eq!(why("echo://[fe80::1%a%b]"), zone("a%b"));
    }

    #[test]
    fn stray_text_is_named() {
        let wanted = "stray text \"7\" after the ], only :PORT may follow";
        assert_eq!(why("echo://[::1]7"), wanted);
        let wanted = "stray text \"/\" after the host \"localhost\", remove it";
        assert_eq!(why("echo://localhost/"), wanted);
        let wanted = "stray text \"/x\" after the port \"7\", remove it";
        assert_eq!(why("echo://localhost:7/x"), wanted);
    }

    #[test]
    fn what_cannot_be_a_host_is_named() {
        assert_eq!(why("echo://5007"), "5007 is not a host, for a port write ://:5007");
        for host in ["me@home", "a b", "\x1b[31m", "münchen", "..", "*"] {
            let allowed = "it may have letters, digits, dots, hyphens and underscores";
            let wanted = format!("{host:?} is not a host, {allowed}");
            assert_eq!(why(&format!("echo://{host}:7")), wanted);
        }
    }

    /// Something like an endpoint, of parts that mean something to the grammar.
    fn like_an_endpoint() -> impl Strategy<Value = String> {
        let parts = "echo|echo|greet|months|chat|+|tcp|udp|unix|:///|://|://|:|/|[|]|::1|[::1]|\
                     [::]|%|1|7|0|65535|a|.|-|é| |@|localhost|127.0.0.1|ffff:|?|?delay=1s&|\
                     drop=5%|reset=5%@1k|seed=7|=|&|~";
        let parts: Vec<&str> = parts.split('|').collect();
        let words = prop::collection::vec(select(parts), 0..7);
        (select(vec!["", "echo://"]), words)
            .prop_map(|(head, words)| head.to_owned() + &words.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn whatever_parses_prints_and_parses_again_to_the_same(text in like_an_endpoint()) {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(&parse(&endpoint.to_string()), &endpoint);
                prop_assert!(endpoint.transports().count() > 0);
            }
        }

        #[test]
        fn what_is_put_together_is_taken_apart(
            service in select(vec!["echo", "greet", "talk", "chat", "months"]),
            host in prop_oneof![
                "[a-z][a-z0-9_]{0,8}([.][a-z][a-z0-9-]{0,8}){0,2}",
                any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
                any::<Ipv6Addr>().prop_map(|address| address.to_string()),
            ],
            port in any::<Option<u16>>(),
        ) {
            let service = find(service).unwrap();
            for transport in [None].into_iter().chain(Transport::UNNAMED.map(Some)) {
                if transport.is_some_and(|transport| !transport.carries(service)) {
                    continue;
                }
                let host = Some(host.clone());
                let endpoint = Endpoint { transport, host, port, ..Endpoint::of(service) };
                prop_assert_eq!(parse(&endpoint.to_string()), endpoint);
            }
        }
    }
}
