//! What the replies of one datagram listener suffer: some are lost, damaged, sent twice, late, or
//! behind others. No socket, no clock.
//!
//! The knobs hold one behind the other: a reply that is dropped suffers nothing else; the rest is
//! damaged, doubled and delayed as it is drawn, and what is due leaves at the rate of the listener.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::knobs::{FaultCounts, FaultKind, Knobs, Spread};
use super::rate::Rate;
use crate::engine::time::Time;

/// Replies that are held back at once; further ones are lost.
const HELD_MAX: usize = 4096;
/// And their bytes.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a reply waits for another one to be sent before it.
const REORDER_MAX: Duration = Duration::from_millis(50);

/// See the top of this file. `T` is where a reply goes.
pub(crate) struct Mishaps<T> {
    /// The listener's place on the command line.
    place: usize,
    knobs: Option<Rc<Knobs>>,
    rate: Option<Rate>,
    /// When the rate lets another one out.
    open_again: Time,
    /// How many replies there were.
    number: u64,
    /// What is held, by when it is due and then in order.
    held: BTreeMap<(Time, u64), (T, Vec<u8>)>,
    /// What waits for the next one, and until when.
    behind: Option<(Time, T, Vec<u8>)>,
    order: u64,
    bytes: usize,
}

impl<T: Copy> Mishaps<T> {
    /// Nothing yet, for the listener at that place.
    pub(crate) fn new(place: usize) -> Mishaps<T> {
        let (knobs, rate, behind, held) = Default::default();
        let open_again = Time::ZERO;
        Mishaps { place, knobs, rate, open_again, number: 0, held, behind, order: 0, bytes: 0 }
    }

    /// These hold from now on. Returns whether a reply has anything to fear, or to wait for.
    pub(crate) fn heed(&mut self, knobs: Option<Rc<Knobs>>) -> bool {
        if self.knobs != knobs {
            self.open_again = Time::ZERO;
            self.rate = knobs.as_ref().and_then(|knobs| knobs.rate).map(Rate::new);
            self.knobs = knobs;
        }
        self.knobs.is_some() || self.next().is_some()
    }

    /// A reply is to be sent at `now`. Returns whether there was room for it.
    pub(crate) fn add(&mut self, to: T, reply: &[u8], now: Time, counts: &mut FaultCounts) -> bool {
        let Some(knobs) = self.knobs.clone() else {
            return self.hold(now, to, reply.to_vec());
        };
        let draws = knobs.draws(self.place, self.number);
        self.number += 1;
        let is_drawn = |share: super::Share, kind| share.has(draws.draw(kind, 0));
        if is_drawn(knobs.drop, FaultKind::Drop) {
            counts.count(FaultKind::Drop);
            return true;
        }
        let mut reply = reply.to_vec();
        if is_drawn(knobs.corrupt, FaultKind::Corrupt) && !reply.is_empty() {
            counts.count(FaultKind::Corrupt);
            damage(&mut reply, draws.draw(FaultKind::Corrupt, 1));
        }
        let due = |nth| {
            let delay = |spread: Spread| spread.pick(draws.draw(FaultKind::Delay, nth));
            now.after(knobs.delay.map_or(Duration::ZERO, delay))
        };
        if knobs.delay.is_some() {
            counts.count(FaultKind::Delay);
        }
        let first = due(0);
        if is_drawn(knobs.reorder, FaultKind::Reorder) && self.behind.is_none() {
            counts.count(FaultKind::Reorder);
            self.bytes += reply.len();
            self.behind = Some((first.after(REORDER_MAX), to, reply));
            return true;
        }
        let mut fits = true;
        if is_drawn(knobs.duplicate, FaultKind::Duplicate) {
            counts.count(FaultKind::Duplicate);
            fits = self.hold(due(1), to, reply.clone());
        }
        fits &= self.hold(first, to, reply);
        if let Some((until, to, reply)) = self.behind.take() {
            self.bytes -= reply.len();
            fits &= self.hold(first.min(until), to, reply);
        }
        fits
    }

    /// The next reply that is to leave at `now`, if there is one.
    pub(crate) fn release(&mut self, now: Time, counts: &mut FaultCounts) -> Option<(T, Vec<u8>)> {
        if let Some((_, to, reply)) = self.behind.take_if(|(until, ..)| *until <= now) {
            self.bytes -= reply.len();
            self.hold(now, to, reply);
        }
        let first = self.held.first_entry().filter(|first| first.key().0 <= now)?;
        if let Some(rate) = &mut self.rate {
            if now < self.open_again {
                return None;
            }
            let length = first.get().1.len();
            if rate.allows(now) == 0 {
                counts.count(FaultKind::Rate);
                self.open_again = rate.ready(length).max(now.after(Duration::from_nanos(1)));
                return None;
            }
            rate.spend(length, now);
        }
        let (to, reply) = first.remove();
        self.bytes -= reply.len();
        Some((to, reply))
    }

