//! One room: a member says lines, all others must hear each of them once and in order.
//!
//! Works with any chat that passes lines on: what stands before the text does not matter, and
//! lines that are not ours (welcomes, who has joined) are passed over. So are those of other runs:
//! a room remembers, and others may measure in it. Where the chat is our own, which has several
//! rooms, the members go to one that nobody else is in.

use std::collections::VecDeque;
use std::time::Duration;

use super::run_id::RunId;
use super::run_state::{RunPhase, RunState};
use crate::bench::measure::abort::Abort;
use crate::bench::measure::fault::Fault;
use crate::bench::measure::recorder::Sample;
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Table, Time};

/// What a line of ours begins with; the number of the run and its own follow, both in hexadecimal
/// digits, of its own the last ones.
const MARK: &[u8] = b"~cooee~";
const DIGITS: usize = 8;
/// The shortest line, with its end.
pub(crate) const LINE_BYTES_MIN: usize = MARK.len() + 2 * DIGITS + 1;
/// The most members that may be joining at once.
const DIALS_MAX: usize = 64;
/// A server that welcomes nobody is taken to be ready after so long.
const SETTLE: Duration = Duration::from_millis(300);

/// How our own chat welcomes a member, shows it to another room, and refuses to.
const OUR_WELCOME: &[u8] = b"** Welcome! You are ";
const OUR_ROOM: &[u8] = b"** You are now in ";
const OUR_REFUSAL: &[u8] = b"** There are too many rooms";

/// How far a member has come before the load begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arriving {
    /// The server has sent it nothing yet.
    Unheard,
    /// It is on its way to a room of its own.
    Moving,
    /// It is where it is to be.
    There,
}

struct RoomMember {
    /// The number of the line that it must hear next.
    next: u64,
    open: bool,
    arriving: Arriving,
    /// A line that is either the next one, damaged, or somebody else's. It was somebody else's if
    /// the next one still comes.
    doubt: Option<String>,
}

/// A line that not everybody has heard yet.
struct Said {
    intended: Time,
    sent: Time,
    heard: usize,
}

/// The service whose connections are the members of one room.
pub(super) struct ChatRoom {
    run: RunState,
    members: Table<RoomMember>,
    speaker: Option<Peer>,
    dialed: usize,
    open: usize,
    /// How many are where they are to be, and how many are on their way.
    there: usize,
    moving: usize,
    last_open: Time,
    /// The oldest line that not everybody has heard, and those after it.
    first: u64,
    said: VecDeque<Said>,
    line: Vec<u8>,
}

impl ChatRoom {
    pub(super) fn new(run: RunState) -> ChatRoom {
        ChatRoom {
            said: VecDeque::with_capacity(run.plan.depth),
            run,
            members: Table::default(),
            speaker: None,
            dialed: 0,
            open: 0,
            there: 0,
            moving: 0,
            last_open: Time::ZERO,
            first: 0,
            line: Vec::new(),
        }
    }

    fn dial_more(&mut self, net: &mut Net) {
        while self.dialed < self.run.connections && self.dialed - self.open < DIALS_MAX {
            let Some(peer) = self.run.dial(net, self.dialed as u64) else { return };
            self.dialed += 1;
            let arriving = Arriving::Unheard;
            self.members.insert(peer, RoomMember { next: 0, open: false, arriving, doubt: None });
        }
    }

    /// Says what is due, as far as the depth allows.
    fn speak(&mut self, net: &mut Net, now: Time) {
        let Some(speaker) = self.speaker else { return };
        while self.said.len() < self.run.plan.depth {
            let Some(due) = self.run.next_due(now) else { break };
            if self.run.schedule.is_some() && self.said.is_empty() {
                self.run.note_slip(due, now);
            }
            let number = self.first + self.said.len() as u64;
            write_line(&mut self.line, self.run.plan.id, number, self.run.plan.size);
            net.send(speaker, &self.line);
            self.run.note_sent(due);
            self.said.push_back(Said { intended: due, sent: now, heard: 0 });
        }
        if self.said.len() < self.run.plan.depth {
            self.run.wake_when_due(net);
        }
    }

    /// `peer` has been sent something for the first time, so that it is in a room.
    fn arrive(&mut self, peer: Peer, input: &[u8], net: &mut Net, now: Time) {
        let is_ours = input.starts_with(OUR_WELCOME);
        let Some(member) = self.members.get_mut(peer) else { return };
        if is_ours {
            member.arriving = Arriving::Moving;
            self.moving += 1;
            let room = format!("/join cooee-{:08x}\n", self.run.plan.id.bits());
            net.send(peer, room.as_bytes());
        } else {
            member.arriving = Arriving::There;
            self.there += 1;
            self.begin_if_complete(net, now);
        }
    }

