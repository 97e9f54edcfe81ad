//! Requests and responses on kept connections: tcp_rr, tcp_stream, udp_rr, months.
//!
//! What a latency is: in a closed loop a request begins when the answer before it has been read, by
//! the clock at that moment, and ends when the last byte of its own answer has been read. It need
//! not be written at once: answers to others that are here already may be read first, 31 at most
//! (`Limits::flush_every` less one), about a microsecond each. So the time that the generator takes
//! to write a request, and to come round to its answer, is part of the latency, as it is for every
//! program with more than one connection. In an open loop a request begins when it was due.

use std::collections::VecDeque;

use super::run_state::{RunPhase, RunState};
use super::script::{Misfit, Script};
use super::window::{Answer, Window};
use crate::bench::measure::fault::Fault;
use crate::bench::measure::recorder::Sample;
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Table, Time};

/// Requests up to this long are gathered before they are sent.
const GATHERED_MAX: usize = 4096;
/// The most dials under way at once.
const DIALS_MAX: usize = 256;

/// One connection, and what has been asked on it.
struct Channel {
    id: u64,
    window: Window,
    /// Bytes of the oldest answer that have come and were right.
    at: usize,
    open: bool,
    /// Whether it is in `free`.
    is_free: bool,
    doubt: Option<Doubt>,
}

/// Input that is either a wrong answer or one to an earlier run.
struct Doubt {
    /// It was a wrong answer if a request before this number gets no other answer.
    before: u64,
    what: String,
    /// Whether a lost request is no proof against it as long as others are answered.
    is_weak: bool,
}

/// The service that asks on kept connections.
pub(super) struct Exchange {
    run: RunState,
    asking: Asking,
    channels: Table<Channel>,
    /// Open loop only: those below their depth, in turns.
    free: VecDeque<Peer>,
    /// Connections that are open; being dialed; still to be dialed.
    open: usize,
    dialing: usize,
    missing: usize,
    /// After a failed dial, the next one waits until then.
    retry_at: Time,
    next_id: u64,
}

/// What is asked, and how much of it at once.
struct Asking {
    script: Script,
    /// The most requests that wait for their answers on a connection.
    depth: usize,
    /// Whether a request has to be sent in one piece.
    in_one: bool,
    scratch: Vec<u8>,
}

impl Asking {
    fn has_free_place(&self, channel: &Channel) -> bool {
        let window = &channel.window;
        channel.open && window.in_flight() < self.depth && window.spread() < self.script.apart()
    }

    /// Calls `send` with request `number` of connection `id`.
    fn send(&mut self, id: u64, number: u64, mut send: impl FnMut(&[u8])) {
        if self.in_one {
            self.scratch.clear();
            self.script.request(id, number, |piece| self.scratch.extend_from_slice(piece));
            send(&self.scratch);
        } else {
            self.script.request(id, number, send);
        }
    }
}

impl Exchange {
    pub(super) fn new(run: RunState) -> Exchange {
        let script = Script::new(run.plan.workload, run.plan.size, run.plan.id);
        let missing = run.connections;
        // A short request of several pieces is cheaper to send in one as well.
        let in_one = run.plan.workload.is_datagram() || run.plan.size <= GATHERED_MAX;
        let next_id = (run.thread as u64) << 24;
        Exchange {
            asking: Asking { script, depth: run.plan.depth, in_one, scratch: Vec::new() },
            channels: Table::default(),
            free: VecDeque::with_capacity(run.connections),
            open: 0,
            dialing: 0,
            missing,
            retry_at: Time::ZERO,
            next_id,
            run,
        }
    }

    fn dial_more(&mut self, net: &mut Net, now: Time) {
        if now < self.retry_at || self.run.phase >= RunPhase::Draining {
            return;
        }
        while self.missing > 0 && self.dialing < DIALS_MAX {
            let Some(peer) = self.run.dial(net, self.next_id) else { return };
            let window = Window::new(self.run.plan.depth);
            let channel = Channel {
                id: self.next_id,
                window,
                at: 0,
                open: false,
                is_free: false,
                doubt: None,
            };
            self.channels.insert(peer, channel);
            self.next_id += 1;
            self.missing -= 1;
            self.dialing += 1;
        }
    }

