//! Why a socket is not opened, and what would help, in one line.

use std::io;

use super::Binding;

/// Both name the same socket, and want different things of it.
pub(super) fn differ(one: &Binding, other: &Binding) -> String {
    let (one, other) = (one.written(), other.written());
    format!("{one} and {other} would be one socket: leave out one, or give both the same knobs")
}

pub(super) fn both_want(one: &Binding, other: &Binding) -> String {
    if one.location.unix().is_some() {
        let (one, other) = (one.url(), other.url());
        return format!("{one} and {other} want the same socket: give one of them another");
    }
    format!(
        "{} and {} want the same port: give one of them another, such as {}://:0 for any",
        one.url(),
        other.url(),
        other.offer.name,
    )
}

pub(super) fn because(binding: &Binding, error: &io::Error) -> String {
    let name = binding.offer.name;
    let help = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "; another server is there already: stop it, or choose another port, \
             {name}://:0 for any"
        ),
        io::ErrorKind::PermissionDenied if binding.port().is_some_and(|port| port < 1024) => {
            "; ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE): \
             choose a higher one"
                .into()
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address".into(),
        _ => String::new(),
    };
    cannot(binding, &format!("{error}{help}"))
}

pub(super) fn cannot(binding: &Binding, why: &str) -> String {
    format!("cannot listen on {}: {why}", binding.url())
}
