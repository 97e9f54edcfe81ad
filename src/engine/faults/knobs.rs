//! What a listener is to do wrong: the knobs, and the draws by which it is decided for whom.
//!
//! Not how they are written (`knobs` reads that), nor what comes of them (`script`).

use std::time::Duration;

use crate::splitmix::mix;

/// The knobs of one listener, in the order in which they hold. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knobs {
    /// Connections that are reset as soon as they are there.
    pub refuse: Share,
    /// Connections that are neither read nor answered.
    pub halfopen: Share,
    /// Connections that are read and not answered beyond some bytes.
    pub stall: Option<Stall>,
    /// How much later replies are sent.
    pub delay: Option<Spread>,
    /// The most bytes of replies in a second, at least one: of a connection; of all datagrams of a
    /// listener.
    pub rate: Option<u64>,
    /// The pieces in which replies are sent.
    pub slice: Option<Slicing>,
    /// Connections that end with a RST, and when.
    pub reset: Option<(Share, At)>,
    /// When all connections end with a FIN. Never [`At::FirstReply`].
    pub close: Option<At>,
    /// Datagrams that are not sent.
    pub drop: Share,
    /// Datagrams that are sent twice.
    pub duplicate: Share,
    /// Datagrams that are sent behind the next one to the same peer.
    pub reorder: Share,
    /// Datagrams with one bit turned over.
    pub corrupt: Share,
    /// What all of that is drawn from; `None`: to be chosen once, and told.
    pub seed: Option<u64>,
}

impl Knobs {
    /// Whether nothing is done wrong. A seed alone does nothing.
    pub fn is_none(&self) -> bool {
        *self == Knobs { seed: self.seed, ..Knobs::default() }
    }

    /// Which of the faults that happen only to some has been drawn for one connection: one at the
    /// most, so that each share is what is said of it.
    pub fn fate(&self, draws: Draws) -> Option<FaultKind> {
        let draw = draws.draw(FaultKind::Refuse, 0);
        let mut parts = 0_u32;
        let mut is_drawn = |share: Share| {
            parts = (parts + share.0).min(Share::ALL.0);
            Share(parts).has(draw)
        };
        self.fates().into_iter().find(|(_, share)| is_drawn(*share)).map(|(kind, _)| kind)
    }

    /// The faults that happen only to some, and to how many: each connection has one at the most,
    /// so they are not more than all together.
    pub fn fates(&self) -> [(FaultKind, Share); 4] {
        [
            (FaultKind::Refuse, self.refuse),
            (FaultKind::HalfOpen, self.halfopen),
            (FaultKind::Stall, self.stall.map_or(Share::NONE, |stall| stall.share)),
            (FaultKind::Reset, self.reset.map_or(Share::NONE, |(share, _)| share)),
        ]
    }

    /// What happens to one connection or one datagram: the `number`th that came to the listener at
    /// that place on the command line, both from 0.
    pub fn draws(&self, listener: usize, number: u64) -> Draws {
        Draws::new(self.seed.unwrap_or(0), listener, number)
    }
}

/// What a connection that stalls is still sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Whose.
    pub share: Share,
    /// Bytes that it is sent before.
    pub after: u64,
}

/// A time and how far from it at the most, as often below as above; never below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Half of all are below.
    pub middle: Duration,
    /// How far on either side.
    pub jitter: Duration,
}

impl Spread {
    /// None that is drawn is longer.
    pub fn most(self) -> Duration {
        self.middle.saturating_add(self.jitter)
    }

    /// The one that is drawn.
    pub fn pick(self, draw: u64) -> Duration {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (middle, jitter) = (nanos(self.middle), nanos(self.jitter));
        let up = below(draw, u128::from(jitter) * 2 + 1);
        let sum = (u128::from(middle) + up).saturating_sub(jitter.into());
        Duration::from_nanos(u64::try_from(sum).unwrap_or(u64::MAX))
    }
}

/// Pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slicing {
    /// Bytes of each, at least one.
    pub bytes: u32,
    /// How many more or fewer at the most.
    pub spread: u32,
    /// How long after each other they are sent.
    pub apart: Duration,
}

