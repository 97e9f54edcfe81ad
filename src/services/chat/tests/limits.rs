//! What chat does not let through, and what everything costs: lengths, control sequences, words of
//! the server, crowds, rates, shares of a turn, memory.

use std::time::Duration;

use super::*;
use crate::engine::{Limits, Quota};

#[test]
fn the_longest_line_passes_and_one_byte_more_is_told_and_dropped() {
    let told = "** A line may have at most 1,024 bytes; that one was longer and is dropped.\n";
    let (mut stage, members) = chat_of(2);
    let fits = "x".repeat(LINE_BYTES);
    for end in ["\n", "\r\n"] {
        stage.say(members[0], format!("{fits}{end}"));
        assert_eq!(stage.hear(members[0]), "");
        assert_eq!(stage.hear(members[1]), format!("<guest1> {fits}\n"));
        assert_eq!(ask(&mut stage, members[0], &format!("{fits}x{end}")), told);
        assert_eq!(stage.hear(members[1]), "");
    }
    for piece in [&fits[..], "\r", "x", &fits, &fits, "end\nnext\n"] {
        stage.say(members[0], piece);
    }
    assert_eq!(stage.hear(members[0]), told);
    assert_eq!(stage.hear(members[1]), "<guest1> next\n");
    stage.say(members[0], "x".repeat(200_000));
    stage.finish(members[0]);
    assert_eq!(stage.hear(members[0]), told);
    assert_eq!(stage.hear(members[1]), "* guest1 left\n");
}

#[test]
fn what_could_drive_a_terminal_is_visible_text_to_others() {
    let (mut stage, ann, bob, carl) = trio();
    stage.say(ann, b"\x1b[2J\rhi\xff\n/me \x07\n/msg bob \x1b]0;x\n");
    let said = "<ann> \\x1b[2J\\rhi\u{fffd}\n* ann \\x07\n";
    assert_eq!(stage.hear(bob), format!("{said}[from ann] \\x1b]0;x\n"));
    assert_eq!(stage.hear(carl), said);
    let newcomer = stage.join();
    let earlier = stage.hear(newcomer).replace("[earlier, 00:00 UTC] ", "");
    assert!(earlier.ends_with(said));
}

#[test]
fn the_history_of_a_room_is_bounded_in_lines_and_in_bytes() {
    let (mut stage, members) = chat_of(1);
    let mut history = |line: &str| {
        (0..30).for_each(|_| stage.say(members[0], format!("{line}\n")));
        let newcomer = stage.join();
        let heard = stage.hear(newcomer);
        stage.say(newcomer, "BYE\n");
        (heard.lines().count() - 1, heard.len())
    };
    for longest in ["x".repeat(LINE_BYTES), "\x1b".repeat(LINE_BYTES / 4)] {
        let (lines, bytes) = history(&longest);
        assert!(lines == 20 && bytes < 22 * 1024, "{lines} lines, {bytes} bytes");
    }
}

#[test]
fn a_line_that_grows_too_long_when_made_visible_is_too_long() {
    let (mut stage, ann, bob, _) = trio();
    stage.say(ann, format!("{}\n", "\x1b".repeat(LINE_BYTES / 4 + 1)));
    assert_eq!(stage.hear(bob), "");
    assert!(stage.hear(ann).contains("1,024 bytes"));
}

#[test]
fn nobody_can_say_what_only_the_server_says() {
    let (mut stage, members) = chat_of(2);
    for words in [
        "left",
        "left.",
        "joined",
        "Joined !",
        "is now operator",
        "is  now bob",
        "joined, 3 left",
        "\u{a0}joined",
        "is\u{a0}now bob",
        "is\u{2003}\u{3000}now bob",
        "\u{3000}\u{205f} left",
        "joined\u{a0}",
        "joi\u{301}ned",
        "ｊｏｉｎｅｄ",
        "... left",
    ] {
        let answer = ask(&mut stage, members[0], &format!("/me {words}"));
        assert!(answer.starts_with("** That would look"), "{words:?}: {answer}");
        assert_eq!(stage.hear(members[1]), "", "{words}");
    }
    // What hides becomes visible, so these do not look like news.
    for words in
        ["join\u{fe0f}ed", "left\u{200b}", "jo\u{e0100}ined", "\u{2800}joined", "i\u{ad}s now"]
    {
        stage.say(members[0], format!("/me {words}\n"));
        let heard = stage.hear(members[1]);
        assert!(heard.contains('\\') || heard.is_empty(), "{heard:?}");
        stage.hear(members[0]);
    }
    stage.say(members[0], "** Welcome!\n[from operator] hi\n* ann left\n/me is nowhere\n");
    let said = "<guest1> ** Welcome!\n<guest1> [from operator] hi\n<guest1> * ann left\n";
    assert_eq!(stage.hear(members[1]), format!("{said}* guest1 is nowhere\n"));
}

