//! Chat as its members hear it: whole conversations on the stage.

mod limits;
mod model;

use super::replies::LISTED;
use super::*;
use crate::engine::stage::{Stage, assert_cuts_change_nothing};

/// A chat without a rate, and `count` members that have read all they were sent.
fn chat_of(count: usize) -> (Stage, Vec<Peer>) {
    let mut stage = Stage::new(Chat::new(None));
    let members: Vec<Peer> = (0..count).map(|_| stage.join()).collect();
    forget(&mut stage, &members);
    (stage, members)
}

/// A chat of ann, bob and carl in the lobby.
fn trio() -> (Stage, Peer, Peer, Peer) {
    let (mut stage, members) = chat_of(3);
    for (peer, name) in members.iter().zip(["ann", "bob", "carl"]) {
        stage.say(*peer, format!("/nick {name}\n"));
    }
    forget(&mut stage, &members);
    (stage, members[0], members[1], members[2])
}

fn forget(stage: &mut Stage, members: &[Peer]) {
    members.iter().for_each(|peer| drop(stage.hear(*peer)));
}

/// What `peer` hears in answer to `line`.
fn ask(stage: &mut Stage, peer: Peer, line: &str) -> String {
    stage.say(peer, format!("{line}\n"));
    stage.hear(peer)
}

#[test]
fn a_newcomer_is_welcomed_by_name_and_the_others_are_told() {
    let mut stage = Stage::new(Chat::new(None));
    let one = stage.join();
    let welcome = "** Welcome! You are guest1, in lobby (1 here). \
                   Type /help for help, BYE to leave.\n";
    assert_eq!(stage.hear(one), welcome);
    let two = stage.join();
    assert_eq!(stage.hear(one), "* guest2 joined\n");
    assert!(stage.hear(two).starts_with("** Welcome! You are guest2, in lobby (2 here)."));
}

#[test]
fn a_newcomer_gets_the_last_twenty_things_said_but_not_who_came_and_went() {
    let (mut stage, members) = chat_of(2);
    stage.set_wall(14 * 3600 + 3 * 60);
    for number in 1..=25 {
        let line = if number % 2 == 0 { "/me does" } else { "says" };
        stage.say(members[0], format!("{line} {number}\n"));
    }
    stage.say(members[1], "/nick ann\n/who\nBYE\n");
    let newcomer = stage.join();
    let heard = stage.hear(newcomer);
    let history: Vec<&str> = heard.lines().skip(1).collect();
    assert_eq!(history.len(), 20);
    assert_eq!(history[0], "[earlier, 14:03 UTC] * guest1 does 6");
    assert_eq!(history[19], "[earlier, 14:03 UTC] <guest1> says 25");
}

#[test]
fn what_is_said_before_a_newcomer_joins_in_the_same_turn_reaches_it_once() {
    let (mut stage, members) = chat_of(2);
    stage.say_in_turn(members[0], "early\n");
    let newcomer = stage.join();
    assert_eq!(stage.hear(newcomer).matches("early").count(), 1);
    assert_eq!(stage.hear(members[1]), "<guest1> early\n* guest3 joined\n");
    assert_eq!(stage.hear(members[0]), "* guest3 joined\n");
}

#[test]
fn lines_go_to_everybody_else_and_never_back() {
    let (mut stage, ann, bob, carl) = trio();
    stage.say(ann, "hello\nworld\r\n\n \n");
    assert_eq!(stage.hear(bob), "<ann> hello\n<ann> world\n");
    assert_eq!(stage.hear(carl), "<ann> hello\n<ann> world\n");
    assert_eq!(stage.hear(ann), "");
}

#[test]
fn several_speakers_in_one_turn_are_heard_in_the_same_order_by_all() {
    let (mut stage, members) = chat_of(5);
    for (speaker, lines) in [(0, "a\nb\n"), (1, "c\n"), (0, "d\n"), (2, "e\n"), (1, "f\ng\n")] {
        stage.say_in_turn(members[speaker], lines);
    }
    stage.flush();
    let whole = stage.hear(members[4]);
    let letters: String = whole.lines().filter_map(|line| line.chars().last()).collect();
    assert_eq!(letters, "abcdefg");
    assert_eq!(stage.hear(members[3]), whole);
    for (number, peer) in members.iter().enumerate().take(3) {
        let own = format!("<guest{}>", number + 1);
        let others: Vec<&str> = whole.lines().filter(|line| !line.contains(&own)).collect();
        assert_eq!(stage.hear(*peer).lines().collect::<Vec<_>>(), others);
    }
}

