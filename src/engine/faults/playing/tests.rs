//! Every knob on a stage: what a peer sees of it, and when.

use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::engine::faults::{At, Knobs, Share, Slicing, Spread, Stall};
use crate::engine::stage::Stage;
use crate::engine::{Arrival, Limits, Net, Quota, Service};

/// Says hello if it is to, sends back what it hears, and says goodbye.
#[derive(Default)]
struct Mirror {
    greets: bool,
}

impl Service for Mirror {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        net.show("opened");
        if self.greets {
            net.send(peer, b"welcome");
            net.close(peer);
        }
    }

    fn read_bytes(&self) -> usize {
        usize::MAX
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        net.send_back(peer, input.len());
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        net.send(peer, b"bye");
        net.close(peer);
    }

    fn drained(&mut self, _: Peer, net: &mut Net) {
        net.show("drained");
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        let why = net.failure().map(|why| format!(", {why}")).unwrap_or_default();
        net.show(&format!("{reason}{why}"));
    }
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn script(knobs: Knobs) -> Script {
    let knobs = Rc::new(knobs);
    Script::new(&knobs, knobs.draws(0, 0)).expect("something to do")
}

fn layers(knobs: Knobs) -> Layers {
    Layers::default().faulty(script(knobs))
}

/// With a peer that suffers that; a minute of silence is too long.
fn stage(knobs: Knobs) -> (Stage, Peer) {
    let quota = Quota { idle: Some(Duration::from_secs(60)), ..Quota::default() };
    let mut stage = Stage::with(Limits::default(), quota, Mirror::default());
    let peer = stage.join_through(layers(knobs));
    (stage, peer)
}

fn delay(time: Duration) -> Knobs {
    Knobs { delay: Some(Spread { middle: time, jitter: Duration::ZERO }), ..Knobs::default() }
}

fn count(stage: &mut Stage, kind: FaultKind) -> u64 {
    stage.engine().survey().streams().map(|(_, _, counts)| counts.faults.of(kind)).sum()
}

#[test]
fn a_reply_is_as_much_later_as_told_and_the_end_comes_behind_it() {
    let (mut stage, peer) = stage(delay(millis(20)));
    stage.say(peer, "hello");
    stage.pass(millis(10));
    stage.say(peer, "again");
    assert_eq!(stage.standing(peer).unwrap().queued, 10);
    stage.pass(Duration::from_nanos(9_999_999));
    assert_eq!(stage.hear(peer), "");
    stage.pass(Duration::from_nanos(1));
    assert_eq!(stage.hear(peer), "hello");
    stage.finish(peer);
    stage.pass(millis(10));
    assert_eq!((stage.hear(peer), stage.is_over(peer)), ("again".into(), false));
    stage.pass(millis(10));
    assert_eq!((stage.hear(peer), stage.is_over(peer)), ("bye".into(), true));
    assert_eq!(stage.screen(), "opened\nclosed by the peer\n");
    assert_eq!((count(&mut stage, FaultKind::Delay), stage.engine().held()), (3, 0));
    assert_eq!(stage.engine().metrics().bytes_out, 13);
}

#[test]
fn twenty_milliseconds_are_twenty_for_everybody() {
    let mut stage = Stage::new(Mirror::default());
    let peers: Vec<Peer> =
        (0..100).map(|_| stage.join_through(layers(delay(millis(20))))).collect();
    for _ in 0..50 {
        for (n, peer) in peers.iter().enumerate() {
            stage.say(*peer, format!("{n}"));
            stage.pass(Duration::from_micros(7));
        }
        stage.pass(millis(20) - Duration::from_micros(700) - Duration::from_nanos(1));
        assert!(stage.hear(peers[0]).is_empty());
        stage.pass(Duration::from_nanos(1));
        assert_eq!((stage.hear(peers[0]), stage.hear(peers[1])), ("0".into(), "".into()));
        stage.pass(millis(1));
        let all = peers.iter().skip(1).enumerate();
        all.for_each(|(n, peer)| assert_eq!(stage.hear(*peer), format!("{}", n + 1)));
    }
    // What is out of date among the deadlines does not stay.
    assert!(stage.engine().core.deadlines.len() < 2000);
    assert!(stage.engine().core.releases.len() < 2000);
}

