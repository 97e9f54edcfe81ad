//! `cooee serve --log-format json`: every line is an object, whatever people send and whatever
//! happens to the log.

use std::fs::File;
use std::io::{BufRead, BufReader, pipe};
use std::net::TcpListener;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Datagrams, Server, Tcp, pattern};

/// A server whose log is JSON, and where it listens, in the order of `endpoints`.
fn start(endpoints: &[&str], flags: &[&str]) -> (Server, Vec<String>) {
    let words = ["--log-format", "json", "--announce", "/dev/stdout"];
    let mut server = Server::start(&[endpoints, &words, flags].concat());
    let urls = endpoints.iter().map(|_| server.screen.next_line()).collect();
    (server, urls)
}

fn address(url: &str) -> std::net::SocketAddr {
    url.split_once("://").unwrap().1.parse().unwrap()
}

/// Every line of a log, each an object with what all have.
fn objects(lines: &[String]) -> Vec<Value> {
    let object = |line: &String| {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for name in ["time", "level", "target", "message"] {
            assert!(object[name].is_string(), "{name} of {line}");
        }
        let time: jiff::Timestamp = object["time"].as_str().unwrap().parse().unwrap();
        assert!(time.as_second() > 1_700_000_000, "{line}");
        object
    };
    lines.iter().map(object).collect()
}

/// Ends the server and returns its log.
fn log_of(mut server: Server) -> Vec<Value> {
    server.signal(Signal::TERM);
    assert_eq!(server.ended().status, 0);
    objects(&server.log.all())
}

#[test]
fn the_end_of_a_connection_is_one_line_with_everything_about_it() {
    let (server, urls) = start(&["echo+tcp://127.0.0.1:0"], &[]);
    let mut client = Tcp::connect(address(&urls[0]));
    client.echoes("hello");
    client.finish();
    assert_eq!(client.hear(), "");
    let log = log_of(server);
    let ends: Vec<&Value> = log.iter().filter(|line| line["event"] == "closed").collect();
    assert_eq!(ends.len(), 1, "{log:#?}");
    let end = ends[0];
    assert_eq!(end["number"], 1);
    assert_eq!(end["service"], "echo");
    assert_eq!(end["transport"], "tcp");
    assert_eq!(end["peer"], client.local().to_string().as_str());
    assert_eq!(end["local"], address(&urls[0]).to_string().as_str());
    assert_eq!((&end["bytes_in"], &end["bytes_out"]), (&Value::from(5), &Value::from(5)));
    assert!((0.0..20.0).contains(&end["duration_s"].as_f64().unwrap()), "{end}");
    assert_eq!(end["reason"], "closed by the peer");
    let made = log.iter().find(|line| line["event"] == "opened");
    let made = made.unwrap();
    assert_eq!(
        (&made["number"], &made["peer"], &made["local"]),
        (&end["number"], &end["peer"], &end["local"])
    );
}

#[test]
fn whatever_people_send_every_line_is_an_object() {
    let endpoints = ["chat+tcp://[::]:0", "talk+tcp://127.0.0.1:0", "echo+udp://127.0.0.1:0"];
    let (server, urls) = start(&endpoints, &["--hex", "--hex-lines", "100000", "-vv"]);
    let hostile: [&[u8]; 5] = [
        b"/nick \"\\\n",
        b"\"}{\"level\":\"error\"\n",
        b"\x1b]0;title\x07\x00\xff\xfe\n",
        "\u{202e}\u{2028}\u{9b}31m\u{feff}\n".as_bytes(),
        b"BYE\n",
    ];
    for url in &urls[..2] {
        let port = address(url).port();
        let mut client = Tcp::connect(([127, 0, 0, 1], port).into());
        hostile.iter().for_each(|bytes| client.say(bytes));
        client.hear_all();
    }
    let client = Datagrams::to(address(&urls[2]));
    for bytes in hostile {
        client.say(bytes);
        assert_eq!(client.hear(), bytes);
    }
    let log = log_of(server);
    // Our own address is one that the peer could have called, also on a dual-stack socket.
    let ends: Vec<&Value> = log.iter().filter(|line| line["reason"].is_string()).collect();
    assert!(ends.iter().all(|end| end["local"].as_str().unwrap().starts_with("127.0.0.1:")));
    let shown: String = log
        .iter()
        .filter(|line| line["direction"] == "in" && line["transport"] == "udp")
        .map(|line| line["hex"].as_str().unwrap())
        .collect();
    let sent: String = hostile.concat().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(shown, sent);
    assert!(log.iter().any(|line| line["is_end"] == true && line["direction"] == "in"));
}

#[test]
fn what_a_flood_withholds_is_told_in_an_object_too() {
    let (mut server, urls) = start(&["greet+tcp://127.0.0.1:0"], &[]);
    for _ in 0..120 {
        Tcp::connect(address(&urls[0])).hear_all();
    }
    let line = server.log.wait_for_line("more lines about connections withheld");
    let told: Value = serde_json::from_str(&line).unwrap();
    let shown = server.log.count("\"number\":");
    assert!(told["lines"].as_u64().unwrap() + shown as u64 <= 240, "{told}");
    log_of(server);
}

#[test]
fn lines_that_are_lost_are_whole_ones_and_their_number_is_an_object() {
    let (reader, writer) = pipe().unwrap();
    let words = ["echo+tcp://:0", "--log-format", "json", "--announce", "/dev/stdout"];
    let hex = ["--hex", "--hex-bytes", "1M", "--hex-lines", "1000000"];
    let mut server = Server::start_logging_to(writer, &[&words[..], &hex].concat());
    let address = address(&server.screen.next_line());
    let mut client = Tcp::connect(address);
    // Nobody reads the log, which holds a megabyte.
    for round in 0..60 {
        let bytes = pattern(round, 8000);
        client.say(&bytes);
        assert!(client.hear_bytes(8000) == bytes);
    }
    drop(client);
    server.signal(Signal::TERM);
    let lines: Vec<String> = BufReader::new(reader).lines().map(Result::unwrap).collect();
    let log = objects(&lines);
    assert_eq!(server.ended().status, 0);
    let lost: u64 = log.iter().filter_map(|line| line["lines"].as_u64()).sum();
    assert!(lost > 0, "nothing was lost of {} lines", log.len());
}

#[test]
fn a_failure_to_start_is_an_object_and_wrong_words_are_told_to_a_person() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("greet://{}", taken.local_addr().unwrap());
    let run = |words: &[&str]| {
        let mut cooee = Command::new(env!("CARGO_BIN_EXE_cooee"));
        let output = cooee.arg("serve").args(words).stdin(File::open("/dev/null").unwrap());
        let output = output.env("RUST_LOG", "cooee=loud,info").output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), errors.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let (status, errors) = run(&[&endpoint, "--log-format", "json"]);
    assert_eq!((status, errors.len()), (Some(1), 2), "{errors:?}");
    let log = objects(&errors);
    assert!(log[0]["message"].as_str().unwrap().starts_with("RUST_LOG: ignored: \"cooee=loud\""));
    assert_eq!(log[1]["level"], "error");
    assert!(log[1]["message"].as_str().unwrap().contains("Address already in use"), "{log:?}");
    for words in [&["--log-format", "json", "ehco"][..], &["--log-format", "xml"]] {
        let (status, errors) = run(words);
        assert_eq!(status, Some(2));
        assert!(errors.last().unwrap().starts_with("cooee: "), "{errors:?}");
    }
}
