//! Months: an integer from 1 to 12 comes in a datagram, the English name of the month goes back.
//!
//! There is no state per client. A small request gets no answer that would not fit the smallest
//! Ethernet frame. Our own answers are never answered: if a forged address sets two such servers on
//! each other, or one and an echo, they fall silent at once.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use super::Offer;
use crate::engine::{Reply, Responder};

/// This service in the table of services.
pub const OFFER: Offer = Offer {
    name: "months",
    port: 8091,
    about: "an integer 1-12 in, the English month name out",
    idle: None,
    fans_out: false,
    single_process: false,
    stream: None,
    datagram: Some(|_| Box::new(Months)),
};

/// Months over UDP.
pub struct Months;

impl Responder for Months {
    fn answer<'a>(&'a mut self, _: SocketAddr, payload: &'a [u8]) -> Option<Reply<'a>> {
        reply(payload).map(weigh)
    }
}

/// The months, January first.
pub(crate) const NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const GOODBYE: &str = "Goodbye!";
const HINT: &str = "1-12, or 0 to end";
const INTRODUCTION: &str =
    "\nHey there I am going to provide you the month, if you Provide me an integer from 1-12\n";

/// How many bytes a first hello has. Anything shorter gets the hint, so that no small request gets
/// a large answer; so does anything longer, since nobody says hello like that.
const HELLO_BYTES: RangeInclusive<usize> = 32..=512;

/// The hint and the introduction count for more than a month: whoever needs them over and
/// over is no person, but a program gone astray.
fn weigh(text: &'static str) -> Reply<'static> {
    match text {
        HINT | INTRODUCTION => Reply::courtesy(text.as_bytes()),
        _ => Reply::answer(text.as_bytes()),
    }
}

fn reply(payload: &[u8]) -> Option<&'static str> {
    let word = trim(payload);
    if is_our_own(word) {
        return None;
    }
    Some(match integer(word) {
        Integer::Small(0) => GOODBYE,
        Integer::Small(number) => NAMES.get(number - 1).copied().unwrap_or(HINT),
        Integer::Other => HINT,
        Integer::Not if is_hello(payload) => INTRODUCTION,
        Integer::Not => HINT,
    })
}

/// Without the blanks around it, and without the NUL bytes that C programs send along.
fn trim(payload: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = payload.iter().position(|byte| !is_blank(byte)).unwrap_or(payload.len());
    let end = payload.iter().rposition(|byte| !is_blank(byte) && *byte != 0);
    payload.get(start..end.map_or(start, |last| last + 1)).unwrap_or_default()
}

fn is_our_own(word: &[u8]) -> bool {
    let ours = [GOODBYE, HINT, INTRODUCTION.trim()];
    NAMES.iter().chain(&ours).any(|text| text.as_bytes() == word)
}

fn is_hello(payload: &[u8]) -> bool {
    HELLO_BYTES.contains(&payload.len()) && std::str::from_utf8(payload).is_ok()
}

enum Integer {
    /// 0 to 99, perhaps with zeros or a plus before it.
    Small(usize),
    /// Negative or larger.
    Other,
    Not,
}

