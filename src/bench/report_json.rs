//! Results as JSON: one object for one run, an array for several. The schema lies in
//! `schema/bench.schema.json`.

use std::fs;
use std::path::Path;

use super::report::Report;

/// The text for so many results.
pub(super) fn write(reports: &[Report]) -> String {
    let text = match reports {
        [only] => serde_json::to_string_pretty(only),
        several => serde_json::to_string_pretty(several),
    };
    // Keys are strings and no number is infinite, so this does not fail.
    text.unwrap_or_default() + "\n"
}

/// The results that such a file holds.
///
/// # Errors
/// One line: why it cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<Report>, String> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let several = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(&text),
        false => serde_json::from_str(&text).map(|report| vec![report]),
    };
    several.map_err(|error| format!("{name} is no result of cooee bench --json: {error}"))
}
