//! Several chats, and between them a bus of a few lines: wishes of one become news of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::super::Chat;
use super::super::BusRooms;
use crate::bus::{News, Port, Wish};
use crate::engine::Peer;
use crate::engine::stage::Stage;

/// One server, and how far the bus has told it things.
pub(super) struct Server {
    pub(super) stage: Stage,
    pub(super) port: Port,
    pub(super) is_up: bool,
    listens: BTreeSet<String>,
    /// What it follows, and how many of the lines there it has been told.
    follows: BTreeMap<String, usize>,
    /// What it wants to be kept and nobody has taken yet.
    kept: Vec<(String, String, Vec<u8>)>,
}

/// All of it.
pub(super) struct Toy {
    pub(super) servers: Vec<Server>,
    has_stream: bool,
    /// What the stream has, by subject.
    lines: BTreeMap<String, Vec<Vec<u8>>>,
    ids: BTreeSet<String>,
    /// All that was published, for tests that look at it.
    pub(super) published: Vec<(String, String)>,
    /// While this is so the stream takes nothing and hands nothing out.
    pub(super) is_frozen: bool,
}

impl Toy {
    /// Servers of these names, all on the bus.
    pub(super) fn of(names: &[&str], has_stream: bool) -> Toy {
        let mut toy = Toy {
            servers: Vec::new(),
            has_stream,
            lines: BTreeMap::new(),
            ids: BTreeSet::new(),
            published: Vec::new(),
            is_frozen: false,
        };
        for name in names {
            toy.start(name);
        }
        toy.pass(1);
        toy
    }

    /// One more server. Returns its number.
    pub(super) fn start(&mut self, name: &str) -> usize {
        let (port, number) = (Port::default(), self.servers.len());
        let (run, started) = (number as u64 + 1, number as u64 * 1_000);
        let rooms = BusRooms::new(port.clone(), name, run, started).expect("a name");
        let mut stage = Stage::new(Chat::with_bus(None, Some(rooms)));
        stage.set_wall(14 * 3600);
        let (listens, follows, kept) = Default::default();
        self.servers.push(Server { stage, port, is_up: false, listens, follows, kept });
        self.connect(number);
        number
    }

    /// Somebody comes to a server, under a name. What it hears of that is forgotten.
    pub(super) fn join(&mut self, server: usize, name: &str) -> Peer {
        let peer = self.servers[server].stage.join();
        self.say(server, peer, &format!("/nick {name}"));
        self.hear(server, peer);
        peer
    }

    pub(super) fn say(&mut self, server: usize, peer: Peer, line: &str) {
        self.servers[server].stage.say(peer, format!("{line}\n"));
        self.pump();
    }

    pub(super) fn hear(&mut self, server: usize, peer: Peer) -> String {
        self.servers[server].stage.hear(peer)
    }

    /// What somebody hears in answer.
    pub(super) fn ask(&mut self, server: usize, peer: Peer, line: &str) -> String {
        self.hear(server, peer);
        self.say(server, peer, line);
        self.hear(server, peer)
    }