fn integer(word: &[u8]) -> Integer {
    let (sign, digits) = match word {
        [sign @ (b'+' | b'-'), digits @ ..] => (*sign, digits),
        digits => (b'+', digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Integer::Not;
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    match &digits[zeros..] {
        _ if sign == b'-' => Integer::Other,
        significant @ ([] | [_] | [_, _]) => {
            let value = |sum, digit: &u8| sum * 10 + usize::from(digit - b'0');
            Integer::Small(significant.iter().fold(0, value))
        }
        _ => Integer::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "Hello I just want to use your Service";

    fn ask(payload: impl AsRef<[u8]>) -> Option<String> {
        let from = ([192, 0, 2, 1], 4000).into();
        let mut months = Months;
        let answer = months.answer(from, payload.as_ref())?;
        Some(String::from_utf8(answer.bytes.to_vec()).unwrap())
    }

    fn assert_answer(payload: impl AsRef<[u8]>, wanted: &str) {
        let payload = payload.as_ref();
        let shown = String::from_utf8_lossy(payload);
        assert_eq!(ask(payload).as_deref(), Some(wanted), "to {shown:?}");
    }

    #[test]
    fn each_integer_gets_its_month() {
        let names = "January February March April May June July August September October \
                     November December";
        for (number, name) in (1..).zip(names.split(' ')) {
            assert_answer(number.to_string(), name);
        }
    }

    #[test]
    fn zero_is_the_end() {
        for zero in ["0", "000", "+0", " 0\n", "0\0"] {
            assert_answer(zero, "Goodbye!");
        }
    }

    #[test]
    fn blanks_a_plus_leading_zeros_and_the_nul_bytes_of_c_do_no_harm() {
        for two in ["2\n", "2\r\n", " \t2 ", "\r\n2", "2\0", "2\n\0\0\0", "+2", "02", "+0002"] {
            assert_answer(two, "February");
        }
        assert_answer(format!("{}12", "0".repeat(100)), "December");
        assert_answer([&b"5\n"[..], &[0; 1022]].concat(), "May");
    }

    #[test]
    fn a_hello_of_32_to_512_bytes_gets_the_introduction() {
        let introduction = "\nHey there I am going to provide you the month, if you Provide me an \
                            integer from 1-12\n";
        assert_answer(HELLO, introduction);
        assert_answer(format!("{HELLO}\0"), introduction);
        assert_answer("x".repeat(32), introduction);
        assert_answer("é".repeat(256), introduction);
        assert_answer("x".repeat(31), "1-12, or 0 to end");
        assert_answer("x".repeat(513), "1-12, or 0 to end");
    }

    #[test]
    fn anything_else_gets_the_hint() {
        let odd = ["32", "13", "99", "100", "-1", "-0", "abc", "", " ", "+", "1 2", "1.0", "++1"];
        for payload in odd {
            assert_answer(payload, "1-12, or 0 to end");
        }
        assert_answer("\x002", "1-12, or 0 to end");
        assert_answer("x".repeat(1000), "1-12, or 0 to end");
        assert_answer([b'\xff'; 40], "1-12, or 0 to end");
        assert_answer("1".repeat(40), "1-12, or 0 to end");
        assert_answer(format!("-{}", "1".repeat(40)), "1-12, or 0 to end");
        assert_answer("256".repeat(20), "1-12, or 0 to end");
    }

    #[test]
    fn our_own_words_are_never_answered_so_two_servers_never_talk() {
        let mut words: Vec<String> =
            (0..=13).filter_map(|number| ask(number.to_string())).collect();
        words.extend(ask(HELLO));
        assert_eq!(words.len(), 15);
        for word in words {
            assert_eq!(ask(&word), None, "{word:?}");
            assert_eq!(ask(format!(" {word}\r\n\0")), None, "{word:?}");
        }
    }

    #[test]
    fn hints_and_introductions_are_dearer_than_months() {
        let from = ([192, 0, 2, 1], 4000).into();
        let weight = |payload: &str| Months.answer(from, payload.as_bytes()).unwrap().weight;
        assert!(weight("13") > weight("12"));
        assert!(weight(HELLO) > weight("0"));
    }

    #[test]
    fn no_small_request_gets_more_than_18_bytes() {
        for length in 0..32 {
            for byte in 0..=u8::MAX {
                let payload = vec![byte; length];
                assert!(ask(&payload).is_none_or(|answer| answer.len() <= 18), "{payload:?}");
            }
        }
        for number in -200..2000 {
            assert!(ask(number.to_string()).unwrap().len() <= 18, "{number}");
        }
        assert!(ask(&HELLO[..31]).unwrap().len() <= 18);
    }
}
