//! Which clients give up their places when all places are taken.
//!
//! A client that has closed its side and waits for an answer holds a place at no cost to itself. So
//! such clients may hold only a part of the places, and the oldest of them gives way to newcomers.
//! A client over the rate may have gone and left an hour of lines behind, since its FIN is not read
//! before they are: it gives way first of all.

use std::collections::BTreeMap;

use super::{Status, Talk};
use crate::engine::{Net, Peer};

/// One in this many places, and at least one, may be held by clients that wait. When there is one
/// more of them, the oldest is told and closed.
const PLACES_PER_WAITING: usize = 10;
const TOO_FAST: &[u8] = b"You are too fast to keep a place that others wait for.";
const TOO_MANY_WAIT: &[u8] = b"Too many others wait for an answer; please call again.";

/// A queue of clients, the oldest first. Each has a ticket, by which it can leave.
#[derive(Default)]
pub(super) struct Queue {
    peers: BTreeMap<u64, Peer>,
    last_ticket: u64,
}

impl Queue {
    /// Takes `peer` in as the last one. Returns its ticket.
    fn join(&mut self, peer: Peer) -> u64 {
        self.last_ticket += 1;
        self.peers.insert(self.last_ticket, peer);
        self.last_ticket
    }

    pub(super) fn leave(&mut self, ticket: u64) {
        self.peers.remove(&ticket);
    }

    /// Takes the oldest out, past those that are closing: they have no place to give.
    fn take_oldest(&mut self, net: &Net) -> Option<Peer> {
        let peers = std::iter::from_fn(|| self.peers.pop_first());
        peers.map(|(_, peer)| peer).find(|peer| net.is_open(*peer))
    }
}

impl Talk {
    /// `peer` has closed its side and waits for an answer.
    pub(super) fn wait(&mut self, peer: Peer, net: &mut Net) {
        let ticket = self.waiting.join(peer);
        if let Some(conversation) = self.conversations.get_mut(peer) {
            conversation.status = Status::Waiting(ticket);
        }
        if self.waiting.peers.len() > (net.places() / PLACES_PER_WAITING).max(1) {
            self.close_longest_waiting(net);
        }
    }

    /// Closes the client that has waited longest. False: nobody waits.
    pub(super) fn close_longest_waiting(&mut self, net: &mut Net) -> bool {
        let Some(peer) = self.waiting.take_oldest(net) else { return false };
        if let Some(conversation) = self.conversations.get_mut(peer) {
            conversation.status = Status::Dismissed;
            net.send(peer, TOO_MANY_WAIT);
            net.send(peer, conversation.line_ending.bytes());
        }
        net.close(peer);
        true
    }

    /// `peer` has said more than the rate allows.
    pub(super) fn went_too_fast(&mut self, peer: Peer) {
        let Some(conversation) = self.conversations.get_mut(peer) else { return };
        if conversation.too_fast.is_none() {
            conversation.too_fast = Some(self.too_fast.join(peer));
        }
    }

    /// All that has come from `peer` has been taken: it is within the rate again.
    pub(super) fn caught_up(&mut self, peer: Peer) {
        if let Some(conversation) = self.conversations.get_mut(peer)
            && let Some(ticket) = conversation.too_fast.take()
        {
            self.too_fast.leave(ticket);
        }
    }

    /// Drops the client that has been over the rate for longest, without waiting for its FIN: that
    /// may be far behind. False: nobody is over the rate.
    pub(super) fn drop_too_fast(&mut self, net: &mut Net) -> bool {
        let Some(peer) = self.too_fast.take_oldest(net) else { return false };
        if let Some(conversation) = self.conversations.get(peer) {
            net.send(peer, TOO_FAST);
            net.send(peer, conversation.line_ending.bytes());
        }
        net.leave(peer);
        if self.partner() == Some(peer) {
            net.show(&format!("{peer} has left: over the rate, and others wait for its place"));
        }
        true
    }

