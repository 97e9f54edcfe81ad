//! See `fuzzed::nats`, and `differential`.
#![no_main]

#[path = "../differential.rs"]
mod differential;
#[path = "../../tests/fuzzed/mod.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzzed::nats(input);
    differential::whatever_comes(input);
    differential::what_servers_say(input);
});
