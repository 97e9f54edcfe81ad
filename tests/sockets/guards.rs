//! The guards against loops, floods and crowds: pure where time matters, and over real sockets.

#![allow(clippy::disallowed_methods)] // tests, which wait for real sockets

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use cooee::engine::{Responder, Time};
use cooee::guards::{DatagramGuard, Guards, Policy};
use cooee::services::{Settings, find};
use socket2::{Domain, Protocol, Socket, Type};

use crate::support::network::{ip, passes_in_own_network};
use crate::support::served::Served;
use crate::support::{PATIENCE, loudly};

/// A server on one host: its responders by port, behind one guard.
struct Host {
    address: IpAddr,
    guard: DatagramGuard,
    responders: Vec<(u16, Box<dyn Responder>)>,
}

impl Host {
    fn new(address: &str, services: &[(&str, u16)]) -> Host {
        let mut guard = Guards::new(&Policy::default(), 1).datagrams;
        let make = |(name, port): &(&str, u16)| {
            let make = find(name).and_then(|offer| offer.datagram).expect("a datagram service");
            (*port, make(&Settings::default()))
        };
        services.iter().for_each(|(_, port)| guard.opened(*port));
        let responders = services.iter().map(make).collect();
        Host { address: address.parse().unwrap(), guard, responders }
    }

    fn answer(&mut self, datagram: &Datagram, now: Time) -> Option<Datagram> {
        let (_, responder) =
            self.responders.iter_mut().find(|(port, _)| *port == datagram.to.port())?;
        self.guard.screen(datagram.from, Some(self.address)).ok()?;
        let reply = responder.answer(datagram.from, &datagram.payload)?;
        let to = datagram.from;
        self.guard.charge(to.ip(), reply.bytes.len(), reply.weight, now).ok()?;
        Some(Datagram { from: datagram.to, to, payload: reply.bytes.to_vec() })
    }
}

struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

/// How many answers one forged datagram makes in ten seconds, if a datagram takes 10 us.
fn storm(hosts: &mut [Host], first: Datagram) -> usize {
    let mut wire = VecDeque::from([first]);
    let mut answers = 0;
    for step in 0..1_000_000 {
        let Some(datagram) = wire.pop_front() else { break };
        let now = Time::at(Duration::from_micros(10 * step));
        let host = hosts.iter_mut().find(|host| host.address == datagram.to.ip());
        if let Some(answer) = host.and_then(|host| host.answer(&datagram, now)) {
            answers += 1;
            wire.push_back(answer);
        }
    }
    answers
}

#[test]
fn no_forged_datagram_sets_two_services_on_each_other_for_long() {
    let one = "192.0.2.1";
    let usual = [("echo", 5007), ("months", 8091)];
    let words = ["", "1", "13", "February", "1-12, or 0 to end", "Hello, may I ask for a month?"];
    for other in [one, "198.51.100.1"] {
        for moved in [usual, [("echo", 6007), ("months", 9091)]] {
            for (to, from) in usual.iter().flat_map(|to| moved.iter().map(move |m| (to, m))) {
                for word in words {
                    let mut hosts = vec![Host::new(one, &usual)];
                    if other != one {
                        hosts.push(Host::new(other, &moved));
                    }
                    let first = Datagram {
                        from: SocketAddr::new(other.parse().unwrap(), from.1),
                        to: SocketAddr::new(one.parse().unwrap(), to.1),
                        payload: word.into(),
                    };
                    let answers = storm(&mut hosts, first);
                    // A loop needs both ends to answer: as soon as one has had its rate, it
                    // is over for good.
                    assert!(answers <= 2300, "{to:?} {from:?} {word:?}: {answers}");
                    if moved == usual || other == one {
                        assert!(answers <= 1, "{to:?} {from:?} {word:?}: {answers}");
                    }
                }
            }
        }
    }
}

