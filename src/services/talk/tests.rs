//! Talk as its clients and the operator see it: whole conversations on the stage.

mod rate;

use super::*;
use crate::engine::stage::{Stage, assert_cuts_change_nothing};

fn stage() -> Stage {
    Stage::new(Talk::new(Some(RATE)))
}

#[test]
fn text_without_a_newline_is_a_message_after_a_tenth_of_a_second() {
    let mut stage = stage();
    let peer = stage.join();
    stage.say(peer, "Hello? Are ");
    stage.pass(Duration::from_millis(60));
    stage.say(peer, "you there?");
    stage.pass(Duration::from_millis(60));
    assert_eq!(stage.screen(), "");
    stage.pass(Duration::from_millis(40));
    assert_eq!(stage.screen(), "Client says: Hello? Are you there?\n");
    stage.tell(Some("Yes? Whats the big idea?"));
    assert_eq!(stage.hear(peer), "Yes? Whats the big idea?");
}

#[test]
fn no_more_than_so_many_unfinished_messages_are_kept() {
    let mut stage = stage();
    let peers: Vec<Peer> = (0..=UNFINISHED_MAX).map(|_| stage.join()).collect();
    let (last, others) = peers.split_last().unwrap();
    others.iter().for_each(|peer| stage.say(*peer, "unfinished"));
    assert_eq!(stage.screen(), "");
    stage.say(*last, "one too many");
    assert!(stage.screen().ends_with("Client says: one too many\n"));
}

#[test]
fn the_rest_of_a_line_is_no_goodbye_among_many_either() {
    let mut stage = stage();
    for _ in 0..UNFINISHED_MAX {
        let other = stage.join();
        stage.say(other, "unfinished");
    }
    let peer = stage.join();
    stage.say(peer, "So I said: ");
    stage.say(peer, "BYE\n");
    assert!(!stage.is_over(peer));
    stage.say(peer, "BYE");
    assert!(stage.is_over(peer));
}

#[test]
fn a_line_is_a_message_at_once_and_is_answered_in_its_own_framing() {
    let mut stage = stage();
    for ending in ["\n", "\r\n"] {
        let peer = stage.join();
        stage.say(peer, format!("hello{ending}"));
        stage.tell(Some("yes"));
        assert_eq!(stage.hear(peer), format!("yes{ending}"));
    }
}

#[test]
fn bye_from_either_side_ends_that_conversation_and_no_other() {
    let mut stage = stage();
    let (one, two) = (stage.join(), stage.join());
    stage.say(one, "BYE");
    stage.say(two, "hi\n");
    stage.pass(QUIET);
    assert!(stage.is_over(one) && !stage.is_over(two));
    stage.tell(Some("/to 2 BYE"));
    assert!(stage.is_over(two));
    assert_eq!(stage.hear(two), "BYE\n");
}

#[test]
fn a_message_that_only_begins_with_bye_does_not_end_it() {
    let mut stage = stage();
    let peer = stage.join();
    stage.say(peer, "BYE");
    stage.say(peer, "E for now\n");
    stage.pass(QUIET);
    assert!(!stage.is_over(peer));
    assert_eq!(stage.screen(), "Client says: BYEE for now\n");
}

#[test]
fn plain_text_goes_to_whoever_spoke_last_unless_another_is_chosen() {
    let mut stage = stage();
    let (one, two) = (stage.join(), stage.join());
    stage.tell(Some("hello?"));
    assert!(stage.screen().starts_with("nobody to answer"));
    stage.say(one, "from one\n");
    stage.say(two, "from two\n");
    stage.tell(Some("for two"));
    stage.tell(Some("/to #1"));
    stage.tell(Some("for one"));
    stage.tell(Some("/to 2 also for two"));
    stage.tell(Some("still for one"));
    assert_eq!(stage.hear(one), "for one\nstill for one\n");
    assert_eq!(stage.hear(two), "for two\nalso for two\n");
    let shown = stage.screen();
    let wanted = [
        "--- #1 192.0.2.1:1001",
        "Client says: from one",
        "--- #2 192.0.2.1:1002",
        "Client says: from two",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), wanted);
    stage.tell(Some("/to 77 hello"));
    assert!(stage.screen().starts_with("no talk client \"77\""));
    stage.tell(Some("for one again"));
    assert_eq!(stage.hear(one), "for one again\n");
}

