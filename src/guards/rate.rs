//! A token bucket for each source, in a table of fixed size: forged sources cannot make it grow.
//!
//! A source that finds its set full takes the place of the one that owes least, and takes over its
//! debt, so nobody can be rid of a debt by inventing sources.

use super::prefix::Prefix;
use crate::engine::Time;
use crate::rate::{Bucket, Rate, RateLimit};

/// Places that a source may have; the table has `SETS` times as many.
const WAYS: usize = 4;
/// 16,384 sources at once, in half a megabyte that is allocated when the first one comes.
const SETS: usize = 4096;

#[derive(Clone, Copy)]
struct SourceBucket {
    source: Prefix,
    bucket: Bucket,
}

/// The buckets of all sources.
pub struct RateTable {
    limit: RateLimit,
    seed: u64,
    /// `SETS` times `WAYS`, or none until the first source comes.
    entries: Vec<SourceBucket>,
}

impl RateTable {
    /// Buckets that earn `per_second` units a second, and hold a second's worth, at least one.
    pub fn new(per_second: f64, seed: u64) -> RateTable {
        let limit = RateLimit::new(Rate::per_second(per_second));
        RateTable { limit, seed, entries: Vec::new() }
    }

    /// From now on buckets earn so many units a second. What is owed stays owed.
    pub fn set_rate(&mut self, per_second: f64) {
        self.limit = RateLimit::new(Rate::per_second(per_second));
    }

    /// Takes `units` out of the bucket of `source` if there is one in it (`RateLimit::spend`).
    pub fn spend(&mut self, source: Prefix, units: u32, now: Time) -> bool {
        let limit = self.limit;
        let entry = self.entry(source);
        let is_within = limit.spend(&mut entry.bucket, units, now);
        if is_within {
            entry.source = source;
        }
        is_within
    }

    /// Where `source` is, or where it would be put.
    #[allow(clippy::cast_possible_truncation)] // the remainder is small
    fn entry(&mut self, source: Prefix) -> &mut SourceBucket {
        if self.entries.is_empty() {
            let empty = SourceBucket { source: Prefix::NONE, bucket: Bucket::default() };
            self.entries = vec![empty; SETS * WAYS];
        }
        let start = (source.hash(self.seed) % SETS as u64) as usize * WAYS;
        let set = &mut self.entries[start..start + WAYS];
        let found = set.iter().position(|entry| entry.source == source);
        let owes_least = || (0..WAYS).min_by_key(|at| set[*at].bucket).unwrap_or_default();
        let at = found.unwrap_or_else(owes_least);
        &mut set[at]
    }
}

/// Holds those in `table` to another rate, or to none.
pub(super) fn retune(table: &mut Option<RateTable>, rate: Option<f64>, seed: u64) {
    match (table.as_mut(), rate) {
        (Some(table), Some(rate)) => table.set_rate(rate),
        (_, rate) => *table = rate.map(|rate| RateTable::new(rate, seed)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;

    fn source(number: u32) -> Prefix {
        Prefix::host(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn spent(table: &mut RateTable, number: u32, tries: usize, now: Time) -> usize {
        (0..tries).filter(|_| table.spend(source(number), 1, now)).count()
    }

    #[test]
    fn a_second_s_worth_passes_at_once_and_then_as_much_as_time_has_earned() {
        let mut table = RateTable::new(10.0, 1);
        assert_eq!(spent(&mut table, 1, 100, at(0)), 10);
        assert_eq!(spent(&mut table, 2, 100, at(0)), 10, "another source has its own");
        assert_eq!(spent(&mut table, 1, 100, at(500)), 5);
        assert_eq!(spent(&mut table, 1, 100, at(60_000)), 10);
    }

    #[test]
    fn another_rate_forgives_nobody_and_no_rate_everybody() {
        let mut table = Some(RateTable::new(10.0, 1));
        assert_eq!(table.as_mut().map(|table| spent(table, 1, 100, at(0))), Some(10));
        retune(&mut table, Some(2.0), 1);
        assert_eq!(table.as_mut().map(|table| spent(table, 1, 100, at(0))), Some(0));
        assert_eq!(table.as_mut().map(|table| spent(table, 1, 100, at(3000))), Some(2));
        retune(&mut table, None, 1);
        assert!(table.is_none());
        retune(&mut table, Some(5.0), 1);
        assert_eq!(table.as_mut().map(|table| spent(table, 1, 100, at(3000))), Some(5));
    }

    #[test]
    fn senseless_rates_are_taken_for_sensible_ones() {
        for rate in [0.0, -1.0, 1e-300, 1e300, f64::INFINITY] {
            let mut table = RateTable::new(rate, 1);
            assert!(table.spend(source(1), u32::MAX, at(0)), "{rate}");
        }
    }

    #[test]
    fn a_million_forged_sources_neither_grow_the_table_nor_clear_a_debt() {
        let mut table = RateTable::new(10.0, 7);
        assert!(table.spend(source(0), 100_000, at(0)));
        for number in 1..1_000_000 {
            table.spend(source(number), 1, at(1));
        }
        assert_eq!(table.entries.len(), SETS * WAYS);
        assert!(!table.spend(source(0), 1, at(1)), "the debtor was forgotten");
    }

    #[test]
    fn a_flood_of_forged_sources_is_limited_as_a_whole() {
        let mut table = RateTable::new(10.0, 7);
        let passed = (0..2_000_000).filter(|number| table.spend(source(*number), 1, at(0))).count();
        // Every place has a second's worth; whoever takes a place takes over its debt.
        assert!(passed <= SETS * WAYS * 10, "{passed}");
    }
}
