//! Several nodes that share one NATS: engines of their own, each with a service that is told of the
//! bus and the bus itself, in one world with one clock and one seed.

mod between;
mod blows;
mod judge;
mod judge_chat;
mod judge_loss;
mod kernel;
mod member;
mod plain;
mod talker;
mod wires;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use cooee::bus::Port;
use cooee::engine::{Driver, Limits, Quota, Service, Time};

use self::between::{Between, Record};
use self::blows::{Blow, forecast};
use self::member::{Act, Member};
use self::wires::{End, NodeSockets, Shared, Wires, arrival};
use super::nats::{Nats, Options, Trouble};
use super::pipe::Faults;

pub(crate) use self::blows::{STORM, Weather};
pub(crate) use self::judge::judge;
pub(crate) use self::judge_chat::judge_chat;
pub(crate) use self::plain::Plain;
pub(crate) use self::talker::Talker;

/// How long all is well at the end.
pub(crate) const CALM: Duration = Duration::from_secs(45);
/// A world that takes more steps than this does not settle.
const STEPS_MAX: usize = 3_000_000;
/// When the worlds begin, in seconds since 1970.
const EPOCH: u64 = 1_000_000_000;

/// Makes the services of a node: its number, its port and a seed.
pub(crate) type Make<'a> = &'a dyn Fn(usize, Port, u64) -> Box<dyn Service>;

/// How a world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) nodes: usize,
    /// Members of all of them together.
    pub(crate) members: usize,
    pub(crate) weather: Weather,
    pub(crate) jetstream: bool,
    /// How many in a thousand messages come twice.
    pub(crate) twice: usize,
}

/// One node.
struct Node {
    driver: Driver<NodeSockets>,
    record: Record,
    /// Members that wait to be accepted, by their wires.
    backlog: VecDeque<usize>,
}

/// See the top of this file.
pub(crate) struct Nodes {
    setting: Setting,
    wires: Shared,
    nodes: Vec<Node>,
    members: Vec<Member>,
    nats: Nats,
    /// Until when nobody answers there.
    absent_until: Time,
    blows: VecDeque<(Time, Blow)>,
    /// Those that have fallen.
    struck: Vec<(Time, Blow)>,
    end: Time,
}

impl Nodes {
    pub(crate) fn new(setting: Setting, seed: u64, chat: Make, bus: Make) -> Nodes {
        let faults = Faults { short: 200, blocked: 50, interrupted: 20 };
        let mut wires = Wires::new(seed, faults);
        let rng = &mut wires.rng;
        let delay = Duration::from_millis(*rng.pick(&[0, 1, 5]));
        let flow_window = *rng.pick(&[500, 20_000, 2 * 1024 * 1024]);
        let advertised = vec!["192.0.2.98:4222".to_owned()];
        let jetstream = setting.jetstream;
        let options = Options { advertised, jetstream, flow_window, ..Options::default() };
        let trouble = Trouble { delay, twice: setting.twice, ..Trouble::default() };
        let nats = Nats::new(options, trouble, rng.next(), EPOCH * 1_000_000_000);
        let blows = forecast(setting.weather, setting.nodes, rng).into();
        let seeds: Vec<(u64, u64)> = (0..setting.nodes).map(|_| (rng.next(), rng.next())).collect();
        let members =
            (0..setting.members).map(|n| Member::new(n, n % setting.nodes, rng)).collect();
        let wires = Rc::new(RefCell::new(wires));
        let nodes = seeds.into_iter().enumerate();
        let nodes = nodes.map(|(node, seeds)| Node::new(node, seeds, &wires, chat, bus)).collect();
        Nodes {
            setting,
            wires,
            nodes,
            members,
            nats,
            absent_until: Time::ZERO,
            blows,
            struck: Vec::new(),
            end: Time::ZERO.after(STORM).after(CALM),
        }
    }

