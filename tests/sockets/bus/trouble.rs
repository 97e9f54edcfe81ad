//! NATS that is killed, frozen, about to leave, or without streams, while people talk.

use std::time::{Duration, Instant};

use super::node::{BACK, Node, ONLY_HERE, OUT_OF_REACH, Person, REACHED, meet};
use crate::support::nats::Nats;

/// How long it may take until the rooms know.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);
/// And what a busy machine may add to that in a test.
const GRACE: Duration = Duration::from_secs(2);

/// Ann on north and bob on south, who have heard each other.
fn two(nats: &Nats) -> ([Node; 2], [Person; 2]) {
    let nodes = ["north", "south"].map(|name| Node::on(nats, name, &[]));
    let [mut ann, mut bob] = [nodes[0].join("ann"), nodes[1].join("bob")];
    meet(&mut ann, &mut bob);
    (nodes, [ann, bob])
}

/// The same, each at a server of its own, north with these words.
fn across(one: &Nats, other: &Nats, words: &[&str]) -> ([Node; 2], [Person; 2]) {
    let north = Node::at(&one.url(), "north", words);
    let mut nodes = [north, Node::at(&other.url(), "south", &[])];
    // It takes a while until each knows that there is no stream.
    for node in &mut nodes {
        node.server.log.wait_for_line(REACHED);
    }
    let [mut ann, mut bob] = [nodes[0].join("ann"), nodes[1].join("bob")];
    meet(&mut ann, &mut bob);
    (nodes, [ann, bob])
}

/// Says lines with these numbers.
fn say(person: &mut Person, numbers: std::ops::RangeInclusive<usize>) {
    numbers.for_each(|number| person.say(&format!("line {number}")));
}

/// The numbers in lines that `who` has said.
fn numbers(lines: &[String], who: &str) -> Vec<usize> {
    let start = format!("<{who}> line ");
    let said = lines.iter().filter_map(|line| Some(line.split_once(&start)?.1));
    said.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn a_nats_that_is_killed_in_mid_talk_loses_and_doubles_nothing_that_its_stream_took() {
    let Some(mut nats) = Nats::with_streams(&[]) else { return };
    let (mut nodes, [mut ann, mut bob]) = two(&nats);
    let mut abe = nodes[0].join("abe");
    abe.sees_at_who("bob@south");
    say(&mut ann, 1..=200);
    bob.wait_for("line 100");
    nats.kill();
    let lost = Instant::now();
    let heard = abe.lines_until(OUT_OF_REACH);
    assert!(lost.elapsed() < KNOWN_WITHIN + GRACE, "{:?}", lost.elapsed());
    assert_eq!(numbers(&heard, "ann"), (1..=200).collect::<Vec<_>>(), "each once, on its server");
    ann.wait_for(OUT_OF_REACH);
    ann.say("local");
    assert_eq!(ann.wait_for("** "), ONLY_HERE);
    assert_eq!(abe.wait_for("local"), "<ann> local");
    let before = bob.lines_until(OUT_OF_REACH);
    nats.start_again();
    for node in &mut nodes {
        node.server.log.wait_for_line(REACHED);
    }
    ann.wait_for(BACK);
    ann.say("all is well");
    let after = bob.lines_until("all is well");
    assert_eq!(after[0], BACK, "{after:#?}");
    assert!(!after.iter().any(|line| line.contains("local")), "{after:#?}");
    let told = [&["<ann@north> line 100".to_owned()][..], &before, &after].concat();
    assert_eq!(numbers(&told, "ann@north"), (100..=200).collect::<Vec<_>>());
    let heard = abe.lines_until("all is well");
    assert_eq!(heard, [BACK, "<ann> all is well"], "and nothing twice");
    let figures = nodes[0].figures();
    assert!(figures.contains("reached again: 1; lines that never came: 0"), "{figures}");
}

#[test]
fn a_nats_that_has_lost_its_stream_begins_anew_and_says_so() {
    let Some(mut nats) = Nats::with_streams(&[]) else { return };
    let (_nodes, [mut ann, mut bob]) = two(&nats);
    nats.kill();
    std::fs::remove_dir_all(nats.path("store")).unwrap();
    nats.start_again();
    for person in [&mut ann, &mut bob] {
        person.wait_for("** The shared history was lost; it starts again here.");
    }
    meet(&mut ann, &mut bob);
    say(&mut ann, 1..=3);
    assert_eq!(numbers(&bob.lines_until("line 3"), "ann@north"), [1, 2, 3]);
    say(&mut bob, 1..=3);
    assert_eq!(numbers(&ann.lines_until("line 3"), "bob@south"), [1, 2, 3]);
}

#[test]
fn a_break_that_is_over_at_once_is_not_told_and_what_was_said_in_it_arrives() {
    let Some(mut nats) = Nats::with_streams(&[]) else { return };
    let (mut nodes, [mut ann, mut bob]) = two(&nats);
    let mut abe = nodes[0].join("abe");
    abe.sees_at_who("bob@south");
    nats.kill();
    say(&mut ann, 1..=3);
    nats.start_again();
    for node in &mut nodes {
        node.server.log.wait_for_line(REACHED);
    }
    say(&mut ann, 4..=5);
    let heard = bob.lines_until("line 5");
    assert_eq!(numbers(&heard, "ann@north"), [1, 2, 3, 4, 5]);
    assert_eq!(numbers(&abe.lines_until("line 5"), "ann"), [1, 2, 3, 4, 5]);
}

#[test]
fn a_frozen_nats_is_told_of_within_three_seconds_of_a_line() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let (nodes, [mut ann, mut bob]) = two(&nats);
    let mut abe = nodes[0].join("abe");
    abe.sees_at_who("bob@south");
    nats.freeze();
    let said = Instant::now();
    ann.say("anybody?");
    assert_eq!(abe.wait_for("anybody?"), "<ann> anybody?");
    for person in [&mut ann, &mut abe, &mut bob] {
        person.wait_for(OUT_OF_REACH);
    }
    assert!(said.elapsed() < KNOWN_WITHIN + GRACE, "{:?}", said.elapsed());
    nats.thaw();
    ann.wait_for(BACK);
    abe.wait_for(BACK);
    let mut heard = bob.lines_until(BACK);
    ann.say("here again");
    heard.extend(bob.lines_until("here again"));
    let told = heard.iter().filter(|line| line.contains("anybody?")).count();
    assert_eq!(told, 1, "{heard:#?}");
    assert_eq!(abe.lines_until("here again"), ["<ann> here again"]);
}

