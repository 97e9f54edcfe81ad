//! What a NATS server might say, and what somebody might say in its place.

use cooee::nats::stream::{Delivery, Notice, consumer_state, pub_ack, stream_state};
use cooee::nats::{
    Info, MESSAGE_MAX, Parsed, Parser, ServerAddress, ServerOp, is_subject, trouble,
};

use super::assert_one_line;

/// Where the input is cut changes nothing of what is found, nothing that would drive a terminal is
/// told, and what is left unused is bounded.
pub(crate) fn nats(input: &[u8]) {
    let whole = heard(input, input.len().max(1));
    for size in [1, 2, 7, 64] {
        // A long input byte by byte would take the square of its length.
        let size = size.max(input.len() / 500);
        assert_eq!(heard(input, size), whole, "in pieces of {size}");
    }
    let _ = (stream_state(input), consumer_state(input), pub_ack(input));
    if let Ok(text) = std::str::from_utf8(input) {
        address(text);
        let _ = (Delivery::parse(text), trouble(text));
    }
}

fn address(text: &str) {
    for word in text.split_whitespace() {
        match ServerAddress::parse(word) {
            Ok(address) => assert_eq!(ServerAddress::parse(&address.to_string()), Ok(address)),
            Err(why) => assert!(!why.is_empty() && why.lines().count() == 1),
        }
    }
}

/// All that is found in it, in pieces of so many bytes.
fn heard(input: &[u8], size: usize) -> Vec<String> {
    let (mut parser, mut heard) = (Parser::default(), Vec::new());
    let (mut from, mut unused) = (0, 0);
    let ends = (size..input.len()).step_by(size).chain([input.len()]);
    for end in ends {
        loop {
            let (used, parsed) = parser.next(&input[from..end]);
            assert!(used <= end - from);
            from += used;
            match parsed {
                Parsed::More => break,
                Parsed::Op(op) => heard.push(shown(&op)),
                Parsed::Wrong(why) => {
                    assert_one_line(&why);
                    heard.push(why);
                    return heard;
                }
            }
        }
        unused = end - from;
        // An engine gives no more room than that.
        assert!(unused < 64 * 1024);
    }
    heard.push(format!("{unused} left"));
    heard
}

fn shown(op: &ServerOp<'_>) -> String {
    match op {
        ServerOp::Message(message) => {
            assert!(is_subject(message.subject) && message.reply.is_none_or(is_subject));
            assert!(message.payload.len() <= MESSAGE_MAX);
            let _ = message.headers.map(Notice::parse);
        }
        ServerOp::Error(words) => assert!(!words.contains(char::is_control)),
        ServerOp::Info(info) => {
            let Info { server_name, version, .. } = &**info;
            assert!(!server_name.contains(char::is_control) && !version.contains(char::is_control));
        }
        ServerOp::Skipped { .. } | ServerOp::Ping | ServerOp::Pong | ServerOp::Ok => {}
    }
    format!("{op:?}")
}
