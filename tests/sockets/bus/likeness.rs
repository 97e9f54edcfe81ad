//! The simulated NATS beside the real one: clients say the same to both and must hear the same, but
//! for names, times and the order of what comes from different places.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cooee::engine::Time;
use serde_json::{Value, json};

use crate::sim::{Nats, Options, Trouble};
use crate::support::{Folder, PATIENCE, loudly};

/// How long a step waits for more than was expected.
const SPARE: Duration = Duration::from_millis(60);

/// A step: one of the clients says something, or time passes.
enum Step {
    Say(usize, Vec<u8>),
    Pass(Duration),
}

/// What each client heard in one step: one entry for each thing said, in the order of the alphabet.
type Heard = Vec<Vec<String>>;

/// A NATS to talk to.
trait Arm {
    fn join(&mut self);
    /// Takes a step; `expected` is how much is to be heard by each, if that is known.
    fn step(&mut self, step: &Step, expected: Option<&Heard>) -> Heard;
}

struct Simulated {
    nats: Nats,
    now: Time,
    links: Vec<u64>,
}

impl Arm for Simulated {
    fn join(&mut self) {
        self.links.push(self.nats.connect(self.now));
    }

    fn step(&mut self, step: &Step, _: Option<&Heard>) -> Heard {
        match step {
            Step::Say(client, bytes) => self.nats.feed(self.links[*client], bytes, self.now),
            Step::Pass(wait) => {
                let end = self.now.after(*wait);
                while self.nats.deadline() <= end {
                    self.now = self.nats.deadline().max(self.now);
                    self.nats.tick(self.now);
                }
                self.now = end;
            }
        }
        let mut heard = Heard::new();
        for link in &self.links {
            let bytes = std::mem::take(self.nats.output(*link));
            heard.push(words(&bytes, self.nats.is_over(*link)));
        }
        heard
    }
}

struct Real {
    child: Child,
    address: SocketAddr,
    links: Vec<TcpStream>,
    unread: Vec<(Vec<u8>, bool)>,
    _folder: Folder,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Real {
    /// `None`: it is not installed.
    fn start(login: bool) -> Option<Real> {
        let folder = Folder::new("likeness");
        let mut command = Command::new("nats-server");
        command.args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", &folder.path("store")]);
        command.args(["--ports_file_dir", &folder.path("")]);
        if login {
            command.args(["--user", "ann", "--pass", "right"]);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => panic!("nats-server: {error}"),
        };
        let file = folder.path(&format!("nats-server_{}.ports", child.id()));
        let begun = Instant::now();
        let address = loop {
            assert!(begun.elapsed() < PATIENCE, "nats-server does not tell its port");
            // It may be read when half of it is written.
            let text = fs::read(&file).unwrap_or_default();
            let ports: Value = serde_json::from_slice(&text).unwrap_or_default();
            if let Some(url) = ports["nats"][0].as_str() {
                break url.trim_start_matches("nats://").parse().unwrap();
            }
            std::thread::yield_now();
        };
        let (links, unread) = Default::default();
        Some(Real { child, address, links, unread, _folder: folder })
    }

    /// Takes what has come, waiting for it no longer than that.
    fn read(&mut self, link: usize, wait: Duration) {
        let mut buffer = [0; 65_536];
        self.links[link].set_read_timeout(Some(wait)).unwrap();
        match self.links[link].read(&mut buffer) {
            Ok(0) => self.unread[link].1 = true,
            Ok(count) => self.unread[link].0.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.unread[link].1 = true,
            Err(_) => {}
        }
    }
}

impl Arm for Real {
    fn join(&mut self) {
        self.links.push(TcpStream::connect(self.address).unwrap());
        self.unread.push((Vec::new(), false));
    }

