//! What the kernel knows of one TCP connection, asked by its addresses over netlink (sock_diag(7)).
//! TCP_INFO (tcp(7)) tells the same, but no crate here can read it without `unsafe`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// SOCK_DIAG_BY_FAMILY, the only kind of message that is sent and understood.
const BY_FAMILY: u16 = 20;
/// INET_DIAG_INFO, the attribute that is asked for: `struct tcp_info`.
const INFO: u16 = 2;
/// NLM_F_REQUEST.
const REQUEST: u16 = 1;
const HEADER_BYTES: usize = 16;
/// `struct inet_diag_msg`.
const MESSAGE_BYTES: usize = 72;
const REQUEST_BYTES: u8 = 16 + 56;

/// Where to ask.
pub(super) struct SockDiag(OwnedFd);

/// Whether the other side of a connection answers: the part of `struct tcp_info` (linux/tcp.h)
/// that tells, which every kernel of the last twenty years has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signs {
    /// Times that the oldest segment has been repeated since the last acknowledgement.
    pub(super) retransmits: u8,
    /// Probes of a closed window since the last acknowledgement.
    pub(super) probes: u8,
    /// Milliseconds since the last acknowledgement or data came: data that acknowledge nothing new
    /// do not count as an acknowledgement.
    pub(super) silent_ms: u32,
}

impl SockDiag {
    pub(super) fn open() -> io::Result<SockDiag> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(SockDiag(socket_with(family, kind, flags, Some(netlink::SOCK_DIAG))?))
    }

    /// Asks about the connection between these two. An error without a number means that the
    /// answer made no sense.
    pub(super) fn ask(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Signs> {
        send(&self.0, &request(local, remote), SendFlags::empty())?;
        // The kernel has answered before `send` returns.
        let mut answer = [0; 1024];
        let (count, _) = recv(&self.0, &mut answer, RecvFlags::empty())?;
        understand(&answer[..count])
    }
}

/// `struct inet_diag_req_v2` behind a netlink header.
fn request(local: SocketAddr, remote: SocketAddr) -> [u8; REQUEST_BYTES as usize] {
    let mut request = [0; REQUEST_BYTES as usize];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        request[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&u32::from(REQUEST_BYTES).to_ne_bytes());
    put(&BY_FAMILY.to_ne_bytes());
    put(&REQUEST.to_ne_bytes());
    put(&[0; 8]);
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let family = family.as_raw().to_le_bytes()[0];
    put(&[family, 6 /* IPPROTO_TCP */, 1 << (INFO - 1), 0]);
    put(&u32::MAX.to_ne_bytes());
    put(&local.port().to_be_bytes());
    put(&remote.port().to_be_bytes());
    put(&sixteen(local.ip()));
    put(&sixteen(remote.ip()));
    put(&[0; 4]);
    // INET_DIAG_NOCOOKIE: whatever socket it is.
    put(&[0xff; 8]);
    request
}

/// An address in the room of the longest.
fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&v4.octets());
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn understand(answer: &[u8]) -> io::Result<Signs> {
    let nonsense = || io::Error::from(io::ErrorKind::InvalidData);
    let (header, body) = answer.split_at_checked(HEADER_BYTES).ok_or_else(nonsense)?;
    if header[4..6] != BY_FAMILY.to_ne_bytes() {
        // NLMSG_ERROR begins with the number of the error, negative.
        let errno = body.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
        return Err(errno
            .map_or_else(nonsense, |errno| io::Error::from_raw_os_error(errno.saturating_neg())));
    }
    let mut attributes = body.get(MESSAGE_BYTES..).ok_or_else(nonsense)?;
    while let Some((kind, value, rest)) = next_attribute(attributes) {
        if kind == INFO {
            return signs(value).ok_or_else(nonsense);
        }
        attributes = rest;
    }
    Err(nonsense())
}

/// `struct rtattr`: its type, its value, and what follows it.
fn next_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
    let value = bytes.get(4..length)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, value, rest))
}

/// See `struct tcp_info`: eight bytes, of which these are the third and fourth, then numbers of
/// four bytes.
fn signs(info: &[u8]) -> Option<Signs> {
    const LAST_DATA_RECV: usize = 8 + 11 * 4;
    const LAST_ACK_RECV: usize = 8 + 12 * 4;
    let number = |at: usize| Some(u32::from_ne_bytes(*info.get(at..)?.first_chunk()?));
    let silent_ms = number(LAST_DATA_RECV)?.min(number(LAST_ACK_RECV)?);
    Some(Signs { retransmits: *info.get(2)?, probes: *info.get(3)?, silent_ms })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernel_knows_a_connection_by_its_addresses_and_no_other() {
        for host in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(host) else { continue };
            let port = listener.local_addr().expect("bound").port();
            let to = if host == "[::1]:0" { "::1" } else { "127.0.0.1" };
            let _client = TcpStream::connect((to, port)).expect("it listens");
            let (accepted, remote) = listener.accept().expect("a connection");
            let local = accepted.local_addr().expect("connected");
            let diag = SockDiag::open().expect("netlink");
            let signs = diag.ask(local, remote).expect("an answer");
            assert_eq!((signs.retransmits, signs.probes), (0, 0), "{host}");
            assert!(signs.silent_ms < 60_000, "{signs:?}");
            let other = SocketAddr::new(local.ip(), 1);
            let error = diag.ask(other, remote).expect_err("nobody is there");
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{host}");
        }
    }

    #[test]
    fn data_are_a_sign_of_life_as_good_as_an_acknowledgement() {
        for (data, ack) in [(7, 300_000), (300_000, 7)] {
            let mut info = [0; 240];
            info[2] = 1;
            info[52..56].copy_from_slice(&u32::to_ne_bytes(data));
            info[56..60].copy_from_slice(&u32::to_ne_bytes(ack));
            assert_eq!(signs(&info), Some(Signs { retransmits: 1, probes: 0, silent_ms: 7 }));
        }
        assert_eq!(signs(&[0; 59]), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(mut answer in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = understand(&answer);
            if let Some(kind) = answer.get_mut(4..6) {
                kind.copy_from_slice(&BY_FAMILY.to_ne_bytes());
            }
            let _ = understand(&answer);
        }
    }
}
