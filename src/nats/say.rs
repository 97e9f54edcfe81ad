//! What a NATS server is told. Subjects are ones to publish under ([`is_subject`]) and ids have no
//! line ends in them: whoever calls sees to that.

use std::io::Write;

use super::credentials::Proof;
use super::{info, is_subject};

/// CONNECT, the answer to the first INFO. `is_tls`: we are inside TLS.
pub fn connect(out: &mut Vec<u8>, node: &str, proof: &Proof, is_tls: bool) {
    line(out, format_args!("CONNECT {}", info::connect(node, proof, is_tls)));
}

/// PUB: that under that subject; answers, if there are any, to `reply`.
#[inline]
pub fn publish(out: &mut Vec<u8>, subject: &str, reply: Option<&str>, payload: &[u8]) {
    debug_assert!(is_subject(subject) && reply.is_none_or(is_subject), "{subject} {reply:?}");
    let blank = if reply.is_some() { " " } else { "" };
    let reply = reply.unwrap_or_default();
    line(out, format_args!("PUB {subject}{blank}{reply} {}", payload.len()));
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// HPUB: the same with a `Nats-Msg-Id`, by which a stream knows what it has taken already.
#[inline]
pub fn publish_once(
    out: &mut Vec<u8>,
    subject: &str,
    reply: Option<&str>,
    id: &str,
    payload: &[u8],
) {
    debug_assert!(is_subject(subject) && reply.is_none_or(is_subject), "{subject} {reply:?}");
    debug_assert!(!id.contains(char::is_control), "{id:?}");
    let blank = if reply.is_some() { " " } else { "" };
    let reply = reply.unwrap_or_default();
    let headers = "NATS/1.0\r\nNats-Msg-Id: \r\n\r\n".len() + id.len();
    let total = headers + payload.len();
    line(out, format_args!("HPUB {subject}{blank}{reply} {headers} {total}"));
    line(out, format_args!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n"));
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// SUB: from the PONG behind it on, tell what is published under that; it may have `*` and `>` in
/// it.
pub fn subscribe(out: &mut Vec<u8>, subject: &str, sid: u64) {
    debug_assert!(is_subject(subject), "{subject:?}");
    line(out, format_args!("SUB {subject} {sid}"));
}

/// UNSUB: no more of it.
pub fn unsubscribe(out: &mut Vec<u8>, sid: u64) {
    line(out, format_args!("UNSUB {sid}"));
}

/// PING.
pub fn ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PING\r\n");
}

/// PONG.
pub fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG\r\n");
}

#[inline]
fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Memory takes all of it.
    let _ = out.write_fmt(text);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(say: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        say(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_said_is_what_the_protocol_has() {
        let hi = b"hi\r\n";
        assert_eq!(said(|out| publish(out, "a.b", None, hi)), "PUB a.b 4\r\nhi\r\n\r\n");
        assert_eq!(said(|out| publish(out, "a", Some("r.1"), b"")), "PUB a r.1 0\r\n\r\n");
        assert_eq!(
            said(|out| publish_once(out, "a.b", Some("r.1"), "id-7", b"hi")),
            "HPUB a.b r.1 31 33\r\nNATS/1.0\r\nNats-Msg-Id: id-7\r\n\r\nhi\r\n"
        );
        assert_eq!(
            said(|out| publish_once(out, "a", None, "", b"")),
            "HPUB a 27 27\r\nNATS/1.0\r\nNats-Msg-Id: \r\n\r\n\r\n"
        );
        let all = said(|out| {
            subscribe(out, "a.*", 7);
            unsubscribe(out, u64::MAX);
            ping(out);
            pong(out);
        });
        assert_eq!(all, "SUB a.* 7\r\nUNSUB 18446744073709551615\r\nPING\r\nPONG\r\n");
        let connect = said(|out| connect(out, "n", &Proof::default(), false));
        assert!(connect.starts_with("CONNECT {") && connect.ends_with("}\r\n"), "{connect}");
    }
}
