//! The parts of a result, and how they come about.
#![allow(missing_docs)] // the schema has a line on each field

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::known;
use crate::bench::fields::{Fields, FromJson, Reading};
use crate::bench::measure::fault::Fault;
use crate::bench::measure::latency::Latency;
use crate::bench::measure::measurement::Measurement;
use crate::bench::measure::recorder::{Recorder, Slice};
use crate::bench::measure::statistics::bootstrap::relative_half_width;
use crate::splitmix::Random;

/// From this share of a core on, the generator has no room left.
const SATURATED: f64 = 0.95;
/// The same slices are to say the same about themselves, whoever asks.
const DRAWS_SEED: u64 = 1;

/// What became of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct DatagramCounts {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) loss: f64,
    pub(crate) duplicate: u64,
    pub(crate) reordered: u64,
    pub(crate) late: u64,
}

impl FromJson for DatagramCounts {
    fn from_json(value: &Value, reading: &mut Reading) -> DatagramCounts {
        let mut of = Fields::of(value, reading);
        DatagramCounts {
            sent: of.needed("sent"),
            lost: of.needed("lost"),
            loss: of.needed("loss"),
            duplicate: of.needed("duplicate"),
            reordered: of.needed("reordered"),
            late: of.needed("late"),
        }
    }
}

/// What the generator itself used, in the window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct ClientUsage {
    pub(crate) cpu_s: f64,
    pub(crate) cpu_us_per_operation: f64,
    /// Of the busiest thread: the share of the window that it was at work, and that it waited for
    /// a CPU.
    pub(crate) busiest: f64,
    pub(crate) starved: f64,
    pub(crate) was_bottleneck: bool,
}

impl FromJson for ClientUsage {
    fn from_json(value: &Value, reading: &mut Reading) -> ClientUsage {
        let mut of = Fields::of(value, reading);
        ClientUsage {
            cpu_s: of.needed("cpu_s"),
            cpu_us_per_operation: of.needed("cpu_us_per_operation"),
            busiest: of.needed("busiest"),
            starved: of.needed("starved"),
            was_bottleneck: of.needed("was_bottleneck"),
        }
    }
}

/// What the server used, if its process is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct ServerUsage {
    pub(crate) cpu: f64,
    pub(crate) cpu_us_per_operation: f64,
    /// The share of the window that it waited for a CPU.
    pub(crate) starved: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resident_before_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resident_bytes: Option<u64>,
}

impl FromJson for ServerUsage {
    fn from_json(value: &Value, reading: &mut Reading) -> ServerUsage {
        let mut of = Fields::of(value, reading);
        ServerUsage {
            cpu: of.needed("cpu"),
            cpu_us_per_operation: of.needed("cpu_us_per_operation"),
            starved: of.optional("starved"),
            resident_before_bytes: of.optional("resident_before_bytes"),
            resident_bytes: of.optional("resident_bytes"),
        }
    }
}

/// A slice of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct TimelinePoint {
    pub(crate) at_s: f64,
    pub(crate) rate_per_s: f64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) errors: u64,
}

impl FromJson for TimelinePoint {
    fn from_json(value: &Value, reading: &mut Reading) -> TimelinePoint {
        let mut of = Fields::of(value, reading);
        TimelinePoint {
            at_s: of.needed("at_s"),
            rate_per_s: of.needed("rate_per_s"),
            p50_us: of.optional("p50_us"),
            p99_us: of.optional("p99_us"),
            errors: of.needed("errors"),
        }
    }
}

/// How well figures are known, as shares of them (95 %); `None`: not known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Noise {
    /// `repeats` or `slices`.
    pub(crate) from: String,
    pub(crate) rate: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

impl FromJson for Noise {
    fn from_json(value: &Value, reading: &mut Reading) -> Noise {
        let mut of = Fields::of(value, reading);
        Noise {
            from: of.needed("from"),
            rate: of.optional("rate"),
            p50: of.optional("p50"),
            p99: of.optional("p99"),
        }
    }
}

/// Several runs of the same plan: each figure that is compared, one value a run. Results of older
/// versions have only rates and p99.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Repeats {
    pub(crate) rate_per_s: Vec<f64>,
    pub(crate) mean_us: Vec<f64>,
    pub(crate) p50_us: Vec<f64>,
    pub(crate) p90_us: Vec<f64>,
    pub(crate) p99_us: Vec<f64>,
    pub(crate) p99_9_us: Vec<f64>,
    pub(crate) max_us: Vec<f64>,
    pub(crate) errors: Vec<u64>,
    pub(crate) rate_half_width: Option<f64>,
    pub(crate) converged: bool,
    /// Which runs had a rate far from all others, counted from 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) outliers: Vec<usize>,
}

