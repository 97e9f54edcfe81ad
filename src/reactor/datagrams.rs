//! Datagram sockets: batches in, one answer at most for each, runs of equal answers out in one
//! call, always from the address that was asked.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use super::listeners::{canonical, is_exhaustion};
use super::sockets;
use crate::engine::{Metrics, Reply, Responder, Time};
use crate::guards::{Letterbox, Unheard};

/// Datagrams (or trains of them, with GRO) taken in one call.
const BATCH: usize = 32;
/// Calls for more in one turn; then the others have theirs.
const BATCHES_MAX: usize = 4;
/// The largest UDP payload over IPv4 is 65,507 bytes; a train of small ones has at most as many.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Answers up to this size may share a call (GSO): each must fit the path in one packet, and this
/// fits any Ethernet.
const SEGMENT_BYTES_MAX: usize = 1400;
/// Bytes of answers in one call.
const RUN_BYTES_MAX: usize = 60_000;
/// Runs kept for a socket that takes none for the moment; further ones are dropped and counted.
const BACKLOG_MAX: usize = 1024;

/// Who watches over a socket while it is served, and who counts.
pub(super) struct Watch<'a> {
    pub(super) letterbox: &'a mut Letterbox,
    pub(super) metrics: &'a mut Metrics,
    pub(super) now: Time,
}

impl Watch<'_> {
    fn refuse(&mut self, why: Unheard, count: usize) {
        self.metrics.datagrams_in += count as u64;
        *why.counter(self.metrics) += count as u64;
    }

    fn charge(&mut self, to: IpAddr, reply: Reply<'_>) -> Result<(), Unheard> {
        self.letterbox.charge(to, reply.bytes.len(), reply.weight, self.now)
    }
}

/// Room for one batch, shared by all datagram sockets.
pub(super) struct Tray {
    bytes: Box<[u8]>,
    metas: [RecvMeta; BATCH],
    run: Run,
}

impl Tray {
    pub(super) fn new() -> Tray {
        let bytes = vec![0; BATCH * DATAGRAM_BYTES_MAX].into_boxed_slice();
        Tray { bytes, metas: [RecvMeta::default(); BATCH], run: Run::default() }
    }
}

/// Who gets an answer, and from which of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Envelope {
    to: SocketAddr,
    from: Option<IpAddr>,
}

/// What one call sends: answers of one size to one peer, one behind the other; the last may be
/// shorter.
#[derive(Clone, Copy)]
struct Batch<'a> {
    envelope: Envelope,
    segment: usize,
    bytes: &'a [u8],
}

impl Batch<'_> {
    fn count(&self) -> u64 {
        segments(self.bytes.len(), self.segment).count() as u64
    }
}

/// The next batch, while it is gathered.
#[derive(Default)]
struct Run {
    envelope: Option<Envelope>,
    segment: usize,
    count: usize,
    bytes: Vec<u8>,
}

impl Run {
    fn takes(&self, envelope: Envelope, length: usize, count_max: usize) -> bool {
        self.envelope == Some(envelope)
            && self.count < count_max
            && self.bytes.len() == self.count * self.segment
            && (1..=self.segment).contains(&length)
            && self.bytes.len() + length <= RUN_BYTES_MAX
    }

    fn clear(&mut self) {
        self.envelope = None;
        self.count = 0;
        self.bytes.clear();
    }
}

/// One datagram socket and who answers behind it.
pub(super) struct Datagrams {
    udp: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    pub(super) responder: usize,
    token: Token,
    backlog: VecDeque<(Envelope, usize, Vec<u8>)>,
    /// Whether the poll tells of room to send.
    awaits_room: bool,
    /// Whether it is in the queue of the ready.
    pub(super) queued: bool,
}

