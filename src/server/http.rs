//! Requests of HTTP/1.0 and 1.1 as `--admin` takes them: bytes in, one request or one refusal out.
//! Pure, and without a state: what has come of a request is judged from its beginning each time,
//! which is little. Not a general parser: whatever is dubious is refused.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A request line and its headers have so many bytes at most.
pub const HEAD_MAX: usize = 8 * 1024;
/// A body that nobody asked for is skipped up to this length.
pub const BODY_MAX: usize = 8 * 1024;

/// What has come so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// The beginning of a request, if anything.
    Partial,
    /// A request that is so many bytes long.
    Whole(usize, Request<'a>),
    /// No request, and no telling where the next would begin.
    Wrong(Refusal),
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// GET, HEAD, or what else was wanted.
    pub method: Method<'a>,
    /// What is in front of the `?`.
    pub path: &'a str,
    /// Whom the client takes us for, with a port perhaps; HTTP/1.0 need not say.
    pub host: Option<&'a str>,
    /// Whether the connection stays open behind the answer.
    pub keeps: bool,
    /// Whether the client has to be told that it stays open.
    pub is_old: bool,
}

/// What a request wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method<'a> {
    /// Fetch it.
    Get,
    /// Say what fetching it would say, without the body.
    Head,
    /// Something that is not done here.
    Other(&'a str),
}

/// Why there is no better answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub code: u16,
    /// What is wrong and what to do about it, in one line.
    pub why: &'static str,
}

const fn refusal(code: u16, why: &'static str) -> Refusal {
    Refusal { code, why }
}

const NOT_HTTP: Refusal =
    refusal(400, "this is no HTTP; if it is TLS, write http:// and not https://");
const BAD_LINE: Refusal =
    refusal(400, "the request line is METHOD PATH VERSION, such as GET /metrics HTTP/1.1");
const OLD: Refusal = refusal(400, "HTTP/0.9 is not spoken here: write GET / HTTP/1.0");
const BAD_HEADER: Refusal =
    refusal(400, "a header is NAME: VALUE in one line, without control characters");
const BAD_LENGTH: Refusal = refusal(400, "Content-Length is one number");
const TWO_LENGTHS: Refusal =
    refusal(400, "Transfer-Encoding and Content-Length contradict each other: send no body");
const NO_HOST: Refusal = refusal(400, "HTTP/1.1 needs exactly one header Host: NAME[:PORT]");
const TOO_LARGE: Refusal = refusal(413, "nothing here takes a body: send none");
const LONG_LINE: Refusal = refusal(414, "the request line is longer than 8 KiB: shorten the path");
const EXPECTS: Refusal = refusal(417, "no expectation is met here: leave Expect out");
const LONG_HEAD: Refusal = refusal(431, "the headers are longer than 8 KiB: send fewer");
const CODED: Refusal = refusal(501, "Transfer-Encoding is not understood here: send no body");
const VERSION: Refusal = refusal(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");

/// Whoever does not finish a request in time.
pub const TOO_SLOW: Refusal =
    refusal(408, "the request was not whole within a second: send it at once");
/// Whoever closes its side before the request is whole.
pub const CUT_SHORT: Refusal =
    refusal(400, "the request ended before its empty line: send all of it");
/// A host with a name that nobody has.
pub const BAD_HOST: Refusal = refusal(400, "the host is NAME or ADDRESS, and :PORT if need be");
/// A host that is not ours.
pub const NOT_HERE: Refusal = refusal(
    421,
    "that host is not served here: use an address or localhost, or start with --admin-host NAME",
);

/// A method that is not done here.
pub fn not_done(method: &str) -> Refusal {
    let known = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    match known.contains(&method) {
        true => refusal(405, "nothing can be changed here: use GET or HEAD"),
        false => refusal(501, "that method is not known here: use GET or HEAD"),
    }
}

/// How many bytes of empty lines `input` begins with: some clients send one behind a body (RFC
/// 9112, section 2.2). They are no beginning of a request.
pub fn blank(input: &[u8]) -> usize {
    input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Whether `input`, which is wrong, begins with a request whose answer may have no body.
pub fn is_head(input: &[u8]) -> bool {
    input[blank(input)..].starts_with(b"HEAD ")
}

/// What `input` begins with. It never changes its mind: once a beginning of the input is whole or
/// wrong, what comes behind it changes nothing.
pub fn parse(input: &[u8]) -> Parsed<'_> {
    match request(input) {
        Ok(Some((used, request))) => Parsed::Whole(used, request),
        Ok(None) => Parsed::Partial,
        Err(refusal) => Parsed::Wrong(refusal),
    }
}

fn request(input: &[u8]) -> Result<Option<(usize, Request<'_>)>, Refusal> {
    let area = &input[..input.len().min(HEAD_MAX)];
    let blank = blank(area);
    let area = &area[blank..];
    if area.first().is_some_and(|first| !is_token(*first)) {
        return Err(NOT_HTTP);
    }
    let is_full = input.len() > HEAD_MAX;
    let Some((line, rest)) = split_line(area) else {
        return if is_full { Err(LONG_LINE) } else { Ok(None) };
    };
    let (method, target, version) = request_line(line)?;
    let Some(head) = headers(rest) else {
        return if is_full { Err(LONG_HEAD) } else { Ok(None) };
    };
    let fields = Fields::read(head)?;
    let length = fields.body(method)?;
    let is_old = version == 0;
    if fields.hosts > 1 || fields.hosts == 0 && !is_old {
        return Err(NO_HOST);
    }
    let (authority, path) = split_target(method, target)?;
    let used = blank + (area.len() - rest.len()) + head.len() + length;
    let keeps = if is_old { fields.keeps } else { !fields.closes };
    let host = authority.or(fields.host);
    let request = Request { method, path, host, keeps, is_old };
    Ok((used <= input.len()).then_some((used, request)))
}

/// A line without its end, and what is behind it. A bare LF ends a line, too.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

/// The headers with the empty line behind them.
fn headers(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let (line, behind) = split_line(rest)?;
        rest = behind;
        if line.is_empty() {
            return Some(&bytes[..bytes.len() - rest.len()]);
        }
    }
}

