//! A result as it is kept: every field is a key of the JSON, described in
//! `schema/bench.schema.json`.
#![allow(missing_docs)] // the schema has a line on each field

mod classes;
pub(crate) mod compare;
mod csv;
#[cfg(test)]
mod example;
pub(crate) mod finding;
pub(crate) mod html;
pub(crate) mod json;
mod lines;
mod markdown;
pub(crate) mod merge;
pub(crate) mod output;
pub(crate) mod outputs;
mod parts;
pub mod plot;
mod repeats;
mod setting;
pub(crate) mod table;
pub(crate) mod versus;
mod warnings;
mod words;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::Serialize;
use serde_json::Value;

use crate::bench::fields::{Fields, FromJson, Reading};
use crate::bench::load::placement::allowed;
use crate::bench::load::plan::RunPlan;
use crate::bench::load::target::Target;
use crate::bench::load::workload::Workload;
use crate::bench::measure::abort::Abort;
use crate::bench::measure::fault::Fault;
use crate::bench::measure::interference::Interference;
use crate::bench::measure::latency::{Latency, micros};
use crate::bench::measure::measurement::Measurement;
use crate::bench::measure::provenance::Provenance;
use crate::bench::measure::recorder::{Recorder, nanos};

pub(crate) use parts::{
    ClientUsage, DatagramCounts, Noise, Probe, Repeats, SearchReport, ServerUsage, StageReport,
    TimelinePoint,
};
use parts::{client, client_cpu, datagrams, server, timeline};
use versus::Versus;

/// One result. Latencies are in microseconds.
#[derive(Clone, Debug, Serialize)]
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
    #[serde(serialize_with = "json::figures_or_nulls")]
    pub(crate) latency_us: Option<Latency>,
    pub(crate) client_cpu: f64,
    pub(crate) cooee: String,
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
    pub(crate) interference: Interference,
    pub(crate) own_server: bool,
    pub(crate) threads: usize,
    pub(crate) warmup_s: f64,
    pub(crate) timeout_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) elapsed_s: Option<f64>,
    pub(crate) closing: String,
    pub(crate) sources: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked_rate_per_s: Option<f64>,
    /// How many operations were asked for, if they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked_operations: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<StageReport>,
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
    /// When measuring began: seconds since 1970-01-01 00:00 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) measured_from_s: Option<f64>,
    /// Of how many generators it is the sum; 0: of none but its own.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) merged: usize,
    /// Each run by itself, if there were several; not in the JSON.
    #[serde(skip)]
    pub(crate) singles: Vec<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search: Option<SearchReport>,
    /// Of the second server of `--vs`: how it compares with the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) versus: Option<Versus>,
    /// Why the run ended before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) partial: Option<String>,
    pub(crate) warnings: Vec<String>,
    /// HdrHistogram V2, deflated, base64: nanoseconds.
    pub(crate) hdr_v2: String,
}

