//! Filters that have said all and wait for an answer.

use std::io::Write;

use crate::support::lines::Lines;
use crate::support::{Server, start};

#[test]
fn talk_says_that_it_waits_for_the_operator_and_has_failed_if_nobody_answers() {
    let mut server = Server::start(&["talk://:0"]);
    let address = server.address("talk+tcp").to_string();
    let mut client = start(&["talk", &address]);
    client.stdin.take().unwrap().write_all(b"hi").unwrap();
    let mut errors = Lines::of("standard error", client.stderr.take().unwrap());
    server.screen.wait_for_line("Client says: hi");
    let line = errors.next_line();
    assert!(line.ends_with("waiting for the operator's answer; Ctrl-C leaves"), "{line}");
    server.operator("/quit");
    let wanted =
        format!("cooee: talk: {address}: the server closed the connection without an answer");
    assert_eq!(errors.next_line(), wanted);
    assert_eq!(client.wait().unwrap().code(), Some(1));
}
