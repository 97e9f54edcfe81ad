//! Serving: what is ready gets its share of the turn, one after the other. Whoever has more to do
//! goes to the back of the queue, for the next turn.

use std::time::Duration;

use mio::net::TcpStream;

use super::datagrams::{Left, Watch};
use super::listeners::{ACCEPTS_MAX, Accepted, Accepting, GONE_MAX};
use super::rest::PAUSE;
use super::sockets;
use super::source::Source;
use super::stream::{Reading, Stream};
use super::{PAUSE_TOLD_EVERY, Reactor, enqueue};
use crate::engine::{Arrival, Flow, Peer};
use crate::guards::ConnectionRefusal;

/// Networks that have come meanwhile are known after so long; until then the kernel still refuses
/// to answer from or to their broadcast addresses.
const NETWORKS_AGE_MAX: Duration = Duration::from_secs(10);

impl Reactor {
    /// Serves those that have become ready, and then those that had more to do, each once and as
    /// long as its round lasts. Who has not been served, or has more to do, is served in the next
    /// turn after those that become ready until then.
    pub(super) fn serve_ready(&mut self) {
        let unfinished = self.unfinished.len();
        let ready = self.ready.len();
        self.serve_round(ready);
        if unfinished == 0 {
            return self.unfinished.append(&mut self.ready);
        }
        if ready > 0 {
            // Their answers need not wait for what the others have to do.
            self.flush();
        }
        self.unfinished.append(&mut self.ready);
        std::mem::swap(&mut self.ready, &mut self.unfinished);
        self.serve_round(unfinished);
        self.ready.append(&mut self.unfinished);
        std::mem::swap(&mut self.ready, &mut self.unfinished);
    }

    /// Serves `left` of the queue of the ready at most.
    fn serve_round(&mut self, mut left: usize) {
        self.engine.begin_round();
        while left > 0 && !self.engine.has_spent_the_round() {
            let served = self.receive_together(left);
            if served > 0 {
                left -= served;
                continue;
            }
            left -= 1;
            match self.ready.pop_front() {
                Some(Source::Stream(peer)) => self.serve_stream(peer),
                Some(Source::Datagrams(slot)) => self.serve_datagrams(slot),
                Some(Source::Listener(slot)) => self.serve_listener(slot),
                Some(Source::Signals) => self.serve_signals(),
                Some(Source::Input) => self.serve_input(),
                // To have woken up was all.
                Some(Source::Alarm) => {}
                None => return,
            }
        }
    }

    fn serve_stream(&mut self, peer: Peer) {
        if !self.engine.can_read() {
            self.flush();
        }
        let Some(stream) = self.streams.get_mut(peer) else { return };
        stream.queued = false;
        if stream.writable {
            self.engine.writable(peer);
        }
        let read_on = stream.reads_on();
        let mut reading = Reading { socket: &stream.socket, bytes: 0 };
        let flow = self.engine.input(peer, &mut reading, read_on);
        let bytes = reading.bytes;
        match flow {
            Flow::Drained => stream.drained(bytes),
            // `flush` brings it back once its output has gone.
            Flow::Paused => {}
            Flow::More => enqueue(&mut self.unfinished, Source::Stream(peer), &mut stream.queued),
        }
    }

    fn serve_datagrams(&mut self, slot: usize) {
        self.know_networks();
        let Some(datagrams) = self.datagrams.get_mut(slot) else { return };
        let Some(tray) = &mut self.tray else { return };
        datagrams.queued = false;
        let responder = self.responders[datagrams.responder].as_mut();
        let mut watch = Watch { guard: &mut self.guards.datagrams, engine: &mut self.engine };
        let left = datagrams.serve(responder, tray, &mut watch);
        datagrams.await_room(self.poll.registry(), watch.engine);
        let source = Source::Datagrams(slot);
        match left {
            Left::Nothing => {}
            Left::More => enqueue(&mut self.unfinished, source, &mut datagrams.queued),
            Left::Refused => {
                datagrams.queued = true;
                self.rest(source, PAUSE);
            }
        }
    }

    /// Looks up from time to time which networks this machine is in.
    fn know_networks(&mut self) {
        let now = self.engine.now();
        if self.networks_known.is_none_or(|known| now.since(known) >= NETWORKS_AGE_MAX) {
            self.networks_known = Some(now);
            self.guards.datagrams.know_broadcasts(sockets::broadcasts());
        }
    }

