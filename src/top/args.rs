//! The flags of `cooee top`, and what `cooee health` has like it.

use clap::Args;

use crate::services::text::visible;
use crate::units::{Parse, parse_address};

/// Where both look unless told otherwise; the port that our examples give to `--admin`.
const PORT: u16 = 5090;
/// As much of what a server says instead of an answer is shown.
const SHOWN: usize = 200;

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
    /// Where the server's --admin is: PORT, HOST:PORT or [IPV6]:PORT [default: 127.0.0.1:5090]
    #[arg(value_name = "ADDRESS", value_parser = address as Parse<_>)]
    address: Option<(String, u16)>,
}

/// The URL that a server announces does as well.
fn address(text: &str) -> Result<(String, u16), String> {
    let bare = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    parse_address(bare.unwrap_or(text))
}

/// Both, as an address is written.
pub(super) fn full_name(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The first line of a body, to be shown to a person.
pub(super) fn first_line(body: &[u8]) -> String {
    let line = body.split(|byte| *byte == b'\n').next().unwrap_or(b"");
    visible(&line[..line.len().min(SHOWN)])
}

impl Where {
    /// Host and port.
    pub(super) fn address(&self) -> (&str, u16) {
        match &self.address {
            Some((host, port)) => (host, *port),
            None => ("127.0.0.1", PORT),
        }
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
            assert_eq!(address(text), Ok((host.to_owned(), port)));
        }
        assert!(address("https://127.0.0.1:7/").is_err());
        assert!(address("http://h:7/metrics").is_err());
    }
}
