//! Many reads or writes in one system call: an io_uring used for nothing else.
//!
//! epoll still says who is ready; every operation given here is one that need not wait, so all
//! have been done when the call returns. A kernel that has no io_uring, or forbids it, loses
//! nothing but the saving: then there is no `Ring`, and everybody calls recv(2) and send(2).
//!
//! This file has the project's only `unsafe` block.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use io_uring::{IoUring, opcode, squeue, types};
use nix::libc;

use crate::engine::Outcome;

/// Fewer operations than this are cheaper one by one, however many calls that takes.
pub(super) const BATCH_MIN: usize = 16;
/// The most operations in one batch.
pub(super) const BATCH_MAX: usize = ENTRIES as usize;
const ENTRIES: u32 = 256;

/// How often a call that could do nothing is made again before the ring is given up. Not while
/// operations are under way: what they read and write must not be given back before they are done,
/// so then it goes on for as long as it takes, with a nap before each call. (None waits for
/// anything but the kernel itself.)
const FRUITLESS_MAX: usize = 16;
const NAP: Duration = Duration::from_millis(1);

/// An io_uring for batches of operations that do not wait.
///
/// Invariant: between two batches nothing is queued and nothing is under way. Where that cannot
/// be had any more the ring is `spent` and takes no further batch.
pub(super) struct Ring {
    uring: IoUring,
    outcomes: Vec<Option<i32>>,
    spent: bool,
}

impl Ring {
    /// A ring, if this kernel has what it takes (Linux 6.1 and no policy against it).
    pub(super) fn new() -> io::Result<Ring> {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all();
        let uring = builder.build(ENTRIES)?;
        let mut ring = Ring { uring, outcomes: Vec::with_capacity(BATCH_MAX), spent: false };
        ring.try_out()?;
        Ok(ring)
    }

    /// Sends itself a byte: whether operations are allowed, only doing one can tell.
    fn try_out(&mut self) -> io::Result<()> {
        let (here, there) = UnixStream::pair()?;
        let mut byte = [0];
        for step in 0..2 {
            let Some(mut batch) = self.batch() else { return Err(unusable()) };
            match step {
                0 => batch.send(here.as_fd(), b"!", false),
                _ => batch.receive(there.as_fd(), &mut byte),
            }
            batch.run();
            match self.outcomes().next().flatten() {
                Some(Ok(1)) => {}
                Some(Err(error)) => return Err(error),
                _ => return Err(unusable()),
            }
        }
        (byte == *b"!").then_some(()).ok_or_else(unusable)
    }

    /// An empty batch; `None` if the ring is spent.
    pub(super) fn batch<'bytes>(&mut self) -> Option<Batch<'_, 'bytes>> {
        // Not empty: somebody dropped a batch. What is queued may point at anything by now, and
        // nothing but a call could get it out of there.
        if self.spent || !self.uring.submission().is_empty() {
            self.spent = true;
            return None;
        }
        self.outcomes.clear();
        Some(Batch { ring: self, bytes: PhantomData })
    }

    /// What became of the operations of the last batch, in order: bytes, or the error as recv(2)
    /// and send(2) would have put it.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        let outcome =
            |code: i32| usize::try_from(code).map_err(|_| io::Error::from_raw_os_error(-code));
        self.outcomes.iter().map(move |code| code.map(outcome))
    }

    /// Whether the kernel has refused to go on.
    pub(super) fn is_spent(&self) -> bool {
        self.spent
    }

    /// Has all that is queued done.
    fn run(&mut self) {
        let queued = self.outcomes.len();
        let (mut done, mut fruitless) = (0, 0);
        while done < queued {
            // What became of the call, the queues tell: whatever it returns, a filter may have
            // answered in the kernel's place.
            let _ = self.uring.submit_and_wait(queued - done);
            let begun = queued - self.uring.submission().len();
            let before = done;
            for completion in self.uring.completion() {
                done += 1;
                let number = usize::try_from(completion.user_data()).unwrap_or(usize::MAX);
                if let Some(outcome) = self.outcomes.get_mut(number) {
                    *outcome = Some(completion.result());
                }
            }
            fruitless = if done > before { 0 } else { fruitless + 1 };
            if fruitless > FRUITLESS_MAX {
                if done == begun {
                    self.spent = true;
                    return;
                }
                std::thread::sleep(NAP);
            }
        }
    }
}

fn unusable() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Operations that are done together, in the order given. They borrow what they read and write
/// until `run` has done them.
pub(super) struct Batch<'ring, 'bytes> {
    ring: &'ring mut Ring,
    bytes: PhantomData<&'bytes mut [u8]>,
}

