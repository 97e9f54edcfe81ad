//! What a server says, on its way to standard output: as it came for a filter, made visible and
//! line by line for a terminal. Also where a message ends.

use std::ops::Range;
use std::time::Duration;

use crate::engine::{Net, Time};
use crate::services::text::push_visible;
use crate::tty::stdio::Stdio;

/// How long text without a newline waits for more before it counts as a message.
const QUIET: Duration = Duration::from_millis(100);
/// Unfinished text longer than this is shown without waiting any longer.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Messages out of a stream: lines, or text after which nothing came for `QUIET`, as classic
/// socket programs send it.
#[derive(Default)]
pub(crate) struct Messages {
    unfinished: Vec<u8>,
    last_text: Time,
}

impl Messages {
    /// The messages that `input` completes, with their line ends.
    pub(crate) fn push(&mut self, input: &[u8], net: &mut Net) -> Vec<Vec<u8>> {
        self.unfinished.extend_from_slice(input);
        self.last_text = net.now();
        let lines = self.unfinished.split_inclusive(|byte| *byte == b'\n');
        let mut complete: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
        let goes_on =
            |last: &mut Vec<u8>| !last.ends_with(b"\n") && last.len() <= MESSAGE_BYTES_MAX;
        self.unfinished = complete.pop_if(goes_on).unwrap_or_default();
        if !self.unfinished.is_empty() {
            net.wake_in(QUIET);
        }
        complete
    }

    /// The message that silence has completed. To be called from `alarm`.
    pub(crate) fn quiet(&mut self, net: &mut Net) -> Option<Vec<u8>> {
        let over = self.last_text.after(QUIET);
        if !self.unfinished.is_empty() && over > net.now() {
            net.wake_at(over);
            return None;
        }
        self.rest()
    }

    /// The message that the end of the stream has completed.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        (!self.unfinished.is_empty()).then(|| std::mem::take(&mut self.unfinished))
    }
}

/// Shows what a server says, as standard output allows it.
pub(crate) struct Display {
    stdio: Stdio,
    messages: Messages,
}

impl Display {
    pub(crate) fn new(stdio: Stdio) -> Display {
        Display { stdio, messages: Messages::default() }
    }

    /// Shows what has come.
    pub(crate) fn take(&mut self, input: &[u8], net: &mut Net) {
        self.take_but(input, net, |_| false);
    }

    /// The same without the messages that are `hidden` from a terminal.
    pub(crate) fn take_but(
        &mut self,
        input: &[u8],
        net: &mut Net,
        mut hidden: impl FnMut(&[u8]) -> bool,
    ) {
        if !self.stdio.is_terminal {
            return net.print(input);
        }
        for message in self.messages.push(input, net) {
            if !hidden(&message) {
                self.show(&message, net);
            }
        }
    }

    /// Shows text that no newline has ended. To be called from `alarm`.
    pub(crate) fn alarm(&mut self, net: &mut Net) {
        if let Some(message) = self.messages.quiet(net) {
            self.show(&message, net);
        }
    }

    /// Shows what is left: nothing more will come.
    pub(crate) fn finish(&mut self, net: &mut Net) {
        if let Some(message) = self.messages.rest() {
            self.show(&message, net);
        }
    }

    /// A remark of our own, for a person at a terminal only.
    pub(crate) fn remark(&self, text: &str, net: &mut Net) {
        if self.stdio.is_interactive {
            net.print(format!("* {text}\n").as_bytes());
        }
    }

    /// Something that whoever waits for us should know.
    pub(super) fn warn(&self, text: &str, net: &mut Net) {
        match self.stdio.is_interactive {
            true => self.remark(text, net),
            false => log::warn!("{text}"),
        }
    }

    /// One message as a line, with whoever it names as its speaker in colour.
    fn show(&self, message: &[u8], net: &mut Net) {
        let mut line = visible_line(message);
        if let Some(Range { start, end }) = speaker(&line).filter(|_| self.stdio.is_coloured) {
            line.insert_str(end, PLAIN);
            line.insert_str(start, colour_of(&line[start..end]));
        }
        line.push('\n');
        net.print(line.as_bytes());
    }
}

/// `message` without its line end, made visible.
pub(crate) fn visible_line(message: &[u8]) -> String {
    let text = message.strip_suffix(b"\n").unwrap_or(message);
    let mut line = String::new();
    push_visible(&mut line, text.strip_suffix(b"\r").unwrap_or(text));
    line
}

const PLAIN: &str = "\x1b[0m";
const COLOURS: [&str; 6] = ["\x1b[36m", "\x1b[32m", "\x1b[33m", "\x1b[35m", "\x1b[34m", "\x1b[31m"];

