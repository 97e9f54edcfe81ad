//! The line that tells how it goes, on a terminal only.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::worker::{News, Run};
use crate::bench::figures::{figure, grouped, micros};
use crate::bench::load::plan::Plan;

/// The line is written again after so much has been measured.
const EVERY: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(100);

/// Tells how `run` goes until it is over; `interrupted` becomes `stop`.
pub(crate) fn follow(run: &Run, plan: &Plan, interrupted: &AtomicBool, stop: &AtomicBool) {
    let is_shown = stderr().is_terminal();
    let mut line = Line::default();
    loop {
        if interrupted.load(Ordering::Relaxed) {
            stop.store(true, Ordering::Relaxed);
        }
        match run.news.recv_timeout(LOOK) {
            Ok(news) => line.add(news),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if is_shown && line.measured(plan.threads) >= line.told + EVERY {
            line.told = line.measured(plan.threads);
            let _ = write!(stderr(), "\r{:<78}", line.text(plan));
        }
    }
    if is_shown {
        let _ = write!(stderr(), "\r{:<78}\r", "");
    }
}

/// What is known so far.
#[derive(Default)]
struct Line {
    operations: u64,
    failures: u64,
    slices: Duration,
    last: Option<News>,
    told: Duration,
}

impl Line {
    fn add(&mut self, news: News) {
        self.operations += news.operations;
        self.failures += news.failures;
        self.slices += news.slice;
        self.last = Some(news);
    }

    fn measured(&self, threads: usize) -> Duration {
        self.slices / u32::try_from(threads).unwrap_or(1)
    }

    #[allow(clippy::cast_precision_loss)] // figures for people
    fn text(&self, plan: &Plan) -> String {
        let measured = self.measured(plan.threads);
        let rate = self.operations as f64 / measured.as_secs_f64().max(1e-9);
        let (p50, p99) = self.last.map_or((0, 0), |news| (news.p50, news.p99));
        format!(
            "{}  {}/s  p50 {} us  p99 {} us  {} errors  {:.0} s left",
            plan.workload.name(),
            figure(rate),
            micros(p50 as f64 / 1000.0),
            micros(p99 as f64 / 1000.0),
            grouped(self.failures),
            plan.duration.saturating_sub(measured).as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::workload::Workload;

    #[derive(clap::Parser)]
    struct Words {
        #[command(flatten)]
        args: crate::bench::BenchArgs,
    }

    #[test]
    fn the_line_tells_rate_latency_errors_and_the_time_left() {
        let Words { args } = clap::Parser::parse_from(["bench"]);
        let plan = args.plan(Workload::TcpRr, false).unwrap();
        let mut line = Line::default();
        let slice = Duration::from_millis(500);
        let news = News { slice, operations: 600, failures: 1, p50: 12_300, p99: 1_234_000 };
        line.add(news);
        line.add(news);
        assert_eq!(
            line.text(&plan),
            "tcp_rr  1,200/s  p50 12.3 us  p99 1,234 us  2 errors  9 s left"
        );
    }
}
