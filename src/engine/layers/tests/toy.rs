//! A cipher for tests.

use std::io::IoSlice;

use crate::engine::{Cipher, Fed, Handshake};

/// A cipher that anybody can break: a hello of one letter either way, then frames of a length and
/// so many bytes with all their bits turned; a frame of nothing is the end, a `!` an alert.
#[derive(Default)]
pub(super) struct Toy {
    input: Vec<u8>,
    is_ready: bool,
    is_finished: bool,
    has_closed: bool,
    has_failed: bool,
}

pub(super) const HELLO: u8 = b'h';

pub(super) fn frame(plain: &[u8], sealed: &mut Vec<u8>) {
    for piece in plain.chunks(200) {
        sealed.push(u8::try_from(piece.len()).unwrap());
        sealed.extend(piece.iter().map(|byte| !byte));
    }
}

pub(super) fn framed(plain: impl AsRef<[u8]>) -> Vec<u8> {
    let mut sealed = Vec::new();
    frame(plain.as_ref(), &mut sealed);
    sealed
}

impl Toy {
    fn next(&mut self, plain: &mut Vec<u8>, sealed: &mut Vec<u8>, fed: &mut Fed) -> Option<bool> {
        let first = *self.input.first()?;
        if !self.is_ready {
            if first != HELLO {
                self.has_failed = true;
                sealed.push(b'!');
                return Some(false);
            }
            self.input.remove(0);
            self.is_ready = true;
            fed.ready = Some(Handshake::Full);
            return Some(true);
        }
        let piece = self.input.get(1..1 + usize::from(first))?;
        plain.extend(piece.iter().map(|byte| !byte));
        self.is_finished |= piece.is_empty();
        fed.finished |= piece.is_empty();
        self.input.drain(..1 + usize::from(first));
        Some(true)
    }
}

impl Cipher for Toy {
    fn begin(&mut self, sealed: &mut Vec<u8>) {
        sealed.push(HELLO);
    }

    fn feed(
        &mut self,
        input: &[u8],
        plain: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<Fed, String> {
        self.input.extend_from_slice(input);
        let mut fed = Fed::default();
        while let Some(is_right) = self.next(plain, sealed, &mut fed) {
            if !is_right {
                return Err("that was no hello".into());
            }
        }
        Ok(fed)
    }

    fn seal(&mut self, plain: &[IoSlice<'_>], sealed: &mut Vec<u8>) {
        assert!(self.is_ready && !self.has_closed && !self.has_failed);
        plain.iter().for_each(|slice| frame(slice, sealed));
    }

    fn close(&mut self, sealed: &mut Vec<u8>) {
        if !self.has_failed && !std::mem::replace(&mut self.has_closed, true) {
            sealed.push(0);
        }
    }

    fn is_finished(&self) -> bool {
        self.is_finished
    }
}

/// What a toy hears in `sealed`.
pub(super) fn opened(sealed: &[u8]) -> (String, bool) {
    let (mut toy, mut plain) = (Toy::default(), Vec::new());
    let fed = toy.feed(sealed, &mut plain, &mut Vec::new()).unwrap();
    (String::from_utf8(plain).unwrap(), fed.finished)
}
