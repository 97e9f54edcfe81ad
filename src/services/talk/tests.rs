//! Talk as its clients and the operator see it: whole conversations on the stage.

mod rate;

use super::*;
use crate::engine::stage::{Stage as Theatre, assert_cuts_change_nothing};

fn theatre() -> Theatre {
    Theatre::new(Talk::new(Some(RATE)))
}

fn screen(theatre: &mut Theatre) -> String {
    theatre.screen()
}

#[test]
fn text_without_a_newline_is_a_message_after_a_tenth_of_a_second() {
    let mut theatre = theatre();
    let peer = theatre.join();
    theatre.say(peer, "Hello? Are ");
    theatre.pass(Duration::from_millis(60));
    theatre.say(peer, "you there?");
    theatre.pass(Duration::from_millis(60));
    assert_eq!(screen(&mut theatre), "");
    theatre.pass(Duration::from_millis(40));
    assert_eq!(screen(&mut theatre), "Client says: Hello? Are you there?\n");
    theatre.tell(Some("Yes? Whats the big idea?"));
    assert_eq!(theatre.hear(peer), "Yes? Whats the big idea?");
}

#[test]
fn no_more_than_so_many_unfinished_messages_are_kept() {
    let mut theatre = theatre();
    let peers: Vec<Peer> = (0..=UNFINISHED_MAX).map(|_| theatre.join()).collect();
    let (last, others) = peers.split_last().unwrap();
    others.iter().for_each(|peer| theatre.say(*peer, "unfinished"));
    assert_eq!(screen(&mut theatre), "");
    theatre.say(*last, "one too many");
    assert!(screen(&mut theatre).ends_with("Client says: one too many\n"));
}

#[test]
fn a_line_is_a_message_at_once_and_is_answered_in_its_own_framing() {
    let mut theatre = theatre();
    for ending in ["\n", "\r\n"] {
        let peer = theatre.join();
        theatre.say(peer, format!("hello{ending}"));
        theatre.tell(Some("yes"));
        assert_eq!(theatre.hear(peer), format!("yes{ending}"));
    }
}

#[test]
fn bye_from_either_side_ends_that_conversation_and_no_other() {
    let mut theatre = theatre();
    let (one, two) = (theatre.join(), theatre.join());
    theatre.say(one, "BYE");
    theatre.say(two, "hi\n");
    theatre.pass(QUIET);
    assert!(theatre.is_over(one) && !theatre.is_over(two));
    theatre.tell(Some("/to 2 BYE"));
    assert!(theatre.is_over(two));
    assert_eq!(theatre.hear(two), "BYE\n");
}

#[test]
fn a_message_that_only_begins_with_bye_does_not_end_it() {
    let mut theatre = theatre();
    let peer = theatre.join();
    theatre.say(peer, "BYE");
    theatre.say(peer, "E for now\n");
    theatre.pass(QUIET);
    assert!(!theatre.is_over(peer));
    assert_eq!(screen(&mut theatre), "Client says: BYEE for now\n");
}

#[test]
fn plain_text_goes_to_whoever_spoke_last_unless_another_is_chosen() {
    let mut theatre = theatre();
    let (one, two) = (theatre.join(), theatre.join());
    theatre.tell(Some("hello?"));
    assert!(screen(&mut theatre).starts_with("nobody to answer"));
    theatre.say(one, "from one\n");
    theatre.say(two, "from two\n");
    theatre.tell(Some("for two"));
    theatre.tell(Some("/to #1"));
    theatre.tell(Some("for one"));
    theatre.tell(Some("/to 2 also for two"));
    theatre.tell(Some("still for one"));
    assert_eq!(theatre.hear(one), "for one\nstill for one\n");
    assert_eq!(theatre.hear(two), "for two\nalso for two\n");
    let shown = screen(&mut theatre);
    let wanted = [
        "--- #1 192.0.2.1:1001",
        "Client says: from one",
        "--- #2 192.0.2.1:1002",
        "Client says: from two",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), wanted);
    theatre.tell(Some("/to 77 hello"));
    assert!(screen(&mut theatre).starts_with("no talk client \"77\""));
    theatre.tell(Some("for one again"));
    assert_eq!(theatre.hear(one), "for one again\n");
}

