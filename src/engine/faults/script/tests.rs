//! Scripts against a naive model: what leaves, when, and how it ends.

use proptest::prelude::*;

use super::*;
use crate::engine::{Share, Spread, Stall};

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at(count: u64) -> Time {
    Time::at(millis(count))
}

fn script(mut knobs: Knobs) -> Script {
    knobs.seed = Some(7);
    let knobs = Rc::new(knobs);
    Script::new(&knobs, knobs.draws(0, 0)).expect("something to do")
}

/// What left at once, and when; and how it ended.
type Played = (Vec<(Time, Vec<u8>)>, Option<(Time, Next)>);

/// Plays `said` and lets time run from one thing to the next until nothing is left to be done.
fn play(mut script: Script, said: &[(Time, Vec<u8>)], counts: &mut FaultCounts) -> Played {
    let (mut sent, mut said) = (Vec::new(), said.iter().peekable());
    let mut now = Time::ZERO;
    loop {
        while let Some((_, bytes)) = said.next_if(|(when, _)| *when <= now) {
            script.begin_reply();
            script.add(bytes, now, counts);
        }
        match script.next(now, counts) {
            Next::Send(count) => {
                assert!(count > 0, "nothing is sent");
                let mut bytes = Vec::new();
                script.take(count, now, |part| bytes.extend_from_slice(part));
                assert_eq!(bytes.len(), count);
                sent.push((now, bytes));
            }
            Next::Wait => {
                let due = script.due();
                assert!(due > now, "it would be asked for ever");
                let next = said.peek().map(|(when, _)| *when).into_iter().chain([due]).min();
                match next.filter(|next| *next < Time::NEVER) {
                    Some(next) => now = next,
                    None => return (sent, None),
                }
            }
            end => return (sent, Some((now, end))),
        }
    }
}

fn all(sent: &[(Time, Vec<u8>)]) -> Vec<u8> {
    sent.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
}

fn steady(middle: u64) -> Option<Spread> {
    Some(Spread { middle: millis(middle), jitter: Duration::ZERO })
}

#[test]
fn knobs_that_concern_nobody_make_no_script() {
    let knobs = Rc::new(Knobs { drop: Share::ALL, seed: Some(1), ..Knobs::default() });
    assert!(Script::new(&knobs, knobs.draws(0, 0)).is_none());
    let half = Share::of_million(500_000).unwrap();
    let knobs = Rc::new(Knobs { reset: Some((half, At::FirstReply)), ..Knobs::default() });
    let hit = (0..1000).filter(|n| Script::new(&knobs, knobs.draws(0, *n)).is_some()).count();
    assert!((450..550).contains(&hit), "{hit}");
}

#[test]
fn a_reply_is_late_and_those_behind_it_are_not_later_for_that() {
    let said = [(at(0), b"one".to_vec()), (at(5), b"two".to_vec())];
    let mut counts = FaultCounts::default();
    let knobs = Knobs { delay: steady(20), ..Knobs::default() };
    let (sent, end) = play(script(knobs), &said, &mut counts);
    assert_eq!(sent, [(at(20), b"one".to_vec()), (at(25), b"two".to_vec())]);
    assert_eq!((end, counts.of(FaultKind::Delay)), (None, 2));
}

#[test]
fn the_end_comes_behind_its_bytes_and_at_its_time_and_instead_of_a_reply() {
    let said = [(at(3), b"hello".to_vec())];
    let reset = |at| Knobs { reset: Some((Share::ALL, at)), ..Knobs::default() };
    let close = |at| Knobs { close: Some(at), ..Knobs::default() };
    let delayed = |knobs| Knobs { delay: steady(10), ..knobs };
    for (knobs, heard, end) in [
        (reset(At::FirstReply), "", (at(3), Next::Reset)),
        (delayed(reset(At::FirstReply)), "", (at(13), Next::Reset)),
        (reset(At::Bytes(2)), "he", (at(3), Next::Reset)),
        (reset(At::Bytes(0)), "", (at(0), Next::Reset)),
        (close(At::Bytes(5)), "hello", (at(3), Next::Close)),
        (close(At::After(millis(7))), "hello", (at(7), Next::Close)),
        (delayed(close(At::After(millis(7)))), "", (at(7), Next::Close)),
        (delayed(reset(At::Bytes(4))), "hell", (at(13), Next::Reset)),
    ] {
        let (sent, ended) = play(script(knobs), &said, &mut FaultCounts::default());
        assert_eq!((all(&sent), ended), (heard.into(), Some(end)));
    }
}

