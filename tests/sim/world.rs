//! The world: an engine with its services under oath, pipes, clients, and a clock that jumps.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use cooee::engine::{Driver, Engine, Knobs, Limits, Peer, Readiness, Reason, Time};

use super::client::Client;
use super::dumped::Dumped;
use super::facts::{Facts, Row, Shared, Story, Told, arrival, nanos, tag_of};
use super::kinds::Kind;
use super::mixes::Mix;
use super::rng::{Rng, Trace};
use super::sockets::Pipes;
use super::witness::Witness;

/// After so long without any client doing anything the kernel gives up those that are silent.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// A world that takes more steps than this does not settle.
const STEPS_MAX: usize = 400_000;
/// Once everybody is gone the engine may ask to be woken this often; then it must sleep for ever.
const LAST_TURNS_MAX: usize = 200;
/// A client that was passed over in so many turns acts before the next one.
const OVERDUE_MAX: usize = 2;

/// See the top of this file.
pub(crate) struct World {
    pub(crate) driver: Driver<Pipes>,
    pub(crate) facts: Shared,
    /// Events that come once more, a turn late.
    pub(crate) late: Vec<(Peer, Readiness)>,
    pub(crate) clients: Vec<Client>,
    /// Clients that have connected and wait to be accepted.
    pub(crate) backlog: VecDeque<usize>,
    /// How many have been accepted so far.
    pub(crate) accepted: u64,
    connected: Vec<bool>,
    mix: Mix,
    /// What each pipe had when its client was last told.
    seen: Vec<(usize, usize, bool)>,
    shut: bool,
    /// Turns begin this much apart at most, and when the next one may begin.
    laziness: usize,
    turn_at: Time,
    /// What `--hex` shows of it, in some worlds.
    dumped: Option<Dumped>,
}

/// One world in so many has everything dumped that goes over its connections.
const DUMPED: u64 = 4;

impl World {
    pub(crate) fn new(mix: &Mix, seed: u64, told: bool) -> World {
        let mut rng = Rng::new(seed);
        let limits = mix.limits(seed, &mut rng);
        let rows: Vec<Row> = mix.rows(&mut rng);
        let mut clients = Vec::new();
        let (mut pipes, mut stories) = (Vec::new(), Vec::new());
        for number in 0..rng.within(mix.clients.clone()) {
            let service = rng.below(rows.len());
            let character = *rng.pick(mix.characters);
            let kind = rows[service].kind;
            let client = Client::new(kind, character, number, mix, &mut rng);
            pipes.push(mix.pipe(&client, &mut rng));
            clients.push(client);
            stories.push(Story { service, ..Story::default() });
        }
        let count = clients.len();
        let laziness = *rng.pick(&[0, 100, 2000]);
        let batch_max = *rng.pick(&[0, 4, 40]);
        let trace = Trace::new(told);
        let facts = Facts { rng, trace, rows, stories, ..Facts::of(limits, pipes) };
        let facts = Rc::new(RefCell::new(facts));
        let pipes = Pipes { facts: Rc::clone(&facts), batch_max };
        let mut driver = Driver::new(limits, pipes);
        populate(driver.engine_mut(), limits, &facts);
        let dumped = seed.is_multiple_of(DUMPED).then(|| Dumped::begin(driver.engine_mut()));
        World {
            driver,
            facts,
            late: Vec::new(),
            clients,
            backlog: VecDeque::new(),
            accepted: 0,
            connected: vec![false; count],
            mix: mix.clone(),
            seen: vec![(0, 0, false); count],
            shut: false,
            laziness,
            turn_at: Time::ZERO,
            dumped,
        }
    }

    /// The same with that done to its connections.
    pub(crate) fn suffering(self, knobs: Knobs) -> World {
        self.facts.borrow_mut().knobs = Some(Rc::new(knobs));
        self
    }

