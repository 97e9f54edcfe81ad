//! Clients with blocking sockets, as the lab sheets write them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::QUIET;

/// A read or write that takes longer fails its test.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Calls again if a signal came between: a process that is stopped and continued gets EINTR from
/// sockets with a timeout (signal(7)).
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A connected stream.
pub(crate) struct Tcp(pub(crate) TcpStream);

impl Tcp {
    /// Connects.
    pub(crate) fn connect(to: SocketAddr) -> Tcp {
        Tcp::of(TcpStream::connect(to).expect("the server listens"))
    }

    /// Takes over a connection that has been made.
    pub(crate) fn of(stream: TcpStream) -> Tcp {
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Tcp(stream)
    }

    /// The address that the server sees.
    pub(crate) fn local(&self) -> SocketAddr {
        self.0.local_addr().expect("connected")
    }

    /// Sends all of it.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("the server takes it");
    }

    /// One read, as the lab sheets have it.
    pub(crate) fn hear(&mut self) -> String {
        let mut buffer = [0; 1024];
        let count = self.read(&mut buffer).expect("an answer");
        String::from_utf8(buffer[..count].to_vec()).expect("text")
    }

    /// One read into `buffer`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| self.0.read(buffer))
    }

    /// Reads exactly `count` bytes.
    pub(crate) fn hear_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("that many bytes");
        bytes
    }

    /// Reads until the server closes.
    pub(crate) fn hear_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).expect("an end without an error");
        bytes
    }

    /// Says `text` and asserts that it comes back.
    pub(crate) fn echoes(&mut self, text: &str) {
        self.say(text);
        assert_eq!(String::from_utf8_lossy(&self.hear_bytes(text.len())), text);
    }

    /// Asserts that the server has nothing to say for a while.
    pub(crate) fn hears_nothing(&mut self) {
        self.0.set_read_timeout(Some(QUIET)).expect("a timeout");
        let mut buffer = [0; 1024];
        match self.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("expected silence, got {other:?}"),
        }
        self.0.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    }

    /// Sends our FIN.
    pub(crate) fn finish(&self) {
        self.0.shutdown(Shutdown::Write).expect("connected");
    }

    /// Writes `bytes` again and again until the server has taken none for `QUIET`, and returns
    /// how many went out. More than `most`, and the test fails.
    pub(crate) fn stuff(&mut self, bytes: &[u8], most: usize) -> usize {
        self.0.set_write_timeout(Some(QUIET)).expect("a timeout");
        let mut written = 0;
        loop {
            assert!(written <= most, "the server takes {written} bytes and more");
            match uninterrupted(|| self.0.write(&bytes[written % bytes.len()..])) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return written,
                Err(error) => panic!("after {written} bytes: {error}"),
            }
        }
    }
}

/// A datagram socket connected to the server: it takes answers from the address that it asked
/// and from no other.
pub(crate) struct Datagrams(pub(crate) UdpSocket);

impl Datagrams {
    /// A socket on the loopback for a server there.
    pub(crate) fn to(server: SocketAddr) -> Datagrams {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).expect("a socket");
        socket.connect(server).expect("a route");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        Datagrams(socket)
    }

    /// Sends one datagram.
    pub(crate) fn say(&self, bytes: impl AsRef<[u8]>) {
        self.0.send(bytes.as_ref()).expect("sent");
    }

    /// Receives one datagram.
    pub(crate) fn hear(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let count = uninterrupted(|| self.0.recv(&mut buffer)).expect("an answer");
        buffer.truncate(count);
        buffer
    }

    /// Sends one datagram and returns the answer as text.
    pub(crate) fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        self.say(bytes);
        String::from_utf8(self.hear()).expect("text")
    }
}

/// A chat member with a raw socket, reading line by line.
pub(crate) struct Member {
    tcp: Tcp,
    pending: Vec<u8>,
}

impl Member {
    /// Joins and returns once the server has told the name.
    pub(crate) fn join(server: SocketAddr) -> (Member, String) {
        let mut member = Member { tcp: Tcp::connect(server), pending: Vec::new() };
        let line = member.wait_for_line("guest");
        let start = line.find("guest").expect("a name");
        let is_name = |c: &char| c.is_ascii_alphanumeric();
        let name = line[start..].chars().take_while(is_name).collect();
        (member, name)
    }

    /// Sends `text` as a line.
    pub(crate) fn say(&mut self, text: &str) {
        self.tcp.say(format!("{text}\n"));
    }

    /// The next line; `None` once the server has closed.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Some(String::from_utf8(line).expect("text").trim_end().to_owned());
            }
            let mut buffer = [0; 4096];
            match self.tcp.read(&mut buffer).expect("a line") {
                0 => return None,
                count => self.pending.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// The next line that contains `text`; those before it are passed over.
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        let mut before = Vec::new();
        while let Some(line) = self.line() {
            if line.contains(text) {
                return line;
            }
            before.push(line);
        }
        panic!("closed without {text:?}, after {before:#?}");
    }
}
