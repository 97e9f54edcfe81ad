//! What bots and servers of other versions may say, of good or ill will.

use super::*;

/// A line of a run, with its place there.
fn line(kind: &str, run: u64, seq: u64) -> String {
    let (run, text) = (format!("{run:016x}"), format!("line {seq}"));
    json!({ "node": "bot", "run": run, "seq": seq, "kind": kind, "who": "a", "text": text })
        .to_string()
}

#[test]
fn however_many_lines_a_bot_says_are_missing_they_are_counted() {
    let (mut toy, [ann, ..]) = two(false);
    for run in 1_000..1_003 {
        toy.publish("say.lobby", &line("say", run, 1));
        toy.publish("say.lobby", &line("say", run, u64::MAX));
    }
    assert_eq!(toy.servers[NORTH].port.figures().gaps, u64::MAX);
    assert_eq!(toy.hear(NORTH, ann).matches("lines said meanwhile are gone").count(), 3);
}

#[test]
fn a_line_of_a_kind_that_only_later_versions_know_is_not_missed() {
    let (mut toy, [ann, ..]) = two(true);
    for (kind, seq) in [("say", 1), ("dance", 2), ("joined", 3), ("say", 4)] {
        toy.publish("say.lobby", &line(kind, 9, seq));
    }
    assert_eq!(toy.hear(NORTH, ann), "<a@bot> line 1\n<a@bot> line 4\n");
    assert_eq!(toy.servers[NORTH].port.figures().gaps, 0);
}

/// A roster of one person.
fn roster(run: u64, node: &str, started: u64) -> String {
    let run = format!("{run:016x}");
    json!({ "node": node, "run": run, "kind": "roster", "started": started, "count": 1 })
        .to_string()
}

#[test]
fn who_lists_rooms_of_many_servers_over_and_over_has_no_larger_share_of_a_turn() {
    let (mut toy, [ann, ..]) = two(true);
    let north = &mut toy.servers[NORTH];
    for node in 0..60 {
        for room in 0..500 {
            let subject = format!("here.room{room}");
            let payload = roster(1_000 + node, &format!("n{node}"), 0).into_bytes();
            north.port.tell(News::Heard { subject, payload });
        }
    }
    north.stage.flush();
    north.stage.send(ann, "/rooms\n".repeat(50));
    north.stage.turn();
    let listed = north.stage.hear(ann).matches("** Rooms: ").count();
    assert!((1..5).contains(&listed), "{listed}");
}

#[test]
fn who_takes_every_name_of_ours_makes_us_take_few_new_ones() {
    let (mut toy, _) = two(true);
    for run in 0..200 {
        let node = toy.servers[SOUTH].port.figures().node;
        toy.publish("here.lobby", &roster(1_000 + run, &node, 0));
    }
    assert_eq!(toy.servers[SOUTH].port.figures().node, "south-2");
    toy.pass(1);
    toy.publish("here.lobby", &roster(2_000, "south-2", 0));
    assert_eq!(toy.servers[SOUTH].port.figures().node, "south-3");
}
