//! For tests: one service on an engine, and peers that are buffers in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use super::{Arrival, Engine, Flow, Limits, Peer, Quota, Service, Step, Time};

/// One service, its peers, and a clock that moves only when told to.
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    heard: BTreeMap<Peer, Vec<u8>>,
    /// Whom the service has called.
    pub(crate) called: Vec<Peer>,
    over: BTreeSet<Peer>,
    /// Those whose sockets take nothing.
    pub(crate) stalled: BTreeSet<Peer>,
    now: Time,
    joined: u16,
}

/// A stream that has `self.0` to read and then the end, or would block.
struct Input<'a>(&'a [u8], bool);

impl io::Read for Input<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 if !self.1 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Stage {
    pub(crate) fn new(service: impl Service + 'static) -> Stage {
        Stage::with(Limits::default(), Quota::default(), service)
    }

    pub(crate) fn with(limits: Limits, quota: Quota, service: impl Service + 'static) -> Stage {
        let mut engine = Engine::new(limits);
        engine.add_service("test", quota, Box::new(service));
        let (heard, over, stalled) = Default::default();
        Stage { engine, heard, called: Vec::new(), over, stalled, now: Time::ZERO, joined: 0 }
    }

    /// A new peer: 192.0.2.1, on ports 1001, 1002 ...
    pub(crate) fn join(&mut self) -> Peer {
        self.joined += 1;
        let remote = ([192, 0, 2, 1], 1000 + self.joined).into();
        let local = ([192, 0, 2, 99], 5000).into();
        let peer = self.engine.accept(0, Arrival { remote, local }).expect("room");
        self.heard.insert(peer, Vec::new());
        self.flush();
        peer
    }

    /// Lets `peer` send `bytes`, as one read in a turn of its own.
    pub(crate) fn say(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.say_in_turn(peer, bytes);
        self.flush();
    }

    /// Like `say`, but the turn goes on: nothing is flushed until something else does.
    pub(crate) fn say_in_turn(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        let mut input = Input(bytes.as_ref(), false);
        while self.engine.input(peer, &mut input, false) == Flow::More {}
    }

    /// Lets `peer` send its FIN.
    pub(crate) fn finish(&mut self, peer: Peer) {
        self.engine.input(peer, &mut Input(b"", true), false);
        self.flush();
    }

    /// Breaks the connection of `peer`.
    pub(crate) fn reset(&mut self, peer: Peer) {
        self.engine.failed(peer, &io::ErrorKind::ConnectionReset.into());
        self.flush();
    }

