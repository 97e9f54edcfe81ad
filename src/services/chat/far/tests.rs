//! Chats of several servers, as their members hear them.

mod toy;

use super::*;
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
fn a_room_is_told_once_that_others_are_out_of_reach_and_once_that_they_are_back() {
    for has_stream in [true, false] {
        let (mut toy, [ann, abe, bob]) = two(has_stream);
        toy.disconnect(NORTH);
        toy.disconnect(NORTH);
        let told = "** Other servers are out of reach; only this one hears you.\n";
        assert_eq!((toy.hear(NORTH, ann), toy.hear(NORTH, abe)), (told.into(), told.into()));
        assert_eq!(toy.hear(SOUTH, bob), "");
        let warned = "** Only this server heard that; the others are out of reach.\n";
        assert_eq!(toy.ask(NORTH, ann, "anybody?"), warned);
        assert_eq!(toy.ask(NORTH, ann, "anybody?"), "");
        assert_eq!(toy.hear(NORTH, abe), "<ann> anybody?\n<ann> anybody?\n");
        assert_eq!(toy.ask(NORTH, ann, "/who"), "** 2 in lobby: abe, ann\n");
        assert_eq!(
            toy.ask(NORTH, ann, "/msg bob@south hi"),
            "** Other servers are out of reach.\n"
        );
        toy.connect(NORTH);
        assert_eq!(toy.hear(NORTH, ann), "** Other servers are back.\n");
        assert_eq!(toy.hear(SOUTH, bob), "", "what was said meanwhile stays");
        toy.say(NORTH, ann, "again");
        assert_eq!(toy.hear(SOUTH, bob), "<ann@north> again\n");
        toy.disconnect(NORTH);
        toy.hear(NORTH, ann);
        assert_eq!(toy.ask(NORTH, ann, "anybody?"), warned, "once in each break");
    }
}

#[test]
fn what_was_missed_in_a_break_is_shown_as_earlier_and_what_is_gone_is_counted() {
    let (mut toy, [ann, _, bob]) = two(true);
    toy.say(SOUTH, bob, "before");
    toy.hear(NORTH, ann);
    toy.disconnect(NORTH);
    toy.hear(NORTH, ann);
    for number in 1..=30 {
        toy.say(SOUTH, bob, &format!("line {number}"));
    }
    toy.forget("say.lobby", 25);
    toy.connect(NORTH);
    let heard = toy.hear(NORTH, ann);
    let lines: Vec<&str> = heard.lines().collect();
    assert_eq!(lines[0], "** Other servers are back.");
    assert_eq!(lines[1], "[earlier, 13:00 UTC] <bob@south> line 6");
    assert_eq!(lines[25], "[earlier, 13:00 UTC] <bob@south> line 30");
    assert_eq!(lines[26..], ["** 5 lines said meanwhile are gone."]);
    assert_eq!(toy.servers[NORTH].port.figures().gaps, 5);
}

#[test]
fn without_a_stream_what_was_said_in_a_break_is_gone_and_counted_with_the_next_line() {
    let (mut toy, [ann, _, bob]) = two(false);
    toy.say(SOUTH, bob, "one");
    toy.disconnect(NORTH);
    toy.say(SOUTH, bob, "two\nthree");
    toy.connect(NORTH);
    toy.hear(NORTH, ann);
    toy.say(SOUTH, bob, "four");
    let heard = toy.hear(NORTH, ann);
    assert_eq!(heard, "** 2 lines said meanwhile are gone.\n<bob@south> four\n");
}

#[test]
fn what_the_stream_was_given_before_a_break_is_shown_at_once_and_not_again() {
    let (mut toy, [ann, abe, bob]) = two(true);
    toy.is_frozen = true;
    toy.say(NORTH, ann, "on its way");
    assert_eq!(toy.hear(NORTH, abe), "");
    toy.disconnect(NORTH);
    assert!(toy.hear(NORTH, abe).starts_with("<ann> on its way\n** Other servers"));
    assert!(!toy.hear(NORTH, ann).contains("on its way"));
    toy.is_frozen = false;
    toy.connect(NORTH);
    assert_eq!(toy.hear(SOUTH, bob), "<ann@north> on its way\n");
    assert_eq!(toy.hear(NORTH, abe), "** Other servers are back.\n");
    let newcomer = toy.servers[NORTH].stage.join();
    assert_eq!(toy.hear(NORTH, newcomer).matches("on its way").count(), 1);
}

#[test]
fn nobody_waits_for_a_stream_that_says_nothing() {
    let (mut toy, [ann, abe, bob]) = two(true);
    toy.is_frozen = true;
    toy.say(NORTH, ann, "slow");
    toy.pass(2);
    assert_eq!(toy.hear(NORTH, abe), "");
    toy.pass(1);
    assert_eq!(toy.hear(NORTH, abe), "<ann> slow\n");
    toy.is_frozen = false;
    toy.connect(NORTH);
    assert_eq!(
        (toy.hear(NORTH, abe), toy.hear(SOUTH, bob)),
        ("".into(), "<ann@north> slow\n".into())
    );
}

