//! Sequences of what can happen to the engine, read from bytes: arrivals, input in pieces, partial
//! writes, FINs, resets, kicks, the operator, time.
//!
//! Not the simulator of `tests/sim`, which has models of its clients and checks every promise:
//! here nobody behaves, and what must hold is less: nothing panics, everybody is gone in the end,
//! an echo is what was sent, and nobody's words drive another's terminal.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

use cooee::engine::stage::Stage;
use cooee::engine::{Limits, Peer, Quota};
use cooee::services::{Offer, Settings, find};

/// What a peer has said and heard.
#[derive(Default)]
struct Wire {
    service: &'static str,
    said: Vec<u8>,
    heard: Vec<u8>,
    finished: bool,
}

/// A stage with the services under test, and all wires that are open.
struct House {
    stage: Stage,
    services: Vec<&'static Offer>,
    wires: BTreeMap<Peer, Wire>,
}

impl House {
    fn new(names: &[&str]) -> House {
        let limits =
            Limits { connections: 12, high: 2000, low: 500, inbox: 2048, ..Limits::default() };
        let mut stage = Stage::empty(limits);
        let services: Vec<&Offer> = names.iter().filter_map(|name| find(name)).collect();
        for offer in &services {
            let quota = match offer.fans_out {
                true => Quota { idle: None, queue_soft: 1500, queue_hard: 6000, apart: None },
                false => Quota { idle: offer.idle, ..Quota::default() },
            };
            let make = offer.stream.expect("a stream service");
            stage.engine().add_service(offer.name, quota, make(&Settings::default()));
        }
        House { stage, services, wires: BTreeMap::new() }
    }

    fn join(&mut self, service: usize) {
        let service = service % self.services.len();
        if let Some(peer) = self.stage.join_in_turn(service) {
            let service = self.services[service].name;
            self.wires.insert(peer, Wire { service, ..Wire::default() });
        }
    }

    fn whom(&self, number: u8) -> Option<Peer> {
        let count = self.wires.len().max(1);
        self.wires.keys().nth(usize::from(number) % count).copied()
    }

    fn say(&mut self, peer: Peer, bytes: &[u8], end: Option<Result<(), ErrorKind>>) {
        let Some(wire) = self.wires.get_mut(&peer).filter(|wire| !wire.finished) else { return };
        wire.said.extend_from_slice(bytes);
        self.stage.send(peer, bytes);
        if let Some(end) = end {
            wire.finished = true;
            self.stage.end(peer, end);
        }
    }

    /// Turns until all is done, in which each socket takes so many bytes at most.
    fn flush(&mut self, room: usize) {
        for peer in self.wires.keys() {
            self.stage.take_no_more_than(*peer, room);
        }
        self.stage.flush();
        self.hear();
    }

    fn hear(&mut self) {
        let stage = &mut self.stage;
        self.wires.retain(|peer, wire| {
            wire.heard.extend(stage.hear_bytes(*peer));
            let is_there = stage.standing(*peer).is_some();
            if !is_there {
                judge(wire);
            }
            is_there
        });
    }

    /// Everybody's socket takes output again.
    fn relieve(&mut self) {
        for peer in self.wires.keys() {
            self.stage.take(*peer, usize::MAX);
        }
    }

    /// Everybody is sent away, and in the end nobody is left and no timer is left.
    fn leave(mut self) {
        self.stage.engine().close_all();
        self.flush(7);
        let peers: Vec<Peer> = self.wires.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.say(peer, b"", Some(Ok(()))));
        for _ in 0..200 {
            self.relieve();
            self.stage.pass(Duration::from_secs(1));
        }
        self.hear();
        assert!(self.wires.is_empty());
        let engine = self.stage.engine();
        assert_eq!(engine.connections(), 0, "somebody is left");
        let metrics = engine.metrics();
        assert_eq!(metrics.opened, metrics.closed);
        assert_eq!(engine.buffered(), (0, 0), "somebody's buffers are left");
        assert_harmless(&engine.take_screen());
    }
}

fn judge(wire: &Wire) {
    match wire.service {
        "echo" => assert!(wire.said.starts_with(&wire.heard), "the echo differs"),
        "chat" => assert_harmless(&without_refusals(&wire.heard)),
        _ => {}
    }
}

/// What is left for people to read once telnet's refusals (RFC 854: IAC WONT or DONT, and of what)
/// are taken out.
fn without_refusals(heard: &[u8]) -> Vec<u8> {
    let (mut text, mut rest) = (Vec::new(), heard);
    while let Some((byte, tail)) = rest.split_first() {
        if let [0xff, 0xfc | 0xfe, _, tail @ ..] = rest {
            rest = tail;
        } else {
            text.push(*byte);
            rest = tail;
        }
    }
    text
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
    let mut house = House::new(&["echo", "greet", "talk", "chat"]);
    let mut rest = input;
    while let [opcode, argument, tail @ ..] = rest {
        rest = tail;
        event(&mut house, *opcode, *argument, &mut rest);
    }
    house.leave();
}

fn event(house: &mut House, opcode: u8, argument: u8, rest: &mut &[u8]) {
    let peer = house.whom(argument);
    match (opcode % 12, peer) {
        (0 | 1, _) => house.join(usize::from(argument)),
        (2..=4, Some(peer)) => house.say(peer, take(rest), None),
        (5, Some(peer)) => house.say(peer, take(rest), Some(Ok(()))),
        (6, Some(peer)) => {
            house.say(peer, take(rest), Some(Err(ErrorKind::ConnectionReset)));
        }
        (7, _) => house.flush(usize::from(argument)),
        (8, _) => house.flush(usize::MAX),
        (9, _) => house.relieve(),
        (10, _) => house.stage.skip(Duration::from_millis(u64::from(argument) * 100)),
        (11, Some(peer)) if argument < 64 => drop(house.stage.engine().kick(peer.number())),
        (11, _) => {
            let line = String::from_utf8_lossy(take(rest)).replace('\n', " ");
            house.stage.engine().tell(2 + usize::from(argument & 1), Some(&line));
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
    let mut house = House::new(&[service]);
    (0..3).for_each(|_| house.join(0));
    house.flush(usize::MAX);
    let deaf = house.whom(2).expect("three of them");
    house.stage.take(deaf, 0);
    for (turn, piece) in input.split(|byte| *byte == 0).enumerate() {
        match house.whom(u8::try_from(turn % 4).unwrap_or_default()).filter(|_| turn % 4 < 3) {
            Some(peer) => house.say(peer, piece, None),
            None => house.stage.engine().tell(0, Some(&String::from_utf8_lossy(piece))),
        }
        house.stage.skip(Duration::from_millis(60));
        house.stage.flush();
    }
    house.leave();
}
