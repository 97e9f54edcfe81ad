//! The kernel of a world: the driver's sockets are pipes, and in some worlds it reads from many
//! and writes to many at once.

use std::io::{self, IoSlice};

use cooee::engine::{Address, BatchRead, BatchWrite, Outcome, Outgoing, Peer, Sockets};

use super::facts::{Facts, SECOND_LOOK, Shared};
use super::pipe::Edge;

/// See the top of this file.
pub(crate) struct Pipes {
    pub(crate) facts: Shared,
    pub(crate) batch_max: usize,
}

impl Pipes {
    fn read_one(&mut self, client: usize, into: &mut [u8]) -> io::Result<usize> {
        let mut guard = self.facts.borrow_mut();
        let Facts { pipes, rng, trace, now, .. } = &mut *guard;
        let outcome = pipes[client].read(into, *now, rng);
        trace.note("read", &[client as u64, number_of(&outcome)]);
        outcome
    }

    /// After how many of a batch the kernel does not go on: now and then before the last.
    fn stops_after(&self) -> usize {
        let mut facts = self.facts.borrow_mut();
        if !facts.rng.chance(30) {
            return usize::MAX;
        }
        facts.see("a batch cut short");
        facts.rng.below(8)
    }

    fn write_one(&mut self, client: usize, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut guard = self.facts.borrow_mut();
        let Facts { pipes, rng, trace, now, .. } = &mut *guard;
        let outcome = pipes[client].write(slices, *now, rng);
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        trace.note("write", &[client as u64, wanted as u64, number_of(&outcome)]);
        outcome
    }
}

impl Sockets for Pipes {
    type Socket = usize;

    fn read(&mut self, client: &usize, into: &mut [u8]) -> io::Result<usize> {
        let outcome = self.read_one(*client, into);
        let mut guard = self.facts.borrow_mut();
        let facts = &mut *guard;
        let pipe = &mut facts.pipes[*client];
        pipe.filled = false;
        if let (false, Some(ended), Ok(0)) = (pipe.watched, pipe.ended_at, &outcome) {
            let at_once = facts.now < ended.after(SECOND_LOOK);
            facts.see(if at_once { "FIN found at once" } else { "FIN found at the second look" });
        }
        outcome
    }

    fn write(&mut self, client: &usize, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        let slices = outgoing.slices();
        let all = slices.iter().map(|slice| slice.len()).sum::<usize>();
        assert_eq!(outgoing.bytes(), all);
        let outcome = self.write_one(*client, &slices);
        let promised = outgoing.is_last && outcome.as_ref().is_ok_and(|count| *count == all);
        self.facts.borrow_mut().pipes[*client].promised = promised;
        outcome
    }

    fn hang_up(&mut self, client: &usize) {
        let mut facts = self.facts.borrow_mut();
        let now = facts.now;
        facts.note("fin", &[*client as u64]);
        // Fails only if the connection is broken, which reading will tell.
        let _ = facts.pipes[*client].shut_down(now);
        facts.pipes[*client].ended_turn = facts.turn;
    }

    fn close(&mut self, client: usize, _: Option<Address>) {
        let mut facts = self.facts.borrow_mut();
        facts.pipes[client].drop_socket();
        facts.note("drop", &[client as u64]);
        let peer = facts.stories[client].peer.expect("opened");
        facts.dead.push(peer);
    }

    fn watch(&mut self, _: Peer, client: &usize) -> io::Result<()> {
        let mut facts = self.facts.borrow_mut();
        facts.note("watch", &[*client as u64]);
        let pipe = &mut facts.pipes[*client];
        assert!(!pipe.watched && !pipe.dropped, "watched twice, or too late");
        pipe.watched = true;
        pipe.edge = Edge { readable: pipe.has_news(), writable: !pipe.blocked };
        if pipe.ended_at.is_some() {
            facts.see("watched for want of a FIN");
        }
        Ok(())
    }

    fn take_error(&mut self, client: &usize) -> Option<io::Error> {
        self.facts.borrow().pipes[*client].broken.map(io::Error::from)
    }

    fn batch_max(&self) -> usize {
        self.batch_max
    }

    fn read_many<'a>(
        &mut self,
        reads: impl Iterator<Item = BatchRead<'a, usize>>,
        outcomes: &mut Vec<Outcome>,
    ) {
        let stop = self.stops_after();
        for BatchRead { socket: &client, into } in reads.take(stop) {
            let most = into.len();
            let outcome = self.read_one(client, into);
            let mut facts = self.facts.borrow_mut();
            let pipe = &mut facts.pipes[client];
            assert!(!pipe.filled, "oracle 7: bulk that is read with others");
            pipe.filled = outcome.as_ref().is_ok_and(|count| *count == most);
            pipe.calls.together = true;
            if pipe.filled {
                facts.see("a slot filled");
            }
            drop(facts);
            outcomes.push(Some(outcome));
        }
        let mut facts = self.facts.borrow_mut();
        facts.see("read together");
    }

    fn write_many<'a>(
        &mut self,
        writes: impl Iterator<Item = BatchWrite<'a, usize>>,
        outcomes: &mut Vec<Outcome>,
    ) {
        let stop = self.stops_after();
        // All are given, whether they are attempted or not.
        for (number, BatchWrite { socket: &client, bytes, is_last }) in writes.enumerate() {
            if number >= stop {
                continue;
            }
            assert!(bytes.len() <= 2048, "oracle 7: a long output together with others");
            let outcome = self.write_one(client, &[IoSlice::new(bytes)]);
            let mut facts = self.facts.borrow_mut();
            let is_whole = outcome.as_ref().is_ok_and(|count| *count == bytes.len());
            facts.pipes[client].promised = is_last && is_whole;
            if outcome.is_ok() && !is_whole {
                facts.see("a short one among many");
            }
            drop(facts);
            outcomes.push(Some(outcome));
        }
        if !outcomes.is_empty() {
            self.facts.borrow_mut().see("written together");
        }
    }
}

fn number_of(outcome: &io::Result<usize>) -> u64 {
    outcome.as_ref().map_or(u64::MAX, |count| *count as u64)
}