    /// `peer` is told something on its way to a room of its own.
    fn move_on(&mut self, peer: Peer, line: &[u8], net: &mut Net, now: Time) {
        if line.starts_with(OUR_REFUSAL) {
            let what = format!("no room of its own: {}", String::from_utf8_lossy(line));
            return self.run.end(Abort::Failed(what), now);
        }
        let Some(member) = self.members.get_mut(peer) else { return };
        if line.starts_with(OUR_ROOM) {
            member.arriving = Arriving::There;
            self.moving -= 1;
            self.there += 1;
            self.run.note_progress();
            self.begin_if_complete(net, now);
        }
    }

    /// `peer` has heard one line.
    fn hear(&mut self, peer: Peer, line: &[u8], now: Time) {
        let Some(mark) = find(line, MARK) else { return };
        let text = &line[mark..];
        let whose = whose(text, self.run.plan.id);
        if whose == Whose::Others {
            return self.run.fault(Fault::Stray, 1, now);
        }
        if self.speaker == Some(peer) {
            // Some chats tell the speaker too; that is no delivery.
            return;
        }
        let Some(member) = self.members.get_mut(peer) else { return };
        let number = member.next;
        if whose == Whose::Unknown {
            member.doubt = Some(not_heard(peer, number, text));
            return self.run.fault(Fault::Stray, 1, now);
        }
        (member.next, member.doubt) = (number + 1, None);
        write_line(&mut self.line, self.run.plan.id, number, self.run.plan.size);
        if text != &self.line[..self.line.len() - 1] {
            return self.run.wrong(not_heard(peer, number, text), now);
        }
        let index = usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        let Some(said) = self.said.get_mut(index) else {
            return self.run.wrong(format!("heard line {number} before it was said"), now);
        };
        said.heard += 1;
        let (intended, sent, heard) = (said.intended, said.sent, said.heard);
        self.run.record(&Sample { intended, sent, done: now, bytes: text.len() + 1 });
        if heard == 1 {
            self.run.record_phase(0, intended, now);
        }
        if heard == self.run.connections - 1 {
            self.run.record_phase(1, intended, now);
        }
        while self.said.front().is_some_and(|said| said.heard >= self.run.connections - 1) {
            self.said.pop_front();
            self.first += 1;
        }
    }

    fn begin_if_complete(&mut self, net: &mut Net, now: Time) {
        let everybody = self.run.connections;
        let settled = now.since(self.last_open) >= SETTLE;
        if self.run.phase == RunPhase::Opening
            && self.open == everybody
            && (self.there == everybody || settled && self.moving == 0)
        {
            self.speaker = self.members.iter().map(|(peer, _)| peer).next();
            self.run.begin(now);
            self.speak(net, now);
        }
    }

    fn look_after(&mut self, net: &mut Net) {
        let now = self.run.watch.now();
        self.speak(net, now);
        self.run.advance(now);
        self.dial_more(net);
        self.begin_if_complete(net, now);
        self.expire(now);
        if self.run.phase == RunPhase::Draining && self.said.is_empty() {
            self.run.done(now);
        }
        self.run.wake(net, now);
    }

    /// Ends the run if somebody has not heard a line in time: what follows is out of order.
    fn expire(&mut self, now: Time) {
        let Some(said) = self.said.front() else { return };
        if now.since(said.sent) > self.run.plan.timeout {
            let has_not_heard = |member: &RoomMember| member.next <= self.first;
            let mut doubts = self.members.iter().filter(|(_, member)| has_not_heard(member));
            if let Some(what) = doubts.find_map(|(_, member)| member.doubt.clone()) {
                return self.run.wrong(what, now);
            }
            let missing = (self.run.connections - 1).saturating_sub(said.heard) as u64;
            self.run.fault(Fault::Timeout, missing, now);
            let what = format!("{missing} members have not heard line {}", self.first);
            self.run.end(Abort::Vanished(what), now);
        }
    }
}

