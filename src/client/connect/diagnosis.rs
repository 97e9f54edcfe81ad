//! What went wrong, in words that help whoever reads them.

use std::io::ErrorKind;
use std::time::Duration;

use crate::engine::{Location, Reason};

/// An address that could not be reached.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    location: Location,
    why: String,
    advice: &'static str,
    /// A refusal proves that the host is there, so its advice is the best.
    is_refusal: bool,
}

impl Tried {
    /// One whose call has ended for `reason`, or was not answered within `patience`.
    pub(crate) fn failed(location: Location, reason: Reason, patience: Duration) -> Tried {
        let refusals = [Reason::Failed(ErrorKind::ConnectionRefused), Reason::Itself];
        let is_refusal = refusals.contains(&reason);
        let advice = match location {
            Location::Ip(_) => advice(reason),
            Location::Unix(_) => unix_advice(reason),
        };
        Tried { location, why: why(reason, patience), advice, is_refusal }
    }

    /// One that was asked and never answered.
    pub(crate) fn silent(location: Location, why: String) -> Tried {
        Tried { location, why, advice: SILENT, is_refusal: false }
    }

    /// The same, if the failure of a layer says more.
    pub(crate) fn because(self, failure: Option<&str>) -> Tried {
        match failure {
            Some(failure) => Tried { why: format!("{}: {failure}", self.why), advice: "", ..self },
            None => self,
        }
    }

    /// What became of it.
    pub(crate) fn why(&self) -> &str {
        &self.why
    }
}

/// What to do about a silent datagram server.
pub(crate) const SILENT: &str =
    "is the server running, and does no firewall swallow UDP? --timeout waits longer";

/// Why one address could not be reached.
fn why(reason: Reason, patience: Duration) -> String {
    match reason {
        Reason::Failed(ErrorKind::ConnectionRefused) => "connection refused".into(),
        Reason::Failed(ErrorKind::TimedOut) => format!("no answer within {patience:?}"),
        Reason::Failed(ErrorKind::HostUnreachable) => "host unreachable".into(),
        Reason::Failed(ErrorKind::NetworkUnreachable) => "network unreachable".into(),
        Reason::Failed(ErrorKind::PermissionDenied) => "not permitted".into(),
        Reason::Failed(ErrorKind::InvalidInput) => "invalid address".into(),
        Reason::Failed(ErrorKind::WouldBlock) => "its queue is full".into(),
        Reason::Failed(ErrorKind::NotFound) => "there is no such file".into(),
        Reason::Failed(kind) => kind.to_string(),
        Reason::Itself => "the call came back to this client itself".into(),
        other => other.to_string(),
    }
}

/// What to do about it.
fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::Failed(ErrorKind::ConnectionRefused) => {
            "nothing listens there: is the server running, and is the port right?"
        }
        Reason::Itself => {
            "nothing listens there, and by chance the client got that very port for its own end: \
             is the server running, and is the port right?"
        }
        Reason::Failed(ErrorKind::TimedOut) => {
            "is the address right, and does no firewall swallow it? --connect-timeout waits longer"
        }
        Reason::Failed(ErrorKind::InvalidInput) => {
            "an IPv6 address of the link alone needs its interface: [fe80::1%eth0]"
        }
        Reason::Failed(ErrorKind::AddrNotAvailable) => {
            "does this machine have an address of that kind, and a free port for its own end?"
        }
        Reason::Failed(ErrorKind::ConnectionReset) => {
            "whoever answers there breaks the call off: is the port right, and are you let in?"
        }
        Reason::Failed(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
            "is the address right, and is this machine connected to that network?"
        }
        Reason::Failed(ErrorKind::PermissionDenied) => {
            "a firewall of this machine forbids it, or it is a broadcast address"
        }
        _ => "is the address right?",
    }
}

/// The same at a unix socket.
fn unix_advice(reason: Reason) -> &'static str {
    match reason {
        Reason::Failed(ErrorKind::ConnectionRefused) => {
            "nobody listens at that file any more: is the server running?"
        }
        Reason::Failed(ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            "is the server running, and is the path right?"
        }
        Reason::Failed(ErrorKind::PermissionDenied) => {
            "its mode does not let this user in; the server's --unix-mode 666 lets everybody"
        }
        Reason::Failed(ErrorKind::WouldBlock) => {
            "as many wait there as may, and the server lets nobody in: is it stuck?"
        }
        _ => "is it a socket for streams, and is the path right?",
    }
}

/// The one line for a server that could not be reached at any of its addresses.
pub(crate) fn unreachable(service: &str, tried: &[Tried]) -> String {
    let all: Vec<String> =
        tried.iter().map(|Tried { location, why, .. }| format!("{location} ({why})")).collect();
    let telling = tried.iter().find(|tried| tried.is_refusal).or(tried.last());
    let advice = telling.map_or("", |tried| tried.advice);
    let colon = if advice.is_empty() { "" } else { ": " };
    format!("{service}: cannot reach {}{colon}{advice}", all.join(" or "))
}

/// A connection that the other side or the network has broken.
pub(crate) fn broken(service: &str, remote: &Location, reason: Reason) -> String {
    let how = match reason {
        Reason::Failed(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
            "the server broke the connection (reset)".into()
        }
        Reason::Failed(ErrorKind::TimedOut) => "the network lost the connection (timed out)".into(),
        other => format!("the connection broke ({})", why(other, Duration::ZERO)),
    };
    format!("{service}: {remote}: {how}: it has crashed, or did not like what it was sent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_was_tried_is_named_and_the_best_advice_given() {
        let refused = Reason::Failed(ErrorKind::ConnectionRefused);
        let unroutable = Reason::Failed(ErrorKind::NetworkUnreachable);
        let tried = [
            Tried::failed(([127, 0, 0, 1], 7).into(), refused, Duration::from_secs(1)),
            Tried::failed(([0, 0, 0, 0, 0, 0, 0, 1], 7).into(), unroutable, Duration::ZERO),
        ];
        let line = unreachable("echo", &tried);
        let wanted = "echo: cannot reach 127.0.0.1:7 (connection refused) or [::1]:7 (network \
                      unreachable): nothing listens there: is the server running, and is the \
                      port right?";
        assert_eq!(line, wanted);
    }
}