/// An IPv4 datagram with a forged sender (RFC 791, RFC 768), for a raw socket. The kernel fills in
/// the length and the checksum of the IP header; a UDP checksum of zero means none.
fn forged(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(from.0.octets());
    packet.extend(to.0.octets());
    for word in [from.1, to.1, length, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(payload);
    packet
}

fn forge(from: SocketAddr, to: SocketAddr, payload: &[u8]) {
    let v4 = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => (ip, address.port()),
        IpAddr::V6(_) => panic!("IPv4 only"),
    };
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
    raw.send_to(&forged(v4(from), v4(to), payload), &SocketAddr::new(to.ip(), 0).into()).unwrap();
}

/// All that a server counts as received.
fn datagrams(stats: &str) -> u64 {
    let (_, behind) = stats.split_once("datagrams: ").unwrap();
    behind.split(' ').next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "run by the test below, in a network namespace"]
fn inside_forged_datagrams_die_out() {
    ip("link set lo up");
    ip("addr add 192.0.2.1/32 dev lo");
    ip("addr add 198.51.100.1/32 dev lo");
    let here = ["echo+udp://192.0.2.1:5007", "months+udp://192.0.2.1:8091"];
    let alike = ["echo+udp://198.51.100.1:5007", "months+udp://198.51.100.1:8091"];
    let moved = ["echo+udp://198.51.100.1:6007", "months+udp://198.51.100.1:9091"];
    for there in [here, alike, moved] {
        let mut ours = Served::start(&here, &["--udp-rate", "200/s"]);
        let mut theirs = (there != here).then(|| Served::start(&there, &["--udp-rate", "200/s"]));
        let others = theirs.as_ref().unwrap_or(&ours).addresses.clone();
        for (to, from) in
            ours.addresses.clone().iter().flat_map(|to| others.iter().map(move |from| (*to, *from)))
        {
            for payload in ["", "1", "February", "Hello, may I ask for a month, please?"] {
                forge(from, to, payload.as_bytes());
            }
        }
        // A datagram of ours after them all: when it comes back, they have all arrived.
        let probe = UdpSocket::bind("192.0.2.1:0").unwrap();
        probe.set_read_timeout(Some(PATIENCE)).unwrap();
        let answered = if there == moved {
            // A loop between free ports lasts until one side has had its rate, and no longer.
            ours.wait_until("16 forged datagrams", |stats| datagrams(stats) >= 16);
            ours.wait_until("the storm", |stats| {
                let quiet = theirs.as_mut().unwrap().stats();
                stats.contains("over --udp-rate") || quiet.contains("over --udp-rate")
            });
            ours.wait_until("silence", {
                let mut before = String::new();
                move |stats| std::mem::replace(&mut before, stats.to_string()) == stats
            })
        } else {
            probe.send_to(b"still there", ours.addresses[0]).unwrap();
            let mut reply = [0; 32];
            assert_eq!(probe.recv(&mut reply).unwrap(), 11);
            assert_eq!(ours.stat("from own ports"), 16);
            ours.stats()
        };
        assert!(datagrams(&answered) < 1000, "{answered}");
        eprintln!("{there:?}: {answered}");
    }
}

#[test]
fn forged_datagrams_between_servers_die_out_over_real_sockets() {
    passes_in_own_network("guards::inside_forged_datagrams_die_out");
}

#[test]
fn a_flood_over_the_rate_is_not_answered_and_the_service_goes_on() {
    let flags = ["--udp-rate", "20/s", "--udp-rate-loopback"];
    let mut server = Served::start(&["echo+udp://:0"], &flags);
    let flooder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let neighbour = UdpSocket::bind("127.0.1.1:0").unwrap();
    for _ in 0..200 {
        flooder.send_to(b"flood", server.addresses[0]).unwrap();
    }
    server.wait_until("200 datagrams", |stats| datagrams(stats) == 200);
    let over = server.stat("over --udp-rate");
    assert!((100..=180).contains(&over), "{over} of 200 were refused");
    neighbour.set_read_timeout(Some(PATIENCE)).unwrap();
    neighbour.send_to(b"hello", server.addresses[0]).unwrap();
    let mut reply = [0; 16];
    assert_eq!(neighbour.recv(&mut reply).unwrap(), 5, "another network has its own rate");
}

