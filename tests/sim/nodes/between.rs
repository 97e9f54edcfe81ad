//! Stands between the bus and whom it serves, and takes down what passes.

use std::cell::RefCell;
use std::rc::Rc;

use cooee::bus::{News, Port, Wish};
use cooee::engine::{Arrival, Net, Operated, Peer, Reason, Service, Time};

/// What passed.
#[derive(Clone, Debug)]
pub(crate) enum Passed {
    Wish(Wish),
    News(News),
}

impl Passed {
    /// In a line.
    pub(crate) fn shown(&self) -> String {
        let text = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
        match self {
            Passed::Wish(Wish::Keep { subject, id, payload }) => {
                format!("-> keep {id} {subject} {}", text(payload))
            }
            Passed::Wish(Wish::Publish { subject, payload }) => {
                format!("-> publish {subject} {}", text(payload))
            }
            Passed::News(News::Line { subject, payload, at, is_old }) => {
                let age = if *is_old { "old" } else { "new" };
                format!("<- line {subject} {} {age} {at:?}", text(payload))
            }
            Passed::News(News::Heard { subject, payload }) => {
                format!("<- heard {subject} {}", text(payload))
            }
            Passed::Wish(wish) => format!("-> {wish:?}"),
            Passed::News(news) => format!("<- {news:?}"),
        }
    }
}

/// What passed at one node, and when.
pub(crate) type Record = Rc<RefCell<Vec<(Time, Passed)>>>;

/// A bus that is overheard.
pub(crate) struct Between {
    pub(crate) inner: Box<dyn Service>,
    /// The bus has this one.
    pub(crate) bus: Port,
    /// Whom it serves has this one.
    pub(crate) chat: Port,
    pub(crate) record: Record,
}

impl Between {
    /// Lets wishes through.
    fn wishes(&self, now: Time) {
        while let Some(wish) = self.chat.next_wish() {
            self.record.borrow_mut().push((now, Passed::Wish(wish.clone())));
            self.bus.wish(wish);
        }
    }

    /// Lets news through.
    fn news(&self, now: Time) {
        while let Some(news) = self.bus.next_news() {
            self.record.borrow_mut().push((now, Passed::News(news.clone())));
            self.chat.tell(news);
        }
    }
}

impl Service for Between {
    fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
        self.inner.opened(peer, arrival, net);
        self.news(net.now());
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        let used = self.inner.received(peer, input, net);
        self.news(net.now());
        used
    }

    fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
        self.inner.finished(peer, rest, net);
        self.news(net.now());
    }

    fn drained(&mut self, peer: Peer, net: &mut Net) {
        self.inner.drained(peer, net);
        self.news(net.now());
    }

    fn fell_behind(&mut self, peer: Peer, net: &mut Net) -> &'static [u8] {
        let last_word = self.inner.fell_behind(peer, net);
        self.news(net.now());
        last_word
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        self.inner.closed(peer, reason, net);
        self.news(net.now());
    }

    fn alarm(&mut self, net: &mut Net) {
        self.inner.alarm(net);
        self.news(net.now());
    }

    fn settled(&mut self, net: &mut Net) {
        self.wishes(net.now());
        self.inner.settled(net);
        self.news(net.now());
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Between {
    fn started(&mut self, net: &mut Net) {
        self.wishes(net.now());
        if let Some(inner) = self.inner.operated() {
            inner.started(net);
        }
        self.news(net.now());
    }
}
