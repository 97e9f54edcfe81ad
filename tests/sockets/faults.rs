//! What the kernel may refuse, refused: strace answers system calls of a running server with
//! errors. The server goes on, and nobody loses anything but the one whose call failed for good.
//! Also: descriptors and memory after many connections have come and gone.

#![allow(clippy::disallowed_methods)] // tests, which wait for real sockets

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::loudly;
use crate::support::served::Served;

const CLIENTS: usize = 8;
const ROUNDS: usize = 20;
/// Sockets that ask at once over UDP, so that answers to several peers share a call.
const ASKERS: usize = 4;
/// A client that has heard nothing for so long speaks again. An injected EAGAIN, on a socket that
/// is ready, makes the server wait for an edge that does not come by itself.
const NUDGE: Duration = Duration::from_millis(50);

/// Which system calls fail, with what, how often, and how many clients may lose something.
struct Fault {
    call: &'static str,
    errors: &'static [&'static str],
    when: &'static str,
    losses: usize,
}

const ALWAYS_SOME: &str = "3+3";
const ONCE: &str = "40";

const FAULTS: &[Fault] = &[
    Fault {
        call: "accept4",
        errors: &[
            "EMFILE",
            "ENFILE",
            "ENOBUFS",
            "ENOMEM",
            "EAGAIN",
            "EINTR",
            "ECONNABORTED",
            "EPIPE",
            "ECONNRESET",
            "ENETUNREACH",
        ],
        when: ALWAYS_SOME,
        losses: 0,
    },
    Fault { call: "recvfrom", errors: &["EAGAIN", "EINTR"], when: ALWAYS_SOME, losses: 0 },
    Fault {
        call: "recvfrom",
        errors: &["ENOBUFS", "ENOMEM", "ECONNRESET", "EPIPE", "ENETUNREACH"],
        when: ONCE,
        losses: 1,
    },
    Fault { call: "sendto", errors: &["EAGAIN", "EINTR"], when: ALWAYS_SOME, losses: 0 },
    Fault {
        call: "sendto",
        errors: &["ENOBUFS", "ENOMEM", "ECONNRESET", "EPIPE", "ENETUNREACH"],
        when: ONCE,
        losses: 1,
    },
    Fault {
        call: "sendmsg",
        errors: &["EAGAIN", "EINTR", "ENOBUFS", "ENOMEM", "ECONNRESET", "EPIPE", "ENETUNREACH"],
        when: ALWAYS_SOME,
        losses: 0,
    },
    Fault {
        call: "sendmmsg",
        errors: &["EAGAIN", "EINTR", "ENOBUFS", "EINVAL", "EIO", "EPERM"],
        when: ALWAYS_SOME,
        losses: 0,
    },
    Fault {
        call: "recvmmsg",
        errors: &["EAGAIN", "EINTR", "ENOBUFS", "ENOMEM", "ECONNRESET", "ENETUNREACH"],
        when: ALWAYS_SOME,
        losses: 0,
    },
    Fault { call: "epoll_wait", errors: &["EINTR", "ENOMEM"], when: ALWAYS_SOME, losses: 0 },
    Fault { call: "epoll_ctl", errors: &["ENOMEM", "ENOSPC"], when: "14", losses: 1 },
    Fault { call: "shutdown", errors: &["ENOTCONN", "ENOBUFS"], when: ALWAYS_SOME, losses: 0 },
];

/// `None`: faults cannot be injected here, which is said loudly.
fn strace() -> Option<()> {
    let probe = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    let why = match probe {
        Ok(output) if output.status.success() => return Some(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => format!("strace: {error} (apt-get install strace)"),
    };
    loudly(&format!("NOT TESTED, because system calls cannot be made to fail here: {why}"));
    None
}

/// Echoes over a connection of its own. An error means that it lost something.
fn converse(to: SocketAddr, name: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(NUDGE))?;
    for round in 0..ROUNDS {
        let message = format!("client {name} round {round} {}\n", "x".repeat(100 * round));
        stream.write_all(message.as_bytes())?;
        hear(&mut stream, message.into_bytes())?;
    }
    Ok(())
}