    /// Runs to the end. Returns the hash of all that happened.
    pub(crate) fn run(&mut self) -> u64 {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < STEPS_MAX, "the world does not settle");
        }
        self.wires.borrow().trace.hash()
    }

    /// Prints what happened and what passed at all nodes, in its order.
    pub(crate) fn tell(&self) {
        let blows = self.struck.iter().map(|(at, blow)| (*at, format!("{blow:?}")));
        let mut all: Vec<(Time, String)> = blows.collect();
        for (number, node) in self.nodes.iter().enumerate() {
            let record = node.record.borrow();
            let said =
                record.iter().map(|(at, it)| (*at, format!("  node {number} {}", it.shown())));
            all.extend(said);
        }
        all.sort_by_key(|(at, _)| *at);
        for (at, line) in all {
            let micros = at.since(Time::ZERO).as_micros();
            eprintln!("{:>3}.{:06} {line}", micros / 1_000_000, micros % 1_000_000);
        }
    }

    /// Somebody acts, or time jumps. False: it is over.
    fn step(&mut self) -> bool {
        let now = {
            let mut wires = self.wires.borrow_mut();
            let step = Duration::from_nanos(wires.rng.below(20_000) as u64);
            wires.now = wires.now.after(step);
            wires.now
        };
        if now >= self.end {
            return false;
        }
        if self.blows.front().is_some_and(|(at, _)| *at <= now) {
            let (_, blow) = self.blows.pop_front().expect("one");
            self.strike(blow, now);
            return true;
        }
        let mut ready: Vec<usize> =
            (0..self.nodes.len()).filter(|node| self.is_due(*node, now)).collect();
        if self.nats_is_due(now) {
            ready.push(self.nodes.len());
        }
        let first = self.nodes.len() + 1;
        ready.extend(
            (0..self.members.len()).filter(|n| self.member_is_due(*n, now)).map(|n| first + n),
        );
        if ready.is_empty() {
            return self.jump(now);
        }
        let actor = *self.wires.borrow_mut().rng.pick(&ready);
        if actor >= first {
            self.act(actor - first, now);
        } else if actor == self.nodes.len() {
            self.carry(now);
        } else {
            self.turn(actor, now);
        }
        true
    }

    fn is_due(&self, node: usize, now: Time) -> bool {
        let driver = &self.nodes[node].driver;
        driver.has_work()
            || !self.nodes[node].backlog.is_empty()
            || driver.next_deadline().is_some_and(|due| due <= now)
            || self.wires.borrow().has_events(node)
    }

    fn jump(&mut self, now: Time) -> bool {
        let nodes = self.nodes.iter().filter_map(|node| node.driver.next_deadline());
        let blow = self.blows.front().map(|(at, _)| *at);
        let members = self.members.iter().map(Member::wake);
        let next =
            nodes.chain(members).chain(blow).chain([self.nats_deadline(now), self.end]).min();
        self.wires.borrow_mut().now = next.expect("the end").max(now);
        true
    }

    fn turn(&mut self, node: usize, now: Time) {
        let events = self.wires.borrow_mut().events(node);
        let Node { driver, backlog, .. } = &mut self.nodes[node];
        driver.begin_turn(now, EPOCH + now.seconds());
        for (peer, readiness) in events {
            driver.note(peer, readiness);
        }
        while let Some(wire) = backlog.pop_front() {
            let peer = driver.accept(0, arrival(wire), wire);
            self.wires.borrow_mut().all[wire].peer = peer;
        }
        driver.serve();
        driver.end_turn();
        driver.engine_mut().take_screen();
    }
}

/// Members.
impl Nodes {
    fn member_is_due(&self, number: usize, now: Time) -> bool {
        let member = &self.members[number];
        let wires = self.wires.borrow();
        let stay = member.stays.last();
        member.wake() <= now || stay.is_some_and(|stay| member.is_due(&wires.all[stay.wire].pipe))
    }

    fn act(&mut self, number: usize, now: Time) {
        let member = &mut self.members[number];
        let mut wires = self.wires.borrow_mut();
        if let Some(Act::Come) = member.next(now) {
            let wire = wires.lay(member.node, End::Member(number));
            member.came(wire, now);
            self.nodes[member.node].backlog.push_back(wire);
        }
        let Some(wire) = member.stays.last().map(|stay| stay.wire) else { return };
        let Wires { rng, all, trace, .. } = &mut *wires;
        member.exchange(&mut all[wire].pipe, now, rng);
        trace.note("member", &[number as u64, all[wire].pipe.read as u64]);
    }
}

impl Node {
    fn new(node: usize, seeds: (u64, u64), wires: &Shared, chat: Make, bus: Make) -> Node {
        let sockets = NodeSockets { wires: Rc::clone(wires), node };
        let mut driver = Driver::new(Limits::default(), sockets);
        driver.begin_turn(Time::ZERO, EPOCH);
        let record = Record::default();
        let (ours, theirs) = (Port::default(), Port::default());
        let engine = driver.engine_mut();
        engine.add_service("chat", Quota::default(), chat(node, ours.clone(), seeds.0));
        let inner = bus(node, theirs.clone(), seeds.1);
        let between = Between { inner, bus: theirs, chat: ours, record: Rc::clone(&record) };
        let quota = Quota { apart: Some(2), ..Quota::default() };
        engine.add_service("bus", quota, Box::new(between));
        driver.end_turn();
        Node { driver, record, backlog: VecDeque::new() }
    }
}
