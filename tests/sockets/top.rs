//! `cooee top` as a person would see it on a terminal, and that nothing is left of it, whatever
//! ends or stops it.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Signal, kill_process};

use crate::serve::admin::admin_of;
use crate::support::lines::Lines;
use crate::support::terminal::{COOEE, Terminal, is_cooked};
use crate::support::{PATIENCE, Server, Tcp, cooee, refused};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";
const BLOCKS: (&str, &str) = ("LC_ALL", "C.UTF-8");

/// A server with somebody at it, and where its admin is.
fn served() -> (Server, Tcp, SocketAddr) {
    let mut server = Server::start(&["echo://:0", "--admin", "0"]);
    let mut peer = Tcp::connect(server.address("echo+tcp"));
    peer.echoes("hello");
    let admin = admin_of(&mut server);
    (server, peer, admin)
}

/// Waits until the screen is so. There is always another frame, so there is an end to it.
fn wait(terminal: &mut Terminal, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
    #[allow(clippy::disallowed_methods)] // a deadline of a test
    let begun = Instant::now();
    while !is_so(&terminal.rows()) {
        assert!(begun.elapsed() < PATIENCE, "{what}: {:#?}", terminal.rows());
        terminal.look_for(what);
    }
    terminal.rows()
}

/// Waits for a whole frame of a usual terminal.
fn frame(terminal: &mut Terminal, admin: SocketAddr) -> Vec<String> {
    let head = format!("{admin}  up ");
    let rows = wait(terminal, "a frame", |rows| {
        let has = |start: &str| rows.iter().any(|row| row.starts_with(start));
        let last = rows.last().is_some_and(|row| row == "q leaves");
        last && [&head, "1 of ", "open ", "echo+tcp ", "busiest #1 "].iter().all(|start| has(start))
    });
    assert!(rows.iter().all(|row| row.chars().count() < 80), "{rows:#?}");
    assert!(!terminal.screen.screen().hide_cursor());
    rows
}

/// Asserts that nothing of a frame is left.
fn is_clean(terminal: &mut Terminal) {
    wait(terminal, "a clean screen", |rows| !rows.iter().any(|row| row.contains("q leaves")));
    assert!(is_cooked(&terminal.line), "{:#?}", terminal.rows());
}

#[test]
fn it_shows_what_goes_on_until_q() {
    let (_server, mut peer, admin) = served();
    let mut terminal = Terminal::start(&["top", &admin.to_string()], &[BLOCKS]);
    let rows = frame(&mut terminal, admin);
    assert!(rows.iter().any(|row| row.starts_with("open ") && row.contains('│')), "{rows:#?}");
    peer.echoes(&"x".repeat(2000));
    wait(&mut terminal, "its bytes", |rows| {
        rows.iter().any(|row| row.starts_with("echo+tcp ") && row.contains("2.0 KiB"))
    });
    assert!(!is_cooked(&terminal.line));
    terminal.press("xq");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    is_clean(&mut terminal);
}

#[test]
fn whatever_signal_ends_it_nothing_is_left_of_it() {
    let (_server, _peer, admin) = served();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let script = format!("ulimit -c 0; exec {COOEE} top {admin}");
        let mut terminal = Terminal::run(&["sh", "-c", &script], &[BLOCKS]);
        frame(&mut terminal, admin);
        match signal {
            Signal::INT => terminal.press(CTRL_C),
            signal => terminal.signal(signal),
        }
        assert_eq!(terminal.child.wait().unwrap().signal(), Some(signal.as_raw()));
        is_clean(&mut terminal);
    }
}

#[test]
fn ctrl_z_leaves_the_terminal_to_the_shell_and_fg_draws_it_again() {
    let (_server, _peer, admin) = served();
    let mut terminal = Terminal::shell();
    terminal.press(format!("export LC_ALL=C.UTF-8; clear; {COOEE} top {admin}\r"));
    for _ in 0..2 {
        frame(&mut terminal, admin);
        terminal.press(CTRL_Z);
        terminal.sees(&["PROMPT$"]);
        let rows = terminal.rows();
        assert!(rows.iter().any(|row| row.starts_with("[1]+  Stopped ")), "{rows:#?}");
        assert!(!rows.iter().any(|row| row.contains("q leaves")), "{rows:#?}");
        terminal.press("clear; fg\r");
    }
    frame(&mut terminal, admin);
    // That cannot be seen coming: the shell writes over what is there.
    kill_process(terminal.front(), Signal::STOP).unwrap();
    wait(&mut terminal, "a prompt", |rows| rows.iter().any(|row| row.starts_with("PROMPT$")));
    terminal.press("clear; fg\r");
    frame(&mut terminal, admin);
    terminal.press("q");
    terminal.sees(&["PROMPT$"]);
    terminal.press("echo back\r");
    terminal.sees(&["back", "PROMPT$"]);
}

