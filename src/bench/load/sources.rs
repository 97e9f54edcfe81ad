//! Where calls come from. Each source address has its own ports, so that more of them leave fewer
//! in TIME_WAIT to be passed over by the kernel when it looks for a free one.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use crate::engine::Location;
use crate::failure::Failure;

/// Addresses that `--source` may stand for.
pub(crate) const SOURCES_MAX: usize = 65_536;

/// Where calls to a server of our own come from when each makes a connection: as many as keep the
/// ports of each nearly free however fast they are used up. 200,000 connections a second for a
/// minute leave a tenth of them in TIME_WAIT.
const OWN: &str = "127.0.0.0/20";

/// The many addresses of this machine's loopback. `None`: it has only one, as that of macOS.
pub(crate) fn loopback_sources() -> Option<Vec<IpAddr>> {
    let sources = parse_source(OWN).ok()?;
    let is_ours = |source: &IpAddr| UdpSocket::bind((*source, 0)).is_ok();
    let are_ours = [sources.first(), sources.last()].into_iter().flatten().all(is_ours);
    are_ours.then_some(sources)
}

/// Whether calls can come from where they are to come from.
pub(crate) fn check_sources(sources: &[IpAddr]) -> Result<(), Failure> {
    for source in sources {
        if let Err(error) = UdpSocket::bind((*source, 0)) {
            let what = format!("--source {source}: {error}; it must be an address of this machine");
            return Err(Failure::Failed(what));
        }
    }
    Ok(())
}

/// What to write behind `--source` to have that many addresses towards `remote`.
pub(super) fn sources_for(remote: &Location, count: usize) -> String {
    let is_here = remote.ip().is_some_and(|remote| remote.ip() == Ipv4Addr::LOCALHOST);
    if !is_here || count > SOURCES_MAX {
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
    use super::*;

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
