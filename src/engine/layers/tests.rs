//! What layers make of what comes and is said, with a toy for a cipher.

mod toy;
mod turns;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Layering, Layers, Preface, Prefaced};
use crate::engine::stage::Stage;
use crate::engine::{
    Address, Arrival, Dial, Kind, Knobs, Limits, Net, Operated, Peer, Quota, Reason, Refusal,
    Script, Service, Slicing, Spread,
};

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

fn prefaced() -> Layers {
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

#[test]
fn who_still_agrees_on_keys_is_set_free_like_anybody_else() {
    let delay = Some(Spread { middle: Duration::from_secs(9), jitter: Duration::ZERO });
    let knobs = Rc::new(Knobs { delay, ..Knobs::default() });
    let mut stage = Stage::new(Mirror::default());
    let peers = [enciphered(), prefaced().enciphered(Box::<Toy>::default())];
    let [peer, other] = peers.map(|layers| {
        let script = Script::new(&knobs, knobs.draws(0, 0)).unwrap();
        stage.join_through(layers.faulty(script))
    });
    assert_eq!(stage.engine().faulty().count(), 2);
    assert!(stage.engine().set_faults(peer, None) && stage.engine().set_faults(other, None));
    assert_eq!(stage.engine().faulty().count(), 0);
    stage.say(peer, [&[HELLO][..], &framed("hello")].concat());
    assert_eq!(stage.hear_bytes(peer), [&[HELLO][..], &framed("hello")].concat());
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

#[test]
fn a_handshake_is_not_late_and_what_is_sealed_behind_it_is_in_its_order() {
    let spread = Spread { middle: Duration::from_millis(20), jitter: Duration::ZERO };
    let slice = Some(Slicing { bytes: 3, spread: 2, apart: Duration::ZERO });
    let knobs = Rc::new(Knobs { delay: Some(spread), slice, ..Knobs::default() });
    let script = Script::new(&knobs, knobs.draws(0, 0)).unwrap();
    let mut stage = Stage::new(Mirror { eager: true });
    let peer = stage.join_through(enciphered().faulty(script));
    let mut heard = stage.hear_bytes(peer);
    assert_eq!(heard, b"h");
    stage.say(peer, [&[HELLO][..], &framed("one")].concat());
    stage.pass(Duration::from_millis(10));
    stage.say(peer, [framed("two."), vec![0]].concat());
    assert_eq!(stage.hear(peer), "");
    let mut pass = |stage: &mut Stage| {
        stage.pass(Duration::from_millis(10));
        heard.extend(stage.hear_bytes(peer));
        (opened(&heard), stage.is_over(peer))
    };
    assert_eq!(pass(&mut stage), (("welcomeone".into(), false), false));
    assert_eq!(pass(&mut stage), (("welcomeonetwo.".into(), true), true));
    assert!(stage.is_over(peer));
    assert_eq!(stage.engine().held(), 0);
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
