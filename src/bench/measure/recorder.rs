//! What is measured, while it is measured. Histograms and counters; nothing is allocated for an
//! operation, only for each slice of the timeline.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::fault::{Fault, Faults};
use crate::engine::Time;

/// The highest latency of a histogram, in nanoseconds; longer ones count as this.
const LONGEST: u64 = 600_000_000_000;
/// About how many slices the timeline has.
const SLICES: u32 = 100;
/// A slice is no shorter than this.
const SLICE_MIN: Duration = Duration::from_millis(50);

/// A histogram of nanoseconds with `digits` significant digits.
pub(crate) fn histogram<T: hdrhistogram::Counter>(digits: u8) -> Histogram<T> {
    // These bounds are valid, see `new_with_bounds`.
    #[allow(clippy::unwrap_used)]
    Histogram::new_with_bounds(1, LONGEST, digits).unwrap()
}

/// Adds a histogram of the same bounds.
pub(crate) fn add<T: hdrhistogram::Counter>(to: &mut Histogram<T>, from: &Histogram<T>) {
    // Bounds are those of `histogram` everywhere, so nothing is lost.
    let added = to.add(from);
    debug_assert!(added.is_ok());
}

/// Nanoseconds, as a histogram takes them.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// One operation that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// When it was meant to begin; in a closed loop, when it began.
    pub(crate) intended: Time,
    /// When it began.
    pub(crate) sent: Time,
    /// When it was over.
    pub(crate) done: Time,
    /// Bytes of payload that came back.
    pub(crate) bytes: usize,
}

/// What happened in one slice of the timeline.
pub(crate) struct Slice {
    /// Operations that ended in it.
    pub(crate) operations: u64,
    /// Failures in it.
    pub(crate) failures: u64,
    /// Their latencies, in nanoseconds.
    pub(crate) latency: Histogram<u32>,
}

impl Slice {
    fn new() -> Slice {
        Slice { operations: 0, failures: 0, latency: histogram(2) }
    }

    fn merge(&mut self, other: &Slice) {
        self.operations += other.operations;
        self.failures += other.failures;
        add(&mut self.latency, &other.latency);
    }
}

