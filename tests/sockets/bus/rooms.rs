//! Rooms that span two and three servers while all goes well.

use std::thread;
use std::time::{Duration, Instant};

use super::node::{Node, meet};
use crate::support::nats::Nats;
use crate::support::terminal::Terminal;

#[test]
fn people_on_two_servers_hear_each_other_by_name() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let (north, south) = Node::two(&nats);
    let mut ann = north.join("ann");
    let mut bob = south.join("bob");
    ann.sees_at_who("bob@south");
    bob.sees_at_who("ann@north");
    bob.say("hello");
    assert_eq!(ann.wait_for("hello"), "<bob@south> hello");
    ann.say("/me waves");
    assert_eq!(bob.wait_for("waves"), "* ann@north waves");
    ann.say("what a \\ \"day\" \x1b[2J ü");
    assert_eq!(bob.wait_for("what a"), "<ann@north> what a \\ \"day\" \\x1b[2J ü");
    bob.say("/nick bea");
    assert_eq!(ann.wait_for("is now"), "* bob@south is now bea@south");
    bob.say("/join attic");
    assert_eq!(ann.wait_for("left"), "* bea@south left");
    bob.wait_for("You are now in attic (1 here)");
    bob.say("/join lobby");
    bob.wait_for("You are now in lobby (2 here)");
    assert_eq!(ann.wait_for("joined"), "* bea@south joined");
    bob.say("BYE");
    assert_eq!(ann.wait_for("left"), "* bea@south left");
}

#[test]
fn who_and_rooms_and_private_words_reach_all_servers() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let (north, south) = Node::two(&nats);
    let (mut ann, mut bob) = (north.join("ann"), south.join("bob"));
    let mut eve = south.join("eve");
    let who = ann.sees_at_who("eve@south");
    assert_eq!(who, ["** 1 in lobby: ann", "** 2 in lobby on south: bob@south, eve@south"]);
    eve.say("/join Attic");
    eve.wait_for("You are now in Attic");
    ann.sees_at_who("** 1 in lobby on south: bob@south");
    ann.say("/rooms");
    assert_eq!(ann.wait_for("** Rooms"), "** Rooms: attic (1), lobby (2)");
    ann.say("/msg eve@south psst");
    assert_eq!(ann.wait_for("psst"), "[to eve@south] psst");
    assert_eq!(eve.wait_for("psst"), "[from ann@north] psst");
    for (whom, answer) in [
        ("sam@south", "** There is nobody called sam@south; see /who."),
        ("bob@east", "** There is no server called east; see /who."),
    ] {
        ann.say(&format!("/msg {whom} hi"));
        assert_eq!(ann.wait_for("** "), answer);
    }
    let heard = bob.lines_so_far();
    assert!(!heard.iter().any(|line| line.contains("psst")), "{heard:?}");
}

#[test]
fn who_joins_elsewhere_reads_what_was_said_before() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let north = Node::on(&nats, "north", &[]);
    let mut ann = north.join("ann");
    (1..=25).for_each(|number| ann.say(&format!("line {number}")));
    let mut abe = north.join("abe");
    abe.wait_for("<ann> line 25");
    // What was said within the second in which one comes is not earlier.
    let said = Instant::now();
    while said.elapsed() < Duration::from_millis(1_001) {
        thread::yield_now();
    }
    let south = Node::on(&nats, "south", &[]);
    let mut bob = south.join("bob");
    let mut lines = bob.lines_until("line 25");
    lines.retain(|line| line.contains("line "));
    assert_eq!(lines.len(), 20, "{lines:?}");
    assert!(lines[0].starts_with("[earlier, ") && lines[0].ends_with(" UTC] <ann@north> line 6"));
    // Whoever comes back to a room that everybody has left reads the same, from the stream.
    drop((ann, abe));
    bob.say("/join attic");
    bob.wait_for("You are now in attic (1 here)");
    bob.say("/join lobby");
    let again = bob.lines_until("line 25");
    assert_eq!(again.iter().filter(|line| line.contains(" line ")).count(), 20, "{again:?}");
}

#[test]
fn servers_that_start_at_once_beside_a_new_nats_all_have_its_stream() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let names = ["one", "two", "three", "four", "five"];
    let starting = names.map(|name| {
        let url = nats.url();
        thread::spawn(move || Node::at(&url, name, &[]))
    });
    let mut nodes = starting.map(|starting| starting.join().unwrap());
    for node in &mut nodes {
        let line = node.server.log.wait_for_line("the bus is reached at");
        assert!(line.ends_with("with a stream for the lines"), "{line}");
        assert_eq!(node.complains(), 0);
    }
}

#[test]
fn of_two_servers_of_one_name_the_later_one_gets_a_number_and_says_so() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let one = Node::on(&nats, "north", &[]);
    let mut ann = one.join("ann");
    let mut other = Node::on(&nats, "north", &[]);
    other.server.log.wait_for_line("north-2");
    let mut bob = other.join("bob");
    bob.say("hello");
    assert_eq!(ann.wait_for("hello"), "<bob@north-2> hello");
}

#[test]
fn a_client_on_a_terminal_talks_with_people_elsewhere() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let (north, south) = Node::two(&nats);
    let mut bob = south.join("bob");
    let mut ann = Terminal::start(&["chat", &north.chat.to_string()], &[]);
    ann.writes("** Welcome!");
    ann.press("/nick ann\r");
    bob.wait_for("is now ann@north");
    ann.press("hello\r");
    assert_eq!(bob.wait_for("hello"), "<ann@north> hello");
    bob.say("and good day");
    // Its name has a colour.
    ann.hears("and good day");
    assert!(ann.rows().contains(&"<bob@south> and good day".to_owned()), "{:?}", ann.rows());
}

#[test]
fn what_the_operator_says_in_a_room_is_heard_on_all_servers() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let [mut north, south] = ["north", "south"].map(|name| Node::on(&nats, name, &[]));
    let [mut ann, mut bob] = [north.join("ann"), south.join("bob")];
    meet(&mut ann, &mut bob);
    north.server.operator("/say lobby closing at ten");
    let [here, there] = [&mut ann, &mut bob].map(|one| one.wait_for("closing at ten"));
    assert_eq!(
        [here.as_str(), there.as_str()],
        ["<operator> closing at ten", "<operator@north> closing at ten"]
    );
}
