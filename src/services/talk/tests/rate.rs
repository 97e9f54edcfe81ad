//! Messages above the rate, which wait, and the work of a turn.

use super::*;

fn slow_theatre() -> (Theatre, Peer) {
    let rate = Rate { per_second: 10.0, burst: 2.0 };
    let mut theatre = Theatre::new(Talk::new(Some(rate)));
    let peer = theatre.join();
    (theatre, peer)
}

#[test]
fn each_line_of_telnet_is_a_message_within_the_rate_and_none_follows_bye() {
    let (mut theatre, peer) = slow_theatre();
    theatre.say(peer, b"\xff\xf1one\r\0two\r\0three\r\0BYE\r\0\xff\xfd\x01four\r\0");
    assert_eq!(screen(&mut theatre), "Client says: one\nClient says: two\n");
    theatre.pass(Duration::from_millis(100));
    theatre.say(peer, "");
    assert_eq!(screen(&mut theatre), "Client says: three\n");
    theatre.pass(Duration::from_millis(100));
    theatre.say(peer, "");
    assert_eq!(screen(&mut theatre), "Client says: BYE\n");
    assert!(theatre.is_over(peer));
}

#[test]
fn messages_above_the_rate_wait_in_order_and_none_is_lost() {
    let (mut theatre, peer) = slow_theatre();
    let lines: Vec<String> = (0..100).map(|number| format!("Client says: {number}")).collect();
    let said: String = (0..100).map(|number| format!("{number}\n")).collect();
    theatre.say(peer, said);
    let mut shown = screen(&mut theatre);
    assert_eq!(shown.lines().count(), 2);
    assert!(!theatre.engine.wants_input(peer));
    theatre.pass(Duration::from_secs(1));
    shown += &screen(&mut theatre);
    assert_eq!(shown.lines().count(), 12);
    theatre.pass(Duration::from_secs(9));
    shown += &screen(&mut theatre);
    assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
    assert!(theatre.engine.wants_input(peer));
    assert_eq!(theatre.engine.buffered(), (0, 0));
}

#[test]
fn goodbye_behind_a_flood_is_heard_when_its_turn_has_come() {
    let (mut theatre, peer) = slow_theatre();
    theatre.say(peer, format!("{}BYE\nmore\n", "x\n".repeat(20)));
    theatre.pass(Duration::from_millis(1_700));
    assert!(!theatre.is_over(peer));
    theatre.pass(Duration::from_millis(200));
    assert!(theatre.is_over(peer));
    assert_eq!(screen(&mut theatre).lines().count(), 21);
}

#[test]
fn the_end_of_the_input_behind_a_flood_comes_behind_all_of_it() {
    let (mut theatre, peer) = slow_theatre();
    theatre.say(peer, format!("{}the end", "x\n".repeat(20)));
    theatre.finish(peer);
    while !theatre.engine.wants_input(peer) {
        theatre.pass(Duration::from_millis(10));
    }
    theatre.finish(peer);
    let shown = screen(&mut theatre);
    assert_eq!(shown.lines().count(), 21);
    assert!(shown.ends_with("Client says: the end\n"));
    theatre.tell(Some("an answer"));
    assert_eq!(theatre.hear(peer), "an answer\n");
    assert!(!theatre.is_over(peer));
}

#[test]
fn text_without_a_newline_waits_for_the_rate_as_well() {
    let rate = Rate { per_second: 1.0, burst: 1.0 };
    let mut theatre = Theatre::new(Talk::new(Some(rate)));
    let peer = theatre.join();
    theatre.say(peer, "one\ntwo");
    theatre.pass(Duration::from_millis(999));
    assert_eq!(screen(&mut theatre), "Client says: one\n");
    theatre.pass(Duration::from_millis(101));
    assert_eq!(screen(&mut theatre), "Client says: two\n");
    theatre.say(peer, "three");
    theatre.pass(Duration::from_millis(1099));
    assert_eq!(screen(&mut theatre), "");
    theatre.pass(Duration::from_millis(1));
    assert_eq!(screen(&mut theatre), "Client says: three\n");
}

#[test]
fn many_silences_that_end_at_once_are_no_one_turns_work() {
    let mut theatre = theatre();
    let text = [0x1b; 8 * 1024];
    for _ in 0..100 {
        let peer = theatre.join();
        theatre.say(peer, text);
    }
    let engine = &mut theatre.engine;
    engine.advance(Time::at(QUIET), 0);
    let mut shown = Vec::new();
    while engine.next_deadline() == Some(Time::at(QUIET)) {
        engine.ring();
        let text = String::from_utf8(engine.take_screen()).unwrap();
        shown.push(text.matches("says").count());
    }
    assert_eq!(shown.iter().sum::<usize>(), 100);
    assert!(shown.iter().all(|count| (1..20).contains(count)), "{shown:?}");
}