fn request_line(line: &[u8]) -> Result<(Method<'_>, &str, u8), Refusal> {
    let line = std::str::from_utf8(line).map_err(|_| BAD_LINE)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let is_clean =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    if !method.bytes().all(is_token) || !is_clean(target) {
        return Err(BAD_LINE);
    }
    let version = words.next().ok_or(OLD)?;
    if words.next().is_some() {
        return Err(BAD_LINE);
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        other => Method::Other(other),
    };
    match version.strip_prefix("HTTP/").map(str::as_bytes) {
        Some([b'1', b'.', minor @ b'0'..=b'9']) => Ok((method, target, minor - b'0')),
        Some([b'0'..=b'9', b'.', b'0'..=b'9'] | [b'0'..=b'9']) => Err(VERSION),
        _ => Err(BAD_LINE),
    }
}

/// What a target names: a host, if it is absolute, and a path.
fn split_target<'a>(
    method: Method<'_>,
    target: &'a str,
) -> Result<(Option<&'a str>, &'a str), Refusal> {
    let without_query = |text: &'a str| text.split(['?', '#']).next().unwrap_or(text);
    if target.starts_with('/') || matches!(method, Method::Other(_)) {
        return Ok((None, without_query(target)));
    }
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let rest = &target[scheme.ok_or(BAD_LINE)?.len()..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match without_query(path) {
        "" => Ok((Some(authority), "/")),
        path => Ok((Some(authority), path)),
    }
}

/// What the headers say, as far as it matters.
#[derive(Default)]
struct Fields<'a> {
    hosts: usize,
    host: Option<&'a str>,
    lengths: usize,
    length: Option<usize>,
    is_coded: bool,
    expects: bool,
    closes: bool,
    keeps: bool,
}

impl<'a> Fields<'a> {
    fn read(mut head: &'a [u8]) -> Result<Fields<'a>, Refusal> {
        let mut fields = Fields::default();
        while let Some((line, rest)) = split_line(head) {
            head = rest;
            if line.is_empty() {
                break;
            }
            let colon = memchr::memchr(b':', line).ok_or(BAD_HEADER)?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            let is_value = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f;
            let is_name = !name.is_empty() && name.iter().all(|byte| is_token(*byte));
            if !is_name || !value.iter().all(is_value) {
                return Err(BAD_HEADER);
            }
            fields.note(name, value.trim_ascii());
        }
        Ok(fields)
    }

    fn note(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        if is("host") {
            self.hosts += 1;
            self.host = Some(std::str::from_utf8(value).unwrap_or(""));
        } else if is("content-length") {
            self.lengths += 1;
            self.length = number(value);
        } else if is("transfer-encoding") {
            self.is_coded = true;
        } else if is("expect") {
            self.expects = true;
        } else if is("connection") {
            for word in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.closes |= word.eq_ignore_ascii_case(b"close");
                self.keeps |= word.eq_ignore_ascii_case(b"keep-alive");
            }
            self.keeps &= !self.closes;
        }
    }

