//! What `cooee bench` shows while it runs, as a person would see it on a terminal, and that nothing
//! is left of it, whatever ends or stops it.

use std::os::unix::process::ExitStatusExt;

use rustix::process::{Signal, kill_process};

use super::run::bench;
use super::scripted::{echo, tcp};
use crate::support::terminal::{COOEE, Terminal, is_cooked};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";
const BLOCKS: (&str, &str) = ("LC_ALL", "C.UTF-8");
/// The first line of the result of a run that was interrupted, and how one of the last begins of
/// every result.
const PARTIAL: &str = "PARTIAL  interrupted";
const LAST: &str = "  server ";
/// How a frame begins that is drawn at once.
const FRAME: &str = "\x1b[?2026h";

/// A bench that goes on until it is interrupted, behind lines that were there before.
fn endless(environment: &[(&str, &str)]) -> Terminal {
    let script =
        format!("ulimit -c 0; seq 30; exec {COOEE} bench tcp_rr -t 600s -w 0s --connections 1");
    Terminal::run(&["sh", "-c", &script], environment)
}

/// Waits until the screen is so.
fn wait(terminal: &mut Terminal, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
    while !is_so(&terminal.rows()) {
        terminal.look_for(what);
    }
    terminal.rows()
}

/// Where the graph of the rate is, if there is one; the frame begins two rows before.
fn graph_at(rows: &[String]) -> Option<usize> {
    rows.iter().position(|row| row.starts_with("rate ") && row.contains("/s │"))
}

/// Waits for a whole frame with graphs of so many columns, where it is the last on the screen;
/// what is above it.
fn frame(terminal: &mut Terminal, width: usize) -> Vec<String> {
    let rows = wait(terminal, "a frame", |rows| {
        let shown = graph_at(rows).and_then(|at| rows.get(at - 2..)).unwrap_or(&[]);
        let has_figures = shown.get(1).is_some_and(|row| row.contains(" us  p99 "));
        has_figures
            && shown.len() == 9
            && shown[8].ends_with("now")
            && shown[8].chars().count() == 15 + width
    });
    let (above, shown) = rows.split_at(graph_at(&rows).unwrap() - 2);
    assert!(shown[0].starts_with("tcp_rr  ") && shown[0].ends_with("  0 errors"), "{rows:#?}");
    assert!(shown[1].contains("/s  p50 "), "{rows:#?}");
    for (at, start) in [(2, "rate "), (4, "p50  "), (6, "p99  "), (3, "            0 │")] {
        assert!(shown[at].starts_with(start), "{rows:#?}");
    }
    let screen = terminal.screen.screen();
    assert_eq!(usize::from(screen.cursor_position().0), above.len(), "{rows:#?}");
    assert!(!screen.hide_cursor() && !screen.alternate_screen());
    above.to_vec()
}

/// Waits until a line that begins so is, or has been, on the screen; all lines.
fn line(terminal: &mut Terminal, start: &str) -> Vec<String> {
    loop {
        let rows = terminal.all_rows();
        if rows.iter().any(|row| row.starts_with(start)) {
            return rows;
        }
        terminal.look_for(start);
    }
}

/// Whether a result may begin so.
fn is_head(row: &str) -> bool {
    ["PARTIAL  ", "warning  ", "tcp_rr  echo+tcp://"].iter().any(|head| row.starts_with(head))
}

/// Waits for the result, and asserts that it stands where the frame was, and nothing is left of it
/// anywhere; what was there before, and the result.
fn result(terminal: &mut Terminal) -> (Vec<String>, Vec<String>) {
    let mut before = line(terminal, LAST);
    assert!(!before.iter().any(|row| row.contains('│') || row.contains(" left")), "{before:#?}");
    assert!(!terminal.screen.screen().hide_cursor());
    let result = before.split_off(before.iter().position(|row| is_head(row)).unwrap());
    assert!(result.iter().any(|row| row.starts_with("  rate ")), "{result:#?}");
    (before, result)
}

/// The same where it was interrupted.
fn partial(terminal: &mut Terminal) {
    let (before, result) = result(terminal);
    assert_eq!(result[0], PARTIAL, "{before:#?}");
}

#[test]
fn it_is_drawn_below_what_was_there_and_the_result_takes_its_place() {
    let script = format!("seq 30; exec {COOEE} bench tcp_rr -t 1500ms -w 0s --connections 1");
    let mut terminal = Terminal::run(&["sh", "-c", &script], &[BLOCKS]);
    let above = frame(&mut terminal, 60);
    assert_eq!(above.last().unwrap(), "30");
    assert_eq!(above.len(), 24 - 9);
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    let before: Vec<String> = (1..=30).map(|number| number.to_string()).collect();
    assert_eq!(result(&mut terminal).0, before);
}

