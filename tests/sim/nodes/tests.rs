//! Two and three nodes and one NATS, from seeds: `SIM_SEED=1234 cargo test --test simulation nodes`
//! replays one world, `SIM_SEEDS=10000` tries more than the ordinary number.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use cooee::engine::Time;
use cooee::services::chat::Chat;

use super::number;
use super::sim::nodes::{Make, Nodes, Plain, STORM, Setting, Talker, Weather, judge, judge_chat};

/// Worlds of each kind in the ordinary run.
const SEEDS: u64 = 20;

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
            let mut world = Nodes::new(setting, seed, told, chat, bus);
            let hash = world.run();
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
