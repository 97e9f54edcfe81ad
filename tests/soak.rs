//! Everything at once for a long time: steady talkers, short visits, resets, stalled readers,
//! floods. Nobody who behaves loses anything, and the server ends as small as it was.
//!
//! `SOAK=600 cargo test --release --test soak -- --nocapture` runs for ten minutes; the ordinary
//! run takes a few seconds.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // tests, in real time

#[allow(dead_code, unused_imports)] // only a part of it is needed here
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use support::served::Served;
use support::{PATIENCE, pattern};

/// The ordinary run.
const SECONDS: u64 = 4;
/// What the server may grow by from the first tenth to the end, in KiB.
const GROWTH_KIB: u64 = 4096;

/// What has been done, by all threads.
#[derive(Default)]
struct Tally {
    echoed: AtomicU64,
    echoed_bytes: AtomicU64,
    greeted: AtomicU64,
    heard: AtomicU64,
    resets: AtomicU64,
    stalls: AtomicU64,
    months: AtomicU64,
    flooded: AtomicU64,
    trickled: AtomicU64,
}

/// One soak: where the services are, until when, and what has been done.
struct Soak {
    echo: SocketAddr,
    greet: SocketAddr,
    chat: SocketAddr,
    talk: SocketAddr,
    echo_udp: SocketAddr,
    months: SocketAddr,
    until: Instant,
    tally: Tally,
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Leaves the processor to others: the soak is to last, not to be fast.
fn breathe(millis: u64) {
    thread::park_timeout(Duration::from_millis(millis));
}

impl Soak {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Echoes of all sizes, over a connection that stays.
    fn steady(&self, number: usize) {
        let mut stream = connect(self.echo);
        for round in 0.. {
            if !self.goes_on() {
                return;
            }
            let message = pattern(number + round, 1 << (round % 17));
            let mut heard = vec![0; message.len()];
            let mut writer = stream.try_clone().unwrap();
            thread::scope(|scope| {
                scope.spawn(|| writer.write_all(&message).unwrap());
                stream.read_exact(&mut heard).unwrap();
            });
            assert!(heard == message, "an echo differs");
            count(&self.tally.echoed);
            self.tally.echoed_bytes.fetch_add(heard.len() as u64, Relaxed);
            breathe(1);
        }
    }

    /// Short visits, each of which must see its whole greeting.
    fn visits(&self) {
        while self.goes_on() {
            let mut stream = connect(self.greet);
            stream.write_all(b"before I read").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            assert!(text.starts_with("Hello!") && text.ends_with(")\n"), "{text:?}");
            count(&self.tally.greeted);
        }
    }

    /// Connections of all kinds that break off.
    fn resets(&self) {
        for round in 0.. {
            if !self.goes_on() {
                return;
            }
            let to = [self.echo, self.greet, self.chat, self.talk][round % 4];
            let mut stream = connect(to);
            if round % 3 > 0 {
                let _ = stream.write_all(&pattern(round, round % 5000));
            }
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            count(&self.tally.resets);
            breathe(2);
        }
    }

    /// A member that reads all and a member that speaks: each line is heard, in order.
    fn conversation(&self, number: usize) {
        let room = format!("/join room{number}\n");
        let mut reader = BufReader::new(connect(self.chat));
        let mut speaker = connect(self.chat);
        reader.get_mut().write_all(room.as_bytes()).unwrap();
        wait_for(&mut reader, "You are now in");
        speaker.write_all(room.as_bytes()).unwrap();
        wait_for(&mut reader, "joined");
        for line in 0.. {
            if !self.goes_on() {
                return;
            }
            speaker.write_all(format!("line {line}\n").as_bytes()).unwrap();
            let heard = wait_for(&mut reader, "> ");
            assert!(heard.ends_with(&format!("line {line}\n")), "{heard:?}, not line {line}");
            count(&self.tally.heard);
            breathe(1);
        }
    }