#[test]
fn where_no_shell_could_bring_it_back_ctrl_z_does_nothing() {
    let mut terminal = endless(&[BLOCKS]);
    frame(&mut terminal, 60);
    terminal.press(CTRL_Z);
    // The terminal's driver shows the key, and forgets what is on its way.
    while !String::from_utf8_lossy(&terminal.raw).contains("^Z") {
        terminal.look_for("^Z");
    }
    let pressed = terminal.raw.len();
    while !String::from_utf8_lossy(&terminal.raw[pressed..]).contains(FRAME) {
        terminal.look_for("another frame");
    }
    frame(&mut terminal, 60);
    terminal.press(CTRL_C);
    partial(&mut terminal);
}

#[test]
fn whatever_signal_ends_it_nothing_is_left_of_it() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut terminal = endless(&[BLOCKS]);
        frame(&mut terminal, 60);
        match signal {
            Signal::INT => terminal.press(CTRL_C),
            signal => terminal.signal(signal),
        }
        assert_eq!(terminal.child.wait().unwrap().signal(), Some(signal.as_raw()));
        partial(&mut terminal);
        assert!(is_cooked(&terminal.line));
    }
}

#[test]
fn an_error_is_told_where_the_frame_was() {
    // At that rate it takes a second until an answer is wrong.
    let server = tcp(|stream| {
        echo(stream, |number, _, bytes| {
            bytes[9] ^= u8::from(number > 100);
        });
    });
    let words = ["bench", "tcp_rr", &server, "-t", "60s", "-w", "0s", "-c", "1", "--rate", "100"];
    let mut terminal = Terminal::start(&words, &[BLOCKS]);
    frame(&mut terminal, 60);
    assert_eq!(terminal.child.wait().unwrap().code(), Some(3));
    let told = line(&mut terminal, "cooee: tcp_rr");
    assert!(is_head(&told[0]), "{told:#?}");
    assert!(!told.iter().any(|row| row.contains('│')), "{told:#?}");
}

#[test]
fn it_follows_the_size_of_the_terminal_down_to_nothing() {
    let mut terminal = endless(&[BLOCKS]);
    frame(&mut terminal, 60);
    terminal.resize(24, 40);
    assert_eq!(frame(&mut terminal, 20).last().unwrap(), "30");
    terminal.resize(24, 200);
    terminal.resize(24, 80);
    assert_eq!(frame(&mut terminal, 60).last().unwrap(), "30");
    for (rows, columns) in [(24, 10), (3, 80), (2, 30)] {
        terminal.resize(rows, columns);
        let shown = wait(&mut terminal, "one line", |rows| {
            rows.last().is_some_and(|row| row.starts_with("tcp_rr")) && graph_at(rows).is_none()
        });
        assert!(shown.last().unwrap().chars().count() < columns.into(), "{shown:#?}");
    }
    terminal.resize(1, 1);
    wait(&mut terminal, "nothing", |rows| !rows.iter().any(|row| row.starts_with('t')));
    terminal.resize(24, 80);
    frame(&mut terminal, 60);
    terminal.press(CTRL_C);
    partial(&mut terminal);
}

#[test]
fn a_terminal_of_one_character_gets_nothing_and_the_result() {
    let bench = format!("{COOEE} bench tcp_rr -t 700ms -w 0s -c 1");
    let script = format!("stty rows 1 cols 1; {bench}; stty rows 24 cols 80; echo end");
    let mut terminal = Terminal::run(&["sh", "-c", &script], &[BLOCKS]);
    terminal.sees(&["end"]);
    assert!(is_head(&terminal.all_rows()[0]));
    assert!(!String::from_utf8_lossy(&terminal.raw).contains('\x1b'));
}

#[test]
fn ctrl_z_leaves_the_terminal_to_the_shell_and_fg_draws_it_again() {
    let mut terminal = Terminal::shell();
    let bench = format!("{COOEE} bench tcp_rr -t 600s -w 0s -c 1");
    terminal.press(format!("export LC_ALL=C.UTF-8; clear; {bench}\r"));
    for _ in 0..2 {
        frame(&mut terminal, 60);
        terminal.press(CTRL_Z);
        terminal.sees(&["PROMPT$"]);
        let rows = terminal.rows();
        assert!(rows.iter().any(|row| row.starts_with("[1]+  Stopped ")), "{rows:#?}");
        assert!(graph_at(&rows).is_none(), "{rows:#?}");
        terminal.press("clear; fg\r");
    }
    frame(&mut terminal, 60);
    // That cannot be seen coming: the shell writes over what is there.
    kill_process(terminal.front(), Signal::STOP).unwrap();
    wait(&mut terminal, "a prompt", |rows| rows.iter().any(|row| row.starts_with("PROMPT$")));
    terminal.press("clear; fg\r");
    frame(&mut terminal, 60);
    terminal.press(CTRL_C);
    partial(&mut terminal);
}

