//! The other side: clients that follow a script, each in its own time.

use std::collections::VecDeque;
use std::time::Duration;

use cooee::engine::Time;

use super::kinds::Kind;
use super::mixes::Mix;
use super::pipe::Pipe;
use super::rng::Rng;

/// One thing that a client does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Say(Vec<u8>),
    /// Does nothing but read for a while.
    Pause(Duration),
    /// Reads nothing from here on for a while, but goes on with its script.
    Deaf(Duration),
    /// Reads so many bytes at once at most, with such a pause after each read.
    Sip(usize, Duration),
    /// Sends its FIN.
    Finish,
    /// Closes its socket, heard everything or not.
    Close,
    Reset,
    /// Stops without a word: the cable is cut.
    Vanish,
}

/// What kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Character {
    /// Talks, listens, ends politely.
    Polite,
    /// Polite, and says a lot at once.
    Flood,
    /// Polite, reads in sips. Too slow for a crowd.
    Slow,
    /// Polite; sends first, reads later, and lets the server close first.
    Guest,
    /// Hardly says anything and reads so slowly that its queue is long for a second or more.
    Snail,
    NeverReads,
    Resets,
    Vanishes,
    Closes,
    /// Says something and then sits there.
    Sits,
    /// Says a line that is too long for any service.
    Rambles,
}

/// One client and where it is in its script.
pub(crate) struct Client {
    pub(crate) kind: Kind,
    pub(crate) character: Character,
    pub(crate) polite: bool,
    acts: VecDeque<Act>,
    saying: Vec<u8>,
    said: usize,
    act_at: Time,
    read_at: Time,
    sip: (usize, Duration),
    pub(crate) finished: bool,
    pub(crate) left: bool,
    /// When it wants to do something next.
    pub(crate) wake: Time,
    /// Turns that it had to wait for its own; see `World::step`.
    pub(crate) overdue: usize,
}

const FOR_EVER: Duration = Duration::from_secs(1_000_000);

impl Client {
    pub(crate) fn new(
        kind: Kind,
        character: Character,
        number: usize,
        mix: &Mix,
        rng: &mut Rng,
    ) -> Client {
        let mut script = Script { kind, number, lines: 0, acts: VecDeque::new(), rng };
        script.write(character, mix.volume);
        let acts = script.acts;
        let polite = match character {
            Character::Polite | Character::Flood => true,
            Character::Guest => kind.greets(),
            Character::Slow => !kind.is_crowd(),
            _ => false,
        };
        let connects = Time::at(rng.micros(0..=mix.arrive_within));
        Client {
            kind,
            character,
            polite,
            acts,
            saying: Vec::new(),
            said: 0,
            act_at: connects,
            read_at: connects,
            sip: (usize::MAX, Duration::ZERO),
            finished: false,
            left: false,
            wake: connects,
            overdue: 0,
        }
    }

    /// Does what is due. Returns whether anything was done.
    pub(crate) fn step(&mut self, pipe: &mut Pipe, now: Time, rng: &mut Rng) {
        self.read(pipe, now, rng);
        if !self.left && (pipe.client_reset || (pipe.is_over() && self.read_at <= now)) {
            pipe.close(rng);
            self.left = true;
        }
        if !self.left && self.act_at <= now {
            self.act(pipe, now, rng);
        }
        self.plan(pipe, now, rng);
    }

    fn read(&mut self, pipe: &mut Pipe, now: Time, rng: &mut Rng) {
        if self.left || self.read_at > now || pipe.unheard() == 0 {
            return;
        }
        let most = pipe.unheard().min(self.sip.0);
        let count = if rng.chance(300) { rng.within(1..=most) } else { most };
        pipe.hear(count, now);
        self.read_at = now.after(self.sip.1);
    }

    fn act(&mut self, pipe: &mut Pipe, now: Time, rng: &mut Rng) {
        if self.said < self.saying.len() {
            let rest = &self.saying[self.said..];
            let most = if rng.chance(500) { rng.within(1..=rest.len()) } else { rest.len() };
            self.said += pipe.say(&rest[..most]);
            return;
        }
        match self.acts.pop_front() {
            None => {}
            Some(Act::Say(bytes)) => (self.saying, self.said) = (bytes, 0),
            Some(Act::Pause(wait)) => self.act_at = now.after(wait),
            Some(Act::Deaf(wait)) => self.read_at = now.after(wait),
            Some(Act::Sip(most, wait)) => self.sip = (most, wait),
            Some(Act::Finish) => {
                self.finished = true;
                pipe.finish();
            }
            Some(Act::Close) => {
                pipe.close(rng);
                self.left = true;
            }
            Some(Act::Reset) => {
                pipe.break_off(std::io::ErrorKind::ConnectionReset, rng.chance(500));
                pipe.left = true;
                self.left = true;
            }
            Some(Act::Vanish) => self.left = true,
        }
    }

