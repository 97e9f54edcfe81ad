//! The first words of a chat client: the name it wants, and the room. Nothing that a filter says
//! may go out under another name or to another room than it was told, so it waits for the answer
//! to each. Pure; the client says what it is given here, and passes on what it hears.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::engine::Time;
use crate::services::chat;

/// A server that does not welcome us within this time is spoken to all the same.
const WELCOME: Duration = Duration::from_secs(1);
/// One that welcomes us and does not answer within this time is none of ours: it is not waited for
/// any more.
const ANSWER: Duration = Duration::from_secs(2);

/// Something that the server is asked first.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Nick(String),
    Room(String),
}

impl Wish {
    /// The line that asks for it.
    fn line(&self) -> String {
        match self {
            Wish::Nick(name) => format!("/nick {name}\n"),
            Wish::Room(name) => format!("/join {name}\n"),
        }
    }

    /// Whether `news`, what the server says behind `** `, grants it; `None`: that is about
    /// something else.
    fn answer(&self, news: &str) -> Option<bool> {
        let is_granted = match self {
            Wish::Nick(name) => news == format!("You are now {name}.") || chat::is_own_name(news),
            Wish::Room(_) => news.starts_with("You are now in ") || news == chat::SAME_ROOM,
        };
        let is_refused = match self {
            Wish::Nick(_) => chat::is_name_refusal(news),
            Wish::Room(_) => news == chat::TOO_MANY_ROOMS,
        };
        (is_granted || is_refused || news.starts_with("Too fast")).then_some(is_granted)
    }
}

/// A wish that was not granted, and what the server said to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    wish: Wish,
    why: String,
}

impl Refusal {
    /// How to ask again, for whoever can.
    pub(super) fn remedy(&self) -> &'static str {
        match self.wish {
            Wish::Nick(_) => "/nick chooses another",
            Wish::Room(_) => "/join chooses another",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flag, name) = match &self.wish {
            Wish::Nick(name) => ("--nick", name),
            Wish::Room(name) => ("--room", name),
        };
        write!(f, "{flag} {name} was refused: {:?}", self.why)
    }
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Say(String),
    /// Ask again then, or when more has been heard.
    Wait(Time),
    /// Hear the user.
    Done,
}

/// How far the introduction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Welcome,
    Answers,
    /// Whatever is answered, the rest is said at once.
    Nothing,
}

/// The first words, and what has become of them.
pub(super) struct Introduction {
    unsaid: VecDeque<Wish>,
    /// Said and not answered yet; the server answers in order.
    asked: VecDeque<Wish>,
    awaited: Awaited,
    until: Time,
    /// Whether to wait for answers. A person sees them, and is not kept waiting.
    is_patient: bool,
}

impl Introduction {
    pub(super) fn new(nick: Option<&str>, room: Option<&str>, is_patient: bool) -> Introduction {
        let nick = nick.map(|name| Wish::Nick(name.into()));
        let room = room.map(|name| Wish::Room(name.into()));
        Introduction {
            unsaid: nick.into_iter().chain(room).collect(),
            asked: VecDeque::new(),
            awaited: Awaited::Welcome,
            until: Time::ZERO,
            is_patient,
        }
    }

    /// The server has answered the call.
    pub(super) fn begin(&mut self, now: Time) {
        self.until = now.after(WELCOME);
    }

    /// The server has said something: that is its welcome.
    pub(super) fn be_welcome(&mut self) {
        if self.awaited == Awaited::Welcome {
            self.awaited = if self.is_patient { Awaited::Answers } else { Awaited::Nothing };
        }
    }

    /// Learns from a line of the server's. An answer that comes late is one all the same.
    pub(super) fn hear(&mut self, line: &str) -> Option<Refusal> {
        let news = line.strip_prefix("** ")?;
        let is_granted = self.asked.front()?.answer(news)?;
        let wish = self.asked.pop_front()?;
        (!is_granted).then(|| Refusal { wish, why: news.into() })
    }

