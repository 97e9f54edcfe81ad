//! Results: from servers of our own, and from scripted ones that lie, stall, refuse and vanish.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::run::{assert_valid, bench, count, measured};
use super::scripted::{echo, month, tcp, udp};
use crate::support::Folder;

const SHORT: [&str; 4] = ["-t", "300ms", "-w", "50ms"];

#[test]
fn every_workload_measures_a_server_of_our_own_and_says_so_in_valid_json() {
    let stable = "workload model target connections size depth duration_s operations rate_per_s \
                  bytes_per_s errors latency_us client_cpu";
    for workload in
        ["tcp_rr", "tcp_crr", "tcp_cc", "greet", "tcp_stream", "udp_rr", "months", "chat", "idle"]
    {
        let words = [&[workload][..], &SHORT, &["-c", "10"]].concat();
        let (status, result, said) = measured(&words);
        assert_eq!(status, Some(0), "{workload}: {said}");
        assert_valid(&result);
        for key in stable.split(' ') {
            assert!(!result[key].is_null(), "{workload} has no {key}");
        }
        assert_eq!(result["workload"], workload);
        assert!(result["operations"].as_u64().unwrap() > 0, "{workload}");
        assert_eq!(count(&result, "total"), 0, "{workload}: {}", result["errors"]);
        assert_eq!(result["own_server"], true);
    }
}

#[test]
fn threads_share_the_connections_and_the_rate() {
    let words = ["tcp_rr", "-c", "5", "--threads", "2", "--rate", "1000", "-t", "500ms"];
    let (status, result, said) = measured(&[&words[..], &["-w", "0"]].concat());
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&result);
    let asked = result["operations"].as_u64().unwrap() + count(&result, "unsent");
    assert!((499..=501).contains(&asked), "{asked}");
}

#[test]
fn one_wrong_byte_fails_the_run() {
    let server = tcp(|stream| {
        echo(stream, |number, _, message| message[40] ^= u8::from(number == 20));
    });
    let (status, result, said) = measured(&[&["tcp_rr", &server][..], &SHORT].concat());
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("sent 64 bytes, got 64 that differ at byte 40"), "{said}");
    assert_valid(&result);
    assert!(result["partial"].as_str().unwrap().contains("differ at byte 40"));
    assert_eq!(count(&result, "wrong"), 1);
}

#[test]
fn swapped_replies_are_told_from_damaged_ones() {
    let server = tcp(|mut stream| {
        let mut both = [0; 128];
        while stream.read_exact(&mut both).is_ok() {
            both.rotate_left(64);
            let _ = stream.write_all(&both);
        }
    });
    let words = ["tcp_rr", &server, "-c", "1", "-d", "2"];
    let (status, _, said) = measured(&[&words[..], &SHORT].concat());
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("got that to request 1 of connection 0"), "{said}");
}

#[test]
fn replies_that_come_in_pieces_are_put_together() {
    let server = tcp(|mut stream| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            for piece in [0..1, 1..17, 17..64] {
                if stream.write_all(&message[piece]).is_err() {
                    return;
                }
            }
        }
    });
    let words = ["tcp_rr", &server, "-c", "2"];
    let (status, result, said) = measured(&[&words[..], &SHORT].concat());
    assert_eq!((status, count(&result, "total")), (Some(0), 0), "{said}");
    assert!(result["operations"].as_u64().unwrap() > 10);
}

#[test]
fn a_server_of_another_kind_is_told_in_words() {
    let server = tcp(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"Socket programming in python!");
        let _ = stream.read(&mut [0; 64]);
    });
    let (status, _, said) = measured(&[&["tcp_rr", &server][..], &SHORT].concat());
    assert_eq!(status, Some(3), "{said}");
    let words = "sent 64 bytes, got 29 that differ at byte 0: is this an echo server?";
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = tcp(|mut stream| while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {});
    let words = ["tcp_rr", &server, "--timeout", "150ms", "-t", "2s"];
    let (status, result, said) = measured(&words);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("never answered: no answer came within the timeout"), "{said}");
    assert!(count(&result, "timeout") >= 8, "{}", result["errors"]);
    assert_eq!(result["operations"], 0);
}

#[test]
fn a_server_that_closes_early_is_given_up() {
    let server = tcp(|mut stream| drop(stream.read(&mut [0; 64])));
    let words = ["tcp_rr", &server, "--timeout", "200ms", "-t", "2s"];
    let (status, result, said) = measured(&words);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("the server closed before it had answered"), "{said}");
    assert!(count(&result, "closed_early") > 0, "{}", result["errors"]);
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    // An address that no other test uses, so that nobody takes the port meanwhile.
    let nobody = TcpListener::bind("127.77.0.1:0").unwrap().local_addr().unwrap().to_string();
    for workload in ["tcp_rr", "tcp_crr", "udp_rr", "idle"] {
        let (status, _, said) = measured(&[workload, &nobody, "-t", "5s"]);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("connection refused"), "{workload}: {said}");
    }
}

