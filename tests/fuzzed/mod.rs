//! What must hold whatever comes in: one function for each kind of input, which panics if it does
//! not. The fuzz targets (`fuzz/`) and `tests/fuzzing.rs` both call these.
#![allow(dead_code)] // each of them uses its part

mod events;
#[cfg(feature = "bus")]
mod nats;

use std::net::SocketAddr;

use cooee::endpoint::Endpoint;
use cooee::engine::Responder;
use cooee::guards::parse_network;
use cooee::server::console::understand;
use cooee::server::http::{BODY_MAX, HEAD_MAX, Parsed, is_ours, parse};
use cooee::services::echo::EchoDatagram;
use cooee::services::greet::Template;
use cooee::services::months::Months;
use cooee::units::{parse_duration, parse_rate, parse_size};

pub(crate) use events::{chat, events, talk};
#[cfg(feature = "bus")]
pub(crate) use nats::nats;

/// A target: its name, which is that of its folder of seeds, and what must hold.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All targets.
pub(crate) const TARGETS: &[Target] = &[
    ("endpoint", endpoint),
    ("units", units),
    ("template", template),
    ("console", console),
    ("http", http),
    ("months", months),
    ("chat", chat),
    ("talk", talk),
    ("events", events),
    #[cfg(feature = "bus")]
    ("nats", nats),
];

/// An endpoint is refused in one line, or its canonical form means the same.
pub(crate) fn endpoint(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            let canonical = endpoint.to_string();
            let again: Endpoint = canonical.parse().expect("the canonical form is an endpoint");
            assert_eq!(again, endpoint, "{canonical}");
            assert_eq!(again.to_string(), canonical);
            assert!(endpoint.transports().next().is_some());
        }
        Err(error) => assert_one_line(&error.to_string()),
    }
}

/// Durations, sizes, rates and networks never overflow, and are refused in one line.
pub(crate) fn units(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let rate = parse_rate(text);
    assert!(rate.as_ref().map_or(true, |rate| rate.is_finite() && *rate > 0.0));
    let network = parse_network(text);
    if let Ok(network) = &network {
        assert_eq!(parse_network(&network.to_string()).as_ref(), Ok(network));
    }
    let errors = [parse_duration(text).err(), parse_size(text).err(), rate.err(), network.err()];
    errors.iter().flatten().for_each(|error| assert_one_line(error));
}

/// A template is refused in one line that says where, and text without braces and backslashes
/// is one.
pub(crate) fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Template::parse(text) {
        Ok(_) => {}
        Err(error) => {
            assert_one_line(&error.to_string());
            assert!(text.contains(['{', '}', '\\']), "plain text was refused: {error}");
        }
    }
}

/// Every line of an operator means something, and what is wrong is told in one line.
pub(crate) fn console(input: &[u8]) {
    let line = String::from_utf8_lossy(input);
    let meaning = understand(&line);
    if let cooee::server::console::ConsoleCommand::Wrong(what) = meaning {
        assert!(line.starts_with('/'));
        assert!(!what.is_empty() && what.len() < 200 && what.lines().count() == 1, "{what:?}");
    }
}

/// A request is whole or wrong at some byte, and whatever comes behind that changes nothing.
pub(crate) fn http(input: &[u8]) {
    let last = parse(input);
    let mut decided = None;
    // Beyond the limits everything has long been decided.
    let most = input.len().min(HEAD_MAX + BODY_MAX + 1);
    // Every beginning of a short input, some of a long one.
    for cut in (0..most).step_by((most / 500).max(1)) {
        let now = parse(&input[..cut]);
        match decided {
            Some(before) => assert_eq!(now, before, "at byte {cut}"),
            None if now != Parsed::Partial => decided = Some(now),
            None => {}
        }
    }
    assert!(decided.is_none_or(|before| before == last));
    match last {
        Parsed::Partial => assert!(input.len() <= HEAD_MAX + BODY_MAX),
        Parsed::Whole(used, request) => {
            assert!(used <= input.len() && !request.path.is_empty());
            assert!(request.path.bytes().all(|byte| byte.is_ascii_graphic()));
            if let Some(Err(refusal)) = request.host.map(|host| is_ours(host, &[])) {
                assert_one_line(refusal.why);
            }
        }
        Parsed::Wrong(refusal) => {
            assert!((400..600).contains(&refusal.code));
            assert_one_line(refusal.why);
        }
    }
}

/// Months never answers its own words, and never much to a small question. Echo answers the same.
pub(crate) fn months(input: &[u8]) {
    let from: SocketAddr = ([192, 0, 2, 1], 4000).into();
    let mut months = Months;
    if let Some(reply) = months.answer(from, input) {
        assert!(reply.bytes.len() <= 18 || (32..=512).contains(&input.len()));
        assert!(reply.weight > 0);
        let words = reply.bytes.to_vec();
        assert!(months.answer(from, &words).is_none(), "it answers its own words");
    }
    let mut echo = EchoDatagram;
    assert_eq!(echo.answer(from, input).map(|reply| reply.bytes), Some(input));
}

fn assert_one_line(error: &str) {
    assert!(!error.is_empty());
    assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
}
