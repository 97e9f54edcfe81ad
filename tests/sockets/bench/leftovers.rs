//! What others, or a bench a moment ago, have left behind, and what it leaves itself: rooms that
//! remember, late datagrams, files, processes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use crate::support::filter::output_within;
use crate::support::served::Served;
use crate::support::{Folder, Member, let_children_heed_signals, loudly};

use super::run::{PATIENCE, assert_valid, bench, command, count, measured};
use super::scripted::{echo, month, tcp, udp};

const SHORT: [&str; 4] = ["-t", "200ms", "-w", "50ms"];

/// A room that remembers everything and tells it to whoever comes.
fn room() -> String {
    let members: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let said: Arc<Mutex<Vec<u8>>> = Arc::default();
    tcp(move |mut stream| {
        {
            let mut members = members.lock().unwrap();
            let _ = stream.write_all(b"welcome\n");
            let _ = stream.write_all(&said.lock().unwrap());
            members.push(stream.try_clone().unwrap());
        }
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(mut line) = line else { return };
            line.push(b'\n');
            let members = members.lock().unwrap();
            said.lock().unwrap().extend_from_slice(&line);
            for mut member in members.iter() {
                let _ = member.write_all(&line);
            }
        }
    })
}

#[test]
fn what_a_room_remembers_of_an_earlier_run_is_no_wrong_line() {
    let room = room();
    let words = [&["chat", &room, "-c", "3"][..], &SHORT].concat();
    for run in 0..2 {
        let (status, result, said) = measured(&words);
        assert_eq!(status, Some(0), "{said}");
        assert_valid(&result);
        assert_eq!(count(&result, "stray") > 0, run > 0, "{}", result["errors"]);
        assert_eq!(count(&result, "total"), 0, "{}", result["errors"]);
    }
    for more in [&["--repeat", "2"][..], &["--ramp", "100..200", "--steps", "2"]] {
        let output = bench(&[&["chat", "-c", "3"], &SHORT[..], more].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{more:?}: {said}");
    }
}

#[test]
fn two_at_the_same_time_in_one_room_leave_each_other_alone() {
    let room = room();
    let words = ["chat", &room, "-c", "4", "-d", "1", "-t", "600ms", "-w", "0"];
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| measured(&words));
        let other = measured(&words);
        (one.join().unwrap(), other)
    });
    for (status, result, said) in [one, other] {
        assert_eq!(status, Some(0), "{said}");
        assert!(result["operations"].as_u64().unwrap() > 0);
    }
}

#[test]
fn in_our_own_chat_each_run_has_a_room_of_its_own() {
    let served = Served::start(&["chat+tcp://127.0.0.1:0"], &["--chat-rate", "off"]);
    let address = served.addresses[0];
    let (mut bystander, _) = Member::join(address);
    for _ in 0..2 {
        let (status, result, said) =
            measured(&[&["chat", &address.to_string(), "-c", "3"][..], &SHORT].concat());
        assert_eq!(status, Some(0), "{said}");
        assert_eq!(count(&result, "stray"), 0, "{}", result["errors"]);
    }
    Member::join(address).0.say("the end");
    // Nothing that was said in their rooms was heard in the lobby.
    let lines: Vec<String> = std::iter::from_fn(|| bystander.line())
        .take_while(|line| !line.ends_with("the end"))
        .collect();
    assert!(lines.iter().any(|line| line.ends_with("joined")), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("~cooee~")), "{lines:?}");
}

#[test]
fn a_line_of_somebody_else_that_looks_like_ours_is_passed_over() {
    let room = room();
    let mut stranger = TcpStream::connect(&room).unwrap();
    stranger.write_all(b"~cooee~ is what they all say\n~cooee~\n").unwrap();
    // The room has heard them once it has told the speaker.
    let heard = BufReader::new(stranger).lines().map(Result::unwrap);
    assert_eq!(heard.take(3).last().unwrap(), "~cooee~");
    let (status, result, said) = measured(&[&["chat", &room, "-c", "3"][..], &SHORT].concat());
    assert_eq!(status, Some(0), "{said}");
    assert!(count(&result, "stray") >= 4, "{}", result["errors"]);
}

