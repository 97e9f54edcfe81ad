//! Figures over time as rows of characters.

/// The characters that a graph is made of, from nothing to a full one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glyphs {
    levels: [char; LEVELS + 1],
    /// Between the scale and the graph.
    pub(crate) edge: char,
}

/// How many heights a character can show, beside none.
const LEVELS: usize = 8;

/// Blocks, where they can be shown.
pub(crate) const BLOCKS: Glyphs =
    Glyphs { levels: [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'], edge: '│' };
/// What every terminal has.
pub(crate) const ASCII: Glyphs =
    Glyphs { levels: [' ', '_', '.', ',', '-', '=', '+', '*', '#'], edge: '|' };

impl Glyphs {
    /// Those that a locale can show. `named`: how to look up a variable of the environment.
    pub(crate) fn of_locale(named: impl Fn(&str) -> Option<String>) -> Glyphs {
        // The first that is set decides, see locale(7).
        let set = |name: &&str| named(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { BLOCKS } else { ASCII }
    }
}

/// A round figure that none of `values` exceeds: 1, 2 or 5 and zeros; at least 1.
pub(crate) fn top_of(values: impl Iterator<Item = f64>) -> f64 {
    let most = values.fold(1.0_f64, f64::max).min(f64::MAX / 10.0);
    let zeros = 10.0_f64.powf(most.log10().floor());
    // Rounding may have made a 1 of 0.999...
    let round = [1.0, 2.0, 5.0, 10.0].map(|first| first * zeros);
    round.into_iter().find(|top| *top >= most).unwrap_or(10.0 * zeros)
}

/// `values` as columns of so many rows, the upper one first. `top` is what fills a column; whatever
/// is above zero shows.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the levels
#[allow(clippy::cast_precision_loss)] // a few rows
pub(crate) fn graph(values: &[Option<f64>], top: f64, rows: usize, glyphs: Glyphs) -> Vec<String> {
    let height = |value: &Option<f64>| match *value {
        Some(value) if value > 0.0 => {
            let share = (value / top).min(1.0);
            ((share * (rows * LEVELS) as f64).round() as usize).max(1)
        }
        _ => 0,
    };
    let row = |below: usize| {
        let level = |value| height(value).saturating_sub(below * LEVELS).min(LEVELS);
        values.iter().map(|value| glyphs.levels[level(value)]).collect()
    };
    (0..rows).rev().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &[f64], top: f64, rows: usize, glyphs: Glyphs) -> Vec<String> {
        graph(&values.iter().copied().map(Some).collect::<Vec<_>>(), top, rows, glyphs)
    }

    #[test]
    fn a_column_is_as_high_as_its_share_of_the_top() {
        let values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(drawn(&values, 8.0, 1, BLOCKS), [" ▁▂▃▄▅▆▇█"]);
        assert_eq!(drawn(&values, 8.0, 1, ASCII), [" _.,-=+*#"]);
        assert_eq!(drawn(&values, 8.0, 2, BLOCKS), ["     ▂▄▆█", " ▂▄▆█████"]);
    }

    #[test]
    fn little_shows_nothing_does_not_and_too_much_fills() {
        assert_eq!(drawn(&[0.001, 1e300], 8.0, 1, BLOCKS), ["▁█"]);
        assert_eq!(graph(&[None, Some(f64::NAN)], 8.0, 2, BLOCKS), ["  ", "  "]);
        assert_eq!(drawn(&[], 8.0, 1, BLOCKS), [""]);
    }

    #[test]
    fn the_top_is_round_and_no_less_than_any_value() {
        for (most, top) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (20.0, 20.0),
            (20.1, 50.0),
            (51.0, 100.0),
            (138_000.0, 200_000.0),
            (600_000_000.0, 1e9),
        ] {
            let found = top_of([most, 0.5].into_iter());
            assert!((found / top - 1.0).abs() < 1e-9, "{most}: {found}");
        }
        assert!(top_of([f64::INFINITY].into_iter()).is_finite());
        assert!(top_of([].into_iter()) > 0.0);
    }

    #[test]
    fn blocks_are_for_locales_that_have_them() {
        let of = |set: &[(&str, &str)]| {
            let named = |name: &str| {
                set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
            };
            Glyphs::of_locale(named) == BLOCKS
        };
        assert!(of(&[("LANG", "en_GB.UTF-8")]));
        assert!(of(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(!of(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(!of(&[]));
    }
}
