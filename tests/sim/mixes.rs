//! What kinds of worlds there are: which services, which clients, which kernel, which limits.

use std::ops::RangeInclusive;
use std::time::Duration;

use cooee::engine::Limits;

use super::client::{Character, Client};
use super::facts::Row;
use super::kinds::{Kind, offers};
use super::pipe::{Faults, Pipe};
use super::rng::Rng;

/// One kind of world.
#[derive(Clone)]
pub(crate) struct Mix {
    pub(crate) name: &'static str,
    /// The services; those of the table come on top if `offered`.
    pub(crate) kinds: &'static [Kind],
    pub(crate) offered: bool,
    pub(crate) characters: &'static [Character],
    pub(crate) clients: RangeInclusive<usize>,
    /// They all come within so many microseconds.
    pub(crate) arrive_within: usize,
    /// About how many bytes a client has to say.
    pub(crate) volume: usize,
    /// What the kernel takes at once, either way: one of these, by chance.
    pub(crate) rooms: &'static [usize],
    pub(crate) faults: Faults,
    pub(crate) meddles: bool,
    /// Fewer connections are allowed than there are clients.
    pub(crate) crowded: bool,
    pub(crate) idle: Option<Duration>,
    /// What may wait for all clients together.
    pub(crate) buffered: usize,
}

const ALL: &[Kind] = &[
    Kind::Hello,
    Kind::Answer,
    Kind::Crowd,
    Kind::Receipt,
    Kind::Download,
    Kind::Later,
    Kind::Ends,
];

/// The first row of the table.
const ECHO: Kind = Kind::Offer(0);

const EVERYBODY: &[Character] = &[
    Character::Polite,
    Character::Polite,
    Character::Slow,
    Character::Guest,
    Character::NeverReads,
    Character::Resets,
    Character::Vanishes,
    Character::Closes,
    Character::Sits,
    Character::Rambles,
];

const ROUGH: Faults = Faults { short: 300, blocked: 100, interrupted: 50 };
const SMOOTH: Faults = Faults { short: 0, blocked: 0, interrupted: 0 };

/// With so many `flush_units` nobody is ever left for a later turn.
pub(crate) const AMPLE_UNITS: u64 = 8 * 1024 * 1024;

/// The row of the chat.
const CHAT: Kind = Kind::Offer(3);

/// All kinds of worlds that the ordinary run goes through in turn.
pub(crate) const MIXES: &[Mix] = &[
    Mix {
        name: "everything at once",
        kinds: ALL,
        offered: true,
        characters: EVERYBODY,
        clients: 4..=24,
        arrive_within: 300_000,
        volume: 3000,
        rooms: &[30, 300, 1000, 5000, 70_000],
        faults: ROUGH,
        meddles: true,
        crowded: false,
        idle: Some(Duration::from_secs(10)),
        buffered: usize::MAX,
    },
    Mix {
        name: "bulk through full buffers",
        kinds: &[ECHO, ECHO, ECHO, ECHO, Kind::Download, Kind::Answer],
        offered: false,
        characters: &[Character::Flood, Character::Flood, Character::Polite, Character::NeverReads],
        clients: 2..=7,
        arrive_within: 2000,
        volume: 40_000,
        rooms: &[3000, 66_000, 200_000, 400_000],
        faults: Faults { short: 50, blocked: 20, interrupted: 20 },
        meddles: false,
        crowded: false,
        idle: Some(Duration::from_secs(20)),
        buffered: usize::MAX,
    },
    Mix {
        name: "a crowd with slow members",
        kinds: &[Kind::Crowd],
        offered: false,
        characters: &[
            Character::Polite,
            Character::Polite,
            Character::Polite,
            Character::Flood,
            Character::Slow,
            Character::Snail,
            Character::NeverReads,
            Character::Resets,
            Character::Vanishes,
            Character::Sits,
        ],
        clients: 3..=12,
        arrive_within: 300_000,
        volume: 5000,
        rooms: &[500, 2000, 4000],
        faults: ROUGH,
        meddles: false,
        crowded: false,
        idle: None,
        buffered: usize::MAX,
    },
    Mix {
        name: "a crowd that shouts",
        kinds: &[Kind::Crowd],
        offered: false,
        characters: &[
            Character::Flood,
            Character::Flood,
            Character::Flood,
            Character::Polite,
            Character::Slow,
            Character::Snail,
            Character::NeverReads,
        ],
        clients: 4..=8,
        arrive_within: 50_000,
        volume: 10_000,
        rooms: &[2000, 4000, 16_000],
        faults: ROUGH,
        meddles: false,
        crowded: false,
        idle: None,
        buffered: usize::MAX,
    },
    Mix {
        name: "a chat under siege",
        kinds: &[CHAT],
        offered: false,
        characters: &[
            Character::Flood,
            Character::Flood,
            Character::Polite,
            Character::Slow,
            Character::Snail,
            Character::NeverReads,
            Character::NeverReads,
            Character::Resets,
            Character::Vanishes,
            Character::Sits,
        ],
        clients: 6..=14,
        arrive_within: 300_000,
        volume: 10_000,
        rooms: &[2000, 4000, 16_000],
        faults: ROUGH,
        meddles: true,
        crowded: true,
        idle: None,
        buffered: usize::MAX,
    },
    Mix {
        name: "memory that is short",
        kinds: &[ECHO, ECHO, ECHO, Kind::Answer, CHAT],
        offered: false,
        characters: &[
            Character::NeverReads,
            Character::NeverReads,
            Character::NeverReads,
            Character::Snail,
            Character::Flood,
            Character::Resets,
            Character::Rambles,
            Character::Polite,
        ],
        clients: 12..=24,
        arrive_within: 50_000,
        volume: 20_000,
        rooms: &[2000, 4000, 16_000],
        faults: ROUGH,
        meddles: false,
        crowded: false,
        idle: Some(Duration::from_secs(20)),
        buffered: 100_000,
    },
    Mix {
        name: "guests who send before they read",
        kinds: &[Kind::Hello, Kind::Receipt, Kind::Hello, Kind::Ends],
        offered: true,
        characters: &[Character::Guest, Character::Guest, Character::Slow, Character::Vanishes],
        clients: 4..=20,
        arrive_within: 300_000,
        volume: 2000,
        rooms: &[60, 1000, 5000, 70_000],
        faults: ROUGH,
        meddles: false,
        crowded: false,
        idle: Some(Duration::from_secs(10)),
        buffered: usize::MAX,
    },
    Mix {
        name: "few slots, taken again and again",
        kinds: ALL,
        offered: true,
        characters: EVERYBODY,
        clients: 20..=40,
        arrive_within: 300_000,
        volume: 600,
        rooms: &[60, 1000, 5000],
        faults: ROUGH,
        meddles: true,
        crowded: true,
        idle: Some(Duration::from_secs(5)),
        buffered: usize::MAX,
    },
    Mix {
        name: "rivals who close each other",
        kinds: &[Kind::Rivals],
        offered: false,
        characters: &[Character::Polite, Character::Flood, Character::Sits, Character::Closes],
        clients: 6..=16,
        arrive_within: 2000,
        volume: 1500,
        rooms: &[5000, 70_000],
        faults: SMOOTH,
        meddles: false,
        crowded: false,
        idle: None,
        buffered: usize::MAX,
    },
    Mix {
        name: "a kernel that takes everything",
        kinds: &[Kind::Crowd, Kind::Answer, Kind::Download, Kind::Download],
        offered: true,
        characters: &[Character::Polite, Character::Flood, Character::Sits],
        clients: 4..=16,
        arrive_within: 20_000,
        volume: 1500,
        rooms: &[4_000_000],
        faults: SMOOTH,
        meddles: false,
        crowded: false,
        idle: None,
        buffered: usize::MAX,
    },
];

