//! What lies between two hosts: a path that takes only small packets, in a network namespace of
//! the test's own.

use crate::support::network::{ip, passes_in_own_network};
use crate::support::served::Served;
use crate::support::{Datagrams, pattern};

#[test]
#[ignore = "run by the test below, in a network namespace"]
fn inside_large_and_many_datagrams_cross_a_narrow_path() {
    // The least that IPv6 allows (RFC 8200, 5); answers of 1,300 bytes do not fit a packet.
    ip("link set lo mtu 1280");
    ip("link set lo up");
    let mut server = Served::start(&["echo+udp://127.0.0.1:0", "echo+udp://[::1]:0"], &[]);
    for address in server.addresses.clone() {
        let client = Datagrams::to(address);
        for size in [1300, 5000, 40_000] {
            let payload = pattern(size, size);
            client.say(&payload);
            assert!(client.hear() == payload, "{size} bytes to {address}");
        }
        // In a row, so that they are answered together.
        let burst: Vec<Vec<u8>> = (0..30).map(|seed| pattern(seed, 1300)).collect();
        burst.iter().for_each(|payload| client.say(payload));
        let mut heard: Vec<Vec<u8>> = burst.iter().map(|_| client.hear()).collect();
        heard.sort();
        let mut sent = burst;
        sent.sort();
        assert!(heard == sent, "a burst to {address}");
    }
    assert_eq!(server.stat("answers dropped"), 0);
}

#[test]
fn large_and_many_datagrams_cross_a_narrow_path() {
    passes_in_own_network("narrow_path::inside_large_and_many_datagrams_cross_a_narrow_path");
}
