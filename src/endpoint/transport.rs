//! What carries a service.

use std::fmt;

use crate::knobs::Fits;
use crate::services::Offer;

/// Over TLS a service is at a port so much higher.
const TLS_PORTS: u16 = 2000;

/// What carries a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Streams.
    Tcp,
    /// Datagrams.
    Udp,
    /// Streams between processes of one machine. Never meant unless it is named.
    Unix,
    /// Streams over TLS. Never meant unless it is named.
    Tls,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 4] =
        [Transport::Tcp, Transport::Udp, Transport::Unix, Transport::Tls];
    /// Those that are meant where none is named, in the order in which they are announced.
    pub const UNNAMED: [Transport; 2] = [Transport::Tcp, Transport::Udp];

    /// Whether it carries streams.
    pub fn is_stream(self) -> bool {
        match self {
            Transport::Tcp | Transport::Unix | Transport::Tls => true,
            Transport::Udp => false,
        }
    }

    /// Whether `service` is offered on it.
    pub fn carries(self, service: &Offer) -> bool {
        if self.is_stream() { service.stream.is_some() } else { service.datagram.is_some() }
    }

    /// Whether a knob for `fits` means something on it.
    pub(crate) fn takes(self, fits: Fits) -> bool {
        match fits {
            Fits::All => true,
            Fits::Streams => self.is_stream(),
            Fits::Datagrams => !self.is_stream(),
        }
    }

    /// Whether all is said over TLS.
    pub fn is_secured(self) -> bool {
        self == Transport::Tls
    }

    /// Where it is offered, unless an endpoint says something else.
    pub fn port(self, service: &Offer) -> u16 {
        if self.is_secured() { service.port + TLS_PORTS } else { service.port }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Unix => "unix",
            Transport::Tls => "tls",
        })
    }
}