    fn step(&mut self, step: &Step, expected: Option<&Heard>) -> Heard {
        match step {
            Step::Say(client, bytes) => self.links[*client].write_all(bytes).unwrap(),
            Step::Pass(wait) => std::thread::park_timeout(*wait),
        }
        let begun = Instant::now();
        let mut heard = Heard::new();
        for link in 0..self.links.len() {
            let enough = expected.map_or(0, |expected| expected[link].len());
            while words(&self.unread[link].0, self.unread[link].1).len() < enough
                && begun.elapsed() < PATIENCE / 4
            {
                self.read(link, SPARE);
            }
            if !self.unread[link].1 {
                self.read(link, SPARE);
            }
            let (bytes, is_over) = std::mem::take(&mut self.unread[link]);
            self.unread[link].1 = is_over;
            heard.push(words(&bytes, is_over));
        }
        heard
    }
}

/// What was said, without what is chance.
fn words(bytes: &[u8], is_over: bool) -> Vec<String> {
    let mut said = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let line = String::from_utf8(rest[..end].to_vec()).unwrap();
        rest = &rest[end + 2..];
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            ["INFO", ..] => said.push(masked_info(&line[5..])),
            // When it is asked whether it is there is chance.
            ["PING"] => {}
            ["MSG" | "HMSG", .., size] => {
                let size: usize = size.parse().unwrap();
                let Some(body) = rest.get(..size) else { break };
                let body = String::from_utf8(body.to_vec()).unwrap();
                // The sizes go by the names in it.
                let sizes = if fields[0] == "HMSG" { 2 } else { 1 };
                let named: Vec<String> =
                    fields[..fields.len() - sizes].iter().copied().map(masked_name).collect();
                said.push(format!("{} {}", named.join(" "), masked_body(&body)));
                rest = &rest[size + 2..];
            }
            _ => said.push(line),
        }
    }
    if is_over {
        said.push("over".into());
    }
    said.sort();
    // How often it beats in a while is chance, too.
    said.dedup_by(|one, other| one == other && one.contains("Idle Heartbeat"));
    said
}

fn masked_info(json: &str) -> String {
    let info: Value = serde_json::from_str(json).unwrap();
    let names = ["headers", "max_payload", "jetstream", "auth_required", "ldm", "proto"];
    let told: Vec<String> = names.iter().map(|name| format!("{name}={}", info[*name])).collect();
    format!("INFO {}", told.join(" "))
}

/// `$JS.ACK.STREAM.NAME.1.2.3.TIME.0` and the like without what differs.
fn masked_name(field: &str) -> String {
    let mut tokens: Vec<&str> = field.split('.').collect();
    match tokens[..] {
        ["$JS", "ACK", _, ref mut name, _, _, _, ref mut at, _] => (*name, *at) = ("NAME", "TIME"),
        ["$JS", "FC", _, ref mut name, ref mut nonce] => (*name, *nonce) = ("NAME", "NONCE"),
        _ => {}
    }
    tokens.join(".")
}

fn masked_body(body: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(body) else {
        return body.split("\r\n").map(masked_stall).collect::<Vec<String>>().join("|");
    };
    mask(&mut value);
    value.to_string()
}

fn masked_stall(line: &str) -> String {
    let (name, value) = line.split_once(": ").unwrap_or((line, ""));
    format!("{name}: {}", masked_name(value))
}

/// Leaves out names and times, and what nobody reads.
fn mask(value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    for key in [
        "created",
        "first_ts",
        "last_ts",
        "ts",
        "bytes",
        "num_subjects",
        "last_active",
        "total",
        "offset",
        "limit",
        "limits",
        "api",
        "memory",
        "storage",
        "ack_floor",
        // Whether deliveries come before the answer is chance.
        "num_pending",
        "delivered",
    ] {
        object.remove(key);
    }
    if object.get("type").and_then(Value::as_str).is_some_and(|kind| kind.contains("consumer_")) {
        object.remove("name");
    }
    object.values_mut().for_each(mask);
}

fn publish(client: usize, subject: &str, reply: &str, payload: &str) -> Step {
    let size = payload.len();
    Step::Say(client, format!("PUB {subject} {reply} {size}\r\n{payload}\r\n").into_bytes())
}

fn ask(subject: &str, body: &Value) -> Step {
    publish(0, &format!("$JS.API.{subject}"), "inbox.1", &body.to_string())
}

