//! A result as a table for people: every figure with its unit, one below the other.

use std::fmt::Write;

use super::Report;
use crate::bench::figures::{bytes, figure, grouped};
use crate::bench::load::workload::Workload;
use crate::bench::measure::latency::Latency;
use clap::ValueEnum;

/// The names of the percentiles, and which they are.
pub(crate) const COLUMNS: [&str; 8] =
    ["min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"];

fn row(out: &mut String, name: &str, latency: &Latency) {
    let _ = write!(out, "  {name:<22}");
    for column in COLUMNS {
        let _ = write!(out, " {:>9}", figure(latency.named(column).unwrap_or(0.0)));
    }
    out.push('\n');
}

/// What the operations of a workload are called.
fn operation(report: &Report) -> &'static str {
    Workload::from_str(&report.workload, false).map_or("operations", Workload::operation)
}

/// One result, with everything that is worth telling.
pub(crate) fn whole(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    let what = operation(report);
    if report.workload != "idle" {
        let rate = format!("{} {what}/s", figure(report.rate_per_s));
        let _ = writeln!(out, "  rate         {rate:<32} {}/s", bytes(report.bytes_per_s));
    }
    let _ = writeln!(
        out,
        "  {:<12} {} in {:.1} s, {}",
        what,
        grouped(report.operations),
        report.duration_s,
        errors(report)
    );
    out.push_str("\n  latency in us         ");
    COLUMNS.iter().for_each(|name| {
        let _ = write!(out, " {name:>9}");
    });
    out.push('\n');
    let name = match (report.model.as_str(), report.workload.as_str()) {
        ("open", _) => "from the intended time",
        (_, "idle" | "tcp_cc") => "connect",
        (_, "tcp_crr" | "greet") => "whole exchange",
        (_, "chat") => "delivery",
        _ => "round trip",
    };
    row(&mut out, name, &report.latency_us);
    if let Some(latency) = &report.uncorrected_us {
        row(&mut out, "uncorrected", latency);
    }
    for (name, latency) in &report.phases_us {
        row(&mut out, &name.replace('_', " "), latency);
    }
    out.push('\n');
    used(&mut out, report);
    remarks(&mut out, report);
    out
}

fn head(out: &mut String, report: &Report) {
    let own = if report.own_server { " (our own server, a second process)" } else { "" };
    let _ = writeln!(out, "{}  {}{own}", report.workload, report.target);
    let flight = match report.workload.as_str() {
        "chat" => format!(
            "{} members, one of whom speaks, {} lines of {} B in flight",
            report.connections, report.depth, report.size
        ),
        "idle" => format!("{} connections that do nothing", report.connections),
        "tcp_crr" | "tcp_cc" | "greet" => {
            let from = match report.sources {
                0 => String::new(),
                count => format!(", from {} addresses", grouped(count as u64)),
            };
            format!("{} at once, closed by {}{from}", report.connections, report.closing)
        }
        _ => format!(
            "{} connections, {} x {} B in flight on each",
            report.connections, report.depth, report.size
        ),
    };
    let threads = if report.threads == 1 { "" } else { "s" };
    let _ = writeln!(
        out,
        "  {flight}; {:.1} s after {:.1} s of warm-up, {} thread{threads}",
        report.duration_s, report.warmup_s, report.threads
    );
    if let Some((server, generator)) = report.provenance.pinning.split_once(':') {
        let server = if server.is_empty() { "" } else { &format!("server {server}, ") };
        let _ = writeln!(out, "  CPUs: {server}generator {generator}");
    }
    match report.asked_rate_per_s {
        _ if report.workload == "idle" => {}
        Some(rate) => {
            let _ = writeln!(
                out,
                "  open loop: {} a second are due whatever the server does, \
                 and late ones count from when they were due",
                figure(rate)
            );
        }
        None => {
            let _ = writeln!(
                out,
                "  closed loop: each waits for its answer, so a stall holds back the requests \
                 that would have felt it.\n  Longest silence {} us; --rate shows what users \
                 would feel",
                figure(report.longest_silence_us)
            );
        }
    }
    out.push('\n');
}

fn errors(report: &Report) -> String {
    if report.errors.len() == 1 && report.failures() == 0 {
        return "no errors".into();
    }
    let kinds: Vec<String> = report
        .errors
        .iter()
        .filter(|(name, _)| *name != "total")
        .map(|(name, count)| format!("{} {}", grouped(*count), name.replace('_', " ")))
        .collect();
    format!("{} errors: {}", grouped(report.failures()), kinds.join(", "))
}

