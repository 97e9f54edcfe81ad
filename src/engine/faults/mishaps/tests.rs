//! What becomes of replies in virtual time.

use super::*;
use crate::engine::Share;
use crate::engine::faults::{FaultCounts, Spread};

const SOME: fn(u32) -> Share = |percent| Share::of_million(percent * 10_000).unwrap();

fn millis(millis: u64) -> Time {
    Time::at(Duration::from_millis(millis))
}

fn of(knobs: Knobs) -> Mishaps<u16> {
    let mut mishaps = Mishaps::new(0, Rc::default());
    assert!(mishaps.heed(Some(Rc::new(knobs))));
    mishaps
}

/// What becomes of so many replies, one each millisecond, to so many peers in turn: when each
/// leaves, to whom, and which it is.
fn said(
    mishaps: &mut Mishaps<u16>,
    count: u32,
    peers: u32,
) -> (Vec<(Time, u16, u32)>, FaultCounts) {
    let (mut sent, mut counts) = (Vec::new(), FaultCounts::default());
    let mut tell = |_, kind| counts.count(kind);
    for at in 0..u64::from(count) + 1_000 {
        let now = millis(at);
        if let Some(number) = u32::try_from(at).ok().filter(|number| *number < count) {
            let to = u16::try_from(number % peers).unwrap();
            assert!(mishaps.add(to, &number.to_be_bytes(), now, &mut tell));
        }
        while let Some((to, reply)) = mishaps.release(now, &mut tell) {
            sent.push((now, to, u32::from_be_bytes(reply.try_into().unwrap())));
        }
    }
    assert_eq!((mishaps.next(), mishaps.bytes), (None, 0));
    (sent, counts)
}

/// The same for one peer.
fn sent(mishaps: &mut Mishaps<u16>, count: u32) -> (Vec<(Time, u32)>, FaultCounts) {
    let (sent, counts) = said(mishaps, count, 1);
    (sent.into_iter().map(|(when, _, number)| (when, number)).collect(), counts)
}

fn numbers(sent: &[(Time, u32)]) -> Vec<u32> {
    sent.iter().map(|(_, number)| *number).collect()
}

fn late(middle: u64, jitter: u64) -> Option<Spread> {
    let [middle, jitter] = [middle, jitter].map(Duration::from_millis);
    Some(Spread { middle, jitter })
}

#[test]
fn the_same_seed_loses_doubles_and_damages_the_same() {
    let (drop, duplicate) = (SOME(5), SOME(5));
    let knobs = |seed| Knobs { drop, duplicate, corrupt: SOME(5), seed, ..Knobs::default() };
    let (once, counts) = sent(&mut of(knobs(Some(7))), 10_000);
    assert_eq!((once.clone(), counts), sent(&mut of(knobs(Some(7))), 10_000));
    assert_ne!(once, sent(&mut of(knobs(Some(8))), 10_000).0);
    for kind in [FaultKind::Drop, FaultKind::Duplicate, FaultKind::Corrupt] {
        assert!((400..600).contains(&counts.of(kind)), "{kind:?}: {}", counts.of(kind));
    }
    let (lost, twice) = (counts.of(FaultKind::Drop), counts.of(FaultKind::Duplicate));
    assert_eq!(once.len() as u64, 10_000 - lost + twice);
    let mut at = 0;
    let damaged = once.iter().filter(|(_, number)| {
        let is_right = number.abs_diff(at) <= 1 + 10;
        at = if is_right { *number } else { at };
        !is_right
    });
    assert!(damaged.count() > 300);
}

#[test]
fn a_late_reply_is_as_late_as_it_is_told_and_may_overtake_another() {
    let knobs = Knobs { delay: late(20, 0), seed: Some(1), ..Knobs::default() };
    let (even, counts) = sent(&mut of(knobs.clone()), 100);
    let expected: Vec<_> = (0..100).map(|n| (millis(u64::from(n) + 20), n)).collect();
    assert_eq!((even, counts.of(FaultKind::Delay)), (expected, 100));
    let (uneven, _) = sent(&mut of(Knobs { delay: late(20, 10), ..knobs }), 100);
    assert!(!numbers(&uneven).is_sorted());
    for (when, number) in uneven {
        let waited = when.since(millis(number.into()));
        assert!((10..=31).contains(&waited.as_millis()), "{waited:?}");
    }
}

