//! Servers that misbehave exactly as told, as the bench sees them: what it counts is what the
//! server did. How exactly in time, the stage shows (`engine/faults/playing/acceptance.rs`).

use serde_json::Value;

use super::run::{assert_valid, count, measured};
use crate::support::served::Served;

fn served(endpoint: &str) -> Served {
    Served::start(&[endpoint], &[])
}

/// What a run against it measures, which must go well.
fn run(server: &Served, words: &str) -> Value {
    let address = server.addresses[0].to_string();
    let (workload, flags) = words.split_once(' ').unwrap();
    let words = [&[workload, &address, "-w", "0"], &flags.split(' ').collect::<Vec<_>>()[..]];
    let (status, result, said) = measured(&words.concat());
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&result);
    result
}

#[test]
fn five_percent_of_ten_thousand_datagrams_are_lost() {
    let mut server = Served::start(&["echo+udp://:0?drop=5%&seed=7"], &["--udp-rate", "off"]);
    // So few at once have room in the kernel, which would drop others.
    let result = run(&server, "udp_rr -c 100 --count 10000 --timeout 500ms");
    let (lost, late) = (count(&result, "lost"), count(&result, "late"));
    assert!((400..=600).contains(&lost), "{}", result["errors"]);
    // On a busy machine one may be late that was not dropped.
    assert_eq!(server.stat(" drop"), lost - late, "{}", result["errors"]);
    assert_eq!(count(&result, "total"), lost, "{}", result["errors"]);
    assert_eq!(result["operations"].as_u64(), Some(10_000 - lost));
}

#[test]
fn ten_percent_of_twenty_thousand_connections_are_reset_the_same_number_each_time() {
    let mut server = served("echo+tcp://:0?reset=10%&seed=7");
    let result = run(&server, "tcp_crr -c 200 --count 20000");
    let reset = count(&result, "reset");
    assert!((1800..=2200).contains(&reset), "{}", result["errors"]);
    assert_eq!(server.stat(" reset"), reset);
    assert_eq!(count(&result, "total"), reset, "{}", result["errors"]);
    // The place of a connection decides, whoever it is made by and however many at once.
    assert_eq!(reset, 1902);
}

#[test]
fn replies_in_pieces_are_put_together() {
    let mut server = served("echo+tcp://:0?slice=7~5&seed=7");
    let result = run(&server, "tcp_rr -c 10 --count 3000");
    assert_eq!((result["operations"].as_u64(), count(&result, "total")), (Some(3000), 0));
    assert_eq!(server.stat(" slice"), 3000);
}

#[test]
fn a_stall_is_in_the_corrected_latencies_and_not_in_the_others() {
    // A hundred answers, and then none until the connection is given up.
    let mut server = served("echo+tcp://:0?stall=100%@6400&seed=7");
    let result = run(&server, "tcp_rr -c 1 -t 1500ms --rate 1000 --timeout 300ms");
    assert!(count(&result, "timeout") > 0, "{}", result["errors"]);
    assert!(server.stat(" stall") > 0);
    let p99 = |latency: &str| result[latency]["p99"].as_f64().unwrap();
    let (corrected, uncorrected) = (p99("latency_us"), p99("uncorrected_us"));
    assert!(corrected >= 300_000.0, "{corrected}");
    assert!(uncorrected < corrected / 2.0, "{uncorrected} of {corrected}");
}
