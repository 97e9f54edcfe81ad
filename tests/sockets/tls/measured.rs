//! `cooee bench` over TLS.

use serde_json::Value;

use super::{cert, secured, url};
use crate::bench::run::{count, measured};
use crate::support::refused;

/// Measures `workload` there; the JSON of it.
fn bench(workload: &str, endpoint: &str, flags: &[&str]) -> Value {
    let ca = cert("ca.pem");
    let (status, result, said) = measured(&[&[workload, endpoint, "--ca", &ca], flags].concat());
    assert_eq!(status, Some(0), "{said}\n{result:#}");
    assert_eq!((count(&result, "total"), &result["target"]), (0, &endpoint.into()), "{said}");
    result
}

/// How many of each handshake were timed: full and resumed.
fn handshakes(result: &Value) -> (u64, u64) {
    let samples = |name: &str| result["phases_us"][name]["samples"].as_u64().unwrap_or(0);
    (samples("full_handshake"), samples("resumed_handshake"))
}

#[test]
fn every_workload_of_streams_is_verified_inside_tls() {
    let mut server = secured(&["echo+tls://:0", "greet+tls://:0", "chat+tls://:0"]);
    let [echo, greet] = ["echo", "greet"].map(|service| url(&mut server, service));
    for (workload, at) in [("tcp_rr", &echo), ("tcp_cc", &echo), ("greet", &greet)] {
        let result = bench(workload, at, &["--count", "300", "--warmup", "0"]);
        assert_eq!(result["operations"], 300, "{workload}");
    }
    let result = bench("tcp_stream", &echo, &["--duration", "300ms", "--warmup", "0"]);
    assert!(result["bytes_per_s"].as_f64().unwrap() > 0.0, "{result:#}");
}

#[test]
fn full_handshakes_and_resumed_ones_are_told_apart_and_each_can_be_had_alone() {
    let mut server = secured(&["echo+tls://:0"]);
    let echo = url(&mut server, "echo");
    let run = |flags: &[&str]| {
        let few = ["--count", "200", "-c", "4"];
        handshakes(&bench("tcp_crr", &echo, &[&few, flags].concat()))
    };
    // The first ones have nothing to come back with.
    let (full, resumed) = run(&["--warmup", "0"]);
    assert!((1..=8).contains(&full) && full + resumed == 200, "{full} {resumed}");
    assert_eq!(run(&["--warmup", "0", "--resume", "off"]), (200, 0));
    assert_eq!(run(&["--warmup", "200ms", "--resume", "only"]), (0, 200));
}

#[test]
fn full_handshakes_in_spite_of_the_flag_are_warned_of() {
    let mut server = secured(&["echo+tls://:0"]);
    let echo = url(&mut server, "echo");
    let run = |warmup: &str| {
        let flags = ["--resume", "only", "--count", "100", "--warmup", warmup];
        bench("tcp_crr", &echo, &flags)["warnings"].to_string()
    };
    let warnings = run("0");
    assert!(warnings.contains("--resume only, but "), "{warnings}");
    let warnings = run("200ms");
    assert!(!warnings.contains("--resume only"), "{warnings}");
}

#[test]
fn where_nothing_is_resumed_the_flag_is_refused() {
    for words in [["tcp_crr", "echo+tcp://127.0.0.1:9"], ["tcp_rr", "echo+tls://127.0.0.1:9"]] {
        let line = refused(2, &[&["bench"], &words[..], &["--resume", "off"]].concat());
        assert!(line.contains("--resume does nothing "), "{line}");
    }
}
