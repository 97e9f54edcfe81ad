//! Answers as nats-server 2.9.10 gives them, others that it would not, and what is asked.

use super::*;
use crate::nats::{MESSAGE_MAX, Parsed, Parser, ServerOp};

fn body(question: &Question) -> Value {
    serde_json::from_slice(&question.body).unwrap()
}

#[test]
fn a_stream_is_asked_for_as_the_server_reads_it() {
    let wish = StreamWish {
        name: "COOEE",
        subjects: "cooee.1.say.*",
        messages_per_subject: 1000,
        duplicate_window: Duration::from_secs(120),
    };
    let question = create_stream(&wish);
    assert_eq!(question.subject, "$JS.API.STREAM.CREATE.COOEE");
    let body = body(&question);
    assert_eq!(body["subjects"], json!(["cooee.1.say.*"]));
    assert_eq!(body["duplicate_window"], json!(120_000_000_000_u64));
    assert_eq!((&body["max_msgs_per_subject"], &body["storage"]), (&json!(1000), &json!("file")));
    assert_eq!(stream_info("S").subject, "$JS.API.STREAM.INFO.S");
}

#[test]
fn a_consumer_is_asked_for_from_where_it_is_to_begin() {
    let mut wish = ConsumerWish {
        stream: "S",
        filter: "s.a",
        deliver: "inbox.1",
        start: Start::All,
        heartbeat: Duration::from_secs(1),
        inactive: Duration::from_secs(5),
    };
    for (start, policy, first) in [
        (Start::All, "all", Value::Null),
        (Start::New, "new", Value::Null),
        (Start::At(8), "by_start_sequence", json!(8)),
    ] {
        wish.start = start;
        let question = create_consumer(&wish);
        assert_eq!(question.subject, "$JS.API.CONSUMER.CREATE.S");
        let body = body(&question);
        assert_eq!(body["stream_name"], "S");
        assert_eq!(body["config"]["deliver_policy"], policy);
        assert_eq!(body["config"]["opt_start_seq"], first);
        assert_eq!(body["config"]["idle_heartbeat"], json!(1_000_000_000));
    }
    assert_eq!(delete_consumer("S", "c1").subject, "$JS.API.CONSUMER.DELETE.S.c1");
}

#[test]
fn a_stream_s_state_is_read() {
    let state = stream_state(
        br#"{"type":"io.nats.jetstream.api.v1.stream_create_response","config":{"name":"COOEE",
        "subjects":["cooee.1.say.*"],"max_msgs_per_subject":1000,"storage":"file"},
        "created":"2026-11-28T03:15:49.5Z","did_create":true,
        "state":{"messages":20,"bytes":9,"first_seq":16,"last_seq":35,"consumer_count":0}}"#,
    );
    let wanted = StreamState {
        created: "2026-11-28T03:15:49.5Z".into(),
        subjects: vec!["cooee.1.say.*".into()],
        messages_per_subject: Some(1000),
        messages: 20,
        first_seq: 16,
        last_seq: 35,
    };
    assert_eq!(state, Ok(wanted));
    let endless = stream_state(br#"{"config":{"max_msgs_per_subject":-1,"subjects":7}}"#).unwrap();
    assert_eq!(endless, StreamState::default());
}

