//! Requests and responses on kept connections: tcp_rr, tcp_stream, udp_rr, months.

use std::collections::VecDeque;

use super::run_state::{RunPhase, RunState};
use super::script::{Misfit, Script};
use super::window::{Answer, Window};
use crate::bench::measure::fault::Fault;
use crate::bench::measure::recorder::Sample;
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Table, Time};

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
    script: Script,
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
    scratch: Vec<u8>,
}

impl Exchange {
    pub(super) fn new(run: RunState) -> Exchange {
        let script = Script::new(run.plan.workload, run.plan.size, run.plan.id);
        let missing = run.connections;
        let next_id = (run.thread as u64) << 24;
        Exchange {
            script,
            channels: Table::default(),
            free: VecDeque::with_capacity(run.connections),
            open: 0,
            dialing: 0,
            missing,
            retry_at: Time::ZERO,
            next_id,
            scratch: Vec::new(),
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
        while self
            .channels
            .get(peer)
            .is_some_and(|channel| channel.has_free_place(self.run.plan.depth, self.script.apart()))
        {
            match self.run.next_due(now) {
                Some(due) => self.send(peer, due, net, now),
                None => break,
            }
        }
        self.note_free(peer, net);
    }

    /// Open loop only: puts `peer` in `free` if it is below its depth.
    fn note_free(&mut self, peer: Peer, net: &mut Net) {
        let Some(channel) = self.channels.get_mut(peer) else { return };
        let has_free_place = channel.has_free_place(self.run.plan.depth, self.script.apart());
        if self.run.schedule.is_some() && has_free_place && !channel.is_free {
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
            if !channel.has_free_place(self.run.plan.depth, self.script.apart()) {
                continue;
            }
            match self.run.next_due(now) {
                Some(due) => {
                    self.run.note_slip(due, now);
                    self.send(peer, due, net, now);
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

    fn send(&mut self, peer: Peer, due: Time, net: &mut Net, now: Time) {
        let Some(channel) = self.channels.get_mut(peer) else { return };
        let number = channel.window.ask(due, now);
        self.run.note_sent(due);
        if self.run.plan.workload.is_datagram() {
            self.scratch.clear();
            self.script.request(channel.id, number, |piece| self.scratch.extend_from_slice(piece));
            net.send(peer, &self.scratch);
        } else {
            self.script.request(channel.id, number, |piece| net.send(peer, piece));
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
            let (piece, behind) = rest.split_at(rest.len().min(self.script.size() - channel.at));
            if let Err(what) = self.script.check_stream(channel.id, number, channel.at, piece) {
                return self.run.wrong(what, now);
            }
            channel.at += piece.len();
            rest = behind;
            if channel.at < self.script.size() {
                return;
            }
            channel.at = 0;
            if let Answer::InTime { intended, sent, .. } = channel.window.answer(number) {
                let bytes = self.script.size();
                self.run.record(&Sample { intended, sent, done: now, bytes });
            }
        }
    }

    /// Checks one datagram and counts what it answers.
    fn take_datagram(&mut self, peer: Peer, input: &[u8], now: Time) {
        let Some(channel) = self.channels.get_mut(peer) else { return };
        let number = match self.script.check_datagram(channel.id, &channel.window, input) {
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
                let lost = channel.window.expire(then) as u64;
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

impl Channel {
    fn has_free_place(&self, depth: usize, apart: u64) -> bool {
        self.open && self.window.in_flight() < depth && self.window.spread() < apart
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
            true => self.take_datagram(peer, input, now),
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
        self.run.lost(channel.open, channel.window.in_flight(), reason, now);
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
