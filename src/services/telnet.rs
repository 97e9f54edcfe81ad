//! The telnet commands among what people type (RFC 854, 855): they are taken out of the text, and
//! every option that is asked for is refused, so that somebody who connects with `telnet` can speak
//! like everybody else.
//!
//! A filter; it knows nothing of services. Nothing is kept about peers that never send the byte
//! with which commands begin.

use std::collections::BTreeMap;

use crate::engine::{Net, Peer};

/// Interpret as command: every command begins with it, and no UTF-8 text contains it.
const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
/// A subnegotiation begins (SB) and ends (SE).
const SB: u8 = 250;
const SE: u8 = 240;
/// The lowest byte that is a command (end of file, RFC 1184).
const COMMAND_MIN: u8 = 236;
/// The peer throws away what we send until this is answered (RFC 860), so it is always answered.
const TIMING_MARK: u8 = 6;
/// A subnegotiation longer than this is not one: what it has swallowed is gone, the rest is text.
const SUBNEGOTIATION_BYTES_MAX: usize = 256;
/// What each byte costs that passes the filter, in units of `Net::spend`.
const BYTE_UNITS: usize = 16;
/// What each refusal costs.
const REFUSAL_UNITS: usize = 512;

/// What the peer is to be told: three bytes.
pub(super) type OptionRefusal = [u8; 3];

/// Which options have been refused, one bit each.
type Options = [u128; 2];

/// How much of a command has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CommandState {
    #[default]
    Text,
    /// A CR has come, which may be half of a line end.
    Return,
    Command,
    /// WILL, WONT, DO or DONT has come; its option is next.
    Option(u8),
    /// Within a subnegotiation.
    Inside,
    /// Behind an IAC within it.
    InsideCommand,
}

/// One peer's commands.
#[derive(Default)]
struct Filter {
    state: CommandState,
    /// Whether it has asked for an option: then newlines within commands belong to them.
    negotiates: bool,
    will_refused: Options,
    do_refused: Options,
    /// The subnegotiation so far, which is text after all if it turns out not to be one.
    inside: Vec<u8>,
    /// Text that its service has not used yet.
    kept: Vec<u8>,
}

/// The peers that have sent a command, or what looked like one.
#[derive(Default)]
pub(super) struct Telnet {
    filters: BTreeMap<Peer, Box<Filter>>,
}

impl Telnet {
    /// Whether `input` of `peer` has to pass the filter.
    pub(super) fn concerns(&self, peer: Peer, input: &[u8]) -> bool {
        memchr::memchr(IAC, input).is_some() || self.filters.contains_key(&peer)
    }

    /// The text that a service has left unused, to be given to `read` and then back to `keep`.
    pub(super) fn kept(&mut self, peer: Peer) -> Vec<u8> {
        self.filters
            .get_mut(&peer)
            .map(|filter| std::mem::take(&mut filter.kept))
            .unwrap_or_default()
    }

    /// Moves text from the head of `input` to the end of `text`, an unfinished line, and takes what
    /// it has moved out of `input`. It stops where the line ends, or where an option has to be
    /// refused: it returns that refusal.
    pub(super) fn read(
        &mut self,
        peer: Peer,
        input: &mut &[u8],
        text: &mut Vec<u8>,
        net: &mut Net,
    ) -> Option<OptionRefusal> {
        let length = input.len();
        let refusal = self.filters.entry(peer).or_default().read_line(input, text);
        net.spend(BYTE_UNITS * (length - input.len()));
        net.spend(refusal.map_or(0, |_| REFUSAL_UNITS));
        refusal
    }

    /// Keeps text that has not been used.
    pub(super) fn keep(&mut self, peer: Peer, text: Vec<u8>) {
        if let Some(filter) = self.filters.get_mut(&peer) {
            filter.kept = text;
        }
    }

    /// Forgets `peer`. Returns the text that was kept, and behind it the beginning of a command
    /// that will not end any more and may have been text.
    pub(super) fn forget(&mut self, peer: Peer) -> Vec<u8> {
        let Some(mut filter) = self.filters.remove(&peer) else { return Vec::new() };
        let mut text = std::mem::take(&mut filter.kept);
        if !filter.negotiates {
            filter.give_up(&mut text);
        }
        text
    }
}