impl Datagrams {
    /// Takes over a socket, from now on polled under `token`.
    pub(super) fn new(
        mut udp: UdpSocket,
        responder: usize,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Datagrams> {
        let state = UdpSocketState::new(UdpSockRef::from(&udp))?;
        let local = udp.local_addr()?;
        sockets::allow_fragments(&udp, local.is_ipv6())?;
        sockets::tell_less(&udp, local);
        registry.register(&mut udp, token, Interest::READABLE)?;
        let (backlog, awaits_room, queued) = (VecDeque::new(), false, false);
        Ok(Datagrams { udp, state, local, responder, token, backlog, awaits_room, queued })
    }

    pub(super) fn port(&self) -> u16 {
        self.local.port()
    }

    /// To be called after serving: has the poll tell of room to send while answers wait for it,
    /// and only then, for otherwise every datagram that leaves would end a wait.
    pub(super) fn await_room(&mut self, registry: &Registry) {
        let awaits_room = !self.backlog.is_empty();
        if awaits_room == self.awaits_room {
            return;
        }
        let both = Interest::READABLE | Interest::WRITABLE;
        let interest = if awaits_room { both } else { Interest::READABLE };
        match registry.reregister(&mut self.udp, self.token, interest) {
            Ok(()) => self.awaits_room = awaits_room,
            // The next datagram brings another try.
            Err(error) => log::debug!("polling {}: {error}", self.local),
        }
    }

    /// Answers what has come, within the socket's share of a turn. True: call again, there may be
    /// more.
    pub(super) fn serve(
        &mut self,
        responder: &mut dyn Responder,
        tray: &mut Tray,
        watch: &mut Watch<'_>,
    ) -> bool {
        self.send_backlog(watch.metrics);
        for _ in 0..BATCHES_MAX {
            let count = match self.receive(tray) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // The next datagram brings a new edge; until then there is no point in asking.
                Err(error) if is_exhaustion(&error) => return false,
                Err(error) => {
                    // An error of one datagram (ICMP and the like), never of the socket.
                    log::debug!("receiving a datagram: {error}");
                    continue;
                }
            };
            self.answer(count, responder, tray, watch);
            // Where there is no recvmmsg they come one by one, and none is known to be the last.
            if count < BATCH.min(quinn_udp::BATCH_SIZE) {
                return false;
            }
        }
        true
    }

