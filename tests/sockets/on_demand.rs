//! Faults on demand over real sockets: what a client sees of each, and the log says. When exactly,
//! the stage and the simulation show.

#![allow(clippy::disallowed_methods)] // tests, in real time

use std::io::{ErrorKind, Read};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::served::Served;
use crate::support::{Datagrams, QUIET, Server, Tcp};

fn served(knobs: &str, flags: &[&str]) -> Served {
    Served::start(&[&format!("echo+tcp://:0?{knobs}")], flags)
}

/// All that is heard until the end, and the error that it ended with.
fn heard(client: &mut Tcp) -> (String, Option<ErrorKind>) {
    let mut all = Vec::new();
    let end = client.0.read_to_end(&mut all).err().map(|error| error.kind());
    (String::from_utf8(all).unwrap(), end)
}

#[test]
fn a_reply_comes_no_earlier_than_its_delay_and_the_fin_behind_it() {
    let server = served("delay=50ms", &[]);
    let mut client = Tcp::connect(server.addresses[0]);
    let said = Instant::now();
    client.say("hello");
    client.0.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(heard(&mut client), ("hello".into(), None));
    assert!(said.elapsed() >= Duration::from_millis(50), "{:?}", said.elapsed());
}

#[test]
fn connections_end_as_they_are_told_to_and_the_log_says_why() {
    let reset = Some(ErrorKind::ConnectionReset);
    for (knobs, sees, end, why) in [
        ("refuse=100%", "", reset, "refused by fault"),
        ("reset=100%", "", reset, "reset by fault"),
        ("reset=100%@3", "hel", reset, "reset by fault"),
        ("reset=100%@50ms", "hello", reset, "reset by fault"),
        ("close=3", "hel", None, "ended by fault"),
        ("close=50ms", "hello", None, "ended by fault"),
        ("slice=1&close=4", "hell", None, "ended by fault"),
    ] {
        let mut server = served(knobs, &[]);
        let mut client = Tcp::connect(server.addresses[0]);
        // Who is refused may know already: an error is told once.
        let refused = std::io::Write::write_all(&mut client.0, b"hello").err();
        let (seen, ended) = heard(&mut client);
        let ended = refused.map(|error| error.kind()).or(ended);
        assert_eq!((seen, ended), (sees.to_owned(), end), "{knobs}");
        drop(client);
        server.server.log.wait_for_line(&format!("closed: {why}"));
    }
}

