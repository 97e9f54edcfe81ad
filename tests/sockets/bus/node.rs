//! A server of ours on a bus, and people in its rooms.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::support::nats::Nats;
use crate::support::{Member, Server};

/// What the log says once the bus is reached.
pub(super) const REACHED: &str = "the bus is reached at nats://";
pub(super) const OUT_OF_REACH: &str = "** Other servers are out of reach; only this one hears you.";
pub(super) const ONLY_HERE: &str = "** Only this server heard that; the others are out of reach.";
pub(super) const BACK: &str = "** Other servers are back.";

/// A running server whose rooms span others.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) server: Server,
    pub(super) chat: SocketAddr,
}

impl Node {
    /// One called `name` at these addresses, whether they can be reached or not.
    pub(super) fn at(urls: &str, name: &str, words: &[&str]) -> Node {
        Node::of(name, Server::start(&words_of(urls, name, words)))
    }

    /// The same, with variables in its environment (`NAME=VALUE`).
    pub(super) fn with_variables(
        variables: &[&str],
        urls: &str,
        name: &str,
        words: &[&str],
    ) -> Node {
        let cooee = [env!("CARGO_BIN_EXE_cooee"), "serve"];
        let words = [variables, &cooee, &words_of(urls, name, words)].concat();
        Node::of(name, Server::run("env", &words))
    }

    fn of(name: &str, mut server: Server) -> Node {
        let chat = server.address("chat+tcp");
        Node { name: name.into(), server, chat }
    }

    /// One that has reached `nats`.
    pub(super) fn on(nats: &Nats, name: &str, words: &[&str]) -> Node {
        let mut node = Node::at(&nats.url(), name, words);
        node.server.log.wait_for_line(REACHED);
        node
    }

    /// Two that have, north and south.
    pub(super) fn two(nats: &Nats) -> (Node, Node) {
        (Node::on(nats, "north", &[]), Node::on(nats, "south", &[]))
    }

    /// Somebody of that name in the lobby.
    pub(super) fn join(&self, name: &str) -> Person {
        let (member, _) = Member::join(self.chat);
        let who = format!("{name}@{}", self.name);
        let mut person = Person { member, who, early: VecDeque::new() };
        person.say(&format!("/nick {name}"));
        // What was said before comes before the answer to that, or later.
        let mut early = person.lines_until(&format!("** You are now {name}."));
        early.pop();
        person.early = early.into();
        person
    }

    /// The line of `/stats` about the bus.
    pub(super) fn figures(&mut self) -> String {
        self.server.operator("/stats");
        self.server.screen.wait_for_line("bus: ")
    }

    /// How often its log has told of trouble so far.
    pub(super) fn complains(&mut self) -> usize {
        self.server.log.count(" WARN ") + self.server.log.count(" ERROR ")
    }
}

fn words_of<'a>(urls: &'a str, name: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    [&["chat://:0", "--chat-rate=off", "--bus", urls, "--bus-name", name], words].concat()
}

/// Somebody in a room.
pub(super) struct Person {
    member: Member,
    /// What others call it elsewhere.
    pub(super) who: String,
    /// Lines that came while something else was waited for.
    early: VecDeque<String>,
}

impl Person {
    pub(super) fn say(&mut self, text: &str) {
        self.member.say(text);
    }

    /// The next line with that text; those before it are passed over.
    pub(super) fn wait_for(&mut self, text: &str) -> String {
        self.lines_until(text).pop().expect("that line")
    }

    /// All lines up to one with that text.
    pub(super) fn lines_until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.early.pop_front().or_else(|| self.member.line()) {
            lines.push(line);
            if lines[lines.len() - 1].contains(text) {
                return lines;
            }
        }
        panic!("closed without {text:?}, after {lines:#?}");
    }

    /// Has lines that were taken come once more.
    pub(super) fn put_back(&mut self, lines: Vec<String>) {
        lines.into_iter().rev().for_each(|line| self.early.push_front(line));
    }

    /// What comes before the answer to a command that changes nothing.
    pub(super) fn lines_so_far(&mut self) -> Vec<String> {
        self.say("/msg nobody-at-all x");
        let mut lines = self.lines_until("There is nobody called nobody-at-all");
        lines.pop();
        lines
    }

    /// What `/who` says, once it says that.
    pub(super) fn sees_at_who(&mut self, text: &str) -> Vec<String> {
        let begun = std::time::Instant::now();
        loop {
            self.say("/who");
            let mut lines = self.lines_so_far();
            lines.retain(|line| line.starts_with("** "));
            if lines.iter().any(|line| line.contains(text)) {
                return lines;
            }
            assert!(begun.elapsed() < crate::support::PATIENCE, "{text:?} is not in {lines:?}");
            std::thread::yield_now();
        }
    }
}

/// Has both hear each other: each is known where the other is, so whatever one says from now on
/// gets there.
pub(super) fn meet(one: &mut Person, other: &mut Person) {
    let node = |person: &Person| person.who.split_once('@').unwrap().1.to_owned();
    assert_ne!(node(one), node(other));
    one.sees_at_who(&other.who);
    other.sees_at_who(&one.who);
    is_heard(one, other);
    is_heard(other, one);
}

fn is_heard(speaker: &mut Person, listener: &mut Person) {
    let word = format!("{} hears me?", listener.who);
    speaker.say(&word);
    let line = listener.wait_for(&word);
    // Behind a break it may be marked as said before.
    assert!(line.ends_with(&format!("<{}> {word}", speaker.who)), "{line}");
}