    /// Runs until everybody has left. Returns the hash of all that happened, and what kinds of
    /// things that were.
    pub(crate) fn run(mut self) -> (u64, BTreeSet<String>) {
        let mut steps = 0;
        loop {
            while self.step() {
                steps += 1;
                assert!(steps < STEPS_MAX, "the world does not settle");
            }
            if !self.give_up_the_silent() {
                break;
            }
        }
        self.last_turns();
        self.judge_clients();
        let facts = self.facts.borrow();
        if let Some(dumped) = &self.dumped {
            dumped.judge(&facts);
        }
        (facts.trace.hash(), facts.seen.clone())
    }

    /// One thing happens: a client acts, the server has a turn, or time jumps. False: nothing
    /// will, or only silence is left.
    fn step(&mut self) -> bool {
        let (now, draw) = {
            let mut facts = self.facts.borrow_mut();
            facts.now = facts.now.after(Duration::from_nanos(facts.rng.below(20_000) as u64));
            (facts.now, facts.rng.below(1 << 20))
        };
        if self.driver.next_deadline().is_some_and(|due| due <= now) {
            self.turn();
            return true;
        }
        let due: Vec<usize> =
            (0..self.clients.len()).filter(|n| self.clients[*n].wake <= now).collect();
        let patient = due.iter().all(|n| self.clients[*n].overdue < OVERDUE_MAX);
        let weight = draw % (due.len() + 2);
        let ready = self.is_due() && self.turn_at <= now;
        if ready && patient && (weight >= due.len() || draw.is_multiple_of(5)) {
            due.iter().for_each(|n| self.clients[*n].overdue += 1);
            self.turn();
            return true;
        }
        if let Some(first) = due.iter().copied().max_by_key(|n| self.clients[*n].overdue) {
            let patient = self.clients[first].overdue < OVERDUE_MAX;
            self.act(if patient { due[draw % due.len()] } else { first }, now);
            return true;
        }
        self.meddle(draw) || ready || self.jump(now)
    }

    fn act(&mut self, client: usize, now: Time) {
        let mut guard = self.facts.borrow_mut();
        let Facts { rng, pipes, trace, .. } = &mut *guard;
        let who = &mut self.clients[client];
        trace.note("client", &[client as u64, nanos(now)]);
        if !std::mem::replace(&mut self.connected[client], true) {
            if self.shut {
                who.left = true;
            } else {
                self.backlog.push_back(client);
            }
        }
        who.overdue = 0;
        who.step(&mut pipes[client], now, rng);
    }

    /// Nothing is to be done now: on to when there is. False if that is never or far away.
    fn jump(&mut self, now: Time) -> bool {
        let wake = self.clients.iter().map(|client| client.wake).min();
        let wake = wake.filter(|wake| *wake < Time::NEVER);
        let next = wake.into_iter().chain(self.driver.next_deadline()).min();
        let turn = self.is_due().then_some(self.turn_at);
        let next = next.into_iter().chain(turn).min();
        let Some(next) = next.filter(|next| next.since(now) <= KEEPALIVE) else { return false };
        self.facts.borrow_mut().now = next.max(now);
        true
    }

    /// The operator, now and then.
    fn meddle(&mut self, draw: usize) -> bool {
        if !self.mix.meddles || !draw.is_multiple_of(64) {
            return false;
        }
        let mut facts = self.facts.borrow_mut();
        let services = facts.rows.len();
        match facts.rng.below(24) {
            0 if facts.turn > 100 => {
                facts.stories.iter_mut().for_each(|story| story.disturbed = true);
                drop(facts);
                self.shut = true;
                self.backlog.drain(..).for_each(|client| self.clients[client].left = true);
                self.driver.engine_mut().close_all();
            }
            1..=8 => {
                let client = facts.rng.below(self.clients.len());
                let Some(peer) = facts.stories[client].peer else { return false };
                let kind = facts.rows[facts.stories[client].service].kind;
                let rest = facts.pipes[client].taken - facts.stories[client].used;
                let too_long = rest > facts.limits.inbox;
                let story = &mut facts.stories[client];
                story.kicked_while_closing |= story.disturbed
                    || story.leaving_turn.is_some()
                    || kind.closes_first()
                    || too_long;
                story.disturbed = true;
                let open = !matches!(facts.stories[client].told, Told::Closed(_));
                drop(facts);
                let found = self.driver.engine_mut().kick(peer.number());
                assert_eq!(found, open.then_some(peer), "oracle 1: kicked somebody else");
                assert!(!open || self.driver.has_work(), "oracle 7: the next turn may be far off");
            }
            _ => {
                let line = ["hello", "", "BYE", "/who", "/to 3 hello", "/say lobby hello"];
                let (service, line) = (facts.rng.below(services), *facts.rng.pick(&line));
                drop(facts);
                self.driver.engine_mut().tell(service, Some(line));
                self.driver.engine_mut().take_screen();
            }
        }
        self.turn();
        true
    }

