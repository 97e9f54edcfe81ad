//! Several generators at once: a common start, and their results as one.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::run::{PATIENCE, assert_valid, bench, command, measured};
use super::scripted::{echo, tcp};
use crate::support::Folder;
use crate::support::filter::output_within;

#[allow(clippy::disallowed_methods)] // no argument: what the bench is told is the real time
fn in_seconds(seconds: f64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    (now + Duration::from_secs_f64(seconds)).as_secs_f64().to_string()
}

#[test]
fn generators_that_start_together_are_one_result() {
    let server = tcp(|stream| echo(stream, |_, _, _| {}));
    let folder = Folder::new("together");
    let start = in_seconds(1.5);
    let words = ["tcp_rr", &server, "-c", "2", "-t", "500ms", "-w", "200ms", "--start-at", &start];
    let files = ["a.json", "b.json"].map(|name| folder.0.join(name).to_str().unwrap().to_string());
    let both: Vec<_> = files
        .iter()
        .map(|file| command(&[&words[..], &["--json", file]].concat()).spawn().unwrap())
        .collect();
    let mut operations = 0;
    for (child, file) in both.into_iter().zip(&files) {
        let output = output_within(PATIENCE, child).unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let result: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_valid(&result);
        let late = result["measured_from_s"].as_f64().unwrap() - start.parse::<f64>().unwrap();
        assert!(late.abs() < 0.05, "{late}");
        operations += result["operations"].as_u64().unwrap();
    }

    let (status, merged, said) = measured(&["merge", &files[0], &files[1]]);
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&merged);
    assert_eq!(merged["operations"], operations);
    assert_eq!((&merged["connections"], &merged["merged"]), (&4.into(), &2.into()));

    let table = bench(&["merge", &files[0], &files[1]]);
    let shown = String::from_utf8(table.stdout).unwrap();
    assert!(shown.contains("the sum of 2 generators"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn results_that_do_not_belong_together_are_refused() {
    let folder = Folder::new("apart");
    let (_, run, _) = measured(&["tcp_rr", "-t", "200ms", "-w", "0"]);
    let mut other = run.clone();
    other["measured_from_s"] = (run["measured_from_s"].as_f64().unwrap() + 60.0).into();
    let (a, b) = (folder.write("a.json", &run), folder.write("b.json", &other));
    let output = bench(&["merge", &a, &b]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("had ended: start all with the same --start-at"), "{said}");

    let output = bench(&["merge", &a, &b, "--json", &b]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(bench(&["merge", &a]).status.code(), Some(2));
}

#[test]
fn a_start_that_cannot_be_kept_is_refused() {
    for (moment, why) in [("1000000000", "has passed"), ("soon", "write it like")] {
        let output = bench(&["tcp_rr", "--start-at", moment]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
    let output = bench(&["tcp_rr", "--start-at", &in_seconds(3600.0), "--repeat", "2"]);
    assert_eq!(output.status.code(), Some(2));
}
