//! Three servers on which everybody talks at once.

use std::collections::BTreeSet;
use std::thread::{self, JoinHandle};

use super::node::{Node, OUT_OF_REACH, Person, meet};
use crate::support::nats::Nats;

/// So many lines are said by each.
const LINES: usize = 100;
const NAMES: [&str; 3] = ["ann", "bob", "eve"];
const NODES: [&str; 3] = ["north", "south", "west"];

/// A listener and a speaker on each server, who have heard each other.
fn three(nats: &Nats) -> ([Node; 3], [Person; 3], [Person; 3]) {
    let nodes = NODES.map(|name| Node::on(nats, name, &[]));
    let mut listeners = nodes.each_ref().map(|node| node.join("listener"));
    let mut speakers = [0, 1, 2].map(|number| nodes[number].join(NAMES[number]));
    for (number, speaker) in speakers.iter_mut().enumerate() {
        // Who is on the same server knows it anyway.
        let others = listeners.iter_mut().enumerate().filter(|(other, _)| *other != number);
        others.for_each(|(_, listener)| meet(listener, speaker));
    }
    (nodes, listeners, speakers)
}

/// Has them say all they have to say.
fn speak(speakers: [Person; 3]) -> [JoinHandle<Person>; 3] {
    speakers.map(|mut speaker| {
        thread::spawn(move || {
            (0..LINES).for_each(|number| speaker.say(&format!("line {number}")));
            speaker.say("the end");
            speaker
        })
    })
}

/// What `listener` hears of that, without where it was said; and whether the others were out of
/// reach meanwhile.
fn listen(mut listener: Person) -> (Vec<String>, bool) {
    let (mut lines, mut ends, mut was_alone) = (Vec::new(), 0, false);
    while ends < 3 {
        let line = listener.wait_for("");
        was_alone |= line == OUT_OF_REACH;
        // What was missed in a break is marked.
        let Some((_, said)) = line.split_once('<') else { continue };
        let Some((who, said)) = said.split_once("> ") else { continue };
        ends += usize::from(said == "the end");
        let who = who.split('@').next().unwrap();
        if said.starts_with("line ") {
            lines.push(format!("{who}: {said}"));
        }
    }
    (lines, was_alone)
}

/// Every line once, and those of each speaker in order.
fn is_whole(lines: &[String]) {
    assert_eq!(lines.len(), 3 * LINES, "{lines:#?}");
    for name in NAMES {
        let said = lines.iter().filter(|line| line.starts_with(name)).cloned();
        let wanted = (0..LINES).map(|number| format!("{name}: line {number}"));
        assert!(said.eq(wanted), "{name}: {lines:#?}");
    }
}

#[test]
fn all_on_three_servers_hear_one_order_of_lines() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let (_nodes, listeners, speakers) = three(&nats);
    let hearing = listeners.map(|listener| thread::spawn(|| listen(listener)));
    let speaking = speak(speakers);
    let [one, other, third] = hearing.map(|hearing| hearing.join().unwrap().0);
    is_whole(&one);
    assert_eq!((&one, &one), (&other, &third));
    speaking.into_iter().for_each(|one| drop(one.join().unwrap()));
}

#[test]
fn nats_may_be_killed_while_all_talk_and_every_line_is_heard_once() {
    let Some(mut nats) = Nats::with_streams(&[]) else { return };
    let (_nodes, mut listeners, speakers) = three(&nats);
    let speaking = speak(speakers);
    let begun = listeners[0].lines_until("line 30");
    nats.kill();
    nats.start_again();
    listeners[0].put_back(begun);
    let hearing = listeners.map(|listener| thread::spawn(|| listen(listener)));
    let heard = hearing.map(|hearing| hearing.join().unwrap());
    heard.iter().for_each(|(lines, _)| is_whole(lines));
    // Who is out of reach for long does not wait for the order of the others.
    if heard.iter().all(|(_, was_alone)| !was_alone) {
        let orders: BTreeSet<&Vec<String>> = heard.iter().map(|(lines, _)| lines).collect();
        assert_eq!(orders.len(), 1, "{orders:#?}");
    }
    speaking.into_iter().for_each(|one| drop(one.join().unwrap()));
}
