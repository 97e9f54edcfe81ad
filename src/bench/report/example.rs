//! Results for the tests of all forms: one with everything in it and figures as long as they come,
//! and one of a run in which nothing worked.

use std::time::Duration;

use super::{
    DatagramCounts, Noise, Probe, Repeats, Report, SearchReport, ServerUsage, StageReport,
    TimelinePoint,
};
use crate::bench::load::plan::RunPlan;
use crate::bench::load::target::Target;
use crate::bench::load::workload::Workload;
use crate::bench::measure::abort::Abort;
use crate::bench::measure::fault::Fault;
use crate::bench::measure::interference::BusyProcess;
use crate::bench::measure::latency::Latency;
use crate::bench::measure::measurement::{Measurement, ThreadResult};
use crate::bench::measure::recorder::Recorder;
use crate::bench::measure::usage::Usage;
use crate::engine::Time;
use crate::through::ThroughArgs;
use crate::tls::Resume;

/// A figure that takes as much room as any.
pub(super) const LONG: f64 = 123_456_789_012_345.6;

fn measured(workload: Workload, fill: impl FnOnce(&mut Recorder)) -> Report {
    let plan = RunPlan::example(workload);
    let through = (&ThroughArgs::default(), Resume::Auto);
    let target = Target::named(workload, "127.0.0.1:9", &[], through, None).unwrap();
    let mut recorder = Recorder::new(plan.duration, false, workload.phases());
    recorder.begin(Time::at(Duration::ZERO), Time::at(plan.duration));
    fill(&mut recorder);
    let abort = Abort::Failed(Fault::Refused.words().into());
    let result = ThreadResult {
        abort: (recorder.operations == 0).then_some(abort),
        recorder,
        measured: plan.duration,
        elapsed: plan.duration,
        usage: Usage::default(),
        server: None,
        measured_from: None,
        stood_still: Duration::ZERO,
        resident: None,
    };
    Report::of(&plan, &target, &Measurement::of_first(result, None))
}

/// A run of `workload` with these latencies, in milliseconds.
pub(super) fn timed(workload: Workload, latencies: &[u64]) -> Report {
    use crate::bench::measure::recorder::Sample;
    measured(workload, |recorder| {
        for latency in latencies {
            let begun = Time::at(Duration::from_millis(100));
            let done = Time::at(Duration::from_millis(100 + latency));
            recorder.record(&Sample { intended: begun, sent: begun, done, bytes: 64 });
        }
    })
}

/// A run in which nothing worked.
pub(super) fn nothing() -> Report {
    measured(Workload::TcpRr, |recorder| {
        recorder.fault(Fault::Refused, 1234, Time::at(Duration::from_millis(1)));
    })
}

/// A result with everything that can be in one, all of it as long as it comes.
pub(super) fn extreme() -> Report {
    let long = "a name that goes on and on | with `ticks` <and> \u{1b}[2J and\nlines ".repeat(5);
    let mut report = timed(Workload::TcpCrr, &[1]);
    report.model = "open".into();
    report.target = format!("echo://{}/ {long}", "x".repeat(200));
    report.own_server = true;
    report.connections = usize::MAX;
    (report.size, report.depth, report.threads) = (usize::MAX, usize::MAX, usize::MAX);
    (report.duration_s, report.warmup_s, report.elapsed_s) = (LONG, LONG, Some(LONG));
    (report.operations, report.rate_per_s, report.bytes_per_s) = (u64::MAX, LONG, 1e18);
    report.errors = Fault::ALL.iter().map(|fault| (fault.name().into(), u64::MAX)).collect();
    report.errors.insert("total".into(), u64::MAX);
    (report.asked_rate_per_s, report.client_cpu) = (Some(LONG), LONG);
    report.asked_operations = Some(usize::MAX);
    let (number, of) = (usize::MAX, usize::MAX);
    report.stage = Some(StageReport { number, of, begins_s: LONG });
    report.longest_silence_us = LONG;
    lengthen_latencies(&mut report, &long);
    lengthen_parts(&mut report);
    report.partial = Some(long.clone());
    report.warnings = vec![long.clone(), long];
    report
}

fn lengthen_latencies(report: &mut Report, name: &str) {
    let latency = Latency {
        min: LONG,
        mean: LONG,
        p50: LONG,
        p90: LONG,
        p99: LONG,
        p99_9: LONG,
        p99_99: LONG,
        max: LONG,
        samples: Some(u64::MAX),
    };
    report.latency_us = Some(latency);
    report.slip_us = Some(latency);
    report.uncorrected_us = Some(Latency { mean: 1.0, ..latency });
    let names = ["connect", "first_byte", "whole", "first_receiver", name];
    let part = |(index, name): (u32, &str)| {
        (name.to_owned(), Latency { p50: f64::from(index), ..latency })
    };
    report.phases_us = (0..).zip(names).map(part).collect();
}

fn lengthen_parts(report: &mut Report) {
    report.datagrams = Some(DatagramCounts {
        sent: u64::MAX,
        lost: u64::MAX,
        loss: LONG,
        duplicate: u64::MAX,
        reordered: u64::MAX,
        late: u64::MAX,
    });
    report.repeats = Some(Repeats {
        rate_per_s: vec![LONG; 40],
        p99_us: vec![LONG; 40],
        errors: vec![u64::MAX; 40],
        rate_half_width: Some(LONG),
        converged: false,
        outliers: vec![40],
        ..Repeats::default()
    });
    let (asked_rate_per_s, rate_per_s, bounded_us) = (LONG, LONG, Some(LONG));
    let probe = Probe { asked_rate_per_s, rate_per_s, bounded_us, held: false };
    report.search = Some(SearchReport {
        bound: "p99=1ms".into(),
        highest_rate_per_s: Some(LONG),
        lowest_broken_per_s: Some(LONG),
        reason: Some("so long ".repeat(20)),
        probes: vec![probe; 20],
    });
    report.server = Some(ServerUsage {
        cpu: LONG,
        cpu_us_per_operation: LONG,
        starved: LONG,
        resident_before_bytes: Some(u64::MAX),
        resident_bytes: Some(u64::MAX),
    });
    report.provenance.congestion = Some("cubic".into());
    report.provenance.label = Some("a label | of `mine`".into());
    report.noise =
        Noise { from: "repeats".into(), rate: Some(1.0), p50: Some(1.0), p99: Some(1.0) };
    (report.measured_from_s, report.merged) = (Some(LONG), 1);
    report.interference.clock_sources = vec!["tsc".into(), "hpet".into()];
    report.interference.busy_processes =
        vec![BusyProcess { pid: u32::MAX, name: "cc1".into(), cpu: 1.0 }];
    let (p50_us, p99_us) = (Some(LONG), Some(LONG));
    report.timeline = vec![
        TimelinePoint { at_s: 0.0, rate_per_s: LONG, p50_us, p99_us, errors: u64::MAX },
        TimelinePoint { at_s: 0.5, rate_per_s: 0.0, p50_us: None, p99_us: None, errors: 0 },
    ];
}
