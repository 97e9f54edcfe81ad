//! What has to be true of the bus, by what passed at each node and by what NATS has stored.

use std::collections::{BTreeMap, BTreeSet};

use cooee::bus::{News, Wish};

use super::between::Passed;
use super::judge_loss::judge_loss;
use super::talker::SUBJECTS;
use super::{Nodes, Weather};

/// The lines of one subject that a stream took while it was there: the first, the second ...
type Taken<'a> = Vec<&'a [u8]>;

/// All invariants of the bus alone.
pub(crate) fn judge(nodes: &Nodes) {
    let streams = streams(nodes);
    for node in 0..nodes.nodes.len() {
        judge_news(nodes, node);
        judge_loss(nodes, node);
        match nodes.setting.jetstream {
            true => {
                judge_promises(nodes, node, &streams);
                SUBJECTS.iter().for_each(|subject| judge_lines(nodes, node, subject, &streams));
            }
            false => judge_heard(nodes, node),
        }
    }
    judge_order_of_speakers(&streams);
}

/// Every stream that there was, by subject.
fn streams(nodes: &Nodes) -> Vec<BTreeMap<&str, Taken<'_>>> {
    let mut streams: Vec<(u64, BTreeMap<&str, Taken>)> = Vec::new();
    for entry in nodes.nats.log() {
        if streams.last().is_none_or(|(stream, _)| *stream != entry.stream) {
            streams.push((entry.stream, BTreeMap::new()));
        }
        let subject = entry.subject.strip_prefix("cooee.1.").expect("a subject of ours");
        let (_, subjects) = streams.last_mut().expect("one");
        subjects.entry(subject).or_default().push(&entry.payload);
    }
    streams.into_iter().map(|(_, subjects)| subjects).collect()
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// It is reached at the end, is lost once at a time, and has told all that it has to tell.
fn judge_news(nodes: &Nodes, node: usize) {
    let mut is_up = false;
    for (at, passed) in nodes.nodes[node].record.borrow().iter() {
        match passed {
            Passed::News(News::Up { .. }) => is_up = true,
            Passed::News(News::Down { why }) => {
                assert!(is_up, "node {node}: lost when it was not reached, {at:?}: {why}");
                assert!(!why.is_empty() && !why.contains('\n'), "node {node}: {why:?}");
                is_up = false;
            }
            Passed::News(News::Dropped { .. }) => panic!("node {node}: dropped, {at:?}"),
            _ => {}
        }
    }
    assert!(is_up, "node {node}: never reached again");
    if nodes.setting.weather == Weather::Calm {
        let record = nodes.nodes[node].record.borrow();
        let lost = record.iter().find(|(_, it)| matches!(it, Passed::News(News::Down { .. })));
        assert!(lost.is_none(), "node {node}: lost in calm weather, {lost:?}");
    }
}

