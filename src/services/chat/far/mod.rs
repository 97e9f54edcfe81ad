//! The rooms of other servers: what is said there is heard here, and the other way round. This
//! folder makes of news from the bus what the rooms are told, and of what happens here wishes to
//! the bus; docs/bus.md says what passes there.
//!
//! Where a stream keeps the lines, it makes their order: what a member says here is shown to the
//! others when it comes back from there, as everywhere else. Nobody waits for it for long.

mod agenda;
mod hearing;
mod lines;
mod payload;
mod people;
mod rosters;
mod speech;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Membership;
use super::names::{Name, Names};
use super::rooms::{LOBBY, Report, Rooms};
use super::tally::Change;
use crate::bus::{News, Port, Wish};
use crate::engine::{Net, Table, Time};
use crate::splitmix::Random;
use agenda::Agenda;
use hearing::Hearing;
pub(super) use lines::Spoken;
use payload::{Matter, Message};
use rosters::Rosters;
use speech::Speech;

/// An answer to who asks for rosters waits this long at most, so that not all come at once.
const ANSWER_WITHIN: Duration = Duration::from_millis(200);
/// So much longer for each room, where all are to be told.
const ANSWER_EACH: Duration = Duration::from_millis(1);

/// After so long it is looked whether the bus has room for rosters again.
const ROOM_AGAIN: Duration = Duration::from_millis(20);

/// Once more than this has been heard in a turn, the rest waits: members read before they are sent
/// more.
const NEWS_BYTES: usize = 64 * 1024;

const OUT_OF_REACH: &str = "** Other servers are out of reach; only this one hears you.";
const BACK: &str = "** Other servers are back.";
const RENEWED: &str = "** The shared history was lost; it starts again here.";

/// What joins the rooms of one server with those of others.
#[derive(Clone)]
pub struct BusRooms {
    port: Port,
    node: Name,
    run: u64,
    started: u64,
}

impl BusRooms {
    /// Rooms of the server called `node` on the bus at the other end of `port`; `None`: that is
    /// not a well-formed name. `run` tells this start of the server from all others of any,
    /// at random; it began `started` milliseconds after 1970-01-01 00:00 UTC.
    pub fn new(port: Port, node: &str, run: u64, started: u64) -> Option<BusRooms> {
        Some(BusRooms { port, node: Name::parse(node.as_bytes())?, run, started })
    }
}

impl fmt::Debug for BusRooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rooms of {}, run {:016x}", self.node, self.run)
    }
}

/// How far what is said reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Only this server.
    Here,
    /// All servers, in an order of its own for each speaker.
    All,
    /// All servers, in the order of the stream.
    Stream,
}

/// What of the chat is to be seen and changed from here.
struct Hall<'a, 'n> {
    members: &'a Table<Membership>,
    names: &'a Names,
    rooms: &'a mut Rooms,
    net: &'a mut Net<'n>,
}

/// The rooms of other servers, as far as they concern this one.
pub(super) struct Far {
    port: Port,
    node: Name,
    /// What it was to be called.
    wanted: Name,
    /// When it had to take another name.
    named: Option<Time>,
    run: u64,
    started: u64,
    reach: Reach,
    /// Whether a stream kept the lines when the bus was reached last.
    had_stream: bool,
    /// Whether the rooms know that others are out of reach.
    is_told: bool,
    /// Our rooms with somebody in them, by folded name.
    rooms: BTreeMap<Name, Hearing>,
    speech: Speech,
    rosters: Rosters,
    agenda: Agenda,
    /// Whether there have been more servers than are told apart.
    is_crowded: bool,
    /// For what is left to chance.
    random: Random,
    /// How much has been heard in this turn, and when that is.
    heard: (Time, usize),
}

impl Far {
    pub(super) fn new(bus: BusRooms) -> Far {
        let BusRooms { port, node, run, started } = bus;
        Far {
            port,
            node,
            wanted: node,
            named: None,
            run,
            started,
            reach: Reach::Here,
            had_stream: false,
            is_told: false,
            rooms: BTreeMap::new(),
            speech: Speech::default(),
            rosters: Rosters::default(),
            agenda: Agenda::default(),
            is_crowded: false,
            random: Random::new(run),
            heard: (Time::ZERO, 0),
        }
    }