#[test]
fn a_server_that_vanishes_leaves_a_partial_result_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut message = [0; 64];
        for _ in 0..300 {
            stream.read_exact(&mut message).unwrap();
            stream.write_all(&message).unwrap();
        }
        drop(listener);
    });
    let words = ["tcp_rr", &address, "-c", "1", "-w", "0", "-t", "5s", "--timeout", "200ms"];
    let (status, result, said) = measured(&words);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("the target stopped answering"), "{said}");
    assert_valid(&result);
    assert!(result["partial"].as_str().unwrap().contains("stopped answering"));
    assert_eq!(result["operations"], 300);
    assert!(result["duration_s"].as_f64().unwrap() < 4.0);
    assert!(result["client"]["cpu_s"].as_f64().unwrap() > 0.0);
}

/// Echoes, but for one stall of half a second.
fn staller() -> String {
    tcp(|stream| {
        echo(stream, |number, _, _| {
            if number == 100 {
                thread::sleep(Duration::from_millis(500));
            }
        });
    })
}

#[test]
fn an_open_loop_shows_a_stall_in_its_p99_and_what_a_closed_one_would_have_shown() {
    let words = ["tcp_rr", &staller(), "-c", "1", "-w", "0", "-t", "1500ms", "--rate", "1000"];
    let (status, result, said) = measured(&words);
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&result);
    let p99 = result["latency_us"]["p99"].as_f64().unwrap();
    assert!(p99 >= 400_000.0, "{p99}");
    let uncorrected = result["uncorrected_us"]["p99"].as_f64().unwrap();
    assert!(uncorrected < p99 / 2.0, "{uncorrected}");
}

#[test]
fn a_closed_loop_does_not_hide_a_stall_in_its_header() {
    let words = ["tcp_rr", &staller(), "-c", "1", "-w", "0", "-t", "1500ms"];
    let output = bench(&words);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(table.contains("closed loop"), "{table}");
    let (_, silence) = table.split_once("Longest silence ").expect("the header");
    let silence: u64 = silence.split(' ').next().unwrap().replace(',', "").parse().unwrap();
    assert!(silence >= 490_000, "{table}");
}

#[test]
fn duplicates_and_overtaken_datagrams_are_counted() {
    let twice = udp(|socket, from, bytes| {
        for _ in 0..2 {
            socket.send_to(bytes, from).unwrap();
        }
    });
    let (status, result, said) = measured(&[&["udp_rr", &twice][..], &SHORT].concat());
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&result);
    assert!(result["datagrams"]["duplicate"].as_u64().unwrap() > 0, "{result:#}");
    assert_eq!(count(&result, "total"), 0);

    let mut held: Option<Vec<u8>> = None;
    let swapped = udp(move |socket, from, bytes| match held.take() {
        None => held = Some(bytes.to_vec()),
        Some(earlier) => {
            socket.send_to(bytes, from).unwrap();
            socket.send_to(&earlier, from).unwrap();
        }
    });
    let words = ["udp_rr", &swapped, "-c", "1", "-d", "2"];
    let (status, result, said) = measured(&[&words[..], &SHORT].concat());
    assert_eq!(status, Some(0), "{said}");
    assert!(result["datagrams"]["reordered"].as_u64().unwrap() > 0, "{result:#}");
}

#[test]
fn a_late_reply_counts_as_lost_and_as_late_but_never_as_the_answer_to_another() {
    for workload in ["udp_rr", "months"] {
        let mut held: Option<Vec<u8>> = None;
        let mut number = 0;
        let server = udp(move |socket, from, bytes| {
            let answer = match workload {
                "months" => month(bytes).to_vec(),
                _ => bytes.to_vec(),
            };
            number += 1;
            if number == 20 {
                held = Some(answer);
                return;
            }
            if let Some(late) = held.take() {
                socket.send_to(&late, from).unwrap();
            }
            socket.send_to(&answer, from).unwrap();
        });
        let words = [workload, &server, "-c", "1", "-w", "0", "-t", "500ms"];
        let (status, result, said) = measured(&[&words[..], &["--timeout", "100ms"]].concat());
        assert_eq!(status, Some(0), "{said}");
        assert!(count(&result, "late") >= 1, "{}", result["errors"]);
        assert_eq!(count(&result, "lost"), count(&result, "late"), "{}", result["errors"]);
    }
}

