//! A configuration, and what it comes to: endpoints, and the limits of the engine.

use std::path::PathBuf;
use std::time::Duration;

use super::bus::BusPlan;
use super::front::Identity;
use super::{admin, bus, memory};
use crate::admin_address::AdminAddress;
use crate::descriptors;
use crate::endpoint::Endpoint;
use crate::engine::{Limits, Quota, SLOTS_MAX};
use crate::guards::{Policy, Proxies};
use crate::hex::HexLimits;
use crate::reactor::Listening;
use crate::services::{self, Offer, Settings, chat};

/// What to serve, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to serve; none means all services.
    pub endpoints: Vec<Endpoint>,
    /// Where an endpoint without a host listens: names or addresses.
    pub hosts: Vec<String>,
    /// A file for the endpoints that we listen on, written once we do.
    pub announce: Option<PathBuf>,
    /// What the services are told at the start.
    pub settings: Settings,
    /// Connections at the same time; `None`: as many as the limit on descriptors allows.
    pub connections: Option<usize>,
    /// Bytes that may wait for all peers together; `None`: a share of the memory.
    pub buffered: Option<usize>,
    /// How long a connection may be idle; `None`: as its service has it, `Some(None)`: for ever.
    pub idle: Option<Option<Duration>>,
    /// How the sockets listen.
    pub listening: Listening,
    /// For how long after an event the loop does not sleep.
    pub spin: Duration,
    /// Whether to use io_uring where the kernel has it.
    pub uring: bool,
    /// Whose connections to accept and whose datagrams to answer, and how many.
    pub guards: Policy,
    /// What services over TLS show; `None`: there are none.
    pub identity: Option<Identity>,
    /// Who begins with a PROXY header.
    pub proxies: Proxies,
    /// Bytes that a chat member may be behind by for a while.
    pub chat_queue: usize,
    /// Bytes that it must not be behind by at all; `None`: four times `chat_queue`.
    pub chat_queue_hard: Option<usize>,
    /// How much of what goes over the connections the log shows; `None`: nothing of it.
    pub hex: Option<HexLimits>,
    /// Where metrics and a page about all this are served. `None`: nowhere.
    pub admin: Option<AdminAddress>,
    /// The names that it answers to, beside addresses, localhost and that of this machine.
    pub admin_hosts: Vec<String>,
    /// How often a line is logged about what happens, if at all.
    pub stat: Option<Duration>,
    /// The bus that joins the rooms of chat with those of other servers. `None`: there is none.
    pub bus: Option<BusPlan>,
    /// How long leaving may take.
    pub drain: Duration,
    /// Whether to leave at once when standard input ends: then our parent is gone.
    pub leave_with_input: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            endpoints: Vec::new(),
            hosts: vec!["127.0.0.1".into()],
            announce: None,
            settings: Settings::default(),
            connections: None,
            buffered: None,
            idle: None,
            listening: Listening::default(),
            spin: Duration::ZERO,
            uring: true,
            guards: Policy::default(),
            proxies: Proxies::default(),
            identity: None,
            chat_queue: 256 * 1024,
            chat_queue_hard: None,
            hex: None,
            admin: None,
            admin_hosts: Vec::new(),
            stat: None,
            bus: None,
            drain: Duration::from_secs(5),
            leave_with_input: false,
        }
    }
}

impl Config {
    /// The endpoints to serve: those asked for, or every service.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        if !self.endpoints.is_empty() {
            return self.endpoints.clone();
        }
        services::OFFERS.iter().map(Endpoint::of).collect()
    }

    /// Whether only one process can serve what is on offer there.
    pub(super) fn is_for_one_process(&self, offer: &Offer) -> bool {
        offer.single_process && !(offer.name == chat::OFFER.name && self.bus.is_some())
    }

    /// Says which endpoints `--reuse-port` does nothing for.
    pub(super) fn warn_of_unshared(&self) {
        if !self.listening.reuse_port {
            return;
        }
        let mut told: Vec<&str> = Vec::new();
        for endpoint in self.endpoints() {
            let name = endpoint.service.name;
            if endpoint.unix.is_some() {
                log::warn!("--reuse-port does nothing for {endpoint}, which has one server");
            } else if self.is_for_one_process(endpoint.service) && !told.contains(&name) {
                told.push(name);
                let help = if name == chat::OFFER.name { ", unless there is a --bus" } else { "" };
                log::warn!(
                    "--reuse-port does nothing for {name}, whose people meet in one process{help}"
                );
            }
        }
    }

    pub(super) fn quota(&self, offer: &Offer) -> Quota {
        let idle = self.idle.unwrap_or(offer.idle);
        match offer.fans_out {
            true => Quota {
                idle,
                queue_soft: self.chat_queue,
                queue_hard: self.chat_queue_hard.unwrap_or(self.chat_queue.saturating_mul(4)),
                apart: None,
            },
            false => Quota { idle, ..Quota::default() },
        }
    }

    /// Whether this machine has room for what is asked for.
    ///
    /// # Errors
    /// One line for people.
    #[cfg(feature = "config")]
    pub fn check_limits(&self) -> Result<(), String> {
        self.limits().map(drop)
    }

    pub(super) fn limits(&self) -> Result<Limits, String> {
        let descriptors = descriptors::raise_limit();
        let admin = self.admin.as_ref().map_or(0, |_| admin::DESCRIPTORS);
        let bus = self.bus.as_ref().map_or(0, |_| bus::DESCRIPTORS);
        let spare = descriptors::SPARE + admin + bus;
        let possible = descriptors.saturating_sub(spare).clamp(1, SLOTS_MAX);
        let connections = self.connections.unwrap_or(possible);
        if connections > possible {
            return Err(format!(
                "--max-connections {connections}: the limit of {descriptors} descriptors leaves \
                 room for {possible}; raise it with 'ulimit -n'"
            ));
        }
        let buffered = memory::buffered(self.buffered);
        Ok(Limits { connections, buffered, ..Limits::default() })
    }
}
