//! Asks a server for its status, again and again, over one connection; calls again when that is
//! lost. Pure: a service like those of the clients.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::answer::{Answer, read};
use super::args::first_line;
use crate::engine::{Arrival, Kind, Net, Operated, Peer, Reason, Service, Time};

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(250);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it is left alone after a call in vain: from this, twice as long each time, to that.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
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
        // A server that has been started anew counts anew.
        let begun = |status: &Value| status["uptime_s"].as_f64();
        if self.status().and_then(begun) > begun(&status) {
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
    addresses: Vec<SocketAddr>,
    /// Which of them is called next.
    next: usize,
    peer: Option<Peer>,
    due: (Due, Time),
    pause: Duration,
    seen: Rc<RefCell<Seen>>,
}

impl Caller {
    pub(super) fn new(name: String, addresses: Vec<SocketAddr>, seen: Rc<RefCell<Seen>>) -> Caller {
        let due = (Due::Call, Time::ZERO);
        Caller { name, addresses, next: 0, peer: None, due, pause: PAUSES.0, seen }
    }

    fn plan(&mut self, due: Due, wait: Duration, net: &mut Net) {
        self.due = (due, net.now().after(wait));
        net.wake_at(self.due.1);
    }

    fn call(&mut self, net: &mut Net) {
        let address = self.addresses[self.next % self.addresses.len()];
        self.next += 1;
        self.peer = net.dial(address, Kind::Stream);
        self.plan(Due::GiveUp, PATIENCE, net);
    }

    fn ask(&mut self, net: &mut Net) {
        let Some(peer) = self.peer else { return };
        let host = self.addresses[0];
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
        if is_first && self.next >= self.addresses.len() {
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
            Answer::Wrong => {
                self.lost("what answers there speaks no HTTP".into(), net);
                input.len()
            }
        }
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        net.close(peer);
        if self.peer == Some(peer) {
            self.lost("the server has closed the connection".into(), net);
        }
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        if self.peer == Some(peer) {
            self.peer = None;
            let why = match reason {
                Reason::Failed(ErrorKind::ConnectionRefused) => "nothing listens there".to_owned(),
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
    use crate::engine::stage::Stage;

    const SERVER: ([u8; 4], u16) = ([192, 0, 2, 7], 5090);

    fn top() -> (Stage, Rc<RefCell<Seen>>) {
        let seen = Rc::new(RefCell::new(Seen::default()));
        let caller = Caller::new("192.0.2.7:5090".into(), vec![SERVER.into()], Rc::clone(&seen));
        (Stage::new(caller), seen)
    }

    fn last(stage: &Stage) -> Peer {
        *stage.dialed().last().expect("a call")
    }

    fn tell(stage: &mut Stage, opened: u64, uptime: u64) {
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
        tell(&mut stage, 10, 100);
        (stage, seen)
    }

    #[test]
    fn it_asks_four_times_a_second_and_tells_how_fast_figures_grow() {
        let (mut stage, seen) = answered();
        for opened in [10, 11, 12, 20, 50] {
            stage.pass(EVERY);
            tell(&mut stage, opened, 101);
        }
        assert_eq!(seen.borrow().rate("opened"), Some(40.0));
        assert_eq!(seen.borrow().rate("nothing"), None);
        // Started anew, it counts anew.
        stage.pass(EVERY);
        tell(&mut stage, 1, 2);
        assert_eq!(seen.borrow().rate("opened"), None);
    }

    #[test]
    fn a_server_that_goes_away_is_called_again_less_and_less_often_until_it_is_back() {
        let (mut stage, seen) = answered();
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
        tell(&mut stage, 3, 1);
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
