//! Unix sockets: the same services, peers known by user and process, and a file that is there
//! exactly as long as its server.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::process::{Signal, getuid};

use crate::support::{Folder, PATIENCE, Server, cooee, pattern, raise_descriptor_limit, refused};

/// A server at these endpoints with these flags, once it listens at all of them.
fn served(endpoints: &[String], flags: &[&str]) -> Server {
    let words: Vec<&str> =
        endpoints.iter().map(String::as_str).chain(flags.iter().copied()).collect();
    let mut server = Server::start(&words);
    for endpoint in endpoints {
        server.log.wait_for_line(&format!("listening on {endpoint}"));
    }
    server
}

fn connect(path: impl AsRef<Path>) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that is heard until the end.
fn hear(mut stream: &UnixStream) -> String {
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    heard
}

#[test]
fn every_byte_comes_back_and_a_half_close_is_honoured() {
    let folder = Folder::new("echo");
    let path = folder.path("echo");
    let mut server = served(&[format!("echo+unix://{path}")], &[]);
    let mut stream = connect(&path);
    let said = pattern(7, 3_000_000);
    let mut twin = stream.try_clone().unwrap();
    let all = said.clone();
    let speaker = std::thread::spawn(move || {
        twin.write_all(&all).unwrap();
        twin.shutdown(Shutdown::Write).unwrap();
    });
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    speaker.join().unwrap();
    assert!(heard == said);
    let who = format!("unix uid {} pid {}", getuid().as_raw(), std::process::id());
    server.log.wait_for_line(&format!("#1 echo connection established with {who}"));
    server.log.wait_for_line("#1 echo closed: closed by the peer");
}

#[test]
fn a_client_is_greeted_as_who_it_is_even_if_it_spoke_first() {
    let folder = Folder::new("greet");
    let path = folder.path("greet");
    let _server = served(&[format!("greet+unix://{path}")], &[]);
    let mut stream = connect(&path);
    stream.write_all(b"me first").unwrap();
    let who = format!("unix uid {} pid {}", getuid().as_raw(), std::process::id());
    assert_eq!(hear(&stream), format!("Hello! You are connected to {who}\n"));
}

#[test]
fn the_clients_find_their_servers_there() {
    let folder = Folder::new("clients");
    let [echo, greet] = ["echo", "greet"].map(|name| folder.path(name));
    let name = format!("cooee-test-{}", std::process::id());
    let endpoints = [
        format!("echo+unix://{echo}"),
        format!("greet+unix://{greet}"),
        format!("chat+unix://@{name}"),
    ];
    let _server = served(&endpoints, &[]);
    assert_eq!(cooee(&["echo", &format!("unix://{echo}")], "hi\n").fine().text(), "hi\n");
    assert_eq!(cooee(&["echo", &endpoints[0]], "hi\n").fine().text(), "hi\n");
    let hello = cooee(&["greet", &endpoints[1]], "").fine();
    assert!(hello.text().starts_with("Hello! You are connected to unix uid "), "{hello:?}");
    let chat = cooee(&["chat", &format!("unix://@{name}")], "hello\n").fine();
    assert!(chat.text().contains("Welcome!"), "{chat:?}");
    let nobody = folder.path("nobody");
    cooee(&["echo", &format!("unix://{nobody}")], "").failed(&[&nobody, "is the server running"]);
    drop(UnixListener::bind(&nobody).unwrap());
    cooee(&["echo", &format!("unix://{nobody}")], "").failed(&["nobody listens at that file"]);
}

#[test]
fn the_file_has_its_mode_and_is_gone_when_nobody_new_is_let_in() {
    let folder = Folder::new("file");
    let path = folder.path("echo");
    let mut server = served(&[format!("echo+unix://{path}")], &["--unix-mode", "606"]);
    assert_eq!(folder.names(), ["echo", "echo.lock"]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o606);
    server.signal(Signal::TERM);
    assert_eq!((server.ended().status, folder.names().len()), (0, 0));
    let mut server = served(&[format!("echo+unix://{path}")], &[]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o660);
    // Somebody has put a server of their own in its place.
    fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    server.signal(Signal::INT);
    assert_eq!((server.ended().status, folder.names()), (0, vec!["echo".into()]));
}

#[test]
fn what_a_killed_server_has_left_is_replaced_and_a_server_that_is_there_is_not() {
    let folder = Folder::new("killed");
    let path = folder.path("echo");
    let endpoint = format!("echo+unix://{path}");
    let mut server = served(std::slice::from_ref(&endpoint), &[]);
    let line = refused(1, &["serve", &endpoint]);
    assert!(line.contains(&endpoint) && line.contains("another server is there"), "{line}");
    server.signal(Signal::KILL);
    server.ended();
    assert_eq!(folder.names(), ["echo", "echo.lock"]);
    let _again = served(std::slice::from_ref(&endpoint), &[]);
    assert_eq!(cooee(&["echo", &endpoint], "back\n").fine().text(), "back\n");
}

