//! Where NATS servers are: what `--bus` means, in which order they are tried and how long to wait
//! between two tries.

use std::fmt;
use std::time::Duration;

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
    random: u64,
}

impl Pool {
    /// These, in an order that depends on `seed`. There must be one at least.
    pub fn new(mut servers: Vec<ServerAddress>, seed: u64) -> Pool {
        debug_assert!(!servers.is_empty());
        servers.truncate(SERVERS_MAX);
        let mut pool = Pool { own: servers.len(), servers, next: 0, random: seed };
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
            let choice = from as u64 + self.chance() % (at - from + 1) as u64;
            self.servers.swap(at, usize::try_from(choice).unwrap_or(at));
        }
    }

    /// splitmix64 (Steele, Lea, Flood 2014).
    fn chance(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
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
