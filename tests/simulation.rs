//! The engine's ten invariants (ARCHITECTURE.md) under a seeded simulator.
//!
//! `SIM_SEED=1234 cargo test --test simulation` replays one world and tells all that happens in
//! it; `SIM_SEEDS=10000` tries more than the ordinary number.

#[cfg(feature = "bus")]
#[path = "sim/nodes/tests.rs"]
mod nodes;
mod sim;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use cooee::engine::{Knobs, Slicing, Spread};

use sim::{MIXES, Mix, RUSH, World, assert_cuts_change_nothing, turns_after};

/// Worlds in the ordinary run.
const SEEDS: u64 = 350;

/// What has to happen in some of them, or the oracles have been asleep.
const MUST_HAPPEN: &[&str] = &[
    "closed closed by the peer",
    "closed done",
    "closed failed: timed out",
    "closed idle",
    "closed input too long",
    "closed kicked",
    "closed memory is short, and it held most",
    "closed reset by the peer",
    "closed shutdown",
    "closed too slow a reader",
    "drained",
    "read together",
    "a slot filled",
    "a batch cut short",
    "written together",
    "a short one among many",
    "busy",
    "write blocked",
    "FIN found at once",
    "FIN found at the second look",
    "watched for want of a FIN",
    "more",
    "interrupted",
    "round spent",
    "deferred",
    "paused",
    "stale event",
    "slow above the hard limit",
    "slow above the soft limit",
    "slow in closing",
    "last word heard",
    "lingered until the deadline",
    "slot reused",
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn mix_of(seed: u64) -> &'static Mix {
    let count = MIXES.len() as u64;
    &MIXES[usize::try_from(seed % count).expect("small")]
}

/// A world for each rule that only load shows: with the rule broken it fails, or what it is named
/// for does not happen in it any more. Whoever changes what happens by chance chooses other seeds.
/// (That no more than so many linger unwatched, the rush of guests below shows.)
const NAMED: &[(u64, &str)] = &[
    // Nobody is written to more than so often at a visit.
    (13, "busy"),
    // Nobody is read more often than its share, nor anybody once the round is spent.
    (7, "round spent"),
    // Who has filled a slot is read alone.
    (25, "a slot filled"),
    // Whoever is prompt is found to have finished in the next turn, others at the second look.
    (19, "FIN found at once"),
    (6, "FIN found at the second look"),
    (6, "watched for want of a FIN"),
    // What was read together is delivered one by one, whoever has been closed meanwhile.
    (25, "read together"),
    // What was written together may have been written in part.
    (3, "a short one among many"),
    // At high water nothing more is read; at low water that is told, once.
    (3, "paused"),
    (3, "drained"),
    // Who is too slow has a last word.
    (25, "last word heard"),
    // Who is not written to within the round's cost is in a later turn.
    (19, "deferred"),
];

/// Runs one world; if it fails, says how to see it again.
fn run(seed: u64, told: bool) -> (u64, BTreeSet<String>) {
    let mix = mix_of(seed);
    catch_unwind(AssertUnwindSafe(|| World::new(mix, seed, told).run())).unwrap_or_else(|panic| {
        eprintln!("\n{}: SIM_SEED={seed} cargo test --test simulation worlds\n", mix.name);
        resume_unwind(panic)
    })
}

#[test]
fn worlds_of_all_kinds_keep_every_invariant() {
    if let Some(seed) = number("SIM_SEED") {
        run(seed, true);
        return;
    }
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    let seen: BTreeSet<String> = (0..seeds).flat_map(|seed| run(seed, false).1).collect();
    let missing: Vec<_> = MUST_HAPPEN.iter().filter(|what| !seen.contains(**what)).collect();
    assert!(seeds < SEEDS || missing.is_empty(), "never happened: {missing:?}; {seen:?}");
}

#[test]
fn the_worlds_of_the_named_seeds_show_what_they_are_named_for() {
    let shows = |seed: u64, what: &str| run(seed, false).1.contains(what);
    for (seed, what) in NAMED {
        let first = || (0..SEEDS).find(|seed| shows(*seed, what));
        let is_shown = shows(*seed, what);
        assert!(is_shown, "seed {seed} does not show '{what}', as {:?} does first", first());
    }
}

#[test]
fn no_more_than_some_linger_unwatched_however_many_come_at_once() {
    for seed in 0..3 {
        let seen = World::new(&RUSH, seed, false).run().1;
        assert!(seen.contains("as many linger as may"), "seed {seed}: {seen:?}");
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    for seed in 1000..1000 + 2 * MIXES.len() as u64 {
        assert_eq!(run(seed, false).0, run(seed, false).0, "oracle 10: seed {seed}");
    }
    assert_ne!(run(1, false).0, run(1 + MIXES.len() as u64, false).0);
}

/// What changes when something is heard, and not what.
fn late(seed: u64) -> Knobs {
    let delay = Spread { middle: Duration::from_millis(3), jitter: Duration::from_millis(5) };
    let apart = Duration::from_micros(50);
    Knobs {
        delay: Some(delay),
        rate: seed.is_multiple_of(2).then_some(10_000_000),
        slice: seed.is_multiple_of(3).then_some(Slicing { bytes: 500, spread: 499, apart }),
        seed: Some(seed),
        ..Knobs::default()
    }
}

#[test]
fn worlds_in_which_answers_are_late_keep_every_invariant_and_are_the_same_each_time() {
    let run = |seed: u64| World::new(mix_of(seed), seed, false).suffering(late(seed)).run().0;
    // Where memory is short, what is held back may cost the one for whom it is.
    let ample = |seed: &u64| mix_of(*seed).buffered == usize::MAX;
    for seed in (0..10 * MIXES.len() as u64).filter(ample) {
        assert_eq!(run(seed), run(seed), "oracle 10: seed {seed}");
    }
}

#[test]
fn wherever_the_input_is_cut_everybody_hears_the_same_from_every_service() {
    assert_cuts_change_nothing(30);
}

#[test]
fn a_flood_of_short_connections_leaves_no_trail_of_deadlines() {
    let turns = turns_after(5000);
    assert!(turns <= 1100, "oracle 5: woken {turns} times for connections of the past");
}
