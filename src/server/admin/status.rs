//! `/status.json`: all that there is to see, for the page, for `cooee top` and for other programs.
//! schema/status.schema.json describes it.

use serde_json::{Map, Value, json};

use super::census::Census;
use super::history::History;
use super::process::Process;
use super::{Facts, Totals};
use crate::engine::{
    Carrier, Entry, FaultCounts, Histogram, Reason, ResponderCounts, StreamCounts, Survey,
};
use crate::server::bus::BusView;

/// What is told beside what the engine knows.
pub(super) struct Status<'a> {
    pub(super) facts: &'a Facts,
    pub(super) history: &'a History,
    pub(super) census: &'a Census,
    pub(super) process: Process,
    pub(super) wall_seconds: u64,
}

impl Status<'_> {
    /// All of it.
    pub(super) fn text(&self, survey: Survey<'_>) -> String {
        let streams = survey.shared_streams();
        let streams = streams.map(|(service, over, counts)| of_stream(service, over, counts));
        let datagrams = survey.datagrams().map(|(service, counts)| of_datagrams(service, counts));
        let totals = Totals::of(survey);
        let Process { cpu_seconds, resident, descriptors, descriptors_max } = self.process;
        let tops = self.census.found();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "time_s": self.wall_seconds,
            "uptime_s": survey.uptime().as_secs_f64(),
            "leaving": self.facts.is_leaving.get(),
            "listening": *self.facts.listening.borrow(),
            "connections": { "open": totals.open, "limit": survey.limits().connections },
            "totals": of_totals(&totals),
            "buffered": { "bytes": survey.held(), "limit": survey.limits().buffered },
            "process": {
                "cpu_s": cpu_seconds,
                "resident_bytes": resident,
                "descriptors": descriptors,
                "descriptors_limit": descriptors_max,
            },
            "turns": survey.turns().map(of_turns),
            "bus": self.facts.bus.get().map(BusView::status),
            "services": streams.chain(datagrams).collect::<Value>(),
            "peers": {
                "busiest": peers(&tops.busiest),
                "oldest": peers(&tops.oldest),
                "behind": peers(&tops.behind),
            },
            "history": self.history(),
        })
        .to_string()
    }

    /// What happened in each of the last seconds, the latest last.
    fn history(&self) -> Value {
        let column =
            |value: fn(&Totals) -> u64| self.history.seconds().map(value).collect::<Value>();
        json!({
            "interval_s": 1,
            "open": column(|second| second.open),
            "opened": column(|second| second.opened),
            "closed": column(|second| second.closed),
            "bytes_in": column(|second| second.bytes_in),
            "bytes_out": column(|second| second.bytes_out),
            "datagrams_in": column(|second| second.datagrams_in),
            "datagrams_out": column(|second| second.datagrams_out),
            "refused": column(|second| second.refused),
        })
    }
}

fn of_totals(totals: &Totals) -> Value {
    json!({
        "opened": totals.opened,
        "closed": totals.closed,
        "bytes_in": totals.bytes_in,
        "bytes_out": totals.bytes_out,
        "datagrams_in": totals.datagrams_in,
        "datagrams_out": totals.datagrams_out,
        "refused": totals.refused,
    })
}

/// Reasons and how often each; those that never were are left out.
fn reasons(counted: impl IntoIterator<Item = (&'static str, u64)>) -> Value {
    // One by one: to collect them would sort them first, which is more code than there is here.
    let mut told = Map::new();
    for (reason, count) in counted.into_iter().filter(|(_, count)| *count > 0) {
        told.insert(reason.to_owned(), json!(count));
    }
    Value::Object(told)
}

/// Adds how often each fault was to what is told of a service, where somebody was told to do wrong.
fn with_faults(mut told: Value, faults: &FaultCounts) -> Value {
    if let Some(told) = told.as_object_mut().filter(|_| faults.are_told()) {
        let kinds = faults.all().map(|(kind, count)| (kind.name(), count));
        told.insert("faults_by_kind".into(), reasons(kinds));
    }
    told
}

fn of_stream(service: &str, over: Carrier, counts: &StreamCounts) -> Value {
    let ends = Reason::LABELS.iter().copied().zip(counts.closed);
    let told = json!({
        "service": service,
        "transport": over.name(),
        "open": counts.open(),
        "opened": counts.opened,
        "closed": counts.closed.iter().sum::<u64>(),
        "closed_by_reason": reasons(ends),
        "refused_by_reason": reasons(counts.refusals()),
        "bytes_in": counts.bytes_in,
        "bytes_out": counts.bytes_out,
        "messages": counts.messages,
    });
    with_faults(told, &counts.faults)
}

fn of_datagrams(service: &str, counts: &ResponderCounts) -> Value {
    let told = json!({
        "service": service,
        "transport": "udp",
        "datagrams_in": counts.received,
        "datagrams_out": counts.sent,
        "unanswered": counts.unanswered,
        "dropped": counts.dropped,
        "refused_by_reason": reasons(counts.refusals()),
        "bytes_in": counts.bytes_in,
        "bytes_out": counts.bytes_out,
    });
    with_faults(told, &counts.faults)
}

/// How long turns take: for each share of them a bound that they did not exceed.
fn of_turns(turns: &Histogram) -> Value {
    let count = turns.cumulated().last().map_or(0, |(_, all)| all);
    let mut told = Map::new();
    told.insert("count".into(), json!(count));
    told.insert("sum_s".into(), json!(turns.sum().as_secs_f64()));
    for (name, per_mille) in [("p50_s", 500), ("p99_s", 990), ("p99_9_s", 999)] {
        let wanted = (count * per_mille).div_ceil(1000);
        let bound = turns.cumulated().find(|(_, below)| *below >= wanted && count > 0);
        let bound = bound.and_then(|(bound, _)| bound).map(|bound| bound.as_secs_f64());
        told.insert(name.into(), json!(bound));
    }
    Value::Object(told)
}

fn peers(entries: &[Entry]) -> Value {
    let peers = entries.iter().map(|entry| {
        json!({
            "number": entry.peer.number(),
            "service": entry.service,
            "address": entry.remote.to_string(),
            "age_s": entry.age.as_secs_f64(),
            "bytes_in": entry.bytes_in,
            "bytes_out": entry.bytes_out,
            "queued": entry.queued,
        })
    });
    peers.collect()
}