fn hear(stream: &mut TcpStream, mut wanted: Vec<u8>) -> io::Result<()> {
    let (mut heard, mut nudges) = (Vec::new(), 0);
    let mut buffer = [0; 4096];
    while heard.len() < wanted.len() {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock && nudges < 100 => {
                nudges += 1;
                stream.write_all(b".")?;
                wanted.push(b'.');
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    assert!(heard == wanted, "heard something else");
    Ok(())
}

/// Asks over UDP, which may lose anything, until it has been answered often enough and is told
/// that this will do: one socket alone and all at once, by turns.
fn ask(to: SocketAddr, will_do: impl Fn() -> bool) {
    let sockets: Vec<UdpSocket> = (0..ASKERS).map(|_| asker(to)).collect();
    let (mut answered, mut asked) = (0, 0);
    let mut buffer = [0; 64];
    for count in [1, ASKERS].into_iter().cycle() {
        if answered >= ROUNDS * ASKERS && will_do() {
            return;
        }
        assert!(asked < 20 * ROUNDS * ASKERS, "{answered} of {asked} answered");
        for socket in &sockets[..count] {
            asked += 1;
            socket.send(format!("question {asked}").as_bytes()).unwrap();
        }
        // An answer that comes late, behind the next question, counts as well.
        let heard = sockets[..count].iter().filter(|socket| socket.recv(&mut buffer).is_ok());
        answered += heard.count();
    }
}

fn asker(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(NUDGE)).unwrap();
    socket
}

/// Connects again and again until told to stop: after an injected EAGAIN, only the next arrival
/// makes the kernel report those who still wait. How many connect varies: were it always the same,
/// the call that fails, every third, might always be the first `accept` of the same listener.
fn call_again(to: &[SocketAddr], stop: &Receiver<()>) {
    for extra in [0, 1, 2].into_iter().cycle() {
        if stop.recv_timeout(Duration::from_millis(20)) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let all = to.iter().chain(to.iter().take(1).cycle().take(extra));
        all.for_each(|to| drop(TcpStream::connect(to)));
    }
}

/// How many clients lose something while `call` fails with `error`.
fn lost_under(call: &str, error: &str, when: &str) -> usize {
    let inject = format!("inject={call}:error={error}:when={when}");
    let trace = format!("trace={call}");
    let record = std::env::temp_dir().join(format!("cooee-{}-{call}-{error}", std::process::id()));
    let path = record.to_str().unwrap();
    let runner = ["strace", "-D", "-qq", "-o", path, "-e", &trace, "-e", &inject];
    let endpoints = ["echo+tcp://127.0.0.1:0", "echo+udp://127.0.0.1:0", "greet+tcp://127.0.0.1:0"];
    let mut served = Served::start_under(&runner, &endpoints, &[]);
    let [echo, datagrams, greet] = served.addresses[..] else { panic!("three addresses") };
    let clients: Vec<_> = (0..CLIENTS).map(|n| thread::spawn(move || converse(echo, n))).collect();
    let (stop, stopped) = channel();
    let caller = thread::spawn(move || call_again(&[echo, greet], &stopped));
    // On a busy machine answers that were meant to go out alone may share a call for a while.
    let is_over_udp = ["sendmsg", "sendmmsg", "recvmmsg"].contains(&call);
    let asking = thread::spawn({
        let record = record.clone();
        move || ask(datagrams, || !is_over_udp || has_injected(&record))
    });
    let greeted: Vec<_> = (0..CLIENTS).map(|_| thread::spawn(move || greeting(greet))).collect();
    let mut lost = 0;
    for client in clients.into_iter().chain(greeted) {
        lost += usize::from(client.join().unwrap().is_err());
    }
    asking.join().unwrap();
    // Everybody who comes afterwards is served, unless it is the one whose call fails.
    let after = (0..3).filter(|n| converse(echo, *n).is_err()).count();
    assert!(served.stats().contains("connections: "), "the console answers");
    drop(stop);
    caller.join().unwrap();
    assert!(has_injected(&record), "{call} never failed with {error}");
    std::fs::remove_file(&record).unwrap();
    lost + after
}

/// Whether strace has made a call fail.
fn has_injected(record: &Path) -> bool {
    std::fs::read_to_string(record).unwrap().contains("INJECTED")
}

fn greeting(to: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(NUDGE))?;
    stream.write_all(b"I speak before I read")?;
    let (mut text, mut nudges) = (Vec::new(), 0);
    while let Err(error) = stream.read_to_end(&mut text) {
        nudges += 1;
        // Where shutdown fails there is no FIN, and a nudge may meet a socket that is gone: then a
        // reset takes the place of the end, but nothing of the greeting is lost.
        if error.kind() == ErrorKind::ConnectionReset || nudges > 100 {
            break;
        }
        if error.kind() != ErrorKind::WouldBlock {
            return Err(error);
        }
        let _ = stream.write_all(b".");
    }
    match text.ends_with(b")\n") {
        true => Ok(()),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

#[test]
fn whatever_call_fails_the_server_goes_on_and_nobody_else_loses_anything() {
    if strace().is_none() {
        return;
    }
    let pairs = FAULTS.iter().flat_map(|fault| fault.errors.iter().map(move |e| (fault, *e)));
    let pairs: Vec<_> = pairs.collect();
    let at_once = pairs.len().div_ceil(4);
    thread::scope(|scope| {
        for share in pairs.chunks(at_once) {
            scope.spawn(|| share.iter().for_each(|(fault, error)| assert_survives(fault, error)));
        }
    });
}

fn assert_survives(fault: &Fault, error: &str) {
    let begun = Instant::now();
    let lost = lost_under(fault.call, error, fault.when);
    eprintln!("{} {error}: {lost} lost something, {:.1?}", fault.call, begun.elapsed());
    assert!(lost <= fault.losses, "{} {error}: {lost} lost something", fault.call);
}

/// A server for which strace always answers `call` in this way, and the record of those calls.
fn start_refusing(call: &str, answer: &str) -> (Served, PathBuf) {
    let inject = format!("inject={call}:{answer}");
    let trace = format!("trace={call}");
    let name = format!("cooee-{}-{call}-{}", std::process::id(), answer.replace('=', "-"));
    let record = std::env::temp_dir().join(name);
    let path = record.to_str().unwrap();
    let runner = ["strace", "-D", "-qq", "-o", path, "-e", &trace, "-e", &inject];
    (
        Served::start_under(&runner, &["echo+tcp://127.0.0.1:0", "echo+udp://127.0.0.1:0"], &[]),
        record,
    )
}

#[test]
fn a_call_that_is_refused_for_ever_is_told_once_and_not_made_again_and_again() {
    if strace().is_none() {
        return;
    }
    for (call, error, told) in [
        ("recvmmsg", "EPERM", "receiving on"),
        ("recvmmsg", "ENOMEM", "receiving on"),
        ("accept4", "EPERM", "not accepting for the moment"),
        ("accept4", "ECONNABORTED", "not accepting for the moment"),
    ] {
        let (mut served, record) = start_refusing(call, &format!("error={error}"));
        let [tcp, udp] = served.addresses[..] else { panic!("two addresses") };
        let asker = asker(udp);
        asker.send(b"anybody?").unwrap();
        let _caller = TcpStream::connect(tcp).unwrap();
        served.server.log.wait_for_line(told);
        let cpu = served.server.cpu_ms();
        thread::sleep(Duration::from_millis(500)); // an interval to be measured, not a wait
        let spent = served.server.cpu_ms() - cpu;
        let calls = std::fs::read_to_string(&record).unwrap().lines().count();
        std::fs::remove_file(&record).unwrap();
        assert!(spent < 200, "{call} {error}: {spent} ms of 500 ms");
        assert!(calls < 2_000, "{call} {error}: {calls} calls");
        assert_eq!(served.server.log.count(told), 1, "{call} {error}");
        assert!(served.stats().contains("connections: "), "the console answers");
    }
}

#[test]
fn an_io_uring_that_never_does_anything_is_done_without() {
    if strace().is_none() {
        return;
    }
    for answer in ["retval=0", "retval=1", "error=EPERM", "error=EINTR"] {
        let (served, record) = start_refusing("io_uring_enter", answer);
        converse(served.addresses[0], 1).unwrap();
        let calls = std::fs::read_to_string(&record).unwrap().lines().count();
        std::fs::remove_file(&record).unwrap();
        assert!(calls < 100, "{answer}: {calls} calls");
    }
}

/// Connections that come and go; `MANY=1000000` for a long run.
fn many() -> usize {
    std::env::var("MANY").map_or(100_000, |text| text.parse().expect("MANY is a number"))
}

/// As many as are ever open at once: pools and tables keep the size that they had at their fullest,
/// so that has to be the same before and after.
const AT_ONCE: usize = 300;

#[test]
fn descriptors_and_memory_are_back_where_they_were_after_many_connections() {
    let flags = ["--chat-rate", "off"];
    let endpoints = ["echo+tcp://127.0.0.1:0", "greet+tcp://127.0.0.1:0", "chat+tcp://127.0.0.1:0"];
    let mut served = Served::start(&endpoints, &flags);
    come_together(&mut served);
    come_and_go(&mut served, 20_000);
    let (descriptors, memory) = (served.descriptors(), served.server.memory_kib());
    come_and_go(&mut served, many());
    let (descriptors_after, after) = (served.descriptors(), served.server.memory_kib());
    eprintln!("{} connections: {memory} KiB before, {after} KiB after", many());
    assert_eq!(descriptors_after, descriptors);
    assert!(after <= memory + 1024, "{memory} KiB before, {after} KiB after");
}

/// All at once, and then none.
fn come_together(served: &mut Served) {
    let addresses = served.addresses.clone();
    let crowd: Vec<TcpStream> = (0..AT_ONCE)
        .map(|number| {
            let mut stream = TcpStream::connect(addresses[number % 3]).unwrap();
            stream.write_all(b"hello\n").unwrap();
            stream
        })
        .collect();
    let count = format!("connections: {AT_ONCE} ");
    served.wait_until("everybody to be in", |stats| stats.starts_with(&count));
    drop(crowd);
    served.wait_until("everybody to be gone", |stats| stats.contains("(0 open)"));
}

/// So many connections, each ended in one of several ways; waits until all are closed.
fn come_and_go(served: &mut Served, count: usize) {
    let addresses = served.addresses.clone();
    for number in 0..count {
        let mut stream = TcpStream::connect(addresses[number % 3]).unwrap();
        match number / 3 % 4 {
            // A reset, with or without anything said.
            0 => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
            1 => {
                let _ = stream.write_all(b"unfinished");
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
            2 => stream.shutdown(std::net::Shutdown::Write).unwrap(),
            _ => stream.write_all(b"hello\n").unwrap(),
        }
        drop(stream);
        if number % AT_ONCE == AT_ONCE - 1 {
            served.wait_until("these to be gone", |stats| stats.contains("(0 open)"));
        }
    }
    served.wait_until("everybody to be gone", |stats| stats.contains("(0 open)"));
}
