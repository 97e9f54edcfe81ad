//! What has to be true of the chats on the bus, by what their members said and heard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cooee::bus::{News, Wish};
use cooee::engine::Time;

use super::super::facts::tag_of;
use super::between::Passed;
use super::member::{Member, Stay};
use super::{EPOCH, Nodes, Weather};

const LOST: &str = "** Other servers are out of reach; only this one hears you.";
/// Nobody waits longer than that for a line to come back.
const PATIENCE: Duration = Duration::from_secs(3);
/// So many lines of before it was followed a room is shown.
const EARLIER_MAX: usize = 20;
const BACK: &str = "** Other servers are back.";

/// What is known of the lines of a node, by their tags.
#[derive(Default)]
struct Fate {
    /// When it was to be kept, for those of its own members.
    kept: BTreeMap<String, Time>,
    /// Those of its own members that were passed on, to be kept or not.
    passed_on: BTreeSet<String>,
    /// When it came from the bus first.
    came: BTreeMap<String, Time>,
    refused: BTreeSet<String>,
    /// When the bus was lost, or all that its stream had.
    downs: Vec<Time>,
    /// Those that were said before the room was followed, but for the last.
    passed_over: BTreeSet<String>,
}

/// The lines of a room that were said before it was followed, until all of them are known.
struct Before {
    /// When it was followed, in seconds since 1970.
    since: u64,
    tags: VecDeque<String>,
}

impl Before {
    /// One more line has come, said at that second. The one that is not shown for it.
    fn add(&mut self, tag: &str, at: u64, is_old: bool) -> Option<String> {
        if !is_old || at > self.since {
            // Those that have come so far are shown before it.
            self.tags.clear();
            return None;
        }
        self.tags.push_back(tag.to_owned());
        (self.tags.len() > EARLIER_MAX).then(|| self.tags.pop_front()).flatten()
    }
}

/// All invariants of the rooms.
pub(crate) fn judge_chat(nodes: &Nodes) {
    let fates: Vec<Fate> = (0..nodes.nodes.len()).map(|node| Fate::of(nodes, node)).collect();
    let mut heard = 0;
    for member in &nodes.members {
        for stay in &member.stays {
            heard += judge_stay(nodes, member, stay, &fates);
        }
    }
    assert!(heard > 20, "hardly anybody has heard anything");
}

impl Fate {
    fn of(nodes: &Nodes, node: usize) -> Fate {
        let mut fate = Fate::default();
        let mut ids = BTreeMap::new();
        let has_one_stream = nodes.setting.jetstream && nodes.setting.weather != Weather::Worst;
        let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut before: BTreeMap<String, Before> = BTreeMap::new();
        for (at, passed) in nodes.nodes[node].record.borrow().iter() {
            match passed {
                Passed::Wish(Wish::Keep { id, payload, .. }) => {
                    let Some(tag) = tag_of(payload) else { continue };
                    ids.insert(id.clone(), tag.clone());
                    fate.passed_on.insert(tag.clone());
                    fate.kept.insert(tag, *at);
                }
                Passed::Wish(Wish::Publish { payload, .. }) => {
                    fate.passed_on.extend(tag_of(payload));
                }
                Passed::Wish(Wish::Follow(subject)) => {
                    let (since, tags) = (EPOCH + at.seconds(), VecDeque::new());
                    before.insert(subject.clone(), Before { since, tags });
                }
                Passed::News(News::CaughtUp { subject }) => _ = before.remove(subject),
                Passed::News(News::Line { subject, payload, at: said, is_old }) => {
                    let Some(tag) = tag_of(payload) else { continue };
                    if let (Some(said), Some(before)) = (said, before.get_mut(subject)) {
                        fate.passed_over.extend(before.add(&tag, *said, *is_old));
                    }
                    let (run, seq) = place_of(payload);
                    let before = last.entry((run, subject.clone())).or_default();
                    // What no stream has held back, or a stream that is gone, may come behind what
                    // was said later; then the order of its server counts more.
                    if !has_one_stream && seq <= *before {
                        continue;
                    }
                    *before = seq;
                    fate.came.entry(tag).or_insert(*at);
                }
                Passed::News(News::Refused { id, .. }) => fate.refused.extend(ids.get(id).cloned()),
                Passed::News(News::Down { .. } | News::Renewed) => fate.downs.push(*at),
                _ => {}
            }
        }
        fate
    }

    /// Whether that line of one of its own members was shown before it came back.
    fn showed_at_once(&self, tag: &str) -> bool {
        let Some(kept) = self.kept.get(tag) else { return true };
        let came = self.came.get(tag).copied().unwrap_or(Time::NEVER);
        let is_split = |down: &Time| *kept <= *down && *down <= came;
        let is_late = kept.after(PATIENCE) <= came;
        is_late || self.refused.contains(tag) || self.downs.iter().any(is_split)
    }
}

/// The run of a server that a line is from, and its place there.
fn place_of(payload: &[u8]) -> (String, u64) {
    let text = String::from_utf8_lossy(payload);
    let after = |key: &str| text.split_once(key).expect("it has that").1;
    let run = after("\"run\":\"").split('"').next().unwrap_or_default();
    let seq = after("\"seq\":").split(',').next().unwrap_or_default();
    (run.into(), seq.parse().expect("a number"))
}

