//! Stands between the engine and a service, and swears that the engine told it nothing but the
//! truth, in the right order (oracle 2), whole (3), within the limits (5) and in time.

use cooee::engine::{Arrival, Net, Operated, Peer, Reason, Service, Time};

use super::facts::{Facts, STEP, Shared, Told, client_of};
use super::kinds::Kind;
use super::mixes::AMPLE_UNITS;

/// No service of this world queues more than this for one peer in one turn.
const TURN_BYTES: usize = 320 * 1024;

/// A service under oath.
pub(crate) struct Witness {
    pub(crate) inner: Box<dyn Service>,
    pub(crate) facts: Shared,
    pub(crate) service: usize,
    pub(crate) running: bool,
}

impl Witness {
    fn client(&self, peer: Peer) -> usize {
        let facts = self.facts.borrow();
        facts
            .stories
            .iter()
            .position(|story| story.peer == Some(peer))
            .unwrap_or_else(|| panic!("oracle 2: told of {peer:?}, who was never opened"))
    }

    fn enter(&mut self) {
        assert!(!self.running, "oracle 2: re-entered");
        self.running = true;
    }

    /// After each call: takes note of full queues, and sees that none is above its limit.
    fn leave(&mut self, net: &Net) {
        self.running = false;
        let mut facts = self.facts.borrow_mut();
        let (turn, high) = (facts.turn, facts.limits.high);
        let hard = facts.rows[self.service].quota.queue_hard;
        for client in 0..facts.stories.len() {
            let story = &mut facts.stories[client];
            let Some(peer) = story.peer.filter(|_| story.service == self.service) else { continue };
            let queued = net.queued(peer);
            story.full |= queued >= high;
            let so_far = if story.longest.0 == turn { story.longest.1 } else { 0 };
            story.longest = (turn, queued.max(so_far));
            // What the kernel may leave, and what one turn may add before it is asked again.
            let most = hard + TURN_BYTES;
            assert!(queued <= most, "oracle 5: {queued} queued, {}", facts.who(client));
            if matches!(story.told, Told::Closed(_)) {
                assert_eq!(queued, 0, "oracle 8: not forfeited, {}", facts.who(client));
            }
        }
    }

    /// Before `settled`: nobody is kept waiting for `drained`, or above the soft limit for long.
    fn look_at_queues(&self, net: &Net) {
        let mut facts = self.facts.borrow_mut();
        let (now, limits) = (facts.now, facts.limits);
        let row = facts.rows[self.service];
        // Then somebody may have been left for a later turn a moment ago.
        let is_cut_short = limits.flush_units < AMPLE_UNITS;
        // And what is held back makes nobody slow.
        let is_held = facts.knobs.is_some();
        for client in 0..facts.stories.len() {
            let left = facts.pipes[client].ended_at.is_some();
            let story = &mut facts.stories[client];
            let Some(peer) = story.peer.filter(|_| story.service == self.service) else { continue };
            // Who has been closed is not told any more; some services close of their own accord.
            let open = story.told == Told::Opened && !left && !row.kind.closes_first();
            let queued = net.queued(peer);
            let listening = open && story.leaving_turn.is_none() && !story.disturbed;
            let ample = limits.buffered == usize::MAX;
            let forgotten = listening && ample && story.full && (1..=limits.low).contains(&queued);
            let above = queued > row.quota.queue_soft && !is_held;
            story.was_above_soft = story.above_soft;
            story.above_soft = story.above_soft.or(Some(now)).filter(|_| above && listening);
            let since = story.above_soft.unwrap_or(now);
            assert!(!forgotten, "oracle 5: drained was not told, {}", facts.who(client));
            // Only a crowd speaks in `settled` alone, so that this moment shows all of the queue.
            if row.kind == Kind::Crowd && !story.deferred && !is_cut_short && !is_held {
                let most = row.quota.queue_hard;
                assert!(queued <= most, "oracle 5: {queued} queued, {}", facts.who(client));
                let until = since.after(limits.slow).after(STEP);
                assert!(now <= until, "oracle 5: above soft since long, {}", facts.who(client));
            }
        }
    }
}

