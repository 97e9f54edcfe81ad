//! Memory comes back: a burst of connections leaves next to nothing behind.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // tests, in real time

use std::fs;
use std::time::{Duration, Instant};

use crate::support::rng::Rng;
use crate::support::served::Served;
use crate::support::{PATIENCE, Tcp, raise_descriptor_limit};

/// What may be left of a burst.
const LEFT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Memory that is the server's own, no file's.
fn anonymous(served: &Served) -> usize {
    let path = format!("/proc/{}/smaps_rollup", served.server.pid().as_raw_nonzero());
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
}

/// Waits for memory to be as it was before, more or less.
fn comes_back(served: &Served, before: usize) {
    let begun = Instant::now();
    loop {
        let left = anonymous(served).saturating_sub(before);
        if left <= LEFT_BYTES_MAX {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{} KiB are left", left / 1024);
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A chat and an echo that have had a guest each, and the memory that they take then.
fn warm() -> (Served, usize) {
    let flags = ["--chat-rate", "off"];
    let mut served = Served::start(&["chat+tcp://:0", "echo+tcp://:0"], &flags);
    let mut guests = served.addresses.clone().into_iter().map(Tcp::connect).collect::<Vec<_>>();
    assert!(guests[0].hear().starts_with("** Welcome!"));
    guests[1].echoes("hello");
    drop(guests);
    served.wait_until("all are gone", |stats| stats.contains("(0 open)"));
    let before = anonymous(&served);
    (served, before)
}

#[test]
fn what_hundreds_needed_that_came_spoke_and_left_in_any_order_comes_back() {
    raise_descriptor_limit(2048);
    let (served, before) = warm();
    let mut rng = Rng::new(17);
    for round in 0..2 {
        let mut present = Vec::new();
        for _ in 0..1200 {
            present.push(Tcp::connect(served.addresses[rng.below(2)]));
            let words = "some words ".repeat(rng.within(1..=60)) + "\n";
            let speaker = rng.below(present.len());
            present[speaker].say(words);
            if present.len() > 400 {
                present.swap_remove(rng.below(present.len()));
            }
        }
        while !present.is_empty() {
            present.swap_remove(rng.below(present.len()));
        }
        println!("round {round}: {} KiB before, {} now", before / 1024, anonymous(&served) / 1024);
        comes_back(&served, before);
    }
}

#[test]
fn what_waited_for_peers_that_never_read_comes_back_though_one_stays() {
    raise_descriptor_limit(2048);
    let (served, before) = warm();
    let mut stayer = Tcp::connect(served.addresses[1]);
    stayer.echoes("I stay");
    let mut silent: Vec<Tcp> = (0..60).map(|_| Tcp::connect(served.addresses[1])).collect();
    std::thread::scope(|scope| {
        for one in &mut silent {
            scope.spawn(|| one.stuff(&[b'x'; 64 * 1024], 32 * 1024 * 1024));
        }
    });
    let peak = anonymous(&served);
    assert!(peak > before + 2 * LEFT_BYTES_MAX, "{} KiB are no burst", peak / 1024);
    drop(silent);
    comes_back(&served, before);
    stayer.echoes("still here");
}