#[test]
fn members_who_leave_in_the_midst_of_a_turn_take_nobody_elses_lines_along() {
    let (mut stage, members) = chat_of(4);
    stage.say_in_turn(members[3], "from the last seat\n");
    stage.say_in_turn(members[0], "going\nBYE\n");
    stage.say_in_turn(members[3], "from a new seat\n");
    stage.say_in_turn(members[1], "/join elsewhere\n");
    stage.flush();
    let all = "<guest4> from the last seat\n<guest1> going\n* guest1 left\n\
               <guest4> from a new seat\n* guest2 left\n";
    assert_eq!(stage.hear(members[2]), all);
    assert_eq!(stage.hear(members[3]), "<guest1> going\n* guest1 left\n* guest2 left\n");
    assert_eq!(stage.hear(members[0]), "<guest4> from the last seat\n** Goodbye, guest1!\n");
    let heard = stage.hear(members[1]);
    assert_eq!(heard, all.replace("* guest2 left", "** You are now in elsewhere (1 here)."));
    stage.say(members[3], "still in the right seat\n");
    assert_eq!(stage.hear(members[3]), "");
    assert_eq!(stage.hear(members[2]), "<guest4> still in the right seat\n");
}

#[test]
fn a_long_turn_reaches_a_listener_in_one_piece_and_a_very_long_one_in_few() {
    let (mut stage, members) = chat_of(3);
    for (lines, pieces) in [(100, 1), (1_000, 3)] {
        for number in 0..lines {
            stage.say_in_turn(members[number % 2], format!("{:80}\n", number));
        }
        stage.engine().settle();
        let outgoing = stage.engine().outgoing(members[2]);
        assert_eq!(outgoing.unwrap().0.slices().len(), pieces);
        stage.flush();
        assert_eq!(stage.hear(members[2]).lines().count(), lines);
        assert_eq!(stage.hear(members[0]).lines().count(), lines / 2);
    }
}

#[test]
fn telnets_commands_give_nobody_a_larger_share_of_a_turn() {
    let lines = "x\n".repeat(30_000);
    let heard = [&b""[..], b"\xff\xf1"].map(|command| {
        let (mut stage, members) = chat_of(2);
        stage.send(members[0], [command, lines.as_bytes()].concat());
        stage.turn();
        let heard = stage.hear(members[1]).len();
        assert!(stage.engine().is_interrupted(members[0]));
        stage.flush();
        assert_eq!(stage.hear(members[1]).len() + heard, 30_000 * "<guest1> x\n".len());
        heard
    });
    assert!(heard[1] <= heard[0] && heard[0] < 100_000, "{heard:?}");
}

#[test]
fn a_name_is_changed_before_the_eyes_of_the_room() {
    let (mut stage, members) = chat_of(2);
    assert_eq!(ask(&mut stage, members[0], "/nick ann"), "** You are now ann.\n");
    assert_eq!(stage.hear(members[1]), "* guest1 is now ann\n");
    stage.say(members[0], "it is me\n");
    assert_eq!(stage.hear(members[1]), "<ann> it is me\n");
    for (wish, answer) in [
        ("/nick", "** Usage: /nick NAME\n"),
        ("/nick ann", "** That is your name already.\n"),
        ("/nick SERVER", "** That name is reserved.\n"),
        ("/nick operator", "** That name is reserved.\n"),
        ("/nick Guest2", "** Only guests are called guest and a number.\n"),
        ("/nick a b", "** A name is 1 to 20 of the letters a-z and A-Z, digits, - and _.\n"),
    ] {
        assert_eq!(ask(&mut stage, members[0], wish), answer, "{wish}");
    }
    assert_eq!(ask(&mut stage, members[1], "/nick ANN"), "** That name is taken.\n");
    assert_eq!(ask(&mut stage, members[0], "/nick Ann"), "** You are now Ann.\n");
    assert_eq!(stage.hear(members[1]), "* ann is now Ann\n");
}

