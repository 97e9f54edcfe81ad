//! What passes between the bus and the service whose rooms it joins: wishes one way, news the
//! other. Both are services of one loop and cannot call each other, so each leaves what it has to
//! say here, and the other takes it when the turn is flushed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// What is wanted of the bus. A subject is what a message is published under, a token of letters,
/// digits, `-`, `_` between dots; the part behind the prefix of ours (`say.lobby`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// From now on, tell what is published under that subject; it may end in `*`. Nothing is
    /// remembered of it.
    Listen(String),
    /// Tell the lines under that subject, one of the kept ones: all that the stream still has and
    /// whatever comes behind them, each once and in the stream's order. Without a stream, what is
    /// published from now on. Holds over breaks: after one it goes on behind the last line told.
    Follow(String),
    /// Neither of them any more. What is known of its lines is forgotten.
    Leave(String),
    /// Publish that; what cannot leave at once is lost.
    Publish {
        /// Under what.
        subject: String,
        /// One JSON object.
        payload: Vec<u8>,
    },
    /// Publish a line that the stream is to keep, once, whatever breaks meanwhile: `News::Kept`
    /// or `News::Refused` tells what became of it. Without a stream it is published like others,
    /// and kept at once.
    Keep {
        /// Under what.
        subject: String,
        /// What makes it one of a kind: `Nats-Msg-Id`.
        id: String,
        /// One JSON object.
        payload: Vec<u8>,
    },
}

impl Wish {
    /// How many bytes of it are to leave at once or not at all.
    fn published(&self) -> usize {
        match self {
            Wish::Publish { subject, payload } => subject.len() + payload.len() + OVERHEAD,
            _ => 0,
        }
    }
}

/// What the protocol adds to a message, at most.
const OVERHEAD: usize = 32;

/// What the bus has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is reached, and everything that was wanted is heard from now on.
    Up {
        /// Whether a stream keeps the lines, so that there is one order for everybody.
        has_stream: bool,
    },
    /// It is out of reach. Said once, within 3 s of the loss; wishes hold.
    Down {
        /// Why, for people.
        why: String,
    },
    /// Something has been published under a subject that is listened to.
    Heard {
        /// Under what, behind the prefix.
        subject: String,
        /// As it came.
        payload: Vec<u8>,
    },
    /// A line of a subject that is followed.
    Line {
        /// Under what, behind the prefix.
        subject: String,
        /// As it came.
        payload: Vec<u8>,
        /// When the stream took it, in seconds since 1970-01-01 00:00 UTC; `None`: no stream has.
        at: Option<u64>,
        /// Whether it was said before we listened: history, or missed in a break.
        is_old: bool,
    },
    /// All old lines of a subject that is followed have been told. Once for each `Follow`, and
    /// again after each break.
    CaughtUp {
        /// Of which.
        subject: String,
    },
    /// The stream was made anew, and what it kept before is gone.
    Renewed,
    /// More came under that subject than is let through (`--bus-rate`), and no stream has it.
    Dropped {
        /// Under what.
        subject: String,
        /// How many since it was told last.
        lines: u64,
    },
    /// The stream has that line; or, without one, it has been published.
    Kept {
        /// The one that was wished.
        id: String,
    },
    /// That line will not be published.
    Refused {
        /// The one that was wished.
        id: String,
        /// Why, for people.
        why: String,
    },
}

/// What an operator may want to know of the bus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BusFigures {
    /// What this server is called there: as it was told, or with a number if another one has that
    /// name.
    pub node: String,
    /// Whether it is reached.
    pub is_up: bool,
    /// Whether a stream keeps the lines.
    pub has_stream: bool,
    /// Where it is, without secrets; empty while it is out of reach.
    pub server: String,
    /// How often it was reached again.
    pub reconnects: u64,
    /// Messages from it.
    pub messages_in: u64,
    /// Messages to it.
    pub messages_out: u64,
    /// Messages from it that were dropped: more than is let through.
    pub dropped_rate: u64,
    /// Messages from it that were dropped: not what they should be.
    pub dropped_malformed: u64,
    /// Messages from it that were dropped: told already.
    pub dropped_twice: u64,
    /// Messages to it that were dropped: too many waited.
    pub dropped_queue: u64,
    /// Lines that are known to have been said elsewhere, and never came.
    pub gaps: u64,
    /// How long the last PING took.
    pub round_trip: Option<Duration>,
    /// Other servers of ours that are there.
    pub nodes: u64,
}

