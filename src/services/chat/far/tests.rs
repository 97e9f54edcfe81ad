//! Chats of several servers, as their members hear them.

mod breaks;
mod nonsense;
mod people;
mod strangers;
mod toy;

use super::*;
use crate::engine::Peer;
use serde_json::json;
use toy::Toy;

const NORTH: usize = 0;
const SOUTH: usize = 1;
const WEST: usize = 2;

/// ann and abe on north, bob on south. They have read all.
fn two(has_stream: bool) -> (Toy, [Peer; 3]) {
    let mut toy = Toy::of(&["north", "south"], has_stream);
    let members = [toy.join(NORTH, "ann"), toy.join(NORTH, "abe"), toy.join(SOUTH, "bob")];
    toy.pass(2);
    for (server, peer) in [(NORTH, members[0]), (NORTH, members[1]), (SOUTH, members[2])] {
        toy.hear(server, peer);
    }
    (toy, members)
}

#[test]
fn what_is_said_on_one_server_is_heard_on_all_and_never_by_who_said_it() {
    for has_stream in [true, false] {
        let (mut toy, [ann, abe, bob]) = two(has_stream);
        toy.say(NORTH, ann, "hello\n/me waves");
        assert_eq!(toy.hear(NORTH, ann), "");
        assert_eq!(toy.hear(NORTH, abe), "<ann> hello\n* ann waves\n");
        assert_eq!(toy.hear(SOUTH, bob), "<ann@north> hello\n* ann@north waves\n");
        toy.say(SOUTH, bob, "Grüße \"an\" \\alle");
        assert_eq!(toy.hear(SOUTH, bob), "");
        assert_eq!(toy.hear(NORTH, ann), "<bob@south> Grüße \"an\" \\alle\n");
        toy.say(SOUTH, bob, "/join attic\nalone");
        assert_eq!(toy.hear(NORTH, ann), "* bob@south left\n");
    }
}

#[test]
fn the_stream_makes_one_order_for_everybody() {
    let mut toy = Toy::of(&["north", "south", "west"], true);
    let ears = [NORTH, SOUTH, WEST].map(|server| (server, toy.join(server, "ear")));
    let speakers = [NORTH, SOUTH, WEST].map(|server| (server, toy.join(server, "mouth")));
    ears.iter().for_each(|(server, peer)| drop(toy.hear(*server, *peer)));
    // All of one turn, so that each would hear its own first.
    for (server, peer) in speakers {
        toy.servers[server].stage.say_in_turn(peer, format!("from {server}\nagain\n"));
    }
    toy.pump();
    let heard = ears.map(|(server, peer)| {
        let heard = toy.hear(server, peer);
        let lines = heard.lines().map(|line| line.split_once("> ").unwrap().1.to_owned());
        lines.collect::<Vec<_>>()
    });
    assert_eq!(heard[0], ["from 0", "again", "from 1", "again", "from 2", "again"]);
    assert!(heard[1] == heard[0] && heard[2] == heard[0], "{heard:?}");
}

#[test]
fn who_comes_goes_or_changes_its_name_is_told_everywhere() {
    let (mut toy, [ann, _, bob]) = two(true);
    let eve = toy.servers[SOUTH].stage.join();
    toy.pump();
    assert_eq!(toy.hear(NORTH, ann), "* guest1@south joined\n");
    toy.say(SOUTH, eve, "/nick eve\nhi\nBYE");
    let heard = "* guest1@south is now eve@south\n<eve@south> hi\n* eve@south left\n";
    assert_eq!(toy.hear(NORTH, ann).lines().count(), 3, "{heard}");
    assert_eq!(toy.hear(SOUTH, bob).lines().count(), 4);
}

#[test]
fn who_joins_is_told_of_before_it_is_heard() {
    let (mut toy, [ann, ..]) = two(false);
    let eve = toy.servers[SOUTH].stage.engine().connections();
    assert_eq!(eve, 1);
    let stage = &mut toy.servers[SOUTH].stage;
    let eve = stage.join_in_turn(0).unwrap();
    stage.say_in_turn(eve, "quick\n");
    toy.pump();
    assert_eq!(toy.hear(NORTH, ann), "* guest1@south joined\n<guest1@south> quick\n");
}

