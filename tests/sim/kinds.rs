//! The services of the world: all that the program offers, and some that exercise the engine in
//! ways that those do not; and for each what a client must hear.

use std::rc::Rc;
use std::time::Duration;

use cooee::engine::{Arrival, Net, Peer, Quota, Service, Table, Time};
use cooee::services::{OFFERS, Settings};

use super::facts::STEP;

/// What `Hello` says: more than some kernels take at once.
pub(crate) const HELLO_BYTES: usize = 6000;
/// `Receipt` closes after so many bytes.
const RECEIPT_AT: usize = 500;
/// How long `Later` waits with its answer.
const LATER: Duration = Duration::from_millis(50);

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A row of the table of services.
    Offer(usize),
    /// Says hello at length and closes, as greet does.
    Hello,
    /// Answers each line, in the end also what is left of one.
    Answer,
    /// Everybody hears every line, and all lines of a turn leave as one shared buffer.
    Crowd,
    /// Closes after `RECEIPT_AT` bytes with a word of thanks.
    Receipt,
    /// Each byte of a request is worth 1000 bytes, sent only as fast as `drained` allows.
    Download,
    /// Answers the FIN, after a while.
    Later,
    /// Sends a word and its FIN, and goes on listening.
    Ends,
    /// Whoever speaks has the one closed who spoke before.
    Rivals,
}

/// The rows of `OFFERS` that have streams.
pub(crate) fn offers() -> Vec<Kind> {
    (0..OFFERS.len()).filter(|n| OFFERS[*n].stream.is_some()).map(Kind::Offer).collect()
}

pub(crate) fn pattern(from: usize, to: usize) -> Vec<u8> {
    (from..to).map(|n| b'a' + u8::try_from(n % 23).expect("small")).collect()
}

impl Kind {
    pub(crate) fn make(self, high: usize) -> Box<dyn Service> {
        match self {
            Kind::Offer(index) => {
                let settings = Settings { chat_rate: None, ..Settings::default() };
                let make = OFFERS[index].stream.expect("a service with streams");
                make(&settings)
            }
            Kind::Hello => Box::new(Hello),
            Kind::Answer => Box::new(Answer),
            Kind::Crowd => Box::new(Crowd::default()),
            Kind::Receipt => Box::new(Receipt { got: Table::default() }),
            Kind::Download => Box::new(Download { owed: Table::default(), high }),
            Kind::Later => Box::new(Later::default()),
            Kind::Ends => Box::new(Ends),
            Kind::Rivals => Box::new(Rivals(None)),
        }
    }

    pub(crate) fn offer(self) -> &'static str {
        match self {
            Kind::Offer(index) => OFFERS[index].name,
            _ => "",
        }
    }

    /// Whether everybody hears what somebody says, line by line.
    pub(crate) fn is_crowd(self) -> bool {
        self == Kind::Crowd || self.offer() == "chat"
    }

    pub(crate) fn hears_itself(self) -> bool {
        self == Kind::Crowd
    }

    /// Whether the service closes first, whatever the client does.
    pub(crate) fn greets(self) -> bool {
        self == Kind::Hello || self.offer() == "greet"
    }

    /// Whether the service may close before the client does.
    pub(crate) fn closes_first(self) -> bool {
        self.greets()
            || matches!(self, Kind::Receipt | Kind::Ends | Kind::Rivals)
            || self.offer() == "talk"
    }

    /// Whether the service closes as soon as it is told of the FIN.
    pub(crate) fn ends_with_the_peer(self) -> bool {
        !matches!(self, Kind::Download | Kind::Later) && self.offer() != "talk"
    }

    pub(crate) fn is_lined(self) -> bool {
        matches!(self, Kind::Answer) || self.is_crowd() || self.offer() == "talk"
    }

    pub(crate) fn mirrors(self) -> bool {
        self.offer() == "echo"
    }

    pub(crate) fn quota(self, idle: Option<Duration>) -> Quota {
        if self.is_crowd() {
            Quota { idle, queue_soft: 32 * 1024, queue_hard: 256 * 1024, apart: None }
        } else {
            Quota { idle, ..Quota::default() }
        }
    }

    /// All that a client hears that said `said`, then (if `fin`) sent a FIN and kept reading.
    /// `None`: that depends on others.
    pub(crate) fn expected(self, arrival: &Arrival, said: &[u8], fin: bool) -> Option<Vec<u8>> {
        Some(match self {
            Kind::Offer(_) => match self.offer() {
                "echo" => said.to_vec(),
                "greet" => {
                    let remote = arrival.remote;
                    let (ip, port) = (remote.ip().expect("an IP"), remote.port().expect("a port"));
                    format!("Hello! You are connected to ('{ip}', {port})\n").into_bytes()
                }
                _ => return None,
            },
            Kind::Hello => pattern(0, HELLO_BYTES),
            Kind::Ends => b"ends".to_vec(),
            Kind::Crowd | Kind::Rivals => return None,
            Kind::Answer => {
                let mut lines: Vec<&[u8]> = said.split(|byte| *byte == b'\n').collect();
                let rest = lines.pop().unwrap_or_default();
                let mut answers: Vec<u8> = lines.into_iter().flat_map(answer_to).collect();
                if fin && !rest.is_empty() {
                    answers.extend(answer_to(rest));
                }
                answers
            }
            Kind::Receipt if said.len() >= RECEIPT_AT => b"thanks".to_vec(),
            Kind::Receipt => Vec::new(),
            Kind::Download => pattern(0, 1000 * said.len()),
            Kind::Later => if fin { &b"later"[..] } else { b"" }.to_vec(),
        })
    }
}

