//! Where results go and in which form: files that are tried before, standard output, disks that are
//! full, readers that have gone; and that every form says the same.

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::run::{PATIENCE, assert_valid, bench, command, measured};
use crate::support::Folder;
use crate::support::filter::output_within;
use crate::support::loudly;

const SHORT: [&str; 6] = ["-c", "2", "-t", "100ms", "-w", "0"];
/// The flags of all forms, and how what is written begins.
const FORMS: [(&str, &str); 4] = [
    ("--json", "{\n  \"workload\": \"tcp_crr\""),
    ("--html", "<!doctype html>"),
    ("--markdown", "## cooee bench: tcp_crr"),
    ("--csv", "kind,run,workload,"),
];

fn short<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &SHORT].concat()
}

#[test]
fn every_form_goes_to_its_file_and_the_table_is_shown() {
    let folder = Folder::new("forms");
    let paths = FORMS.map(|(flag, _)| folder.0.join(&flag[2..]).to_str().unwrap().to_owned());
    let flags = FORMS.iter().zip(&paths).flat_map(|((flag, _), path)| [*flag, path.as_str()]);
    let flags: Vec<&str> = flags.collect();
    std::fs::write(&paths[0], "x".repeat(1_000_000)).unwrap();
    let output = bench(&short(&[&["tcp_crr"], &flags[..]].concat()));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("latency in us"));
    for ((flag, begin), path) in FORMS.iter().zip(&paths) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with(begin), "{flag}: {text}");
    }
    assert_valid(&serde_json::from_str(&std::fs::read_to_string(&paths[0]).unwrap()).unwrap());
}

