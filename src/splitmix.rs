//! Numbers that look like chance and come from a seed: splitmix64 (Steele, Lea, Flood: "Fast
//! Splittable Pseudorandom Number Generators", 2014). None for secrets.

/// What the state moves on by.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number that depends on each bit of that one.
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One after the other.
#[cfg(any(feature = "bench", feature = "bus"))]
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

#[cfg(any(feature = "bench", feature = "bus"))]
impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        let number = mix(self.0);
        self.0 = self.0.wrapping_add(STEP);
        number
    }

    /// One of so many numbers from 0 on, of which there is at least one. Those at the beginning are
    /// a little more likely, by `end` in 2^64.
    #[allow(clippy::cast_possible_truncation)] // less than `end`
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(STEP), 0x6e78_9e6a_a1b9_65f4);
    }

    #[cfg(any(feature = "bench", feature = "bus"))]
    #[test]
    fn one_comes_after_the_other() {
        let mut random = Random::new(0);
        assert_eq!([random.next(), random.next()], [mix(0), mix(STEP)]);
        assert!((0..100).all(|_| random.below(3) < 3));
    }
}