#[test]
fn nothing_that_waits_makes_anybody_slow_and_too_much_of_it_pauses_the_peer() {
    let quota = Quota { queue_soft: 10, queue_hard: 100, ..Quota::default() };
    let limits = Limits { high: 1000, low: 100, ..Limits::default() };
    let mut stage = Stage::with(limits, quota, Mirror::default());
    let peer = stage.join_through(layers(delay(Duration::from_secs(100))));
    for _ in 0..15 {
        stage.say(peer, [b'x'; 100]);
    }
    stage.engine().held();
    let standing = stage.standing(peer).unwrap();
    assert!(!standing.wants_input && standing.queued >= 1000, "{standing:?}");
    stage.pass(Duration::from_secs(100));
    assert_eq!(stage.screen(), "opened\ndrained\n");
    assert_eq!(stage.hear(peer).len(), 1000);
    assert!(stage.standing(peer).unwrap().wants_input);
    assert_eq!(stage.standing(peer).unwrap().queued, 500);
}

#[test]
fn who_is_refused_is_reset_and_its_service_never_hears_of_it() {
    let (mut stage, peer) = stage(Knobs { refuse: Share::ALL, ..Knobs::default() });
    assert!(stage.was_reset(peer) && stage.is_over(peer));
    assert_eq!((stage.screen(), stage.standing(peer)), (String::new(), None));
    assert_eq!(count(&mut stage, FaultKind::Refuse), 1);
}

#[test]
fn who_is_half_open_is_neither_read_nor_answered_until_it_has_been_idle() {
    let (mut stage, peer) = stage(Knobs { halfopen: Share::ALL, ..Knobs::default() });
    stage.say(peer, "hello");
    stage.finish(peer);
    stage.pass(Duration::from_secs(59));
    assert!(!stage.is_over(peer) && !stage.standing(peer).unwrap().wants_input);
    assert_eq!(stage.engine().metrics().bytes_in, 0);
    stage.pass(Duration::from_secs(1));
    assert!(stage.is_over(peer) && !stage.was_reset(peer));
    assert_eq!((stage.hear(peer), stage.screen()), (String::new(), String::new()));
    assert_eq!((count(&mut stage, FaultKind::HalfOpen), stage.engine().held()), (1, 0));
}

#[test]
fn who_stalls_is_read_and_hears_no_more_and_no_end_until_it_has_been_idle() {
    let stall = Some(Stall { share: Share::ALL, after: 3 });
    let (mut stage, peer) = stage(Knobs { stall, ..Knobs::default() });
    stage.say(peer, "hello");
    stage.pass(Duration::from_secs(59));
    stage.say(peer, "again");
    stage.finish(peer);
    assert_eq!(stage.engine().metrics().bytes_in, 10);
    stage.pass(Duration::from_secs(59));
    assert_eq!((stage.hear(peer), stage.is_over(peer)), ("hel".into(), false));
    stage.pass(Duration::from_secs(1));
    assert!(stage.is_over(peer));
    assert_eq!(stage.screen(), "opened\nidle, stalled by fault\n");
    assert_eq!(count(&mut stage, FaultKind::Stall), 1);
}

#[test]
fn a_connection_ends_by_fault_where_it_is_told_to() {
    let reset = |at| Knobs { reset: Some((Share::ALL, at)), ..Knobs::default() };
    let close = |at| Knobs { close: Some(at), ..Knobs::default() };
    for (knobs, heard, is_reset, end) in [
        (reset(At::FirstReply), "", true, "reset by fault"),
        (reset(At::Bytes(7)), "hellohe", true, "reset by fault"),
        (reset(At::After(millis(10))), "hello", true, "reset by fault"),
        (close(At::Bytes(7)), "hellohe", false, "ended by fault"),
        (close(At::After(millis(10))), "hello", false, "ended by fault"),
    ] {
        let (mut stage, peer) = stage(knobs.clone());
        stage.say(peer, "hello");
        stage.pass(millis(10));
        if !stage.is_over(peer) {
            stage.say(peer, "hello");
        }
        assert!(stage.is_over(peer), "{knobs:?}");
        assert_eq!((stage.hear(peer), stage.was_reset(peer)), (heard.into(), is_reset));
        stage.pass(Duration::from_secs(5));
        assert_eq!(stage.screen(), format!("opened\n{end}\n"));
        let kind = if is_reset { FaultKind::Reset } else { FaultKind::Close };
        assert_eq!((count(&mut stage, kind), stage.engine().held()), (1, 0));
    }
}

