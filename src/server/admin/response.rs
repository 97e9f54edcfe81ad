//! Responses of HTTP: status, headers, body.

use std::fmt::Write;

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

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Days of 400 years, after which the calendar begins anew.
const ERA_DAYS: u64 = 146_097;

/// A date as HTTP writes it (RFC 9110, section 5.6.7). By hand, since a crate's formats for any
/// date weigh more than the rest of this file.
#[allow(clippy::cast_possible_truncation)] // below 12
fn date(wall_seconds: u64) -> String {
    let (days, second) = (wall_seconds / 86_400, wall_seconds % 86_400);
    let weekday = WEEKDAYS[(days % 7) as usize];
    // From 1 March 0000 on: so a leap day is the last of its year.
    let since = days + 719_468;
    let (era, day) = (since / ERA_DAYS, since % ERA_DAYS);
    let year = (day - day / 1460 + day / 36_524 - day / (ERA_DAYS - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + u64::from(month >= 10);
    let name = MONTHS[((month + 2) % 12) as usize];
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {name} {year:04} {hours:02}:{minutes:02}:{seconds:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::super::super::http::not_done;
    use super::*;

    #[test]
    fn a_date_is_written_as_the_standard_has_it() {
        for (seconds, wanted) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
        ] {
            assert_eq!(date(seconds), wanted);
        }
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
