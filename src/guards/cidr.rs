//! Who may use this server at all: networks that are allowed or denied. Of those that an address
//! lies in, the most specific decides.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

/// The length of the prefix of IPv4 addresses in IPv6 (`::ffff:0:0/96`; RFC 4291, 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// Reads `10.0.0.0/8`, `2001:db8::/32` or a single address. Bits behind the prefix are ignored.
/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`, since peers are known by their IPv4 addresses.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let single = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let network = single.or_else(|_| text.parse::<IpNet>()).map_err(|_| {
        format!("{text:?} is not a network; write it like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1")
    })?;
    unmapped(network.trunc()).ok_or_else(|| {
        format!("{text:?} has no address but IPv4 ones, as IPv6 has them: write 0.0.0.0/0")
    })
}

/// A network of IPv4-mapped addresses as the IPv4 network it stands for; any other as it is.
/// `None`: it reaches beyond the mapped addresses, but not so far that anybody uses another address
/// in it.
fn unmapped(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(wide) = network else { return Some(network) };
    let mapped = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
    let length = wide.prefix_len();
    match (wide.network().to_ipv4_mapped(), length.checked_sub(MAPPED_PREFIX)) {
        (Some(address), Some(length)) => Some(Ipv4Net::new_assert(address, length).into()),
        _ if (MAPPED_PREFIX - 15..MAPPED_PREFIX).contains(&length) && wide.contains(&mapped) => {
            None
        }
        _ => Some(network),
    }
}

/// The rules, the most specific first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    rules: Vec<(IpNet, bool)>,
    /// What holds for an address that no rule matches.
    others_denied: bool,
}

impl Networks {
    /// Rules from both lists. If any network is allowed, an address that is in none is denied.
    ///
    /// # Errors
    /// If a network is in both lists.
    pub fn new(allowed: &[IpNet], denied: &[IpNet]) -> Result<Networks, String> {
        if let Some(both) = allowed.iter().find(|network| denied.contains(network)) {
            return Err(format!("{both} is both allowed and denied: choose one"));
        }
        let listed = allowed.iter().map(|network| (*network, true));
        let mut rules: Vec<_> = listed.chain(denied.iter().map(|n| (*n, false))).collect();
        rules.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        Ok(Networks { rules, others_denied: !allowed.is_empty() })
    }

    /// Whether that address may use this server.
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // A network of the other family contains no such address, so only lengths of the same
        // family are compared.
        let rule = self.rules.iter().find(|(network, _)| network.contains(&address));
        rule.map_or(!self.others_denied, |(_, allowed)| *allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(allowed: &[&str], denied: &[&str]) -> Networks {
        let parse = |words: &[&str]| -> Vec<IpNet> {
            words.iter().map(|word| parse_network(word).unwrap()).collect()
        };
        Networks::new(&parse(allowed), &parse(denied)).unwrap()
    }

    fn allows(networks: &Networks, address: &str) -> bool {
        networks.allow(address.parse().unwrap())
    }

    #[test]
    fn the_most_specific_rule_decides() {
        let rules = networks(&["10.0.0.0/8", "10.1.2.3"], &["10.1.0.0/16", "0.0.0.0/0"]);
        assert!(allows(&rules, "10.9.9.9"));
        assert!(!allows(&rules, "10.1.9.9"));
        assert!(allows(&rules, "10.1.2.3"));
        assert!(allows(&rules, "::ffff:10.1.2.3"), "an IPv4 peer of a dual-stack socket");
        assert!(!allows(&rules, "192.0.2.1"));
    }

    #[test]
    fn without_rules_everybody_is_welcome_and_an_allow_list_shuts_out_the_rest() {
        assert!(allows(&Networks::default(), "192.0.2.1"));
        assert!(allows(&networks(&[], &["10.0.0.0/8"]), "192.0.2.1"));
        assert!(!allows(&networks(&["10.0.0.0/8"], &[]), "192.0.2.1"));
        assert!(!allows(&networks(&["10.0.0.0/8"], &[]), "2001:db8::1"));
        assert!(allows(&networks(&["2001:db8::/32"], &[]), "2001:db8::1"));
    }

    #[test]
    fn a_network_of_mapped_addresses_is_the_one_of_ipv4() {
        for (written, meant) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("::ffff:127.0.0.1/128", "127.0.0.1/32"),
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            // Networks of IPv6 with other addresses that are in use.
            ("::/0", "::/0"),
            ("::/80", "::/80"),
            ("64:ff9b::/96", "64:ff9b::/96"),
        ] {
            assert_eq!(parse_network(written).unwrap().to_string(), meant, "{written}");
        }
        for wrong in ["::ffff:0:0/95", "::ffff:10.0.0.0/81"] {
            assert!(parse_network(wrong).unwrap_err().contains("0.0.0.0/0"), "{wrong}");
        }
        assert!(parse_network("fe80::1%lo").is_err());
        let rules = networks(&[], &["::ffff:10.0.0.0/104"]);
        assert!(!allows(&rules, "10.9.9.9") && !allows(&rules, "::ffff:10.9.9.9"));
        assert!(allows(&networks(&[], &["::/0"]), "10.9.9.9"), "IPv6 is another family");
        assert!(!allows(&networks(&["::/0"], &[]), "10.9.9.9"));
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        assert_eq!(parse_network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(parse_network("::1").unwrap().to_string(), "::1/128");
        for wrong in ["", "10.0.0.0/33", "localhost", "10.0.0", "10.0.0.0/"] {
            assert!(parse_network(wrong).unwrap_err().contains("10.0.0.0/8"), "{wrong}");
        }
        let one = [parse_network("10.0.0.0/8").unwrap()];
        assert!(Networks::new(&one, &one).unwrap_err().contains("both"));
    }
}
