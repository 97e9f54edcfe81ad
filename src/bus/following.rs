//! One subject that is followed: how far its lines have been told, and what hands them out. Pure:
//! it is told what comes and when, and says what to make of it.
//!
//! With a stream that is a consumer, which the stream forgets as soon as it hears nothing of us. It
//! numbers what it sends, so what got lost is noticed, and another is made behind the last line
//! told. Without one it is a plain subscription.

use std::time::Duration;

use crate::engine::Time;
use crate::rate::{Bucket, RateLimit};

/// How long a stream may take to make a consumer.
pub(super) const MAKING: Duration = Duration::from_secs(5);
/// After so many heartbeats that did not come a consumer is taken for gone.
pub(super) const BEATS_MISSED: u32 = 3;
/// Old lines that are told at once, whatever the rate: as many as the stream keeps.
const OLD_AT_ONCE: u64 = 1_000;
/// How long the surplus is left in the stream, at least, and how long it takes until there is a
/// consumer in the place of one that has lost something: none is made for each line.
const REST: Duration = Duration::from_millis(250);

/// Who hands its lines out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supply {
    /// Nobody yet.
    Missing,
    /// The consumer with that number, once the stream has made it.
    Asked(u64, Time),
    /// The consumer with that number.
    Consumer(u64),
    /// Nobody until then: more has come than may be told.
    Resting(Time),
    /// The subscription with that number, without a stream.
    Plain(u64),
}

/// What a consumer says of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Its place in the stream.
    pub(super) stream: u64,
    /// Its place among those of this consumer: 1 for the first.
    pub(super) consumer: u64,
    /// How many the stream has behind it.
    pub(super) pending: u64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Nothing,
    /// The line is told; `caught_up`: and it was the last of the old ones.
    Tell { is_old: bool, caught_up: bool },
    /// All old ones have been told.
    CaughtUp,
    /// It has been told already.
    Twice,
    /// Something is missing before it: another consumer has to be made.
    Gap,
    /// More has come than may be told: the consumer is to go.
    Surplus,
}

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) supply: Supply,
    /// The place in the stream of the last line told; 0: none yet.
    told: u64,
    /// The number that the consumer's next line should have.
    next: u64,
    /// How many of the next lines are old, if that is known.
    old_left: Option<u64>,
    /// Whether it is still to be told that the old ones are through.
    owes_end: bool,
    /// Old lines that may still be told at once.
    at_once: u64,
    /// How often the consumer gives a sign of life, and when it did last.
    beat: Duration,
    heard_at: Time,
    bucket: Bucket,
    pub(super) surplus: Surplus,
}

impl Following {
    /// Nothing of it has been told.
    pub(super) fn new() -> Following {
        Following {
            supply: Supply::Missing,
            told: 0,
            next: 1,
            old_left: None,
            owes_end: true,
            at_once: OLD_AT_ONCE,
            beat: Duration::MAX,
            heard_at: Time::ZERO,
            bucket: Bucket::default(),
            surplus: Surplus::default(),
        }
    }

    /// The connection is gone, and with it who handed out the lines.
    pub(super) fn interrupted(&mut self) {
        self.supply = Supply::Missing;
        (self.old_left, self.owes_end, self.at_once) = (None, true, OLD_AT_ONCE);
    }

    /// The stream is another one.
    pub(super) fn renewed(&mut self) {
        self.interrupted();
        self.told = 0;
    }

    /// The place in the stream of the first line that is wanted; 0: from the beginning.
    pub(super) fn first_wanted(&self) -> u64 {
        if self.told == 0 { 0 } else { self.told.saturating_add(1) }
    }

    /// A consumer with that number has been asked for.
    pub(super) fn asked(&mut self, number: u64, beat: Duration, now: Time) {
        self.supply = Supply::Asked(number, now);
        (self.next, self.beat, self.heard_at) = (1, beat, now);
    }