impl Service for Witness {
    fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
        self.enter();
        {
            let client = client_of(arrival);
            let mut guard = self.facts.borrow_mut();
            let facts = &mut *guard;
            let story = &mut facts.stories[client];
            assert_eq!(story.told, Told::Nothing, "oracle 2: opened twice");
            assert_eq!(story.service, self.service, "oracle 2: opened at the wrong service");
            (story.told, story.peer, story.opened_turn) = (Told::Opened, Some(peer), facts.turn);
            facts.pipes[client].active_at = facts.now;
            facts.opened += 1;
            if usize::try_from(peer.number()).is_ok_and(|number| number > peer.slot() + 1) {
                facts.see("slot reused");
            }
            facts.note("opened", &[client as u64, peer.to_bits()]);
            assert_eq!(net.now(), facts.now, "oracle 10: another time than the world's");
        }
        assert_eq!(net.remote(peer), Some(arrival.remote));
        self.inner.opened(peer, arrival, net);
        self.leave(net);
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        self.enter();
        let client = self.client(peer);
        {
            let mut facts = self.facts.borrow_mut();
            let who = facts.who(client);
            let (story, pipe) = (&facts.stories[client], &facts.pipes[client]);
            assert_eq!(story.told, Told::Opened, "oracle 2: received when not open, {who}");
            let news = &pipe.said[story.used..pipe.taken];
            assert!(!input.is_empty() && input == news, "oracle 3: wrong input, {who}");
            // What its service has left unused comes again without a read.
            let kept =
                if story.interrupted { 0 } else { input.len().saturating_sub(pipe.last_read) };
            assert!(kept <= facts.limits.inbox, "oracle 5: {kept} bytes in the inbox, {who}");
            let paused = net.queued(peer) >= facts.limits.high || story.full;
            // What was read together with others is delivered, whatever they have caused meanwhile.
            assert!(
                !paused || pipe.calls.together,
                "oracle 5: read while its output was backed up, {who}"
            );
            // Nor is it idle meanwhile.
            let now = facts.now;
            facts.pipes[client].active_at = now;
            facts.note("received", &[client as u64, input.len() as u64]);
        }
        let used = self.inner.received(peer, input, net).min(input.len());
        {
            let mut facts = self.facts.borrow_mut();
            let interrupted = used < input.len() && net.has_had_its_share();
            if interrupted {
                facts.see("interrupted");
            }
            let turn = facts.turn;
            let story = &mut facts.stories[client];
            story.used += used;
            story.interrupted = interrupted;
            story.served_turn = turn;
            facts.log_lines(client);
        }
        self.leave(net);
        used
    }

    fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
        self.enter();
        let client = self.client(peer);
        {
            let mut guard = self.facts.borrow_mut();
            let facts = &mut *guard;
            let who = facts.who(client);
            let (story, pipe) = (&mut facts.stories[client], &facts.pipes[client]);
            assert_eq!(story.told, Told::Opened, "oracle 2: finished when not open, {who}");
            let whole = pipe.fin_taken && pipe.taken == pipe.said.len();
            assert!(whole, "oracle 3: finished before its end, {who}");
            assert_eq!(rest, &pipe.said[story.used..], "oracle 3: the rest is wrong, {who}");
            story.told = Told::Finished;
            story.leaving_turn.get_or_insert(facts.turn);
            facts.note("finished", &[client as u64, rest.len() as u64]);
        }
        self.inner.finished(peer, rest, net);
        self.leave(net);
    }

    fn drained(&mut self, peer: Peer, net: &mut Net) {
        self.enter();
        let client = self.client(peer);
        {
            let mut facts = self.facts.borrow_mut();
            let who = facts.who(client);
            let low = facts.limits.low;
            facts.pipes[client].calls.excuses += 1;
            let story = &mut facts.stories[client];
            let open = matches!(story.told, Told::Opened | Told::Finished);
            assert!(open, "oracle 2: drained when not open, {who}");
            assert!(net.queued(peer) <= low, "oracle 5: drained too early, {who}");
            story.full = false;
            facts.note("drained", &[client as u64]);
            facts.see("drained");
        }
        self.inner.drained(peer, net);
        self.leave(net);
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        self.enter();
        let client = self.client(peer);
        {
            let mut facts = self.facts.borrow_mut();
            let who = facts.who(client);
            let open = matches!(facts.stories[client].told, Told::Opened | Told::Finished);
            assert!(open, "oracle 2: closed when not open, {who}");
            if facts.stories[client].given_up {
                // When it fell behind that was judged; since then it had time for a last word.
                let known = matches!(reason, Reason::Slow | Reason::Memory | Reason::Failed(_));
                assert!(known, "oracle 5: fell behind, but closed {reason}, {who}");
                if facts.pipes[client].heard.ends_with(b"Goodbye!\n") {
                    facts.see("last word heard");
                }
            } else {
                facts.judge(client, reason);
                facts.see_end(client, reason);
            }
            facts.judge_silence(client, reason);
            facts.stories[client].told = Told::Closed(reason);
            facts.closed += 1;
            facts.note(&format!("closed {reason}"), &[client as u64]);
            facts.see(&format!("closed {reason}"));
        }
        assert_eq!(net.remote(peer), None, "oracle 1: still there when closed");
        let heard = self.facts.borrow().pipes[client].heard.len();
        assert_eq!(net.went_out(), heard as u64, "oracle 3: what went out");
        net.send(peer, b"nobody must hear this");
        net.close(peer);
        assert_eq!(net.queued(peer), 0, "oracle 1: spoke to somebody who is gone");
        self.inner.closed(peer, reason, net);
        self.leave(net);
    }

    fn fell_behind(&mut self, peer: Peer, net: &mut Net) -> &'static [u8] {
        self.enter();
        let client = self.client(peer);
        {
            let mut facts = self.facts.borrow_mut();
            let who = facts.who(client);
            let open = matches!(facts.stories[client].told, Told::Opened | Told::Finished);
            assert!(open && !facts.stories[client].given_up, "oracle 2: given up twice, {who}");
            assert_eq!(net.queued(peer), 0, "oracle 8: not forfeited, {who}");
            // Between two looks at the queues: the last one is not outdated yet.
            let story = &mut facts.stories[client];
            story.was_above_soft = story.was_above_soft.or(story.above_soft);
            facts.judge(client, Reason::Slow);
            facts.see_end(client, Reason::Slow);
            let story = &mut facts.stories[client];
            (story.given_up, story.disturbed) = (true, true);
            facts.note("fell behind", &[client as u64]);
        }
        let last_word = self.inner.fell_behind(peer, net);
        self.leave(net);
        last_word
    }

    fn free_place(&mut self, net: &mut Net) -> bool {
        self.enter();
        self.facts.borrow_mut().note("make room", &[self.service as u64]);
        let made = self.inner.free_place(net);
        self.leave(net);
        made
    }

    fn kicked(&mut self, peer: Peer, net: &mut Net) {
        self.enter();
        self.inner.kicked(peer, net);
        self.leave(net);
    }

    fn alarm(&mut self, net: &mut Net) {
        self.enter();
        self.facts.borrow_mut().note("alarm", &[self.service as u64]);
        self.inner.alarm(net);
        self.leave(net);
    }

    fn settled(&mut self, net: &mut Net) {
        self.enter();
        if self.service == 0 {
            let mut facts = self.facts.borrow_mut();
            facts.settlings += 1;
            facts.pipes.iter_mut().for_each(|pipe| pipe.calls.visit_writes = 0);
        }
        self.look_at_queues(net);
        self.inner.settled(net);
        self.leave(net);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Witness {
    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        self.enter();
        if let Some(inner) = self.inner.operated() {
            inner.told(line, net);
        }
        self.leave(net);
    }
}

