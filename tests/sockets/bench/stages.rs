//! Stages with rates of their own over the same connections, and runs that end after so many
//! operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::run::{assert_valid, bench, count, measured};
use super::scripted::{echo, tcp, udp};

/// An echo server that counts its connections and the bytes that it gets.
fn counting() -> (String, Arc<AtomicU64>, Arc<AtomicU64>) {
    let (connections, bytes) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let counts = (Arc::clone(&connections), Arc::clone(&bytes));
    let server = tcp(move |stream| {
        counts.0.fetch_add(1, Ordering::SeqCst);
        let bytes = Arc::clone(&counts.1);
        echo(stream, move |_, _, piece| {
            bytes.fetch_add(piece.len() as u64, Ordering::SeqCst);
        });
    });
    (server, connections, bytes)
}

#[test]
fn each_stage_has_its_rate_and_its_result_and_all_share_the_connections() {
    let (server, connections, _) = counting();
    let profile = "300ms@200,200ms@0,300ms@400/s";
    let (status, results, said) =
        measured(&["tcp_rr", &server, "-c", "2", "-w", "0", "--profile", profile]);
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&results);
    let results = results.as_array().unwrap();
    for (result, (asked, begins_s)) in results.iter().zip([(60, 0.0), (0, 0.3), (120, 0.5)]) {
        // On a busy machine some may not be sent before the end, and are counted as such.
        let unsent = count(result, "unsent");
        assert_eq!(result["operations"].as_u64().unwrap() + unsent, asked, "{result}");
        let begins = result["stage"]["begins_s"].as_f64().unwrap();
        assert!((begins - begins_s).abs() < 1e-9, "{begins}");
    }
    let numbers: Vec<u64> =
        results.iter().map(|result| result["stage"]["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let from = |number: usize| results[number]["measured_from_s"].as_f64().unwrap();
    assert!((from(2) - from(0) - 0.5).abs() < 0.001, "{}", from(2) - from(0));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn a_run_ends_after_so_many_operations() {
    for threads in ["1", "2"] {
        let (server, _, bytes) = counting();
        let (status, result, said) = measured(&[
            "tcp_rr",
            &server,
            "-c",
            "3",
            "-w",
            "0",
            "--count",
            "101",
            "--threads",
            threads,
        ]);
        assert_eq!(status, Some(0), "{said}");
        assert_valid(&result);
        assert_eq!(
            (&result["operations"], &result["asked_operations"]),
            (&101.into(), &101.into())
        );
        assert_eq!(bytes.load(Ordering::SeqCst), 101 * 64);
        assert!(result["rate_per_s"].as_f64().unwrap() > 0.0);
    }
    let (server, connections, _) = counting();
    let (status, result, said) = measured(&["tcp_crr", &server, "-w", "0", "--count", "20"]);
    assert_eq!((status, &result["operations"]), (Some(0), &20.into()), "{said}");
    assert_eq!(connections.load(Ordering::SeqCst), 20);
}

#[test]
fn what_is_due_is_counted_too_and_what_is_lost_does_not_keep_it_waiting_for_ever() {
    let mut number = 0;
    let server = udp(move |socket, peer, question| {
        number += 1;
        if number % 10 != 0 {
            socket.send_to(question, peer).unwrap();
        }
    });
    let (status, result, said) = measured(&[
        "udp_rr",
        &server,
        "-c",
        "50",
        "-w",
        "0",
        "--count",
        "50",
        "--rate",
        "1000",
        "--timeout",
        "300ms",
    ]);
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&result);
    assert_eq!((&result["operations"], count(&result, "lost")), (&45.into(), 5));
    // From the first that was due until the last one was given up: a loss is not free.
    let duration = result["duration_s"].as_f64().unwrap();
    assert!((0.3..5.0).contains(&duration), "{result}");
}

#[test]
fn the_loss_of_datagrams_is_that_of_the_window() {
    let mut number = 0;
    let server = udp(move |socket, peer, question| {
        number += 1;
        if number % 5 != 0 {
            socket.send_to(question, peer).unwrap();
        }
    });
    let (status, result, said) = measured(&[
        "udp_rr",
        &server,
        "-c",
        "4",
        "-w",
        "300ms",
        "-t",
        "300ms",
        "--timeout",
        "50ms",
    ]);
    assert_eq!(status, Some(0), "{said}");
    let datagrams = &result["datagrams"];
    let lost = datagrams["lost"].as_u64().unwrap();
    assert_eq!(datagrams["sent"], result["operations"].as_u64().unwrap() + lost, "{result}");
    assert!(lost > 0 && count(&result, "lost") > lost, "{result}");
}

#[test]
fn a_rest_is_not_taken_for_a_server_that_has_gone() {
    // The last datagram before the rest is lost; what is idle is closed during it.
    let mut number = 0;
    let losing = udp(move |socket, peer, question| {
        number += 1;
        if number != 4 {
            socket.send_to(question, peer).unwrap();
        }
    });
    let closing = tcp(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        echo(stream, |_, _, _| {});
    });
    for (workload, server, profile) in [
        ("udp_rr", losing, "200ms@20,700ms@0,200ms@20"),
        ("tcp_rr", closing, "200ms@50,1s@0,200ms@50"),
    ] {
        let (status, results, said) =
            measured(&[workload, &server, "-w", "0", "--timeout", "300ms", "--profile", profile]);
        assert_eq!(status, Some(0), "{workload}: {said}");
        let results = results.as_array().unwrap();
        assert_eq!(results.len(), 3, "{workload}: {said}");
        assert!(results[2]["operations"].as_u64().unwrap() > 0, "{workload}: {said}");
        assert!(results.iter().all(|result| result["partial"].is_null()), "{workload}: {said}");
    }
}

#[test]
fn a_count_that_the_duration_cuts_short_is_told() {
    let output = bench(&["tcp_rr", "--count", "99999999", "-t", "100ms", "-w", "0", "-c", "1"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("of --count 99999999 were begun within --duration"), "{shown}");
}

#[test]
fn profiles_and_counts_that_make_no_sense_are_refused() {
    for (words, why) in [
        (&["--profile", "1s@5"][..], "--profile is for one workload"),
        (&["tcp_rr", "--profile", "1s"], "'1s': write TIME@RATE"),
        (&["tcp_rr", "--profile", "1s@0"], "nothing is asked in any stage"),
        (&["tcp_rr", "--profile", "1s@5", "-t", "9s"], "cannot be used with"),
        (&["tcp_rr", "--profile", "1s@5", "--rate", "9"], "cannot be used with"),
        (&["tcp_rr", "--profile", "1s@5", "--count", "9"], "cannot be used with"),
        (&["idle", "--profile", "1s@5"], "--profile does nothing for idle"),
        (&["idle", "--count", "5"], "--count does nothing for idle"),
        (&["tcp_rr", "--count", "0"], "from 1 on"),
    ] {
        let output = bench(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
    }
}