    /// Sends the requests that are due on `peer`, up to its depth.
    fn ask(&mut self, peer: Peer, net: &mut Net, now: Time) {
        let Exchange { run, asking, channels, .. } = self;
        let Some(channel) = channels.get_mut(peer) else { return };
        while asking.has_free_place(channel) {
            let Some(due) = run.next_due(now) else { break };
            run.note_sent(due);
            let number = channel.window.ask(due, now);
            asking.send(channel.id, number, |bytes| net.send(peer, bytes));
        }
        if run.schedule.is_some() {
            self.note_free(peer, net);
        }
    }

    /// Open loop only: puts `peer` in `free` if it is below its depth.
    fn note_free(&mut self, peer: Peer, net: &mut Net) {
        let Some(channel) = self.channels.get_mut(peer) else { return };
        if self.asking.has_free_place(channel) && !channel.is_free {
            channel.is_free = true;
            self.free.push_back(peer);
            self.run.wake_when_due(net);
        }
    }

    /// Open loop only: sends what has become due on the free connections, in turns.
    fn ask_what_is_due(&mut self, net: &mut Net, now: Time) {
        if self.run.schedule.is_none() {
            return;
        }
        while let Some(peer) = self.free.pop_front() {
            let Some(channel) = self.channels.get_mut(peer) else { continue };
            channel.is_free = false;
            if !self.asking.has_free_place(channel) {
                continue;
            }
            match self.run.next_due(now) {
                Some(due) => {
                    self.run.note_slip(due, now);
                    self.run.note_sent(due);
                    let number = channel.window.ask(due, now);
                    self.asking.send(channel.id, number, |bytes| net.send(peer, bytes));
                    self.note_free(peer, net);
                }
                None => {
                    channel.is_free = true;
                    self.free.push_front(peer);
                    break;
                }
            }
        }
        if !self.free.is_empty() {
            self.run.wake_when_due(net);
        }
    }

    /// Checks what came over a stream and counts the answers that are complete.
    fn take_stream(&mut self, peer: Peer, input: &[u8], now: Time) {
        let mut rest = input;
        while !rest.is_empty() {
            let Some(channel) = self.channels.get_mut(peer) else { return };
            let number = channel.window.oldest();
            if channel.window.in_flight() == 0 {
                let what = format!("got {} bytes that nobody asked for", rest.len());
                let what = format!("{what}: is this an echo server?");
                return self.run.wrong(what, now);
            }
            let (script, bytes) = (&self.asking.script, self.asking.script.size());
            let (piece, behind) = rest.split_at(rest.len().min(bytes - channel.at));
            if let Err(what) = script.check_stream(channel.id, number, channel.at, piece) {
                return self.run.wrong(what, now);
            }
            channel.at += piece.len();
            rest = behind;
            if channel.at < bytes {
                return;
            }
            channel.at = 0;
            if let Answer::InTime { intended, sent, .. } = channel.window.answer(number) {
                self.run.record(&Sample { intended, sent, done: now, bytes });
            }
        }
    }

    /// Checks one datagram and counts what it answers.
    fn take_datagram(&mut self, peer: Peer, input: &[u8], net: &mut Net, now: Time) {
        let Some(channel) = self.channels.get_mut(peer) else { return };
        let number = match self.asking.script.check_datagram(channel.id, &channel.window, input) {
            Ok(number) => number,
            Err(Misfit::Wrong(what)) => return self.run.wrong(what, now),
            Err(Misfit::Stray) => return self.run.fault(Fault::Stray, 1, now),
            Err(Misfit::Doubtful(what)) => return self.doubt(peer, what, false, now),
            Err(Misfit::Foreign(what)) => return self.doubt(peer, what, true, now),
        };
        match channel.window.answer(number) {
            Answer::InTime { intended, sent, overtaken } => {
                self.run.record(&Sample { intended, sent, done: now, bytes: input.len() });
                self.run.fault(Fault::Reordered, u64::from(overtaken), now);
                // A stray one behind it is found before the next answer, for which there will be
                // another question; at the end there is none.
                if channel.window.in_flight() == 0 && self.run.phase < RunPhase::Draining {
                    net.expect_no_more();
                }
            }
            Answer::Duplicate => self.run.fault(Fault::Duplicate, 1, now),
            Answer::Late => self.run.fault(Fault::Late, 1, now),
            Answer::Unknown => {
                let what = format!("got an answer to request {number}, which was never sent");
                return self.run.wrong(what, now);
            }
        }
        channel.doubt.take_if(|doubt| channel.window.oldest() >= doubt.before);
    }

