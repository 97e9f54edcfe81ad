//! Asks a server for its status, again and again, over one connection; calls again when that is
//! lost. Pure: a service like those of the clients.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::answer::{Answer, read};
use super::args::{first_line, host_of};
use crate::engine::{Arrival, Kind, Location, Net, Operated, Peer, Reason, Service, Time};

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(250);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it is left alone after a call in vain: from this, twice as long each time, to that.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// Seconds by which a server's time may seem to be behind ours: answers take time.
const CLOCKS_DIFFER: f64 = 1.0;
/// So many statuses are kept, to tell how fast their figures grow: those of a second.
const KEPT: usize = 5;

/// What has been seen of the server.
#[derive(Default)]
pub(super) struct Seen {
    /// The latest statuses and when they came, the newest last.
    pub(super) statuses: VecDeque<(Time, Value)>,
    /// Why there is no newer one.
    pub(super) problem: Option<String>,
}

impl Seen {
    /// The newest status.
    pub(super) fn status(&self) -> Option<&Value> {
        self.statuses.back().map(|(_, status)| status)
    }

    /// How much a figure among the totals grows in a second.
    #[allow(clippy::cast_precision_loss)] // rounded anyway
    pub(super) fn rate(&self, name: &str) -> Option<f64> {
        let ((from, old), (until, new)) = (self.statuses.front()?, self.statuses.back()?);
        let value = |status: &Value| status["totals"][name].as_u64();
        let seconds = until.since(*from).as_secs_f64();
        (seconds > 0.0).then_some(value(new)?.checked_sub(value(old)?)? as f64 / seconds)
    }

    fn add(&mut self, now: Time, status: Value) {
        // A server that has been started anew counts anew, however long it has been there.
        let uptime = |status: &Value| status["uptime_s"].as_f64();
        if let Some((at, last)) = self.statuses.back()
            && let (Some(old), Some(new)) = (uptime(last), uptime(&status))
            && new - old < now.since(*at).as_secs_f64() - CLOCKS_DIFFER
        {
            self.statuses.clear();
        }
        if self.statuses.len() == KEPT {
            self.statuses.pop_front();
        }
        self.statuses.push_back((now, status));
        self.problem = None;
    }
}

/// What is due next.
enum Due {
    /// To call.
    Call,
    /// To ask.
    Ask,
    /// To give up waiting for an answer or a connection.
    GiveUp,
}

/// See the top of this file.
pub(super) struct Caller {
    /// As it was asked for.
    name: String,
    locations: Vec<Location>,
    /// Which of them is called next.
    next: usize,
    peer: Option<Peer>,
    due: (Due, Time),
    pause: Duration,
    seen: Rc<RefCell<Seen>>,
}

impl Caller {
    pub(super) fn new(name: String, locations: Vec<Location>, seen: Rc<RefCell<Seen>>) -> Caller {
        let due = (Due::Call, Time::ZERO);
        Caller { name, locations, next: 0, peer: None, due, pause: PAUSES.0, seen }
    }

    fn plan(&mut self, due: Due, wait: Duration, net: &mut Net) {
        self.due = (due, net.now().after(wait));
        net.wake_at(self.due.1);
    }

    fn call(&mut self, net: &mut Net) {
        let location = self.locations[self.next % self.locations.len()].clone();
        self.next += 1;
        self.peer = net.dial(location, Kind::Stream);
        self.plan(Due::GiveUp, PATIENCE, net);
    }

