//! What a NATS server says, in pieces as they come: lines that begin with a verb, behind some of
//! them a payload. Nothing is kept of the input; what is too large for us is passed over.

use memchr::memchr;

use super::headers::Headers;
use super::{Info, is_subject};

/// A line has so many bytes at most, without its end; a longer one is wrong. An INFO with a large
/// cluster in it has some thousands, others are as long as their subjects.
pub const LINE_MAX: usize = 48 * 1024;
/// A message has so many bytes at most, with the line before it; a larger one is passed over.
pub const MESSAGE_MAX: usize = 40 * 1024;
/// Payloads have so many bytes at most; who says that there are more is no NATS server.
const SIZE_MAX: u64 = i32::MAX as u64;
/// So much of a `-ERR` is told.
const ERROR_MAX: usize = 200;

/// A message, of which everything lies in the input. Its subjects are ones to publish under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Under what it was published.
    pub subject: &'a str,
    /// Which of our subscriptions it is for.
    pub sid: u64,
    /// Where an answer is to go.
    pub reply: Option<&'a str>,
    /// Its headers, if it came with some (HMSG).
    pub headers: Option<Headers<'a>>,
    /// What was published.
    pub payload: &'a [u8],
}

/// One thing that a server has said.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerOp<'a> {
    /// What it is and can do; again whenever something of it changes.
    Info(Box<Info>),
    /// MSG or HMSG.
    Message(Message<'a>),
    /// A message has been passed over: larger than [`MESSAGE_MAX`], or one of its subjects is
    /// nothing to publish under. Told at its end.
    Skipped {
        /// Under what it was published, as far as it is text.
        subject: String,
        /// Which of our subscriptions it is for.
        sid: u64,
        /// How many bytes of headers and payload it had.
        size: u64,
    },
    /// To be answered by a PONG.
    Ping,
    /// The answer to a PING of ours.
    Pong,
    /// Something was taken (only if asked to be verbose).
    Ok,
    /// `-ERR`, without its quotes, fit to be shown; see [`trouble`](super::trouble).
    Error(String),
}

/// What the input begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed<'a> {
    /// Nothing that is whole yet: what is left unused has to come again, with more behind it.
    More,
    /// That.
    Op(ServerOp<'a>),
    /// Nothing that a NATS server says, in words for people: this is the end of the connection.
    Wrong(String),
}

/// A message that is being passed over.
#[derive(Debug)]
struct Skip {
    subject: String,
    sid: u64,
    size: u64,
    /// Of `size`, what is still to come.
    left: u64,
}

/// One connection's worth of attention.
#[derive(Debug, Default)]
pub struct Parser {
    /// No line ends within so many bytes of what was left unused.
    looked: usize,
    /// Before so many bytes there is nothing new to find.
    wanted: usize,
    skip: Option<Skip>,
}

/// The line before a payload.
struct Head<'a> {
    subject: &'a [u8],
    sid: u64,
    reply: Option<&'a [u8]>,
    headers: Option<u64>,
    total: u64,
}

enum Line<'a> {
    Whole(ServerOp<'a>),
    Before(Head<'a>),
}

impl Parser {
    /// Looks at what has come and not been used: how many bytes of it are used now, and what they
    /// are. Called until there is [`More`](Parsed::More) to come; where the input is cut changes
    /// nothing.
    #[inline]
    pub fn next<'a>(&mut self, input: &'a [u8]) -> (usize, Parsed<'a>) {
        if self.skip.is_some() {
            return self.pass_over(input);
        }
        if input.len() < self.wanted {
            return (0, Parsed::More);
        }
        let looked = self.looked.min(input.len());
        let end = memchr(b'\n', &input[looked..]).map(|at| looked + at);
        self.looked = end.unwrap_or(input.len());
        if self.looked > LINE_MAX {
            return (0, Parsed::Wrong(format!("a line of more than {LINE_MAX} bytes")));
        }
        let Some(end) = end else { return (0, Parsed::More) };
        let line = &input[..end];
        match understand(line.strip_suffix(b"\r").unwrap_or(line)) {
            Ok(Line::Whole(op)) => self.found(end + 1, op),
            Ok(Line::Before(head)) => self.message(&head, end + 1, input),
            Err(why) => (0, Parsed::Wrong(why)),
        }
    }

    #[inline]
    fn found<'a>(&mut self, used: usize, op: ServerOp<'a>) -> (usize, Parsed<'a>) {
        (self.looked, self.wanted) = (0, 0);
        (used, Parsed::Op(op))
    }

    /// The message whose line ends before `from`.
    #[inline]
    fn message<'a>(
        &mut self,
        head: &Head<'a>,
        from: usize,
        input: &'a [u8],
    ) -> (usize, Parsed<'a>) {
        let subjects = (text(head.subject), head.reply.map(text));
        let size = usize::try_from(head.total).unwrap_or(usize::MAX);
        let end = from.saturating_add(size);
        let (Some(subject), None | Some(Some(_)), true) =
            (subjects.0, subjects.1, end <= MESSAGE_MAX)
        else {
            return self.begin_skip(head, from, input);
        };
        match line_end(input, end) {
            End::Wanted(wanted) => {
                self.wanted = wanted;
                (0, Parsed::More)
            }
            End::Missing => (0, Parsed::Wrong(no_end())),
            End::At(used) => {
                let headers = usize::try_from(head.headers.unwrap_or(0)).unwrap_or(size).min(size);
                let (headers, payload) = input[from..end].split_at(headers);
                let headers = head.headers.map(|_| Headers::new(headers));
                let reply = subjects.1.flatten();
                let message = Message { subject, sid: head.sid, reply, headers, payload };
                self.found(used, ServerOp::Message(message))
            }
        }
    }

    fn begin_skip<'a>(
        &mut self,
        head: &Head<'_>,
        from: usize,
        input: &'a [u8],
    ) -> (usize, Parsed<'a>) {
        let subject = String::from_utf8_lossy(head.subject).into_owned();
        let (sid, size) = (head.sid, head.total);
        self.skip = Some(Skip { subject, sid, size, left: size });
        (self.looked, self.wanted) = (0, 0);
        let (used, parsed) = self.pass_over(&input[from..]);
        (from + used, parsed)
    }

    fn pass_over<'a>(&mut self, input: &'a [u8]) -> (usize, Parsed<'a>) {
        let Some(skip) = &mut self.skip else { return (0, Parsed::More) };
        let now = usize::try_from(skip.left).unwrap_or(usize::MAX).min(input.len());
        skip.left -= now as u64;
        if skip.left > 0 {
            return (now, Parsed::More);
        }
        match line_end(input, now) {
            End::Wanted(_) => (now, Parsed::More),
            End::Missing => (now, Parsed::Wrong(no_end())),
            End::At(used) => {
                let op = match self.skip.take() {
                    Some(Skip { subject, sid, size, .. }) => {
                        ServerOp::Skipped { subject, sid, size }
                    }
                    None => return (used, Parsed::More),
                };
                self.found(used, op)
            }
        }
    }
}

