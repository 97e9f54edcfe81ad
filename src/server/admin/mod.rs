//! `--admin`: metrics for programs, a page for people, over HTTP. A service like the others, with
//! places of its own, so that a flood on them does not lock it out nor the other way round.
//!
//! Nothing can be changed by it: GET and HEAD only. Whoever may connect may look, so it listens on
//! 127.0.0.1 unless told otherwise, and answers only to names that are its own.

mod census;
mod history;
mod page;
mod process;
mod prometheus;
mod response;
mod status;

use std::cell::{Cell, OnceCell, RefCell};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::Config;
use super::bus::BusView;
use super::http::{
    CUT_SHORT, Method, NOT_HERE, Parsed, Refusal, Request, TOO_SLOW, blank, is_head, is_ours,
    not_done, parse,
};
use super::socket::{Listened, Socket};
use super::totals::Totals;
use crate::admin_address::url;
use crate::engine::{Arrival, Location, Net, Operated, Peer, Quota, Reason, Service, Time};
use crate::failure::setting_up;
use crate::reactor::{self, Families, Listening, Reactor};
use census::Census;
use history::History;
use process::Process;
pub(super) use prometheus::Family;
use response::{Body, Codes, Response};

/// Connections at once.
const PLACES: usize = 16;
/// How long a request may take to come, from its first byte on.
const REQUEST: Duration = Duration::from_secs(1);
/// How long a connection may be kept without a request.
const IDLE: Duration = Duration::from_secs(60);
/// How often what happened is taken down for the plots.
const SAMPLE: Duration = Duration::from_secs(1);

/// The bounds of this service.
pub(super) const QUOTA: Quota = Quota {
    idle: Some(IDLE),
    queue_soft: usize::MAX,
    queue_hard: 4 * 1024 * 1024,
    apart: Some(PLACES),
};

/// Descriptors that are for this.
pub(super) const DESCRIPTORS: usize = PLACES + 4;

/// What the server knows and its services do not.
#[derive(Default)]
pub(super) struct Facts {
    /// Whether nobody new is taken in any more.
    pub(super) is_leaving: Cell<bool>,
    /// Where it listens, as it is announced.
    pub(super) listening: RefCell<Vec<String>>,
    /// The bus, if there is one.
    pub(super) bus: OnceCell<BusView>,
}

/// Listens where `config` asks for it, if it does, at `addresses`.
///
/// # Errors
/// One line for people.
pub(super) fn open(
    config: &Config,
    addresses: &[Location],
    reactor: &mut Reactor,
) -> Result<(Rc<Facts>, Listened), String> {
    let facts = Rc::new(Facts::default());
    let (sockets, mut listened) = (bind(addresses, &config.listening)?, Listened::default());
    if sockets.is_empty() {
        return Ok((facts, listened));
    }
    let names = config.admin_hosts.iter().chain([&config.settings.host_name]).cloned().collect();
    let admin = Admin::new(Rc::clone(&facts), names);
    let number = reactor.engine().add_service("admin", QUOTA, Box::new(admin));
    for socket in sockets {
        listened.urls.push(url(&socket.location().map_err(setting_up)?));
        socket.add(reactor, number, None, &mut listened.files).map_err(setting_up)?;
    }
    reactor.measure_turns();
    Ok((facts, listened))
}

/// Of a name, only the addresses that this machine has.
fn bind(locations: &[Location], listening: &Listening) -> Result<Vec<Socket>, String> {
    let (mut sockets, mut missing) = (Vec::new(), None);
    for location in locations {
        let address = match location {
            Location::Ip(address) => *address,
            Location::Unix(_) => {
                let why = |why| format!("cannot listen on {} (--admin): {why}", url(location));
                sockets.push(Socket::unix(location, listening).map_err(why)?);
                continue;
            }
        };
        match reactor::listen(address, Families::Both, &Listening::default()) {
            Ok(listener) => sockets.push(Socket::Tcp(listener)),
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                missing.get_or_insert_with(|| because(address, &error));
            }
            Err(error) => return Err(because(address, &error)),
        }
    }
    match missing {
        Some(why) if sockets.is_empty() => Err(why),
        _ => Ok(sockets),
    }
}

fn because(address: SocketAddr, error: &std::io::Error) -> String {
    let help = match error.kind() {
        ErrorKind::AddrInUse => {
            "; something is there already: stop it, or choose another port, --admin 0 for any"
        }
        ErrorKind::PermissionDenied => "; choose a port from 1024 on",
        ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    };
    format!("cannot listen on http://{address}/ (--admin): {error}{help}")
}

/// Somebody who is connected.
struct Visit {
    peer: Peer,
    /// When the first byte of a request came that is not whole yet.
    begun: Option<Time>,
    /// When something was last heard of it.
    active: Time,
}

/// See the top of this file.
pub(super) struct Admin {
    facts: Rc<Facts>,
    /// Names that are ours.
    names: Vec<String>,
    /// Never many.
    visits: Vec<Visit>,
    codes: Codes,
    history: History,
    census: Census,
    next_sample: Time,
    process: fn() -> Process,
    /// When the process began, in seconds since 1970, once that has been asked for: from two clocks
    /// of which each drops its fraction it would come out now so, now a second later.
    began: Option<u64>,
}

impl Admin {
    /// `names`: those that it answers to, beside addresses and localhost.
    pub(super) fn new(facts: Rc<Facts>, names: Vec<String>) -> Admin {
        Admin {
            facts,
            names,
            visits: Vec::new(),
            codes: Codes::default(),
            history: History::default(),
            census: Census::default(),
            next_sample: Time::ZERO,
            process: process::read,
            began: None,
        }
    }