/// Reasons have to be true.
impl Facts {
    fn judge(&self, client: usize, reason: Reason) {
        let (story, pipe) = (&self.stories[client], &self.pipes[client]);
        let (quota, who) = (self.rows[story.service].quota, self.who(client));
        let within = |since: Time, wait| {
            let due = since.after(wait);
            due <= self.now && self.now <= due.after(STEP)
        };
        match reason {
            Reason::Failed(kind) => {
                assert_eq!(pipe.broken, Some(kind), "oracle 9: failed for nothing, {who}");
            }
            Reason::Itself => panic!("nobody here calls itself, {who}"),
            Reason::CutOff | Reason::Preface | Reason::Tls | Reason::Refused => {
                panic!("nobody here has layers, {who}")
            }
            Reason::Eof => assert!(pipe.fin_taken, "oracle 8: no FIN was read, {who}"),
            Reason::Idle => {
                let idle = quota.idle.unwrap_or_else(|| panic!("idle for ever, {who}"));
                assert!(within(pipe.active_at, idle), "oracle 5: not idle or too late, {who}");
                // Where memory is short, less than a full queue pauses.
                let paused = story.full || self.limits.buffered < usize::MAX && pipe.blocked;
                let unheard = pipe.has_news() && !paused && story.told == Told::Opened;
                assert!(!unheard, "oracle 6: idle with input unread, {who}");
            }
            Reason::Slow => {
                let fresh = pipe.unblocked_at.after(STEP * 10) >= self.now;
                assert!(pipe.blocked || fresh, "oracle 5: slow while it took all, {who}");
                // Only a crowd's queue is known exactly; see `look_at_queues`.
                let listening = story.told == Told::Opened && !story.disturbed;
                let is_known = self.rows[story.service].kind == Kind::Crowd && self.knobs.is_none();
                let sure = is_known && listening;
                let deserved = self.was_long_above_soft(client) || self.was_above_hard(client);
                assert!(!sure || deserved, "oracle 5: closed as slow too early, {who}");
            }
            Reason::Memory => {
                assert!(self.limits.buffered < usize::MAX, "oracle 5: memory was not short, {who}");
            }
            Reason::TooLong => {
                let rest = pipe.taken - story.used;
                assert!(rest > self.limits.inbox, "oracle 5: not too long, {who}");
            }
            Reason::RefusedByFault | Reason::ResetByFault | Reason::EndedByFault => {
                assert!(self.knobs.is_some(), "no fault was asked for, {who}");
            }
            Reason::Kicked | Reason::Shutdown => assert!(story.disturbed, "undisturbed, {who}"),
            Reason::Done => {}
        }
        let kill =
            matches!(reason, Reason::Slow | Reason::Idle | Reason::Memory | Reason::Failed(_));
        let lingered = pipe.ended_at.is_some_and(|ended| match self.rows[story.service].kind {
            // It lingers only from when it is closed as well, by whomever.
            Kind::Ends => ended.after(self.limits.linger) <= self.now,
            _ => within(ended, self.limits.linger),
        });
        if !kill && !lingered && !story.kicked_while_closing {
            let complete = pipe.fin_taken && pipe.unread() == 0;
            assert!(complete, "oracle 8: dropped with the peer not done ({reason}), {who}");
        }
    }

