//! From bytes to lines: where each ends, which are too long, and what between them is not text.

use super::{Chat, LINE_BYTES};
use crate::engine::{Net, Peer};
use crate::services::lines::{Lines, line_length};

impl Chat {
    /// Takes lines from among telnet commands. An unfinished line is kept by the filter.
    pub(super) fn take_from_telnet(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let (mut rest, mut text) = (input, self.telnet.kept(peer));
        while !rest.is_empty() && !net.has_had_its_share() {
            let known = text.len();
            let refusal = self.telnet.read(peer, &mut rest, &mut text, net);
            if text.len() > known {
                let used = self.take_lines(peer, &text, net);
                text.drain(..used);
            }
            if let Some(refusal) = refusal {
                net.send(peer, &refusal);
            }
        }
        self.telnet.keep(peer, text);
        input.len() - rest.len()
    }

    /// Obeys the lines in `input`. Returns how much of it they have used.
    pub(super) fn take_lines(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let skipped = self.skip(peer, input);
        let mut lines = Lines::new(&input[skipped..]);
        for line in lines.by_ref() {
            self.obey(peer, line, net);
            if self.members.get(peer).is_none() {
                return input.len();
            }
            if net.has_had_its_share() {
                return skipped + lines.used;
            }
        }
        if !is_overlong(lines.rest()) {
            return skipped + lines.used;
        }
        self.refuse_overlong(peer, net);
        if let Some(member) = self.members.get_mut(peer) {
            member.is_skipping = true;
        }
        input.len()
    }

    /// How much of the head of `input` belongs to a line that was too long.
    pub(super) fn skip(&mut self, peer: Peer, input: &[u8]) -> usize {
        let Some(member) = self.members.get_mut(peer) else { return input.len() };
        if !member.is_skipping {
            return 0;
        }
        let length = line_length(input);
        member.is_skipping = length.is_none();
        length.unwrap_or(input.len())
    }
}

/// Whether `rest`, which has no LF, is too long for a line even if an LF follows.
fn is_overlong(rest: &[u8]) -> bool {
    rest.strip_suffix(b"\r").unwrap_or(rest).len() > LINE_BYTES
}