fn used(out: &mut String, report: &Report) {
    let client = &report.client;
    let _ = writeln!(
        out,
        "  generator    {:.0} % of a core a thread, {:.2} us an operation; the busiest waited \
         {:.0} % for a CPU",
        100.0 * report.client_cpu,
        client.cpu_us_per_operation,
        100.0 * client.starved
    );
    if let Some(slip) = &report.slip_us {
        let _ = writeln!(
            out,
            "  schedule     slipped by {} us (p50), {} us (p99), {} us at most",
            figure(slip.p50),
            figure(slip.p99),
            figure(slip.max)
        );
    }
    if let Some(server) = &report.server {
        let _ = writeln!(
            out,
            "  server       {:.0} % of a core, {:.2} us an operation",
            100.0 * server.cpu,
            server.cpu_us_per_operation
        );
        memory(out, report);
    }
    if let Some(udp) = &report.datagrams {
        let _ = writeln!(
            out,
            "  datagrams    {} sent, {} lost ({:.4} %), {} twice, {} overtaken, {} late",
            grouped(udp.sent),
            grouped(udp.lost),
            100.0 * udp.loss,
            udp.duplicate,
            udp.reordered,
            udp.late
        );
    }
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn memory(out: &mut String, report: &Report) {
    let Some(server) = &report.server else { return };
    if let (Some(before), Some(after)) = (server.resident_before_bytes, server.resident_bytes)
        && report.workload == "idle"
    {
        let each = after.saturating_sub(before) as f64 / report.connections.max(1) as f64;
        let _ = writeln!(
            out,
            "  memory       {} before, {} with all: {each:.0} B a connection, without the kernel's",
            bytes(before as f64),
            bytes(after as f64)
        );
    }
}

fn remarks(out: &mut String, report: &Report) {
    if let Some(repeats) = &report.repeats {
        let half = repeats.rate_half_width.map_or("unknown".into(), |half| {
            format!("{:.1} %", 100.0 * half / report.rate_per_s.max(f64::MIN_POSITIVE))
        });
        let rates: Vec<String> = repeats.rate_per_s.iter().map(|rate| figure(*rate)).collect();
        let _ = writeln!(out, "  repeats      {} /s; +-{half} (95 %)", rates.join(" "));
    } else {
        steadiness(out, report);
    }
    if let Some(search) = &report.search {
        let _ = writeln!(out, "\n  the way to the highest rate with {}", search.bound);
        let _ = writeln!(out, "  {:>12} {:>12} {:>12}", "asked /s", "got /s", "us");
        for probe in &search.probes {
            let _ = writeln!(
                out,
                "  {:>12} {:>12} {:>12}  {}",
                figure(probe.asked_rate_per_s),
                figure(probe.rate_per_s),
                figure(probe.bounded_us),
                if probe.held { "held" } else { "not held" }
            );
        }
    }
    if let Some(why) = &report.partial {
        let _ = writeln!(out, "  PARTIAL      {why}");
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "  warning      {warning}");
    }
}

/// How steady a single run was in what it was to find out.
fn steadiness(out: &mut String, report: &Report) {
    let (what, share) = match (report.workload.as_str(), report.model.as_str()) {
        ("idle", _) => return,
        (_, "open") => ("p99", report.noise.p99),
        _ => ("rate", report.noise.rate),
    };
    if let Some(share) = share {
        let percent = 100.0 * share;
        let _ = writeln!(
            out,
            "  steadiness   {what} +-{percent:.1} % within this run; the next may differ by more"
        );
    }
}

/// Connections that do nothing have a number and no rate.
fn rate(report: &Report) -> String {
    match report.workload.as_str() {
        "idle" => format!("({})", grouped(report.operations)),
        _ => figure(report.rate_per_s),
    }
}

/// Several results, one a line.
pub(crate) fn several(reports: &[Report]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:<10} {:>6} {:>11} {:>12} {:<13} {:>11} {:>9} {:>9} {:>9} {:>7} {:>6} {:>6}",
        "workload",
        "model",
        "asked/s",
        "rate/s",
        "",
        "bytes/s",
        "p50 us",
        "p99 us",
        "max us",
        "errors",
        "gen",
        "server"
    );
    for report in reports {
        let percent = |share: f64| format!("{:.0}%", 100.0 * share);
        let _ = writeln!(
            out,
            "{:<10} {:>6} {:>11} {:>12} {:<13} {:>11} {:>9} {:>9} {:>9} {:>7} {:>6} {:>6}",
            report.workload,
            report.model,
            report.asked_rate_per_s.map_or("-".into(), figure),
            rate(report),
            operation(report),
            bytes(report.bytes_per_s),
            figure(report.latency_us.p50),
            figure(report.latency_us.p99),
            figure(report.latency_us.max),
            report.failures(),
            percent(report.client_cpu),
            report.server.map_or("-".into(), |server| percent(server.cpu)),
        );
        for remark in report.partial.iter().chain(&report.warnings) {
            let _ = writeln!(out, "{:<10} {remark}", "");
        }
    }
    out
}
