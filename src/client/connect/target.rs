//! Whom to call: `HOST[:PORT]`, `unix:///PATH` or an endpoint of the right service, and the places
//! behind it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::endpoint::{Endpoint, Transport, at};
use crate::engine::{Location, UnixName};
use crate::resolve::resolve;
use crate::services::Offer;

/// The host that is called unless another is named.
const HOST: &str = "localhost";

/// A server as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTarget {
    pub(crate) service: &'static str,
    pub(crate) transport: Transport,
    place: Place,
    /// What else to say if the host does not resolve.
    advice: Option<String>,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Host(String, u16),
    Unix(UnixName),
}

impl ConnectTarget {
    /// Reads what the user wrote; `None` is this machine. `wanted` is a transport that was asked
    /// for besides.
    ///
    /// # Errors
    /// One line for people: which word is wrong, why, and what to write instead.
    pub(crate) fn parse(
        offer: &'static Offer,
        word: Option<&str>,
        wanted: Option<Transport>,
    ) -> Result<ConnectTarget, String> {
        let (endpoint, host, port) = match word {
            None => (None, None, None),
            Some(word) if word.starts_with("unix:") => {
                let word = format!("{}+{word}", offer.name);
                (Some(Endpoint::to_call(&word)?), None, None)
            }
            Some(word) if word.contains("://") || word.contains('+') => {
                let endpoint = Endpoint::to_call(word)?;
                let (host, port) = (endpoint.host.clone(), endpoint.port);
                (Some(endpoint), host, port)
            }
            Some(word) => {
                let (host, port) = host_and_port(word)?;
                (None, host, port)
            }
        };
        let over = transport(offer, endpoint.as_ref(), wanted)?;
        let target =
            |place| ConnectTarget { service: offer.name, transport: over, place, advice: None };
        if let Some(name) = endpoint.and_then(|endpoint| endpoint.unix) {
            return Ok(target(Place::Unix(name)));
        }
        let port = port.unwrap_or(over.port(offer));
        if port == 0 {
            return Err("port 0 is no port to call; a server announces its real one".into());
        }
        let host = host.unwrap_or_else(|| HOST.into());
        if looks_like_address(&host) && host.parse::<Ipv4Addr>().is_err() {
            return Err(format!("{host} is not an IPv4 address; that is four numbers up to 255"));
        }
        Ok(target(Place::Host(host, port)))
    }

    /// The host, as it was named; a unix socket has none.
    pub(crate) fn host(&self) -> &str {
        match &self.place {
            Place::Host(host, _) => host,
            Place::Unix(_) => HOST,
        }
    }

    /// Has `advice` said as well if the host does not resolve.
    pub(crate) fn advise(&mut self, advice: String) {
        self.advice = Some(advice);
    }

    /// All places behind the name, in the order in which they are worth trying.
    ///
    /// # Errors
    /// If the name is not known, in one line for people.
    pub(crate) fn resolve(&self) -> Result<Vec<Location>, String> {
        let (host, port) = match &self.place {
            Place::Host(host, port) => (host, *port),
            Place::Unix(name) => return Ok(vec![name.clone().into()]),
        };
        log::debug!("resolving {host}");
        let found = resolve(host, port);
        let addresses = found.map_err(|why| match &self.advice {
            Some(advice) => format!("{}: {why}; {advice}", self.service),
            None => format!("{}: {why}", self.service),
        })?;
        for address in &addresses {
            log::debug!("{host} is {}", address.ip());
        }
        Ok(addresses.into_iter().map(Location::Ip).collect())
    }
}

impl fmt::Display for ConnectTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Host(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Host(host, port) => write!(f, "{host}:{port}"),
            Place::Unix(name) => name.fmt(f),
        }
    }
}

fn host_and_port(word: &str) -> Result<(Option<String>, Option<u16>), String> {
    let (address, zone) = word.split_at(word.find('%').unwrap_or(word.len()));
    if let Ok(address) = address.parse::<Ipv6Addr>() {
        return at(&format!("[{address}{zone}]")).map_err(|why| format!("{word:?}: {why}"));
    }
    if word.is_empty() {
        return Err("the host is empty; leave it out to call this machine".into());
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{word} is not a host; for that port of this machine write :{word}"));
    }
    at(word).map_err(|why| format!("{word:?}: {why}"))
}

