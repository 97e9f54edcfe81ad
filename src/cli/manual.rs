//! The manual page: a part for the whole program, then one for each command.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::Cli;

/// The whole page, for man(1).
///
/// # Errors
/// None that is known: it is written to memory.
pub fn page() -> io::Result<String> {
    let mut root = Cli::command().disable_help_subcommand(true);
    // Tells each command its name with those before it.
    root.build();
    let mut page = String::new();
    push(&mut page, &root, "cooee")?;
    Ok(page)
}

/// Adds the part of `command`, which is called by `name`, and of those within it.
fn push(page: &mut String, command: &Command, name: &str) -> io::Result<()> {
    let source = format!("cooee {}", env!("CARGO_PKG_VERSION"));
    let named = command.clone().display_name(name.to_owned());
    let mut part = Vec::new();
    Man::new(named).title(name).source(source).render(&mut part)?;
    let mut part = with_headings(&String::from_utf8_lossy(&part));
    for within in command.get_subcommands() {
        // These are parts of this page, and no pages of their own.
        let word = within.get_name();
        part = part.replace(&format!("{name}\\-{word}(1)"), &format!("{name} {word}"));
    }
    page.push_str(&part);
    for within in command.get_subcommands() {
        push(page, within, &format!("{name} {}", within.get_name()))?;
    }
    Ok(())
}

/// The text behind the options, which clap_mangen calls EXTRA, in sections with the headings that
/// it has in the help. What stands behind the examples is notes.
fn with_headings(part: &str) -> String {
    let Some((before, extra)) = part.split_once(".SH EXTRA\n") else { return part.into() };
    let mut text = before.to_owned();
    let mut is_notes = false;
    for line in extra.lines().filter(|line| !line.is_empty()) {
        let is_text = !line.starts_with([' ', '.']);
        match line.strip_suffix(':').filter(|_| is_text) {
            Some(heading) => text.push_str(&format!(".SH {}\n", heading.to_uppercase())),
            None if is_text && !is_notes => {
                is_notes = true;
                text.push_str(&format!(".SH NOTES\n{line}\n"));
            }
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_called_by_the_words_that_one_types() {
        let page = page().unwrap();
        for line in [
            ".TH cooee 1",
            ".TH \"cooee serve\" 1",
            "cooee serve \\- Serve echo,",
            "\\fBcooee serve\\fR [\\fB\\-\\-host\\fR]",
            ".SH EXAMPLES",
            ".SH NOTES",
            ".SH WHAT THERE IS TO SERVE",
        ] {
            let is_there = page.lines().any(|found| found.starts_with(line));
            assert!(is_there, "{line}");
        }
        for command in Cli::command().get_subcommands() {
            let name = format!("cooee {}", command.get_name());
            let listed = page.lines().filter(|line| *line == name).count();
            assert_eq!(listed, 1, "{name}");
        }
        assert!(!page.contains(".SH EXTRA") && !page.contains("cooee\\-"), "{page}");
    }

    #[cfg(feature = "bench")]
    #[test]
    fn a_command_within_a_command_has_its_part_too() {
        assert!(page().unwrap().contains("\n.TH \"cooee bench compare\" 1"));
    }

    #[test]
    fn text_behind_the_options_has_the_headings_of_the_help() {
        let part = ".SH OPTIONS\n\\-v\n.SH EXTRA\n\nExamples:\n  a\n  b\n\nSome\nwords.\n";
        let wanted = ".SH OPTIONS\n\\-v\n.SH EXAMPLES\n  a\n  b\n.SH NOTES\nSome\nwords.\n";
        assert_eq!(with_headings(part), wanted);
    }
}
