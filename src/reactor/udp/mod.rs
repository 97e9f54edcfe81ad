//! Datagram sockets: batches in, one answer at most for each, and as many answers as may share a
//! call out in one, always from the address that was asked.

mod answers;
mod faulty;
mod sendmmsg;

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use log::Level;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use super::listeners::{canonical, is_exhaustion};
use super::sockets;
use crate::engine::{Direction, Engine, Reply, Responder, ResponderCounts};
use crate::guards::{DatagramGuard, DatagramRefusal};
use answers::{Answers, Envelope, Message, alike, segments};
pub use faulty::UdpFaults;

/// Datagrams (or trains of them, with GRO) taken in one call.
const BATCH: usize = 32;
/// Calls for more in one turn; then the others have theirs.
const BATCHES_MAX: usize = 4;
/// The largest UDP payload over IPv4 is 65,507 bytes; a train of small ones has at most as many.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Messages kept for a socket that takes none for the moment; further ones are dropped and counted.
const BACKLOG_MAX: usize = 1024;

/// Who watches over a socket while it is served, and who counts.
pub(super) struct Screening<'a> {
    pub(super) guard: &'a mut DatagramGuard,
    pub(super) engine: &'a mut Engine,
    /// Whose counters count.
    pub(super) responder: usize,
}

/// What is left to be done for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The poll will tell.
    Nothing,
    /// There may be more to receive.
    More,
    /// The kernel refuses to say what there is; asking again at once would change nothing.
    Refused,
}

impl Screening<'_> {
    fn counts(&mut self) -> &mut ResponderCounts {
        self.engine.datagram_counts_mut(self.responder)
    }

    fn refuse(&mut self, why: DatagramRefusal, count: usize) {
        self.counts().received += count as u64;
        *why.counter(self.counts()) += count as u64;
    }

    fn charge(&mut self, to: IpAddr, reply: Reply<'_>) -> Result<(), DatagramRefusal> {
        let now = self.engine.now();
        self.guard.charge(to, reply.bytes.len(), reply.weight, now)
    }
}

/// Both ends of what is sent from a socket at `local`: ours and the other.
fn ends(local: SocketAddr, Envelope { to, from }: Envelope) -> (SocketAddr, SocketAddr) {
    let ours = SocketAddr::new(from.unwrap_or(local.ip()), local.port());
    (canonical(ours), canonical(to))
}

/// Room for one batch, shared by all datagram sockets.
pub(super) struct Tray {
    bytes: Box<[u8]>,
    metas: [RecvMeta; BATCH],
    answers: Answers,
}

impl Tray {
    pub(super) fn new() -> Tray {
        let bytes = vec![0; BATCH * DATAGRAM_BYTES_MAX].into_boxed_slice();
        Tray { bytes, metas: [RecvMeta::default(); BATCH], answers: Answers::default() }
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
    awaits_writable: bool,
    /// Whether it is in the queue of the ready, or rests.
    pub(super) queued: bool,
    /// Whether it has been told that nothing can be received.
    refusal_told: bool,
    /// What its replies are to suffer.
    faults: Option<Box<UdpFaults>>,
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
        Ok(Datagrams {
            udp,
            state,
            local,
            responder,
            token,
            backlog: VecDeque::new(),
            awaits_writable: false,
            queued: false,
            refusal_told: false,
            faults: None,
        })
    }

    /// Its replies are to suffer that.
    pub(super) fn suffering(mut self, faults: Option<UdpFaults>) -> Datagrams {
        self.faults = faults.map(Box::new);
        self
    }

    pub(super) fn port(&self) -> u16 {
        self.local.port()
    }

    /// To be called after serving: has the poll tell of room to send while answers wait for it,
    /// and only then, for otherwise every datagram that leaves would end a wait.
    pub(super) fn await_writable(&mut self, registry: &Registry, engine: &mut Engine) {
        let awaits_writable = !self.backlog.is_empty();
        if awaits_writable == self.awaits_writable {
            return;
        }
        let both = Interest::READABLE | Interest::WRITABLE;
        let interest = if awaits_writable { both } else { Interest::READABLE };
        match registry.reregister(&mut self.udp, self.token, interest) {
            Ok(()) => self.awaits_writable = awaits_writable,
            // The next datagram brings another try.
            Err(error) => {
                engine.remark(Level::Debug, format_args!("polling {}: {error}", self.local));
            }
        }
    }

