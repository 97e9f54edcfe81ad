//! The fuzz targets on a stable toolchain: the seeds in `fuzz/seeds`, and random input made of
//! words that mean something. `PROPTEST_CASES=100000` tries more than the ordinary number. For
//! coverage-guided runs see `fuzz/README.md`.
#![allow(clippy::unwrap_used)] // tests

mod fuzzed;

use std::io::Write;
use std::path::Path;

use fuzzed::TARGETS;
use proptest::prelude::{Strategy, any, prop, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

/// Inputs for each target in the ordinary run.
const CASES: u32 = 400;

/// Words that mean something to one target or another.
const WORDS: &[&str] = &[
    "echo",
    "greet",
    "talk",
    "chat",
    "months",
    "+tcp",
    "+udp",
    "://",
    ":",
    "[",
    "]",
    "::1",
    "%",
    "0",
    "1",
    "12",
    "65535",
    "65536",
    "127.0.0.1",
    "localhost",
    "10",
    "ms",
    "s",
    "m",
    "k",
    "M",
    "/s",
    "/m",
    "off",
    ".",
    "-",
    "+",
    "{",
    "}",
    "{ip}",
    "{port}",
    "{nope}",
    "\\n",
    "\\",
    "/",
    "/who",
    "/to ",
    "/kick ",
    "#",
    "/say lobby ",
    "/nick ",
    "/join ",
    "/msg guest1 ",
    "/me ",
    "/rooms",
    "/help",
    "/quit",
    "BYE",
    "GET /metrics HTTP/1.1\r\n",
    "Host: localhost\r\n",
    "Content-Length: 3\r\n",
    "MSG a.b 1 ",
    "HMSG a 1 r 16 18\r\n",
    "NATS/1.0 503\r\n\r\n",
    "PING\r\n",
    "-ERR 'x'\r\n",
    "INFO {}\r\n",
    "\r\n\r\n",
    "\n",
    "\r\n",
    "\0",
    " ",
    "\t",
    "guest1",
    "operator",
    "\u{1b}[2J",
    "\u{202e}",
    "February",
    "1-12, or 0 to end",
    "é",
    "👋",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

fn input() -> impl Strategy<Value = Vec<u8>> {
    let word = select(WORDS).prop_map(|word| word.as_bytes().to_vec());
    let noise = prop::collection::vec(any::<u8>(), 0..8);
    let long = (any::<u8>(), 0..3000usize).prop_map(|(byte, count)| vec![byte; count]);
    let piece = prop_oneof![6 => word, 3 => noise, 1 => long];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

#[test]
fn whatever_comes_by_chance_every_target_holds() {
    let cases = std::env::var("PROPTEST_CASES").map_or(CASES, |text| text.parse().unwrap());
    for (name, holds) in TARGETS {
        let persistence = Some(Box::new(FileFailurePersistence::Off) as Box<_>);
        let config = Config { cases, failure_persistence: persistence, ..Config::default() };
        let result = TestRunner::new(config).run(&input(), |input| {
            holds(&input);
            Ok(())
        });
        assert!(result.is_ok(), "{name}: {}", result.unwrap_err());
    }
}

#[test]
fn the_seeds_and_what_was_once_found_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    if !root.exists() {
        // The harness swallows what passing tests print, but not this.
        let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED: the package is without fuzz/seeds");
        return;
    }
    for (name, holds) in TARGETS {
        let seeds = std::fs::read_dir(root.join(name)).unwrap();
        let mut count = 0;
        for seed in seeds {
            holds(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no seeds for {name}");
    }
}
