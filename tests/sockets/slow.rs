//! Slow and silent peers over real sockets: the cost is theirs, not that of the others.

#![allow(clippy::disallowed_methods)] // tests, in real time

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use cooee::reactor::{Families, Listening, listen};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::served::Served;
use crate::support::{PATIENCE, Tcp, raise_descriptor_limit};

/// A member of the chat that has read its welcome, with a receive buffer of that size.
fn join(address: SocketAddr, buffer: Option<usize>) -> BufReader<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut member = BufReader::with_capacity(4096, stream);
    assert!(line(&mut member).starts_with("** Welcome!"));
    member
}

fn line(member: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    member.read_line(&mut line).unwrap();
    line
}

#[test]
fn a_reader_that_stalls_is_told_why_and_the_others_miss_nothing() {
    let flags = ["--chat-rate", "off", "--chat-queue", "64k", "--chat-queue-hard", "128k"];
    let server = Served::start(&["chat+tcp://:0"], &flags);
    let mut reader = join(server.addresses[0], None);
    let mut stalled = join(server.addresses[0], Some(4096));
    let mut speaker = join(server.addresses[0], None);
    assert_eq!(line(&mut reader), "* guest2 joined\n");
    assert_eq!(line(&mut reader), "* guest3 joined\n");
    let text = "x".repeat(1000);
    let (mut spoken, mut left, mut longest) = (0, false, Duration::ZERO);
    // What the kernel holds for the stalled one is megabytes.
    for number in 0..20_000 {
        let said = Instant::now();
        writeln!(speaker.get_mut(), "{number} {text}").unwrap();
        spoken += 1;
        let mut heard = line(&mut reader);
        if heard == "* guest2 left\n" {
            left = true;
            heard = line(&mut reader);
        }
        assert_eq!(heard, format!("<guest3> {number} {text}\n"));
        longest = longest.max(said.elapsed());
        if left {
            break;
        }
    }
    assert!(left, "still there after {spoken} lines");
    let mut all = String::new();
    stalled.read_to_string(&mut all).unwrap();
    let last = all.lines().last().unwrap();
    assert!(last.starts_with("** You are too far behind"), "{last}");
    // A bound of failure only: nobody may wait for the stalled one, which has 10 s.
    assert!(longest < Duration::from_secs(5), "a line took {longest:?}");
    eprintln!("given up after {spoken} lines; the other heard each within {longest:?}");
}

