//! What layers make of what comes and is said, with a toy for a cipher.

mod prefaces;
mod toy;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Layering, Layers};
use crate::engine::stage::Stage;
use crate::engine::{
    Address, Arrival, Dial, Kind, Limits, Net, Operated, Peer, Quota, Reason, Service,
};

use prefaces::prefaced;
use toy::{HELLO, Toy, frame, framed, opened};

/// Says who comes, sends back what it hears until a full stop, and who has gone and why.
#[derive(Default)]
struct Mirror {
    eager: bool,
}

impl Service for Mirror {
    fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
        net.show(&format!("{} {:?}", arrival.remote, arrival.secured));
        if self.eager {
            net.send(peer, b"welcome");
        }
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        net.send_back(peer, input.len());
        if input.ends_with(b".") {
            net.close(peer);
        }
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        net.send(peer, b"bye");
        net.close(peer);
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        let failure = net.failure().unwrap_or("nothing failed").to_owned();
        net.show(&format!("{reason}, {failure}"));
    }
}

fn enciphered() -> Layers {
    Layers::default().enciphered(Box::<Toy>::default())
}

#[test]
fn a_service_hears_and_says_plain_bytes_once_the_handshake_is_through() {
    let mut stage = Stage::new(Mirror::default());
    let peer = stage.join_through(enciphered());
    assert_eq!((stage.hear(peer), stage.screen()), ("h".into(), String::new()));
    stage.say(peer, [&[HELLO][..], &framed("hel")].concat());
    assert_eq!(stage.screen(), "192.0.2.1:1001 Some(Full)\n");
    stage.say(peer, framed("lo"));
    stage.say(peer, framed("."));
    let heard = stage.hear_bytes(peer);
    assert_eq!(heard, [framed("hel"), framed("lo"), framed("."), vec![0]].concat());
    assert!(stage.is_over(peer));
    stage.finish(peer);
    assert_eq!(stage.screen(), "done, nothing failed\n");
    let metrics = stage.engine().metrics();
    assert_eq!((metrics.bytes_in, metrics.bytes_out), (6, 6));
}

#[test]
fn all_that_is_said_in_a_turn_is_sealed_together_and_the_end_behind_it() {
    let mut stage = Stage::new(Mirror { eager: true });
    let peer = stage.join_through(enciphered());
    stage.say(peer, [&[HELLO][..], &framed("one"), &framed("two."), &[0]].concat());
    assert_eq!(opened(&stage.hear_bytes(peer)), ("welcomeonetwo.".into(), true));
    assert!(stage.is_over(peer));
}

#[test]
fn the_end_of_the_cipher_is_a_half_close_and_a_fin_before_it_has_cut_something_off() {
    for (last, reason) in [(&[0][..], "done"), (&[], "closed by the peer without close_notify")] {
        let mut stage = Stage::new(Mirror::default());
        let peer = stage.join_through(enciphered());
        stage.say(peer, [&[HELLO][..], &framed("x"), last].concat());
        stage.finish(peer);
        assert_eq!(opened(&stage.hear_bytes(peer)), ("xbye".into(), true), "{reason}");
        assert!(stage.is_over(peer));
        let told = stage.screen();
        assert!(told.contains(reason) || last == [0], "{told}");
    }
}

#[test]
fn who_fails_in_the_handshake_has_the_alert_and_the_service_never_hears_of_it() {
    let mut stage = Stage::new(Mirror { eager: true });
    let peer = stage.join_through(enciphered());
    stage.say(peer, "GET / HTTP/1.1\r\n");
    assert_eq!((stage.hear(peer), stage.is_over(peer)), ("h!".into(), true));
    stage.finish(peer);
    assert_eq!((stage.standing(peer), stage.screen()), (None, String::new()));
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
            }
        }
        assert!(peers.iter().all(|peer| engine.outgoing(*peer).is_some()) && !engine.has_touched());
    }
}

