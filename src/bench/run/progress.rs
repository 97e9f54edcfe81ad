//! The progress line, on a terminal only.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::worker::Workers;
use crate::bench::figures::{figure, grouped};
use crate::bench::load::plan::RunPlan;
use crate::bench::measure::recorder::SliceSummary;

/// The line is written again each time so much more has been measured.
const EVERY: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(100);

/// Shows the progress of `workers` until they are done; passes `interrupted` on to `stop`.
pub(crate) fn follow(
    workers: &Workers,
    plan: &RunPlan,
    interrupted: &AtomicBool,
    stop: &AtomicBool,
) {
    let is_shown = stderr().is_terminal();
    let mut line = ProgressLine::default();
    loop {
        if interrupted.load(Ordering::Relaxed) {
            stop.store(true, Ordering::Relaxed);
        }
        match workers.slices.recv_timeout(LOOK) {
            Ok(slice) => line.add(slice),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if is_shown && line.measured(plan.threads) >= line.written + EVERY {
            line.written = line.measured(plan.threads);
            let _ = write!(stderr(), "\r{:<78}", line.text(plan));
        }
    }
    if is_shown {
        let _ = write!(stderr(), "\r{:<78}\r", "");
    }
}

/// What is known so far.
#[derive(Default)]
struct ProgressLine {
    operations: u64,
    failures: u64,
    /// How long all slices were.
    slices: Duration,
    last: Option<SliceSummary>,
    /// How much had been measured when the line was written last.
    written: Duration,
}

impl ProgressLine {
    fn add(&mut self, slice: SliceSummary) {
        self.operations += slice.operations;
        self.failures += slice.failures;
        self.slices += slice.length;
        self.last = Some(slice);
    }

    fn measured(&self, threads: usize) -> Duration {
        self.slices / u32::try_from(threads).unwrap_or(1)
    }

    #[allow(clippy::cast_precision_loss)] // figures for people
    fn text(&self, plan: &RunPlan) -> String {
        let measured = self.measured(plan.threads);
        let rate = self.operations as f64 / measured.as_secs_f64().max(1e-9);
        let (p50, p99) = self.last.map_or((0, 0), |slice| (slice.p50, slice.p99));
        format!(
            "{}  {}/s  p50 {} us  p99 {} us  {} errors  {:.0} s left",
            plan.workload.name(),
            figure(rate),
            figure(p50 as f64 / 1000.0),
            figure(p99 as f64 / 1000.0),
            grouped(self.failures),
            plan.duration.saturating_sub(measured).as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::workload::Workload;

    #[test]
    fn the_line_tells_rate_latency_errors_and_the_time_left() {
        let args = crate::bench::args::tests::parsed(&[]).unwrap();
        let plan = args.plan(Workload::TcpRr, false).unwrap();
        let mut line = ProgressLine::default();
        let length = Duration::from_millis(500);
        let (p50, p99) = (12_300, 1_234_000);
        let slice = SliceSummary { length, operations: 600, failures: 1, p50, p99 };
        line.add(slice);
        line.add(slice);
        assert_eq!(
            line.text(&plan),
            "tcp_rr  1,200/s  p50 12.3 us  p99 1,234 us  2 errors  9 s left"
        );
    }
}