#[test]
fn a_choice_holds_whoever_speaks_until_the_next_to() {
    let mut theatre = theatre();
    let (one, two) = (theatre.join(), theatre.join());
    theatre.say(one, "hi\n");
    theatre.tell(Some("/to 1"));
    theatre.say(two, "me\n");
    theatre.tell(Some("a secret"));
    theatre.tell(Some("/to 2 "));
    theatre.say(one, "and I?\n");
    theatre.tell(Some("for two"));
    theatre.tell(Some("/to  #1   "));
    theatre.say(two, "BYE\n");
    theatre.tell(Some("another secret"));
    assert_eq!(theatre.hear(one), "a secret\nanother secret\n");
    assert_eq!(theatre.hear(two), "for two\n");
    theatre.tell(Some("/to"));
    assert!(screen(&mut theatre).contains("TEXT answers whoever speaks last"));
    theatre.say(one, "still here\n");
    theatre.tell(Some("good"));
    assert_eq!(theatre.hear(one), "good\n");
}

#[test]
fn what_is_meant_for_one_who_has_left_reaches_nobody_else() {
    let mut theatre = theatre();
    let (one, two) = (theatre.join(), theatre.join());
    theatre.say(one, "hi\n");
    theatre.tell(Some("/to 1"));
    theatre.say(two, "hello\n");
    // It has been sent off, but its own FIN has not come yet.
    theatre.tell(Some("BYE"));
    drop((theatre.hear(one), screen(&mut theatre)));
    theatre.tell(Some("a secret"));
    assert!(screen(&mut theatre).starts_with("#1 has left; "));
    theatre.finish(one);
    theatre.say(two, "somebody else\n");
    theatre.tell(Some("a secret"));
    assert!(screen(&mut theatre).contains("#1 has left; "));
    for absent in ["/to 1", "/to 0", "/to 2x", "/to +2", "/to #", "/to ##2", "/to two"] {
        theatre.tell(Some(absent));
        assert!(screen(&mut theatre).starts_with("no talk client"), "{absent}");
        theatre.tell(Some("a secret"));
        assert!(screen(&mut theatre).starts_with("nobody is chosen"), "{absent}");
    }
    assert_eq!((theatre.hear(one), theatre.hear(two)), ("".into(), "".into()));
}

#[test]
fn how_a_client_frames_its_messages_is_learnt_anew_from_each() {
    let mut theatre = theatre();
    let peer = theatre.join();
    theatre.say(peer, "Hel");
    theatre.pass(Duration::from_millis(250));
    theatre.say(peer, "lo\n");
    theatre.tell(Some("one"));
    theatre.say(peer, "no end");
    theatre.pass(QUIET);
    theatre.tell(Some("two"));
    theatre.say(peer, "\r\n");
    theatre.tell(Some("three"));
    theatre.say(peer, "\nlast\n");
    theatre.tell(Some("four"));
    assert_eq!(theatre.hear(peer), "one\ntwothree\r\nfour\n");
    let said = ["Hel", "lo", "no end", "", "last"].map(|text| format!("Client says: {text}\n"));
    assert_eq!(screen(&mut theatre), said.concat());
}

#[test]
fn the_padding_of_c_programs_is_no_text() {
    let mut theatre = theatre();
    let (one, two) = (theatre.join(), theatre.join());
    theatre.say(one, b"hello\n\0\0\0");
    theatre.pass(QUIET);
    theatre.tell(Some("yes"));
    assert_eq!(theatre.hear(one), "yes\n");
    theatre.say(one, b"again\0\0");
    theatre.pass(QUIET);
    theatre.say(one, b"BYE\0\0\0");
    theatre.pass(QUIET);
    assert!(theatre.is_over(one) && !theatre.is_over(two));
    let shown = screen(&mut theatre);
    let said: Vec<&str> = shown.lines().skip(1).collect();
    assert_eq!(said, ["Client says: hello", "Client says: again", "Client says: BYE"]);
}

#[test]
fn a_piece_of_a_long_text_is_no_goodbye() {
    let blanks = vec![b' '; MESSAGE_BYTES_MAX - 3];
    for long in [[&blanks[..], b"BYE and more"].concat(), vec![b'x'; MESSAGE_BYTES_MAX + 2]] {
        let mut theatre = theatre();
        let peer = theatre.join();
        theatre.say(peer, long);
        theatre.say(peer, b"\nhi\n");
        assert!(!theatre.is_over(peer));
        theatre.say(peer, vec![b'x'; MESSAGE_BYTES_MAX + 2]);
        theatre.say(peer, vec![b'x'; MESSAGE_BYTES_MAX - 2]);
        theatre.say(peer, "BYE\n");
        assert!(!theatre.is_over(peer));
        theatre.say(peer, "BYE\n");
        assert!(theatre.is_over(peer));
    }
}