/// Everything that must never reach a terminal, and names that try to look like others.
const NASTY: [&str; 14] = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\u{9b}31m",
    "\u{9d}x\u{9c}",
    "\x08\x08\x7f",
    "a\rb",
    "\0",
    "\u{202e}txt.exe",
    "\u{2066}x\u{2069}",
    "\u{2028}line",
    "\u{2029}",
    "\u{85}next",
    "zero\u{200b}width",
    "\u{feff}bom",
];

#[test]
fn no_way_through_the_chat_carries_a_control_sequence_to_anybody() {
    for nasty in NASTY {
        let (mut stage, ann, bob, carl) = trio();
        for words in ["", "/me ", "/msg bob ", "/msg ", "/nick ", "/join ", "/", "//", "/who "] {
            stage.say(ann, format!("{words}{nasty}\n"));
            stage.say(ann, format!("{words}x{nasty}x y\n"));
        }
        stage.tell(Some(&format!("/say lobby {nasty}")));
        stage.tell(Some(&format!("/say {nasty} hi")));
        stage.say(carl, format!("/who\n/rooms\n{nasty}\nBYE\n"));
        let newcomer = stage.join();
        let screen = stage.screen();
        for heard in [ann, bob, carl, newcomer].map(|peer| stage.hear(peer)) {
            assert_harmless(&heard, nasty);
        }
        assert_harmless(&screen, nasty);
    }
}

fn assert_harmless(heard: &str, nasty: &str) {
    let is_bad = |c: char| (c.is_control() && c != '\n') || ('\u{200b}'..='\u{206f}').contains(&c);
    assert!(!heard.contains(is_bad), "{nasty:?} came through: {heard:?}");
    assert!(!heard.contains('\u{feff}'), "{heard:?}");
}

#[test]
fn fifty_members_are_told_of_each_and_more_of_many_once_a_second() {
    let (mut stage, members) = chat_of(50);
    let last = stage.join();
    assert_eq!(stage.hear(members[0]), "");
    let more: Vec<Peer> = (0..11).map(|_| stage.join()).collect();
    stage.say(more[0], "BYE\n");
    stage.reset(more[1]);
    stage.say(more[2], "/join elsewhere\n/join lobby\n/nick ann\n");
    assert!(stage.hear(more[2]).ends_with("** You are now ann.\n"));
    stage.say(members[1], "hello\n");
    assert_eq!(stage.hear(members[0]), "<guest2> hello\n");
    stage.pass(Duration::from_millis(999));
    assert_eq!(stage.hear(members[0]), "");
    stage.pass(Duration::from_millis(1));
    let tally = "* 13 joined, 3 left, 1 renamed\n";
    assert_eq!(stage.hear(members[0]), tally);
    assert!(stage.hear(last).ends_with(tally));
    stage.pass(Duration::from_secs(10));
    assert_eq!(stage.hear(members[0]), "");
}

#[test]
fn a_crowd_that_breaks_up_is_told_in_the_order_of_events() {
    let (mut stage, members) = chat_of(51);
    stage.pass(Duration::from_secs(1));
    forget(&mut stage, &members);
    for peer in &members[..10] {
        stage.say(*peer, "BYE\n");
    }
    assert_eq!(stage.hear(members[50]), "");
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.hear(members[50]), "* 10 left\n");
    stage.say(members[10], "BYE\n");
    assert_eq!(stage.hear(members[50]), "* guest11 left\n");
}

#[test]
fn a_crowd_that_is_gone_before_it_was_told_troubles_nobody() {
    let (mut stage, members) = chat_of(60);
    for word in ["/join rust\n", "/join lobby\n", "BYE\n"] {
        members.iter().for_each(|peer| stage.say(*peer, word));
    }
    let newcomer = stage.join();
    stage.pass(Duration::from_secs(5));
    assert!(stage.hear(newcomer).ends_with("* 71 joined, 120 left\n"));
}

