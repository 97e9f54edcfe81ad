//! What standard input and output are, and so how a client behaves.

use rustix::stdio::{stdin, stdout};
use rustix::termios::isatty;

use crate::terminal::is_dumb;

/// What standard input and output are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stdio {
    /// Standard output is a terminal: nothing that a peer says may drive it.
    pub(crate) is_terminal: bool,
    /// There is a person at both ends of the terminal.
    pub(crate) is_interactive: bool,
    /// Who speaks may be coloured.
    pub(crate) is_coloured: bool,
}

impl Stdio {
    /// Those of this process.
    pub(crate) fn detect() -> Stdio {
        let is_terminal = isatty(stdout());
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_coloured = is_terminal && !is_set("NO_COLOR") && !is_dumb();
        Stdio { is_terminal, is_interactive: is_terminal && isatty(stdin()), is_coloured }
    }
}
