//! The simulated NATS beside the real one: clients say the same to both and must hear the same, but
//! for names, times and the order of what comes from different places.

mod arms;
mod words;

use std::time::Duration;

use serde_json::{Value, json};

use self::arms::{Arm, Real, Simulated, Step};
use crate::sim::Options;

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
    let Some(mut real) = Real::start(login) else { return };
    let account = login.then(|| ("ann".to_owned(), "right".to_owned()));
    let options = Options { login: account, ..Options::default() };
    let mut simulated = Simulated::new(options);
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
