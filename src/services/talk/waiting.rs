//! Who holds a place at no cost, and gives it up when there is no other.
//!
//! Clients that have closed their side and wait for an answer need not even keep a socket, so they
//! hold a part of the places only, and the oldest of them gives way to newcomers. A client over the
//! rate may have left an hour of lines behind and gone, and its FIN is not read before those: it
//! gives way before all others.

use std::collections::BTreeMap;

use super::{Stage, Talk};
use crate::engine::{Net, Peer};

/// One place of so many may be held by those who wait, and always one; one more, and the oldest
/// is told and closed.
const PLACES_PER_WAITING: usize = 10;
const TOO_FAST: &[u8] = b"You are too fast to keep a place that others wait for.";
const TOO_MANY_WAIT: &[u8] = b"Too many others wait for an answer; please call again.";

/// A row of clients, the oldest first.
#[derive(Default)]
pub(super) struct Row {
    peers: BTreeMap<u64, Peer>,
    last_ticket: u64,
}

impl Row {
    /// Takes `peer` in at the end of the row.
    fn join(&mut self, peer: Peer) -> u64 {
        self.last_ticket += 1;
        self.peers.insert(self.last_ticket, peer);
        self.last_ticket
    }

    pub(super) fn leave(&mut self, ticket: u64) {
        self.peers.remove(&ticket);
    }
}

impl Talk {
    /// `peer` has said all and waits for its answer.
    pub(super) fn wait(&mut self, peer: Peer, net: &mut Net) {
        let ticket = self.waiting.join(peer);
        if let Some(session) = self.sessions.get_mut(peer) {
            session.stage = Stage::Waiting(ticket);
        }
        if self.waiting.peers.len() > (net.places() / PLACES_PER_WAITING).max(1) {
            self.turn_away_oldest(net);
        }
    }

    /// Closes whoever has waited longest. False: nobody waits.
    pub(super) fn turn_away_oldest(&mut self, net: &mut Net) -> bool {
        let Some((_, peer)) = self.waiting.peers.pop_first() else { return false };
        if let Some(session) = self.sessions.get_mut(peer) {
            session.stage = Stage::Forsaken;
            net.send(peer, TOO_MANY_WAIT);
            net.send(peer, session.framing.ending());
        }
        net.close(peer);
        true
    }

    /// `peer` has said more than the rate allows.
    pub(super) fn is_too_fast(&mut self, peer: Peer) {
        let Some(session) = self.sessions.get_mut(peer) else { return };
        if session.too_fast.is_none() {
            session.too_fast = Some(self.too_fast.join(peer));
        }
    }

    /// All that `peer` has said so far has been heard.
    pub(super) fn has_caught_up(&mut self, peer: Peer) {
        if let Some(session) = self.sessions.get_mut(peer)
            && let Some(ticket) = session.too_fast.take()
        {
            self.too_fast.leave(ticket);
        }
    }

    /// Closes whoever has been over the rate for longest, at once: in leaving politely it could
    /// take its time. False: nobody is.
    pub(super) fn drop_too_fast(&mut self, net: &mut Net) -> bool {
        let Some((_, peer)) = self.too_fast.peers.pop_first() else { return false };
        if let Some(session) = self.sessions.get(peer) {
            net.send(peer, TOO_FAST);
            net.send(peer, session.framing.ending());
        }
        net.leave(peer);
        true
    }

    /// The conversation with `peer` is over.
    pub(super) fn forget(&mut self, peer: Peer) {
        self.has_caught_up(peer);
        let session = self.sessions.remove(peer);
        if let Some(Stage::Waiting(ticket)) = session.map(|session| session.stage) {
            self.waiting.leave(ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::stage::Stage as Theatre;
    use crate::engine::{Limits, Quota};
    use crate::services::Rate;

    const TOLD: &str = "Too many others wait for an answer; please call again.\n";

    fn theatre(connections: usize) -> Theatre {
        let limits = Limits { connections, ..Limits::default() };
        Theatre::with(limits, Quota::default(), Talk::new(None))
    }

    /// Somebody who asks and hangs up.
    fn asker(theatre: &mut Theatre) -> Peer {
        let peer = theatre.join();
        theatre.say(peer, "a question\n");
        theatre.finish(peer);
        peer
    }

    #[test]
    fn a_tenth_of_the_places_may_wait_and_the_oldest_go_first() {
        for (places, most) in [(30, 3), (9, 1)] {
            let mut theatre = theatre(places);
            let askers: Vec<Peer> = (0..most + 2).map(|_| asker(&mut theatre)).collect();
            for (number, peer) in askers.iter().enumerate() {
                let goes = number < 2;
                assert_eq!(theatre.is_over(*peer), goes, "{number} of {places}");
                assert_eq!(theatre.hear(*peer), if goes { TOLD } else { "" });
            }
            theatre.tell(Some("an answer"));
            assert_eq!(theatre.hear(askers[most + 1]), "an answer\n");
        }
    }

    #[test]
    fn who_has_been_answered_or_is_gone_waits_no_more() {
        let mut theatre = theatre(20);
        let (one, two) = (asker(&mut theatre), asker(&mut theatre));
        theatre.reset(one);
        theatre.tell(Some("/to 2 BYE"));
        let (three, four) = (asker(&mut theatre), asker(&mut theatre));
        assert!(theatre.is_over(two) && !theatre.is_over(three) && !theatre.is_over(four));
    }

    #[test]
    fn who_says_goodbye_with_its_last_words_takes_nobodys_place() {
        let mut theatre = theatre(10);
        let (asker, other) = (asker(&mut theatre), theatre.join());
        theatre.say(other, "hello\nBYE");
        theatre.finish(other);
        assert!(theatre.is_over(other) && !theatre.is_over(asker));
        assert_eq!(theatre.hear(asker), "");
    }

    #[test]
    fn the_oldest_gives_its_place_to_a_newcomer_and_nobody_else_does() {
        let mut theatre = theatre(20);
        let (one, two) = (asker(&mut theatre), asker(&mut theatre));
        let listener = theatre.join();
        theatre.say(listener, "hello\n");
        for (gives_way, peer) in [(true, one), (true, two), (false, listener)] {
            assert_eq!(theatre.engine().make_room(), gives_way);
            theatre.flush();
            assert_eq!(theatre.is_over(peer), gives_way);
        }
        assert_eq!(theatre.hear(one), TOLD);
        assert_eq!(theatre.hear(listener), "");
    }

    #[test]
    fn who_is_over_the_rate_gives_way_before_those_who_wait() {
        let limits = Limits { connections: 20, ..Limits::default() };
        let rate = Rate { per_second: 10.0, burst: 1.0 };
        let mut theatre = Theatre::with(limits, Quota::default(), Talk::new(Some(rate)));
        let asker = asker(&mut theatre);
        let (one, two) = (theatre.join(), theatre.join());
        theatre.say(one, "1\n2\n3\n");
        theatre.say(two, "1\n2\n3\n4\n");
        // By then the first is within the rate again.
        theatre.pass(Duration::from_millis(250));
        for (gives_way, peer) in [(true, two), (true, asker), (false, one)] {
            assert_eq!(theatre.engine().make_room(), gives_way);
            theatre.flush();
            assert_eq!(theatre.is_over(peer), gives_way);
        }
        assert_eq!(theatre.hear(two), "You are too fast to keep a place that others wait for.\n");
    }
}