    /// Input on `peer` was wrong, or answered an earlier run.
    fn doubt(&mut self, peer: Peer, what: String, is_weak: bool, now: Time) {
        if let Some(channel) = self.channels.get_mut(peer) {
            let before = channel.window.next();
            channel.doubt.get_or_insert(Doubt { before, what, is_weak });
        }
        self.run.fault(Fault::Stray, 1, now);
    }

    /// Gives up what has waited too long: a datagram is lost, a connection is dropped.
    fn expire(&mut self, net: &mut Net, now: Time) {
        let Some(then) = now.before(self.run.plan.timeout) else { return };
        let overdue = |(_, channel): &(Peer, &Channel)| {
            channel.window.waiting_since().is_some_and(|sent| sent < then)
        };
        let late: Vec<Peer> = self.channels.iter().filter(overdue).map(|(peer, _)| peer).collect();
        for peer in late {
            let Some(channel) = self.channels.get_mut(peer) else { continue };
            if self.run.plan.workload.is_datagram() {
                let oldest = channel.window.oldest();
                let doubt = channel.doubt.take_if(|doubt| oldest < doubt.before);
                if let Some(doubt) = doubt.filter(|d| !d.is_weak || !self.run.has_worked()) {
                    return self.run.wrong(doubt.what, now);
                }
                let run = &mut self.run;
                let lost = channel.window.expire(then, |due| run.note_lost(due)) as u64;
                self.run.fault(Fault::Lost, lost, now);
                self.ask(peer, net, now);
            } else {
                let owed = channel.window.in_flight() as u64;
                self.run.fault(Fault::Timeout, owed, now);
                self.forget(peer);
                net.leave(peer);
            }
        }
    }

    /// The connection is gone: another takes its place.
    fn forget(&mut self, peer: Peer) -> Option<Channel> {
        let channel = self.channels.remove(peer)?;
        match channel.open {
            true => self.open -= 1,
            false => self.dialing -= 1,
        }
        self.missing += 1;
        Some(channel)
    }

    fn look_after(&mut self, net: &mut Net) {
        let now = self.run.watch.now();
        self.ask_what_is_due(net, now);
        self.run.advance(now);
        if self.run.looks_at_all(now) {
            self.expire(net, now);
        }
        self.dial_more(net, now);
        let waits = |(_, channel): (Peer, &Channel)| channel.window.in_flight() > 0;
        if self.run.phase == RunPhase::Draining && !self.channels.iter().any(waits) {
            self.run.done(now);
        }
        self.run.wake(net, now);
    }

    fn begin(&mut self, net: &mut Net, now: Time) {
        self.run.begin(now);
        let everybody: Vec<Peer> = self.channels.iter().map(|(peer, _)| peer).collect();
        for peer in everybody {
            match self.run.schedule {
                Some(_) => self.note_free(peer, net),
                None => self.ask(peer, net, now),
            }
        }
        self.look_after(net);
    }
}

impl Service for Exchange {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        let now = self.run.watch.now();
        let Some(channel) = self.channels.get_mut(peer) else { return };
        channel.open = true;
        self.dialing -= 1;
        self.open += 1;
        self.run.note_open(self.open, now);
        match self.run.phase {
            RunPhase::Opening if self.open == self.run.connections => self.begin(net, now),
            RunPhase::Opening => self.dial_more(net, now),
            _ => self.ask(peer, net, now),
        }
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let now = self.run.watch.now();
        match self.run.plan.workload.is_datagram() {
            true => self.take_datagram(peer, input, net, now),
            false => self.take_stream(peer, input, now),
        }
        if self.run.phase < RunPhase::Draining {
            self.ask(peer, net, now);
        }
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        net.leave(peer);
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        let now = self.run.watch.now();
        let Some(channel) = self.forget(peer) else { return };
        self.run.lost(channel.open, channel.window.in_flight(), reason, net, now);
        self.retry_at = now.after(self.run.plan.pause());
        net.wake_at(self.retry_at);
    }

    fn alarm(&mut self, net: &mut Net) {
        self.look_after(net);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Exchange {
    fn started(&mut self, net: &mut Net) {
        self.look_after(net);
    }
}