fn answer_to(line: &[u8]) -> Vec<u8> {
    let sum = line.iter().fold(7u32, |sum, byte| sum.wrapping_mul(31) ^ u32::from(*byte));
    format!("{} {sum:08x}\n", line.len()).into_bytes()
}

struct Hello;

impl Service for Hello {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        net.send(peer, &pattern(0, HELLO_BYTES));
        net.close(peer);
    }

    fn received(&mut self, _: Peer, _: &[u8], _: &mut Net) -> usize {
        panic!("oracle 8: heard somebody after closing");
    }
}

struct Ends;

impl Service for Ends {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        net.send(peer, b"ends");
        net.finish(peer);
        net.send(peer, b"nobody hears this");
    }

    fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
        input.len()
    }
}

struct Rivals(Option<Peer>);

impl Service for Rivals {
    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        if let Some(rival) = self.0.replace(peer).filter(|rival| *rival != peer) {
            net.close(rival);
        }
        input.len()
    }
}

struct Answer;

impl Service for Answer {
    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let mut used = 0;
        while let Some(length) = input[used..].iter().position(|byte| *byte == b'\n') {
            net.send(peer, &answer_to(&input[used..used + length]));
            used += length + 1;
        }
        used
    }

    fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
        if !rest.is_empty() {
            net.send(peer, &answer_to(rest));
        }
        net.close(peer);
    }
}

/// The lines of this turn, and the buffers that are still on their way.
#[derive(Default)]
struct Crowd {
    members: Table<()>,
    gathered: Vec<u8>,
    travelling: Vec<Rc<Vec<u8>>>,
}

impl Service for Crowd {
    fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
        self.members.insert(peer, ());
    }

    fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
        let used = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.gathered.extend_from_slice(&input[..used]);
        used
    }

    fn closed(&mut self, peer: Peer, _: cooee::engine::Reason, _: &mut Net) {
        self.members.remove(peer);
    }

    fn settled(&mut self, net: &mut Net) {
        // Oracle 4: a shared buffer lives no longer than somebody is still to be sent it.
        let owing = self.members.iter().any(|(peer, _)| net.queued(peer) > 0);
        self.travelling.retain(|buffer| Rc::strong_count(buffer) > 1);
        assert!(owing || self.travelling.is_empty(), "oracle 4: kept what everybody has got");
        if self.gathered.is_empty() {
            return;
        }
        let buffer = Rc::new(std::mem::take(&mut self.gathered));
        for (peer, ()) in self.members.iter() {
            net.share(peer, &buffer, 0..buffer.len());
        }
        self.travelling.push(buffer);
    }
}

struct Receipt {
    got: Table<usize>,
}

impl Service for Receipt {
    fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
        self.got.insert(peer, 0);
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let got = self.got.get_mut(peer).expect("opened");
        let left = RECEIPT_AT - *got;
        *got += input.len().min(left);
        if *got == RECEIPT_AT {
            net.send(peer, b"thanks");
            net.close(peer);
        }
        // Whether the tail counts as used must make no difference.
        input.len().min(left)
    }
}

struct Download {
    /// How much was sent to each, and how much is to be; whether it has finished asking.
    owed: Table<(usize, usize, bool)>,
    high: usize,
}

impl Download {
    fn serve(&mut self, peer: Peer, net: &mut Net) {
        let Some((sent, total, finished)) = self.owed.get_mut(peer) else { return };
        while *sent < *total && net.queued(peer) < self.high {
            let until = (*sent + 700).min(*total);
            net.send(peer, &pattern(*sent, until));
            *sent = until;
        }
        if *finished && *sent == *total {
            net.close(peer);
        }
    }
}

impl Service for Download {
    fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
        self.owed.insert(peer, (0, 0, false));
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        self.owed.get_mut(peer).expect("opened").1 += 1000 * input.len();
        self.serve(peer, net);
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        self.owed.get_mut(peer).expect("opened").2 = true;
        self.serve(peer, net);
    }

    fn drained(&mut self, peer: Peer, net: &mut Net) {
        self.serve(peer, net);
    }

    fn closed(&mut self, peer: Peer, _: cooee::engine::Reason, _: &mut Net) {
        self.owed.remove(peer);
    }
}

#[derive(Default)]
struct Later {
    due: std::collections::VecDeque<(Time, Peer)>,
}

impl Service for Later {
    fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        self.due.push_back((net.now().after(LATER), peer));
        net.wake_in(LATER);
    }

    fn alarm(&mut self, net: &mut Net) {
        while let Some((when, peer)) = self.due.front().copied() {
            if when > net.now() {
                return net.wake_at(when);
            }
            self.due.pop_front();
            assert!(net.now() <= when.after(STEP), "oracle 10: woken too late");
            // It may be gone by now: then this finds nobody.
            net.send(peer, b"later");
            net.close(peer);
        }
    }
}
