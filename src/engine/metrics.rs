//! What happened over all services, in numbers, printed as one line.

use std::fmt;

use super::counts::{ResponderCounts, StreamCounts};
use super::faults::FaultCounts;

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Connections begun: accepted, or dialled, whether they were answered or not.
    pub opened: u64,
    /// Connections over.
    pub closed: u64,
    /// Stream bytes received.
    pub bytes_in: u64,
    /// Stream bytes that the kernel took from us.
    pub bytes_out: u64,
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams that the kernel took from us.
    pub datagrams_out: u64,
    /// Datagrams that the service had no answer to.
    pub datagrams_unanswered: u64,
    /// Answers lost because the kernel would not take them.
    pub datagrams_dropped: u64,
    /// Datagrams refused: from no unicast address or no port, or sent to many.
    pub datagrams_refused_address: u64,
    /// Datagrams refused: from a port on which we answer ourselves.
    pub datagrams_refused_own_port: u64,
    /// Datagrams refused: from a port below 1024.
    pub datagrams_refused_low_port: u64,
    /// Datagrams refused: from a network that is denied.
    pub datagrams_refused_denied: u64,
    /// Answers not sent: the network had used up its rate.
    pub datagrams_refused_rate: u64,
    /// Connections refused: from a network that is denied.
    pub refused_denied: u64,
    /// Connections refused: their source has as many as it may have.
    pub refused_too_many: u64,
    /// Connections refused: their network makes new ones too fast.
    pub refused_rate: u64,
    /// Connections closed because what waited for all of them together was too much.
    pub closed_memory: u64,
    /// Events fetched for sockets that were gone by then.
    pub stale_events: u64,
    /// Times that accepting had to wait for a place, descriptors or memory.
    pub accept_pauses: u64,
    /// Lines that the operator's screen did not take.
    pub screen_lost: u64,
    /// Log lines that standard error did not take.
    pub log_lost: u64,
    /// What went wrong because it was told to.
    pub faults: FaultCounts,
}

impl Metrics {
    pub(super) fn add_streams(&mut self, counts: &StreamCounts) {
        self.opened += counts.opened;
        self.closed += counts.closed.iter().sum::<u64>();
        self.bytes_in += counts.bytes_in;
        self.bytes_out += counts.bytes_out;
        self.refused_denied += counts.refused_denied;
        self.refused_too_many += counts.refused_too_many;
        self.refused_rate += counts.refused_rate;
        self.faults.add(&counts.faults);
    }

    pub(super) fn add_datagrams(&mut self, counts: &ResponderCounts) {
        self.datagrams_in += counts.received;
        self.datagrams_out += counts.sent;
        self.datagrams_unanswered += counts.unanswered;
        self.datagrams_dropped += counts.dropped;
        self.datagrams_refused_address += counts.refused_address;
        self.datagrams_refused_own_port += counts.refused_own_port;
        self.datagrams_refused_low_port += counts.refused_low_port;
        self.datagrams_refused_denied += counts.refused_denied;
        self.datagrams_refused_rate += counts.refused_rate;
        self.faults.add(&counts.faults);
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "connections: {} ({} open), {} in, {} out; datagrams: {} in, {} out",
            self.opened,
            self.opened - self.closed,
            Bytes(self.bytes_in),
            Bytes(self.bytes_out),
            self.datagrams_in,
            self.datagrams_out,
        )?;
        let rare = [
            (self.datagrams_unanswered, "unanswered"),
            (self.datagrams_dropped, "answers dropped"),
            (self.datagrams_refused_address, "from impossible addresses"),
            (self.datagrams_refused_own_port, "from own ports"),
            (self.datagrams_refused_low_port, "from ports below 1024"),
            (self.datagrams_refused_denied, "denied over UDP"),
            (self.datagrams_refused_rate, "over --udp-rate"),
            (self.refused_denied, "denied over TCP"),
            (self.refused_too_many, "over --max-per-ip"),
            (self.refused_rate, "over --accept-rate"),
            (self.closed_memory, "closed at --max-buffered"),
            (self.stale_events, "stale events"),
            (self.accept_pauses, "pauses in accepting"),
            (self.screen_lost, "console lines lost"),
            (self.log_lost, "log lines lost"),
        ];
        rare.iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(n, what)| write!(f, ", {n} {what}"))?;
        if !self.faults.are_told() {
            return Ok(());
        }
        f.write_str("; faults:")?;
        let mut faults = self.faults.all().filter(|(_, count)| *count > 0).peekable();
        if faults.peek().is_none() {
            return f.write_str(" none");
        }
        faults.enumerate().try_for_each(|(at, (kind, count))| {
            let before = if at == 0 { "" } else { "," };
            write!(f, "{before} {count} {}", kind.name())
        })
    }
}

/// A number of bytes as people read it: `29 B`, `4.1 KiB`, `1.0 GiB`.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut scaled = self.0 as f64 / 1024.0;
        let mut units = ["KiB", "MiB", "GiB"].into_iter();
        let mut unit = units.next().unwrap_or_default();
        for larger in units {
            // Anything that would round to 1024.0 belongs to the next unit.
            if scaled < 1023.95 {
                break;
            }
            scaled /= 1024.0;
            unit = larger;
        }
        write!(f, "{scaled:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FaultKind;

    #[test]
    fn bytes_are_rounded_to_a_tenth_of_a_unit() {
        let shown = |count| Bytes(count).to_string();
        assert_eq!(shown(0), "0 B");
        assert_eq!(shown(1023), "1023 B");
        assert_eq!(shown(1024), "1.0 KiB");
        assert_eq!(shown(4200), "4.1 KiB");
        assert_eq!(shown(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(shown(5 << 40), "5120.0 GiB");
    }

    #[test]
    fn what_never_happened_is_not_mentioned() {
        let quiet = Metrics { opened: 3, closed: 1, ..Metrics::default() };
        assert_eq!(
            quiet.to_string(),
            "connections: 3 (2 open), 0 B in, 0 B out; datagrams: 0 in, 0 out"
        );
        let busy = Metrics { datagrams_dropped: 2, ..quiet };
        assert!(busy.to_string().ends_with(", 2 answers dropped"));
        let mut faulty = quiet;
        faulty.faults.expect();
        assert!(faulty.to_string().ends_with(" 0 in, 0 out; faults: none"));
        for kind in [FaultKind::Reset, FaultKind::Delay, FaultKind::Reset] {
            faulty.faults.count(kind);
        }
        assert!(faulty.to_string().ends_with(" 0 out; faults: 1 delay, 2 reset"));
    }
}
