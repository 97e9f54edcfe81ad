//! The guards: whom we listen to and answer, and how much of it. Pure like the engine: addresses
//! and the time are arguments, memory is bounded, nothing here knows a socket.
//!
//! `Door` judges new connections, `Letterbox` judges datagrams. Neither ever switches a service
//! off: what one source does costs that source alone. They do not look at what is said; limits of
//! a connection that has been let in are the engine's and its service's.

mod cidr;
mod connections;
mod datagrams;
mod prefix;
mod rate;

pub use cidr::{Networks, parse_network};
pub use connections::{Door, Turned};
pub use datagrams::{Letterbox, Unheard};
pub use prefix::Source;
pub use rate::Buckets;

/// What is guarded, and how strictly.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may speak to us at all, over TCP and UDP.
    pub networks: Networks,
    /// Connections at once from one source.
    pub per_source: PerSource,
    /// New connections a second from one network, in bursts of a second's worth; `None`: any.
    pub accept_rate: Option<f64>,
    /// Answers a second over UDP to one network, in bursts of a second's worth; `None`: any.
    pub udp_rate: Option<f64>,
    /// Whether loopback is held to `udp_rate` too.
    pub udp_rate_loopback: bool,
    /// Whether datagrams from ports below 1024 are answered.
    pub udp_low_ports: bool,
    /// Decides where sources lie in the tables, so that nobody can aim at another's place.
    pub seed: u64,
}

/// How many connections one source may have at once; one more is closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerSource {
    /// Three quarters of all, so that no single source shuts out the others. Loopback has all.
    Share,
    /// So many, loopback too.
    AtMost(usize),
    /// As many as there are.
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
    pub door: Door,
    /// Judges datagrams.
    pub letterbox: Letterbox,
}

impl Guards {
    /// The guards of a server that takes at most `connections` at once.
    pub fn new(policy: &Policy, connections: usize) -> Guards {
        Guards { door: Door::new(policy, connections), letterbox: Letterbox::new(policy) }
    }
}
