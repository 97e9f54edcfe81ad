//! Figures as people read them: commas between the thousands, and no more decimals than they
//! deserve.

pub use crate::units::grouped;

/// A figure to the next whole number, with commas.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative, below 2^53
pub fn whole(value: f64) -> String {
    grouped(value.round() as u64)
}

/// A figure with as many decimals as it deserves.
pub fn figure(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { whole(value) }
}

/// A figure without a decimal that says nothing, as in a name.
pub fn short(value: f64) -> String {
    figure(value).trim_end_matches(".0").into()
}

/// A figure, or a dash where there is none.
pub fn or_dash(value: Option<f64>) -> String {
    value.map_or("-".into(), figure)
}

/// A figure in no more than `width` columns: the longest ones without their last digits.
pub fn fitted(value: Option<f64>, width: usize) -> String {
    let text = or_dash(value);
    match value {
        Some(value) if text.len() > width => format!("{value:.2e}"),
        _ => text,
    }
}

/// Bytes a second, or bytes, in units that fit.
pub fn bytes(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{:.2} GB", value / 1e9),
        value if value >= 1e6 => format!("{:.1} MB", value / 1e6),
        value if value >= 1e3 => format!("{:.1} kB", value / 1e3),
        value => format!("{value:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_commas_and_the_decimals_they_deserve() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!((figure(12.34), figure(1234.5)), ("12.3".into(), "1,235".into()));
        assert_eq!((short(5.0), short(12.34)), ("5".into(), "12.3".into()));
        assert_eq!((or_dash(None), fitted(None, 3)), ("-".into(), "-".into()));
        assert_eq!(fitted(Some(1234.0), 5), "1,234");
        assert_eq!(fitted(Some(1_234_567.0), 8), "1.23e6");
        assert_eq!((bytes(999.0), bytes(15_800_000.0)), ("999 B".into(), "15.8 MB".into()));
    }
}