#[test]
fn who_stalls_is_sent_its_bytes_and_no_more_and_does_not_end() {
    let stall = Some(Stall { share: Share::ALL, after: 4 });
    let mut script = script(Knobs { stall, ..Knobs::default() });
    let mut counts = FaultCounts::default();
    assert!(!script.goes_on());
    script.add(b"hello", at(0), &mut counts);
    assert_eq!(script.next(at(0), &mut counts), Next::Send(4));
    script.take(4, at(0), |_| {});
    script.begin_reply();
    script.add(b"again", at(1), &mut counts);
    assert_eq!((script.next(at(9), &mut counts), script.due()), (Next::Wait, Time::NEVER));
    assert!(script.goes_on() && script.condition().is_some());
    assert_eq!(counts.of(FaultKind::Stall), 1);
    script.set_free();
    assert!(!script.goes_on());
}

#[test]
fn who_is_set_free_holds_nothing_back() {
    let slice = Some(Slicing { bytes: 1, spread: 0, apart: millis(50) });
    let mut script = script(Knobs { delay: steady(100), rate: Some(1), slice, ..Knobs::default() });
    let mut counts = FaultCounts::default();
    script.add(b"hello", at(0), &mut counts);
    assert_eq!(script.next(at(0), &mut counts), Next::Wait);
    script.set_free();
    assert_eq!((script.due(), script.next(at(0), &mut counts)), (Time::ZERO, Next::Send(5)));
}

#[test]
fn a_rate_holds_and_nothing_is_saved_up_for_longer_than_a_burst() {
    let knobs = Knobs { rate: Some(1_000_000), ..Knobs::default() };
    let said = [(at(1000), vec![b'x'; 1_000_000]), (at(5000), vec![b'y'; 100_000])];
    let (sent, _) = play(script(knobs), &said, &mut FaultCounts::default());
    let last =
        |byte| sent.iter().filter(|(_, bytes)| bytes[0] == byte).map(|(when, _)| *when).max();
    let took = last(b'x').unwrap().since(at(1000));
    assert!((millis(980)..=millis(1000)).contains(&took), "{took:?}");
    let took = last(b'y').unwrap().since(at(5000));
    assert!((millis(80)..=millis(100)).contains(&took), "{took:?}");
    // So slow that a burst is one byte; and time may have only just begun.
    for start in [1000, 0, 100] {
        let knobs = Knobs { rate: Some(2), ..Knobs::default() };
        let said = [(at(start), b"abc".to_vec())];
        let (sent, _) = play(script(knobs), &said, &mut FaultCounts::default());
        let times: Vec<Time> = sent.iter().map(|(when, _)| *when).collect();
        assert_eq!(times, [at(start), at(start + 500), at(start + 1000)]);
    }
}

#[test]
fn what_was_held_goes_on_under_other_knobs() {
    let mut former = script(Knobs { delay: steady(100), ..Knobs::default() });
    let mut counts = FaultCounts::default();
    former.add(b"hello", at(0), &mut counts);
    let slice = Some(Slicing { bytes: 2, spread: 0, apart: Duration::ZERO });
    let mut next = script(Knobs { slice, ..Knobs::default() });
    next.succeed(former);
    assert_eq!(next.next(at(1), &mut counts), Next::Send(2));
}

/// When each byte leaves, worked out one by one.
fn naive(knobs: &Knobs, said: &[(Time, Vec<u8>)]) -> Vec<(Time, Vec<u8>)> {
    let draws = knobs.draws(0, 0);
    let (mut sent, mut last, mut free, mut piece) = (Vec::new(), Time::ZERO, Time::ZERO, 0);
    for (number, (when, bytes)) in said.iter().enumerate() {
        let delay = knobs.delay.map_or(Duration::ZERO, |spread| {
            spread.pick(draws.draw(FaultKind::Delay, number as u64))
        });
        last = last.max(when.after(delay));
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Some(slicing) = knobs.slice else {
                sent.push((last, rest.to_vec()));
                break;
            };
            let length = slicing.pick(draws.draw(FaultKind::Slice, piece)).min(rest.len());
            piece += 1;
            let leaves = last.max(free);
            sent.push((leaves, rest[..length].to_vec()));
            free = leaves.after(slicing.apart);
            rest = &rest[length..];
        }
    }
    sent
}