#[test]
fn the_first_of_a_room_gets_its_history_from_the_stream() {
    let (mut toy, [ann, abe, bob]) = two(true);
    toy.say(NORTH, ann, "/join attic");
    for number in 1..=25 {
        toy.say(NORTH, ann, &format!("line {number}"));
    }
    toy.hear(SOUTH, bob);
    let heard = toy.ask(SOUTH, bob, "/join attic");
    let lines: Vec<&str> = heard.lines().collect();
    assert_eq!(lines[0], "** You are now in attic (2 here).");
    assert_eq!(lines[1], "[earlier, 13:00 UTC] <ann@north> line 6");
    assert_eq!((lines.len(), lines[20]), (21, "[earlier, 13:00 UTC] <ann@north> line 25"));
    // Whoever comes after it has them from there.
    let heard = toy.ask(NORTH, abe, "/join attic");
    assert_eq!(heard.lines().count(), 21, "{heard}");
    // Once everybody has left, the stream still has them, whosever they are.
    for (server, peer) in [(NORTH, ann), (NORTH, abe), (SOUTH, bob)] {
        toy.say(server, peer, "/join lobby");
    }
    let heard = toy.ask(NORTH, ann, "/join attic");
    assert!(heard.ends_with("[earlier, 13:00 UTC] <ann> line 25\n"), "{heard}");
    assert_eq!(heard.lines().count(), 21);
}

#[test]
fn an_empty_lobby_has_its_history_once() {
    let (mut toy, [ann, abe, _]) = two(true);
    toy.say(NORTH, ann, "remember this\nBYE");
    toy.say(NORTH, abe, "BYE");
    let newcomer = toy.servers[NORTH].stage.join();
    toy.pump();
    assert_eq!(toy.hear(NORTH, newcomer).matches("remember this").count(), 1);
}

#[test]
fn the_operator_is_heard_everywhere() {
    let (mut toy, [ann, _, bob]) = two(true);
    toy.servers[NORTH].stage.tell(Some("/say lobby closing soon"));
    toy.pump();
    assert_eq!(toy.hear(SOUTH, bob), "<operator@north> closing soon\n");
    assert_eq!(toy.hear(NORTH, ann), "<operator> closing soon\n");
    assert_eq!(toy.servers[NORTH].stage.screen(), "said to 3\n");
}

