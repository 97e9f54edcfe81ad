//! The simulated NATS by itself.

use std::time::Duration;

use super::*;

const EPOCH: u64 = 1_000_000_000_000_000_000;
const HELLO: &str = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n";

struct Scene {
    nats: Nats,
    now: Time,
}

impl Scene {
    fn new(trouble: Trouble) -> Scene {
        Scene { nats: Nats::new(Options::default(), trouble, 1, EPOCH), now: Time::ZERO }
    }

    fn join(&mut self) -> u64 {
        let link = self.nats.connect(self.now);
        assert!(self.hear(link).starts_with("INFO {"));
        self.say(link, HELLO);
        link
    }

    fn say(&mut self, link: u64, text: &str) {
        self.nats.feed(link, text.as_bytes(), self.now);
    }

    fn publish(&mut self, link: u64, subject: &str, payload: &str) {
        self.say(link, &format!("PUB {subject} inbox.1 {}\r\n{payload}\r\n", payload.len()));
    }

    fn hear(&mut self, link: u64) -> String {
        let bytes = std::mem::take(self.nats.output(link));
        String::from_utf8(bytes).expect("text")
    }

    fn pass(&mut self, wait: Duration) {
        let end = self.now.after(wait);
        while self.nats.deadline() <= end {
            self.now = self.nats.deadline().max(self.now);
            self.nats.tick(self.now);
        }
        self.now = end;
        self.nats.tick(end);
    }

    fn with_stream(mut self, consumer: &Value) -> (Scene, u64) {
        let link = self.join();
        self.say(link, "SUB inbox.* 1\r\nSUB d 2\r\n");
        let stream = json!({"name": "S", "subjects": ["s.*"], "max_msgs_per_subject": 3});
        self.publish(link, "$JS.API.STREAM.CREATE.S", &stream.to_string());
        for text in ["one", "two", "three", "four"] {
            self.publish(link, "s.a", text);
        }
        self.publish(link, "$JS.API.CONSUMER.CREATE.S", &json!({"config": consumer}).to_string());
        (self, link)
    }
}

fn consumer() -> Value {
    json!({
        "deliver_subject": "d", "deliver_policy": "all", "ack_policy": "none",
        "idle_heartbeat": 1_000_000_000, "flow_control": true,
        "inactive_threshold": 5_000_000_000_u64,
    })
}

/// The payloads of all messages for a subscription.
fn payloads(heard: &str, sid: &str) -> Vec<String> {
    let mut lines = heard.split("\r\n");
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.first() == Some(&"MSG") && fields[2] == sid {
            found.push(lines.next().expect("a payload").to_owned());
        }
    }
    found
}

#[test]
fn a_question_that_nobody_hears_is_answered_at_once() {
    let mut scene = Scene::new(Trouble::default());
    let link = scene.join();
    scene.say(link, "SUB inbox.* 7\r\nPUB nobody inbox.1 0\r\n\r\nPING\r\n");
    assert_eq!(scene.hear(link), "HMSG inbox.1 7 16 16\r\nNATS/1.0 503\r\n\r\n\r\nPONG\r\n");
}

#[test]
fn a_consumer_hands_out_what_there_is_then_what_comes_and_beats_in_between() {
    let (mut scene, link) = Scene::new(Trouble::default()).with_stream(&consumer());
    let heard = scene.hear(link);
    assert_eq!(payloads(&heard, "2"), ["two", "three", "four"]);
    assert!(heard.contains(".1.4.3.1000000000000000000.0 4\r\nfour"), "{heard}");
    scene.publish(link, "s.b", "five");
    assert_eq!(payloads(&scene.hear(link), "2"), ["five"]);
    scene.pass(Duration::from_millis(1500));
    let heard = scene.hear(link);
    assert!(heard.contains("Nats-Last-Consumer: 4\r\nNats-Last-Stream: 5\r\n"), "{heard}");
}

#[test]
fn a_consumer_that_nobody_hears_goes_on_if_somebody_does_within_its_time_and_is_gone_later() {
    for (silence, resumes) in [(4, true), (6, false)] {
        let (mut scene, link) = Scene::new(Trouble::default()).with_stream(&consumer());
        scene.hear(link);
        scene.say(link, "UNSUB 2\r\n");
        scene.publish(link, "s.a", "missed");
        scene.pass(Duration::from_secs(silence));
        scene.say(link, "SUB d 3\r\n");
        scene.publish(link, "s.a", "more");
        let heard = payloads(&scene.hear(link), "3");
        assert_eq!(heard, if resumes { vec!["missed", "more"] } else { vec![] });
    }
}

