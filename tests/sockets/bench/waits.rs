//! Every wait of `cooee bench` ends, whatever the server does not do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::support::filter::output_within;
use crate::support::served::Served;

use super::run::{PATIENCE, bench, command, count, measured};
use super::scripted::{tcp, udp};

const SHORT: [&str; 10] =
    ["-c", "4", "-t", "300ms", "-w", "50ms", "--timeout", "300ms", "--json", "-"];
/// Workloads over TCP, of which only `idle` wants no answer.
const OVER_TCP: [&str; 6] = ["tcp_rr", "tcp_crr", "greet", "tcp_stream", "chat", "idle"];

type Lie = fn(TcpStream);

fn waits(mut stream: TcpStream) {
    while stream.read(&mut [0; 65536]).is_ok_and(|count| count > 0) {}
}

/// Servers that take a connection and then are no help, and whether they leave it open, which is
/// all that `idle` asks for.
const LIES: [(&str, Lie, bool); 6] = [
    ("never says anything", waits, true),
    ("closes at once", drop, false),
    (
        "resets at once",
        |stream| {
            socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        },
        false,
    ),
    (
        "answers half",
        |mut stream| {
            let mut half = [0; 32];
            let _ = stream.read_exact(&mut half).and_then(|()| stream.write_all(&half));
            waits(stream);
        },
        true,
    ),
    (
        "says a piece of a line and no more",
        |mut stream| {
            let _ = stream.write_all(b"Hello");
            waits(stream);
        },
        true,
    ),
    ("never stops talking", |mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {}, true),
];

#[test]
fn a_server_that_takes_connections_and_is_no_help_is_given_up() {
    thread::scope(|scope| {
        for lie in LIES {
            scope.spawn(move || OVER_TCP.iter().for_each(|workload| call_in_vain(lie, workload)));
        }
    });
}

fn call_in_vain((what, lie, stays_open): (&str, Lie, bool), workload: &str) {
    let output = bench(&[&[workload, tcp(lie).as_str()], &SHORT[..]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    let told = format!("{workload} of a server that {what}: {said}");
    let is_fine = output.status.success();
    assert_eq!(said.lines().count(), usize::from(!is_fine), "{told}");
    // Connections that are about to be closed may all be there for a moment, on a busy machine.
    if workload != "idle" || stays_open {
        assert_eq!(is_fine, workload == "idle", "{told}");
    }
}

/// A listener that accepts nobody, with a backlog that is soon full: most connections are not
/// answered. It lasts as long as the socket.
fn full_backlog() -> (Socket, String) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap().to_string();
    (listener, address)
}

#[test]
fn calls_that_nobody_answers_are_given_up_and_told_with_how_many_were_made() {
    for workload in ["tcp_rr", "chat", "idle", "tcp_crr", "tcp_cc", "greet"] {
        let (_listener, address) = full_backlog();
        let words = [workload, &address, "-c", "9", "-t", "300ms", "--timeout", "300ms"];
        let output = bench(&words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{workload}: {said}");
        if workload == "idle" || workload == "tcp_rr" {
            assert!(said.contains("only 1 of 9 connections were made: connecting timed"), "{said}");
        }
    }
}

#[test]
fn a_crowd_that_is_sent_away_again_and_again_comes_to_an_end() {
    // Two may stay; whoever else comes is accepted and closed at once.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut guests = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            if guests.len() < 2 {
                guests.push(stream);
            }
        }
    });
    let words = ["idle", &address, "-c", "5", "-t", "300ms", "--timeout", "300ms"];
    // All five may be there for a moment, and then the run succeeds: the status is left open.
    let (_, result, said) = measured(&words);
    assert!(count(&result, "closed_early") > 0, "{said} {}", result["errors"]);
}

#[test]
fn datagrams_that_nobody_answers_are_given_up() {
    let silent = udp(|_, _, _| {});
    for workload in ["udp_rr", "months"] {
        let output = bench(&[workload, &silent, "-c", "4", "-t", "9s", "--timeout", "300ms"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("no answer came within the timeout"), "{said}");
    }
}

#[test]
fn a_rate_that_nobody_could_reach_is_counted_and_not_waited_for() {
    let words = ["tcp_rr", "-c", "1", "-t", "300ms", "-w", "0", "--rate", "100000000"];
    let (status, result, said) = measured(&words);
    assert_eq!(status, Some(0), "{said}");
    let asked = result["operations"].as_u64().unwrap() + count(&result, "total");
    assert!((29_999_999..=30_000_001).contains(&asked), "{asked}");
}

#[test]
fn a_search_whose_target_is_no_help_ends_after_its_first_probe() {
    let server = tcp(waits);
    let words = ["tcp_rr", &server, "--find-max", "p99=1ms", "-t", "300ms", "--timeout", "200ms"];
    let (status, result, said) = measured(&words);
    assert_eq!(status, Some(1), "{said}");
    assert_eq!(result["search"]["probes"].as_array().unwrap().len(), 1);
}

#[test]
fn a_server_that_is_gone_when_the_window_ends_is_told_though_much_was_measured() {
    for workload in ["tcp_rr", "tcp_crr"] {
        let served = Served::start(&["echo+tcp://127.0.0.1:0"], &[]);
        let address = served.addresses[0].to_string();
        let words = [workload, &address, "-w", "0", "-t", "1s", "--stat", "100ms", "--json", "-"];
        let mut bench = command(&words).spawn().unwrap();
        let said = BufReader::new(bench.stderr.take().unwrap());
        let mut lines = said.lines().map(Result::unwrap);
        lines.find(|line| line.starts_with("0.1 s")).unwrap();
        served.server.signal(Signal::KILL);
        let said: Vec<String> = lines.collect();
        let output = output_within(PATIENCE, bench).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said:#?}");
        assert!(said.last().unwrap().contains("stopped answering"), "{said:#?}");
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(result["operations"].as_u64().unwrap() > 0 && result["partial"].is_string());
    }
}
