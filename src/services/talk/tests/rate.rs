//! Messages above the rate, which wait, and the work of a turn.

use super::*;
use crate::engine::{Limits, Quota};

/// A talk that shows `per_second` messages a second, in bursts of a fifth of that, and a client.
fn slow_stage(per_second: f64) -> (Stage, Peer) {
    let rate = Rate { per_second, burst: (per_second / 5.0).max(1.0) };
    let mut stage = Stage::new(Talk::new(Some(rate)));
    let peer = stage.join();
    (stage, peer)
}

#[test]
fn each_line_of_telnet_is_a_message_within_the_rate_and_none_follows_bye() {
    let (mut stage, peer) = slow_stage(10.0);
    stage.say(peer, b"\xff\xf1one\r\0two\r\0three\r\0BYE\r\0\xff\xfd\x01four\r\0");
    assert_eq!(stage.screen(), "Client says: one\nClient says: two\n");
    stage.pass(Duration::from_millis(100));
    stage.say(peer, "");
    assert_eq!(stage.screen(), "Client says: three\n");
    stage.pass(Duration::from_millis(100));
    stage.say(peer, "");
    assert_eq!(stage.screen(), "Client says: BYE\n");
    assert!(stage.is_over(peer));
}

#[test]
fn messages_above_the_rate_wait_in_order_and_none_is_lost() {
    let (mut stage, peer) = slow_stage(10.0);
    let lines: Vec<String> = (0..100).map(|number| format!("Client says: {number}")).collect();
    let said: String = (0..100).map(|number| format!("{number}\n")).collect();
    stage.say(peer, said);
    let mut shown = stage.screen();
    assert_eq!(shown.lines().count(), 2);
    assert!(!stage.engine().wants_input(peer));
    stage.pass(Duration::from_secs(1));
    shown += &stage.screen();
    assert_eq!(shown.lines().count(), 12);
    stage.pass(Duration::from_secs(9));
    shown += &stage.screen();
    assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
    assert!(stage.engine().wants_input(peer));
    assert_eq!(stage.engine().buffered(), (0, 0));
}

#[test]
fn goodbye_behind_a_flood_is_heard_when_its_turn_has_come() {
    let (mut stage, peer) = slow_stage(10.0);
    stage.say(peer, format!("{}BYE\nmore\n", "x\n".repeat(20)));
    stage.pass(Duration::from_millis(1_700));
    assert!(!stage.is_over(peer));
    stage.pass(Duration::from_millis(200));
    assert!(stage.is_over(peer));
    assert_eq!(stage.screen().lines().count(), 21);
}

#[test]
fn the_end_of_the_input_behind_a_flood_comes_behind_all_of_it() {
    let (mut stage, peer) = slow_stage(10.0);
    stage.say(peer, format!("{}the end", "x\n".repeat(20)));
    stage.finish(peer);
    stage.pass(Duration::from_secs(3));
    let shown = stage.screen();
    assert_eq!(shown.lines().count(), 21);
    assert!(shown.ends_with("Client says: the end\n"));
    stage.tell(Some("an answer"));
    assert_eq!(stage.hear(peer), "an answer\n");
    assert!(!stage.is_over(peer));
}

#[test]
fn text_without_a_newline_waits_for_the_rate_as_well() {
    let rate = Rate { per_second: 1.0, burst: 1.0 };
    let mut stage = Stage::new(Talk::new(Some(rate)));
    let peer = stage.join();
    stage.say(peer, "one\ntwo");
    stage.pass(Duration::from_millis(999));
    assert_eq!(stage.screen(), "Client says: one\n");
    stage.pass(Duration::from_millis(101));
    assert_eq!(stage.screen(), "Client says: two\n");
    stage.say(peer, "three");
    stage.pass(Duration::from_millis(1099));
    assert_eq!(stage.screen(), "");
    stage.pass(Duration::from_millis(1));
    assert_eq!(stage.screen(), "Client says: three\n");
}

#[test]
fn many_silences_that_end_at_once_are_no_one_turns_work() {
    let mut stage = stage();
    let text = [0x1b; 8 * 1024];
    for _ in 0..100 {
        let peer = stage.join();
        stage.say(peer, text);
    }
    let engine = stage.engine();
    engine.advance(Time::at(QUIET), 0);
    let mut shown = Vec::new();
    while engine.next_deadline() == Some(Time::at(QUIET)) {
        engine.fire_timers();
        let text = String::from_utf8(engine.take_screen()).unwrap();
        shown.push(text.matches("says").count());
    }
    assert_eq!(shown.iter().sum::<usize>(), 100);
    assert!(shown.iter().all(|count| (1..20).contains(count)), "{shown:?}");
}

#[test]
fn what_waits_for_the_rate_is_not_silent_and_stays_part_of_its_line() {
    let (mut stage, peer) = slow_stage(1.0);
    let mut long = vec![b'x'; MESSAGE_BYTES_MAX];
    long.extend_from_slice(b"  ");
    stage.say(peer, long);
    // The first piece has used up the rate, so this waits.
    stage.say(peer, "BYE\nnext\n");
    stage.pass(Duration::from_millis(900));
    assert_eq!(stage.screen().lines().count(), 1);
    stage.pass(Duration::from_millis(1200));
    assert_eq!(stage.screen(), "Client says:   BYE\nClient says: next\n");
    assert!(!stage.is_over(peer), "the end of a long line is no goodbye");
}

#[test]
fn who_waits_for_the_rate_is_not_idle() {
    let rate = Rate { per_second: 0.001, burst: 1.0 };
    let quota = Quota { idle: OFFER.idle, ..Quota::default() };
    let mut stage = Stage::with(Limits::default(), quota, Talk::new(Some(rate)));
    let peer = stage.join();
    stage.say(peer, "one\ntwo\n");
    stage.pass(Duration::from_secs(999));
    assert_eq!(stage.screen(), "Client says: one\n");
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.screen(), "Client says: two\n");
    assert!(!stage.is_over(peer));
    stage.pass(Duration::from_secs(601));
    assert!(stage.is_over(peer), "nothing waits any more");
}