impl FromJson for Report {
    fn from_json(value: &Value, reading: &mut Reading) -> Report {
        let mut of = Fields::of(value, reading);
        Report {
            workload: of.needed("workload"),
            model: of.needed("model"),
            target: of.needed("target"),
            connections: of.needed("connections"),
            size: of.needed("size"),
            depth: of.needed("depth"),
            duration_s: of.needed("duration_s"),
            operations: of.needed("operations"),
            rate_per_s: of.needed("rate_per_s"),
            bytes_per_s: of.needed("bytes_per_s"),
            errors: of.needed("errors"),
            latency_us: of.needed("latency_us"),
            client_cpu: of.needed("client_cpu"),
            cooee: of.needed("cooee"),
            provenance: of.same(),
            interference: of.optional("interference"),
            own_server: of.needed("own_server"),
            threads: of.needed("threads"),
            warmup_s: of.needed("warmup_s"),
            timeout_s: of.needed("timeout_s"),
            elapsed_s: of.optional("elapsed_s"),
            closing: of.needed("closing"),
            sources: of.needed("sources"),
            asked_rate_per_s: of.optional("asked_rate_per_s"),
            asked_operations: of.optional("asked_operations"),
            stage: of.optional("stage"),
            uncorrected_us: of.optional("uncorrected_us"),
            slip_us: of.optional("slip_us"),
            phases_us: of.needed("phases_us"),
            datagrams: of.optional("datagrams"),
            client: of.needed("client"),
            server: of.optional("server"),
            longest_silence_us: of.needed("longest_silence_us"),
            slice_s: of.needed("slice_s"),
            timeline: of.needed("timeline"),
            noise: of.needed("noise"),
            repeats: of.optional("repeats"),
            measured_from_s: of.optional("measured_from_s"),
            merged: of.optional("merged"),
            singles: Vec::new(),
            search: of.optional("search"),
            // Whoever reads a result compares it anew.
            versus: None,
            partial: of.optional("partial"),
            warnings: of.needed("warnings"),
            hdr_v2: of.needed("hdr_v2"),
        }
    }
}

impl Report {
    /// What `measurement` says about `plan`.
    #[allow(clippy::cast_precision_loss)] // figures for people
    pub(crate) fn of(plan: &RunPlan, target: &Target, measurement: &Measurement) -> Report {
        let recorder = &measurement.recorder;
        let seconds = measurement.measured.as_secs_f64();
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let timeline = timeline(recorder);
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
            latency_us: Latency::of(&recorder.latency),
            client_cpu: client_cpu(measurement, seconds),
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
            elapsed_s: Some(measurement.elapsed.as_secs_f64()),
            closing: plan.closing.name().into(),
            sources: plan.sources.len(),
            asked_rate_per_s: plan.rate,
            asked_operations: plan.count,
            stage: None,
            uncorrected_us: recorder.uncorrected.as_ref().and_then(Latency::of),
            slip_us: plan.rate.and_then(|_| Latency::of(&recorder.slip)),
            phases_us: phases(recorder),
            datagrams: plan.workload.is_datagram().then(|| datagrams(recorder)),
            client: client(measurement, seconds),
            server: server(measurement, seconds),
            longest_silence_us: micros(nanos(measurement.silence)),
            slice_s: recorder.slice.as_secs_f64(),
            noise: Noise::of_slices(&timeline),
            timeline,
            repeats: None,
            measured_from_s: measurement.measured_from.map(|from| from.as_secs_f64()),
            merged: 0,
            singles: Vec::new(),
            search: None,
            versus: None,
            partial: measurement.abort.as_ref().map(Abort::to_string),
            warnings: Vec::new(),
            hdr_v2: encode(&recorder.latency),
        };
        report.warn(plan, recorder.sent);
        report
    }

    /// Whether it is of a stage in which nothing was asked.
    pub(crate) fn is_rest(&self) -> bool {
        self.stage.is_some() && self.asked_rate_per_s == Some(0.0)
    }

    /// How many operations failed.
    pub(crate) fn failures(&self) -> u64 {
        self.errors.get("total").copied().unwrap_or(0)
    }

    /// A figure of the latency for people; `None`: nothing was timed, or too little for it.
    pub(crate) fn latency(&self, figure: &str) -> Option<f64> {
        self.latency_us.and_then(|latency| latency.shown(figure))
    }

    /// All figures of the latency; those of nothing are zeros.
    fn latencies(&self) -> Latency {
        self.latency_us.unwrap_or_default()
    }

    /// What its operations are called.
    pub(crate) fn operation(&self) -> &'static str {
        Workload::from_str(&self.workload, false).map_or("operations", Workload::operation)
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
    let named = |(name, histogram): &(&str, Histogram<u64>)| {
        Latency::of(histogram).map(|latency| (name.to_string(), latency))
    };
    recorder.phases.iter().filter_map(named).collect()
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde wants it
fn is_zero(count: &usize) -> bool {
    *count == 0
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
