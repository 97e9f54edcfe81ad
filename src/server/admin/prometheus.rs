//! `/metrics`: Prometheus' text format, version 0.0.4. docs/metrics.md says what each means, and a
//! test compares the two.

use std::fmt::{Display, Write};

use super::process::Process;
use super::response::Codes;
use crate::engine::{Carrier, FaultKind, Histogram, Reason, ResponderCounts, StreamCounts, Survey};
use crate::server::bus::BusView;

/// Metrics of one name: their values, each with a label if it has one.
pub(in crate::server) struct Family {
    pub(in crate::server) name: &'static str,
    pub(in crate::server) kind: &'static str,
    pub(in crate::server) help: &'static str,
    pub(in crate::server) label: &'static str,
    pub(in crate::server) values: Vec<(&'static str, f64)>,
}

/// What is told beside what the engine knows.
pub(super) struct Scraped<'a> {
    pub(super) is_leaving: bool,
    /// When the process began, in seconds since 1970.
    pub(super) began: u64,
    pub(super) codes: &'a Codes,
    pub(super) process: Process,
    /// The bus, if there is one.
    pub(super) bus: Option<&'a BusView>,
}

/// One value of a service over streams.
type OfStream = fn(&StreamCounts) -> u64;
/// One value of a service over datagrams.
type OfDatagrams = fn(&ResponderCounts) -> u64;

/// The text as far as it is written.
struct Text(String);

impl Text {
    /// Begins a family: all values of one name.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// Labels are names of ours, so there is nothing to be escaped.
    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            self.put(format_args!("{before}{label}=\"{text}\""));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.put(format_args!("{end} {value}\n"));
    }

    /// A family with one value.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.value(name, &[], value);
    }

    /// One histogram of a family.
    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let (bucket, mut count) = (format!("{name}_bucket"), 0);
        for (bound, below) in histogram.cumulated() {
            let bound = bound.map_or("+Inf".to_owned(), |bound| bound.as_secs_f64().to_string());
            self.value(&bucket, &[labels, &[("le", bound.as_str())]].concat(), below);
            count = below;
        }
        self.value(&format!("{name}_sum"), labels, histogram.sum().as_secs_f64());
        self.value(&format!("{name}_count"), labels, count);
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Cannot fail: it is a string.
        let _ = self.0.write_fmt(text);
    }
}

const UDP: (&str, &str) = ("transport", "udp");

fn transport(carrier: Carrier) -> (&'static str, &'static str) {
    ("transport", carrier.name())
}

impl Scraped<'_> {
    /// All of it.
    pub(super) fn text(&self, survey: Survey<'_>) -> String {
        let mut text = Text(String::with_capacity(32 * 1024));
        self.server(&mut text, survey);
        self.process(&mut text);
        connections(&mut text, survey);
        traffic(&mut text, survey);
        datagrams(&mut text, survey);
        faults(&mut text, survey);
        troubles(&mut text, survey);
        durations(&mut text, survey);
        for family in self.bus.into_iter().flat_map(BusView::families) {
            bus(&mut text, &family);
        }
        let name = "cooee_admin_requests_total";
        text.family(name, "counter", "Requests answered here, by status code.");
        for (code, count) in self.codes.all() {
            text.value(name, &[("code", &code.to_string())], count);
        }
        text.0
    }

    fn server(&self, text: &mut Text, survey: Survey<'_>) {
        let name = "cooee_build_info";
        text.family(name, "gauge", "Always 1; the label says which version this is.");
        text.value(name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
        let help = "When the process began, in seconds since 1970.";
        text.single("process_start_time_seconds", "gauge", help, self.began);
        let help = "1 while the server leaves and takes in nobody new.";
        text.single("cooee_leaving", "gauge", help, u8::from(self.is_leaving));
        let limits = survey.limits();
        let help = "Connections that there may be at once (--max-connections).";
        text.single("cooee_connections_limit", "gauge", help, limits.connections);
        let help = "Bytes that wait for peers: unsent output and unfinished input.";
        text.single("cooee_buffered_bytes", "gauge", help, survey.held());
        let help = "Bytes that may wait for peers (--max-buffered).";
        text.single("cooee_buffered_limit_bytes", "gauge", help, limits.buffered);
    }

    fn process(&self, text: &mut Text) {
        let Process { cpu_seconds, resident, descriptors, descriptors_max } = self.process;
        if let Some(seconds) = cpu_seconds {
            let help = "Processor time used, in user and in system mode.";
            text.single("process_cpu_seconds_total", "counter", help, seconds);
        }
        let gauges = [
            ("process_resident_memory_bytes", "Memory in use.", resident),
            ("process_open_fds", "Open descriptors.", descriptors),
            ("process_max_fds", "Descriptors that may be open.", descriptors_max),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                text.single(name, "gauge", help, value);
            }
        }
    }
}

/// A family with one value for each service over streams.
fn of_streams(text: &mut Text, survey: Survey<'_>, name: &str, value: OfStream) {
    for (service, over, counts) in survey.streams() {
        text.value(name, &[("service", service), transport(over)], value(counts));
    }
}

/// The same over datagrams.
fn of_datagrams(text: &mut Text, survey: Survey<'_>, name: &str, value: OfDatagrams) {
    for (service, counts) in survey.datagrams() {
        text.value(name, &[("service", service), UDP], value(counts));
    }
}