    /// A write in the visit that drops it would have come after the verdict.
    fn judge_silence(&self, client: usize, reason: Reason) {
        let (writes, who) = (self.pipes[client].calls.visit_writes, self.who(client));
        let silenced = matches!(reason, Reason::Slow | Reason::Idle);
        let last_word = self.rows[self.stories[client].service].kind.offer() == "chat";
        assert!(writes == 0 || !silenced || last_word, "oracle 8: spoke after the kill, {who}");
    }

    fn was_long_above_soft(&self, client: usize) -> bool {
        let since = self.stories[client].was_above_soft;
        since.is_some_and(|since| since.after(self.limits.slow) <= self.now)
    }

    fn was_above_hard(&self, client: usize) -> bool {
        let story = &self.stories[client];
        story.longest.0 == self.turn && story.longest.1 > self.rows[story.service].quota.queue_hard
    }

    /// In which of several ways it came to this end.
    fn see_end(&mut self, client: usize, reason: Reason) {
        let (soft, hard) = (self.was_long_above_soft(client), self.was_above_hard(client));
        let lingered = self.pipes[client].ended_at.is_some() && !self.pipes[client].fin_taken;
        match reason {
            Reason::Slow if soft => self.see("slow above the soft limit"),
            Reason::Slow if hard => self.see("slow above the hard limit"),
            Reason::Slow => self.see("slow in closing"),
            Reason::Done if lingered => self.see("lingered until the deadline"),
            _ => {}
        }
    }
}
