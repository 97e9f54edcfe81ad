//! What is sent and what has to come back, byte for byte.
//!
//! A payload of at least 16 bytes begins with the numbers of the run and of its connection (four
//! bytes each) and its own number (eight bytes, the highest first), so that an answer that went to
//! the wrong place, came in the wrong order or belongs to an earlier run is told from a damaged
//! one. A shorter one begins with the low bytes of its number. The rest is a pattern that differs
//! from one payload to the next.

use super::run_id::RunId;

/// From this size on all numbers fit.
pub(super) const NUMBERED_BYTES: usize = 16;
/// The number of the run stands in so many bytes at the beginning.
pub(super) const RUN_BYTES: usize = 4;
const PERIOD: usize = 251;
const BLOCK_BYTES: usize = 64 * 1024;

/// Makes and checks payloads of one size.
pub(super) struct Payload {
    run: RunId,
    size: usize,
    pattern: Box<[u8]>,
}

/// How an answer differs from what had to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The first byte that differs, counted from the start of the payload.
    pub(super) at: usize,
}

impl Payload {
    /// Payloads of `size` bytes, at least one.
    pub(super) fn new(size: usize, run: RunId) -> Payload {
        let length = size.min(BLOCK_BYTES) + PERIOD;
        // 251 is a prime, so that no power of two finds the pattern where it was before.
        let pattern = (0..PERIOD).cycle().take(length).map(|n| u8::try_from(n).unwrap_or(0));
        Payload { run, size, pattern: pattern.collect() }
    }

    /// Bytes of one payload.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// How many payloads differ in their own number; `None`: all.
    pub(super) fn modulus(&self) -> Option<u64> {
        (self.size < 8).then(|| 1 << (8 * self.size))
    }

    /// Calls `send` with the pieces of payload `number` of connection `id`, in order.
    pub(super) fn pieces(&self, id: u64, number: u64, mut send: impl FnMut(&[u8])) {
        let tag = self.tag(id);
        let (head, length) = self.head(tag, number);
        send(&head[..length]);
        let mut at = length;
        while at < self.size {
            let piece = self.pattern_at(tag, number, at);
            send(piece);
            at += piece.len();
        }
    }

    /// Whether `bytes` are what stands at `at` in payload `number` of connection `id`.
    pub(super) fn check(
        &self,
        id: u64,
        number: u64,
        at: usize,
        bytes: &[u8],
    ) -> Result<(), Difference> {
        self.check_tagged(self.tag(id), number, at, bytes)
    }

    /// Whether `bytes` are a whole payload of another run, whatever its size was.
    #[allow(clippy::cast_possible_truncation)] // cut to their width
    pub(super) fn is_of_another_run(&self, bytes: &[u8]) -> bool {
        let Some((numbers, _)) = bytes.split_first_chunk::<NUMBERED_BYTES>() else { return false };
        let numbers = u128::from_be_bytes(*numbers);
        let of = |shift: u32| (numbers >> shift & u128::from(u64::MAX)) as u64;
        let (tag, number) = (of(64), of(0));
        let whole = Payload::new(bytes.len(), self.run);
        self.run.is_other((tag >> 32) as u32) && whole.check_tagged(tag, number, 0, bytes).is_ok()
    }

    /// The numbers of this run and of connection `id`.
    fn tag(&self, id: u64) -> u64 {
        u64::from(self.run.bits()) << 32 | id & u64::from(u32::MAX)
    }

    fn check_tagged(
        &self,
        tag: u64,
        number: u64,
        at: usize,
        bytes: &[u8],
    ) -> Result<(), Difference> {
        let (head, length) = self.head(tag, number);
        let expected = &head[at.min(length)..length];
        let count = expected.len().min(bytes.len());
        compare(at, &bytes[..count], &expected[..count])?;
        let (mut at, mut rest) = (at + count, &bytes[count..]);
        while !rest.is_empty() && at < self.size {
            let expected = self.pattern_at(tag, number, at);
            let count = expected.len().min(rest.len());
            compare(at, &rest[..count], &expected[..count])?;
            (at, rest) = (at + count, &rest[count..]);
        }
        match rest {
            [] => Ok(()),
            _ => Err(Difference { at: self.size }),
        }
    }