#[test]
fn bots_take_part_and_what_is_no_message_is_dropped_and_counted() {
    for has_stream in [true, false] {
        let (mut toy, [ann, _, bob]) = two(has_stream);
        let line = r#"{"node":"bot","kind":"say","who":"parrot","text":"\u001b[2Jhi"}"#;
        toy.publish("say.lobby", line);
        toy.publish("say.lobby", line);
        let heard = "<parrot@bot> \\x1b[2Jhi\n";
        assert_eq!(toy.hear(NORTH, ann), heard.repeat(2));
        assert_eq!(toy.hear(SOUTH, bob), heard.repeat(2));
        for bad in [
            "hello",
            r#"{"node":"bot","kind":"act","who":"bob","text":"is now operator"}"#,
            r#"{"node":"bot","kind":"say","who":"<ann>","text":"x"}"#,
            r#"{"node":"bot","run":"0000000000000001","seq":99,"kind":"say","who":"a","text":"x"}"#,
        ] {
            toy.publish("say.lobby", bad);
        }
        toy.publish("say.lobby", r#"{"node":"bot","kind":"sing","who":"a","text":"x"}"#);
        toy.publish("news.lobby", r#"{"node":"bot","kind":"say","who":"a","text":"x"}"#);
        toy.publish("news.lobby", "{}");
        toy.publish("elsewhere.lobby", line);
        toy.publish("say.attic", line);
        assert_eq!(toy.hear(NORTH, ann), "");
        assert_eq!(toy.servers[NORTH].port.figures().dropped_malformed, 5);
        let roster = r#"{"node":"bot","run":"00000000000000ff","kind":"roster","started":1,
                         "count":1,"names":["parrot"]}"#;
        toy.publish("here.lobby", roster);
        assert!(toy.ask(NORTH, ann, "/who").contains("** 1 in lobby on bot: parrot@bot\n"));
        toy.publish(
            "to.north",
            r#"{"node":"bot","kind":"private","who":"parrot","to":"ann","text":"psst"}"#,
        );
        assert_eq!(toy.hear(NORTH, ann), "[from parrot@bot] psst\n");
    }
}

#[test]
fn a_room_that_is_left_and_entered_in_one_turn_has_its_history() {
    let (mut toy, [ann, abe, _]) = two(true);
    toy.say(NORTH, ann, "/join attic\nremember");
    toy.hear(NORTH, abe);
    let stage = &mut toy.servers[NORTH].stage;
    stage.say_in_turn(ann, "/join lobby\n");
    stage.say_in_turn(abe, "/join attic\n");
    toy.pump();
    let heard = toy.hear(NORTH, abe);
    assert_eq!(heard.matches("[earlier, 13:00 UTC] <ann> remember\n").count(), 1, "{heard}");
    let newcomer = toy.servers[NORTH].stage.join_in_turn(0).unwrap();
    toy.servers[NORTH].stage.say_in_turn(ann, "BYE\n");
    toy.pump();
    toy.say(NORTH, newcomer, "still here");
    let last = toy.servers[NORTH].stage.join();
    assert_eq!(toy.hear(NORTH, last).matches("still here").count(), 1);
}

#[test]
fn what_comes_in_a_flood_is_taken_turn_by_turn_and_all_of_it() {
    let (mut toy, [ann, ..]) = two(true);
    let text = "x".repeat(1_000);
    for number in 0..1_000 {
        let line =
            json!({ "node": "bot", "kind": "say", "who": "a", "text": format!("{number} {text}") });
        let (subject, payload) = ("say.lobby".to_owned(), line.to_string().into_bytes());
        toy.tell(NORTH, News::Line { subject, payload, at: None, is_old: false });
    }
    toy.servers[NORTH].stage.turn();
    let first = toy.hear(NORTH, ann).len();
    assert!((1..=2 * NEWS_BYTES).contains(&first), "{first}");
    toy.pump();
    let heard = first + toy.hear(NORTH, ann).len();
    assert!(heard > 1_000 * 1_000, "{heard}");
}

#[test]
fn who_floods_a_room_that_spans_servers_has_no_larger_share_of_a_turn() {
    let lines = "x\n".repeat(30_000);
    let taken = [true, false].map(|has_stream| {
        let (mut toy, [ann, ..]) = two(has_stream);
        for _ in 0..100 {
            toy.servers[NORTH].stage.join();
        }
        toy.pump();
        toy.servers[NORTH].stage.send(ann, &lines);
        toy.servers[NORTH].stage.turn();
        std::iter::from_fn(|| toy.servers[NORTH].port.next_wish()).count()
    });
    assert!(taken[0] < 30_000 && taken[0] <= taken[1] + taken[1] / 10, "{taken:?}");
}

#[test]
fn whatever_may_be_said_here_is_taken_there() {
    for has_stream in [true, false] {
        let (mut toy, [ann, abe, bob]) = two(has_stream);
        for (said, heard) in [("\u{3000}", "\u{3000}"), ("\u{a0}", "\u{a0}"), ("\x1b", "\\x1b")] {
            toy.say(NORTH, ann, said);
            assert_eq!(toy.hear(NORTH, abe), format!("<ann> {heard}\n"));
            assert_eq!(toy.hear(SOUTH, bob), format!("<ann@north> {heard}\n"));
            toy.say(NORTH, ann, &format!("/msg bob@south {said}"));
            assert_eq!(toy.hear(SOUTH, bob), format!("[from ann@north] {heard}\n"));
        }
        // What the operator says, too, or it is not said.
        let long = "\u{200b}".repeat(200);
        toy.servers[NORTH].stage.tell(Some(&format!("/say lobby {long}")));
        toy.pump();
        let screen = toy.servers[NORTH].stage.screen();
        assert_eq!(screen, "a line may have at most 1,024 bytes: not said\n");
    }
}
