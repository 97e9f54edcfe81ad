//! Sequences of what can happen to the engine, read from bytes: arrivals, input in pieces, partial
//! writes, FINs, resets, kicks, the operator, time.
//!
//! Not the simulator of `tests/sim`, which has models of its clients and checks every promise:
//! here nobody behaves, and what must hold is less: nothing panics, everybody is gone in the end,
//! an echo is what was sent, and nobody's words drive another's terminal.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::Duration;

use cooee::engine::{Arrival, Engine, Limits, Peer, Quota, Step, Time};
use cooee::services::{Offer, Settings, find};

/// What a peer has said and heard, and whether its socket takes output.
#[derive(Default)]
struct Wire {
    service: &'static str,
    said: Vec<u8>,
    heard: Vec<u8>,
    writable: bool,
    finished: bool,
}

/// The engine with the services under test, and all wires that are open.
struct Stage {
    engine: Engine,
    services: Vec<&'static Offer>,
    wires: BTreeMap<Peer, Wire>,
    joined: u16,
    now: Time,
}

/// One read and then nothing, the end, or an error.
struct Script<'a> {
    bytes: &'a [u8],
    end: Option<io::Result<()>>,
}

impl Read for Script<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read(into)? {
            0 => match self.end.take() {
                Some(end) => end.map(|()| 0),
                None => Err(io::ErrorKind::WouldBlock.into()),
            },
            count => Ok(count),
        }
    }
}

impl Stage {
    fn new(names: &[&str]) -> Stage {
        let limits =
            Limits { connections: 12, high: 2000, low: 500, inbox: 2048, ..Limits::default() };
        let mut engine = Engine::new(limits);
        let services: Vec<&Offer> = names.iter().filter_map(|name| find(name)).collect();
        for offer in &services {
            let quota = match offer.fans_out {
                true => Quota { idle: None, queue_soft: 1500, queue_hard: 6000 },
                false => Quota { idle: offer.idle, ..Quota::default() },
            };
            let make = offer.stream.expect("a stream service");
            engine.add_service(offer.name, quota, make(&Settings::default()));
        }
        let (wires, joined, now) = (BTreeMap::new(), 0, Time::ZERO);
        Stage { engine, services, wires, joined, now }
    }

    fn join(&mut self, service: usize) {
        let service = service % self.services.len();
        self.joined = self.joined.wrapping_add(1);
        let remote = ([192, 0, 2, 1], self.joined).into();
        let arrival = Arrival { remote, local: ([192, 0, 2, 99], 5000).into() };
        if let Some(peer) = self.engine.accept(service, arrival) {
            let service = self.services[service].name;
            self.wires.insert(peer, Wire { service, writable: true, ..Wire::default() });
        }
    }

    fn whom(&self, number: u8) -> Option<Peer> {
        let count = self.wires.len().max(1);
        self.wires.keys().nth(usize::from(number) % count).copied()
    }

    fn say(&mut self, peer: Peer, bytes: &[u8], end: Option<io::Result<()>>) {
        if !self.engine.can_read() {
            self.flush(usize::MAX);
        }
        let Some(wire) = self.wires.get_mut(&peer) else { return };
        if wire.finished || !self.engine.wants_input(peer) {
            return;
        }
        wire.finished = end.is_some();
        wire.said.extend_from_slice(bytes);
        let ends = end.is_some();
        self.engine.input(peer, &mut Script { bytes, end }, ends);
    }

    /// The end of a turn, in which each socket takes so many bytes at most.
    fn flush(&mut self, room: usize) {
        loop {
            self.engine.settle();
            if !self.engine.has_touched() {
                break;
            }
            while let Some(peer) = self.engine.next_touched() {
                self.follow(peer, room);
            }
        }
        self.engine.end_turn();
    }

    fn follow(&mut self, peer: Peer, mut room: usize) {
        let Some(wire) = self.wires.get_mut(&peer) else { return };
        loop {
            match self.engine.step(peer) {
                Step::Write if wire.writable => {
                    let Some(outgoing) = self.engine.outgoing(peer) else { return };
                    let wanted = outgoing.bytes();
                    let count = wanted.min(room);
                    let slices = outgoing.slices();
                    let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
                    wire.heard.extend(bytes.take(count));
                    wire.writable = count == wanted;
                    room -= count;
                    self.engine.sent(peer, count);
                }
                Step::Write => return self.engine.hold(peer),
                Step::HangUp => self.engine.hung_up(peer),
                Step::Drop => {
                    self.engine.reap(peer);
                    let wire = self.wires.remove(&peer);
                    return wire.iter().for_each(judge);
                }
                Step::Wait => return,
            }
        }
    }