fn say(client: usize, text: &str) -> Step {
    Step::Say(client, text.replace('\n', "\r\n").into_bytes())
}

fn keep(id: &str, payload: &str) -> Step {
    let headers = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n");
    let (head, all) = (headers.len(), headers.len() + payload.len());
    let text = format!("HPUB s.a inbox.2 {head} {all}\r\n{headers}{payload}\r\n");
    Step::Say(0, text.into_bytes())
}

const HELLO: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false,\
    \"headers\":true,\"no_responders\":true}\n";

/// Has both take the steps, `clients` clients at each.
fn compare(login: bool, clients: usize, steps: &[Step]) {
    let Some(mut real) = Real::start(login) else {
        return loudly("NOT TESTED: the simulated NATS beside nats-server (apt-get install it)");
    };
    let account = login.then(|| ("ann".to_owned(), "right".to_owned()));
    let options = Options { login: account, ..Options::default() };
    let nats = Nats::new(options, Trouble::default(), 1, 1_000_000_000_000_000_000);
    let mut simulated = Simulated { nats, now: Time::ZERO, links: Vec::new() };
    for _ in 0..clients {
        simulated.join();
        real.join();
    }
    let welcome = Step::Pass(Duration::ZERO);
    for (number, step) in std::iter::once(&welcome).chain(steps).enumerate() {
        let expected = simulated.step(step, None);
        let heard = real.step(step, Some(&expected));
        let shown = match step {
            Step::Say(client, bytes) => format!("{client}: {}", String::from_utf8_lossy(bytes)),
            Step::Pass(wait) => format!("{wait:?}"),
        };
        assert_eq!(expected, heard, "simulated and real, step {number}: {shown}");
    }
}

#[test]
fn subscriptions_and_messages() {
    let steps = [
        say(0, HELLO),
        say(1, HELLO),
        say(0, "SUB inbox.* 1\nSUB a.> 2\nPING\n"),
        say(1, "sub\ta.*  7 \nPING\n"),
        say(0, "PUB a.b 5\nhello\nPUB a.b.c reply 0\n\n"),
        say(1, "PUB a.b inbox.9 5\nhello\nPUB a.b.c 0\n\n"),
        say(0, "PUB nobody.there inbox.1 0\n\n"),
        say(0, "PUB a.b.c.d inbox.1 0\n\n"),
        say(1, "HPUB a.b inbox.9 19 21\nNATS/1.0\nA: b\n\n\nhi\n"),
        say(0, "UNSUB 2 5\nPING\n"),
        say(1, "PUB a.b 1\n1\nPUB a.b 1\n2\nPUB a.b 1\n3\n"),
        say(0, "SUB a..b 9\nPING\n"),
        say(0, "UNSUB 1\nUNSUB 99\nPUB nobody.there inbox.1 0\n\nPING\n"),
    ];
    compare(false, 2, &steps);
}

#[test]
fn what_ends_a_connection() {
    let long = format!("PUB {} 1\n", "x".repeat(5000));
    for wrong in ["PUB a 2000000\n", "PUB a 1\nxy\n", "BLAH\n", &long, "PUB a x\n"] {
        compare(false, 1, &[say(0, HELLO), say(0, wrong)]);
    }
    let wrong = "CONNECT {\"verbose\":false,\"user\":\"ann\",\"pass\":\"wrong\"}\n";
    let right = "CONNECT {\"verbose\":false,\"user\":\"ann\",\"pass\":\"right\"}\nPING\n";
    compare(true, 2, &[say(0, wrong), say(1, right)]);
}

fn stream(most: u64) -> Value {
    json!({
        "name": "S", "subjects": ["s.*"], "storage": "file", "discard": "old",
        "max_msgs_per_subject": most, "duplicate_window": 120_000_000_000_u64,
    })
}