    /// Answers what has come, within the socket's share of a turn.
    pub(super) fn serve(
        &mut self,
        responder: &mut dyn Responder,
        tray: &mut Tray,
        screening: &mut Screening<'_>,
    ) -> Left {
        self.send_backlog(screening.engine);
        self.heed_faults(screening.engine);
        let mut refusals = 0;
        for _ in 0..BATCHES_MAX {
            let count = match self.receive(tray) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Left::Nothing,
                Err(error) if is_exhaustion(&error) => return self.refused(&error, screening),
                Err(error) => {
                    // An error of one datagram (ICMP and the like), unless all calls end so.
                    refusals += 1;
                    if refusals == BATCHES_MAX {
                        return self.refused(&error, screening);
                    }
                    let line = format_args!("receiving a datagram: {error}");
                    screening.engine.remark(Level::Debug, line);
                    continue;
                }
            };
            self.refusal_told = false;
            self.answer(count, responder, tray, screening);
            // Where there is no recvmmsg they come one by one, and none is known to be the last.
            if count < BATCH.min(quinn_udp::BATCH_SIZE) {
                return Left::Nothing;
            }
        }
        Left::More
    }

    /// Nothing can be received for now, which is told once.
    fn refused(&mut self, error: &io::Error, screening: &mut Screening<'_>) -> Left {
        if !std::mem::replace(&mut self.refusal_told, true) {
            let line = format_args!("receiving on {}: {error}; tried again later", self.local);
            screening.engine.remark(Level::Warn, line);
        }
        Left::Refused
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
        screening: &mut Screening<'_>,
    ) {
        let Tray { bytes, metas, answers } = tray;
        for (room, meta) in bytes.chunks_exact(DATAGRAM_BYTES_MAX).zip(&metas[..count]) {
            let asker = canonical(meta.addr);
            // Bound to one address, the kernel knows from where to answer.
            let from = meta.dst_ip.filter(|_| self.local.ip().is_unspecified());
            let envelope = Envelope { to: meta.addr, from };
            let trains = segments(meta.len, meta.stride);
            let to = meta.dst_ip.unwrap_or(self.local.ip());
            if let Err(why) = screening.guard.screen(asker, Some(to)) {
                screening.refuse(why, trains.count());
                continue;
            }
            for range in trains {
                let counts = screening.counts();
                counts.received += 1;
                counts.bytes_in += range.len() as u64;
                if screening.engine.is_tapped() {
                    let local = canonical(SocketAddr::new(to, self.local.port()));
                    let bytes = &room[range.clone()];
                    screening.engine.show_datagram(Direction::In, local, asker, bytes);
                }
                let Some(reply) = responder.answer(asker, &room[range]) else {
                    screening.counts().unanswered += 1;
                    continue;
                };
                match screening.charge(asker.ip(), reply) {
                    Ok(()) if self.is_faulty() => self.suffer(envelope, reply.bytes, screening),
                    Ok(()) => self.post(answers, envelope, reply.bytes, screening.engine),
                    Err(why) => *why.counter(screening.counts()) += 1,
                }
            }
        }
        self.send_answers(answers, screening.engine);
    }

    fn post(&mut self, to: &mut Answers, envelope: Envelope, answer: &[u8], engine: &mut Engine) {
        if Answers::take(answer.len()) {
            to.add(envelope, answer, self.state.max_gso_segments());
        } else {
            self.send_answers(to, engine);
            self.send(Message::single(envelope, answer), engine);
        }
    }

    fn send_answers(&mut self, answers: &mut Answers, engine: &mut Engine) {
        let messages: Vec<_> = answers.messages().collect();
        let mut rest = &messages[..];
        while let [first, others @ ..] = rest {
            let count = self.send_together(rest);
            if count == 0 {
                self.send(*first, engine);
                rest = others;
            } else {
                let (sent, left) = rest.split_at(count);
                sent.iter().for_each(|one| self.sent(*one, engine));
                rest = left;
            }
        }
        answers.clear();
    }

    /// Sends as many of the messages as may share a call. Returns how many the kernel took; if
    /// none, the first is to be sent alone: that tells why.
    fn send_together(&self, messages: &[Message<'_>]) -> usize {
        let (count, cut) = alike(messages);
        if count < 2 || !self.backlog.is_empty() {
            return 0;
        }
        sendmmsg::send(&self.udp, &messages[..count], cut).unwrap_or(0)
    }

    /// Sends a message, or keeps it for later behind those that are kept already.
    fn send(&mut self, message: Message<'_>, engine: &mut Engine) {
        if self.backlog.is_empty() && self.try_send(message, engine) {
            return;
        }
        if self.backlog.len() < BACKLOG_MAX {
            self.backlog.push_back((message.envelope, message.segment, message.bytes.to_vec()));
        } else {
            engine.datagram_counts_mut(self.responder).dropped += message.count() as u64;
        }
    }

    fn send_backlog(&mut self, engine: &mut Engine) {
        while let Some((envelope, segment, bytes)) = self.backlog.pop_front() {
            if !self.try_send(Message { envelope, segment, bytes: &bytes }, engine) {
                self.backlog.push_front((envelope, segment, bytes));
                return;
            }
        }
    }

    /// Sends a message in a call of its own. False: the kernel takes nothing for now.
    fn try_send(&self, message: Message<'_>, engine: &mut Engine) -> bool {
        match self.transmit(message) {
            Ok(()) => self.sent(message, engine),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // Some path takes no segments of that size: then one by one, perhaps in fragments.
            Err(_) if message.count() > 1 => {
                for bytes in message.bytes.chunks(message.segment) {
                    let one = Message::single(message.envelope, bytes);
                    let is_lost = u64::from(!self.try_send(one, engine));
                    engine.datagram_counts_mut(self.responder).dropped += is_lost;
                }
            }
            Err(error) => {
                let to = message.envelope.to;
                engine.remark(Level::Debug, format_args!("answering {to}: {error}"));
                engine.datagram_counts_mut(self.responder).dropped += message.count() as u64;
            }
        }
        true
    }

    /// The kernel has taken a message.
    fn sent(&self, message: Message<'_>, engine: &mut Engine) {
        message.count_sent(engine.datagram_counts_mut(self.responder));
        if engine.is_tapped() {
            let (local, remote) = ends(self.local, message.envelope);
            for range in segments(message.bytes.len(), message.segment) {
                engine.show_datagram(Direction::Out, local, remote, &message.bytes[range]);
            }
        }
    }

    fn transmit(&self, message: Message<'_>) -> io::Result<()> {
        let transmit = Transmit {
            destination: message.envelope.to,
            ecn: None,
            contents: message.bytes,
            segment_size: message.cut(),
            src_ip: message.envelope.from,
        };
        self.state.try_send(UdpSockRef::from(&self.udp), &transmit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Limits;
    use mio::{Events, Poll};
    use std::time::Duration;

    /// A socket as the loop has it, and that loop's poll.
    fn served(at: &str) -> (Datagrams, Poll) {
        let poll = Poll::new().unwrap();
        let udp = UdpSocket::bind(at.parse().unwrap()).unwrap();
        (Datagrams::new(udp, 0, poll.registry(), Token(0)).unwrap(), poll)
    }

    fn engine() -> Engine {
        let mut engine = Engine::new(Limits::default());
        engine.add_responder("test");
        engine
    }

    fn peers() -> [std::net::UdpSocket; 2] {
        std::array::from_fn(|_| {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            socket
        })
    }

    fn hear(socket: &std::net::UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 2000];
        let count = socket.recv(&mut buffer).unwrap();
        buffer[..count].to_vec()
    }

    #[test]
    fn who_cannot_be_reached_takes_nothing_from_those_in_the_same_call() {
        let (mut datagrams, _poll) = served("127.0.0.1:0");
        let peers = peers();
        let [first, second] = peers.each_ref().map(|peer| peer.local_addr().unwrap());
        // The kernel refuses it to a socket that has not asked to broadcast.
        let nobody = ([255, 255, 255, 255], 9).into();
        let (mut answers, mut engine) = (Answers::default(), engine());
        for to in [nobody, first, first, nobody, second, nobody] {
            answers.add(Envelope { to, from: None }, b"answer", 64);
        }
        datagrams.send_answers(&mut answers, &mut engine);
        assert_eq!([hear(&peers[0]), hear(&peers[0]), hear(&peers[1])], [b"answer"; 3]);
        assert_eq!((engine.metrics().datagrams_out, engine.metrics().datagrams_dropped), (3, 3));
        assert_eq!(answers.messages().count(), 0);
    }

    #[test]
    fn the_poll_tells_of_room_to_send_only_while_answers_wait_for_it() {
        let (mut datagrams, mut poll) = served("127.0.0.1:0");
        let [peer, _] = peers();
        let mut engine = engine();
        let mut events = Events::with_capacity(4);
        let envelope = Envelope { to: peer.local_addr().unwrap(), from: None };
        let mut is_told = |datagrams: &mut Datagrams, engine: &mut Engine| {
            datagrams.await_writable(poll.registry(), engine);
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            events.iter().any(mio::event::Event::is_writable)
        };
        assert!(!is_told(&mut datagrams, &mut engine));
        datagrams.backlog.push_back((envelope, 4, b"late".to_vec()));
        datagrams.send(Message::single(envelope, b"later"), &mut engine);
        assert!(is_told(&mut datagrams, &mut engine));
        datagrams.send_backlog(&mut engine);
        assert_eq!([hear(&peer), hear(&peer)], [&b"late"[..], b"later"]);
        assert!(!is_told(&mut datagrams, &mut engine));
        datagrams.send(Message::single(envelope, b"at once"), &mut engine);
        assert!(!is_told(&mut datagrams, &mut engine));
        assert_eq!(engine.metrics().datagrams_out, 3);
    }
}