#[test]
fn a_damaged_line_is_wrong_wherever_it_is_damaged() {
    for at in [8, 20, 40] {
        let server = tcp({
            let members: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
            move |mut stream| {
                members.lock().unwrap().push(stream.try_clone().unwrap());
                let _ = stream.write_all(b"welcome\n");
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    let mut line = [&line[..], b"\n"].concat();
                    line[at] ^= 1;
                    for mut member in members.lock().unwrap().iter() {
                        let _ = member.write_all(&line);
                    }
                }
            }
        });
        let (status, _, said) = measured(&[&["chat", &server, "-c", "3"][..], &SHORT].concat());
        assert_eq!(status, Some(3), "{at}: {said}");
        assert!(said.contains("had to hear line 0, heard"), "{at}: {said}");
    }
}

#[test]
fn an_answer_to_an_earlier_run_is_passed_over() {
    // What a run has asked is answered to the next one.
    let earlier: Arc<Mutex<Vec<u8>>> = Arc::default();
    let server = udp(move |socket, from, bytes| {
        let mut earlier = earlier.lock().unwrap();
        if earlier.get(..4).is_some_and(|run| run != &bytes[..4]) {
            socket.send_to(&earlier, from).unwrap();
        }
        *earlier = bytes.to_vec();
        socket.send_to(bytes, from).unwrap();
    });
    for (size, strays) in [("64", 0), ("64", 1), ("100", 1)] {
        let words = ["udp_rr", &server, "-c", "1", "--size", size];
        let (status, result, said) = measured(&[&words[..], &SHORT].concat());
        assert_eq!(status, Some(0), "{said}");
        assert_valid(&result);
        assert_eq!(count(&result, "stray"), strays, "{}", result["errors"]);
    }
}

#[test]
fn a_month_that_nobody_asked_for_is_wrong_only_in_the_place_of_the_right_one() {
    for (is_right, status) in [(true, 0), (false, 3)] {
        let mut first = true;
        let server = udp(move |socket, from, bytes| {
            if std::mem::take(&mut first) {
                socket.send_to(b"December", from).unwrap();
                if !is_right {
                    return;
                }
            }
            socket.send_to(month(bytes), from).unwrap();
        });
        let words = ["months", &server, "-c", "1", "--timeout", "300ms", "-t", "800ms", "-w", "0"];
        let (found, result, said) = measured(&words);
        assert_eq!(found, Some(status), "{said}");
        assert_eq!(count(&result, "stray"), 1, "{}", result["errors"]);
        assert_eq!(said.contains("got \"December\""), !is_right, "{said}");
    }
}

/// Whether all processes end whose standard error this is.
fn all_have_ended(errors: impl Read + Send + 'static) -> bool {
    let (sender, receiver) = channel();
    let mut errors = errors;
    std::thread::spawn(move || sender.send(errors.read_to_end(&mut Vec::new())));
    receiver.recv_timeout(PATIENCE).is_ok()
}

#[test]
fn our_own_server_does_not_outlive_the_bench_however_that_ends() {
    let_children_heed_signals();
    for signal in [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::ABORT] {
        let mut child = command(&["tcp_rr", "-c", "1", "-t", "10m"]).spawn().unwrap();
        // Our own server may not be there yet, or may just be starting; it must go in any case.
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        let errors = child.stderr.take().unwrap();
        child.wait().unwrap();
        assert!(all_have_ended(errors), "{signal:?}");
    }
}