fn connections(text: &mut Text, survey: Survey<'_>) {
    let name = "cooee_connections";
    text.family(name, "gauge", "Connections open now.");
    of_streams(text, survey, name, |counts| counts.open() as u64);
    let name = "cooee_connections_opened_total";
    text.family(name, "counter", "Connections begun.");
    of_streams(text, survey, name, |counts| counts.opened);
    let name = "cooee_connections_closed_total";
    text.family(name, "counter", "Connections over, by the reason of their end.");
    for (service, over, counts) in survey.streams() {
        let over = transport(over);
        for (reason, count) in Reason::LABELS.iter().zip(counts.closed) {
            text.value(name, &[("service", service), over, ("reason", reason)], count);
        }
    }
    let name = "cooee_connections_refused_total";
    text.family(name, "counter", "Connections not let in, by reason.");
    for (service, over, counts) in survey.streams() {
        let over = transport(over);
        for (reason, count) in counts.refusals() {
            text.value(name, &[("service", service), over, ("reason", reason)], count);
        }
    }
}

fn traffic(text: &mut Text, survey: Survey<'_>) {
    let name = "cooee_received_bytes_total";
    text.family(name, "counter", "Bytes received; of datagrams, those not refused.");
    of_streams(text, survey, name, |counts| counts.bytes_in);
    of_datagrams(text, survey, name, |counts| counts.bytes_in);
    let name = "cooee_sent_bytes_total";
    text.family(name, "counter", "Bytes that the kernel took to be sent.");
    of_streams(text, survey, name, |counts| counts.bytes_out);
    of_datagrams(text, survey, name, |counts| counts.bytes_out);
    let name = "cooee_messages_total";
    text.family(name, "counter", "Lines of chat and messages of talk that were taken.");
    of_streams(text, survey, name, |counts| counts.messages);
}

fn datagrams(text: &mut Text, survey: Survey<'_>) {
    let families: [(&str, &str, OfDatagrams); 4] = [
        ("received", "Datagrams received, also those refused.", |counts| counts.received),
        ("sent", "Datagrams that the kernel took to be sent.", |counts| counts.sent),
        ("unanswered", "Datagrams without an answer.", |counts| counts.unanswered),
        ("dropped", "Answers that the kernel would not take.", |counts| counts.dropped),
    ];
    for (what, help, value) in families {
        let name = format!("cooee_datagrams_{what}_total");
        text.family(&name, "counter", help);
        of_datagrams(text, survey, &name, value);
    }
    let name = "cooee_datagrams_refused_total";
    text.family(name, "counter", "Datagrams and answers refused, by reason.");
    for (service, counts) in survey.datagrams() {
        for (reason, count) in counts.refusals() {
            text.value(name, &[("service", service), UDP, ("reason", reason)], count);
        }
    }
}

/// What went wrong because it was told to: where nobody was told so, there is nothing.
fn faults(text: &mut Text, survey: Survey<'_>) {
    let streams = survey.streams().map(|(service, over, counts)| {
        (service, transport(over), &counts.faults, FaultKind::is_of_streams as fn(_) -> _)
    });
    let datagrams = survey.datagrams().map(|(service, counts)| {
        (service, UDP, &counts.faults, FaultKind::is_of_datagrams as fn(_) -> _)
    });
    let mut told =
        streams.chain(datagrams).filter(|(_, _, faults, _)| faults.are_told()).peekable();
    let name = "cooee_faults_total";
    if told.peek().is_some() {
        text.family(name, "counter", "What went wrong because it was told to, by kind.");
    }
    for (service, over, faults, is_possible) in told {
        for (kind, count) in faults.all().filter(|(kind, _)| is_possible(*kind)) {
            text.value(name, &[("service", service), over, ("kind", kind.name())], count);
        }
    }
}

fn troubles(text: &mut Text, survey: Survey<'_>) {
    let metrics = survey.metrics();
    for (name, help, value) in [
        (
            "cooee_accept_pauses_total",
            "Times that accepting waited for a place, descriptors or memory.",
            metrics.accept_pauses,
        ),
        (
            "cooee_stale_events_total",
            "Events fetched for sockets that were gone by then.",
            metrics.stale_events,
        ),
        (
            "cooee_console_lines_lost_total",
            "Lines that the operator's screen did not take.",
            metrics.screen_lost,
        ),
        ("cooee_log_lines_lost_total", "Lines that standard error did not take.", metrics.log_lost),
    ] {
        text.single(name, "counter", help, value);
    }
}

fn bus(text: &mut Text, family: &Family) {
    text.family(family.name, family.kind, family.help);
    for (name, value) in &family.values {
        let label = [(family.label, *name)];
        text.value(family.name, if name.is_empty() { &[] } else { &label }, value);
    }
}

fn durations(text: &mut Text, survey: Survey<'_>) {
    let name = "cooee_connection_age_seconds";
    text.family(name, "histogram", "How old connections were when they were over.");
    for (service, over, counts) in survey.streams() {
        text.histogram(name, &[("service", service), transport(over)], &counts.ages);
    }
    if let Some(turns) = survey.turns() {
        let name = "cooee_turn_seconds";
        text.family(name, "histogram", "How long turns of the loop took, without their wait.");
        text.histogram(name, &[], turns);
    }
}
