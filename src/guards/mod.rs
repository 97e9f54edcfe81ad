//! The guards: whose connections are accepted and whose datagrams answered, and how many. Pure like
//! the engine: addresses and the time are arguments, memory is bounded, nothing here knows a
//! socket.
//!
//! Neither guard ever switches a service off: what one source does costs that source alone. They do
//! not look at what is said; the limits of an accepted connection are the engine's and its
//! service's.

mod cidr;
mod connections;
mod datagrams;
mod prefix;
mod proxies;
mod rate;

pub use cidr::{Networks, parse_network};
pub use connections::ConnectionGuard;
pub use datagrams::{DatagramGuard, DatagramRefusal};
pub use prefix::Prefix;
pub use proxies::{Proxies, Proxy};
pub use rate::RateTable;

/// What is guarded, and how strictly.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may use this server at all, over TCP and UDP.
    pub networks: Networks,
    /// Connections from one source at the same time.
    pub per_source: PerSource,
    /// New connections a second from one network, in bursts of a second's worth; `None`: no limit.
    pub accept_rate: Option<f64>,
    /// Answers a second over UDP to one network, in bursts of a second's worth; `None`: no limit.
    pub udp_rate: Option<f64>,
    /// Whether loopback is held to `udp_rate` too.
    pub udp_rate_loopback: bool,
    /// Whether datagrams from ports below 1024 are answered.
    pub udp_low_ports: bool,
    /// Decides where a source lies in the tables, so that nobody can aim at another's place.
    pub seed: u64,
}

/// How many connections one source may have at the same time; one more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerSource {
    /// Three quarters of all, so that no single source shuts out the others. Loopback may have all.
    Share,
    /// This many, loopback too.
    AtMost(usize),
    /// No limit.
    Any,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            networks: Networks::default(),
            per_source: PerSource::Share,
            accept_rate: None,
            udp_rate: Some(1000.0),
            udp_rate_loopback: false,
            udp_low_ports: false,
            seed: 0,
        }
    }
}

/// Both guards.
pub struct Guards {
    /// Judges new connections.
    pub connections: ConnectionGuard,
    /// Judges datagrams.
    pub datagrams: DatagramGuard,
}

impl Guards {
    /// The guards of a server that takes at most `connections` at the same time.
    pub fn new(policy: &Policy, connections: usize) -> Guards {
        Guards {
            connections: ConnectionGuard::new(policy, connections),
            datagrams: DatagramGuard::new(policy),
        }
    }
}