/// `name` in the colour that it always has.
pub(crate) fn coloured(name: &str, stdio: Stdio) -> String {
    match stdio.is_coloured {
        true => format!("{}{name}{PLAIN}", colour_of(name)),
        false => name.into(),
    }
}

fn colour_of(name: &str) -> &'static str {
    let sum = name.bytes().fold(0_usize, |sum, byte| sum * 31 % 1009 + usize::from(byte));
    COLOURS[sum % COLOURS.len()]
}

/// Where `<name>` stands in a chat line, or the `[from name]` of a private message: at its head, or
/// behind what says that it is an old one.
fn speaker(line: &str) -> Option<Range<usize>> {
    let is_old = line.starts_with("[earlier, ");
    let start = if is_old { line.find("] ")? + 2 } else { 0 };
    let rest = &line[start..];
    let end = match rest.as_bytes().first()? {
        b'<' => rest.find("> ")?,
        b'[' => rest.find("] ")?,
        _ => return None,
    };
    (end <= 40).then_some(start..start + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Peer, Service};

    /// Displays what comes.
    struct Viewer(Display);

    impl Service for Viewer {
        fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
            self.0.take(input, net);
            input.len()
        }

        fn alarm(&mut self, net: &mut Net) {
            self.0.alarm(net);
        }

        fn finished(&mut self, _: Peer, _: &[u8], net: &mut Net) {
            self.0.finish(net);
        }
    }

    fn viewer(stdio: Stdio) -> (Stage, Peer) {
        let mut stage = Stage::new(Viewer(Display::new(stdio)));
        let peer = stage.join();
        (stage, peer)
    }

    const TERMINAL: Stdio = Stdio { is_terminal: true, is_interactive: true, is_coloured: false };

    #[test]
    fn a_filter_passes_on_what_came_as_it_came() {
        let (mut stage, peer) = viewer(Stdio::default());
        stage.say(peer, "\x1b[31mred\r\nrest");
        assert_eq!(stage.screen(), "\x1b[31mred\r\nrest");
    }

    #[test]
    fn a_terminal_gets_whole_lines_that_cannot_drive_it() {
        let (mut stage, peer) = viewer(TERMINAL);
        stage.say(peer, "\x1b[31mr");
        assert_eq!(stage.screen(), "");
        stage.say(peer, "ed\r\n\nand \rmore");
        assert_eq!(stage.screen(), "\\x1b[31mred\n\n");
        stage.finish(peer);
        assert_eq!(stage.screen(), "and \\rmore\n");
    }

    #[test]
    fn text_without_a_newline_is_shown_when_nothing_has_followed_for_a_while() {
        let (mut stage, peer) = viewer(TERMINAL);
        stage.say(peer, "hel");
        stage.pass(Duration::from_millis(60));
        stage.say(peer, "lo");
        stage.pass(Duration::from_millis(60));
        assert_eq!(stage.screen(), "");
        stage.pass(Duration::from_millis(40));
        assert_eq!(stage.screen(), "hello\n");
    }

    #[test]
    fn many_short_lines_keep_no_more_memory_than_they_have() {
        /// Counts what the messages have room for.
        struct Counter(Messages, usize);

        impl Service for Counter {
            fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
                self.1 += self.0.push(input, net).iter().map(Vec::capacity).sum::<usize>();
                net.show(&self.1.to_string());
                input.len()
            }
        }
        let mut stage = Stage::new(Counter(Messages::default(), 0));
        let peer = stage.join();
        stage.say(peer, "\n".repeat(1000));
        let kept: usize = stage.screen().trim_end().rsplit('\n').next().unwrap().parse().unwrap();
        assert!(kept < 10_000, "{kept}");
    }

    #[test]
    fn only_who_speaks_is_coloured() {
        let (mut stage, peer) = viewer(Stdio { is_coloured: true, ..TERMINAL });
        stage.say(peer, "<ann> hi <b>\n* bob joined\n<unclosed\n");
        let shown = stage.screen();
        let (line, rest) = shown.split_once('\n').unwrap();
        assert!(line.starts_with("\x1b[3") && line.ends_with("m<ann>\x1b[0m hi <b>"), "{line:?}");
        assert_eq!(rest, "* bob joined\n<unclosed\n");
        stage.say(peer, "[earlier, 14:03 UTC] <ann> hi\n[earlier, 14:03 UTC] * bob waves\n");
        let old = stage.screen();
        let (head, rest) = old.split_once("\x1b[3").unwrap();
        assert_eq!(head, "[earlier, 14:03 UTC] ");
        assert!(rest.ends_with("m<ann>\x1b[0m hi\n[earlier, 14:03 UTC] * bob waves\n"), "{rest:?}");
    }
}
