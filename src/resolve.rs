//! The addresses behind the name of a host.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::services::find;

/// All addresses of `host`, a name or an address without brackets: each once, in the order in which
/// they are worth trying (getaddrinfo(3)). Waits for as long as the name servers take.
///
/// # Errors
/// One line for people: why the host has none, and what to do about it.
pub fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = (host, port).to_socket_addrs().map_err(|error| failed(host, &error.to_string()))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(failed(host, "it has no address")) } else { Ok(addresses) }
}

fn failed(host: &str, why: &str) -> String {
    let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(why);
    format!("the host {host} does not resolve ({why}); {}", advice(host))
}

fn advice(host: &str) -> &'static str {
    if host.contains('%') {
        "check the name of the network interface behind the %"
    } else if find(host).is_some() {
        "that is a service; a server on this machine needs no host"
    } else {
        "check the name, or give an address"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_own_only_one() {
        for host in ["127.0.0.1", "::1"] {
            let address = SocketAddr::new(host.parse().unwrap(), 7);
            assert_eq!(resolve(host, 7), Ok(vec![address]));
        }
    }

    #[test]
    fn what_does_not_resolve_is_named_with_what_helps() {
        for (host, help) in [
            ("no-such-host.invalid", "check the name, or give an address"),
            ("fe80::1%nope", "interface behind the %"),
        ] {
            let error = resolve(host, 7).unwrap_err();
            assert!(error.starts_with(&format!("the host {host} does not resolve (")), "{error}");
            assert!(error.ends_with(help) && !error.contains("lookup"), "{error}");
        }
        let error = failed("chat", "failed to lookup address information: it is not known");
        let wanted = "the host chat does not resolve (it is not known); that is a service; a \
                      server on this machine needs no host";
        assert_eq!(error, wanted);
    }
}
