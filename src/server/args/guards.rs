//! The flags of the guards: whom to let in, and how much.

use std::hash::BuildHasher;

use clap::Args;
use ipnet::IpNet;

use super::{OrOff, rate, serves};
use crate::endpoint::Endpoint;
use crate::guards::{Networks, PerSource, Policy, Proxies, Proxy, parse_network};
use crate::units::{or_off, parse_from};

/// The flags of the guards.
#[derive(Args, Debug)]
#[command(next_help_heading = "Guards")]
pub(super) struct GuardArgs {
    /// Let this network in: 10.0.0.0/8, 2001:db8::/32, or an address (repeatable; the most
    /// specific of --allow and --deny decides). Everybody else is then refused, but not at unix
    /// sockets, where --unix-mode decides
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    allow: Vec<IpNet>,

    /// Refuse this network (repeatable)
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    deny: Vec<IpNet>,

    /// Connections at once from one IPv4 address, IPv6 /64 or, at unix sockets, user; or off
    /// [default: three quarters of --max-connections, and loopback and unix sockets all]
    #[arg(long, value_name = "N", value_parser = count)]
    max_per_ip: Option<OrOff<usize>>,

    /// New connections from one IPv4 /24, IPv6 /64 or, at unix sockets, user, loopback too, in
    /// bursts of one second's worth; or off [default: off]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    accept_rate: Option<OrOff<f64>>,

    /// Take whoever connects from this network for a proxy that begins with a PROXY header,
    /// version 1 or 2; or unix, for those at unix sockets (repeatable). The address in it is the
    /// peer's from then on, for these guards too
    #[arg(long, value_name = "CIDR", value_parser = proxy, hide = cfg!(not(feature = "proxy")))]
    proxy_from: Vec<Proxy>,

    /// Answers over UDP to one IPv4 /24 or IPv6 /64, in bursts of one second's worth; or off.
    /// Each 1500 bytes count as one, hints and introductions as 20. Loopback is not limited
    /// [default: 1000/s]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    udp_rate: Option<OrOff<f64>>,

    /// Hold loopback to --udp-rate too
    #[arg(long)]
    udp_rate_loopback: bool,

    /// Answer datagrams from ports below 1024 too, where servers are and loops begin
    #[arg(long)]
    udp_low_ports: bool,
}

fn proxy(text: &str) -> Result<Proxy, String> {
    text.parse()
}

fn count(text: &str) -> Result<OrOff<usize>, String> {
    or_off(text, parse_from::<1>).map(OrOff)
}

impl GuardArgs {
    /// What these flags ask for.
    pub(super) fn policy(&self, endpoints: &[Endpoint]) -> Result<Policy, String> {
        self.refuse_idle_options(endpoints)?;
        let default = Policy::default();
        let networks = Networks::new(&self.allow, &self.deny);
        Ok(Policy {
            networks: networks.map_err(|why| format!("--allow, --deny: {why}"))?,
            per_source: match self.max_per_ip {
                None => PerSource::Share,
                Some(OrOff(Some(most))) => PerSource::AtMost(most),
                Some(OrOff(None)) => PerSource::Any,
            },
            accept_rate: self.accept_rate.and_then(|limit| limit.0),
            udp_rate: self.udp_rate.map_or(default.udp_rate, |limit| limit.0),
            udp_rate_loopback: self.udp_rate_loopback,
            udp_low_ports: self.udp_low_ports,
            // The one thing that an attacker must not know in advance.
            seed: std::hash::RandomState::new().hash_one(0),
        })
    }

    /// Whom they trust.
    pub(super) fn proxies(&self) -> Result<Proxies, String> {
        match self.proxy_from.is_empty() || cfg!(feature = "proxy") {
            true => Ok(Proxies::new(&self.proxy_from)),
            false => Err("--proxy-from needs the feature proxy, which this cooee was built \
                          without"
                .into()),
        }
    }

    /// An option for a transport that is not served would do nothing, in silence.
    fn refuse_idle_options(&self, endpoints: &[Endpoint]) -> Result<(), String> {
        let given = [
            ("--max-per-ip", self.max_per_ip.is_some(), true),
            ("--proxy-from", !self.proxy_from.is_empty(), true),
            ("--accept-rate", self.accept_rate.is_some(), true),
            ("--udp-rate", self.udp_rate.is_some(), false),
            ("--udp-rate-loopback", self.udp_rate_loopback, false),
            ("--udp-low-ports", self.udp_low_ports, false),
        ];
        let idle = given.iter().find(|(_, given, streams)| {
            let served = endpoints.is_empty() || endpoints.iter().any(|e| serves(e, *streams));
            *given && !served
        });
        match idle {
            Some((option, _, streams)) => Err(format!(
                "{option} is for services over {}, and none is served here: add one, or leave \
                 the option out",
                if *streams { "streams" } else { "udp" }
            )),
            None if self.udp_rate_loopback
                && self.udp_rate.is_some_and(|limit| limit.0.is_none()) =>
            {
                Err("--udp-rate-loopback has no rate to hold loopback to: --udp-rate is off".into())
            }
            None => Ok(()),
        }
    }
}
