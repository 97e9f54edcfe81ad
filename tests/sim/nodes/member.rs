//! Members of the chats of the nodes: they come, talk in one room, listen, leave and come again.

use std::collections::VecDeque;
use std::time::Duration;

use cooee::engine::Time;

use super::super::pipe::Pipe;
use super::super::rng::Rng;
use super::blows::STORM;

/// Rooms that there are.
pub(crate) const ROOMS: [&str; 2] = ["lobby", "night-shift"];

/// One thing that a member does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Come,
    Say(usize),
    /// Does something that is shown as another kind of line.
    Wave,
    Leave,
}

/// One stay of a member, from its coming to its leaving.
pub(crate) struct Stay {
    pub(crate) wire: usize,
    pub(crate) came: Time,
    pub(crate) left: Time,
    /// How much had been heard by when.
    pub(crate) heard: Vec<(Time, usize)>,
}

/// A line that it has said: `~3.17~` is the 17th of member 3.
pub(crate) struct Said {
    pub(crate) tag: String,
    pub(crate) at: Time,
}

/// See the top of this file.
pub(crate) struct Member {
    pub(crate) number: usize,
    pub(crate) node: usize,
    pub(crate) room: &'static str,
    acts: VecDeque<(Time, Act)>,
    pub(crate) stays: Vec<Stay>,
    pub(crate) said: Vec<Said>,
    saying: Vec<u8>,
}

impl Member {
    pub(crate) fn new(number: usize, node: usize, rng: &mut Rng) -> Member {
        let room = *rng.pick(&ROOMS);
        let mut acts = VecDeque::new();
        let mut at = Time::ZERO.after(rng.micros(0..=3_000_000));
        acts.push_back((at, Act::Come));
        let pause = *rng.pick(&[100_000, 1_000_000, 5_000_000]);
        let end = Time::ZERO.after(STORM);
        let is_restless = rng.chance(300);
        while at < end {
            at = at.after(rng.micros(1..=pause));
            match rng.below(100) {
                0 if is_restless => {
                    acts.push_back((at, Act::Leave));
                    at = at.after(rng.micros(1..=4_000_000));
                    acts.push_back((at, Act::Come));
                }
                1..=4 => acts.push_back((at, Act::Say(8))),
                5..=9 => acts.push_back((at, Act::Wave)),
                _ => acts.push_back((at, Act::Say(1))),
            }
        }
        // It listens to the end.
        let (stays, said, saying) = Default::default();
        Member { number, node, room, acts, stays, said, saying }
    }

    /// When it wants to do something; what it hears comes at any time.
    pub(crate) fn wake(&self) -> Time {
        self.acts.front().map_or(Time::NEVER, |(at, _)| *at)
    }

    /// What it does next, if it is time. `Come` is for the world to do.
    pub(crate) fn next(&mut self, now: Time) -> Option<Act> {
        self.acts.front().filter(|(at, _)| *at <= now)?;
        let (_, act) = self.acts.pop_front()?;
        match act {
            Act::Come => return Some(Act::Come),
            Act::Say(count) => (0..count).for_each(|_| self.say("says", now)),
            Act::Wave => self.say("/me waves", now),
            Act::Leave => {
                self.saying.extend_from_slice(b"BYE\n");
                self.stays.last_mut().expect("a stay").left = now;
            }
        }
        None
    }

    fn say(&mut self, words: &str, now: Time) {
        let tag = format!("{}.{}", self.number, self.said.len() + 1);
        self.saying.extend_from_slice(format!("{words} ~{tag}~\n").as_bytes());
        self.said.push(Said { tag, at: now });
    }

    /// It has come, over that wire.
    pub(crate) fn came(&mut self, wire: usize, now: Time) {
        let (number, room) = (self.number, self.room);
        self.saying = format!("/nick m{number}x{}\n", self.stays.len()).into_bytes();
        if room != ROOMS[0] {
            self.saying.extend_from_slice(format!("/join {room}\n").as_bytes());
        }
        self.stays.push(Stay { wire, came: now, left: Time::NEVER, heard: Vec::new() });
    }

    /// Whether there is anything to be said or heard.
    pub(crate) fn is_due(&self, pipe: &Pipe) -> bool {
        let may_speak = !self.saying.is_empty() && pipe.unread() < pipe.up_room && !pipe.dropped;
        pipe.unheard() > 0 || may_speak || (pipe.is_over() && !pipe.left)
    }

    /// Speaks and listens.
    pub(crate) fn exchange(&mut self, pipe: &mut Pipe, now: Time, rng: &mut Rng) {
        let stay = self.stays.last_mut().expect("a stay");
        if pipe.unheard() > 0 {
            pipe.hear(pipe.unheard(), now);
            stay.heard.push((now, pipe.read));
        }
        let said = pipe.say(&self.saying);
        self.saying.drain(..said);
        if pipe.is_over() && !pipe.left {
            pipe.close(rng);
        }
    }
}

/// A line that was heard.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) at: Time,
    pub(crate) text: String,
}

impl Stay {
    /// What was heard, line by line.
    pub(crate) fn lines(&self, pipe: &Pipe) -> Vec<Heard> {
        let mut end = 0;
        let mut times = self.heard.iter().peekable();
        let mut lines = Vec::new();
        for line in pipe.heard[..pipe.read].split_inclusive(|byte| *byte == b'\n') {
            end += line.len();
            while times.peek().is_some_and(|(_, until)| *until < end) {
                times.next();
            }
            let at = times.peek().map_or(Time::NEVER, |(at, _)| *at);
            let text = String::from_utf8_lossy(line).trim_end().to_owned();
            lines.push(Heard { at, text });
        }
        lines
    }

    /// Whether it lasted from some time before that moment until some time after it.
    pub(crate) fn covers(&self, at: Time) -> bool {
        let margin = Duration::from_millis(500);
        self.came.after(margin) <= at && at.after(margin) <= self.left
    }
}
