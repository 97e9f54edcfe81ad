//! What happened, service by service: counters that only ever grow. `Metrics` has their sums, and
//! what belongs to no service.

use std::time::Duration;

use super::faults::FaultCounts;
use super::reason::Reason;

/// The bounds of how old connections get, in nanoseconds: a millisecond to a day.
const AGES: &[u64] = &[
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    60_000_000_000,
    600_000_000_000,
    3_600_000_000_000,
    86_400_000_000_000,
];

/// The bounds of how long turns take, in nanoseconds: 10 us to a second.
const TURNS: &[u64] = &[
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    100_000_000,
    1_000_000_000,
];

/// How many durations there were of which length.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// The largest duration that each bucket takes; one more bucket takes all others.
    bounds: &'static [u64],
    counts: Vec<u64>,
    /// All of them together, in nanoseconds.
    sum: u64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Histogram {
        Histogram { bounds, counts: vec![0; bounds.len() + 1], sum: 0 }
    }

    /// For the lengths of turns.
    pub(super) fn of_turns() -> Histogram {
        Histogram::new(TURNS)
    }

    pub(super) fn add(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let place = self.bounds.iter().position(|bound| nanos <= *bound);
        self.counts[place.unwrap_or(self.bounds.len())] += 1;
        self.sum = self.sum.saturating_add(nanos);
    }

    /// For each bound how many were no longer than that; the last has no bound and counts all.
    pub fn cumulated(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = self.bounds.iter().map(|nanos| Some(Duration::from_nanos(*nanos)));
        let mut below = 0;
        bounds.chain([None]).zip(&self.counts).map(move |(bound, count)| {
            below += count;
            (bound, below)
        })
    }

    /// All durations together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }
}

/// What carries streams: what happens over each is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// TCP.
    Tcp,
    /// Unix sockets.
    Unix,
    /// TLS over TCP.
    Tls,
}

impl Carrier {
    /// All of them, in the order of their counts.
    pub const ALL: [Carrier; 3] = [Carrier::Tcp, Carrier::Unix, Carrier::Tls];

    /// As logs and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Carrier::Tcp => "tcp",
            Carrier::Unix => "unix",
            Carrier::Tls => "tls",
        }
    }
}

/// What happened in one service over streams, by what carried them.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceCounts([StreamCounts; Carrier::ALL.len()]);

impl ServiceCounts {
    pub(super) fn over(&mut self, carrier: Carrier) -> &mut StreamCounts {
        &mut self.0[carrier as usize]
    }

    pub(super) fn at(&self, carrier: Carrier) -> &StreamCounts {
        &self.0[carrier as usize]
    }

    /// How many connections there are.
    pub(super) fn open(&self) -> usize {
        self.0.iter().map(|counts| counts.open).sum()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &StreamCounts> {
        self.0.iter()
    }

    /// Those over which it is offered, or was used. If it is over nothing else, that is TCP.
    pub(super) fn told(&self) -> impl Iterator<Item = (Carrier, &StreamCounts)> {
        let is_told = |counts: &StreamCounts| counts.is_offered || counts.opened > 0;
        let is_idle = !self.0.iter().any(is_told);
        let both = Carrier::ALL.into_iter().zip(&self.0);
        both.filter(move |(carrier, counts)| {
            is_told(counts) || (is_idle && *carrier == Carrier::Tcp)
        })
    }
}

/// What happened in one service over streams of one carrier.
#[derive(Clone, Debug)]
pub struct StreamCounts {
    /// Connections begun: accepted, or dialled, whether they were answered or not.
    pub opened: u64,
    /// Connections over, by [`Reason::index`].
    pub closed: [u64; Reason::LABELS.len()],
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes that the kernel took from us.
    pub bytes_out: u64,
    /// Lines or messages that the service has taken, where it knows such ([`Net::count_message`]).
    ///
    /// [`Net::count_message`]: super::Net::count_message
    pub messages: u64,
    /// Connections refused: from a network that is denied.
    pub refused_denied: u64,
    /// Connections refused: their source has as many as it may have.
    pub refused_too_many: u64,
    /// Connections refused: their network makes new ones too fast.
    pub refused_rate: u64,
    /// What went wrong because it was told to.
    pub faults: FaultCounts,
    /// How old they were when they were over.
    pub ages: Histogram,
    /// How many there are.
    pub(super) open: usize,
    /// Whether somebody may come over it.
    pub(super) is_offered: bool,
}

impl Default for StreamCounts {
    fn default() -> StreamCounts {
        StreamCounts {
            opened: 0,
            closed: [0; Reason::LABELS.len()],
            bytes_in: 0,
            bytes_out: 0,
            messages: 0,
            refused_denied: 0,
            refused_too_many: 0,
            refused_rate: 0,
            faults: FaultCounts::default(),
            ages: Histogram::new(AGES),
            open: 0,
            is_offered: false,
        }
    }
}

impl StreamCounts {
    /// How many connections there are, with those that are being closed or called.
    pub fn open(&self) -> usize {
        self.open
    }