#[test]
fn a_reply_out_of_order_comes_behind_the_next_or_after_50_ms() {
    let knobs = Knobs { reorder: SOME(100), seed: Some(1), ..Knobs::default() };
    let (swapped, counts) = sent(&mut of(knobs.clone()), 4);
    assert_eq!((numbers(&swapped), counts.of(FaultKind::Reorder)), (vec![1, 0, 3, 2], 2));
    // Nobody has overtaken this one.
    let (alone, counts) = sent(&mut of(knobs), 1);
    assert_eq!((alone, counts), (vec![(millis(50), 0)], FaultCounts::default()));
}

#[test]
fn a_reply_out_of_order_waits_for_the_next_one_to_the_same_peer() {
    let knobs = Knobs { reorder: SOME(20), seed: Some(1), ..Knobs::default() };
    let (all, counts) = said(&mut of(knobs), 10_000, 10);
    let mut overtaken = 0;
    for peer in 0..10 {
        let mine: Vec<u32> =
            all.iter().filter(|(_, to, _)| *to == peer).map(|(_, _, number)| *number).collect();
        assert_eq!(mine.len(), 1000);
        overtaken += mine.windows(2).filter(|pair| pair[0] == pair[1] + 10).count();
    }
    // One that overtakes waits for nobody itself: 20 of 120.
    assert!((1500..=1830).contains(&overtaken), "{overtaken}");
    assert_eq!(counts.of(FaultKind::Reorder), overtaken as u64);
}

#[test]
fn a_reply_out_of_order_leaves_behind_another_however_late_that_is() {
    let delay = late(30, 30);
    let knobs = Knobs { reorder: SOME(100), delay, seed: Some(1), ..Knobs::default() };
    let (all, counts) = sent(&mut of(knobs), 1000);
    // Who is through first is overtaken by who is through next.
    let plain = Knobs { delay, seed: Some(1), ..Knobs::default() };
    let (in_turn, _) = sent(&mut of(plain), 1000);
    let swapped: Vec<u32> =
        numbers(&in_turn).chunks(2).flat_map(|two| two.iter().rev().copied()).collect();
    assert_eq!((numbers(&all), counts.of(FaultKind::Reorder)), (swapped, 500));
}

#[test]
fn one_that_was_due_in_time_overtakes_even_if_it_is_looked_at_later() {
    let mut mishaps = of(Knobs { reorder: SOME(100), ..Knobs::default() });
    let mut tell = |_, _| {};
    assert!(mishaps.add(1, b"one", millis(0), &mut tell));
    assert_eq!(mishaps.release(millis(0), &mut tell), None);
    assert!(mishaps.add(1, b"two", millis(49), &mut tell));
    assert_eq!(mishaps.release(millis(90), &mut tell), Some((1, b"two".to_vec())));
    assert_eq!(mishaps.release(millis(90), &mut tell), Some((1, b"one".to_vec())));
}

#[test]
fn a_reply_out_of_order_may_be_doubled_and_each_copy_has_damage_of_its_own() {
    let all = SOME(100);
    let knobs = Knobs { reorder: all, duplicate: all, seed: Some(1), ..Knobs::default() };
    let (twice, counts) = sent(&mut of(knobs.clone()), 2);
    assert_eq!((numbers(&twice), counts.of(FaultKind::Duplicate)), (vec![1, 1, 0, 0], 2));
    let (damaged, counts) = sent(&mut of(Knobs { corrupt: all, ..knobs }), 2);
    let flipped = |at: usize, number: u32| (damaged[at].1 ^ number).count_ones();
    assert_eq!([flipped(0, 1), flipped(1, 1), flipped(2, 0), flipped(3, 0)], [1; 4]);
    assert!(damaged[0] != damaged[1] && damaged[2] != damaged[3]);
    assert_eq!(counts.of(FaultKind::Corrupt), 4);
}

