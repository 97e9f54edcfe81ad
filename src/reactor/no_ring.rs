//! In the place of `ring` where there is no io_uring, or it is not wanted.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;

/// There is none.
pub(super) struct Ring(Infallible);

pub(super) type Outcome = Option<io::Result<usize>>;

impl Ring {
    pub(super) fn new() -> io::Result<Ring> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn batch(&mut self) -> Option<Batch> {
        match self.0 {}
    }

    pub(super) fn outcome(&self, _: usize) -> Outcome {
        match self.0 {}
    }

    pub(super) fn is_spent(&self) -> bool {
        match self.0 {}
    }
}

pub(super) struct Batch(Infallible);

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn send(&mut self, _: BorrowedFd<'_>, _: &[u8], _: bool) {
        match self.0 {}
    }

    pub(super) fn receive(&mut self, _: BorrowedFd<'_>, _: &mut [u8]) {
        match self.0 {}
    }

    pub(super) fn run(self) {
        match self.0 {}
    }
}