impl Slicing {
    /// The length that is drawn, at least one.
    pub fn pick(self, draw: u64) -> usize {
        let up = below(draw, u128::from(self.spread) * 2 + 1);
        let length = (u128::from(self.bytes) + up).saturating_sub(self.spread.into());
        usize::try_from(length.max(1)).unwrap_or(usize::MAX)
    }
}

/// When a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Instead of the first that it would be sent.
    FirstReply,
    /// So many bytes of replies have been sent.
    Bytes(u64),
    /// So long after it was opened.
    After(Duration),
}

/// How many of a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Nobody.
    pub const NONE: Share = Share(0);
    /// Everybody.
    pub const ALL: Share = Share(1_000_000);

    /// So many of a million; `None`: that is more than all.
    pub fn of_million(parts: u32) -> Option<Share> {
        (parts <= Share::ALL.0).then_some(Share(parts))
    }

    /// How many of a million it is.
    pub fn parts(self) -> u32 {
        self.0
    }

    /// Whether whoever has that draw is among them.
    pub fn has(self, draw: u64) -> bool {
        below(draw, Share::ALL.0.into()) < self.0.into()
    }
}

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A connection reset as soon as it was there.
    Refuse,
    /// A connection that is neither read nor answered.
    HalfOpen,
    /// A connection whose answers have stopped.
    Stall,
    /// Something sent later.
    Delay,
    /// Something that waited for the rate.
    Rate,
    /// A reply in pieces.
    Slice,
    /// A connection ended by a RST.
    Reset,
    /// A connection ended by a FIN.
    Close,
    /// A datagram not sent.
    Drop,
    /// A datagram sent twice.
    Duplicate,
    /// A datagram sent behind the next one to the same peer.
    Reorder,
    /// A datagram with a bit turned over.
    Corrupt,
}

impl FaultKind {
    /// All of them, in the order in which they hold.
    pub const ALL: [FaultKind; 12] = [
        FaultKind::Refuse,
        FaultKind::HalfOpen,
        FaultKind::Stall,
        FaultKind::Delay,
        FaultKind::Rate,
        FaultKind::Slice,
        FaultKind::Reset,
        FaultKind::Close,
        FaultKind::Drop,
        FaultKind::Duplicate,
        FaultKind::Reorder,
        FaultKind::Corrupt,
    ];

    /// Whether it happens to streams.
    pub fn is_of_streams(self) -> bool {
        self <= FaultKind::Close
    }

    /// Whether it happens to datagrams.
    pub fn is_of_datagrams(self) -> bool {
        matches!(self, FaultKind::Delay | FaultKind::Rate) || self > FaultKind::Close
    }

    /// The name of its knob.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Refuse => "refuse",
            FaultKind::HalfOpen => "halfopen",
            FaultKind::Stall => "stall",
            FaultKind::Delay => "delay",
            FaultKind::Rate => "rate",
            FaultKind::Slice => "slice",
            FaultKind::Reset => "reset",
            FaultKind::Close => "close",
            FaultKind::Drop => "drop",
            FaultKind::Duplicate => "dup",
            FaultKind::Reorder => "reorder",
            FaultKind::Corrupt => "corrupt",
        }
    }
}

/// How often each of [`FaultKind::ALL`] has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    counts: [u64; FaultKind::ALL.len()],
    /// Whether somebody has been told to do something wrong.
    is_expected: bool,
}

impl FaultCounts {
    /// One more.
    pub fn count(&mut self, kind: FaultKind) {
        self.counts[kind as usize] += 1;
    }

    /// How many of that kind there were.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.counts[kind as usize]
    }

    /// By kind, in the order of the knobs.
    pub fn all(&self) -> impl Iterator<Item = (FaultKind, u64)> {
        FaultKind::ALL.into_iter().zip(self.counts)
    }

    /// From now on there may be some.
    pub fn expect(&mut self) {
        self.is_expected = true;
    }

    /// Whether there may be some, or were: otherwise there is nothing to be told.
    pub fn are_told(&self) -> bool {
        self.is_expected || self.counts.iter().any(|count| *count > 0)
    }

    /// Those of `other` as well.
    pub fn add(&mut self, other: &FaultCounts) {
        self.is_expected |= other.is_expected;
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
    }
}

/// The draws of one connection or one datagram. Each depends on the seed, on the listener, on its
/// number there, on what is drawn and on how often that was drawn for it before, and on nothing
/// else: not on what others do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws(u64);

