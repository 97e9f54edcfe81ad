//! What happened so far, as all parts of the world share it: the pipes, the story of each
//! connection as its service was told it, and the order in which lines were heard.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use cooee::engine::{Arrival, Knobs, Limits, Peer, Quota, Reason, Time};

use super::kinds::Kind;
use super::pipe::{Calls, Pipe};
use super::rng::{Rng, Trace};

/// Time passes by at most this much from one step of the world to the next, unless all rests.
pub(crate) const STEP: Duration = Duration::from_micros(200);

/// Who is not watched is looked at twice, the second time after so long; see
/// `engine/turn/lingering.rs`.
pub(crate) const SECOND_LOOK: Duration = Duration::from_millis(5);

/// How far a connection is, as its service knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Told {
    #[default]
    Nothing,
    Opened,
    Finished,
    Closed(Reason),
}

/// One connection as its service was told it. `stories[n]` belongs to `pipes[n]`.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) peer: Option<Peer>,
    pub(crate) service: usize,
    pub(crate) told: Told,
    /// Bytes of `Pipe::said` that the service has used.
    pub(crate) used: usize,
    /// Where the line begins that is not finished yet.
    pub(crate) line_at: usize,
    /// Whether the queue has been seen at `Limits::high` and `drained` has not been told since.
    pub(crate) full: bool,
    /// Since when the queue has been seen above the soft limit.
    pub(crate) above_soft: Option<Time>,
    /// The same, a look earlier: by the time it is closed its queue is gone.
    pub(crate) was_above_soft: Option<Time>,
    /// The longest that its queue has been seen, and in which turn.
    pub(crate) longest: (u64, usize),
    pub(crate) opened_turn: u64,
    /// The turn in which it began to leave: FIN or BYE.
    pub(crate) leaving_turn: Option<u64>,
    /// The operator or the driver has interfered; the client cannot count on anything.
    pub(crate) disturbed: bool,
    /// Whether the operator has closed it when it may have been closing already.
    pub(crate) kicked_while_closing: bool,
    /// Its service has been told that it fell behind: it may have had a last word.
    pub(crate) given_up: bool,
    /// Its service has stopped in the midst of its input, having had its share.
    pub(crate) interrupted: bool,
    /// It was left for a later turn: the kernel has not been asked yet what it takes.
    pub(crate) deferred: bool,
    /// The turn in which its service was given input last, read then or before.
    pub(crate) served_turn: u64,
    /// Turns in which it had something to be read that was wanted, and was not read.
    pub(crate) waiting: usize,
}

/// A line with a tag, in the order in which the services were given them.
pub(crate) struct Line {
    pub(crate) service: usize,
    pub(crate) author: usize,
    pub(crate) turn: u64,
}

/// One service of the world.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) quota: Quota,
}

/// See the top of this file.
pub(crate) struct Facts {
    pub(crate) rng: Rng,
    pub(crate) trace: Trace,
    pub(crate) now: Time,
    pub(crate) turn: u64,
    pub(crate) limits: Limits,
    /// What the connections suffer, in some worlds.
    pub(crate) knobs: Option<Rc<Knobs>>,
    pub(crate) rows: Vec<Row>,
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) stories: Vec<Story>,
    pub(crate) lines: Vec<Line>,
    /// Where in `lines` the line with that tag is.
    pub(crate) tags: BTreeMap<String, usize>,
    pub(crate) opened: u64,
    pub(crate) closed: u64,
    /// Times in this turn that the services were asked what they have gathered: once before each
    /// time that everybody is visited.
    pub(crate) settlings: usize,
    /// Peers of the past.
    pub(crate) dead: Vec<Peer>,
    /// Kinds of things that have happened at all.
    pub(crate) seen: BTreeSet<String>,
}

pub(crate) type Shared = Rc<RefCell<Facts>>;

/// Clients are told apart by their ports, from this one on.
pub(crate) const FIRST_PORT: u16 = 1024;

/// The address of client `n`; from it the services' side knows who it is.
pub(crate) fn arrival(client: usize) -> Arrival {
    let port = FIRST_PORT + u16::try_from(client).expect("few clients");
    Arrival::new(([192, 0, 2, 1], port).into(), ([192, 0, 2, 99], 5000).into())
}

pub(crate) fn client_of(arrival: &Arrival) -> usize {
    usize::from(arrival.remote.port().expect("over IP") - FIRST_PORT)
}

pub(crate) fn nanos(time: Time) -> u64 {
    u64::try_from(time.since(Time::ZERO).as_nanos()).expect("within 584 years")
}

impl Facts {
    /// Of a world with these pipes, in which nothing has happened yet.
    pub(crate) fn of(limits: Limits, pipes: Vec<Pipe>) -> Facts {
        Facts {
            rng: Rng::new(0),
            trace: Trace::new(false),
            now: Time::ZERO,
            turn: 0,
            limits,
            knobs: None,
            rows: Vec::new(),
            stories: pipes.iter().map(|_| Story::default()).collect(),
            pipes,
            lines: Vec::new(),
            tags: BTreeMap::new(),
            opened: 0,
            closed: 0,
            settlings: 0,
            dead: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    pub(crate) fn note(&mut self, what: &str, numbers: &[u64]) {
        self.trace.note(what, numbers);
    }

    /// Takes note that something like this does happen.
    pub(crate) fn see(&mut self, what: &str) {
        if !self.seen.contains(what) {
            self.seen.insert(what.to_owned());
        }
    }

    pub(crate) fn begin_turn(&mut self) {
        self.turn += 1;
        self.settlings = 0;
        self.pipes.iter_mut().for_each(|pipe| pipe.calls = Calls::default());
    }

    /// Takes note of the finished lines that client `n`'s service has used, if tagged.
    pub(crate) fn log_lines(&mut self, client: usize) {
        let (story, said) = (&mut self.stories[client], &self.pipes[client].said);
        while let Some(length) =
            said[story.line_at..story.used].iter().position(|byte| *byte == b'\n')
        {
            let line = &said[story.line_at..story.line_at + length];
            story.line_at += length + 1;
            if story.leaving_turn.is_none()
                && let Some(tag) = tag_of(line)
            {
                self.tags.insert(tag, self.lines.len());
                self.lines.push(Line { service: story.service, author: client, turn: self.turn });
            }
            if line == b"BYE" {
                story.leaving_turn.get_or_insert(self.turn);
            }
        }
    }

    /// Whom a failure message is about.
    pub(crate) fn who(&self, client: usize) -> Who {
        let story = &self.stories[client];
        Who { client, peer: story.peer, kind: self.rows[story.service].kind, turn: self.turn }
    }
}

/// One connection at one moment, as failure messages name it.
#[derive(Clone, Copy)]
pub(crate) struct Who {
    client: usize,
    peer: Option<Peer>,
    kind: Kind,
    turn: u64,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Who { client, peer, kind, turn } = self;
        let offer = kind.offer();
        write!(f, "client {client} ({peer:?}) of {kind:?} {offer}, turn {turn}")
    }
}

/// `~3.17~` somewhere in a line: the 17th line of client 3.
pub(crate) fn tag_of(line: &[u8]) -> Option<String> {
    let start = line.iter().position(|byte| *byte == b'~')? + 1;
    let length = line[start..].iter().position(|byte| *byte == b'~')?;
    String::from_utf8(line[start..start + length].to_vec()).ok()
}
