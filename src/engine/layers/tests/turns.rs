//! Layers and the turn: shares, prices, deadlines, and ends that come with what precedes them.

use std::time::Duration;

use super::toy::{HELLO, Toy, framed, opened};
use super::{Mirror, enciphered, prefaced};
use crate::engine::stage::Stage;
use crate::engine::{Limits, Net, Peer, Quota, Service};

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
                engine.take_up(&touched);
            }
        }
        assert!(peers.iter().all(|peer| engine.outgoing(*peer).is_some()) && !engine.has_touched());
    }
}

#[test]
fn no_more_are_sealed_for_in_a_turn_than_are_written_to() {
    // Two visits in each of the rounds of a turn.
    let limits = Limits { flush_units: 2 * 16 * 1024, ..Limits::default() };
    let mut stage = Stage::with(limits, Quota::default(), Mirror::default());
    let peers: Vec<Peer> = (0..9).map(|_| stage.join_through(enciphered())).collect();
    peers.iter().for_each(|peer| stage.say(*peer, [HELLO]));
    for _ in 0..9 {
        stage.turn();
    }
    peers.iter().for_each(|peer| drop(stage.hear_bytes(*peer)));
    peers.iter().for_each(|peer| stage.say_in_turn(*peer, framed("x")));
    stage.turn();
    let heard = |stage: &mut Stage| {
        let heard = peers.iter().map(|peer| stage.hear_bytes(*peer));
        heard.filter(|heard| !heard.is_empty()).count()
    };
    let sealed = |stage: &mut Stage| {
        let engine = stage.engine();
        peers.iter().filter(|peer| engine.outgoing(**peer).is_some()).count()
    };
    let first = heard(&mut stage);
    assert!((2..=4).contains(&first), "{first}");
    assert_eq!(sealed(&mut stage), 0);
    for _ in 0..9 {
        stage.turn();
    }
    assert_eq!(first + heard(&mut stage), peers.len());
}

#[test]
fn no_more_are_judged_in_a_turn_than_it_has_room_for_and_those_first_who_came_first() {
    let limits = Limits { flush_units: 16 * 1024, ..Limits::default() };
    let mut stage = Stage::with(limits, Quota::default(), Mirror::default());
    let peers: Vec<Peer> = (0..9).map(|_| stage.join_through(prefaced())).collect();
    for (n, peer) in peers.iter().enumerate() {
        stage.say_in_turn(*peer, format!("198.51.100.7:{n}\n"));
    }
    let opened = |stage: &mut Stage| stage.screen().lines().map(str::to_owned).collect::<Vec<_>>();
    stage.turn();
    let mut all = opened(&mut stage);
    assert!((1..=3).contains(&all.len()), "{all:?}");
    while stage.engine().has_newcomers() {
        stage.turn();
        all.append(&mut opened(&mut stage));
    }
    let expected: Vec<_> = (0..9).map(|n| format!("198.51.100.7:{n} None")).collect();
    assert_eq!(all, expected);
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
