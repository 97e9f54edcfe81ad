//! Responses of HTTP: status, headers, body.

use std::fmt::Write;

use jiff::Timestamp;

use super::super::http::Refusal;
use super::page;

/// Every status code that there may be, with its words.
const CODES: [(u16, &str); 13] = [
    (200, "OK"),
    (400, "Bad Request"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (408, "Request Timeout"),
    (413, "Content Too Large"),
    (414, "URI Too Long"),
    (417, "Expectation Failed"),
    (421, "Misdirected Request"),
    (431, "Request Header Fields Too Large"),
    (501, "Not Implemented"),
    (503, "Service Unavailable"),
    (505, "HTTP Version Not Supported"),
];

/// A path that there is not.
pub(super) const NOT_FOUND: Refusal = Refusal {
    code: 404,
    why: "there is nothing; there are / /metrics /status.json /healthz /readyz",
};

/// A method that is not done here.
pub(super) fn not_done(method: &str) -> Refusal {
    let known = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    match known.contains(&method) {
        true => Refusal { code: 405, why: "nothing can be changed here: use GET or HEAD" },
        false => Refusal { code: 501, why: "that method is not known here: use GET or HEAD" },
    }
}

/// How often there was which status code.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Codes([u64; CODES.len()]);

impl Codes {
    pub(super) fn count(&mut self, code: u16) {
        if let Some(at) = CODES.iter().position(|(known, _)| *known == code) {
            self.0[at] += 1;
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u16, u64)> {
        CODES.iter().zip(self.0).map(|((code, _), count)| (*code, count))
    }
}

/// What is answered.
pub(super) enum Body {
    Plain(String),
    Metrics(String),
    Json(String),
    Page(&'static str),
}

/// A whole response.
pub(super) struct Response {
    code: u16,
    body: Body,
}

impl Response {
    pub(super) fn new(code: u16, body: Body) -> Response {
        Response { code, body }
    }

    pub(super) fn ok(body: Body) -> Response {
        Response::new(200, body)
    }

    pub(super) fn page(text: &'static str) -> Response {
        Response::ok(Body::Page(text))
    }

    pub(super) fn refused(refusal: Refusal) -> Response {
        Response::new(refusal.code, Body::Plain(format!("{}\n", refusal.why)))
    }

    pub(super) fn code(&self) -> u16 {
        self.code
    }

    pub(super) fn body(&self) -> &[u8] {
        match &self.body {
            Body::Plain(text) | Body::Metrics(text) | Body::Json(text) => text.as_bytes(),
            Body::Page(text) => text.as_bytes(),
        }
    }

    /// The status line and the headers. `keeps`: whether the connection stays, of which a client of
    /// HTTP/1.0 (`is_old`) has to be told.
    pub(super) fn head(&self, wall_seconds: u64, keeps: bool, is_old: bool) -> String {
        let words = CODES.iter().find(|(code, _)| *code == self.code).map_or("", |(_, text)| text);
        let kind = match self.body {
            Body::Plain(_) => "text/plain; charset=utf-8",
            Body::Metrics(_) => "text/plain; version=0.0.4; charset=utf-8",
            Body::Json(_) => "application/json",
            Body::Page(_) => "text/html; charset=utf-8",
        };
        let mut head =
            format!("HTTP/1.1 {} {words}\r\nDate: {}\r\n", self.code, date(wall_seconds));
        let length = self.body().len();
        // Cannot fail: it is a string.
        let _ = write!(head, "Content-Type: {kind}\r\nContent-Length: {length}\r\n");
        head.push_str("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
        let _ = write!(head, "Content-Security-Policy: {}\r\n", self.policy());
        if self.code == 405 {
            head.push_str("Allow: GET, HEAD\r\n");
        }
        head.push_str(match (keeps, is_old) {
            (false, _) => "Connection: close\r\n\r\n",
            (true, true) => "Connection: keep-alive\r\n\r\n",
            (true, false) => "\r\n",
        });
        head
    }

    /// What a browser may do with it: nothing, but for our page its own script and style.
    fn policy(&self) -> &'static str {
        match self.body {
            Body::Page(_) => page::POLICY,
            _ => "default-src 'none'; frame-ancestors 'none'",
        }
    }
}

/// A date as HTTP writes it (RFC 9110, section 5.6.7).
fn date(wall_seconds: u64) -> String {
    let at = i64::try_from(wall_seconds).ok().and_then(|at| Timestamp::from_second(at).ok());
    at.unwrap_or(Timestamp::UNIX_EPOCH).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_the_standard_has_it() {
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(u64::MAX), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn the_head_says_what_it_is_how_long_and_what_a_browser_may_do_with_it() {
        let head = Response::refused(not_done("POST")).head(0, true, true);
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\nDate: Thu, 01 Jan 1970 "));
        for line in [
            "Content-Type: text/plain; charset=utf-8",
            "Content-Length: 45",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
            "Allow: GET, HEAD",
            "Connection: keep-alive",
        ] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
        }
        assert!(head.ends_with("\r\n\r\n"));
        let head = Response::ok(Body::Json("{}".into())).head(0, true, false);
        assert!(!head.contains("Connection") && head.contains("application/json\r\n"));
    }

    #[test]
    fn every_code_that_is_given_has_its_words_and_is_counted() {
        let mut codes = Codes::default();
        for refusal in [NOT_FOUND, not_done("PUT"), not_done("FROB")] {
            codes.count(refusal.code);
        }
        let counted: Vec<_> = codes.all().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(404, 1), (405, 1), (501, 1)]);
    }
}