#[test]
fn of_a_cluster_of_two_one_may_be_lost() {
    let Some((mut one, other)) = Nats::two() else { return };
    let ([mut north, _south], [mut ann, mut bob]) = across(&one, &other, &[]);
    one.kill();
    let line = north.server.log.wait_for_line(REACHED);
    assert!(line.contains(&other.url()), "{line}");
    meet(&mut ann, &mut bob);
    let heard = [ann.lines_so_far(), bob.lines_so_far()].concat();
    assert!(!heard.iter().any(|line| line.contains(OUT_OF_REACH)), "{heard:#?}");
}

#[test]
fn where_servers_that_are_told_of_are_ignored_a_lost_one_is_waited_for() {
    let Some((mut one, other)) = Nats::two() else { return };
    let words = ["--bus-ignore-advertised"];
    let (_nodes, [mut ann, mut bob]) = across(&one, &other, &words);
    one.kill();
    ann.wait_for(OUT_OF_REACH);
    one.start_again();
    // Another route to it is found by none of the two; so they are servers apart now.
    ann.wait_for(BACK);
    assert!(!bob.lines_so_far().iter().any(|line| line.contains(OUT_OF_REACH)));
}

#[test]
fn a_nats_that_is_about_to_leave_is_left_before_and_nobody_notices() {
    let Some((one, other)) = Nats::two() else { return };
    let ([mut north, _south], [mut ann, mut bob]) = across(&one, &other, &[]);
    let asked = Instant::now();
    one.leave();
    let line = north.server.log.wait_for_line(REACHED);
    assert!(line.contains(&other.url()), "{line}");
    // The connection would have been closed after ten seconds.
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    meet(&mut ann, &mut bob);
    let heard = [ann.lines_so_far(), bob.lines_so_far()].concat();
    assert!(!heard.iter().any(|line| line.contains(OUT_OF_REACH)), "{heard:#?}");
}

#[test]
fn without_streams_each_speaker_is_heard_in_order_and_the_log_says_so_once() {
    let Some(nats) = Nats::without_streams(&[]) else { return };
    let (mut nodes, [mut ann, mut bob]) = two(&nats);
    say(&mut ann, 1..=200);
    assert_eq!(numbers(&bob.lines_until("line 200"), "ann@north"), (1..=200).collect::<Vec<_>>());
    for node in &mut nodes {
        let line = node.server.log.wait_for_line("no stream keeps the lines");
        assert!(line.contains(" WARN ") && line.contains("JetStream"), "{line}");
        assert_eq!(node.complains(), 1);
    }
    let mut eve = nodes[1].join("eve");
    eve.say("hello");
    assert_eq!(ann.wait_for("hello"), "<eve@south> hello");
}

#[test]
fn without_streams_a_break_is_told_and_what_was_said_in_it_stays() {
    let Some(mut nats) = Nats::without_streams(&[]) else { return };
    let (_nodes, [mut ann, mut bob]) = two(&nats);
    nats.kill();
    ann.wait_for(OUT_OF_REACH);
    bob.wait_for(OUT_OF_REACH);
    ann.say("local");
    assert_eq!(ann.wait_for("** "), ONLY_HERE);
    nats.start_again();
    ann.wait_for(BACK);
    bob.wait_for(BACK);
    ann.say("here again");
    assert_eq!(bob.lines_until("here again"), ["<ann@north> here again"]);
}

#[test]
fn a_server_of_ours_that_comes_before_nats_joins_it_later() {
    let Some(mut nats) = Nats::with_streams(&[]) else { return };
    nats.kill();
    let mut north = Node::at(&nats.url(), "north", &[]);
    let mut ann = north.join("ann");
    ann.wait_for(OUT_OF_REACH);
    north.server.log.wait_for_line("the bus is not reached");
    nats.start_again();
    ann.wait_for(BACK);
    let south = Node::on(&nats, "south", &[]);
    let mut bob = south.join("bob");
    meet(&mut ann, &mut bob);
}
