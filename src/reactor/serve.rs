//! Serving what is not a peer: listeners, datagram sockets, standard input and signals, each
//! within its share. Whoever has more to do goes to the back of the queue, for later.

use std::time::Duration;

use socket2::Socket;

use super::listeners::{
    ACCEPTS_APART_MAX, ACCEPTS_IN_ALL_MAX, ACCEPTS_MAX, Accepted, Accepting, GONE_MAX,
};
use super::rest::PAUSE;
use super::sockets;
use super::token::Source;
use super::udp::{Left, Screening};
use super::{PAUSE_TOLD_EVERY, Reactor, enqueue};
use crate::engine::{Arrival, Field, Layers, Refusal};

/// After so many connections in a turn nobody looks any more whether another one waits before it is
/// accepted. To accept in vain costs more than to look: accept(2) makes a socket first. But a look
/// before each of many costs more than one call in vain.
const LOOKS_MAX: usize = 8;
/// Networks that have come meanwhile are known after so long; until then the kernel still refuses
/// to answer from or to their broadcast addresses.
const NETWORKS_AGE_MAX: Duration = Duration::from_secs(10);

impl Reactor {
    /// Serves those that have become ready, each once.
    pub(super) fn serve_fresh(&mut self) {
        self.left = self.unfinished.len();
        self.accepts_left = ACCEPTS_IN_ALL_MAX;
        for _ in 0..self.ready.len() {
            if let Some(source) = self.ready.pop_front() {
                self.serve_source(source);
            }
        }
    }

    /// Serves those that had more to do when the turn began.
    pub(super) fn serve_unfinished(&mut self, owes_answers: bool) {
        if self.left > 0 && owes_answers {
            // Those who have just asked need not wait for it.
            self.driver.flush();
        }
        for _ in 0..self.left {
            if let Some(source) = self.unfinished.pop_front() {
                self.serve_source(source);
            }
        }
    }

    fn serve_source(&mut self, source: Source) {
        match source {
            Source::Datagrams(slot) => self.serve_datagrams(slot),
            Source::Listener(slot) => self.serve_listener(slot),
            Source::Signals => self.serve_signals(),
            Source::Input => self.serve_input(),
            // To have woken up was all; peers are the driver's.
            Source::Timer | Source::Stream(_) => {}
        }
    }

