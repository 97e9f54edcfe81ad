//! Small stages without chance in the kernel, for properties that need the same conversation
//! held several times: wherever the input is cut, everybody hears the same.

use std::io::{self, Read};
use std::time::Duration;

use cooee::engine::{Engine, Limits, Peer, Quota, Step, Time};

use super::facts::arrival;
use super::kinds::{Kind, offers};
use super::rng::Rng;

const MEMBERS: usize = 3;

/// Who says what. Commands, lines of all lengths and endings, text in another script.
const SCRIPT: &[(usize, &[u8])] = &[
    (0, b"hello\n"),
    (1, b"/nick ann\r\n"),
    (2, b"one\ntwo\r\n\nthree"),
    (0, "Gr\u{fc}\u{df}e \u{4e16}\u{754c}\n".as_bytes()),
    (2, b" and four\n/who\n"),
    (1, &[b'x'; 1500]),
    (1, b"\nshort again\n\xff\xfe\n"),
    (0, b"BYE\nnobody hears this\n"),
    (1, b"/msg guest3 psst\n"),
    (2, b"unfinished"),
];

/// A stream with some bytes to read, and then the end or nothing yet.
struct Piece<'a>(&'a [u8], bool);

impl Read for Piece<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 if !self.1 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

/// One engine, its peers, what each has heard, and whether it was hung up on.
struct Stage {
    engine: Engine,
    peers: Vec<Peer>,
    heard: Vec<(Vec<u8>, bool)>,
    now: Time,
}

impl Stage {
    fn new(kind: Kind) -> Stage {
        let limits = Limits::default();
        let mut engine = Engine::new(limits);
        engine.add_service("test", Quota::default(), kind.make(limits.high));
        let mut stage = Stage { engine, peers: Vec::new(), heard: Vec::new(), now: Time::ZERO };
        for client in 0..MEMBERS {
            let peer = stage.engine.accept(0, arrival(client)).expect("room");
            stage.peers.push(peer);
            stage.heard.push((Vec::new(), false));
            stage.flush();
        }
        stage
    }

    fn say(&mut self, who: usize, piece: &[u8], fin: bool) {
        self.engine.input(self.peers[who], &mut Piece(piece, fin), fin);
        self.flush();
    }

    fn pass(&mut self, wait: Duration) {
        let end = self.now.after(wait);
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.engine.advance(self.now, 0);
            self.engine.ring();
            self.flush();
        }
        self.now = end;
        self.engine.advance(end, 0);
    }

    fn flush(&mut self) {
        loop {
            self.engine.settle();
            if !self.engine.has_touched() {
                break;
            }
            while let Some(peer) = self.engine.next_touched() {
                self.flush_peer(peer);
            }
        }
        self.engine.next_touched();
        self.engine.end_turn();
    }

    fn flush_peer(&mut self, peer: Peer) {
        let who = self.peers.iter().position(|other| *other == peer).expect("one of us");
        let (heard, over) = &mut self.heard[who];
        loop {
            match self.engine.step(peer) {
                Step::Write => {
                    let outgoing = self.engine.outgoing(peer).expect("something");
                    outgoing.slices().iter().for_each(|slice| heard.extend_from_slice(slice));
                    let count = outgoing.bytes();
                    self.engine.sent(peer, count);
                }
                Step::HangUp => {
                    *over = true;
                    self.engine.hung_up(peer);
                }
                Step::Drop => {
                    *over = true;
                    self.engine.reap(peer);
                }
                Step::Wait => return,
            }
        }
    }
}

/// Holds the conversation of `SCRIPT` with each message in the pieces that `cut` makes of it.
fn converse(kind: Kind, mut cut: impl FnMut(&[u8]) -> Vec<Vec<u8>>) -> Vec<(Vec<u8>, bool)> {
    let mut stage = Stage::new(kind);
    for (who, message) in SCRIPT {
        cut(message).iter().for_each(|piece| stage.say(*who, piece, false));
    }
    stage.pass(Duration::from_secs(2));
    (0..MEMBERS).for_each(|who| stage.say(who, b"", true));
    stage.pass(Duration::from_secs(2));
    stage.heard
}

fn cut_by_chance(message: &[u8], rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let most = if rng.chance(500) { rest.len() } else { rest.len().min(8) };
        let (piece, tail) = rest.split_at(rng.within(1..=most));
        pieces.push(piece.to_vec());
        rest = tail;
    }
    pieces
}

/// Oracle 3, for every row of the table: cutting the input anywhere changes nothing.
pub(crate) fn assert_cuts_change_nothing(seeds: u64) {
    let own = [Kind::Hello, Kind::Answer, Kind::Crowd, Kind::Receipt, Kind::Later, Kind::Ends];
    for kind in offers().into_iter().chain(own) {
        let whole = converse(kind, |message| vec![message.to_vec()]);
        let bytewise = converse(kind, |message| message.iter().map(|b| vec![*b]).collect());
        assert!(bytewise == whole, "oracle 3: {kind:?} byte by byte");
        for seed in 0..seeds {
            let mut rng = Rng::new(seed);
            let cut = converse(kind, |message| cut_by_chance(message, &mut rng));
            assert!(cut == whole, "oracle 3: {kind:?} with cuts of seed {seed}");
        }
    }
}

/// Oracle 5: so many short connections leave no trail of deadlines. Returns how often the engine
/// still wanted to be woken once they were all gone.
pub(crate) fn rings_after(connections: usize) -> usize {
    let quota = Quota { idle: Some(Duration::from_secs(600)), ..Quota::default() };
    let mut engine = Engine::new(Limits::default());
    engine.add_service("test", quota, Kind::Answer.make(0));
    let mut now = Time::ZERO;
    for _ in 0..connections {
        now = now.after(Duration::from_millis(1));
        engine.advance(now, 0);
        let peer = engine.accept(0, arrival(1)).expect("room");
        engine.failed(peer, &io::ErrorKind::ConnectionReset.into());
        assert_eq!((engine.next_touched(), engine.step(peer)), (Some(peer), Step::Drop));
        engine.reap(peer);
        assert_eq!(engine.next_touched(), None);
        engine.end_turn();
    }
    let mut rings = 0;
    while let Some(due) = engine.next_deadline() {
        engine.advance(due.max(now), 0);
        engine.ring();
        rings += 1;
    }
    rings
}
