//! The last minute, second by second.

use std::collections::VecDeque;
use std::time::Duration;

use super::gather::TickSum;
use crate::bench::measure::phase::RunPhase;

/// How much of the past is kept, in seconds; what is older is forgotten.
pub(super) const SECONDS: usize = 60;
const SECOND: Duration = Duration::from_secs(1);

/// What is drawn in one column.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Column {
    /// Operations a second.
    pub(super) rate: Option<f64>,
    /// Microseconds.
    pub(super) p50: Option<f64>,
    /// Microseconds.
    pub(super) p99: Option<f64>,
}

impl Column {
    fn of(sum: &TickSum) -> Column {
        Column { rate: sum.rate(), p50: sum.quantile(0.5), p99: sum.quantile(0.99) }
    }
}

/// The last minute, whatever runs it went over.
#[derive(Default)]
pub(super) struct History {
    /// Whole seconds, with their figures, the oldest first.
    seconds: VecDeque<(TickSum, Column)>,
    /// How many have been forgotten.
    forgotten: usize,
    /// The second that is under way.
    open: Option<TickSum>,
}

impl History {
    /// Takes what comes next.
    pub(super) fn add(&mut self, sum: &TickSum) {
        self.open.get_or_insert_with(|| TickSum::new(sum.phase)).append(sum);
        // Intervals are some microseconds longer or shorter than asked for.
        if self.open.as_ref().is_some_and(|open| open.length() + SECOND / 20 >= SECOND) {
            self.close();
        }
    }

    /// The second that is under way is over: what comes next is another run.
    pub(super) fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let column = Column::of(&open);
        // Whoever was stopped for a while has seconds of which nothing is known.
        let length = usize::try_from(open.length().as_secs()).unwrap_or(SECONDS);
        for _ in 1..length.min(SECONDS) {
            self.push(TickSum::new(open.phase), Column::default());
        }
        self.push(open, column);
    }

    fn push(&mut self, second: TickSum, column: Column) {
        self.seconds.push_back((second, column));
        if self.seconds.len() > SECONDS {
            self.seconds.pop_front();
            self.forgotten += 1;
        }
    }

    /// The figures of the last whole second, or of what there is of the first.
    pub(super) fn last(&self) -> Column {
        let first = || self.open.as_ref().map(Column::of).unwrap_or_default();
        self.seconds.back().map_or_else(first, |(_, column)| *column)
    }

    /// All of it, `per_column` seconds in each, the oldest first, and what there is of the second
    /// that is under way. Seconds stay with those that they were once drawn with.
    pub(super) fn columns(&self, per_column: usize) -> Vec<Column> {
        if per_column <= 1 {
            let whole = self.seconds.iter().map(|(_, column)| *column);
            return whole.chain(self.open.as_ref().map(Column::of)).collect();
        }
        let mut columns = Vec::new();
        let mut group: Option<TickSum> = None;
        let whole = self.seconds.iter().map(|(second, _)| second);
        for (index, second) in whole.chain(&self.open).enumerate() {
            group.get_or_insert_with(|| TickSum::new(RunPhase::Measuring)).append(second);
            let is_last = (self.forgotten + index + 1).is_multiple_of(per_column);
            columns.extend(group.take_if(|_| is_last).map(|group| Column::of(&group)));
        }
        columns.extend(group.map(|group| Column::of(&group)));
        columns
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::gather::Gather;
    use super::*;
    use crate::bench::measure::ticker::Tick;

    /// What one thread tells of so many milliseconds.
    pub(in super::super) fn told(millis: u64, operations: u64, nanos: u64) -> TickSum {
        let mut tick = Tick::new(0, RunPhase::Measuring);
        (tick.length, tick.operations) = (Duration::from_millis(millis), operations);
        tick.latency.record_n(nanos, u32::try_from(operations).unwrap()).unwrap();
        Gather::new(1).add(&tick).remove(0)
    }

    fn rates(columns: &[Column]) -> Vec<f64> {
        columns.iter().map(|column| column.rate.unwrap()).collect()
    }

    #[test]
    fn quarters_become_seconds_and_the_first_is_told_before_it_is_whole() {
        let mut history = History::default();
        assert_eq!(history.last(), Column::default());
        history.add(&told(250, 1, 1000));
        assert_eq!(history.last().rate, Some(4.0));
        for operations in [2, 3, 4, 100] {
            history.add(&told(250, operations, 1000));
        }
        assert_eq!(rates(&history.columns(1)), [10.0, 400.0]);
        // A histogram of two digits.
        let one = Some(1.003);
        assert_eq!(history.last(), Column { rate: Some(10.0), p50: one, p99: one });
    }

    #[test]
    fn a_minute_is_kept_and_seconds_are_put_together_where_there_is_little_room() {
        let mut history = History::default();
        for second in 1..=62 {
            history.add(&told(1000, second, 1000 * second));
        }
        assert_eq!(rates(&history.columns(1)), (3..=62).map(|n| n as f64).collect::<Vec<_>>());
        let columns = history.columns(4);
        assert_eq!(rates(&columns)[..2], [3.5, 6.5]);
        assert_eq!((columns.len(), rates(&columns)[15]), (16, 61.5));
        // The percentile of all, not the mean of percentiles.
        let p99 = columns[1].p99.unwrap();
        assert!((7.9..8.1).contains(&p99), "{p99}");
    }

    #[test]
    fn seconds_that_nothing_is_known_of_are_empty() {
        let mut history = History::default();
        history.add(&told(1000, 10, 1000));
        history.add(&told(3200, 16, 1000));
        let rates: Vec<Option<f64>> = history.columns(1).iter().map(|column| column.rate).collect();
        assert_eq!(rates, [Some(10.0), None, None, Some(5.0)]);
        history.add(&told(3_600_000, 0, 1000));
        assert_eq!((history.columns(1).len(), history.last().rate), (SECONDS, Some(0.0)));
    }

    #[test]
    fn another_run_begins_a_second_of_its_own() {
        let mut history = History::default();
        history.close();
        history.add(&told(500, 10, 1000));
        history.close();
        history.add(&told(1000, 7, 1000));
        assert_eq!(rates(&history.columns(1)), [20.0, 7.0]);
    }
}