enum End {
    /// The line's end ends before that.
    At(usize),
    /// Something else is there.
    Missing,
    /// So many bytes of input will tell.
    Wanted(usize),
}

#[inline]
fn line_end(input: &[u8], at: usize) -> End {
    match input.get(at..).unwrap_or_default() {
        [] => End::Wanted(at + 1),
        [b'\n', ..] => End::At(at + 1),
        [b'\r', b'\n', ..] => End::At(at + 2),
        [b'\r'] => End::Wanted(at + 2),
        _ => End::Missing,
    }
}

fn no_end() -> String {
    "a message that does not end where it should".to_owned()
}

/// A subject, if it is one to publish under.
#[inline]
fn text(subject: &[u8]) -> Option<&str> {
    std::str::from_utf8(subject).ok().filter(|text| is_subject(text))
}

#[inline]
fn understand(line: &[u8]) -> Result<Line<'_>, String> {
    let verb = line.split(|byte| is_blank(*byte)).next().unwrap_or_default();
    let rest = &line[verb.len()..];
    let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
    Ok(if is("MSG") {
        Line::Before(head(rest, false).ok_or_else(|| unknown(line))?)
    } else if is("HMSG") {
        Line::Before(head(rest, true).ok_or_else(|| unknown(line))?)
    } else if is("PING") {
        Line::Whole(ServerOp::Ping)
    } else if is("PONG") {
        Line::Whole(ServerOp::Pong)
    } else if is("+OK") {
        Line::Whole(ServerOp::Ok)
    } else if is("-ERR") {
        Line::Whole(ServerOp::Error(error(rest)))
    } else if is("INFO") {
        Line::Whole(ServerOp::Info(Box::new(Info::parse(rest)?)))
    } else {
        return Err(unknown(line));
    })
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// `SUBJECT SID [REPLY] [HEADERS] TOTAL`; numbers are digits, nothing else.
#[inline]
fn head(rest: &[u8], has_headers: bool) -> Option<Head<'_>> {
    let mut fields = [&[][..]; 5];
    let mut count = 0;
    for field in rest.split(|byte| is_blank(*byte)).filter(|field| !field.is_empty()) {
        *fields.get_mut(count)? = field;
        count += 1;
    }
    let sizes = 1 + usize::from(has_headers);
    let reply = match count.checked_sub(sizes)? {
        2 => None,
        3 => Some(fields[2]),
        _ => return None,
    };
    let total = number(fields[count - 1]).filter(|total| *total <= SIZE_MAX)?;
    let headers = match has_headers {
        true => Some(number(fields[count - 2]).filter(|size| *size <= total)?),
        false => None,
    };
    Some(Head { subject: fields[0], sid: number(fields[1])?, reply, headers, total })
}

#[inline]
fn number(field: &[u8]) -> Option<u64> {
    field.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn error(rest: &[u8]) -> String {
    let text = String::from_utf8_lossy(rest);
    let bare = text.trim();
    let bare = bare.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(bare);
    fit_to_show(bare)
}

fn unknown(line: &[u8]) -> String {
    let start = String::from_utf8_lossy(&line[..line.len().min(40)]);
    format!("\"{}\" is nothing that a NATS server says", fit_to_show(&start))
}

/// At most so much of what a server said that no terminal heeds any of it.
pub(super) fn fit_to_show(text: &str) -> String {
    let safe = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(ERROR_MAX).map(safe).collect()
}

#[cfg(test)]
mod tests;
