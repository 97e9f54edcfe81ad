//! What a turn costs. A byte of input is no measure of it: two bytes may be a line that goes to
//! thousands. So everything that is done for a peer's input is counted in units, each about what
//! it takes to echo one byte (0.3 ns on a machine of 2025), and shares are measured in those. No
//! clock is looked at: the same input costs the same, in the simulation as well.

use super::net::Net;

/// What has been spent of the turn, and by the peer that is served.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    turn: u64,
    share: u64,
    /// Whether the peer is to have no more of this turn, whatever it has spent.
    pub(super) share_ended: bool,
}

impl Net {
    /// Notes that something for the peer whose input is being delivered has cost so many units,
    /// beside the bytes themselves: one is about what it takes to echo a byte. A service that
    /// makes much of little, or works for more than one peer, says so here.
    pub fn spend(&mut self, units: usize) {
        let units = units as u64;
        self.cost.turn = self.cost.turn.saturating_add(units);
        self.cost.share = self.cost.share.saturating_add(units);
        self.cost.share_ended |= self.cost.share >= self.limits.share_units;
    }

    /// Ends the share of this turn of the peer whose input is being delivered: it is read again
    /// in the next one. For services that make much output of little input.
    pub fn end_share(&mut self) {
        self.cost.share_ended = true;
    }

    /// Whether the peer whose input is being delivered has had its share of this turn. `received`
    /// may then return early: what it leaves unused is delivered again in the next turn, whether
    /// more has come or not.
    pub fn has_had_its_share(&self) -> bool {
        self.cost.share_ended
    }

    pub(super) fn begin_share(&mut self) {
        self.cost.share = 0;
        self.cost.share_ended = false;
    }

    pub(super) fn begin_round(&mut self) {
        self.cost.turn = 0;
    }

    pub(super) fn has_spent_the_round(&self) -> bool {
        self.cost.turn >= self.limits.round_units
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::engine::stage::Stage;
    use crate::engine::{Limits, Net, Peer, Quota, Service};

    /// Sends each byte back on its own, at a price.
    struct Dear {
        units: usize,
        calls: usize,
    }

    impl Service for Dear {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            self.calls += 1;
            for (used, byte) in input.iter().enumerate() {
                if net.has_had_its_share() {
                    net.send(peer, b"|");
                    return used;
                }
                net.spend(self.units);
                net.send(peer, &[*byte]);
            }
            input.len()
        }
    }

    fn stage_of(units: usize) -> Stage {
        let limits = Limits { share_units: 40, ..Limits::default() };
        Stage::with(limits, Quota::default(), Dear { units, calls: 0 })
    }

    #[test]
    fn a_service_stops_after_its_share_and_goes_on_with_the_rest_though_nothing_more_comes() {
        let mut stage = stage_of(9);
        let peer = stage.join();
        stage.say(peer, "abcdefg");
        // Seven bytes cost a unit each on the way in; four more cost nine each.
        assert_eq!(stage.hear(peer), "abcd|efg");
        assert_eq!(stage.engine.buffered(), (0, 0));
    }

    #[test]
    fn what_was_left_comes_before_what_follows_and_before_the_end() {
        let mut stage = stage_of(40);
        let peer = stage.join();
        stage.say(peer, "abc");
        stage.say(peer, "d");
        stage.finish(peer);
        assert_eq!(stage.hear(peer).replace('|', ""), "abcd");
        assert!(stage.is_over(peer));
    }

    #[test]
    fn more_than_an_inbox_may_wait_for_its_turn() {
        let limits = Limits { inbox: 4, share_units: 40, ..Limits::default() };
        let mut stage = Stage::with(limits, Quota::default(), Dear { units: 40, calls: 0 });
        let peer = stage.join();
        stage.say(peer, "abcdefghij");
        assert_eq!(stage.hear(peer).replace('|', ""), "abcdefghij");
        assert!(!stage.is_over(peer));
    }

    #[test]
    fn a_round_ends_with_what_it_may_cost_and_the_next_begins_with_nothing() {
        let limits = Limits { round_units: 100, ..Limits::default() };
        let mut stage = Stage::with(limits, Quota::default(), Dear { units: 30, calls: 0 });
        let peer = stage.join();
        stage.engine.begin_round();
        stage.say_in_turn(peer, "abc");
        assert!(!stage.engine.has_spent_the_round());
        stage.say_in_turn(peer, "d");
        assert!(stage.engine.has_spent_the_round());
        stage.engine.begin_round();
        assert!(!stage.engine.has_spent_the_round());
    }

    /// Stops at once, and closes when told to.
    struct Stops;

    impl Service for Stops {
        fn received(&mut self, peer: Peer, _: &[u8], net: &mut Net) -> usize {
            assert!(net.is_open(peer), "called for a peer that has been closed");
            net.end_share();
            0
        }
    }

    #[test]
    fn a_peer_that_was_closed_meanwhile_is_not_heard_again() {
        let mut stage = Stage::new(Stops);
        let peer = stage.join();
        stage.engine.input(peer, &mut &b"abc"[..], false);
        assert!(stage.engine.is_interrupted(peer));
        stage.engine.kick(peer.number());
        stage.finish(peer);
        assert!(stage.is_over(peer));
        assert_eq!(stage.engine.connections(), 0);
    }

    /// Takes one byte in a second, whatever comes.
    struct Slowly;

    impl Service for Slowly {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            net.send(peer, &input[..1]);
            net.pause_until(peer, net.now().after(Duration::from_secs(1)));
            1
        }
    }

    #[test]
    fn a_paused_peer_is_heard_again_when_its_time_has_come_and_not_before() {
        let mut stage = Stage::new(Slowly);
        let peer = stage.join();
        stage.say(peer, "abc");
        assert_eq!(stage.hear(peer), "a");
        assert!(!stage.engine.wants_input(peer));
        stage.pass(Duration::from_millis(999));
        assert_eq!(stage.hear(peer), "");
        stage.pass(Duration::from_millis(1));
        assert_eq!(stage.hear(peer), "b");
        stage.pass(Duration::from_secs(5));
        assert_eq!(stage.hear(peer), "c");
        assert!(stage.engine.wants_input(peer));
        assert_eq!(stage.engine.buffered(), (0, 0));
    }
}
