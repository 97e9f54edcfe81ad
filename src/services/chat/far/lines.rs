//! What is said in rooms that span servers: the way there and the way back.

use super::super::acts::{Manner, push_head};
use super::super::names::Name;
use super::super::replies::tell;
use super::super::rooms::Rooms;
use super::hearing::Place;
use super::payload::{Matter, Message};
use super::speech::{Back, OwnLine, PATIENCE, Shown};
use super::{Far, Hall, Reach, subject};
use crate::bus::Wish;
use crate::engine::{Net, Peer, Time};

/// What the operator is called.
const OPERATOR: &[u8] = b"operator";
const ONLY_HERE: &str = "Only this server heard that; the others are out of reach.";

/// Something that is said here.
pub(in crate::services::chat) struct Spoken<'a> {
    pub(in crate::services::chat) room: usize,
    /// Who says it; `None`: the operator.
    pub(in crate::services::chat) speaker: Option<(Peer, Name)>,
    pub(in crate::services::chat) manner: Manner,
    /// As it was typed.
    pub(in crate::services::chat) text: &'a [u8],
    /// What the room is to be shown, with its end.
    pub(in crate::services::chat) line: &'a str,
}

impl Far {
    /// Passes on what is said. Returns whether that is all: then the room is shown it once the
    /// stream has handed it back.
    pub(in crate::services::chat) fn take(
        &mut self,
        spoken: &Spoken<'_>,
        rooms: &mut Rooms,
        net: &mut Net,
    ) -> bool {
        let Some(room) = rooms.name(spoken.room).map(Name::folded) else { return false };
        // Who has come must have been told of before it is heard.
        self.tell_changes(rooms, net);
        let Some(who) = spoken.speaker.map(|(_, name)| name).or(Name::parse(OPERATOR)) else {
            return false;
        };
        if spoken.speaker.is_none() {
            // No turn might follow, at whose end it would leave.
            net.wake_at(net.now());
        }
        let peer = spoken.speaker.map(|(peer, _)| peer);
        if self.reach == Reach::Here {
            self.warn(peer, net);
            return false;
        }
        if self.reach == Reach::All && !self.port.has_room() {
            self.port.count(|figures| figures.dropped_queue += 1);
            if let Some(peer) = peer {
                tell(net, peer, ONLY_HERE);
            }
            return false;
        }
        let (seq, number) = self.speech.number(room);
        let text = String::from_utf8_lossy(spoken.text);
        let matter = Matter::Speech { manner: spoken.manner, who, text };
        let payload = self.message(Some(seq), matter).write();
        let subject = subject("say", room);
        if self.reach == Reach::All {
            // A connection that breaks may hand it back to the next one.
            self.speech.show(Shown { room, seq, number, speaker: peer });
            self.port.wish(Wish::Publish { subject, payload });
            return false;
        }
        let id = format!("{:016x}-{number}", self.run);
        self.port.wish(Wish::Keep { subject, id, payload });
        // It does not come back to where nobody is.
        if self.rooms.contains_key(&room) {
            rooms.charge(spoken.room, spoken.line, net);
            let (line, at) = (spoken.line.into(), net.now());
            self.speech.wait_for(OwnLine { room, seq, number, speaker: peer, line, at });
            net.wake_at(at.after(PATIENCE));
        }
        true
    }

    /// Tells a speaker, once in each break, how far it reaches.
    fn warn(&mut self, peer: Option<Peer>, net: &mut Net) {
        if let Some(peer) = peer.filter(|peer| self.is_told && self.speech.warn(*peer)) {
            tell(net, peer, ONLY_HERE);
        }
    }

    /// A line of a room that we follow.
    pub(super) fn hear_line(
        &mut self,
        room: Name,
        payload: &[u8],
        at: Option<u64>,
        is_old: bool,
        hall: &mut Hall,
    ) {
        let Some(number) = self.followed(room, hall.rooms) else { return };
        let Some(message) = Message::read(payload) else { return self.count_malformed() };
        let Matter::Speech { manner, who, text } = &message.matter else {
            // It has its place, so that it is not missed when the next one comes.
            self.note_place(room, &message, hall.net.now());
            return;
        };
        let own = message.seq.filter(|_| message.run == Some(self.run));
        let back = own.map(|seq| self.speech.came_back(room, seq));
        if let Some(Back::Strange) = back {
            return self.count_malformed();
        }
        let place = self.note_place(room, &message, hall.net.now());
        match back {
            Some(Back::Awaited(line)) => {
                self.show_earlier(room, number, hall);
                return show(&line, hall);
            }
            Some(Back::Shown) => return,
            Some(Back::Known | Back::Strange) | None => {}
        }
        match place {
            Place::Next => {}
            Place::Behind(_) if own.is_some() => {}
            Place::Behind(missing) => self.note_gap(room, number, missing, is_old, hall),
            Place::Twice => return self.port.count(|figures| figures.dropped_twice += 1),
        }
        let mut line = String::new();
        match own {
            Some(_) => push_head(&mut line, *manner, who),
            None => push_head(&mut line, *manner, format_args!("{who}@{}", message.node)),
        }
        line.push_str(text);
        line.push('\n');
        self.show_far(room, number, &line, (at, is_old), hall);
    }

