//! How soon a loss has to be told, and which one must not be.

use std::time::Duration;

use cooee::bus::{News, Wish};
use cooee::engine::Time;

use super::between::Passed;
use super::{Blow, Nodes};

/// A line that is not back after 2 s is the loss of the bus, and it is told within 3.
const TOLD: Duration = Duration::from_millis(3_050);
const LINE: Duration = Duration::from_millis(2_250);
/// Without a stream the line itself is not answered, but a PING at most half a second behind it.
const PLAIN_LINE: Duration = Duration::from_millis(2_750);
/// So long before and after a blow no other one may blur what it does.
const BEFORE: Duration = Duration::from_secs(15);
const AFTER: Duration = Duration::from_secs(4);

/// How one node took each blow that fell when all was well.
pub(crate) fn judge_loss(nodes: &Nodes, node: usize) {
    let record = nodes.nodes[node].record.borrow();
    let downs: Vec<Time> = times(&record, |it| matches!(it, Passed::News(News::Down { .. })));
    let keeps: Vec<Time> = times(&record, |it| matches!(it, Passed::Wish(Wish::Keep { .. })));
    let within = |from: Time, wait: Duration| {
        downs.iter().any(|down| from <= *down && *down <= from.after(wait))
    };
    for (at, blow) in nodes.struck.iter().filter(|blow| is_alone(nodes, blow.0)) {
        if !was_up(&record, *at) {
            continue;
        }
        match blow {
            Blow::Cut(cut) if *cut == node => {
                assert!(
                    !within(*at, AFTER),
                    "node {node}: {at:?}, {blow:?}: told, and back at once"
                );
            }
            Blow::Restart { after, keeps: true } if *after > AFTER => {
                assert!(within(*at, TOLD), "node {node}: {at:?}, {blow:?}: not told");
            }
            Blow::Freeze(wait) | Blow::Stall(_, wait) if *wait > AFTER => {
                let concerns = !matches!(blow, Blow::Stall(stalled, _) if *stalled != node);
                let line = keeps.iter().find(|kept| **kept > *at);
                let line = line.filter(|kept| kept.since(*at) < Duration::from_secs(1));
                if let Some(line) = line.filter(|_| concerns) {
                    let wait = if nodes.setting.jetstream { LINE } else { PLAIN_LINE };
                    let is_told = within(*at, line.since(*at) + wait);
                    assert!(is_told, "node {node}: {at:?}, {blow:?}, a line at {line:?}: not told");
                }
            }
            _ => {}
        }
    }
}

fn times(record: &[(Time, Passed)], which: impl Fn(&Passed) -> bool) -> Vec<Time> {
    record.iter().filter(|(_, it)| which(it)).map(|(at, _)| *at).collect()
}

fn is_alone(nodes: &Nodes, at: Time) -> bool {
    let mut others = nodes.struck.iter().filter(|(other, _)| *other != at);
    others.all(|(other, blow)| {
        let is_near = other.after(BEFORE) > at && *other < at.after(AFTER);
        !is_near || matches!(blow, Blow::Slow(_))
    })
}

fn was_up(record: &[(Time, Passed)], at: Time) -> bool {
    let mut is_up = false;
    for (_, it) in record.iter().take_while(|(then, _)| *then < at) {
        match it {
            Passed::News(News::Up { .. }) => is_up = true,
            Passed::News(News::Down { .. }) => is_up = false,
            _ => {}
        }
    }
    is_up
}
