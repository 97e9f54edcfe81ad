//! The server among the jobs of a shell: stopped, continued, in the background, ended by signals,
//! and the terminal in order all the while.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;

use rustix::process::{Pid, Signal, kill_process};

use super::terminal::{address, serve};
use crate::support::Tcp;
use crate::support::terminal::{COOEE, Terminal, is_cooked, open_terminal, spawn_on};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_U: &str = "\x15";
const CTRL_Z: &str = "\x1a";

/// A server that a shell has started, with half a line typed, and where its talk is.
fn half_a_line() -> (Terminal, SocketAddr) {
    let mut terminal = Terminal::shell();
    terminal.press(format!("{COOEE} serve talk://:0\r"));
    terminal.sees(&["to nobody>"]);
    let talk = address(&mut terminal, "talk+tcp");
    terminal.press("half");
    terminal.sees(&["to nobody> half"]);
    (terminal, talk)
}

/// It has been stopped: the shell has it go on in the background.
fn send_to_background(terminal: &mut Terminal) {
    terminal.sees(&["PROMPT$"]);
    terminal.press("clear; bg\r");
    terminal.sees(&["PROMPT$"]);
}

#[test]
fn every_way_out_leaves_the_terminal_as_it_was() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut terminal = serve(&["talk://:0"]);
        terminal.press("typed");
        terminal.sees(&["to nobody> typed"]);
        terminal.signal(signal);
        terminal.writes("left: connections");
        terminal.ends(0, &[""; 0]);
    }
    for signal in [Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2] {
        let script = format!("ulimit -c 0; exec {COOEE} serve talk://:0");
        let mut terminal = Terminal::run(&["sh", "-c", &script], &[]);
        terminal.sees(&["to nobody>"]);
        terminal.signal(signal);
        terminal.dies(signal, &[""; 0]);
    }
    let mut terminal = serve(&["talk://:0"]);
    terminal.press("typed");
    terminal.press(CTRL_C);
    terminal.ends(0, &[""; 0]);
}

#[test]
fn ctrl_d_ends_the_console_and_nothing_else() {
    let mut terminal = serve(&["talk://:0", "echo+tcp://:0"]);
    let (talk, echo) = (address(&mut terminal, "talk+tcp"), address(&mut terminal, "echo+tcp"));
    let mut client = Tcp::connect(talk);
    client.say("anybody?\n");
    terminal.sees(&["Client says: anybody?", "to #1>"]);
    terminal.press(CTRL_D);
    assert_eq!(client.hear(), "There is nobody at the console.\n");
    assert!(is_cooked(&terminal.line));
    Tcp::connect(echo).echoes("still served");
    terminal.press(CTRL_C);
    terminal.ends(0, &[""; 0]);
}

#[test]
fn a_hangup_that_is_to_be_ignored_is_ignored() {
    let script = format!("trap '' HUP; exec {COOEE} serve talk://:0");
    let mut terminal = Terminal::run(&["sh", "-c", &script], &[]);
    terminal.sees(&["to nobody>"]);
    terminal.signal(Signal::HUP);
    terminal.press("/stats\r");
    terminal.sees(&["to nobody>"]);
    terminal.press("/quit\r");
    terminal.ends(0, &[""; 0]);
}

#[test]
fn ctrl_z_stops_it_and_in_the_background_it_serves_until_fg() {
    let (mut terminal, talk) = half_a_line();
    terminal.press(CTRL_Z);
    send_to_background(&mut terminal);
    let mut client = Tcp::connect(talk);
    client.say("in the background\n");
    terminal.writes("Client says: in the background");
    terminal.press("\rfg\r");
    terminal.sees(&["to nobody> half"]);
    terminal.press(format!("{CTRL_U}/to\r"));
    terminal.sees(&["to #1>"]);
    terminal.press("yes\r");
    assert_eq!(client.hear(), "yes\n");
    client.say("BYE\n");
    terminal.hears("#1 talk closed");
    terminal.press("/quit\r");
    terminal.sees(&["PROMPT$"]);
    terminal.press("clear; exit\r");
    terminal.ends(0, &["exit"]);
}

#[test]
fn whoever_is_stopped_from_outside_is_in_order_when_it_is_continued() {
    for signal in [Signal::TSTP, Signal::STOP] {
        let (mut terminal, talk) = half_a_line();
        kill_process(terminal.front(), signal).unwrap();
        send_to_background(&mut terminal);
        let mut client = Tcp::connect(talk);
        client.say("hello\n");
        terminal.writes("Client says: hello");
        client.say("BYE\n");
        terminal.writes("#1 talk closed");
        terminal.press("\rfg\r");
        terminal.sees(&["to nobody> half"]);
        terminal.press(format!("{CTRL_U}/quit\r"));
        terminal.sees(&["PROMPT$"]);
        terminal.press("clear; exit\r");
        terminal.ends(0, &["exit"]);
    }
}

#[test]
fn one_that_is_started_in_the_background_is_not_stopped_and_has_its_editor_after_fg() {
    let mut terminal = Terminal::shell();
    terminal.press(format!("{COOEE} serve talk://:0 &\r"));
    let talk = address(&mut terminal, "talk+tcp");
    let mut client = Tcp::connect(talk);
    client.say("hello\n");
    terminal.writes("Client says: hello");
    terminal.press("\rfg\r");
    terminal.sees(&["to #1>"]);
    terminal.press("hi\r");
    assert_eq!(client.hear(), "hi\n");
    terminal.press(CTRL_D);
    assert_eq!(client.hear(), "There is nobody at the console.\n");
    terminal.press(CTRL_C);
    terminal.sees(&["PROMPT$"]);
    terminal.press("clear; exit\r");
    terminal.ends(0, &["exit"]);
}

#[test]
fn a_terminal_that_takes_nothing_stops_nobody_and_is_left_in_order() {
    let (mut keyboard, line) = open_terminal();
    let words = [COOEE, "serve", "echo+tcp://:0", "talk://:0", "--drain", "300ms"];
    let mut child = spawn_on(&line, &words, &[]);
    let mut seen = String::new();
    while !seen.contains("to nobody> ") {
        let mut piece = [0; 1000];
        let count = keyboard.read(&mut piece).unwrap();
        seen.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    let address = |what: &str| -> SocketAddr {
        let (_, behind) = seen.split_once(&format!("listening on {what}+tcp://")).unwrap();
        behind.lines().next().unwrap().parse().unwrap()
    };
    let mut neighbour = Tcp::connect(address("echo"));
    let mut talker = Tcp::connect(address("talk"));
    for _ in 0..200 {
        // More than any terminal keeps for a reader who does not come; and somebody types.
        talker.say(format!("{}\n", "x".repeat(1000)));
        keyboard.write_all(b"abc\x7f").unwrap();
        neighbour.echoes("still served");
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended = child.wait().unwrap();
    assert_eq!((ended.code(), ended.signal()), (Some(0), None));
    assert!(is_cooked(&line));
}
