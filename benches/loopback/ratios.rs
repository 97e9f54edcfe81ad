//! A contender beside the first: the ratios of a figure, one for each round.

/// The least ratio of p99 that is worse beyond doubt.
const WORSE: f64 = 1.10;

/// Round by round.
pub(crate) struct Ratios(Vec<f64>);

impl Ratios {
    /// Of `ours` to `theirs`, which are neighbours in time.
    pub(crate) fn of(ours: &[f64], theirs: &[f64]) -> Ratios {
        Ratios(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// The least and the greatest, for people.
    pub(crate) fn spread(&self) -> String {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(0.0, f64::max);
        format!("{least:.2}..{most:.2}")
    }

    /// Whether they lie above what a tail may have, all of them: one luckier round, and it may
    /// have been the machine.
    pub(crate) fn are_worse(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|ratio| *ratio > WORSE)
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(low), values.get(high)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => f64::NAN,
    }
}

/// Below the table: in which cells the p99 of whom was worse than that of `base`, so many times.
/// `worse` has a name and those cells for each contender.
pub(crate) fn verdict(base: &str, rounds: usize, worse: &[(&str, Vec<&str>)]) -> Vec<String> {
    let what = format!("above {WORSE:.2} of that of {base} in each of {rounds} rounds");
    let such = worse.iter().filter(|(_, cells)| !cells.is_empty());
    let mut notes: Vec<String> =
        such.map(|(name, cells)| format!("p99 of {name} {what}: {}.", cells.join("; "))).collect();
    if notes.is_empty() {
        notes.push(format!("p99 {what}: nowhere."));
    }
    notes
}