    /// Takes note of where a line stands among those of its server.
    fn note_place(&mut self, room: Name, message: &Message<'_>, now: Time) -> Place {
        if let Some(run) = message.run {
            self.rosters.hear(run, now);
        }
        let (Some(run), Some(seq)) = (message.run, message.seq) else { return Place::Next };
        self.rooms.get_mut(&room).map_or(Place::Next, |hearing| hearing.judge(run, seq))
    }

    /// So many lines have not come, before one that has.
    fn note_gap(&mut self, room: Name, number: usize, missing: u64, is_old: bool, hall: &mut Hall) {
        let Some(hearing) = self.rooms.get_mut(&room) else { return };
        // What is missing in what was said before we came was none of ours to hear.
        if hearing.earlier.is_some() {
            return;
        }
        self.port.count(|figures| figures.gaps = figures.gaps.saturating_add(missing));
        hearing.gone = hearing.gone.saturating_add(missing);
        if !is_old {
            self.tell_gone(room, number, hall);
        }
    }

    /// Tells a room how many lines are gone, if any are.
    fn tell_gone(&mut self, room: Name, number: usize, hall: &mut Hall) {
        let gone = self.rooms.get_mut(&room).map_or(0, |hearing| std::mem::take(&mut hearing.gone));
        match gone {
            0 => {}
            1 => hall.rooms.tell(number, "** 1 line said meanwhile is gone.", hall.net),
            gone => {
                let line = format_args!("** {gone} lines said meanwhile are gone.");
                hall.rooms.tell(number, line, hall.net);
            }
        }
    }

    /// Shows a room a line that is not known here yet.
    fn show_far(
        &mut self,
        room: Name,
        number: usize,
        line: &str,
        (at, is_old): (Option<u64>, bool),
        hall: &mut Hall,
    ) {
        let at = at.unwrap_or(hall.net.wall_seconds());
        let Some(hearing) = self.rooms.get_mut(&room) else { return };
        match is_old {
            true if hearing.keep_earlier(at, line) => {}
            true => {
                self.show_earlier(room, number, hall);
                hall.rooms.say_late(number, line, at, hall.net);
            }
            false => {
                self.show_earlier(room, number, hall);
                hall.rooms.say(number, None, line, hall.net);
            }
        }
    }

    /// Shows a room what was said before we came, as far as it is known by now.
    fn show_earlier(&mut self, room: Name, number: usize, hall: &mut Hall) {
        let earlier = self.rooms.get_mut(&room).and_then(|hearing| hearing.earlier.as_mut());
        for (at, line) in earlier.into_iter().flat_map(|lines| lines.drain(..)) {
            hall.rooms.say_late(number, &line, at, hall.net);
        }
    }

    /// All old lines of a room have been told.
    pub(super) fn catch_up(&mut self, room: Name, hall: &mut Hall) {
        let Some(number) = hall.rooms.find(room) else { return };
        self.show_earlier(room, number, hall);
        if let Some(hearing) = self.rooms.get_mut(&room) {
            hearing.earlier = None;
        }
        self.tell_gone(room, number, hall);
    }

    /// So many lines of a room were more than is let through.
    pub(super) fn miss(&mut self, room: Name, lines: u64, hall: &mut Hall) {
        if let Some(hearing) = self.rooms.get_mut(&room) {
            hearing.write_off(lines);
        }
        if let Some(number) = hall.rooms.find(room) {
            let line =
                format_args!("** {lines} lines of other servers were too many and are gone.");
            hall.rooms.tell(number, line, hall.net);
        }
    }

    /// Shows what was said here at `until` or before and is not back.
    pub(super) fn give_up(&mut self, until: Time, hall: &mut Hall) {
        while let Some(line) = self.speech.give_up(until) {
            show(&line, hall);
        }
    }

    /// Other servers will never hear a line of ours.
    pub(super) fn be_refused(&mut self, id: &str, why: &str, hall: &mut Hall) {
        let number = id.rsplit_once('-').and_then(|(_, number)| number.parse().ok());
        let Some(number) = number else { return };
        let speaker = match self.speech.take_refused(number) {
            Some(line) => {
                show(&line, hall);
                line.speaker
            }
            None => self.speech.forget_shown(number),
        };
        if let Some(peer) = speaker {
            tell(hall.net, peer, format_args!("Only this server heard that: {why}."));
        }
    }

    pub(super) fn count_malformed(&self) {
        self.port.count(|figures| figures.dropped_malformed += 1);
    }
}

/// Shows a room what was said here: everybody but who said it.
fn show(own: &OwnLine, hall: &mut Hall) {
    let Some(room) = hall.rooms.find(own.room) else { return };
    let speaker = own.speaker.and_then(|peer| hall.members.get(peer));
    let seat = speaker.filter(|member| member.place.room == room).map(|member| member.place.seat);
    hall.rooms.say(room, seat, &own.line, hall.net);
}
