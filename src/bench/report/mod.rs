//! A result as it is kept: every field is a key of the JSON, described in
//! `schema/bench.schema.json`.
#![allow(missing_docs)] // the schema has a line on each field

pub(crate) mod compare;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod output;
pub mod plot;
mod plots;
mod repeats;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use crate::bench::load::budget::Budget;
use crate::bench::load::placement::{Pinning, allowed};
use crate::bench::load::plan::{Closing, RunPlan};
use crate::bench::load::target::Target;
use crate::bench::measure::abort::Abort;
use crate::bench::measure::fault::Fault;
use crate::bench::measure::interference::Interference;
use crate::bench::measure::latency::{Latency, micros};
use crate::bench::measure::measurement::Measurement;
use crate::bench::measure::provenance::Provenance;
use crate::bench::measure::recorder::{Recorder, Slice, nanos};
use crate::bench::measure::statistics::bootstrap::{Random, relative_half_width};
use crate::bench::measure::usage::Usage;

/// From this share of a core on, the generator has no room left.
const SATURATED: f64 = 0.95;
/// A schedule that slips by more than this share of the p99 distorts it.
const SLIP_SHARE: f64 = 0.2;
/// The same slices are to say the same about themselves, whoever asks.
const DRAWS_SEED: u64 = 1;

/// One result. Latencies are in microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) workload: String,
    pub(crate) model: String,
    pub(crate) target: String,
    pub(crate) connections: usize,
    pub(crate) size: usize,
    pub(crate) depth: usize,
    pub(crate) duration_s: f64,
    pub(crate) operations: u64,
    pub(crate) rate_per_s: f64,
    pub(crate) bytes_per_s: f64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) latency_us: Latency,
    pub(crate) client_cpu: f64,
    pub(crate) cooee: String,
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
    #[serde(default)]
    pub(crate) interference: Interference,
    pub(crate) own_server: bool,
    pub(crate) threads: usize,
    pub(crate) warmup_s: f64,
    pub(crate) timeout_s: f64,
    pub(crate) closing: String,
    pub(crate) sources: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked_rate_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uncorrected_us: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slip_us: Option<Latency>,
    pub(crate) phases_us: BTreeMap<String, Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) datagrams: Option<DatagramCounts>,
    pub(crate) client: ClientUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<ServerUsage>,
    pub(crate) longest_silence_us: f64,
    pub(crate) slice_s: f64,
    pub(crate) timeline: Vec<TimelinePoint>,
    pub(crate) noise: Noise,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repeats: Option<Repeats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search: Option<SearchReport>,
    /// Why the run ended before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) partial: Option<String>,
    pub(crate) warnings: Vec<String>,
    /// HdrHistogram V2, deflated, base64: nanoseconds.
    pub(crate) hdr_v2: String,
}

/// What became of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DatagramCounts {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) loss: f64,
    pub(crate) duplicate: u64,
    pub(crate) reordered: u64,
    pub(crate) late: u64,
}

/// What the generator itself used, in the window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClientUsage {
    pub(crate) cpu_s: f64,
    pub(crate) cpu_us_per_operation: f64,
    /// Of the busiest thread: the share of the window that it was at work, and that it waited for
    /// a CPU.
    pub(crate) busiest: f64,
    pub(crate) starved: f64,
    pub(crate) was_bottleneck: bool,
}

/// What the server used, if its process is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerUsage {
    pub(crate) cpu: f64,
    pub(crate) cpu_us_per_operation: f64,
    /// The share of the window that it waited for a CPU.
    #[serde(default)]
    pub(crate) starved: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resident_before_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resident_bytes: Option<u64>,
}

/// A slice of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimelinePoint {
    pub(crate) at_s: f64,
    pub(crate) rate_per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) errors: u64,
}

/// How well figures are known, as shares of them (95 %); `None`: not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Noise {
    /// `repeats` or `slices`.
    pub(crate) from: String,
    pub(crate) rate: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

/// Several runs of the same plan: each figure that is compared, one value a run. Results of older
/// versions have only rates and p99.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repeats {
    pub(crate) rate_per_s: Vec<f64>,
    #[serde(default)]
    pub(crate) mean_us: Vec<f64>,
    #[serde(default)]
    pub(crate) p50_us: Vec<f64>,
    #[serde(default)]
    pub(crate) p90_us: Vec<f64>,
    pub(crate) p99_us: Vec<f64>,
    #[serde(default)]
    pub(crate) p99_9_us: Vec<f64>,
    #[serde(default)]
    pub(crate) max_us: Vec<f64>,
    #[serde(default)]
    pub(crate) errors: Vec<u64>,
    pub(crate) rate_half_width: Option<f64>,
    pub(crate) converged: bool,
}