#[test]
fn an_end_by_fault_is_told_as_one_if_it_has_cut_off_what_the_peer_was_to_hear() {
    for (bytes, heard, end, closes) in [
        (3, "hel", "ended by fault", 1),
        (5, "hello", "ended by fault", 1),
        (7, "helloby", "ended by fault", 1),
        // All has been said by then.
        (8, "hellobye", "closed by the peer", 0),
        (9, "hellobye", "closed by the peer", 0),
    ] {
        let (mut stage, peer) = stage(Knobs { close: Some(At::Bytes(bytes)), ..delay(millis(20)) });
        stage.say(peer, "hello");
        stage.finish(peer);
        stage.pass(millis(20));
        assert_eq!((stage.hear(peer), stage.is_over(peer)), (heard.into(), true), "{bytes}");
        assert_eq!(stage.screen(), format!("opened\n{end}\n"), "{bytes}");
        assert_eq!(count(&mut stage, FaultKind::Close), closes, "{bytes}");
    }
}

#[test]
fn pieces_are_writes_of_their_own_and_as_far_apart_as_told() {
    let slice = |apart| Some(Slicing { bytes: 4, spread: 0, apart });
    let (mut one, peer) = stage(Knobs { slice: slice(Duration::ZERO), ..Knobs::default() });
    one.say(peer, "0123456789".repeat(10));
    assert_eq!((one.hear(peer).len(), one.writes(peer)), (100, 25));
    let (mut other, peer) = stage(Knobs { slice: slice(millis(5)), ..Knobs::default() });
    other.say(peer, "0123456789");
    assert_eq!(other.hear(peer), "0123");
    other.pass(millis(5));
    assert_eq!(other.hear(peer), "4567");
    other.finish(peer);
    other.pass(millis(5));
    assert_eq!((other.hear(peer), other.is_over(peer)), ("89".into(), false));
    other.pass(millis(5));
    assert_eq!((other.hear(peer), other.is_over(peer)), ("bye".into(), true));
    assert_eq!(count(&mut other, FaultKind::Slice), 1);
}

#[test]
fn a_rate_lets_so_much_out_however_much_there_is() {
    let (mut stage, peer) = stage(Knobs { rate: Some(100_000), ..Knobs::default() });
    stage.pass(millis(100));
    for _ in 0..20 {
        stage.say(peer, vec![b'x'; 10_000]);
    }
    for second in 1..=2 {
        stage.pass(Duration::from_secs(1));
        let heard = stage.hear(peer).len();
        assert!((97_000..=103_000).contains(&heard), "{heard} in second {second}");
    }
    assert!(!stage.is_over(peer));
}

#[test]
fn leaving_holds_nothing_back_and_waits_for_nobody() {
    let stall = Some(Stall { share: Share::ALL, after: 0 });
    let slow = Knobs {
        rate: Some(1),
        slice: Some(Slicing { bytes: 1, spread: 0, apart: millis(100) }),
        ..delay(Duration::from_secs(30))
    };
    for (knobs, heard) in [
        (slow, "hello"),
        (Knobs { stall, ..Knobs::default() }, ""),
        (Knobs { halfopen: Share::ALL, ..Knobs::default() }, ""),
    ] {
        let (mut stage, peer) = stage(knobs);
        stage.say(peer, "hello");
        stage.engine().close_all();
        stage.flush();
        assert_eq!((stage.hear(peer), stage.is_over(peer)), (heard.into(), true));
        stage.finish(peer);
        assert_eq!((stage.engine().connections(), stage.engine().held()), (0, 0));
    }
}

