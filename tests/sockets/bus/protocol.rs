//! What we say to NATS and how we read what it says, beside a real nats-server.

use std::time::Duration;

use cooee::nats::stream::{
    Notice, PubAck, Start, StreamWish, code, consumer_state, create_stream, delete_consumer,
    stream_info, stream_state,
};
use cooee::nats::{Headers, Login, ServerOp, Trouble, say, trouble};

use super::caller::Caller;
use crate::support::nats::Nats;

const WISH: StreamWish<'static> = StreamWish {
    name: "COOEE",
    subjects: "cooee.1.say.*",
    messages_per_subject: 20,
    duplicate_window: Duration::from_secs(120),
};

#[test]
fn what_one_says_the_other_hears_but_nobody_hears_himself() {
    let Some(nats) = Nats::without_streams(&[]) else { return };
    let (mut ann, mut bob) = (Caller::welcome(&nats), Caller::welcome(&nats));
    assert!(ann.info.headers && !ann.info.jetstream && ann.info.max_payload == Some(1 << 20));
    ann.listen("a.*");
    let sid = bob.listen("a.*");
    ann.say(|out| {
        say::publish(out, "a.b", Some("r"), b"hi\r\n");
        say::publish_once(out, "a.c", None, "id", b"");
        say::publish(out, "a.b", None, &[b'x'; 100_000]);
        say::publish(out, "a.d", None, b"");
    });
    let hi = bob.message();
    assert_eq!((hi.subject.as_str(), hi.sid, hi.payload), ("a.b", sid, b"hi\r\n".to_vec()));
    assert_eq!((hi.reply.as_deref(), hi.headers), (Some("r"), None));
    let headers = bob.message().headers.unwrap();
    assert_eq!(Headers::new(&headers).value("Nats-Msg-Id"), Some("id"));
    let size = bob.hear(|op| match op {
        ServerOp::Skipped { size, .. } => Some(size),
        other => panic!("{other:?}"),
    });
    assert_eq!((size, bob.message().subject.as_str()), (100_000, "a.d"));
    // What comes first is Bob's: the server has not sent Ann her own.
    bob.say(|out| say::publish(out, "a.e", None, b""));
    bob.settle();
    assert_eq!(ann.message().subject, "a.e");
    bob.say(|out| say::unsubscribe(out, sid));
    bob.settle();
    ann.say(|out| say::publish(out, "a.b", None, b""));
    ann.settle();
    bob.say(say::ping);
    bob.hear(|op| if op == ServerOp::Pong { Some(()) } else { panic!("{op:?}") });
}

#[test]
fn a_question_that_nobody_answers_says_so() {
    let Some(nats) = Nats::without_streams(&[]) else { return };
    let mut caller = Caller::welcome(&nats);
    let answer = caller.ask(&create_stream(&WISH));
    assert_eq!((answer.notice(), answer.payload.len()), (Some(Notice::NoResponders), 0));
}

#[test]
fn a_stream_is_made_once_and_another_one_in_its_place_is_refused() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let mut caller = Caller::welcome(&nats);
    let missing = stream_state(&caller.ask(&stream_info("COOEE")).payload).unwrap_err();
    assert_eq!((missing.code, missing.words.as_str()), (code::NO_STREAM, "stream not found"));
    let made = stream_state(&caller.ask(&create_stream(&WISH)).payload).unwrap();
    assert_eq!((made.subjects.as_slice(), made.last_seq), (&["cooee.1.say.*".to_owned()][..], 0));
    assert_eq!((made.messages_per_subject, made.created.len() > 10), (Some(20), true));
    let again = stream_state(&caller.ask(&create_stream(&WISH)).payload).unwrap();
    assert_eq!(again, made);
    let other = StreamWish { messages_per_subject: 21, ..WISH };
    let refused = stream_state(&caller.ask(&create_stream(&other)).payload).unwrap_err();
    assert_eq!(refused.code, code::OTHER_CONFIGURATION, "{refused}");
    assert_eq!(stream_state(&caller.ask(&stream_info("COOEE")).payload), Ok(made));
    let other = StreamWish { name: "OTHER", ..WISH };
    let refused = stream_state(&caller.ask(&create_stream(&other)).payload).unwrap_err();
    assert_eq!(refused.code, code::OVERLAP, "{refused}");
}