    /// It has been made, and the stream has so many lines for it.
    pub(super) fn made(&mut self, number: u64, pending: u64, now: Time) -> Verdict {
        self.supply = Supply::Consumer(number);
        self.heard_at = now;
        // If one has come meanwhile, that one tells how many follow.
        match pending == 0 && self.next == 1 {
            true => self.end_old(),
            false => Verdict::Nothing,
        }
    }

    fn lack(&mut self, now: Time) -> Verdict {
        self.rest(now);
        Verdict::Gap
    }

    /// Its consumer is good for nothing; the next one may wait a little.
    pub(super) fn rest(&mut self, now: Time) {
        self.supply = Supply::Resting(now.after(REST));
    }

    /// It is without a stream: there are no old lines.
    pub(super) fn plain(&mut self) -> Verdict {
        self.end_old()
    }

    /// A line has come from the consumer.
    pub(super) fn came(&mut self, line: Numbers, limit: Option<&RateLimit>, now: Time) -> Verdict {
        self.heard_at = now;
        if line.consumer != self.next {
            return if line.consumer < self.next { Verdict::Twice } else { self.lack(now) };
        }
        self.next += 1;
        if line.stream <= self.told {
            return Verdict::Twice;
        }
        // Lines that the stream drops meanwhile never come.
        let left = match (self.owes_end, self.old_left) {
            (false, _) => 0,
            (true, None) => line.pending.saturating_add(1),
            (true, Some(left)) => left.min(line.pending.saturating_add(1)),
        };
        self.old_left = Some(left);
        let is_free = left > 0 && self.at_once > 0;
        if !is_free && !passes(&mut self.bucket, limit, now) {
            let wait = limit.map_or(REST, |limit| limit.wait(self.bucket, now).max(REST));
            self.supply = Supply::Resting(now.after(wait));
            return Verdict::Surplus;
        }
        self.at_once -= u64::from(is_free);
        self.told = line.stream;
        let is_old = left > 0;
        self.old_left = Some(left.saturating_sub(1));
        let caught_up = is_old && left == 1;
        self.owes_end &= !caught_up && is_old;
        Verdict::Tell { is_old, caught_up }
    }

    /// A line has come that no stream numbers. Whether it is told. Behind one that was not, none is
    /// until that has been told: whoever counts lines would take them for lost on the way.
    pub(super) fn passes(&mut self, limit: Option<&RateLimit>, now: Time) -> bool {
        self.surplus.due().is_none() && passes(&mut self.bucket, limit, now)
    }

    /// The consumer has nothing to send, and the last that it sent had that number.
    pub(super) fn beaten(&mut self, last: Option<u64>, now: Time) -> Verdict {
        self.heard_at = now;
        match last {
            Some(last) if last >= self.next => self.lack(now),
            // It beats only when it has sent everything.
            _ => self.end_old(),
        }
    }

    /// Something has come from it that is no line.
    pub(super) fn alive(&mut self, now: Time) {
        self.heard_at = now;
    }

    fn end_old(&mut self) -> Verdict {
        self.old_left = Some(0);
        match std::mem::take(&mut self.owes_end) {
            true => Verdict::CaughtUp,
            false => Verdict::Nothing,
        }
    }

    /// When it will have been silent for too long, or has rested.
    pub(super) fn due(&self) -> Time {
        match self.supply {
            Supply::Missing | Supply::Plain(_) => Time::NEVER,
            Supply::Asked(_, since) => since.after(MAKING),
            Supply::Consumer(_) => self.heard_at.after(self.beat.saturating_mul(BEATS_MISSED)),
            Supply::Resting(until) => until,
        }
    }
}

/// Whether one more may be told.
pub(super) fn passes(bucket: &mut Bucket, limit: Option<&RateLimit>, now: Time) -> bool {
    limit.is_none_or(|limit| limit.spend(bucket, 1, now))
}

/// Lines that were dropped because they were too many, and when that may be told again.
#[derive(Debug, Default)]
pub(super) struct Surplus {
    lines: u64,
    told_at: Option<Time>,
}

