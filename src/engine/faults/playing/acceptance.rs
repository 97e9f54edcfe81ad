//! Times as a bench would find them, on a stage: exactly, however busy the machine is.

use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::engine::faults::{Knobs, Spread};
use crate::engine::stage::Stage;
use crate::engine::stage::tests::Mirror;

/// How finely it is looked.
const STEP: Duration = Duration::from_micros(100);
const QUESTION: [u8; 64] = [b'?'; 64];

fn join(stage: &mut Stage, knobs: &Rc<Knobs>, number: u64) -> Peer {
    match Script::new(knobs, knobs.draws(0, number)) {
        Some(script) => stage.join_through(Layers::default().faulty(script)),
        None => stage.join(),
    }
}

/// The round trips of a second, in order of length, of a hundred who ask again as soon as they are
/// answered.
fn round_trips(knobs: Knobs) -> Vec<Duration> {
    let (mut stage, knobs) = (Stage::new(Mirror), Rc::new(knobs));
    let mut now = Time::ZERO;
    let mut peers: Vec<(Peer, Time)> =
        (0..100).map(|number| (join(&mut stage, &knobs, number), now)).collect();
    peers.iter().for_each(|(peer, _)| stage.say(*peer, QUESTION));
    let mut trips = Vec::new();
    while now < Time::at(Duration::from_secs(1)) {
        stage.pass(STEP);
        now = now.after(STEP);
        for (peer, asked) in &mut peers {
            let heard = stage.hear(*peer).len();
            if heard > 0 {
                assert_eq!(heard, QUESTION.len());
                trips.push(now.since(*asked));
                stage.say(*peer, QUESTION);
                *asked = now;
            }
        }
    }
    trips.sort_unstable();
    trips
}

/// The figures that a bench tells, in microseconds.
fn figures(sorted: &[Duration]) -> [u128; 5] {
    let at = |of_thousand: usize| sorted[(sorted.len() * of_thousand / 1000).min(sorted.len() - 1)];
    [0, 250, 500, 990, 1000].map(|of_thousand| at(of_thousand).as_micros())
}

fn delay(middle: u64, jitter: u64) -> Knobs {
    let [middle, jitter] = [middle, jitter].map(Duration::from_millis);
    Knobs { delay: Some(Spread { middle, jitter }), seed: Some(7), ..Knobs::default() }
}

#[test]
fn a_delay_is_added_to_the_median_and_to_the_slowest_alike() {
    let plain = figures(&round_trips(Knobs::default()));
    let late = figures(&round_trips(delay(20, 0)));
    for (plain, late) in plain.into_iter().zip(late) {
        let added = late - plain;
        assert!((19_000..=21_000).contains(&added), "{added} us");
    }
}

#[test]
fn a_spread_is_as_wide_as_told_and_even() {
    let [least, quarter, half, most_but_one, most] = figures(&round_trips(delay(100, 20)));
    assert!((80_000..=82_000).contains(&least), "{least}");
    assert!((88_000..=92_000).contains(&quarter), "{quarter}");
    assert!((98_000..=102_000).contains(&half), "{half}");
    assert!((118_000..=120_100).contains(&most_but_one), "{most_but_one}");
    assert!((118_000..=120_100).contains(&most), "{most}");
}

#[test]
fn a_mebibyte_a_second_is_one_whether_it_is_asked_for_in_one_piece_or_in_many() {
    for (size, asks_ahead) in [(64, 100), (1000, 30), (16_384, 4)] {
        let (mut stage, rate) = (Stage::new(Mirror), Some(1 << 20));
        let peer = join(&mut stage, &Rc::new(Knobs { rate, ..Knobs::default() }), 0);
        let question = vec![b'?'; size];
        (0..asks_ahead).for_each(|_| stage.say(peer, &question));
        let (mut heard, mut answered) = (0, 0);
        for _ in 0..50_000 {
            stage.pass(STEP);
            heard += stage.hear(peer).len();
            while answered < heard / size {
                stage.say(peer, &question);
                answered += 1;
            }
        }
        let share = heard as f64 / (5 << 20) as f64;
        assert!((0.97..=1.03).contains(&share), "{size}: {share}");
    }
}
