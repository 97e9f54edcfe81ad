//! The flags of the bus with nonsense: one line each.

use crate::support::Server;
use crate::support::refused;

const BUS: &str = "nats://127.0.0.1:1";

fn assert_names(line: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(line.contains(word), "{word:?} is not in: {line}"));
}

#[test]
fn words_that_make_no_sense_are_refused_in_one_line() {
    let bus = ["--bus", BUS];
    let cases: &[(&[&str], &[&str])] = &[
        (&["--bus", "nats://ann:secret@h"], &["--bus", "COOEE_BUS_PASSWORD", "--bus-credentials"]),
        (&["--bus", "nats://ann@h"], &["--bus", "COOEE_BUS_TOKEN"]),
        (&["--bus", "http://h"], &["--bus", "'http://h'", "nats://127.0.0.1:4222"]),
        (&["--bus", "nats://h:99999"], &["--bus", "99999"]),
        (&["--bus", "nats://h/x"], &["--bus", "nats://h/x"]),
        (&["--bus", "nats://h,,"], &["--bus", "''"]),
        (&["--bus", ""], &["--bus", "empty"]),
        (&["--bus", BUS, "--bus", BUS], &["--bus", "multiple times"]),
        (&[bus[0], bus[1], "--bus-name", "two words"], &["--bus-name", "two words", "1 to 20"]),
        (&[bus[0], bus[1], "--bus-name", ""], &["--bus-name", "1 to 20"]),
        (&[bus[0], bus[1], "--bus-name", "ann@b"], &["--bus-name", "ann@b"]),
        (&[bus[0], bus[1], "--bus-rate", "0"], &["--bus-rate", "above zero", "or off"]),
        (&[bus[0], bus[1], "--bus-rate", "-1"], &["--bus-rate", "negative"]),
        (&[bus[0], bus[1], "--bus-rate", "fast"], &["--bus-rate", "fast", "10/s"]),
        (&[bus[0], bus[1], "--bus-rates", "9"], &["--bus-rates", "--bus-rate"]),
        (&[bus[0], bus[1], "--bus-credentials", "/none"], &["--bus-credentials /none", "No such"]),
        (&[bus[0], bus[1], "--bus-credentials", "Cargo.toml"], &["Cargo.toml", "nsc"]),
        (&["--bus-rate", "9"], &["--bus-rate", "needs --bus"]),
        (&["--bus-name", "north"], &["--bus-name", "needs --bus"]),
        (&["--bus-ignore-advertised"], &["--bus-ignore-advertised", "needs --bus"]),
        (&["--bus-credentials", "x"], &["--bus-credentials", "needs --bus"]),
        (&[bus[0], bus[1], "--bus-user", "ann"], &["--bus-user", "COOEE_BUS_USER"]),
        (&[bus[0], bus[1], "--bus-password=x"], &["--bus-password", "COOEE_BUS_PASSWORD"]),
        (&[bus[0], bus[1], "--bus-token", "x"], &["--bus-token", "COOEE_BUS_TOKEN", "--config"]),
    ];
    for (words, named) in cases {
        let line = refused(2, &[&["serve", "chat://:0"], *words].concat());
        assert_names(&line, named);
        assert!(!line.contains("secret"), "{line}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn certificates_that_are_none_are_refused_in_one_line() {
    for (file, why) in [("/none", "no such file"), ("Cargo.toml", "BEGIN CERTIFICATE")] {
        let words = ["serve", "chat://:0", "--bus", "tls://h", "--bus-ca", file];
        assert_names(&refused(2, &words), &["--bus-ca", file, why]);
    }
    assert_names(
        &refused(2, &["serve", "chat://:0", "--bus-ca", "x"]),
        &["--bus-ca", "needs --bus"],
    );
}

#[test]
fn a_bus_without_chat_is_refused() {
    let line = refused(2, &["serve", "echo+tcp://:0", "--bus", BUS]);
    assert_names(&line, &["--bus", "chat", "not served here"]);
}

/// `cooee serve` in an environment with these variables, which refuses.
fn refused_under(variables: &[&str], words: &[&str]) -> String {
    let cooee = [env!("CARGO_BIN_EXE_cooee"), "serve"];
    let ended = Server::run("env", &[variables, &cooee, words].concat()).ended();
    assert_eq!((ended.status, ended.log.len()), (2, 1), "{:#?}", ended.log);
    assert!(!ended.log[0].contains("secret"), "{}", ended.log[0]);
    ended.log[0].clone()
}

#[test]
fn variables_are_read_like_flags_and_who_we_are_is_said_whole() {
    let chat = ["chat://:0"];
    let line = refused_under(&["COOEE_BUS=http://h"], &chat);
    assert_names(&line, &["'http://h'"]);
    let line = refused_under(&["COOEE_BUS=h", "COOEE_BUS_NAME=a b"], &chat);
    assert_names(&line, &["a b"]);
    let line = refused_under(&["COOEE_BUS=h", "COOEE_BUS_USER=ann"], &chat);
    assert_names(&line, &["COOEE_BUS_PASSWORD"]);
    let line = refused_under(&["COOEE_BUS=h", "COOEE_BUS_PASSWORD=secret"], &chat);
    assert_names(&line, &["COOEE_BUS_USER"]);
    let both =
        ["COOEE_BUS=h", "COOEE_BUS_USER=a", "COOEE_BUS_PASSWORD=secret", "COOEE_BUS_TOKEN=t"];
    assert_names(&refused_under(&both, &chat), &["keep one"]);
    assert_names(&refused_under(&["COOEE_BUS_TOKEN=secret"], &chat), &["needs --bus"]);
}

#[test]
fn check_takes_a_bus_and_calls_nobody() {
    let words = ["--check", "chat+tcp://:7", "--bus", BUS, "--bus-name", "north"];
    let ended = Server::start(&words).ended();
    assert_eq!((ended.status, ended.log), (0, vec![]));
    assert_eq!(ended.screen, ["chat+tcp://127.0.0.1:7"]);
    let ended = Server::start(&["--check", "chat://:0", "--bus", "http://h"]).ended();
    assert_eq!((ended.status, ended.log.len()), (2, 1), "{:#?}", ended.log);
}