    fn serve_datagrams(&mut self, slot: usize) {
        self.know_networks();
        let Some(datagrams) = self.datagrams.get_mut(slot) else { return };
        let Some(tray) = &mut self.tray else { return };
        datagrams.queued = false;
        let responder = self.responders[datagrams.responder].as_mut();
        let (guard, engine) = (&mut self.datagram_guard, self.driver.engine_mut());
        let mut screening = Screening { guard, engine, responder: datagrams.responder };
        let left = datagrams.serve(responder, tray, &mut screening);
        datagrams.await_writable(self.poll.registry(), screening.engine);
        if let Some(due) = datagrams.due() {
            self.held_until = self.held_until.into_iter().chain([due]).min();
        }
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

    /// Has those served that hold back replies which are due.
    pub(super) fn serve_held(&mut self) {
        let now = self.driver.engine().now();
        if self.held_until.is_none_or(|until| until > now) {
            return;
        }
        let mut next = None;
        for (slot, datagrams) in &mut self.datagrams {
            match datagrams.due() {
                Some(due) if due <= now => {
                    enqueue(&mut self.ready, Source::Datagrams(slot), &mut datagrams.queued);
                }
                due => next = next.into_iter().chain(due).min(),
            }
        }
        self.held_until = next;
    }

    /// Looks up from time to time which networks this machine is in.
    fn know_networks(&mut self) {
        let now = self.driver.engine().now();
        if self.networks_known.is_none_or(|known| now.since(known) >= NETWORKS_AGE_MAX) {
            self.networks_known = Some(now);
            self.datagram_guard.know_broadcasts(sockets::broadcasts());
        }
    }

    fn serve_listener(&mut self, slot: usize) {
        let Some(listener) = self.listeners.get_mut(slot) else { return };
        listener.queued = false;
        if self.driver.engine().is_apart(listener.service) {
            return self.serve_apart(slot);
        }
        let mut gone = 0;
        for before in 0..ACCEPTS_MAX.min(self.accepts_left) {
            self.accepts_left -= 1;
            if self.accepting != Accepting::Yes {
                return;
            }
            if !self.driver.engine().has_free_place() {
                self.accepted_last = slot;
                self.newcomers_wait = true;
                let count = self.driver.engine().shared_connections();
                let why = format_args!("{count} connections are as many as are allowed");
                return self.pause_accepting(Accepting::Full, why);
            }
            match self.listeners[slot].accept() {
                Accepted::One(socket, arrival) => {
                    self.take_in(slot, socket, arrival);
                    if before < LOOKS_MAX && !self.listeners[slot].has_waiting() {
                        return;
                    }
                }
                Accepted::None => return,
                Accepted::Gone(error) if gone < GONE_MAX => {
                    gone += 1;
                    self.driver
                        .engine_mut()
                        .remark(log::Level::Debug, format_args!("accepting: {error}"));
                }
                Accepted::Gone(error) | Accepted::Exhausted(error) => {
                    let again = Accepting::Exhausted(self.driver.engine().now().after(PAUSE));
                    return self.pause_accepting(again, format_args!("{error}"));
                }
            }
        }
        let listener = &mut self.listeners[slot];
        enqueue(&mut self.unfinished, Source::Listener(slot), &mut listener.queued);
    }

    fn take_in(&mut self, slot: usize, socket: Socket, arrival: Arrival) {
        let layers = self.listeners[slot].layers(arrival.remote);
        // Whoever speaks for others is judged by whom it names.
        if !layers.as_ref().is_some_and(Layers::is_prefaced) {
            let now = self.driver.engine().now();
            if let Err(why) = self.driver.sockets_mut().guard.admit(arrival.remote, now) {
                return self.refuse(slot, &socket, arrival, why);
            }
        }
        let service = self.listeners[slot].service;
        match layers {
            None => self.driver.accept(service, arrival, socket),
            Some(layers) => self.driver.accept_through(service, arrival, socket, layers),
        };
    }

    /// Accepts for a service with places of its own, whatever the others are doing. If they are all
    /// taken, one of those who have them gives way.
    fn serve_apart(&mut self, slot: usize) {
        let service = self.listeners[slot].service;
        let mut gone = 0;
        for _ in 0..ACCEPTS_APART_MAX {
            if matches!(self.accepting, Accepting::Exhausted(_)) {
                return;
            }
            if !self.driver.engine().has_free_place_for(service) {
                if self.listeners[slot].has_waiting() {
                    let has_one = self.driver.engine_mut().free_place_of(service);
                    self.come_back(slot, has_one);
                }
                return;
            }
            match self.listeners[slot].accept() {
                Accepted::One(socket, arrival) => self.let_in(slot, socket, arrival),
                Accepted::None => return,
                Accepted::Gone(_) => gone += 1,
                Accepted::Exhausted(error) => {
                    let again = Accepting::Exhausted(self.driver.engine().now().after(PAUSE));
                    return self.pause_accepting(again, format_args!("{error}"));
                }
            }
        }
        // Nobody but those who are gone: a filter that refuses, which is waited out.
        self.come_back(slot, gone < ACCEPTS_APART_MAX);
    }

    fn let_in(&mut self, slot: usize, socket: Socket, arrival: Arrival) {
        if let Err(why) = self.driver.sockets_mut().guard.admit_apart(arrival.remote) {
            return self.refuse(slot, &socket, arrival, why);
        }
        let service = self.listeners[slot].service;
        self.driver.accept(service, arrival, socket);
    }

    /// Serves a listener again in the next turn, or after a rest.
    fn come_back(&mut self, slot: usize, soon: bool) {
        let source = Source::Listener(slot);
        let listener = &mut self.listeners[slot];
        match soon {
            true => enqueue(&mut self.unfinished, source, &mut listener.queued),
            false => {
                listener.queued = true;
                self.rest(source, PAUSE);
            }
        }
    }

    /// All places are taken: if somebody waits at a listener, a peer with less claim to its place
    /// may have to go. Its place is free for the next turn.
    pub(super) fn free_place(&mut self) {
        if !self.newcomers_wait
            || self.accepting != Accepting::Full
            || self.driver.engine().has_free_place()
        {
            return;
        }
        self.newcomers_wait = self.listeners.iter().any(|(_, listener)| listener.has_waiting());
        if self.newcomers_wait {
            self.driver.engine_mut().free_place();
        }
    }

    /// Closes a connection that was not let in.
    fn refuse(&mut self, slot: usize, socket: &Socket, arrival: Arrival, why: Refusal) {
        let service = self.listeners[slot].service;
        let over = self.listeners[slot].carrier();
        *why.counter(self.driver.engine_mut().counts_mut(service, over)) += 1;
        // A unix socket has no use for it.
        sockets::reset_on_close(socket);
        let (remote, local) = (arrival.remote, arrival.local);
        let line = format_args!("connection from {remote} to {local} refused: {why}");
        let fields = [
            ("event", Field::Text("refused")),
            ("transport", Field::Text(over.name())),
            ("peer", Field::Shown(&remote)),
            ("local", Field::Shown(&local)),
            ("reason", Field::Shown(&why)),
        ];
        self.driver.engine_mut().remark_with(log::Level::Info, line, &fields);
    }

    fn pause_accepting(&mut self, accepting: Accepting, why: std::fmt::Arguments<'_>) {
        self.accepting = accepting;
        self.driver.sockets_mut().has_closed = false;
        self.driver.engine_mut().metrics_mut().accept_pauses += 1;
        let now = self.driver.engine().now();
        // Under a flood this happens many times a second: the counter has them all.
        if self.pause_told.is_none_or(|told| now.since(told) >= PAUSE_TOLD_EVERY) {
            self.pause_told = Some(now);
            log::warn!(
                "not accepting for the moment: {why}; those who wait are taken as others go"
            );
        }
    }

    /// Whether what keeps us from accepting is over.
    pub(super) fn may_accept_again(&self) -> bool {
        match self.accepting {
            Accepting::Yes => false,
            Accepting::Exhausted(when) => {
                when <= self.driver.engine().now() || self.driver.sockets().has_closed
            }
            Accepting::Full => self.driver.engine().has_free_place(),
        }
    }

    /// Goes on accepting if what kept us from it is over.
    pub(super) fn resume_accepting(&mut self) {
        if self.may_accept_again() {
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
        let pause = input.serve(self.poll.registry(), &mut self.notes, self.driver.engine().now());
        if let Some(pause) = pause {
            input.queued = true;
            self.rest(Source::Input, pause);
        } else if input.is_always_ready() {
            enqueue(&mut self.unfinished, Source::Input, &mut input.queued);
        }
    }
}
