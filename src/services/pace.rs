//! How fast one peer may speak: a token bucket, kept as the one moment up to which its lines are
//! paid for (the generic cell rate algorithm, ITU-T I.371). Whether a line above the rate is
//! dropped or waits is the service's business.

use std::time::Duration;

use crate::engine::Time;

/// Slower than this is meant for never, and taken for this: a line in a quarter of an hour.
const PER_SECOND_MIN: f64 = 0.001;
/// Larger bursts are taken for this.
const BURST_MAX: f64 = 1e6;

/// How many lines a peer may send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Lines a second in the long run.
    pub per_second: f64,
    /// Lines at once after a silence.
    pub burst: f64,
}

impl Default for Rate {
    fn default() -> Self {
        Rate { per_second: 10.0, burst: 30.0 }
    }
}

/// A `Rate` as durations.
pub(super) struct Pace {
    /// What one line costs.
    cost: Duration,
    /// How far ahead of time a peer may have spoken.
    credit: Duration,
}

/// What is to be done with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// Drop it and tell the peer: it is the first one too many.
    Warn,
    Drop,
}

/// One peer's bucket.
#[derive(Clone, Copy, Default)]
pub(super) struct Meter {
    paid_until: Time,
    warned: bool,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Pace {
        let cost = Duration::from_secs_f64(1.0 / rate.per_second.max(PER_SECOND_MIN));
        let lines = rate.burst.max(1.0);
        Pace { cost, credit: cost.mul_f64(lines.min(BURST_MAX)) }
    }

    /// Judges the next line of a peer, and takes note of it.
    pub(super) fn judge(&self, meter: &mut Meter, now: Time) -> Verdict {
        if self.wait(*meter, now) > Duration::ZERO {
            let known = std::mem::replace(&mut meter.warned, true);
            return if known { Verdict::Drop } else { Verdict::Warn };
        }
        self.charge(meter, now);
        Verdict::Pass
    }

    /// How long it takes until the next line is within the rate.
    pub(super) fn wait(&self, meter: Meter, now: Time) -> Duration {
        let paid_until = meter.paid_until.max(now).after(self.cost);
        paid_until.since(now).saturating_sub(self.credit)
    }

    /// Takes note of a line.
    pub(super) fn charge(&self, meter: &mut Meter, now: Time) {
        let paid_until = meter.paid_until.max(now).after(self.cost);
        *meter = Meter { paid_until, warned: false };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pace: &Pace, meter: &mut Meter, now: Time, lines: usize) -> usize {
        (0..lines).filter(|_| pace.judge(meter, now) == Verdict::Pass).count()
    }

    #[test]
    fn a_burst_passes_and_then_as_much_as_time_has_earned() {
        let (pace, mut meter) = (Pace::new(Rate::default()), Meter::default());
        let at = |millis| Time::at(Duration::from_millis(millis));
        assert_eq!(passed(&pace, &mut meter, at(0), 100), 30);
        assert_eq!(passed(&pace, &mut meter, at(99), 100), 0);
        assert_eq!(passed(&pace, &mut meter, at(500), 100), 5);
        assert_eq!(passed(&pace, &mut meter, at(60_000), 100), 30);
    }

    #[test]
    fn one_line_too_many_warns_once_until_one_passes_again() {
        let rate = Rate { per_second: 1.0, burst: 1.0 };
        let (pace, mut meter) = (Pace::new(rate), Meter::default());
        let mut judge = |second| pace.judge(&mut meter, Time::at(Duration::from_secs(second)));
        assert_eq!(judge(0), Verdict::Pass);
        assert_eq!(judge(0), Verdict::Warn);
        assert_eq!(judge(0), Verdict::Drop);
        assert_eq!(judge(1), Verdict::Pass);
        assert_eq!(judge(1), Verdict::Warn);
    }

    #[test]
    fn who_waits_as_long_as_it_is_told_may_speak_then() {
        let rate = Rate { per_second: 3.0, burst: 2.0 };
        let (pace, mut meter, mut now) = (Pace::new(rate), Meter::default(), Time::ZERO);
        for line in 0..10 {
            let wait = pace.wait(meter, now);
            assert_eq!(wait > Duration::ZERO, line >= 2, "{line}");
            now = now.after(wait);
            assert_eq!(pace.wait(meter, now), Duration::ZERO);
            pace.charge(&mut meter, now);
        }
        assert_eq!(now.since(Time::ZERO).as_millis(), 8_000 / 3);
    }

    #[test]
    fn senseless_rates_are_taken_for_sensible_ones() {
        for number in [0.0, -1.0, 1e-300, 1e300, f64::INFINITY, f64::NAN] {
            let pace = Pace::new(Rate { per_second: number, burst: number });
            assert_eq!(pace.judge(&mut Meter::default(), Time::ZERO), Verdict::Pass, "{number}");
        }
    }
}