#[test]
fn it_follows_the_size_of_the_terminal_down_to_nothing() {
    let (_server, _peer, admin) = served();
    let mut terminal = Terminal::start(&["top", &admin.to_string()], &[BLOCKS]);
    frame(&mut terminal, admin);
    terminal.resize(24, 40);
    let rows = wait(&mut terminal, "a narrow frame", |rows| {
        let graph = rows.iter().find(|row| row.starts_with("open ") && row.contains('│'));
        graph.is_some() && rows.iter().all(|row| row.chars().count() < 40)
    });
    assert!(rows.iter().any(|row| row == "q leaves"), "{rows:#?}");
    terminal.resize(3, 80);
    wait(&mut terminal, "two lines", |rows| {
        rows.iter().any(|row| row.starts_with("1 of ")) && !rows.iter().any(|row| row.contains('│'))
    });
    terminal.resize(1, 1);
    wait(&mut terminal, "nothing", |rows| !rows.iter().any(|row| row.starts_with('1')));
    terminal.resize(24, 80);
    frame(&mut terminal, admin);
    terminal.press(CTRL_C);
    assert_eq!(terminal.child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
}

#[test]
fn a_server_that_goes_away_and_comes_back_is_missed_and_found_again() {
    let (server, peer, admin) = served();
    let mut terminal = Terminal::start(&["top", &admin.to_string()], &[BLOCKS]);
    frame(&mut terminal, admin);
    drop((server, peer));
    let is_gone = |rows: &[String]| rows.iter().any(|row| row.contains("  GONE: "));
    let rows = wait(&mut terminal, "that it is gone", is_gone);
    assert!(rows.iter().any(|row| row.starts_with("echo+tcp ")), "{rows:#?}");
    let mut server = Server::start(&["echo+tcp://:0", "--admin", &admin.to_string()]);
    let mut peer = Tcp::connect(server.address("echo+tcp"));
    peer.echoes("hello");
    frame(&mut terminal, admin);
    server.signal(Signal::TERM);
    wait(&mut terminal, "that it leaves or is gone", |rows| {
        rows.iter().any(|row| row.contains("  LEAVING") || row.contains("  GONE: "))
    });
    terminal.press("q");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_terminal_and_on_a_dumb_one_there_is_a_line_each_second() {
    let (_server, _peer, admin) = served();
    let address = format!("http://{admin}/");
    let mut terminal = Terminal::start(&["top", &address], &[("TERM", "dumb")]);
    let start = format!("{admin}  1 of ");
    wait(&mut terminal, "two lines", |rows| {
        rows.iter().filter(|row| row.starts_with(&start)).count() >= 2
    });
    assert!(is_cooked(&terminal.line));
    terminal.press(CTRL_C);
    assert_eq!(terminal.child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
    assert!(!String::from_utf8_lossy(&terminal.raw).contains('\x1b'));
    let mut child = Command::new(COOEE)
        .args(["top", &address])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = Lines::of("top", child.stdout.take().unwrap());
    for _ in 0..2 {
        let line = output.wait_for_line(&start);
        assert!(line.contains(" open  new ") && line.contains("B/s  refused "), "{line}");
    }
    // Whoever has read enough ends it.
    drop(output);
    kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
}

#[test]
fn where_there_is_no_admin_it_says_so_and_what_to_do() {
    let mut server = Server::start(&["greet+tcp://:0"]);
    let greet = server.address("greet+tcp");
    for (address, told) in [
        (greet.to_string(), "speaks no HTTP"),
        ("127.0.0.1:1".into(), "127.0.0.1:1: nothing listens there; is it there, with --admin?"),
        ("no-such-host.invalid:1".into(), "does not resolve"),
    ] {
        let line = refused(1, &["top", &address]);
        assert!(line.contains(told), "{line}");
    }
    let line = refused(2, &["top", "nowhere"]);
    assert!(line.contains("write PORT, HOST:PORT, [IPV6]:PORT or unix:///PATH"), "{line}");
}

#[test]
fn health_says_in_one_line_and_its_status_whether_a_server_is_ready() {
    let (mut server, _peer, admin) = served();
    let to = admin.to_string();
    let said = cooee(&["health", &to], "").fine();
    assert_eq!(said.text(), format!("{admin} is ready\n"));
    let url = format!("http://{admin}/");
    assert_eq!(
        cooee(&["health", "--alive", &url], "").fine().text(),
        format!("{admin} is alive\n")
    );
    // Somebody who has not read yet keeps it from being gone at once.
    server.signal(Signal::TERM);
    server.log.wait_for_line("leaving");
    cooee(&["health", &to], "").failed(&[" is not ready: "]);
    drop(server);
    cooee(&["health", &to], "").failed(&[&to, "nothing listens there; is it running"]);
    assert!(refused(2, &["health", "--timeout", "0"]).contains("--timeout"));
    assert!(refused(2, &["health", "nowhere"]).contains("write PORT, HOST:PORT"));
}

#[test]
fn health_gives_a_server_that_keeps_silent_its_time_and_no_more() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = silent.local_addr().unwrap().to_string();
    cooee(&["health", "--timeout", "200ms", &to], "").failed(&["no answer within 200ms"]);
}
