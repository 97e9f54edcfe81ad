//! Streams: long ones, many of them, broken ones, and floods.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::support::{Server, Tcp, is_repeated, pattern, raise_descriptor_limit};

fn echo(words: &[&str]) -> (Server, SocketAddr) {
    let mut server = Server::start(&[&["echo+tcp://:0"], words].concat());
    let address = server.address("echo+tcp");
    (server, address)
}

#[test]
fn ten_mebibytes_in_flight_both_ways_come_back_whole_after_a_half_close() {
    let (mut server, address) = echo(&[]);
    let sent = pattern(1, 10 << 20);
    let mut client = Tcp::connect(address);
    let mut writer = Tcp::of(client.0.try_clone().unwrap());
    let heard = thread::scope(|scope| {
        scope.spawn(|| {
            writer.say(&sent);
            writer.finish();
        });
        client.hear_all()
    });
    assert_eq!(heard.len(), sent.len());
    assert!(heard == sent, "the bytes are the same");
    server.log.wait_for_line("#1 echo closed: closed by the peer (in 10.0 MiB, out 10.0 MiB");
}

#[test]
fn two_thousand_connections_at_once_all_get_their_own_bytes() {
    raise_descriptor_limit(5_000);
    let (_server, address) = echo(&[]);
    let mut clients: Vec<Tcp> = (0..2_000).map(|_| Tcp::connect(address)).collect();
    for round in 0..2 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.say(pattern(number, 100 + round));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.hear_bytes(100 + round), pattern(number, 100 + round), "{number}");
        }
    }
    for client in &mut clients {
        client.finish();
        assert_eq!(client.hear(), "", "nothing but that");
    }
}

#[test]
fn a_client_that_never_reads_is_not_read_any_more_and_costs_nobody_anything() {
    let (mut server, address) = echo(&[]);
    let mut other = Tcp::connect(address);
    other.echoes("before");
    let memory = server.memory_kib();
    let mut mute = Tcp::connect(address);
    let chunk = pattern(2, 64_007);
    // What the kernel's buffers take is a few MiB; a server that goes on reading takes it all.
    let written = mute.stuff(&chunk, 64 << 20);
    assert!(written > 256 << 10, "it took {written} bytes before it stopped");
    other.echoes("meanwhile");
    let cpu = server.cpu_ms();
    other.hears_nothing();
    assert!(server.cpu_ms() - cpu < 100, "the server spins");
    let grown = server.memory_kib().saturating_sub(memory);
    assert!(grown < 4096, "{grown} KiB for one client that does not read");
    // Once it reads, all of it is there.
    mute.finish();
    let heard = mute.hear_all();
    assert_eq!(heard.len(), written);
    assert!(is_repeated(&chunk, &heard), "in order");
    server.log.wait_for_line("#2 echo closed: closed by the peer");
}

#[test]
fn a_reset_in_the_middle_of_a_transfer_is_logged_and_concerns_nobody_else() {
    let (mut server, address) = echo(&[]);
    let mut other = Tcp::connect(address);
    other.echoes("before");
    let mut client = Tcp::connect(address);
    let chunk = pattern(3, 64 << 10);
    let mut buffer = [0; 1000];
    for _ in 0..20 {
        client.say(&chunk);
        client.0.read_exact(&mut buffer).unwrap();
    }
    SockRef::from(&client.0).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    server.log.wait_for_line("#2 echo closed: reset by the peer");
    other.echoes("after");
    Tcp::connect(address).echoes("somebody new");
}

/// Connects, sends before it reads, and returns what it was told.
fn impatient(address: SocketAddr, bytes: &[u8]) -> std::io::Result<(Vec<u8>, SocketAddr)> {
    let mut client = Tcp::connect(address);
    client.0.write_all(bytes)?;
    let mut heard = Vec::new();
    client.0.read_to_end(&mut heard)?;
    Ok((heard, client.local()))
}

#[test]
fn of_ten_thousand_clients_that_speak_before_they_read_none_loses_the_greeting() {
    const THREADS: usize = 4;
    let mut server = Server::start(&["greet://:0"]);
    let address = server.address("greet+tcp");
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for number in 0..10_000 / THREADS {
                    let bytes = pattern(thread, 1 + number % 700);
                    let (heard, local) = impatient(address, &bytes)
                        .unwrap_or_else(|error| panic!("client {number}: {error}"));
                    let wanted =
                        format!("Hello! You are connected to ('127.0.0.1', {})\n", local.port());
                    assert_eq!(String::from_utf8_lossy(&heard), wanted, "client {number}");
                }
            });
        }
    });
    server.operator("/stats");
    server.screen.wait_for_line("connections: 10000 ");
}

#[test]
fn a_greeted_client_may_send_a_flood_first_and_still_be_greeted() {
    let mut server = Server::start(&["greet://:0"]);
    let address = server.address("greet+tcp");
    for _ in 0..20 {
        let (heard, _) = impatient(address, &pattern(4, 1 << 20)).unwrap();
        assert!(heard.starts_with(b"Hello! You are connected to"), "{heard:?}");
    }
}

#[test]
fn a_flood_of_connections_is_logged_as_a_hundred_lines_a_second_and_a_count_of_the_rest() {
    let mut server = Server::start(&["greet://:0"]);
    let address = server.address("greet+tcp");
    for _ in 0..1_000 {
        Tcp::connect(address).hear_all();
    }
    // Each connection has a line when it comes and one when it goes.
    let (mut times, mut withheld, mut counts) = (Vec::new(), 0, 0);
    while times.len() + withheld < 2_000 {
        let line = server.log.next_line();
        if line.contains("more lines about connections withheld") {
            withheld += line.split(' ').find_map(|word| word.parse::<usize>().ok()).unwrap();
            counts += 1;
        } else {
            assert!(line.contains(" greet "), "{line}");
            let time = line[1..].split(' ').next().unwrap();
            times.push(time.parse::<jiff::Timestamp>().unwrap().as_second());
        }
    }
    assert_eq!(times.len() + withheld, 2_000, "every line is written or counted, once");
    let seconds = times.last().unwrap() - times.first().unwrap() + 2;
    let allowed = 100 * usize::try_from(seconds).unwrap();
    assert!(times.len() <= allowed, "{} lines in about {seconds} s", times.len());
    assert!(counts >= 1 && i64::from(counts) <= seconds, "{counts} counts in {seconds} s");
}

#[test]
fn urgent_data_come_back_in_their_place_and_nothing_behind_them_waits() {
    let (_server, address) = echo(&[]);
    let mut client = Tcp::connect(address);
    for _ in 0..100 {
        client.say("abc");
        SockRef::from(&client.0).send_out_of_band(b"!").unwrap();
        client.say("def");
        assert_eq!(client.hear_bytes(7), b"abc!def");
    }
}
