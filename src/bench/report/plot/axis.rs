//! An axis: where it begins and ends, where it is marked, and which marks have room for their text.

use std::ops::Range;

/// An axis: where it begins and ends, and where it is marked.
#[derive(Clone, Debug)]
pub struct Axis {
    pub(super) name: String,
    pub(super) marks: Vec<f64>,
    range: Range<f64>,
    is_log: bool,
    pub(super) tell: fn(f64) -> String,
}

impl Axis {
    /// A logarithmic axis from its first mark to its last.
    pub fn log(name: &str, marks: Vec<f64>, tell: fn(f64) -> String) -> Axis {
        Axis { name: name.into(), range: ends(&marks), marks, is_log: true, tell }
    }

    /// A linear axis from its first mark to its last.
    pub fn linear(name: &str, marks: Vec<f64>, tell: fn(f64) -> String) -> Axis {
        Axis { name: name.into(), range: ends(&marks), marks, is_log: false, tell }
    }

    /// A logarithmic axis of percentiles: p stands at 1 / (1 - p), so that each nine has the same
    /// width.
    pub fn percentiles(name: &str, marks: Vec<f64>) -> Axis {
        Axis::log(name, marks, percentile)
    }

    /// The same axis with another end. Marks behind it are not shown.
    #[must_use]
    pub fn until(mut self, end: f64) -> Axis {
        self.range.end = end;
        self.marks.retain(|mark| *mark <= end);
        self
    }

    /// The lower end.
    pub(super) fn start(&self) -> f64 {
        self.range.start
    }