    /// The first wishes.
    pub(super) fn start(&mut self, rooms: &mut Rooms, net: &mut Net) {
        rooms.keep_reports();
        for subject in ["here.*".into(), "ask.*".into(), subject("to", self.node)] {
            self.port.wish(Wish::Listen(subject));
        }
        // Every server tells of its lobby, be it empty: so others know that it is there.
        if let Some(lobby) = rooms.name(LOBBY) {
            self.agenda.changed(lobby.folded(), net.now());
        }
        self.port.count(|figures| figures.node = self.node.to_string());
    }

    /// The end of a turn: takes what the bus has told, and tells it what has changed here.
    pub(super) fn settle(
        &mut self,
        members: &Table<Membership>,
        names: &Names,
        rooms: &mut Rooms,
        net: &mut Net,
    ) {
        let mut is_idle = !self.tell_changes(rooms, net);
        let mut hall = Hall { members, names, rooms, net };
        if self.heard.0 != hall.net.now() {
            self.heard = (hall.net.now(), 0);
        }
        while self.heard.1 <= NEWS_BYTES
            && let Some(news) = self.port.next_news()
        {
            is_idle = false;
            self.heard.1 += bytes_of(&news);
            self.hear(news, &mut hall);
        }
        if self.heard.1 > NEWS_BYTES {
            // The rest in the next turn, at once.
            hall.net.wake_at(hall.net.now());
        }
        if !is_idle {
            self.plan(hall.net);
        }
    }

    /// The time has come for something.
    pub(super) fn wake(
        &mut self,
        members: &Table<Membership>,
        names: &Names,
        rooms: &mut Rooms,
        net: &mut Net,
    ) {
        self.heard.1 = 0;
        let mut hall = Hall { members, names, rooms, net };
        if let Some(until) = hall.net.now().before(speech::PATIENCE) {
            self.give_up(until, &mut hall);
        }
        if self.reach != Reach::Here {
            while self.port.has_room()
                && let Some(room) = self.agenda.take_due(hall.net.now())
            {
                self.tell_roster(room, &hall);
            }
            self.forget_lost(&mut hall);
        }
        self.plan(hall.net);
    }

    /// Asks to be woken for what is due next.
    fn plan(&self, net: &mut Net) {
        let rosters = self.agenda.next().map(|due| match self.port.has_room() {
            true => due,
            false => due.max(net.now().after(ROOM_AGAIN)),
        });
        let of_others = [rosters, self.rosters.next()];
        let of_others = of_others.into_iter().filter(|_| self.reach != Reach::Here).flatten();
        of_others.chain(self.speech.next()).for_each(|when| net.wake_at(when));
    }

    fn hear(&mut self, news: News, hall: &mut Hall) {
        match news {
            News::Up { has_stream } => self.come_back(has_stream, hall),
            News::Down { .. } => self.lose_others(hall),
            News::Heard { subject, payload } => self.hear_others(&subject, &payload, hall),
            News::Line { subject, payload, at, is_old } => {
                if let Some(room) = room_of(&subject, "say") {
                    self.hear_line(room, &payload, at, is_old, hall);
                }
            }
            News::CaughtUp { subject } => {
                if let Some(room) = room_of(&subject, "say") {
                    self.catch_up(room, hall);
                }
            }
            News::Dropped { subject, lines } => {
                if let Some(room) = room_of(&subject, "say") {
                    self.miss(room, lines, hall);
                }
            }
            News::Renewed => {
                self.give_up(Time::NEVER, hall);
                self.tell_all(RENEWED, hall);
            }
            News::Kept { .. } => {}
            News::Refused { id, why } => self.be_refused(&id, &why, hall),
        }
    }

    fn come_back(&mut self, has_stream: bool, hall: &mut Hall) {
        let was_out = self.reach == Reach::Here;
        self.reach = if has_stream { Reach::Stream } else { Reach::All };
        self.had_stream = has_stream;
        if !has_stream {
            // It will not come back.
            self.give_up(Time::NEVER, hall);
        }
        if !was_out {
            return;
        }
        let now = hall.net.now();
        self.rosters.renew(now);
        self.count_all(hall.rooms);
        let rooms = self.agenda.rooms();
        let spread = ANSWER_WITHIN + ANSWER_EACH * u32::try_from(rooms.len()).unwrap_or(u32::MAX);
        for room in rooms {
            let wait = self.draw(spread);
            self.agenda.put_off(room, now.after(wait));
            self.publish(subject("ask", room), Matter::Ask);
        }
        if std::mem::take(&mut self.is_told) {
            self.tell_all(BACK, hall);
        }
    }

