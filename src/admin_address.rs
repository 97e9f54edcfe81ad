//! Where `--admin` listens and `cooee top` calls: `PORT`, `HOST:PORT`, `[IPV6]:PORT` or
//! `unix:///PATH`.

use std::fmt;

use crate::endpoint::unix_name;
use crate::engine::{Location, UnixName};
use crate::resolve::resolve;

/// The scheme of a unix socket, as it is written and as it is announced.
const SCHEMES: [&str; 2] = ["unix://", "http+unix://"];

/// Such an address. Its `Display` is what people call it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// A host, without brackets, and a port.
    Tcp(String, u16),
    /// A unix socket.
    Unix(UnixName),
}

impl AdminAddress {
    /// Reads one. The host is this machine unless it is named.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<AdminAddress, String> {
        if let Some(name) = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
            return unix_name(name, "unix").map(AdminAddress::Unix);
        }
        let wrong =
            || "write PORT, HOST:PORT, [IPV6]:PORT or unix:///PATH, such as 5090".to_owned();
        let (host, port) = match text.rsplit_once(':') {
            None => ("127.0.0.1", text),
            Some(("", port)) => ("127.0.0.1", port),
            Some((host, port)) => (host, port),
        };
        let bare = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(wrong)?,
            // Where would the address end and the port begin?
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        let are_digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| are_digits).ok_or_else(wrong)?;
        let is_clean = |c: char| !c.is_whitespace() && !c.is_control() && !"/@[]".contains(c);
        match !bare.is_empty() && bare.chars().all(is_clean) {
            true => Ok(AdminAddress::Tcp(bare.to_owned(), port)),
            false => Err(wrong()),
        }
    }

    /// All places behind it, in the order in which they are worth trying.
    ///
    /// # Errors
    /// If its host is not known, in one line for people.
    pub fn resolve(&self) -> Result<Vec<Location>, String> {
        match self {
            AdminAddress::Tcp(host, port) => {
                Ok(resolve(host, *port)?.into_iter().map(Location::Ip).collect())
            }
            AdminAddress::Unix(name) => Ok(vec![name.clone().into()]),
        }
    }

    /// Its port, if it has one.
    pub fn port(&self) -> Option<u16> {
        match self {
            AdminAddress::Tcp(_, port) => Some(*port),
            AdminAddress::Unix(_) => None,
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdminAddress::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            AdminAddress::Tcp(host, port) => write!(f, "{host}:{port}"),
            AdminAddress::Unix(name) => write!(f, "unix://{name}"),
        }
    }
}

/// As a listener there is announced.
#[cfg(any(test, feature = "admin", feature = "config"))]
pub(crate) fn url(location: &Location) -> String {
    match location {
        Location::Ip(address) => format!("http://{address}/"),
        Location::Unix(name) => format!("http+unix://{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_at_this_machine() {
        for (text, host, port) in [
            ("5090", "127.0.0.1", 5090),
            (":0", "127.0.0.1", 0),
            ("0.0.0.0:80", "0.0.0.0", 80),
            ("[::1]:7", "::1", 7),
            ("stats.example:65535", "stats.example", 65535),
        ] {
            let wanted = AdminAddress::Tcp(host.to_owned(), port);
            assert_eq!(AdminAddress::parse(text), Ok(wanted), "{text}");
        }
        for text in ["", "x", "::1:7", "[::1]", "[::1:7", "a:", "a:65536", "a:+1", "a b:1", "[]:1"]
        {
            assert!(AdminAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_unix_socket_is_written_as_it_is_announced_or_shorter() {
        let path = UnixName::Path("/run/cooee/admin.sock".into());
        for text in ["unix:///run/cooee/admin.sock", "http+unix:///run/cooee/admin.sock"] {
            let address = AdminAddress::parse(text).unwrap();
            assert_eq!(address, AdminAddress::Unix(path.clone()));
            assert_eq!(address.to_string(), "unix:///run/cooee/admin.sock");
        }
        assert_eq!(url(&path.into()), "http+unix:///run/cooee/admin.sock");
        let why = AdminAddress::parse("unix://run/x").unwrap_err();
        assert!(why.ends_with("write unix:///run/x"), "{why}");
    }
}