    /// Everybody's socket takes output again.
    fn relieve(&mut self) {
        for (peer, wire) in &mut self.wires {
            wire.writable = true;
            self.engine.writable(*peer);
        }
    }

    fn pass(&mut self, wait: Duration) {
        self.now = self.now.after(wait);
        self.engine.advance(self.now, 0);
        self.engine.ring();
    }

    /// Everybody is sent away, and in the end nobody is left and nothing rings any more.
    fn leave(mut self) {
        self.engine.close_all();
        self.flush(7);
        let peers: Vec<Peer> = self.wires.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.say(peer, b"", Some(Ok(()))));
        for _ in 0..200 {
            self.pass(Duration::from_secs(1));
            self.flush(usize::MAX);
        }
        assert_eq!(self.engine.connections(), 0, "somebody is left");
        assert!(self.wires.is_empty());
        let metrics = self.engine.metrics();
        assert_eq!(metrics.opened, metrics.closed);
        assert_eq!(self.engine.buffered(), (0, 0), "somebody's buffers are left");
        assert_harmless(&self.engine.take_screen());
    }
}

fn judge(wire: &Wire) {
    match wire.service {
        "echo" => assert!(wire.said.starts_with(&wire.heard), "the echo differs"),
        "chat" => assert_harmless(&wire.heard),
        _ => {}
    }
}

/// Text that people are shown: it may have been cut anywhere, but nothing in it drives a terminal.
fn assert_harmless(text: &[u8]) {
    for chunk in text.utf8_chunks() {
        let bad = |c: char| (c.is_control() && c != '\n' && c != '\t') || is_bidirectional(c);
        assert!(!chunk.valid().contains(bad), "{:?}", chunk.valid());
    }
}

fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Everything that can happen, to all services at once. Each event is an opcode, an argument, and
/// for some a length and so many bytes.
pub(crate) fn events(input: &[u8]) {
    let mut stage = Stage::new(&["echo", "greet", "talk", "chat"]);
    let mut rest = input;
    while let [opcode, argument, tail @ ..] = rest {
        rest = tail;
        event(&mut stage, *opcode, *argument, &mut rest);
    }
    stage.leave();
}

fn event(stage: &mut Stage, opcode: u8, argument: u8, rest: &mut &[u8]) {
    let peer = stage.whom(argument);
    match (opcode % 12, peer) {
        (0 | 1, _) => stage.join(usize::from(argument)),
        (2..=4, Some(peer)) => stage.say(peer, take(rest), None),
        (5, Some(peer)) => stage.say(peer, take(rest), Some(Ok(()))),
        (6, Some(peer)) => {
            let reset = Err(io::ErrorKind::ConnectionReset.into());
            stage.say(peer, take(rest), Some(reset));
        }
        (7, _) => stage.flush(usize::from(argument)),
        (8, _) => stage.flush(usize::MAX),
        (9, _) => stage.relieve(),
        (10, _) => stage.pass(Duration::from_millis(u64::from(argument) * 100)),
        (11, Some(peer)) if argument < 64 => drop(stage.engine.kick(peer.number())),
        (11, _) => {
            let line = String::from_utf8_lossy(take(rest)).replace('\n', " ");
            stage.engine.tell(2 + usize::from(argument & 1), Some(&line));
        }
        _ => {}
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, tail)) = rest.split_first() else { return &[] };
    let (bytes, tail) = tail.split_at(tail.len().min(usize::from(*length)));
    *rest = tail;
    bytes
}

/// What members of a chat say, in pieces: `\0` cuts the input and gives the word to the next of
/// three, of whom one reads nothing.
pub(crate) fn chat(input: &[u8]) {
    people("chat", input);
}

/// The same for clients of the operator, who says `/to` and other things in between.
pub(crate) fn talk(input: &[u8]) {
    people("talk", input);
}

fn people(service: &str, input: &[u8]) {
    let mut stage = Stage::new(&[service]);
    (0..3).for_each(|_| stage.join(0));
    stage.flush(usize::MAX);
    let deaf = stage.whom(2);
    if let Some(wire) = deaf.and_then(|peer| stage.wires.get_mut(&peer)) {
        wire.writable = false;
    }
    for (turn, piece) in input.split(|byte| *byte == 0).enumerate() {
        match stage.whom(u8::try_from(turn % 4).unwrap_or_default()).filter(|_| turn % 4 < 3) {
            Some(peer) => stage.say(peer, piece, None),
            None => stage.engine.tell(0, Some(&String::from_utf8_lossy(piece))),
        }
        stage.pass(Duration::from_millis(60));
        stage.flush(usize::MAX);
    }
    stage.leave();
}