    /// Answers one request.
    fn answer(&mut self, peer: Peer, request: &Request<'_>, net: &mut Net) {
        let response = match self.judge(request) {
            Err(refusal) => Response::refused(refusal),
            Ok(()) => self.fetch(request.path, net),
        };
        self.codes.count(response.code());
        let has_body = request.method != Method::Head;
        let head = response.head(net.wall_seconds(), request.keeps, request.is_old);
        net.send(peer, head.as_bytes());
        if has_body {
            net.send(peer, response.body());
        }
        if !request.keeps {
            net.close(peer);
        }
    }

    fn judge(&self, request: &Request<'_>) -> Result<(), Refusal> {
        if let Method::Other(method) = request.method {
            return Err(not_done(method));
        }
        match request.host.map_or(Ok(true), |host| is_ours(host, &self.names))? {
            true => Ok(()),
            false => Err(NOT_HERE),
        }
    }

    fn fetch(&mut self, path: &str, net: &mut Net) -> Response {
        let is_leaving = self.facts.is_leaving.get();
        match path {
            "/" => Response::page(page::PAGE),
            "/healthz" => Response::ok(Body::Plain("ok\n".into())),
            "/readyz" if is_leaving => Response::new(503, Body::Plain("leaving\n".into())),
            "/readyz" => Response::ok(Body::Plain("ready\n".into())),
            "/metrics" => {
                let survey = net.survey();
                let latest = net.wall_seconds().saturating_sub(survey.uptime().as_secs());
                let scraped = prometheus::Scraped {
                    is_leaving,
                    began: *self.began.get_or_insert(latest),
                    codes: &self.codes,
                    process: (self.process)(),
                    bus: self.facts.bus.get(),
                };
                Response::ok(Body::Metrics(scraped.text(survey)))
            }
            "/status.json" => {
                // A page and `cooee top` ask again and again, so it is known from the time before.
                self.census.begin(net);
                Response::ok(Body::Json(self.status(net)))
            }
            _ => Response::refused(response::NOT_FOUND),
        }
    }

    fn status(&self, net: &Net) -> String {
        status::Status {
            facts: &self.facts,
            history: &self.history,
            census: &self.census,
            process: (self.process)(),
            wall_seconds: net.wall_seconds(),
        }
        .text(net.survey())
    }

    /// Refuses `input`, which cannot be told apart from what follows it, and so ends the
    /// conversation.
    fn refuse(&mut self, peer: Peer, input: &[u8], refusal: Refusal, net: &mut Net) {
        let response = Response::refused(refusal);
        self.codes.count(response.code());
        net.send(peer, response.head(net.wall_seconds(), false, false).as_bytes());
        if !is_head(input) {
            net.send(peer, response.body());
        }
        net.close(peer);
    }

    /// Takes down what has happened since the last time.
    fn sample(&mut self, net: &mut Net) {
        let now = net.now();
        if self.next_sample <= now {
            self.history.add(Totals::of(net.survey()));
            // What was missed while the loop was busy has no sample of its own.
            while self.next_sample <= now {
                self.next_sample = self.next_sample.after(SAMPLE);
            }
        }
        net.wake_at(self.next_sample);
    }
}

impl Service for Admin {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        self.visits.push(Visit { peer, begun: None, active: net.now() });
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let mut visits = self.visits.iter_mut();
        let Some(visit) = visits.find(|visit| visit.peer == peer) else { return input.len() };
        visit.active = net.now();
        match parse(input) {
            Parsed::Partial if blank(input) == input.len() => 0,
            Parsed::Partial => {
                net.wake_at(visit.begun.get_or_insert(net.now()).after(REQUEST));
                0
            }
            Parsed::Whole(used, request) => {
                visit.begun = None;
                self.answer(peer, &request, net);
                // One answer in a turn: the next request comes again in the next one.
                net.end_share();
                used
            }
            Parsed::Wrong(refusal) => {
                self.refuse(peer, input, refusal, net);
                input.len()
            }
        }
    }

    fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
        match rest.len() - blank(rest) {
            0 => net.close(peer),
            _ => self.refuse(peer, rest, CUT_SHORT, net),
        }
    }

    fn closed(&mut self, peer: Peer, _: Reason, _: &mut Net) {
        self.visits.retain(|visit| visit.peer != peer);
    }

    /// Whoever has been silent for longest goes: one whose last answer is out before one between
    /// two requests, and that before one amid one.
    fn free_place(&mut self, net: &mut Net) -> bool {
        let claim = |visit: &&Visit| {
            let is_amid = visit.begun.is_some() || net.queued(visit.peer) > 0;
            (is_amid, net.is_open(visit.peer), visit.active, visit.peer)
        };
        let Some(peer) = self.visits.iter().min_by_key(claim).map(|visit| visit.peer) else {
            return false;
        };
        match net.queued(peer) {
            0 => net.leave(peer),
            _ => net.give_up(peer),
        }
        true
    }

    fn alarm(&mut self, net: &mut Net) {
        self.sample(net);
        self.census.go_on(net);
        let mut late = Vec::new();
        for visit in &mut self.visits {
            let Some(end) = visit.begun.map(|begun| begun.after(REQUEST)) else { continue };
            if end <= net.now() {
                visit.begun = None;
                late.push(visit.peer);
            } else {
                net.wake_at(end);
            }
        }
        for peer in late {
            self.refuse(peer, b"", TOO_SLOW, net);
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Admin {
    fn started(&mut self, net: &mut Net) {
        self.sample(net);
    }
}

#[cfg(test)]
mod tests;
