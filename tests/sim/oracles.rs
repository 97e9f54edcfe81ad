//! What has to be true at the end of every turn.

use cooee::engine::Standing;

use super::facts::{FIRST_PORT, Facts, SECOND_LOOK, STEP, Told};
use super::world::World;

/// Writes to one peer at a visit; see `engine/turn/flush.rs`.
const WRITES_MAX: usize = 8;
/// Peers that have been hung up on and are not watched; see `engine/turn/lingering.rs`.
const LINGERING_MAX: usize = 64;

impl World {
    pub(crate) fn check_turn(&mut self) {
        let mut guard = self.facts.borrow_mut();
        let facts = &mut *guard;
        let engine = self.driver.engine();
        let metrics = engine.metrics();
        let open = facts.opened - facts.closed;
        assert_eq!((metrics.opened, metrics.closed), (facts.opened, facts.closed), "oracle 2");
        assert_eq!(engine.connections() as u64, open, "oracle 1: a slot leaked");
        assert!(engine.connections() <= facts.limits.connections, "oracle 5: too many");
        assert_eq!(engine.buffered().1, 0, "oracle 4: an idle connection owns buffers");
        let (held, most) = (engine.held(), facts.limits.buffered);
        assert!(held <= most, "oracle 5: {held} bytes wait, and {most} may");
        let (taken, heard) =
            facts.pipes.iter().fold((0, 0), |sum, p| (sum.0 + p.taken, sum.1 + p.heard.len()));
        assert_eq!(metrics.bytes_in, taken as u64, "oracle 3: bytes in");
        assert_eq!(metrics.bytes_out, heard as u64, "oracle 3: bytes out");
        for entry in engine.roster() {
            let client = entry.remote.port().expect("over IP").wrapping_sub(FIRST_PORT);
            let pipe = &facts.pipes[usize::from(client)];
            let counted = (entry.bytes_in, entry.bytes_out);
            assert_eq!(counted, (pipe.taken as u64, pipe.heard.len() as u64), "oracle 3: counts");
        }
        let mut lingering = 0;
        for client in 0..facts.pipes.len() {
            let Some(peer) = facts.stories[client].peer else { continue };
            self.check_calls(facts, client);
            match self.driver.standing(peer) {
                Some(standing) if standing.is_watched => {
                    self.check_edges(facts, client, &standing);
                }
                Some(standing) => lingering += check_lingering(facts, client, &standing),
                None => {
                    let told = facts.stories[client].told;
                    assert!(matches!(told, Told::Closed(_)), "oracle 2: closed was not told");
                    assert!(facts.pipes[client].dropped, "oracle 8: forgotten, not closed");
                }
            }
        }
        assert!(lingering <= LINGERING_MAX, "oracle 6: {lingering} wait for a second look");
        if lingering == LINGERING_MAX {
            facts.see("as many linger as may");
        }
    }

    /// Oracles 6 and 7: so many calls in a turn and no more.
    fn check_calls(&self, facts: &Facts, client: usize) {
        let pipe = &facts.pipes[client];
        let is_over = pipe.ended_at.is_some() || pipe.broken.is_some() || pipe.dropped;
        assert!(is_over || !pipe.promised, "oracle 8: no FIN behind the last bytes");
        let calls = pipe.calls;
        let who = || format!("{}: {calls:?}", facts.who(client));
        // Besides, who is not watched is looked at twice.
        let looks = if facts.pipes[client].was_watched { 1 } else { 3 };
        assert!(calls.reads <= looks * facts.limits.reads, "oracle 6: too many reads, {}", who());
        // What is queued at a visit leaves in one write, but for the excuses and in pieces.
        let writes = facts.settlings + calls.excuses;
        assert!(
            facts.knobs.is_some() || calls.writes <= writes,
            "oracle 7: too many writes, {}",
            who()
        );
        let at_once = calls.most_writes;
        // One of them may have been together with others.
        assert!(at_once <= WRITES_MAX + 1, "oracle 7: {at_once} writes at once, {}", who());
    }

    /// Oracle 6: no edge is lost, and who has input that is wanted is served soon.
    fn check_edges(&self, facts: &mut Facts, client: usize, standing: &Standing) {
        facts.pipes[client].was_watched = true;
        facts.stories[client].deferred = standing.is_deferred;
        if standing.is_deferred {
            // What is to be done for it is done when it is taken up.
            return facts.see("deferred");
        }
        let who = facts.who(client);
        let pipe = &facts.pipes[client];
        let news = standing.wants_input && pipe.has_news();
        let known = pipe.edge.readable || (standing.readable && standing.is_queued);
        assert!(!news || known, "oracle 6: input forgotten, {who}");
        let owed = standing.queued - standing.held;
        let hard = facts.rows[facts.stories[client].service].quota.queue_hard;
        assert!(owed <= hard, "oracle 5: the kernel left {owed} bytes, {who}");
        let undone = owed == 0 && standing.is_due;
        assert!(!undone, "oracle 7: left undone, {who}");
        let refused = !standing.writable && (pipe.blocked || pipe.edge.writable);
        // It has had its share, in this turn or before, and waits for the next.
        let is_busy = owed > 0 && standing.writable && standing.is_queued;
        assert!(owed == 0 || refused || is_busy, "oracle 6: output forgotten, {who}");
        let had_none = pipe.calls.reads == 0 && pipe.calls.writes == 0 && !pipe.edge.readable;
        let passed_by = (news || is_busy) && standing.is_queued && had_none;
        for (is_so, what) in [
            (is_busy, "busy"),
            (passed_by, "round spent"),
            (standing.is_queued, "more"),
            (pipe.has_news() && !standing.wants_input, "paused"),
            (refused, "write blocked"),
        ] {
            if is_so {
                facts.see(what);
            }
        }
        let turn = facts.turn;
        let story = &mut facts.stories[client];
        let passed_by = passed_by && story.served_turn != turn;
        story.waiting = if passed_by { story.waiting + 1 } else { 0 };
        let enough = self.driver.engine().connections() + 2;
        assert!(story.waiting <= enough, "oracle 6: starved for {} turns, {who}", story.waiting);
    }
}

/// Oracle 6: whose readiness is not told is looked at all the same. Returns 1 if it waits for that
/// since an earlier turn.
fn check_lingering(facts: &mut Facts, client: usize, standing: &Standing) -> usize {
    facts.stories[client].deferred = standing.is_deferred;
    if standing.is_deferred {
        // It has been looked at, and is over.
        return 0;
    }
    let who = facts.who(client);
    let (pipe, now) = (&facts.pipes[client], facts.now);
    let Some(ended) = pipe.ended_at else {
        assert!(standing.is_queued || pipe.broken.is_some(), "oracle 6: never watched, {who}");
        return 0;
    };
    // The first look comes with the next turn, and no later than the second after that.
    let until = ended.after(2 * SECOND_LOOK).after(STEP);
    assert!(now <= until, "oracle 6: hung up on and not looked at, {who}");
    usize::from(pipe.ended_turn < facts.turn)
}
