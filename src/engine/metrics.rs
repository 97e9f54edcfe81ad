//! What happened, in numbers: plain counters, added to by field name, printed as one line.

use std::fmt;

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Connections begun: accepted, or called whether they answered or not.
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
    /// Datagrams that were to get no answer.
    pub datagrams_unanswered: u64,
    /// Answers lost because the kernel would not take them.
    pub datagrams_dropped: u64,
    /// Datagrams not looked at: no unicast address or no port, or sent to many.
    pub unheard_address: u64,
    /// Datagrams not looked at: from a port on which we answer ourselves.
    pub unheard_own_port: u64,
    /// Datagrams not looked at: from a port below 1024.
    pub unheard_low_port: u64,
    /// Datagrams not looked at: from a network that is denied.
    pub unheard_denied: u64,
    /// Datagrams without an answer: their network has had its rate.
    pub unheard_rate: u64,
    /// Connections closed at once: from a network that is denied.
    pub turned_denied: u64,
    /// Connections closed at once: their source has enough of them.
    pub turned_crowded: u64,
    /// Connections closed at once: their network makes them too fast.
    pub turned_hasty: u64,
    /// Connections closed because what waited for all of them was too much.
    pub closed_memory: u64,
    /// Events fetched for sockets that were gone by then.
    pub stale_events: u64,
    /// Times that accepting had to wait for room, descriptors or memory.
    pub accept_pauses: u64,
    /// Lines meant for an operator's screen that did not take them.
    pub screen_lost: u64,
    /// Log lines that standard error did not take.
    pub log_lost: u64,
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
            (self.unheard_address, "from impossible addresses"),
            (self.unheard_own_port, "from own ports"),
            (self.unheard_low_port, "from ports below 1024"),
            (self.unheard_denied, "denied over UDP"),
            (self.unheard_rate, "over --udp-rate"),
            (self.turned_denied, "denied over TCP"),
            (self.turned_crowded, "over --max-per-ip"),
            (self.turned_hasty, "over --accept-rate"),
            (self.closed_memory, "closed at --max-buffered"),
            (self.stale_events, "stale events"),
            (self.accept_pauses, "pauses in accepting"),
            (self.screen_lost, "console lines lost"),
            (self.log_lost, "log lines lost"),
        ];
        rare.iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(n, what)| write!(f, ", {n} {what}"))
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

    #[test]
    fn bytes_are_rounded_to_a_tenth_of_a_unit() {
        let shown = |count| Bytes(count).to_string();
        assert_eq!(shown(0), "0 B");
        assert_eq!(shown(1023), "1023 B");
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
    }
}
