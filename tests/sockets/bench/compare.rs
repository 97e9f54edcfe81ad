//! Comparing two results: what is said about them, and when that fails.

use std::time::Duration;

use serde_json::{Value, json};

use super::run::{assert_valid, bench, measured};
use super::scripted::{echo, tcp};
use crate::support::Folder;

/// What a run would have left with `--repeat`: these rates, these p99, and nothing else changed.
fn repeated(run: &Value, rates: &[f64], p99: &[f64]) -> Value {
    let mut run = run.clone();
    run["repeats"] = json!({
        "rate_per_s": rates, "p99_us": p99, "rate_half_width": null, "converged": true
    });
    assert_valid(&run);
    run
}

fn compared(words: &[&str]) -> (Option<i32>, String, String) {
    let output = bench(&[&["compare"], words].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (table, said) = (text(output.stdout), text(output.stderr));
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    (output.status.code(), table, said)
}

/// The line of that figure.
fn row<'a>(table: &'a str, name: &str) -> &'a str {
    table.lines().find(|line| line.trim().starts_with(name)).unwrap_or_else(|| panic!("{table}"))
}

#[test]
fn one_run_each_is_compared_by_ratios_alone_and_that_is_said() {
    let folder = Folder::new("compare");
    let (_, mut run, _) = measured(&["tcp_rr", "-t", "100ms", "-w", "0"]);
    run["rate_per_s"] = json!(1000.0);
    run["latency_us"]["p99"] = json!(100.0);
    let before = folder.write("a.json", &run);
    run["rate_per_s"] = json!(990.0);
    run["latency_us"]["p99"] = json!(125.0);
    run["depth"] = json!(2);
    let after = folder.write("b.json", &run);

    let (status, table, _) = compared(&[&before, &after]);
    assert_eq!(status, Some(0), "{table}");
    assert!(row(&table, "rate").ends_with("0.990  too few to tell"), "{table}");
    assert!(row(&table, "p99 ").ends_with("1.250  too few to tell"), "{table}");
    assert!(table.contains("one run each: too few to tell; measure both with"), "{table}");
    assert!(table.contains("not the same: depth 1 in A, 2 in B"), "{table}");

    let (status, _, said) = compared(&[&before, &after, "--fail-over", "p99=10%"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("p99: 25.0 % worse, 10.0 % are allowed (by the ratio alone"), "{said}");
    let (status, table, _) = compared(&[&before, &after, "--fail-over", "p99=30%"]);
    assert_eq!(status, Some(0));
    assert!(table.contains("--fail-over p99: by the ratio alone (one run each"), "{table}");
}

#[test]
fn enough_runs_are_compared_by_a_test_and_chance_fails_nothing() {
    let folder = Folder::new("tested");
    let (_, run, _) = measured(&["tcp_rr", "-t", "100ms", "-w", "0"]);
    let rates = [1000.0, 1010.0, 990.0, 1005.0, 995.0, 1015.0, 985.0, 1001.0];
    let wild = [100.0, 300.0, 120.0, 250.0, 90.0, 400.0, 110.0, 130.0];
    let before = folder.write("a.json", &repeated(&run, &rates, &wild));
    let slower = rates.map(|rate| 0.9 * rate);
    let wilder = wild.map(|p99| 1.3 * p99);
    let after = folder.write("b.json", &repeated(&run, &slower, &wilder));

    let words = [&before, &after, "--fail-over", "rate=5%", "--fail-over", "p99=10%"];
    let (status, table, said) = compared(&words);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("rate: 10.0 % worse, 5.0 % are allowed\n"), "{said}");
    assert!(!said.contains("p99"), "{said}");
    assert!(row(&table, "rate").ends_with("slower by 9 to 11 %"), "{table}");
    assert!(row(&table, "p99 ").ends_with("too noisy to tell"), "{table}");
    let told = "B is slower by 9 to 11 % (Mann-Whitney, 8 and 8 runs, p = 0.0002)";
    assert!(table.contains(told), "{table}");
    assert!(table.contains("10.0 % are allowed; let pass, may be"), "{table}");

    let (status, table, _) = compared(&[&before, &before, "--fail-over", "rate=0%"]);
    assert_eq!(status, Some(0), "{table}");
    assert!(table.contains("rate: no difference seen (at most 2 % either way)"), "{table}");

    let few = folder.write("c.json", &repeated(&run, &slower[..4], &wilder[..4]));
    let (_, table, _) = compared(&[&before, &few]);
    assert!(table.contains("too few runs to tell (4 of 5 needed)"), "{table}");
}

#[test]
fn two_servers_are_measured_in_turns_and_compared_pair_by_pair() {
    // The second answers later by more than anything else that may happen meanwhile.
    let slow = tcp(|stream| {
        echo(stream, |_, _, _| std::thread::sleep(Duration::from_millis(20)));
    });
    let words = ["tcp_rr", "--vs", &slow, "-c", "1", "-t", "100ms", "-w", "0"];
    let output = bench(&words);
    let shown = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(shown.contains("B is slower"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");

    let (_, results, said) = measured(&words);
    let [a, b] = results.as_array().unwrap().as_slice() else { panic!("{said}") };
    for (result, is_own) in [(a, true), (b, false)] {
        assert_valid(result);
        assert_eq!(result["own_server"], is_own);
        assert_eq!(result["repeats"]["rate_per_s"].as_array().unwrap().len(), 8);
    }
    // Neither has a CPU that the other has not.
    assert_eq!(a["pinning"], b["pinning"]);
    assert!(!shown.contains("pinning"), "{shown}");
    let rate = &b["versus"]["figures"][0];
    assert_eq!((&rate["figure"], &rate["verdict"]), (&json!("rate"), &json!("worse")));
    assert!(b["versus"]["sentence"].as_str().unwrap().starts_with("B is slower"), "{b}");
    assert!(a["versus"].is_null());

    let page = bench(&[&words[..], &["--html", "-"]].concat()).stdout;
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("A against B, tcp_rr") && page.contains("B is slower"), "{page}");
    assert!(page.contains(&slow), "{page}");
}

#[test]
fn a_second_server_that_is_not_there_ends_it_before_the_first_is_called_better() {
    let nobody = std::net::TcpListener::bind("127.77.0.4:0").unwrap().local_addr().unwrap();
    let output = bench(&["tcp_rr", "--vs", &nobody.to_string(), "-t", "100ms", "-w", "0"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("connection refused"), "{said}");
    for words in [&["--vs", "127.0.0.1:9"][..], &["tcp_rr", "--vs", "months://:1"]] {
        let output = bench(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("--vs"), "{words:?}");
    }
}
