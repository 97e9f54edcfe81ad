//! In the place of the io_uring where there is none, or it is not wanted.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;

use crate::engine::Outcome;

pub(super) const BATCH_MIN: usize = 1;
pub(super) const BATCH_MAX: usize = 0;

/// There is none.
pub(super) struct Ring(Infallible);

impl Ring {
    pub(super) fn new() -> io::Result<Ring> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn batch(&mut self) -> Option<Batch> {
        match self.0 {}
    }

    pub(super) fn outcomes(&self) -> std::iter::Empty<Outcome> {
        match self.0 {}
    }

    pub(super) fn is_spent(&self) -> bool {
        match self.0 {}
    }
}

pub(super) struct Batch(Infallible);

impl Batch {
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