    /// The number that a whole payload claims to have: all of it, or its low bytes.
    pub(super) fn number_of(&self, bytes: &[u8]) -> Option<u64> {
        let part = match self.size >= NUMBERED_BYTES {
            true => bytes.get(8..16)?,
            false => bytes.get(..self.size.min(8))?,
        };
        Some(part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn head(&self, tag: u64, number: u64) -> ([u8; NUMBERED_BYTES], usize) {
        let mut head = [0; NUMBERED_BYTES];
        if self.size >= NUMBERED_BYTES {
            head[..8].copy_from_slice(&tag.to_be_bytes());
            head[8..].copy_from_slice(&number.to_be_bytes());
            return (head, NUMBERED_BYTES);
        }
        let length = self.size.min(8);
        head[..length].copy_from_slice(&number.to_be_bytes()[8 - length..]);
        (head, length)
    }

    /// The pattern from `at` on, as long as it lies in one piece.
    #[allow(clippy::cast_possible_truncation)] // less than 251
    fn pattern_at(&self, tag: u64, number: u64, at: usize) -> &[u8] {
        let shift = (tag.wrapping_mul(17).wrapping_add(number.wrapping_mul(31))) % PERIOD as u64;
        let start = (shift as usize + at) % PERIOD;
        &self.pattern[start..(start + self.size - at).min(self.pattern.len())]
    }
}

fn compare(at: usize, bytes: &[u8], expected: &[u8]) -> Result<(), Difference> {
    if bytes == expected {
        return Ok(());
    }
    let first = bytes.iter().zip(expected).position(|(byte, wanted)| byte != wanted);
    Err(Difference { at: at + first.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(size: usize) -> Payload {
        Payload::new(size, RunId::from_random(7))
    }

    fn whole(payload: &Payload, id: u64, number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        payload.pieces(id, number, |piece| bytes.extend_from_slice(piece));
        bytes
    }

    #[test]
    fn every_size_is_made_whole_and_checks_out_however_it_is_cut() {
        for size in [1, 2, 7, 8, 9, 15, 16, 17, 64, 250, 251, 65_507, 65_536, 200_000] {
            let payload = payload(size);
            let bytes = whole(&payload, 3, 1_000_000);
            assert_eq!(bytes.len(), size);
            for cut in [1, 5, 16, 17, 1000, size] {
                let mut at = 0;
                for piece in bytes.chunks(cut.max(size / 50)) {
                    assert_eq!(payload.check(3, 1_000_000, at, piece), Ok(()), "{size} at {at}");
                    at += piece.len();
                }
            }
        }
    }

    #[test]
    fn any_wrong_byte_is_found_where_it_is() {
        for size in [1, 9, 64, 1000] {
            let payload = payload(size);
            for at in 0..size {
                let mut bytes = whole(&payload, 1, 2);
                bytes[at] ^= 1;
                assert_eq!(payload.check(1, 2, 0, &bytes), Err(Difference { at }));
            }
        }
        let payload = payload(20);
        let mut bytes = whole(&payload, 1, 2);
        bytes.push(0);
        assert_eq!(payload.check(1, 2, 0, &bytes), Err(Difference { at: 20 }), "too long");
    }

    #[test]
    fn payloads_differ_by_connection_and_by_number() {
        let large = payload(64);
        let bytes = whole(&large, 1, 2);
        assert_eq!(large.check(2, 2, 0, &bytes), Err(Difference { at: 7 }));
        assert_eq!(large.check(1, 3, 0, &bytes), Err(Difference { at: 15 }));
        for size in 1..16 {
            let payload = payload(size);
            for step in 1..250 {
                assert_ne!(whole(&payload, 1, 7), whole(&payload, 1, 7 + step), "{size}");
            }
        }
    }

    #[test]
    fn the_number_is_read_back_as_far_as_it_fits() {
        for (size, wanted) in [(1, 0x56), (2, 0x3456), (8, 0x12_3456), (16, 0x12_3456)] {
            let payload = payload(size);
            let bytes = whole(&payload, 9, 0x12_3456);
            assert_eq!(payload.number_of(&bytes), Some(wanted));
        }
        assert_eq!(payload(16).number_of(b"short"), None);
    }

    #[test]
    fn what_another_run_has_sent_is_known_whatever_its_size() {
        let ours = payload(64);
        for size in [16, 17, 64, 1000] {
            let other = Payload::new(size, RunId::from_random(8));
            let mut bytes = whole(&other, 3, 9);
            assert!(ours.is_of_another_run(&bytes), "{size}");
            assert!(!other.is_of_another_run(&bytes), "{size}");
            for at in 0..size {
                bytes[at] ^= 1;
                // Nothing behind the numbers could contradict them.
                let is_bare = size == 16 && at >= 4;
                assert_eq!(ours.is_of_another_run(&bytes), is_bare, "{size} {at}");
                bytes[at] ^= 1;
            }
        }
        assert!(!ours.is_of_another_run(&whole(&ours, 1, 2)));
        assert!(!ours.is_of_another_run(b"short"));
    }
}
