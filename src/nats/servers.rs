//! Where NATS servers are: what `--bus` means, in which order they are tried and how long to wait
//! between two tries.

use std::fmt;
use std::time::Duration;

use crate::random::Random;

/// Where NATS listens unless told otherwise.
const PORT: u16 = 4222;
/// Servers beyond so many are not tried.
const SERVERS_MAX: usize = 64;
/// The first wait that is one.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// Waits grow no further.
const WAIT_MAX: Duration = Duration::from_secs(5);
const EXAMPLE: &str = "such as nats://127.0.0.1:4222, or tls://one.example,tls://two.example";

/// One server. Its `Display` is its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is to be spoken to inside TLS whatever it says itself.
    pub is_tls: bool,
}

impl ServerAddress {
    /// Reads `nats://HOST[:PORT]`, `tls://HOST[:PORT]` or `HOST[:PORT]`.
    ///
    /// # Errors
    /// One line for people, without what may be secret in it.
    pub fn parse(text: &str) -> Result<ServerAddress, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err("a bus address must not contain a user or a password, which everybody \
                        would see in the list of processes; set COOEE_BUS_USER and \
                        COOEE_BUS_PASSWORD, or COOEE_BUS_TOKEN, or name a file by \
                        --bus-credentials"
                .to_owned());
        }
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "nats" => false,
            "tls" => true,
            _ => return Err(format!("'{text}' is no address of a bus; write one {EXAMPLE}")),
        };
        let (host, port) = host_and_port(rest)
            .ok_or_else(|| format!("'{text}' is no address of a bus; write one {EXAMPLE}"))?;
        Ok(ServerAddress { host, port, is_tls })
    }

    /// Reads some, between commas.
    ///
    /// # Errors
    /// One line for people.
    pub fn parse_list(text: &str) -> Result<Vec<ServerAddress>, String> {
        text.split(',').map(|one| ServerAddress::parse(one.trim())).collect()
    }
}

