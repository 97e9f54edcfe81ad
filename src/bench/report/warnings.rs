//! What makes the figures of a result doubtful, so that it is told before them.

use super::Report;
use crate::bench::figures::{figure, grouped};
use crate::bench::load::budget::Budget;
use crate::bench::load::placement::Pinning;
use crate::bench::load::plan::{Closing, RunPlan};
use crate::bench::measure::fault::Fault;

/// A schedule that slips by more than this share of the p99 distorts it.
const SLIP_SHARE: f64 = 0.2;

impl Report {
    /// Says what makes the figures doubtful. `sent`: how many operations were begun.
    pub(super) fn warn(&mut self, plan: &RunPlan, sent: u64) {
        self.warn_of_ports(plan);
        self.warn_of_full_handshakes(plan);
        if let Some(count) = plan.count.filter(|count| sent < *count as u64) {
            self.warnings.push(format!(
                "only {} of --count {count} were begun within --duration",
                grouped(sent)
            ));
        }
        if let Pinning::Impossible(why) = &plan.pinning {
            self.warnings.push(why.clone());
        }
        if self.operations > 0 {
            self.warn_of_figures();
        }
    }

    /// Says that connecting was dearer or cheaper than the server is.
    fn warn_of_ports(&mut self, plan: &RunPlan) {
        let has_ports = plan.remote.ip().is_some() && plan.closing == Closing::Fin;
        if !plan.workload.connects_each_time() || !has_ports {
            return;
        }
        let search = Budget::of_this_machine(&plan.remote).port_search(
            plan,
            self.interference.time_wait,
            self.errors.contains_key(Fault::NoPorts.name()),
        );
        self.warnings.extend(search);
        if !self.own_server && self.interference.time_wait_overflowed > 0 {
            self.warnings.push(format!(
                "{} connections were not kept in TIME_WAIT, as net.ipv4.tcp_max_tw_buckets were \
                 taken: their ends cost less than usual; --close rst leaves nothing there",
                grouped(self.interference.time_wait_overflowed)
            ));
        }
    }

    /// Says that not only resumed connections were measured.
    fn warn_of_full_handshakes(&mut self, plan: &RunPlan) {
        let full = self.phases_us.get("full_handshake").and_then(|latency| latency.samples);
        if let Some(full) = full.filter(|_| plan.through.resumes_only()) {
            self.warnings.push(format!(
                "--resume only, but {} of the handshakes were full ones, for want of a ticket: \
                 with a longer --warmup the first are not measured, unless the server gives none",
                grouped(full)
            ));
        }
    }

    fn warn_of_figures(&mut self) {
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
        let p99 = self.latency_us.map_or(0.0, |latency| latency.p99);
        if slip > SLIP_SHARE * p99 && slip > 100.0 {
            self.warnings.push(format!(
                "the schedule slipped: 1 % of the requests left {} us late or later for \
                 the generator's own sake; their latency counts it",
                figure(slip)
            ));
        }
        let is_missed = |asked: &f64| self.rate_per_s < 0.98 * asked;
        if let Some(asked) = self.asked_rate_per_s.filter(is_missed) {
            self.warnings.push(format!(
                "the asked rate was not reached: {} of {} a second",
                figure(self.rate_per_s),
                figure(asked)
            ));
        }
    }
}