    /// What to do now.
    pub(super) fn next(&mut self, now: Time) -> Step {
        let is_kept_waiting = match self.awaited {
            Awaited::Welcome => !self.unsaid.is_empty(),
            Awaited::Answers => !self.asked.is_empty(),
            Awaited::Nothing => false,
        };
        if is_kept_waiting && now < self.until {
            return Step::Wait(self.until);
        }
        if is_kept_waiting {
            self.awaited = Awaited::Nothing;
        }
        let Some(wish) = self.unsaid.pop_front() else { return Step::Done };
        let line = wish.line();
        self.asked.push_back(wish);
        self.until = now.after(ANSWER);
        Step::Say(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn said(line: &str) -> Step {
        Step::Say(line.into())
    }

    /// Ann, who wants to go to the den, called at 0 s.
    fn ann(is_patient: bool) -> Introduction {
        let mut ann = Introduction::new(Some("ann"), Some("den"), is_patient);
        ann.begin(at(0));
        ann
    }

    #[test]
    fn each_wish_is_said_once_the_one_before_is_granted() {
        let mut ann = ann(true);
        assert_eq!(ann.next(at(0)), Step::Wait(at(1000)));
        ann.be_welcome();
        assert_eq!(ann.next(at(10)), said("/nick ann\n"));
        for line in ["** Welcome! You are guest1", "<bob> ** You are now ann.", "* bob left"] {
            assert_eq!(ann.hear(line), None);
            assert_eq!(ann.next(at(20)), Step::Wait(at(2010)), "{line}");
        }
        assert_eq!(ann.hear("** You are now ann."), None);
        assert_eq!(ann.next(at(30)), said("/join den\n"));
        assert_eq!(ann.next(at(30)), Step::Wait(at(2030)));
        assert_eq!(ann.hear("** You are now in Den (1 here)."), None);
        assert_eq!(ann.next(at(40)), Step::Done);
    }

    #[test]
    fn what_is_refused_is_told_with_the_servers_words() {
        let mut ann = ann(true);
        ann.be_welcome();
        ann.next(at(0));
        let refusal = ann.hear("** That name is taken.").unwrap();
        assert_eq!(refusal.to_string(), "--nick ann was refused: \"That name is taken.\"");
        assert_eq!(refusal.remedy(), "/nick chooses another");
        ann.next(at(0));
        let full = format!("** {}", chat::TOO_MANY_ROOMS);
        assert!(ann.hear(&full).unwrap().to_string().starts_with("--room den was refused: "));
        assert_eq!((ann.hear(&full), ann.next(at(0))), (None, Step::Done), "it is answered");
    }

    #[test]
    fn what_one_has_already_is_granted() {
        let mut guest = Introduction::new(Some("guest1"), Some("lobby"), true);
        guest.be_welcome();
        guest.next(at(0));
        assert_eq!(guest.hear("** That is your name already."), None);
        assert_eq!(guest.next(at(0)), said("/join lobby\n"));
        assert_eq!(guest.hear(&format!("** {}", chat::SAME_ROOM)), None);
        assert_eq!(guest.next(at(0)), Step::Done);
    }

    #[test]
    fn a_server_that_says_nothing_or_does_not_answer_keeps_nobody_waiting_for_long() {
        let mut silent = ann(true);
        assert_eq!(silent.next(at(999)), Step::Wait(at(1000)));
        let steps = [silent.next(at(1000)), silent.next(at(1000)), silent.next(at(1000))];
        assert_eq!(steps, [said("/nick ann\n"), said("/join den\n"), Step::Done]);
        let mut other = ann(true);
        other.be_welcome();
        assert_eq!(other.next(at(0)), said("/nick ann\n"));
        assert_eq!(other.next(at(1999)), Step::Wait(at(2000)));
        assert_eq!([other.next(at(2000)), other.next(at(2000))], [said("/join den\n"), Step::Done]);
        assert!(other.hear("** That name is reserved.").is_some(), "late, and yet an answer");
    }

    #[test]
    fn a_person_is_not_kept_waiting_for_answers() {
        let mut ann = ann(false);
        ann.be_welcome();
        let steps = [ann.next(at(0)), ann.next(at(0)), ann.next(at(0))];
        assert_eq!(steps, [said("/nick ann\n"), said("/join den\n"), Step::Done]);
        assert!(ann.hear("** That name is taken.").is_some());
        let mut nobody = Introduction::new(None, None, true);
        nobody.begin(at(0));
        assert_eq!(nobody.next(at(0)), Step::Done);
    }
}
