//! A comparison for people, in 80 columns.

use std::fmt::Write;

use super::row::ComparedRow;
use super::{ComparedPair, Comparison};
use crate::bench::figures::figure;

/// No line is longer, unless one word is.
const COLUMNS: usize = 80;

/// The whole text.
pub(super) fn table(found: &Comparison) -> String {
    let mut out = String::new();
    for pair in &found.pairs {
        add_pair(&mut out, pair);
    }
    for alone in &found.alone {
        add_line(&mut out, "", alone);
    }
    out
}

fn add_pair(out: &mut String, pair: &ComparedPair) {
    add_line(out, "", &pair.name);
    for (name, side) in [("A", &pair.before), ("B", &pair.after)] {
        let runs = if side.runs > 1 { format!(", {} runs", side.runs) } else { String::new() };
        add_line(out, "  ", &format!("{name}  {}{runs}", side.target));
    }
    for difference in &pair.differing {
        let (name, a, b) = (difference.name, &difference.before, &difference.after);
        add_line(out, "  ", &format!("not the same: {name} {a} in A, {b} in B"));
    }
    for (name, side) in [("A", &pair.before), ("B", &pair.after)] {
        if let Some(why) = &side.partial {
            add_line(out, "  ", &format!("{name} is partial: {why}"));
        }
    }
    if pair.before.runs > 1 || pair.after.runs > 1 {
        add_line(
            out,
            "  ",
            "A and B: medians of the runs, of errors the mean; B/A: from all of them",
        );
    }
    if !pair.rows.is_empty() {
        add_rows(out, &pair.rows);
    }
    add_line(out, "  ", &pair.sentence);
    for remark in &pair.remarks {
        add_line(out, "  ", remark);
    }
}

fn add_rows(out: &mut String, rows: &[ComparedRow]) {
    let has_intervals = rows.iter().any(|row| row.interval.is_some());
    let title = if has_intervals { "  99 % interval" } else { "" };
    let _ = writeln!(out, "  {:<6} {:>11} {:>11} {:>6}{title}", "", "A", "B", "B/A");
    for row in rows {
        let interval = match row.interval {
            Some((low, high)) => format!("{} - {}", share(low), share(high)),
            None => "-".into(),
        };
        let interval = if has_intervals { format!("  {interval:>13}") } else { String::new() };
        let _ = writeln!(
            out,
            "  {:<6} {:>11} {:>11} {:>6}{interval}  {}",
            row.name,
            figure(row.before),
            figure(row.after),
            row.ratio.map_or("-".into(), share),
            row.brief()
        );
    }
}

/// A ratio in at most five places.
fn share(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 9.9995 => format!("{ratio:.3}"),
        ratio if ratio < 99.995 => format!("{ratio:.2}"),
        ratio if ratio < 999.95 => format!("{ratio:.1}"),
        ratio if ratio < 9999.5 => format!("{ratio:.0}"),
        _ => ">9999".into(),
    }
}

/// `text`, indented and broken between words; what follows stands further in.
fn add_line(out: &mut String, indent: &str, text: &str) {
    let mut line = indent.to_string();
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            let _ = writeln!(out, "{line}");
            line = format!("{indent}    ");
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words() {
        let mut out = String::new();
        add_line(&mut out, "  ", &"word ".repeat(30));
        add_line(&mut out, "", &"x".repeat(90));
        assert_eq!(out.lines().count(), 4, "{out}");
        assert!(out.lines().take(3).all(|line| line.chars().count() <= COLUMNS), "{out}");
        assert!(out.lines().nth(1).unwrap().starts_with("      word"), "{out}");
    }

    #[test]
    fn a_ratio_has_at_most_five_places() {
        let told = [0.9084, 9.9999, 12.345, 123.45, 1234.6, 1e5, 0.0].map(share);
        assert_eq!(told, ["0.908", "10.00", "12.35", "123.5", "1235", ">9999", "0.000"]);
    }
}
