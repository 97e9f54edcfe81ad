//! What has to be true at the end of every turn.

use cooee::engine::{Peer, Step};

use super::driver::Stream;
use super::facts::Facts;
use super::world::World;

impl World {
    pub(crate) fn check_turn(&mut self) {
        let mut guard = self.facts.borrow_mut();
        let facts = &mut *guard;
        let metrics = self.engine.metrics();
        let open = facts.opened - facts.closed;
        assert_eq!((metrics.opened, metrics.closed), (facts.opened, facts.closed), "oracle 2");
        assert_eq!(self.engine.connections() as u64, open, "oracle 1: a slot leaked");
        assert_eq!(self.engine.buffered().1, 0, "oracle 4: an idle connection owns buffers");
        let (held, most) = (self.engine.held(), facts.limits.buffered);
        assert!(held <= most, "oracle 5: {held} bytes wait, and {most} may");
        let (taken, heard) =
            facts.pipes.iter().fold((0, 0), |sum, p| (sum.0 + p.taken, sum.1 + p.heard.len()));
        assert_eq!(metrics.bytes_in, taken as u64, "oracle 3: bytes in");
        assert_eq!(metrics.bytes_out, heard as u64, "oracle 3: bytes out");
        for client in 0..facts.pipes.len() {
            let Some(peer) = facts.stories[client].peer else { continue };
            self.check_calls(facts, client);
            if let Some(stream) = self.driver.streams.get(peer) {
                self.check_edges(facts, client, peer, stream);
            }
        }
    }

    /// Oracles 6 and 7: so many calls in a turn and no more.
    fn check_calls(&self, facts: &Facts, client: usize) {
        let calls = facts.pipes[client].calls;
        let who = || format!("{}: {calls:?}", facts.who(client));
        assert!(calls.reads <= facts.limits.reads, "oracle 6: too many reads, {}", who());
        // At the end of each round, and of what was deferred.
        let visits = 3 + facts.afterthoughts + self.early_flushes;
        assert!(calls.visits <= visits, "oracle 7: flushed too often, {}", who());
        let writes = visits.min(calls.visits) + calls.excuses;
        assert!(calls.writes <= writes, "oracle 7: too many writes, {}", who());
    }

    /// Oracle 6: no edge is lost, and who has input that is wanted is served soon.
    fn check_edges(&self, facts: &mut Facts, client: usize, peer: Peer, stream: &Stream) {
        if self.driver.deferred.contains(&peer) {
            // What is to be done for it is done when it is taken up.
            return;
        }
        let who = facts.who(client);
        let (pipe, wanted) = (&facts.pipes[client], self.engine.wants_input(peer));
        let news = wanted && pipe.has_news();
        let known = pipe.edge.readable || (stream.readable && stream.queued);
        assert!(!news || known, "oracle 6: input forgotten, {who}");
        let step = self.engine.step(peer);
        let owed = self.engine.outgoing(peer).map_or(0, |outgoing| outgoing.bytes());
        let hard = facts.rows[facts.stories[client].service].quota.queue_hard;
        assert!(owed <= hard, "oracle 5: the kernel left {owed} bytes, {who}");
        let owed = owed > 0;
        let undone = if owed { step != Step::Write } else { step != Step::Wait };
        assert!(!undone, "oracle 7: {step:?} left undone, {who}");
        let refused = !stream.writable && (pipe.blocked || pipe.edge.writable);
        assert!(!owed || refused, "oracle 6: output forgotten, {who}");
        let passed_by = news && stream.queued && pipe.calls.reads == 0 && !pipe.edge.readable;
        let turn = facts.turn;
        let story = &mut facts.stories[client];
        let passed_by = passed_by && story.served_turn != turn;
        story.waiting = if passed_by { story.waiting + 1 } else { 0 };
        let enough = self.engine.connections() + 2;
        assert!(story.waiting <= enough, "oracle 6: starved for {} turns, {who}", story.waiting);
    }
}