#[test]
fn in_the_background_nothing_is_drawn() {
    let mut terminal = Terminal::shell();
    let bench = format!("{COOEE} bench tcp_rr -t 2s -w 0s -c 1");
    terminal.press(format!("export LC_ALL=C.UTF-8; clear; {bench}\r"));
    frame(&mut terminal, 60);
    terminal.press(CTRL_Z);
    terminal.sees(&["PROMPT$"]);
    let stopped = terminal.raw.len();
    terminal.press("clear; bg; wait -f; echo end\r");
    terminal.sees(&["end", "PROMPT$"]);
    let rows = terminal.all_rows();
    assert!(rows.iter().any(|row| row.starts_with("  rate ")), "{rows:#?}");
    let written = String::from_utf8_lossy(&terminal.raw[stopped..]).into_owned();
    assert!(!written.contains(FRAME), "{written:?}");
}

/// Whether it is a line of `--stat`, of that phase.
fn is_stat(line: &str, phase: &str) -> bool {
    let words: Vec<&str> = line.strip_prefix(phase).unwrap_or("").split("  ").collect();
    let [time, "tcp_rr", rate, p50, p99, "0 errors"] = words[..] else { return false };
    let seconds: Option<f64> = time.strip_suffix(" s").and_then(|number| number.parse().ok());
    let figures = rate.ends_with("/s") && p50.starts_with("p50 ") && p99.starts_with("p99 ");
    seconds.is_some_and(|seconds| seconds > 0.0) && figures
}

#[test]
fn a_dumb_terminal_gets_a_line_each_second() {
    let words = ["bench", "tcp_rr", "-t", "2s", "-w", "0s", "-c", "1"];
    let mut terminal = Terminal::start(&words, &[BLOCKS, ("TERM", "dumb")]);
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    let rows = line(&mut terminal, LAST);
    assert!(is_stat(&rows[0], ""), "{rows:#?}");
    assert!(!String::from_utf8_lossy(&terminal.raw).contains('\x1b'));
}

#[test]
fn lines_are_told_where_they_are_asked_for_and_nothing_elsewhere() {
    let short = ["tcp_rr", "-t", "1s", "-w", "500ms", "-c", "4", "--threads", "2"];
    let output = bench(&short);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let mut terminal = Terminal::start(&[&["bench", "-q"], &short[..]].concat(), &[BLOCKS]);
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    let rows = line(&mut terminal, LAST);
    assert!(is_head(&rows[0]), "{rows:#?}");
    assert!(!String::from_utf8_lossy(&terminal.raw).contains('\x1b'));
    let output = bench(&[&short[..], &["--stat", "250ms", "--json", "-"]].concat());
    let told = String::from_utf8(output.stderr).unwrap();
    // On a busy machine the rest takes long enough to be told, too.
    let lines = told.lines().filter(|line| {
        !["connecting ", "last answers "].iter().any(|phase| line.starts_with(phase))
    });
    let (warm, measured): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| line.starts_with("warm-up "));
    assert!(!warm.is_empty() && warm.iter().all(|line| is_stat(line, "warm-up ")), "{told}");
    assert!(!measured.is_empty() && measured.iter().all(|line| is_stat(line, "")), "{told}");
    assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok());
    // On a terminal, too, and then nothing is drawn.
    let words = [&["bench"], &short[..], &["--stat", "250ms"]].concat();
    let mut terminal = Terminal::start(&words, &[BLOCKS]);
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    let rows = line(&mut terminal, LAST);
    assert!(is_stat(&rows[0], "warm-up "), "{rows:#?}");
    assert!(!String::from_utf8_lossy(&terminal.raw).contains('\x1b'));
}

#[test]
fn without_a_locale_for_blocks_it_is_drawn_in_ascii() {
    let mut terminal = endless(&[("LC_ALL", "C")]);
    let rows = wait(&mut terminal, "a frame", |rows| {
        rows.iter().any(|row| row.starts_with("rate ") && row.ends_with('#') || row.contains("|  "))
    });
    assert!(rows.iter().all(|row| row.is_ascii()), "{rows:#?}");
    terminal.press(CTRL_C);
    assert_eq!(terminal.child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
}
