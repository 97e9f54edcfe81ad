//! Layers and the turn: shares, prices, deadlines, and ends that come with what precedes them.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::toy::{HELLO, Toy, framed, opened};
use super::{Mirror, enciphered, prefaced};
use crate::engine::stage::Stage;
use crate::engine::{
    Arrival, At, Knobs, Layers, Limits, Net, Peer, Quota, Reason, Script, Service,
};

/// Sends each byte back on its own, as many in a turn as its share allows or so long as it is not
/// paused, and behind the end how much was left of the input.
struct Sparing {
    pauses: bool,
}

impl Service for Sparing {
    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        for (used, byte) in input.iter().enumerate() {
            if net.has_had_its_share() {
                return used;
            }
            net.send(peer, &[*byte]);
            if self.pauses {
                net.pause_until(peer, net.now().after(Duration::from_millis(1)));
                return used + 1;
            }
            net.spend(9);
        }
        input.len()
    }

    fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
        net.send(peer, format!("{} left", rest.len()).as_bytes());
        net.close(peer);
    }
}

#[test]
fn the_end_is_told_once_the_service_has_gone_through_all_before_it() {
    for pauses in [false, true] {
        let limits = Limits { share_units: 60, ..Limits::default() };
        let stage = || Stage::with(limits, Quota::default(), Sparing { pauses });
        let word = "abcdefghijklm";
        let sealed = [&[HELLO][..], &framed(word), &[0]].concat();
        let header = b"198.51.100.7:9\n";
        for (layers, said, ends, is_sealed) in [
            (enciphered(), sealed.clone(), false, true),
            (enciphered(), sealed.clone(), true, true),
            (
                prefaced().enciphered(Box::<Toy>::default()),
                [header, &sealed[..]].concat(),
                true,
                true,
            ),
            (prefaced(), [header, word.as_bytes()].concat(), true, false),
            (prefaced(), [header, word.as_bytes()].concat(), false, false),
        ] {
            let mut stage = stage();
            let peer = stage.join_through(layers);
            stage.send(peer, said);
            if ends {
                stage.finish(peer);
            }
            (0..20).for_each(|_| stage.pass(Duration::from_millis(1)));
            let heard = stage.hear_bytes(peer);
            let heard =
                if is_sealed { opened(&heard).0 } else { String::from_utf8(heard).unwrap() };
            let end = if ends || is_sealed { "0 left" } else { "" };
            assert_eq!(heard, format!("{word}{end}"), "{pauses} {ends} {is_sealed}");
        }
    }
}

#[test]
fn a_handshake_that_fails_has_cost_something_too() {
    let limits = Limits { round_units: 300_000, ..Limits::default() };
    for (said, is_spent) in [("x", true), ("h", false)] {
        let mut stage = Stage::with(limits, Quota::default(), Mirror::default());
        let peer = stage.join_through(enciphered());
        stage.say(peer, said);
        assert_eq!(stage.engine().is_round_spent(), is_spent);
    }
}

#[test]
fn who_has_broken_off_behind_its_preface_is_not_judged_and_no_service_hears_of_it() {
    let mut stage = Stage::new(Mirror { eager: true });
    let peer = stage.join_through(prefaced());
    stage.say_in_turn(peer, "198.51.100.7:9\nhello");
    stage.engine().kick(peer.number());
    stage.flush();
    assert_eq!((stage.engine().all_counted().count(), stage.screen()), (0, String::new()));
    stage.finish(peer);
    assert_eq!((stage.standing(peer), stage.screen()), (None, String::new()));
}

#[test]
fn who_is_sealed_for_is_flushed_once() {
    for count in [1, 3] {
        let mut stage = Stage::new(Mirror::default());
        let peers: Vec<Peer> = (0..count).map(|_| stage.join_through(enciphered())).collect();
        peers.iter().for_each(|peer| stage.say(*peer, [HELLO]));
        peers.iter().for_each(|peer| stage.say_in_turn(*peer, framed("x")));
        let engine = stage.engine();
        match &peers[..] {
            [peer] => assert_eq!(engine.take_only_touched(), Some(*peer)),
            _ => {
                let mut touched = Vec::new();
                engine.take_touched(&mut touched);
                assert_eq!(touched.len(), peers.len());
                assert_eq!(engine.take_up(&touched), peers.len());
            }
        }
        assert!(peers.iter().all(|peer| engine.outgoing(*peer).is_some()) && !engine.has_touched());
    }
}

/// Tells everybody what anybody says, so many times.
struct Crier {
    peers: Vec<Peer>,
    times: usize,
}

impl Service for Crier {
    fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
        self.peers.push(peer);
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.peers.iter().for_each(|peer| net.send(*peer, &input.repeat(self.times)));
        input.len()
    }
}