    fn plan(&mut self, pipe: &Pipe, now: Time, rng: &mut Rng) {
        self.wake = Time::NEVER;
        if self.left {
            return;
        }
        let soon = now.after(rng.micros(0..=300));
        if pipe.unheard() > 0 || pipe.is_over() {
            self.wake = self.read_at.max(soon);
        }
        let stuck = self.said < self.saying.len() && pipe.unread() >= pipe.up_room;
        let more = self.said < self.saying.len() || !self.acts.is_empty();
        if more && (!stuck || pipe.dropped) {
            self.wake = self.wake.min(self.act_at.max(soon));
        }
    }

    /// Something came from the server, or there is room again.
    pub(crate) fn nudge(&mut self, now: Time, rng: &mut Rng) {
        if !self.left {
            self.wake = self.wake.min(now.after(rng.micros(0..=200)));
        }
    }
}

/// A script being written.
struct Script<'a> {
    kind: Kind,
    number: usize,
    lines: usize,
    acts: VecDeque<Act>,
    rng: &'a mut Rng,
}

impl Script<'_> {
    fn write(&mut self, character: Character, volume: usize) {
        match character {
            Character::Polite => {
                self.talk(volume);
                self.end();
            }
            Character::Flood => {
                self.say(volume * 8);
                self.end();
            }
            Character::Slow => {
                let sip = Act::Sip(self.rng.within(100..=2000), self.rng.micros(100..=5000));
                self.acts.push_back(sip);
                self.talk(volume / 2);
                self.end();
            }
            Character::Snail => {
                let sip = Act::Sip(2000, self.rng.micros(30_000..=120_000));
                self.acts.push_back(sip);
                self.say(50);
                self.acts.push_back(Act::Pause(Duration::from_secs(6)));
                self.end();
            }
            Character::Guest => {
                let deaf = self.rng.micros(1000..=400_000);
                self.acts.push_back(Act::Deaf(deaf));
                self.talk(volume.min(3000));
            }
            Character::NeverReads => {
                self.acts.push_back(Act::Deaf(FOR_EVER));
                self.talk(volume * 2);
            }
            Character::Resets | Character::Vanishes | Character::Closes => {
                self.talk(volume);
                let end = match character {
                    Character::Resets => Act::Reset,
                    Character::Vanishes => Act::Vanish,
                    _ => Act::Close,
                };
                let at = self.rng.within(0..=self.acts.len());
                self.acts.truncate(at);
                self.acts.push_back(end);
            }
            Character::Sits => self.talk(volume / 4),
            Character::Rambles => {
                self.talk(volume);
                let bytes = vec![b'.'; self.rng.within(5000..=9000)];
                self.acts.push_back(Act::Say(bytes));
                self.end();
            }
        }
    }

    /// The polite end: a FIN, or a word if that is what the service waits for.
    fn end(&mut self) {
        let spoken =
            self.kind.offer() == "talk" || (self.kind.offer() == "chat" && self.rng.chance(500));
        self.acts.push_back(if spoken { Act::Say(b"BYE\n".to_vec()) } else { Act::Finish });
    }

    fn talk(&mut self, volume: usize) {
        let parts = self.rng.within(1..=6);
        for _ in 0..parts {
            let most = (2 * volume / parts).max(2);
            let count = self.rng.within(1..=most);
            self.say(count);
            if self.rng.chance(600) {
                let wait = self.rng.micros(100..=200_000);
                self.acts.push_back(Act::Pause(wait));
            }
            if self.rng.chance(150) && !self.kind.is_crowd() {
                let wait = self.rng.micros(100..=300_000);
                self.acts.push_back(Act::Deaf(wait));
            }
        }
    }

    fn say(&mut self, count: usize) {
        let bytes = match self.kind {
            kind if kind.is_lined() => self.lines(count),
            Kind::Download => self.rng.bytes(count.min(60)),
            _ => self.rng.bytes(count),
        };
        self.acts.push_back(Act::Say(bytes));
    }

    /// Lines with tags. Anything between the tags is printable and no command.
    fn lines(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 1000);
        while bytes.len() < count {
            self.lines += 1;
            let tag = format!("~{}.{}~", self.number, self.lines);
            bytes.extend_from_slice(tag.as_bytes());
            let most = if self.kind == Kind::Crowd { 2500 } else { 700 };
            let length = if self.rng.chance(800) { 40 } else { self.rng.within(0..=most) };
            bytes.resize(bytes.len() + length, b'.');
            bytes.push(b'\n');
        }
        // Not every stream ends with a newline.
        if self.kind == Kind::Answer && self.rng.chance(100) {
            bytes.pop();
        }
        bytes
    }
}