#[test]
fn who_stalls_or_is_half_open_hears_nothing_until_it_has_been_idle() {
    for (knobs, why, came) in
        [("stall=100%", "stalled", "in 5 B"), ("halfopen=100%", "half-open", "in 0 B")]
    {
        let mut server = served(knobs, &["--idle-timeout", "1s"]);
        let mut client = Tcp::connect(server.addresses[0]);
        client.say("hello");
        client.0.set_read_timeout(Some(QUIET)).unwrap();
        let nothing = client.read(&mut [0; 16]).unwrap_err().kind();
        assert!(matches!(nothing, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{nothing}");
        let line = server.server.log.wait_for_line(&format!("closed: idle: {why} by fault"));
        assert!(line.contains(came), "{line}");
    }
}

/// Which of a hundred connections, one after the other, are reset.
fn fates(server: &Served) -> Vec<bool> {
    let one = |_| {
        let mut client = Tcp::connect(server.addresses[0]);
        client.say("?");
        client.read(&mut [0; 16]).is_err()
    };
    (0..100).map(one).collect()
}

#[test]
fn a_seed_that_was_announced_gives_the_same_faults_again() {
    let mut first = Server::start(&["echo+tcp://127.0.0.1:0?reset=30%"]);
    let line = first.log.wait_for_line("listening on ");
    let (_, url) = line.split_once("listening on echo+tcp://").unwrap();
    let (address, knobs) = url.split_once('?').unwrap();
    let again = served(knobs, &[]);
    let first = Served { server: first, addresses: vec![address.parse().unwrap()] };
    let drawn = fates(&first);
    assert_eq!(drawn, fates(&again));
    assert!((10..60).contains(&drawn.iter().filter(|reset| **reset).count()));
}

#[test]
fn leaving_waits_for_no_delay_and_nobody_who_stalls() {
    for (knobs, sees) in [("delay=1h", "hello"), ("stall=100%", ""), ("halfopen=100%", "")] {
        let mut server = served(knobs, &[]);
        let mut client = Tcp::connect(server.addresses[0]);
        client.say("hello");
        if !knobs.starts_with("halfopen") {
            // It has been read.
            while server.server.traffic_of(1).0 != "5 B" {}
        } else {
            server.server.log.wait_for_line("#1 echo connection established");
        }
        server.server.operator("/quit");
        assert_eq!(heard(&mut client), (sees.to_owned(), None), "{knobs}");
        drop(client);
        assert_eq!(server.server.ended().status, 0);
    }
}

#[test]
fn leaving_sends_the_datagrams_that_are_held_back() {
    for knobs in ["delay=1h", "rate=1", "delay=1h&reorder=100%"] {
        let mut server = Served::start(&[&format!("echo+udp://:0?{knobs}")], &[]);
        let client = Datagrams::to(server.addresses[0]);
        ["hello", "again"].iter().for_each(|text| client.say(text));
        server.wait_until("2 in", |stats| stats.contains("datagrams: 2 in"));
        server.server.signal(Signal::TERM);
        let mut heard = [client.hear(), client.hear()];
        heard.sort();
        assert_eq!(heard, [b"again", b"hello"], "{knobs}");
        assert_eq!(server.server.ended().status, 0);
    }
}

#[test]
fn a_datagram_is_late_or_behind_the_next_one() {
    let late = Served::start(&["echo+udp://:0?delay=50ms"], &[]);
    let client = Datagrams::to(late.addresses[0]);
    let said = Instant::now();
    assert_eq!(client.ask("hello"), "hello");
    assert!(said.elapsed() >= Duration::from_millis(50), "{:?}", said.elapsed());
    let swapped = Served::start(&["echo+udp://:0?reorder=100%"], &[]);
    let client = Datagrams::to(swapped.addresses[0]);
    ["1", "2", "3"].iter().for_each(|text| client.say(text));
    // Nothing comes behind the third, which does not wait for that for ever.
    assert_eq!([(); 3].map(|()| client.hear()), [b"2", b"1", b"3"]);
}

#[test]
fn what_a_datagram_suffers_is_shown_where_it_happens() {
    let knobs = "delay=1ms&dup=100%&corrupt=100%";
    let mut served = Served::start(&[&format!("echo+udp://:0?{knobs}")], &["--hex"]);
    let client = Datagrams::to(served.addresses[0]);
    client.say("hello");
    let copies = [client.hear(), client.hear()];
    assert!(copies.iter().all(|copy| copy.len() == 5 && copy != b"hello"), "{copies:?}");
    let to = format!(" {} to {}, ", served.addresses[0], client.0.local_addr().unwrap());
    for what in ["fault: delay", "fault: dup", "fault: corrupt", "fault: corrupt", "5 bytes"] {
        served.server.log.wait_for_line(&format!("{to}{what}"));
    }
}

/// What comes back for 200 numbered datagrams.
fn replies(server: &Served) -> Vec<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.addresses[0]).unwrap();
    socket.set_read_timeout(Some(QUIET)).unwrap();
    let mut replies = Vec::new();
    for number in 0..200_u32 {
        socket.send(format!("datagram {number}").as_bytes()).unwrap();
    }
    let mut room = [0; 64];
    while let Ok(count) = socket.recv(&mut room) {
        replies.push(room[..count].to_vec());
    }
    replies
}

#[test]
fn datagrams_are_lost_doubled_and_damaged_the_same_way_for_the_same_seed() {
    let knobs = "drop=10%&dup=10%&corrupt=10%&seed=7";
    let served = || Served::start(&[&format!("echo+udp://:0?{knobs}")], &["--udp-rate", "off"]);
    let mut first = served();
    let heard = replies(&first);
    assert_eq!(heard, replies(&served()));
    let is_right = |reply: &&Vec<u8>| reply.starts_with(b"datagram ");
    assert!(heard.len() > 150 && heard.iter().filter(is_right).count() < heard.len());
    first.server.operator("/fault echo off");
    first.server.screen.wait_for_line("does nothing wrong from now on");
    assert_eq!(replies(&first).len(), 200);
    first.server.operator("/fault echo reset=5%");
    first.server.screen.wait_for_line("reset is for streams only, write echo+tcp");
    first.server.operator("/fault echo drop=100%");
    first.server.screen.wait_for_line("for all replies from now on");
    assert_eq!(replies(&first).len(), 0);
    first.server.operator("/stats");
    let stats = first.server.screen.wait_for_line("faults: ");
    assert!(stats.contains(" drop"), "{stats}");
}
