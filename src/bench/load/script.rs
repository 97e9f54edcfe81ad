//! What a workload says and what it must hear.

use super::payload::{NUMBERED_BYTES, Payload, RUN_BYTES};
use super::run_id::RunId;
use super::window::Window;
use super::workload::Workload;
use crate::services::months::NAMES;

/// Requests and their answers, by number.
pub(super) enum Script {
    /// The same bytes have to come back.
    Echo(Payload),
    /// Numbers from 1 to 12 in turns; the names have to come back.
    Months,
}

/// Why a datagram is not what had to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It cannot come from a server that answers rightly.
    Wrong(String),
    /// It answers another run, whose port this one has got.
    Stray,
    /// It is either of the two: wrong, if the request gets no other answer.
    Doubtful(String),
    /// The same, but it looks so little like an answer to this run that a lost request is no proof
    /// against it as long as others are answered.
    Foreign(String),
}

impl Script {
    pub(super) fn new(workload: Workload, size: usize, run: RunId) -> Script {
        match workload {
            Workload::Months => Script::Months,
            _ => Script::Echo(Payload::new(size, run)),
        }
    }

    /// How many consecutive requests can be told apart by their answers: the most in flight.
    pub(super) fn apart(&self) -> u64 {
        match self {
            Script::Echo(payload) => payload.modulus().unwrap_or(u64::MAX),
            Script::Months => 12,
        }
    }

    /// Bytes of an answer over a stream.
    pub(super) fn size(&self) -> usize {
        match self {
            Script::Echo(payload) => payload.size(),
            Script::Months => 0,
        }
    }

    /// Calls `send` with the pieces of request `number`.
    pub(super) fn request(&self, id: u64, number: u64, mut send: impl FnMut(&[u8])) {
        match self {
            Script::Echo(payload) => payload.pieces(id, number, send),
            Script::Months => match number % 12 + 1 {
                10 => send(b"10"),
                11 => send(b"11"),
                12 => send(b"12"),
                low => send(&[b'0' + u8::try_from(low).unwrap_or(0)]),
            },
        }
    }

    /// Whether `piece` is what stands at `at` in the answer to request `number`.
    pub(super) fn check_stream(
        &self,
        id: u64,
        number: u64,
        at: usize,
        piece: &[u8],
    ) -> Result<(), String> {
        let Script::Echo(payload) = self else { return Ok(()) };
        payload.check(id, number, at, piece).map_err(|difference| {
            let got = at + piece.len();
            let whole = (at == 0).then_some(piece);
            explain(payload, id, number, got, difference.at, whole)
        })
    }

    /// Which request a datagram answers, and rightly so.
    pub(super) fn check_datagram(
        &self,
        id: u64,
        window: &Window,
        input: &[u8],
    ) -> Result<u64, Misfit> {
        if window.next() == 0 {
            return Err(Misfit::Stray);
        }
        match self {
            Script::Months => month_asked(window, input),
            Script::Echo(payload) => echo_asked(payload, id, window, input),
        }
    }
}

fn month_asked(window: &Window, input: &[u8]) -> Result<u64, Misfit> {
    let index = NAMES.iter().position(|name| name.as_bytes() == input);
    let asked = index.and_then(|index| window.resolve(index as u64, 12));
    asked.ok_or_else(|| {
        let text = String::from_utf8_lossy(&input[..input.len().min(40)]).into_owned();
        let what =
            format!("asked for a month by its number, got {text:?}: is this a months server?");
        if index.is_some() { Misfit::Doubtful(what) } else { Misfit::Wrong(what) }
    })
}

fn echo_asked(payload: &Payload, id: u64, window: &Window, input: &[u8]) -> Result<u64, Misfit> {
    let number = payload.number_of(input).and_then(|number| match payload.modulus() {
        Some(modulus) => window.resolve(number, modulus),
        None => Some(number),
    });
    let (number, size) = (number.unwrap_or(window.oldest()), payload.size());
    // Input that is long enough and agrees with this run is certainly an answer to it.
    let is_named = size >= NUMBERED_BYTES && input.len() >= RUN_BYTES;
    let agrees = if is_named { Misfit::Wrong } else { Misfit::Doubtful };
    match payload.check(id, number, 0, input) {
        Ok(()) if input.len() != size => {
            Err(agrees(format!("sent datagrams of {size} bytes, got one of {}", input.len())))
        }
        Ok(()) if number >= window.next() => {
            Err(agrees(format!("got an answer to request {number}, which was never sent")))
        }
        Ok(()) => Ok(number),
        Err(_) if payload.is_of_another_run(input) => Err(Misfit::Stray),
        Err(difference) => {
            let what = explain(payload, id, number, input.len(), difference.at, Some(input));
            Err(match input.len() {
                NUMBERED_BYTES.. => Misfit::Wrong(what),
                length if length == size => Misfit::Doubtful(what),
                _ => Misfit::Foreign(what),
            })
        }
    }
}

