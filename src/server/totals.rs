//! What happened over all services at some moment, and the difference between two moments: for
//! `--stat`, and for the plots of `--admin`.

use std::time::Duration;

use crate::engine::{Survey, Time};
use crate::units::shortened;

/// All that happened until some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) open: u64,
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) datagrams_in: u64,
    pub(super) datagrams_out: u64,
    pub(super) refused: u64,
}

impl Totals {
    /// Until now, over all services that do not stand apart; bytes with those of datagrams.
    pub(super) fn of(survey: Survey<'_>) -> Totals {
        let mut totals = Totals::default();
        for (_, _, counts) in survey.shared_streams() {
            totals.open += counts.open() as u64;
            totals.opened += counts.opened;
            totals.closed += counts.closed.iter().sum::<u64>();
            totals.bytes_in += counts.bytes_in;
            totals.bytes_out += counts.bytes_out;
            totals.refused += sum(counts.refusals());
        }
        for (_, counts) in survey.datagrams() {
            totals.bytes_in += counts.bytes_in;
            totals.bytes_out += counts.bytes_out;
            totals.datagrams_in += counts.received;
            totals.datagrams_out += counts.sent;
            totals.refused += sum(counts.refusals());
        }
        totals
    }

    /// What happened since `earlier`; how many are open is no such thing and stays.
    pub(super) fn since(&self, earlier: &Totals) -> Totals {
        Totals {
            open: self.open,
            opened: self.opened - earlier.opened,
            closed: self.closed - earlier.closed,
            bytes_in: self.bytes_in - earlier.bytes_in,
            bytes_out: self.bytes_out - earlier.bytes_out,
            datagrams_in: self.datagrams_in - earlier.datagrams_in,
            datagrams_out: self.datagrams_out - earlier.datagrams_out,
            refused: self.refused - earlier.refused,
        }
    }
}

fn sum<const N: usize>(refusals: [(&str, u64); N]) -> u64 {
    refusals.iter().map(|(_, count)| count).sum()
}

/// `--stat`: a line for each so much time.
pub(super) struct Stat {
    every: Duration,
    next: Time,
    since: Time,
    last: Totals,
}

impl Stat {
    pub(super) fn new(every: Duration) -> Stat {
        Stat { every, next: Time::at(every), since: Time::ZERO, last: Totals::default() }
    }

    /// The same from `now` on.
    #[cfg(feature = "config")]
    pub(super) fn since(every: Duration, now: Time, survey: Survey<'_>) -> Stat {
        Stat { every, next: now.after(every), since: now, last: Totals::of(survey) }
    }

    /// When the next line is due.
    pub(super) fn next(&self) -> Time {
        self.next
    }

    /// The line that is due at `now`, if one is. Those that were missed are not made up for.
    pub(super) fn line(&mut self, now: Time, survey: Survey<'_>) -> Option<String> {
        if now < self.next {
            return None;
        }
        let totals = Totals::of(survey);
        let line = line(&totals.since(&self.last), now.since(self.since));
        (self.last, self.since) = (totals, now);
        while self.next <= now {
            self.next = self.next.after(self.every);
        }
        Some(line)
    }
}

/// What happened within that time, in columns.
#[allow(clippy::cast_precision_loss)] // rounded anyway
fn line(during: &Totals, time: Duration) -> String {
    let rate = |count: u64| shortened(count as f64 / time.as_secs_f64());
    format!(
        "stat  open {:>6}  opened {:>5}/s  closed {:>5}/s  in {:>5}B/s  out {:>5}B/s  \
         datagrams in {:>5}/s  out {:>5}/s  refused {:>5}/s",
        during.open,
        rate(during.opened),
        rate(during.closed),
        rate(during.bytes_in),
        rate(during.bytes_out),
        rate(during.datagrams_in),
        rate(during.datagrams_out),
        rate(during.refused),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::stage::tests::Mirror;

    #[test]
    fn a_line_tells_what_happened_since_the_one_before() {
        let mut stage = Stage::new(Mirror);
        let mut stat = Stat::new(Duration::from_secs(2));
        let mut line = |stage: &mut Stage| {
            let now = stage.engine().now();
            stat.line(now, stage.engine().survey())
        };
        let peer = stage.join();
        stage.say(peer, vec![b'x'; 5000]);
        stage.pass(Duration::from_secs(1));
        assert_eq!(line(&mut stage), None);
        stage.pass(Duration::from_secs(1));
        let wanted = "stat  open      1  opened   0.5/s  closed     0/s  in  2.5kB/s  \
                      out  2.5kB/s  datagrams in     0/s  out     0/s  refused     0/s";
        assert_eq!(line(&mut stage).as_deref(), Some(wanted));
        assert_eq!(line(&mut stage), None);
        // Nobody makes up for what was missed.
        stage.pass(Duration::from_secs(9));
        let quiet = "stat  open      1  opened     0/s  closed     0/s  in     0B/s  \
                     out     0B/s  datagrams in     0/s  out     0/s  refused     0/s";
        assert_eq!((line(&mut stage).as_deref(), line(&mut stage)), (Some(quiet), None));
        assert_eq!(stat.next(), Time::at(Duration::from_secs(12)));
    }
}
