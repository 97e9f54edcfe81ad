//! The flags of `cooee top`, and what `cooee health` has like it.

// Doc comments here are help texts, in which HOST[:PORT] is no link.
#![allow(rustdoc::broken_intra_doc_links)]

use std::net::{SocketAddr, SocketAddrV6};

use clap::Args;

use crate::admin_address::AdminAddress;
use crate::engine::Location;
use crate::services::text::visible;
use crate::units::Parse;

/// Where both look unless told otherwise; the port that our examples give to `--admin`.
const PORT: u16 = 5090;
/// As much of what a server says instead of an answer is shown.
const SHOWN: usize = 60;

/// What `--help` shows at its end.
pub(super) const EXAMPLES: &str = "
Examples:
  cooee serve --admin 5090        in one terminal
  cooee top                       in another: live, until q or Ctrl-C
  cooee top stats.example:5090    somewhere else
  cooee top | tee log             without a terminal: a line each second

Exit status: 0 fine, 1 failed, 2 wrong usage.";

/// The flags of `cooee top`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TopArgs {
    #[command(flatten)]
    pub(super) place: Where,
}

/// Whom to ask.
#[derive(Args, Debug)]
pub(super) struct Where {
    /// Where the server's --admin is: PORT, HOST:PORT, [IPV6]:PORT or unix:///PATH
    /// [default: 127.0.0.1:5090]
    #[arg(value_name = "ADDRESS", value_parser = address as Parse<_>)]
    address: Option<AdminAddress>,
}

/// The URL that a server announces does as well.
fn address(text: &str) -> Result<AdminAddress, String> {
    let bare = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    AdminAddress::parse(bare.unwrap_or(text))
}

/// The first line of a body, to be shown to a person.
pub(super) fn first_line(body: &[u8]) -> String {
    let line = body.split(|byte| *byte == b'\n').next().unwrap_or(b"");
    visible(&line[..line.len().min(SHOWN)])
}

/// What a request names as the host.
pub(super) fn host_of(location: &Location) -> String {
    match location {
        // Which link it is on means something to this machine only.
        Location::Ip(SocketAddr::V6(address)) => {
            SocketAddrV6::new(*address.ip(), address.port(), 0, 0).to_string()
        }
        Location::Ip(address) => address.to_string(),
        Location::Unix(_) => "localhost".into(),
    }
}

impl Where {
    /// Where it is.
    pub(super) fn address(&self) -> AdminAddress {
        let here = || AdminAddress::Tcp("127.0.0.1".into(), PORT);
        self.address.clone().unwrap_or_else(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_announces_can_be_given_as_it_is() {
        for (text, host, port) in [
            ("http://127.0.0.1:7/", "127.0.0.1", 7),
            ("http://[::1]:7", "::1", 7),
            ("7", "127.0.0.1", 7),
        ] {
            assert_eq!(address(text), Ok(AdminAddress::Tcp(host.to_owned(), port)));
        }
        assert!(matches!(address("http+unix:///run/x"), Ok(AdminAddress::Unix(_))));
        assert!(address("https://127.0.0.1:7/").is_err());
        assert!(address("http://h:7/metrics").is_err());
    }
}
