//! How a result was measured, in a few lines for people.

use super::Report;
use super::lines::hung;
use super::words::lasted;
use crate::bench::figures::{figure, grouped};

/// How it was asked.
pub(super) fn setting(out: &mut String, report: &Report) {
    let (connections, size) = (grouped(report.connections as u64), report.size);
    let flight = match report.workload.as_str() {
        "chat" => format!(
            "{connections} members, one of whom speaks, {} lines of {size} B in flight",
            report.depth
        ),
        "idle" => format!("{connections} connections that do nothing"),
        "tcp_crr" | "tcp_cc" | "greet" => {
            let from = match report.sources {
                0 => String::new(),
                count => format!(", from {} addresses", grouped(count as u64)),
            };
            format!("{connections} at once, closed by {}{from}", report.closing)
        }
        _ => format!("{connections} connections, {} x {size} B in flight on each", report.depth),
    };
    hung(out, "  ", &flight);
    time(out, report);
    if let Some((server, generator)) = report.provenance.pinning.split_once(':') {
        let server = if server.is_empty() { "" } else { &format!("server {server}, ") };
        hung(out, "  ", &format!("CPUs: {server}generator {generator}"));
    }
    match report.asked_rate_per_s {
        _ if report.workload == "idle" => {}
        Some(rate) => {
            let model = format!(
                "open loop: {} a second are due whatever the server does, and late ones count \
                 from when they were due (corrected)",
                figure(rate)
            );
            hung(out, "  ", &model);
        }
        None => {
            let model = "closed loop: each waits for its answer, so a stall holds back the \
                         requests that would have felt it.";
            hung(out, "  ", model);
            let silence = figure(report.longest_silence_us);
            let told = format!("Longest silence {silence} us; --rate shows what users would feel");
            hung(out, "  ", &told);
        }
    }
}

/// How long it was measured, by how many.
fn time(out: &mut String, report: &Report) {
    let threads = if report.threads == 1 { "" } else { "s" };
    if report.merged > 1 {
        let told = format!(
            "the sum of {} generators; the rate is that of the {:.1} s when all were at work",
            report.merged, report.duration_s
        );
        hung(out, "  ", &told);
    }
    let counted = match report.asked_operations {
        Some(count) => format!(" for the {} of --count", grouped(count as u64)),
        None => String::new(),
    };
    let told = format!(
        "{}{counted}, after {} of warm-up, {} thread{threads}",
        lasted(report.duration_s),
        lasted(report.warmup_s),
        report.threads
    );
    hung(out, "  ", &told);
}