impl Draws {
    /// Of the `number`th that came to a listener.
    pub fn new(seed: u64, listener: usize, number: u64) -> Draws {
        Draws(chain(chain(chain(0, seed), listener as u64), number))
    }

    /// The `nth` draw for that knob, from 0.
    pub fn draw(self, kind: FaultKind, nth: u64) -> u64 {
        chain(chain(self.0, kind as u64), nth)
    }
}

/// One more number mixed in.
fn chain(state: u64, number: u64) -> u64 {
    mix(state ^ number)
}

/// The draw as one of so many numbers from 0 on; at most 2^65 of them.
fn below(draw: u64, numbers: u128) -> u128 {
    // Halved, so that the product fits.
    (u128::from(draw >> 2) * numbers) >> 62
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_and_everybody_are_exact_and_a_share_is_a_share() {
        let draws = |n| Draws::new(7, 0, n).draw(FaultKind::Reset, 0);
        let five = Share::of_million(50_000).unwrap();
        let hit = (0..20_000).filter(|n| five.has(draws(*n))).count();
        assert!((900..1100).contains(&hit), "{hit}");
        for draw in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(Share::ALL.has(draw) && !Share::NONE.has(draw));
        }
        assert_eq!(Share::of_million(1_000_001), None);
    }

    #[test]
    fn a_spread_reaches_both_its_ends_and_never_below_zero() {
        let millis = Duration::from_millis;
        let spread = Spread { middle: millis(100), jitter: millis(20) };
        assert_eq!((spread.pick(0), spread.pick(u64::MAX)), (millis(80), millis(120)));
        let wide = Spread { middle: millis(1), jitter: millis(20) };
        assert_eq!((wide.pick(0), wide.pick(u64::MAX)), (millis(0), millis(21)));
        let endless = Spread { middle: Duration::MAX, jitter: Duration::MAX };
        assert_eq!(endless.pick(u64::MAX), Duration::from_nanos(u64::MAX));
        let even = Spread { middle: millis(5), jitter: millis(0) };
        assert_eq!(even.pick(12_345), millis(5));
    }

    #[test]
    fn a_piece_has_a_byte_at_least() {
        let slicing = |bytes, spread| Slicing { bytes, spread, apart: Duration::ZERO };
        assert_eq!((slicing(8, 2).pick(0), slicing(8, 2).pick(u64::MAX)), (6, 10));
        assert_eq!((slicing(1, 9).pick(0), slicing(u32::MAX, 0).pick(3)), (1, u32::MAX as usize));
    }

    #[test]
    fn draws_depend_on_each_of_their_numbers_and_on_nothing_else() {
        let draw = |seed, listener, number, nth| {
            Draws::new(seed, listener, number).draw(FaultKind::Delay, nth)
        };
        let all = [
            draw(1, 2, 3, 4),
            draw(2, 2, 3, 4),
            draw(1, 1, 3, 4),
            draw(1, 2, 4, 4),
            draw(1, 2, 3, 5),
            Draws::new(1, 2, 3).draw(FaultKind::Slice, 4),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one));
        }
        assert_eq!(all[0], draw(1, 2, 3, 4));
    }

    #[test]
    fn a_connection_has_one_fate_and_each_share_is_what_is_said_of_it() {
        let share = |percent: u32| Share::of_million(percent * 10_000).unwrap();
        let stall = Some(Stall { share: share(30), after: 0 });
        let (refuse, reset) = (share(10), Some((share(60), At::FirstReply)));
        let knobs = Knobs { refuse, stall, reset, ..Knobs::default() };
        let fates: Vec<_> = (0..10_000).map(|n| knobs.fate(knobs.draws(0, n))).collect();
        for (kind, wanted) in
            [(FaultKind::Refuse, 1000), (FaultKind::Stall, 3000), (FaultKind::Reset, 6000)]
        {
            let count: usize = fates.iter().filter(|fate| **fate == Some(kind)).count();
            assert!(count.abs_diff(wanted) < 200, "{count} of {wanted}");
        }
        assert!(!fates.contains(&None));
    }

    #[test]
    fn a_seed_alone_does_nothing() {
        let seeded = Knobs { seed: Some(7), ..Knobs::default() };
        assert!(seeded.is_none());
        assert!(!Knobs { drop: Share::ALL, ..seeded }.is_none());
    }
}
