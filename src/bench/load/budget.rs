//! Whether this machine has the descriptors and the ports for what is asked, before it begins.

use std::fs;
use std::time::Duration;

use super::plan::{Closing, RunPlan};
use super::sources::sources_for;
use crate::bench::figures::grouped;
use crate::descriptors;
use crate::engine::Location;

/// How long the side that closes first keeps a port (TIME_WAIT, tcp(7)).
const TIME_WAIT: Duration = Duration::from_secs(60);
/// How long it does if the kernel may use it again early (net.ipv4.tcp_tw_reuse).
const TIME_WAIT_REUSED: Duration = Duration::from_secs(1);

/// From this part of the ports on, one in so many, the search for a free one is felt.
const SEARCHED: u64 = 4;

/// What this machine has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Descriptors of one process.
    pub(crate) descriptors: usize,
    /// Ephemeral ports of one source address.
    pub(crate) ports: usize,
    /// How long a port is kept after a connection that we have closed in order.
    pub(crate) time_wait: Duration,
}

impl Budget {
    /// What this machine has towards `remote`; raises the soft limit of descriptors.
    pub(crate) fn of_this_machine(remote: &Location) -> Budget {
        let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
        let ports = read("ip_local_port_range").and_then(|text| port_count(&text));
        let reuse = read("tcp_tw_reuse").map_or(0, |text| text.trim().parse().unwrap_or(0));
        let reused = reuse == 1
            || (reuse == 2 && remote.ip().is_some_and(|remote| remote.ip().is_loopback()));
        Budget {
            descriptors: descriptors::raise_limit(),
            ports: ports.unwrap_or(28_232),
            time_wait: if reused { TIME_WAIT_REUSED } else { TIME_WAIT },
        }
    }

    /// Whether it is enough for `plan`.
    ///
    /// # Errors
    /// What is missing, in one line, and what to do about it.
    pub(crate) fn check(&self, plan: &RunPlan) -> Result<(), String> {
        let descriptors = plan.connections + descriptors::SPARE;
        if descriptors > self.descriptors {
            return Err(format!(
                "needs {} descriptors, has {}: raise the limit with 'ulimit -n', \
                 or ask for fewer --connections",
                grouped(descriptors as u64),
                grouped(self.descriptors as u64),
            ));
        }
        let needed = self.ports_needed(plan);
        let sources = plan.sources.len().max(1);
        if needed > self.ports * sources {
            return Err(format!(
                "needs {} ports, has {} per source address: add --source {}",
                grouped(needed as u64),
                grouped(self.ports as u64),
                sources_for(&plan.remote, needed.div_ceil(self.ports)),
            ));
        }
        Ok(())
    }

    /// What limits connections a second, if it is the search for a free port and not the server:
    /// the kernel passes over the ports that are in TIME_WAIT one by one, the even ones first.
    pub(crate) fn port_search(
        &self,
        plan: &RunPlan,
        time_wait: u64,
        has_run_out: bool,
    ) -> Option<String> {
        let has_ports = plan.remote.ip().is_some() && plan.closing == Closing::Fin;
        if !plan.workload.connects_each_time() || !has_ports {
            return None;
        }
        let ports = (self.ports * plan.sources.len().max(1)) as u64;
        if !has_run_out && time_wait < ports / SEARCHED {
            return None;
        }
        let what = match has_run_out {
            true => "ran out of ports",
            false => "is spent on the search for a free port, not on the server",
        };
        Some(format!(
            "the generator {what}: of {} ports, {} are in TIME_WAIT; add --source {}, \
             or --close rst",
            grouped(ports),
            grouped(time_wait.min(ports)),
            sources_for(&plan.remote, 4000),
        ))
    }

    /// Ports that are taken at once, as far as that is known before.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // far below 2^53
    fn ports_needed(&self, plan: &RunPlan) -> usize {
        if plan.remote.unix().is_some() {
            return 0;
        }
        let kept = match (plan.rate, plan.closing) {
            (Some(rate), Closing::Fin) if plan.workload.connects_each_time() => {
                let held = self.time_wait.min(plan.warmup.saturating_add(plan.duration));
                (rate * held.as_secs_f64()) as usize
            }
            _ => 0,
        };
        plan.connections.saturating_add(kept)
    }
}

fn port_count(range: &str) -> Option<usize> {
    let mut ends = range.split_ascii_whitespace().map(str::parse::<usize>);
    let (low, high) = (ends.next()?.ok()?, ends.next()?.ok()?);
    (high + 1).checked_sub(low)
}

#[cfg(test)]
mod tests {
    use super::super::sources::parse_source;
    use super::super::workload::Workload;
    use super::*;
    use crate::engine::UnixName;

    fn plan(workload: Workload, connections: usize) -> RunPlan {
        RunPlan { connections, ..RunPlan::example(workload) }
    }

    const BUDGET: Budget =
        Budget { descriptors: 100_000, ports: 28_232, time_wait: Duration::from_secs(60) };

    #[test]
    fn missing_ports_are_told_with_what_helps() {
        let mut plan = plan(Workload::Idle, 40_000);
        let error = BUDGET.check(&plan).unwrap_err();
        assert_eq!(
            error,
            "needs 40,000 ports, has 28,232 per source address: add --source 127.0.0.0/30"
        );
        plan.sources = parse_source("127.0.0.0/30").unwrap();
        assert_eq!(BUDGET.check(&plan), Ok(()));
    }

    #[test]
    fn missing_descriptors_are_told() {
        let error = BUDGET.check(&plan(Workload::TcpRr, 200_000)).unwrap_err();
        assert!(error.starts_with("needs 200,064 descriptors, has 100,000: "), "{error}");
    }

    #[test]
    fn a_unix_socket_takes_no_ports() {
        let remote = UnixName::Path("/run/x".into()).into();
        let plan = RunPlan { remote, ..plan(Workload::TcpCrr, 40_000) };
        assert_eq!(BUDGET.check(&plan), Ok(()));
        assert_eq!(BUDGET.port_search(&plan, 27_000, false), None);
    }

    #[test]
    fn the_search_for_a_port_is_told_before_it_is_taken_for_the_server() {
        let mut plan = plan(Workload::TcpCrr, 8);
        assert_eq!(BUDGET.port_search(&plan, 7_000, false), None);
        let told = BUDGET.port_search(&plan, 27_000, false).unwrap();
        assert_eq!(
            told,
            "the generator is spent on the search for a free port, not on the server: of 28,232 \
             ports, 27,000 are in TIME_WAIT; add --source 127.0.0.0/20, or --close rst"
        );
        let told = BUDGET.port_search(&plan, 100, true).unwrap();
        assert!(told.starts_with("the generator ran out of ports"), "{told}");
        plan.sources = parse_source("127.0.0.0/28").unwrap();
        assert_eq!(BUDGET.port_search(&plan, 27_000, false), None);
        plan.closing = Closing::Rst;
        assert_eq!(BUDGET.port_search(&plan, 1_000_000, true), None);
        assert_eq!(BUDGET.port_search(&self::plan(Workload::TcpRr, 8), 27_000, false), None);
    }

    #[test]
    fn connections_that_are_closed_in_order_keep_their_ports_for_a_while() {
        let mut plan = plan(Workload::TcpCrr, 10);
        plan.rate = Some(5000.0);
        assert!(BUDGET.check(&plan).unwrap_err().starts_with("needs 55,010 ports"));
        assert_eq!(Budget { time_wait: TIME_WAIT_REUSED, ..BUDGET }.check(&plan), Ok(()));
        plan.closing = Closing::Rst;
        assert_eq!(BUDGET.check(&plan), Ok(()));
    }
}
