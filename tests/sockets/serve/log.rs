//! The log when whoever reads it has stopped, or was never there.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::SocketAddr;
use std::process::Stdio;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;

use crate::support::terminal::open_terminal;
use crate::support::{Server, Tcp};

/// A pipe that takes nothing more, and how much is in it.
fn full_pipe() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let mut filled = 0;
    while let Ok(count) = writer.write(&[b'\n'; 4096]) {
        filled += count;
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer, filled)
}

/// A server that logs to `log`, and where it echoes, which is announced on its screen.
fn echo(log: impl Into<Stdio>, flags: &[&str]) -> (Server, SocketAddr) {
    let words = ["echo+tcp://:0", "--announce", "/dev/stdout"];
    let mut server = Server::start_logging_to(log, &[&words, flags].concat());
    let url = server.screen.next_line();
    (server, url.strip_prefix("echo+tcp://").unwrap().parse().unwrap())
}

/// Comes and goes, so that there is something to be logged.
fn visit(address: SocketAddr) {
    let mut client = Tcp::connect(address);
    client.echoes("served");
    client.finish();
    assert_eq!(client.hear(), "");
}

#[test]
fn a_log_that_nobody_reads_stops_nobody_and_is_complete_once_somebody_does() {
    let (reader, writer, filled) = full_pipe();
    let (mut server, address) = echo(writer, &["--drain", "60s"]);
    let mut bystander = Tcp::connect(address);
    for _ in 0..10 {
        visit(address);
        bystander.echoes("still served");
    }
    drop(bystander);
    server.signal(Signal::TERM);
    // Its last words wait to be read: it has not gone.
    let mut log = BufReader::new(reader);
    log.read_exact(&mut vec![0; filled]).unwrap();
    let lines: Vec<String> = log.lines().map(Result::unwrap).collect();
    assert!(lines[0].contains("listening on echo+tcp://"), "{lines:#?}");
    for number in 1..=11 {
        let established = format!("#{number} echo connection established");
        assert_eq!(lines.iter().filter(|line| line.contains(&established)).count(), 1);
    }
    assert!(lines.last().unwrap().contains("left: connections: 11 (0 open)"), "{lines:#?}");
    assert_eq!(server.ended().status, 0);
}

#[test]
fn last_words_that_nobody_reads_take_no_longer_than_drain_and_a_second_signal_ends_them() {
    let (_reader, writer, _) = full_pipe();
    let (mut server, _) = echo(writer.try_clone().unwrap(), &["--drain", "300ms"]);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().status, 0);
    let (mut server, address) = echo(writer, &["--drain", "1h"]);
    let mut client = Tcp::connect(address);
    client.echoes("served");
    server.signal(Signal::TERM);
    assert_eq!(client.hear(), "", "it has heard the first");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().status, 0);
}

#[test]
fn a_terminal_that_is_stopped_stops_nobody() {
    let (mut keyboard, terminal) = open_terminal();
    keyboard.write_all(b"\x13").unwrap(); // Ctrl-S
    let (mut server, address) = echo(terminal.try_clone().unwrap(), &["--drain", "60s"]);
    visit(address);
    server.signal(Signal::TERM);
    // It waits for somebody to read its last words.
    keyboard.write_all(b"\x11").unwrap(); // Ctrl-Q
    let mut log = BufReader::new(keyboard);
    let mut last = String::new();
    while !last.contains("left: connections: 1 (0 open)") {
        last.clear();
        log.read_line(&mut last).unwrap();
    }
    assert_eq!(server.ended().status, 0);
}

#[test]
fn without_anybody_to_read_the_log_it_serves_all_the_same() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let full = File::options().write(true).open("/dev/full").unwrap();
    for log in [Stdio::from(writer), Stdio::from(full), Stdio::null()] {
        let (mut server, address) = echo(log, &[]);
        visit(address);
        let cpu = server.cpu_ms();
        Tcp::connect(address).hears_nothing();
        assert!(server.cpu_ms() - cpu < 100, "it spins");
        server.signal(Signal::TERM);
        assert_eq!(server.ended().status, 0);
    }
}

#[test]
fn an_error_that_nobody_reads_is_still_an_end() {
    for words in [&["serve", "ehco"][..], &["sevre"], &["echo", "127.0.0.1:nonsense"]] {
        let (_reader, writer, _) = full_pipe();
        let mut cooee = std::process::Command::new(env!("CARGO_BIN_EXE_cooee"));
        assert_eq!(cooee.args(words).stderr(writer).status().unwrap().code(), Some(2), "{words:?}");
    }
}