impl<'bytes> Batch<'_, 'bytes> {
    /// Whether no further operation fits.
    pub(super) fn is_full(&self) -> bool {
        self.ring.outcomes.len() == BATCH_MAX
    }

    /// send(2), without waiting. `more`: a FIN follows at once (MSG_MORE).
    pub(super) fn send(&mut self, to: BorrowedFd<'bytes>, bytes: &'bytes [u8], more: bool) {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let send = opcode::Send::new(types::Fd(to.as_raw_fd()), bytes.as_ptr(), length);
        self.queue(send.flags(flags).build());
    }

    /// recv(2), without waiting.
    pub(super) fn receive(&mut self, from: BorrowedFd<'bytes>, into: &'bytes mut [u8]) {
        let length = u32::try_from(into.len()).unwrap_or(u32::MAX);
        let fd = types::Fd(from.as_raw_fd());
        let receive = opcode::Recv::new(fd, into.as_mut_ptr(), length);
        self.queue(receive.flags(libc::MSG_DONTWAIT).build());
    }

    /// Does them all. What became of each, `Ring::outcomes` tells.
    pub(super) fn run(self) {
        self.ring.run();
    }

    fn queue(&mut self, operation: squeue::Entry) {
        assert!(!self.is_full(), "a batch has {BATCH_MAX} operations");
        let operation = operation.user_data(self.ring.outcomes.len() as u64);
        self.ring.outcomes.push(None);
        // SAFETY: the descriptor and the memory named by `operation` must be valid until the
        // kernel is done with it. Both are borrowed for 'bytes, which outlasts this `Batch`, and
        // there are three ways for a `Batch` to end:
        // - `run`, which returns only when every operation that the kernel has begun has also
        //   completed. Some may never be begun; they stay in the queue, and then the ring is
        //   spent: nobody makes a system call on it again, and only a call reads the queue
        //   (there is no polling thread).
        // - It is dropped or forgotten: the operations stay in the queue, nothing submits them,
        //   and the next `batch` finds the queue not empty and calls the ring spent.
        // The queue has room, for `is_full` was asked and a batch begins with an empty queue.
        #[allow(unsafe_code)]
        unsafe { self.ring.uring.submission().push(&operation) }.expect("there is room");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// A ring, or a word that there is none to be tested here.
    fn ring() -> Option<Ring> {
        match Ring::new() {
            Ok(ring) => Some(ring),
            Err(error) => {
                let _ = writeln!(io::stderr(), "\n*** NOT TESTED: no io_uring here: {error}");
                None
            }
        }
    }

    fn pair() -> (UnixStream, UnixStream) {
        let (here, there) = UnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        (here, there)
    }

    #[test]
    fn each_operation_of_a_batch_has_its_own_outcome() {
        let Some(mut ring) = ring() else { return };
        let (mut talker, reader) = pair();
        let (silent, waiting) = pair();
        let (leaver, left) = pair();
        drop(leaver);
        talker.write_all(b"hello").unwrap();
        let (mut heard, mut nothing, mut end) = ([0; 8], [0; 8], [0; 8]);
        let mut batch = ring.batch().unwrap();
        batch.receive(reader.as_fd(), &mut heard);
        batch.receive(waiting.as_fd(), &mut nothing);
        batch.receive(left.as_fd(), &mut end);
        batch.send(left.as_fd(), b"anybody?", false);
        batch.send(waiting.as_fd(), b"you there", false);
        batch.run();
        let outcomes: Vec<_> =
            ring.outcomes().map(|o| o.map(|o| o.map_err(|e| e.kind()))).collect();
        let expected = [
            Some(Ok(5)),
            Some(Err(io::ErrorKind::WouldBlock)),
            Some(Ok(0)),
            Some(Err(io::ErrorKind::BrokenPipe)),
            Some(Ok(9)),
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(&heard, b"hello\0\0\0");
        let mut came = [0; 9];
        (&silent).read_exact(&mut came).unwrap();
        assert_eq!(&came, b"you there");
    }

    #[test]
    fn a_full_batch_is_done_and_so_is_the_next() {
        let Some(mut ring) = ring() else { return };
        let (mut here, there) = pair();
        for _ in 0..3 {
            let mut batch = ring.batch().unwrap();
            while !batch.is_full() {
                batch.send(there.as_fd(), b"ab", false);
            }
            batch.run();
            assert_eq!(ring.outcomes().filter(|o| matches!(o, Some(Ok(2)))).count(), BATCH_MAX);
            let mut came = [0; 2 * BATCH_MAX];
            here.read_exact(&mut came).unwrap();
        }
    }

    #[test]
    fn a_batch_that_was_dropped_is_never_done_and_ends_the_ring() {
        let Some(mut ring) = ring() else { return };
        let (mut here, there) = pair();
        ring.batch().unwrap().send(there.as_fd(), b"half a thought", false);
        assert!(ring.batch().is_none());
        assert!(ring.is_spent());
        drop((ring, there));
        let mut came = Vec::new();
        here.read_to_end(&mut came).unwrap();
        assert_eq!(came, b"");
    }
}