    fn serve_listener(&mut self, slot: usize) {
        let Some(listener) = self.listeners.get_mut(slot) else { return };
        listener.queued = false;
        let mut gone = 0;
        for _ in 0..ACCEPTS_MAX {
            if self.accepting != Accepting::Yes {
                return;
            }
            if !self.engine.has_room() {
                self.accepted_last = slot;
                self.knocking = true;
                let count = self.engine.connections();
                let why = format_args!("{count} connections are as many as are allowed");
                return self.pause_accepting(Accepting::Full, why);
            }
            match self.listeners[slot].accept() {
                Accepted::One(tcp, arrival) => {
                    if let Err(why) =
                        self.guards.connections.admit(arrival.remote.ip(), self.engine.now())
                    {
                        self.refuse(&tcp, arrival, why);
                        continue;
                    }
                    let service = self.listeners[slot].service;
                    let peer = self.engine.accept(service, arrival);
                    if let Some(peer) = peer {
                        self.streams.insert(peer, Stream::accepted(tcp));
                    }
                }
                Accepted::None => return,
                Accepted::Gone(error) if gone < GONE_MAX => {
                    gone += 1;
                    self.engine.remark(log::Level::Debug, format_args!("accepting: {error}"));
                }
                Accepted::Gone(error) | Accepted::Exhausted(error) => {
                    let again = Accepting::Exhausted(self.engine.now().after(PAUSE));
                    return self.pause_accepting(again, format_args!("{error}"));
                }
            }
        }
        let listener = &mut self.listeners[slot];
        enqueue(&mut self.unfinished, Source::Listener(slot), &mut listener.queued);
    }

    /// All places are taken: if somebody waits at a listener, a peer with less claim to its place
    /// may have to go. Its place is free for the next turn.
    pub(super) fn make_room(&mut self) {
        if !self.knocking || self.accepting != Accepting::Full || self.engine.has_room() {
            return;
        }
        self.knocking = self.listeners.iter().any(|(_, listener)| listener.is_called());
        if self.knocking {
            self.engine.make_room();
        }
    }

    /// Closes a connection that was not let in, with a RST: it costs no further packet and leaves
    /// nothing behind in the kernel.
    fn refuse(&mut self, tcp: &TcpStream, arrival: Arrival, why: ConnectionRefusal) {
        *why.counter(self.engine.metrics_mut()) += 1;
        // Fails only if the peer is gone already.
        let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        let (remote, local) = (arrival.remote, arrival.local);
        let line = format_args!("connection from {remote} to {local} refused: {why}");
        self.engine.remark(log::Level::Info, line);
    }

    fn pause_accepting(&mut self, accepting: Accepting, why: std::fmt::Arguments<'_>) {
        self.accepting = accepting;
        self.engine.metrics_mut().accept_pauses += 1;
        let now = self.engine.now();
        // Under a flood this happens many times a second: the counter has them all.
        if self.pause_told.is_none_or(|told| now.since(told) >= PAUSE_TOLD_EVERY) {
            self.pause_told = Some(now);
            log::warn!(
                "not accepting for the moment: {why}; those who wait are taken as others go"
            );
        }
    }

    /// Looks whether what kept us from accepting is over.
    pub(super) fn resume_accepting(&mut self) {
        let over = match self.accepting {
            Accepting::Yes => return,
            Accepting::Exhausted(when) => when <= self.engine.now(),
            Accepting::Full => self.engine.has_room(),
        };
        if over {
            self.accepting = Accepting::Yes;
            // Their edges are long gone: look at all of them.
            // Whoever was served last comes last: a flood on one must not keep the others out.
            let (after, before): (Vec<_>, Vec<_>) =
                self.listeners.iter_mut().partition(|(slot, _)| *slot > self.accepted_last);
            for (slot, listener) in after.into_iter().chain(before) {
                enqueue(&mut self.ready, Source::Listener(slot), &mut listener.queued);
            }
        }
    }

    fn serve_signals(&mut self) {
        let Some(signals) = &mut self.signals else { return };
        signals.serve(&mut self.notes);
        // In the background, what was typed is announced and left unread.
        if let Some(input) = self.input.as_mut().filter(|input| !input.held) {
            input.look_again(self.poll.registry(), &mut self.notes);
        }
    }

    fn serve_input(&mut self) {
        let Some(input) = &mut self.input else { return };
        input.queued = false;
        let pause = input.serve(self.poll.registry(), &mut self.notes, self.engine.now());
        if let Some(pause) = pause {
            input.queued = true;
            self.rest(Source::Input, pause);
        } else if input.is_always_ready() {
            enqueue(&mut self.unfinished, Source::Input, &mut input.queued);
        }
    }
}