    /// All that is held, due or not.
    pub(crate) fn release_all(&mut self) -> impl Iterator<Item = (T, Vec<u8>)> {
        self.bytes = 0;
        let held = std::mem::take(&mut self.held).into_values();
        held.chain(self.behind.take().map(|(_, to, reply)| (to, reply)))
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Time> {
        let held = self.held.first_key_value().map(|((due, _), _)| self.open_again.max(*due));
        held.into_iter().chain(self.behind.as_ref().map(|(until, ..)| *until)).min()
    }

    fn hold(&mut self, due: Time, to: T, reply: Vec<u8>) -> bool {
        let fits =
            self.held.len() < HELD_MAX && self.bytes.saturating_add(reply.len()) <= HELD_BYTES_MAX;
        if fits {
            self.bytes += reply.len();
            self.held.insert((due, self.order), (to, reply));
            self.order += 1;
        }
        fits
    }
}

/// Turns over one bit.
fn damage(reply: &mut [u8], draw: u64) {
    let at = usize::try_from(draw >> 3).unwrap_or(0) % reply.len().max(1);
    if let Some(byte) = reply.get_mut(at) {
        *byte ^= 1 << (draw & 7);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Share;

    const SOME: fn(u32) -> Share = |percent| Share::of_million(percent * 10_000).unwrap();

    fn millis(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn of(knobs: Knobs) -> Mishaps<u16> {
        let mut mishaps = Mishaps::new(0);
        assert!(mishaps.heed(Some(Rc::new(knobs))));
        mishaps
    }

    /// What becomes of so many replies, one each millisecond: when each leaves, and which it is.
    fn sent(mishaps: &mut Mishaps<u16>, count: u32) -> (Vec<(Time, u32)>, FaultCounts) {
        let (mut sent, mut counts) = (Vec::new(), FaultCounts::default());
        for at in 0..u64::from(count) + 1_000 {
            let now = millis(at);
            if let Some(number) = u32::try_from(at).ok().filter(|number| *number < count) {
                assert!(mishaps.add(7, &number.to_be_bytes(), now, &mut counts));
            }
            while let Some((to, reply)) = mishaps.release(now, &mut counts) {
                assert_eq!(to, 7);
                sent.push((now, u32::from_be_bytes(reply.try_into().unwrap())));
            }
        }
        assert_eq!((mishaps.next(), mishaps.bytes), (None, 0));
        (sent, counts)
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
        let spread = |middle, jitter| {
            let (middle, jitter) = (Duration::from_millis(middle), Duration::from_millis(jitter));
            Some(Spread { middle, jitter })
        };
        let knobs = Knobs { delay: spread(20, 0), seed: Some(1), ..Knobs::default() };
        let (late, counts) = sent(&mut of(knobs.clone()), 100);
        let expected: Vec<_> = (0..100).map(|n| (millis(u64::from(n) + 20), n)).collect();
        assert_eq!((late, counts.of(FaultKind::Delay)), (expected, 100));
        let (late, _) = sent(&mut of(Knobs { delay: spread(20, 10), ..knobs }), 100);
        assert!(late.windows(2).any(|pair| pair[0].1 > pair[1].1));
        for (when, number) in late {
            let waited = when.since(millis(number.into()));
            assert!((10..=31).contains(&waited.as_millis()), "{waited:?}");
        }
    }

    #[test]
    fn a_reply_out_of_order_comes_behind_the_next_or_after_50_ms() {
        let reorder = SOME(100);
        let knobs = Knobs { reorder, seed: Some(1), ..Knobs::default() };
        let (swapped, _) = sent(&mut of(knobs.clone()), 4);
        let order: Vec<u32> = swapped.iter().map(|(_, number)| *number).collect();
        assert_eq!(order, [1, 0, 3, 2]);
        assert_eq!(sent(&mut of(knobs), 1).0, [(millis(50), 0)]);
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
        let delay = Some(Spread { middle: Duration::from_secs(9), jitter: Duration::ZERO });
        let mut mishaps = of(Knobs { delay, ..Knobs::default() });
        let mut counts = FaultCounts::default();
        let held = (0..5_000).filter(|_| mishaps.add(1, b"late", millis(0), &mut counts)).count();
        assert_eq!(held, HELD_MAX);
        assert!(!mishaps.add(1, &[0; HELD_BYTES_MAX], millis(0), &mut counts));
        // Without knobs, what comes now does not overtake anybody for ever.
        assert!(mishaps.heed(None), "there is something to wait for");
        assert_eq!(mishaps.release_all().count(), HELD_MAX);
        assert!(!mishaps.heed(None));
        assert!(mishaps.add(1, &[0; HELD_BYTES_MAX], millis(0), &mut counts));
    }
}
