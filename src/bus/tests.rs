//! The bus at servers that are not as they should be. What it does at those that are is simulated
//! (`tests/sim/nodes`).

use std::time::Duration;

use super::*;
use crate::engine::Limits;
use crate::engine::stage::Stage;

pub(crate) const INFO: &str = "INFO {\"headers\":true,\"max_payload\":1048576}\r\n";
pub(crate) const STREAM: &str =
    r#"{"config":{"subjects":["cooee.1.say.*"]},"created":"c","state":{}}"#;

/// Looks nothing up.
pub(crate) struct Nowhere;

impl Lookup for Nowhere {
    fn start(&mut self, _: &str, _: u16) -> bool {
        false
    }

    fn poll(&mut self) -> Option<Found> {
        None
    }
}

/// A bus, and the test as its server.
struct Scene {
    stage: Stage,
    port: Port,
    /// What it has said and nobody has looked at yet.
    said: String,
    /// Where answers are to go.
    inbox: String,
}

impl Scene {
    /// It has called.
    fn new() -> Scene {
        let (mut stage, port) = (Stage::empty(Limits::default()), Port::default());
        let servers = ServerAddress::parse_list("nats://192.0.2.1").unwrap();
        let bus = Bus::new(BusConfig::new(servers, "north"), port.clone(), 7, Box::new(Nowhere));
        stage.engine().add_service("bus", QUOTA, Box::new(bus));
        stage.pass(Duration::ZERO);
        let mut scene = Scene { stage, port, said: String::new(), inbox: String::new() };
        scene.answer();
        scene
    }

    /// It is in, and there is a stream.
    fn up() -> Scene {
        let mut scene = Scene::new();
        scene.enter();
        scene
    }

    fn enter(&mut self) {
        self.say(INFO);
        self.say("PONG\r\n");
        self.reply("look", STREAM);
        assert!(self.port.figures().is_up, "{}", self.said);
    }

    fn peer(&self) -> Peer {
        *self.stage.dialed().last().expect("it has called")
    }

    fn calls(&self) -> usize {
        self.stage.dialed().len()
    }

    fn answer(&mut self) {
        let peer = self.peer();
        self.stage.answer(peer, ([192, 0, 2, 99], 5000).into());
    }

    fn say(&mut self, text: &str) {
        let peer = self.peer();
        self.stage.say(peer, text);
        self.listen();
    }

    fn listen(&mut self) {
        let peer = self.peer();
        self.said += &self.stage.hear(peer);
        let inbox = self.said.split_whitespace().rfind(|word| word.ends_with(".*"));
        if let Some(inbox) = inbox.filter(|word| word.starts_with("_INBOX.")) {
            self.inbox = inbox.trim_end_matches(".*").to_owned();
        }
    }

    /// What it has said since the last call.
    fn heard(&mut self) -> String {
        self.stage.pass(Duration::ZERO);
        self.listen();
        std::mem::take(&mut self.said)
    }

    /// Answers what was asked with that token at the end of its reply subject.
    fn reply(&mut self, token: &str, body: &str) {
        self.say(&format!("MSG {}.{token} 1 {}\r\n{body}\r\n", self.inbox, body.len()));
    }

    fn keep(&mut self, id: &str) {
        let (subject, id) = ("say.lobby".to_owned(), id.to_owned());
        self.port.wish(Wish::Keep { subject, id, payload: b"{}".to_vec() });
        self.stage.flush();
    }

    fn news(&self) -> Vec<News> {
        std::iter::from_fn(|| self.port.next_news()).collect()
    }
}

#[test]
fn a_line_that_may_not_be_published_is_refused_and_all_else_goes_on() {
    let mut scene = Scene::up();
    scene.news();
    scene.keep("one");
    assert!(scene.heard().contains("HPUB cooee.1.say.lobby "));
    scene.say("-ERR 'Permissions Violation for Publish to \"cooee.1.say.lobby\"'\r\n");
    let news = scene.news();
    assert!(matches!(&news[..], [News::Refused { id, .. }] if id == "one"), "{news:?}");
    scene.say("PING\r\n");
    scene.stage.pass(Duration::from_secs(4));
    assert_eq!((scene.calls(), scene.news()), (1, vec![]));
}

