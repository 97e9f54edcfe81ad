//! The admin's service on a stage, beside a service for everybody.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::engine::stage::Stage;
use crate::engine::{Limits, Peer};

/// Sends back what comes.
struct Mirror;

impl Service for Mirror {
    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        net.send_back(peer, input.len());
        input.len()
    }
}

const ADMIN: usize = 1;

fn admin() -> (Stage, Rc<Facts>) {
    let mut stage = Stage::empty(Limits { connections: 2, ..Limits::default() });
    let facts = Rc::new(Facts::default());
    let admin = Admin::new(Rc::clone(&facts), vec!["box".into()]);
    stage.engine().add_service("mirror", Quota::default(), Box::new(Mirror));
    stage.engine().add_service("admin", QUOTA, Box::new(admin));
    stage.engine().add_responder("months");
    (stage, facts)
}

/// Somebody at the admin's.
fn join(stage: &mut Stage) -> Peer {
    let peer = stage.join_in_turn(ADMIN).expect("a place");
    stage.flush();
    peer
}

/// The status codes of the answers that `peer` has heard, and the bodies.
fn heard(stage: &mut Stage, peer: Peer) -> Vec<(u16, String)> {
    let heard = stage.hear(peer);
    let mut rest = heard.as_str();
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = rest.split_once("\r\n\r\n").expect("a whole head");
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.split_once("Content-Length: ").unwrap().1.lines().next().unwrap();
        let (body, more) = behind.split_at(length.parse().unwrap());
        answers.push((code, body.to_owned()));
        rest = more;
    }
    answers
}

fn codes(stage: &mut Stage, peer: Peer) -> Vec<u16> {
    heard(stage, peer).into_iter().map(|(code, _)| code).collect()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: box\r\n\r\n")
}

/// What a program would fetch.
fn fetch(stage: &mut Stage, path: &str) -> String {
    let peer = join(stage);
    stage.say(peer, format!("GET {path} HTTP/1.0\r\n\r\n"));
    assert!(stage.is_over(peer));
    let answers = heard(stage, peer);
    stage.finish(peer);
    let [(200, body)] = &answers[..] else { panic!("{answers:?}") };
    body.clone()
}

#[test]
fn wherever_requests_are_cut_and_however_many_come_at_once_each_is_answered_in_order() {
    let script = [
        get("/healthz"),
        "HEAD / HTTP/1.1\r\nHost: [::1]:5090\r\n\r\n".into(),
        "GET http://localhost/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n\r\n".into(),
        "POST / HTTP/1.1\nHost: box\n\n".into(),
        "FROB / HTTP/1.1\r\nHost: box\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(),
        "GET /readyz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into(),
        "GET /healthz HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n".into(),
    ]
    .concat();
    let run = |pieces: Vec<&[u8]>| {
        let (mut stage, _) = admin();
        let peer = join(&mut stage);
        pieces.into_iter().for_each(|piece| stage.say(peer, piece));
        (stage.hear(peer), stage.is_over(peer))
    };
    let whole = run(vec![script.as_bytes()]);
    let lines: Vec<&str> = whole.0.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
    let codes: Vec<&str> = lines.iter().map(|line| &line[9..12]).collect();
    assert_eq!(codes, ["200", "200", "404", "405", "501", "421", "200", "200"]);
    assert!(whole.1);
    for at in 1..script.len() {
        let (head, tail) = script.as_bytes().split_at(at);
        assert_eq!(run(vec![head, tail]), whole, "cut at {at}");
    }
    assert_eq!(run(script.as_bytes().chunks(1).collect()), whole, "byte by byte");
}

