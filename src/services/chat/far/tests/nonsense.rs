//! Rooms that span servers, at a NATS that says anything at all, with bots that say anything at
//! all: nothing panics, nothing goes on for ever, and nobody hears what drives a terminal.

use super::*;
use crate::bus::tests::{INFO, Nowhere, STREAM};
use crate::bus::{Bus, BusConfig, QUOTA, ServerAddress};
use crate::engine::stage::Stage;
use crate::engine::{Limits, Quota};
use crate::services::chat::Chat;

/// Worlds of each run, and steps of each.
const SEEDS: u64 = 100;
const STEPS: usize = 400;

const NUMBERS: [&str; 9] =
    ["0", "1", "2", "3", "1000", "4294967295", "18446744073709551615", "-1", "1e3"];
const NAMES: [&str; 7] = ["lobby", "den", "north", "bot", "guest1", "a\\u001b", "*"];
const KINDS: [&str; 12] = [
    "say", "act", "joined", "left", "renamed", "tally", "roster", "ask", "private", "nobody",
    "dance", "",
];
const TEXTS: [&str; 6] = ["hi", "\\u001b[2J", "joined", "\\u202e", "a\\n** You are", "\\ud83d"];
const SAID: [&str; 9] = [
    "hello",
    "/me waves",
    "/who",
    "/rooms",
    "/join den",
    "/join lobby",
    "/msg bot@bot hi",
    "/nick ann",
    "BYE",
];
const WAITS: [u64; 6] = [0, 1, 20, 600, 2_500, 11_000];
/// A jump of the clock: a machine that slept.
const SLEEP: Duration = Duration::from_secs(90_000);

struct World {
    stage: Stage,
    random: Random,
    members: Vec<Peer>,
    calls: usize,
    inbox: String,
    /// What it has subscribed to on this connection, and by which number.
    subscribed: Vec<(String, String)>,
    /// How often rooms could be reached, to know that this tries something.
    ups: u64,
    port: Port,
}

impl World {
    fn new(seed: u64) -> World {
        let (mut stage, port) = (Stage::empty(Limits::default()), Port::default());
        stage.set_wall(20_000 * 86_400);
        let servers = ServerAddress::parse_list("192.0.2.1,192.0.2.2").unwrap();
        let rooms = BusRooms::new(port.clone(), "north", 1, 1_000).unwrap();
        let config = BusConfig::new(servers, "north");
        let bus = Bus::new(config, port.clone(), seed, Box::new(Nowhere));
        let engine = stage.engine();
        engine.add_service("chat", Quota::default(), Box::new(Chat::with_bus(None, Some(rooms))));
        engine.add_service("bus", QUOTA, Box::new(bus));
        stage.pass(Duration::ZERO);
        let (random, inbox) = (Random::new(seed), "_INBOX.x".into());
        let (members, subscribed) = Default::default();
        World { stage, random, members, calls: 0, inbox, subscribed, ups: 0, port }
    }

    fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.random.below(choices.len())]
    }

    fn step(&mut self) {
        if self.calls < self.stage.dialed().len() {
            self.calls = self.stage.dialed().len();
            let peer = *self.stage.dialed().last().unwrap();
            match self.random.below(8) {
                0 => self.stage.reset(peer),
                _ => self.stage.answer(peer, ([192, 0, 2, 99], 5000).into()),
            }
            self.subscribed.clear();
            if self.random.below(8) > 0 {
                self.serve(INFO);
            }
        }
        self.ups += u64::from(self.port.figures().is_up);
        match self.random.below(20) {
            0 if self.random.below(10) == 0 => {
                self.stage.skip(SLEEP);
                self.stage.flush();
            }
            0 | 1 => {
                let wait = WAITS[self.random.below(WAITS.len())];
                self.stage.pass(Duration::from_millis(wait));
            }
            2 if self.members.len() < 60 => self.members.push(self.stage.join()),
            2..=6 => self.speak(),
            7 if self.random.below(10) == 0 => self.end(),
            _ => {
                let said = self.nonsense();
                self.serve(&said);
            }
        }
    }

    fn speak(&mut self) {
        if self.members.is_empty() {
            return;
        }
        let at = self.random.below(self.members.len());
        let (peer, said) = (self.members[at], self.pick(&SAID));
        if self.stage.standing(peer).is_none() {
            self.members.swap_remove(at);
            return;
        }
        self.stage.say(peer, format!("{said}\n"));
        let heard = self.stage.hear(peer);
        let drives = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!heard.contains(drives), "{heard:?}");
    }

    fn end(&mut self) {
        let Some(peer) = self.server() else { return };
        match self.random.below(2) {
            0 => self.stage.reset(peer),
            _ => self.stage.finish(peer),
        }
    }

    /// The server that is connected, if one is.
    fn server(&self) -> Option<Peer> {
        self.stage.dialed().last().copied().filter(|peer| self.stage.standing(*peer).is_some())
    }

    fn serve(&mut self, said: &str) {
        let Some(peer) = self.server() else { return };
        self.stage.say(peer, said);
        let Some(peer) = self.server() else { return };
        let heard = self.stage.hear(peer);
        for line in heard.lines() {
            let Some((subject, sid)) =
                line.strip_prefix("SUB ").and_then(|sub| sub.split_once(' '))
            else {
                continue;
            };
            if let Some(inbox) = subject.strip_suffix(".*").filter(|one| one.starts_with('_')) {
                self.inbox = inbox.into();
            }
            self.subscribed.push((subject.into(), sid.into()));
        }
        if heard.contains("CONNECT") && self.random.below(8) > 0 {
            self.serve("PONG\r\n");
            let answer = self.answer("look", STREAM);
            self.serve(&answer);
        }
        if heard.contains("CONSUMER.CREATE") && self.random.below(8) > 0 {
            let Some((_, sid)) = self.subscribed.last().cloned() else { return };
            let pending = self.pick(&NUMBERS);
            let state = format!(r#"{{"name":"c","num_pending":{pending}}}"#);
            let answer = self.answer(&format!("c{sid}"), &state);
            self.serve(&answer);
        }
    }

    /// The number of something that it has subscribed to; mostly of that.
    fn sid(&mut self, subject: &str) -> String {
        let room = subject.strip_prefix("cooee.1.say.").is_some();
        let is_it = |own: &String| {
            let stem = own.trim_end_matches('*');
            (stem.len() < own.len() && subject.starts_with(stem))
                || own == subject
                || (room && own.contains(".d."))
        };
        let fit: Vec<_> = self.subscribed.iter().filter(|(own, _)| is_it(own)).collect();
        match fit.last() {
            Some((_, sid)) if !self.random.next().is_multiple_of(16) => sid.clone(),
            _ => (self.random.next() % 20).to_string(),
        }
    }

    fn answer(&mut self, token: &str, body: &str) -> String {
        let subject = format!("{}.{token}", self.inbox);
        self.message(&subject, "", body)
    }

    fn nonsense(&mut self) -> String {
        match self.random.below(16) {
            0 => "PING\r\nPONG\r\nPONG\r\n".into(),
            1..=3 => INFO.into(),
            4 => format!(
                "-ERR 'Permissions Violation for {}'\r\n",
                self.pick(&[
                    "Publish to \"cooee.1.say.lobby\"",
                    "Publish to \"$JS.API.STREAM.INFO.COOEE\"",
                    "Subscription to \"cooee.1.here.*\"",
                    "Publish to \"\"",
                ])
            ),
            5 | 6 => self.answer_to_question(),
            7..=9 => self.delivery(),
            10 => self.notice(),
            _ => {
                let (kind, name) = (
                    self.pick(&["say", "news", "here", "ask", "to", "x"]),
                    self.pick(&["lobby", "den", "north", "north-2", "a_b", "*"]),
                );
                let payload = self.payload();
                self.message(&format!("cooee.1.{kind}.{name}"), "", &payload)
            }
        }
    }

    fn message(&mut self, subject: &str, reply: &str, payload: &str) -> String {
        let sid = self.sid(subject);
        format!("MSG {subject} {sid} {reply} {}\r\n{payload}\r\n", payload.len())
    }

    fn answer_to_question(&mut self) -> String {
        let (number, other) = (self.pick(&NUMBERS), self.pick(&NUMBERS));
        let token = match self.random.below(4) {
            0 => "look".to_owned(),
            1 => "make".to_owned(),
            2 => format!("c{}", self.random.below(30)),
            _ => format!("k{}", self.random.below(14)),
        };
        let body = match self.random.below(6) {
            0 => STREAM.into(),
            1 => format!(
                r#"{{"config":{{"subjects":[">"]}},"created":"{other}",
                "state":{{"last_seq":{number}}}}}"#
            ),
            2 => format!(r#"{{"name":"c","num_pending":{number}}}"#),
            3 => format!(r#"{{"stream":"COOEE","seq":{number}}}"#),
            4 => format!(
                r#"{{"error":{{"err_code":{},"code":{number}}}}}"#,
                self.pick(&["10059", "10058", "10076", "10014", "1"])
            ),
            _ => {
                let inbox = self.inbox.clone();
                let sid = self.sid(&format!("{inbox}.{token}"));
                return format!("HMSG {inbox}.{token} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
            }
        };
        self.answer(&token, &body)
    }

    fn delivery(&mut self) -> String {
        let numbers: Vec<_> = (0..4).map(|_| self.pick(&NUMBERS)).collect();
        let room = self.pick(&["lobby", "den"]);
        let payload = self.payload();
        let reply = format!("$JS.ACK.COOEE.c.1.{}", numbers.join("."));
        self.message(&format!("cooee.1.say.{room}"), &reply, &payload)
    }

    fn notice(&mut self) -> String {
        let (head, number) = (
            self.pick(&["100 Idle Heartbeat", "100 FlowControl", "409 Gone", "503", "404"]),
            self.pick(&NUMBERS),
        );
        let stalled = self.pick(&["", "Nats-Consumer-Stalled: x.y\r\n"]);
        let headers = format!("NATS/1.0 {head}\r\nNats-Last-Consumer: {number}\r\n{stalled}\r\n");
        let (size, sid) = (headers.len(), self.sid("cooee.1.say.lobby"));
        format!("HMSG x {sid} r.1 {size} {size}\r\n{headers}\r\n")
    }

    fn payload(&mut self) -> String {
        let (kind, text) = (self.pick(&KINDS), self.pick(&TEXTS));
        let [node, who, to] = [(); 3].map(|()| self.pick(&NAMES));
        let numbers: Vec<_> = (0..6).map(|_| self.pick(&NUMBERS)).collect();
        let [seq, count, started, joined, left, renamed] = numbers[..] else { unreachable!() };
        let run = self.random.below(80);
        format!(
            r#"{{"node":"{node}{run}","run":"{run:016x}","seq":{seq},"kind":"{kind}","who":"{who}",
            "to":"{to}","text":"{text}","count":{count},"started":{started},"joined":{joined},
            "left":{left},"renamed":{renamed},"names":["a","{to}"]}}"#
        )
    }
}

#[test]
fn whatever_is_said_nothing_panics_or_goes_on_for_ever() {
    let mut ups = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        ups += world.ups;
    }
    assert!(ups > SEEDS * STEPS as u64 / 4, "{ups}");
}