    /// How long the body is that follows.
    fn body(&self, method: Method<'_>) -> Result<usize, Refusal> {
        // A method that is not done in any case needs no other reason.
        let or = |refusal: Refusal| match method {
            Method::Other(other) => not_done(other),
            Method::Get | Method::Head => refusal,
        };
        match (self.lengths, self.length) {
            (1.., _) if self.is_coded => Err(TWO_LENGTHS),
            _ if self.is_coded => Err(or(CODED)),
            (2.., _) | (1, None) => Err(BAD_LENGTH),
            (_, Some(length)) if length > BODY_MAX => Err(or(TOO_LARGE)),
            _ if self.expects => Err(or(EXPECTS)),
            (_, length) => Ok(length.unwrap_or(0)),
        }
    }
}

/// Digits only; what no machine could hold is as good as the largest.
fn number(text: &[u8]) -> Option<usize> {
    let are_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| are_digits)?;
    Some(text.parse().unwrap_or(usize::MAX))
}

/// The characters of methods and names (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `host` means us: an address, localhost or one of `names`. A page elsewhere can have its
/// name resolve to our address (DNS rebinding), but not have its requests say another name.
///
/// # Errors
/// If that is no host at all.
pub fn is_ours(host: &str, names: &[String]) -> Result<bool, Refusal> {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(BAD_HOST)?;
        // Some clients name the link, too, which means something to their own machine only.
        let (address, zone) = address.split_once('%').unwrap_or((address, "1"));
        let is_clean = |byte: u8| byte.is_ascii_graphic() && byte != b'[';
        let is_address = address.parse::<Ipv6Addr>().is_ok();
        let is_address = is_address && !zone.is_empty() && zone.bytes().all(is_clean);
        return if is_address && is_port(port) { Ok(true) } else { Err(BAD_HOST) };
    }
    let end = host.find(':').unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    if !is_name(name) || !is_port(port) {
        return Err(BAD_HOST);
    }
    let name = without_root(name);
    let known = names.iter().map(|known| without_root(known)).chain(["localhost"]);
    Ok(name.parse::<Ipv4Addr>().is_ok() || { known }.any(|known| known.eq_ignore_ascii_case(name)))
}

/// Whether `text` can be the name of a host, and nothing beside it.
pub fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !without_root(text).is_empty() && text.bytes().all(is_part)
}