fn consumer(extra: &Value) -> Value {
    let mut config = json!({
        "deliver_policy": "all", "ack_policy": "none", "deliver_subject": "d.1",
        "filter_subject": "s.a", "idle_heartbeat": 1_000_000_000, "flow_control": true,
        "inactive_threshold": 5_000_000_000_u64, "mem_storage": true, "replay_policy": "instant",
    });
    for (key, value) in extra.as_object().unwrap() {
        config[key] = value.clone();
    }
    json!({"stream_name": "S", "config": config})
}

#[test]
fn streams_and_confirmations() {
    let mut other_name = stream(3);
    other_name["name"] = json!("T");
    let steps = [
        say(0, HELLO),
        say(0, "SUB inbox.* 1\nPING\n"),
        ask("STREAM.INFO.S", &json!({})),
        ask("NO.SUCH.THING", &json!({})),
        ask("CONSUMER.CREATE.S", &consumer(&json!({}))),
        ask("STREAM.CREATE.S", &stream(3)),
        ask("STREAM.CREATE.S", &stream(3)),
        ask("STREAM.CREATE.S", &stream(4)),
        ask("STREAM.CREATE.T", &other_name),
        ask("STREAM.CREATE.U", &other_name),
        say(0, "PUB s.a 4\nnone\n"),
        publish(0, "s.a", "inbox.2", "one"),
        keep("1", "two"),
        keep("1", "two"),
        keep("2", "three"),
        publish(0, "s.b", "inbox.2", "four"),
        ask("STREAM.INFO.S", &json!({})),
        ask("CONSUMER.INFO.S.nobody", &json!({})),
        ask("STREAM.DELETE.S", &json!({})),
        publish(0, "s.a", "inbox.2", "gone"),
    ];
    compare(false, 1, &steps);
}

#[test]
fn consumers_history_heartbeats_and_where_they_begin() {
    let second = json!({
        "deliver_policy": "by_start_sequence", "opt_start_seq": 4, "deliver_subject": "d.2",
        "name": "second",
    });
    let far = json!({
        "deliver_policy": "by_start_sequence", "opt_start_seq": 400, "deliver_subject": "d.3",
        "name": "far", "idle_heartbeat": 60_000_000_000_u64, "filter_subject": "s.b",
    });
    let steps = [
        say(0, HELLO),
        say(0, "SUB inbox.* 1\nSUB d.1 2\nSUB d.2 3\nSUB d.3 4\nPING\n"),
        ask("STREAM.CREATE.S", &stream(3)),
        keep("1", "one"),
        keep("2", "two"),
        keep("3", "three"),
        keep("4", "four"),
        keep("5", "five"),
        ask("CONSUMER.CREATE.S", &consumer(&json!({}))),
        keep("6", "six"),
        publish(0, "s.b", "inbox.2", "another"),
        Step::Pass(Duration::from_millis(1400)),
        say(0, "UNSUB 2\nPING\n"),
        ask("CONSUMER.CREATE.S.second.s.a", &consumer(&second)),
        ask("CONSUMER.CREATE.S.far.s.b", &consumer(&far)),
        ask("CONSUMER.DELETE.S.second", &json!({})),
        ask("CONSUMER.DELETE.S.second", &json!({})),
        publish(0, "s.b", "inbox.2", "beyond"),
        ask("STREAM.DELETE.S", &json!({})),
        Step::Pass(Duration::from_millis(1400)),
        say(0, "PING\n"),
    ];
    compare(false, 1, &steps);
}

#[test]
fn flow_control_is_asked_for_at_half_a_window_and_a_beat_says_who_is_stalled() {
    let beat = json!({"idle_heartbeat": 500_000_000});
    let mut steps = vec![
        say(0, HELLO),
        say(0, "SUB inbox.* 1\nSUB d.1 2\nPING\n"),
        ask("STREAM.CREATE.S", &stream(100)),
        ask("CONSUMER.CREATE.S", &consumer(&beat)),
    ];
    let large = "x".repeat(60_000);
    steps.extend((0..40).map(|number| keep(&number.to_string(), &large)));
    steps.push(Step::Pass(Duration::from_millis(700)));
    compare(false, 1, &steps);
}