/// Each line that was to be kept is kept or refused, once; and what is said of it is true.
fn judge_promises(nodes: &Nodes, node: usize, streams: &[BTreeMap<&str, Taken>]) {
    let mut open: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let lines = streams.iter().flat_map(|subjects| subjects.values().flatten());
    let taken: BTreeSet<&[u8]> = lines.copied().collect();
    // Where no stream has answered, it is enough to have said a line.
    let mut has_stream = true;
    for (at, passed) in nodes.nodes[node].record.borrow().iter() {
        match passed {
            Passed::Wish(Wish::Keep { id, payload, .. }) => {
                open.insert(id.clone(), payload.clone());
            }
            Passed::News(News::Up { has_stream: now }) => has_stream = *now,
            Passed::News(News::Kept { id }) => {
                let payload = open.remove(id);
                let payload = payload.unwrap_or_else(|| panic!("kept {id} twice, {at:?}"));
                let is_safe = taken.contains(&payload[..]) || !has_stream;
                assert!(is_safe, "node {node}: {id} is in no stream, {at:?}");
            }
            Passed::News(News::Refused { id, why }) => {
                let payload = open.remove(id);
                let payload = payload.unwrap_or_else(|| panic!("refused {id} twice, {at:?}"));
                let is_taken = taken.contains(&payload[..]);
                assert!(!is_taken, "node {node}: {id} refused and in a stream, {at:?} {why}");
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "node {node}: nothing became of {:?}", open.keys());
}

/// The lines of a subject come in the order of the stream, none missing between two, none twice,
/// and all of the stream that is there at the end.
fn judge_lines(nodes: &Nodes, node: usize, subject: &str, streams: &[BTreeMap<&str, Taken<'_>>]) {
    let of = |stream: usize| streams.get(stream).and_then(|one| one.get(subject));
    let is = |stream: usize, next: usize| of(stream).and_then(|lines| lines.get(next)).copied();
    // Which line of which stream may be next: one that was lost and said again is in several.
    let mut states = BTreeSet::from([(0, 0)]);
    for (at, passed) in nodes.nodes[node].record.borrow().iter() {
        let Passed::News(News::Line { subject: of_line, payload, at: stored, .. }) = passed else {
            continue;
        };
        // What was heard while no stream answered is in no order, and the stream hands it out anew.
        if of_line != subject || stored.is_none() {
            continue;
        }
        let later = |&(stream, next): &(usize, usize)| {
            let begins = (stream + 1..streams.len()).map(|later| (later, 0));
            begins.chain([(stream, next)]).collect::<Vec<_>>()
        };
        let fits = |&(stream, next): &(usize, usize)| is(stream, next) == Some(&payload[..]);
        let after: BTreeSet<(usize, usize)> = states.iter().flat_map(later).filter(fits).collect();
        let places = places(streams, subject, payload);
        let line = shown(payload);
        assert!(
            !after.is_empty(),
            "node {node}, {subject}: {line} where {states:?} was due, {at:?}; it is in {places:?}",
        );
        states = after.into_iter().map(|(stream, next)| (stream, next + 1)).collect();
    }
    // A stream that was lost may have taken its last lines with it, from who was out of reach.
    let is_last_there = nodes.nats.log().last().map(|entry| entry.stream) == nodes.nats.stream();
    let last = streams.len().saturating_sub(1);
    let Some(all) = of(last).filter(|_| is_last_there).map(Vec::len) else { return };
    let is_whole = states.contains(&(last, all));
    assert!(is_whole, "node {node}, {subject}: {states:?} is all of {:?}", (last, all));
}

/// In which streams a line is, and where.
fn places(
    streams: &[BTreeMap<&str, Taken<'_>>],
    subject: &str,
    line: &[u8],
) -> Vec<(usize, usize)> {
    let lines = streams.iter().map(|stream| stream.get(subject));
    let found = lines
        .enumerate()
        .filter_map(|(stream, lines)| Some((stream, lines?.iter().position(|one| *one == line)?)));
    found.collect()
}

/// Without a stream: what others say comes once at most, and all of it in order where all is well.
fn judge_heard(nodes: &Nodes, node: usize) {
    let is_calm = nodes.setting.weather == Weather::Calm;
    let mut heard: BTreeMap<(String, u64), u64> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for (at, passed) in nodes.nodes[node].record.borrow().iter() {
        let Passed::News(News::Line { subject, payload, .. }) = passed else { continue };
        let (speaker, number) = numbers(payload);
        // What was said on a connection that is gone may come late, even to who said it.
        let before = heard.insert((subject.clone(), speaker), number).unwrap_or(0);
        let line = shown(payload);
        assert!(before < number || !is_calm, "node {node}: {line} behind {before}, {at:?}");
        assert!(all.insert(payload.clone()), "node {node}: {line} twice, {at:?}");
    }
    if !is_calm {
        return;
    }
    for (speaker, other) in nodes.nodes.iter().enumerate().filter(|(other, _)| *other != node) {
        for (at, passed) in other.record.borrow().iter() {
            let Passed::Wish(Wish::Keep { payload, .. }) = passed else { continue };
            // Whoever comes first speaks to nobody.
            if at.seconds() > 5 {
                let line = shown(payload);
                assert!(all.contains(payload), "node {node} missed {line} of {speaker}, {at:?}");
            }
        }
    }
}

/// What one node says stays in its order, and nothing is taken twice by one stream.
fn judge_order_of_speakers(streams: &[BTreeMap<&str, Taken<'_>>]) {
    for (stream, subjects) in streams.iter().enumerate() {
        for (subject, lines) in subjects.iter().filter(|(subject, _)| SUBJECTS.contains(subject)) {
            let mut last: BTreeMap<u64, u64> = BTreeMap::new();
            for line in lines {
                // One that the stream before had comes again if it was said twice, on a connection
                // that was given up and on the next one, and the first gets there after all.
                let mut before = streams[..stream].iter().filter_map(|one| one.get(subject));
                if before.any(|lines| lines.contains(line)) {
                    continue;
                }
                let (speaker, number) = numbers(line);
                let before = last.insert(speaker, number).unwrap_or(0);
                let line = shown(line);
                assert!(before < number, "stream {stream}, {subject}: {line} behind {before}");
            }
        }
    }
}

/// The node and the number of a line.
fn numbers(payload: &[u8]) -> (u64, u64) {
    let line: serde_json::Value = serde_json::from_slice(payload).expect("a line of a talker");
    (line["node"].as_u64().expect("a node"), line["n"].as_u64().expect("a number"))
}