/// The member that has said it.
fn author(tag: &str) -> usize {
    tag.split_once('.').expect("a tag").0.parse().expect("a number")
}

/// The lines of a room in the order of the streams; those that were taken twice are in none.
fn order(nodes: &Nodes) -> BTreeMap<String, usize> {
    let mut order = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for (place, entry) in nodes.nats.log().iter().enumerate() {
        if let Some(tag) = tag_of(&entry.payload)
            && order.insert(tag.clone(), place).is_some()
        {
            twice.insert(tag);
        }
    }
    order.retain(|tag, _| !twice.contains(tag));
    order
}

/// Returns how many lines of others were heard.
fn judge_stay(nodes: &Nodes, member: &Member, stay: &Stay, fates: &[Fate]) -> usize {
    let wires = nodes.wires.borrow();
    let lines = stay.lines(&wires.all[stay.wire].pipe);
    let who = format!("member {} of node {} in {}", member.number, member.node, member.room);
    let entered = format!("** You are now in {}", member.room);
    let begin = match member.room == super::member::ROOMS[0] {
        true => 0,
        false => {
            lines.iter().position(|line| line.text.starts_with(&entered)).unwrap_or(lines.len())
        }
    };
    let mut heard: Vec<(String, Time)> = Vec::new();
    let mut is_lost = None;
    for line in &lines[begin..] {
        if line.text == LOST || line.text == BACK {
            let before = is_lost.replace(line.text == LOST);
            assert_ne!(before, is_lost, "{who} was told twice, {:?}: {}", line.at, line.text);
        }
        let Some(tag) = tag_of(line.text.as_bytes()) else { continue };
        let earlier = heard.iter().find(|(known, _)| *known == tag);
        assert!(earlier.is_none(), "{who} heard {tag} twice, {earlier:?} and {:?}", line.at);
        let said = nodes.members[author(&tag)].said.iter().find(|said| said.tag == tag);
        let said = said.unwrap_or_else(|| panic!("{who}: {tag} was never said, {line:?}"));
        let own = author(&tag) == member.number && said.at >= stay.came;
        assert!(!own, "{who} heard itself, {line:?}");
        let speaker = &nodes.members[author(&tag)];
        assert_eq!(speaker.room, member.room, "{who} heard {tag}");
        let is_far = speaker.node != member.node;
        let was_passed_on = fates[speaker.node].passed_on.contains(&tag);
        assert!(!is_far || was_passed_on, "{who}: {tag} was to stay on its server, {line:?}");
        heard.push((tag, line.at));
    }
    match nodes.setting.jetstream {
        true => judge_one_order(nodes, member, &who, &heard, fates),
        false => judge_speakers(&who, &heard),
    }
    judge_whole(nodes, member, stay, &who, &heard, fates);
    heard.len()
}

/// Everybody everywhere hears the lines of the streams in their order, but for those that were
/// shown at once where they were said.
fn judge_one_order(
    nodes: &Nodes,
    member: &Member,
    who: &str,
    heard: &[(String, Time)],
    fates: &[Fate],
) {
    let order = order(nodes);
    let mut last: Option<(usize, &str)> = None;
    for (tag, at) in heard {
        let is_near = nodes.members[author(tag)].node == member.node;
        if is_near && fates[member.node].showed_at_once(tag) {
            continue;
        }
        let Some(place) = order.get(tag) else { continue };
        if let Some((before, known)) = last {
            assert!(before < *place, "{who} heard {tag} behind {known}, {at:?}");
        }
        last = Some((*place, tag));
    }
}

/// Without a stream there is the order of each speaker.
fn judge_speakers(who: &str, heard: &[(String, Time)]) {
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    for (tag, at) in heard {
        let number = tag.split_once('.').expect("a tag").1.parse().expect("a number");
        let before = last.insert(author(tag), number).unwrap_or(0);
        assert!(before < number, "{who} heard {tag} behind {before}, {at:?}");
    }
}

/// Whatever has reached the node of a member, or was said there, is heard.
fn judge_whole(
    nodes: &Nodes,
    member: &Member,
    stay: &Stay,
    who: &str,
    heard: &[(String, Time)],
    fates: &[Fate],
) {
    let heard: BTreeSet<&str> = heard.iter().map(|(tag, _)| tag.as_str()).collect();
    let others = nodes.members.iter().filter(|other| other.room == member.room);
    for other in others.filter(|other| other.number != member.number) {
        for said in other.said.iter().filter(|said| stay.covers(said.at)) {
            let came = fates[member.node].came.get(&said.tag);
            let due = match other.node == member.node {
                true => Some(said.at),
                false => came.copied(),
            };
            // One of ours is heard when it comes back, or without that when nobody waits any more.
            let back = came.copied().unwrap_or(Time::NEVER).min(said.at.after(PATIENCE));
            // Whoever comes is not shown all that was said before, in the same second or earlier.
            let is_passed_over = fates[member.node].passed_over.contains(&said.tag);
            let is_due = due.is_some_and(|due| stay.covers(due)) && stay.covers(back);
            let is_due = is_due && !is_passed_over;
            let is_heard = heard.contains(said.tag.as_str());
            assert!(is_heard || !is_due, "{who} missed {}, said {:?}, {came:?}", said.tag, said.at);
        }
    }
}