/// How often it is told.
const SURPLUS_TOLD_EVERY: Duration = Duration::from_secs(1);

impl Surplus {
    /// One more.
    pub(super) fn count(&mut self) {
        self.lines += 1;
    }

    /// How many there were since it was told last, if it is time to tell.
    pub(super) fn take(&mut self, now: Time) -> Option<u64> {
        let is_time = self.due().is_some_and(|due| due <= now);
        is_time.then(|| {
            self.told_at = Some(now);
            std::mem::take(&mut self.lines)
        })
    }

    /// When it is to be told next, if there is anything.
    pub(super) fn due(&self) -> Option<Time> {
        let due = self.told_at.map_or(Time::ZERO, |told| told.after(SURPLUS_TOLD_EVERY));
        (self.lines > 0).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Rate;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn line(stream: u64, consumer: u64, pending: u64) -> Numbers {
        Numbers { stream, consumer, pending }
    }

    const OLD: Verdict = Verdict::Tell { is_old: true, caught_up: false };
    const LAST_OLD: Verdict = Verdict::Tell { is_old: true, caught_up: true };
    const NEW: Verdict = Verdict::Tell { is_old: false, caught_up: false };

    fn followed() -> Following {
        let mut one = Following::new();
        one.asked(7, Duration::from_secs(1), at(0));
        one
    }

    #[test]
    fn what_was_there_at_the_first_line_is_old_and_what_comes_behind_it_is_not() {
        let mut one = followed();
        assert_eq!(one.made(7, 3, at(1)), Verdict::Nothing);
        assert_eq!(one.came(line(11, 1, 2), None, at(2)), OLD);
        // Others are stored meanwhile: the stream has more and more.
        assert_eq!(one.came(line(15, 2, 2), None, at(2)), OLD);
        assert_eq!(one.came(line(16, 3, 5), None, at(2)), LAST_OLD);
        assert_eq!(one.came(line(17, 4, 4), None, at(2)), NEW);
        assert_eq!(one.beaten(Some(4), at(3)), Verdict::Nothing);
        assert_eq!(one.first_wanted(), 18);
    }

    #[test]
    fn without_old_lines_that_is_told_at_once_and_once() {
        let mut one = followed();
        assert_eq!(one.made(7, 0, at(1)), Verdict::CaughtUp);
        assert_eq!(one.came(line(5, 1, 0), None, at(2)), NEW);
        assert_eq!(one.beaten(None, at(3)), Verdict::Nothing);
    }

    #[test]
    fn old_lines_that_the_stream_drops_meanwhile_are_not_waited_for() {
        let mut one = followed();
        assert_eq!(one.came(line(1, 1, 9), None, at(1)), OLD);
        assert_eq!(one.made(7, 10, at(1)), Verdict::Nothing);
        assert_eq!(one.came(line(9, 2, 1), None, at(1)), OLD);
        assert_eq!(one.came(line(10, 3, 0), None, at(1)), LAST_OLD);
        let mut one = followed();
        one.made(7, 10, at(1));
        assert_eq!(one.beaten(Some(0), at(900)), Verdict::CaughtUp);
    }

    #[test]
    fn a_gap_is_noticed_also_behind_the_last_line_that_came() {
        let mut one = followed();
        one.made(7, 0, at(0));
        assert_eq!(one.came(line(1, 1, 0), None, at(1)), NEW);
        assert_eq!(one.came(line(3, 3, 0), None, at(1)), Verdict::Gap);
        assert_eq!(one.beaten(Some(3), at(1)), Verdict::Gap);
        assert_eq!(one.came(line(1, 1, 0), None, at(1)), Verdict::Twice);
        // The next consumer begins behind the last one told.
        one.asked(8, Duration::from_secs(1), at(2));
        assert_eq!((one.first_wanted(), one.made(8, 2, at(2))), (2, Verdict::Nothing));
        assert_eq!(one.came(line(2, 1, 1), None, at(2)), NEW);
        assert_eq!(one.came(line(2, 2, 1), None, at(2)), Verdict::Twice);
    }

    #[test]
    fn after_a_break_the_lines_in_between_are_old() {
        let mut one = followed();
        one.made(7, 0, at(0));
        one.came(line(4, 1, 0), None, at(1));
        one.interrupted();
        assert_eq!((one.supply, one.first_wanted()), (Supply::Missing, 5));
        one.asked(8, Duration::from_secs(1), at(5));
        assert_eq!(one.came(line(5, 1, 0), None, at(6)), LAST_OLD);
        one.renewed();
        assert_eq!(one.first_wanted(), 0);
    }

    #[test]
    fn the_surplus_waits_in_the_stream_but_old_lines_do_not() {
        let limit = RateLimit::new(Rate::per_second(2.0));
        let mut one = followed();
        for number in 1..=10 {
            let verdict = one.came(line(number, number, 10 - number), Some(&limit), at(0));
            assert_eq!(verdict, if number == 10 { LAST_OLD } else { OLD });
        }
        assert_eq!(one.came(line(11, 11, 2), Some(&limit), at(0)), NEW);
        assert_eq!(one.came(line(12, 12, 1), Some(&limit), at(0)), NEW);
        assert_eq!(one.came(line(13, 13, 0), Some(&limit), at(0)), Verdict::Surplus);
        assert_eq!((one.supply, one.due()), (Supply::Resting(at(500)), at(500)));
        one.asked(8, Duration::from_secs(1), at(500));
        assert_eq!(one.first_wanted(), 13);
        assert_eq!(one.came(line(13, 1, 0), Some(&limit), at(500)), NEW);
    }

    #[test]
    fn behind_what_was_dropped_nothing_is_told_before_that() {
        let limit = RateLimit::new(Rate::per_second(2.0));
        let mut one = Following::new();
        assert!(one.passes(Some(&limit), at(0)) && one.passes(Some(&limit), at(0)));
        assert!(!one.passes(Some(&limit), at(0)));
        one.surplus.count();
        assert!(!one.passes(Some(&limit), at(9000)));
        one.surplus.count();
        assert_eq!(one.surplus.take(at(9000)), Some(2));
        assert!(one.passes(Some(&limit), at(9000)));
    }

    #[test]
    fn senseless_numbers_of_a_server_do_no_harm() {
        let mut one = followed();
        one.made(7, u64::MAX, at(0));
        assert_eq!(one.came(line(u64::MAX - 1, 1, u64::MAX), None, at(0)), OLD);
        assert_eq!(one.came(line(u64::MAX, 2, 0), None, at(0)), LAST_OLD);
        assert_eq!(one.came(line(0, u64::MAX, u64::MAX), None, at(0)), Verdict::Gap);
        assert_eq!(one.beaten(Some(u64::MAX), at(0)), Verdict::Gap);
        assert_eq!(one.first_wanted(), u64::MAX);
    }

    #[test]
    fn a_consumer_that_is_silent_is_due() {
        let mut one = followed();
        assert_eq!(one.due(), Time::ZERO.after(MAKING));
        one.made(7, 0, at(10));
        assert_eq!(one.due(), at(3010));
        one.beaten(None, at(1000));
        assert_eq!(one.due(), at(4000));
    }

    #[test]
    fn what_was_dropped_is_told_once_a_second() {
        let mut surplus = Surplus::default();
        assert_eq!(surplus.take(at(0)), None);
        surplus.count();
        assert_eq!(surplus.take(at(0)), Some(1));
        surplus.count();
        surplus.count();
        assert_eq!((surplus.take(at(999)), surplus.due()), (None, Some(at(1000))));
        assert_eq!(surplus.take(at(1000)), Some(2));
        assert_eq!((surplus.take(at(9000)), surplus.due()), (None, None));
    }
}