/// What is wrong with an answer, in words.
fn explain(
    payload: &Payload,
    id: u64,
    number: u64,
    got: usize,
    at: usize,
    whole: Option<&[u8]>,
) -> String {
    let size = payload.size();
    if let Some(bytes) = whole.filter(|bytes| size >= NUMBERED_BYTES && bytes.len() >= size) {
        let numbered = |range: std::ops::Range<usize>| {
            bytes[range].iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte))
        };
        let (its_id, its_number) = (numbered(4..8), numbered(8..16));
        if payload.check(its_id, its_number, 0, &bytes[..size]).is_ok() {
            return format!(
                "the answer to request {number} of connection {id} had to come, \
                 got that to request {its_number} of connection {its_id}"
            );
        }
    }
    let question = if at == 0 { ": is this an echo server?" } else { "" };
    format!("sent {size} bytes, got {got} that differ at byte {at}{question}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Time;

    fn script(workload: Workload, size: usize) -> Script {
        Script::new(workload, size, RunId::from_random(7))
    }

    fn asked(depth: usize, count: u64) -> Window {
        let mut window = Window::new(depth);
        for _ in 0..count {
            window.ask(Time::ZERO, Time::ZERO);
        }
        window
    }

    fn request(script: &Script, id: u64, number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        script.request(id, number, |piece| bytes.extend_from_slice(piece));
        bytes
    }

    #[test]
    fn the_months_that_are_asked_for_are_those_that_our_own_service_knows() {
        use crate::engine::Responder;
        let script = Script::Months;
        let mut service = crate::services::months::Months;
        let mut window = asked(1, 0);
        for number in 0..24 {
            window.ask(Time::ZERO, Time::ZERO);
            let question = request(&script, 0, number);
            let answer = service.answer(([127, 0, 0, 1], 9).into(), &question).unwrap();
            assert_eq!(script.check_datagram(0, &window, answer.bytes), Ok(number));
        }
        let wrong = script.check_datagram(0, &window, b"Smarch").unwrap_err();
        let what = "asked for a month by its number, got \"Smarch\": is this a months server?";
        assert_eq!(wrong, Misfit::Wrong(what.into()));
    }

    #[test]
    fn a_server_of_another_kind_is_told_in_words() {
        let script = script(Workload::TcpRr, 64);
        let wrong = script.check_stream(0, 0, 0, b"Socket programming in python!").unwrap_err();
        assert_eq!(wrong, "sent 64 bytes, got 29 that differ at byte 0: is this an echo server?");
    }

    #[test]
    fn swapped_answers_are_told_from_damaged_ones() {
        let script = script(Workload::TcpRr, 64);
        let other = request(&script, 3, 8);
        let wrong = script.check_stream(3, 7, 0, &other).unwrap_err();
        assert!(wrong.ends_with("got that to request 8 of connection 3"), "{wrong}");
        let mut damaged = request(&script, 3, 7);
        damaged[40] ^= 1;
        let wrong = script.check_stream(3, 7, 0, &damaged).unwrap_err();
        assert_eq!(wrong, "sent 64 bytes, got 64 that differ at byte 40");
    }

    #[test]
    fn datagrams_are_matched_by_their_own_number_whatever_their_size() {
        for size in [1, 4, 8, 16, 100] {
            let script = script(Workload::UdpRr, size);
            let window = asked(4, 5);
            for number in [4, 2, 3] {
                let answer = request(&script, 9, number);
                assert_eq!(script.check_datagram(9, &window, &answer), Ok(number), "{size}");
            }
        }
        let script = script(Workload::UdpRr, 100);
        let short = &request(&script, 9, 4)[..50];
        let wrong = script.check_datagram(9, &asked(4, 5), short).unwrap_err();
        assert_eq!(wrong, Misfit::Wrong("sent datagrams of 100 bytes, got one of 50".into()));
    }

    #[test]
    fn what_an_earlier_run_may_have_left_behind_is_no_wrong_answer_yet() {
        let earlier = Script::new(Workload::UdpRr, 100, RunId::from_random(8));
        let script = script(Workload::UdpRr, 100);
        let window = asked(4, 2);
        let left = request(&earlier, 9, 0);
        assert_eq!(script.check_datagram(9, &window, &left), Err(Misfit::Stray));
        assert_eq!(script.check_datagram(9, &asked(4, 0), b"?"), Err(Misfit::Stray));
        let short = script.check_datagram(9, &window, b"");
        assert!(matches!(short, Err(Misfit::Doubtful(_))), "{short:?}");
        let never = script.check_datagram(9, &window, &request(&script, 9, 2)).unwrap_err();
        assert_eq!(never, Misfit::Wrong("got an answer to request 2, which was never sent".into()));
        let foreign = script.check_datagram(9, &window, b"?!?!?");
        assert!(matches!(foreign, Err(Misfit::Foreign(_))), "{foreign:?}");
        let cut = script.check_datagram(9, &window, &request(&script, 9, 0)[..5]).unwrap_err();
        assert_eq!(cut, Misfit::Wrong("sent datagrams of 100 bytes, got one of 5".into()));
        let month = Script::Months.check_datagram(0, &window, b"July");
        assert!(matches!(month, Err(Misfit::Doubtful(_))), "{month:?}");
    }
}