#[test]
fn a_handshake_and_a_preface_have_their_time() {
    let limits = Limits::default();
    let late = limits.handshake - Duration::from_millis(1);
    for layers in [enciphered(), prefaced()] {
        let mut stage = Stage::with(limits, Quota::default(), Mirror::default());
        let peer = stage.join_through(layers);
        stage.pass(late);
        assert!(!stage.is_over(peer));
        stage.pass(Duration::from_millis(1));
        assert!(stage.is_over(peer));
        assert_eq!(stage.screen(), "");
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
fn who_stays_silent_behind_its_handshake_is_idle_no_sooner_than_others() {
    let quota = Quota { idle: Some(Duration::from_secs(60)), ..Quota::default() };
    let mut stage = Stage::with(Limits::default(), quota, Mirror::default());
    let peer = stage.join_through(enciphered());
    stage.say(peer, [HELLO]);
    stage.pass(Duration::from_secs(59));
    assert!(!stage.is_over(peer));
    stage.pass(Duration::from_secs(1));
    assert!(stage.is_over(peer));
}

#[test]
fn who_does_not_read_is_sealed_for_and_loses_nothing() {
    let mut stage = Stage::new(Mirror::default());
    let peer = stage.join_through(enciphered());
    stage.say(peer, [HELLO]);
    stage.take_no_more_than(peer, 7);
    let said: String = ('a'..='z').cycle().take(5000).collect();
    stage.say(peer, framed(&said));
    assert!(stage.standing(peer).unwrap().queued >= 5000);
    stage.engine().held();
    stage.take(peer, usize::MAX);
    stage.flush();
    assert_eq!(opened(&stage.hear_bytes(peer)).0, said);
    assert_eq!(stage.engine().buffered(), (0, 0));
}

/// Calls somebody through layers as soon as it is told.
struct Caller(Rc<dyn Layering>);

/// A word in the clear, and a toy.
#[derive(Debug)]
struct Through;

impl Layering for Through {
    fn layers(&self, _: Address) -> Option<Layers> {
        let opener = Rc::new(|arrival: &Arrival| format!("{}\n", arrival.local).into_bytes());
        Some(enciphered().opening(opener))
    }
}

impl Service for Caller {
    fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
        net.show(&format!("{:?}", arrival.secured));
        net.send(peer, b"ask");
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        let failure = net.failure().unwrap_or("nothing failed").to_owned();
        net.show(&format!("{reason}, {failure}"));
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Caller {
    fn told(&mut self, _: Option<&str>, net: &mut Net) {
        let dial = Dial::to(([192, 0, 2, 7], 7).into(), Kind::Stream);
        net.dial_with(Dial { through: Some(Rc::clone(&self.0)), ..dial });
    }
}

#[test]
fn who_calls_through_layers_hears_of_the_connection_when_they_are_through() {
    for (answer, told, heard) in [
        (vec![HELLO], "Some(Full)\n", [&b"192.0.2.99:5000\nh"[..], &framed("ask")].concat()),
        (b"x".to_vec(), "", b"192.0.2.99:5000\nh!".to_vec()),
    ] {
        let mut stage = Stage::new(Caller(Rc::new(Through)));
        stage.tell(None);
        let peer = stage.dialed()[0];
        stage.answer(peer, ([192, 0, 2, 99], 5000).into());
        assert_eq!(stage.screen(), "");
        stage.say(peer, &answer);
        assert_eq!((stage.screen(), stage.hear_bytes(peer)), (told.into(), heard));
        if told.is_empty() {
            stage.finish(peer);
            assert_eq!(stage.screen(), "TLS failed, that was no hello\n");
        }
    }
}

proptest! {
    #[test]
    fn where_the_input_is_cut_changes_nothing(
        lines in proptest::collection::vec("[a-z]{0,300}", 1..6),
        cuts in proptest::collection::vec(1_usize..90, 1..40),
        room in 1_usize..2000,
    ) {
        let said: String = lines.concat();
        let mut sealed = [b"198.51.100.7:9\n", &[HELLO][..]].concat();
        lines.iter().for_each(|line| frame(line.as_bytes(), &mut sealed));
        sealed.push(0);
        let mut stage = Stage::new(Mirror { eager: true });
        let peer = stage.join_through(prefaced().enciphered(Box::<Toy>::default()));
        let (mut rest, mut cuts) = (&sealed[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            stage.take_no_more_than(peer, room);
            stage.say(peer, head);
            rest = tail;
        }
        stage.take(peer, usize::MAX);
        stage.finish(peer);
        prop_assert_eq!(opened(&stage.hear_bytes(peer)), (format!("welcome{said}bye"), true));
        prop_assert!(stage.standing(peer).is_none());
        prop_assert_eq!(stage.engine().buffered(), (0, 0));
    }
}
