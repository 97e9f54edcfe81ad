//! Behind a header that names the peer.

use super::*;
use crate::engine::{Preface, Prefaced, Refusal};

/// Reads a line that names the peer's address.
struct Named;

impl Preface for Named {
    fn read(&mut self, input: &[u8]) -> Prefaced {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return Prefaced::More };
        let line = std::str::from_utf8(&input[..end]).unwrap();
        match (line, line.parse::<SocketAddr>()) {
            ("local", _) => Prefaced::Whole(end + 1, None),
            (_, Ok(remote)) => Prefaced::Whole(end + 1, Some(remote.into())),
            _ => Prefaced::Wrong(format!("{line:?} is no address")),
        }
    }
}

pub(super) fn prefaced() -> Layers {
    Layers::default().prefaced(Box::new(Named))
}

#[test]
fn a_preface_names_the_peer_and_what_comes_behind_it_is_for_the_service() {
    let cases = [("198.51.100.7:9\n", "198.51.100.7:9"), ("local\n", "192.0.2.1:1001")];
    for ((named, remote), is_cut) in cases.iter().zip([false, true]) {
        let mut stage = Stage::new(Mirror { eager: true });
        let peer = stage.join_through(prefaced());
        match is_cut {
            false => stage.say(peer, [named, "hello"].concat()),
            true => [named, "hello"].concat().chars().for_each(|c| stage.say(peer, c.to_string())),
        }
        assert_eq!(stage.screen(), format!("{remote} None\n"));
        assert_eq!(stage.hear(peer), "welcomehello");
        stage.finish(peer);
        assert_eq!(stage.hear(peer), "bye");
        assert_eq!(stage.engine().metrics().bytes_in, 5);
    }
}

#[test]
fn what_comes_with_a_preface_and_its_fin_in_one_read_is_answered() {
    let mut stage = Stage::new(Mirror::default());
    let peer = stage.join_through(prefaced().enciphered(Box::<Toy>::default()));
    stage.send(peer, [b"198.51.100.7:9\nh", &framed("all")[..], &[0]].concat());
    stage.finish(peer);
    assert_eq!(opened(&stage.hear_bytes(peer)), ("allbye".into(), true));
    assert_eq!(stage.screen(), "198.51.100.7:9 Some(Full)\nclosed by the peer, nothing failed\n");
}

#[test]
fn without_a_right_preface_the_service_never_hears_of_a_peer() {
    for said in ["nonsense\n", "198.51.100.7"] {
        let mut stage = Stage::new(Mirror { eager: true });
        let peer = stage.join_through(prefaced());
        stage.send(peer, said);
        stage.finish(peer);
        assert_eq!((stage.hear(peer), stage.screen()), (String::new(), String::new()), "{said}");
        assert_eq!(stage.standing(peer), None);
    }
}

#[test]
fn the_guards_judge_the_address_that_a_preface_has_told() {
    let mut stage = Stage::new(Mirror { eager: true });
    stage.refuse(([198, 51, 100, 7], 9).into(), Refusal::Denied);
    let peers = [stage.join_through(prefaced()), stage.join_through(prefaced())];
    stage.say(peers[0], "198.51.100.7:9\n");
    stage.say(peers[1], "198.51.100.8:9\n");
    assert_eq!(peers.map(|peer| stage.is_over(peer)), [true, false]);
    assert_eq!((stage.hear(peers[0]), stage.hear(peers[1])), ("".into(), "welcome".into()));
    assert_eq!(stage.engine().metrics().refused_denied, 1);
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

#[test]
fn whom_the_guards_have_not_judged_they_do_not_count() {
    let mut stage = Stage::new(Mirror::default());
    let peer = stage.join_through(prefaced());
    assert_eq!(stage.engine().all_counted().count(), 0);
    stage.say(peer, "198.51.100.8:9\n");
    let counted: Vec<Address> = stage.engine().all_counted().collect();
    assert_eq!(counted, [Address::from(([198, 51, 100, 8], 9))]);
}

#[test]
fn when_all_places_are_taken_who_has_not_begun_has_less_time() {
    let limits = Limits { connections: 4, ..Limits::default() };
    let mut stage = Stage::with(limits, Quota::default(), Mirror::default());
    let peers = [(); 3].map(|()| stage.join_through(prefaced()));
    stage.say(peers[1], "198.51.100.8:9\n");
    stage.pass(Duration::from_millis(300));
    let late = stage.join_through(prefaced());
    let is_over =
        |stage: &mut Stage| [peers[0], peers[1], peers[2], late].map(|p| stage.is_over(p));
    assert!(!stage.engine().free_place());
    stage.pass(Duration::from_millis(199));
    assert!(!stage.engine().free_place());
    stage.pass(Duration::from_millis(1));
    assert!(stage.engine().free_place());
    stage.flush();
    assert_eq!(is_over(&mut stage), [true, false, true, false]);
    // Where nobody waits for the place it has all the time there is.
    stage.pass(Duration::from_secs(4));
    assert_eq!(is_over(&mut stage), [true, false, true, false]);
    stage.pass(Duration::from_secs(1));
    assert_eq!(is_over(&mut stage), [true, false, true, true]);
}

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