/// Whether it can only be meant as an IPv4 address. The resolver would take fewer numbers for one
/// as well, of which the last fills the rest (inet_aton(3)).
fn looks_like_address(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn transport(
    offer: &'static Offer,
    endpoint: Option<&Endpoint>,
    wanted: Option<Transport>,
) -> Result<Transport, String> {
    if let Some(other) = endpoint.filter(|endpoint| endpoint.service.name != offer.name) {
        let (name, service) = (offer.name, other.service.name);
        return Err(format!("{other} is no {name} server; for that one write: cooee {service}"));
    }
    let named = endpoint.and_then(|endpoint| endpoint.transport);
    if let (Some(named), Some(wanted)) = (named, wanted)
        && named != wanted
    {
        return Err(format!("the endpoint says {named} and the option {wanted}: leave one out"));
    }
    let offered = Transport::UNNAMED.into_iter().find(|transport| transport.carries(offer));
    wanted.or(named).or(offered).ok_or_else(|| format!("{} cannot be called", offer.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::find;

    fn target(service: &str, word: &str) -> Result<String, String> {
        let target = ConnectTarget::parse(find(service).unwrap(), Some(word), None)?;
        Ok(format!("{} {target}", target.transport))
    }

    #[test]
    fn hosts_ports_endpoints_and_nothing_at_all_are_understood() {
        for (service, word, wanted) in [
            ("echo", "example.org", "tcp example.org:5007"),
            ("echo", "example.org:7", "tcp example.org:7"),
            ("echo", ":7", "tcp localhost:7"),
            ("echo", "[::1]:7", "tcp [::1]:7"),
            ("echo", "::1", "tcp [::1]:5007"),
            ("echo", "fe80::1%eth0", "tcp [fe80::1%eth0]:5007"),
            ("echo", "echo+udp://127.0.0.1:7", "udp 127.0.0.1:7"),
            ("echo", "echo+udp", "udp localhost:5007"),
            ("chat", "chat://[::1]", "tcp [::1]:5001"),
            ("months", "127.0.0.1", "udp 127.0.0.1:8091"),
            ("echo", "unix:///run/echo.sock", "unix /run/echo.sock"),
            ("chat", "chat+unix://@den", "unix @den"),
        ] {
            assert_eq!(target(service, word).as_deref(), Ok(wanted), "{word}");
        }
        let bare = ConnectTarget::parse(find("greet").unwrap(), None, None).unwrap();
        assert_eq!(bare.to_string(), "localhost:1025");
    }

    #[test]
    fn what_cannot_be_called_is_named() {
        for (word, part) in [
            ("greet://:7", "write: cooee greet"),
            ("5007", "write :5007"),
            ("a:b", "not a port"),
            ("localhost:0", "port 0"),
            ("me@home", "not a host"),
            ("", "the host is empty"),
            ("1.2.3:7", "not an IPv4 address"),
            ("echo://256.1.1.1", "not an IPv4 address"),
            ("fe80::1%", "not a zone"),
            ("unix://run/x", "write echo+unix:///run/x"),
            ("unix:/run/x", "write echo+unix:///run/x"),
            ("chat+unix:///x", "write: cooee chat"),
            ("echo:///x", "write echo+unix:///x"),
        ] {
            let error = target("echo", word).unwrap_err();
            assert!(error.contains(part), "{word}: {error}");
        }
        let echo = find("echo").unwrap();
        let error =
            ConnectTarget::parse(echo, Some("echo+tcp://:7"), Some(Transport::Udp)).unwrap_err();
        assert!(error.contains("leave one out"), "{error}");
        let unix = ConnectTarget::parse(echo, Some("unix:///x"), Some(Transport::Udp));
        assert!(unix.unwrap_err().contains("leave one out"));
        let months = target("months", "unix:///x").unwrap_err();
        assert!(months.contains("months is not offered on unix"), "{months}");
    }
}
