//! What the tests over real sockets share: a server as a child process, clients as people write
//! them, and a way to say loudly that something could not be tested. Deadlines only end tests
//! that have failed: nothing here sleeps to wait for something.

mod client;
pub(crate) mod filter;
mod folder;
pub(crate) mod lines;
#[cfg(feature = "bus")]
#[allow(dead_code)] // each test binary uses its own part
pub(crate) mod nats;
pub(crate) mod network;
mod process;
pub(crate) mod rng;
pub(crate) mod served;
mod server;
pub(crate) mod terminal;

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use rng::Rng;

pub(crate) use client::{Datagrams, Member, Tcp};
pub(crate) use filter::{cooee, end, start};
pub(crate) use folder::Folder;
pub(crate) use process::{free_port, let_children_heed_signals, raise_descriptor_limit, refused};
pub(crate) use server::Server;

/// How long anything may take before its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing must happen where a test asserts that nothing happens.
pub(crate) const QUIET: Duration = Duration::from_millis(400);

/// What the months service answers.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Bytes in which a lost, doubled or displaced piece shows.
pub(crate) fn pattern(seed: usize, length: usize) -> Vec<u8> {
    Rng::new(seed as u64).bytes(length)
}

/// Whether `bytes` are `piece` repeated, the last one perhaps cut short.
pub(crate) fn is_repeated(piece: &[u8], bytes: &[u8]) -> bool {
    bytes.chunks(piece.len()).all(|part| part == &piece[..part.len()])
}

/// Whether this machine has IPv6 on its loopback. If not, says loudly that what needs it is not
/// tested.
pub(crate) fn has_ipv6() -> bool {
    match UdpSocket::bind("[::1]:0") {
        Ok(_) => true,
        Err(error) => {
            loudly(&format!("NOT TESTED, because there is no IPv6 on this machine: {error}"));
            false
        }
    }
}

/// Prints past the test harness, which swallows what passing tests print.
pub(crate) fn loudly(text: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "\n*** {name}: {text}");
}

/// `address` with another host, for the listeners on wildcard addresses.
pub(crate) fn at(host: &str, address: SocketAddr) -> SocketAddr {
    SocketAddr::new(host.parse().expect("an IP address"), address.port())
}