#[test]
fn what_is_lost_has_been_late_and_has_counted_for_the_rate() {
    let knobs = Knobs { drop: SOME(50), rate: Some(1_000), delay: late(20, 0), ..Knobs::default() };
    let (all, counts) = sent(&mut of(knobs), 300);
    assert_eq!(counts.of(FaultKind::Delay), 300);
    assert_eq!(all.len() as u64 + counts.of(FaultKind::Drop), 300);
    // 250 in a second are through, and half of them lost.
    let first_second = all.iter().filter(|(when, _)| *when < millis(1_020)).count();
    assert!((105..=145).contains(&first_second), "{first_second}");
}

#[test]
fn the_addresses_of_an_endpoint_have_fates_of_their_own() {
    let knobs = Knobs { drop: SOME(50), seed: Some(1), ..Knobs::default() };
    let mut one = of(knobs.clone());
    let mut other = Mishaps::new(0, Rc::clone(&one.number));
    assert!(other.heed(Some(Rc::new(knobs))));
    let (first, second) = (sent(&mut one, 100).0, sent(&mut other, 100).0);
    assert_ne!(first, second);
    assert_eq!(one.number.get(), 200);
}

#[test]
fn all_that_leaves_keeps_to_the_rate() {
    let knobs = Knobs { rate: Some(1_000), seed: Some(1), ..Knobs::default() };
    let (sent, counts) = sent(&mut of(knobs), 300);
    // 4 bytes each: 250 in a second.
    let first_second = sent.iter().filter(|(when, _)| *when < millis(1_000)).count();
    assert!((245..=258).contains(&first_second), "{first_second}");
    assert!(counts.of(FaultKind::Rate) > 0);
    let order: Vec<u32> = sent.iter().map(|(_, number)| *number).collect();
    assert!(order.is_sorted(), "those that wait keep their order");
}

#[test]
fn what_is_held_has_a_limit_and_leaves_at_once_in_the_end() {
    for knobs in [
        Knobs { delay: late(9_000, 0), ..Knobs::default() },
        Knobs { reorder: SOME(100), ..Knobs::default() },
    ] {
        let mut mishaps = of(knobs);
        let mut tell = |_, _| {};
        let mut add = |to, bytes: &[u8]| {
            let fits = mishaps.add(to, bytes, millis(0), &mut tell);
            assert_eq!(mishaps.release(millis(0), &mut tell), None);
            fits
        };
        assert_eq!((0..5_000).filter(|to| add(*to, b"late")).count(), HELD_MAX);
        assert!(!add(5_000, &[0; HELD_BYTES_MAX]));
        // Without knobs, what comes now does not overtake anybody for ever.
        assert!(mishaps.heed(None), "there is something to wait for");
        assert_eq!(mishaps.release_all(&mut tell).len(), HELD_MAX);
        assert!(!mishaps.heed(None));
        assert!(mishaps.add(1, &[0; HELD_BYTES_MAX], millis(0), &mut tell));
        assert!(!mishaps.add(2, &[0], millis(0), &mut tell));
    }
}

#[test]
fn what_is_lost_or_twice_is_so_in_the_end_as_well() {
    let knobs = |drop| Knobs { delay: late(9_000, 0), drop, ..Knobs::default() };
    let mut lost = of(knobs(SOME(100)));
    let mut twice = of(Knobs { duplicate: SOME(100), ..knobs(Share::NONE) });
    let mut counts = FaultCounts::default();
    let mut tell = |_, kind| counts.count(kind);
    assert!(lost.add(1, b"late", millis(0), &mut tell));
    assert!(twice.add(1, b"late", millis(0), &mut tell));
    assert_eq!((lost.release_all(&mut tell).len(), lost.bytes), (0, 0));
    assert_eq!((twice.release_all(&mut tell).len(), twice.bytes), (2, 0));
    assert_eq!((counts.of(FaultKind::Drop), counts.of(FaultKind::Duplicate)), (1, 1));
}
