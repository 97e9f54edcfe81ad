//! Token buckets: so many of something a second, and so many at once after a pause.
//!
//! A bucket is one moment, up to which its owner has paid (the generic cell rate algorithm, ITU-T
//! I.371), so it takes eight bytes and no timer. What becomes of what is over the rate, whether it
//! waits or is dropped, is the owner's business.

use std::time::Duration;

use crate::engine::Time;

/// Slower rates are taken for this one: one in a quarter of an hour.
const PER_SECOND_MIN: f64 = 0.001;
/// Faster rates are taken for this one.
const PER_SECOND_MAX: f64 = 1e9;
/// Larger bursts are taken for this one.
const BURST_MAX: f64 = 1e9;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Times a second in the long run.
    pub per_second: f64,
    /// Times at once after a pause.
    pub burst: f64,
}

impl Rate {
    /// So many a second, in bursts of a second's worth, at least one.
    pub fn per_second(per_second: f64) -> Rate {
        Rate { per_second, burst: per_second }
    }
}

/// How far one owner has paid. A new bucket is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    paid_until: Time,
}

/// A `Rate` that buckets are held to.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// How much time one unit costs.
    cost: Duration,
    /// How far ahead of the present a bucket may have paid.
    credit: Duration,
}

impl RateLimit {
    /// A limit at `rate`. Senseless numbers are taken for the nearest that make sense.
    pub fn new(rate: Rate) -> RateLimit {
        let per_second = sensible(rate.per_second, PER_SECOND_MIN, PER_SECOND_MAX);
        let cost = Duration::from_secs_f64(1.0 / per_second);
        RateLimit { cost, credit: cost.mul_f64(sensible(rate.burst, 1.0, BURST_MAX)) }
    }

    /// How long it takes until `bucket` has one more unit; zero if it has one now.
    pub fn wait(&self, bucket: Bucket, now: Time) -> Duration {
        let paid_until = bucket.paid_until.max(now).after(self.cost);
        paid_until.since(now).saturating_sub(self.credit)
    }

    /// Takes `units` out of `bucket`, be they in it or not: what is missing has to be earned first.
    pub fn charge(&self, bucket: &mut Bucket, units: u32, now: Time) {
        bucket.paid_until = bucket.paid_until.max(now).after(self.cost * units);
    }

    /// Takes `units` out of `bucket` if there is at least one in it. So what costs more than a
    /// bucket holds is possible too, and has to be paid off afterwards.
    pub fn spend(&self, bucket: &mut Bucket, units: u32, now: Time) -> bool {
        let is_within = self.wait(*bucket, now).is_zero();
        if is_within {
            self.charge(bucket, units, now);
        }
        is_within
    }
}

/// `number` or the nearest within bounds; `clamp` would let NaN pass.
fn sensible(number: f64, least: f64, most: f64) -> f64 {
    if number.is_nan() { least } else { number.clamp(least, most) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    #[test]
    fn a_burst_passes_and_then_as_much_as_time_has_earned() {
        let limit = RateLimit::new(Rate { per_second: 10.0, burst: 30.0 });
        let mut bucket = Bucket::default();
        for (millis, passed) in [(0, 30), (99, 0), (500, 5), (60_000, 30)] {
            let tries = (0..100).filter(|_| limit.spend(&mut bucket, 1, at(millis)));
            assert_eq!(tries.count(), passed, "after {millis} ms");
        }
    }

    #[test]
    fn a_second_s_worth_is_whole_even_where_a_second_does_not_divide() {
        for per_second in 1..2_000 {
            let limit = RateLimit::new(Rate::per_second(f64::from(per_second)));
            let mut bucket = Bucket::default();
            let tries = (0..2 * per_second).filter(|_| limit.spend(&mut bucket, 1, at(0)));
            assert_eq!(tries.count(), usize::try_from(per_second).unwrap());
        }
    }

    #[test]
    fn who_waits_as_long_as_it_takes_has_a_unit_then() {
        let limit = RateLimit::new(Rate { per_second: 3.0, burst: 2.0 });
        let (mut bucket, mut now) = (Bucket::default(), Time::ZERO);
        for unit in 0..10 {
            let wait = limit.wait(bucket, now);
            assert_eq!(wait > Duration::ZERO, unit >= 2, "{unit}");
            now = now.after(wait);
            assert_eq!(limit.wait(bucket, now), Duration::ZERO);
            limit.charge(&mut bucket, 1, now);
        }
        assert_eq!(now.since(Time::ZERO).as_millis(), 8_000 / 3);
    }

    #[test]
    fn what_is_dear_is_possible_and_has_to_be_paid_off() {
        let limit = RateLimit::new(Rate::per_second(10.0));
        let mut bucket = Bucket::default();
        assert!(limit.spend(&mut bucket, 40, at(0)));
        assert!(!limit.spend(&mut bucket, 1, at(3000)));
        assert!(limit.spend(&mut bucket, 1, at(3100)));
    }

    #[test]
    fn senseless_rates_are_taken_for_sensible_ones() {
        for number in [0.0, -1.0, 1e-300, 1e300, f64::INFINITY, f64::NAN] {
            let limit = RateLimit::new(Rate { per_second: number, burst: number });
            let mut bucket = Bucket::default();
            assert!(limit.spend(&mut bucket, u32::MAX, Time::ZERO), "{number}");
        }
    }
}
