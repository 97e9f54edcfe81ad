//! A bare edge-triggered epoll loop that speaks echo, greet and chat, as lean as safe Rust and
//! plain system calls allow: what the answers themselves cost on this machine. Its UDP is in
//! `bare_datagrams`; at a unix socket it listens as at a port.
//!
//! It is no server for anybody else: it has no limits, no timeouts, no log, never gives up a slow
//! reader, and ends at the first error that is not a peer's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags};
use socket2::{SockAddr, Socket, Type};

use crate::bare_datagrams;

/// Events taken in one call.
const EVENTS_MAX: usize = 1024;
/// What is read at once, into one buffer for all peers.
const READ_BYTES: usize = 64 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Serves `endpoint`, SERVICE+TRANSPORT://ADDRESS, until it is killed. The real endpoint is
/// written to the file `announce` once it listens.
pub(crate) fn serve(endpoint: &str, announce: &Path) -> io::Result<()> {
    let wrong = || io::Error::other(format!("no such service: {endpoint}"));
    let (service, address) = endpoint.split_once("://").ok_or_else(wrong)?;
    let tell = |address: &str| {
        let unfinished = announce.with_extension("unfinished");
        fs::write(&unfinished, format!("{service}://{address}\n"))?;
        fs::rename(&unfinished, announce)
    };
    let words = match service {
        "echo+udp" => {
            let address = address.parse().map_err(|_| wrong())?;
            return bare_datagrams::serve(address, |address| tell(&address.to_string()));
        }
        "echo+tcp" | "echo+unix" => Words::Echo,
        "greet+tcp" => Words::Greet(Vec::new()),
        "chat+tcp" => Words::Chat(Room::default()),
        _ => return Err(wrong()),
    };
    let listener = match address.strip_prefix('@') {
        Some(name) => listen(&SockAddr::unix(format!("\0{name}"))?)?,
        None => listen(&address.parse::<SocketAddr>().map_err(|_| wrong())?.into())?,
    };
    let taken = listener.local_addr()?.as_socket();
    tell(&taken.map_or(address.into(), |taken| taken.to_string()))?;
    Loop::new(listener, words)?.run()
}

fn listen(address: &SockAddr) -> io::Result<Socket> {
    let listener = Socket::new(address.domain(), Type::STREAM, None)?;
    listener.set_nonblocking(true)?;
    if !address.is_unix() {
        listener.set_reuse_address(true)?;
        // Accepted sockets inherit it.
        listener.set_tcp_nodelay(true)?;
    }
    listener.bind(address)?;
    listener.listen(BACKLOG)?;
    Ok(listener)
}

/// What is said to a peer.
enum Words {
    Echo,
    /// The greeting, here so that its memory is used again.
    Greet(Vec<u8>),
    Chat(Room),
}

/// A connection: its descriptor is its place in the table, and its token.
struct Peer {
    socket: OwnedFd,
    /// What the kernel did not take yet.
    unsent: Vec<u8>,
}

struct Loop {
    epoll: OwnedFd,
    listener: Socket,
    peers: Vec<Option<Peer>>,
    buffer: Box<[u8]>,
    words: Words,
}

fn index(socket: &impl AsRawFd) -> usize {
    socket.as_raw_fd().unsigned_abs() as usize
}

impl Loop {
    fn new(listener: Socket, words: Words) -> io::Result<Loop> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let token = EventData::new_u64(index(&listener) as u64);
        epoll::add(&epoll, &listener, token, EventFlags::IN | EventFlags::ET)?;
        let buffer = vec![0; READ_BYTES].into_boxed_slice();
        Ok(Loop { epoll, listener, peers: Vec::new(), buffer, words })
    }

    #[allow(clippy::cast_possible_truncation)] // tokens are descriptors
    fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Err(Errno::INTR) => continue,
                done => done?,
            };
            for event in &events {
                let (flags, token) = (event.flags, event.data.u64() as usize);
                if token == index(&self.listener) {
                    self.accept()?;
                } else if !self.serve(token, flags) {
                    self.peers[token] = None;
                }
            }
            if let Words::Chat(room) = &mut self.words {
                room.publish(&mut self.peers);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        loop {
            let (socket, remote) = match net::acceptfrom_with(&self.listener, flags) {
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => continue,
                done => done?,
            };
            match &mut self.words {
                Words::Greet(text) => {
                    let remote = remote.and_then(|any| SocketAddr::try_from(any).ok());
                    greet(&socket, remote, text)?;
                    continue;
                }
                // The bench need not wait then to see whether somebody is in.
                Words::Chat(_) => drop(net::send(&socket, b"welcome\n", SendFlags::NOSIGNAL)),
                Words::Echo => {}
            }
            let all = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            let token = index(&socket);
            epoll::add(&self.epoll, &socket, EventData::new_u64(token as u64), all)?;
            if token >= self.peers.len() {
                self.peers.resize_with(token + 1, || None);
            }
            self.peers[token] = Some(Peer { socket, unsent: Vec::new() });
        }
    }

    /// Serves the peer that an event is about. False: it has gone.
    fn serve(&mut self, token: usize, flags: EventFlags) -> bool {
        let Some(Some(peer)) = self.peers.get_mut(token) else { return true };
        if !peer.unsent.is_empty() && flags.contains(EventFlags::OUT) && !peer.flush() {
            return true;
        }
        if !flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::ERR) {
            return !flags.contains(EventFlags::HUP);
        }
        match &mut self.words {
            // While the peer does not take its echo, nothing more is read; the event that says
            // that it does again tells of input, too.
            Words::Echo if !peer.unsent.is_empty() => true,
            Words::Echo => drain(peer, flags, &mut self.buffer, Peer::post),
            Words::Chat(room) => {
                let stays = drain(peer, flags, &mut self.buffer, |_, input| {
                    room.hear(token, input);
                    true
                });
                if !stays {
                    room.unfinished.remove(&token);
                }
                stays
            }
            Words::Greet(_) => true,
        }
    }
}

