//! A token bucket for each source, in a table of fixed size: forged sources cannot make it grow.
//!
//! A bucket is the one moment up to which its source has paid (the generic cell rate algorithm,
//! ITU-T I.371). A source that finds its set full takes the place of the one that owes least, and
//! takes over its debt, so nobody can be rid of a debt by inventing sources.

use std::time::Duration;

use super::prefix::Prefix;
use crate::engine::Time;

/// Places that a source may have; the table has `SETS` times as many.
const WAYS: usize = 4;
/// 16,384 sources at once, in half a megabyte that is taken when the first one comes.
const SETS: usize = 4096;
/// Slower rates are taken for this one: one in a quarter of an hour.
const PER_SECOND_MIN: f64 = 0.001;
/// Faster rates are taken for this one.
const PER_SECOND_MAX: f64 = 1e9;

#[derive(Clone, Copy)]
struct Bucket {
    source: Prefix,
    paid_until: Time,
}

/// The buckets of all sources.
pub struct RateTable {
    /// What one unit costs.
    cost: Duration,
    /// How far ahead of time a source may have spent: a second, or one unit if that is more.
    credit: Duration,
    seed: u64,
    /// `SETS` times `WAYS`, or none until the first source comes.
    table: Vec<Bucket>,
}

impl RateTable {
    /// RateTable that earn `per_second` units a second, and hold a second's worth, at least one.
    pub fn new(per_second: f64, seed: u64) -> RateTable {
        let rate = per_second.clamp(PER_SECOND_MIN, PER_SECOND_MAX);
        let cost = Duration::from_secs_f64(1.0 / rate);
        let credit = cost.max(Duration::from_secs(1));
        RateTable { cost, credit, seed, table: Vec::new() }
    }

    /// Takes `units` out of the bucket of `source` if there is one in it. So what costs more than
    /// the bucket holds is possible too, and then has to be paid off.
    pub fn spend(&mut self, source: Prefix, units: u32, now: Time) -> bool {
        let bucket = self.bucket(source);
        let paid_until = bucket.paid_until.max(now);
        let (cost, credit) = (self.cost, self.credit);
        if paid_until.after(cost).since(now) > credit {
            return false;
        }
        *self.bucket(source) = Bucket { source, paid_until: paid_until.after(cost * units) };
        true
    }

    /// Where `source` is, or where it would be put.
    #[allow(clippy::cast_possible_truncation)] // the remainder is small
    fn bucket(&mut self, source: Prefix) -> &mut Bucket {
        if self.table.is_empty() {
            let empty = Bucket { source: Prefix::NONE, paid_until: Time::ZERO };
            self.table = vec![empty; SETS * WAYS];
        }
        let start = (source.hash(self.seed) % SETS as u64) as usize * WAYS;
        let set = &mut self.table[start..start + WAYS];
        let found = set.iter().position(|bucket| bucket.source == source);
        let poorest = || (0..WAYS).min_by_key(|at| set[*at].paid_until).unwrap_or_default();
        let at = found.unwrap_or_else(poorest);
        &mut set[at]
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn source(number: u32) -> Prefix {
        Prefix::host(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn spent(buckets: &mut RateTable, number: u32, tries: usize, now: Time) -> usize {
        (0..tries).filter(|_| buckets.spend(source(number), 1, now)).count()
    }

    #[test]
    fn a_second_s_worth_passes_at_once_and_then_as_much_as_time_has_earned() {
        let mut buckets = RateTable::new(10.0, 1);
        assert_eq!(spent(&mut buckets, 1, 100, at(0)), 10);
        assert_eq!(spent(&mut buckets, 2, 100, at(0)), 10, "another source has its own");
        assert_eq!(spent(&mut buckets, 1, 100, at(500)), 5);
        assert_eq!(spent(&mut buckets, 1, 100, at(60_000)), 10);
    }

    #[test]
    fn what_is_dear_is_possible_and_has_to_be_paid_off() {
        let mut buckets = RateTable::new(10.0, 1);
        assert!(buckets.spend(source(1), 40, at(0)));
        assert!(!buckets.spend(source(1), 1, at(3000)));
        assert!(buckets.spend(source(1), 1, at(3100)));
    }

    #[test]
    fn senseless_rates_are_taken_for_sensible_ones() {
        for rate in [0.0, -1.0, 1e-300, 1e300, f64::INFINITY] {
            let mut buckets = RateTable::new(rate, 1);
            assert!(buckets.spend(source(1), u32::MAX, at(0)), "{rate}");
        }
    }

    #[test]
    fn a_million_forged_sources_neither_grow_the_table_nor_clear_a_debt() {
        let mut buckets = RateTable::new(10.0, 7);
        assert!(buckets.spend(source(0), 100_000, at(0)));
        for number in 1..1_000_000 {
            buckets.spend(source(number), 1, at(1));
        }
        assert_eq!(buckets.table.len(), SETS * WAYS);
        assert!(!buckets.spend(source(0), 1, at(1)), "the debtor was forgotten");
    }

    #[test]
    fn a_flood_of_forged_sources_is_limited_as_a_whole() {
        let mut buckets = RateTable::new(10.0, 7);
        let passed =
            (0..2_000_000).filter(|number| buckets.spend(source(*number), 1, at(0))).count();
        // Every place has a second's worth; whoever takes a place takes over its debt.
        assert!(passed <= SETS * WAYS * 10, "{passed}");
    }
}
