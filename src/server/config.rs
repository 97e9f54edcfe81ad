//! What a configuration comes to: endpoints, and the limits of the engine. Its parts are described
//! with it.

use super::{Config, admin, memory};
use crate::descriptors;
use crate::endpoint::Endpoint;
use crate::engine::{Limits, Quota, SLOTS_MAX};
use crate::services::{self, Offer};

impl Config {
    /// The endpoints to serve: those asked for, or every service.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        if !self.endpoints.is_empty() {
            return self.endpoints.clone();
        }
        services::OFFERS.iter().map(Endpoint::of).collect()
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
            } else if endpoint.service.single_process && !told.contains(&name) {
                told.push(name);
                log::warn!(
                    "--reuse-port does nothing for {name}, whose people meet in one process"
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
        let spare = descriptors::SPARE + admin;
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