/// Reads until nothing is left, or `take` has enough. A short read is the last, unless more than
/// input is announced. False: the peer has gone.
fn drain(
    peer: &mut Peer,
    flags: EventFlags,
    buffer: &mut [u8],
    mut take: impl FnMut(&mut Peer, &[u8]) -> bool,
) -> bool {
    let is_over = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
    loop {
        let count = match net::recv(&peer.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, count)) => count,
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        };
        if count == 0 {
            return false;
        }
        if !take(peer, &buffer[..count]) || (count < buffer.len() && !is_over) {
            return true;
        }
    }
}

impl Peer {
    /// Sends `bytes`, and keeps what the kernel does not take. True: it took all.
    fn post(&mut self, bytes: &[u8]) -> bool {
        let sent = match self.unsent.is_empty() {
            true => self.send(bytes),
            false => 0,
        };
        self.unsent.extend_from_slice(&bytes[sent..]);
        self.unsent.is_empty()
    }

    /// Sends what was kept. True: the kernel took all.
    fn flush(&mut self) -> bool {
        let sent = self.send(&self.unsent);
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
        self.unsent.is_empty()
    }

    /// How much the kernel took. Nobody gets what is sent to a broken connection: its next event
    /// ends it.
    fn send(&self, bytes: &[u8]) -> usize {
        match net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(count) => count,
            Err(Errno::AGAIN) => 0,
            Err(_) => bytes.len(),
        }
    }
}

/// The plain way: what is written is sent, then the socket is closed.
fn greet(socket: &OwnedFd, remote: Option<SocketAddr>, text: &mut Vec<u8>) -> io::Result<()> {
    let Some(remote) = remote else { return Ok(()) };
    text.clear();
    writeln!(text, "Hello! You are connected to ('{}', {})", remote.ip(), remote.port())?;
    // Fails only if the peer is gone already.
    let _ = net::send(socket, text, SendFlags::NOSIGNAL);
    Ok(())
}

/// What is said in one turn.
#[derive(Default)]
struct Room {
    /// Lines that have not ended yet.
    unfinished: BTreeMap<usize, Vec<u8>>,
    said: Vec<u8>,
    /// Who said what of it.
    own: Vec<(usize, Range<usize>)>,
    /// What a speaker is sent: the rest.
    others: Vec<u8>,
}

impl Room {
    fn hear(&mut self, member: usize, mut input: &[u8]) {
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            let from = self.said.len();
            // Writing to memory does not fail.
            let _ = write!(self.said, "<guest{member}> ");
            self.said.extend(self.unfinished.remove(&member).unwrap_or_default());
            self.said.extend_from_slice(&input[..=end]);
            self.own.push((member, from..self.said.len()));
            input = &input[end + 1..];
        }
        if !input.is_empty() {
            self.unfinished.entry(member).or_default().extend_from_slice(input);
        }
    }

    /// One send to each member: all that was said in this turn, but not what it said itself.
    fn publish(&mut self, peers: &mut [Option<Peer>]) {
        if self.said.is_empty() {
            return;
        }
        for (member, peer) in peers.iter_mut().enumerate() {
            let Some(peer) = peer else { continue };
            if !self.own.iter().any(|(speaker, _)| *speaker == member) {
                peer.post(&self.said);
                continue;
            }
            self.others.clear();
            for (_, range) in self.own.iter().filter(|(speaker, _)| *speaker != member) {
                self.others.extend_from_slice(&self.said[range.clone()]);
            }
            if !self.others.is_empty() {
                peer.post(&self.others);
            }
        }
        self.said.clear();
        self.own.clear();
    }
}