    /// Other things keep the processor busy for a while.
    pub(crate) fn rest(&mut self) {
        let mut facts = self.facts.borrow_mut();
        self.turn_at = facts.now.after(facts.rng.micros(0..=self.laziness));
    }

    /// Tells the clients what the turn did to their pipes.
    pub(crate) fn nudge(&mut self) {
        let mut guard = self.facts.borrow_mut();
        let Facts { rng, pipes, now, .. } = &mut *guard;
        for (client, pipe) in pipes.iter().enumerate() {
            let seen = (pipe.taken, pipe.heard.len(), pipe.ended_at.is_some() || pipe.dropped);
            if std::mem::replace(&mut self.seen[client], seen) != seen {
                self.clients[client].nudge(*now, rng);
            }
        }
    }

    /// What TCP does about the silent in the end. False if there is nobody left.
    fn give_up_the_silent(&mut self) -> bool {
        let mut facts = self.facts.borrow_mut();
        let gone = |told: Told| matches!(told, Told::Closed(_));
        let open: Vec<usize> = (0..facts.stories.len())
            .filter(|n| facts.stories[*n].peer.is_some() && !gone(facts.stories[*n].told))
            .collect();
        for client in &open {
            assert!(!self.clients[*client].polite, "left alone, {}", facts.who(*client));
            let who = facts.who(*client);
            let story = &facts.stories[*client];
            let Row { kind, quota } = facts.rows[story.service];
            assert!(quota.idle.is_none_or(|idle| idle > KEEPALIVE), "oracle 5: never idle, {who}");
            assert_eq!(story.above_soft, None, "oracle 5: never closed as slow, {who}");
            let answered = story.told == Told::Finished && kind.ends_with_the_peer();
            let closing = kind.greets() || story.disturbed || answered;
            assert!(!closing, "oracle 8: closing for ever, {who}");
            let pipe = &mut facts.pipes[*client];
            let lingers = pipe.ended_at.is_some() && kind != Kind::Ends;
            assert!(pipe.broken.is_none() && !lingers, "oracle 8: never dropped, {who}");
            pipe.break_off(io::ErrorKind::TimedOut, false);
            self.clients[*client].left = true;
        }
        !open.is_empty()
    }

    /// Everybody is gone: what is still in the heap fires without effect, and then all is quiet.
    fn last_turns(&mut self) {
        assert_eq!(self.driver.engine().connections(), 0, "oracle 1: somebody is left");
        let mut turns = 0;
        while let Some(due) = self.driver.next_deadline() {
            let now = self.facts.borrow().now.max(due);
            self.facts.borrow_mut().now = now;
            self.turn();
            turns += 1;
            assert!(turns < LAST_TURNS_MAX, "oracle 6: it wakes for nobody");
        }
        assert!(!self.driver.has_work());
        let facts = self.facts.borrow();
        let metrics = self.driver.engine().metrics();
        assert_eq!(metrics.opened, metrics.closed, "oracle 2");
        assert_eq!(facts.opened, facts.closed, "oracle 2");
    }
}