/// Everything that one thread measures.
pub(crate) struct Recorder {
    from: Time,
    to: Time,
    /// How long a slice of the timeline is.
    pub(crate) slice: Duration,
    /// From the intended beginning to the end, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// From the real beginning to the end; only an open loop has it.
    pub(crate) uncorrected: Option<Histogram<u64>>,
    /// How late the generator itself was; only an open loop has it.
    pub(crate) slip: Histogram<u64>,
    /// Parts of an operation, by name.
    pub(crate) phases: Vec<(&'static str, Histogram<u64>)>,
    /// The slices that are over.
    pub(crate) slices: Vec<Slice>,
    current: Slice,
    /// When that is over.
    current_ends: Time,
    /// Operations that were meant to begin within the window and are over.
    pub(crate) operations: u64,
    /// Bytes of payload that they brought back.
    pub(crate) bytes: u64,
    /// What went wrong, in the warm-up too.
    pub(crate) faults: Faults,
    /// Datagrams or requests that were sent within the window.
    pub(crate) sent: u64,
    /// Of those datagrams, how many were lost.
    pub(crate) lost: u64,
    last_done: Time,
    last_failed: Time,
    /// In nanoseconds.
    silence: u64,
}

impl Recorder {
    /// One for a window of that length. `corrected`: in an open loop, latencies count from the
    /// intended time, and the uncorrected ones are kept beside them.
    pub(crate) fn new(window: Duration, corrected: bool, phases: &[&'static str]) -> Recorder {
        Recorder {
            from: Time::NEVER,
            to: Time::NEVER,
            slice: (window / SLICES).max(SLICE_MIN),
            latency: histogram(3),
            uncorrected: corrected.then(|| histogram(3)),
            slip: histogram(3),
            phases: phases.iter().map(|name| (*name, histogram(3))).collect(),
            slices: Vec::with_capacity(2 * SLICES as usize),
            current: Slice::new(),
            current_ends: Time::NEVER,
            operations: 0,
            bytes: 0,
            faults: Faults::default(),
            sent: 0,
            lost: 0,
            last_done: Time::NEVER,
            last_failed: Time::ZERO,
            silence: 0,
        }
    }

    /// One for a window that ends nobody knows when: its slices grow with it.
    pub(crate) fn of_any_length(corrected: bool, phases: &[&'static str]) -> Recorder {
        Recorder::new(Duration::ZERO, corrected, phases)
    }

    /// One that records nothing, for after the end.
    pub(crate) fn unused() -> Recorder {
        Recorder::new(Duration::ZERO, false, &[])
    }

    /// The window is known: what is meant to begin from `from` on and before `to` counts.
    pub(crate) fn begin(&mut self, from: Time, to: Time) {
        (self.from, self.to, self.last_done) = (from, to, from);
        self.current_ends = from.after(self.slice);
    }

    /// Whether what is meant to begin at `time` counts.
    pub(crate) fn counts(&self, time: Time) -> bool {
        self.from <= time && time < self.to
    }

    /// Something is sent that was due at `time`.
    pub(crate) fn note_sent(&mut self, time: Time) {
        self.sent += u64::from(self.counts(time));
    }

    /// An operation is over.
    pub(crate) fn record(&mut self, sample: &Sample) {
        self.note_done(sample.done);
        if !self.counts(sample.intended) {
            return;
        }
        self.operations += 1;
        self.bytes += sample.bytes as u64;
        let latency = sample.done.nanos_since(sample.intended);
        self.latency.saturating_record(latency);
        if let Some(uncorrected) = &mut self.uncorrected {
            uncorrected.saturating_record(sample.done.nanos_since(sample.sent));
        }
        if sample.done < self.to {
            self.roll(sample.done);
            self.current.operations += 1;
            self.current.latency.saturating_record(latency);
        }
    }

    /// A part of an operation took so long.
    pub(crate) fn record_phase(&mut self, phase: usize, began: Time, ended: Time) {
        if self.counts(began) {
            self.phases[phase].1.saturating_record(ended.nanos_since(began));
        }
    }

    /// Something went wrong at `now`, `count` times.
    pub(crate) fn fault(&mut self, fault: Fault, count: u64, now: Time) {
        self.faults.add(fault, count);
        if fault.is_failure() && self.counts(now) {
            self.last_failed = now;
            self.roll(now);
            self.current.failures += count;
        }
    }

    /// Nothing more will come after `now`.
    pub(crate) fn finish(&mut self, now: Time) {
        let end = now.min(self.to);
        if self.from < end {
            self.note_done(end);
            self.roll(end);
        }
        // What failed later has made more of them.
        self.slices.truncate(self.whole_slices(end));
    }

    /// When the latest operation ended, or failed.
    pub(crate) fn last_resolved(&self) -> Time {
        self.last_done.max(self.last_failed)
    }

    /// The longest time within the window in which no operation ended.
    pub(crate) fn silence(&self) -> Duration {
        Duration::from_nanos(self.silence)
    }

    /// Adds what another thread has recorded of the same window, or what another run has of its
    /// own.
    pub(crate) fn merge(&mut self, other: &Recorder) {
        add(&mut self.latency, &other.latency);
        add(&mut self.slip, &other.slip);
        if let (Some(mine), Some(theirs)) = (&mut self.uncorrected, &other.uncorrected) {
            add(mine, theirs);
        }
        for ((_, mine), (_, theirs)) in self.phases.iter_mut().zip(&other.phases) {
            add(mine, theirs);
        }
        while self.slice < other.slice {
            self.coarsen();
        }
        let shorter = usize::try_from(self.slice.as_nanos() / other.slice.as_nanos()).unwrap_or(1);
        for (index, theirs) in other.slices.iter().enumerate() {
            if self.slices.len() == index / shorter {
                self.slices.push(Slice::new());
            }
            self.slices[index / shorter].merge(theirs);
        }
        self.operations += other.operations;
        self.bytes += other.bytes;
        self.sent += other.sent;
        self.lost += other.lost;
        self.faults.merge(&other.faults);
    }

    /// Something ended, of this stage or of an earlier one.
    pub(crate) fn note_done(&mut self, done: Time) {
        if self.from < done && self.last_done < self.to {
            let done = done.min(self.to);
            self.silence = self.silence.max(done.nanos_since(self.last_done));
            self.last_done = done;
        }
    }

    /// Closes the slices that are over at `now`.
    fn roll(&mut self, now: Time) {
        while self.current_ends <= now {
            self.slices.push(std::mem::replace(&mut self.current, Slice::new()));
            if self.slices.len() == 2 * SLICES as usize {
                self.coarsen();
            }
            let begun = u32::try_from(self.slices.len() + 1).unwrap_or(u32::MAX);
            self.current_ends = self.from.after(self.slice.saturating_mul(begun));
        }
    }

    /// How many slices are over at `now`.
    fn whole_slices(&self, now: Time) -> usize {
        let count = now.since(self.from).as_nanos() / self.slice.as_nanos();
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Makes one slice of two.
    fn coarsen(&mut self) {
        self.slice *= 2;
        let halves = std::mem::take(&mut self.slices);
        let mut halves = halves.into_iter();
        while let Some(mut slice) = halves.next() {
            halves.next().iter().for_each(|second| slice.merge(second));
            self.slices.push(slice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_a_window_without_an_end_grow_with_it_and_lose_nothing() {
        let mut long = Recorder::of_any_length(false, &[]);
        let mut short = Recorder::of_any_length(false, &[]);
        for (recorder, seconds) in [(&mut long, 25), (&mut short, 3)] {
            recorder.begin(at(0), Time::NEVER);
            for millis in 0..1000 * seconds {
                let time = at(millis);
                recorder.record(&Sample { intended: time, sent: time, done: time, bytes: 1 });
            }
            recorder.fault(Fault::Lost, 1, at(1000 * seconds + 1000));
            recorder.finish(at(1000 * seconds));
        }
        let told = |recorder: &Recorder| {
            let counts = recorder.slices.iter().map(|slice| slice.operations);
            (recorder.slice.as_millis(), recorder.slices.len(), counts.sum::<u64>())
        };
        assert_eq!((told(&long), told(&short)), ((200, 125, 25_000), (50, 60, 3000)));
        short.merge(&long);
        assert_eq!(told(&short), (200, 125, 28_000));
        assert_eq!((short.slices[0].operations, short.slices[124].operations), (400, 200));
        let mut other = Recorder::of_any_length(false, &[]);
        other.begin(at(0), Time::NEVER);
        long.merge(&other);
        assert_eq!(told(&long), (200, 125, 25_000));
    }

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn sample(intended: u64, sent: u64, done: u64) -> Sample {
        Sample { intended: at(intended), sent: at(sent), done: at(done), bytes: 10 }
    }

    fn recorder(window: u64) -> Recorder {
        let mut recorder = Recorder::new(Duration::from_millis(window), true, &["connect"]);
        recorder.begin(at(1000), at(1000 + window));
        recorder
    }

    #[test]
    fn only_what_was_meant_to_begin_within_the_window_counts() {
        let mut recorder = recorder(1000);
        for intended in [999, 1000, 1999, 2000] {
            recorder.record(&sample(intended, intended, intended + 7));
        }
        assert_eq!((recorder.operations, recorder.bytes), (2, 20));
        recorder.record_phase(0, at(999), at(1000));
        recorder.record_phase(0, at(1000), at(1001));
        assert_eq!(recorder.phases[0].1.len(), 1);
    }

    #[test]
    fn latency_counts_from_the_intended_time_and_the_uncorrected_one_stands_beside_it() {
        let mut recorder = recorder(1000);
        recorder.record(&sample(1100, 1600, 1610));
        assert!(recorder.latency.max().abs_diff(510_000_000) < 1_000_000);
        assert!(recorder.uncorrected.unwrap().max().abs_diff(10_000_000) < 100_000);
    }

    #[test]
    fn the_timeline_has_empty_slices_where_nothing_happened() {
        let mut recorder = recorder(1000);
        recorder.record(&sample(1000, 1000, 1010));
        recorder.record(&sample(1010, 1010, 1620));
        recorder.fault(Fault::Reset, 2, at(1630));
        recorder.finish(at(2500));
        let counts: Vec<u64> = recorder.slices.iter().map(|slice| slice.operations).collect();
        assert_eq!(counts.len(), 20);
        assert_eq!((counts[0], counts[12], counts.iter().sum::<u64>()), (1, 1, 2));
        assert_eq!(recorder.slices[12].failures, 2);
        assert_eq!(recorder.silence(), Duration::from_millis(610));
    }

    #[test]
    fn a_window_in_which_nothing_ended_before_it_was_over_has_no_timeline() {
        let mut recorder = Recorder::of_any_length(false, &[]);
        recorder.begin(at(1000), Time::NEVER);
        recorder.fault(Fault::Lost, 4, at(1600));
        recorder.finish(at(1000));
        assert!(recorder.slices.is_empty());
    }

    #[test]
    fn a_silence_up_to_the_end_is_one_too() {
        let mut recorder = recorder(1000);
        recorder.record(&sample(1000, 1000, 1010));
        recorder.finish(at(2000));
        assert_eq!(recorder.silence(), Duration::from_millis(990));
    }

    #[test]
    fn recording_allocates_nothing() {
        let mut recorder = recorder(1000);
        let info = allocation_counter::measure(|| {
            for n in 0..10_000 {
                recorder.record(&sample(1000, 1001, 1002 + n % 40));
                recorder.record_phase(0, at(1000), at(1001));
                recorder.fault(Fault::Late, 1, at(1040));
            }
        });
        assert_eq!(info.count_total, 0);
    }
}
