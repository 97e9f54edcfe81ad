//! `cooee bench` beside what others, or it itself a moment ago, have left behind: rooms that
//! remember, late datagrams, files, processes.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used)] // whatever fails here is a failed test

mod liars;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use liars::{assert_valid, bench, count, measured, month, tcp, udp};

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
        (one.join().unwrap(), measured(&words))
    });
    for (status, result, said) in [one, other] {
        assert_eq!(status, Some(0), "{said}");
        assert!(result["operations"].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_damaged_line_is_wrong_wherever_it_is_damaged() {
    for at in [8, 20, 40] {
        let server = tcp({
            let members: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
            move |mut stream| {
                let _ = stream.write_all(b"welcome\n");
                members.lock().unwrap().push(stream.try_clone().unwrap());
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
