//! `--admin` over real sockets: what curl, Prometheus, a browser and whoever means ill would see.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Server, Tcp, at, has_ipv6, loudly, refused};

/// Where the admin of a server is.
pub(crate) fn admin_of(server: &mut Server) -> SocketAddr {
    let line = server.log.wait_for_line("listening on http://");
    let (_, url) = line.split_once("http://").unwrap();
    url.trim_end_matches('/').parse().unwrap()
}

/// A server of these words with an admin; where `what` and the admin are.
fn serving(words: &[&str], what: &str) -> (Server, SocketAddr, SocketAddr) {
    let mut server = Server::start(&[words, &["--admin", "0"]].concat());
    let (service, admin) = (server.address(what), admin_of(&mut server));
    (server, service, admin)
}

/// Sends `request` and returns all that comes back until the end.
fn ask(admin: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut client = Tcp::connect(admin);
    client.say(request);
    rest(&mut client)
}

/// All that comes until the end.
fn rest(client: &mut Tcp) -> String {
    String::from_utf8(client.hear_all()).expect("text")
}

/// Reads until what has come ends so.
fn hear_until(client: &mut Tcp, end: &str) {
    let mut heard = String::new();
    while !heard.ends_with(end) {
        let more = client.hear();
        assert!(!more.is_empty(), "the end, after {heard}");
        heard.push_str(&more);
    }
}

/// The body of what is at `path`.
pub(crate) fn fetch(admin: SocketAddr, path: &str) -> String {
    let answer = ask(admin, format!("GET {path} HTTP/1.0\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body.to_owned()
}

fn status(admin: SocketAddr) -> Value {
    serde_json::from_str(&fetch(admin, "/status.json")).unwrap()
}

/// The values of a scrape, by name and labels.
fn values(metrics: &str) -> BTreeMap<String, f64> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    let split = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(split).collect()
}

#[test]
fn metrics_are_what_promtool_takes_and_what_the_document_says() {
    // Of a bus that is nowhere there is as much to see as of any.
    let words = ["echo+tcp://:0?delay=1ms", "months+udp://:0", "chat://:0"];
    let words = [&words[..], &["--bus", "nats://127.0.0.1:1"]].concat();
    let (_server, echo, admin) = serving(&words, "echo+tcp");
    Tcp::connect(echo).echoes("hello");
    let metrics = fetch(admin, "/metrics");
    let (mut documented, served) = (documented(), served(&metrics));
    // What the kernel does not tell is left out.
    documented.retain(|name, _| served.contains_key(name) || !name.starts_with("process_"));
    assert_eq!(documented, served, "docs/metrics.md differs from what is served");
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match promtool {
        Ok(promtool) => promtool,
        Err(why) => {
            return loudly(&format!("NOT TESTED: promtool (apt-get install prometheus): {why}"));
        }
    };
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// Name, type and labels of each family.
type Families = BTreeMap<String, (String, Vec<String>)>;

fn documented() -> Families {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let family = |cells: Vec<&str>| {
        let bare = |text: &str| text.trim_matches('`').to_owned();
        let labels = cells[3].split(',').map(|label| bare(label.trim()));
        let labels = labels.filter(|label| !label.is_empty() && label != "-").collect();
        assert!(!cells[4].is_empty(), "{cells:?}");
        (bare(cells[1]), (cells[2].to_owned(), labels))
    };
    // The other tables there have fewer columns.
    rows.filter(|cells| cells.len() == 6).map(family).collect()
}

fn served(metrics: &str) -> Families {
    let mut families = Families::new();
    for line in metrics.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.insert(name.to_owned(), (kind.to_owned(), Vec::new()));
        } else if let Some((name, rest)) = line.split_once('{') {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            let labels = rest.split_once('}').unwrap().0.split("\",");
            let labels = labels.map(|label| label.split_once('=').unwrap().0.to_owned());
            let Some((_, known)) = families.get_mut(name) else { continue };
            *known = labels.filter(|label| label != "le").collect();
        }
    }
    families
}

#[test]
fn faults_are_counted_by_kind_and_where_there_are_none_nothing_is_said_of_them() {
    let words = ["echo+tcp://:0?delay=1ms&reset=100%@5", "greet+tcp://:0"];
    let (_server, echo, admin) = serving(&words, "echo+tcp");
    let mut client = Tcp::connect(echo);
    client.echoes("hello");
    assert!(client.read(&mut [0; 9]).is_err());
    let metrics = fetch(admin, "/metrics");
    let values = values(&metrics);
    let count = |kind: &str| {
        values[&format!("cooee_faults_total{{service=\"echo\",transport=\"tcp\",kind=\"{kind}\"}}")]
    };
    assert_eq!(["delay", "reset", "close"].map(count), [1.0, 1.0, 0.0]);
    assert!(!metrics.contains("cooee_faults_total{service=\"greet\""), "{metrics}");
    let status = status(admin);
    let faults = serde_json::json!({ "delay": 1, "reset": 1 });
    assert_eq!(status["services"][0]["faults_by_kind"], faults);
    assert_eq!(status["services"][1].get("faults_by_kind"), None);
    let (_server, _, admin) = serving(&["echo+tcp://:0"], "echo+tcp");
    assert!(!fetch(admin, "/metrics").contains("cooee_faults_total"));
}

