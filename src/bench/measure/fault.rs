//! What can go wrong with an operation, by name, and how often it did.

use std::io::ErrorKind;

use crate::engine::Reason;

/// Something that went wrong, or was not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody listens there.
    Refused,
    /// The connection was not made within the timeout.
    ConnectTimeout,
    /// As many wait at the unix socket as may.
    QueueFull,
    /// No free port is left on this machine's side.
    NoPorts,
    /// The connection was not made for another reason.
    ConnectFailed,
    /// The peer, or something on the way, broke the connection off.
    Reset,
    /// The peer closed before it had answered.
    ClosedEarly,
    /// No answer came over a connection within the timeout.
    Timeout,
    /// The answer was not what had to come.
    Wrong,
    /// No datagram came in answer within the timeout.
    Lost,
    /// A request was due and could not be sent before the end.
    Unsent,
    /// A second datagram came in answer to the same request. No failed operation.
    Duplicate,
    /// A datagram came that a later one had overtaken. No failed operation.
    Reordered,
    /// A datagram came that had been counted as lost.
    Late,
    /// A line or a datagram of another run came. No failed operation.
    Stray,
}

impl Fault {
    /// All of them, in the order in which they are told.
    pub(crate) const ALL: [Fault; 15] = [
        Fault::Refused,
        Fault::ConnectTimeout,
        Fault::QueueFull,
        Fault::NoPorts,
        Fault::ConnectFailed,
        Fault::Reset,
        Fault::ClosedEarly,
        Fault::Timeout,
        Fault::Wrong,
        Fault::Lost,
        Fault::Unsent,
        Fault::Duplicate,
        Fault::Reordered,
        Fault::Late,
        Fault::Stray,
    ];

    /// The key in JSON, which is also the word in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::Refused => "refused",
            Fault::ConnectTimeout => "connect_timeout",
            Fault::QueueFull => "queue_full",
            Fault::NoPorts => "no_ports",
            Fault::ConnectFailed => "connect_failed",
            Fault::Reset => "reset",
            Fault::ClosedEarly => "closed_early",
            Fault::Timeout => "timeout",
            Fault::Wrong => "wrong",
            Fault::Lost => "lost",
            Fault::Unsent => "unsent",
            Fault::Duplicate => "duplicate",
            Fault::Reordered => "reordered",
            Fault::Late => "late",
            Fault::Stray => "stray",
        }
    }

    /// Whether an operation failed. The others are only remarkable.
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self, Fault::Duplicate | Fault::Reordered | Fault::Late | Fault::Stray)
    }

    /// What it means that a dial failed.
    pub(crate) fn of_dial(reason: Reason) -> Fault {
        match reason {
            // A socket that has connected to itself: on any other port it would be refused.
            Reason::Failed(ErrorKind::ConnectionRefused) | Reason::Itself => Fault::Refused,
            Reason::Failed(ErrorKind::NotFound) => Fault::Refused,
            Reason::Failed(ErrorKind::TimedOut) => Fault::ConnectTimeout,
            Reason::Failed(ErrorKind::WouldBlock) => Fault::QueueFull,
            Reason::Failed(ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse) => Fault::NoPorts,
            _ => Fault::ConnectFailed,
        }
    }

    /// What it means that an open connection ended with answers outstanding.
    pub(crate) fn of_end(reason: Reason) -> Fault {
        match reason {
            Reason::Failed(ErrorKind::ConnectionRefused) => Fault::Refused,
            Reason::Failed(_) => Fault::Reset,
            _ => Fault::ClosedEarly,
        }
    }

    /// In words, for whoever wants to know what happened.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Fault::Refused => "connection refused: is a server listening there?",
            Fault::ConnectTimeout => "connecting timed out",
            Fault::QueueFull => "as many wait there as may: the server accepts too slowly",
            Fault::NoPorts => "no free port is left on this side: add --source ADDRESSES",
            Fault::ConnectFailed => "connecting failed",
            Fault::Reset => "the connection was reset",
            Fault::ClosedEarly => "the server closed before it had answered",
            Fault::Timeout | Fault::Lost => "no answer came within the timeout",
            Fault::Wrong => "wrong content",
            Fault::Unsent => "requests could not be sent in time",
            Fault::Duplicate => "an answer came twice",
            Fault::Reordered => "an answer was overtaken",
            Fault::Late => "an answer came after the timeout",
            Fault::Stray => "something of another run came",
        }
    }
}

/// How often each of them occurred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults([u64; Fault::ALL.len()]);

impl Faults {
    /// Counts `fault` another `count` times.
    pub(crate) fn add(&mut self, fault: Fault, count: u64) {
        self.0[fault as usize] += count;
    }

    /// How often `fault` occurred.
    pub(crate) fn count(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// What failed most often.
    pub(crate) fn most(&self) -> Option<Fault> {
        let failures = Fault::ALL.into_iter().filter(|fault| fault.is_failure());
        failures.filter(|fault| self.count(*fault) > 0).max_by_key(|fault| self.count(*fault))
    }

    /// How many operations failed.
    pub(crate) fn failures(&self) -> u64 {
        let failures = Fault::ALL.into_iter().filter(|fault| fault.is_failure());
        failures.map(|fault| self.count(fault)).sum()
    }

    /// Adds what another thread has counted.
    pub(crate) fn merge(&mut self, other: &Faults) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_place_and_its_own_name() {
        let mut faults = Faults::default();
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, index);
            faults.add(fault, 1 << index);
        }
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(faults.count(fault), 1 << index, "{}", fault.name());
            let same = Fault::ALL.iter().filter(|other| other.name() == fault.name()).count();
            assert_eq!(same, 1);
        }
    }

    #[test]
    fn what_is_only_odd_is_no_failure() {
        let mut faults = Faults::default();
        faults.add(Fault::Duplicate, 5);
        assert_eq!(faults.most(), None);
        faults.add(Fault::Reset, 2);
        assert_eq!(faults.most(), Some(Fault::Reset));
        let mut sum = faults;
        sum.merge(&faults);
        assert_eq!((faults.failures(), sum.failures()), (2, 4));
    }
}
