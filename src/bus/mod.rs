//! The bus: what joins the rooms of several servers, by way of NATS. Feature `bus`.
//!
//! A service of its own, which calls the NATS server and keeps that connection alive. It knows
//! subjects and payloads and nothing of what they mean: whoever wants something of it leaves a
//! [`Wish`] at the [`Port`] and takes the [`News`] there. It is to be added right behind that
//! service, so that what is wished in a turn leaves with it.
//!
//! `calls` gets a connection, `session` is what is said on it, `lines` what the stream is asked and
//! says, `wishes` what is wanted of us. Everything else here is a machine without a socket.

mod calls;
mod following;
mod followings;
mod heart;
mod keeper;
mod kept;
mod lines;
mod lookup;
mod loss;
mod outgoing;
mod port;
mod saying;
mod secure;
mod session;
mod subscriptions;
mod wishes;

use std::collections::BTreeSet;

use crate::engine::{Arrival, Net, Operated, Peer, Quota, Reason, Service, Time};
pub use crate::nats::{Login, ServerAddress};
use crate::nats::{Parser, Pool, Waits};
use crate::rate::Rate;
use crate::splitmix::Random;
use crate::tls::Trust;

use calls::{Call, Phase};
use followings::Followings;
use heart::Heart;
use keeper::Keeper;
use kept::Kept;
pub use lookup::{Found, Lookup};
use loss::Loss;
use outgoing::Outgoing;
pub use port::{BusFigures, News, Port, Wish};
use subscriptions::{Admission, Subscriptions};

/// What all subjects of ours begin with: a name, and the version of what is said under it.
const PREFIX: &str = "cooee.1.";
/// The longest payload that is taken or told.
pub const PAYLOAD_MAX: usize = 8 * 1024;
/// The bounds of this service: one connection, and one that is about to end.
pub const QUOTA: Quota =
    Quota { idle: None, queue_soft: usize::MAX, queue_hard: 4 * 1024 * 1024, apart: Some(2) };

/// Where the bus is, and how to get there.
#[derive(Clone, Debug)]
pub struct BusConfig {
    /// One of these; at least one.
    pub servers: Vec<ServerAddress>,
    /// Our own name there.
    pub node: String,
    /// Who we are to it.
    pub login: Login,
    /// The lines of a subject that are told; `None`: all.
    pub rate: Option<Rate>,
    /// Whose certificates are believed, over TLS.
    pub trust: Trust,
    /// Whether only those servers are tried and none that they advertise.
    pub ignores_advertised: bool,
}

impl BusConfig {
    /// These servers, with nothing to show to them, and the rate that there is by default.
    pub fn new(servers: Vec<ServerAddress>, node: &str) -> BusConfig {
        let (login, rate) = (Login::None, Some(Rate::per_second(RATE)));
        let (node, trust) = (node.into(), Trust::Machine);
        BusConfig { servers, node, login, rate, trust, ignores_advertised: false }
    }
}

/// The lines of a subject that are told in a second, unless something else is wanted.
pub const RATE: f64 = 2_000.0;

/// How lines of others get here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// From a stream, which keeps them.
    Stream,
    /// As they are published.
    Plain,
}

/// See the top of this file.
pub struct Bus {
    config: BusConfig,
    admission: Option<Admission>,
    port: Port,
    lookup: Box<dyn Lookup>,
    random: Random,
    /// Where it may be, and how long to wait before it is tried again.
    pool: Pool,
    waits: Waits,
    /// How far we are, and whom we have called.
    phase: Phase,
    call: Option<Call>,
    /// The server that is being tried or was reached last, and when it was, if it was.
    trying: ServerAddress,
    up_at: Option<Time>,
    /// When to ask the name server again whether it has answered.
    looked_up_at: Time,
    /// The server that is about to end: the others are tried before it.
    shunned: Option<ServerAddress>,
    loss: Loss,
    /// What was told last: whether there is a stream.
    told: Option<bool>,
    /// What went wrong since it was reached last, and has been logged.
    logged: BTreeSet<String>,
    parser: Parser,
    heart: Heart,
    /// Where answers come to on this connection.
    inbox: String,
    subscriptions: Subscriptions,
    keeper: Keeper,
    mode: Option<Mode>,
    followings: Followings,
    kept: Kept,
    /// Whether something that was said has come back unheard, and is to be said again.
    unheard: bool,
    out: Outgoing,
    /// When it may have to be told that something was dropped.
    surplus_due: Time,
    has_been_up: bool,
    /// Whether something was told behind whoever takes it.
    has_told_late: bool,
}