/// A host without brackets, and its port.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        // Within brackets, or an IPv6 address without them: that is its end.
        Some((_, behind)) if behind.contains(']') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let bare = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_clean = |c: char| !c.is_whitespace() && !c.is_control() && !"/?#@[]".contains(c);
    if bare.is_empty() || !bare.chars().all(is_clean) {
        return None;
    }
    let digits = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        None => PORT,
        Some(port) => port.parse().ok().filter(|number| digits(&port) && *number > 0)?,
    };
    Some((bare.to_owned(), port))
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "tls" } else { "nats" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// All servers that are known, and whose turn it is.
#[derive(Clone, Debug)]
pub struct Pool {
    /// First the `own` ones that were named to us, then advertised ones.
    servers: Vec<ServerAddress>,
    own: usize,
    next: usize,
    random: Random,
}

impl Pool {
    /// These, in an order that depends on `seed`. There must be one at least.
    pub fn new(mut servers: Vec<ServerAddress>, seed: u64) -> Pool {
        debug_assert!(!servers.is_empty());
        servers.truncate(SERVERS_MAX);
        let mut pool = Pool { own: servers.len(), servers, next: 0, random: Random::new(seed) };
        pool.shuffle_from(0);
        pool
    }

    /// The one to try now; one after the other, from the first again after the last.
    pub fn next_server(&mut self) -> ServerAddress {
        let server = self.servers[self.next % self.servers.len()].clone();
        self.next = (self.next + 1) % self.servers.len();
        server
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// Takes the servers of a cluster (`connect_urls`), as the one at `by` told them, in the place
    /// of those that were told before. Strange ones are passed over.
    pub fn advertise(&mut self, urls: &[String], by: &ServerAddress) {
        let told = urls.iter().filter_map(|url| ServerAddress::parse(url).ok());
        let told: Vec<_> =
            told.map(|server| ServerAddress { is_tls: by.is_tls, ..server }).collect();
        let is_told = |server: &ServerAddress| told.iter().any(|one| one == server);
        let mut at = 0;
        let own = self.own;
        self.servers.retain(|server| {
            at += 1;
            at <= own || is_told(server)
        });
        let from = self.servers.len();
        for server in &told {
            let is_known = self
                .servers
                .iter()
                .any(|one| one.port == server.port && one.host.eq_ignore_ascii_case(&server.host));
            if !is_known && self.servers.len() < SERVERS_MAX {
                self.servers.push(server.clone());
            }
        }
        self.shuffle_from(from);
        self.next %= self.servers.len();
    }

    /// Brings those from `from` on into an order made by chance (Fisher and Yates).
    fn shuffle_from(&mut self, from: usize) {
        for at in (from + 1..self.servers.len()).rev() {
            let choice = from as u64 + self.random.next() % (at - from + 1) as u64;
            self.servers.swap(at, usize::try_from(choice).unwrap_or(at));
        }
    }
}

/// How long to wait before the next try: not at all at first, then longer and longer, by chance up
/// to half of it less, so that those who lost a server at once do not come back at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits(u32);

impl Waits {
    /// Before the next try; `random` is any number.
    pub fn next_wait(&mut self, random: u64) -> Duration {
        let tries = self.0;
        self.0 = tries.saturating_add(1);
        if tries == 0 {
            return Duration::ZERO;
        }
        let whole = WAIT_MIN.saturating_mul(1 << (tries - 1).min(16)).min(WAIT_MAX);
        let half = u64::try_from(whole.as_micros()).unwrap_or(u64::MAX) / 2;
        Duration::from_micros(half + random % (half + 1))
    }

    /// It was reached: from the beginning again.
    pub fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<ServerAddress> {
        ServerAddress::parse_list(text).unwrap()
    }

    #[test]
    fn an_address_is_shown_in_one_form_whatever_was_left_out() {
        for (text, shown) in [
            ("localhost", "nats://localhost:4222"),
            ("nats://one.example", "nats://one.example:4222"),
            ("NATS://one.example:5/", "nats://one.example:5"),
            ("tls://10.0.0.1:443", "tls://10.0.0.1:443"),
            ("10.0.0.1:7", "nats://10.0.0.1:7"),
            ("[::1]", "nats://[::1]:4222"),
            ("tls://[fe80::1%eth0]:9", "tls://[fe80::1%eth0]:9"),
        ] {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(ServerAddress::parse(shown), Ok(address));
        }
        assert_eq!(servers("a, tls://b:1 ,[::1]:2").len(), 3);
    }

    #[test]
    fn what_is_no_address_is_refused_in_one_line() {
        for text in [
            "",
            "nats://",
            ":4222",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1x",
            "http://a",
            "ws://a:1",
            "::1",
            "::1:4222",
            "[::1",
            "[]:1",
            "[::1]x",
            "a b",
            "a/b",
            "nats://a:1/x?y",
            "a\n",
        ] {
            let why = ServerAddress::parse(text).unwrap_err();
            assert!(why.contains("nats://127.0.0.1:4222"), "{text}: {why}");
        }
        assert!(
            ServerAddress::parse_list("a,").is_err() && ServerAddress::parse_list(",").is_err()
        );
    }

    #[test]
    fn a_password_in_an_address_is_refused_without_repeating_it() {
        for text in ["nats://ann:s3cret@host:4222", "s3cret@host", "tls://s3cret@host", "a@b@c"] {
            let why = ServerAddress::parse(text).unwrap_err();
            assert!(!why.contains("s3cret") && why.contains("COOEE_BUS_PASSWORD"), "{why}");
        }
    }

    /// Everybody's turn once.
    fn round(pool: &mut Pool) -> Vec<String> {
        (0..pool.len()).map(|_| pool.next_server().to_string()).collect()
    }

    #[test]
    fn everybody_has_a_turn_in_an_order_that_depends_on_the_seed() {
        let own = servers("a,b,c,d,e,f,g,h");
        let mut orders: Vec<_> =
            (0..40).map(|seed| round(&mut Pool::new(own.clone(), seed))).collect();
        assert_eq!(orders[7], round(&mut Pool::new(own.clone(), 7)));
        orders.sort();
        orders.dedup();
        assert!(orders.len() > 30);
        let mut pool = Pool::new(own.clone(), 1);
        let first = round(&mut pool);
        assert_eq!(round(&mut pool), first);
        let sorted: std::collections::BTreeSet<_> = first.into_iter().collect();
        assert_eq!(sorted.len(), own.len());
    }

    #[test]
    fn advertised_servers_come_behind_and_go_when_they_are_not_told_any_more() {
        let told = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let mut pool = Pool::new(servers("tls://a"), 3);
        let by = pool.next_server();
        pool.advertise(&told(&["A:4222", "10.0.0.2:4222", "10.0.0.2:4222", "x@y", "", "::"]), &by);
        assert_eq!(round(&mut pool), ["tls://a:4222", "tls://10.0.0.2:4222"]);
        pool.advertise(&told(&["10.0.0.3:1", "[::1]:2"]), &by);
        let mut all = round(&mut pool);
        all.sort();
        assert_eq!(all, ["tls://10.0.0.3:1", "tls://[::1]:2", "tls://a:4222"]);
        pool.advertise(&[], &by);
        assert_eq!((pool.len(), round(&mut pool)), (1, vec!["tls://a:4222".to_owned()]));
    }

    #[test]
    fn whoever_was_to_be_next_is_next_while_others_come_and_go() {
        let mut pool = Pool::new(servers("a,b,c"), 5);
        let first = pool.next_server();
        let mut same = pool.clone();
        let next = same.next_server();
        pool.advertise(&["x:1".to_owned(), "y:1".to_owned()], &first);
        assert_eq!(pool.next_server(), next);
    }

    #[test]
    fn no_more_servers_are_remembered_than_are_worth_trying() {
        let urls: Vec<_> = (0..1000).map(|number| format!("h{number}:1")).collect();
        let mut pool = Pool::new(servers("a,b"), 3);
        let by = pool.next_server();
        pool.advertise(&urls, &by);
        assert_eq!(pool.len(), SERVERS_MAX);
        pool.advertise(&urls[990..], &by);
        assert_eq!(pool.len(), 2 + 10);
    }

    #[test]
    fn the_first_wait_is_none_and_later_ones_grow_to_five_seconds() {
        for random in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let mut waits = Waits::default();
            assert_eq!(waits.next_wait(random), Duration::ZERO);
            for whole in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
                let wait = waits.next_wait(random);
                let whole = Duration::from_millis(whole);
                assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
            }
            waits = Waits(u32::MAX);
            assert!(waits.next_wait(random) >= WAIT_MAX / 2);
            waits.reset();
            assert_eq!(waits.next_wait(random), Duration::ZERO);
        }
        let wait = |random| Waits(9).next_wait(random);
        assert_ne!(wait(1), wait(2));
    }
}
