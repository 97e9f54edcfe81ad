//! The text behind the options in a command's help, taken apart for its manual page.

/// What stands behind the options.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Behind {
    /// Blocks under a heading, whose lines stay as they are written.
    pub(super) blocks: Vec<(String, Vec<String>)>,
    /// Text that belongs to no block. How the command ends has a section of its own.
    pub(super) notes: String,
}

/// A heading is a line of its own that ends in a colon; what is indented below it is its block.
pub(super) fn take_apart(text: &str) -> Behind {
    let mut behind = Behind::default();
    let mut notes: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match (line.strip_prefix("  "), line.strip_suffix(':')) {
            (Some(inner), _) => {
                if let Some((_, lines)) = behind.blocks.last_mut() {
                    lines.push(inner.to_owned());
                }
            }
            (None, Some(heading)) => behind.blocks.push((heading.to_owned(), Vec::new())),
            (None, None) => notes.push(line),
        }
    }
    let notes = notes.join(" ");
    let end = notes.find("Exit status:").unwrap_or(notes.len());
    behind.notes = notes[..end].trim().to_owned();
    behind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stay_as_they_are_and_the_rest_is_notes() {
        let text = "\nWhat there is:\n  a   b\n\nExamples:\n  x\n    y\n\nSome words,\nand more.\n\
                    Exit status: 0 fine.";
        let behind = take_apart(text);
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(behind.blocks[0], ("What there is".to_owned(), owned(&["a   b"])));
        assert_eq!(behind.blocks[1], ("Examples".to_owned(), owned(&["x", "  y"])));
        assert_eq!(behind.notes, "Some words, and more.");
    }
}
