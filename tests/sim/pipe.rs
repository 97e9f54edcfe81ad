//! One connection as the kernel keeps it: two bounded buffers, FINs, resets, and the edges that
//! epoll would report. Cuts, blocks and interrupts by chance, but keeps the kernel's promises: a
//! read or write that is cut short, or refused although it need not be, is followed by an edge.

use std::io::{self, IoSlice};

use cooee::engine::{Readiness, Time};

use super::rng::Rng;

/// How often, in a thousand calls, the kernel does what it need not do but may.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) short: usize,
    pub(crate) blocked: usize,
    pub(crate) interrupted: usize,
}

/// What the next `epoll_wait` reports of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// What the calls on one socket were in one turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    /// Writes since everybody's last visit began.
    pub(crate) visit_writes: usize,
    /// The most that there were at a visit.
    pub(crate) most_writes: usize,
    /// Why there may be more writes than one.
    pub(crate) excuses: usize,
    /// Whether what is being delivered was read together with others.
    pub(crate) together: bool,
}

/// See the top of this file. `said` goes up to the server, `heard` comes down from it.
#[derive(Default)]
pub(crate) struct Pipe {
    /// All that the client ever gave to the kernel, and how much of it the engine has read.
    pub(crate) said: Vec<u8>,
    pub(crate) taken: usize,
    /// All that the kernel ever took from the engine, and how much of it the client has read.
    pub(crate) heard: Vec<u8>,
    pub(crate) read: usize,
    pub(crate) up_room: usize,
    pub(crate) down_room: usize,
    pub(crate) faults: Faults,
    /// The client's FIN is here; the engine has read it.
    pub(crate) fin: bool,
    pub(crate) fin_taken: bool,
    /// When the server's FIN was sent.
    pub(crate) ended_at: Option<Time>,
    pub(crate) ended_turn: u64,
    /// The error that the engine meets; whether that destroyed what was still to be read.
    pub(crate) broken: Option<io::ErrorKind>,
    pub(crate) purged: bool,
    /// The client has closed its socket: what is sent to it comes back as a reset.
    pub(crate) left: bool,
    /// The engine's driver has dropped the socket.
    pub(crate) dropped: bool,
    /// The client got a RST: what it had not read yet is lost.
    pub(crate) client_reset: bool,
    pub(crate) edge: Edge,
    /// Edges are told; that was so before this turn.
    pub(crate) watched: bool,
    pub(crate) was_watched: bool,
    /// With the latest bytes the kernel was told that our FIN follows them, and it has taken all.
    pub(crate) promised: bool,
    /// The last read with others filled its slot.
    pub(crate) filled: bool,
    /// The writer has been refused and no writable edge has followed yet.
    pub(crate) blocked: bool,
    pub(crate) unblocked_at: Time,
    /// When bytes last went either way.
    pub(crate) active_at: Time,
    pub(crate) calls: Calls,
    /// Bytes that the engine's last read brought.
    pub(crate) last_read: usize,
    /// Whether `heard` must mirror `said` (echo): then it is checked at once.
    pub(crate) mirrors: bool,
}

/// What the poll tells of a socket since it was asked last; `None`: nothing.
pub(crate) fn event_of(pipe: &mut Pipe) -> Option<Readiness> {
    let Edge { readable, writable } = std::mem::take(&mut pipe.edge);
    let is_told = pipe.watched && (readable || writable);
    let (read_on, error) = (pipe.ends(), pipe.broken.is_some());
    is_told.then_some(Readiness { readable, writable, read_on, error })
}

/// The server's end.
impl Pipe {
    /// Bytes that the engine could read.
    pub(crate) fn unread(&self) -> usize {
        if self.purged { 0 } else { self.said.len() - self.taken }
    }

    /// Whether a read would find anything at all.
    pub(crate) fn has_news(&self) -> bool {
        self.unread() > 0 || (self.fin && !self.fin_taken) || self.broken.is_some()
    }

    /// What epoll adds to a readable edge when an end waits behind the data.
    pub(crate) fn ends(&self) -> bool {
        self.fin || self.broken.is_some()
    }

