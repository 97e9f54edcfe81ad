//! What servers say, whole, in pieces, and what none would say.

use proptest::prelude::{any, prop, proptest};
use proptest::sample::select;

use super::*;

/// All that is found in `pieces`, one after the other, as an engine would hand them over.
fn heard(pieces: &[&[u8]]) -> Vec<String> {
    let mut parser = Parser::default();
    let mut unused: Vec<u8> = Vec::new();
    let mut heard = Vec::new();
    for piece in pieces {
        unused.extend_from_slice(piece);
        loop {
            let (used, parsed) = parser.next(&unused);
            let is_over = match parsed {
                Parsed::Op(op) => {
                    heard.push(format!("{op:?}"));
                    assert!(used > 0);
                    false
                }
                Parsed::More => true,
                Parsed::Wrong(why) => {
                    assert!(!why.contains(char::is_control), "{why}");
                    heard.push(why);
                    return heard;
                }
            };
            unused.drain(..used);
            if is_over {
                break;
            }
        }
    }
    heard.push(format!("{} left", unused.len()));
    heard
}

/// Asserts that whatever is found in all of it is found however it is cut.
fn assert_cuts_change_nothing(input: &[u8]) -> Vec<String> {
    let whole = heard(&[input]);
    // Of a long input some cuts.
    for cut in (0..=input.len()).step_by((input.len() / 500).max(1)) {
        let (one, other) = input.split_at(cut);
        assert_eq!(heard(&[one, other]), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = input.chunks((input.len() / 2000).max(1)).collect();
    assert_eq!(heard(&bytes), whole, "byte by byte");
    whole
}

fn one(input: &[u8]) -> String {
    let mut heard = assert_cuts_change_nothing(input);
    if heard.last().is_some_and(|last| last == "0 left") {
        heard.pop();
    }
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard.remove(0)
}

fn message(input: &[u8]) -> Message<'_> {
    assert_cuts_change_nothing(input);
    match Parser::default().next(input) {
        (used, Parsed::Op(ServerOp::Message(message))) if used == input.len() => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_conversation_is_the_same_however_it_is_cut() {
    let heard = assert_cuts_change_nothing(
        b"INFO {\"server_id\":\"N\",\"max_payload\":9} \r\nPING\r\npong\r\n+OK\r\n\
          MSG a.b 7 5\r\nhello\r\nMSG a.b 7 r.1 0\r\n\r\n-ERR 'Slow Consumer'\r\n\
          HMSG a 8 r 16 18\r\nNATS/1.0 503\r\n\r\n\r\n\r\nMSG a.b 7 1\nx\nMSG a 1 3\r\nab",
    );
    assert_eq!(heard.len(), 10);
    assert!(heard[0].contains("server_id: \"N\"") && heard[0].contains("Some(9)"));
    assert_eq!(heard[1..4], ["Ping", "Pong", "Ok"]);
    assert_eq!(heard[6], "Error(\"Slow Consumer\")");
    assert!(heard[7].contains("headers: Some(") && heard[8].contains("payload: [120]"));
    assert_eq!(heard[9], "13 left");
}

#[test]
fn verbs_come_in_any_case_and_fields_between_any_blanks() {
    for (text, wanted) in [
        ("PiNg\r\n", "Ping"),
        ("ping \n", "Ping"),
        ("PONG\tx\r\n", "Pong"),
        ("+ok\r\n", "Ok"),
        ("-err \t'a b' \r\n", "Error(\"a b\")"),
        ("-ERR no quotes\r\n", "Error(\"no quotes\")"),
        ("-ERR '\r\n", "Error(\"'\")"),
        ("-ERR\r\n", "Error(\"\")"),
        ("-ERR 'a\x1b'\r\n", "Error(\"a\u{fffd}\")"),
    ] {
        assert_eq!(one(text.as_bytes()), wanted, "{text:?}");
    }
    assert_eq!(one(b"-ERR \xff\r\n"), "Error(\"\u{fffd}\")");
    let message = message(b"msg\t a.b\t\t12 \tr.1  2 \r\n\r\n\r\n");
    assert_eq!((message.subject, message.sid, message.reply), ("a.b", 12, Some("r.1")));
    assert_eq!((message.headers, message.payload), (None, &b"\r\n"[..]));
}

#[test]
fn a_message_with_headers_has_them_and_its_payload_apart() {
    let input = b"HMSG a 1 23 25\r\nNATS/1.0\r\nNats-X: y\r\n\r\n\r\n\r\n";
    let with_headers = message(input);
    let headers = with_headers.headers.unwrap();
    assert_eq!((headers.status(), headers.value("nats-x")), (None, Some("y")));
    assert_eq!(with_headers.payload, b"\r\n");
    let bare = message(b"HMSG a 1 0 2\r\nhi\r\n");
    assert_eq!((bare.payload, bare.headers.unwrap().status()), (&b"hi"[..], None));
    let silent = message(b"HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
    assert_eq!((silent.headers.unwrap().status(), silent.payload), (Some(503), &b""[..]));
}

#[test]
fn what_no_server_says_is_wrong_and_shown_in_part() {
    for text in [
        "\r\n",
        " PING\r\n",
        "PINGX\r\n",
        "HTTP/1.1 400 Bad Request\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "MSG\r\n",
        "MSG a\r\n",
        "MSG a 1\r\n",
        "MSG a x 1\r\n",
        "MSG a 1 +1\r\n",
        "MSG a 1 -1\r\n",
        "MSG a 1 r r 1\r\n",
        "MSG a 18446744073709551616 1\r\n",
        "MSG a 1 2147483648\r\n",
        "MSG a 1 99999999999999999999999\r\n",
        "HMSG a 1 2\r\n",
        "HMSG a 1 3 2\r\n",
        "HMSG a 1 r x 3 2\r\n",
        "HMSG a 1 r r 2 3\r\n",
        "MSG a 1 1\r\nab\r\n",
        "MSG a 1 1\r\na\rb\n",
        "MSG a 1 50000\r\nno end\x1b[2J",
        "INFO\r\n",
        "INFO {\r\n",
        "INFO []\r\n",
        "\x1b]0;x\x07\r\n",
    ] {
        let text = match text.contains("50000") {
            true => format!("{text}{}", "x".repeat(50_000)),
            false => text.to_owned(),
        };
        let mut parser = Parser::default();
        let mut rest = text.as_bytes();
        let why = loop {
            match parser.next(rest) {
                (_, Parsed::Wrong(why)) => break why,
                (used, Parsed::Op(_)) => rest = &rest[used..],
                (_, Parsed::More) => panic!("{text:?}"),
            }
        };
        assert!(why.len() < 200 && !why.contains(char::is_control), "{why}");
        assert_cuts_change_nothing(text.as_bytes());
    }
    let why = one(b"HTTP/1.1 400 Bad Request with a very long explanation\r\n");
    assert_eq!(
        why,
        "\"HTTP/1.1 400 Bad Request with a very lon\" is nothing that a NATS server says"
    );
}

#[test]
fn what_is_too_large_is_passed_over_and_what_comes_behind_is_heard() {
    for size in [MESSAGE_MAX, 100_000, 3_000_000] {
        let line = format!("MSG a.b 7 r.1 {size}\r\n");
        let input = [line.as_bytes(), &vec![b'\n'; size], b"\r\nPING\r\n"].concat();
        let skipped = format!("Skipped {{ subject: \"a.b\", sid: 7, size: {size} }}");
        assert_eq!(assert_cuts_change_nothing(&input), [skipped, "Ping".into(), "0 left".into()]);
    }
    // Nothing of it is left unused, wherever it ends so far.
    let mut parser = Parser::default();
    assert_eq!(parser.next(b"MSG a 1 99999\r\nabc"), (18, Parsed::More));
    assert_eq!(parser.next(&vec![b'x'; 99_996]), (99_996, Parsed::More));
    assert_eq!(parser.next(b"\r"), (0, Parsed::More));
    let (used, parsed) = parser.next(b"\r\n");
    assert!(used == 2 && matches!(parsed, Parsed::Op(ServerOp::Skipped { .. })), "{parsed:?}");
}

#[test]
fn the_largest_message_that_is_heard_lies_in_the_input_as_a_whole() {
    let line = "MSG a 1 40000\r\n";
    let most = MESSAGE_MAX - line.len();
    let line = format!("MSG a 1 {most}\r\n");
    let input = [line.as_bytes(), &vec![b'x'; most], b"\r\n"].concat();
    assert_eq!(message(&input).payload.len(), most);
    let line = format!("MSG a 1 {}\r\n", most + 1);
    let input = [line.as_bytes(), &vec![b'x'; most + 1], b"\r\n"].concat();
    assert!(one(&input).starts_with("Skipped"));
}

#[test]
fn nobody_s_strange_subject_ends_the_connection() {
    for line in [
        &b"MSG a.\xff 7 2\r\n"[..],
        b"MSG a..b 7 2\r\n",
        b"MSG a\x1b 7 2\r\n",
        b"MSG a 7 r\xff 2\r\n",
        b"MSG a 7 r. 2\r\n",
        b"HMSG a\r 7 0 2\r\n",
    ] {
        let input = [line, b"hi\r\nPING\r\n"].concat();
        let heard = assert_cuts_change_nothing(&input);
        assert!(
            heard[0].starts_with("Skipped") && heard[0].contains("sid: 7, size: 2"),
            "{heard:?}"
        );
        assert_eq!(heard[1..], ["Ping", "0 left"]);
    }
    let long = format!("MSG {} 7 2\r\nhi\r\n", "a".repeat(MESSAGE_MAX));
    assert!(one(long.as_bytes()).starts_with("Skipped"));
}

#[test]
fn a_line_has_its_longest() {
    for (length, is_wrong) in [(LINE_MAX, false), (LINE_MAX + 1, true)] {
        let line = format!("-ERR {}", "x".repeat(length - 5));
        let heard = one(format!("{line}\n").as_bytes());
        assert_eq!(heard.starts_with("a line of more than"), is_wrong, "{length}");
        let unfinished = assert_cuts_change_nothing(line.as_bytes()).remove(0);
        assert_eq!(unfinished.starts_with("a line of more than"), is_wrong, "{length}");
    }
}

/// Words that mean something here.
const WORDS: &[&[u8]] = &[
    b"MSG ",
    b"HMSG ",
    b"PING",
    b"+OK",
    b"-ERR 'x'",
    b"INFO {}",
    b"a.b ",
    b" ",
    b"\r\n",
    b"\n",
    b"\r",
    b"0",
    b"1",
    b"2",
    b"12",
    b"18 ",
    b"50000",
    b"NATS/1.0 503\r\n\r\n",
    b"MSG a 1 2\r\n",
    b"hi\r\n",
    b"\xff",
];

proptest! {
    #[test]
    fn whatever_comes_cuts_change_nothing(
        words in prop::collection::vec(select(WORDS), 0..20),
        noise in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        assert_cuts_change_nothing(&[&words.concat()[..], &noise].concat());
    }
}
