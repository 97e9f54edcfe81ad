//! `--bus`: from flags to the service that joins the rooms of chat with those of other servers.

mod resolver;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;
use std::{fmt, fs};

#[cfg(feature = "admin")]
use super::admin::Family;
use super::args::BusArgs;
#[cfg(feature = "admin")]
use crate::bus::BusFigures;
use crate::bus::{Bus, BusConfig, Login, Port, QUOTA, ServerAddress};
use crate::engine::Engine;
use crate::rate::Rate;
use crate::reactor;
use crate::services::chat::{BusRooms, NAME_RULE, name_in};
use crate::tls::Trust;
use resolver::Resolver;

/// Descriptors that are for this: a connection, the one before, and a name server's.
pub(super) const DESCRIPTORS: usize = 4;

/// Where the bus is, and who we are there.
#[derive(Clone, Debug)]
pub struct BusPlan {
    config: BusConfig,
}

/// The bus, with what chat is to be given.
pub(super) struct Joining {
    pub(super) rooms: BusRooms,
    port: Port,
    bus: Bus,
}

/// What an operator may see of it.
#[derive(Clone)]
pub(super) struct BusView(Port);

impl fmt::Debug for BusView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

impl BusView {
    /// In a line.
    pub(super) fn line(&self) -> String {
        self.0.figures().to_string()
    }

    /// For metrics.
    #[cfg(feature = "admin")]
    pub(super) fn families(&self) -> Vec<Family> {
        families(&self.0.figures())
    }

    /// For programs.
    #[cfg(feature = "admin")]
    pub(super) fn status(&self) -> serde_json::Value {
        let figures = self.0.figures();
        let dropped =
            figures.dropped().into_iter().map(|(reason, count)| (reason.into(), count.into()));
        serde_json::json!({
            "node": figures.node,
            "up": figures.is_up,
            "stream": figures.has_stream,
            "server": figures.server,
            "round_trip_s": figures.round_trip.map(|took| took.as_secs_f64()),
            "nodes": figures.nodes,
            "reconnects": figures.reconnects,
            "messages_in": figures.messages_in,
            "messages_out": figures.messages_out,
            "dropped_by_reason": serde_json::Value::Object(dropped.collect()),
            "gaps": figures.gaps,
        })
    }
}

#[cfg(feature = "admin")]
#[allow(clippy::cast_precision_loss)] // as everywhere in metrics
fn families(figures: &BusFigures) -> Vec<Family> {
    let family = |name, kind, help, label, values| Family { name, kind, help, label, values };
    let single = |name, kind, help, value| family(name, kind, help, "", vec![("", value)]);
    let flag = |is: bool| f64::from(u8::from(is));
    let messages = vec![("in", figures.messages_in as f64), ("out", figures.messages_out as f64)];
    let dropped = figures.dropped().map(|(reason, count)| (reason, count as f64)).to_vec();
    let took = figures.round_trip.map_or(f64::NAN, |took| took.as_secs_f64());
    vec![
        single("cooee_bus_up", "gauge", "1 while the bus is reached.", flag(figures.is_up)),
        single(
            "cooee_bus_stream",
            "gauge",
            "1 while a stream keeps the lines of chat.",
            flag(figures.has_stream),
        ),
        single("cooee_bus_nodes", "gauge", "Other servers there.", figures.nodes as f64),
        single(
            "cooee_bus_round_trip_seconds",
            "gauge",
            "Round-trip time of the last PING to the bus; NaN while it is out of reach.",
            took,
        ),
        single(
            "cooee_bus_reconnects_total",
            "counter",
            "Times that the bus was reached again.",
            figures.reconnects as f64,
        ),
        family(
            "cooee_bus_messages_total",
            "counter",
            "Messages from the bus and to it.",
            "direction",
            messages,
        ),
        family(
            "cooee_bus_dropped_total",
            "counter",
            "Messages from the bus or to it that were dropped, by reason.",
            "reason",
            dropped,
        ),
        single(
            "cooee_bus_gaps_total",
            "counter",
            "Lines of other servers that were lost.",
            figures.gaps as f64,
        ),
    ]
}

impl BusPlan {
    /// What these flags ask for, for the servers at `urls`. `is_boundless`: members may send as
    /// many lines as they like.
    pub(super) fn new(urls: &str, args: &BusArgs, is_boundless: bool) -> Result<BusPlan, String> {
        let servers = ServerAddress::parse_list(urls).map_err(|why| format!("--bus: {why}"))?;
        let node = match &args.bus_name {
            Some(name) => name.clone(),
            None => name_of_host(&rustix::system::uname().nodename().to_string_lossy()),
        };
        let usual = BusConfig::new(servers, &node);
        let config = BusConfig {
            rate: match args.bus_rate {
                Some(rate) => rate.0.map(Rate::per_second),
                None if is_boundless => None,
                None => usual.rate,
            },
            login: login(args)?,
            ignores_advertised: args.bus_ignore_advertised,
            trust: args.bus_ca.clone().map_or(Trust::Machine, Trust::File),
            ..usual
        };
        config.check()?;
        let plan = BusPlan { config };
        plan.open().map(|_| plan)
    }