    /// How many were refused, by reason.
    pub fn refusals(&self) -> [(&'static str, u64); 3] {
        [
            ("denied", self.refused_denied),
            ("rate", self.refused_rate),
            ("too_many", self.refused_too_many),
        ]
    }

    pub(super) fn began(&mut self) {
        self.opened += 1;
        self.open += 1;
    }

    pub(super) fn ended(&mut self, reason: Reason, age: Duration) {
        self.closed[reason.index()] += 1;
        self.open -= 1;
        self.ages.add(age);
    }
}

/// What happened in one service over datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponderCounts {
    /// Datagrams received, with those that were refused.
    pub received: u64,
    /// Datagrams that the kernel took from us.
    pub sent: u64,
    /// Bytes received, of those that were not refused.
    pub bytes_in: u64,
    /// Bytes that the kernel took from us.
    pub bytes_out: u64,
    /// The service had no answer.
    pub unanswered: u64,
    /// Answers lost because the kernel would not take them.
    pub dropped: u64,
    /// Refused: from no unicast address or no port, or sent to many.
    pub refused_address: u64,
    /// Refused: from a port on which we answer ourselves.
    pub refused_own_port: u64,
    /// Refused: from a port below 1024.
    pub refused_low_port: u64,
    /// Refused: from a network that is denied.
    pub refused_denied: u64,
    /// Answers not sent: the network had used up its rate.
    pub refused_rate: u64,
    /// What went wrong because it was told to.
    pub faults: FaultCounts,
}

impl ResponderCounts {
    /// How many were refused, by reason.
    pub fn refusals(&self) -> [(&'static str, u64); 5] {
        [
            ("address", self.refused_address),
            ("denied", self.refused_denied),
            ("low_port", self.refused_low_port),
            ("own_port", self.refused_own_port),
            ("rate", self.refused_rate),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_tells_of_what_it_is_offered_over_and_of_what_was_used() {
        let mut counts = ServiceCounts::default();
        let told = |counts: &ServiceCounts| counts.told().map(|(one, _)| one).collect::<Vec<_>>();
        assert_eq!(told(&counts), [Carrier::Tcp]);
        counts.over(Carrier::Unix).is_offered = true;
        assert_eq!(told(&counts), [Carrier::Unix]);
        counts.over(Carrier::Tcp).began();
        assert_eq!((told(&counts), counts.open()), (vec![Carrier::Tcp, Carrier::Unix], 1));
    }

    #[test]
    fn a_duration_counts_for_its_bound_and_all_above() {
        let mut ages = Histogram::new(&[10, 100]);
        for nanos in [0, 10, 11, 100, 101, u64::MAX] {
            ages.add(Duration::from_nanos(nanos));
        }
        let bound = |nanos| Some(Duration::from_nanos(nanos));
        let wanted = [(bound(10), 2), (bound(100), 4), (None, 6)];
        assert_eq!(ages.cumulated().collect::<Vec<_>>(), wanted);
        assert_eq!(ages.sum(), Duration::from_nanos(u64::MAX));
        ages.add(Duration::MAX);
        assert_eq!(ages.cumulated().last(), Some((None, 7)));
    }
}