fn find(line: &[u8], mark: &[u8]) -> Option<usize> {
    let first = *mark.first()?;
    let mut at = 0;
    while let Some(found) = line[at..].iter().position(|byte| *byte == first) {
        at += found;
        if line[at..].starts_with(mark) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Of which run a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Others,
    /// It has no number of a run, or a damaged one.
    Unknown,
}

/// Whose a line is that begins with the mark.
fn whose(line: &[u8], run: RunId) -> Whose {
    let digits = line.get(MARK.len()..).and_then(|rest| rest.get(..DIGITS));
    let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    match text.and_then(|text| u32::from_str_radix(text, 16).ok()) {
        Some(bits) if bits == run.bits() => Whose::Ours,
        Some(bits) if run.is_other(bits) => Whose::Others,
        _ => Whose::Unknown,
    }
}

fn not_heard(peer: Peer, number: u64, heard: &[u8]) -> String {
    let heard = String::from_utf8_lossy(&heard[..heard.len().min(60)]).into_owned();
    format!("member {peer} had to hear line {number}, heard {heard:?}")
}

/// Writes line `number` of a run, of `size` bytes with its end.
fn write_line(into: &mut Vec<u8>, run: RunId, number: u64, size: usize) {
    into.clear();
    into.extend_from_slice(MARK);
    let digits = u64::from(run.bits()) << (4 * DIGITS) | number & u64::from(u32::MAX);
    for digit in (0..2 * DIGITS).rev() {
        let nibble = u8::try_from(digits >> (4 * digit) & 15).unwrap_or(0);
        into.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
    let filler = b'a' + u8::try_from(number % 26).unwrap_or(0);
    into.resize(size.max(LINE_BYTES_MIN) - 1, filler);
    into.push(b'\n');
}

impl Service for ChatRoom {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        if let Some(member) = self.members.get_mut(peer) {
            member.open = true;
            self.open += 1;
            self.last_open = self.run.watch.now();
            self.run.note_open(self.open, self.last_open);
            self.dial_more(net);
        }
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let now = self.run.watch.now();
        let arriving = |room: &ChatRoom| room.members.get(peer).map(|member| member.arriving);
        if arriving(self) == Some(Arriving::Unheard) {
            if input.len() < OUR_WELCOME.len() && OUR_WELCOME.starts_with(input) {
                return 0;
            }
            self.arrive(peer, input, net, now);
        }
        let mut used = 0;
        while let Some(length) = input[used..].iter().position(|byte| *byte == b'\n') {
            let line = &input[used..used + length];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match arriving(self) {
                Some(Arriving::Moving) => self.move_on(peer, line, net, now),
                _ => self.hear(peer, line, now),
            }
            used += length + 1;
        }
        self.speak(net, now);
        used
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        net.leave(peer);
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        let now = self.run.watch.now();
        let Some(member) = self.members.remove(peer) else { return };
        self.run.lost(member.open, self.said.len(), reason, net, now);
        let what = format!("member {peer} was lost: {reason}");
        let abort = match self.run.operations() {
            0 => Abort::Failed(what),
            _ => Abort::Vanished(what),
        };
        if self.run.phase < RunPhase::Draining {
            self.run.end(abort, now);
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        self.look_after(net);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for ChatRoom {
    fn started(&mut self, net: &mut Net) {
        self.look_after(net);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_size_and_is_found_behind_whatever_a_server_puts_before_it() {
        let (mut line, run) = (Vec::new(), RunId::from_random(0x0abc_def0));
        write_line(&mut line, run, 0xabc, 64);
        assert_eq!(line.len(), 64);
        assert!(line.starts_with(format!("~cooee~{:08x}00000abc", run.bits()).as_bytes()));
        let heard = [b"<guest~7> ", &line[..63]].concat();
        let mark = find(&heard, MARK).unwrap();
        assert_eq!(&heard[mark..], &line[..63]);
        assert_eq!(find(b"* guest2 joined ~cooee", MARK), None);
        write_line(&mut line, run, 1, 3);
        assert_eq!(line.len(), LINE_BYTES_MIN);
    }

    #[test]
    fn lines_of_another_run_are_told_from_damaged_ones() {
        let (mut line, ours) = (Vec::new(), RunId::from_random(1));
        write_line(&mut line, RunId::from_random(2), 0, 64);
        assert_eq!(whose(&line, ours), Whose::Others);
        assert_eq!(
            whose(b"~cooee~0000000000000001aaaa", ours),
            Whose::Others,
            "before runs had one"
        );
        write_line(&mut line, ours, 0, 64);
        assert_eq!(whose(&line, ours), Whose::Ours);
        line[MARK.len()] ^= 1;
        for unknown in [&line[..], b"~cooee~", b"~cooee~ is what they say"] {
            assert_eq!(whose(unknown, ours), Whose::Unknown);
        }
    }
}