    /// Members of a loud room that read nothing until they are sent away.
    fn stalls(&self) {
        for round in 0.. {
            if !self.goes_on() {
                return;
            }
            let room = format!("/join loud{round}\n");
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            socket.connect(&self.chat.into()).unwrap();
            let mut stalled = TcpStream::from(socket);
            stalled.write_all(room.as_bytes()).unwrap();
            let mut speaker = connect(self.chat);
            speaker.write_all(room.as_bytes()).unwrap();
            let mut listener = BufReader::new(speaker.try_clone().unwrap());
            let left = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| left.store(hears_leave(&mut listener), Relaxed));
                let line = format!("{}\n", "x".repeat(900));
                while self.goes_on() && !left.load(Relaxed) {
                    speaker.write_all(line.as_bytes()).unwrap();
                }
                speaker.shutdown(Shutdown::Both).unwrap();
            });
            self.tally.stalls.fetch_add(u64::from(left.load(Relaxed)), Relaxed);
            breathe(50);
        }
    }

    /// Questions over UDP, one at a time, each with one right answer.
    fn months(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.months).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0; 64];
        while self.goes_on() {
            socket.send(b"9").unwrap();
            let length = socket.recv(&mut answer).unwrap();
            assert_eq!(&answer[..length], b"September");
            count(&self.tally.months);
            breathe(1);
        }
    }

    /// Datagrams whose answers nobody reads.
    fn flood(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for round in 0.. {
            if !self.goes_on() {
                return;
            }
            for _ in 0..50 {
                // Full buffers are the point.
                let _ = socket.send_to(&pattern(round, round % 2000), self.echo_udp);
                count(&self.tally.flooded);
            }
            breathe(2);
        }
    }

    /// Many connections that send a byte now and then.
    fn trickle(&self) {
        let mut streams: Vec<TcpStream> = (0..100).map(|_| connect(self.echo)).collect();
        while self.goes_on() {
            for stream in &mut streams {
                stream.write_all(b".").unwrap();
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                count(&self.tally.trickled);
            }
            breathe(500);
        }
    }

    fn run(&self) {
        thread::scope(|scope| {
            (0..3).for_each(|n| drop(scope.spawn(move || self.steady(n))));
            (0..2).for_each(|n| drop(scope.spawn(move || self.conversation(n))));
            for work in
                [Soak::visits, Soak::resets, Soak::stalls, Soak::months, Soak::flood, Soak::trickle]
            {
                scope.spawn(move || work(self));
            }
        });
    }
}

/// Whether somebody is told to have left before this member is gone itself.
fn hears_leave(member: &mut BufReader<TcpStream>) -> bool {
    let mut line = String::new();
    while member.read_line(&mut line).is_ok_and(|count| count > 0) {
        if line.starts_with("* ") && line.ends_with(" left\n") {
            return true;
        }
        line.clear();
    }
    false
}

fn wait_for(member: &mut BufReader<TcpStream>, text: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(member.read_line(&mut line).unwrap() > 0, "closed without {text:?}");
        if line.contains(text) {
            return line;
        }
    }
}

/// Soaks for so long, waits until everybody is gone, and returns memory and descriptors.
fn soak(served: &mut Served, length: Duration) -> (u64, usize) {
    let [echo, greet, chat, talk, echo_udp, months] = served.addresses[..] else {
        panic!("six addresses")
    };
    let (until, tally) = (Instant::now() + length, Tally::default());
    let soak = Soak { echo, greet, chat, talk, echo_udp, months, until, tally };
    soak.run();
    served.wait_until("everybody to be gone", |stats| stats.contains("(0 open)"));
    let (memory, descriptors) = (served.server.memory_kib(), served.descriptors());
    let done = |counter: &AtomicU64| counter.load(Relaxed);
    let tally = &soak.tally;
    eprintln!(
        "{length:?}: {} echoes ({} MiB), {} greetings, {} chat lines, {} stalled readers, \
         {} resets, {} months, {} datagrams flooded, {} single bytes; {memory} KiB, \
         {descriptors} descriptors, {} ms of processor time",
        done(&tally.echoed),
        done(&tally.echoed_bytes) >> 20,
        done(&tally.greeted),
        done(&tally.heard),
        done(&tally.stalls),
        done(&tally.resets),
        done(&tally.months),
        done(&tally.flooded),
        done(&tally.trickled),
        served.server.cpu_ms(),
    );
    (memory, descriptors)
}

#[test]
fn everything_at_once_for_long_leaves_the_server_as_it_was() {
    let seconds = std::env::var("SOAK").map_or(SECONDS, |text| text.parse().unwrap());
    let endpoints = [
        "echo+tcp://127.0.0.1:0",
        "greet+tcp://127.0.0.1:0",
        "chat+tcp://127.0.0.1:0",
        "talk+tcp://127.0.0.1:0",
        "echo+udp://127.0.0.1:0",
        "months+udp://127.0.0.1:0",
    ];
    let flags = ["--chat-rate", "off", "--chat-queue", "64k"];
    let mut served = Served::start(&endpoints, &flags);
    let (memory, descriptors) = soak(&mut served, Duration::from_secs(seconds) / 10);
    let mut last = memory;
    for _ in 0..9 {
        let (after, descriptors_after) = soak(&mut served, Duration::from_secs(seconds) / 10);
        assert_eq!(descriptors_after, descriptors);
        last = after;
    }
    eprintln!("{}", served.stats());
    assert!(last <= memory + GROWTH_KIB, "{memory} KiB at first, {last} KiB at last");
    let ended = {
        served.server.operator("/quit");
        served.server.ended()
    };
    assert_eq!(ended.status, 0);
    let complaints = ended.log.iter().filter(|l| l.contains("WARN") || l.contains("ERROR"));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&String>::new());
}
