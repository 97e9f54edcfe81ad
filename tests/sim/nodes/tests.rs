//! Two and three nodes and one NATS, from seeds: `SIM_SEED=1234 cargo test --test simulation nodes`
//! replays one world, `SIM_SEEDS=10000` tries more than the ordinary number.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use cooee::engine::Time;

use super::number;
use super::sim::nodes::{Make, Nodes, Plain, STORM, Setting, Talker, Weather, judge};

/// Worlds of each kind in the ordinary run.
const SEEDS: u64 = 30;

/// The bus alone in worlds of that kind.
fn try_bus(setting: Setting, bus: Make) {
    let until = Time::ZERO.after(STORM);
    let run = |seed: u64, told: bool| {
        let nodes = 2 + usize::try_from(seed % 2).expect("small");
        let setting = Setting { nodes, ..setting };
        let chat: Make = &|node, port, seed| Box::new(Talker::new(port, node, seed, until));
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
    (0..seeds).for_each(|seed| drop(run(seed, false)));
    assert_eq!(run(0, false), run(0, false), "the same seed makes the same world");
}

const CALM: Setting = Setting { nodes: 0, weather: Weather::Calm, jetstream: false, twice: 0 };

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