#[test]
fn a_server_that_takes_no_long_messages_is_not_told_any() {
    let mut scene = Scene::new();
    for call in 1..=10 {
        while scene.calls() < call {
            scene.stage.pass(Duration::from_millis(10));
        }
        scene.answer();
        scene.say("INFO {\"headers\":true,\"max_payload\":4096}\r\n");
        assert_eq!(scene.heard(), "");
    }
    let news = scene.news();
    assert!(matches!(&news[..], [News::Down { why }] if why.contains("max_payload")), "{news:?}");
}

#[test]
fn a_server_that_has_the_stream_and_takes_no_lines_is_not_asked_over_and_over() {
    let mut scene = Scene::up();
    scene.keep("one");
    let mut asked = 0;
    // Nobody answers what is published; that the stream is there is told each time.
    for _ in 0..100 {
        scene.stage.pass(Duration::from_millis(1));
        let said = scene.heard();
        if said.contains("HPUB cooee") {
            let number = said.split(".k").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
            let to = format!("{}.k{number}", scene.inbox);
            scene.say(&format!("HMSG {to} 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"));
        }
        if scene.said.contains("STREAM.INFO") || said.contains("STREAM.INFO") {
            asked += 1;
            scene.reply("look", STREAM);
        }
    }
    assert!((1..4).contains(&asked), "{asked}");
    assert_eq!(scene.calls(), 1);
}

/// The token under which the line that was said last is answered.
fn token_of_line(said: &str) -> String {
    let number = said.rsplit(".k").next().and_then(|rest| rest.split(' ').next());
    format!("k{}", number.expect("a line was said"))
}

fn receipt(seq: u64) -> String {
    format!("{{\"stream\":\"COOEE\",\"seq\":{seq}}}")
}

#[test]
fn what_a_stream_had_taken_that_is_lost_makes_nobody_lose_the_next_one() {
    let mut scene = Scene::up();
    let tokens = ["one", "two"].map(|id| {
        scene.keep(id);
        token_of_line(&scene.heard())
    });
    // The second finds no stream any more; a new one is there, and what the first stream says of
    // the first line comes late.
    scene.stage.pass(Duration::from_secs(1));
    scene.say(&format!("HMSG {}.{} 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", scene.inbox, tokens[1]));
    let other = STREAM.replace("\"c\"", "\"other\"");
    scene.news();
    scene.reply("look", &other);
    assert_eq!(scene.news(), [News::Renewed]);
    scene.heard();
    scene.reply(&tokens[0], &receipt(500));
    let state = "\"state\":{\"last_seq\":3}";
    for (id, seq) in [("three", 3), ("four", 4)] {
        scene.keep(id);
        let token = token_of_line(&scene.heard());
        scene.reply(&token, &receipt(seq));
        scene.stage.pass(Duration::from_millis(600));
        if scene.heard().contains("STREAM.INFO") {
            scene.reply("look", &other.replace("\"state\":{}", state));
        }
    }
    assert!(!scene.news().contains(&News::Renewed));
}

#[test]
fn a_consumer_that_always_lacks_something_is_not_made_over_and_over() {
    let mut scene = Scene::up();
    scene.port.wish(Wish::Follow("say.lobby".into()));
    scene.stage.flush();
    let mut made = 0;
    for _ in 0..100 {
        scene.stage.pass(Duration::from_millis(1));
        let said = scene.heard();
        let Some(order) = said.split("CONSUMER.CREATE").nth(1) else { continue };
        made += 1;
        let sid = order.split(".c").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let reply = "$JS.ACK.COOEE.c.1.9.9.0.0";
        scene.say(&format!("MSG cooee.1.say.lobby {sid} {reply} 2\r\n{{}}\r\n"));
    }
    assert!((1..4).contains(&made), "{made}");
}
