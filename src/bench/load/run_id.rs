//! The number of a run, in each line and datagram that has room for it, so that what an earlier
//! run or another process has left on the way is not taken for an answer to this one.

/// Eight hexadecimal digits that add up to a multiple of 16, so that a damaged number of our own
/// is not taken for somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(u32);

impl RunId {
    /// The number that is made of random bits.
    pub(crate) fn from_random(bits: u64) -> RunId {
        // Never all zeros, which is what lines have there that know of no runs.
        let seven = u32::try_from(bits & 0x0fff_ffff).unwrap_or(0).max(1);
        let last = (16 - digit_sum(seven) % 16) % 16;
        RunId(seven << 4 | last)
    }

    /// One that no other run has, as far as chance goes.
    pub(crate) fn random() -> RunId {
        use std::hash::{BuildHasher, RandomState};
        RunId::from_random(RandomState::new().hash_one(std::process::id()))
    }

    /// It as bits.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// Whether `bits` are the number of a run, and not of this one.
    pub(crate) fn is_other(self, bits: u32) -> bool {
        bits != self.0 && digit_sum(bits).is_multiple_of(16)
    }
}

fn digit_sum(bits: u32) -> u32 {
    (0..8).map(|digit| bits >> (4 * digit) & 15).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_run_is_told_from_a_damaged_number_of_our_own() {
        let ours = RunId::from_random(0x0123_4567_89ab_cdef);
        for bits in [0, 1, 15, 0x0fff_ffff, u64::MAX] {
            assert!(ours.is_other(RunId::from_random(bits).bits()), "{bits:x}");
        }
        assert!(!ours.is_other(ours.bits()));
        for digit in 0..8 {
            for change in 1..16 {
                assert!(!ours.is_other(ours.bits() ^ change << (4 * digit)));
            }
        }
        assert_ne!(RunId::from_random(0).bits(), 0);
        assert_ne!(RunId::random(), RunId::random());
    }
}
