//! What clients say to NATS, taken apart as nats-server does it.

use serde_json::Value;

/// A line is no longer than that, without what follows it.
const LINE_MAX: usize = 4096;

/// A message on its way, whoever it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) reply: Option<String>,
    /// From `NATS/1.0` to the empty line; empty: it has none.
    pub(crate) headers: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// One thing said.
#[derive(Debug, PartialEq)]
pub(crate) enum Op {
    Connect(Value),
    Publish(Message),
    Subscribe { subject: String, sid: String },
    Unsubscribe { sid: String, after: Option<u64> },
    Ping,
    Pong,
}

/// Why a connection is ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is told that.
    Told(&'static str),
    /// In silence.
    Silent,
}

const UNKNOWN: Fault = Fault::Told("Unknown Protocol Operation");

/// The first thing in `input`, and how many bytes it has; `None`: it is not whole yet.
pub(crate) fn take(input: &[u8], payload_max: usize) -> Result<Option<(usize, Op)>, Fault> {
    let Some(end) = input.iter().take(LINE_MAX + 1).position(|byte| *byte == b'\n') else {
        let is_over = input.len() > LINE_MAX;
        return if is_over { Err(Fault::Told("maximum control line exceeded")) } else { Ok(None) };
    };
    let line = std::str::from_utf8(&input[..end]).map_err(|_| UNKNOWN)?;
    let line = line.trim_end_matches('\r');
    let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let fields: Vec<&str> = rest.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
    let text = |at: usize| fields[at].to_owned();
    let op = match (verb.to_ascii_uppercase().as_str(), fields.len()) {
        ("PING", 0) => Op::Ping,
        ("PONG", 0) => Op::Pong,
        ("CONNECT", _) => Op::Connect(serde_json::from_str(rest).map_err(|_| Fault::Silent)?),
        ("SUB", 2) => Op::Subscribe { subject: text(0), sid: text(1) },
        ("SUB", 3) => panic!("queue groups are nothing that this knows"),
        ("UNSUB", 1) => Op::Unsubscribe { sid: text(0), after: None },
        ("UNSUB", 2) => Op::Unsubscribe { sid: text(0), after: Some(number(fields[1])? as u64) },
        ("PUB", 2 | 3) => return publish(input, end + 1, &fields, 1, payload_max),
        ("HPUB", 3 | 4) => return publish(input, end + 1, &fields, 2, payload_max),
        ("PUB" | "HPUB" | "SUB" | "UNSUB", _) => return Err(Fault::Silent),
        _ => return Err(UNKNOWN),
    };
    Ok(Some((end + 1, op)))
}

fn number(text: &str) -> Result<usize, Fault> {
    text.parse().map_err(|_| Fault::Silent)
}

/// A PUB or HPUB whose line is `fields`, `sizes` of them sizes, and whose bytes begin at `from`.
fn publish(
    input: &[u8],
    from: usize,
    fields: &[&str],
    sizes: usize,
    payload_max: usize,
) -> Result<Option<(usize, Op)>, Fault> {
    let total = number(fields[fields.len() - 1])?;
    let headers = if sizes == 2 { number(fields[fields.len() - 2])? } else { 0 };
    if headers > total {
        return Err(Fault::Silent);
    }
    if total > payload_max {
        return Err(Fault::Told("Maximum Payload Violation"));
    }
    let Some(body) = input.get(from..from + total + 2) else { return Ok(None) };
    if &body[total..] != b"\r\n" {
        return Err(UNKNOWN);
    }
    let has_reply = fields.len() - sizes == 2;
    let message = Message {
        subject: fields[0].to_owned(),
        reply: has_reply.then(|| fields[1].to_owned()),
        headers: body[..headers].to_vec(),
        payload: body[headers..total].to_vec(),
    };
    Ok(Some((from + total + 2, Op::Publish(message))))
}

impl Message {
    pub(crate) fn new(subject: &str, payload: impl Into<Vec<u8>>) -> Message {
        Message { subject: subject.to_owned(), payload: payload.into(), ..Message::default() }
    }

    /// Headers and nothing else.
    pub(crate) fn of_headers(subject: &str, headers: &str) -> Message {
        Message { headers: headers.as_bytes().to_vec(), ..Message::new(subject, "") }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.headers).into_owned();
        let found = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    }

    /// MSG or HMSG, for a subscription of that number; who knows no headers gets none.
    pub(crate) fn write(&self, sid: &str, with_headers: bool, out: &mut Vec<u8>) {
        let headers = if with_headers { &self.headers[..] } else { &[] };
        let reply = self.reply.as_ref().map_or(String::new(), |reply| format!("{reply} "));
        let size = headers.len() + self.payload.len();
        let subject = &self.subject;
        let line = match headers.len() {
            0 => format!("MSG {subject} {sid} {reply}{size}\r\n"),
            count => format!("HMSG {subject} {sid} {reply}{count} {size}\r\n"),
        };
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(headers);
        out.extend_from_slice(&self.payload);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_anywhere_is_not_whole_yet() {
        let text = b"HPUB a.b r 14 19\r\nNATS/1.0\r\n\r\n\r\nhello\r\n";
        for end in 0..text.len() {
            assert_eq!(take(&text[..end], 100), Ok(None), "{end}");
        }
        let Ok(Some((used, Op::Publish(message)))) = take(text, 100) else { panic!("whole") };
        assert_eq!((used, message.reply.as_deref()), (text.len(), Some("r")));
        assert_eq!((message.headers.len(), &message.payload[..]), (14, &b"hello"[..]));
    }

    #[test]
    fn what_is_too_large_or_no_number_ends_the_connection() {
        assert_eq!(take(b"PUB a 9\r\n", 8), Err(Fault::Told("Maximum Payload Violation")));
        assert_eq!(take(b"PUB a x\r\n", 8), Err(Fault::Silent));
        assert_eq!(take(b"HPUB a 5 3\r\n", 8), Err(Fault::Silent));
        assert_eq!(take(b"PUB a 1\r\nxy\r\n", 8), Err(UNKNOWN));
        assert_eq!(take(b"BLAH\r\n", 8), Err(UNKNOWN));
        let long = [b'x'; LINE_MAX + 1];
        assert_eq!(take(&long, 8), Err(Fault::Told("maximum control line exceeded")));
    }
}