impl Bus {
    /// What is chosen by chance depends on `seed`.
    ///
    /// # Panics
    /// If there is no server in `config`.
    pub fn new(config: BusConfig, port: Port, seed: u64, lookup: Box<dyn Lookup>) -> Bus {
        assert!(!config.servers.is_empty(), "a bus has a server");
        let mut random = Random::new(seed);
        Bus {
            admission: config.rate.map(Admission::new),
            port,
            lookup,
            pool: Pool::new(config.servers.clone(), random.next()),
            random,
            waits: Waits::default(),
            phase: Phase::Waiting(Time::ZERO),
            call: None,
            trying: config.servers[0].clone(),
            up_at: None,
            looked_up_at: Time::NEVER,
            shunned: None,
            loss: Loss::Untold(Time::ZERO, "it has not been reached yet".into()),
            told: None,
            logged: BTreeSet::new(),
            parser: Parser::default(),
            heart: Heart::new(Time::ZERO),
            inbox: String::new(),
            subscriptions: Subscriptions::default(),
            keeper: Keeper::default(),
            mode: None,
            followings: Followings::default(),
            kept: Kept::default(),
            unheard: false,
            out: Outgoing::default(),
            surplus_due: Time::NEVER,
            has_been_up: false,
            has_told_late: false,
            config,
        }
    }

    /// Whether `peer` is the one that counts.
    fn is_ours(&self, peer: Peer) -> bool {
        self.call.as_ref().is_some_and(|call| call.peer == peer)
    }

    fn tell(&self, news: News) {
        self.port.tell(news);
    }

    /// When something is due.
    fn due(&self) -> Time {
        let alive = match self.phase {
            Phase::In | Phase::Up => {
                let answer = self.kept.waits_since().map_or(Time::NEVER, kept::overdue_at);
                let consumers = self.followings.due();
                self.heart.due().min(answer).min(self.keeper.due()).min(consumers)
            }
            _ => self.phase_due(),
        };
        alive.min(self.loss.due()).min(self.surplus_due)
    }

    /// Does what is due.
    fn tick(&mut self, net: &mut Net) {
        let now = net.now();
        self.tick_call(net);
        if matches!(self.phase, Phase::In | Phase::Up) {
            self.tick_session(net);
        }
        if let Some(why) = self.loss.take(now) {
            self.told = None;
            self.tell(News::Down { why });
        }
        self.tell_surplus(now);
    }
}

#[cfg(test)]
pub(crate) mod tests;

impl Service for Bus {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        match self.is_ours(peer) {
            true => self.connected(net),
            false => net.abandon(peer),
        }
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        if !self.is_ours(peer) {
            return input.len();
        }
        self.heart.heard(net.now());
        self.hear(peer, input, net)
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        if self.is_ours(peer) {
            self.lose("the server has closed the connection", net.now(), net);
        }
        net.close(peer);
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        if self.is_ours(peer) {
            let why = self.why_closed(reason, net.failure());
            self.lose(&why, net.now(), net);
        }
    }

    fn drained(&mut self, peer: Peer, net: &mut Net) {
        if self.is_ours(peer) {
            self.out.look(peer, net);
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        self.tick(net);
    }

    fn settled(&mut self, net: &mut Net) {
        self.take_wishes(net);
        self.order_consumers(net.now());
        self.say_kept(net.now());
        if let Some(call) = &self.call {
            self.out.send(call.peer, net);
        }
        self.port.set_room(if self.phase == Phase::Up { self.out.room() } else { 0 });
        match std::mem::take(&mut self.has_told_late) {
            // Whoever is told has been asked already in this turn.
            true => net.wake_at(net.now()),
            false => net.wake_at(self.due()),
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Bus {
    fn started(&mut self, net: &mut Net) {
        self.loss = Loss::Untold(net.now(), "it has not been reached yet".into());
        self.tick(net);
        net.wake_at(self.due());
    }
}
