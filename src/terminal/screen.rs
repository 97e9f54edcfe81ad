//! The lines on the terminal: drawn in place, erased, and in order whenever the program stops or
//! ends.
//!
//! The cursor rests at the beginning of the first line. So nothing has to be known about where the
//! lines are: whatever a resize, a shell or a log has made of the screen, they are drawn again, and
//! erased, from there on.

use std::fmt::Write;

use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use crate::reactor::HeldStop;
use crate::terminal::{Size, screen, size, write_all};

/// Takes away what is there from the cursor's line on. Some multiplexers keep in their history what
/// is cleared from the first place of a screen on, so the first line goes by itself.
const ERASED: &str = "\r\x1b[K\x1b[C\x1b[J\r";

/// What is shown on standard output (0) or standard error (1), which is a terminal.
pub(crate) struct Screen {
    which: usize,
    #[cfg_attr(not(feature = "bench"), allow(dead_code))] // only the bench has no loop
    held: Option<HeldStop>,
    /// For which size the lines were drawn that are shown.
    shown: Option<Size>,
}

impl Screen {
    /// Nothing is shown yet. From now on Ctrl-Z waits for `stops`, in all threads that are started
    /// as long as this lives.
    #[cfg(feature = "bench")]
    pub(crate) fn open() -> Screen {
        Screen { which: 1, held: HeldStop::new(), shown: None }
    }

    /// The same on standard output, by somebody whose loop sees to Ctrl-Z.
    #[cfg(feature = "admin")]
    pub(crate) fn of_output() -> Screen {
        Screen { which: 0, held: None, shown: None }
    }

    /// How large it is now.
    pub(crate) fn size(&self) -> Size {
        size(screen(self.which))
    }

    /// Shows these lines, which suit `size`, in the place of those that were shown.
    pub(crate) fn draw(&mut self, lines: &[String], size: Size) {
        // A terminal may have wrapped what was drawn for another size.
        if lines.is_empty() || self.shown.is_some_and(|shown| shown != size) {
            self.erase();
        }
        if !lines.is_empty() && self.is_in_front() {
            self.shown = Some(size);
            self.write(&drawn(lines));
        }
    }

    /// Shows nothing.
    pub(crate) fn erase(&mut self) {
        if self.shown.take().is_some() && self.is_in_front() {
            self.write(ERASED);
        }
    }

    /// Stops if somebody wants us to, with nothing shown; true if we have been brought back since.
    #[cfg(feature = "bench")]
    pub(crate) fn stops(&mut self) -> bool {
        let has_come = self.held.as_ref().is_some_and(HeldStop::has_come);
        if has_come {
            self.erase();
            self.held.iter().for_each(HeldStop::stop);
        }
        has_come
    }
}

impl Screen {
    /// Whether the terminal is ours to draw on, and not that of a shell that has put us in the
    /// background.
    fn is_in_front(&self) -> bool {
        tcgetpgrp(screen(self.which)).map_or(true, |front| front == getpgrp())
    }

    /// A terminal that is gone sees nothing.
    fn write(&self, text: &str) {
        let _ = write_all(screen(self.which), text.as_bytes());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.erase();
    }
}

/// Writes to standard error what a person is to see; a terminal that is gone sees nothing.
#[cfg(feature = "bench")]
pub(crate) fn write(text: &str) {
    let _ = write_all(screen(1), text.as_bytes());
}

/// The bytes that draw `lines`, at once where the terminal can do that (mode 2026).
fn drawn(lines: &[String]) -> String {
    let mut text = "\x1b[?2026h\r".to_owned();
    text.push_str(&lines.join("\x1b[K\r\n"));
    text.push_str("\x1b[J\r");
    if lines.len() > 1 {
        // Cannot fail: it is a string.
        let _ = write!(text, "\x1b[{}A", lines.len() - 1);
    }
    text.push_str("\x1b[?2026l");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_rests_where_the_first_line_begins_and_what_was_there_is_gone() {
        let mut terminal = vt100::Parser::new(4, 20, 0);
        terminal.process(b"one\r\ntwo\r\nthree\r\n");
        for lines in [vec!["first line", "second", "third"], vec!["1st", "2nd", "3rd"], vec!["1"]] {
            let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            terminal.process(drawn(&lines).as_bytes());
            // It has scrolled for three lines, once.
            let wanted = format!("three\n{}", lines.join("\n"));
            assert_eq!(terminal.screen().contents(), wanted);
            assert_eq!(terminal.screen().cursor_position(), (1, 0));
        }
        terminal.process(ERASED.as_bytes());
        assert_eq!(terminal.screen().contents(), "three");
        assert_eq!(terminal.screen().cursor_position(), (1, 0));
    }
}