/// The way to the highest rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SearchReport {
    pub(crate) bound: String,
    pub(crate) highest_rate_per_s: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lowest_broken_per_s: Option<f64>,
    /// Why there is no highest rate, or why it is not sure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) probes: Vec<Probe>,
}

/// One step on that way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) asked_rate_per_s: f64,
    pub(crate) rate_per_s: f64,
    pub(crate) bounded_us: f64,
    pub(crate) held: bool,
}

impl Report {
    /// What `measurement` says about `plan`.
    #[allow(clippy::cast_precision_loss)] // figures for people
    pub(crate) fn of(plan: &RunPlan, target: &Target, measurement: &Measurement) -> Report {
        let recorder = &measurement.recorder;
        let seconds = measurement.measured.as_secs_f64();
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let timeline = timeline(recorder);
        let latency = Latency::of(&recorder.latency);
        let mut report = Report {
            workload: plan.workload.name().into(),
            model: plan.model().into(),
            target: target.url(),
            connections: plan.connections,
            size: plan.size,
            depth: plan.depth,
            duration_s: seconds,
            operations: recorder.operations,
            rate_per_s: per_second(recorder.operations),
            bytes_per_s: per_second(recorder.bytes),
            errors: errors(recorder),
            latency_us: latency,
            client_cpu: 0.0,
            cooee: env!("CARGO_PKG_VERSION").into(),
            provenance: Provenance::of_this_machine(
                measurement.began,
                allowed().len(),
                plan.pinning.to_string(),
            ),
            interference: measurement.interference.clone(),
            own_server: target.is_own(),
            threads: plan.threads,
            warmup_s: plan.warmup.as_secs_f64(),
            timeout_s: plan.timeout.as_secs_f64(),
            closing: plan.closing.name().into(),
            sources: plan.sources.len(),
            asked_rate_per_s: plan.rate,
            uncorrected_us: recorder.uncorrected.as_ref().map(Latency::of),
            slip_us: plan.rate.map(|_| Latency::of(&recorder.slip)),
            phases_us: phases(recorder),
            datagrams: plan.workload.is_datagram().then(|| datagrams(recorder)),
            client: client(measurement, seconds),
            server: server(measurement, seconds),
            longest_silence_us: micros(nanos(measurement.silence)),
            slice_s: recorder.slice.as_secs_f64(),
            noise: Noise::of_slices(&timeline),
            timeline,
            repeats: None,
            search: None,
            partial: measurement.abort.as_ref().map(Abort::to_string),
            warnings: Vec::new(),
            hdr_v2: encode(&recorder.latency),
        };
        let share = |usage: &Usage| usage.busy.as_secs_f64();
        let busy: f64 = measurement.threads.iter().map(share).sum();
        if seconds > 0.0 {
            report.client_cpu = busy / seconds / plan.threads as f64;
        }
        report.warn(plan);
        report
    }

    /// Says what makes the figures doubtful.
    fn warn(&mut self, plan: &RunPlan) {
        let search = Budget::of_this_machine(plan.remote.ip()).port_search(
            plan,
            self.interference.time_wait,
            self.errors.contains_key(Fault::NoPorts.name()),
        );
        self.warnings.extend(search);
        if !self.own_server
            && plan.closing == Closing::Fin
            && self.interference.time_wait_overflowed > 0
        {
            self.warnings.push(format!(
                "{} connections were not kept in TIME_WAIT, as net.ipv4.tcp_max_tw_buckets were \
                 taken: their ends cost less than usual; --close rst leaves nothing there",
                self.interference.time_wait_overflowed
            ));
        }
        if let Pinning::Impossible(why) = &plan.pinning {
            self.warnings.push(why.clone());
        }
        let server = self.server.map(|server| server.starved);
        self.warnings.extend(self.interference.warnings(self.client.starved, server));
        if self.client.was_bottleneck {
            self.warnings.push(format!(
                "the generator was the bottleneck: its busiest thread had no time left \
                 ({:.0} % at work, {:.0} % waiting for a CPU); add --threads, or free a core",
                100.0 * self.client.busiest,
                100.0 * self.client.starved
            ));
        }
        let slip = self.slip_us.map_or(0.0, |slip| slip.p99);
        if slip > SLIP_SHARE * self.latency_us.p99 && slip > 100.0 {
            self.warnings.push(format!(
                "the schedule slipped: 1 % of the requests left {slip:.0} us late or later for \
                 the generator's own sake; their latency counts it"
            ));
        }
        if let Some(asked) = self.asked_rate_per_s.filter(|asked| self.rate_per_s < 0.98 * asked) {
            self.warnings.push(format!(
                "the asked rate was not reached: {:.0} of {asked:.0} a second",
                self.rate_per_s
            ));
        }
    }