impl BusFigures {
    /// Messages from it and to it that were dropped, by reason.
    pub fn dropped(&self) -> [(&'static str, u64); 4] {
        [
            ("rate", self.dropped_rate),
            ("malformed", self.dropped_malformed),
            ("twice", self.dropped_twice),
            ("queue", self.dropped_queue),
        ]
    }
}

impl fmt::Display for BusFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_up, self.has_stream) {
            (false, _) => write!(f, "bus: out of reach")?,
            (true, true) => write!(f, "bus: at {}, with a stream", self.server)?,
            (true, false) => write!(f, "bus: at {}, without a stream", self.server)?,
        }
        if let Some(took) = self.round_trip {
            write!(f, ", {took:.1?} away")?;
        }
        let (read, said) = (self.messages_in, self.messages_out);
        write!(f, "; other servers: {}; messages: {read} in, {said} out", self.nodes)?;
        write!(f, "; reached again: {}; lines that never came: {}", self.reconnects, self.gaps)?;
        let mut sign = "; dropped:";
        for (reason, count) in self.dropped().into_iter().filter(|(_, count)| *count > 0) {
            write!(f, "{sign} {count} ({reason})")?;
            sign = ",";
        }
        Ok(())
    }
}

#[derive(Default)]
struct Exchange {
    wishes: VecDeque<Wish>,
    /// Bytes that they are to publish.
    wished: usize,
    /// How many bytes the bus has room for; `None`: for any number.
    room: Option<usize>,
    news: VecDeque<News>,
    figures: BusFigures,
}

/// One end of it; both are alike.
#[derive(Clone, Default)]
pub struct Port(Rc<RefCell<Exchange>>);

impl Port {
    /// Leaves a wish for the bus.
    pub fn wish(&self, wish: Wish) {
        let mut exchange = self.0.borrow_mut();
        exchange.wished += wish.published();
        exchange.wishes.push_back(wish);
    }

    /// Takes the wish that was left first.
    pub fn next_wish(&self) -> Option<Wish> {
        let mut exchange = self.0.borrow_mut();
        let wish = exchange.wishes.pop_front()?;
        exchange.wished -= wish.published();
        Some(wish)
    }

    /// Whether what is published now leaves, unless the bus is lost before anybody notices.
    pub fn has_room(&self) -> bool {
        let exchange = self.0.borrow();
        exchange.room.is_none_or(|room| exchange.wished < room)
    }

    /// How many bytes the bus has room for from now on.
    pub fn set_room(&self, bytes: usize) {
        self.0.borrow_mut().room = Some(bytes);
    }

    /// Leaves news of the bus.
    pub fn tell(&self, news: News) {
        self.0.borrow_mut().news.push_back(news);
    }

    /// Takes the news that was left first.
    pub fn next_news(&self) -> Option<News> {
        self.0.borrow_mut().news.pop_front()
    }

    /// All that is counted.
    pub fn figures(&self) -> BusFigures {
        self.0.borrow().figures.clone()
    }

    /// Counts something.
    pub fn count(&self, change: impl FnOnce(&mut BusFigures)) {
        change(&mut self.0.borrow_mut().figures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_at_one_end_is_taken_at_the_other_in_order() {
        let (chat, bus) = (Port::default(), Port::default());
        assert_eq!(bus.next_wish(), None);
        let bus = chat.clone();
        chat.wish(Wish::Listen("here.*".into()));
        chat.wish(Wish::Follow("say.lobby".into()));
        assert_eq!(bus.next_wish(), Some(Wish::Listen("here.*".into())));
        assert_eq!(bus.next_wish(), Some(Wish::Follow("say.lobby".into())));
        bus.tell(News::Up { has_stream: true });
        bus.count(|figures| figures.reconnects += 1);
        assert_eq!(chat.next_news(), Some(News::Up { has_stream: true }));
        assert_eq!((chat.next_news(), chat.figures().reconnects), (None, 1));
    }

    #[test]
    fn there_is_room_until_as_much_is_wished_as_the_bus_can_take() {
        let port = Port::default();
        let wish = || Wish::Publish { subject: "say.a".into(), payload: vec![0; 100] };
        port.wish(wish());
        assert!(port.has_room());
        port.set_room(200);
        assert!(port.has_room());
        port.wish(wish());
        assert!(!port.has_room());
        assert!(port.next_wish().is_some() && port.has_room());
        port.set_room(0);
        assert!(!port.has_room());
    }

    #[test]
    fn what_is_to_be_known_fits_a_line() {
        let figures = BusFigures::default();
        let wanted = "bus: out of reach; other servers: 0; messages: 0 in, 0 out; \
                      reached again: 0; lines that never came: 0";
        assert_eq!(figures.to_string(), wanted);
        let figures = BusFigures {
            is_up: true,
            has_stream: true,
            server: "nats://127.0.0.1:4222".into(),
            round_trip: Some(Duration::from_micros(310)),
            nodes: 2,
            dropped_rate: 7,
            dropped_twice: 1,
            ..figures
        };
        let wanted = "bus: at nats://127.0.0.1:4222, with a stream, 310.0µs away; \
                      other servers: 2; messages: 0 in, 0 out; reached again: 0; \
                      lines that never came: 0; dropped: 7 (rate), 1 (twice)";
        assert_eq!(figures.to_string(), wanted);
    }
}
