//! A connection for each operation: tcp_crr, tcp_cc, greet.

use super::run_state::{RunPhase, RunState};
use super::script::Script;
use super::workload::Workload;
use crate::bench::measure::fault::Fault;
use crate::bench::measure::recorder::Sample;
use crate::engine::{
    Address, Arrival, Handshake, Net, Operated, Peer, Reason, Service, Table, Time,
};

/// Greetings are remembered up to this length.
const GREETING_BYTES_MAX: usize = 4096;

/// One visit, from the dial to the end.
struct Visit {
    id: u64,
    intended: Time,
    dialed: Time,
    local: Option<Address>,
    first_byte: Option<Time>,
    /// Bytes that have come.
    got: usize,
    is_over: bool,
}

/// The service that makes a connection for each operation.
pub(super) struct Visits {
    run: RunState,
    script: Script,
    visits: Table<Visit>,
    /// Visits under way; at most `run.connections`.
    under_way: usize,
    next_id: u64,
    retry_at: Time,
    greeting: Vec<u8>,
    /// Whether the first greeting named its client's port or process. If it did, all have to.
    names_client: Option<bool>,
}

impl Visits {
    pub(super) fn new(run: RunState) -> Visits {
        Visits {
            script: Script::new(run.plan.workload, run.plan.size, run.plan.id),
            visits: Table::default(),
            under_way: 0,
            next_id: (run.thread as u64) << 24,
            retry_at: Time::ZERO,
            greeting: Vec::new(),
            names_client: None,
            run,
        }
    }

    /// Starts the visits that are due, up to the number of connections. `was_free`: there was a
    /// free one all along, so that any delay is the generator's.
    fn go(&mut self, net: &mut Net, now: Time, was_free: bool) {
        if now < self.retry_at {
            return net.wake_at(self.retry_at);
        }
        while self.under_way < self.run.connections {
            let Some(due) = self.run.next_due(now) else { break };
            if self.run.schedule.is_some() && was_free {
                self.run.note_slip(due, now);
            }
            let Some(peer) = self.run.dial(net, self.next_id) else { return };
            let visit = Visit {
                id: self.next_id,
                intended: due,
                dialed: now,
                local: None,
                first_byte: None,
                got: 0,
                is_over: false,
            };
            self.visits.insert(peer, visit);
            self.run.note_sent(due);
            self.next_id += 1;
            self.under_way += 1;
        }
        if self.under_way < self.run.connections {
            self.run.wake_when_due(net);
        }
    }

    /// The visit has succeeded.
    fn accomplish(&mut self, peer: Peer, net: &mut Net, now: Time) {
        let Some(visit) = self.visits.get_mut(peer) else { return };
        visit.is_over = true;
        let (intended, sent) = (visit.intended, visit.dialed);
        let whole = self.run.plan.workload.phases().len() - 1;
        self.run.record_phase(whole, sent, now);
        self.run.record(&Sample { intended, sent, done: now, bytes: visit.got });
        net.leave(peer);
    }

    fn take_echo(&mut self, peer: Peer, input: &[u8], net: &mut Net, now: Time) {
        let Some(visit) = self.visits.get_mut(peer).filter(|visit| !visit.is_over) else { return };
        if let Err(what) = self.script.check_stream(visit.id, 0, visit.got, input) {
            return self.run.wrong(what, now);
        }
        visit.got += input.len();
        if visit.got == self.script.size() {
            self.accomplish(peer, net, now);
        }
    }

    /// A greeting is complete. Our own is known word for word; another server's must at least
    /// name the right client, if it names one.
    fn take_greeting(&mut self, peer: Peer, rest: &[u8], net: &mut Net, now: Time) {
        let Some(visit) = self.visits.get_mut(peer).filter(|visit| !visit.is_over) else { return };
        let Some(local) = visit.local else { return };
        visit.got = rest.len();
        if rest.is_empty() {
            return;
        }
        self.greeting.clear();
        match write_greeting(&mut self.greeting, local) {
            Ok(()) if self.run.plan.own_greeting => {
                if rest != self.greeting {
                    let got = String::from_utf8_lossy(rest).into_owned();
                    return self.run.wrong(format!("{local} was greeted with {got:?}"), now);
                }
            }
            _ => {
                let names_it = names_client(rest, local);
                if *self.names_client.get_or_insert(names_it) && !names_it {
                    let got = String::from_utf8_lossy(rest).into_owned();
                    return self.run.wrong(format!("{local} was greeted with {got:?}"), now);
                }
            }
        }
        self.accomplish(peer, net, now);
    }