#[test]
fn lines_of_chat_are_counted_and_what_is_sent_on_to_others_is_not() {
    let (_server, chat, admin) = serving(&["chat://:0"], "chat+tcp");
    let [mut one, mut other] = [Tcp::connect(chat), Tcp::connect(chat)];
    other.say("hello there\n");
    hear_until(&mut one, " hello there\n");
    let values = values(&fetch(admin, "/metrics"));
    assert_eq!(values["cooee_messages_total{service=\"chat\",transport=\"tcp\"}"], 1.0);
}

#[test]
fn the_status_is_as_its_schema_says() {
    let words = ["echo+tcp://:0?delay=1ms", "months://:0"];
    let (server, echo, admin) = serving(&words, "echo+tcp");
    let mut peers: Vec<Tcp> = (0..9).map(|_| Tcp::connect(echo)).collect();
    peers.iter_mut().for_each(|peer| peer.echoes("hello"));
    peers.pop();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/status.schema.json");
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    let schema = compiler.compile(path, &mut schemas).expect("a schema");
    for _ in 0..3 {
        let status = status(admin);
        if let Err(error) = schemas.validate(&status, schema) {
            panic!("{error:#}");
        }
    }
    let told = status(admin);
    assert_eq!(told["services"][0]["bytes_in"], 45);
    assert!(told["process"]["resident_bytes"].as_u64().unwrap() > 1_000_000);
    assert_eq!(told["listening"][0], format!("echo+tcp://{echo}"));
    let resident = server.memory_kib() * 1024;
    let seen = told["process"]["resident_bytes"].as_u64().unwrap();
    assert!(seen.abs_diff(resident) < 16 << 20, "{seen} {resident}");
}

#[test]
fn every_kind_of_nonsense_has_one_clear_answer_and_is_counted() {
    let (_server, _, admin) = serving(&["echo+tcp://:0"], "echo+tcp");
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(2000));
    for (code, request, help) in [
        (400, "GET /\r\n", "write GET / HTTP/1.0"),
        (400, "hello\r\n\r\n", "the request line is"),
        (400, "GET /\0 HTTP/1.1\r\n\r\n", "the request line is"),
        (400, "\x16\x03\x01\x02", "http://"),
        (400, "GET / HTTP/1.1\r\n\r\n", "Host"),
        (414, long.as_str(), "shorten"),
        (431, many.as_str(), "send fewer"),
        (501, "GET / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n", "no body"),
        (505, "GET / HTTP/2.0\r\n\r\n", "HTTP/1.1"),
        (405, "PUT / HTTP/1.0\r\n\r\n", "GET or HEAD"),
        (404, "GET /nothing HTTP/1.0\r\n\r\n", "/metrics"),
        (421, "GET / HTTP/1.0\r\nHost: rebound.example\r\n\r\n", "--admin-host"),
        (421, "GET http://rebound.example/ HTTP/1.0\r\n\r\n", "--admin-host"),
    ] {
        let answer = ask(admin, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{request:?}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.contains(help) && body.lines().count() == 1, "{request:?}: {body}");
        assert_eq!(head.contains("\r\nAllow: GET, HEAD\r\n"), code == 405, "{head}");
        assert!(head.contains("\r\nCache-Control: no-store\r\n"), "{head}");
    }
    let values = values(&fetch(admin, "/metrics"));
    let count = |code: u16| values[&format!("cooee_admin_requests_total{{code=\"{code}\"}}")];
    assert_eq!(
        [400, 414, 431, 501, 505, 405, 404, 421].map(count),
        [5., 1., 1., 1., 1., 1., 1., 2.]
    );
}

#[test]
fn a_byte_now_and_then_ends_after_a_second_and_costs_nothing_else() {
    let (server, _, admin) = serving(&["echo+tcp://:0"], "echo+tcp");
    let mut slow = Tcp::connect(admin);
    slow.say("GET / HT");
    let answer = rest(&mut slow);
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    // Half a request and a FIN is an end, too.
    let mut half = Tcp::connect(admin);
    half.say("GET / HT");
    half.finish();
    assert!(rest(&mut half).starts_with("HTTP/1.1 400 "));
    assert!(server.cpu_ms() < 1000);
}

