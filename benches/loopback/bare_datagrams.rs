//! The bare loop's echo over UDP: a batch in, the same batch out, two calls. It knows neither GSO
//! nor GRO.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{self, MsgFlags, MultiHeaders, SockaddrIn};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

/// Datagrams taken and sent in one call.
const BATCH: usize = 64;
/// The largest datagram that is asked for here; longer ones are cut.
const DATAGRAM_BYTES: usize = 2048;

/// Serves at `address` until it is killed; `tell` hears the real one.
pub(crate) fn serve(
    address: SocketAddr,
    tell: impl FnOnce(SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    let udp = UdpSocket::bind(address)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &udp, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
    tell(udp.local_addr()?)?;
    let mut tray = Tray {
        bytes: vec![0; BATCH * DATAGRAM_BYTES].into_boxed_slice(),
        incoming: MultiHeaders::preallocate(BATCH, None),
        outgoing: MultiHeaders::preallocate(BATCH, None),
    };
    let mut events = Vec::with_capacity(1);
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(Errno::INTR) => continue,
            done => done?,
        };
        while tray.echo(&udp)? == BATCH {}
    }
}

/// Room for a batch of datagrams.
struct Tray {
    bytes: Box<[u8]>,
    incoming: MultiHeaders<SockaddrIn>,
    outgoing: MultiHeaders<SockaddrIn>,
}

impl Tray {
    /// A batch in, the same out; how many those were. What the kernel does not take at once is
    /// lost, as UDP may.
    fn echo(&mut self, udp: &UdpSocket) -> io::Result<usize> {
        let (socket, flags) = (udp.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let mut came = [(0, None); BATCH];
        let mut rooms = self.bytes.chunks_exact_mut(DATAGRAM_BYTES);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let slices = slices.iter_mut();
        let received = match socket::recvmmsg(socket, &mut self.incoming, slices, flags, None) {
            Err(nix::Error::EAGAIN) => return Ok(0),
            done => done?,
        };
        let mut count = 0;
        for (place, message) in came.iter_mut().zip(received) {
            *place = (message.bytes, message.address);
            count += 1;
        }
        let mut rooms = self.bytes.chunks_exact(DATAGRAM_BYTES).zip(&came);
        let slices: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|_| {
            let part = rooms.next().and_then(|(room, (length, _))| room.get(..*length));
            [IoSlice::new(part.unwrap_or_default())]
        });
        let (slices, remotes) = (slices[..count].iter(), came.map(|(_, remote)| remote));
        match socket::sendmmsg(socket, &mut self.outgoing, slices, remotes, [], flags) {
            Ok(_) | Err(nix::Error::EAGAIN) => Ok(count),
            Err(error) => Err(error.into()),
        }
    }
}