    /// How many operations failed.
    pub(crate) fn failures(&self) -> u64 {
        self.errors.get("total").copied().unwrap_or(0)
    }

    /// The histogram of latencies, in nanoseconds.
    pub(crate) fn histogram(&self) -> Option<Histogram<u64>> {
        let bytes = BASE64_STANDARD.decode(&self.hdr_v2).ok()?;
        Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
    }
}

fn errors(recorder: &Recorder) -> BTreeMap<String, u64> {
    let mut errors = BTreeMap::from([("total".to_string(), recorder.faults.failures())]);
    for fault in Fault::ALL {
        let count = recorder.faults.count(fault);
        if count > 0 {
            errors.insert(fault.name().into(), count);
        }
    }
    errors
}

fn phases(recorder: &Recorder) -> BTreeMap<String, Latency> {
    let named =
        |(name, histogram): &(&str, Histogram<u64>)| (name.to_string(), Latency::of(histogram));
    recorder.phases.iter().map(named).collect()
}

#[allow(clippy::cast_precision_loss)] // a share
fn datagrams(recorder: &Recorder) -> DatagramCounts {
    let lost = recorder.faults.count(Fault::Lost);
    DatagramCounts {
        sent: recorder.sent,
        lost,
        loss: if recorder.sent > 0 { lost as f64 / recorder.sent as f64 } else { 0.0 },
        duplicate: recorder.faults.count(Fault::Duplicate),
        reordered: recorder.faults.count(Fault::Reordered),
        late: recorder.faults.count(Fault::Late),
    }
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn client(measurement: &Measurement, seconds: f64) -> ClientUsage {
    let busiest =
        measurement.threads.iter().copied().max_by_key(|usage| usage.busy + usage.starved);
    let busiest = busiest.unwrap_or_default();
    let cpu: Duration = measurement.threads.iter().map(|usage| usage.busy).sum();
    let share = |time: Duration| if seconds > 0.0 { time.as_secs_f64() / seconds } else { 0.0 };
    let operations = measurement.recorder.operations.max(1) as f64;
    ClientUsage {
        cpu_s: cpu.as_secs_f64(),
        cpu_us_per_operation: cpu.as_secs_f64() * 1e6 / operations,
        busiest: share(busiest.busy),
        starved: share(busiest.starved),
        was_bottleneck: share(busiest.busy + busiest.starved) >= SATURATED,
    }
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn server(measurement: &Measurement, seconds: f64) -> Option<ServerUsage> {
    let used = measurement.server?;
    let cpu = used.busy.as_secs_f64();
    let share = |time: f64| if seconds > 0.0 { time / seconds } else { 0.0 };
    let operations = measurement.recorder.operations.max(1) as f64;
    Some(ServerUsage {
        cpu: share(cpu),
        starved: share(used.starved.as_secs_f64()),
        cpu_us_per_operation: cpu * 1e6 / operations,
        resident_before_bytes: measurement.resident.map(|(before, _)| before),
        resident_bytes: measurement.resident.map(|(_, after)| after),
    })
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn timeline(recorder: &Recorder) -> Vec<TimelinePoint> {
    let width = recorder.slice.as_secs_f64();
    let point = |(index, slice): (usize, &Slice)| TimelinePoint {
        at_s: index as f64 * width,
        rate_per_s: slice.operations as f64 / width,
        p50_us: micros(slice.latency.value_at_quantile(0.5)),
        p99_us: micros(slice.latency.value_at_quantile(0.99)),
        errors: slice.failures,
    };
    recorder.slices.iter().enumerate().map(point).collect()
}

impl Noise {
    /// How steady one run was, from its slices.
    pub(crate) fn of_slices(timeline: &[TimelinePoint]) -> Noise {
        let of = |figure: fn(&TimelinePoint) -> f64| {
            let figures: Vec<f64> = timeline.iter().map(figure).collect();
            known(relative_half_width(&figures, &mut Random::new(DRAWS_SEED)))
        };
        Noise {
            from: "slices".into(),
            rate: of(|point| point.rate_per_s),
            p50: of(|point| point.p50_us),
            p99: of(|point| point.p99_us),
        }
    }
}

/// JSON has no infinity.
pub(crate) fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    BASE64_STANDARD.encode(bytes)
}