#[test]
fn a_choice_holds_whoever_speaks_until_the_next_to() {
    let mut stage = stage();
    let (one, two) = (stage.join(), stage.join());
    stage.say(one, "hi\n");
    stage.tell(Some("/to 1"));
    stage.say(two, "me\n");
    stage.tell(Some("a secret"));
    stage.tell(Some("/to 2 "));
    stage.say(one, "and I?\n");
    stage.tell(Some("for two"));
    stage.tell(Some("/to  #1   "));
    stage.say(two, "BYE\n");
    stage.tell(Some("another secret"));
    assert_eq!(stage.hear(one), "a secret\nanother secret\n");
    assert_eq!(stage.hear(two), "for two\n");
    stage.tell(Some("/to"));
    assert!(stage.screen().contains("TEXT answers whoever speaks last"));
    stage.say(one, "still here\n");
    stage.tell(Some("good"));
    assert_eq!(stage.hear(one), "good\n");
}

#[test]
fn what_is_meant_for_one_who_has_left_reaches_nobody_else() {
    let mut stage = stage();
    let (one, two) = (stage.join(), stage.join());
    stage.say(one, "hi\n");
    stage.tell(Some("/to 1"));
    stage.say(two, "hello\n");
    // It has been sent off, but its own FIN has not come yet.
    stage.tell(Some("BYE"));
    drop((stage.hear(one), stage.screen()));
    stage.tell(Some("a secret"));
    assert!(stage.screen().starts_with("#1 has left; "));
    stage.finish(one);
    stage.say(two, "somebody else\n");
    stage.tell(Some("a secret"));
    assert!(stage.screen().contains("#1 has left; "));
    for absent in ["/to 1", "/to 0", "/to 2x", "/to +2", "/to #", "/to ##2", "/to two"] {
        stage.tell(Some(absent));
        assert!(stage.screen().starts_with("no talk client"), "{absent}");
        stage.tell(Some("a secret"));
        assert!(stage.screen().starts_with("nobody is chosen"), "{absent}");
    }
    assert_eq!((stage.hear(one), stage.hear(two)), ("".into(), "".into()));
}

#[test]
fn how_a_client_frames_its_messages_is_learnt_anew_from_each() {
    let mut stage = stage();
    let peer = stage.join();
    stage.say(peer, "Hel");
    stage.pass(Duration::from_millis(250));
    stage.say(peer, "lo\n");
    stage.tell(Some("one"));
    stage.say(peer, "no end");
    stage.pass(QUIET);
    stage.tell(Some("two"));
    stage.say(peer, "\r\n");
    stage.tell(Some("three"));
    stage.say(peer, "\nlast\n");
    stage.tell(Some("four"));
    assert_eq!(stage.hear(peer), "one\ntwothree\r\nfour\n");
    let said = ["Hel", "lo", "no end", "", "last"].map(|text| format!("Client says: {text}\n"));
    assert_eq!(stage.screen(), said.concat());
}

#[test]
fn the_padding_of_c_programs_is_no_text() {
    let mut stage = stage();
    let (one, two) = (stage.join(), stage.join());
    stage.say(one, b"hello\n\0\0\0");
    stage.pass(QUIET);
    stage.tell(Some("yes"));
    assert_eq!(stage.hear(one), "yes\n");
    stage.say(one, b"again\0\0");
    stage.pass(QUIET);
    stage.say(one, b"BYE\0\0\0");
    stage.pass(QUIET);
    assert!(stage.is_over(one) && !stage.is_over(two));
    let shown = stage.screen();
    let said: Vec<&str> = shown.lines().skip(1).collect();
    assert_eq!(said, ["Client says: hello", "Client says: again", "Client says: BYE"]);
}