    pub(crate) fn read(&mut self, into: &mut [u8], now: Time, rng: &mut Rng) -> io::Result<usize> {
        assert!(!self.dropped, "oracle 1: a socket was read after its end");
        self.calls.reads += 1;
        if rng.chance(self.faults.interrupted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let unread = self.unread();
        if unread == 0 {
            return match self.broken {
                Some(kind) => Err(kind.into()),
                None if self.fin => {
                    self.fin_taken = true;
                    self.active_at = now;
                    Ok(0)
                }
                None => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        if rng.chance(self.faults.blocked) {
            // As if it arrived right after this call.
            self.edge.readable = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut count = unread.min(into.len());
        if rng.chance(self.faults.short) {
            count = rng.within(1..=count);
        }
        into[..count].copy_from_slice(&self.said[self.taken..self.taken + count]);
        self.taken += count;
        self.last_read = count;
        self.active_at = now;
        // A short read says that there was no more; so the rest must be news.
        self.edge.readable |= count < into.len() && count < unread;
        Ok(count)
    }

    pub(crate) fn write(
        &mut self,
        slices: &[IoSlice<'_>],
        now: Time,
        rng: &mut Rng,
    ) -> io::Result<usize> {
        assert!(!self.dropped, "oracle 1: a socket was written to after its end");
        assert_eq!(self.ended_at, None, "oracle 8: written to after our FIN");
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(total > 0, "an empty write");
        self.calls.writes += 1;
        self.calls.visit_writes += 1;
        self.calls.most_writes = self.calls.most_writes.max(self.calls.visit_writes);
        self.calls.excuses += usize::from(slices.len() >= 16);
        if let Some(kind) = self.broken {
            return Err(kind.into());
        }
        if rng.chance(self.faults.interrupted) {
            self.calls.excuses += 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.left {
            self.take(slices, total);
            self.active_at = now;
            self.break_off(io::ErrorKind::ConnectionReset, false);
            return Ok(total);
        }
        let room = self.down_room - (self.heard.len() - self.read);
        let mut count = total.min(room);
        if count > 0 && rng.chance(self.faults.short) {
            count = rng.within(1..=count);
        }
        if rng.chance(self.faults.blocked) {
            count = 0;
        }
        if count < total {
            // Refused, in part or whole: an edge follows, at once if there was room after all.
            self.blocked = count == room;
            self.edge.writable |= count < room;
            self.unblocked_at = now;
        }
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.take(slices, count);
        self.active_at = now;
        Ok(count)
    }

    fn take(&mut self, slices: &[IoSlice<'_>], count: usize) {
        let from = self.heard.len();
        for slice in slices {
            let wanted = (count + from - self.heard.len()).min(slice.len());
            self.heard.extend_from_slice(&slice[..wanted]);
        }
        if self.mirrors {
            let until = self.heard.len();
            assert!(until <= self.taken, "oracle 3: echoed more than was read");
            assert!(
                self.heard[from..] == self.said[from..until],
                "oracle 3: echoed other bytes than were sent, within {from}..{until}"
            );
        }
    }

    /// Sends our FIN.
    pub(crate) fn shut_down(&mut self, now: Time) -> io::Result<()> {
        if let Some(kind) = self.broken {
            return Err(kind.into());
        }
        self.ended_at = Some(now);
        self.active_at = now;
        Ok(())
    }

    /// Closes the server's socket. With input unread the kernel answers with a RST.
    pub(crate) fn drop_socket(&mut self) {
        self.dropped = true;
        self.edge = Edge::default();
        self.watched = false;
        self.client_reset |= self.unread() > 0;
    }
}

/// The client's end.
impl Pipe {
    /// Gives the kernel as much of `bytes` as it takes.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> usize {
        if self.dropped {
            self.client_reset = true;
            return 0;
        }
        let count = (self.up_room - self.unread()).min(bytes.len());
        self.said.extend_from_slice(&bytes[..count]);
        self.edge.readable |= count > 0;
        count
    }

    pub(crate) fn finish(&mut self) {
        if !self.dropped {
            self.fin = true;
            self.edge.readable = true;
        }
    }

    /// Closes the client's socket: politely only if everything was read.
    pub(crate) fn close(&mut self, rng: &mut Rng) {
        if self.unheard() > 0 {
            self.break_off(io::ErrorKind::ConnectionReset, rng.chance(500));
        } else {
            self.finish();
        }
        self.left = true;
    }

    pub(crate) fn break_off(&mut self, kind: io::ErrorKind, purges: bool) {
        if !self.dropped {
            self.broken = Some(kind);
            self.purged = purges;
            self.edge = Edge { readable: true, writable: true };
            self.blocked = false;
        }
    }

    /// Bytes that the client could read.
    pub(crate) fn unheard(&self) -> usize {
        if self.client_reset { 0 } else { self.heard.len() - self.read }
    }

    pub(crate) fn hear(&mut self, count: usize, now: Time) {
        self.read += count;
        // Linux wakes writers when a third of the buffer is free.
        if self.blocked && 3 * self.unheard() <= 2 * self.down_room {
            self.blocked = false;
            self.unblocked_at = now;
            self.edge.writable = !self.dropped;
        }
    }

    /// Whether the client has read all that will ever come.
    pub(crate) fn is_over(&self) -> bool {
        self.client_reset || ((self.ended_at.is_some() || self.dropped) && self.unheard() == 0)
    }
}