fn populate(engine: &mut Engine, limits: Limits, facts: &Shared) {
    let rows = facts.borrow().rows.clone();
    for (service, row) in rows.into_iter().enumerate() {
        let facts = Rc::clone(facts);
        let inner = row.kind.make(limits.high);
        let witness = Witness { inner, facts, service, running: false };
        let name = if row.kind.offer().is_empty() { "test" } else { row.kind.offer() };
        engine.add_service(name, row.quota, Box::new(witness));
    }
}

/// Oracles at the end, for what each client heard.
impl World {
    fn judge_clients(&self) {
        let facts = self.facts.borrow();
        for (client, script) in self.clients.iter().enumerate() {
            if facts.stories[client].peer.is_none() {
                continue;
            }
            let Told::Closed(reason) = facts.stories[client].told else {
                panic!("oracle 2: never closed, {}", facts.who(client));
            };
            let served = script.polite && !facts.stories[client].disturbed;
            if served {
                self.judge_manners(&facts, client, reason);
            }
            if script.kind.is_crowd() {
                judge_order(&facts, client, served);
            } else {
                judge_bytes(&facts, client, served);
            }
        }
    }

    /// Oracle 8, and 5 and 9 from the side of those who did nothing wrong.
    fn judge_manners(&self, facts: &Facts, client: usize, reason: Reason) {
        let who = facts.who(client);
        let pipe = &facts.pipes[client];
        assert!(matches!(reason, Reason::Eof | Reason::Done), "oracle 9: {reason:?}, {who}");
        assert!(!pipe.client_reset, "oracle 8: a polite client was reset, {who}");
        assert_eq!(pipe.unheard(), 0, "oracle 8: not all was read, {who}");
        assert!(self.clients[client].left, "oracle 8: still waiting, {who}");
    }
}

/// Oracle 3: exactly the prefix of what was to come; all of it for those who stayed.
fn judge_bytes(facts: &Facts, client: usize, served: bool) {
    let pipe = &facts.pipes[client];
    let kind = facts.rows[facts.stories[client].service].kind;
    let Some(whole) = kind.expected(&arrival(client), &pipe.said, pipe.fin) else { return };
    let who = facts.who(client);
    let right = whole.starts_with(&pipe.heard);
    assert!(right, "oracle 3: heard something else, {who}");
    let (heard, all) = (pipe.heard.len(), whole.len());
    assert!(!served || heard == all, "oracle 3: heard {heard} of {all} bytes, {who}");
}

/// All members hear the same lines in the same order, with no gap (3, 5, 9).
fn judge_order(facts: &Facts, client: usize, served: bool) {
    let (who, story, pipe) = (facts.who(client), &facts.stories[client], &facts.pipes[client]);
    let itself = facts.rows[story.service].kind.hears_itself();
    let meant: Vec<usize> = (0..facts.lines.len())
        .filter(|at| facts.lines[*at].service == story.service)
        .filter(|at| itself || facts.lines[*at].author != client)
        .collect();
    let mut complete: Vec<&[u8]> = pipe.heard.split(|byte| *byte == b'\n').collect();
    complete.pop();
    let heard: Vec<usize> = complete
        .into_iter()
        .filter_map(tag_of)
        .map(|tag| *facts.tags.get(&tag).unwrap_or_else(|| panic!("invented {tag}, {who}")))
        .collect();
    let first = heard.first().and_then(|first| meant.iter().position(|at| at == first));
    let first = first.unwrap_or(0);
    let run = meant.get(first..first + heard.len()).unwrap_or_default();
    assert_eq!(heard, run, "oracle 3: another order, or a gap, {who}");
    let left = story.leaving_turn.unwrap_or(u64::MAX);
    let due = |at: &&usize| {
        let turn = facts.lines[**at].turn;
        story.opened_turn < turn && turn < left
    };
    if served {
        let missed = meant.iter().filter(due).find(|at| !heard.contains(at));
        let tags = |at: &usize| facts.tags.iter().find(|(_, line)| *line == at);
        assert_eq!(missed.and_then(tags), None, "oracle 5: missed a line, {who}");
    }
}