#[test]
fn who_breaks_off_takes_with_it_what_was_held() {
    let (mut stage, peer) = stage(delay(millis(20)));
    stage.say(peer, "hello");
    assert!(stage.engine().held() > 0);
    stage.reset(peer);
    assert_eq!((stage.engine().held(), stage.standing(peer)), (0, None));
}

#[test]
fn faults_begin_change_and_end_while_a_connection_runs() {
    let mut stage = Stage::new(Mirror::default());
    let peer = stage.join();
    stage.say(peer, "plain,");
    assert!(stage.engine().set_faults(peer, Some(script(delay(millis(20))))));
    stage.say(peer, "late,");
    assert_eq!(stage.hear(peer), "plain,");
    stage.pass(millis(20));
    assert_eq!(stage.hear(peer), "late,");
    stage.say(peer, "held,");
    assert!(stage.engine().set_faults(peer, None));
    stage.flush();
    stage.say(peer, "free");
    assert_eq!(stage.hear(peer), "held,free");
    let halfopen = script(Knobs { halfopen: Share::ALL, ..Knobs::default() });
    stage.engine().set_faults(peer, Some(halfopen));
    stage.say(peer, "?");
    assert_eq!((stage.hear(peer), stage.engine().metrics().bytes_in), (String::new(), 20));
    stage.engine().set_faults(peer, None);
    stage.flush();
    assert_eq!(stage.hear(peer), "?");
    let reset = Some((Share::ALL, At::After(Duration::ZERO)));
    stage.engine().set_faults(peer, Some(script(Knobs { reset, ..Knobs::default() })));
    stage.flush();
    assert!(stage.was_reset(peer));
    assert_eq!(stage.screen(), "opened\nreset by fault\n");
    assert!(!stage.engine().set_faults(peer, None));
}

#[test]
fn who_is_given_a_shorter_delay_or_none_waits_no_longer_for_the_former_one() {
    let hour = Duration::from_secs(3600);
    let fast = Knobs { rate: Some(1 << 20), ..Knobs::default() };
    for (next, wait) in [(delay(millis(20)), millis(20)), (fast, Duration::ZERO)] {
        let (mut stage, peer) = stage(delay(hour));
        stage.say(peer, "held,");
        stage.pass(millis(500));
        assert!(stage.engine().set_faults(peer, Some(script(next))));
        stage.say(peer, "new");
        stage.pass(wait);
        assert_eq!(stage.hear(peer), "held,new");
    }
}

#[test]
fn what_is_said_to_who_suffers_nothing_any_more_is_not_counted() {
    let (mut stage, peer) = stage(delay(millis(20)));
    stage.say(peer, "held,");
    stage.engine().set_faults(peer, None);
    stage.say(peer, "free");
    assert_eq!((stage.hear(peer), count(&mut stage, FaultKind::Delay)), ("held,free".into(), 1));
}

#[test]
fn a_service_that_says_all_at_once_is_held_like_any_other() {
    let mut stage = Stage::new(Mirror { greets: true });
    let peer = stage.join_through(layers(delay(millis(20))));
    stage.pass(millis(19));
    assert_eq!((stage.hear(peer), stage.is_over(peer)), (String::new(), false));
    stage.pass(millis(1));
    assert_eq!((stage.hear(peer), stage.is_over(peer)), ("welcome".into(), true));
}

#[test]
fn where_the_input_is_cut_changes_when_and_not_what() {
    let knobs = Knobs {
        slice: Some(Slicing { bytes: 3, spread: 2, apart: millis(1) }),
        rate: Some(5000),
        ..delay(millis(3))
    };
    let said = "the quick brown fox jumps over the lazy dog";
    for length in 1..said.len() {
        let (mut stage, peer) = stage(knobs.clone());
        for piece in said.as_bytes().chunks(length) {
            stage.take_no_more_than(peer, length);
            stage.say(peer, piece);
        }
        stage.take(peer, usize::MAX);
        stage.finish(peer);
        stage.pass(Duration::from_secs(1));
        assert_eq!((stage.hear(peer), stage.is_over(peer)), (format!("{said}bye"), true));
        assert_eq!(stage.engine().buffered(), (0, 0));
    }
}