/// A name may be written up to the root of all names, with a dot at its end.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':').unwrap_or(text);
    let is_marked = text.is_empty() || text.starts_with(':');
    is_marked && digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Request<'_> {
        match parse(text.as_bytes()) {
            Parsed::Whole(used, request) => {
                assert_eq!(used, text.len(), "{text:?}");
                request
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn code(text: impl AsRef<[u8]>) -> u16 {
        match parse(text.as_ref()) {
            Parsed::Wrong(refusal) => refusal.code,
            other => panic!("{:?}: {other:?}", String::from_utf8_lossy(text.as_ref())),
        }
    }

    #[test]
    fn a_request_says_what_where_to_whom_and_whether_it_stays() {
        let request = whole("GET /metrics?x=/y HTTP/1.1\r\nHost: a:1\r\nAccept: */*\r\n\r\n");
        assert_eq!((request.method, request.path), (Method::Get, "/metrics"));
        assert_eq!((request.host, request.keeps, request.is_old), (Some("a:1"), true, false));
        let request = whole("HEAD / HTTP/1.0\n\n");
        assert_eq!((request.method, request.path, request.host), (Method::Head, "/", None));
        assert_eq!((request.keeps, request.is_old), (false, true));
        assert!(whole("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n").keeps);
        assert!(!whole("GET / HTTP/1.1\r\nHost:a\r\nConnection: te, CLOSE\r\n\r\n").keeps);
        assert_eq!(whole("DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n").method, Method::Other("DELETE"));
        assert_eq!(whole("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path, "*");
        assert_eq!(whole("GET / HTTP/1.7\r\nHost: a\r\n\r\n").path, "/");
        assert_eq!(whole("\r\n\nGET / HTTP/1.0\r\n\r\n").path, "/");
    }

    #[test]
    fn an_absolute_target_names_the_host_itself() {
        for (target, host, path) in [
            ("http://other:7/x?y", "other:7", "/x"),
            ("HTTP://[::1]", "[::1]", "/"),
            ("https://h?/x", "h", "/"),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: mine\r\n\r\n");
            let request = whole(&text);
            assert_eq!((request.host, request.path), (Some(host), path), "{target}");
        }
        assert_eq!(code("GET http://h/ HTTP/1.1\r\n\r\n"), 400);
    }

    #[test]
    fn whatever_is_dubious_is_refused() {
        let with = |header: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
        for (text, wanted) in [
            ("\x16\x03\x01".to_owned(), 400),
            ("GET /\r\n".to_owned(), 400),
            ("GET  / HTTP/1.1\r\n".to_owned(), 400),
            ("GET / HTTP/1.1 \r\n".to_owned(), 400),
            ("GET /\0 HTTP/1.1\r\n".to_owned(), 400),
            ("GET /\t HTTP/1.1\r\n".to_owned(), 400),
            ("G\u{e9}T / HTTP/1.1\r\n".to_owned(), 400),
            ("GET metrics HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
            ("GET / HTTP/x\r\n".to_owned(), 400),
            ("GET / http/1.1\r\n".to_owned(), 400),
            ("GET / HTTP/2.0\r\n".to_owned(), 505),
            ("PRI * HTTP/2.0\r\n".to_owned(), 505),
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
            (with("Host: b"), 400),
            (with(" folded: x"), 400),
            (with("name : x"), 400),
            (with(": x"), 400),
            (with("nothing"), 400),
            (with("a: b\0c"), 400),
            (with("a: b\rc"), 400),
            (with("Content-Length: -1"), 400),
            (with("Content-Length: 1, 1"), 400),
            (with("Content-Length: 1\r\nContent-Length: 1"), 400),
            (with("Content-Length: 1\r\nTransfer-Encoding: chunked"), 400),
            (with("Transfer-Encoding: chunked"), 501),
            (with("Content-Length: 99999999999999999999999"), 413),
            (with("Expect: 100-continue"), 417),
            ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n".to_owned(), 405),
            ("POST / HTTP/1.0\r\nContent-Length: 9999\r\n\r\n".to_owned(), 405),
            ("FROB / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 501),
        ] {
            assert_eq!(code(&text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_small_body_is_skipped_and_the_next_request_follows() {
        let text =
            "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyzGET /b HTTP/1.0\r\n\r\n";
        let Parsed::Whole(used, first) = parse(text.as_bytes()) else { panic!() };
        assert_eq!(first.path, "/a");
        assert_eq!(whole(&text[used..]).path, "/b");
        assert_eq!(parse(&text.as_bytes()[..used - 1]), Parsed::Partial);
    }

    #[test]
    fn eight_kibibytes_are_enough_and_one_more_byte_is_not() {
        let line = |length: usize| format!("GET /{} HTTP/1.0", "x".repeat(length));
        let fits = format!("{}\r\n\r\n", line(HEAD_MAX - 18));
        assert_eq!(fits.len(), HEAD_MAX);
        assert_eq!(whole(&fits).path.len(), HEAD_MAX - 17);
        assert_eq!(parse(&line(9000).as_bytes()[..HEAD_MAX]), Parsed::Partial);
        assert_eq!(code(line(9000)), 414);
        let head = format!("GET / HTTP/1.0\r\n{}", "a: b\r\n".repeat(2000));
        assert_eq!(parse(&head.as_bytes()[..HEAD_MAX]), Parsed::Partial);
        assert_eq!((code(&head), code(format!("{head}\r\n"))), (431, 431));
        assert_eq!((code("\r\n".repeat(5000)), parse(b"\r\n\r\n")), (414, Parsed::Partial));
    }

    #[test]
    fn what_is_decided_stays_so_whatever_follows() {
        for text in [
            &b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET"[..],
            b"GET /\r\nx",
            b"POST / HTTP/1.1\nHost: a\nContent-Length: 2\n\nab\x16",
            b"\r\n\x80",
        ] {
            let last = parse(text);
            for cut in 0..text.len() {
                let earlier = parse(&text[..cut]);
                assert!(earlier == Parsed::Partial || earlier == last, "{cut}: {earlier:?}");
            }
        }
    }

    #[test]
    fn only_addresses_localhost_and_names_of_ours_are_ours() {
        let names = ["box", "stats.example", "rooted.example."].map(str::to_owned);
        for host in [
            "127.0.0.1",
            "192.0.2.7:80",
            "[::1]",
            "[fe80::1]:9",
            "[fe80::1%eth0]:9",
            "[fe80::1%25eth0]",
            "localhost",
            "LocalHost:1",
            "localhost.",
            "BOX:",
            "stats.example:443",
            "rooted.example",
            "Rooted.Example.",
        ] {
            assert_eq!(is_ours(host, &names), Ok(true), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.1", "0x7f.0.0.1", "1"] {
            assert_eq!(is_ours(host, &names), Ok(false), "{host}");
        }
        for host in [
            "",
            ".",
            ":80",
            "a:b",
            "[::1",
            "[x]",
            "[::1]x",
            "[fe80::1%]",
            "[fe80::1%a b]",
            "[x%lo]",
            "::1",
            "a b",
            "u@127.0.0.1",
            "a/b",
        ] {
            assert_eq!(is_ours(host, &names), Err(BAD_HOST), "{host:?}");
        }
    }
}