#[test]
fn a_piece_of_a_long_text_is_no_goodbye() {
    let blanks = vec![b' '; MESSAGE_BYTES_MAX - 3];
    for long in [[&blanks[..], b"BYE and more"].concat(), vec![b'x'; MESSAGE_BYTES_MAX + 2]] {
        let mut stage = stage();
        let peer = stage.join();
        stage.say(peer, long);
        stage.say(peer, b"\nhi\n");
        assert!(!stage.is_over(peer));
        stage.say(peer, vec![b'x'; MESSAGE_BYTES_MAX + 2]);
        stage.say(peer, vec![b'x'; MESSAGE_BYTES_MAX - 2]);
        stage.say(peer, "BYE\n");
        assert!(!stage.is_over(peer));
        stage.say(peer, "BYE\n");
        assert!(stage.is_over(peer));
    }
}

#[test]
fn an_answer_to_somebody_who_has_left_is_not_lost_in_silence() {
    let mut stage = stage();
    let peer = stage.join();
    stage.say(peer, "hi\n");
    stage.reset(peer);
    stage.tell(Some("hello?"));
    let shown = stage.screen();
    assert!(shown.contains("#1 has left: reset by the peer"), "{shown}");
    assert!(shown.contains("#1 has left; /to N"), "{shown}");
}

#[test]
fn without_an_operator_everybody_who_speaks_is_told_so_once() {
    let mut stage = stage();
    let (early, late) = (stage.join(), stage.join());
    stage.say(early, "anybody?\n");
    stage.tell(None);
    stage.say(early, "really nobody?\n");
    stage.say(late, "hello?");
    stage.pass(QUIET);
    let told = String::from_utf8_lossy(NO_OPERATOR);
    assert_eq!(stage.hear(early), format!("{told}\n"));
    assert_eq!(stage.hear(late), told);
}

#[test]
fn a_client_that_closes_its_side_still_gets_its_answer() {
    let mut stage = stage();
    let (asker, mute) = (stage.join(), stage.join());
    stage.say(asker, "a question");
    stage.finish(asker);
    stage.finish(mute);
    assert!(stage.is_over(mute) && !stage.is_over(asker));
    stage.tell(Some("an answer"));
    stage.tell(Some("BYE"));
    assert_eq!(stage.hear(asker), "an answerBYE");
    assert!(stage.is_over(asker));
}

#[test]
fn whoever_waits_for_an_operator_who_leaves_does_not_wait_for_ever() {
    let mut stage = stage();
    let peer = stage.join();
    stage.say(peer, "a question\n");
    stage.finish(peer);
    stage.tell(None);
    assert_eq!(stage.hear(peer), format!("{}\n", String::from_utf8_lossy(NO_OPERATOR)));
    assert!(stage.is_over(peer));
}

#[test]
fn who_is_kicked_is_told_so_in_its_own_framing() {
    let mut stage = stage();
    let (bare, lined) = (stage.join(), stage.join());
    stage.say(lined, "hi\r\n");
    for (peer, ending) in [(bare, ""), (lined, "\r\n")] {
        stage.engine().kick(peer.number());
        stage.flush();
        let told = format!("You were kicked by the operator.{ending}");
        assert_eq!((stage.hear(peer), stage.is_over(peer)), (told, true));
    }
}

#[test]
fn what_a_client_sends_cannot_drive_the_operators_terminal() {
    let mut stage = stage();
    let peer = stage.join();
    stage.say(peer, "\x1b]0;owned\x07\n");
    assert_eq!(stage.screen(), "Client says: \\x1b]0;owned\\x07\n");
}

#[test]
fn endless_text_without_a_newline_is_shown_in_pieces() {
    let mut stage = stage();
    let peer = stage.join();
    for _ in 0..5 {
        stage.say(peer, vec![b'x'; 10_000]);
    }
    stage.pass(QUIET);
    let shown = stage.screen();
    assert_eq!(shown.matches('x').count(), 50_000);
    assert_eq!(shown.lines().count(), 4);
}

#[test]
fn telnet_speaks_like_all_others() {
    let mut stage = stage();
    let peer = stage.join();
    stage.say(peer, b"\xff\xf4\xff\xfd\x06hel\xff\xf1lo\r\0\xff\xfc\x01");
    stage.pass(QUIET);
    assert_eq!(stage.screen(), "Client says: hello\n");
    stage.say(peer, b"caf\xe9 \xff\n\xffBYE");
    stage.finish(peer);
    let shown = "Client says: caf\u{fffd} \u{fffd}\nClient says: \u{fffd}BYE\n";
    assert_eq!(stage.screen(), shown);
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