impl FromJson for Repeats {
    fn from_json(value: &Value, reading: &mut Reading) -> Repeats {
        let mut of = Fields::of(value, reading);
        Repeats {
            rate_per_s: of.needed("rate_per_s"),
            mean_us: of.optional("mean_us"),
            p50_us: of.optional("p50_us"),
            p90_us: of.optional("p90_us"),
            p99_us: of.needed("p99_us"),
            p99_9_us: of.optional("p99_9_us"),
            max_us: of.optional("max_us"),
            errors: of.optional("errors"),
            rate_half_width: of.optional("rate_half_width"),
            converged: of.needed("converged"),
            outliers: of.optional("outliers"),
        }
    }
}

/// Which stage of a profile it is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct StageReport {
    /// From 1 on.
    pub(crate) number: usize,
    pub(crate) of: usize,
    /// When it began, after the first one did.
    pub(crate) begins_s: f64,
}

impl FromJson for StageReport {
    fn from_json(value: &Value, reading: &mut Reading) -> StageReport {
        let mut of = Fields::of(value, reading);
        StageReport {
            number: of.needed("number"),
            of: of.needed("of"),
            begins_s: of.needed("begins_s"),
        }
    }
}

/// The way to the highest rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SearchReport {
    pub(crate) bound: String,
    pub(crate) highest_rate_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lowest_broken_per_s: Option<f64>,
    /// Why there is no highest rate, or why it is not sure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) probes: Vec<Probe>,
}

impl FromJson for SearchReport {
    fn from_json(value: &Value, reading: &mut Reading) -> SearchReport {
        let mut of = Fields::of(value, reading);
        SearchReport {
            bound: of.needed("bound"),
            highest_rate_per_s: of.optional("highest_rate_per_s"),
            lowest_broken_per_s: of.optional("lowest_broken_per_s"),
            reason: of.optional("reason"),
            probes: of.needed("probes"),
        }
    }
}

/// One step on that way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Probe {
    pub(crate) asked_rate_per_s: f64,
    pub(crate) rate_per_s: f64,
    pub(crate) bounded_us: Option<f64>,
    pub(crate) held: bool,
}

impl FromJson for Probe {
    fn from_json(value: &Value, reading: &mut Reading) -> Probe {
        let mut of = Fields::of(value, reading);
        Probe {
            asked_rate_per_s: of.needed("asked_rate_per_s"),
            rate_per_s: of.needed("rate_per_s"),
            bounded_us: of.optional("bounded_us"),
            held: of.needed("held"),
        }
    }
}

#[allow(clippy::cast_precision_loss)] // a share
pub(super) fn datagrams(recorder: &Recorder) -> DatagramCounts {
    let lost = recorder.lost;
    DatagramCounts {
        sent: recorder.sent,
        lost,
        loss: if recorder.sent > 0 { lost as f64 / recorder.sent as f64 } else { 0.0 },
        duplicate: recorder.faults.count(Fault::Duplicate),
        reordered: recorder.faults.count(Fault::Reordered),
        late: recorder.faults.count(Fault::Late),
    }
}

/// The share of the window that a thread of the generator was at work, on average.
#[allow(clippy::cast_precision_loss)] // a handful of threads
pub(super) fn client_cpu(measurement: &Measurement, seconds: f64) -> f64 {
    let busy: Duration = measurement.threads.iter().map(|usage| usage.busy).sum();
    let threads = measurement.threads.len().max(1) as f64;
    if seconds > 0.0 { busy.as_secs_f64() / seconds / threads } else { 0.0 }
}

#[allow(clippy::cast_precision_loss)] // figures for people
pub(super) fn client(measurement: &Measurement, seconds: f64) -> ClientUsage {
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
pub(super) fn server(measurement: &Measurement, seconds: f64) -> Option<ServerUsage> {
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
pub(super) fn timeline(recorder: &Recorder) -> Vec<TimelinePoint> {
    let width = recorder.slice.as_secs_f64();
    let point = |(index, slice): (usize, &Slice)| {
        let latency = Latency::of(&slice.latency);
        TimelinePoint {
            at_s: index as f64 * width,
            rate_per_s: slice.operations as f64 / width,
            p50_us: latency.map(|latency| latency.p50),
            p99_us: latency.map(|latency| latency.p99),
            errors: slice.failures,
        }
    };
    recorder.slices.iter().enumerate().map(point).collect()
}

impl Noise {
    /// How steady one run was, from its slices.
    pub(crate) fn of_slices(timeline: &[TimelinePoint]) -> Noise {
        let of = |figure: fn(&TimelinePoint) -> Option<f64>| {
            let figures: Vec<f64> = timeline.iter().filter_map(figure).collect();
            known(relative_half_width(&figures, &mut Random::new(DRAWS_SEED)))
        };
        Noise {
            from: "slices".into(),
            rate: of(|point| Some(point.rate_per_s)),
            p50: of(|point| point.p50_us),
            p99: of(|point| point.p99_us),
        }
    }
}
