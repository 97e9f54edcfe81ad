//! Two and three nodes and one NATS, from seeds: `SIM_SEED=1234 cargo test --test simulation nodes`
//! replays one world, `SIM_SEEDS=10000` tries more than the ordinary number.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use cooee::bus::{Bus, BusConfig, Found, Lookup, Port};
use cooee::engine::{Service, Time};
use cooee::nats::ServerAddress;
use cooee::services::chat::{BusRooms, Chat};

use super::number;
use super::sim::Rng;
use super::sim::nodes::{Make, Nodes, Plain, STORM, Setting, Talker, Weather, judge, judge_chat};

/// Worlds of each kind in the ordinary run.
const SEEDS: u64 = 4;

/// The bus alone in worlds of that kind.
fn try_bus(setting: Setting, bus: Make) {
    let until = Time::ZERO.after(STORM);
    let chat: Make = &|node, port, seed| Box::new(Talker::new(port, node, seed, until));
    try_worlds(setting, chat, bus, judge);
}

/// Worlds of that kind; without a number of nodes they have two or three.
fn try_worlds(setting: Setting, chat: Make, bus: Make, judge: impl Fn(&Nodes)) {
    let run = |seed: u64, told: bool| {
        let nodes = 2 + usize::try_from(seed % 2).expect("small");
        let nodes = if setting.nodes == 0 { nodes } else { setting.nodes };
        let setting = Setting { nodes, ..setting };
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut world = Nodes::new(setting, seed, chat, bus);
            let hash = world.run();
            if told {
                world.tell();
            }
            judge(&world);
            hash
        }));
        result.unwrap_or_else(|panic| {
            eprintln!("\n{setting:?}: SIM_SEED={seed} cargo test --test simulation nodes\n");
            resume_unwind(panic)
        })
    };
    if let Some(seed) = number("SIM_SEED") {
        run(seed, true);
        return;
    }
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        run(seed, false);
    }
    assert_eq!(run(0, false), run(0, false), "the same seed makes the same world");
}

const CALM: Setting =
    Setting { nodes: 0, members: 0, weather: Weather::Calm, jetstream: false, twice: 0 };

/// A name server: slow, and now and then it knows nothing.
struct Names {
    rng: Rng,
    polls: Option<usize>,
}

impl Lookup for Names {
    fn start(&mut self, _: &str, _: u16) -> bool {
        let is_idle = self.polls.is_none();
        if is_idle {
            self.polls = Some(self.rng.below(10));
        }
        is_idle
    }

    fn poll(&mut self) -> Option<Found> {
        match self.polls? {
            0 => self.polls = None,
            left => {
                self.polls = Some(left - 1);
                return None;
            }
        }
        match self.rng.chance(100) {
            true => Some(Err("no such name".into())),
            false => Some(Ok(vec![([192, 0, 2, 99], 4222).into(), ([192, 0, 2, 98], 4222).into()])),
        }
    }
}

/// What is on trial.
fn bus(node: usize, port: Port, seed: u64) -> Box<dyn Service> {
    let mut rng = Rng::new(seed);
    let servers = *rng.pick(&["192.0.2.99", "nats.example.com", "192.0.2.99,192.0.2.98"]);
    let servers = servers.split(',').map(|one| ServerAddress::parse(one).expect("one"));
    let config = BusConfig::new(servers.collect(), &format!("node{node}"));
    Box::new(Bus::new(config, port, rng.next(), Box::new(Names { rng, polls: None })))
}

#[test]
fn a_plain_bus_does_in_calm_weather() {
    try_bus(CALM, &|_, port, _| Box::new(Plain::new(port)));
}

#[test]
fn the_judges_see_what_a_plain_bus_does_wrong() {
    let rough = Setting { weather: Weather::Rough, jetstream: true, ..CALM };
    let failed = catch_unwind(|| try_bus(rough, &|_, port, _| Box::new(Plain::new(port))));
    assert!(failed.is_err());
}

#[test]
fn members_of_one_node_need_no_bus() {
    let setting = Setting { nodes: 1, members: 6, ..CALM };
    let chat: Make = &|_, _, _| Box::new(Chat::new(None));
    try_worlds(setting, chat, &|_, port, _| Box::new(Plain::new(port)), judge_chat);
}

const STREAM: Setting = Setting { jetstream: true, ..CALM };

#[test]
fn the_bus_in_calm_weather() {
    try_bus(STREAM, &bus);
    try_bus(CALM, &bus);
}

#[test]
fn the_bus_when_connections_and_servers_fail() {
    try_bus(Setting { weather: Weather::Rough, ..STREAM }, &bus);
}

#[test]
fn the_bus_when_the_stream_is_lost_as_well() {
    try_bus(Setting { weather: Weather::Worst, ..STREAM }, &bus);
}

#[test]
fn the_bus_without_a_stream_when_connections_and_servers_fail() {
    try_bus(Setting { weather: Weather::Rough, ..CALM }, &bus);
}

/// A chat on it.
fn chat(node: usize, port: Port, seed: u64) -> Box<dyn Service> {
    let started = 1_000_000_000_000 + node as u64;
    let rooms = BusRooms::new(port, &format!("node{node}"), seed, started).expect("a name");
    Box::new(Chat::with_bus(None, Some(rooms)))
}

const ROOMS: Setting = Setting { members: 7, ..STREAM };

#[test]
fn rooms_that_span_servers_in_calm_weather() {
    try_worlds(ROOMS, &chat, &bus, judge_chat);
    try_worlds(Setting { jetstream: false, ..ROOMS }, &chat, &bus, judge_chat);
}

#[test]
fn rooms_that_span_servers_when_connections_and_servers_fail() {
    try_worlds(Setting { weather: Weather::Rough, ..ROOMS }, &chat, &bus, judge_chat);
}

#[test]
fn rooms_that_span_servers_when_the_stream_is_lost_as_well() {
    try_worlds(Setting { weather: Weather::Worst, ..ROOMS }, &chat, &bus, judge_chat);
}

#[test]
fn rooms_without_a_stream_when_connections_and_servers_fail_and_messages_come_twice() {
    let setting = Setting { weather: Weather::Rough, jetstream: false, twice: 50, ..ROOMS };
    try_worlds(setting, &chat, &bus, judge_chat);
}