#[test]
fn each_form_can_take_the_place_of_the_table_and_only_one_of_them() {
    for (flag, begin) in FORMS {
        let output = bench(&short(&["tcp_crr", flag, "-"]));
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{flag}");
        assert!(text.starts_with(begin), "{flag}: {text}");
        assert!(!text.contains("  latency in us"), "{flag}: {text}");
        for (other, _) in FORMS.iter().filter(|(other, _)| *other != flag) {
            let output = bench(&["tcp_rr", "-t", "10m", flag, "-", other, "-"]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{flag} {other}: {said}");
            assert!(said.contains("both go to standard output"), "{said}");
            assert!(said.contains(flag) && said.contains(other), "{said}");
            assert!(output.stdout.is_empty());
        }
    }
}

#[test]
fn two_forms_never_write_over_each_other_whatever_the_file_is_called() {
    let folder = Folder::new("same");
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    let (file, link, hard) = (path("file"), path("link"), path("hard"));
    std::fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    std::fs::hard_link(&file, &hard).unwrap();
    for other in [&file, &link, &hard] {
        let output = bench(&["tcp_rr", "-t", "10m", "--markdown", &file, "--csv", other]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("--markdown and --csv name the same file"), "{said}");
    }
    // Standard output is that file, or a pipe that has another name, too.
    let append = File::options().append(true).open(&file).unwrap();
    for (name, stdout) in [("/dev/stdout", Stdio::piped()), (&file, append.into())] {
        let mut command = command(&["tcp_rr", "-t", "10m", "--json", "-", "--csv", name]);
        let child = command.stdout(stdout).spawn().unwrap();
        let output = output_within(PATIENCE, child).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains("--json and --csv both go to standard output"), "{name}: {said}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
}

#[test]
fn whatever_cannot_be_written_is_told_and_costs_nothing_else() {
    if !std::path::Path::new("/dev/full").exists() {
        return loudly("NOT TESTED: there is no /dev/full");
    }
    let folder = Folder::new("unwritten");
    let kept = folder.0.join("kept").to_str().unwrap().to_owned();
    for (index, (flag, _)) in FORMS.iter().enumerate() {
        let (other, begin) = FORMS[(index + 1) % FORMS.len()];
        let output = bench(&short(&["tcp_crr", flag, "/dev/full", other, &kept]));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{flag}: {said}");
        assert!(said.starts_with(&format!("cooee: {flag} /dev/full: No space left")), "{said}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("latency in us"), "{flag}");
        assert!(std::fs::read_to_string(&kept).unwrap().starts_with(begin), "{flag} {other}");
    }
    // What was to be read by a program is not followed by a table; people find that elsewhere.
    let output = bench(&short(&["tcp_crr", "--json", "-", "--csv", "/dev/full"]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("latency in us") && said.contains("--csv /dev/full: No"), "{said}");
    assert_valid(&serde_json::from_slice(&output.stdout).unwrap());
}

#[test]
fn if_standard_output_fails_the_table_goes_to_standard_error() {
    let to_nobody = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let full = || File::options().write(true).open("/dev/full").map(Stdio::from);
    let mut cases = vec![(vec!["--json", "-"], to_nobody(), "cooee: --json -: Broken pipe")];
    match (full(), full()) {
        (Ok(table), Ok(json)) => {
            cases.push((vec![], table, "cooee: standard output: No space left"));
            cases.push((vec!["--csv", "-"], json, "cooee: --csv -: No space left"));
        }
        _ => loudly("NOT TESTED: there is no /dev/full"),
    }
    for (flags, stdout, told) in cases {
        let words = short(&[&["tcp_rr"], &flags[..]].concat());
        let child = command(&words).stdout(stdout).spawn().unwrap();
        let output = output_within(PATIENCE, child).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{flags:?}: {said}");
        assert!(said.contains("latency in us") && said.contains(told), "{flags:?}: {said}");
    }
    // Of a table a reader may have seen enough.
    let child = command(&short(&["tcp_rr"])).stdout(to_nobody()).spawn().unwrap();
    assert_eq!(output_within(PATIENCE, child).unwrap().status.code(), Some(0));
}

#[test]
fn a_standard_output_that_cannot_be_written_to_is_told_before_anything_is_measured() {
    for (flags, told) in
        [(&[][..], "cooee: standard output"), (&["--json", "-"], "cooee: --json -: ")]
    {
        let mut command = command(&[&["tcp_rr", "-t", "10m"], flags].concat());
        let child = command.stdout(File::open("/dev/null").unwrap()).spawn().unwrap();
        let output = output_within(PATIENCE, child).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(told) && said.contains("is not open for writing"), "{said}");
    }
}

#[test]
fn no_table_is_wider_than_eighty_columns() {
    for words in [
        &["tcp_crr", "--rate", "2000", "--repeat", "3"][..],
        &["tcp_rr", "--find-max", "p90=1s", "--rate", "1000"],
        &["chat", "--rate", "100"],
        &["udp_rr", "--ramp", "1000..2000", "--steps", "2"],
        &["idle"],
    ] {
        let output = bench(&short(words));
        let table = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{words:?}:\n{table}");
    }
}

#[test]
fn a_run_in_which_nothing_worked_is_told_without_figures_in_every_form() {
    // An address that no other test uses, so that nobody takes the port meanwhile.
    let nobody = std::net::TcpListener::bind("127.77.0.3:0").unwrap().local_addr().unwrap();
    let nobody = nobody.to_string();
    let words = ["tcp_rr", &nobody, "-t", "1s"];
    let output = bench(&words);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{table}");
    assert!(table.starts_with(&format!("tcp_rr  echo+tcp://{nobody}\n  FAILED  ")), "{table}");
    assert!(table.contains("connection refused") && table.contains(" refused\n"), "{table}");
    assert!(!table.contains("latency") && !table.contains(" 0.0"), "{table}");

    let (_, result, _) = measured(&words);
    assert_valid(&result);
    for figure in ["min", "mean", "p50", "p90", "p99", "p99_9", "p99_99", "max"] {
        assert_eq!(result["latency_us"].get(figure), Some(&Value::Null), "{figure}");
    }
    assert!(result["elapsed_s"].as_f64().unwrap() > 0.0);
    let folder = Folder::new("nothing");
    let path = folder.write("a.json", &result);
    assert_eq!(bench(&["compare", &path, &path]).status.code(), Some(0), "it can be read again");

    let markdown = bench(&[&words[..], &["--markdown", "-"]].concat()).stdout;
    let markdown = String::from_utf8(markdown).unwrap();
    assert!(markdown.contains("> **tcp_rr: failed:** of the requests not one"), "{markdown}");
    assert!(!markdown.contains("latency"), "{markdown}");
}

#[test]
fn a_reader_of_csv_that_others_have_written_finds_every_repeat_class_and_slice() {
    let folder = Folder::new("csv");
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    let (csv, json) = (path("a.csv"), path("a.json"));
    let words = ["tcp_crr", "--repeat", "2", "--rate", "500", "--csv", &csv, "--json", &json];
    assert_eq!(bench(&short(&words)).status.code(), Some(0));
    let script = "import csv, json, sys\n\
                  rows = list(csv.DictReader(open(sys.argv[1], newline='')))\n\
                  print(json.dumps(rows))\n";
    let found = Command::new("python3").args(["-c", script, &csv]).output();
    let Ok(found) = found.inspect_err(|_| loudly("NOT TESTED: there is no python3")) else {
        return;
    };
    let rows: Vec<Value> = serde_json::from_slice(&found.stdout).unwrap();
    let result: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();

    let columns = rows[0].as_object().unwrap().len();
    for row in &rows {
        let row = row.as_object().unwrap();
        assert!(row.len() == columns && row.values().all(Value::is_string), "{row:?}");
        assert!(row["kind"] == "result" || row["kind"] == "slice");
        assert_eq!(row["target"], result["target"]);
    }
    let of = |class: &str, repeat: &str| {
        let mut found = rows.iter().filter(|row| {
            (&row["kind"], &row["class"], &row["repeat"])
                == (&"result".into(), &class.into(), &repeat.into())
        });
        let row = found.next().unwrap_or_else(|| panic!("no {class} {repeat}"));
        assert!(found.next().is_none(), "two of {class} {repeat}");
        row
    };
    let number = |row: &Value, key: &str| row[key].as_str().unwrap().parse::<f64>().unwrap();
    for class in ["operation", "uncorrected", "connect", "first_byte", "whole"] {
        let sum = number(of(class, "1"), "operations") + number(of(class, "2"), "operations");
        assert_eq!(sum, number(of(class, "all"), "operations"), "{class}");
    }
    let all = of("operation", "all");
    assert_eq!(number(all, "operations"), result["operations"].as_f64().unwrap());
    assert!((number(all, "p50_us") - result["latency_us"]["p50"].as_f64().unwrap()).abs() < 0.001);
    let slices = rows.iter().filter(|row| row["kind"] == "slice").count();
    assert_eq!(slices, result["timeline"].as_array().unwrap().len());
}