    fn ask(&mut self, net: &mut Net) {
        let Some(peer) = self.peer else { return self.call(net) };
        let host = host_of(&self.locations[0]);
        net.send(peer, format!("GET /status.json HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        self.plan(Due::GiveUp, PATIENCE, net);
    }

    /// It cannot be told anything for now.
    fn lost(&mut self, why: String, net: &mut Net) {
        if let Some(peer) = self.peer.take() {
            net.leave(peer);
        }
        // Before it has ever answered, the other addresses of its name are tried at once.
        let is_first = self.seen.borrow().status().is_none();
        if is_first && self.next >= self.locations.len() {
            let name = &self.name;
            return net.stop(Err(format!(
                "{name}: {why}; is it there, with --admin? cooee top ADDRESS asks another"
            )));
        }
        self.seen.borrow_mut().problem = Some(why);
        let pause = if is_first { Duration::ZERO } else { self.pause };
        self.pause = (self.pause * 2).min(PAUSES.1);
        self.plan(Due::Call, pause, net);
    }

    /// Whether the server owes no answer over the connection that it has closed. Then nothing is
    /// lost: it may keep one only as long as nobody else needs the place. The next question goes
    /// over another, to the same address.
    fn is_done_with(&mut self) -> bool {
        let owes_nothing = matches!(self.due.0, Due::Ask);
        let is_done = self.peer.take_if(|_| owes_nothing).is_some();
        self.next -= usize::from(is_done);
        is_done
    }

    fn take(&mut self, code: u16, body: &[u8], net: &mut Net) {
        let status = serde_json::from_slice::<Value>(body).ok();
        match status.filter(|status| status["totals"].is_object()) {
            Some(status) if code == 200 => {
                self.seen.borrow_mut().add(net.now(), status);
                self.pause = PAUSES.0;
                self.plan(Due::Ask, EVERY, net);
            }
            _ => {
                let line = first_line(body);
                self.lost(format!("the answer is no status, but {code} {line}"), net);
            }
        }
    }
}

impl Service for Caller {
    fn opened(&mut self, _: Peer, _: &Arrival, net: &mut Net) {
        self.ask(net);
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        if self.peer != Some(peer) {
            return input.len();
        }
        match read(input) {
            Answer::Partial => 0,
            Answer::Whole(used, code, body) => {
                self.take(code, body, net);
                used
            }
            Answer::Wrong(why) => {
                self.lost(why.into(), net);
                input.len()
            }
        }
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        net.close(peer);
        if self.peer == Some(peer) && !self.is_done_with() {
            self.lost("the server has closed the connection".into(), net);
        }
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        if self.peer == Some(peer) && !self.is_done_with() {
            self.peer = None;
            let why = match reason {
                Reason::Failed(ErrorKind::ConnectionRefused) => "nothing listens there".to_owned(),
                Reason::Failed(ErrorKind::NotFound) => "there is no such socket".to_owned(),
                Reason::Failed(ErrorKind::WouldBlock) => "its queue is full".to_owned(),
                Reason::Failed(kind) => kind.to_string(),
                other => other.to_string(),
            };
            self.lost(why, net);
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        if net.now() < self.due.1 {
            return net.wake_at(self.due.1);
        }
        match self.due.0 {
            Due::Call => self.call(net),
            Due::Ask => self.ask(net),
            Due::GiveUp => self.lost(format!("no answer within {PATIENCE:?}"), net),
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Caller {
    fn started(&mut self, net: &mut Net) {
        self.call(net);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Address;
    use crate::engine::stage::Stage;

    const SERVER: ([u8; 4], u16) = ([192, 0, 2, 7], 5090);

    fn top() -> (Stage, Rc<RefCell<Seen>>) {
        top_at(vec![SERVER.into()])
    }

    fn top_at(addresses: Vec<std::net::SocketAddr>) -> (Stage, Rc<RefCell<Seen>>) {
        let seen = Rc::new(RefCell::new(Seen::default()));
        let locations = addresses.into_iter().map(Location::Ip).collect();
        let caller = Caller::new("192.0.2.7:5090".into(), locations, Rc::clone(&seen));
        (Stage::new(caller), seen)
    }

    fn last(stage: &Stage) -> Peer {
        *stage.dialed().last().expect("a call")
    }

    fn tell(stage: &mut Stage, opened: u64, uptime: f64) {
        let body = format!("{{\"uptime_s\":{uptime},\"totals\":{{\"opened\":{opened}}}}}");
        let peer = last(stage);
        assert!(
            stage.hear(peer).starts_with("GET /status.json HTTP/1.1\r\nHost: 192.0.2.7:5090\r\n")
        );
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (head, tail) = answer.split_at(30);
        stage.say(peer, head);
        stage.say(peer, tail);
    }

    fn answered() -> (Stage, Rc<RefCell<Seen>>) {
        let (mut stage, seen) = top();
        stage.flush();
        let peer = last(&stage);
        stage.answer(peer, ([192, 0, 2, 99], 4000).into());
        tell(&mut stage, 10, 100.0);
        (stage, seen)
    }

    #[test]
    fn it_asks_four_times_a_second_and_tells_how_fast_figures_grow() {
        let (mut stage, seen) = answered();
        for (opened, uptime) in [(10, 100.25), (11, 100.5), (12, 100.75), (20, 101.0), (50, 101.25)]
        {
            stage.pass(EVERY);
            tell(&mut stage, opened, uptime);
        }
        assert_eq!(seen.borrow().rate("opened"), Some(40.0));
        assert_eq!(seen.borrow().rate("nothing"), None);
        // Started anew, it counts anew.
        stage.pass(EVERY);
        tell(&mut stage, 100, 0.1);
        assert_eq!(seen.borrow().rate("opened"), None);
        // So it does if it was away for longer than it had been there.
        let peer = last(&stage);
        stage.fail(peer, ErrorKind::ConnectionReset);
        stage.pass(EVERY);
        for _ in 0..20 {
            let peer = last(&stage);
            stage.fail(peer, ErrorKind::ConnectionRefused);
            stage.pass(PAUSES.1);
        }
        let peer = last(&stage);
        stage.answer(peer, ([192, 0, 2, 99], 4000).into());
        tell(&mut stage, 200, 5.0);
        assert_eq!(seen.borrow().rate("opened"), None);
    }

    #[test]
    fn of_several_addresses_the_one_that_answers_is_called_again() {
        let other = ([192, 0, 2, 8], 5090).into();
        let (mut stage, seen) = top_at(vec![SERVER.into(), other, SERVER.into()]);
        stage.flush();
        let mut called = Vec::new();
        for is_there in [false, true, true, true] {
            let peer = last(&stage);
            let of_peer = stage.engine().roster().find(|entry| entry.peer == peer);
            called.push(of_peer.unwrap().remote);
            match is_there {
                false => stage.fail(peer, ErrorKind::ConnectionRefused),
                true => {
                    stage.answer(peer, ([192, 0, 2, 99], 4000).into());
                    tell(&mut stage, 10, 100.0);
                    stage.finish(peer);
                }
            }
            stage.pass(EVERY);
        }
        assert_eq!(called, [SERVER.into(), other, other, other].map(Address::Ip));
        assert_eq!(seen.borrow().problem, None);
    }

    #[test]
    fn a_server_that_does_not_keep_the_connection_is_called_for_each_question_and_not_missed() {
        let (mut stage, seen) = answered();
        for round in 0..4 {
            let (peer, calls) = (last(&stage), stage.dialed().len());
            match round % 2 {
                0 => stage.finish(peer),
                _ => stage.reset(peer),
            }
            assert_eq!(seen.borrow().problem, None);
            stage.pass(EVERY);
            assert_eq!(stage.dialed().len(), calls + 1);
            let peer = last(&stage);
            stage.answer(peer, ([192, 0, 2, 99], 4000).into());
            tell(&mut stage, 10, 100.25 + 0.25 * f64::from(round));
        }
        assert_eq!(seen.borrow().rate("opened"), Some(0.0));
        // Amid an answer it is.
        stage.pass(EVERY);
        let peer = last(&stage);
        stage.say(peer, "HTTP/1.1 200 OK\r\n");
        stage.finish(peer);
        let problem = seen.borrow().problem.clone();
        assert_eq!(problem.as_deref(), Some("the server has closed the connection"));
    }

    #[test]
    fn a_server_that_goes_away_is_called_again_less_and_less_often_until_it_is_back() {
        let (mut stage, seen) = answered();
        stage.pass(EVERY);
        let peer = last(&stage);
        stage.finish(peer);
        let mut calls = Vec::new();
        for _ in 0..6 {
            let known = stage.dialed().len();
            let begun = stage.engine().now();
            while stage.dialed().len() == known {
                stage.pass(Duration::from_millis(50));
            }
            calls.push(stage.engine().now().since(begun).as_millis());
            assert!(seen.borrow().problem.is_some() && seen.borrow().status().is_some());
            let peer = last(&stage);
            stage.fail(peer, ErrorKind::ConnectionRefused);
        }
        assert_eq!(calls, [250, 500, 1000, 2000, 2000, 2000]);
        assert_eq!(seen.borrow().problem.as_deref(), Some("nothing listens there"));
        stage.pass(PAUSES.1);
        let peer = last(&stage);
        stage.answer(peer, ([192, 0, 2, 99], 4000).into());
        tell(&mut stage, 3, 1.0);
        assert_eq!(seen.borrow().problem, None);
        assert_eq!(stage.engine().outcome(), None);
    }

    #[test]
    fn who_never_answers_is_no_server_to_wait_for() {
        let (mut stage, _) = top();
        stage.flush();
        let peer = last(&stage);
        stage.fail(peer, ErrorKind::ConnectionRefused);
        let Some(Err(why)) = stage.engine().outcome().cloned() else { panic!() };
        assert!(why.starts_with("192.0.2.7:5090: nothing listens there; is it there"), "{why}");
        for (answer, told) in [
            ("SSH-2.0-x\r\n", "speaks no HTTP"),
            ("HTTP/1.1 200 OK\r\n\r\nhello", "is no cooee"),
            ("HTTP/1.1 421 x\r\nContent-Length: 6\r\n\r\nno\x1bho\n", "but 421 no"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "but 200 {}"),
        ] {
            let (mut stage, _) = top();
            stage.flush();
            let peer = last(&stage);
            stage.answer(peer, ([192, 0, 2, 99], 4000).into());
            stage.say(peer, answer);
            let Some(Err(why)) = stage.engine().outcome().cloned() else { panic!("{answer}") };
            assert!(why.contains(told) && !why.contains('\x1b'), "{why}");
        }
    }

    #[test]
    fn a_server_that_keeps_silent_is_given_up_in_time() {
        let (mut stage, seen) = answered();
        stage.pass(EVERY);
        stage.pass(PATIENCE);
        assert_eq!(seen.borrow().problem.as_deref(), Some("no answer within 3s"));
    }
}
