//! The clients on a terminal: a real pseudo-terminal, and an emulator that says what a person
//! would see on it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use support::{PATIENCE, Server, Tcp};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

/// A client on a terminal of 80 columns and 24 rows.
struct Terminal {
    child: Child,
    keyboard: File,
    /// Kept open, so that the terminal outlives the client.
    line: File,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    raw: Vec<u8>,
}

impl Terminal {
    fn start(words: &[&str], environment: &[(&str, &str)]) -> Terminal {
        Terminal::run(&[&[env!("CARGO_BIN_EXE_cooee")], words].concat(), environment)
    }

    /// A terminal with any command on it.
    fn run(command: &[&str], environment: &[(&str, &str)]) -> Terminal {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let line = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&line, size).unwrap();
        // Of a session of its own, so that Ctrl-C there is a signal for it alone (setsid(1)).
        let child = Command::new("setsid")
            .arg("--ctty")
            .args(command)
            .env_remove("RUST_LOG")
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            .envs(environment.iter().copied())
            .stdin(line.try_clone().unwrap())
            .stdout(line.try_clone().unwrap())
            .stderr(line.try_clone().unwrap())
            .spawn()
            .expect("setsid, of util-linux");
        let keyboard = File::from(keyboard);
        let output = pieces_of(keyboard.try_clone().unwrap());
        let screen = vt100::Parser::new(24, 80, 0);
        Terminal { child, keyboard, line, output, screen, raw: Vec::new() }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn rows(&self) -> Vec<String> {
        let rows = self.screen.screen().rows(0, 80).map(|row| row.trim_end().to_owned());
        let mut rows: Vec<String> = rows.collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    /// Waits until the last rows of the screen are these.
    fn sees(&mut self, last: &[&str]) {
        let is_there =
            |rows: &[String]| rows.len() >= last.len() && rows[rows.len() - last.len()..] == *last;
        while !is_there(&self.rows()) {
            let Ok(piece) = self.output.recv_timeout(PATIENCE) else {
                panic!("{last:#?} does not come; the screen is {:#?}", self.rows());
            };
            self.screen.process(&piece);
            self.raw.extend_from_slice(&piece);
        }
    }

    /// Waits for its end, and asserts that the terminal is as it was before.
    fn ends(mut self, status: i32, last: &[&str]) {
        let ended = self.child.wait().unwrap();
        self.sees(last);
        assert_eq!(ended.code(), Some(status), "{:#?}", self.rows());
        assert!(is_cooked(&self.line), "the terminal is left raw");
    }

    /// The same for an end by a signal.
    fn dies(mut self, signal: Signal, last: &[&str]) {
        let ended = self.child.wait().unwrap();
        self.sees(last);
        assert_eq!(ended.signal(), Some(signal.as_raw()), "{ended} {:#?}", self.rows());
        assert!(is_cooked(&self.line), "the terminal is left raw");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn resize(&mut self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        self.screen.screen_mut().set_size(rows.max(1), columns.max(1));
        tcsetwinsize(&self.line, size).unwrap();
    }

    /// Waits for that in the raw output, from what was read so far on.
    fn hears(&mut self, text: &str) {
        let start = self.raw.len();
        while !String::from_utf8_lossy(&self.raw[start..]).contains(text) {
            let Ok(piece) = self.output.recv_timeout(PATIENCE) else {
                panic!("{text:?} does not come; the screen is {:#?}", self.rows());
            };
            self.screen.process(&piece);
            self.raw.extend_from_slice(&piece);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_cooked(line: &File) -> bool {
    tcgetattr(line).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
}

fn pieces_of(mut source: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn address_of(server: &mut Server, what: &str) -> (SocketAddr, String) {
    let address = server.address(what);
    (address, address.to_string())
}

#[test]
fn a_line_is_edited_sent_and_found_again() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address], &[]);
    terminal.sees(&[">"]);
    terminal.press("helo");
    terminal.press(LEFT);
    terminal.press("l");
    terminal.sees(&["> hello"]);
    terminal.press("\r");
    terminal.sees(&["> hello", "hello", ">"]);
    terminal.press(UP);
    terminal.sees(&["> hello"]);
    terminal.press("!\r");
    terminal.sees(&["> hello!", "hello!", ">"]);
    terminal.press("BYE\r");
    terminal.ends(0, &["> BYE", "BYE"]);
}

#[test]
fn what_comes_is_shown_above_the_line_that_is_typed_and_cannot_drive_the_terminal() {
    let mut server = Server::start(&["chat://:0"]);
    let (socket, address) = address_of(&mut server, "chat+tcp");
    let mut terminal = Terminal::start(&["chat", &address, "--nick", "ann"], &[]);
    terminal.sees(&["** You are now ann.", ">"]);
    terminal.press("half a li");
    terminal.sees(&["> half a li"]);
    let mut other = Tcp::connect(socket);
    other.say("/nick bob\nhello \x1b[2J\x1b[31mann\n");
    let shown = "<bob> hello \\x1b[2J\\x1b[31mann";
    terminal.sees(&["* guest1 is now bob", shown, "> half a li"]);
    terminal.press("ne\r");
    terminal.sees(&[shown, "> half a line", ">"]);
    terminal.press("BYE\r");
    terminal.ends(0, &["> BYE", "** Goodbye, ann!"]);
}

#[test]
fn lines_that_are_pasted_while_answers_come_stay_whole_and_in_order() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address], &[]);
    terminal.sees(&[">"]);
    for number in 0..200 {
        terminal.press(&format!("line {number}\r"));
    }
    terminal.press(CTRL_D);
    terminal.sees(&["line 199"]);
    let text = String::from_utf8(terminal.raw.clone()).unwrap();
    let answers = text.split('\n').map(|line| line.rsplit('\r').find(|part| !part.is_empty()));
    let answers: Vec<&str> =
        answers.flatten().map(|line| line.trim_start_matches("\x1b[K")).collect();
    let answers: Vec<&&str> = answers.iter().filter(|line| line.starts_with("line ")).collect();
    let wanted: Vec<String> = (0..200).map(|number| format!("line {number}")).collect();
    assert_eq!(answers, wanted.iter().collect::<Vec<_>>());
    terminal.ends(0, &["line 199"]);
}

