//! Making sockets with the options that matter, and the two calls on them that std lacks.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::engine::Dial;

/// Whether a wildcard IPv6 socket takes IPv4 peers as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 peers too, where the address allows it.
    Both,
    /// Only the family of the address.
    Own,
}

/// After so long without a sign of life a peer's machine is taken for gone.
const DEAD_AFTER: Duration = Duration::from_secs(120);
/// Questions in vain whether a silent peer is still there.
const KEEPALIVE_PROBES: u32 = 4;

/// How sockets listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// How many made connections may wait to be accepted; the kernel caps it at
    /// `net.core.somaxconn`.
    pub backlog: u32,
    /// The congestion control of accepted connections (tcp(7)); `None`: the machine's own.
    pub congestion: Option<String>,
    /// How long a peer's machine may give no sign of life; then the connection is broken.
    pub dead_after: Duration,
    /// Whether other processes of the same user may listen there too (socket(7), SO_REUSEPORT):
    /// the kernel then spreads peers over them. Not unix sockets.
    pub reuse_port: bool,
    /// Who may connect to unix sockets that have a file: its permission bits.
    pub unix_mode: u32,
}

impl Default for Listening {
    fn default() -> Self {
        let dead_after = DEAD_AFTER;
        let (congestion, reuse_port, unix_mode) = (None, false, 0o660);
        Listening { backlog: 4096, congestion, dead_after, reuse_port, unix_mode }
    }
}

fn bound(
    address: SocketAddr,
    families: Families,
    on: Protocol,
    reuse_port: bool,
) -> io::Result<Socket> {
    let kind = if on == Protocol::TCP { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), Some(on))?;
    if address.is_ipv6() {
        socket.set_only_v6(families == Families::Own)?;
    }
    if on == Protocol::TCP {
        // A restarted server must not wait for the TIME_WAIT of its own old connections.
        socket.set_reuse_address(true)?;
    }
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A listening socket. Accepted sockets inherit TCP_NODELAY, so that no small message waits for
/// the acknowledgement of the one before it, the keepalive, so that a peer whose machine is gone
/// does not stay for ever, and the congestion control.
pub fn listen(
    address: SocketAddr,
    families: Families,
    listening: &Listening,
) -> io::Result<TcpListener> {
    let socket = bound(address, families, Protocol::TCP, listening.reuse_port)?;
    prepare(&socket, listening)?;
    socket.listen(i32::try_from(listening.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Has the sockets accepted from `listener`, which somebody else has opened, be as those from
/// [`listen`]. Its backlog stays as it is.
pub fn adopt(listener: &TcpListener, listening: &Listening) -> io::Result<()> {
    prepare(&SockRef::from(listener), listening)
}

/// After so long without a sign of life the peers of those that are accepted are gone.
pub(super) fn keep_alive(listener: &mio::net::TcpListener, silence: Duration) -> io::Result<()> {
    SockRef::from(listener).set_tcp_keepalive(&keepalive(silence))
}

fn prepare(socket: &Socket, listening: &Listening) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    // Urgent data (telnet's Synch) are bytes like any other.
    socket.set_out_of_band_inline(true)?;
    socket.set_tcp_keepalive(&keepalive(listening.dead_after))?;
    match &listening.congestion {
        Some(name) => set_congestion(socket, name),
        None => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn set_congestion(socket: &Socket, name: &str) -> io::Result<()> {
    socket.set_tcp_congestion(name.as_bytes()).map_err(|error| {
        let known = "/proc/sys/net/ipv4/tcp_available_congestion_control";
        let known = std::fs::read_to_string(known).unwrap_or_default();
        let known = known.trim();
        io::Error::other(match error.kind() {
            io::ErrorKind::NotFound => {
                format!("this kernel has no congestion control {name}; it has {known}")
            }
            _ => format!("--congestion {name}: {error}; this kernel has {known}"),
        })
    })
}

#[cfg(not(target_os = "linux"))]
fn set_congestion(_: &Socket, name: &str) -> io::Result<()> {
    Err(io::Error::other(format!("--congestion {name}: only Linux lets a program choose")))
}

/// A silent peer is asked whether it is still there after half of the time that it has, then in
/// eighths; without an answer to four such questions the connection is broken. One that has not
/// acknowledged what it was sent is not asked: see `vanished`.
fn keepalive(dead_after: Duration) -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(dead_after / 2);
    let interval = dead_after / (2 * KEEPALIVE_PROBES);
    keepalive.with_interval(interval).with_retries(KEEPALIVE_PROBES)
}

/// A datagram socket.
pub fn bind_datagrams(
    address: SocketAddr,
    families: Families,
    listening: &Listening,
) -> io::Result<UdpSocket> {
    Ok(bound(address, families, Protocol::UDP, listening.reuse_port)?.into())
}

/// A stream that is being connected; whether it will be, writability and `take_error` tell
/// (connect(2), EINPROGRESS).
pub(super) fn dial(remote: SocketAddr, dial: &Dial) -> io::Result<Socket> {
    let domain = Domain::for_address(remote);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    // A byte that a server calls urgent is a byte of what it says.
    socket.set_out_of_band_inline(true)?;
    if dial.keepalive {
        socket.set_tcp_keepalive(&keepalive(DEAD_AFTER))?;
    }
    if dial.resets {
        socket.set_linger(Some(Duration::ZERO))?;
    }
    if let Some(from) = dial.from {
        choose_port_later(&socket);
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    match socket.connect(&remote.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
            return Err(error);
        }
        _ => {}
    }
    Ok(socket)
}

/// Leaves the port to `connect`, which knows the other end as well and so may use a port of the
/// same address again (ip(7), IP_BIND_ADDRESS_NO_PORT). Where that does not exist, `bind` takes a
/// port that nobody else has, and there are fewer of them.
fn choose_port_later(socket: &Socket) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
        let _ = setsockopt(socket, IpBindAddressNoPort, &true);
    }
    let _ = socket;
}

/// A datagram socket that talks to one peer alone.
pub(super) fn dial_datagrams(remote: SocketAddr, dial: &Dial) -> io::Result<mio::net::UdpSocket> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = mio::net::UdpSocket::bind((dial.from.unwrap_or(any), 0).into())?;
    socket.connect(remote)?;
    Ok(socket)
}