    /// Lets time pass, and what becomes due meanwhile happen at its time.
    pub(crate) fn pass(&mut self, wait: Duration) {
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

    /// Lets the operator type a line.
    pub(crate) fn tell(&mut self, line: Option<&str>) {
        self.engine.tell(0, line);
        self.flush();
    }

    /// What `peer` has been sent since the last call, as text.
    pub(crate) fn hear(&mut self, peer: Peer) -> String {
        String::from_utf8(self.hear_bytes(peer)).expect("text")
    }

    /// What `peer` has been sent since the last call, as the bytes it is.
    pub(crate) fn hear_bytes(&mut self, peer: Peer) -> Vec<u8> {
        std::mem::take(self.heard.get_mut(&peer).expect("a peer that joined"))
    }

    /// What the services have shown and printed since the last call, as text.
    pub(crate) fn screen(&mut self) -> String {
        String::from_utf8(self.engine.take_screen()).expect("text")
    }

    /// Whether the service has ended the conversation with `peer`.
    pub(crate) fn is_over(&self, peer: Peer) -> bool {
        self.over.contains(&peer)
    }

    /// The end of a turn: everything queued is heard.
    pub(crate) fn flush(&mut self) {
        loop {
            self.engine.settle();
            while let Some((peer, _)) = self.engine.next_dial() {
                self.heard.insert(peer, Vec::new());
                self.called.push(peer);
            }
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
        loop {
            match self.engine.step(peer) {
                Step::Write if self.stalled.contains(&peer) => return self.engine.hold(peer),
                Step::Write => {
                    let outgoing = self.engine.outgoing(peer).expect("something to write");
                    let heard = self.heard.get_mut(&peer).expect("a peer that joined");
                    outgoing.slices().iter().for_each(|slice| heard.extend_from_slice(slice));
                    let count = outgoing.bytes();
                    self.engine.sent(peer, count);
                }
                Step::HangUp => {
                    self.over.insert(peer);
                    self.engine.hung_up(peer);
                }
                Step::Drop => {
                    self.over.insert(peer);
                    self.engine.reap(peer);
                }
                Step::Wait => break,
            }
        }
        if self.engine.is_interrupted(peer) && self.engine.wants_input(peer) {
            self.say_in_turn(peer, b"");
        }
    }
}

/// Runs `script` (what each of several peers sends) whole, cut at every byte, and byte by byte,
/// and asserts that every peer hears the same.
pub(crate) fn assert_cuts_change_nothing<S: Service + 'static>(
    make: impl Fn() -> S,
    script: &[(usize, &[u8])],
    peers: usize,
) {
    let run = |cut: &dyn Fn(&[u8]) -> Vec<Vec<u8>>| -> Vec<(String, bool)> {
        let mut stage = Stage::new(make());
        let joined: Vec<Peer> = (0..peers).map(|_| stage.join()).collect();
        for (who, bytes) in script {
            for piece in cut(bytes) {
                stage.say(joined[*who], piece);
            }
        }
        stage.pass(Duration::from_secs(1));
        joined.iter().map(|peer| (stage.hear(*peer), stage.is_over(*peer))).collect()
    };
    let whole = run(&|bytes| vec![bytes.to_vec()]);
    let longest = script.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    for at in 1..longest {
        let cut = run(&|bytes| {
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            [head, tail].into_iter().filter(|piece| !piece.is_empty()).map(<[u8]>::to_vec).collect()
        });
        assert_eq!(cut, whole, "cut at byte {at}");
    }
    let bytewise = run(&|bytes| bytes.iter().map(|byte| vec![*byte]).collect());
    assert_eq!(bytewise, whole, "byte by byte");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Net;

    /// Echoes lines with `send` and everything else with `send_back`.
    struct Both;

    impl Service for Both {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            match input {
                [b'#', ..] => net.send(peer, input),
                _ => net.send_back(peer, input),
            }
            input.len()
        }
    }

    /// Has enough after each read.
    struct Modest;

    impl Service for Modest {
        fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
            net.end_share();
            input.len()
        }
    }

    #[test]
    fn a_service_may_end_a_peers_share_of_the_turn() {
        let mut stage = Stage::new(Modest);
        let peer = stage.join();
        let flood = vec![b'x'; 1024 * 1024];
        let mut stream = Input(&flood, false);
        let mut reads = 0;
        while stage.engine.input(peer, &mut stream, false) == Flow::More {
            reads += 1;
            assert_eq!(stream.0.len(), flood.len() - reads * 64 * 1024);
        }
        assert_eq!(reads, 16);
    }

    #[test]
    fn a_steady_flow_of_messages_allocates_nothing() {
        let mut stage = Stage::new(Both);
        let peers: Vec<Peer> = (0..100).map(|_| stage.join()).collect();
        let mut rounds = |count| {
            for peer in std::iter::repeat_n(&peers, count).flatten() {
                stage.say(*peer, "sixteen bytes ..");
                stage.say(*peer, "# as many bytes .");
                // Heard, but kept for the next round: the listening is not what is measured.
                stage.heard.get_mut(peer).expect("a peer that joined").clear();
            }
        };
        rounds(10);
        let allocated = allocation_counter::measure(|| rounds(100));
        assert_eq!(allocated.count_total, 0);
    }

    /// Sends back what comes.
    struct Mirror;

    impl Service for Mirror {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            net.send_back(peer, input);
            input.len()
        }
    }

    #[test]
    fn who_is_left_for_a_later_turn_is_sent_what_it_said_and_not_what_others_say_by_then() {
        let mut stage = Stage::new(Mirror);
        let (late, other) = (stage.join(), stage.join());
        stage.say_in_turn(late, "said first, ");
        assert_eq!(stage.engine.next_touched(), Some(late));
        stage.engine.defer(late);
        stage.flush();
        // It speaks again while it waits, and the turn's buffer is used again.
        stage.say_in_turn(late, "and then");
        stage.flush();
        stage.say(other, "something else, and longer than that");
        assert_eq!(stage.hear(late), "");
        stage.engine.take_up(late);
        stage.engine.writable(late);
        stage.flush();
        assert_eq!(stage.hear(late), "said first, and then");
    }
}