#[test]
fn an_answer_to_somebody_who_has_left_is_not_lost_in_silence() {
    let mut theatre = theatre();
    let peer = theatre.join();
    theatre.say(peer, "hi\n");
    theatre.reset(peer);
    theatre.tell(Some("hello?"));
    let shown = screen(&mut theatre);
    assert!(shown.contains("#1 has left: reset by the peer"), "{shown}");
    assert!(shown.contains("#1 has left; /to N"), "{shown}");
}

#[test]
fn without_an_operator_everybody_who_speaks_is_told_so_once() {
    let mut theatre = theatre();
    let (early, late) = (theatre.join(), theatre.join());
    theatre.say(early, "anybody?\n");
    theatre.tell(None);
    theatre.say(early, "really nobody?\n");
    theatre.say(late, "hello?");
    theatre.pass(QUIET);
    let told = String::from_utf8_lossy(NO_OPERATOR);
    assert_eq!(theatre.hear(early), format!("{told}\n"));
    assert_eq!(theatre.hear(late), told);
}

#[test]
fn a_client_that_closes_its_side_still_gets_its_answer() {
    let mut theatre = theatre();
    let (asker, mute) = (theatre.join(), theatre.join());
    theatre.say(asker, "a question");
    theatre.finish(asker);
    theatre.finish(mute);
    assert!(theatre.is_over(mute) && !theatre.is_over(asker));
    theatre.tell(Some("an answer"));
    theatre.tell(Some("BYE"));
    assert_eq!(theatre.hear(asker), "an answerBYE");
    assert!(theatre.is_over(asker));
}

#[test]
fn whoever_waits_for_an_operator_who_leaves_does_not_wait_for_ever() {
    let mut theatre = theatre();
    let peer = theatre.join();
    theatre.say(peer, "a question\n");
    theatre.finish(peer);
    theatre.tell(None);
    assert_eq!(theatre.hear(peer), format!("{}\n", String::from_utf8_lossy(NO_OPERATOR)));
    assert!(theatre.is_over(peer));
}

#[test]
fn who_is_kicked_is_told_so_in_its_own_framing() {
    let mut theatre = theatre();
    let (bare, lined) = (theatre.join(), theatre.join());
    theatre.say(lined, "hi\r\n");
    for (peer, ending) in [(bare, ""), (lined, "\r\n")] {
        theatre.engine.kick(peer.number());
        theatre.flush();
        let told = format!("You were kicked by the operator.{ending}");
        assert_eq!((theatre.hear(peer), theatre.is_over(peer)), (told, true));
    }
}

#[test]
fn what_a_client_sends_cannot_drive_the_operators_terminal() {
    let mut theatre = theatre();
    let peer = theatre.join();
    theatre.say(peer, "\x1b]0;owned\x07\n");
    assert_eq!(screen(&mut theatre), "Client says: \\x1b]0;owned\\x07\n");
}

#[test]
fn endless_text_without_a_newline_is_shown_in_pieces() {
    let mut theatre = theatre();
    let peer = theatre.join();
    for _ in 0..5 {
        theatre.say(peer, vec![b'x'; 10_000]);
    }
    theatre.pass(QUIET);
    let shown = screen(&mut theatre);
    assert_eq!(shown.matches('x').count(), 50_000);
    assert_eq!(shown.lines().count(), 4);
}

#[test]
fn telnet_speaks_like_all_others() {
    let mut theatre = theatre();
    let peer = theatre.join();
    theatre.say(peer, b"\xff\xf4\xff\xfd\x06hel\xff\xf1lo\r\0\xff\xfc\x01");
    theatre.pass(QUIET);
    assert_eq!(screen(&mut theatre), "Client says: hello\n");
    theatre.say(peer, b"caf\xe9 \xff\n\xffBYE");
    theatre.finish(peer);
    let shown = "Client says: caf\u{fffd} \u{fffd}\nClient says: \u{fffd}BYE\n";
    assert_eq!(screen(&mut theatre), shown);
}

#[test]
fn cutting_the_input_anywhere_changes_nothing() {
    let long = [&[b'x'; MESSAGE_BYTES_MAX][..], b"BYE\r\nand so on\n"].concat();
    let script: &[(usize, &[u8])] = &[
        (0, b"hello\r\nagain\r\n"),
        (1, b"no newline"),
        (2, &long[MESSAGE_BYTES_MAX - 3..]),
        (3, b"\xff\xf1x\xff\xf4y\n\xff\xfe\x06\0\0\r\0BYE\r\0"),
        (0, b"BYE\r\nignored"),
    ];
    assert_cuts_change_nothing(|| Talk { has_operator: false, ..Talk::new(Some(RATE)) }, script, 4);
}