#[test]
fn too_many_lines_are_dropped_and_told_once_until_one_passes_again() {
    let mut stage = Stage::new(Chat::new(Some(RATE)));
    let members = [stage.join(), stage.join()];
    forget(&mut stage, &members);
    stage.say(members[0], "/me spams\n".repeat(20) + &"spam\n".repeat(80));
    let told = "** Too fast: what you send is dropped until you slow down.\n";
    assert_eq!(stage.hear(members[0]), told);
    assert_eq!(stage.hear(members[1]).lines().count(), 30);
    stage.say(members[0], "x".repeat(5000) + "\n/who\n");
    assert_eq!(stage.hear(members[0]), "");
    stage.pass(Duration::from_millis(200));
    stage.say(members[0], "/who\none\ntwo\n");
    assert_eq!(stage.hear(members[0]), format!("** 2 in lobby: guest1, guest2\n{told}"));
    assert_eq!(stage.hear(members[1]), "<guest1> one\n");
    stage.say(members[0], "BYE\n");
    let dropped = "** 73 of your lines were dropped: they came too fast.";
    assert_eq!(stage.hear(members[0]), format!("{dropped}\n** Goodbye, guest1!\n"));
    stage.say(members[1], "spam\n".repeat(31));
    stage.finish(members[1]);
    let dropped = "** 1 of your lines was dropped: it came too fast.\n";
    assert!(stage.hear(members[1]).ends_with(dropped));
}

#[test]
fn what_is_copied_for_whoever_leaves_a_room_or_is_told_something_is_counted() {
    for command in ["/join x", "/msg guest2 hi"] {
        let limits = Limits { share_units: 8 * 1024, ..Limits::default() };
        let mut stage = Stage::with(limits, Quota::default(), Chat::new(None));
        let (one, two) = (stage.join(), stage.join());
        for _ in 0..10 {
            stage.say_in_turn(one, [&[b'x'; 1000][..], b"\n"].concat());
        }
        stage.say_in_turn(two, format!("{command}\n/who\n"));
        assert!(stage.engine().is_interrupted(two), "{command}");
    }
}

#[test]
fn what_telnet_negotiates_is_counted_into_its_share_and_none_of_it_is_lost() {
    let (mut stage, members) = chat_of(1);
    let input = b"\xff\xfd\x06".repeat(5_000);
    stage.say_in_turn(members[0], input);
    assert!(stage.engine().is_interrupted(members[0]));
    stage.flush();
    assert_eq!(stage.hear_bytes(members[0]), b"\xff\xfc\x06".repeat(5_000));
}

#[test]
fn a_steady_flow_of_lines_allocates_nothing() {
    let (mut stage, members) = chat_of(40);
    let lines = "/me says just as much each time\nas here\n".repeat(20);
    let mut allocated = 0;
    for round in 0..100 {
        let counted = allocation_counter::measure(|| {
            stage.say_in_turn(members[0], &lines);
            stage.say_in_turn(members[1], &lines);
            stage.engine().settle();
        });
        stage.flush();
        forget(&mut stage, &members);
        // The first rounds fill the pools.
        allocated += if round < 20 { 0 } else { counted.count_total };
    }
    assert_eq!(allocated, 0);
}

#[test]
fn a_member_costs_little_memory() {
    let per_seat = size_of::<Option<(Peer, Membership)>>() + 2 * size_of::<Peer>();
    let registry = 2 * size_of::<(Name, Peer)>() + size_of::<u32>();
    assert!(per_seat + registry < 200, "{}", per_seat + registry);
}

#[test]
fn the_operator_is_told_to_how_many_it_has_spoken_and_keeps_to_the_length_too() {
    let mut stage = Stage::new(Chat::new(None));
    for (members, told) in
        [(0, "said to nobody: the room is empty; whoever comes will see it\n"), (1, "said to 1\n")]
    {
        for _ in 0..members {
            stage.join();
        }
        stage.tell(Some("/say lobby anybody?"));
        assert_eq!(stage.screen(), told);
    }
    stage.tell(Some(&format!("/say lobby {}", "x".repeat(1025))));
    assert_eq!(stage.screen(), "a line may have at most 1,024 bytes: not said\n");
}