#[test]
fn datagrams_from_own_and_low_ports_are_counted_and_dropped() {
    let mut server = Served::start(&["echo+udp://127.0.0.1:0", "months+udp://127.0.0.1:0"], &[]);
    // The same port on another address, as a second server on another machine would have.
    let port = server.addresses[1].port();
    let alike = UdpSocket::bind(("127.0.0.9", port)).unwrap();
    alike.send_to(b"2", server.addresses[0]).unwrap();
    server.wait_until("a datagram", |stats| stats.contains("1 from own ports"));
    if let Ok(low) = UdpSocket::bind("127.0.0.9:1000") {
        low.send_to(b"2", server.addresses[1]).unwrap();
        server.wait_until("another", |stats| stats.contains("1 from ports below 1024"));
    } else {
        loudly("NOT TESTED, because it needs root: datagrams from ports below 1024");
    }
    assert!(server.stats().contains("0 out"));
}

/// Echoes one word over a new connection, which stays open.
fn echo(server: &Served, from: &str) -> Result<TcpStream, ErrorKind> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&server.addresses[0].into()).map_err(|error| error.kind())?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"word").map_err(|error| error.kind())?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).map_err(|error| error.kind())?;
    assert_eq!(&reply, b"word");
    Ok(stream)
}

#[test]
fn one_source_has_its_connections_and_the_others_theirs() {
    let mut server = Served::start(&["echo+tcp://:0"], &["--max-per-ip", "2"]);
    let first = echo(&server, "127.0.0.1").unwrap();
    let _second = echo(&server, "127.0.0.1").unwrap();
    assert!(echo(&server, "127.0.0.1").is_err());
    let _neighbour = echo(&server, "127.0.0.2").unwrap();
    assert_eq!(server.stat("over --max-per-ip"), 1);
    drop(first);
    server.wait_until("the first to be gone", |stats| stats.contains("(2 open)"));
    let _third = echo(&server, "127.0.0.1").unwrap();
}

#[test]
fn a_network_above_its_rate_is_refused_and_the_others_are_not() {
    let mut server = Served::start(&["echo+tcp://:0"], &["--accept-rate", "5/m"]);
    let _first = echo(&server, "127.0.0.1").unwrap();
    for _ in 0..20 {
        assert!(echo(&server, "127.0.0.2").is_err(), "the same /24");
    }
    let _neighbour = echo(&server, "127.0.1.1").unwrap();
    assert_eq!(server.stat("over --accept-rate"), 20);
}

#[test]
fn networks_are_allowed_and_denied_over_both_transports() {
    let flags = ["--deny", "127.0.0.0/8", "--allow", "127.0.0.0/30", "--deny", "127.0.0.2"];
    let mut server = Served::start(&["echo+tcp://:0", "echo+udp://:0"], &flags);
    let _allowed = echo(&server, "127.0.0.1").unwrap();
    assert!(echo(&server, "127.0.0.2").is_err());
    assert!(echo(&server, "127.0.0.9").is_err());
    let denied = UdpSocket::bind("127.0.0.2:0").unwrap();
    denied.send_to(b"hello", server.addresses[1]).unwrap();
    server.wait_until("both", |stats| {
        stats.contains("1 denied over UDP") && stats.contains("2 denied over TCP")
    });
}

#[test]
fn what_was_sent_to_a_whole_network_is_not_answered_and_counted() {
    let mut served = Served::start(&["echo+udp://0.0.0.0:0"], &["-v"]);
    let port = served.addresses[0].port();
    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    asker.set_broadcast(true).unwrap();
    asker.send_to(b"anybody?", ("127.255.255.255", port)).unwrap();
    asker.send_to(b"you?", ("127.0.0.1", port)).unwrap();
    asker.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 64];
    let (count, from) = asker.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..count], from.ip()), (&b"you?"[..], Ipv4Addr::LOCALHOST.into()));
    assert_eq!(served.stat("from impossible addresses"), 1);
    assert_eq!(served.stat("answers dropped"), 0, "the kernel was not even asked");
}