#[test]
fn a_consumer_s_state_and_a_receipt_are_read() {
    let state = consumer_state(
        br#"{"name":"Xy","stream_name":"S","num_pending":20,"delivered":{"stream_seq":7}}"#,
    );
    assert_eq!(state, Ok(ConsumerState { name: "Xy".into(), pending: 20, stream_seq: 7 }));
    for strange in [r#"{"num_pending":1}"#, r#"{"name":"a.b"}"#, r#"{"name":"a b"}"#] {
        assert_eq!(consumer_state(strange.as_bytes()).unwrap_err().code, 0, "{strange}");
    }
    let ack = pub_ack(br#"{"stream":"S","seq":7,"duplicate":true}"#).unwrap();
    assert_eq!(ack, PubAck { stream: "S".into(), seq: 7, is_duplicate: true });
    assert!(!pub_ack(br#"{"stream":"S","domain":"d","seq":7}"#).unwrap().is_duplicate);
    for strange in [r#"{"stream":"S"}"#, r#"{"seq":0}"#, r#"{"seq":-1}"#, "{}", "[]", "", "+OK"] {
        assert_eq!(pub_ack(strange.as_bytes()).unwrap_err().code, 0, "{strange}");
    }
}

#[test]
fn what_jetstream_will_not_do_is_told_by_its_number_and_in_one_line() {
    let why = pub_ack(
        br#"{"type":"x","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#,
    );
    let why = why.unwrap_err();
    assert_eq!((why.status, why.code), (404, code::NO_STREAM));
    assert_eq!(why.to_string(), "stream not found (error 10059 of JetStream)");
    for (text, shown) in [
        (r#"{"error":{}}"#, "an error without words"),
        (r#"{"error":"x"}"#, "an error without words"),
        (r#"{"error":{"description":"a\nb"}}"#, "a\u{fffd}b"),
        ("7", "an answer that is no JSON object"),
        ("\u{1b}", "an answer that is not JSON"),
    ] {
        assert_eq!(stream_state(text.as_bytes()).unwrap_err().to_string(), shown);
    }
}

#[test]
fn a_reply_subject_says_where_its_message_stands() {
    let wanted = Delivery {
        stream: "S",
        consumer: "c",
        stream_seq: 35,
        consumer_seq: 20,
        at_ns: 1_700_000_000_000_000_001,
        pending: 4,
    };
    let tail = "S.c.1.35.20.1700000000000000001.4";
    for reply in [
        format!("$JS.ACK.{tail}"),
        format!("$JS.ACK._.ACCHASH.{tail}"),
        format!("$JS.ACK.hub.ACCHASH.{tail}.rnd"),
        format!("$JS.ACK.hub.ACCHASH.{tail}.rnd.more.and.more"),
    ] {
        assert_eq!(Delivery::parse(&reply), Some(wanted), "{reply}");
    }
    for reply in [
        "",
        "$JS.ACK",
        "$JS.ACK.",
        "$JS.FC.S.c.x",
        "$JS.ACK.S.c.1.35.20.1700000000000000001",
        "$JS.ACK.x.S.c.1.35.20.1700000000000000001.4",
        "$JS.ACK.S.c.1.x.20.1700000000000000001.4",
        "$JS.ACK.S.c.1.35.20.-1.4",
        "$JS.ACK.S.c.1.35.20.99999999999999999999.4",
    ] {
        assert_eq!(Delivery::parse(reply), None, "{reply}");
    }
}

#[test]
fn what_a_consumer_says_beside_its_messages_is_told_apart() {
    let beat = |stalled| Notice::Heartbeat { consumer_seq: Some(4), stream_seq: Some(9), stalled };
    for (text, wanted) in [
        ("NATS/1.0 503\r\n\r\n", Some(Notice::NoResponders)),
        ("NATS/1.0 100 FlowControl Request\r\n\r\n", Some(Notice::FlowControl)),
        (
            "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 4\r\nNats-Last-Stream: 9\r\n\r\n",
            Some(beat(None)),
        ),
        (
            "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 4\r\nNats-Last-Stream: 9\r\n\
             Nats-Consumer-Stalled: $JS.FC.S.c.x\r\n\r\n",
            Some(beat(Some("$JS.FC.S.c.x"))),
        ),
        (
            "NATS/1.0 100\r\nNats-Last-Consumer: x\r\nNats-Consumer-Stalled: a b\r\n\r\n",
            Some(Notice::Heartbeat { consumer_seq: None, stream_seq: None, stalled: None }),
        ),
        (
            "NATS/1.0 409 Consumer Deleted\r\n\r\n",
            Some(Notice::Other { status: 409, words: "Consumer Deleted" }),
        ),
        ("NATS/1.0\r\nNats-Msg-Id: x\r\n\r\n", None),
    ] {
        assert_eq!(Notice::parse(Headers::new(text.as_bytes())), wanted, "{text}");
    }
}

#[test]
fn a_line_of_a_consumer_is_read_as_it_comes_from_the_server() {
    let input = b"MSG cooee.1.say.a 4 $JS.ACK.COOEE.Xy.1.35.1.1700000000000000001.0 2\r\nhi\r\n";
    let (used, parsed) = Parser::default().next(input);
    let Parsed::Op(ServerOp::Message(message)) = parsed else { panic!("{parsed:?}") };
    let delivery = Delivery::parse(message.reply.unwrap()).unwrap();
    assert_eq!((used, delivery.stream_seq, delivery.pending), (input.len(), 35, 0));
    // What is answered has some kilobytes at most.
    assert!(MESSAGE_MAX >= 32 * 1024);
}
