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
