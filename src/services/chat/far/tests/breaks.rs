//! What members hear when the bus is lost, slow, refuses something or hands it out twice.

use super::*;
use crate::engine::stage::Stage;
use crate::services::chat::Chat;

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
fn who_was_shown_in_a_break_is_told_if_the_others_never_hear_it() {
    let (mut toy, [ann, abe, _]) = two(true);
    toy.is_frozen = true;
    toy.servers[NORTH].stage.say(ann, "hello?\n");
    let Some(Wish::Keep { id, .. }) = toy.servers[NORTH].port.next_wish() else { panic!() };
    toy.disconnect(NORTH);
    assert_eq!(
        toy.hear(NORTH, abe),
        "<ann> hello?\n** Other servers are out of reach; only this one hears you.\n"
    );
    toy.hear(NORTH, ann);
    for _ in 0..2 {
        let (id, why) = (id.clone(), "the bus was out of reach for too long".into());
        toy.tell(NORTH, News::Refused { id, why });
        toy.pump();
    }
    let told = "** Only this server heard that: the bus was out of reach for too long.\n";
    assert_eq!((toy.hear(NORTH, ann), toy.hear(NORTH, abe)), (told.into(), String::new()));
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
fn what_is_too_much_is_told_and_not_missed_again() {
    let (mut toy, [ann, _, bob]) = two(false);
    toy.say(SOUTH, bob, "one");
    toy.servers[NORTH].is_up = false;
    toy.say(SOUTH, bob, "two\nthree");
    toy.servers[NORTH].is_up = true;
    toy.tell(NORTH, News::Dropped { subject: "say.lobby".into(), lines: 2 });
    toy.pump();
    toy.say(SOUTH, bob, "four");
    let told = "** 2 lines of other servers were too many and are gone.\n";
    assert_eq!(toy.hear(NORTH, ann), format!("<bob@south> one\n{told}<bob@south> four\n"));
}

#[test]
fn a_bus_that_loses_its_stream_or_gets_one_keeps_nobody_waiting() {
    let (mut toy, [ann, abe, _]) = two(true);
    toy.is_frozen = true;
    toy.say(NORTH, ann, "waits");
    toy.tell(NORTH, News::Up { has_stream: false });
    toy.pump();
    assert_eq!(toy.hear(NORTH, abe), "<ann> waits\n");
    toy.say(NORTH, ann, "goes at once");
    assert_eq!(toy.hear(NORTH, abe), "<ann> goes at once\n");
}

#[test]
fn a_bus_that_is_never_there_is_told_too_and_the_chat_goes_on() {
    let (port, run) = (Port::default(), 1);
    let rooms = BusRooms::new(port.clone(), "north", run, 0).unwrap();
    let mut stage = Stage::new(Chat::with_bus(None, Some(rooms)));
    let [ann, bob] = [stage.join(), stage.join()];
    stage.hear(ann);
    stage.say(bob, "hello\n");
    assert_eq!(stage.hear(ann), "<guest2> hello\n");
    port.tell(News::Down { why: "refused".into() });
    stage.flush();
    assert_eq!(stage.hear(ann), format!("{OUT_OF_REACH}\n"));
    stage.pass(Duration::from_secs(100));
    stage.say(bob, "BYE\n");
    assert_eq!(stage.hear(ann), "* guest2 left\n");
}

#[test]
fn where_nobody_keeps_the_lines_a_speaker_is_told_of_those_that_cannot_leave() {
    let mut toy = Toy::of(&["north", "south"], false);
    let (ann, bob, cat) = (toy.join(0, "ann"), toy.join(0, "bob"), toy.join(1, "cat"));
    toy.pass(1);
    toy.hear(0, bob);
    toy.hear(1, cat);
    toy.servers[0].port.set_room(0);
    assert_eq!(
        toy.ask(0, ann, "hello"),
        "** Only this server heard that; the others are out of reach.\n"
    );
    assert_eq!((toy.hear(0, bob), toy.hear(1, cat)), ("<ann> hello\n".into(), String::new()));
    assert_eq!(toy.servers[0].port.figures().dropped_queue, 1);
    toy.servers[0].port.set_room(10_000);
    assert_eq!(toy.ask(0, ann, "again"), "");
    assert_eq!(toy.hear(1, cat), "<ann@north> again\n");
}

#[test]
fn what_is_said_to_one_person_and_cannot_leave_is_told_to_its_speaker() {
    let (mut toy, [ann, _, bob]) = two(true);
    toy.servers[NORTH].port.set_room(0);
    let heard = toy.ask(NORTH, ann, "/msg bob@south psst");
    assert_eq!(heard, "** Other servers are out of reach.\n");
    toy.servers[NORTH].port.set_room(10_000);
    assert_eq!(toy.ask(NORTH, ann, "/msg bob@south psst"), "[to bob@south] psst\n");
    assert!(toy.hear(SOUTH, bob).ends_with("[from ann@north] psst\n"));
}