#[test]
fn who_and_rooms_list_by_name() {
    let (mut stage, ann, bob, carl) = trio();
    stage.say(carl, "/nick Bea\n/join Rust\n");
    forget(&mut stage, &[ann, bob, carl]);
    assert_eq!(ask(&mut stage, bob, "/who"), "** 2 in lobby: ann, bob\n");
    assert_eq!(ask(&mut stage, carl, "/who"), "** 1 in Rust: Bea\n");
    assert_eq!(ask(&mut stage, ann, "/rooms"), "** Rooms: lobby (2), Rust (1)\n");
    stage.say(carl, "/join lobby\n");
    forget(&mut stage, &[ann, bob, carl]);
    assert_eq!(ask(&mut stage, bob, "/who"), "** 3 in lobby: ann, Bea, bob\n");
    assert_eq!(ask(&mut stage, ann, "/rooms"), "** Rooms: lobby (3)\n");
}

#[test]
fn a_long_list_is_cut() {
    let (mut stage, members) = chat_of(LISTED + 5);
    let answer = ask(&mut stage, members[0], "/who");
    assert!(answer.starts_with("** 205 in lobby: guest1, guest10, guest100, "), "{answer}");
    assert!(answer.ends_with("guest99 and 5 more\n"), "{answer}");
}

#[test]
fn rooms_are_entered_left_and_forgotten() {
    let (mut stage, ann, bob, carl) = trio();
    assert_eq!(ask(&mut stage, ann, "/join rust"), "** You are now in rust (1 here).\n");
    assert_eq!(stage.hear(bob), "* ann left\n");
    stage.say(ann, "/me waits\n");
    let heard = ask(&mut stage, bob, "/join RUST");
    assert_eq!(heard, "** You are now in rust (2 here).\n[earlier, 00:00 UTC] * ann waits\n");
    assert_eq!(stage.hear(ann), "* bob joined\n");
    forget(&mut stage, &[carl]);
    stage.say(ann, "only here\n");
    assert_eq!((stage.hear(bob), stage.hear(carl)), ("<ann> only here\n".into(), "".into()));
    stage.say(carl, "only there\n");
    assert_eq!((stage.hear(ann), stage.hear(bob)), ("".into(), "".into()));
    stage.say(ann, "/join lobby\n");
    stage.say(bob, "/quit\n");
    let heard = ask(&mut stage, carl, "/join rust");
    assert_eq!(heard, "* ann joined\n** You are now in rust (1 here).\n");
}

#[test]
fn rooms_that_cannot_be_joined_are_told() {
    let (mut stage, members) = chat_of(1);
    for (wish, answer) in [
        ("/join", "** Usage: /join ROOM\n"),
        ("/join LOBBY", "** You are in that room already.\n"),
        (
            "/join the kitchen",
            "** The name of a room is 1 to 20 of the letters a-z and A-Z, digits, - and _.\n",
        ),
    ] {
        assert_eq!(ask(&mut stage, members[0], wish), answer, "{wish}");
    }
}

#[test]
fn the_number_of_rooms_is_bounded() {
    let (mut stage, members) = chat_of(rooms::ROOMS_MAX);
    for (number, peer) in members.iter().enumerate().skip(1) {
        stage.say(*peer, format!("/join room{number}\n"));
    }
    let last = stage.join();
    forget(&mut stage, &[last]);
    let answer = "** There are too many rooms; see /rooms for those to join.\n";
    assert_eq!(ask(&mut stage, last, "/join another"), answer);
    assert!(ask(&mut stage, last, "/join room1").contains("in room1 (2 here)"));
    let rooms = ask(&mut stage, last, "/rooms");
    assert!(rooms.starts_with("** Rooms: lobby (1), room1 (2), room10 (1), "));
    assert!(rooms.ends_with(" and 800 more\n"), "{rooms}");
}

