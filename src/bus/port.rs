//! What passes between the bus and the service whose rooms it joins: wishes one way, news the
//! other. Both are services of one loop and cannot call each other, so each leaves what it has to
//! say here, and the other takes it when the turn is flushed.

use std::cell::RefCell;
use std::collections::VecDeque;
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

#[derive(Default)]
struct Exchange {
    wishes: VecDeque<Wish>,
    news: VecDeque<News>,
    figures: BusFigures,
}

/// One end of it; both are alike.
#[derive(Clone, Default)]
pub struct Port(Rc<RefCell<Exchange>>);

impl Port {
    /// Leaves a wish for the bus.
    pub fn wish(&self, wish: Wish) {
        self.0.borrow_mut().wishes.push_back(wish);
    }

    /// Takes the wish that was left first.
    pub fn next_wish(&self) -> Option<Wish> {
        self.0.borrow_mut().wishes.pop_front()
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
}