#[test]
fn no_more_are_sealed_for_in_a_turn_than_are_written_to() {
    // Room for two visits in each round of a turn, or for so many bytes to be sealed and written.
    for (flush_units, times) in [(2 * 16 * 1024, 1), (100 * 1024, 40 * 1024)] {
        let limits = Limits { flush_units, ..Limits::default() };
        let crier = Crier { peers: Vec::new(), times };
        let mut stage = Stage::with(limits, Quota::default(), crier);
        let peers: Vec<Peer> = (0..9).map(|_| stage.join_through(enciphered())).collect();
        peers.iter().for_each(|peer| stage.say(*peer, [HELLO]));
        stage.say_in_turn(peers[0], framed("x"));
        stage.turn();
        let engine = stage.engine();
        let sealed = peers.iter().filter(|peer| engine.outgoing(**peer).is_some()).count();
        assert!(sealed <= 2, "{sealed} with {flush_units}");
        stage.flush();
        for peer in peers {
            assert_eq!(opened(&stage.hear_bytes(peer)).0, "x".repeat(times));
        }
    }
}

#[test]
fn what_is_not_sealed_yet_counts_when_those_who_hold_most_are_closed() {
    let limits = Limits { flush_units: 1, buffered: 256 * 1024, ..Limits::default() };
    let crier = Crier { peers: Vec::new(), times: 40 * 1024 };
    let mut stage = Stage::with(limits, Quota::default(), crier);
    let peers: Vec<Peer> = (0..9).map(|_| stage.join_through(enciphered())).collect();
    peers.iter().for_each(|peer| stage.say(*peer, [HELLO]));
    stage.say_in_turn(peers[0], framed("x"));
    stage.turn();
    stage.engine().relieve();
    let engine = stage.engine();
    assert!(engine.metrics().closed_memory > 0 && engine.held() <= limits.buffered);
}

#[test]
fn who_is_left_behind_a_layer_is_sent_what_it_said_and_not_what_others_say_by_then() {
    let limits = Limits { flush_units: 1, ..Limits::default() };
    let mut stage = Stage::with(limits, Quota::default(), Mirror::default());
    // A fault that never comes.
    let knobs = Rc::new(Knobs { close: Some(At::Bytes(1000)), ..Knobs::default() });
    let script = || Script::new(&knobs, knobs.draws(0, 0)).unwrap();
    let peers: Vec<Peer> =
        (0..9).map(|_| stage.join_through(Layers::default().faulty(script()))).collect();
    for round in ["abcdefghi", "jklmnopqr"] {
        for (peer, letter) in peers.iter().zip(round.chars()) {
            stage.say_in_turn(*peer, letter.to_string());
        }
        stage.turn();
    }
    stage.flush();
    let heard: Vec<String> = peers.iter().map(|peer| stage.hear(*peer)).collect();
    assert_eq!(heard, ["aj", "bk", "cl", "dm", "en", "fo", "gp", "hq", "ir"]);
}

/// Sends back what comes, and says good-bye to all others as soon as one is gone.
#[derive(Default)]
struct Loyal(Vec<Peer>);

impl Service for Loyal {
    fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
        self.0.push(peer);
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        net.send_back(peer, input.len());
        input.len()
    }

    fn closed(&mut self, _: Peer, _: Reason, net: &mut Net) {
        for peer in self.0.drain(..) {
            net.send(peer, b", and bye");
            net.close(peer);
        }
    }
}

#[test]
fn a_last_word_that_is_said_after_others_were_sealed_for_is_sealed_too_before_the_fin() {
    let mut stage = Stage::new(Loyal::default());
    let peers: Vec<Peer> = (0..3).map(|_| stage.join_through(enciphered())).collect();
    peers.iter().for_each(|peer| stage.say(*peer, [HELLO]));
    stage.engine().failed(peers[0], &io::ErrorKind::ConnectionReset.into());
    peers[1..].iter().for_each(|peer| stage.say_in_turn(*peer, framed("hello")));
    stage.flush();
    for peer in &peers[1..] {
        assert!(stage.is_over(*peer));
        assert_eq!(opened(&stage.hear_bytes(*peer)), ("hello, and bye".to_owned(), true));
    }
}

#[test]
fn who_fetches_our_part_of_a_handshake_late_has_no_more_time_for_it() {
    let limits = Limits::default();
    let mut stage = Stage::with(limits, Quota::default(), Mirror::default());
    let peer = stage.join_through(prefaced().enciphered(Box::<Toy>::default()));
    stage.take(peer, 0);
    stage.say(peer, "198.51.100.7:9\n");
    stage.pass(limits.handshake - Duration::from_millis(1));
    assert_eq!(stage.hear(peer), "");
    stage.take(peer, usize::MAX);
    stage.flush();
    assert_eq!((stage.hear(peer), stage.is_over(peer)), ("h".into(), false));
    stage.pass(Duration::from_millis(1));
    assert!(stage.is_over(peer));
}

#[test]
fn who_is_closed_before_the_guards_have_judged_is_never_told_of() {
    let mut stage = Stage::new(Mirror { eager: true });
    let peer = stage.join_through(prefaced());
    stage.say_in_turn(peer, "198.51.100.8:9\n");
    stage.engine().close_all();
    stage.flush();
    stage.finish(peer);
    assert_eq!((stage.hear(peer), stage.screen()), (String::new(), String::new()));
    assert_eq!(stage.standing(peer), None);
}
