//! Chance and its record: the generator of all tests, and a running hash of all that happens.

#[allow(clippy::duplicate_mod)] // `sockets` has it in its own support as well
#[path = "../support/rng.rs"]
mod generator;

pub(crate) use generator::Rng;

/// Everything that happens, as one number; told line by line if somebody wants to read it.
pub(crate) struct Trace {
    hash: u64,
    told: bool,
}

impl Trace {
    pub(crate) fn new(told: bool) -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, told }
    }

    pub(crate) fn note(&mut self, what: &str, numbers: &[u64]) {
        // FNV-1a over words instead of bytes: plenty to tell two runs apart.
        for byte in what.bytes() {
            self.mix(u64::from(byte));
        }
        numbers.iter().for_each(|number| self.mix(*number));
        if self.told {
            eprintln!("{what} {numbers:?}");
        }
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01b3);
        self.hash ^= self.hash >> 29;
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}