#[test]
fn a_head_says_what_the_body_would_be_and_has_none() {
    let (mut stage, _) = admin();
    let peer = join(&mut stage);
    stage.say(peer, "HEAD /healthz HTTP/1.1\r\nHost: box\r\n\r\n");
    let head = stage.hear(peer);
    assert!(head.contains("\r\nContent-Length: 3\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    stage.say(peer, get("/healthz"));
    assert_eq!(heard(&mut stage, peer), [(200, "ok\n".into())]);
    stage.say(peer, "\r\nHEAD / HTTP/1.1\r\n\r\n");
    let head = stage.hear(peer);
    assert!(head.starts_with("HTTP/1.1 400 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn an_empty_line_behind_a_request_is_neither_answered_nor_waited_for() {
    let (mut stage, _) = admin();
    let (kept, done) = (join(&mut stage), join(&mut stage));
    for peer in [kept, done] {
        stage.say(peer, get("/healthz") + "\r\n");
        assert_eq!(codes(&mut stage, peer), [200]);
    }
    stage.finish(done);
    assert_eq!((codes(&mut stage, done), stage.is_over(done)), (vec![], true));
    stage.pass(Duration::from_secs(30));
    stage.say(kept, get("/healthz"));
    assert_eq!((codes(&mut stage, kept), stage.is_over(kept)), (vec![200], false));
    stage.say(kept, "\r\n");
    stage.pass(Duration::from_secs(60));
    assert!(stage.is_over(kept));
}

#[test]
fn a_request_that_is_not_whole_within_a_second_is_refused_and_a_silent_one_may_stay_a_minute() {
    let (mut stage, _) = admin();
    let (slow, silent) = (join(&mut stage), join(&mut stage));
    for byte in b"GET /h" {
        stage.say(slow, [*byte]);
        stage.pass(Duration::from_millis(150));
    }
    assert!(!stage.is_over(slow));
    stage.pass(Duration::from_millis(100));
    assert_eq!((codes(&mut stage, slow), stage.is_over(slow)), (vec![408], true));
    // What counts is the request, not the connection.
    for _ in 0..3 {
        stage.say(silent, &get("/healthz")[..9]);
        stage.pass(Duration::from_millis(900));
        stage.say(silent, &get("/healthz")[9..]);
        assert_eq!(codes(&mut stage, silent), [200]);
        stage.pass(Duration::from_secs(59));
        assert!(!stage.is_over(silent));
    }
    stage.pass(Duration::from_secs(1));
    assert!(stage.is_over(silent));
}

#[test]
fn who_closes_its_side_hears_all_that_it_asked_for_and_half_a_request_is_refused() {
    let (mut stage, _) = admin();
    let (whole, half) = (join(&mut stage), join(&mut stage));
    stage.send(whole, get("/healthz").repeat(20));
    stage.finish(whole);
    assert_eq!((codes(&mut stage, whole), stage.is_over(whole)), (vec![200; 20], true));
    stage.say(half, "GET / HTTP/1.1\r\nHo");
    stage.finish(half);
    assert_eq!((codes(&mut stage, half), stage.is_over(half)), (vec![400], true));
    let metrics = fetch(&mut stage, "/metrics");
    for line in ["{code=\"200\"} 20", "{code=\"400\"} 1", "{code=\"404\"} 0"] {
        let line = format!("\ncooee_admin_requests_total{line}\n");
        assert!(metrics.contains(&line), "{line} {metrics}");
    }
}

#[test]
fn a_thousand_requests_at_once_by_somebody_who_does_not_read_wait_in_its_queue_and_no_more() {
    let (mut stage, _) = admin();
    let (greedy, other) = (join(&mut stage), join(&mut stage));
    stage.take(greedy, 0);
    stage.say(greedy, get("/metrics").repeat(1000));
    let held = stage.engine().held();
    assert!((256 * 1024..1024 * 1024).contains(&held), "{held}");
    stage.say(other, get("/healthz"));
    assert_eq!(codes(&mut stage, other), [200]);
    stage.take(greedy, usize::MAX);
    stage.flush();
    assert_eq!(codes(&mut stage, greedy), vec![200; 1000]);
}

#[test]
fn neither_can_a_flood_of_peers_lock_the_admin_out_nor_the_other_way_round() {
    let (mut stage, _) = admin();
    let peers = [(); 2].map(|()| stage.join_in_turn(0));
    assert!(peers.iter().all(Option::is_some) && stage.join_in_turn(0).is_none());
    stage.flush();
    let admins: Vec<Peer> = (0..PLACES).map(|_| join(&mut stage)).collect();
    assert_eq!(stage.join_in_turn(ADMIN), None);
    stage.say(admins[3], get("/healthz"));
    assert_eq!(codes(&mut stage, admins[3]), [200]);
    stage.finish(peers[0].unwrap());
    assert!(stage.join_in_turn(0).is_some());
    assert_eq!((stage.engine().shared_connections(), stage.engine().connections()), (2, 18));
}

#[test]
fn when_all_places_are_taken_whoever_has_been_silent_for_longest_gives_way() {
    let (mut stage, _) = admin();
    let peers: Vec<Peer> = (0..PLACES)
        .map(|_| {
            stage.pass(Duration::from_millis(100));
            join(&mut stage)
        })
        .collect();
    stage.pass(Duration::from_millis(100));
    // The first is amid a request, the second has asked last, the third does not read its answer.
    stage.say(peers[0], "GET");
    stage.say(peers[1], get("/healthz"));
    stage.take(peers[2], 0);
    stage.say(peers[2], get("/healthz"));
    let mut leaving = Vec::new();
    for _ in 0..PLACES {
        assert!(stage.engine().free_place_of(ADMIN));
        stage.flush();
        let gone = |peer: &&Peer| !leaving.contains(*peer) && stage.is_over(**peer);
        let gone: Vec<Peer> = peers.iter().filter(gone).copied().collect();
        leaving.extend(gone);
    }
    let order: Vec<usize> =
        leaving.iter().map(|peer| peers.iter().position(|one| one == peer).unwrap()).collect();
    assert_eq!(order, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1, 0, 2]);
    assert!(!stage.engine().free_place_of(ADMIN));
}

#[test]
fn who_has_had_its_last_answer_and_does_not_go_gives_way_at_once() {
    let (mut stage, _) = admin();
    let kept = join(&mut stage);
    stage.pass(Duration::from_millis(100));
    let refused: Vec<Peer> = (1..PLACES).map(|_| join(&mut stage)).collect();
    refused.iter().for_each(|peer| stage.say(*peer, "nonsense\r\n\r\n"));
    for peer in &refused {
        assert_eq!((codes(&mut stage, *peer), stage.is_over(*peer)), (vec![400], true));
        assert!(stage.engine().free_place_of(ADMIN));
        stage.flush();
        join(&mut stage);
    }
    stage.say(kept, get("/healthz"));
    assert_eq!(codes(&mut stage, kept), [200]);
}

#[test]
fn who_leaves_is_not_ready_and_answers_until_the_end() {
    let (mut stage, facts) = admin();
    let peer = join(&mut stage);
    stage.say(peer, get("/readyz"));
    facts.is_leaving.set(true);
    stage.engine().close_all();
    stage.say(peer, get("/readyz"));
    stage.say(peer, get("/healthz"));
    let told = [(200, "ready\n"), (503, "leaving\n"), (200, "ok\n")];
    assert_eq!(heard(&mut stage, peer), told.map(|(code, text)| (code, text.to_owned())));
    assert!(fetch(&mut stage, "/metrics").contains("\ncooee_leaving 1\n"));
    assert!(fetch(&mut stage, "/status.json").contains("\"leaving\":true"));
}

/// The value of one line of the metrics.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {metrics}")).parse().unwrap()
}

#[test]
fn what_peers_do_is_counted_by_service_transport_and_reason() {
    let (mut stage, _) = admin();
    let (one, other) = (stage.join(), stage.join());
    stage.say(one, "hello");
    stage.pass(Duration::from_secs(5));
    stage.finish(one);
    stage.reset(other);
    let metrics = fetch(&mut stage, "/metrics");
    for (name, wanted) in [
        ("cooee_connections_opened_total{service=\"mirror\",transport=\"tcp\"}", 2.0),
        (
            "cooee_connections_closed_total{service=\"mirror\",transport=\"tcp\",reason=\"eof\"}",
            1.0,
        ),
        (
            "cooee_connections_closed_total{service=\"mirror\",transport=\"tcp\",reason=\"reset\"}",
            1.0,
        ),
        ("cooee_connections{service=\"mirror\",transport=\"tcp\"}", 0.0),
        ("cooee_connections{service=\"admin\",transport=\"tcp\"}", 1.0),
        ("cooee_received_bytes_total{service=\"mirror\",transport=\"tcp\"}", 5.0),
        ("cooee_sent_bytes_total{service=\"mirror\",transport=\"tcp\"}", 5.0),
        ("cooee_datagrams_received_total{service=\"months\",transport=\"udp\"}", 0.0),
        ("cooee_connection_age_seconds_bucket{service=\"mirror\",transport=\"tcp\",le=\"1\"}", 0.0),
        (
            "cooee_connection_age_seconds_bucket{service=\"mirror\",transport=\"tcp\",le=\"10\"}",
            2.0,
        ),
        ("cooee_connection_age_seconds_sum{service=\"mirror\",transport=\"tcp\"}", 10.0),
        ("cooee_connections_limit", 2.0),
    ] {
        assert!((value(&metrics, name) - wanted).abs() < 1e-9, "{name}");
    }
}

#[test]
fn no_counter_ever_goes_backwards() {
    let (mut stage, facts) = admin();
    let mut last: BTreeMap<String, f64> = BTreeMap::new();
    for round in 0..20 {
        let peer = stage.join();
        stage.say(peer, "hello");
        if round == 10 {
            facts.is_leaving.set(true);
            stage.engine().close_all();
        }
        stage.finish(peer);
        stage.pass(Duration::from_millis(700));
        let metrics = fetch(&mut stage, "/metrics");
        let grows = |name: &str| {
            ["_total", "_bucket", "_sum", "_count"].iter().any(|end| name.contains(end))
        };
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            let before = last.insert(name.to_owned(), value).unwrap_or(0.0);
            assert!(!grows(name) || value >= before, "{name}: {before} and then {value}");
        }
    }
}

#[test]
fn the_process_began_once() {
    let (mut stage, _) = admin();
    // Each of the two clocks comes to its next full second at another time.
    for (wait, wall) in [(700, 1002), (300, 1002), (700, 1003), (300, 1003)] {
        stage.set_wall(wall);
        stage.pass(Duration::from_millis(wait));
        let began = value(&fetch(&mut stage, "/metrics"), "process_start_time_seconds");
        assert!((began - 1002.0).abs() < 1e-9, "{wall}: {began}");
    }
}

#[test]
fn the_status_tells_of_services_of_seconds_that_are_over_and_of_the_peers_that_matter() {
    let (mut stage, _) = admin();
    let (one, other) = (stage.join(), stage.join());
    stage.say(one, "hello");
    stage.pass(Duration::from_millis(2500));
    stage.say(other, "hello again");
    stage.take(one, 0);
    stage.say(one, "waits");
    let status: Value = serde_json::from_str(&fetch(&mut stage, "/status.json")).unwrap();
    assert_eq!(status["services"][0]["service"], "mirror");
    assert_eq!(status["services"][0]["bytes_in"], 21);
    assert_eq!(status["services"][1]["transport"], "udp");
    assert_eq!(status["services"].as_array().unwrap().len(), 2);
    assert_eq!(status["connections"]["open"], 2);
    let history = |name: &str| status["history"][name].as_array().unwrap().clone();
    assert_eq!(
        (history("opened"), history("bytes_in")),
        (vec![2.into(), 0.into()], vec![5.into(), 0.into()])
    );
    let first = |kind: &str| &status["peers"][kind][0];
    assert_eq!(first("busiest")["number"], other.number());
    assert_eq!((&first("oldest")["number"], &first("oldest")["age_s"]), (&1.into(), &2.5.into()));
    assert_eq!((&first("behind")["number"], &first("behind")["queued"]), (&1.into(), &5.into()));
    assert_eq!(status["peers"]["behind"].as_array().unwrap().len(), 1);
}

#[test]
fn a_crowd_is_counted_in_parts_and_told_once_all_of_it_has_been() {
    let mut stage = Stage::empty(Limits { connections: 10_000, ..Limits::default() });
    stage.engine().add_service("mirror", Quota::default(), Box::new(Mirror));
    stage.engine().add_service("admin", QUOTA, Box::new(Admin::new(Rc::default(), Vec::new())));
    let crowd: Vec<Peer> = (0..10_000).map(|_| stage.join_in_turn(0).unwrap()).collect();
    stage.flush();
    stage.say(crowd[9_000], "hello");
    let peer = join(&mut stage);
    stage.send(peer, "GET /status.json HTTP/1.0\r\n\r\n");
    stage.turn();
    let [(200, early)] = &heard(&mut stage, peer)[..] else { panic!() };
    assert!(early.contains("\"busiest\":[]"));
    stage.flush();
    let later = fetch(&mut stage, "/status.json");
    let status: Value = serde_json::from_str(&later).unwrap();
    assert_eq!(status["peers"]["busiest"][0]["number"], crowd[9_000].number());
}