    /// The bus itself, new.
    pub(super) fn open(&self) -> Result<Joining, String> {
        let (port, node) = (Port::default(), &self.config.node);
        let chance = || RandomState::new().hash_one(0);
        let started = u64::try_from(reactor::wall().as_millis()).unwrap_or(u64::MAX);
        let rooms = BusRooms::new(port.clone(), node, chance(), started)
            .ok_or_else(|| format!("--bus-name {node:?}: write {NAME_RULE}"))?;
        let bus = Bus::new(self.config.clone(), port.clone(), chance(), Box::<Resolver>::default());
        Ok(Joining { rooms, port, bus })
    }
}

impl Joining {
    /// What an operator may see of it.
    pub(super) fn view(&self) -> BusView {
        BusView(self.port.clone())
    }

    /// Adds the bus to the services.
    pub(super) fn add_to(self, engine: &mut Engine) {
        engine.add_service("bus", QUOTA, Box::new(self.bus));
    }
}

/// The first part of a host's name, without what no name can have.
fn name_of_host(host: &str) -> String {
    let first = host.split('.').next().unwrap_or_default();
    let name = name_in(first);
    if name.is_empty() { "here".into() } else { name }
}

/// Who we are to the bus.
fn login(args: &BusArgs) -> Result<Login, String> {
    match (&args.bus_user, &args.bus_password, &args.bus_token, &args.bus_credentials) {
        (None, None, None, None) => Ok(Login::None),
        (Some(user), Some(password), None, None) => {
            Ok(Login::Password { user: user.clone(), password: password.clone() })
        }
        (None, None, Some(token), None) => Ok(Login::Token(token.clone())),
        (None, None, None, Some(file)) => credentials(file),
        (Some(_), None, ..) => {
            Err("--bus-user has no password: set COOEE_BUS_PASSWORD, too".into())
        }
        (None, Some(_), ..) => Err("--bus-password has no user: set COOEE_BUS_USER, too".into()),
        _ => Err("--bus-user with --bus-password, --bus-token and --bus-credentials exclude each \
                  other: keep one"
            .into()),
    }
}

fn credentials(file: &Path) -> Result<Login, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string());
    text.and_then(|text| Login::from_file_text(&text))
        .map_err(|why| format!("--bus-credentials {}: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> BusArgs {
        BusArgs::default()
    }

    fn plan(args: &BusArgs) -> Result<BusConfig, String> {
        BusPlan::new("nats://127.0.0.1", args, false).map(|plan| plan.config)
    }

    #[test]
    fn a_host_s_name_is_cut_to_fit() {
        for (host, name) in [
            ("north", "north"),
            ("north.example.org", "north"),
            ("a-very-long-name-of-a-machine", "a-very-long-name-of-"),
            ("süd", "sd"),
            ("", "here"),
            (".x", "here"),
        ] {
            assert_eq!(name_of_host(host), name);
        }
    }

    #[test]
    fn who_we_are_is_said_in_one_way_and_whole() {
        let text = |text: &str| Some(text.to_owned());
        let user = BusArgs { bus_user: text("u"), ..args() };
        assert!(plan(&user).unwrap_err().contains("COOEE_BUS_PASSWORD"));
        let whole = BusArgs { bus_password: text("p"), ..user };
        assert!(matches!(plan(&whole).unwrap().login, Login::Password { .. }));
        let both = BusArgs { bus_token: text("t"), ..whole };
        assert!(plan(&both).unwrap_err().contains("keep one"));
        let file = BusArgs { bus_credentials: Some("/nowhere/x.creds".into()), ..args() };
        assert!(plan(&file).unwrap_err().starts_with("--bus-credentials /nowhere/x.creds: "));
    }

    #[test]
    fn wrong_words_are_named_and_rates_are_as_they_should_be() {
        let name = |name: &str| BusArgs { bus_name: Some(name.into()), ..args() };
        assert_eq!(plan(&name("north")).unwrap().node, "north");
        for wrong in ["", "north pole", "a@b", "abcdefghijklmnopqrstu"] {
            assert!(plan(&name(wrong)).unwrap_err().starts_with("--bus-name "), "{wrong}");
        }
        let rate = |is_boundless| {
            BusPlan::new("nats://a,nats://b", &args(), is_boundless).unwrap().config.rate
        };
        assert_eq!((rate(false).map(|rate| rate.per_second), rate(true)), (Some(2000.0), None));
        let error = BusPlan::new("nats://u:p@a", &args(), false).map(drop).unwrap_err();
        assert!(error.starts_with("--bus: ") && !error.contains("u:p"), "{error}");
    }
}