fn said() -> impl Strategy<Value = Vec<(Time, Vec<u8>)>> {
    let one = (0_u64..2000, proptest::collection::vec(any::<u8>(), 1..300));
    proptest::collection::vec(one, 0..12).prop_map(|mut all| {
        all.sort_by_key(|(when, _)| *when);
        all.into_iter().map(|(when, bytes)| (at(when), bytes)).collect()
    })
}

fn micros(most: u64) -> impl Strategy<Value = Duration> {
    (0..most).prop_map(Duration::from_micros)
}

proptest! {
    #[test]
    fn delays_and_slices_are_as_worked_out_one_by_one(
        said in said(),
        middle in micros(50_000),
        jitter in micros(80_000),
        slice in proptest::option::of((1_u32..90, 0_u32..50, micros(9000))),
        seed in any::<u64>(),
    ) {
        let slice = slice.map(|(bytes, spread, apart)| Slicing { bytes, spread, apart });
        let delay = Some(Spread { middle, jitter });
        let knobs = Knobs { delay, slice, seed: Some(seed), ..Knobs::default() };
        let shared = Rc::new(knobs.clone());
        let script = Script::new(&shared, knobs.draws(0, 0)).unwrap();
        let (sent, end) = play(script, &said, &mut FaultCounts::default());
        prop_assert_eq!(end, None);
        let wanted = naive(&knobs, &said);
        match slice {
            Some(_) => prop_assert_eq!(sent, wanted),
            // Without pieces what is due at the same time may leave together.
            None => {
                let times = |sent: &[(Time, Vec<u8>)]| -> Vec<(Time, u8)> {
                    let each = sent.iter().flat_map(|(when, bytes)| {
                        bytes.iter().map(|byte| (*when, *byte))
                    });
                    each.collect()
                };
                prop_assert_eq!(times(&sent), times(&wanted));
            }
        }
    }

    #[test]
    fn a_rate_is_never_passed_and_all_leaves_in_order(
        said in said(),
        rate in 1_u64..200_000,
        delay in proptest::option::of(micros(50_000)),
        pieces in proptest::option::of(1_u32..90),
    ) {
        let delay = delay.map(|middle| Spread { middle, jitter: middle });
        let slice = pieces.map(|bytes| Slicing { bytes, spread: 3, apart: millis(1) });
        let knobs = Knobs { rate: Some(rate), delay, slice, ..Knobs::default() };
        let (sent, _) = play(script(knobs), &said, &mut FaultCounts::default());
        let whole: Vec<u8> = said.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        prop_assert_eq!(all(&sent), whole);
        for (first, (start, _)) in sent.iter().enumerate() {
            let mut bytes = 0;
            for (when, piece) in &sent[first..] {
                bytes += piece.len() as u64;
                let nanos = u128::from(when.nanos_since(*start)) * u128::from(rate);
                let most = nanos / 1_000_000_000 + u128::from((rate / 100).max(1)) + 1;
                prop_assert!(u128::from(bytes) <= most, "{bytes} of {most}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_and_what_leaves_is_a_prefix(
        said in said(),
        seed in any::<u64>(),
        number in any::<u64>(),
        end in 0_u64..4000,
    ) {
        let half = Share::of_million(500_000).unwrap();
        let knobs = Rc::new(Knobs {
            stall: Some(Stall { share: half, after: end / 2 }),
            delay: Some(Spread { middle: millis(3), jitter: millis(3) }),
            slice: Some(Slicing { bytes: 40, spread: 30, apart: Duration::ZERO }),
            reset: Some((half, At::Bytes(end))),
            close: Some(At::After(millis(end))),
            seed: Some(seed),
            ..Knobs::default()
        });
        let once = || {
            let script = Script::new(&knobs, knobs.draws(3, number)).unwrap();
            let mut counts = FaultCounts::default();
            (play(script, &said, &mut counts), counts)
        };
        let ((sent, ended), counts) = once();
        let whole: Vec<u8> = said.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        prop_assert!(whole.starts_with(&all(&sent)));
        prop_assert!(ended.is_some());
        prop_assert_eq!(((sent, ended), counts), once());
    }
}