    /// Gives up visits that take too long.
    fn expire(&mut self, net: &mut Net, now: Time) {
        let Some(then) = now.before(self.run.plan.timeout) else { return };
        let overdue = |(_, visit): &(Peer, &Visit)| !visit.is_over && visit.dialed < then;
        let late: Vec<_> = self.visits.iter().filter(overdue).map(|(peer, _)| peer).collect();
        for peer in late {
            let Some(visit) = self.visits.get_mut(peer) else { continue };
            visit.is_over = true;
            let fault = match visit.local {
                Some(_) => Fault::Timeout,
                None => Fault::ConnectTimeout,
            };
            self.run.fault(fault, 1, now);
            net.leave(peer);
        }
    }

    fn look_after(&mut self, net: &mut Net) {
        let now = self.run.watch.now();
        if self.run.phase == RunPhase::Opening {
            self.run.begin(now);
        }
        self.go(net, now, true);
        self.run.advance(now);
        if self.run.looks_at_all(now) {
            self.expire(net, now);
        }
        if self.run.phase == RunPhase::Draining && self.under_way == 0 {
            self.run.done(now);
        }
        self.run.wake(net, now);
    }
}

fn write_greeting(into: &mut Vec<u8>, local: Address) -> std::io::Result<()> {
    use std::io::Write;
    into.write_all(b"Hello! You are connected to ")?;
    match local {
        Address::Ip(local) => writeln!(into, "('{}', {})", local.ip(), local.port()),
        Address::Unix(_) => writeln!(into, "{local}"),
    }
}

/// Whether the port of `local` is in the greeting, or at a unix socket its process.
fn names_client(greeting: &[u8], local: Address) -> bool {
    let number = match local {
        Address::Ip(local) => u32::from(local.port()),
        Address::Unix(whose) => whose.map_or(0, |whose| whose.pid),
    };
    String::from_utf8_lossy(greeting)
        .split(|c: char| !c.is_ascii_digit())
        .any(|word| word.parse() == Ok(number))
}

impl Service for Visits {
    fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
        let now = self.run.watch.now();
        let Some(visit) = self.visits.get_mut(peer).filter(|visit| !visit.is_over) else { return };
        visit.local = Some(arrival.local);
        let (id, dialed) = (visit.id, visit.dialed);
        self.run.record_phase(0, dialed, now);
        if let Some(handshake) = arrival.secured {
            let first = self.run.plan.workload.phases().len();
            let resumed = usize::from(handshake == Handshake::Resumed);
            self.run.record_phase(first + resumed, dialed, now);
        }
        match self.run.plan.workload {
            Workload::TcpCc => self.accomplish(peer, net, now),
            Workload::TcpCrr => self.script.request(id, 0, |piece| net.send(peer, piece)),
            _ => {}
        }
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let now = self.run.watch.now();
        let Some(visit) = self.visits.get_mut(peer) else { return input.len() };
        if visit.first_byte.is_none() {
            visit.first_byte = Some(now);
            let dialed = visit.dialed;
            self.run.record_phase(1, dialed, now);
        }
        match self.run.plan.workload {
            Workload::Greet if input.len() > GREETING_BYTES_MAX => {
                self.run.wrong("got a greeting that has no end".into(), now);
                input.len()
            }
            // The engine keeps it until it is whole.
            Workload::Greet => 0,
            _ => {
                self.take_echo(peer, input, net, now);
                input.len()
            }
        }
    }

    fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
        let now = self.run.watch.now();
        if self.run.plan.workload == Workload::Greet {
            self.take_greeting(peer, rest, net, now);
        }
        net.leave(peer);
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        let now = self.run.watch.now();
        let Some(visit) = self.visits.remove(peer) else { return };
        self.under_way -= 1;
        if !visit.is_over {
            self.run.lost(visit.local.is_some(), 1, reason, net, now);
            self.retry_at = now.after(self.run.plan.pause());
        }
        if self.run.phase < RunPhase::Draining {
            self.go(net, now, false);
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        self.look_after(net);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Visits {
    fn started(&mut self, net: &mut Net) {
        self.look_after(net);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::services::Settings;
    use crate::services::greet::Greet;

    #[test]
    fn the_greeting_that_is_expected_is_the_one_that_our_server_says() {
        let mut stage = Stage::new(Greet::new(&Settings::default()));
        let peer = stage.join();
        let local = ([192, 0, 2, 1], 1001).into();
        let mut expected = Vec::new();
        write_greeting(&mut expected, local).unwrap();
        assert_eq!(stage.hear_bytes(peer), expected);
    }

    #[test]
    fn a_port_is_found_in_a_greeting_as_a_whole_number_only() {
        let greeting = b"Hello! You are connected to ('127.0.0.1', 4711)\n";
        let local = |port| Address::from(([127, 0, 0, 1], port));
        assert!(names_client(greeting, local(4711)));
        assert!(!names_client(greeting, local(471)));
    }
}