#[test]
fn what_the_stream_has_comes_in_order_with_its_numbers_and_ids_are_taken_once() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let mut caller = Caller::welcome(&nats);
    stream_state(&caller.ask(&create_stream(&WISH)).payload).unwrap();
    for number in 1..=35 {
        let ack = caller.keep("cooee.1.say.a", &format!("id-{number}"), &number.to_string());
        assert_eq!(ack, PubAck { stream: "COOEE".into(), seq: number, is_duplicate: false });
    }
    let twice = caller.keep("cooee.1.say.a", "id-35", "35");
    assert_eq!(twice, PubAck { stream: "COOEE".into(), seq: 35, is_duplicate: true });
    let sid = caller.listen("deliver.1");
    let consumer = caller.consumer("deliver.1", Start::All);
    assert_eq!(consumer.pending, 20);
    for number in 16..=35 {
        let line = caller.message();
        let delivery = line.delivery();
        assert_eq!((line.sid, line.payload.as_slice()), (sid, number.to_string().as_bytes()));
        assert_eq!((delivery.stream_seq, delivery.consumer_seq), (number, number - 15));
        assert_eq!((delivery.pending, delivery.consumer), (35 - number, consumer.name.as_str()));
        assert!(delivery.at_ns > 1_600_000_000_000_000_000);
    }
    let beat = caller.message();
    let wanted = Notice::Heartbeat { consumer_seq: Some(20), stream_seq: Some(35), stalled: None };
    assert_eq!(beat.notice(), Some(wanted));
    // One's own lines come back from a stream, whatever CONNECT says of echoes.
    caller.say(|out| say::publish(out, "cooee.1.say.a", None, b"own"));
    let own = caller.hear_line();
    assert_eq!((own.payload.as_slice(), own.delivery().stream_seq), (&b"own"[..], 36));
}

#[test]
fn a_consumer_begins_where_it_is_told_and_is_missed_once_it_is_gone() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let mut caller = Caller::welcome(&nats);
    stream_state(&caller.ask(&create_stream(&WISH)).payload).unwrap();
    for number in 1..=5 {
        caller.keep("cooee.1.say.a", &format!("id-{number}"), &number.to_string());
    }
    caller.listen("deliver.1");
    let consumer = caller.consumer("deliver.1", Start::At(4));
    assert_eq!((consumer.pending, consumer.stream_seq), (2, 3));
    assert_eq!(caller.hear_line().delivery().stream_seq, 4);
    assert_eq!(caller.hear_line().delivery().stream_seq, 5);
    let beyond = caller.consumer("deliver.2", Start::At(100));
    assert_eq!(beyond.pending, 0);
    let gone = caller.ask(&delete_consumer("COOEE", &consumer.name));
    assert!(String::from_utf8_lossy(&gone.payload).contains("\"success\":true"));
    let gone = caller.ask(&delete_consumer("COOEE", &consumer.name));
    assert_eq!(consumer_state(&gone.payload).unwrap_err().code, code::NO_CONSUMER);
}

#[test]
fn flow_control_is_asked_for_and_a_consumer_that_is_answered_goes_on() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let mut caller = Caller::welcome(&nats);
    let wish = StreamWish { messages_per_subject: 4000, ..WISH };
    stream_state(&caller.ask(&create_stream(&wish)).payload).unwrap();
    let payload = vec![b'x'; 8000];
    for _ in 0..4000 {
        caller.say(|out| say::publish(out, "cooee.1.say.a", None, &payload));
    }
    caller.settle();
    caller.keep("cooee.1.say.a", "last", "last");
    caller.listen("deliver.1");
    caller.consumer("deliver.1", Start::All);
    let (mut asked, mut lines) = (0, 0);
    while lines < 4000 {
        let heard = caller.message();
        let to = match heard.notice() {
            None => {
                lines += 1;
                continue;
            }
            Some(Notice::FlowControl) => heard.reply.clone(),
            Some(Notice::Heartbeat { stalled, .. }) => stalled.map(str::to_owned),
            other => panic!("{other:?}"),
        };
        if let Some(to) = to {
            asked += 1;
            caller.say(|out| say::publish(out, &to, None, b""));
        }
    }
    assert!(asked > 0, "32 MB went by without a question");
}

