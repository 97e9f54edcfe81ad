//! When a request is meant to be sent. Pure: it knows the rate and counts; the clock is asked
//! elsewhere.
//!
//! In an open loop request number k is due at a time that depends on nothing but k. Whoever is
//! late counts its latency from there, so a stall of the server is felt by all the requests that
//! fell into it, as it would be by people (what is known as coordinated omission is the failure
//! to do so).

use std::time::Duration;

use crate::engine::Time;

/// Times at a steady rate from a beginning on, and then at other rates.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    origin: Time,
    rate: f64,
    taken: u64,
    /// When the rate changes, and what comes then, the last first.
    later: Vec<(Time, Schedule)>,
}

impl Schedule {
    /// `rate` times a second, or never if it is 0. `share` of the first gap passes before the
    /// first, so that several threads can take turns.
    pub(super) fn new(rate: f64, share: f64, origin: Time) -> Schedule {
        let origin = match rate > 0.0 {
            true => origin.after(Duration::from_secs_f64(share / rate)),
            false => Time::NEVER,
        };
        Schedule { origin, rate, taken: 0, later: Vec::new() }
    }

    /// Steady rates one after the other: each from its time on, which are in order.
    pub(super) fn of_stages(stages: &[(Time, f64)], share: f64) -> Schedule {
        let piece = |(begin, rate): &(Time, f64)| (*begin, Schedule::new(*rate, share, *begin));
        let mut pieces: Vec<(Time, Schedule)> = stages.iter().map(piece).rev().collect();
        let (_, mut first) =
            pieces.pop().unwrap_or((Time::NEVER, Schedule::new(0.0, 0.0, Time::NEVER)));
        first.later = pieces;
        first.move_on();
        first
    }

    /// When the next one is due.
    #[allow(clippy::cast_precision_loss)] // 2^53 requests are centuries of them
    pub(super) fn next(&self) -> Time {
        match self.rate > 0.0 {
            true => self.origin.after(Duration::from_secs_f64(self.taken as f64 / self.rate)),
            false => Time::NEVER,
        }
    }

    /// Takes the next one, if it is due at `now`; returns when it was meant to be.
    pub(super) fn take(&mut self, now: Time) -> Option<Time> {
        let due = self.next();
        if due > now {
            return None;
        }
        self.taken += 1;
        self.move_on();
        Some(due)
    }

    /// Passes over all that are due before `end`, however many; how many those are.
    pub(super) fn skip(&mut self, end: Time) -> u64 {
        let mut count = 0;
        while let Some((changes, _)) = self.later.last().filter(|(changes, _)| *changes < end) {
            count += self.skip_steady(*changes);
            self.move_on();
        }
        count += self.skip_steady(end);
        self.move_on();
        count
    }

    /// The same, for an `end` up to which the rate does not change.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below 2^53, see `next`
    fn skip_steady(&mut self, end: Time) -> u64 {
        let before = self.taken;
        let estimate = end.since(self.origin).as_secs_f64() * self.rate;
        // Rounding may be off by one or two, so the last ones are taken one by one.
        self.taken = self.taken.max((estimate as u64).saturating_sub(2));
        while self.next() < end {
            self.taken += 1;
        }
        self.taken - before
    }

    /// Goes on to the rate at which the next one is due.
    fn move_on(&mut self) {
        let next = self.next();
        if let Some((_, stage)) = self.later.pop_if(|(changes, _)| *changes <= next) {
            let later = std::mem::take(&mut self.later);
            *self = Schedule { later, ..stage };
            self.move_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(count: u64) -> Time {
        Time::at(Duration::from_micros(count))
    }

    #[test]
    fn times_depend_on_nothing_but_their_number() {
        let mut schedule = Schedule::new(10_000.0, 0.0, micros(500));
        assert_eq!(schedule.take(micros(499)), None);
        assert_eq!(schedule.take(micros(500)), Some(micros(500)));
        assert_eq!(schedule.take(micros(599)), None);
        // A stall: those that fell into it are all due, each at its own time.
        let late: Vec<_> = std::iter::from_fn(|| schedule.take(micros(850))).collect();
        assert_eq!(late, [micros(600), micros(700), micros(800)]);
        assert_eq!(schedule.next(), micros(900));
    }

    #[test]
    fn any_number_is_passed_over_as_if_taken_one_by_one() {
        for (rate, end) in [(10_000.0, 850), (3.0, 2_000_000), (999_983.0, 1_000_000), (7.0, 0)] {
            let end = micros(end);
            let mut one_by_one = Schedule::new(rate, 0.5, micros(500));
            let mut at_once = one_by_one.clone();
            let mut count = 0;
            while one_by_one.next() < end {
                one_by_one.taken += 1;
                count += 1;
            }
            assert_eq!(at_once.skip(end), count, "{rate}");
            assert_eq!(at_once.next(), one_by_one.next());
            assert_eq!(at_once.skip(end), 0);
        }
        let mut flood = Schedule::new(1e8, 0.0, Time::ZERO);
        assert_eq!(flood.skip(micros(3_600_000_000)), 360_000_000_000);
    }

    #[test]
    fn the_rate_changes_when_its_stage_begins_and_a_rest_has_none() {
        let stages = [(0, 2.0), (1_000_000, 0.0), (2_000_000, 4.0), (3_000_000, 0.0)];
        let stages = stages.map(|(begin, rate)| (micros(begin), rate));
        let mut schedule = Schedule::of_stages(&stages, 0.0);
        let mut whole = schedule.clone();
        let due: Vec<_> = std::iter::from_fn(|| schedule.take(micros(9_000_000))).collect();
        let wanted = [0, 500_000, 2_000_000, 2_250_000, 2_500_000, 2_750_000].map(micros);
        assert_eq!(due, wanted);
        assert_eq!(schedule.next(), Time::NEVER);
        assert_eq!([1, 2, 3, 9].map(|end| whole.skip(micros(end * 1_000_000))), [2, 0, 4, 0]);
        let mut all = Schedule::of_stages(&stages, 0.5);
        assert_eq!(all.next(), micros(250_000));
        assert_eq!(all.skip(micros(2_200_000)), 3);
        assert_eq!(all.next(), micros(2_375_000));
        assert_eq!(Schedule::of_stages(&stages[1..], 0.0).next(), micros(2_000_000));
    }

    #[test]
    fn threads_take_turns_and_a_rate_does_not_drift() {
        let schedule = Schedule::new(1000.0, 0.5, Time::ZERO);
        assert_eq!(schedule.next(), micros(500));
        let mut schedule = Schedule::new(3.0, 0.0, Time::ZERO);
        for _ in 0..3_000_000 {
            schedule.taken += 1;
        }
        assert_eq!(schedule.next().seconds(), 1_000_000);
    }
}