impl Filter {
    /// What `Telnet::read` does.
    fn read_line(&mut self, input: &mut &[u8], text: &mut Vec<u8>) -> Option<OptionRefusal> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            let refusal = self.take(*byte, text);
            if refusal.is_some() || text.ends_with(b"\n") {
                return refusal;
            }
        }
        None
    }

    fn take(&mut self, byte: u8, text: &mut Vec<u8>) -> Option<OptionRefusal> {
        let state = std::mem::take(&mut self.state);
        match (state, byte) {
            (CommandState::Text | CommandState::Return, IAC) => self.state = CommandState::Command,
            // CR NUL is a line end too: the Return key may send it (RFC 1123, 3.3.1).
            (CommandState::Return, 0) => text.push(b'\n'),
            (CommandState::Text | CommandState::Return, _) => self.push(byte, text),
            (CommandState::Command, IAC) => text.push(IAC),
            (CommandState::Command, WILL | WONT | DO | DONT) => {
                self.state = CommandState::Option(byte);
            }
            (CommandState::Command, SB) => self.state = CommandState::Inside,
            (CommandState::Command, COMMAND_MIN..) => {}
            (CommandState::Command, _) => {
                text.push(IAC);
                self.push(byte, text);
            }
            // The 0xff was no command, but a stray byte in a line, which must not lose its end.
            (CommandState::Option(verb), b'\n') if !self.negotiates => {
                text.extend_from_slice(&[IAC, verb, byte]);
            }
            (CommandState::Option(verb), option) => return self.refuse(verb, option),
            (CommandState::InsideCommand, SE) => self.inside = Vec::new(),
            (CommandState::Inside, IAC) => self.state = CommandState::InsideCommand,
            (CommandState::Inside | CommandState::InsideCommand, _) => {
                self.go_inside(state, byte, text);
            }
        }
        None
    }

    fn push(&mut self, byte: u8, text: &mut Vec<u8>) {
        text.push(byte);
        if byte == b'\r' {
            self.state = CommandState::Return;
        }
    }

    /// One more byte of what may be a subnegotiation.
    fn go_inside(&mut self, state: CommandState, byte: u8, text: &mut Vec<u8>) {
        if state == CommandState::InsideCommand {
            self.inside.push(IAC);
        }
        self.inside.push(byte);
        self.state = CommandState::Inside;
        if byte == b'\n' && !self.negotiates {
            return self.give_up(text);
        }
        if self.inside.len() > SUBNEGOTIATION_BYTES_MAX {
            match self.negotiates {
                true => (self.state, self.inside) = (CommandState::Text, Vec::new()),
                false => self.give_up(text),
            }
        }
    }

    /// What looked like a command was not one, but text.
    fn give_up(&mut self, text: &mut Vec<u8>) {
        match std::mem::take(&mut self.state) {
            CommandState::Text | CommandState::Return => {}
            CommandState::Command => text.push(IAC),
            CommandState::Option(verb) => text.extend_from_slice(&[IAC, verb]),
            CommandState::Inside => text.extend_from_slice(&[IAC, SB]),
            CommandState::InsideCommand => text.extend_from_slice(&[IAC, SB, IAC]),
        }
        text.append(&mut self.inside);
    }

    /// Refuses an option that is asked for or offered, once. A refusal is not answered: that would
    /// never end.
    fn refuse(&mut self, verb: u8, option: u8) -> Option<OptionRefusal> {
        self.negotiates = true;
        let (answer, refused) = match verb {
            DO => (WONT, &mut self.do_refused),
            WILL => (DONT, &mut self.will_refused),
            _ => return None,
        };
        let (row, bit) = (usize::from(option >> 7), 1_u128 << (option & 127));
        let told = refused[row] & bit != 0;
        refused[row] |= bit;
        (!told || (verb == DO && option == TIMING_MARK)).then_some([IAC, answer, option])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text and the refusals that come of `pieces`.
    fn filtered(pieces: &[&[u8]]) -> (Vec<u8>, Vec<OptionRefusal>) {
        let (mut telnet, mut refusals) = (Telnet::default(), Vec::new());
        let peer = Peer::from_bits(1);
        let (mut text, mut line) = (Vec::new(), Vec::new());
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                let filter = telnet.filters.entry(peer).or_default();
                refusals.extend(filter.read_line(&mut piece, &mut line));
                if line.ends_with(b"\n") {
                    text.append(&mut line);
                }
            }
        }
        text.append(&mut line);
        text.extend_from_slice(&telnet.forget(peer));
        (text, refusals)
    }

    fn text(input: &[u8]) -> Vec<u8> {
        filtered(&[input]).0
    }

    #[test]
    fn commands_are_no_text() {
        assert_eq!(text(b"\xff\xf4\xff\xfd\x06after\r\n"), b"after\r\n");
        assert_eq!(text(b"a\xff\xf1b\xff\xf6c\xff\xf2d\xff\xecd\n"), b"abcdd\n");
        assert_eq!(text(b"\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0hi\n"), b"hi\n");
        assert_eq!(text(b"\xff\xfb\x1f\xff\xfa\x1f\x00\x0a\x00\x0a\xff\xf0hi\n"), b"hi\n");
        assert_eq!(text(b"\xff\xfa\x18\xff\xff\xff\xf0hi\n"), b"hi\n");
        assert_eq!(text(b"\xff\xffx\xff\xf0y"), b"\xffxy");
        assert_eq!(text(b"\xff\xf1one\r\0two\r\nthree\r\r\0"), b"one\r\ntwo\r\nthree\r\r\n");
    }

    #[test]
    fn each_option_is_refused_once_and_no_refusal_is_answered() {
        let all: Vec<u8> =
            (0..=255).flat_map(|option| [IAC, DO, option, IAC, WILL, option]).collect();
        let (text, refusals) = filtered(&[&all, &all]);
        assert_eq!(text, b"");
        // The timing mark was asked for twice, and is waited for each time.
        assert_eq!(refusals.len(), 2 * 256 + 1);
        assert_eq!(refusals[..2], [[IAC, WONT, 0], [IAC, DONT, 0]]);
        let refused: Vec<u8> =
            (0..=255).flat_map(|option| [IAC, DONT, option, IAC, WONT, option]).collect();
        assert_eq!(filtered(&[&refused]), (vec![], vec![]));
    }

    #[test]
    fn every_interruption_is_answered() {
        let interrupted = b"\xff\xf4\xff\xfd\x06";
        let (_, refusals) = filtered(&[interrupted, interrupted, interrupted]);
        assert_eq!(refusals, [[IAC, WONT, TIMING_MARK]; 3]);
    }

    #[test]
    fn text_with_stray_bytes_loses_no_line_and_waits_for_nothing() {
        for line in [
            &b"caf\xff\n"[..],
            b"\xff\xfb\n",
            b"\xff\xfa words and words\n",
            b"\xff\xfa\xff\n",
            b"\xff\xfa\xff",
            b"\xffhi",
            b"hi\xff",
            b"hi\xff\xfa",
            b"\xff\xfb",
        ] {
            assert_eq!(text(line), line, "{line:?}");
        }
        let endless = [&b"\xff\xfa"[..], &[b'x'; 2000], b"\nhi\n"].concat();
        assert_eq!(text(&endless), endless);
        let swallowed = text(&[&b"\xff\xfb\x01"[..], &endless].concat());
        assert_eq!(swallowed.len(), 2000 + 4 - SUBNEGOTIATION_BYTES_MAX - 1);
        assert!(swallowed.ends_with(b"x\nhi\n"));
    }

    #[test]
    fn nothing_is_kept_of_those_who_send_no_command() {
        let telnet = Telnet::default();
        assert!(!telnet.concerns(Peer::from_bits(1), "Grüße, 世界 👋\r\n".as_bytes()));
        assert!(telnet.filters.is_empty());
    }

    proptest! {
        #[test]
        fn where_the_input_was_cut_changes_nothing(
            input in prop::collection::vec(
                prop::sample::select(&[255, 255, 255, 254, 253, 252, 251, 250, 240, 241, 6, 1,
                    10, 13, 0, b'x'][..]),
                0..60,
            ),
            at in any::<prop::sample::Index>(),
        ) {
            let whole = filtered(&[&input]);
            let (head, tail) = input.split_at(at.index(input.len() + 1));
            prop_assert_eq!(&filtered(&[head, tail]), &whole);
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            prop_assert_eq!(&filtered(&bytes), &whole);
        }
    }
}
