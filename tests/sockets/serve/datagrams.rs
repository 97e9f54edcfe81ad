//! Datagrams: boundaries, sizes, many at once, and the address that was asked answers.

use std::collections::BTreeSet;

use crate::support::{Datagrams, Server, at, has_ipv6, pattern};

#[test]
fn datagrams_of_every_size_come_back_one_for_one() {
    let mut server = Server::start(&["echo+udp://:0"]);
    let client = Datagrams::to(server.address("echo+udp"));
    for size in [5, 0, 1, 1400, 1401, 1472, 1473, 9_000, 65_507, 0, 5] {
        let payload = pattern(size, size);
        client.say(&payload);
        assert!(client.hear() == payload, "{size} bytes");
    }
}

#[test]
fn large_datagrams_come_back_over_ipv6_too() {
    if !has_ipv6() {
        return;
    }
    let mut server = Server::start(&["echo+udp://[::1]:0"]);
    let client = Datagrams::to(server.address("echo+udp"));
    // Beyond 65,488 bytes not even the loopback takes them in one packet.
    for size in [1453, 65_488, 65_489, 65_507] {
        let payload = pattern(size, size);
        client.say(&payload);
        assert!(client.hear() == payload, "{size} bytes");
    }
}

#[test]
fn datagrams_sent_in_a_row_stay_apart() {
    let mut server = Server::start(&["echo+udp://:0"]);
    let client = Datagrams::to(server.address("echo+udp"));
    // Equal ones may share a call on their way out; a longer, a shorter and an empty one may not.
    let sizes = [100, 100, 100, 200, 100, 0, 0, 100, 50, 50, 1400, 1400, 7, 1401, 1401];
    for _ in 0..20 {
        let sent: Vec<Vec<u8>> = (0..).zip(sizes).map(|(seed, size)| pattern(seed, size)).collect();
        sent.iter().for_each(|payload| client.say(payload));
        let heard: Vec<Vec<u8>> = sizes.iter().map(|_| client.hear()).collect();
        assert_eq!(sorted(heard), sorted(sent));
    }
}

fn sorted(mut payloads: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    payloads.sort();
    payloads
}

#[test]
fn a_thousand_datagrams_from_twenty_sockets_come_back_to_the_socket_that_sent_them() {
    let mut server = Server::start(&["echo+udp://:0"]);
    let address = server.address("echo+udp");
    let clients: Vec<Datagrams> = (0..20).map(|_| Datagrams::to(address)).collect();
    let payloads = |client: usize, round: usize| {
        (0..5).map(move |number| format!("socket {client}, round {round}, number {number}"))
    };
    for round in 0..10 {
        for (number, client) in clients.iter().enumerate() {
            payloads(number, round).for_each(|payload| client.say(payload));
        }
        for (number, client) in clients.iter().enumerate() {
            let heard: BTreeSet<String> =
                (0..5).map(|_| String::from_utf8(client.hear()).unwrap()).collect();
            assert_eq!(heard, payloads(number, round).collect());
        }
    }
    server.operator("/stats");
    server.screen.wait_for_line("datagrams: 1000 in, 1000 out");
}

/// Asks the server with sockets that take an answer only from the address they asked.
fn each_answers_for_itself(server: &mut Server, hosts: &[&str]) {
    let address = server.address("echo+udp");
    for host in hosts {
        let client = Datagrams::to(at(host, address));
        for payload in [&b"who are you?"[..], b"", &[7; 3000]] {
            client.say(payload);
            assert_eq!(client.hear(), payload, "asked at {host}");
        }
    }
}

#[test]
fn on_a_wildcard_socket_the_address_that_was_asked_answers() {
    let mut server = Server::start(&["echo+udp://0.0.0.0:0"]);
    each_answers_for_itself(&mut server, &["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
}

#[test]
fn on_an_ipv6_wildcard_socket_the_address_that_was_asked_answers_for_both_families() {
    if !has_ipv6() {
        return;
    }
    let mut server = Server::start(&["echo+udp://[::]:0"]);
    each_answers_for_itself(&mut server, &["::1", "127.0.0.2", "127.0.0.1", "::1"]);
}

#[test]
fn datagrams_from_several_addresses_in_one_batch_are_answered_from_each() {
    let mut server = Server::start(&["echo+udp://0.0.0.0:0"]);
    let address = server.address("echo+udp");
    let hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];
    let clients: Vec<Datagrams> =
        hosts.iter().map(|host| Datagrams::to(at(host, address))).collect();
    for round in 0..25 {
        let payload = |number: usize| format!("round {round}, client {number}");
        for _ in 0..2 {
            (clients.iter().enumerate()).for_each(|(number, client)| client.say(payload(number)));
        }
        for (number, client) in clients.iter().enumerate() {
            for _ in 0..2 {
                assert_eq!(String::from_utf8(client.hear()).unwrap(), payload(number));
            }
        }
    }
}
