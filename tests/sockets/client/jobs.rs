//! The clients among the jobs of a shell: stopped, continued, ended by signals, and the terminal
//! in order all the while.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::terminal::{COOEE, Terminal, is_cooked, open_terminal, spawn_on};
use crate::support::{QUIET, Server};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

#[test]
fn ctrl_z_stops_all_who_are_in_front_and_fg_goes_on() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp").to_string();
    let mut terminal = Terminal::shell();
    terminal.press(format!("clear; sh -c '{COOEE} echo {address}; echo after'\r"));
    terminal.sees(&[">"]);
    for _ in 0..2 {
        terminal.press("x");
        terminal.press(CTRL_Z);
        terminal.sees(&["PROMPT$"]);
        // In the background it stops again, because the terminal is not its own there.
        terminal.press("clear; bg\r");
        terminal.sees(&["PROMPT$"]);
        terminal.press("clear; wait -f; fg\r");
        terminal.sees(&["> x"]);
        terminal.press("\r");
        terminal.sees(&["> x", "x", ">"]);
    }
    terminal.press(CTRL_C);
    terminal.sees(&["> x", "x", "", "PROMPT$"]);
    terminal.press("exit\r");
    terminal.ends(130, &["PROMPT$ exit", "exit"]);
}

#[test]
fn whoever_is_stopped_from_outside_is_in_order_when_it_is_continued() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp").to_string();
    for signal in [Signal::TSTP, Signal::STOP] {
        let mut terminal = Terminal::shell();
        terminal.press(format!("{COOEE} echo {address}\r"));
        terminal.sees(&[">"]);
        terminal.press("half");
        terminal.sees(&["> half"]);
        kill_process(terminal.front(), signal).unwrap();
        terminal.sees(&["PROMPT$"]);
        terminal.press("fg\r");
        terminal.sees(&["> half"]);
        terminal.press("\r");
        terminal.sees(&["> half", "half", ">"]);
        terminal.press("bye\r");
        terminal.sees(&["bye", "PROMPT$"]);
        terminal.press("exit\r");
        terminal.ends(0, &["exit"]);
    }
}

#[test]
fn where_no_shell_could_bring_it_back_ctrl_z_does_nothing() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp").to_string();
    let mut terminal = Terminal::start(&["echo", &address], &[]);
    terminal.sees(&[">"]);
    terminal.press(format!("a{CTRL_Z}b\r"));
    terminal.sees(&["> ab", "ab", ">"]);
    terminal.signal(Signal::TSTP);
    terminal.press("c\r");
    terminal.sees(&["> c", "c", ">"]);
    terminal.press("bye\r");
    terminal.ends(0, &["bye"]);
}

#[test]
fn a_client_dies_of_the_signal_that_ends_it_and_so_does_the_loop_of_a_script() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp").to_string();
    let command = format!("ulimit -c 0; exec {COOEE} echo {address}");
    let all = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];
    for signal in all {
        for kind in ["xterm", "dumb"] {
            let mut terminal = Terminal::run(&["sh", "-c", &command], &[("TERM", kind)]);
            if kind == "xterm" {
                terminal.sees(&[">"]);
            }
            terminal.press("hello\r");
            terminal.sees(if kind == "dumb" { &["hello", "hello"] } else { &["hello", ">"] });
            terminal.signal(signal);
            terminal.dies(signal, &["hello"]);
        }
    }
    let script = format!("for i in 1 2 3; do {COOEE} echo {address}; echo then $i; done");
    let mut terminal = Terminal::run(&["bash", "-c", &script], &[]);
    terminal.sees(&[">"]);
    terminal.press(CTRL_C);
    terminal.dies(Signal::INT, &[]);
}

#[test]
fn a_terminal_that_is_gone_ends_it() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp").to_string();
    let (mut keyboard, line) = open_terminal();
    let mut child = spawn_on(&line, &[COOEE, "echo", &address], &[]);
    let mut seen = Vec::new();
    while !seen.contains(&b'>') {
        let mut piece = [0; 100];
        let count = keyboard.read(&mut piece).unwrap();
        seen.extend_from_slice(&piece[..count]);
    }
    drop(keyboard);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::HUP.as_raw()));
}

#[test]
fn a_terminal_that_takes_nothing_does_not_keep_it_from_a_signal() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for kind in ["xterm", "dumb"] {
        let (_keyboard, line) = open_terminal();
        let mut child = spawn_on(&line, &[COOEE, "chat", &address], &[("TERM", kind)]);
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_write_timeout(Some(QUIET)).unwrap();
        // Until every buffer between here and the screen is full.
        while stream.write_all(&[b'x'; 1000]).and_then(|()| stream.write_all(b"\n")).is_ok() {}
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
        assert!(is_cooked(&line));
    }
}

#[test]
fn an_answer_without_a_newline_does_not_stick_to_what_comes_next() {
    let mut server = Server::start(&["months://:0", "echo+udp://:0"]);
    let (months, echo) = (server.address("months+udp"), server.address("echo+udp"));
    let echo_of = format!("{COOEE} echo --udp {echo}");
    for (command, answer) in [
        (format!("{COOEE} months {months} 2"), "February"),
        (format!("echo 2 | {COOEE} months {months}"), "February"),
        (format!("printf hi | {echo_of}"), "hi"),
        (format!("printf 'hi\n' | {echo_of}"), "hi"),
    ] {
        let script = format!("{command}; printf END");
        Terminal::run(&["sh", "-c", &script], &[]).ends(0, &[answer, "END"]);
    }
}