/// The row of the greeting.
const GREET: Kind = Kind::Offer(1);

/// A world that is too large for the ordinary run to have many of.
pub(crate) const RUSH: Mix = Mix {
    name: "a rush of guests",
    kinds: &[GREET],
    offered: false,
    characters: &[Character::Guest, Character::Guest, Character::Sits],
    clients: 90..=120,
    arrive_within: 500,
    volume: 40,
    rooms: &[5000],
    faults: SMOOTH,
    meddles: false,
    crowded: false,
    idle: None,
    buffered: usize::MAX,
};

impl Mix {
    /// `flush_every` is drawn on its own, so that what else happens by chance stays as it was.
    pub(crate) fn limits(&self, seed: u64, rng: &mut Rng) -> Limits {
        let high = *rng.pick(&[2000, 20_000, 256 * 1024]);
        Limits {
            connections: if self.crowded { rng.within(3..=8) } else { 10_000 },
            high,
            low: high / rng.within(2..=5),
            buffered: self.buffered,
            inbox: 4096,
            reads: rng.within(1..=4),
            share_units: *rng.pick(&[256 * 1024, 256 * 1024, 3000]),
            round_units: *rng.pick(&[4 * 1024 * 1024, 20_000]),
            flush_units: *rng.pick(&[AMPLE_UNITS, Limits::default().flush_units, 60_000]),
            flush_every: *Rng::new(!seed).pick(&[usize::MAX, usize::MAX, 1, 3, 8]),
            linger: Duration::from_secs(3),
            stall: Duration::from_secs(5),
            slow: Duration::from_secs(2),
            ..Limits::default()
        }
    }

    pub(crate) fn rows(&self, rng: &mut Rng) -> Vec<Row> {
        let mut kinds = self.kinds.to_vec();
        if self.offered {
            kinds.extend(offers());
        }
        let idle = self.idle.filter(|_| rng.chance(700));
        kinds.into_iter().map(|kind| Row { kind, quota: kind.quota(idle) }).collect()
    }

    pub(crate) fn pipe(&self, client: &Client, rng: &mut Rng) -> Pipe {
        let (mut up_room, mut down_room) = (*rng.pick(self.rooms), *rng.pick(self.rooms));
        if client.character == Character::Slow {
            down_room = down_room.min(20_000);
        }
        if client.kind == Kind::Download {
            down_room = down_room.max(1000);
        }
        // What a crowd says in one turn must not be more than a willing reader's queue may hold.
        if client.kind.is_crowd() {
            up_room = up_room.min(4000);
            if client.polite && self.volume >= 10_000 {
                down_room = down_room.max(64_000);
            }
        }
        let faults = if rng.chance(800) { self.faults } else { SMOOTH };
        let mirrors = client.kind.mirrors();
        Pipe { up_room, down_room, faults, mirrors, ..Pipe::default() }
    }
}
