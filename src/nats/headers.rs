//! The headers of a message: a first line, `NATS/1.0` with perhaps a status behind it, and then
//! names and values. What is not like that is passed over.

/// Such headers, as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// These bytes, from `NATS/1.0` on.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Headers<'a> {
        Headers(bytes)
    }

    /// All of them, as they came.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The status that a server puts there, such as [`NO_RESPONDERS`](super::NO_RESPONDERS).
    pub fn status(&self) -> Option<u16> {
        let digits = self.behind_version()?.get(..3)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    }

    /// What stands behind the status.
    pub fn description(&self) -> &'a str {
        let rest = self.behind_version().and_then(|rest| rest.get(3..));
        rest.filter(|_| self.status().is_some()).unwrap_or_default().trim()
    }

    /// The first value by that name, in whatever case.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.lines().skip(1).find_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (own, value) = (&line[..colon], &line[colon + 1..]);
            let is_it = own.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
            is_it.then(|| std::str::from_utf8(value.trim_ascii()).ok())?
        })
    }

    fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn behind_version(&self) -> Option<&'a str> {
        let rest = self.lines().next()?.strip_prefix(b"NATS/1.0")?;
        std::str::from_utf8(rest).ok().map(str::trim_start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_comes_with_or_without_words_behind_it() {
        for (text, status, words) in [
            ("NATS/1.0 503\r\n\r\n", Some(503), ""),
            (
                "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 4\r\n\r\n",
                Some(100),
                "Idle Heartbeat",
            ),
            ("NATS/1.0\r\nNats-Msg-Id: x\r\n\r\n", None, ""),
            ("NATS/1.0  409\tConsumer Deleted \n\n", Some(409), "Consumer Deleted"),
            ("NATS/1.0 4", None, ""),
            ("NATS/1.0 +09 x", None, ""),
            ("NATS/1.0 4é9", None, ""),
            ("HTTP/1.1 404 Not Found\r\n\r\n", None, ""),
            ("", None, ""),
        ] {
            let headers = Headers::new(text.as_bytes());
            assert_eq!((headers.status(), headers.description()), (status, words), "{text:?}");
        }
    }

    #[test]
    fn a_value_is_found_by_its_name_in_whatever_case() {
        let bytes =
            b"NATS/1.0\r\nX:\r\nX: second\r\n: nobody's\r\nno colon\r\nNats-Msg-Id:a:b \r\n\
                      Bad: \xff\r\n\r\n";
        let headers = Headers::new(bytes);
        assert_eq!(headers.value("nats-msg-id"), Some("a:b"));
        assert_eq!((headers.value("x"), headers.value("y")), (Some(""), None));
        assert_eq!((headers.value("bad"), headers.value("NATS/1.0")), (None, None));
    }
}