#[test]
fn ctrl_c_leaves_at_once_and_ctrl_d_still_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::start(&["talk", &address], &[]);
    let greeting = format!("* you talk to {address}; BYE or Ctrl-D ends it");
    terminal.sees(&[&greeting, ">"]);
    terminal.press("typed");
    terminal.press(CTRL_C);
    terminal.dies(Signal::INT, &[&greeting]);

    let mut terminal = Terminal::start(&["talk", &address], &[]);
    let (_, _) = listener.accept().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    terminal.sees(&[">"]);
    terminal.press(CTRL_D);
    terminal.sees(&["* you have said all; Ctrl-C leaves"]);
    stream.write_all(b"at last").unwrap();
    terminal.sees(&["Server says: at last"]);
    assert!(is_cooked(&terminal.line));
    terminal.press(CTRL_C);
    terminal.dies(Signal::INT, &["Server says: at last", "^C"]);
}

#[test]
fn a_server_that_closes_first_and_a_signal_leave_the_terminal_as_it_was() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::start(&["chat", &address], &[]);
    let (mut stream, _) = listener.accept().unwrap();
    terminal.sees(&[">"]);
    terminal.press("typed");
    terminal.sees(&["> typed"]);
    stream.write_all(b"no newline").unwrap();
    drop(stream);
    terminal.ends(0, &["no newline", "* the server has closed the connection"]);

    let mut terminal = Terminal::start(&["chat", &address], &[]);
    terminal.sees(&[">"]);
    terminal.signal(Signal::TERM);
    terminal.dies(Signal::TERM, &[]);
}

#[test]
fn only_who_speaks_is_coloured_and_not_at_all_with_no_color() {
    let mut server = Server::start(&["chat://:0"]);
    let (socket, address) = address_of(&mut server, "chat+tcp");
    for (environment, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let mut terminal = Terminal::start(&["chat", &address, "--nick", "ann"], environment);
        terminal.sees(&["** You are now ann.", ">"]);
        let mut other = Tcp::connect(socket);
        other.say("/nick bob\nhi\n");
        terminal.sees(&["<bob> hi", ">"]);
        let text = String::from_utf8(terminal.raw.clone()).unwrap();
        assert_eq!(text.contains("m<bob>\x1b[0m hi"), is_coloured, "{text:?}");
        assert_eq!(text.matches("\x1b[0m").count(), usize::from(is_coloured), "{text:?}");
        terminal.press("BYE\r");
        terminal.ends(0, &["** Goodbye, ann!"]);
        other.say("BYE\n");
        assert!(other.hear_all().ends_with(b"Goodbye, bob!\n"));
    }
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address], &[("TERM", "dumb")]);
    terminal.press("hello\r");
    terminal.sees(&["hello", "hello"]);
    terminal.press("bye\r");
    terminal.sees(&["bye", "bye"]);
    assert!(!terminal.raw.contains(&0x1b));
    terminal.ends(0, &["bye", "bye"]);
}

#[test]
fn months_greets_and_asks_until_zero() {
    let mut server = Server::start(&["months://:0"]);
    let (_, address) = address_of(&mut server, "months+udp");
    let mut terminal = Terminal::start(&["months", &address], &[]);
    terminal.sees(&["* 1-12, or 0 to end", ">"]);
    terminal.press("2\r");
    terminal.sees(&["> 2", "February", ">"]);
    terminal.press("0\r");
    terminal.ends(0, &["> 0", "Goodbye!"]);
}

#[test]
fn log_lines_do_not_tear_the_line_that_is_typed() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address, "-v"], &[]);
    terminal.sees(&[">"]);
    terminal.press("hello\r");
    terminal.sees(&["hello", ">"]);
    terminal.press(CTRL_C);
    terminal.sees(&["hello"]);
    let rows = terminal.rows();
    assert!(rows.iter().all(|row| !row.contains("> [")), "{rows:#?}");
    let at = |text: &str| rows.iter().position(|row| row.contains(text)).unwrap();
    assert!(at("> hello") < at("sent 6 bytes") && at("sent 6 bytes") < at("received 6 bytes"));
    terminal.dies(Signal::INT, &["hello"]);
}
