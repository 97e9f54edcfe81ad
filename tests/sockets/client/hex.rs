//! `--hex` of the clients: the dump is on standard error, and what a filter prints is as it was.

use crate::sim::streams;
use crate::support::{Server, cooee, pattern};

#[test]
fn what_a_filter_prints_is_untouched_and_its_dump_is_the_conversation() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp").to_string();
    let said = pattern(7, 300_000);
    let left = cooee(&["echo", &address, "--hex"], &said);
    assert_eq!(left.status, Some(0), "{}", left.errors.lines().last().unwrap_or_default());
    assert!(left.out == said);
    let streams = streams(&left.errors);
    for arrow in ['>', '<'] {
        let stream = &streams[&(1, arrow)];
        assert!(stream.bytes == said && stream.ended, "{arrow} {}", stream.bytes.len());
    }
}

#[test]
fn every_client_shows_both_directions() {
    let endpoints = ["greet://:0", "chat://:0", "echo+udp://:0", "months://:0", "talk://:0"];
    let mut server = Server::start(&endpoints);
    let dump_of = |words: &[&str], input: &str| {
        let left = cooee(&[words, &["--hex"]].concat(), input);
        assert_eq!(left.status, Some(0), "{left:?}");
        left.errors
    };
    let greet = server.address("greet+tcp").to_string();
    let dump = dump_of(&["greet", &greet], "");
    assert!(dump.contains("|Hello! You are c|"), "{dump}");
    let chat = server.address("chat+tcp").to_string();
    let dump = dump_of(&["chat", &chat], "hi\nBYE\n");
    assert!(dump.contains("|** Welcome! You |") && dump.contains("--> "), "{dump}");
    let echo = server.address("echo+udp").to_string();
    let dump = dump_of(&["echo", "--udp", &echo], "one\n");
    assert_eq!(dump.matches("6f 6e 65 0a").count(), 2, "{dump}");
    let months = server.address("months+udp").to_string();
    let dump = dump_of(&["months", &months, "2"], "");
    let lines: Vec<&str> = dump.lines().collect();
    assert!(lines[0].starts_with("--> ") && lines[0].ends_with(&format!("to {months}, 1 byte")));
    assert_eq!(lines[3], "00000000  46 65 62 72 75 61 72 79                           |February|");
    let talk = server.address("talk+tcp").to_string();
    server.operator_leaves();
    let dump = dump_of(&["talk", &talk], "hi\nBYE\n");
    assert!(dump.contains("|hi.BYE.|") || dump.contains("|hi.|"), "{dump}");
}
