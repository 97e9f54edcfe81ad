//! Getting a connection: which server is next, where it is, when to call it, and what became of the
//! one before.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::heart::Heart;
use super::secure::{Said, Secured};
use super::{Bus, Parser};
use crate::engine::{Dial, Kind, Location, Net, Peer, Reason, Time};
use crate::nats::ServerAddress;

/// How long each step of a call may take: to be answered, to be told INFO, to be let in.
const STEP: Duration = Duration::from_secs(2);
/// How long a name server may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// How often it is asked whether it has answered.
const LOOKED_UP_EVERY: Duration = Duration::from_millis(20);
/// Who was with us for so long is called again at once.
const STEADY: Duration = Duration::from_secs(2);

/// So many troubles are known to have been logged. Beyond that one that keeps the bus out of reach
/// is forgotten, and may be logged again; others are not logged at all.
pub(super) const LOGGED_MAX: usize = 64;

const UNKNOWN: &str = "it does not tell who it is, as a NATS server does";

/// How far we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody is called before then.
    Waiting(Time),
    /// The server's name is looked up, since then.
    Resolving(Time),
    /// It is called, since then.
    Calling(Time),
    /// It is connected, since then, and is to tell who it is.
    Greeting(Time),
    /// It is to let us in, since then.
    Entering(Time),
    /// It has let us in; how the lines come is being settled.
    In,
    /// All that is wanted is heard.
    Up,
}

/// Whom we have called.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) peer: Peer,
    server: ServerAddress,
    address: SocketAddr,
    /// What it has said before the handshake of TLS.
    said: Rc<RefCell<Said>>,
    /// Its other addresses.
    rest: VecDeque<SocketAddr>,
}

/// What has failed in TLS, with the flag that would help here.
fn in_our_flags(failure: &str) -> String {
    failure.replace("--ca ", "--bus-ca ").replace(", or believe anybody with --insecure", "")
}

/// Why a connection is over, for people.
fn in_words(reason: Reason) -> String {
    match reason {
        Reason::Failed(kind) => kind.to_string(),
        Reason::Eof | Reason::CutOff | Reason::Done => {
            "the server has closed the connection".into()
        }
        Reason::Slow => "it takes nothing of what it is sent".into(),
        Reason::TooLong => "it sends what is too long".into(),
        other => other.to_string(),
    }
}

impl Bus {
    /// When this phase has taken too long, or is over.
    pub(super) fn phase_due(&self) -> Time {
        match self.phase {
            Phase::Waiting(until) => until,
            Phase::Resolving(_) => self.looked_up_at,
            Phase::Calling(since) | Phase::Greeting(since) | Phase::Entering(since) => {
                since.after(STEP)
            }
            Phase::In | Phase::Up => Time::NEVER,
        }
    }

    /// Does what is due before we are let in.
    pub(super) fn tick_call(&mut self, net: &mut Net) {
        let now = net.now();
        match self.phase {
            Phase::Waiting(until) if until <= now => self.call_next(net),
            Phase::Resolving(since) => self.look_up(since, net),
            Phase::Calling(since) if since.after(STEP) <= now => self.give_up("timed out", net),
            Phase::Greeting(since) if since.after(STEP) <= now => {
                self.give_up(UNKNOWN, net);
            }
            Phase::Entering(since) if since.after(STEP) <= now => {
                self.give_up("it does not let us in, nor say why", net);
            }
            _ => {}
        }
    }

    fn give_up(&mut self, why: &str, net: &mut Net) {
        self.lose(why, net.now(), net);
    }

    /// Tries the next server.
    fn call_next(&mut self, net: &mut Net) {
        let mut server = self.pool.next_server();
        // It may have been called inside TLS because it wanted that, whatever the pool says.
        let shunned = self.shunned.as_ref();
        if shunned.is_some_and(|one| (&one.host, one.port) == (&server.host, server.port)) {
            server = self.pool.next_server();
        }
        self.trying = server.clone();
        if let Ok(ip) = server.host.parse::<IpAddr>() {
            let address = SocketAddr::new(ip, server.port);
            return self.dial(server, VecDeque::from([address]), net);
        }
        if self.lookup.start(&server.host, server.port) {
            self.phase = Phase::Resolving(net.now());
            self.looked_up_at = net.now();
            return self.look_up(net.now(), net);
        }
        self.fail("the name server takes its time", net.now(), net.now());
    }