#[test]
fn private_messages_reach_one_person_in_any_room_and_nobody_else() {
    let (mut stage, ann, bob, carl) = trio();
    stage.say(bob, "/join rust\n");
    forget(&mut stage, &[ann, bob, carl]);
    assert_eq!(ask(&mut stage, ann, "/msg BOB  psst, you "), "[to bob] psst, you\n");
    assert_eq!(stage.hear(bob), "[from ann] psst, you\n");
    assert_eq!(stage.hear(carl), "");
    assert_eq!(ask(&mut stage, ann, "/msg bob"), "** Usage: /msg NAME TEXT\n");
    let answer = ask(&mut stage, ann, "/msg no\x1bbody hi");
    assert_eq!(answer, "** There is nobody called no\\x1bbody; see /who.\n");
}

#[test]
fn a_private_message_does_not_overtake_what_was_said_before() {
    let (mut stage, ann, bob, _) = trio();
    stage.say(ann, "first\n/msg bob second\nthird\n");
    assert_eq!(stage.hear(bob), "<ann> first\n[from ann] second\n<ann> third\n");
}

#[test]
fn acts_and_slashes_are_said_as_they_should_look() {
    let (mut stage, ann, bob, _) = trio();
    stage.say(ann, "/me waves\n//who is that\n/ME  smiles\n");
    assert_eq!(stage.hear(bob), "* ann waves\n<ann> /who is that\n* ann smiles\n");
    assert_eq!(stage.hear(ann), "");
    assert_eq!(ask(&mut stage, ann, "/me"), "** Usage: /me TEXT\n");
}

#[test]
fn help_and_unknown_commands_point_the_way() {
    let (mut stage, members) = chat_of(2);
    let help = ask(&mut stage, members[0], "/help");
    for command in ["/nick", "/who", "/rooms", "/join", "/msg", "/me", "//", "/quit", "BYE"] {
        assert!(help.contains(command), "{command}");
    }
    let answer = ask(&mut stage, members[0], "/dance\x07 now");
    assert_eq!(answer, "** There is no command /dance\\x07; see /help.\n");
    assert_eq!(stage.hear(members[1]), "");
}

#[test]
fn who_says_bye_or_quit_is_sent_off_and_heard_no_more() {
    for word in ["BYE", "/quit"] {
        let (mut stage, members) = chat_of(2);
        stage.say(members[0], format!("{word}\r\nand more\n"));
        assert_eq!(stage.hear(members[0]), "** Goodbye, guest1!\n");
        assert!(stage.is_over(members[0]));
        assert_eq!(stage.hear(members[1]), "* guest1 left\n");
        stage.finish(members[0]);
        assert_eq!(stage.hear(members[1]), "");
    }
}

#[test]
fn a_last_line_without_an_end_counts_once_the_peer_is_done() {
    let (mut stage, members) = chat_of(3);
    stage.say(members[0], "one\ntwo");
    assert_eq!(stage.hear(members[2]), "<guest1> one\n");
    stage.finish(members[0]);
    assert_eq!(stage.hear(members[2]), "<guest1> two\n* guest1 left\n");
    assert!(stage.is_over(members[0]));
    forget(&mut stage, &members);
    stage.say(members[1], "BYE");
    stage.finish(members[1]);
    assert_eq!(stage.hear(members[1]), "** Goodbye, guest2!\n");
    assert_eq!(stage.hear(members[2]), "* guest2 left\n");
}

#[test]
fn a_broken_connection_leaves_the_room_and_frees_its_name() {
    let (mut stage, ann, bob, carl) = trio();
    stage.say(ann, "unfinished");
    stage.reset(ann);
    assert_eq!(stage.hear(bob), "* ann left\n");
    assert_eq!(ask(&mut stage, carl, "/nick Ann"), "* ann left\n** You are now Ann.\n");
    stage.say_in_turn(carl, "before\n");
    stage.engine().kick(bob.number());
    stage.flush();
    let heard = stage.hear(bob);
    assert!(heard.ends_with("before\n** You were kicked by the operator.\n"), "{heard}");
    stage.finish(bob);
    assert_eq!(stage.hear(carl), "* bob left\n");
    assert_eq!(ask(&mut stage, carl, "/who"), "** 1 in lobby: Ann\n");
}

