//! Servers of ours that leave, or are killed and come again.

use rustix::process::Signal;

use super::node::{Node, meet};
use crate::support::nats::Nats;

#[test]
fn a_server_that_leaves_tells_the_others_who_goes_with_it() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let [mut north, south] = ["north", "south"].map(|name| Node::on(&nats, name, &[]));
    let [mut ann, mut bob] = [north.join("ann"), south.join("bob")];
    meet(&mut ann, &mut bob);
    ann.say("the last word");
    north.server.signal(Signal::TERM);
    let heard = bob.lines_until("* ann@north left");
    assert!(heard.contains(&"<ann@north> the last word".to_owned()), "{heard:#?}");
    assert_eq!(north.server.ended().status, 0);
    bob.say("/who");
    assert_eq!(bob.wait_for("** "), "** 1 in lobby: bob");
    assert!(!bob.lines_so_far().iter().any(|line| line.contains("north")));
}

#[test]
fn a_server_that_was_killed_has_its_name_again_and_what_was_said_before() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let [mut north, south] = ["north", "south"].map(|name| Node::on(&nats, name, &[]));
    let [mut ann, mut bob] = [north.join("ann"), south.join("bob")];
    meet(&mut ann, &mut bob);
    ann.say("before");
    bob.wait_for("before");
    north.server.signal(Signal::KILL);
    assert_eq!(north.server.ended().status, -9);
    bob.say("anybody?");
    let mut again = Node::on(&nats, "north", &[]);
    let mut ann = again.join("ann");
    let heard = ann.lines_until("<bob@south> anybody?");
    assert!(heard.iter().any(|line| line.contains("<ann@north> before")), "{heard:#?}");
    ann.say("here again");
    assert_eq!(bob.wait_for("here again"), "<ann@north> here again");
    assert_eq!(again.complains(), 0);
    assert!(!bob.lines_so_far().iter().any(|line| line.contains("gone")), "nobody was lost");
}
