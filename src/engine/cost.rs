//! What a turn costs. A byte of input is no measure of it: two bytes may be a line that goes to
//! thousands. So everything that is done for a peer's input is counted in units, each about what
//! it takes to echo one byte (0.3 ns on a machine of 2025), and shares are measured in those. No
//! clock is looked at: the same input costs the same, in the simulation as well.

use super::limits::Limits;

/// What flushing a peer costs beside the bytes: some system call on its socket. Hanging up costs it
/// again, and so does closing: that is as dear for the kernel as a segment to be sent.
pub(super) const VISIT_UNITS: usize = 16 * 1024;

/// What has been spent in this round on input and on output, and by the peer that is served.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    round: u64,
    flush: u64,
    share: u64,
    /// Whether the peer is to have no more of this turn, whatever it has spent.
    pub(super) share_ended: bool,
}

impl Cost {
    /// Notes what something has cost. A peer's share ends with `Limits::share_units`.
    pub(super) fn spend(&mut self, units: usize, limits: &Limits) {
        let units = units as u64;
        self.round = self.round.saturating_add(units);
        self.share = self.share.saturating_add(units);
        self.share_ended |= self.share >= limits.share_units;
    }

    /// Notes what writing has cost.
    pub(super) fn spend_flush(&mut self, units: usize) {
        self.flush = self.flush.saturating_add(units as u64);
    }

    /// The next peer is served.
    pub(super) fn begin_share(&mut self) {
        self.share = 0;
        self.share_ended = false;
    }

    /// Begins a round: so much input and so much output, and then it is time to look who has
    /// become ready meanwhile.
    pub(super) fn begin_round(&mut self) {
        self.round = 0;
        self.begin_flush();
    }

    /// Begins with as much output as a round may have.
    pub(super) fn begin_flush(&mut self) {
        self.flush = 0;
    }

    /// Whether the input of this round has cost what it may.
    pub(super) fn is_round_spent(&self, limits: &Limits) -> bool {
        self.round >= limits.round_units.max(1)
    }

    /// How many units of output this round has left.
    pub(super) fn flush_left(&self, limits: &Limits) -> usize {
        let left = limits.flush_units.max(1).saturating_sub(self.flush);
        usize::try_from(left).unwrap_or(usize::MAX)
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
        assert_eq!(stage.engine().buffered(), (0, 0));
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
        stage.say_in_turn(peer, "abc");
        assert!(!stage.engine().is_round_spent());
        stage.say_in_turn(peer, "defg");
        assert!(stage.engine().is_round_spent());
        stage.say_in_turn(peer, "h");
        assert!(!stage.engine().is_round_spent());
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
        stage.say_in_turn(peer, "abc");
        assert!(stage.engine().is_interrupted(peer));
        stage.engine().kick(peer.number());
        stage.finish(peer);
        assert!(stage.is_over(peer));
        assert_eq!(stage.engine().connections(), 0);
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
        assert!(!stage.engine().wants_input(peer));
        stage.pass(Duration::from_millis(999));
        assert_eq!(stage.hear(peer), "");
        stage.pass(Duration::from_millis(1));
        assert_eq!(stage.hear(peer), "b");
        stage.pass(Duration::from_secs(5));
        assert_eq!(stage.hear(peer), "c");
        assert!(stage.engine().wants_input(peer));
        assert_eq!(stage.engine().buffered(), (0, 0));
    }

    #[test]
    fn a_pause_that_is_over_or_of_somebody_who_is_not_heard_is_none() {
        let mut stage = Stage::new(Slowly);
        let (heard, closing) = (stage.join(), stage.join());
        stage.pass(Duration::from_secs(1));
        let engine = stage.engine();
        engine.kick(closing.number());
        let now = engine.now();
        engine.core.pause_until(heard, now);
        engine.core.pause_until(closing, now.after(Duration::from_secs(1)));
        assert_eq!(engine.buffered(), (0, 0));
    }
}