#[test]
fn the_seventeenth_takes_the_place_of_whoever_has_been_silent_for_longest() {
    let (_server, echo, admin) = serving(&["echo+tcp://:0", "--max-connections", "1"], "echo+tcp");
    Tcp::connect(echo).echoes("one place for peers, sixteen for the admin");
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut kept: Vec<Tcp> = (0..16)
        .map(|_| {
            let mut one = Tcp::connect(admin);
            one.say(request);
            hear_until(&mut one, "\r\n\r\nok\n");
            one
        })
        .collect();
    assert!(fetch(admin, "/metrics").contains("\ncooee_connections{service=\"admin\""));
    assert_eq!(rest(&mut kept.remove(0)), "");
    for one in &mut kept {
        one.say(request);
        hear_until(one, "\r\n\r\nok\n");
    }
    Tcp::connect(echo).echoes("still here");
}

#[test]
fn it_answers_while_the_services_are_full_and_until_they_have_left() {
    let words = ["echo+tcp://:0", "--max-connections", "3", "--max-per-ip", "3", "--drain", "20s"];
    let (mut server, echo, admin) = serving(&words, "echo+tcp");
    let mut peers: Vec<Tcp> = (0..3).map(|_| Tcp::connect(echo)).collect();
    peers.iter_mut().for_each(|peer| peer.echoes("hello"));
    let _waiting: Vec<Tcp> = (0..20).map(|_| Tcp::connect(echo)).collect();
    server.log.wait_for_line("not accepting for the moment: 3 connections");
    assert_eq!(fetch(admin, "/readyz"), "ready\n");
    // Somebody who does not read keeps it from leaving.
    peers[0].stuff(&[b'x'; 4096], 64 << 20);
    server.signal(Signal::TERM);
    server.log.wait_for_line("leaving: nobody new");
    assert!(ask(admin, "GET /readyz HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 503 "));
    assert_eq!(fetch(admin, "/healthz"), "ok\n");
    assert_eq!(status(admin)["leaving"], true);
    drop(peers);
    assert_eq!(server.ended().status, 0);
}

#[test]
fn its_addresses_are_taken_as_people_write_them_and_refused_in_one_line() {
    let mut server = Server::start(&["echo+tcp://:0", "--admin", "localhost:0"]);
    let admin = admin_of(&mut server);
    assert!(admin.ip().is_loopback());
    let url = format!("http://{admin}/");
    let line = refused(1, &["serve", "echo+tcp://:0", "--admin", &admin.to_string()]);
    assert!(line.contains(&format!("cannot listen on {url} (--admin): ")), "{line}");
    assert!(line.contains("choose another port, --admin 0 for any"), "{line}");
    let line = refused(1, &["serve", "echo+tcp://:5997", "--admin", "5997"]);
    assert!(line.contains("want the same port"), "{line}");
    for (words, told) in [
        (&["--admin", "here"][..], "write PORT, HOST:PORT, [IPV6]:PORT or unix:///PATH"),
        (&["--admin-host", "a"], "--admin"),
        (&["--admin", "0", "--admin-host", "a.example:80"], "write a name alone"),
        (&["--stat", "1ms"], "100ms or more"),
    ] {
        let line = refused(2, &[&["serve", "echo+tcp://:0"], words].concat());
        assert!(line.contains(told), "{line}");
    }
    if has_ipv6() {
        let mut server = Server::start(&["echo+tcp://:0", "--admin", "[::1]:0"]);
        let admin = admin_of(&mut server);
        assert_eq!(at("::1", admin), admin);
        assert_eq!(fetch(admin, "/healthz"), "ok\n");
    }
}

#[test]
fn whom_the_operator_closes_there_is_told_of() {
    let (mut server, _, admin) = serving(&["echo+tcp://:0"], "echo+tcp");
    let mut client = Tcp::connect(admin);
    client.say("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hear_until(&mut client, "\r\n\r\nok\n");
    server.operator("/kick 1");
    assert_eq!(rest(&mut client), "");
    drop(client);
    server.log.wait_for_line("#1 admin closed: kicked");
}

#[test]
fn another_name_is_served_where_it_was_asked_for() {
    let words = ["echo+tcp://:0", "--admin-host", "Stats.Example"];
    let (_server, _, admin) = serving(&words, "echo+tcp");
    for (host, code) in [("stats.example:80", 200), ("other.example", 421), ("LOCALHOST", 200)] {
        let answer = ask(admin, format!("GET /healthz HTTP/1.0\r\nHost: {host}\r\n\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{host}: {answer}");
    }
}

#[test]
fn stat_tells_what_happens_in_aligned_lines_of_the_log() {
    let mut server = Server::start(&["echo+tcp://:0", "--stat", "200ms"]);
    let echo = server.address("echo+tcp");
    let first = server.log.wait_for_line("stat  open      0  opened     0/s  closed     0/s");
    let _peer = Tcp::connect(echo);
    let second = server.log.wait_for_line("stat  open      1  ");
    assert!(first.contains(" INFO ") && first.len() == second.len(), "{first}\n{second}");
}