#[test]
fn the_operator_speaks_to_a_room_and_is_told_what_is_wrong() {
    let (mut stage, ann, bob, carl) = trio();
    stage.say(carl, "/join rust\n");
    forget(&mut stage, &[ann, bob, carl]);
    stage.tell(Some("/say LOBBY  closing \x1b soon"));
    assert_eq!(stage.hear(ann), "<operator> closing \\x1b soon\n");
    assert_eq!(stage.hear(bob), "<operator> closing \\x1b soon\n");
    assert_eq!(stage.hear(carl), "");
    assert_eq!(stage.screen(), "said to 2\n");
    let ignored = [Some("hello"), Some("/sayings"), Some("/who"), Some(""), None];
    ignored.iter().for_each(|line| stage.tell(*line));
    assert_eq!(stage.screen(), "");
    stage.tell(Some("/say kitc\x1bhen hi"));
    let refused = "no room kitc\\x1bhen; /who shows who is where; not said\n";
    assert_eq!(stage.screen(), refused);
    for empty in ["/say", "/say lobby", "/say lobby "] {
        stage.tell(Some(empty));
        assert_eq!(stage.screen(), "/say ROOM TEXT needs a room and a text\n");
    }
    let newcomer = stage.join();
    assert!(stage.hear(newcomer).ends_with(" UTC] <operator> closing \\x1b soon\n"));
    let rooms = ["/say L", "/say r", "/say x", "/to 1"]
        .map(|head| stage.engine().completions(0, head).map(|rooms| rooms.concat()));
    assert_eq!(rooms, [Some("lobby "), Some("rust "), Some(""), None].map(|r| r.map(String::from)));
    assert_eq!(stage.engine().description(carl).as_deref(), Some("carl in rust"));
}

#[test]
fn cutting_the_input_anywhere_changes_nothing() {
    let long = [&[b'x'; LINE_BYTES + 2][..], b"\r\nafter\r\n"].concat();
    let fits = [&[b'y'; LINE_BYTES][..], b"\r\n/who\n"].concat();
    let script: &[(usize, &[u8])] = &[
        (0, b"hello\r\n\r\n/nick ann\r\n/me waves\n"),
        (1, b"/msg ann one\ntwo\n/msg ann three\n/nope\n"),
        (2, "Grüße\n/join rust\nalone\n/join lobby\n".as_bytes()),
        (0, &long),
        (3, &fits),
        (1, b"/rooms\nBYE\nnot heard\n"),
        (4, b"\xff\xfc\x01/me no\xff\xf4ds\r\n/who\xff\xfe\x03\r\n\xff\xf1\r\0caf\xff\n"),
        (2, b"/quit"),
        (2, b"\r\n"),
        (3, b"unfinished"),
    ];
    assert_cuts_change_nothing(|| Chat::new(Some(RATE)), script, 5);
}

#[test]
fn telnet_speaks_like_all_others_and_the_room_sees_none_of_its_commands() {
    let (mut stage, ann, bob, carl) = trio();
    stage.say(ann, b"\xff\xfe\x01\xff\xfc\x20/nick a\xff\xf1nna\r\n\xff\xf4\xff\xfc\x06hi\r\0");
    assert_eq!(stage.hear(bob), "* ann is now anna\n<anna> hi\n");
    stage.say(ann, b"unfin\xff\xf1");
    stage.say(ann, b"ished");
    stage.finish(ann);
    assert_eq!(stage.hear(bob), "<anna> unfinished\n* anna left\n");
    stage.say(carl, b"\xff".repeat(2 * LINE_BYTES + 1));
    stage.say(carl, b"\xff\xfa/me is not heard");
    assert!(stage.hear(carl).contains("1,024 bytes"));
    stage.finish(carl);
    assert_eq!(stage.hear(bob), "* carl left\n");
    stage.say(bob, b"\xff\xf1BYE\r\nmore\n");
    assert!(stage.is_over(bob));
}