#[test]
fn what_cannot_be_asked_is_refused_in_one_line() {
    let too_many = "needs 30,000,064 descriptors";
    for (words, status, told) in [
        (&["udp_rr", "--size", "70000"][..], 2, "a datagram has at most 65507 bytes"),
        (&["tcp_rr", "--rate", "0"], 2, "above zero"),
        (&["tcp_rr", "--size", "0"], 2, "at least one byte"),
        (&["tcp_rr", "months://127.0.0.1:1"], 2, "tcp_rr asks echo+tcp"),
        (&["chat", "--threads", "2"], 2, "one thread"),
        (&["tcp_rr", "--threads", "9"], 2, "each needs a connection"),
        (&["idle", "127.0.0.1:9", "-c", "30000000"], 1, too_many),
        (&["compare", "/nowhere/a.json", "b.json"], 1, "/nowhere/a.json"),
        (&["compare", "a", "b", "--fail-over", "p98=1%"], 2, "not compared"),
    ] {
        let output = bench(words);
        let said = String::from_utf8(output.stderr).unwrap();
        // Nobody has so many descriptors; whoever has no limit at all is told about ports.
        let is_told = said.contains(told) || (told == too_many && said.contains(" ports, has "));
        assert!(is_told, "{words:?}: {said}");
        assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
    }
}

#[test]
fn repeats_ramps_and_searches_are_valid_json_and_a_page_of_plots() {
    let folder = Folder::new("series");
    let quick = ["-t", "100ms", "-w", "0"];
    let (status, repeated, said) = measured(&[&["tcp_rr", "--repeat", "3"][..], &quick].concat());
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&repeated);
    let kept =
        ["rate_per_s", "mean_us", "p50_us", "p90_us", "p99_us", "p99_9_us", "max_us", "errors"];
    for figure in kept {
        assert_eq!(repeated["repeats"][figure].as_array().unwrap().len(), 3, "{figure}");
    }
    assert!(repeated["duration_s"].as_f64().unwrap() >= 0.3);

    let page = folder.0.join("ramp.html");
    let words = ["tcp_crr", "--ramp", "100..300", "--steps", "3", "--html"];
    let (status, ramp, said) = measured(&[&words[..], &[page.to_str().unwrap()], &quick].concat());
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&ramp);
    let asked: Vec<_> = ramp.as_array().unwrap().iter().map(|r| &r["asked_rate_per_s"]).collect();
    assert_eq!(asked, [&json!(100.0), &json!(200.0), &json!(300.0)]);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.matches("<svg").count() >= 6, "plots");
    let others = ["<script", "src=", "href=", "@import", "url("];
    assert!(others.iter().all(|other| !page.contains(other)), "it stands alone");

    let words = ["tcp_rr", "--find-max", "min=1us", "--rate", "8"];
    let (status, search, said) = measured(&[&words[..], &quick].concat());
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("no rate keeps min=1us"), "{said}");
    assert_valid(&search);
    assert_eq!(search["search"]["highest_rate_per_s"], Value::Null);
}

#[test]
fn what_this_machine_has_not_enough_for_is_named_and_keeps_nothing_else_from_being_measured() {
    // Enough for all workloads but chat and idle.
    let script = "ulimit -n 75; exec \"$0\" bench -t 50ms -w 0 --json -";
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", script, env!("CARGO_BIN_EXE_cooee")]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(set.as_array().unwrap().len(), 7, "{said}");
    assert!(said.contains("cooee: chat: this run needs 114 descriptors"), "{said}");
}

#[test]
fn the_standard_set_heeds_the_flags_that_it_takes() {
    let words = ["-c", "3", "-t", "150ms", "-w", "50ms", "--repeat", "2", "--timeout", "1s"];
    let (_, set, said) = measured(&words);
    assert_valid(&set);
    let set = set.as_array().unwrap();
    assert_eq!(set.len(), 9, "{said}");
    // On a busy machine so short a time may pass without one operation, which ends the repeats.
    assert!(set.iter().any(|result| result["operations"] != 0), "{said}");
    for result in set {
        let name = &result["workload"];
        assert_eq!(result["connections"], 3, "{name}");
        assert_eq!(result["warmup_s"], 0.05, "{name}");
        assert_eq!(result["timeout_s"], 1.0, "{name}");
        let repeats = result["repeats"]["rate_per_s"].as_array().map(Vec::len);
        assert!(repeats == Some(2) || result["operations"] == 0, "{name}: {said}");
    }
}