#[test]
fn a_crowd_of_stalled_readers_costs_no_more_than_their_limit() {
    let flags = ["--chat-rate", "off", "--chat-queue", "64k", "--chat-queue-hard", "128k"];
    let mut server = Served::start(&["chat+tcp://:0"], &flags);
    let mut speaker = join(server.addresses[0], None);
    let before = server.server.memory_kib();
    let stalled: Vec<_> = (0..50).map(|_| join(server.addresses[0], Some(4096))).collect();
    let mut reader = join(server.addresses[0], None);
    let text = "x".repeat(1000);
    for number in 0..8000 {
        writeln!(speaker.get_mut(), "{number} {text}").unwrap();
        let wanted = format!("<guest1> {number} {text}\n");
        while line(&mut reader) != wanted {}
    }
    let grown = server.server.memory_kib() - before;
    assert!(grown < 50 * 128 + 8 * 1024, "{grown} KiB more");
    drop(stalled);
    server.wait_until("only two members", |stats| stats.contains("(2 open)"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_member_whose_machine_vanished_is_given_up_and_one_that_only_does_not_read_is_not() {
    // Ten seconds at most: these eight, and the time until the next check.
    let flags = ["--chat-rate", "off", "--dead-after", "8s"];
    let mut server = Served::start(&["chat+tcp://:0"], &flags);
    let mut speaker = join(server.addresses[0], None);
    let stopped = join(server.addresses[0], Some(2048));
    let text = "x".repeat(1000);
    // More than its window takes, and less than the queue of a member.
    for _ in 0..100 {
        writeln!(speaker.get_mut(), "{text}").unwrap();
    }
    let vanished = join(server.addresses[0], None);
    // Whatever comes for it is dropped before anything acknowledges it: `ret #0`.
    let drops_all = socket2::SockFilter::new(0x06, 0, 0, 0);
    SockRef::from(vanished.get_ref()).attach_filter(&[drops_all]).unwrap();
    writeln!(speaker.get_mut(), "are you there?").unwrap();
    for expected in ["* guest2 joined\n", "* guest3 joined\n", "* guest3 left\n"] {
        assert_eq!(line(&mut speaker), expected);
    }
    assert!(server.server.log.wait_for_line("chat closed").contains("failed: timed out"));
    server.wait_until("the others stay", |stats| stats.contains("(2 open)"));
    drop(stopped);
}

/// More than are flushed in one turn.
const CROWD: usize = 700;

#[test]
fn in_a_room_larger_than_a_turn_everybody_hears_everything_once_and_in_one_order() {
    raise_descriptor_limit(5_000);
    let server = Served::start(&["chat+tcp://:0", "echo+tcp://:0"], &["--chat-rate", "off"]);
    let mut members: Vec<_> = (0..CROWD).map(|_| join(server.addresses[0], None)).collect();
    // Whole turns full of lines, private ones among them, and a leave in the midst.
    let lines: String = (0..30).map(|n| format!("line {n}\n/msg guest1 psst {n}\n")).collect();
    for speaker in &mut members[CROWD - 20..] {
        speaker.get_mut().write_all(lines.as_bytes()).unwrap();
    }
    members.pop().unwrap().get_mut().write_all(b"BYE\n").unwrap();
    for speaker in &mut members[CROWD - 21..CROWD - 20] {
        speaker.get_mut().write_all(b"the end\n").unwrap();
    }
    let mut echo = TcpStream::connect(server.addresses[1]).unwrap();
    echo.write_all(b"still there?").unwrap();
    echo.read_exact(&mut [0; 12]).unwrap();
    let mut heard = members[..CROWD - 21].iter_mut().map(|member| {
        let said = std::iter::from_fn(|| Some(line(member)));
        let said = said.skip_while(|line| !line.starts_with('<')).filter(|l| l.starts_with('<'));
        let mut said: Vec<String> = said.take(20 * 30 + 1).collect();
        assert_eq!(said.iter().filter(|line| line.ends_with("> the end\n")).count(), 1);
        said.retain(|line| !line.ends_with("> the end\n"));
        said
    });
    let first = heard.next().unwrap();
    assert_eq!(first.iter().filter(|line| line.ends_with("> line 29\n")).count(), 20);
    assert!(heard.all(|other| other == first), "somebody heard another order");
}

/// `count` peers send to an echo for as long as it takes anything, and read nothing; a bystander
/// is answered all the while.
fn flood(served: &Served, count: usize) -> Vec<TcpStream> {
    raise_descriptor_limit(5_000);
    let address = served.addresses[0];
    let mut bystander = Tcp::connect(address);
    let mut floods: Vec<TcpStream> = (0..count).map(|_| stalled(address)).collect();
    let bytes = vec![b'x'; 64 * 1024];
    let mut in_vain = 0;
    while in_vain < 3 {
        let mut sent = 0;
        for (number, flood) in floods.iter_mut().enumerate() {
            // Writing to one that has been closed fails as well.
            sent += flood.write(&bytes).unwrap_or(0);
            if number.is_multiple_of(50) {
                bystander.echoes("still here");
            }
        }
        in_vain = if sent == 0 { in_vain + 1 } else { 0 };
    }
    bystander.echoes("and at the end");
    floods
}

/// A connection with small buffers that does not wait.
fn stalled(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.into()
}

#[test]
fn a_crowd_that_never_reads_leaves_memory_for_the_others() {
    // Each of them alone may have 256 KiB waiting.
    let script = "ulimit -v 98304; exec \"$0\" \"$@\"";
    let mut served = Served::start_under(&["sh", "-c", script], &["echo+tcp://:0"], &[]);
    let floods = flood(&served, 600);
    assert!(served.stats().contains("connections: 601"), "the console answers");
    drop(floods);
    served.wait_until("everybody to be gone", |stats| stats.contains("(0 open)"));
}

#[test]
fn what_waits_for_all_stays_within_the_limit_and_who_holds_most_is_closed_for_it() {
    // Not to read on is no help against lines that never end.
    let endpoints = ["echo+tcp://:0", "chat+tcp://:0"];
    let mut served = Served::start(&endpoints, &["--max-buffered", "1M", "--chat-rate", "off"]);
    let before = served.server.memory_kib();
    let floods = flood(&served, 50);
    let chat = served.addresses[1];
    let mut members: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(chat).unwrap()).collect();
    for member in &mut members {
        member.write_all(&[b'x'; 3500]).unwrap();
    }
    served.wait_until("some to be closed", |stats| stats.contains("closed at --max-buffered"));
    let grown = served.server.memory_kib() - before;
    assert!(grown < 8 * 1024, "{grown} KiB more");
    served.server.log.wait_for_line("and no more may (--max-buffered): closing those who hold");
    served.server.log.wait_for_line("echo closed: memory is short, and it held most");
    Tcp::connect(served.addresses[0]).echoes("a newcomer is served");
    drop(floods);
}

#[test]
fn a_listener_hands_down_keepalive() {
    let here: SocketAddr = ([127, 0, 0, 1], 0).into();
    let listener = listen(here, Families::Both, &Listening::default()).unwrap();
    listener.set_nonblocking(false).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    let accepted = SockRef::from(&accepted);
    assert!(accepted.keepalive().unwrap());
    assert_eq!(accepted.tcp_keepalive_time().unwrap().as_secs(), 60);
}