    /// Looks whether the name server has answered.
    fn look_up(&mut self, since: Time, net: &mut Net) {
        let now = net.now();
        match self.lookup.poll() {
            Some(Ok(addresses)) => {
                let server = self.trying.clone();
                self.dial(server, addresses.into(), net);
            }
            Some(Err(why)) => self.fail(&why, now, now),
            None if since.after(LOOKUP) <= now => {
                self.fail("the name server takes too long", now, now);
            }
            None => self.looked_up_at = now.after(LOOKED_UP_EVERY),
        }
    }

    /// Calls the first of these addresses.
    fn dial(&mut self, server: ServerAddress, mut addresses: VecDeque<SocketAddr>, net: &mut Net) {
        let now = net.now();
        let Some(address) = addresses.pop_front() else {
            return self.fail("it has no address", now, now);
        };
        self.trying = server.clone();
        let mut dial = Dial::to(Location::Ip(address), Kind::Stream);
        let mut said = Rc::default();
        if server.is_tls {
            match Secured::new(&server, &self.config) {
                Ok((through, told)) => {
                    dial.through = Some(Rc::new(through));
                    said = told;
                }
                Err(why) => return self.fail(&why, now, now),
            }
        }
        let Some(peer) = net.dial_with(dial) else {
            return self.fail("there is no place for a connection", now, now);
        };
        self.call = Some(Call { peer, server, address, said, rest: addresses });
        self.phase = Phase::Calling(now);
        self.parser = Parser::default();
        self.heart = Heart::new(now);
        self.out.clear();
    }

    /// There is a connection.
    pub(super) fn connected(&mut self, net: &mut Net) {
        if matches!(self.phase, Phase::Calling(_)) {
            self.phase = Phase::Greeting(net.now());
        }
        let said = self.call.as_ref().map(|call| call.said.take());
        if let Some(Said::Info(info)) = said {
            self.greeted(&info, net);
        }
    }

    /// The server speaks inside TLS only: calls it so.
    pub(super) fn call_secured(&mut self, net: &mut Net) {
        let Some(call) = self.call.take() else { return };
        net.abandon(call.peer);
        self.interrupted();
        let server = ServerAddress { is_tls: true, ..call.server };
        self.dial(server, VecDeque::from([call.address]), net);
    }

    /// Why the connection is over, for people.
    pub(super) fn why_closed(&self, reason: Reason, failure: Option<&str>) -> String {
        let said = self.call.as_ref().map(|call| call.said.borrow());
        match (said.as_deref(), failure) {
            (Some(Said::Wrong(why)), _) => why.clone(),
            (_, Some(failure)) if reason != Reason::Preface => in_our_flags(failure),
            (_, Some(_)) => UNKNOWN.into(),
            (_, None) => in_words(reason),
        }
    }

    /// The connection or the call is over or good for nothing, since then; another is tried.
    pub(super) fn lose(&mut self, why: &str, since: Time, net: &mut Net) {
        let Some(call) = self.call.take() else { return };
        net.abandon(call.peer);
        self.lost(call, why, since, net);
    }

    /// That call is over, and so is its connection.
    pub(super) fn lost(&mut self, mut call: Call, why: &str, since: Time, net: &mut Net) {
        let was_calling = matches!(self.phase, Phase::Calling(_));
        self.interrupted();
        if was_calling && !call.rest.is_empty() {
            return self.dial(call.server, std::mem::take(&mut call.rest), net);
        }
        self.fail(why, since, net.now());
    }

    /// Nothing of the connection holds any more.
    fn interrupted(&mut self) {
        self.subscriptions.interrupted();
        self.keeper.interrupted();
        self.followings.interrupted();
        self.kept.rewind();
        (self.mode, self.unheard) = (None, false);
        self.out.clear();
        self.port.count(|figures| {
            (figures.is_up, figures.has_stream, figures.round_trip) = (false, false, None);
            figures.server.clear();
        });
    }

    /// It could not be reached, or is lost since then: another is tried.
    fn fail(&mut self, why: &str, since: Time, now: Time) {
        let line = format!("{}: {why}", self.trying);
        let is_up = self.phase == Phase::Up;
        self.loss.begin(since, &line);
        // The same over and over is said once.
        if is_up || !self.logged.contains(&line) {
            let lost = if is_up { "lost" } else { "not reached" };
            log::warn!("the bus is {lost}: {line}; trying again");
            if self.logged.len() >= LOGGED_MAX {
                self.logged.pop_first();
            }
            self.logged.insert(line);
        }
        if self.up_at.take().is_some_and(|at| at.after(STEADY) <= now) {
            self.waits.reset();
        }
        self.phase = Phase::Waiting(now.after(self.waits.next_wait(self.random.next())));
    }
}