    fn receive(&self, tray: &mut Tray) -> io::Result<usize> {
        let mut rooms = tray.bytes.chunks_exact_mut(DATAGRAM_BYTES_MAX);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(rooms.next().unwrap_or_default()));
        self.state.recv(UdpSockRef::from(&self.udp), &mut slices, &mut tray.metas)
    }

    fn answer(
        &mut self,
        count: usize,
        responder: &mut dyn Responder,
        tray: &mut Tray,
        watch: &mut Watch<'_>,
    ) {
        let Tray { bytes, metas, run } = tray;
        for (room, meta) in bytes.chunks_exact(DATAGRAM_BYTES_MAX).zip(&metas[..count]) {
            let asker = canonical(meta.addr);
            // Bound to one address, the kernel knows from where to answer.
            let from = meta.dst_ip.filter(|_| self.local.ip().is_unspecified());
            let envelope = Envelope { to: meta.addr, from };
            let trains = segments(meta.len, meta.stride);
            let to = meta.dst_ip.unwrap_or(self.local.ip());
            if let Err(why) = watch.letterbox.screen(asker, Some(to)) {
                watch.refuse(why, trains.count());
                continue;
            }
            for range in trains {
                watch.metrics.datagrams_in += 1;
                let Some(reply) = responder.answer(asker, &room[range]) else {
                    watch.metrics.datagrams_unanswered += 1;
                    continue;
                };
                match watch.charge(asker.ip(), reply) {
                    Ok(()) => self.post(run, envelope, reply.bytes, watch.metrics),
                    Err(why) => *why.counter(watch.metrics) += 1,
                }
            }
        }
        self.send_run(run, watch.metrics);
    }

    fn post(&mut self, run: &mut Run, envelope: Envelope, answer: &[u8], metrics: &mut Metrics) {
        if !run.takes(envelope, answer.len(), self.state.max_gso_segments()) {
            self.send_run(run, metrics);
            if answer.len() > SEGMENT_BYTES_MAX || answer.is_empty() {
                let batch = Batch { envelope, segment: answer.len(), bytes: answer };
                return self.send(batch, metrics);
            }
            run.envelope = Some(envelope);
            run.segment = answer.len();
        }
        run.count += 1;
        run.bytes.extend_from_slice(answer);
    }

    fn send_run(&mut self, run: &mut Run, metrics: &mut Metrics) {
        if let Some(envelope) = run.envelope {
            self.send(Batch { envelope, segment: run.segment, bytes: &run.bytes }, metrics);
        }
        run.clear();
    }

    /// Sends a batch, or keeps it for later behind those that are kept already.
    fn send(&mut self, batch: Batch<'_>, metrics: &mut Metrics) {
        if self.backlog.is_empty() && self.try_send(batch, metrics) {
            return;
        }
        if self.backlog.len() < BACKLOG_MAX {
            self.backlog.push_back((batch.envelope, batch.segment, batch.bytes.to_vec()));
        } else {
            metrics.datagrams_dropped += batch.count();
        }
    }

    fn send_backlog(&mut self, metrics: &mut Metrics) {
        while let Some((envelope, segment, bytes)) = self.backlog.pop_front() {
            if !self.try_send(Batch { envelope, segment, bytes: &bytes }, metrics) {
                self.backlog.push_front((envelope, segment, bytes));
                return;
            }
        }
    }

    /// Sends a batch in one call. False: the kernel takes nothing for now.
    fn try_send(&self, batch: Batch<'_>, metrics: &mut Metrics) -> bool {
        match self.transmit(batch) {
            Ok(()) => metrics.datagrams_out += batch.count(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // Some path takes no segments of that size: then one by one, perhaps in fragments.
            Err(_) if batch.count() > 1 => {
                for bytes in batch.bytes.chunks(batch.segment) {
                    let one = Batch { segment: bytes.len(), bytes, ..batch };
                    metrics.datagrams_dropped += u64::from(!self.try_send(one, metrics));
                }
            }
            Err(error) => {
                log::debug!("answering {}: {error}", batch.envelope.to);
                metrics.datagrams_dropped += batch.count();
            }
        }
        true
    }

    fn transmit(&self, batch: Batch<'_>) -> io::Result<()> {
        let transmit = Transmit {
            destination: batch.envelope.to,
            ecn: None,
            contents: batch.bytes,
            segment_size: (batch.segment < batch.bytes.len()).then_some(batch.segment),
            src_ip: batch.envelope.from,
        };
        self.state.try_send(UdpSockRef::from(&self.udp), &transmit)
    }
}

/// Where the datagrams of a train of `length` bytes lie, each `stride` long but the last. An empty
/// datagram is one, too.
fn segments(length: usize, stride: usize) -> impl Iterator<Item = Range<usize>> {
    let stride = stride.max(1);
    let count = length.div_ceil(stride).max(1);
    (0..count).map(move |n| n * stride..length.min((n + 1) * stride))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_train_is_cut_into_its_datagrams() {
        let cut = |length, stride| segments(length, stride).map(|r| r.len()).collect::<Vec<_>>();
        assert_eq!(cut(0, 0), [0]);
        assert_eq!(cut(5, 5), [5]);
        assert_eq!(cut(5, 2), [2, 2, 1]);
    }

    #[test]
    fn a_run_takes_equal_answers_to_one_peer_and_one_shorter_at_its_end() {
        let envelope = |port| Envelope { to: ([127, 0, 0, 1], port).into(), from: None };
        let mut run = Run { envelope: Some(envelope(1)), segment: 4, count: 1, bytes: vec![0; 4] };
        assert!(run.takes(envelope(1), 4, 64));
        assert!(!run.takes(envelope(2), 4, 64), "another peer");
        assert!(!run.takes(envelope(1), 5, 64), "a longer one");
        assert!(!run.takes(envelope(1), 0, 64), "an empty one");
        assert!(!run.takes(envelope(1), 4, 1), "more than the kernel takes");
        run.count = 2;
        run.bytes.extend_from_slice(&[0; 3]);
        assert!(!run.takes(envelope(1), 3, 64), "behind a shorter one");
    }
}