    /// Lets so many seconds pass everywhere, a tenth at a time.
    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            for server in &mut self.servers {
                server.stage.pass(Duration::from_millis(100));
            }
            self.pump();
        }
    }

    /// A server loses the bus, and notices.
    pub(super) fn disconnect(&mut self, server: usize) {
        self.servers[server].is_up = false;
        self.tell(server, News::Down { why: "a test".into() });
        self.pump();
    }

    /// The bus is there for a server: again, if it had lost it.
    pub(super) fn connect(&mut self, server: usize) {
        self.servers[server].is_up = true;
        self.tell(server, News::Up { has_stream: self.has_stream });
        for (subject, id, payload) in std::mem::take(&mut self.servers[server].kept) {
            self.keep(server, subject, id, payload);
        }
        let subjects: Vec<String> = self.servers[server].follows.keys().cloned().collect();
        subjects.iter().for_each(|subject| self.hand_out_old(server, subject));
        self.pump();
    }

    /// The oldest lines are forgotten, down to so many.
    pub(super) fn forget(&mut self, subject: &str, left: usize) {
        let lines = self.lines.get_mut(subject).unwrap();
        let end = lines.len() - left;
        // Their places stay.
        lines[..end].iter_mut().for_each(Vec::clear);
    }

    /// Somebody who is no server publishes something.
    pub(super) fn publish(&mut self, subject: &str, payload: &str) {
        match self.has_stream && subject.starts_with("say.") {
            true => self.append(subject, payload.as_bytes()),
            false => self.pass_on(usize::MAX, subject, payload.as_bytes()),
        }
        self.pump();
    }

    pub(super) fn tell(&mut self, server: usize, news: News) {
        self.servers[server].port.tell(news);
    }

    /// Until nobody has anything to say any more.
    pub(super) fn pump(&mut self) {
        loop {
            self.servers.iter_mut().for_each(|server| server.stage.flush());
            let mut is_done = true;
            for number in 0..self.servers.len() {
                while let Some(wish) = self.servers[number].port.next_wish() {
                    is_done = false;
                    self.grant(number, wish);
                }
            }
            if is_done {
                return;
            }
        }
    }

    fn grant(&mut self, number: usize, wish: Wish) {
        let server = &mut self.servers[number];
        match wish {
            Wish::Listen(subject) => _ = server.listens.insert(subject),
            Wish::Follow(subject) => {
                server.follows.insert(subject.clone(), 0);
                if server.is_up {
                    self.hand_out_old(number, &subject);
                }
            }
            Wish::Leave(subject) => {
                server.listens.remove(&subject);
                server.follows.remove(&subject);
            }
            Wish::Publish { subject, payload } => {
                if server.is_up {
                    self.pass_on(number, &subject, &payload);
                }
            }
            Wish::Keep { subject, id, payload } => match server.is_up && !self.is_frozen {
                true => self.keep(number, subject, id, payload),
                false => server.kept.push((subject, id, payload)),
            },
        }
    }

    fn keep(&mut self, number: usize, subject: String, id: String, payload: Vec<u8>) {
        if self.ids.insert(id.clone()) {
            self.append(&subject, &payload);
        }
        self.tell(number, News::Kept { id });
    }

    fn append(&mut self, subject: &str, payload: &[u8]) {
        self.note(subject, payload);
        self.lines.entry(subject.into()).or_default().push(payload.into());
        for number in 0..self.servers.len() {
            if self.servers[number].is_up {
                self.hand_out(number, subject, false);
            }
        }
    }

    fn hand_out_old(&mut self, number: usize, subject: &str) {
        self.hand_out(number, subject, true);
        self.tell(number, News::CaughtUp { subject: subject.into() });
    }

    fn hand_out(&mut self, number: usize, subject: &str, is_old: bool) {
        let server = &mut self.servers[number];
        let Some(told) = server.follows.get_mut(subject) else { return };
        let lines = self.lines.get(subject).map(Vec::as_slice).unwrap_or_default();
        let begin = std::mem::replace(told, lines.len());
        for payload in lines[begin..].iter().filter(|payload| !payload.is_empty()) {
            let (subject, payload, at) = (subject.into(), payload.clone(), Some(13 * 3600));
            server.port.tell(News::Line { subject, payload, at, is_old });
        }
    }

    fn pass_on(&mut self, from: usize, subject: &str, payload: &[u8]) {
        self.note(subject, payload);
        let all = format!("{}.*", subject.split('.').next().unwrap_or_default());
        for (number, server) in self.servers.iter().enumerate() {
            if number == from || !server.is_up {
                continue;
            }
            let (subject, payload) = (subject.to_owned(), payload.to_vec());
            if server.follows.contains_key(&subject) {
                server.port.tell(News::Line { subject, payload, at: None, is_old: false });
            } else if server.listens.contains(&subject) || server.listens.contains(&all) {
                server.port.tell(News::Heard { subject, payload });
            }
        }
    }

    fn note(&mut self, subject: &str, payload: &[u8]) {
        self.published.push((subject.into(), String::from_utf8_lossy(payload).into_owned()));
    }
}
