//! Our reader of what NATS servers say beside watermelon-proto's.

use bytes::BufMut;
use cooee::nats::{Headers, Parsed, Parser, ServerOp};
use watermelon_proto::headers::HeaderName;
use watermelon_proto::proto::{ServerOp as Other, StreamDecoder};

/// Where ours finds something, theirs finds the same, or is stricter.
pub(crate) fn whatever_comes(input: &[u8]) {
    let (mut parser, mut rest) = (Parser::default(), input);
    while let (used @ 1.., Parsed::Op(op)) = parser.next(rest) {
        let (bytes, behind) = rest.split_at(used);
        if !matches!(&op, ServerOp::Skipped { .. })
            && !is_pattern(&op)
            && let Some(other) = theirs(bytes)
        {
            assert_same(&op, &other);
        }
        rest = behind;
    }
}

/// What a server would say is found by both.
pub(crate) fn what_servers_say(input: &[u8]) {
    let mut input = input.iter().copied();
    while let Some(kind) = input.next() {
        let bytes = said(kind, &mut input);
        let mut parser = Parser::default();
        let (used, parsed) = parser.next(&bytes);
        let Parsed::Op(op) = parsed else { panic!("{parsed:?}") };
        assert_eq!(used, bytes.len());
        assert_same(&op, &theirs(&bytes).expect("they find something"));
    }
}

/// Theirs asserts that nothing is published under patterns.
fn is_pattern(op: &ServerOp<'_>) -> bool {
    let ServerOp::Message(message) = op else { return false };
    message.subject.contains(['*', '>'])
        || message.reply.is_some_and(|reply| reply.contains(['*', '>']))
}

fn theirs(bytes: &[u8]) -> Option<Other> {
    let mut decoder = StreamDecoder::new();
    decoder.read_buf().put_slice(bytes);
    decoder.decode().ok().flatten()
}

/// One thing that a server would say, made of `input`.
fn said(kind: u8, input: &mut impl Iterator<Item = u8>) -> Vec<u8> {
    let mut next = || input.next().unwrap_or_default();
    let tokens = ["a", "cooee", "$JS", "ACK", "_INBOX", "ä", "x-1", "0"];
    let mut subject = || {
        let count = next() % 4;
        let token = |byte: u8| tokens[usize::from(byte % 8)];
        (0..=count).map(|_| token(next())).collect::<Vec<_>>().join(".")
    };
    let (to, reply) = (subject(), subject());
    let (blank, sid, size) = ([" ", "\t", "  "][usize::from(next() % 3)], next(), next());
    let reply = if kind & 8 == 0 { String::new() } else { format!("{reply}{blank}") };
    let payload: Vec<u8> = (0..size).map(|_| next()).collect();
    let headers = [
        "NATS/1.0\r\n\r\n",
        "NATS/1.0 503\r\n\r\n",
        "NATS/1.0\r\nNats-Msg-Id: x:y\r\n\r\n",
        "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\nNats-Msg-Id: \r\n\r\n",
    ][usize::from(sid % 4)];
    let total = headers.len() + payload.len();
    match kind % 8 {
        0 => b"PING\r\n".to_vec(),
        1 => b"PONG\r\n".to_vec(),
        2 => b"+OK\r\n".to_vec(),
        3 => format!("-ERR 'Permissions Violation for Publish to \"{to}\"'\r\n").into_bytes(),
        4 => format!("-ERR '{to} {sid}'\r\n").into_bytes(),
        5 => [format!("MSG {to} {sid} {reply}{size}\r\n").as_bytes(), &payload, b"\r\n"].concat(),
        _ => {
            let line = format!("HMSG {to}{blank}{sid} {reply}{} {total}\r\n", headers.len());
            [line.as_bytes(), headers.as_bytes(), &payload, b"\r\n"].concat()
        }
    }
}

fn assert_same(ours: &ServerOp<'_>, theirs: &Other) {
    match (ours, theirs) {
        (ServerOp::Ping, Other::Ping)
        | (ServerOp::Pong, Other::Pong)
        | (ServerOp::Ok, Other::Success)
        // They tell kinds of errors, we tell texts.
        | (ServerOp::Error(_), Other::Error { .. }) => {}
        (ServerOp::Info(ours), Other::Info { info }) => {
            assert_eq!(ours.max_payload, u64::try_from(info.max_payload.get()).ok());
            assert_eq!((ours.headers, ours.ldm), (info.supports_headers, info.lame_duck_mode));
        }
        (ServerOp::Message(ours), Other::Message { message: theirs }) => {
            assert_eq!(ours.subject, &*theirs.base.subject);
            assert_eq!(ours.sid, u64::from(theirs.subscription_id));
            assert_eq!(ours.reply, theirs.base.reply_subject.as_deref());
            assert_eq!(ours.payload, &theirs.base.payload[..]);
            let headers = ours.headers.unwrap_or(Headers::new(b""));
            if let (Some(status), Some(other)) = (headers.status(), theirs.status_code) {
                assert_eq!(status, u16::from(other));
                let words = theirs.status_description.as_deref().unwrap_or_default();
                assert_eq!(headers.description(), words);
            }
            let id = theirs.base.headers.get(&HeaderName::from_static("Nats-Msg-Id"));
            if let Some(Ok(id)) = id.map(|id| id.to_str()) {
                assert_eq!(headers.value("Nats-Msg-Id"), Some(id.trim_ascii()));
            }
        }
        _ => panic!("{ours:?} and {theirs:?}"),
    }
}