#[test]
fn whoever_shows_a_wrong_password_is_told_and_the_right_one_is_let_in() {
    let Some(nats) = Nats::configured("authorization { user: ann, password: s3cret }") else {
        return;
    };
    let login = |password: &str| Login::Password { user: "ann".into(), password: password.into() };
    for login in [login("wrong"), Login::None, Login::Token("s3cret".into())] {
        let mut caller = Caller::connect(&nats, &login);
        assert!(caller.info.auth_required);
        let why = caller.error();
        assert_eq!((trouble(&why), why.as_str()), (Trouble::Login, "Authorization Violation"));
    }
    Caller::connect(&nats, &login("s3cret")).settle();
    let Some(nats) = Nats::configured("authorization { token: s3cret }") else { return };
    Caller::connect(&nats, &Login::Token("s3cret".into())).settle();
}

#[test]
fn what_is_not_permitted_is_told_and_all_else_goes_on() {
    let config = "authorization { users: [ { user: ann, password: a, permissions: { \
                  publish: \"a.*\", subscribe: \"a.*\" } } ] }";
    let Some(nats) = Nats::configured(config) else { return };
    let login = Login::Password { user: "ann".into(), password: "a".into() };
    let mut caller = Caller::connect(&nats, &login);
    caller.say(|out| say::publish(out, "b", None, b""));
    let why = caller.error();
    assert_eq!(trouble(&why), Trouble::Permission, "{why}");
    caller.say(|out| say::subscribe(out, "b", 9));
    let why = caller.error();
    assert_eq!(trouble(&why), Trouble::Permission, "{why}");
    caller.settle();
}

#[cfg(feature = "tls")]
#[test]
fn a_key_signs_what_the_server_makes_up() {
    let user = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let config = format!("authorization {{ users: [ {{ nkey: {user} }} ] }}");
    let Some(nats) = Nats::configured(&config) else { return };
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let login = Login::from_file_text(seed).unwrap();
    Caller::connect(&nats, &login).settle();
    let mut stranger = Caller::connect(&nats, &Login::None);
    assert_eq!(trouble(&stranger.error()), Trouble::Login);
}

#[test]
fn a_cluster_tells_its_servers_and_one_that_leaves_says_so() {
    let Some((one, mut other)) = Nats::two() else { return };
    let mut caller = Caller::connect(&one, &Login::None);
    let mut wanted = [one.address.to_string(), other.address.to_string()];
    wanted.sort();
    let is_whole = |mut urls: Vec<String>| {
        urls.sort();
        urls == wanted
    };
    // Whoever is early is told by another INFO.
    if !is_whole(caller.info.connect_urls.clone()) {
        caller.hear(|op| match op {
            ServerOp::Info(info) => Some(is_whole(info.connect_urls)),
            _ => None,
        });
    }
    caller.settle();
    other.kill();
    // It may have more to tell meanwhile.
    let left = [one.address.to_string()];
    caller.hear(|op| match op {
        ServerOp::Info(info) => (info.connect_urls == left).then_some(()),
        _ => None,
    });
    one.leave();
    caller.hear(|op| if let ServerOp::Info(info) = op { info.ldm.then_some(()) } else { None });
}

#[test]
fn what_a_stream_took_outlasts_a_server_that_is_killed() {
    let Some(mut nats) = Nats::with_streams(&[]) else { return };
    let mut caller = Caller::welcome(&nats);
    let made = stream_state(&caller.ask(&create_stream(&WISH)).payload).unwrap();
    caller.keep("cooee.1.say.a", "id-1", "hi");
    nats.kill();
    nats.start_again();
    let mut caller = Caller::welcome(&nats);
    let found = stream_state(&caller.ask(&create_stream(&WISH)).payload).unwrap();
    assert_eq!((&found.created, found.last_seq), (&made.created, 1));
    assert!(caller.keep("cooee.1.say.a", "id-1", "hi").is_duplicate);
}

#[cfg(feature = "tls")]
#[test]
fn a_credentials_file_is_believed_by_who_knows_its_operator() {
    let Some(nats) = Nats::configured(include_str!("operator.conf")) else { return };
    let text = include_str!("north.creds");
    Caller::connect(&nats, &Login::from_file_text(text).unwrap()).settle();
    // Another's key does not go with that JWT.
    let seed = text.lines().find(|line| line.starts_with("SU")).unwrap();
    let other = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let login = Login::from_file_text(&text.replace(seed, other)).unwrap();
    let mut stranger = Caller::connect(&nats, &login);
    assert_eq!(trouble(&stranger.error()), Trouble::Login);
}