#[test]
fn who_has_moved_or_left_by_the_time_its_line_comes_back_is_no_trouble() {
    let (mut toy, [ann, abe, bob]) = two(true);
    toy.is_frozen = true;
    toy.say(NORTH, ann, "from ann\n/join attic");
    toy.say(NORTH, abe, "from abe");
    let eve = toy.servers[NORTH].stage.join();
    toy.say(NORTH, eve, "from eve\nBYE");
    toy.hear(NORTH, abe);
    toy.hear(NORTH, ann);
    toy.is_frozen = false;
    toy.connect(NORTH);
    assert_eq!(toy.hear(NORTH, abe), "<ann> from ann\n<guest1> from eve\n");
    assert_eq!(toy.hear(NORTH, ann), "");
    assert_eq!(toy.hear(SOUTH, bob).matches("from ").count(), 3);
}

#[test]
fn a_line_that_comes_twice_is_shown_once() {
    let (mut toy, [ann, _, bob]) = two(true);
    toy.say(SOUTH, bob, "once");
    let (subject, payload) = toy.published.last().unwrap().clone();
    toy.publish(&subject, &payload);
    assert_eq!(toy.hear(NORTH, ann), "<bob@south> once\n");
    assert_eq!(toy.servers[NORTH].port.figures().dropped_twice, 1);
    assert_eq!(toy.hear(SOUTH, bob), "");
}

#[test]
fn a_line_that_is_refused_is_shown_here_and_its_speaker_told() {
    let (mut toy, [ann, abe, _]) = two(true);
    toy.is_frozen = true;
    toy.servers[NORTH].stage.say(ann, "too much\n");
    let Some(Wish::Keep { id, .. }) = toy.servers[NORTH].port.next_wish() else { panic!() };
    toy.tell(NORTH, News::Refused { id, why: "too much waits".into() });
    toy.pump();
    assert_eq!(toy.hear(NORTH, abe), "<ann> too much\n");
    assert_eq!(toy.hear(NORTH, ann), "** Only this server heard that: too much waits.\n");
}

#[test]
fn a_stream_made_anew_keeps_nobody_waiting_and_the_rooms_are_told() {
    let (mut toy, [ann, abe, _]) = two(true);
    toy.is_frozen = true;
    toy.say(NORTH, ann, "lost?");
    toy.tell(NORTH, News::Renewed);
    toy.pump();
    assert_eq!(toy.hear(NORTH, abe), format!("<ann> lost?\n{RENEWED}\n"));
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
fn members_everywhere_are_listed_and_counted() {
    let (mut toy, [ann, _, bob]) = two(true);
    let listed = "** 2 in lobby: abe, ann\n** 1 in lobby on south: bob@south\n";
    assert_eq!(toy.ask(NORTH, ann, "/who"), listed);
    toy.say(SOUTH, bob, "/join Attic");
    toy.pass(2);
    assert_eq!(toy.ask(NORTH, ann, "/who"), "** 2 in lobby: abe, ann\n");
    assert_eq!(toy.ask(NORTH, ann, "/rooms"), "** Rooms: attic (1), lobby (2)\n");
    assert_eq!(toy.ask(SOUTH, bob, "/rooms"), "** Rooms: Attic (1), lobby (2)\n");
    let heard = toy.ask(NORTH, ann, "/join attic");
    assert!(heard.contains("You are now in attic (2 here)"), "{heard}");
    let eve = toy.servers[SOUTH].stage.join();
    assert!(toy.hear(SOUTH, eve).contains("in lobby (2 here)"));
}

#[test]
fn private_messages_reach_other_servers_and_are_answered_if_they_do_not() {
    let (mut toy, [ann, abe, bob]) = two(true);
    assert_eq!(toy.ask(NORTH, ann, "/msg bob@South psst \x1b"), "[to bob@south] psst \\x1b\n");
    assert_eq!(toy.hear(SOUTH, bob), "[from ann@north] psst \\x1b\n");
    assert_eq!(toy.ask(NORTH, ann, "/msg abe@north here"), "[to abe] here\n");
    assert_eq!(toy.hear(NORTH, abe), "[from ann] here\n");
    let heard = toy.ask(NORTH, ann, "/msg eve@south hi");
    assert_eq!(heard, "[to eve@south] hi\n** There is nobody called eve@south; see /who.\n");
    let heard = toy.ask(NORTH, ann, "/msg bob@east hi");
    assert_eq!(heard, "** There is no server called east; see /who.\n");
    let heard = toy.ask(NORTH, ann, "/msg bob@ hi");
    assert_eq!(heard, "** There is nobody called bob@; see /who.\n");
}

#[test]
fn a_server_that_is_lost_is_told_in_one_line_and_so_is_its_return() {
    let (mut toy, [ann, _, bob]) = two(true);
    for number in 0..13 {
        toy.join(SOUTH, &format!("m{number}"));
    }
    toy.pass(2);
    toy.hear(NORTH, ann);
    toy.disconnect(SOUTH);
    toy.pass(24);
    assert_eq!(toy.hear(NORTH, ann), "");
    toy.pass(12);
    assert_eq!(toy.hear(NORTH, ann), "* south is gone, with 14 here\n");
    assert_eq!(toy.ask(NORTH, ann, "/who"), "** 2 in lobby: abe, ann\n");
    assert_eq!(toy.servers[NORTH].port.figures().nodes, 0);
    toy.connect(SOUTH);
    toy.pass(1);
    assert_eq!(toy.hear(NORTH, ann), "* south is back, with 14 here\n");
    assert!(toy.hear(SOUTH, bob).ends_with("** Other servers are back.\n"));
    assert_eq!(
        toy.ask(SOUTH, bob, "/who").lines().nth(1),
        Some("** 2 in lobby on north: abe@north, ann@north")
    );
}