    /// The conversation with `peer` is over.
    pub(super) fn forget(&mut self, peer: Peer) {
        self.caught_up(peer);
        let conversation = self.conversations.remove(peer);
        if let Some(Status::Waiting(ticket)) = conversation.map(|conversation| conversation.status)
        {
            self.waiting.leave(ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Limits, Quota};
    use crate::rate::Rate;

    const TOLD: &str = "Too many others wait for an answer; please call again.\n";

    fn stage(connections: usize) -> Stage {
        let limits = Limits { connections, ..Limits::default() };
        Stage::with(limits, Quota::default(), Talk::new(None))
    }

    /// Somebody who asks and hangs up.
    fn asker(stage: &mut Stage) -> Peer {
        let peer = stage.join();
        stage.say(peer, "a question\n");
        stage.finish(peer);
        peer
    }

    #[test]
    fn a_tenth_of_the_places_may_wait_and_the_oldest_go_first() {
        for (places, most) in [(30, 3), (9, 1)] {
            let mut stage = stage(places);
            let askers: Vec<Peer> = (0..most + 2).map(|_| asker(&mut stage)).collect();
            for (number, peer) in askers.iter().enumerate() {
                let goes = number < 2;
                assert_eq!(stage.is_over(*peer), goes, "{number} of {places}");
                assert_eq!(stage.hear(*peer), if goes { TOLD } else { "" });
            }
            stage.tell(Some("an answer"));
            assert_eq!(stage.hear(askers[most + 1]), "an answer\n");
        }
    }

    #[test]
    fn who_has_been_answered_or_is_gone_waits_no_more() {
        let mut stage = stage(20);
        let (one, two) = (asker(&mut stage), asker(&mut stage));
        stage.reset(one);
        stage.tell(Some("/to 2 BYE"));
        let (three, four) = (asker(&mut stage), asker(&mut stage));
        assert!(stage.is_over(two) && !stage.is_over(three) && !stage.is_over(four));
    }

    #[test]
    fn who_says_goodbye_with_its_last_words_takes_nobodys_place() {
        let mut stage = stage(10);
        let (asker, other) = (asker(&mut stage), stage.join());
        stage.say(other, "hello\nBYE");
        stage.finish(other);
        assert!(stage.is_over(other) && !stage.is_over(asker));
        assert_eq!(stage.hear(asker), "");
    }

    #[test]
    fn the_oldest_gives_its_place_to_a_newcomer_and_nobody_else_does() {
        let mut stage = stage(20);
        let (one, two) = (asker(&mut stage), asker(&mut stage));
        let listener = stage.join();
        stage.say(listener, "hello\n");
        for (gives_way, peer) in [(true, one), (true, two), (false, listener)] {
            assert_eq!(stage.engine().free_place(), gives_way);
            stage.flush();
            assert_eq!(stage.is_over(peer), gives_way);
        }
        assert_eq!(stage.hear(one), TOLD);
        assert_eq!(stage.hear(listener), "");
    }

    #[test]
    fn who_is_over_the_rate_gives_way_before_those_who_wait() {
        let limits = Limits { connections: 20, ..Limits::default() };
        let rate = Rate { per_second: 10.0, burst: 1.0 };
        let mut stage = Stage::with(limits, Quota::default(), Talk::new(Some(rate)));
        let asker = asker(&mut stage);
        let (one, two) = (stage.join(), stage.join());
        stage.say(one, "1\n2\n3\n");
        stage.say(two, "1\n2\n3\n4\n");
        // By then the first is within the rate again.
        stage.pass(Duration::from_millis(250));
        for (gives_way, peer) in [(true, two), (true, asker), (false, one)] {
            assert_eq!(stage.engine().free_place(), gives_way);
            stage.flush();
            assert_eq!(stage.is_over(peer), gives_way);
        }
        assert_eq!(stage.hear(two), "You are too fast to keep a place that others wait for.\n");
    }
    #[test]
    fn who_is_leaving_already_has_no_place_to_give() {
        let rate = Rate { per_second: 10.0, burst: 1.0 };
        let limits = Limits { connections: 20, ..Limits::default() };
        let mut stage = Stage::with(limits, Quota::default(), Talk::new(Some(rate)));
        let (fast, asker, next) = (stage.join(), asker(&mut stage), stage.join());
        stage.say(fast, "1\n2\n3\n");
        stage.take(fast, 0);
        stage.take(asker, 0);
        // Both are closing, and read nothing of what that takes.
        stage.tell(Some(&format!("/to {} BYE", fast.number())));
        stage.tell(Some(&format!("/to {} BYE", asker.number())));
        assert!(!stage.engine().free_place());
        stage.say(next, "1\n2\n3\n");
        assert!(stage.engine().free_place());
        stage.flush();
        assert!(stage.is_over(next) && !stage.is_over(fast) && !stage.is_over(asker));
    }

    #[test]
    fn the_operator_is_told_that_its_partner_was_dropped() {
        let rate = Rate { per_second: 10.0, burst: 1.0 };
        let mut stage = Stage::new(Talk::new(Some(rate)));
        let peer = stage.join();
        stage.say(peer, "1\n2\n3\n");
        drop(stage.screen());
        assert!(stage.engine().free_place());
        stage.flush();
        assert_eq!(stage.screen(), "#1 has left: over the rate, and others wait for its place\n");
    }
}