#[test]
fn nothing_is_half_started_where_one_place_will_not_do() {
    let folder = Folder::new("half");
    let [good, file] = ["good", "file"].map(|name| folder.path(name));
    fs::write(&file, "precious").unwrap();
    for (wrong, why) in [
        (file, "no socket, which is not replaced"),
        (folder.path("no/echo"), "make it first"),
        (folder.path(&"x".repeat(105 - folder.path("").len())), "a server may have 103"),
    ] {
        let (good, wrong) = (format!("echo+unix://{good}"), format!("greet+unix://{wrong}"));
        let line = refused(1, &["serve", &good, &wrong]);
        assert!(line.contains(why), "{line}");
    }
    assert_eq!(folder.names(), ["file"]);
    refused(2, &["serve", "echo+unix://here"]);
    let line = refused(2, &["serve", "echo", "--unix-mode", "600"]);
    assert!(line.contains("none is served here"), "{line}");
    refused(2, &["serve", &format!("echo+unix://{good}"), "--unix-mode", "9"]);
}

#[test]
fn each_user_has_as_many_as_one_address_may_have() {
    let folder = Folder::new("limit");
    let path = folder.path("echo");
    let flags = ["--max-per-ip", "2", "--deny", "127.0.0.0/8"];
    let mut server = served(&[format!("echo+unix://{path}")], &flags);
    let mut streams: Vec<UnixStream> = (0..2).map(|_| connect(&path)).collect();
    for stream in &mut streams {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    let third = connect(&path);
    assert_eq!(hear(&third), "");
    server.log.wait_for_line("to unix refused: it has 2 already (--max-per-ip)");
    drop(streams.pop());
    server.log.wait_for_line("echo closed: ");
    let mut fourth = connect(&path);
    fourth.write_all(b"x").unwrap();
    fourth.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_thousand_are_served_at_once() {
    raise_descriptor_limit(4000);
    let folder = Folder::new("many");
    let path = folder.path("echo");
    let _server = served(&[format!("echo+unix://{path}")], &[]);
    let mut streams: Vec<UnixStream> = (0..1000).map(|_| connect(&path)).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        writeln!(stream, "{number:04}").unwrap();
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(heard, *format!("{number:04}\n").as_bytes());
    }
}

#[test]
fn where_as_many_wait_as_may_a_client_says_so() {
    let folder = Folder::new("full");
    let path = folder.path("echo");
    let listener = UnixListener::bind(&path).unwrap();
    // Nobody is ever accepted.
    rustix::net::listen(&listener, 0).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    let target = format!("unix://{path}");
    let left = cooee(&["echo", &target, "--connect-timeout", "200ms"], "");
    left.failed(&[&path, "its queue is full", "is it stuck?"]);
    drop(listener);
}

#[cfg(feature = "admin")]
#[test]
fn what_happens_there_is_told_by_transport_and_over_a_unix_socket_too() {
    let folder = Folder::new("admin");
    let [echo, admin] = ["echo", "admin"].map(|name| folder.path(name));
    let flags = ["echo+tcp://:0", "--admin", &format!("unix://{admin}")];
    let mut server = served(&[format!("echo+unix://{echo}")], &flags);
    server.log.wait_for_line(&format!("listening on http+unix://{admin}"));
    cooee(&["echo", &format!("unix://{echo}")], "hello\n").fine();
    let mut stream = connect(&admin);
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let heard = hear(&stream);
    for line in [
        "cooee_received_bytes_total{service=\"echo\",transport=\"unix\"} 6\n",
        "cooee_received_bytes_total{service=\"echo\",transport=\"tcp\"} 0\n",
        "cooee_connections_opened_total{service=\"echo\",transport=\"unix\"} 1\n",
    ] {
        assert!(heard.contains(line), "{heard}");
    }
    let mut top = crate::support::start(&["top", &format!("unix://{admin}")]);
    let mut line = [0; 10];
    top.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line[..], b"unix:///tm", "{line:?}");
    top.kill().unwrap();
    top.wait().unwrap();
}

#[cfg(feature = "bench")]
#[test]
fn the_bench_measures_there_and_says_what_makes_no_sense() {
    let folder = Folder::new("bench");
    let [echo, greet] = ["echo", "greet"].map(|name| folder.path(name));
    let endpoints = [format!("echo+unix://{echo}"), format!("greet+unix://{greet}")];
    let _server = served(&endpoints, &[]);
    for (workload, at) in [("tcp_rr", 0), ("tcp_crr", 0), ("greet", 1)] {
        let words = ["bench", workload, &endpoints[at], "--count", "200", "--warmup", "0"];
        let left = cooee(&words, "");
        assert_eq!(left.status, Some(0), "{left:?}");
        assert!(left.text().contains(&endpoints[at]), "{left:?}");
    }
    let line = refused(2, &["bench", "udp_rr", &endpoints[0]]);
    assert!(line.contains("udp_rr asks echo+udp"), "{line}");
    for flags in [["--close", "rst"], ["--source", "127.0.0.2"]] {
        refused(2, &["bench", "tcp_crr", &endpoints[0], flags[0], flags[1]]);
    }
}
