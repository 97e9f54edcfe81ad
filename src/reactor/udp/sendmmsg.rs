//! Several messages in one call, where there is such a call (sendmmsg).

use std::io;

use mio::net::UdpSocket;

use super::answers::Message;

/// Sends messages that are alike, in their order, until the kernel takes one of them not. Returns
/// how many it took; an error is about the first one, and none was taken.
#[cfg(target_os = "linux")]
pub(super) fn send(
    socket: &UdpSocket,
    messages: &[Message<'_>],
    cut: Option<usize>,
) -> io::Result<usize> {
    use nix::sys::socket::{SockaddrIn, SockaddrIn6};
    use std::net::SocketAddr;

    // All peers of a socket are of its family.
    match messages.first().map(|message| message.envelope.to) {
        None => Ok(0),
        Some(SocketAddr::V4(_)) => linux::send(socket, messages, cut, |to| match to {
            SocketAddr::V4(to) => Some(SockaddrIn::from(to)),
            SocketAddr::V6(_) => None,
        }),
        Some(SocketAddr::V6(_)) => linux::send(socket, messages, cut, |to| match to {
            SocketAddr::V4(_) => None,
            SocketAddr::V6(to) => Some(SockaddrIn6::from(to)),
        }),
    }
}

/// There is none.
#[cfg(not(target_os = "linux"))]
pub(super) fn send(_: &UdpSocket, _: &[Message<'_>], _: Option<usize>) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, IoSlice};
    use std::net::{IpAddr, SocketAddr};
    use std::os::fd::AsRawFd;

    use mio::net::UdpSocket;
    use nix::cmsg_space;
    use nix::errno::Errno;
    use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
    use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrLike, sendmmsg};

    use super::super::answers::Message;

    pub(super) fn send<S: SockaddrLike + Copy>(
        socket: &UdpSocket,
        messages: &[Message<'_>],
        cut: Option<usize>,
        address: impl Fn(SocketAddr) -> Option<S>,
    ) -> io::Result<usize> {
        let to: Vec<Option<S>> = messages.iter().map(|one| address(one.envelope.to)).collect();
        let slices: Vec<_> = messages.iter().map(|one| [IoSlice::new(one.bytes)]).collect();
        let cut = cut.and_then(|bytes| u16::try_from(bytes).ok());
        let from = messages.first().and_then(|one| one.envelope.from).map(PacketInfo::new);
        let (mut control, mut space) = (Vec::new(), 0);
        if let Some(bytes) = &cut {
            control.push(ControlMessage::UdpGsoSegments(bytes));
            space += cmsg_space!(u16).len();
        }
        match &from {
            Some(PacketInfo::V4(info)) => {
                control.push(ControlMessage::Ipv4PacketInfo(info));
                space += cmsg_space!(in_pktinfo).len();
            }
            Some(PacketInfo::V6(info)) => {
                control.push(ControlMessage::Ipv6PacketInfo(info));
                space += cmsg_space!(in6_pktinfo).len();
            }
            None => {}
        }
        // The kernel takes no room for control messages that is not filled.
        let mut headers = MultiHeaders::preallocate(to.len(), (space > 0).then(|| vec![0; space]));
        loop {
            let (descriptor, flags) = (socket.as_raw_fd(), MsgFlags::empty());
            match sendmmsg(descriptor, &mut headers, &slices, &to, &control, flags) {
                Ok(sent) => return Ok(sent.count()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The address of ours from which messages are sent.
    enum PacketInfo {
        V4(in_pktinfo),
        V6(in6_pktinfo),
    }

    impl PacketInfo {
        fn new(ip: IpAddr) -> PacketInfo {
            match ip {
                IpAddr::V4(ip) => PacketInfo::V4(in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                    ipi_addr: in_addr { s_addr: 0 },
                }),
                IpAddr::V6(ip) => PacketInfo::V6(in6_pktinfo {
                    ipi6_addr: in6_addr { s6_addr: ip.octets() },
                    ipi6_ifindex: 0,
                }),
            }
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::super::answers::{Envelope, alike};
    use super::*;
    use std::net::{IpAddr, SocketAddr};
    use std::time::Duration;

    /// Sends two datagrams to each of two peers and a third to one of them in one call; from which
    /// address and what each of the peers hears.
    fn sent(bound: &str, from: Option<&str>, peer: &str) -> Vec<(IpAddr, Vec<u8>)> {
        let socket = UdpSocket::bind(bound.parse().unwrap()).unwrap();
        let peers = [(); 2].map(|()| std::net::UdpSocket::bind((peer, 0)).unwrap());
        let mapped = |ip: IpAddr| match ip {
            IpAddr::V4(ip) if bound.starts_with('[') => ip.to_ipv6_mapped().into(),
            ip => ip,
        };
        let from = from.map(|ip| mapped(ip.parse().unwrap()));
        let envelope = |peer: &std::net::UdpSocket| {
            let to = peer.local_addr().unwrap();
            Envelope { to: SocketAddr::new(mapped(to.ip()), to.port()), from }
        };
        let train =
            |n: usize| Message { envelope: envelope(&peers[n]), segment: 3, bytes: b"onetw" };
        let messages = [train(0), train(1), Message::single(envelope(&peers[0]), b"")];
        let (count, cut) = alike(&messages);
        assert_eq!((count, cut), (3, Some(3)));
        assert_eq!(send(&socket, &messages, cut).unwrap(), 3);
        let hear = |peer: &std::net::UdpSocket| {
            peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut buffer = [0; 100];
            let (count, from) = peer.recv_from(&mut buffer).unwrap();
            (from.ip(), buffer[..count].to_vec())
        };
        [0, 0, 0, 1, 1].map(|n| hear(&peers[n])).to_vec()
    }

    fn assert_heard(bound: &str, from: Option<&str>, peer: &str, source: &str) {
        let source: IpAddr = source.parse().unwrap();
        let heard = [&b"one"[..], b"tw", b"", b"one", b"tw"].map(|text| (source, text.to_vec()));
        assert_eq!(sent(bound, from, peer), heard, "bound to {bound}, from {from:?}");
    }

    #[test]
    fn messages_leave_from_the_address_that_is_named() {
        assert_heard("127.0.0.1:0", None, "127.0.0.1", "127.0.0.1");
        assert_heard("0.0.0.0:0", Some("127.0.0.7"), "127.0.0.1", "127.0.0.7");
        if UdpSocket::bind("[::1]:0".parse().unwrap()).is_ok() {
            assert_heard("[::1]:0", None, "::1", "::1");
            assert_heard("[::]:0", Some("::1"), "::1", "::1");
            assert_heard("[::]:0", Some("127.0.0.7"), "127.0.0.1", "127.0.0.7");
        }
    }

    #[test]
    fn the_count_ends_before_the_message_that_fails() {
        let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = |to| Message::single(Envelope { to, from: None }, b"text");
        // The kernel refuses it to a socket that has not asked to broadcast.
        let nobody = to(([255, 255, 255, 255], 9).into());
        let somebody = to(peer.local_addr().unwrap());
        assert_eq!(send(&socket, &[somebody, somebody, nobody, somebody], None).unwrap(), 2);
        assert!(send(&socket, &[nobody, somebody], None).is_err());
        assert_eq!(send(&socket, &[], None).unwrap(), 0);
    }
}