    fn lose_others(&mut self, hall: &mut Hall) {
        self.reach = Reach::Here;
        self.count_all(hall.rooms);
        self.give_up(Time::NEVER, hall);
        if !std::mem::replace(&mut self.is_told, true) {
            self.speech.reach_few();
            self.tell_all(OUT_OF_REACH, hall);
        }
    }

    /// Tells every room with somebody in it a line.
    fn tell_all(&mut self, line: &str, hall: &mut Hall) {
        for room in self.rooms.keys() {
            if let Some(number) = hall.rooms.find(*room) {
                hall.rooms.tell(number, line, hall.net);
            }
        }
    }

    /// Tells other servers what has changed here. Returns whether anything has.
    fn tell_changes(&mut self, rooms: &mut Rooms, net: &mut Net) -> bool {
        let reports = rooms.take_reports();
        for report in &reports {
            match *report {
                Report::Changed { room, who, change, is_counted } => {
                    if change == Change::Joined {
                        self.follow(room.folded(), net.wall_seconds());
                    }
                    self.agenda.changed(room.folded(), net.now());
                    if !is_counted {
                        self.publish(subject("news", room), matter_of(who, change));
                    }
                }
                Report::Counted { room, changes } => {
                    self.publish(subject("news", room), Matter::Tally(changes));
                }
                Report::Emptied { room } => self.leave(room.folded(), rooms),
            }
        }
        !reports.is_empty()
    }

    /// The number of a room with somebody in it.
    fn followed(&self, room: Name, rooms: &Rooms) -> Option<usize> {
        rooms.find(room).filter(|_| self.rooms.contains_key(&room))
    }

    /// Listens to a room, unless it does already.
    fn follow(&mut self, room: Name, since: u64) {
        if self.rooms.contains_key(&room) {
            return;
        }
        self.rooms.insert(room, Hearing::new(since));
        self.port.wish(Wish::Follow(subject("say", room)));
        self.port.wish(Wish::Listen(subject("news", room)));
        self.publish(subject("ask", room), Matter::Ask);
    }

    /// Listens no longer to a room that everybody has left. Somebody may have opened it anew since,
    /// or come to the lobby, where all is known still.
    fn leave(&mut self, room: Name, rooms: &mut Rooms) {
        let lobby = rooms.find(room).filter(|number| *number == LOBBY);
        if lobby.is_some_and(|lobby| rooms.count(lobby) > 0) || self.rooms.remove(&room).is_none() {
            return;
        }
        self.port.wish(Wish::Leave(subject("say", room)));
        self.port.wish(Wish::Leave(subject("news", room)));
        let matter = Matter::Roster { started: self.started, count: 0, names: [][..].into() };
        self.publish(subject("here", room), matter);
        match lobby {
            // Whoever comes next is told what the stream has.
            Some(lobby) if self.had_stream => rooms.forget_history(lobby),
            Some(_) => {}
            None => self.agenda.drop(room),
        }
    }

    /// Publishes something that nobody keeps, if anybody is in reach.
    fn publish(&self, subject: String, matter: Matter<'_>) {
        if self.reach != Reach::Here {
            let payload = self.message(None, matter).write();
            self.port.wish(Wish::Publish { subject, payload });
        }
    }

    fn message<'a>(&self, seq: Option<u64>, matter: Matter<'a>) -> Message<'a> {
        Message { node: self.node, run: Some(self.run), seq, matter }
    }

    /// A wait of up to `most`, which differs from that of other servers.
    fn draw(&mut self, most: Duration) -> Duration {
        most.mul_f64((self.random.next() >> 40) as f64 / (1u64 << 24) as f64)
    }
}

/// How much news brings, roughly.
fn bytes_of(news: &News) -> usize {
    match news {
        News::Heard { subject, payload } | News::Line { subject, payload, .. } => {
            subject.len() + payload.len()
        }
        _ => 0,
    }
}

fn matter_of(who: Name, change: Change) -> Matter<'static> {
    match change {
        Change::Joined => Matter::Joined(who),
        Change::Left => Matter::Left(who),
        Change::Renamed(now) => Matter::Renamed { who, now },
    }
}

/// Where something of that kind about a room, or for a server, is published.
fn subject(kind: &str, name: Name) -> String {
    format!("{kind}.{}", name.folded())
}

/// The folded name in a subject of that kind.
fn room_of(subject: &str, kind: &str) -> Option<Name> {
    let name = subject.strip_prefix(kind)?.strip_prefix('.')?;
    Name::parse(name.as_bytes()).map(Name::folded)
}

#[cfg(test)]
mod tests;