#[test]
fn without_confirmations_no_more_than_a_window_is_sent() {
    let mut scene = Scene::new(Trouble::default());
    scene.nats.options.flow_window = 60;
    let (mut scene, link) = scene.with_stream(&consumer());
    let heard = scene.hear(link);
    assert_eq!(payloads(&heard, "2"), ["two", "three", "four"]);
    let asked = "$JS.FC.S.eph00001.1";
    assert!(heard.contains(&format!("HMSG d 2 {asked} 36 36\r\n")), "{heard}");
    scene.publish(link, "s.a", "five");
    assert_eq!(payloads(&scene.hear(link), "2"), [""; 0]);
    scene.pass(Duration::from_millis(1500));
    assert!(scene.hear(link).contains(&format!("Nats-Consumer-Stalled: {asked}")));
    scene.say(link, &format!("PUB {asked} 0\r\n\r\n"));
    assert_eq!(payloads(&scene.hear(link), "2"), ["five"]);
}

#[test]
fn with_delays_subscribers_disagree_about_publishers_and_never_about_one() {
    let trouble = Trouble { delay: Duration::from_millis(5), ..Trouble::default() };
    let mut scene = Scene::new(trouble);
    let links: Vec<u64> = (0..4).map(|_| scene.join()).collect();
    links.iter().for_each(|link| scene.say(*link, "SUB a 1\r\n"));
    for number in 0..50 {
        scene.publish(links[0], "a", &format!("0 {number:02}"));
        scene.publish(links[1], "a", &format!("1 {number:02}"));
        scene.pass(Duration::from_micros(500));
    }
    scene.pass(Duration::from_secs(1));
    let heard: Vec<Vec<String>> =
        links.iter().map(|link| payloads(&scene.hear(*link), "1")).collect();
    assert_ne!(heard[2], heard[3]);
    for lines in heard {
        assert_eq!(lines.len(), 100);
        for author in ["0", "1"] {
            assert!(lines.iter().filter(|line| line.starts_with(author)).is_sorted());
        }
    }
}

#[test]
fn while_it_is_frozen_nothing_happens_and_afterwards_everything_does() {
    let mut scene = Scene::new(Trouble::default());
    let link = scene.join();
    scene.nats.freeze(Time::at(Duration::from_secs(30)));
    scene.say(link, "PING\r\n");
    scene.pass(Duration::from_secs(29));
    assert_eq!((scene.hear(link).as_str(), scene.nats.is_listening()), ("", true));
    scene.pass(Duration::from_secs(2));
    assert_eq!(scene.hear(link), "PONG\r\nPING\r\n");
}

#[test]
fn a_lame_duck_says_so_and_closes_ten_seconds_later() {
    let mut scene = Scene::new(Trouble::default());
    let link = scene.join();
    scene.nats.lame_duck(scene.now);
    assert!(scene.hear(link).contains("\"ldm\":true"));
    scene.pass(Duration::from_secs(9));
    assert!(!scene.nats.is_over(link) && !scene.nats.is_listening());
    scene.pass(Duration::from_secs(1));
    assert!(scene.nats.is_over(link));
}

#[test]
fn who_has_the_wrong_password_is_told_and_closed() {
    let mut scene = Scene::new(Trouble::default());
    scene.nats.options.login = Some(("ann".into(), "right".into()));
    for (password, is_over) in [("wrong", true), ("right", false)] {
        let link = scene.nats.connect(scene.now);
        assert!(scene.hear(link).contains("\"auth_required\":true"));
        let line = format!(
            "CONNECT {{\"verbose\":false,\"user\":\"ann\",\"pass\":\"{password}\"}}\r\nPING\r\n"
        );
        scene.say(link, &line);
        let heard = if is_over { "-ERR 'Authorization Violation'\r\n" } else { "PONG\r\n" };
        assert_eq!((scene.hear(link).as_str(), scene.nats.is_over(link)), (heard, is_over));
    }
}

#[test]
fn what_is_denied_is_told_and_nothing_more() {
    let mut scene = Scene::new(Trouble::default());
    scene.nats.options.denied = vec!["s.>".into()];
    let link = scene.join();
    scene.say(link, "SUB s.a 1\r\nPUB s.b 0\r\n\r\nPING\r\n");
    let told = "-ERR 'Permissions Violation for Subscription to \"s.a\"'\r\n\
        -ERR 'Permissions Violation for Publish to \"s.b\"'\r\nPONG\r\n";
    assert_eq!(scene.hear(link), told);
}
