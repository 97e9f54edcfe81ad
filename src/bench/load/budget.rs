//! Whether this machine has the descriptors and the ports for what is asked, before it begins.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::plan::{Closing, RunPlan};
use crate::bench::figures::grouped;
use crate::descriptors;

/// How long the side that closes first keeps a port (TIME_WAIT, tcp(7)).
const TIME_WAIT: Duration = Duration::from_secs(60);
/// How long it does if the kernel may use it again early (net.ipv4.tcp_tw_reuse).
const TIME_WAIT_REUSED: Duration = Duration::from_secs(1);
/// Addresses that `--source` may stand for.
pub(crate) const SOURCES_MAX: usize = 65_536;

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
    pub(crate) fn of_this_machine(remote: IpAddr) -> Budget {
        let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
        let ports = read("ip_local_port_range").and_then(|text| port_count(&text));
        let reuse = read("tcp_tw_reuse").map_or(0, |text| text.trim().parse().unwrap_or(0));
        let reused = reuse == 1 || (reuse == 2 && remote.is_loopback());
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
                sources_for(plan.remote.ip(), needed.div_ceil(self.ports)),
            ));
        }
        Ok(())
    }

    /// Ports that are taken at once, as far as that is known before.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // far below 2^53
    fn ports_needed(&self, plan: &RunPlan) -> usize {
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

/// What to write behind `--source` to have that many addresses towards `remote`.
fn sources_for(remote: IpAddr, count: usize) -> String {
    if remote != IpAddr::V4(Ipv4Addr::LOCALHOST) || count > SOURCES_MAX {
        return format!("with {count} addresses of this machine");
    }
    // Neither the first nor the last address of a network is used.
    let bits = (count + 2).next_power_of_two().trailing_zeros().max(2);
    format!("127.0.0.0/{}", 32 - bits)
}

/// The addresses that `text` stands for: one, or those of a network, without its own and the
/// broadcast one.
///
/// # Errors
/// What is wrong with it, and how it is written right.
pub(crate) fn parse_source(text: &str) -> Result<Vec<IpAddr>, String> {
    let wrong = || format!("{text:?} is no address or network: write it like 127.0.0.0/28");
    let Some((address, prefix)) = text.split_once('/') else {
        return Ok(vec![text.parse().map_err(|_| wrong())?]);
    };
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix: u32 = prefix.parse().ok().filter(|bits| *bits <= 32).ok_or_else(wrong)?;
    let count = 1_u64 << (32 - prefix);
    if count > SOURCES_MAX as u64 {
        return Err(format!("{text:?} has too many addresses: /16 is the largest network"));
    }
    let first = u64::from(u32::from(address)) & !(count - 1);
    let usable = if count > 2 { 1..count - 1 } else { 0..count };
    Ok(usable
        .filter_map(|n| u32::try_from(first + n).ok())
        .map(|bits| IpAddr::V4(Ipv4Addr::from(bits)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::workload::Workload;
    use super::*;

    fn plan(workload: Workload, connections: usize) -> RunPlan {
        RunPlan {
            id: crate::bench::load::run_id::RunId::from_random(1),
            workload,
            remote: ([127, 0, 0, 1], 5007).into(),
            connections,
            size: 64,
            depth: 1,
            duration: Duration::from_secs(10),
            warmup: Duration::from_secs(1),
            rate: None,
            threads: 1,
            timeout: Duration::from_secs(2),
            sources: Vec::new(),
            closing: Closing::Fin,
            own_greeting: false,
        }
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
    fn connections_that_are_closed_in_order_keep_their_ports_for_a_while() {
        let mut plan = plan(Workload::TcpCrr, 10);
        plan.rate = Some(5000.0);
        assert!(BUDGET.check(&plan).unwrap_err().starts_with("needs 55,010 ports"));
        assert_eq!(Budget { time_wait: TIME_WAIT_REUSED, ..BUDGET }.check(&plan), Ok(()));
        plan.closing = Closing::Rst;
        assert_eq!(BUDGET.check(&plan), Ok(()));
    }

    #[test]
    fn sources_are_one_address_or_the_usable_ones_of_a_network() {
        let count = |text| parse_source(text).unwrap().len();
        assert_eq!((count("127.0.0.9"), count("::1"), count("127.0.0.0/28")), (1, 1, 14));
        assert_eq!((count("127.0.0.4/31"), count("127.0.0.4/32")), (2, 1));
        let first: IpAddr = [127, 0, 0, 17].into();
        assert_eq!(parse_source("127.0.0.20/28").unwrap()[0], first);
        for wrong in ["127.0.0.0/33", "localhost", "10.0.0.0/8", "1.2.3/24"] {
            assert!(parse_source(wrong).is_err(), "{wrong}");
        }
    }
}
