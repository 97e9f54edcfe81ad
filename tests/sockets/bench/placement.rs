//! What a result says of where it comes from, and that it is true: CPUs, source addresses, the
//! command, the machine.

use super::run::{assert_valid, bench, measured};

const SHORT: [&str; 4] = ["-t", "200ms", "-w", "50ms"];

/// The CPUs that this process, and so the bench, may use.
fn cpus() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let ends = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<usize>().unwrap()..=last.parse().unwrap()
    };
    list.trim().split(',').flat_map(ends).map(|cpu| cpu.to_string()).collect()
}

#[test]
fn server_and_generator_have_cpus_of_their_own_where_there_are_two() {
    let (status, result, said) = measured(&[&["tcp_rr"][..], &SHORT].concat());
    assert_eq!(status, Some(0), "{said}");
    assert_valid(&result);
    let pinning = result["pinning"].as_str().unwrap();
    let warnings = result["warnings"].to_string();
    match cpus().len() {
        1 => assert!(pinning == "off" && warnings.contains("not pinned"), "{result}"),
        _ => {
            let (server, generator) = pinning.split_once(':').unwrap();
            assert_ne!(server, generator);
            let all = cpus();
            assert!([server, generator].iter().all(|cpu| all.iter().any(|one| one == cpu)));
        }
    }
    assert_eq!(result["cpus"], cpus().len());
}

#[test]
fn too_few_cpus_for_all_threads_pin_nothing_and_are_told() {
    let threads = cpus().len().to_string();
    let words = ["tcp_rr", "--threads", &threads, "-c", "64"];
    let output = bench(&[&words[..], &SHORT].concat());
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("not pinned: this takes "), "{shown}");
    assert!(!shown.contains("CPUs: "), "{shown}");
}

#[test]
fn cpus_that_cannot_be_had_are_refused_with_the_reason() {
    let first = &cpus()[0];
    let of_ours = format!("{first}:{first}");
    let two = format!("{first}:{first},{first}");
    for (words, why) in [
        (&["tcp_rr", "--pin", "0:1023"][..], "CPU 1023 is none of those that may be used here"),
        (&["tcp_rr", "--pin", "0"], "write auto, off, or the CPU of the server"),
        (&["tcp_rr", "--pin", &two, "--threads", "1"], "CPUs for 2, but --threads is 1"),
        (&["tcp_rr", "127.0.0.1:9", "--pin", &of_ours], "the server is not ours to pin: write :"),
        (&["tcp_rr", "--pin", ":0"], "our own server has a CPU too"),
    ] {
        let output = bench(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains("--pin") && said.contains(why), "{words:?}: {said}");
    }
}

#[test]
fn connecting_to_our_own_server_does_not_measure_the_search_for_ports() {
    let (_, result, said) = measured(&[&["tcp_crr"][..], &SHORT].concat());
    assert_valid(&result);
    let many = result["sources"].as_u64().unwrap() > 1000;
    assert!(many || result["closing"] == "rst", "{said}{result}");
    // What the user says is done.
    let (_, result, _) = measured(&[&["tcp_crr", "--close", "fin"][..], &SHORT].concat());
    assert_eq!((&result["sources"], &result["closing"]), (&0.into(), &"fin".into()));
}

#[test]
fn a_result_says_where_it_comes_from() {
    let (_, result, said) = measured(&[&["tcp_rr", "--label", "it's A"][..], &SHORT].concat());
    assert_valid(&result);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(result["host"], host.trim(), "{said}");
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(result["kernel"].as_str().unwrap().ends_with(release.trim()));
    assert_eq!(result["label"], "it's A");
    let command = result["command"].as_str().unwrap();
    assert!(command.ends_with(r"bench tcp_rr --label 'it'\''s A' -t 200ms -w 50ms --json -"));
    assert!(result["date"].as_str().unwrap().ends_with('Z'));
}
