//! Addresses: both families on one socket and on two, and the file that announces them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use crate::support::{Datagrams, Server, Tcp, at, free_port, has_ipv6, refused};

/// Connects to `address` at `host` and asserts that it is told `ip` and its own port.
fn is_greeted(address: SocketAddr, host: &str, ip: &str) {
    let mut client = Tcp::connect(at(host, address));
    let port = client.local().port();
    assert_eq!(client.hear(), format!("Hello! You are connected to ('{ip}', {port})\n"));
}

#[test]
fn a_dual_stack_server_tells_ipv4_clients_their_ipv4_address() {
    if !has_ipv6() {
        return;
    }
    let mut server = Server::start(&["greet://[::]:0"]);
    let address = server.address("greet+tcp");
    is_greeted(address, "127.0.0.1", "127.0.0.1");
    server.log.wait_for_line("#1 greet connection established with 127.0.0.1:");
    is_greeted(address, "::1", "::1");
    server.log.wait_for_line("#2 greet connection established with [::1]:");
}

#[test]
fn both_wildcard_addresses_on_one_port_work_together() {
    if !has_ipv6() {
        return;
    }
    let everywhere = ["--host", "0.0.0.0", "--host", "::"];
    // Somebody else may take the port between the moment it was found free and the start.
    let started = (0..5).find_map(|attempt| {
        let port = free_port(attempt);
        let endpoints = [format!("greet://:{port}"), format!("echo+udp://:{port}")];
        let words = [&[endpoints[0].as_str(), &endpoints[1]], &everywhere[..]].concat();
        let mut server = Server::start(&words);
        let first = server.log.next_line();
        first.contains("listening on").then_some((server, port))
    });
    let (mut server, port) = started.expect("one of five free ports");
    server.log.wait_for_line(&format!("listening on greet+tcp://[::]:{port}"));
    let address = SocketAddr::from(([0, 0, 0, 0], port));
    is_greeted(address, "127.0.0.1", "127.0.0.1");
    is_greeted(address, "::1", "::1");
    for host in ["127.0.0.2", "::1"] {
        assert_eq!(Datagrams::to(at(host, address)).ask("hello"), "hello", "at {host}");
    }
}

#[test]
fn the_announcement_has_every_endpoint_as_it_can_be_reached() {
    let name = format!("cooee-announce-{}", std::process::id());
    let file = std::env::temp_dir().join(name);
    let announce = ["--announce", file.to_str().unwrap()];
    let hosts = ["--host", "127.0.0.1", "--host", "127.0.0.2"];
    let endpoints = ["echo://:0", "greet://127.0.0.3:0", "months://:0"];
    let mut server = Server::start(&[&endpoints[..], &announce, &hosts].concat());
    let listening: Vec<String> = (0..7)
        .map(|_| {
            server.log.wait_for_line("listening on ").split_once("listening on ").unwrap().1.into()
        })
        .collect();
    // It is written before anybody is let in.
    assert_eq!(Datagrams::to(server_address(&listening, "echo+udp")).ask("hello"), "hello");
    let announced = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(announced.lines().collect::<Vec<_>>(), listening);
    let kinds: Vec<&str> = listening.iter().map(|url| url.rsplit_once(':').unwrap().0).collect();
    assert_eq!(
        kinds,
        [
            "echo+tcp://127.0.0.1",
            "echo+tcp://127.0.0.2",
            "echo+udp://127.0.0.1",
            "echo+udp://127.0.0.2",
            "greet+tcp://127.0.0.3",
            "months+udp://127.0.0.1",
            "months+udp://127.0.0.2",
        ]
    );
}

fn server_address(urls: &[String], what: &str) -> SocketAddr {
    let start = format!("{what}://");
    urls.iter().find_map(|url| url.strip_prefix(&start)).unwrap().parse().unwrap()
}

#[test]
fn an_ipv4_address_beside_the_ipv6_wildcard_is_no_clash() {
    if !has_ipv6() {
        return;
    }
    let endpoint = format!("greet://:{}", free_port(7));
    let mut server = Server::start(&[&endpoint, "--host", "127.0.0.1", "--host", "::"]);
    for _ in 0..2 {
        let address = server.address("greet+tcp");
        let mut client =
            Tcp::connect(at(if address.is_ipv4() { "127.0.0.1" } else { "::1" }, address));
        assert!(client.hear().starts_with("Hello!"), "{address}");
    }
}

/// A path of a test's own for `--announce`.
fn announced_at(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("cooee-{name}-{}", std::process::id()))
}

#[test]
fn an_announcement_is_there_only_while_somebody_listens() {
    let path = announced_at("stale");
    let announce = ["--announce", path.to_str().unwrap()];
    fs::write(&path, "echo+tcp://127.0.0.1:1\n").unwrap();
    let mut server = Server::start(&[&["echo+tcp://:0"], &announce[..]].concat());
    let address = server.address("echo+tcp");
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("echo+tcp://{address}\n"));
    server.signal(Signal::TERM);
    assert_eq!(server.ended().status, 0);
    assert!(!path.exists(), "it has left");
    fs::write(&path, "echo+tcp://127.0.0.1:1\n").unwrap();
    refused(1, &[&["serve", "greet://203.0.113.77:0"], &announce[..]].concat());
    assert!(!path.exists(), "it has not started");
}

#[test]
fn a_fifo_that_nobody_reads_yet_keeps_nobody_waiting() {
    let path = announced_at("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let words = ["echo+tcp://:0", "--announce", path.to_str().unwrap()];
    let mut deaf = Server::start(&words);
    Tcp::connect(deaf.address("echo+tcp")).echoes("served");
    deaf.signal(Signal::TERM);
    assert_eq!(deaf.ended().status, 0, "it hears signals");
    let mut server = Server::start(&words);
    server.log.wait_for_line("written once somebody reads it");
    let address = server.address("echo+tcp");
    // Reads until its end.
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("echo+tcp://{address}\n"));
    drop(server);
    fs::remove_file(path).unwrap();
}

#[test]
fn an_open_descriptor_is_written_to_and_keeps_what_it_has() {
    let path = announced_at("descriptor");
    for (number, redirection) in [("/dev/stdout", ">>"), ("/dev/fd/3", "3>>")] {
        fs::write(&path, "before\n").unwrap();
        let script = format!("exec \"$0\" \"$@\" {redirection}\"$OUT\"");
        let out = format!("OUT={}", path.to_str().unwrap());
        let cooee = [env!("CARGO_BIN_EXE_cooee"), "serve", "echo+tcp://:0", "--announce", number];
        let words = [&[out.as_str(), "sh", "-c", &script], &cooee[..]].concat();
        let mut server = Server::run("env", &words);
        let address = server.address("echo+tcp");
        server.operator("/stats");
        server.operator("/quit");
        assert_eq!(server.ended().status, 0);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("before\necho+tcp://{address}\n")), "{number}: {text}");
    }
    fs::remove_file(path).unwrap();
}