    /// Where a value stands, as a share of the way from one end to the other. What lies beyond an
    /// end stands at it.
    pub(super) fn share(&self, value: f64) -> f64 {
        let place = |value: f64| if self.is_log { value.ln() } else { value };
        let Range { start, end } = self.range;
        let share = (place(value) - place(start)) / (place(end) - place(start));
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// The marks whose texts do not come closer than `gap` to each other: all, or the powers of
    /// ten, or every second, and so on. `extent` is where the text of a mark begins and ends.
    pub(super) fn legible(&self, gap: f64, extent: impl Fn(f64) -> (f64, f64)) -> Vec<f64> {
        let fits = |marks: &[f64]| {
            let mut extents: Vec<_> = marks.iter().map(|mark| extent(*mark)).collect();
            extents.sort_by(|a, b| a.0.total_cmp(&b.0));
            extents.windows(2).all(|pair| pair[0].1 + gap <= pair[1].0)
        };
        if fits(&self.marks) {
            return self.marks.clone();
        }
        if self.is_log {
            let decades = self.marks.iter().copied().filter(|mark| is_decade(*mark));
            let decades: Vec<f64> = decades.collect();
            if decades.len() > 1 && fits(&decades) {
                return decades;
            }
        }
        let every = |stride| self.marks.iter().copied().step_by(stride).collect::<Vec<f64>>();
        (2..=self.marks.len()).map(every).find(|marks| fits(marks)).unwrap_or_default()
    }
}

fn ends(marks: &[f64]) -> Range<f64> {
    let start = marks.first().copied().unwrap_or(1.0);
    let end = marks.last().copied().filter(|end| *end > start);
    start..end.unwrap_or(start + 1.0)
}

fn is_decade(mark: f64) -> bool {
    let place = mark.log10();
    (place - place.round()).abs() < 1e-9
}

/// `1 / (1 - quantile)` as the percentile that people know.
fn percentile(x: f64) -> String {
    let percent = format!("{:.6}", 100.0 * (1.0 - 1.0 / x));
    let percent = percent.trim_end_matches('0').trim_end_matches('.');
    if percent.is_empty() { "0".into() } else { percent.into() }
}

/// What is less, or more, is nothing that was measured, and has no marks of its own.
const LEAST: f64 = 1e-9;
const MOST: f64 = 1e30;
/// No axis has more marks.
const MARKS_MAX: u32 = 60;

/// Round marks from 0 to no less than `highest`; from 0 to 1 if that is nothing.
pub fn steps(highest: f64) -> Vec<f64> {
    let highest = if (LEAST..MOST).contains(&highest) { highest } else { 1.0 };
    let mut decade = 10_f64.powf((highest.log10() - 2.0).floor());
    let width = loop {
        let widths = [1.0, 2.0, 5.0].map(|digit| rounded(digit * decade));
        if let Some(width) = widths.into_iter().find(|width| highest / width <= 6.0) {
            break width;
        }
        decade *= 10.0;
    };
    let marks = (0..MARKS_MAX).map(|index| rounded(f64::from(index) * width));
    let mut is_reached = false;
    marks.take_while(|mark| !std::mem::replace(&mut is_reached, *mark >= highest)).collect()
}

/// Round marks around `low` and `high`, which are not negative; from 0, if that wastes little.
pub fn steps_between(low: f64, high: f64) -> Vec<f64> {
    let is_apart = high > low && low > 0.3 * high;
    if !is_apart {
        return steps(high);
    }
    let of_span = steps(high - low);
    let width = of_span.get(1).copied().unwrap_or(high - low);
    let first = (low / width).floor();
    let marks = (0..MARKS_MAX).map(|index| rounded((first + f64::from(index)) * width));
    let mut is_reached = false;
    marks.take_while(|mark| !std::mem::replace(&mut is_reached, *mark >= high)).collect()
}

/// Marks at 1, 2, 5, 10 and so on, from no more than `low` to no less than `high`, and no fewer
/// than two. Both have to be above zero.
pub fn log_steps(low: f64, high: f64) -> Vec<f64> {
    let mut marks: Vec<f64> = Vec::new();
    let mut decade = 10_f64.powf(low.log10().floor());
    for _ in 0..MARKS_MAX / 3 {
        for mark in [1.0, 2.0, 5.0].map(|digit| rounded(digit * decade)) {
            if mark <= low {
                marks.clear();
            }
            if marks.len() < 2 || marks.last().is_none_or(|last| *last < high) {
                marks.push(mark);
            }
        }
        decade *= 10.0;
    }
    marks
}

/// Without what sums and powers leave behind the twelfth digit.
fn rounded(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_shows_percentiles_as_people_know_them() {
        let shown: Vec<_> = [1.0, 2.0, 10.0, 100.0, 10_000.0].map(percentile).into();
        assert_eq!(shown, ["0", "50", "90", "99", "99.99"]);
    }

    #[test]
    fn marks_reach_from_below_the_least_to_above_the_greatest() {
        assert_eq!(steps(0.0), steps(1.0));
        assert_eq!(steps(0.3), [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]);
        assert_eq!(steps(7.0), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(steps(230_000.0).last(), Some(&250_000.0));
        assert_eq!(steps_between(500.0, 1000.0), [500.0, 600.0, 700.0, 800.0, 900.0, 1000.0]);
        assert_eq!(steps_between(100.0, 1000.0), steps(1000.0));
        assert_eq!(steps_between(7.0, 7.0), steps(7.0));
        assert_eq!(log_steps(78.0, 4100.0), [50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0]);
        assert_eq!(log_steps(10.0, 10.0), [10.0, 20.0]);
        assert_eq!(log_steps(0.1, 0.3), [0.1, 0.2, 0.5]);
    }

    #[test]
    fn no_more_than_a_third_of_an_axis_is_empty() {
        for exponent in -30..180 {
            let value = 1.1_f64.powi(exponent);
            let (marks, log_marks) = (steps(value), log_steps(value, 1.5 * value));
            assert!((3..=7).contains(&marks.len()), "{value}: {marks:?}");
            assert!(marks[marks.len() - 1] <= 1.5 * value, "{value}: {marks:?}");
            assert!(log_marks[0] <= value && log_marks[0] > value / 2.6, "{log_marks:?}");
            assert!(log_marks[log_marks.len() - 1] >= 1.5 * value, "{log_marks:?}");
        }
    }

    #[test]
    fn figures_that_cannot_be_have_an_axis_all_the_same() {
        let extremes = [0.0, 5e-324, 1e-300, 1e-9, 1.0, 1e18, 1e300, f64::MAX, f64::INFINITY];
        for low in extremes {
            for high in extremes.into_iter().filter(|high| *high >= low) {
                for marks in [steps(high), steps_between(low, high), log_steps(low, high)] {
                    let axis = Axis::log("", marks, |value| format!("{value}"));
                    assert!([low, high].iter().all(|value| axis.share(*value).is_finite()));
                    axis.legible(8.0, |mark| (axis.share(mark), axis.share(mark)));
                }
            }
        }
    }

    #[test]
    fn marks_without_room_are_left_out_evenly() {
        let tell = |value: f64| format!("{value}");
        let axis = Axis::log("", log_steps(1.0, 1000.0), tell);
        let wide = |mark: f64| (900.0 * axis.share(mark), 900.0 * axis.share(mark) + 50.0);
        assert_eq!(axis.legible(8.0, wide).len(), 10);
        let narrow = |mark: f64| (300.0 * axis.share(mark), 300.0 * axis.share(mark) + 50.0);
        assert_eq!(axis.legible(8.0, narrow), [1.0, 10.0, 100.0, 1000.0]);
        let axis = Axis::linear("", steps(6.0), tell);
        let place = |mark: f64| (100.0 * axis.share(mark), 100.0 * axis.share(mark) + 20.0);
        assert_eq!(axis.legible(8.0, place), [0.0, 2.0, 4.0, 6.0]);
    }

    #[test]
    fn what_lies_beyond_an_end_stands_at_it() {
        let axis = Axis::log("", vec![1.0, 10.0], |value| format!("{value}"));
        assert_eq!(
            [0.0, 0.5, 1.0, 10.0, 99.0].map(|value| axis.share(value)),
            [0.0, 0.0, 0.0, 1.0, 1.0]
        );
        let empty = Axis::linear("", Vec::new(), |value| format!("{value}"));
        assert!(empty.share(7.0).is_finite());
    }
}