/// Has closing the socket send a RST: that costs no further packet and leaves nothing behind in the
/// kernel.
pub(super) fn reset_on_close(socket: &impl AsFd) {
    // Fails only if the peer is gone already.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Reads what there is. (libc's own `recv` is a cancellation point, which costs each call something
/// as soon as there are several threads.)
pub(super) fn receive(socket: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    let (count, _) = rustix::net::recv(socket, into, RecvFlags::empty())?;
    Ok(count)
}

/// Writes to a stream in one call. `last`: a FIN follows at once, and may share a segment with
/// the end of these bytes (MSG_MORE, see tcp(7)).
pub(super) fn send(stream: impl AsFd, bytes: &[u8], last: bool) -> io::Result<usize> {
    Ok(rustix::net::send(stream, bytes, send_flags(last))?)
}

/// The same with bytes in several places.
pub(super) fn send_many(
    stream: impl AsFd,
    slices: &[IoSlice<'_>],
    last: bool,
) -> io::Result<usize> {
    let mut nothing = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(stream, slices, &mut nothing, send_flags(last))?)
}

fn send_flags(last: bool) -> SendFlags {
    SendFlags::NOSIGNAL | if last { more() } else { SendFlags::empty() }
}

#[cfg(target_os = "linux")]
fn more() -> SendFlags {
    SendFlags::MORE
}

#[cfg(not(target_os = "linux"))]
fn more() -> SendFlags {
    SendFlags::empty()
}

/// Lets datagrams that are larger than the path takes be sent in fragments, as an echo of any
/// size must be; quinn-udp forbids it, because QUIC may not.
pub(super) fn allow_fragments(socket: &mio::net::UdpSocket, is_ipv6: bool) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::net::sockopt::{
            Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
        };
        set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::WANT)?;
        if is_ipv6 {
            set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::WANT)?;
            nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::Ipv6DontFrag, &false)?;
        }
    }
    let _ = (socket, is_ipv6);
    Ok(())
}

/// The broadcast addresses of the networks that this machine is in. A kernel that does not say is
/// left to refuse them by itself.
pub(super) fn broadcasts() -> Vec<Ipv4Addr> {
    let found = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let ips = found.filter_map(|one| {
        let ip = |address: Option<nix::sys::socket::SockaddrStorage>| {
            address.and_then(|address| address.as_sockaddr_in().map(|found| found.ip()))
        };
        Some((ip(one.address)?, ip(one.netmask)?))
    });
    let ips: Vec<_> = ips.collect();
    // The lowest address was one too, once (RFC 1122, 3.3.6), and may be a host's now.
    let ends = ips.iter().filter(|(_, mask)| (!mask.to_bits()).count_ones() > 1);
    let ends = ends.flat_map(|(ip, mask)| [*ip | !*mask, *ip & *mask]);
    ends.filter(|end| ips.iter().all(|(ip, _)| ip != end)).collect()
}

/// Stops the kernel from telling with each datagram what quinn-udp asks for and nobody here reads:
/// when it came, its type of service and, where the socket has only one, the address it came to.
/// A kernel that does not know an option does not tell of it either.
pub(super) fn tell_less(socket: &mio::net::UdpSocket, local: SocketAddr) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt};
        let _ = setsockopt(socket, sockopt::ReceiveTimestampns, &false);
        let _ = setsockopt(socket, sockopt::IpRecvTos, &false);
        if local.is_ipv6() {
            let _ = setsockopt(socket, sockopt::Ipv6RecvTClass, &false);
        }
        let _ = match local.ip() {
            ip if ip.is_unspecified() => Ok(()),
            IpAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &false),
            IpAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &false),
        };
    }
    let _ = (socket, local);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broadcast_address_of_loopback_is_known_and_no_host_is_one() {
        let known = broadcasts();
        assert!(known.contains(&[127, 255, 255, 255].into()), "{known:?}");
        assert!(!known.contains(&Ipv4Addr::LOCALHOST));
    }
}
