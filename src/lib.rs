//! cooee: the little conversations networks are tested and taught with, served from one
//! hand-written poll loop.
//!
//! The README describes the program. This page is for whoever wants to serve a protocol of their
//! own from the same loop: one thread, one poll, thousands of connections, no async runtime.
//! Implement a trait, test it on a stage in memory, hand it to a [`Reactor`](reactor::Reactor).
//!
//! ```text
//! kernel <--> reactor    waits (mio), accepts; datagrams, signals, standard input
//!                |  says who is ready; its sockets implement `Sockets`
//!                v
//!             engine     `Driver`: turn after turn; connections, outboxes, timers, limits
//!                |  opened received finished closed ...     ^  send close wake_in ...
//!                v                                          |
//!             services   one protocol each, on streams or datagrams; yours would be one more
//! ```
//!
//! # Two traits
//!
//! - [`Service`](engine::Service) is a protocol over TCP, as *one* value for all its connections:
//!   what they share (the rooms of a chat) needs no lock, and what belongs to one of them lies in a
//!   [`Table`](engine::Table). It is told facts (`opened`, `received`, `finished`, `closed`, ...),
//!   of which only `received` must be written, and acts through the [`Net`](engine::Net) that comes
//!   with each: `send`, `close`, `wake_in`, `dial`, ...
//! - [`Responder`](engine::Responder) is a protocol over UDP: for each datagram in, at most one
//!   out.
//!
//! Neither ever sees a socket, reads a clock or waits, and nothing is called from another thread.
//!
//! # Depending on it
//!
//! It is not on crates.io. From a checkout, or from wherever its repository is:
//!
//! ```toml
//! [dependencies]
//! cooee = { path = "../cooee", default-features = false }
//! # or: cooee = { git = "URL of the repository", default-features = false }
//! ```
//!
//! All that this page is about is there without features. They are on by default, for the program:
//! `admin` adds `cooee serve --admin` and `cooee top`,
//! `bench` adds `cooee bench` (histograms, JSON, plots), `config` adds `cooee serve --config`, the
//! environment and SIGHUP, `manual` adds `cooee completions` and `cooee manual`, `systemd` takes
//! sockets from systemd and tells it how things are, `tls` has [`tls`] do more than refuse, and
//! `uring` lets a loop read and write many
//! connections in one system call, on a Linux that has io_uring, once it is asked to
//! ([`Reactor::use_uring`](reactor::Reactor::use_uring)).
//!
//! # A whole server
//!
//! Each peer is told how many lines it has sent so far; `bye` ends the conversation.
//!
//! ```no_run
//! use std::io;
//! use std::time::Duration;
//!
//! use cooee::engine::{Arrival, Limits, Net, Peer, Quota, Reason, Service, Table};
//! use cooee::reactor::{Families, Listening, Reactor, listen};
//!
//! #[derive(Default)]
//! struct Counter {
//!     lines: Table<u64>,
//! }
//!
//! impl Service for Counter {
//!     fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
//!         self.lines.insert(peer, 0);
//!     }
//!
//!     fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
//!         let Some(count) = self.lines.get_mut(peer) else { return input.len() };
//!         let mut used = 0;
//!         for line in input.split_inclusive(|byte| *byte == b'\n') {
//!             if !line.ends_with(b"\n") {
//!                 break; // not whole yet: it comes again, with more behind it
//!             }
//!             used += line.len();
//!             *count += 1;
//!             net.send(peer, format!("{count}\n").as_bytes());
//!             if line.trim_ascii() == b"bye" {
//!                 net.close(peer); // from here on it is sent nothing and not listened to
//!             }
//!         }
//!         used
//!     }
//!
//!     fn closed(&mut self, peer: Peer, _: Reason, _: &mut Net) {
//!         self.lines.remove(peer);
//!     }
//! }
//!
//! fn main() -> io::Result<()> {
//!     let mut reactor = Reactor::new(Limits::default())?;
//!     let quota = Quota { idle: Some(Duration::from_secs(60)), ..Quota::default() };
//!     let counter = reactor.engine().add_service("counter", quota, Box::<Counter>::default());
//!     let address = ([127, 0, 0, 1], 7000).into();
//!     reactor.add_listener(listen(address, Families::Both, &Listening::default())?, counter)?;
//!     loop {
//!         reactor.turn()?;
//!     }
//! }
//! ```
//!
//! `examples/qotd.rs` is another one, over UDP as well and with its tests. [`reactor`] says how to
//! end in order, [`guards`] whom a server listens to.
//!
//! # Time, and the end of the input
//!
//! A service has *one* alarm for all its peers, which names none of them: it keeps for itself what
//! is due when, asks for the earliest of these times ([`Net::wake_in`](engine::Net::wake_in),
//! [`Net::wake_at`](engine::Net::wake_at)), and asks again as long as any are left. An alarm may
//! come early, so look at the time. `finished` says that a peer has closed its side. It brings the
//! bytes that `received` left unused, as a rule the beginning of a line whose end will not come any
//! more; unless you write it, they are dropped and the connection is closed.
//!
//! This one greets each peer by the name that it gives, and turns away who gives none for ten
//! seconds:
//!
//! ```
//! use std::time::Duration;
//!
//! use cooee::engine::stage::Stage;
//! use cooee::engine::{Arrival, Net, Peer, Reason, Service, Table, Time};
//!
//! const PATIENCE: Duration = Duration::from_secs(10);
//!
//! #[derive(Default)]
//! struct Doorman {
//!     /// How long each peer may take.
//!     until: Table<Time>,
//! }
//!
//! impl Doorman {
//!     fn greet(&self, peer: Peer, name: &[u8], net: &mut Net) {
//!         net.send(peer, &[b"hello ", name, b"\n"].concat());
//!         net.close(peer);
//!     }
//! }
//!
//! impl Service for Doorman {
//!     fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
//!         self.until.insert(peer, net.now().after(PATIENCE));
//!         net.wake_in(PATIENCE); // if an earlier alarm has been asked for, that one comes first
//!     }
//!
//!     fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
//!         let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return 0 };
//!         self.greet(peer, &input[..end], net);
//!         end + 1
//!     }
//!
//!     fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
//!         self.greet(peer, rest, net); // it may still be listening
//!     }
//!
//!     fn alarm(&mut self, net: &mut Net) {
//!         for (peer, until) in self.until.iter() {
//!             match *until <= net.now() {
//!                 true => net.close(peer),
//!                 false => net.wake_at(*until), // of all these wishes the earliest counts
//!             }
//!         }
//!     }
//!
//!     fn closed(&mut self, peer: Peer, _: Reason, _: &mut Net) {
//!         self.until.remove(peer);
//!     }
//! }
//!
//! let mut stage = Stage::new(Doorman::default());
//! let (ann, bob) = (stage.join(), stage.join());
//! stage.pass(Duration::from_secs(9));
//! let late = stage.join();
//! stage.say(ann, "ann\n");
//! stage.say(bob, "bo");
//! stage.finish(bob);
//! assert_eq!((stage.hear(ann), stage.hear(bob)), ("hello ann\n".into(), "hello bo\n".into()));
//! stage.pass(Duration::from_secs(9));
//! assert!(!stage.is_over(late));
//! stage.pass(Duration::from_secs(1));
//! assert!(stage.is_over(late));
//! ```
//!
//! # A test
//!
//! A [`Stage`](engine::stage::Stage) is the engine that the server runs, with peers that are
//! buffers in memory and a clock that moves only when told to. No port, no thread, no sleep:
//!
//! ```
//! # use cooee::engine::{Arrival, Net, Peer, Reason, Service, Table};
//! # #[derive(Default)]
//! # struct Counter {
//! #     lines: Table<u64>,
//! # }
//! #
//! # impl Service for Counter {
//! #     fn opened(&mut self, peer: Peer, _: &Arrival, _: &mut Net) {
//! #         self.lines.insert(peer, 0);
//! #     }
//! #
//! #     fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
//! #         let Some(count) = self.lines.get_mut(peer) else { return input.len() };
//! #         let mut used = 0;
//! #         for line in input.split_inclusive(|byte| *byte == b'\n') {
//! #             if !line.ends_with(b"\n") {
//! #                 break; // not whole yet: it comes again, with more behind it
//! #             }
//! #             used += line.len();
//! #             *count += 1;
//! #             net.send(peer, format!("{count}\n").as_bytes());
//! #             if line.trim_ascii() == b"bye" {
//! #                 net.close(peer); // from here on it is sent nothing and not listened to
//! #             }
//! #         }
//! #         used
//! #     }
//! #
//! #     fn closed(&mut self, peer: Peer, _: Reason, _: &mut Net) {
//! #         self.lines.remove(peer);
//! #     }
//! # }
//! use cooee::engine::stage::Stage;
//!
//! let mut stage = Stage::new(Counter::default());
//! let (one, other) = (stage.join(), stage.join());
//! stage.say(one, "hello\nagain\n");
//! stage.say(other, "hello\n");
//! assert_eq!((stage.hear(one), stage.hear(other)), ("1\n2\n".into(), "1\n".into()));
//!
//! // Where the input is cut changes nothing.
//! for byte in b"more\nbye\n" {
//!     stage.say(one, [*byte]);
//! }
//! assert_eq!(stage.hear(one), "3\n4\n");
//! assert!(stage.is_over(one) && !stage.is_over(other));
//! ```
//!
//! # A turn
//!
//! Everything happens in turns: [`Reactor::turn`](reactor::Reactor::turn) waits for the kernel and
//! then has the [`Driver`](engine::Driver) go through one.
//!
//! 1. `begin_turn` sets the time. It stands still until the next turn.
//! 2. `accept` takes newcomers in (`opened`); `note` remembers whose socket is ready.
//! 3. `serve` reads from those who are, each within its share, and tells their services
//!    (`received`, `finished`). What these send is queued.
//! 4. `end_turn` fires timers (`alarm`), asks for what has been gathered (`settled`), and then
//!    writes to each peer that is owed something, in one call, and closes whom it has finished with
//!    (`closed`).
//!
//! # What is promised
//!
//! - For each peer `opened` comes first, and `closed` comes last, exactly once, however it ends.
//!   (Only a call that never got through has a `closed` and nothing before it.) A
//!   [`Peer`](engine::Peer) names one connection, ever; asked about one that is gone, everything
//!   finds nothing and nothing fails.
//! - A service is never re-entered: what its actions bring about is told after it has returned.
//! - Input comes in order, none lost and none twice that was used. What `received` leaves unused
//!   comes again, with more behind it. Where it is cut is chance, and no protocol may go by it.
//! - Sending does not wait and does not fail. What a peer is sent in one call leaves together, in
//!   the order in which it was sent, as a rule with all else of that turn. What was sent before
//!   `close` is written before the connection ends, unless the peer stops reading; input that
//!   nobody has read does not turn that into a RST.
//! - A peer that does not read is not read from either, and closed if more piles up than its
//!   service allows; one that sends much has its share of each turn and no more. Every queue has a
//!   limit with a name, which says what happens there: [`Limits`](engine::Limits) for all,
//!   [`Quota`](engine::Quota) for each service.
//! - What goes wrong with one peer ends at that peer, and its service is told why:
//!   [`Reason`](engine::Reason).
//!
//! # What is not promised
//!
//! - The library exists for the program and its tests: its interface may change with any version.
//! - That a peer has read what the kernel has taken. Only an answer of its own says so.
//! - In which order peers are served within a turn.
//! - A service that waits or computes for long makes everybody wait; one that panics ends the loop.
//!   A loop stays in the thread that made it. To use more cores, run more processes that listen
//!   with [`Listening::reuse_port`](reactor::Listening::reuse_port).
//! - Of TLS ([`tls`]): certificates of clients, ALPN, lists of what has been revoked.
//! - Name resolution, Windows. It is tested on Linux, 64 bits.
//!
//! # Inside
//!
//! Uses go one way: `engine` <- `rate` <- `guards`, `services` and `reactor` <- `server`, `client`
//! <- `cli`. Only `reactor` names mio; `engine`, `rate`, `guards` and `services` know no socket and
//! no clock. ARCHITECTURE.md has the whole house. The log goes to the crate `log`.
// One place has an argument for it: `reactor/uring/mod.rs`.
#![deny(unsafe_code)]

pub mod admin_address;
mod append;
#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "bus")]
pub mod bus;
pub mod cli;
pub mod client;
pub mod descriptors;
pub mod endpoint;
pub mod engine;
pub mod failure;
pub mod guards;
pub mod hex;
mod json;
pub mod knobs;
pub mod logging;
#[cfg(feature = "bus")]
pub mod nats;
pub mod outlet;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "bus")]
mod random;
pub mod rate;
pub mod reactor;
pub mod resolve;
pub mod server;
pub mod services;
mod spelling;
mod terminal;
mod through;
pub mod tls;
#[cfg(feature = "admin")]
pub mod top;
mod tty;
pub mod units;