#[test]
fn a_server_that_is_killed_with_its_bench_in_the_midst_of_it_leaves_as_well() {
    let folder = Folder::new("orphan");
    let json = folder.0.join("x.json");
    let words = ["idle", "-c", "1", "-t", "10m", "--json", json.to_str().unwrap()];
    let mut child = command(&words).spawn().unwrap();
    // The file is there before our own server is.
    while !json.exists() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    let errors = child.stderr.take().unwrap();
    child.wait().unwrap();
    assert!(all_have_ended(errors));
}

#[test]
fn no_folder_for_temporary_files_is_needed() {
    let mut command = command(&[&["tcp_rr", "-c", "1"][..], &SHORT].concat());
    let child = command.env("TMPDIR", "/nonexistent").spawn().unwrap();
    let output = output_within(PATIENCE, child).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_measured() {
    let folder = Folder::new("outputs");
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    std::fs::write(folder.0.join("old"), "old").unwrap();
    let (old, new, missing) = (path("old"), path("new"), path("missing/x"));
    let here = folder.0.to_str().unwrap();
    for (words, status, told) in [
        (["--json", &missing, "--html", &old], 1, format!("--json {missing}: No such file")),
        (["--json", &old, "--html", &missing], 1, format!("--html {missing}: No such file")),
        (["--json", &new, "--html", here], 1, format!("--html {here}: Is a directory")),
        (["--json", &old, "--html", &old], 2, "name the same file".into()),
    ] {
        let output = bench(&[&["tcp_rr", "-t", "10m"][..], &words].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
        assert!(said.contains(&told), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(std::fs::read(&old).unwrap(), b"old", "{words:?}");
        assert!(!std::path::Path::new(&new).exists(), "{words:?}");
    }
    std::os::unix::fs::symlink(&new, folder.0.join("link")).unwrap();
    bench(&["tcp_rr", "-t", "10m", "--json", &path("link"), "--html", &missing]);
    assert!(folder.0.join("link").is_symlink(), "what the user has put there stays");
}

#[test]
fn a_disk_that_is_full_costs_nothing_but_what_was_to_go_there() {
    if !std::path::Path::new("/dev/full").exists() {
        return loudly("NOT TESTED: there is no /dev/full");
    }
    let folder = Folder::new("full");
    let page = folder.write("page.html", &serde_json::json!("x".repeat(1_000_000)));
    let words = ["tcp_rr", "-c", "1", "--json", "/dev/full", "--html", &page];
    let output = bench(&[&words[..], &SHORT].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("cooee: --json /dev/full: No space left"), "{said}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("latency in us"));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "the whole page");
}

#[test]
fn a_result_that_goes_where_the_table_goes_does_not_take_its_place() {
    let folder = Folder::new("stdout");
    let path = folder.0.join("both");
    for name in ["/dev/stdout", path.to_str().unwrap()] {
        let words = [&["tcp_rr", "-c", "1", "--json", name], &SHORT[..]].concat();
        let file = std::fs::File::create(&path).unwrap();
        let status = command(&words).stdout(file).status().unwrap();
        assert_eq!(status.code(), Some(0), "{name}");
        let text = std::fs::read_to_string(&path).unwrap();
        let (table, result) = text.split_once("\n{").unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(table.contains("latency in us"), "{name}: {text}");
        assert_valid(&serde_json::from_str(&format!("{{{result}")).unwrap());
    }
}

#[test]
fn all_addresses_of_a_name_are_called_and_the_one_that_answers_is_told() {
    let server = tcp(|stream| echo(stream, |_, _, _| {}));
    let datagrams = udp(|socket, from, bytes| drop(socket.send_to(bytes, from)));
    for (workload, server) in [("tcp_rr", server), ("udp_rr", datagrams)] {
        let (_, port) = server.rsplit_once(':').unwrap();
        // On most machines it is ::1 first, where nobody listens.
        let name = format!("localhost:{port}");
        let (status, result, said) = measured(&[&[workload, &name][..], &SHORT].concat());
        assert_eq!(status, Some(0), "{workload}: {said}");
        assert!(result["target"].as_str().unwrap().ends_with(&server), "{}", result["target"]);
    }
}

#[test]
fn two_searches_are_compared_by_what_was_asked_and_not_by_what_was_found() {
    let folder = Folder::new("searches");
    let (_, mut run, _) = measured(&["tcp_rr", "-c", "1", "-t", "100ms", "-w", "0"]);
    run["search"] = serde_json::json!({
        "bound": "p99=1ms", "highest_rate_per_s": 900.0, "probes": []
    });
    run["asked_rate_per_s"] = serde_json::json!(900.0);
    run["rate_per_s"] = serde_json::json!(900.0);
    let before = folder.write("a.json", &run);
    run["asked_rate_per_s"] = serde_json::json!(450.0);
    run["rate_per_s"] = serde_json::json!(450.0);
    let slower = folder.write("b.json", &run);
    run["search"]["highest_rate_per_s"] = serde_json::Value::Null;
    let none = folder.write("c.json", &run);
    for (after, percent) in [(slower, "50.0"), (none, "100.0")] {
        let output = bench(&["compare", &before, &after, "--fail-over", "rate=10%"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(&format!("tcp_rr rate: {percent} % worse")), "{said}");
    }
    let output = bench(&["compare", &before, &before, "--html", &before]);
    assert_eq!(output.status.code(), Some(2), "the page would take the place of a result");
    let nowhere = folder.0.join("missing/x");
    let words = ["compare", &before, &before, "--html", nowhere.to_str().unwrap()];
    let said = String::from_utf8(bench(&words).stderr).unwrap();
    assert!(
        said.ends_with("missing/x: No such file or directory (os error 2); nothing was done\n"),
        "{said}"
    );
    run.as_object_mut().unwrap().remove("search");
    let other = folder.write("d.json", &run);
    let said = String::from_utf8(bench(&["compare", &before, &other]).stderr).unwrap();
    let told = "A has tcp_rr, the highest rate with p99=1ms; B has tcp_rr at 450/s";
    assert!(said.contains(told), "{said}");
}

#[test]
fn what_a_file_says_cannot_drive_the_terminal_that_it_is_compared_on() {
    let folder = Folder::new("visible");
    let (_, mut run, _) = measured(&["tcp_rr", "-c", "1", "-t", "100ms", "-w", "0"]);
    for key in ["workload", "target", "model", "closing", "partial"] {
        run[key] = serde_json::json!("\u{1b}[2J\u{9b}2J\u{202e}\n");
    }
    let before = folder.write("a.json", &run);
    run["closing"] = serde_json::json!("\u{7}");
    let after = folder.write("b.json", &run);
    let output = bench(&["compare", &before, &after]);
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(shown.contains("\\x1b[2J\\x9b2J\\u{202e}\\n"), "{shown}");
    let is_bad = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!shown.contains(is_bad), "{shown:?}");

    std::fs::write(&after, "\u{1b}[2J").unwrap();
    let named = folder.0.join("\u{1b}[2J.json");
    for name in [&after, named.to_str().unwrap(), folder.0.to_str().unwrap(), "/dev/null"] {
        let output = bench(&["compare", &before, name]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn a_rate_that_this_machine_has_no_ports_for_does_not_end_a_search() {
    let words = ["tcp_crr", "-c", "2", "-t", "50ms", "-w", "0", "--rate", "100000000"];
    let search = ["--source", "127.0.0.1", "--find-max", "p50=10s"];
    let (status, result, said) = measured(&[&words[..], &search].concat());
    assert_valid(&result);
    let probes = result["search"]["probes"].as_array().unwrap();
    assert_eq!(probes[0]["held"], false);
    assert!(probes.len() > 1, "{probes:?}");
    let warnings = result["warnings"].to_string();
    assert!(warnings.contains(" a second were not tried: this run needs "), "{warnings}");
    // Whether so few steps find a rate that holds depends on the machine.
    assert!([Some(0), Some(3)].contains(&status), "{said}");
}
