//! Answers of HTTP as `cooee top` gets them: status line, Content-Length, body. Pure.

/// An answer may be so long in all; no server of ours comes near it.
pub(super) const ANSWER_MAX: usize = 1024 * 1024;

/// What has come so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// Not all of it.
    Partial,
    /// So many bytes, with this status code and this body.
    Whole(usize, u16, &'a [u8]),
    /// It is none of a cooee, and this is why.
    Wrong(&'static str),
}

const NO_HTTP: &str = "what answers there speaks no HTTP";
const NO_LENGTH: &str = "what answers there is no cooee: its answer does not say how long it is";
const TOO_LONG: &str = "what answers there is no cooee: its answer is longer than 1 MiB";

/// What `input` begins with.
pub(super) fn read(input: &[u8]) -> Answer<'_> {
    let start = b"HTTP/1.";
    if !input.iter().zip(start).all(|(came, wanted)| came == wanted) {
        return Answer::Wrong(NO_HTTP);
    }
    let is_end = |four: &[u8]| four == b"\r\n\r\n";
    let Some(end) = input.windows(4).position(is_end) else { return Answer::Partial };
    let head = String::from_utf8_lossy(&input[..end]);
    let Some(code) = code(&head) else { return Answer::Wrong(NO_HTTP) };
    let Some(length) = length(&head) else { return Answer::Wrong(NO_LENGTH) };
    if length > ANSWER_MAX {
        return Answer::Wrong(TOO_LONG);
    }
    let body = &input[end + 4..];
    match body.get(..length) {
        Some(body) => Answer::Whole(end + 4 + length, code, body),
        None => Answer::Partial,
    }
}

fn code(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.trim().parse().ok().filter(|code| (100..1000).contains(code))
}

fn length(head: &str) -> Option<usize> {
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let digits = Some(value.trim()).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
        let is_length = name.eq_ignore_ascii_case("content-length") && !digits.is_empty();
        // What no machine could hold is as good as the largest.
        is_length.then(|| digits.parse().unwrap_or(usize::MAX))
    };
    head.lines().find_map(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_it_says_and_anything_else_is_none() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1";
        for cut in 0..40 {
            let wanted = if cut < 40 { Answer::Partial } else { Answer::Whole(40, 200, b"{}") };
            assert_eq!(read(&text[..cut]), wanted, "{cut}");
        }
        assert_eq!(read(text), Answer::Whole(40, 200, b"{}"));
        for (wrong, why) in [
            ("SSH-2.0-x\r\n", NO_HTTP),
            ("HTTP/2 200\r\n\r\n", NO_HTTP),
            ("HTTP/1.1 x\r\nContent-Length: 0\r\n\r\n", NO_HTTP),
            ("HTTP/1.1 200 OK\r\n\r\n", NO_LENGTH),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NO_LENGTH),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", NO_LENGTH),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", NO_LENGTH),
            ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", NO_LENGTH),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", TOO_LONG),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", TOO_LONG),
        ] {
            assert_eq!(read(wrong.as_bytes()), Answer::Wrong(why), "{wrong}");
        }
    }
}
